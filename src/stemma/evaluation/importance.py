"""What a network goes by: how much worse it is where the values of one column stand in other rows (permutation
importance; Breiman, Random Forests, Machine Learning 45, 2001, section 10). Columns are those of the table, before the
encoder, so what is derived of one moves with it.
"""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from stemma import metrics
from stemma.evaluation.assessment import of_network
from stemma.evaluation.decision import Decision
from stemma.tables import profile
from stemma.tables.arrays import Arrays
from stemma.tables.encode import FILE, Encoder
from stemma.task import Floats

ROWS, REPEATS = 1000, 3
COLUMNS = 50  # of a table with more, none is told: it would cost more than the rest of an evaluation


def of(folder: Path, test: Arrays, chosen: Decision, scores: Callable[[Floats], Floats]) -> dict[str, Any]:
    """The entry `importance` of a record: by column, what the main figure loses; none where it is not defined.

    Args:
        folder: data/prepared as a rule.
        scores: the network's for encoded rows.
    """
    about, encoder = profile.read(folder), Encoder(folder / FILE)
    main = metrics.METRICS[about.task.main]
    kept = np.unique(np.linspace(0, len(test.y) - 1, min(len(test.y), ROWS)).astype(np.int64))
    frame, y = test.frame.iloc[kept].reset_index(drop=True), test.y[kept]

    def measured(rows: pd.DataFrame) -> float:
        network = of_network(about.task, {"test": scores(encoder.encode(rows))}, chosen)
        return float(metrics.figures(network.rows("test", y, 10), of=[main])[main.name])

    names = [name for name, _ in about.inputs]
    if not len(y) or len(names) > COLUMNS or not math.isfinite(whole := measured(frame)):
        return {}
    sign = 1 if main.better == "higher" else -1
    found = {
        name: float(np.mean([whole - measured(_moved(frame, name, [place, draw])) for draw in range(REPEATS)]))
        for place, name in enumerate(names)
    }
    columns = {name: round(sign * value, 6) + 0.0 for name, value in found.items()}  # no -0.0
    return {"importance": {"rows": len(y), "repeats": REPEATS, "columns": columns}}


def _moved(frame: pd.DataFrame, name: str, seed: list[int]) -> pd.DataFrame:
    """With the values of a column in other rows."""
    return frame.assign(**{name: frame[name].array[np.random.default_rng(seed).permutation(len(frame))]})
