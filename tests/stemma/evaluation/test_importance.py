"""What a network goes by."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stemma.evaluation import importance
from stemma.evaluation.decision import Decision
from stemma.evaluation.probe import COLUMNS, Probe
from stemma.tables.arrays import Arrays

ROWS = 1000
FEATURES = (("size", "numeric"), ("kind", "categorical"))


@pytest.fixture
def told(make: Any) -> Any:
    """The importance for a network whose scores are the column `size`; and every frame that it was asked about."""

    def of(task: str, test: Arrays, **changes: Any) -> tuple[dict[str, Any], list[pd.DataFrame]]:
        asked: list[pd.DataFrame] = []

        def encode(frame: pd.DataFrame) -> np.ndarray:
            asked.append(frame)
            return frame["size"].to_numpy(np.float32)[:, None]

        about = replace(make.prepared(task, 600)[1], **{"features": FEATURES} | changes)
        chosen = Decision("fixed", 0.5) if task == "binary" else Decision(None, None)
        return importance.of(Probe(about, encode, lambda x: x, chosen, test.frame, test.y).fewer(ROWS)), asked

    return of


def table(task: str, rows: int = ROWS) -> Arrays:
    generator = np.random.default_rng(0)
    size, kind = generator.normal(size=rows), pd.Categorical(generator.choice(["a", "b"], rows))
    y = size if task == "regression" else (size > 0).astype(np.float32)
    return Arrays(np.empty((rows, 1)), y, pd.DataFrame({"size": size, "kind": kind}))


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_a_column_that_decides_is_found_and_one_that_tells_nothing_is_nought(told: Any, task: str) -> None:
    found, asked = told(task, table(task))
    columns = found["importance"]["columns"]
    assert columns["kind"] == 0 and columns["size"] > 0.4  # of a figure that is better where it is less, too
    assert all(len(rows) == ROWS for rows in asked) and len(asked) == 1 + 2 * importance.REPEATS
    assert found == told(task, table(task))[0] and "-0.0" not in json.dumps(found)


def test_a_derived_column_is_not_asked_about_and_a_wide_table_is_left_out(told: Any) -> None:
    found, _ = told("binary", table("binary"), derive={"kind": "size"})
    assert list(found["importance"]["columns"]) == ["size"]
    wide = tuple((f"c{place}", "numeric") for place in range(COLUMNS + 1))
    assert told("binary", table("binary"), features=wide) == ({}, [])


def test_where_the_figure_is_not_defined_none_is_told(told: Any) -> None:
    one_class = replace(table("binary"), y=np.zeros(ROWS, np.float32))
    assert told("binary", one_class)[0] == {} and told("binary", table("binary", 0))[0] == {}
