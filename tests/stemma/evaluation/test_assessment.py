"""Slices: of which columns, and how truth values are read."""

import numpy as np
import pandas as pd
import pytest

from stemma.evaluation import assessment
from stemma.metrics import resampling
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


def test_the_slices_of_a_column_cost_together_what_all_rows_do(make: type, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resampling, "LARGE", 4)
    monkeypatch.setattr(resampling, "FEWEST", 1)
    asked = []
    draw = resampling.resamples
    monkeypatch.setattr(resampling, "resamples", lambda *given: asked.append(given[:2]) or draw(*given))
    frame = pd.DataFrame({"few": list("aabb"), "many": list("abcd")})
    test = Arrays(np.zeros((4, 1)), np.array([1, 0, 1, 0]), frame)
    model = assessment.Judgement(of("binary", "ab"), {"test": np.full((4, 2), 0.5)}, 0.5)
    columns = {name: assessment.parts(frame[name], False) for name in frame}
    assessment.by_slice(test, model, columns | {"whole": columns["few"] * 4}, make.settings(bootstrap=8))
    assert asked == [(2, 8)] * 2 + [(1, 8)] * 4 + [(2, 2)] * 8
