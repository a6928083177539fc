"""What a network goes by."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stemma.evaluation import importance
from stemma.evaluation.assessment import Judgement
from stemma.tables.arrays import Arrays

ROWS = 3000


def judged(make: Any, task: str, **changes: Any) -> tuple[dict[str, Any], list[pd.DataFrame]]:
    """The importance for predictions that follow `size` alone; and every frame that was asked about."""
    _, about, _ = make.prepared(task, 600)
    generator = np.random.default_rng(0)
    frame = pd.DataFrame(
        {"size": generator.normal(size=ROWS), "kind": pd.Categorical(generator.choice(["a", "b"], ROWS))}
    )
    y = frame["size"].to_numpy() if task == "regression" else (frame["size"] > 0).to_numpy(np.float32)
    asked = []

    def predict(rows: pd.DataFrame) -> np.ndarray:
        asked.append(rows)
        score = rows["size"].to_numpy(np.float32)[:, None]
        p = 1 / (1 + np.exp(-score))
        return score if task == "regression" else np.hstack([1 - p, p])

    about = replace(about, features=(("size", "numeric"), ("kind", "categorical")), **changes)
    network = Judgement(about.task, {}, None if task == "regression" else 0.5)
    return importance.of(about, Arrays(np.empty((ROWS, 1)), y, frame), network, predict), asked


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_column_that_decides_is_found_and_one_that_tells_nothing_is_nought(make: Any, task: str) -> None:
    found, asked = judged(make, task)
    columns = found["importance"]["columns"]
    assert columns["kind"] == 0 and columns["size"] > 0.4  # of a figure that is less where it is better, too
    assert all(len(rows) == importance.ROWS for rows in asked) and len(asked) == 1 + 2 * importance.REPEATS
    assert found == judged(make, task)[0] and json.dumps(found)


def test_a_derived_column_is_not_asked_about_and_a_wide_table_is_left_out(make: Any) -> None:
    found, _ = judged(make, "binary", derive={"kind": "size"})
    assert list(found["importance"]["columns"]) == ["size"]
    wide, asked = judged(make, "binary", derive={})
    assert wide and asked
    _, about, _ = make.prepared("binary", 600)
    many = replace(about, features=tuple((f"c{place}", "numeric") for place in range(importance.COLUMNS + 1)))
    test = Arrays(np.empty((2, 1)), np.array([0.0, 1.0]), pd.DataFrame({"x": [1, 2]}))
    assert importance.of(many, test, Judgement(about.task, {}, 0.5), lambda rows: pytest.fail("asked")) == {}


def test_where_the_figure_is_not_defined_none_is_told(make: Any) -> None:
    _, about, _ = make.prepared("binary", 600)
    about = replace(about, features=(("x", "numeric"),))
    network = Judgement(about.task, {}, 0.5)
    one_class = Arrays(np.empty((3, 1)), np.zeros(3, np.float32), pd.DataFrame({"x": [1.0, 2.0, 3.0]}))
    assert importance.of(about, one_class, network, lambda rows: np.full((len(rows), 2), 0.5)) == {}
    none = Arrays(np.empty((0, 1)), np.zeros(0, np.float32), pd.DataFrame({"x": []}))
    assert importance.of(about, none, network, lambda rows: np.full((len(rows), 2), 0.5)) == {}
