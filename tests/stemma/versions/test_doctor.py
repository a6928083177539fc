"""What the doctor finds, one world per illness; a sound version has no error."""

import hashlib
import json
import shutil
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
import yaml
from onnx import TensorProto, helper
from typer.testing import CliRunner

from stemma import bundle
from stemma.cli.doctor import report
from stemma.cli.words import app
from stemma.entries import Entry
from stemma.errors import VersionError
from stemma.repo.repository import Repository, Version
from stemma.versions import doctor as doctoring
from stemma.versions.doctor import CHECKS, Diagnosis, doctor, examine
from stemma.versions.doctor.finding import ways
from stemma.versions.doctor.rebuilt import _otherwise
from stemma.weights import Layer
from version_worlds import EVALUATION, METRICS, PARAMS, TRAINING, Parts, World, changed, new, parts, table

TEST = METRICS["test"]


def packaged(folder: Path, weights: list[float]) -> bytes:
    """A bundle whose hidden units are ReLU(weight * price - 1): a weight of 0 makes a unit that never wakes."""
    constants = {
        "kernel": np.array([weights], np.float32),
        "shift": np.full(len(weights), -1, np.float32),
        "out": np.ones((len(weights), 2), np.float32),
    }
    nodes = [
        helper.make_node("MatMul", ["price", "kernel"], ["product"]),
        helper.make_node("Add", ["product", "shift"], ["hidden"]),
        helper.make_node("Relu", ["hidden"], ["activation_1"]),
        helper.make_node("MatMul", ["activation_1", "out"], ["scores"]),
        helper.make_node("Softmax", ["scores"], ["probabilities"], axis=1),
    ]
    graph = helper.make_graph(
        nodes, "g",
        [helper.make_tensor_value_info("price", TensorProto.FLOAT, ["rows", 1])],
        [helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["rows", 2])],
        [helper.make_tensor(name, TensorProto.FLOAT, value.shape, value.ravel()) for name, value in constants.items()],
    )  # fmt: skip
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    signature = {
        "format": 1, "task": "binary", "target": "bought", "inputs": [{"name": "price", "type": "number"}],
        "output": "probabilities", "classes": ["no", "yes"], "positive": "yes", "threshold": 0.5,
    }  # fmt: skip
    path = folder / "packaged.zip"
    bundle.build(path, {"model.onnx": model.SerializeToString(), "signature.json": json.dumps(signature).encode()})
    return path.read_bytes()


@pytest.fixture(scope="module")
def clinic(tmp_path_factory: pytest.TempPathFactory) -> World:
    world = new(tmp_path_factory.mktemp("clinic") / "world")
    world.version("the first patient", parts())
    return world


@pytest.fixture(scope="module")
def sound(tmp_path_factory: pytest.TempPathFactory) -> Parts:
    return parts(bundle=packaged(tmp_path_factory.mktemp("bundle"), [2.0, -2.0, 3.0]), curve=(0.9, 0.5, 0.46) * 4)


def examined(world: World, made: Parts) -> Diagnosis:
    world.version("a patient", made)
    return examine(Repository(world.folder).version("HEAD"))


def found(world: World, made: Parts, check: str) -> Any:
    """The one finding of a check."""
    (one,) = [finding for finding in examined(world, made).findings if finding.check == check]
    return one


def trained(**changes: Any) -> dict[str, Any]:
    return TRAINING | changes


def measured(**changes: float) -> dict[str, Any]:
    return METRICS | {"test": TEST | changes}


def test_a_sound_version_has_no_error_and_says_what_it_looked_at(clinic: World, sound: Parts) -> None:
    diagnosis = examined(clinic, sound)
    assert diagnosis.errors == 0 and diagnosis.is_sound()
    assert {"finite", "norms", "dead-units", "gap", "believable", "objects", "remote"} <= set(diagnosis.passed)
    seen = {*diagnosis.passed, *diagnosis.skipped, *(finding.check for finding in diagnosis.findings)}
    assert seen == set(CHECKS)


def test_values_that_are_not_finite_are_an_error_with_the_tensor(clinic: World, sound: Parts) -> None:
    tensors = dict(sound.tensors)
    tensors["output.bias"] = np.array([np.nan], np.float32)
    one = found(clinic, sound.but(tensors=tensors), "finite")
    assert (one.severity, one.what) == ("error", "tensor output.bias holds NaN or infinite values")
    assert "learning_rate" in one.remedy


@pytest.mark.parametrize(("factor", "severity"), [(100, "warning"), (1e5, "error")])
def test_exploded_weights_are_told_by_their_root_mean_square(
    factor: float, severity: str, clinic: World, sound: Parts
) -> None:
    tensors = dict(sound.tensors)
    tensors["hidden_1.weight"] = np.full_like(tensors["hidden_1.weight"], factor)
    one = found(clinic, sound.but(tensors=tensors), "norms")
    assert (one.severity, one.evidence) == (severity, f"root mean square {factor:.3g}")


def test_a_layer_that_did_not_move_is_told_unless_it_was_frozen(clinic: World, sound: Parts) -> None:
    moved = {"hidden_1.weight": 0.0, "hidden_1.bias": 0.0, "output.weight": 0.3, "output.bias": 0.0}
    one = found(clinic, sound.but(training=trained(moved=moved)), "moved")
    assert one.what == "layer hidden_1 did not move since its initialisation"
    unknown = trained(moved=dict.fromkeys(moved))  # of weights that are not finite
    assert "moved" in examined(clinic, sound.but(training=unknown)).passed
    frozen = trained(moved=moved, frozen=["hidden_1.weight", "hidden_1.bias"])
    assert "moved" in examined(clinic, sound.but(training=frozen)).passed


@pytest.mark.parametrize(
    ("weights", "severity", "told"),
    [
        ([2.0, 0.0, 3.0], "warning", "1 of 3 units of activation_1 is"),
        ([0.0, 0.0], "error", "2 of 2 units of activation_1 are"),
    ],
)
def test_units_that_are_never_active_are_counted(
    weights: list[float], severity: str, told: str, clinic: World, sound: Parts, tmp_path: Path
) -> None:
    one = found(clinic, sound.but(bundle=packaged(tmp_path, weights)), "dead-units")
    assert (one.severity, one.what) == (severity, f"{told} never active")


def test_a_remedy_names_settings_of_this_model_alone() -> None:
    mlp, own = {"model": {"activation": "relu", "dropout": 0.1}}, {"model": {"name": "mine"}}
    given = ("model.activation=gelu", "fewer units", "more model.dropout")
    assert ways(mlp, *given) == "model.activation=gelu, fewer units or more model.dropout"
    assert ways(own, *given) == ways(None, *given) == "fewer units"


def test_miscalibration_after_a_temperature_has_another_remedy(clinic: World, sound: Parts) -> None:
    wrong = sound.but(metrics=measured(calibration_error=0.21))
    assert found(clinic, wrong, "calibration").remedy == "dvc exp run -S evaluate.calibration=temperature"
    done = PARAMS | {"evaluate": {"calibration": "temperature"}}
    assert "temperature" not in found(clinic, wrong.but(params=done), "calibration").remedy


def test_a_gap_between_training_and_validation_names_both_losses(clinic: World, sound: Parts) -> None:
    clinic.version("a patient", sound)
    path = "reports/training/plots/metrics/train/loss.tsv"
    clinic.write(path, "step\tloss\n" + "".join(f"{step}\t0.1\n" for step in range(12)))
    (one,) = [each for each in examine(Repository(clinic.folder).version("workspace")).findings if each.check == "gap"]
    assert one.evidence == "loss 0.1 in training, 0.46 in validation, epoch 9"


def test_more_than_is_possible_is_an_error_and_perfection_a_warning(clinic: World, sound: Parts) -> None:
    above = found(clinic, sound.but(frame=table(1200), metrics=measured(roc_auc=0.99, bayes_roc_auc=0.7)), "believable")
    assert (above.severity, above.evidence) == ("error", "ROC-AUC 0.9900, and the true probabilities reach 0.7000")
    many = sound.but(frame=table(1200), metrics=measured(roc_auc=1.0))
    assert found(clinic, many, "believable").severity == "warning"
    assert "believable" in examined(clinic, sound.but(metrics=measured(roc_auc=0.86, bayes_roc_auc=0.85))).passed


def test_a_gap_between_groups_is_told_where_it_is_wide_for_certain(clinic: World, sound: Parts) -> None:
    gap = {
        "value": 0.3,
        "low": 0.12,
        "high": 0.48,
        "most": "n",
        "least": "s",
        "groups": {"n": 0.8, "s": 0.5, "t": None},
    }

    def judged(**changes: Any) -> Parts:
        return sound.but(evaluation=EVALUATION | {"fairness": {"Region": {"true_positive_rate": gap | changes}}})

    one = found(clinic, judged(), "groups")
    assert one.what == "groups of Region are not treated alike"
    assert one.evidence == "true positive rate 0.8 of n, 0.5 of s, at least 0.12 apart"
    assert "evaluate.minimum: {gap.true_positive_rate.Region: 0.1}" in one.remedy
    assert "true positive rate of c 0.8" in found(clinic, judged(**{"class": "c"}), "groups").evidence
    for low in (0.09, None):
        assert "groups" in examined(clinic, judged(low=low)).passed
    assert "groups" in examined(clinic, sound).skipped


def test_a_change_of_rows_that_takes_a_tenth_of_the_figure_is_told(clinic: World, sound: Parts) -> None:
    main = EVALUATION["main"]
    whole = EVALUATION["test"][main]["value"]

    def judged(fall: float | None) -> Parts:
        change = {"size": 0.1, "value": fall, "low": None, "high": None, "columns": {"price": 0.01, "place": None}}
        return sound.but(evaluation=EVALUATION | {"robustness": {"rows": 9, "alone": 9, "changes": {"noise": change}}})

    one = found(clinic, judged(0.2 * whole), "robust")
    assert one.what == "the network does not bear noise" and f"{main} {whole:.4g} is worse by" in one.evidence
    assert "most of it by price" in one.evidence
    for fall in (0.05 * whole, None):
        assert "robust" in examined(clinic, judged(fall)).passed
    assert "robust" in examined(clinic, sound).skipped


def test_an_imbalance_is_told_only_while_nothing_was_done_about_it(clinic: World, sound: Parts) -> None:
    frame = table(2000)
    rare = frame["price"] > frame["price"].quantile(0.96)
    frame["bought"] = frame["bought"].cat.rename_categories(str).where(rare, "no")
    missed = sound.but(frame=frame, metrics=measured(recall=0.2))
    assert found(clinic, missed, "imbalance").what == "class yes is rare, and most of it is missed"
    chosen = measured(recall=0.2) | {"threshold": 0.1}
    assert "imbalance" in examined(clinic, missed.but(metrics=chosen)).passed


def test_miscalibration_is_told_with_its_figure(clinic: World, sound: Parts) -> None:
    one = found(clinic, sound.but(metrics=measured(calibration_error=0.21)), "calibration")
    assert one.evidence == "expected calibration error 0.210"
    assert "calibration" in examined(clinic, sound.but(metrics=measured(calibration_error=0.01))).passed


def test_test_rows_that_were_seen_in_training_are_counted(clinic: World, sound: Parts) -> None:
    frame = table(400)
    frame.iloc[-3:] = frame.iloc[:3].to_numpy()
    one = found(clinic, sound.but(frame=frame), "seen-rows")
    assert (one.severity, one.evidence) == ("warning", "3 of 80 (3.8%)")


def test_a_column_that_drifts_between_the_splits_is_told_and_equal_ones_are_not(clinic: World, sound: Parts) -> None:
    frame = table(1000)
    frame.loc[frame.index[-200:], "visits"] += 50
    one = found(clinic, sound.but(frame=frame), "split-drift")
    assert one.what == "column visits is distributed otherwise in test than in train"
    assert "split-drift" in examined(clinic, sound.but(frame=table(1000))).passed


def test_settings_that_were_not_run_are_an_error(clinic: World, sound: Parts) -> None:
    clinic.version("a patient", sound)
    lock = (clinic.folder / "dvc.lock").read_text()
    clinic.write(
        "dvc.lock", lock + "  later:\n    cmd: 'true'\n    params:\n      params.yaml:\n        train.epochs: 99\n"
    )
    diagnosis = doctor(clinic.folder)
    (one,) = [finding for finding in diagnosis.findings if finding.check == "results"]
    assert one.what == "stage later ran with other settings than params.yaml has" and one.evidence == "train.epochs"


def test_stages_that_ran_apart_are_an_error(clinic: World, sound: Parts) -> None:
    """After `dvc repro -s train`, the figures and the bundle are those of other weights."""
    clinic.version("a patient", sound)
    lock = yaml.safe_load((clinic.folder / "dvc.lock").read_text())
    made = {"path": "more", "hash": "md5", "md5": "a" * 32}
    lock["stages"] |= {
        "before": {"cmd": "true", "outs": [made]},
        "right": {"cmd": "true", "deps": [made, {"path": "raw", "hash": "md5", "md5": "c" * 32}]},
        "legacy": {"cmd": "true", "deps": [{"path": "more", "md5": "b" * 32}]},  # of DVC 2, which hashed otherwise
        "after": {"cmd": "true", "deps": [made | {"md5": "b" * 32}]},
    }
    clinic.write("dvc.lock", yaml.safe_dump(lock))
    (one,) = [finding for finding in doctor(clinic.folder).findings if finding.check == "results"]
    assert one.what == "stage after ran with other files than those before it made" and one.evidence == "more"


FITTED = {"train": {"epochs": 60, "seed": 0, "threads": 1.0}, "model": {"name": "mlp", "hidden": [96]}}
NOTED = {"train.epochs": None, "train.seed": 0, "train.threads": 1, "train.later": 3, "model": {"hidden": [96]}}


@pytest.mark.parametrize(
    ("fitted", "noted", "told"),
    [
        ({}, {}, None),
        ({}, {"train.seed": 7, "train.threads": 2}, "train.seed 0 for 7, train.threads 1.0 for 2"),
        ({}, {"model": {"hidden": [96, 96]}}, "model.hidden [96] for [96, 96]"),
        ({"cut_from": 96}, {"model": {"hidden": [128]}}, None),
    ],
)
def test_settings_that_were_edited_while_train_ran_are_found_in_what_it_left(
    fitted: dict[str, Any], noted: dict[str, Any], told: str | None, clinic: World, sound: Parts
) -> None:
    clinic.version("a patient", sound.but(training=TRAINING | FITTED | fitted))
    lock = yaml.safe_load((clinic.folder / "dvc.lock").read_text())
    lock["stages"]["train"] = {"cmd": "true", "params": {"params.yaml": NOTED | noted}}
    clinic.write("dvc.lock", yaml.safe_dump(lock))
    diagnosis = doctor(clinic.folder)
    assert [one.evidence for one in diagnosis.findings if one.check == "noted"] == ([told] if told else [])
    assert told or "noted" in diagnosis.passed


def test_an_object_that_is_nowhere_is_an_error_and_one_not_pushed_a_warning(
    clinic: World, sound: Parts, tmp_path: Path
) -> None:
    world = clinic.copy(tmp_path / "w")
    world.version("a patient", sound)
    md5 = world.md5("models/package/model.zip")
    there = world.remote / "files" / "md5" / md5[:2] / md5[2:]
    there.unlink()
    diagnosis = examine(Repository(world.folder).version("HEAD"))
    (one,) = [finding for finding in diagnosis.findings if finding.check == "remote"]
    assert (one.severity, one.evidence, one.remedy) == (
        "warning",
        "models/package/model.zip",
        "run `stemma push HEAD`",
    )
    assert "objects" in diagnosis.passed
    world.object(md5).unlink()
    nowhere = examine(Repository(world.folder).version("HEAD"))
    errors = {finding.check: finding.evidence for finding in nowhere.findings if finding.severity == "error"}
    assert errors["objects"] == "models/package/model.zip"
    assert errors["readable"] == "models/package/model.zip of HEAD is neither in the cache nor in a remote within reach"
    assert "norms" in nowhere.passed


def test_what_a_dvc_file_tracks_is_looked_for_too(clinic: World, sound: Parts, tmp_path: Path) -> None:
    world = clinic.copy(tmp_path / "w")
    world.version("a patient", sound)
    world.write("more.csv", "a\n1\n")
    world.ok("dvc", "add", "-q", "more.csv")
    world.commit("more rows")
    for name in ("HEAD", "workspace"):
        found = {each.check: each.evidence for each in examine(Repository(world.folder).version(name)).findings}
        assert found["remote"] == "more.csv" and "objects" not in found
    world.empty_cache()
    found = {each.check: each.evidence for each in examine(Repository(world.folder).version("HEAD")).findings}
    assert found["objects"] == found["remote"] == "more.csv"


@pytest.mark.parametrize("damage", ["garbage", "gone", "a byte"])
def test_weights_of_the_workspace_that_are_not_those_of_their_index_are_an_error(
    damage: str, clinic: World, sound: Parts
) -> None:
    clinic.version("a patient", sound)
    assert "files" in examine(Repository(clinic.folder).version("workspace")).passed
    path = next((clinic.folder / "models/weights").rglob("*.safetensors"))
    content = path.read_bytes()
    path.unlink()
    if damage != "gone":
        path.write_bytes(b"garbage" if damage == "garbage" else content[:-1] + bytes([content[-1] ^ 1]))
    diagnosis = examine(Repository(clinic.folder).version("workspace"))
    (one,) = [finding for finding in diagnosis.findings if finding.check == "files"]
    assert one.severity == "error" and path.name in one.evidence and one.remedy.startswith("run `dvc checkout")
    skipped = examine(Repository(clinic.folder).version("HEAD")).skipped
    assert skipped["files"] == "`stemma verify HEAD` hashes what is kept of a commit"


def test_another_environment_is_told_package_by_package(clinic: World, sound: Parts) -> None:
    environment = TRAINING["environment"] | {"packages": {"numpy": "1.0.0", "not-a-package": "3"}}
    one = found(clinic, sound.but(training=trained(environment=environment)), "environment")
    assert "numpy 1.0.0 there, " in one.evidence and "not-a-package 3 there, not installed here" in one.evidence


def test_another_patch_of_python_is_no_other_environment(clinic: World, sound: Parts) -> None:
    """Reports noted the patch once; their version is the same one to this Python."""
    for noted in ("%d.%d", "%d.%d.99"):
        environment = TRAINING["environment"] | {"python": noted % sys.version_info[:2], "packages": {}}
        diagnosis = examined(clinic, sound.but(training=trained(environment=environment)))
        assert "environment" not in {finding.check for finding in diagnosis.findings}


def test_figures_of_other_weights_are_told_by_what_evaluate_noted(clinic: World, sound: Parts) -> None:
    clinic.version("a patient", sound)
    index = hashlib.sha256((clinic.folder / "models/weights/index.json").read_bytes()).hexdigest()
    assert "judged" in examined(clinic, sound.but(evaluation=EVALUATION | {"weights": index})).passed
    one = found(clinic, sound.but(evaluation=EVALUATION | {"weights": "0" * 64, "table": "1" * 64}), "judged")
    assert (one.severity, one.evidence) == ("error", "models/weights/index.json, data/prepared/profile.json")


def test_a_package_that_is_not_the_pinned_one_is_told_before_anything_runs(clinic: World, sound: Parts) -> None:
    clinic.version("a patient", sound)
    clinic.write("requirements.lock", "# a comment\nnumpy==1.0.0\nruff==0.0.1\ntensorflow-of-nobody==1\n")
    (one,) = [each for each in examine(Repository(clinic.folder).version("workspace")).findings if each.check == "pins"]
    assert one.severity == "warning" and one.evidence == f"numpy 1.0.0 pinned, {np.__version__} here"
    assert "pins" in examine(Repository(clinic.folder).version("HEAD")).skipped
    (clinic.folder / "requirements.lock").unlink()


def test_parts_that_are_missing_are_named_and_not_fatal(clinic: World) -> None:
    nothing = parts(metrics=None, evaluation=None, training=None, export=None, bundle=None, frame=None)
    diagnosis = examined(clinic, nothing)
    assert diagnosis.skipped["dead-units"] == "models/package/model.zip is not in the version"
    assert diagnosis.skipped["believable"] == "reports/metrics.json is not in the version"
    assert diagnosis.skipped["seen-rows"] == "data/prepared/train.parquet is not in the version"
    assert diagnosis.errors == 0


def test_the_command_exits_with_1_on_errors_and_with_strict_on_warnings_too(
    clinic: World, sound: Parts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clinic.folder)
    clinic.version("a patient", sound.but(metrics=measured(calibration_error=0.3)))
    told = CliRunner().invoke(app, ["doctor", "HEAD"])
    assert told.exit_code == 0 and "warning: probabilities are not what they say [calibration]" in told.stdout
    strict = CliRunner().invoke(app, ["doctor", "HEAD", "--strict", "--json"])
    read = json.loads(strict.stdout)
    assert strict.exit_code == 1 and read["errors"] == 0 and read["warnings"] == len(read["findings"])
    wrong = clinic.run("stemma", "doctor", "nowhere")
    assert wrong.returncode == 1 and wrong.stderr.startswith("error: no revision is named 'nowhere'")


def test_dead_units_are_told_by_the_name_of_their_layer(clinic: World, sound: Parts, tmp_path: Path) -> None:
    layers = [Layer("bend", "relu", {}) if each.name == "activation_1" else each for each in sound.layers]
    layers = [each for each in layers if each.name != "activation_2"]
    one = found(clinic, sound.but(bundle=packaged(tmp_path, [2.0, 0.0]), layers=layers), "dead-units")
    assert one.what == "1 of 2 units of bend is never active"


def test_a_file_of_another_form_is_an_error_and_the_other_checks_go_on(clinic: World, sound: Parts) -> None:
    diagnosis = examined(clinic, sound.but(training=trained(epoch_kept="the last"), metrics={"test": 3}))
    evidence = [finding.evidence for finding in diagnosis.findings if finding.check == "readable"]
    assert len(evidence) == 2 and all("has another form" in each for each in evidence)
    assert {"finite", "seen-rows"} <= set(diagnosis.passed)


@pytest.mark.parametrize("path", ["reports/training.json", "dvc.lock"])
def test_a_damaged_file_is_an_error_and_no_trace(path: str, clinic: World, sound: Parts, tmp_path: Path) -> None:
    world = clinic.copy(tmp_path / "w")
    world.version("a patient", sound)
    world.write(path, "[1]\n")
    for diagnosis in (doctor(world.folder), examine(Repository(world.folder).version(world.commit("damage")))):
        evidence = [finding.evidence for finding in diagnosis.findings if finding.check == "readable"]
        assert any(path in each and "is damaged (it is no mapping)" in each for each in evidence)


def test_a_commit_without_a_model_is_no_patient(clinic: World) -> None:
    root = clinic.git("rev-list", "--max-parents=0", "HEAD").strip()
    with pytest.raises(VersionError, match=r"holds no trained model: it has no models/weights: run `stemma log`"):
        doctor(Repository(clinic.folder), root)


def test_markdown_is_tables(clinic: World, sound: Parts) -> None:
    clinic.version("a patient", sound.but(metrics=measured(calibration_error=0.3)))
    told = report(doctor(clinic.folder, "HEAD"), markdown=True)
    headers = [part.headers for part in told if not isinstance(part, str)]
    assert headers == [("severity", "check", "fault", "evidence", "remedy"), ("not examined", "why")]


@pytest.mark.parametrize("name", ["workspace", "an-experiment"])
def test_the_remedy_for_a_remote_pushes_what_lacks(name: str, clinic: World, sound: Parts, tmp_path: Path) -> None:
    world = clinic.copy(tmp_path / "w")
    world.experiment("an-experiment", "an experiment", sound)
    shutil.rmtree(world.remote)
    (one,) = [each for each in doctor(world.folder, name).findings if each.check == "remote"]
    wanted = {"workspace": "run `dvc push`", "an-experiment": "run `stemma push an-experiment`"}
    assert one.remedy == wanted[name]


def test_a_check_of_ones_own_that_fails_is_a_finding_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    own = ModuleType("own_checks")
    vars(own).update(broken=lambda version: 1 / 0, text=lambda version: ["wrong"], idle=_idle, sound=lambda version: [])
    monkeypatch.setitem(sys.modules, "own_checks", own)
    lines = {name: Entry(f"own_checks:{name}") for name in ("broken", "text", "idle", "sound", "absent")}
    found = examine(cast(Version, SimpleNamespace(name="v")), doctoring._loaded(lines))
    assert {each.check: each.evidence for each in found.findings} == {
        "broken": "the check broken (own_checks:broken) fails (ZeroDivisionError: division by zero)",
        "text": "the check text (own_checks:text) gives what is no Finding",
        "absent": "own_checks:absent cannot be loaded (AttributeError: module 'own_checks' has no attribute 'absent')",
    }
    assert found.passed == ("sound",) and found.skipped == {"idle": "nothing to look at"}


def _idle(version: Any) -> Any:
    raise doctoring.Skipped("nothing to look at")


@pytest.fixture
def rebuilt(clinic: World, sound: Parts) -> Any:
    """rebuilt(Parts): what the doctor says of a work tree in which the pipeline ran again to these."""

    def ask(made: Parts, before: Parts = sound) -> list[Any]:
        clinic.version("before", before)
        clinic.version("again", made)
        clinic.ok("git", "reset", "-q", "--soft", "HEAD~1")
        found = examine(Repository(clinic.folder).version("workspace"))
        clinic.ok("git", "reset", "-q", "--hard")
        assert "rebuilt" in found.passed or [each for each in found.findings if each.check == "rebuilt"]
        return [each for each in found.findings if each.check == "rebuilt"]

    return ask


def moved(by: float) -> dict[str, Any]:
    """The evaluation with its last figure moved by that share."""
    value = EVALUATION["test"]["roc_auc"]["value"]
    figure = EVALUATION["test"]["roc_auc"] | {"value": value * (1 + by)}
    return EVALUATION | {"test": EVALUATION["test"] | {"roc_auc": figure}}


def test_a_rebuild_that_differs_in_the_last_digits_is_told_from_one_that_differs(rebuilt: Any, sound: Parts) -> None:
    (digits,) = rebuilt(sound.but(evaluation=moved(1e-13), bundle=b"that holds it"))
    assert (digits.severity, digits.what) == ("warning", "results differ from HEAD's in their last digits alone")
    assert digits.evidence == "reports/evaluation.json by 1e-13" and "git restore dvc.lock reports" in digits.remedy
    (real,) = rebuilt(sound.but(evaluation=moved(1e-6)))
    assert real.what == "the same code and settings gave other results than HEAD has"
    assert real.evidence == "reports/evaluation.json"
    (both,) = rebuilt(sound.but(evaluation=moved(1e-13), tensors=changed(sound.tensors, "output.bias", by=1e-6)))
    assert both.evidence == "models/weights"


@pytest.mark.parametrize(
    "other",
    [
        EVALUATION | {"more": 1},
        EVALUATION | {"format": 2},
        EVALUATION | {"test": {}},
        EVALUATION | {"main": "accuracy"},
    ],
)
def test_what_is_no_figure_is_no_last_digit(rebuilt: Any, sound: Parts, other: dict[str, Any]) -> None:
    (found,) = rebuilt(sound.but(evaluation=other))
    assert found.evidence == "reports/evaluation.json"


def test_results_of_other_settings_are_no_rebuild() -> None:
    """Nor what follows from them; a stage that was only checked again asks nothing new of the others."""

    def stage(deps: dict[str, str], outs: dict[str, str], **more: Any) -> dict[str, Any]:
        files = {"deps": deps, "outs": outs}
        return {"cmd": "x", **more, **{k: [{"path": p, "md5": m} for p, m in v.items()] for k, v in files.items()}}

    there = {
        "settings": stage({"src": "1"}, {"passed": "p"}),
        "train": stage({"passed": "p", "raw": "1"}, {"weights": "1"}, params={"params.yaml": {"epochs": 1}}),
        "evaluate": stage({"passed": "p", "weights/index.json": "1"}, {"figures": "1"}),
        "page": stage({"passed": "p"}, {"page": "1"}),
    }
    checked = there | {"settings": stage({"src": "2"}, {"passed": "p"}), "page": stage({"passed": "p"}, {"page": "2"})}
    assert _otherwise(checked, there) == ["page"]
    asked = checked | {
        "train": stage({"passed": "p", "raw": "1"}, {"weights": "2"}, params={"params.yaml": {"epochs": 2}}),
        "evaluate": stage({"passed": "p", "weights/index.json": "2"}, {"figures": "2"}),
        "new": stage({}, {"new": "1"}),
    }
    assert _otherwise(asked, there) == ["page"]
    by_itself = asked | {"train": stage({"passed": "p", "raw": "1"}, {"weights": "2"}, params=there["train"]["params"])}
    assert _otherwise(by_itself, there) == ["weights", "figures", "page"]
