"""The points of each plot."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from stemma.report import curves
from stemma.task import of


def test_curves_are_short_and_end_where_they_must() -> None:
    generator = np.random.default_rng(0)
    y = generator.integers(0, 2, 5000)
    p = np.clip(y * 0.3 + generator.random(5000) * 0.7, 0, 1)
    task, predictions = of("binary", ("no", "yes")), np.stack([1 - p, p], axis=1)
    tables = curves.tables(task, y, predictions, task.decide(predictions, 0.5), 10)
    roc = tables["roc"]
    assert len(roc) <= curves.POINTS and roc.iloc[0].tolist() == [0, 0] and roc.iloc[-1].tolist() == [1, 1]
    assert len(tables["calibration"]) == 10
    assert len(tables["confusion"]) == 5000 and set(tables["confusion"]["actual"]) == {"no", "yes"}
    assert len(curves.tables(task, y, predictions, None, 10)["confusion"]) == 0


def test_decisions_of_very_many_rows_are_of_some_of_them_evenly_spread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(curves, "DECISIONS", 10)
    y, task = np.repeat([0, 1], [30, 70]), of("binary", ("no", "yes"))
    predictions = np.stack([1.0 - y, y], axis=1)
    table = curves.tables(task, y, predictions, task.decide(predictions, 0.5), 2)["confusion"]
    assert table["actual"].tolist() == table["predicted"].tolist() == ["no"] * 3 + ["yes"] * 7


@pytest.mark.parametrize("task", [of("binary", "ab"), of("multiclass", "abc"), of("regression")], ids=lambda t: t.kind)
def test_every_task_has_every_table_with_the_columns_that_dvc_yaml_names(task: curves.Task) -> None:
    y = np.array([0, 1, 2, 0] if task.kind == "multiclass" else [0, 1, 1, 0], float)
    predictions = np.full((4, task.width), 1 / task.width)
    tables = curves.tables(task, y, predictions, task.decide(predictions, 0.5), 2)
    entries = yaml.safe_load((Path(__file__).parents[3] / "dvc.yaml").read_text(encoding="utf-8"))["plots"]
    for entry in (body for item in entries for body in item.values()):
        for file, column in entry["y"].items():
            if file.startswith("reports/plots/"):
                assert {entry["x"], column} <= set(tables[Path(file).stem].columns), file
