"""Slices: of which columns, and how truth values are read."""

import numpy as np
import pandas as pd

from stemma.evaluation import assessment
from stemma.tables.arrays import Arrays
from stemma.task import of


def test_truth_values_that_are_stored_as_numbers_are_named(make: type) -> None:
    frame = pd.DataFrame({"Weekend": [1.0, 0.0, np.nan, 1.0]})
    test = Arrays(np.zeros((4, 1)), np.array([1, 0, 1, 0]), frame)
    model = assessment.Judgement(of("binary", "ab"), {"test": np.full((4, 2), 0.5)}, 0.5)
    found = assessment.by_slice(
        test, model, {"Weekend": assessment.parts(frame["Weekend"], True)}, make.settings(bootstrap=0)
    )["Weekend"]
    assert [(part["value"], part["rows"]) for part in found] == [("false", 1), ("true", 2), ("(missing)", 1)]
