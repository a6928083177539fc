"""What the trackers keep, read by their own readers."""

import struct
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from stemma import layout
from tracked import JUDGED, TOKEN, fitted, judged, packaged, project, whole

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("tracked")]
NAMES = ("tensorboard", "mlflow", "wandb")
KINDS = ("weights/", "gradients/")
CURVES = {"train/loss", "train/learning_rate", "validation/loss", "validation/accuracy"}


@pytest.fixture(scope="module")
def tracked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The folder of a run that all three followed to its end."""
    for name in ("tensorboard", "mlflow", "wandb", "sqlalchemy"):
        pytest.importorskip(name)
    folder = tmp_path_factory.mktemp("tracked")
    with project(folder) as started:
        asked = whole(*NAMES, epochs=3)
        fitted(asked)
        judged(asked)
        packaged(asked)
        for process in started:
            process.wait()
        assert not list(layout.RUNS.glob("*/*.failed"))
        yield folder / layout.RUNS


def test_tensorboards_reader_finds_curves_histograms_settings_and_the_graph(
    tracked: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tensorboard.compat.notf", ModuleType("notf"))  # it would import TensorFlow
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (run,) = (tracked / "tensorboard").iterdir()
    found = EventAccumulator(str(run))
    found.Reload()
    tags = found.Tags()
    assert set(tags["scalars"]) >= CURVES | {"evaluate/validation/accuracy", "curves/roc"}
    assert [each.step for each in found.Scalars("train/loss")] == [1, 2, 3]
    assert [(each.step, each.value) for each in found.Scalars("curves/roc")] == [(0, 0.0), (500, 0.75), (1000, 1.0)]
    kinds = {kind: {name.removeprefix(kind) for name in tags["histograms"] if name.startswith(kind)} for kind in KINDS}
    assert kinds["gradients/"] == kinds["weights/"] != set()
    assert {"_hparams_/session_start_info", "about/commit"} <= set(tags["tensors"])
    nodes = {each.name: each for each in found.Graph().node}
    assert nodes["Month"].op == "input" and nodes["probabilities"].op == "Softmax"
    assert list(nodes["month"].input) == ["Month"]
    code = "import sys, stemma.trackers.tensorboard; assert 'tensorflow' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_mlflows_store_has_one_run_with_all_of_it(tracked: Path) -> None:
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{tracked / 'mlflow.db'}")
    (run,) = client.search_runs([client.get_experiment_by_name("shop").experiment_id])
    assert run.info.status == "FINISHED"
    assert run.data.params["train.epochs"] == "3" and run.data.params["data.url"] == "https://example.org/rows.csv"
    assert {name for name in run.data.metrics if not name.startswith("evaluate/")} == CURVES
    assert run.data.metrics["evaluate/validation/accuracy"] == JUDGED and "evaluate/threshold" in run.data.metrics
    assert [each.step for each in client.get_metric_history(run.info.run_id, "train/loss")] == [1, 2, 3]
    assert {"stemma.commit", "stemma.bundle.object", "stemma.bundle.sha256"} <= set(run.data.tags)
    assert [each.path for each in client.list_artifacts(run.info.run_id, "pictures")] == ["pictures/roc.svg"]


def test_the_files_of_wandb_hold_the_run_for_a_later_sync(tracked: Path) -> None:
    records = [record for file in sorted(tracked.glob("wandb/offline-run-*/*.wandb")) for record in scanned(file)]
    runs = [record.run for record in records if record.WhichOneof("record_type") == "run"]
    assert {run.run_id for run in runs} == {tracked.joinpath("wandb").glob("offline-run-*").__next__().name[28:]}
    assert {run.project for run in runs} == {"shop"}
    steps = [
        {item.nested_key[0] if item.nested_key else item.key for item in record.history.item}
        for record in records
        if record.WhichOneof("record_type") == "history"
    ]
    seen = set().union(*steps)
    assert seen >= CURVES and any("weights/" in name for name in seen)
    summary = {item.nested_key[0] if item.nested_key else item.key for record in records
               for item in record.summary.update}  # fmt: skip
    assert "evaluate/test/accuracy" in summary


def scanned(file: Path) -> Iterator[Any]:
    """The records of a file: messages of wandb in the log of LevelDB, which its Python reads no more."""
    from wandb.proto import wandb_internal_pb2

    data, place, whole = file.read_bytes(), 7, b""
    assert data[:4] == b":W&B"
    while place + 7 <= len(data):
        if (left := 32_768 - place % 32_768) < 7:  # no header goes over the end of a block
            place += left
            continue
        _, length, part = struct.unpack_from("<IHB", data, place)
        whole += data[place + 7 : place + 7 + length]
        place += 7 + length
        if part in (1, 4):  # the whole, or its last part
            yield wandb_internal_pb2.Record.FromString(whole)
            whole = b""


def test_no_file_of_theirs_holds_a_password(tracked: Path) -> None:
    files = [path for path in tracked.rglob("*") if path.is_file()]
    assert len(files) > 8
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []
