"""What a network goes by: how much worse it is where the values of one column stand in other rows (permutation
importance; Breiman, Random Forests, Machine Learning 45, 2001, section 10). Columns are those of the table, before the
encoder, so what is derived of one moves with it.
"""

from typing import Any

import numpy as np
import pandas as pd

from stemma.evaluation.probe import Probe

REPEATS = 3


def of(probe: Probe) -> dict[str, Any]:
    """The entry `importance` of a record: by column, what the main figure loses; none where it is not defined."""
    if not probe.is_telling:
        return {}
    columns = {}
    for place, (name, _) in enumerate(probe.about.inputs):
        moved = {draw: probe.answered(_moved(probe.frame, name, [place, draw])) for draw in range(REPEATS)}
        columns[name] = round(float(np.mean([*probe.lost(moved).values()])), 6) + 0.0  # no -0.0
    return {"importance": {"rows": len(probe.y), "repeats": REPEATS, "columns": columns}}


def _moved(frame: pd.DataFrame, name: str, seed: list[int]) -> pd.DataFrame:
    """With the values of a column in other rows."""
    return frame.assign(**{name: frame[name].array[np.random.default_rng(seed).permutation(len(frame))]})
