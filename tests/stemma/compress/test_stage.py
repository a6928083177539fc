"""The stage as a user runs it: what is judged is served, a change retrains nothing, no framework is needed after it."""

import json
import zipfile

import numpy as np
import pandas as pd
import pytest

from stemma import bundle, conf
from stemma.tables import encode, profile
from worlds import Project

WITHOUT = """import runpy, sys
class Without:
    def find_spec(name, *_):
        if name in ("torch", "tensorflow", "keras"):
            raise ImportError(name)
sys.meta_path.insert(0, Without)
for stage in ("evaluate", "export", "package"):
    sys.argv = ["src/stage.py", stage]
    runpy.run_path("src/stage.py", run_name="__main__")
"""


@pytest.fixture(scope="module")
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A trained project whose method was changed."""
    project = request.getfixturevalue("torch_project").copy(tmp_path_factory.mktemp("compress") / "p")
    project.replace("conf/config.yaml", "  method: none", "  method: int8_static")
    conf.sync(project.folder)
    assert project.repro() == ["settings", "compress", "evaluate", "export", "package"]
    project.commit("int8")
    return project


pytestmark = [pytest.mark.pipeline, pytest.mark.xdist_group("torch")]


def told(project: Project, name: str) -> dict:
    return json.loads(project.read(f"reports/{name}.json"))


def test_the_bundle_gives_the_predictions_that_were_judged(project: Project) -> None:
    about = profile.read(project.folder / "data/prepared")
    test = pd.read_parquet(project.folder / "data/prepared/test.parquet")
    opened = bundle.open_bundle(project.folder / "models/package/model.zip")
    served = opened.run(encode.feeds(test, about.inputs))[:, 1]
    judged = pd.read_parquet(project.folder / "reports/predictions.parquet")["probability_TRUE"].to_numpy()
    assert np.abs(served - judged).max() < 1e-6
    assert told(project, "compression")["apart"]["largest"] > 1e-4  # the framework's network would give others


def test_bytes_figures_and_layers_are_told(project: Project) -> None:
    found = told(project, "compression")
    before, after = found["bytes"]
    assert found["method"] == "int8_static" and after < 0.6 * before
    assert found["rows"] == 240 and found["validation"][0] == pytest.approx(found["validation"][1], abs=0.01)
    with zipfile.ZipFile(project.folder / "models/package/model.zip") as package:
        card, record = package.read("README.md").decode(), json.loads(package.read("version.json"))
    line = f"int8_static, {before:,} -> {after:,} bytes, roc_auc on validation rows "
    assert record["compression"] == found
    assert "Its graph was compressed before it was judged: int8\\_static" in card
    assert line in project.ok("stemma", "bundle", "inspect", "models/package/model.zip")


def test_judging_and_packing_need_no_framework(project: Project) -> None:
    before = project.read("dvc.lock")
    project.ok("python", "-c", WITHOUT)
    assert "up to date" in project.ok("dvc", "status") and project.read("dvc.lock") == before
    assert project.ok("git", "status", "--porcelain") == ""


def test_a_format_of_the_frameworks_network_is_refused_with_the_next_command(project: Project) -> None:
    done = project.run("python", "src/stage.py", "export", "safetensors", "made")
    assert done.returncode == 1 and not (project.folder / "made").exists()
    assert done.stderr == (
        "error: safetensors is made of the framework's network, and compress.method is int8_static, which is judged "
        "and served: choose onnx alone, or `dvc exp run -S compress.method=none`\n"
    )
