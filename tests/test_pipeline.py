"""The whole pipeline as a user runs it: every task in both frameworks, experiments, DVC's own reports, the bundle.

What the stages leave behind, and that they do it again to the same bytes: tests/purchase_intent/test_pipeline.py.
"""

import contextlib
import json
import os
import re
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

from stemma.repo import trust
from stemma.versions.compress import search
from timing import until
from worlds import Project, fresh_project, stemma

pytestmark = pytest.mark.pipeline

REAL = Path(__file__).resolve().parents[2] / "shared" / "data" / "online_shoppers_intention.csv"


@pytest.fixture(params=["torch", "keras"])
def project(request: pytest.FixtureRequest) -> Project:
    """A trained project; read it, do not change it."""
    return request.getfixturevalue(f"{request.param}_project")


NOT_NEEDED = {
    "settings": "torch pandas pyarrow scipy sklearn matplotlib onnx onnxruntime",
    "export": "torch scipy sklearn matplotlib dvc",
    "package": "torch pandas scipy sklearn matplotlib dvc onnx",
}


def metrics(project: Project) -> dict[str, dict[str, float]]:
    return json.loads(project.read("reports/metrics.json"))


def test_the_bundle_names_versions_but_no_path_of_this_machine(project: Project, tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(project.folder / "models/package/model.zip") as bundle:
        contents = {name: bundle.read(name) for name in bundle.namelist()}
    assert set(contents) >= {
        "model.onnx", "signature.json", "version.json", "requirements.txt", "request.json", "response.json",
        "reference.json", "background.json", "README.md", "manifest.json",
    }  # fmt: skip
    for name, content in contents.items():
        assert str(project.folder).encode() not in content, name
        outside = content.replace(b"src/purchase_intent/sources", b"")
        assert b"site-packages" not in content and b"/src/" not in outside, name


def test_a_stage_imports_no_large_package_that_it_does_not_need(torch_project: Project, tmp_path: Path) -> None:
    project = torch_project.copy(tmp_path / "p")
    for stage, others in NOT_NEEDED.items():
        run = f"import runpy, sys; sys.argv[1:] = [{stage!r}]; runpy.run_path('src/stage.py', run_name='__main__')"
        told = project.ok("python", "-c", f"{run}; print('found', *sys.modules)", STEMMA_COLD="1", PYTHONPATH="src")
        assert set(others.split()) & set(told.rpartition("found ")[2].split()) == set(), stage


def test_dvc_shows_metrics_and_plots(project: Project, tmp_path: Path) -> None:
    shown = json.loads(project.ok("dvc", "metrics", "show", "--json"))
    assert shown[""]["data"]["reports/metrics.json"]["data"]["test"]["roc_auc"] == metrics(project)["test"]["roc_auc"]
    plots = project.run("dvc", "plots", "show", "--json", "-o", str(tmp_path))
    assert plots.returncode == 0 and "failed" not in plots.stderr
    names = set(json.loads(plots.stdout)["data"])
    assert {"Learning curves", "ROC curve", "PR curve", "Calibration", "Confusion matrix"} <= {
        name.split("::")[-1] for name in names
    }


def test_dvc_gets_the_model_by_its_name_and_version(project: Project, tmp_path: Path) -> None:
    tagged = project.copy(tmp_path / "p")
    tagged.ok("git", "tag", "-a", "model@v1.0.0", "-m", "the first")
    target = tmp_path / "model.zip"
    tagged.ok("dvc", "artifacts", "get", str(tagged.folder), "model", "--rev", "v1.0.0", "-o", str(target))
    assert target.read_bytes() == (tagged.folder / "models/package/model.zip").read_bytes()


@pytest.mark.parametrize(
    ("model", "data", "epochs"), [("torch_tabular", "digits", 5), ("keras_tabular", "diabetes", 10)]
)
def test_several_classes_and_regression_reach_the_bundle(model: str, data: str, epochs: int, tmp_path: Path) -> None:
    """The other way round, stamped projects do: tests/template/test_runs.py."""
    chosen = (f"model={model}", f"data={data}", f"train.epochs={epochs}", "evaluate.bootstrap=0", "export.formats=all")
    project = fresh_project(tmp_path / "p", *chosen)
    project.repro()
    figures = metrics(project)["test"]
    assert figures["accuracy"] > 0.9 if data == "digits" else figures["r2"] > 0.3
    assert (project.folder / "models/package/model.zip").is_file()
    proved = json.loads(project.read("models/export/parity.json"))["formats"]
    assert set(proved) == {"safetensors", *(("torch_export",) if data == "digits" else ("tflite", "h5", "keras"))}
    plots = project.run("dvc", "plots", "show", "--json", "-o", str(tmp_path / "plots"))
    assert plots.returncode == 0 and "failed" not in plots.stderr


@pytest.mark.skipif(not REAL.is_file(), reason="shared/data/online_shoppers_intention.csv is not beside this checkout")
@pytest.mark.parametrize("model", ["torch_mlp", "keras_mlp"])
def test_the_real_file_reaches_a_packaged_network_that_beats_logistic_regression(model: str, tmp_path: Path) -> None:
    quick = ("train.epochs=8", "evaluate.bootstrap=0")
    project = fresh_project(tmp_path / "p", f"model={model}", "data=csv", f"data.source={REAL.as_posix()}", *quick)
    project.repro()
    assert metrics(project)["test"]["roc_auc"] > 0.902  # scikit-learn's logistic regression on this split size
    assert (project.folder / "models/package/model.zip").is_file()


def test_experiments_may_change_the_framework_and_queued_grids_run_and_show(
    torch_project: Project, tmp_path: Path
) -> None:
    project = torch_project.copy(tmp_path / "p")
    chosen = ("model=keras_mlp", "model.hidden=[128]", "train.learning_rate=0.05", "train.epochs=2")
    project.ok("dvc", "exp", "run", "-n", "other", *(word for each in chosen for word in ("-S", each)), "evaluate")
    index = json.loads(project.read("models/weights/index.json"))
    assert index["framework"] == "tensorflow" and [128, 1] in [tensor["shape"] for tensor in index["tensors"]]
    diff = json.loads(project.ok("dvc", "metrics", "diff", "--json"))
    assert "test.roc_auc" in diff["reports/metrics.json"]
    project.ok("git", "checkout", "-q", "--", ".")
    project.ok("dvc", "checkout", "--force")
    project.replace("conf/train/default.yaml", "epochs: 6", "epochs: 2")  # no `stemma conf sync`: experiments compose
    project.ok("dvc", "exp", "run", "--queue", "-S", "train.learning_rate=0.01,0.001", "evaluate")
    project.ok("dvc", "queue", "start", "-j", "2")
    _wait_for_experiments(project, 3)
    assert "Running stage 'train'" in project.ok("dvc", "queue", "logs", _queued(project)[-1])
    shown = pd.read_csv(_csv(project, tmp_path))
    rates = shown["train.learning_rate"].dropna().tolist()
    assert {0.01, 0.001} <= set(rates) and shown["train.epochs"].tolist().count(2) >= 3  # `other` and the grid
    assert shown["test.roc_auc"].notna().sum() >= 4  # the commit, `other` and the grid


@pytest.mark.usefixtures("forked")
def test_a_search_makes_the_smallest_within_a_budget_an_experiment_to_apply(
    torch_project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Of a version that is not HEAD; one of its candidates only compresses, the other trains on."""
    project = torch_project.copy(tmp_path / "p")
    monkeypatch.chdir(project.folder)
    monkeypatch.setattr(
        search, "CANDIDATES", {name: search.CANDIDATES[name] for name in ("int8_static", "units_50_int8")}
    )
    monkeypatch.setitem(search.CANDIDATES, "units_50_int8", (search.CANDIDATES["units_50_int8"][0], None))
    base = project.ok("git", "rev-parse", "HEAD").strip()
    project.commit("a page")
    trust.trust(project.folder)
    stemma("compress", base, "--budget", "roc_auc -0.5", "--json")
    found = json.loads(capsys.readouterr().out)
    assert [*found["judged"]] == ["int8_static", "units_50_int8"] and not found["others"]
    assert found["chosen"] == "units_50_int8"
    assert project.ok("git", "status", "--porcelain") == "" and project.run("dvc", "status", "-q").returncode == 0
    project.ok("dvc", "exp", "apply", found["experiment"])
    assert f"init_from: {base}" in project.read("params.yaml") and "method: int8_static" in project.read("params.yaml")
    bundle = project.folder / "models/package/model.zip"
    assert bundle.stat().st_size == found["judged"]["units_50_int8"]["sizes"][1]["bytes"]
    stemma("conf", "adopt")
    assert project.repro() == []


def _queued(project: Project) -> list[str]:
    """Both tasks, when they are done: a worker tidies up after it has left the ref, and has them shown as running."""
    lines: list[str] = []

    def are_done() -> bool:
        lines[:] = project.ok("dvc", "queue", "status").splitlines()[1:3]
        return all(line.endswith("Success") for line in map(str.rstrip, lines))

    until(are_done, 600)
    return [line.split()[0] for line in lines]


def _wait_for_experiments(project: Project, many: int) -> None:
    """By the refs that they leave: a process of DVC each second takes longer than they."""

    def have_ended() -> bool:
        time.sleep(0.5)
        refs = project.ok("git", "for-each-ref", "--format=%(refname)", "refs/exps").splitlines()
        return sum(re.match("refs/exps/[0-9a-f]{2}/", ref) is not None for ref in refs) == many

    until(have_ended, 600)


def _csv(project: Project, folder: Path) -> Path:
    (folder / "shown.csv").write_text(project.ok("dvc", "exp", "show", "--csv"), encoding="utf-8")
    return folder / "shown.csv"


def test_a_queued_experiment_runs_the_code_of_its_own_folder(torch_project: Project, tmp_path: Path) -> None:
    """An editable install points at one src/; `python src/stage.py` must win over it."""
    project = torch_project.copy(tmp_path / "p")
    project.replace("src/stemma/metrics/table.py", '_shares("accuracy",', '_shares("own_accuracy",')
    project.ok("stemma", "lock")
    project.ok("dvc", "exp", "run", "--temp", "-n", "own", "evaluate")
    moved = json.loads(project.ok("dvc", "metrics", "diff", "HEAD", "own", "--json"))
    assert "test.own_accuracy" in moved["reports/metrics.json"]


def test_a_network_starts_from_another_versions_weights_and_frozen_layers_keep_their_files(
    project: Project, tmp_path: Path
) -> None:
    child = project.copy(tmp_path / "p")
    parent = child.ok("git", "rev-parse", "HEAD").strip()
    before = json.loads(child.read("models/weights/index.json"))
    child.ok("stemma", "conf", "sync", f"train.init_from={parent}", "train.freeze=['hidden_1.*']", "train.seed=1")
    told = child.ok("dvc", "repro", "train")
    tensors = {tensor["name"]: tensor["sha256"] for tensor in before["tensors"]}
    assert f"{len(tensors)} of {len(tensors)} tensors start from {parent}" in told
    record = json.loads(child.read("reports/training.json"))
    assert record["init_from"] == {
        "revision": parent, "commit": parent, "taken": sorted(tensors), "drawn": []
    }  # fmt: skip
    after = {t["name"]: t["sha256"] for t in json.loads(child.read("models/weights/index.json"))["tensors"]}
    assert {name for name in tensors if tensors[name] == after[name]} == set(record["frozen"])
    assert all(name.startswith("hidden_1.") for name in record["frozen"]) and len(record["frozen"]) == 2
    child.commit("tuned")
    (newest,) = json.loads(child.ok("stemma", "log", "--json", "-n", "1"))["entries"]
    assert newest["commit"] != parent and parent in json.dumps(newest)
    files = {
        name: (child.folder / name).read_bytes() for name in ("models/weights/index.json", "reports/training.json")
    }
    child.ok("dvc", "repro", "--force", "train")
    assert files == {name: (child.folder / name).read_bytes() for name in files}, "it starts from itself"


def test_a_network_starts_from_a_version_by_its_name_and_from_none_that_moves(
    torch_project: Project, tmp_path: Path
) -> None:
    project = torch_project.copy(tmp_path / "p")
    commit = project.ok("git", "rev-parse", "HEAD").strip()
    moves = project.run("dvc", "exp", "run", "-S", "train.init_from=HEAD")
    assert f"run `dvc exp run -S train.init_from={commit}`" in moves.stderr
    project.ok("git", "checkout", "-q", "--", ".")
    refused = project.run("stemma", "conf", "sync", "train.init_from=nowhere")
    assert refused.returncode == 1 and refused.stderr.startswith("error: no revision is named 'nowhere'")
    project.ok("git", "tag", "-a", "model@v1.0.0", "-m", "first")
    named = "train.init_from=model@v1.0.0"
    assert "Ran experiment" in project.ok("dvc", "exp", "run", "--temp", "-S", named, "train"), "there it has no tags"


@pytest.mark.parametrize("framework", ["torch", "keras"])
def test_the_reference_network_is_as_described(framework: str, torch_project: Project, tmp_path: Path) -> None:
    project = torch_project.copy(tmp_path / "p")
    told = project.ok("dvc", "exp", "run", "-S", f"experiment=reference_{framework}", "train")
    assert "Running stage 'train'" in told and "Running stage 'prepare'" not in told
    index = json.loads(project.read("models/weights/index.json"))
    layers = [(layer["name"], layer["kind"]) for layer in index["architecture"]]
    assert [name for name, _ in layers] == ["hidden_1", "activation_1", "dropout_1", "output", "sigmoid"]
    shapes = {
        tensor["name"].split(".")[0]: set(tensor["shape"]) for tensor in index["tensors"] if len(tensor["shape"]) == 2
    }
    assert 128 in shapes["hidden_1"] and shapes["output"] == {128, 1}
    training = json.loads(project.read("reports/training.json"))
    assert training["epochs_run"] == 10
    assert training["environment"]["python"] == ".".join(map(str, sys.version_info[:2]))
    chosen = {key: training["train"][key] for key in ("batch_size", "optimizer", "learning_rate", "weight_decay")}
    assert chosen == {"batch_size": 32, "optimizer": "adam", "learning_rate": 0.001, "weight_decay": 0.0}


@pytest.mark.skipif(sys.platform == "win32", reason="pseudo-terminals are of POSIX")
def test_training_shows_its_progress_on_a_terminal_and_is_quiet_in_a_pipe(
    torch_project: Project, tmp_path: Path
) -> None:
    import fcntl
    import pty
    import struct
    import termios

    project = torch_project.copy(tmp_path / "p")
    assert project.run("python", "src/stage.py", "train").stderr == ""
    terminal, end = pty.openpty()
    fcntl.ioctl(end, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 110, 0, 0))  # a size, as every terminal has
    process = subprocess.Popen(["python", "src/stage.py", "train"], cwd=project.folder, stderr=end)
    os.close(end)
    shown = b""
    with contextlib.suppress(OSError):  # Linux ends a terminal without a writer by an error
        while part := os.read(terminal, 4096):
            shown += part
    os.close(terminal)
    assert process.wait() == 0
    assert b"6/6" in shown and b"validation=" in shown
