"""`stemma diff` and `versions.diff` on repositories with known differences."""

import contextlib
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

import stemma
from stemma import weights
from stemma.cli.words import app
from stemma.errors import StemmaError
from stemma.repo.repository import Repository
from stemma.weights import Layer
from version_worlds import EVALUATION, PARAMS, World, changed, network, new, parts, table

BIG = np.random.default_rng(0).standard_normal((400, 200)).astype(np.float32)  # a file of its own
WITHOUT_FRAMEWORKS = """import sys
for name in ("torch", "tensorflow", "keras"):
    sys.modules[name] = None
from stemma.cli import main
sys.argv = ["stemma", *sys.argv[1:]]
main()"""


def big(seed: int = 0, step: float = 0.0):
    """A network with one large kernel, moved by noise."""
    layers, tensors = network(width=200)
    noise = step * np.random.default_rng(seed).standard_normal(BIG.shape).astype(np.float32)
    layers = [Layer("input", "linear", {"in_features": 200, "out_features": 400}), *layers]
    return layers, {"input.weight": BIG + noise, "input.bias": np.zeros(400, np.float32), **tensors}


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Versions that differ from `base` in a known way, each a tag."""
    world = new(tmp_path_factory.mktemp("diff") / "versions")
    layers, tensors = big()
    base = parts(layers=layers, tensors=tensors)
    inserted = [*layers[:2], Layer("between", "linear", {"in_features": 8, "out_features": 8}), *layers[2:]]
    extra = {"between.weight": np.eye(8, dtype=np.float32), "between.bias": np.ones(8, np.float32)}
    names = {"hidden_1": "first"}
    renamed = [Layer(names.get(layer.name, layer.name), layer.kind, layer.settings) for layer in layers]
    held = {name.replace("hidden_1.", "first."): array for name, array in tensors.items()}
    moved = EVALUATION | {"intervals": {}}
    turned = {
        name.replace("weight", "kernel"): np.ascontiguousarray(array.T) if array.ndim == 2 else array
        for name, array in tensors.items()
    }
    dense = [Layer(one.name, "dense" if one.kind == "linear" else one.kind, {}) for one in layers]
    made = {
        "base": base,
        "nothing": base.but(code="pass\n\n", metrics={"test": {"roc_auc": 0.95}}),
        "bias": base.but(tensors=changed(tensors, "hidden_2.bias", by=0.25)),
        "inserted": base.but(layers=inserted, tensors=tensors | extra),
        "renamed": base.but(layers=renamed, tensors=held),
        "rows": base.but(frame=table(500)),
        "fewer": base.but(frame=table(3000, start=100)),
        "column": base.but(frame=table(400).rename(columns={"visits": "calls"})),
        "large": base.but(tensors=big(1, 0.1)[1], evaluation=moved),
        "keras": base.but(layers=dense, tensors=turned, framework="tensorflow"),
        "bare": base.but(frame=None, metrics=None, training=None, evaluation=None),
    }
    for name, version in made.items():
        world.version(name, version)
        world.tag(name)
    return world


def said(world, *arguments: str) -> str:
    """What the command prints, in this process."""
    with contextlib.chdir(world.folder):
        done = CliRunner().invoke(app, ["diff", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def diff(world, before, after, **options):
    return stemma.diff(world.folder, before, after, **options)


def test_nothing_changed_gives_d_0_and_says_so(world) -> None:
    found = diff(world, "base", "nothing")
    assert found.distance.total == 0
    assert (found.added, found.removed, found.changed) == ((), (), ())
    assert "neither structure nor weights nor data changed" in said(world, "base", "nothing")


def test_only_a_bias_moved_and_nothing_else_is_shown(world) -> None:
    found = diff(world, "base", "bias")
    assert [one.before for one in found.tensors if not one.same] == ["hidden_2.bias"]
    moved = next(one for one in found.tensors if not one.same)
    assert (moved.max_change, moved.share_changed, moved.estimated) == (pytest.approx(0.25, rel=1e-5), 1.0, False)
    assert found.distance.parts["structure"] == found.distance.parts["data"] == 0
    text = said(world, "base", "bias")
    assert "hidden_2.bias" in text and "hidden_1" not in text and "Layers:" not in text
    assert "hidden_1" in said(world, "base", "bias", "--all")


def test_an_inserted_layer_is_one_insertion(world) -> None:
    found = diff(world, "base", "inserted")
    assert [layer.after for layer in found.added] == ["between"]
    assert (found.removed, found.changed) == ((), ())
    assert all(one.same for one in found.tensors)
    whole = sum(layer.parameters_after or 1 for layer in found.layers)
    assert found.distance.parts["structure"] == pytest.approx((8 * 8 + 8) / whole)


def test_a_renamed_layer_is_kept(world) -> None:
    found = diff(world, "base", "renamed")
    assert [(layer.before, layer.after, layer.status) for layer in found.changed] == [("hidden_1", "first", "renamed")]
    assert found.distance.total == 0


def test_rows_added_are_counted(world) -> None:
    rows = diff(world, "base", "rows").data.rows
    assert (rows.kept, rows.added, rows.removed, rows.estimated) == (400, 100, 0, False)


def test_rows_of_a_large_table_are_estimated_and_exact_counts_them(world) -> None:
    estimated = diff(world, "base", "fewer").data.rows
    assert estimated.estimated and estimated.low <= 300 <= estimated.high
    exact = diff(world, "base", "fewer", exact=True).data.rows
    assert (exact.kept, exact.added, exact.removed, exact.estimated) == (300, 2700, 100, False)
    assert "~" in said(world, "base", "fewer")
    assert "~" not in said(world, "base", "fewer", "--exact")


def test_where_a_column_has_another_name_exact_compares_rows_by_the_others(world) -> None:
    found = diff(world, "base", "column")
    assert found.data.rows.kept == 400  # the hash of a row does not know the names of its columns
    assert {one.name: one.status for one in found.data.columns if one.status != "same"} == {
        "visits": "removed", "calls": "added",
    }  # fmt: skip
    exact = diff(world, "base", "column", exact=True).data.rows
    assert (exact.kept, exact.over) == (400, ("bought", "place", "price"))


def test_exact_agrees_with_numpy_and_the_estimate_lies_near(world) -> None:
    step = big(1, 0.1)[1]["input.weight"].astype(float) - BIG
    roughly = next(one for one in diff(world, "base", "large").tensors if not one.same)
    exactly = next(one for one in diff(world, "base", "large", exact=True).tensors if not one.same)
    true = np.linalg.norm(step) / np.linalg.norm(BIG)
    assert roughly.estimated and roughly.max_change is None
    assert roughly.relative_l2 == pytest.approx(true, rel=0.36)  # four standard deviations
    assert not exactly.estimated
    assert exactly.relative_l2 == pytest.approx(true, rel=1e-6)
    assert exactly.max_change == pytest.approx(np.abs(step).max(), rel=1e-6)
    assert exactly.share_changed == pytest.approx(np.mean(step != 0))
    new_kernel = big(1, 0.1)[1]["input.weight"].astype(float)
    cosine = np.sum(new_kernel * BIG) / np.linalg.norm(new_kernel) / np.linalg.norm(BIG)
    assert exactly.cosine == pytest.approx(cosine, abs=1e-7)


def test_exact_reads_only_the_tensors_that_differ(copy) -> None:
    for md5 in {copy_md5(copy, revision, file) for revision in ("base", "large") for file in ("output", "hidden_1")}:
        copy.object(md5).unlink()
        (copy.remote / "files/md5" / md5[:2] / md5[2:]).unlink()
    assert not next(one for one in diff(copy, "base", "large", exact=True).tensors if not one.same).estimated


def stored(world, revision):
    version = Repository(world.folder).version(revision)
    return version.files(version.output("models/weights"))


def copy_md5(world, revision, file):
    return stored(world, revision)[f"packed/{file}.safetensors"][0]


def test_the_default_reads_no_tensor_and_no_table(copy, world) -> None:
    copy.empty_cache()
    small = {path.name for path in (copy.remote / "files/md5").rglob("*") if path.is_file()}
    keep = set()
    for revision in ("base", "large"):
        version = Repository(world.folder).version(revision)
        for folder, file in (("models/weights", "index.json"), ("data/prepared", "profile.json")):
            output = version.output(folder)
            keep |= {output.md5[2:], version.files(output)[file][0][2:]}
    for path in (copy.remote / "files/md5").rglob("*"):
        if path.is_file() and path.name in small - keep:
            path.unlink()
    assert diff(copy, "base", "large").distance.total > 0
    assert not copy.cache.exists()


def test_pytorch_beside_tensorflow_is_aligned_and_said_so(world) -> None:
    found = diff(world, "base", "keras")
    assert {layer.status for layer in found.layers} == {"kept"}
    assert found.distance.parts["structure"] == 0
    assert [one.known for one in found.tensors if one.turned] == [False] * 4
    assert any("axes" in note for note in found.notes) and any("--exact" in note for note in found.notes)
    exact = diff(world, "base", "keras", exact=True)
    assert exact.distance.total == 0
    assert all(one.relative_l2 in (0, None) for one in exact.tensors)
    assert "(axes turned)" in said(world, "base", "keras")
    back = diff(world, "keras", "base", exact=True)
    assert back.distance.total == 0


def test_settings_metrics_code_and_environment_are_shown(three_versions) -> None:
    text = said(three_versions, "model@v1.0.0", "main")
    assert "train.epochs  40      60" in text
    assert "test.roc_auc     0.85   0.84  -0.01           within" in text
    assert "src/purchase_intent/model.py           +1          -1" in text
    found = stemma.diff(three_versions.folder, "model@v1.0.0", "main")
    move = next(one for one in found.metrics if one.key == "test.roc_auc")
    assert (move.move, move.interval, move.within) == (pytest.approx(-0.01), (0.82, 0.88), True)
    assert found.code.insertions == found.code.deletions == 1


def test_a_version_beside_the_workspace(copy) -> None:
    copy.ok("git", "checkout", "-q", "base")
    assert said(copy, "bare").startswith("bare (")
    folder = copy.folder / "models/weights"
    tensors = changed(weights.read(folder), "output.bias")
    weights.write(folder, tensors, framework="torch", layers=weights.index(folder).layers)
    copy.write("src/purchase_intent/model.py", "pass\npass\n")
    found = stemma.diff(copy.folder, "base")
    assert [one.before for one in found.tensors if not one.same] == ["output.bias"]
    assert (found.after.commit, found.code.insertions) == (None, 1)
    back = stemma.diff(copy.folder, "workspace", "base", exact=True)
    assert (back.code.insertions, back.code.deletions) == (0, 1)
    assert back.distance.parts["parameters"] == pytest.approx(found.distance.parts["parameters"], rel=1e-5)


def test_a_binary_file_of_the_code_has_no_lines(copy) -> None:
    copy.ok("git", "checkout", "-q", "-b", "more", "bias")
    copy.write("src/purchase_intent/a picture.png", b"\x89PNG\0\0")
    copy.commit("a picture")
    files = stemma.diff(copy.folder, "bias", "more").code.files
    assert [(file.path, file.insertions) for file in files] == [("src/purchase_intent/a picture.png", None)]
    assert "binary" in said(copy, "bias", "more")


def test_what_a_version_lacks_is_named_and_not_fatal(world) -> None:
    found = diff(world, "base", "bare")
    assert found.data is None and found.distance.parts["data"] is None
    assert found.distance.weights == pytest.approx({"structure": 0.625, "parameters": 0.375, "data": 0.0})
    assert any(note.startswith("bare: no data/prepared/profile.json") for note in found.notes)
    assert {"bare: no metrics", "bare: no environment"} <= set(found.notes)


def test_weights_come_from_the_command_line_or_from_conf(copy, world) -> None:
    default = diff(world, "base", "bias").distance
    given = json.loads(said(world, "base", "bias", "--weights", "parameters=1", "--json"))["distance"]
    assert given["total"] == default.parts["parameters"]
    assert default.total == pytest.approx(0.3 * default.parts["parameters"])
    copy.write("conf/diff.yaml", "weights: {parameters: 0.5, data: 0.5}\n")
    assert diff(copy, "base", "bias").distance.weights == {"structure": 0.0, "parameters": 0.5, "data": 0.5}


def test_json_names_what_became_of_each_layer(world) -> None:
    found = json.loads(said(world, "base", "inserted", "--json"))
    assert [layer["after"] for layer in found["layers"] if layer["status"] == "added"] == ["between"]
    assert [layer["after"] for layer in found["added"]] == ["between"] and found["removed"] == []


def test_the_workspace_without_its_files_is_told_the_command_that_brings_them(copy) -> None:
    shutil.rmtree(copy.folder / "models/weights")
    with pytest.raises(StemmaError, match=r"workspace holds no trained model: .*: run `dvc pull models/weights`"):
        diff(copy, "base", "workspace")


def test_json_holds_everything_and_markdown_is_tables(world) -> None:
    found = json.loads(said(world, "base", "bias", "--json"))
    assert {"distance", "layers", "tensors", "data", "settings", "metrics", "code", "environment"} <= found.keys()
    assert len(found["tensors"]) == 8
    text = said(world, "base", "bias", "--md")
    assert "### Tensors" in text and "| part of D " in text


def test_a_plot_is_a_png_written_whole_or_not_at_all(world, tmp_path) -> None:
    path = tmp_path / "change.png"
    said(world, "base", "inserted", "--plot", str(path))
    assert path.read_bytes().startswith(b"\x89PNG")
    before = path.read_bytes()
    assert "does not end in .png" in error(world, "base", "large", "--plot", str(tmp_path / "no.jpg"))
    assert "cannot be written" in error(world, "base", "large", "--plot", "/proc/no.png")
    assert "cannot be written" in error(world, "nowhere", "large", "--plot", str(path / "below.png"))  # before it looks
    said(world, "base", "inserted", "--plot", str(path))
    assert path.read_bytes() == before and list(tmp_path.iterdir()) == [path]


def test_the_plot_has_a_line_for_each_layer_and_a_column_for_each_role(world) -> None:
    from stemma.versions.diff.plot import table

    names, roles, cells = table(diff(world, "base", "inserted"))
    assert names[2] == "between (added)" and roles == ["weight", "bias"]
    assert len(cells) == len(names) and all(np.isnan(cells[2]))
    names, _, cells = table(diff(world, "base", "bias"))
    assert cells[names.index("hidden_2")][1] > 0 == cells[names.index("hidden_2")][0]


@pytest.mark.slow
def test_it_works_without_torch_and_tensorflow(world) -> None:
    for options in ((), ("--exact",)):
        command = [sys.executable, "-c", WITHOUT_FRAMEWORKS, "diff", "base", "keras", *options]
        done = subprocess.run(command, cwd=world.folder, capture_output=True, text=True, timeout=600)
        assert done.returncode == 0, done.stderr


@pytest.fixture
def copy(world: World, tmp_path) -> World:
    return world.copy(tmp_path / "copy")


@pytest.fixture
def bare(copy: World) -> World:
    copy.ok("git", "checkout", "-q", "bare")
    return copy


def error(world, *arguments: str) -> str:
    """The one line of a command that fails; `test_an_error_leaves_with_1` runs it as a user does."""
    with contextlib.chdir(world.folder), pytest.raises(StemmaError) as raised:
        CliRunner().invoke(app, ["diff", *arguments], catch_exceptions=False)
    assert "\n" not in str(raised.value)
    return str(raised.value)


def test_an_error_leaves_with_1_and_one_line(world) -> None:
    done = world.run("stemma", "diff", "bas", "bias")
    assert (done.returncode, done.stdout, len(done.stderr.splitlines())) == (1, "", 1)
    assert world.run("stemma", "diff").returncode == 2


def test_a_revision_that_is_not_there_is_one_clear_line(world) -> None:
    assert "no revision is named 'bas'" in error(world, "bas", "bias")


def test_a_commit_without_a_model_is_one_clear_line(world) -> None:
    first = world.ok("git", "rev-list", "--max-parents=0", "HEAD")
    assert "holds no trained model" in error(world, first, "base")


def test_an_object_that_is_nowhere_is_one_clear_line(copy) -> None:
    md5 = stored(copy, "large")["index.json"][0]
    copy.object(md5).unlink()
    (copy.remote / "files/md5" / md5[:2] / md5[2:]).unlink()
    assert "index.json of large is neither in the cache nor in a remote" in error(copy, "base", "large")


def test_a_tensor_that_is_nowhere_is_one_clear_line_of_exact_only(copy) -> None:
    files = stored(copy, "large")
    md5 = files["tensors/input.weight.safetensors"][0]
    copy.object(md5).unlink()
    (copy.remote / "files/md5" / md5[:2] / md5[2:]).unlink()
    said(copy, "base", "large")
    assert "tensors/input.weight.safetensors of large is neither" in error(copy, "base", "large", "--exact")


def test_a_tensor_with_another_hash_is_one_clear_line(copy) -> None:
    files = stored(copy, "large")
    path = copy.object(files["tensors/input.weight.safetensors"][0])
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    assert said(copy, "base", "large", "--exact")  # the remote has it whole
    (copy.remote / "files/md5" / path.parent.name / path.name).unlink()
    assert "input.weight.safetensors of large is damaged" in error(copy, "base", "large", "--exact")
    said(copy, "base", "large")


def test_a_tensor_that_is_not_the_one_of_its_index_is_one_clear_line(bare, tmp_path) -> None:
    path = bare.folder / "models/weights/index.json"
    index = json.loads(path.read_text())
    index["tensors"][0]["sha256"] = "0" * 64
    path.write_text(json.dumps(index))
    weights.write(tmp_path / "w", big()[1], framework="torch", layers=big()[0])
    shutil.copytree(tmp_path / "w/tensors", bare.folder / "models/weights/tensors", dirs_exist_ok=True)
    assert "'input.weight' has another hash than in the index" in error(bare, "base", "--exact")


@pytest.mark.parametrize(
    ("old", "new", "fault"),
    [
        ('"format": 1', '"format": 9', "has format 9"),
        ('"shape": [', '"shape": [-1, ', "damaged"),
        ('"sketch": "', '"sketch": "0.5 ', "a sketch of"),
        ('"sketch": "', '"sketch": "nan ', "a sketch of"),
        ('"file": "packed', '"file": "../packed', "has the file"),
        ("{", "", "damaged"),
    ],
)
def test_a_tampered_index_is_one_clear_line(bare, old, new, fault) -> None:
    path = bare.folder / "models/weights/index.json"
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))
    with pytest.raises(StemmaError, match=fault) as raised:
        stemma.diff(bare.folder, "base")
    assert "\n" not in str(raised.value)


def test_a_tampered_profile_is_one_clear_line(bare) -> None:
    for text, fault in (("{}", "profile.json"), ("[1]", "profile.json"), ('{"content": 1}', "profile.json")):
        bare.write("data/prepared/profile.json", text)
        with pytest.raises(StemmaError, match=fault) as raised:
            stemma.diff(bare.folder, "base")
        assert "\n" not in str(raised.value)


def test_a_store_that_was_half_written_is_one_clear_line(bare, tmp_path) -> None:
    folder = bare.folder / "models/weights"
    text = (folder / "index.json").read_text()
    (folder / "index.json").write_text(text[: len(text) // 2])
    with pytest.raises(StemmaError, match="damaged"):
        stemma.diff(bare.folder, "base")
    (folder / "index.json").write_text(text)
    shutil.rmtree(folder / "tensors")
    tensors = changed(big()[1], "input.weight")
    weights.write(tmp_path / "other", tensors, framework="torch", layers=big()[0])
    shutil.copyfile(tmp_path / "other/index.json", folder / "index.json")
    with pytest.raises(StemmaError, match=r"input\.weight") as raised:
        stemma.diff(bare.folder, "base", exact=True)
    assert "\n" not in str(raised.value)


NAMES = ("base", "nothing", "bias", "inserted", "renamed", "rows", "fewer", "column", "large")
SAME = ({"base", "nothing", "renamed"},)


@pytest.mark.slow
@given(st.sampled_from(NAMES), st.sampled_from(NAMES), st.floats(0.05, 0.9), st.booleans())
@settings(max_examples=25, deadline=None)
def test_d_is_symmetric_in_0_1_and_0_only_where_nothing_changed(world, a, b, share, exact) -> None:
    given_weights = {"structure": share, "parameters": (1 - share) / 2, "data": (1 - share) / 2}
    forth, back = (diff(world, *pair, weights=given_weights, exact=exact).distance.total for pair in ((a, b), (b, a)))
    assert forth == pytest.approx(back, abs=1e-9)
    assert 0 <= forth <= 1
    assert (forth == 0) == (a == b or {a, b} <= SAME[0])


def test_the_settings_of_the_world_are_those_compared(world) -> None:
    assert diff(world, "base", "bias").settings == ()
    assert PARAMS["train"]["epochs"] == 40
