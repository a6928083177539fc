"""Every format of a network against the network itself: in both frameworks, three tasks, columns of every kind."""

import copy
import functools
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

from fits import EACH, PROBLEMS, settings, tabular
from forks import OTHER
from stemma import formats
from stemma.compress.plain import plain
from stemma.errors import ExportError, SettingsError
from stemma.formats import parity, proof, replay
from stemma.formats.settings import ExportSettings
from stemma.tables import encode
from stemma.tables.settings import PrepareSettings
from stemma.training import fit as training
from stemma.training.base import Given, Problem, Rows
from tiny import FRAMEWORKS, NETWORKS
from tiny.params import load, settle
from worlds import ROOT

TASKS = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}
FEATURES = (
    ("amount", "numeric"), ("rate of it", "numeric"), ("self", "boolean"), ("when", "date"), ("Month", "categorical"),
    ("city/x", "categorical"),
)  # fmt: skip
PREPARE = PrepareSettings(strict=False, numeric="auto", impute="median", indicator=True, rare=2, embed=6)
SETTINGS = ExportSettings(formats="all", opset=18, optimise=True, tolerance=1e-4)


def table(rows: int = 240, seed: int = 0) -> pd.DataFrame:
    """Missing values in each column but the truth value, a column far from normal, and levels of each number."""
    draw = np.random.default_rng(seed)
    days = pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 600 * 86_400, rows), unit="s")
    frame = pd.DataFrame(
        {
            "amount": np.exp(3 * draw.normal(size=rows)).astype(np.float32),
            "rate of it": draw.normal(size=rows).astype(np.float32),
            "self": draw.integers(0, 2, rows).astype(np.float32),
            "when": days,
            "Month": draw.choice(["May", "Nov", "é ü"], rows),
            "city/x": [f"c{number}" for number in draw.integers(0, 12, rows)],
        }
    )
    for place, name in enumerate(("amount", "when", "Month", "city/x")):
        frame.loc[place::17, name] = None
    return frame


def make(framework: str, task: str, weights: Path, fit: bool = True) -> formats.Served:
    """A network that one epoch moved from where it began; its weights lie in a folder, or are taken from there."""
    frame, draw = table(), np.random.default_rng(1)
    fitted = encode.fit(frame, FEATURES, PREPARE)
    encoder = encode.Encoder(fitted.graph)
    x = encoder.encode(frame)
    problem = Problem(PROBLEMS[task].task, encoder.width, fitted.blocks)
    model = tabular(framework, problem, members=2, hidden=(8,), embedding=3, bins=4, dropout=0.1)
    if fit:
        y = 100 + 20 * draw.normal(size=len(x)) if task == "regression" else draw.integers(0, len(TASKS[task]), len(x))
        rows = Rows(x, y.astype({"binary": np.float32, "multiclass": np.int64, "regression": np.float64}[task]))
        given = Given(rows, settings(epochs=1, batch_size=None))
        training.run(model, given, rows, weights.with_suffix(".checkpoint"))
        model.save(weights)
    else:
        model.load(weights)
    temperature = 1.0 if task == "regression" else 1.7
    given, _ = plain(model, SETTINGS, x, x)
    return formats.Served(
        lambda: model,
        framework,
        problem,
        given.graph.SerializeToString(),
        NETWORKS[f"tiny_{framework}"],
        fitted.graph,
        FEATURES,
        temperature,
        SETTINGS,
        SETTINGS.allowed,
        "a model",
    )


def named(framework: str, name: str) -> Any:
    """One process at a time holds TensorFlow: what needs it runs on one worker."""
    group = "tensorflow" if "tensorflow." in formats.FORMATS[name].modules[framework] else framework
    return pytest.param(framework, name, marks=pytest.mark.xdist_group(group), id=f"{framework}-{name}")


EVERY = [
    named(framework, name)
    for framework in FRAMEWORKS
    for name, each in formats.FORMATS.items()
    if framework in each.modules
]
APART = [param for param in EVERY if param.values[1] not in ("h5", "safetensors")]  # run as keras is; seconds each
KEPT = [param for param in EVERY if formats.FORMATS[str(param.values[1])].kept]
NOT_EMPTY = ("tflite", "safetensors")  # run by what takes one row or more


@pytest.fixture(autouse=True)
def replays(forked: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Know the tests' network."""
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tests"))


each_framework = pytest.mark.parametrize("framework", EACH)


@pytest.fixture(scope="module")
def fits_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("fits")


@pytest.fixture(scope="module")
def fits(fits_folder: Path) -> Any:
    """Networks, each fitted once."""
    made: dict[tuple[str, str], formats.Served] = {}

    def get(framework: str, task: str) -> formats.Served:
        if (framework, task) not in made:
            pytest.importorskip(framework)
            made[framework, task] = make(framework, task, fits_folder / f"{framework}-{task}")
            _trace_once(made[framework, task].model)
        return made[framework, task]

    return get


def _trace_once(model: Any) -> None:
    """Tracing takes seconds, and no test here but one changes a network."""
    traced = functools.cache(model.onnx)
    model.onnx = lambda opset: copy.deepcopy(traced(opset))


def write(served: formats.Served, name: str, folder: Path) -> Any:
    """The file of a format in a folder; what runs it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / formats.ABOUT).write_text(served.about(), encoding="utf-8")
    make_file, run = formats.ways(formats.FORMATS[name], served.framework)
    make_file(served, folder / formats.FORMATS[name].file)
    return run


@pytest.fixture(scope="module")
def file_of(fits: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """file_of(framework, name): the file of a network, written once, to be read; and what runs it."""

    @functools.cache
    def get(framework: str, name: str, task: str = "binary") -> tuple[Path, Any]:
        folder = tmp_path_factory.mktemp("files")
        return folder / formats.FORMATS[name].file, write(fits(framework, task), name, folder)

    return get


def given(served: formats.Served, name: str, frame: pd.DataFrame) -> dict[str, np.ndarray]:
    """What a format takes of these rows."""
    if not formats.FORMATS[name].encoded:
        return encode.feeds(frame, FEATURES)
    return {formats.ENCODED: encode.Encoder(served.encoder).encode(frame)}


def expected(served: formats.Served, frame: pd.DataFrame) -> np.ndarray:
    return served.predictions(served.model.scores(encode.Encoder(served.encoder).encode(frame)))


def more(served: formats.Served, name: str) -> tuple[str, ...]:
    """What else runs it."""
    return served.entry.words() if formats.FORMATS[name].code else ()


def run(served: formats.Served, name: str, way: Any, file: Path, frame: pd.DataFrame) -> np.ndarray:
    got = np.asarray(way(file, *more(served, name))(given(served, name, frame)))
    return served.predictions(got) if formats.FORMATS[name].scores else got


@pytest.mark.parametrize("task", TASKS)
@pytest.mark.parametrize(("framework", "name"), EVERY)
def test_a_format_gives_what_the_network_gives_for_any_number_of_rows(
    framework: str, name: str, task: str, fits: Any, file_of: Any
) -> None:
    served, (file, way) = fits(framework, task), file_of(framework, name, task)
    frame = table(200, seed=5)
    frame.loc[3, "city/x"], frame.loc[4, "Month"], frame.loc[5, "amount"] = "elsewhere", "Dec", 1e30
    for rows in (200, 7, 1, 0)[: 3 if name in NOT_EMPTY else 4]:
        got = run(served, name, way, file, frame[:rows])
        if rows:
            parity.compare(got, expected(served, frame[:rows]), 1e-5, served.problem.task.deviation, name)
        assert len(got) == rows


@pytest.mark.parametrize(
    ("framework", "name"),
    [named("torch", "torch_export"), named("torch", "safetensors"), named("tensorflow", "tflite")],
)
def test_a_format_gives_the_target_whose_logarithm_was_learned(
    framework: str, name: str, fits: Any, tmp_path: Path
) -> None:
    served, frame = fits(framework, "regression"), table(50, seed=7)
    logged = replace(served.problem, task=replace(served.problem.task, log=(4.5, 0.2)))
    served = replace(served, problem=logged)
    got = run(served, name, write(served, name, tmp_path), tmp_path / formats.FORMATS[name].file, frame)
    parity.compare(got, expected(served, frame), 1e-5, logged.task.deviation, name)
    assert got.min() > 0


@pytest.mark.parametrize(("framework", "name"), APART)
def test_a_format_runs_in_a_process_that_knows_only_the_file(
    framework: str, name: str, fits: Any, file_of: Any
) -> None:
    served, (file, way) = fits(framework, "binary"), file_of(framework, name)
    frame = table(50, seed=6)
    both = replay.run(way, file, given(served, name, frame), *more(served, name))
    for got in both:
        parity.compare(served.predictions(got) if formats.FORMATS[name].scores else got, expected(served, frame), 1e-5)


MIXING = {
    "none": lambda x: x,
    "mean": lambda x: x - x.mean(axis=0),
    "neighbour": lambda x: np.roll(x, 1, axis=0),
    "order": lambda x: x + np.arange(len(x))[:, None],
    "largest": lambda x: x / x.max(),
    "pairs": lambda x: np.concatenate(
        [x[: len(x) // 2 * 2].reshape(-1, 2, 1)[:, ::-1].reshape(-1, 1), x[len(x) // 2 * 2 :]]
    ),
}


@pytest.mark.parametrize("rows", [1, 2, 3, 33, 40, 500])
@pytest.mark.parametrize("way", MIXING)
def test_what_mixes_the_rows_of_a_batch_gives_something_else_in_other_batches(way: str, rows: int) -> None:
    seen: list[int] = []

    def serve(arrays: Any) -> Any:
        seen.append(len(arrays["x"]))
        return MIXING[way](arrays["x"])

    x = {"x": np.random.default_rng(rows).random((rows, 1), np.float32) + 1}
    same = np.array_equal(replay.regrouped(serve, x), MIXING[way](x["x"]))
    assert same == (way == "none" or rows == 1)
    assert sum(seen) == rows and seen[:32] == [1] * min(rows, 32)


@each_framework
def test_a_format_that_gives_a_row_something_else_in_another_batch_is_refused(
    framework: str, fits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mixing.py").write_text(
        "from stemma.formats.replay import load_onnx\n"
        "def run(file, arrays):\n"
        "    given = load_onnx(file)(arrays)\n"
        "    return given if len(given) == 60 else given.mean(axis=0, keepdims=True) + 0 * given\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    served, mixing = fits(framework, "regression"), __import__("mixing")
    monkeypatch.setattr(proof, "ways", lambda *_: (formats.ways(formats.FORMATS["onnx"], framework)[0], mixing.run))
    frame = table(60, seed=6)
    test = SimpleNamespace(frame=frame, x=encode.Encoder(served.encoder).encode(frame), y=np.zeros(60))
    with pytest.raises(ExportError, match=r"onnx, given the rows in other batches, .* differs from the network by"):
        proof.write(served, {"onnx": formats.FORMATS["onnx"]}, test, tmp_path / "export")
    assert not (tmp_path / "export").exists()


AGAIN = [param.values for param in KEPT if param.values[1] != "onnx"]  # of which forced runs of the pipeline tell


def again(fits_folder: str, folder: str) -> None:
    """Write every kept format of each network read from its weights; for another process."""
    for framework in FRAMEWORKS:
        served = make(framework, "binary", Path(fits_folder, f"{framework}-binary"), fit=False)
        for name in (str(name) for each, name in AGAIN if each == framework):
            write(served, name, Path(folder, framework))


@pytest.mark.xdist_group("tensorflow")
def test_what_dvc_keeps_has_the_same_bytes_in_another_folder_and_process(
    fits_folder: Path, file_of: Any, tmp_path: Path
) -> None:
    files = {each: file_of(*each)[0] for each in AGAIN}
    script, paths = tmp_path / "again.py", os.pathsep.join(map(str, [Path(__file__).parent, *sys.path]))
    script.write_text("import sys, test_formats; test_formats.again(*sys.argv[1:])")
    environment = os.environ | OTHER | {"PYTHONPATH": paths}
    subprocess.run(["python", script, fits_folder, tmp_path], env=environment, cwd=tmp_path, check=True)
    for (framework, name), file in files.items():
        assert (tmp_path / str(framework) / file.name).read_bytes() == file.read_bytes(), name


@pytest.mark.parametrize(("framework", "name"), KEPT)
def test_a_file_holds_no_path_of_this_machine(framework: str, name: str, file_of: Any) -> None:
    file, _ = file_of(framework, name)
    content = file.read_bytes()
    if zipfile.is_zipfile(file):
        with zipfile.ZipFile(file) as archive:
            content = b"".join(archive.read(each) for each in archive.namelist())
    for text in (str(file.parent), str(Path(formats.__file__).parents[1]), "site-packages"):
        assert text.encode() not in content


@pytest.mark.xdist_group("tensorflow")
def test_a_saved_model_has_the_layout_and_the_signature_of_tensorflow_serving(file_of: Any) -> None:
    tf = pytest.importorskip("tensorflow")
    folder = file_of("torch", "saved_model")[0] / "a model" / "1"
    assert (folder / "saved_model.pb").is_file()
    signature = tf.saved_model.load(str(folder)).signatures["serving_default"]
    assert sorted(signature.structured_input_signature[1]) == sorted(name for name, _ in FEATURES)
    assert list(signature.structured_outputs) == ["probabilities"]


@pytest.mark.parametrize(("framework", "name"), [param for param in EVERY if param.values[1] == "torch_export"])
def test_a_program_holds_no_pickle_and_one_that_does_is_not_loaded(
    framework: str, name: str, fits: Any, tmp_path: Path
) -> None:
    from stemma.frameworks.torch import program

    served = fits(framework, "binary")
    way = write(served, name, tmp_path)
    file = tmp_path / "model.pt2"
    assert program.pickled(file) == []
    with zipfile.ZipFile(file) as archive:
        content = {each: archive.read(each) for each in archive.namelist()}
    config = next(each for each in content if each.endswith("weights_config.json"))
    poisons = {
        "weight": {config: content[config].replace(b'"use_pickle": false', b'"use_pickle": true', 1)},
        "sample": {next(each for each in content if each.endswith(".pt")): b"cos\nsystem\n(S'true'\ntR."},
    }
    for poison in poisons.values():
        with zipfile.ZipFile(file, "w") as archive:
            for each, part in (content | poison).items():
                archive.writestr(each, part)
        with pytest.raises(ExportError, match=r"model\.pt2 is not loaded: it holds a pickle"):
            way(file)


# The proof.


class _Test:
    """A test split as `arrays.read` gives it."""

    def __init__(self, served: formats.Served) -> None:
        self.frame = table()
        self.x = encode.Encoder(served.encoder).encode(self.frame)
        self.y = np.arange(len(self.x)) % 2


@each_framework
def test_a_difference_beyond_the_tolerance_names_format_row_and_setting(
    framework: str, fits: Any, tmp_path: Path
) -> None:
    served = fits(framework, "binary")
    columns, test = encode.feeds(table(), FEATURES), _Test(served)
    test.x = test.x[::-1].copy()
    for allowed in ((1e-4, "export.tolerance"), (1e-3, "compress.tolerance")):
        with pytest.raises(ExportError, match=rf"^onnx differs from the network by .* row \d+, {allowed[1]} allows"):
            proof.prove(replace(served, allowed=allowed), "onnx", formats.FORMATS["onnx"], tmp_path, test, columns)


@each_framework
def test_onnx_is_made_and_proved_without_the_framework(framework: str, fits: Any, tmp_path: Path) -> None:
    def none() -> None:
        raise AssertionError("the framework's network was built")

    served = replace(fits(framework, "binary"), fitted=none)
    told = proof.prove(
        served, "onnx", formats.FORMATS["onnx"], tmp_path, _Test(served), encode.feeds(table(), FEATURES)
    )
    assert told["largest"] < 1e-6


@each_framework
def test_the_proof_tells_the_differences_and_the_metric(framework: str, fits: Any, tmp_path: Path) -> None:
    served = fits(framework, "binary")
    told = proof.prove(
        served, "onnx", formats.FORMATS["onnx"], tmp_path, _Test(served), encode.feeds(table(), FEATURES)
    )
    assert set(told) == {"rows", "largest", "mean", "worst_row", "metric", "metric_difference", "tolerance"}
    assert told["rows"] == 240 and told["metric"] == "roc_auc" and abs(told["metric_difference"]) < 1e-3


# Which formats there are.


@pytest.mark.parametrize(
    ("names", "framework", "message"),
    [
        (["onnx", "tflte"], "tensorflow", r"'tflte' is none of onnx, .*did you mean tflite\?"),
        (
            ["onnx", "tflite"],
            "torch",
            r"tflite is made from tensorflow, .* of torch: of that there are onnx, ",
        ),
        (["onnx", "torch_export"], "tensorflow", r"torch_export is made from torch, and this network is of tensorflow"),
        (
            ["onnx", "saved_model"],
            "torch",
            r"saved_model is not kept by DVC, .*`stemma export REV --format saved_m",
        ),
        (["h5"], "tensorflow", r"onnx is missing"),
        ([], "torch", r"onnx is missing"),
    ],
)
def test_a_format_that_cannot_be_is_refused_by_name(names: list[str], framework: str, message: str) -> None:
    with pytest.raises(ExportError, match=message):
        formats.chosen(names, framework)


@pytest.mark.parametrize(
    ("formats", "message"),
    [
        ("[onnx, tflte]", r"export\.formats: 'tflte' is none of .*did you mean tflite"),
        ("[onnx, saved_model]", r"export\.formats: saved_model is not kept by DVC"),
        ("[]", r"export\.formats: onnx is missing"),
        ("some", r"export\.formats.*'some'"),
    ],
)
def test_wrong_formats_are_told_before_anything_runs(formats: str, message: str, tmp_path: Path) -> None:
    settle(tmp_path, export={"formats": yaml.safe_load(formats)})
    with pytest.raises(SettingsError, match=message):
        load(tmp_path / "params.yaml")


def test_a_compressed_network_is_exported_to_what_is_made_of_its_graph_alone(tmp_path: Path) -> None:
    assert formats.chosen("all", "torch", "int8_static") == ("onnx",)
    for framework, name in (("torch", "safetensors"), ("torch", "saved_model"), ("tensorflow", "keras")):
        told = formats.refusal(name, framework, "float16")
        assert told is not None and told.startswith(f"{name} is made of the framework's network, and compress.method ")
        assert "float16" in told and told.endswith("`dvc exp run -S compress.method=none`")
    settle(tmp_path, export={"formats": ["onnx", "torch_export"]}, compress={"method": "int8_dynamic"})
    with pytest.raises(SettingsError, match=r"export\.formats: torch_export is made of the framework's network"):
        load(tmp_path / "params.yaml")


def test_all_is_every_format_that_dvc_can_keep() -> None:
    assert formats.chosen("all", "torch") == ("onnx", "torch_export", "safetensors")
    assert formats.chosen("all", "tensorflow") == ("onnx", "tflite", "h5", "keras", "safetensors")
    assert formats.chosen(["safetensors", "onnx"], "torch") == ("onnx", "safetensors")


def test_the_page_has_the_table_of_the_code() -> None:
    page = (ROOT / "docs/formats.md").read_text(encoding="utf-8")
    told = {"torch": "PyTorch", "tensorflow": "TensorFlow"}
    for name, each in formats.FORMATS.items():
        made = ", ".join(told[framework] for framework in told if framework in each.modules)
        file = each.file + ("/NAME/1/" if name == "saved_model" else "")
        takes, gives = "encoded rows" if each.encoded else "raw columns", "scores" if each.scores else "predictions"
        kept = "yes" if each.kept else "on demand"
        assert f"| `{name}` | `{file}` | {made} | {takes} | {gives} | {kept} |" in page
