"""What the network says of every test row: predictions.parquet."""

from pathlib import Path

import pandas as pd

from stemma.evaluation.assessment import Judgement
from stemma.files import replaced
from stemma.tables.arrays import Arrays
from stemma.tables.profile import Profile


def write(file: Path, test: Arrays, about: Profile, network: Judgement) -> None:
    """One row per test row: its number in the source table, what was true, what was predicted."""
    task, predicted = about.task, network.predictions["test"]
    made = {"row": test.frame[about.row].to_numpy()}
    made |= task.columns(test.y, predicted, task.decide(predicted, network.threshold))
    with replaced(file) as partial:
        pd.DataFrame(made).to_parquet(partial, index=False)
