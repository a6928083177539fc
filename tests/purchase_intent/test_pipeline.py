"""The pipeline as its owner runs it, from data to the package, and once more to the same bytes."""

import io
import json
from pathlib import Path

import pandas as pd
import pytest

from purchase_intent.networks import NETWORKS
from stemma import metrics
from stemma.tables import profile
from stemma.testing import Project

pytestmark = pytest.mark.pipeline
PROMISED = (
    "data/prepared/train.parquet", "data/prepared/encoder.onnx", "data/prepared/profile.json",
    "models/weights/index.json", "reports/training.json", "reports/predictions.parquet", "reports/report.html",
    "models/export/model.onnx", "models/export/parity.json", "models/package/model.zip",
)  # fmt: skip


def test_every_stage_leaves_what_it_promises(project: Project) -> None:
    assert [name for name in PROMISED if not (project.folder / name).is_file()] == []
    assert json.loads(project.read("models/export/parity.json"))["largest"] <= 1e-4


def test_the_network_knows_more_than_a_guess_and_no_more_than_can_be_known(project: Project) -> None:
    told = json.loads(project.read("reports/evaluation.json"))
    way = {"higher": 1, "lower": -1}[metrics.METRICS[told["main"]].better]
    assert max(way * each["ahead"]["value"] for each in told["baselines"].values()) > 0.1
    best = (told["best_possible"] or {}).get("test")
    assert told["train"] == json.loads(project.read("reports/training.json"))["train"]  # what each null came to
    assert best is None or told["test"][told["main"]]["value"] < best + 0.1


def test_a_second_run_does_nothing(project: Project) -> None:
    assert project.repro() == []
    assert project.ok("git", "status", "--porcelain") == ""


def test_the_package_gives_the_predictions_that_were_judged_without_a_framework(
    project: Project, tmp_path: Path
) -> None:
    about = profile.read(project.folder / "data/prepared")
    test = pd.read_parquet(project.folder / "data/prepared/test.parquet")
    judged = pd.read_parquet(project.folder / "reports/predictions.parquet").rename(columns={"predicted": "prediction"})
    assert judged["row"].tolist() == test[about.row].tolist()
    assert judged["actual"].astype(str).tolist() == test[about.target].astype(str).tolist()
    test[[name for name, _ in about.features]].to_csv(tmp_path / "rows.csv", index=False)
    poison = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'tensorflow', 'keras', 'pandas', 'sklearn', 'dvc')))"
    )
    run = f"{poison}\nimport runpy; runpy.run_module('stemma.bundle', run_name='__main__', alter_sys=True)"
    command = ("python", "-c", run, "predict", str(project.folder / "models/package/model.zip"))
    text = project.ok(*command, str(tmp_path / "rows.csv"))
    given = pd.read_csv(io.StringIO(text), dtype=dict(judged.dtypes))
    pd.testing.assert_frame_equal(given, judged[list(given)], rtol=0, atol=1e-5)


def test_a_forced_run_gives_the_same_bytes_and_another_seed_others(project: Project, tmp_path: Path) -> None:
    """In another folder, with other numbers of threads and another hash seed; what knows no framework, once."""
    again = project.copy(tmp_path / "another folder")
    threads = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "TF_NUM_INTRAOP_THREADS"), "4")
    start = "settings" if f"name: {next(iter(NETWORKS))}\n" in project.read("params.yaml") else "train"
    assert "train" in again.repro("--force", "--downstream", start, PYTHONHASHSEED="1", MKL_NUM_THREADS="3", **threads)
    assert again.run("git", "diff", "--exit-code", "--stat").stdout == ""
    again.ok("stemma", "conf", "sync", "train.seed=1")
    again.repro("train")
    assert "models/weights" in again.ok("git", "diff", "dvc.lock")
