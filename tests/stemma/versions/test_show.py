"""The whole record of a version: every part, and what is missing named and not fatal."""

import json
import math
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import stemma
from stemma.cli.show import sparkline
from stemma.errors import VersionError
from stemma.repo.repository import Repository
from stemma.weights import Layer
from version_worlds import TRAINING, World, new, parts, table

Run = Callable[..., tuple[int, str, str]]


def test_the_head_of_a_record(three_versions: World) -> None:
    found = stemma.show(three_versions.folder, "model#prod")
    assert (found.name, found.commit) == ("model#prod", three_versions.ok("git", "rev-parse", "model@v1.1.0^{commit}"))
    assert (found.names, found.stages) == (("model@v1.1.0",), ("model#prod",))
    assert (found.author, found.subject) == ("A Person", "only a bias moved")
    assert found.date is not None and found.date.isoformat() == "2026-01-01T03:00:00+00:00"
    assert found.missing == ()


def test_the_structure_is_a_table_of_layers(three_versions: World) -> None:
    structure = stemma.show(three_versions.folder, "model@v1.0.0").structure
    assert structure is not None and structure.framework == "torch"
    assert [layer.name for layer in structure.layers][:3] == ["hidden_1", "activation_1", "hidden_2"]
    assert structure.layers[0].tensors == (("weight", (8, 6)), ("bias", (8,)))
    assert [layer.parameters for layer in structure.layers] == [56, 0, 36, 0, 5, 0]
    assert structure.parameters == 97


def test_buffers_and_tied_tensors_are_no_parameters_of_their_own(tmp_path: Path) -> None:
    from stemma import weights

    world = new(tmp_path / "world")
    world.version("first", parts())
    shared = np.ones((4, 3), np.float32)
    tensors = {"a.weight": shared, "b.weight": shared, "norm.mean": np.zeros(4, np.float16)}
    tensors["alone"] = np.ones(2, np.int8)
    layers = [Layer(name, "linear", {}) for name in ("a", "b", "norm")]
    folder = world.folder / "models/weights"
    weights.write(folder, tensors, framework="torch", layers=layers, buffers=["norm.mean"])
    found = stemma.show(world.folder, "workspace")
    assert found.structure is not None and found.weights is not None
    counts = {layer.name: layer.parameters for layer in found.structure.layers}
    assert counts == {"a": 12, "b": 0, "norm": 0, "": 2}
    assert found.structure.parameters == found.weights.parameters == 14
    assert (found.weights.tensors, found.weights.buffers, found.weights.bytes) == (4, 4, 12 * 4 + 4 * 2 + 2)
    assert found.weights.norm == pytest.approx(math.sqrt(12 + 2))


def test_data_with_hash_rows_columns_balance_and_split(three_versions: World) -> None:
    data = stemma.show(three_versions.folder, "model@v1.0.0").data
    assert data is not None
    assert (data.source, data.task, data.target, data.rows) == ("data/raw/visits.csv", "binary", "bought", 400)
    assert data.sha256 is not None and len(data.sha256) == 64 and data.classes == ("no", "yes")
    assert list(data.splits) == ["train", "validation", "test"]
    assert [part["rows"] for part in data.splits.values()] == [240, 80, 80]
    yes = int((table()["bought"] == "yes").sum())
    assert sum(part["balance"]["yes"] for part in data.splits.values()) == yes
    assert {column.name: column.role for column in data.columns}["place"] == "categorical"
    assert data.md5 == Repository(three_versions.folder).version("model@v1.0.0").output("data/prepared").md5


def test_process_with_settings_seed_epochs_and_curves(three_versions: World) -> None:
    process = stemma.show(three_versions.folder, "model@v1.0.0").process
    assert process is not None
    assert (process.seed, process.epochs_run, process.epoch_kept, process.init_from) == (0, 12, 9, None)
    assert process.settings["train"]["learning_rate"] == 1e-3
    assert [curve.name for curve in process.curves] == ["train/loss", "validation/loss"]
    assert process.curves[1].values == (0.9, 0.6, 0.5, 0.45, 0.46)


def test_a_start_from_other_weights_names_their_commit_and_what_was_taken(tmp_path: Path, run: Run) -> None:
    world = new(tmp_path / "world")
    start = {"revision": "model#prod", "commit": "a" * 40, "taken": ["x", "y"], "drawn": ["z"]}
    world.version("tuned", parts(training=TRAINING | {"init_from": start}))
    process = stemma.show(world.folder).process
    assert process is not None and (process.init_commit, process.taken, process.drawn) == ("a" * 40, 2, ("z",))
    assert "weights from model#prod (aaaaaaa), 2 tensors; drawn: z" in " ".join(run(world, "show")[1].split())
    world.version("older", parts(training=TRAINING | {"init_from": {"revision": "v1", "commit": "a" * 40}}))
    assert "weights from v1 (aaaaaaa)\n" in re.sub(" +", " ", run(world, "show")[1]), "which did not tell what it took"
    taught = {"teacher": {"revision": "model@v1.0.0", "commit": "b" * 40}, "cut_from": [96, 96]}
    world.version("taught", parts(training=TRAINING | taught))
    process = stemma.show(world.folder).process
    assert process is not None and (process.teacher, process.teacher_commit) == ("model@v1.0.0", "b" * 40)
    said = " ".join(run(world, "show")[1].split())
    assert "taught by model@v1.0.0 (bbbbbbb)" in said and "units before pruning 96, 96" in said
    world.version("strange", parts(training=TRAINING | {"init_from": "model#prod"}))
    found = stemma.show(world.folder)
    assert found.process is None and any("training.json has another form" in line for line in found.missing)


def test_metrics_have_their_intervals_where_they_were_estimated(three_versions: World) -> None:
    metrics = {(each.split, each.name): each for each in stemma.show(three_versions.folder, "model@v1.0.0").metrics}
    accuracy = metrics["test", "accuracy"]
    assert (accuracy.value, accuracy.low, accuracy.high) == (0.8, 0.78, 0.82)
    assert metrics["validation", "accuracy"].low is metrics["test", "log_loss"].low is None
    assert metrics["", "threshold"].value == 0.5


def test_weights_environment_and_digests(three_versions: World) -> None:
    found = stemma.show(three_versions.folder, "main")
    assert found.weights is not None
    assert found.weights.bytes == 97 * 4 and found.weights.md5 == three_versions.md5("models/weights")
    largest = found.weights.largest[0]
    assert (largest.name, largest.shape, largest.dtype, largest.bytes) == ("hidden_1.weight", (8, 6), "float32", 192)
    assert found.environment is not None and found.environment["platform"] == "Linux x86_64"
    assert {name: kept.path for name, kept in found.outputs.items()} == {
        "export": "models/export",
        "bundle": "models/package/model.zip",
    }
    assert found.outputs["bundle"].md5 == three_versions.md5("models/package/model.zip")
    assert found.outputs["bundle"].bytes == len(b"a bundle")


def test_a_commit_without_a_model_names_everything_that_is_missing(three_versions: World) -> None:
    found = stemma.show(three_versions.folder, "HEAD~5")
    assert found.structure is found.data is found.process is found.weights is None and found.metrics == ()
    assert [line.split(":")[0] for line in found.missing] == [
        "structure and weights", "process", "data", "metrics", "settings", "export", "bundle",
    ]  # fmt: skip
    assert found.missing[0] == "structure and weights: there is no models/weights/index.json"


def test_what_is_out_of_reach_or_damaged_is_named_with_its_remedy_and_the_rest_is_shown(
    three_versions: World, tmp_path: Path, run: Run
) -> None:
    world = three_versions.copy(tmp_path / "world")
    world.empty_cache()
    (world.remote / "files").rename(world.remote / "gone")
    world.write("reports/evaluation.json", '{"weights": "0"}')
    world.commit("weights that no one can look at")
    assert [line for line in stemma.show(world.folder, "HEAD").untrue if "cannot be read" in line] == []
    world.write("reports/evaluation.json", '{"test": 3}')
    world.write("reports/metrics.json", "[1")
    world.commit("damaged")
    found = stemma.show(world.folder, "HEAD")
    assert found.structure is None and found.data is None and found.process is not None
    missing = {line.split(":")[0]: line for line in found.missing}
    assert missing["structure and weights"].endswith(
        "run `stemma push HEAD` where it is, then `stemma verify HEAD --repair`"
    )
    assert "models/weights of HEAD is neither in the cache nor in a remote" in missing["structure and weights"]
    assert "reports/metrics.json of HEAD is damaged" in missing["metrics"]
    assert set(missing) == {"structure and weights", "curves", "data", "metrics"}
    world.write("reports/metrics.json", '{"test": {"accuracy": 1}}')
    world.commit("mended")
    assert "intervals: reports/evaluation.json has another form" in str(stemma.show(world.folder).missing)
    code, out, err = run(world, "show")
    assert (code, err) == (0, "") and "Missing:" in out and "stemma verify HEAD --repair" in out


def test_parts_that_a_version_never_had_are_named_alone(tmp_path: Path) -> None:
    world = new(tmp_path / "world")
    training = {key: value for key, value in TRAINING.items() if key != "environment"}
    world.version("first", parts(evaluation=None, bundle=None, training=training))
    found = stemma.show(world.folder)
    assert found.missing == (
        "environment: reports/training.json does not tell it",
        "intervals: there is no reports/evaluation.json",
        "bundle: there is no models/package/model.zip",
    )


def test_a_training_that_tells_no_settings_is_shown_too(tmp_path: Path, run: Run) -> None:
    world = new(tmp_path / "world")
    world.version("first", parts(training={"format": 1}, curve=()))
    code, out, _ = run(world, "show", "HEAD")
    assert code == 0 and "no settings" in out


def test_the_workspace_has_a_record_too(three_versions: World) -> None:
    here, head = stemma.show(three_versions.folder, "workspace"), stemma.show(three_versions.folder, "main")
    assert (here.commit, here.date, here.missing) == (None, None, ())
    assert (here.structure, here.data, here.process, here.metrics) == (
        head.structure, head.data, head.process, head.metrics,
    )  # fmt: skip
    assert (here.weights, here.outputs) == (head.weights, head.outputs)


def test_the_command_shows_every_part_under_its_heading(three_versions: World, run: Run) -> None:
    code, out, err = run(three_versions, "show", "model#prod")
    assert (code, err) == (0, "")
    headings = ["Structure:", "Data:", "Process:", "Metrics:", "Weights:", "Environment:", "Outputs:"]
    assert [line for line in out.splitlines() if line.endswith(":")] == headings
    words = " ".join(out.split())
    assert "hidden_1 linear weight 8x6, bias 8 in_features=6, out_features=8 56" in words
    assert "test accuracy 0.82 0.7800 to 0.8200" in words
    assert "best epoch 9 of 12 run" in words
    assert "split train validation test rows 240 80 80 no 167 (69.6%)" in words
    assert "platform Linux x86_64" in words


def test_the_command_speaks_json_and_markdown(three_versions: World, run: Run) -> None:
    code, out, _ = run(three_versions, "show", "--json")
    content = json.loads(out)
    assert code == 0 and content["structure"]["parameters"] == 97 and content["data"]["rows"] == 500
    code, out, _ = run(three_versions, "show", "main", "--md")
    assert code == 0 and "## Structure" in out and "| hidden_1 | linear |" in out
    assert "| split | train | validation | test |" in out  # a line for each class, of which there may be many


def test_errors_usage_and_help(three_versions: World, run: Run) -> None:
    code, out, err = run(three_versions, "show", "mian")
    assert (code, out) == (1, "")
    assert err == "error: no revision is named 'mian' (did you mean main?): run `stemma log --all`\n"
    with pytest.raises(VersionError):
        stemma.show(three_versions.folder, "mian")
    assert run(three_versions, "show", "a", "b")[0] == 2
    code, out, _ = run(three_versions, "show", "--help")
    assert code == 0 and "Example: stemma show" in " ".join(out.split())


def test_a_sparkline_goes_from_low_to_high_and_fits() -> None:
    assert sparkline([0.0, 1.0]) in ("▁█", "_@")
    assert sparkline([2.0, 2.0, math.nan]) in ("▁▁ ", "__ ")
    assert sparkline([]) == ""
    assert len(sparkline(list(range(1000)))) == 40
    assert list(sparkline(list(range(8)))) in (list("▁▂▃▄▅▆▇█"), list("_.-=+*#@"))
