"""`stemma bundle`: the bundle of a version by its number, and the command line of all of them."""

import hashlib
import json
from pathlib import Path

import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner, Result

import stemma
from bundles import ROWS, contents
from stemma import bundle
from stemma.cli.words import app
from stemma.errors import StemmaError
from stemma.versions.release import release
from version_worlds import World, changed, new, parts


def told(epochs: int, **metrics: float) -> dict[str, object]:
    """A small version.json."""
    return {
        "format": 1, "name": "a shop/été", "description": "Who buys?", "licence": "MIT", "limits": [],
        "structure": {
            "framework": "torch", "structure": "abc",
            "architecture": [{"name": "output", "kind": "linear", "settings": {"out_features": epochs}}],
        },
        "data": {"source": "a.csv", "rows": 9, "target": "Revenue", "features": ["Month"]},
        "process": {"model": {"name": "torch_mlp"}, "train": {"epochs": epochs}},
        "metrics": {"test": metrics},
        "evaluation": {"test": {name: {"value": value, "low": 0.1, "high": 0.9} for name, value in metrics.items()}},
        "weights": [{"name": "output.bias", "shape": [1], "dtype": "float32", "sha256": str(epochs)}],
        "environment": {"python": "3.11", "packages": {"torch": f"2.{epochs}"}},
    }  # fmt: skip


def packed(folder: Path, epochs: int, **metrics: float) -> bytes:
    record = {"version.json": json.dumps(told(epochs, **metrics)).encode()}
    bundle.build(folder / "made.zip", contents() | record)
    return (folder / "made.zip").read_bytes()


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two registered versions with bundles, and a third commit that is not registered. Never written to."""
    folder = tmp_path_factory.mktemp("release")
    world = new(folder / "shop")
    first = parts(bundle=packed(folder, 3, roc_auc=0.8, log_loss=0.5))
    world.version("first", first)
    stemma.register(world.folder, version="1.0.0")
    second = first.but(tensors=changed(first.tensors, "output.bias"), bundle=packed(folder, 4, roc_auc=0.85))
    world.version("second", second)
    stemma.register(world.folder, version="1.2.0-rc.1")
    world.version("third", second.but(bundle=packed(folder, 5, roc_auc=0.9)))
    return world


def run(world: World, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Result:
    monkeypatch.chdir(world.folder)
    return CliRunner().invoke(app, ["bundle", *map(str, arguments)])


def call(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["bundle", *arguments])


def ok(world: World, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> str:
    done = run(world, monkeypatch, *arguments)
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def test_a_registered_version_carries_its_number_and_is_the_same_twice(made: World, tmp_path: Path) -> None:
    first = release(made.folder, "model@v1.0.0", tmp_path)
    assert (first.path, first.version) == (tmp_path / "a-shop-été-v1.0.0.zip", "v1.0.0")
    opened = bundle.open_bundle(first.path)
    assert opened.registered == {"format": 1, "version": "v1.0.0", "commit": first.commit}
    assert opened.files["README.md"].decode().splitlines()[:3] == [
        "# A network", "", f"Version v1.0.0, commit `{first.commit}`.",
    ]  # fmt: skip
    again = release(made.folder, str(first.commit), tmp_path / "other" / "name.zip")
    assert again.path.read_bytes() == first.path.read_bytes()
    assert hashlib.sha256(again.path.read_bytes()).hexdigest() == again.sha256 == first.sha256


def test_a_commit_without_a_number_gives_the_very_bytes_that_dvc_keeps(made: World, tmp_path: Path) -> None:
    found = release(made.folder, "HEAD", tmp_path)
    assert found.path.name == f"a-shop-été-{str(found.commit)[:7]}.zip" and found.version is None
    assert found.path.read_bytes() == (made.folder / "models/package/model.zip").read_bytes()
    assert release(made.folder, "workspace", tmp_path).path.name == "a-shop-été-workspace.zip"


def test_it_is_read_from_the_remote_where_the_cache_is_empty_and_the_work_tree_stays(
    made: World, tmp_path: Path
) -> None:
    world = made.copy(tmp_path / "copy")
    world.empty_cache()
    (world.folder / "models/package/model.zip").write_bytes(b"another")
    found = release(world.folder, "model@v1.2.0-rc.1", tmp_path)
    assert bundle.open_bundle(found.path).record["process"]["train"] == {"epochs": 4}
    assert (world.folder / "models/package/model.zip").read_bytes() == b"another"
    assert not world.cache.exists() or not any(world.cache.rglob("*"))


def test_of_two_numbers_the_one_asked_for_is_given_else_the_higher(made: World, tmp_path: Path) -> None:
    world = made.copy(tmp_path / "copy")
    world.tag("model@v1.1.0", "model@v1.0.0")
    world.tag("another@v9.0.0", "model@v1.0.0")
    commit = world.ok("git", "rev-parse", "model@v1.0.0^{}")
    assert release(world.folder, "model@v1.0.0", tmp_path).version == "v1.0.0"
    assert release(world.folder, commit, tmp_path).version == "v1.1.0"
    world.tag("model@v1.1.0!", "model@v1.0.0")
    assert release(world.folder, commit, tmp_path).version == "v1.0.0"


def test_a_version_without_a_bundle_or_with_a_damaged_one_is_one_line(made: World, tmp_path: Path) -> None:
    world = made.copy(tmp_path / "copy")
    world.version("damaged", parts(bundle=b"no zip"))
    world.version("none", parts(bundle=None))
    for revision, message in (
        ("HEAD", "models/package/model.zip is not in HEAD"),
        ("HEAD~1", r"models/package/model\.zip of HEAD~1 is damaged \(it is no zip file\)"),
        ("nothing", "no revision is named 'nothing'"),
    ):
        with pytest.raises(StemmaError, match=message):
            release(world.folder, revision, tmp_path / "x.zip")
    with pytest.raises(StemmaError, match="cannot be written"):  # before it looks
        release(world.folder, "nothing", world.folder / "dvc.yaml/x.zip")
    assert not (tmp_path / "x.zip").exists()


def test_what_cannot_be_written_is_one_line(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    for arguments in (["build", "--output", tmp_path / "file/x.zip"], ["key", tmp_path / "file/x.pem"]):
        done = run(made, monkeypatch, *arguments)
        assert isinstance(done.exception, StemmaError) and "cannot be written" in str(done.exception)


# The command line.


def test_the_story_of_a_bundle_from_build_to_diff(made: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    a, b, key = tmp_path / "a.zip", tmp_path / "b.zip", tmp_path / "k.pem"
    assert ok(made, monkeypatch, "build", "model@v1.0.0", "--output", a).startswith(f"{a}: a-shop-été, v1.0.0, ")
    assert json.loads(ok(made, monkeypatch, "build", "--output", b, "--json"))["version"] is None
    ok(made, monkeypatch, "key", key)
    assert ok(made, monkeypatch, "sign", a, "--key", key) == f"{a}: signed\n"
    told = ok(made, monkeypatch, "verify", a, "--key", key.with_suffix(".pub"), "--at-least", "1.0.0")
    assert "by the owner of" in told and "v1.0.0 is v1.0.0 or later" in told
    shown = ok(made, monkeypatch, "inspect", a)
    assert all(text in shown for text in ("v1.0.0", "yes, not checked", "Month", "0.8000  0.1000 to 0.9000", "MIT"))
    assert json.loads(ok(made, monkeypatch, "inspect", b, "--json"))["signed"] is False
    assert ok(made, monkeypatch, "unpack", a, tmp_path / "unpacked") == f"{tmp_path / 'unpacked'}: 8 files\n"
    assert (tmp_path / "unpacked/model.onnx").read_bytes() == contents()["model.onnx"]
    found = json.loads(ok(made, monkeypatch, "diff", a, b, "--json"))
    assert [each["name"] for each in found["files"]] == ["README.md", "registered.json", "version.json"]
    assert found["metrics"] == [{"name": "test.roc_auc", "a": 0.8, "b": 0.9}]
    assert found["settings"] == [{"name": "train.epochs", "a": 3, "b": 5}]
    assert found["structure"][0]["a"] == "linear(out_features=3)" and found["tensors"] == ["output.bias"]
    assert found["environment"] == [{"name": "packages.torch", "a": "2.3", "b": "2.5"}]
    markdown = ok(made, monkeypatch, "diff", a, b, "--md")
    assert "### Figures" in markdown and "| test.roc_auc | 0.8000 | 0.9000 | +0.1000 |" in markdown
    assert ok(made, monkeypatch, "diff", b, b) == f"{b} and {b} hold the same files\n"


def test_predict_takes_and_gives_csv_and_parquet(
    made: World, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows, out = tmp_path / "rows.parquet", tmp_path / "out.parquet"
    parquet.write_table(pa.table(ROWS), rows)
    assert ok(made, monkeypatch, "predict", model, rows, "--output", out) == ""
    shown = ok(made, monkeypatch, "predict", model, rows)
    assert shown.splitlines()[0] == "probability_FALSE,probability_TRUE,prediction"
    assert [line.split(",")[2] for line in shown.splitlines()[1:]] == parquet.read_table(out)["prediction"].to_pylist()
    (tmp_path / "rows.csv").write_text("Month;PageValues;Weekend\nMay;0,5;1\n")
    assert len(ok(made, monkeypatch, "predict", model, tmp_path / "rows.csv", "--separator", ";", "--decimal", ",")) > 9


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["verify", "m.zip", "--at-least", "1.0.0"], "it goes with --key"),
        (["verify", "m.zip", "--key", "k", "--at-least", "1"], "1 is no version such as 1.2.0"),
        (["predict", "m.zip", "rows.csv", "--separator", "::"], "is not one ASCII character"),
        (["predict", "m.zip", "rows.csv", "--decimal", ";"], "--decimal"),
        (["sign", "m.zip"], "--key"),
        (["diff", "m.zip"], "B.zip"),
        (["guess"], "guess"),
    ],
)
def test_wrong_usage_exits_with_2(
    arguments: list[str], text: str, made: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    done = run(made, monkeypatch, *arguments)
    assert done.exit_code == 2 and text in done.output


@pytest.mark.parametrize("name", ["build", "inspect", "verify", "predict", "unpack", "key", "sign", "diff"])
def test_every_command_has_help_with_an_example(name: str, made: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    assert f"Example: stemma bundle {name}" in ok(made, monkeypatch, name, "--help")


def test_a_folder_that_holds_something_and_a_file_are_not_unpacked_into(model: Path, tmp_path: Path) -> None:
    from stemma.bundle.unpack import unpack

    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine.txt").write_text("mine")
    for folder in (tmp_path / "full", tmp_path / "full/mine.txt"):
        with pytest.raises(StemmaError, match="is not empty: name another folder"):
            unpack(bundle.open_bundle(model), folder)
    with pytest.raises(NotADirectoryError):
        unpack(bundle.open_bundle(model), tmp_path / "full/mine.txt/folder")
    assert [path.name for path in tmp_path.rglob("*")] == ["full", "mine.txt"]
    (tmp_path / "empty").mkdir()
    unpack(bundle.open_bundle(model), tmp_path / "empty")
    assert (tmp_path / "empty/model.onnx").read_bytes() == contents()["model.onnx"]


RECORDS: list[dict[str, object]] = [
    {"process": "x"},
    {"structure": [1]},
    {"structure": {"framework": {"a": 1}, "architecture": [{"name": [1]}]}},
    {"metrics": {"test": {"a": 1}}, "evaluation": {"test": {"a": {"low": "x", "high": "y"}}}},
    {"weights": [1]},
    {"weights": 5},
]


@pytest.mark.parametrize("record", RECORDS)
def test_a_record_that_is_wrong_inside_gives_no_trace(record: dict[str, object], model: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    bundle.build(path, {**contents(), "version.json": json.dumps({"format": 1, **record}).encode()})
    for command in (["inspect", str(path)], ["diff", str(model), str(path)]):
        done = call(*command)
        assert done.exit_code == 0 or isinstance(done.exception, StemmaError), done.exception


@pytest.mark.parametrize("name", ["evil \x1b[2J", "evil \ud800", "evil \x9b2J\u202e"])
def test_what_a_terminal_would_obey_is_not_shown(name: str, model: Path, tmp_path: Path) -> None:
    path = tmp_path / "m.zip"
    bundle.build(path, {**contents(), "version.json": json.dumps({"format": 1, "name": name}).encode()})
    for command in (["inspect", str(path)], ["diff", str(model), str(path)]):
        done = call(*command)
        assert done.exit_code == 0 and "evil \\u" in done.stdout and not set(name[5:6]) & set(done.stdout)
        told = call(*command, "--json")
        assert told.exit_code == 0 and told.stdout.isascii() and "\x1b" not in told.stdout
        assert json.dumps(name) in told.stdout


def test_the_folder_where_one_stands_is_not_unpacked_into(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    done = call("unpack", str(model), ".")
    assert isinstance(done.exception, StemmaError) and "is the folder where you stand" in str(done.exception)
    assert list(tmp_path.iterdir()) == []
