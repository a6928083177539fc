"""Losses, optimizers and schedules of your own. To add one: a file here, and a line.

`train.loss`, `train.optimizer` and `train.schedule` name it.
"""

from stemma.entries import Entry
from stemma.training.own import Lines

LOSSES: dict[str, Entry] = {}

OPTIMIZERS: dict[str, Entry] = {}

SCHEDULES: dict[str, Entry] = {}

LINES = Lines(LOSSES, OPTIMIZERS, SCHEDULES)
