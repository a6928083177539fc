"""The exported graph holds the temperature that evaluate chose; the package the threshold."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from purchase_intent.data import encode, profile
from stemma import bundle, runtime
from worlds import Project

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("torch")]


def logits(project: Project) -> np.ndarray:
    """Of the positive class, (test rows,), by the exported graph."""
    prepared = project.folder / "data/prepared"
    rows = encode.feeds(pd.read_parquet(prepared / "test.parquet"), profile.read(prepared).features)
    graph = (project.folder / "models/export/model.onnx").read_bytes()
    chances = runtime.run(runtime.session(graph), rows).astype(np.float64)
    return np.log(chances[:, 1] / chances[:, 0])


def test_temperature_and_threshold_are_those_of_the_decision(torch_project: Project, tmp_path: Path) -> None:
    project = torch_project.copy(tmp_path / "p")
    before, decided = logits(project), json.loads(project.read("reports/decision.json"))
    decision = project.folder / "reports/decision.json"
    decision.write_text(json.dumps(decided | {"temperature": 2.0, "threshold": 0.25}), encoding="utf-8")
    for stage in ("export", "package"):
        project.ok("python", "src/stage.py", stage)
    np.testing.assert_allclose(logits(project), before * decided["temperature"] / 2, rtol=1e-3, atol=1e-4)
    assert bundle.open_bundle(project.folder / "models/package/model.zip").signature.threshold == 0.25
