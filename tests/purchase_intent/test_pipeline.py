"""The pipeline as its owner runs it, from data to the package, and once more to the same bytes."""

import csv
import json
from pathlib import Path

import pandas as pd
import pytest

from purchase_intent.networks import NETWORKS
from stemma.testing import Project

pytestmark = pytest.mark.pipeline
PROMISED = (
    "data/prepared/train.parquet", "data/prepared/encoder.onnx", "data/prepared/profile.json",
    "models/weights/index.json", "reports/training.json", "reports/predictions.parquet", "reports/plots/roc.csv",
    "models/export/model.onnx", "models/export/parity.json", "models/package/model.zip",
)  # fmt: skip


def test_every_stage_leaves_what_it_promises(project: Project) -> None:
    assert [name for name in PROMISED if not (project.folder / name).is_file()] == []
    assert json.loads(project.read("models/export/parity.json"))["largest"] <= 1e-4
    figures = json.loads(project.read("reports/metrics.json"))["test"]
    assert 0.6 < figures["roc_auc"] < figures["bayes_roc_auc"] + 0.1


def test_a_second_run_does_nothing(project: Project) -> None:
    assert project.repro() == []
    assert project.ok("git", "status", "--porcelain") == ""


def test_the_package_gives_the_predictions_that_were_judged_without_a_framework(
    project: Project, tmp_path: Path
) -> None:
    test = pd.read_parquet(project.folder / "data/prepared/test.parquet")
    judged = pd.read_parquet(project.folder / "reports/predictions.parquet")
    assert judged["row"].tolist() == test["row"].tolist()
    assert judged["actual"].astype(str).tolist() == test["Revenue"].astype(str).tolist()
    test.drop(columns=["row", "Revenue", "Probability"]).to_csv(tmp_path / "rows.csv", index=False)
    poison = (
        "import sys; sys.modules.update(dict.fromkeys(('torch', 'tensorflow', 'keras', 'pandas', 'sklearn', 'dvc')))"
    )
    run = f"{poison}\nimport runpy; runpy.run_module('stemma.bundle', run_name='__main__', alter_sys=True)"
    command = ("python", "-c", run, "predict", str(project.folder / "models/package/model.zip"))
    text = project.ok(*command, str(tmp_path / "rows.csv"))
    given = [float(row["probability_TRUE"]) for row in csv.DictReader(text.splitlines())]
    assert given == pytest.approx(judged["probability_TRUE"].tolist(), abs=1e-5)


def test_a_forced_run_gives_the_same_bytes_and_another_seed_others(project: Project, tmp_path: Path) -> None:
    """In another folder, with other numbers of threads and another hash seed; what knows no framework, once."""
    again = project.copy(tmp_path / "another folder")
    threads = {"OMP_NUM_THREADS": "4", "TF_NUM_INTRAOP_THREADS": "4", "MKL_NUM_THREADS": "3"}
    start = "settings" if f"name: {next(iter(NETWORKS))}\n" in project.read("params.yaml") else "train"
    assert "train" in again.repro("--force", "--downstream", start, PYTHONHASHSEED="1", **threads)
    assert again.run("git", "diff", "--exit-code", "--stat").stdout == ""
    again.ok("stemma", "conf", "sync", "train.seed=1")
    again.repro("train")
    assert "models/weights" in again.ok("git", "diff", "dvc.lock")
