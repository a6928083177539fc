"""predictions.parquet, written and read: what a network says of every test row."""

import io
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemma import parquet
from stemma.files import replaced
from stemma.task import Task

if TYPE_CHECKING:
    from stemma.evaluation.assessment import Judgement
    from stemma.tables.arrays import Arrays
    from stemma.tables.profile import Profile

Array = NDArray[Any]
ROW = "row"  # the column of row numbers


def write(file: Path, test: "Arrays", about: "Profile", network: "Judgement") -> None:
    """One row per test row: its number in the source table, what was true, what was predicted."""
    import pandas as pd

    task, predicted = about.task, network.predictions["test"]
    made = {ROW: test.frame[about.row].to_numpy()}
    made |= task.columns(test.y, predicted, task.decide(predicted, network.threshold))
    with replaced(file) as partial:
        pd.DataFrame(made).to_parquet(partial, index=False)


def read(content: bytes, task: Task) -> tuple[Array, Array, Array, Array]:
    """Numbers of the rows, ascending; truth and decisions (rows,), predictions (rows, outputs) in their order.

    Raises:
        KeyError: a column is not there, or a label is none of the classes.
        ValueError: it is no Parquet, or a prediction is no finite number.
    """
    table = parquet.read(io.BytesIO(content))
    columns = {name: table.column(name).to_numpy() for name in table.column_names}
    order = np.argsort(columns[ROW], kind="stable")
    actual, decided, predictions = task.read({name: column[order] for name, column in columns.items()})
    if not np.isfinite(predictions).all():
        raise ValueError("a prediction is no finite number")
    return columns[ROW][order], actual, decided, predictions
