"""The exported graph holds the temperature that evaluate chose, the package the threshold; a fault changes nothing."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from stemma import bundle, runtime
from stemma.tables import encode, profile
from worlds import Project

pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("torch")]


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


def test_beyond_the_tolerance_the_stage_names_format_and_row_and_leaves_the_folder(
    torch_project: Project, tmp_path: Path
) -> None:
    project = torch_project.copy(tmp_path / "p")
    folder = project.folder / "models/export"
    before = {file.name: file.read_bytes() for file in folder.iterdir()}
    project.replace("params.yaml", "\n  tolerance: 0.0001\n", "\n  tolerance: 1.0e-12\n")
    done = project.run("python", "src/stage.py", "export")
    assert done.returncode == 1 and done.stderr.count("\n") == 1
    assert "error: onnx differs from the network by " in done.stderr
    assert "in test row " in done.stderr and "export.tolerance allows 1e-12" in done.stderr
    assert {file.name: file.read_bytes() for file in folder.iterdir()} == before
    assert sorted(path.name for path in folder.parent.iterdir() if path.name.startswith("export")) == ["export"]
