"""Figures of your own: the table METRICS. To add one: a file here that holds a `stemma.metrics.Metric`, and a line."""

from stemma.entries import Entry

METRICS: dict[str, Entry] = {}
