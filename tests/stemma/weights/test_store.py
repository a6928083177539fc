"""The weights store."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import load_file, save_file

from fits import contents
from stemma import weights
from stemma.errors import WeightsError
from stemma.weights import Layer
from stemma.weights import store as store_module

SOURCE = Path(__file__).resolve().parents[3] / "src"
LAYERS = [
    Layer("block", "dense", {"units": 400, "shape": (3, 4)}),
    Layer("block.inner", "norm", {}),
    Layer("head", "sigmoid", {}),
]
Store = dict[str, np.ndarray]


def network(seed: int = 0) -> Store:
    """Two tensors with files of their own, small ones in two blocks, a buffer, a tied tensor."""
    generator = np.random.default_rng(seed)
    embedding = generator.standard_normal((400, 200)).astype(np.float32)
    return {
        "embedding.weight": embedding,
        "block.kernel": generator.standard_normal((400, 300)).astype(np.float32),
        "block.bias": generator.standard_normal(300).astype(np.float32),
        "block.inner.mean": generator.standard_normal(300).astype(np.float32),
        "output.weight": embedding,
        "output.scale": np.array(generator.standard_normal(), np.float64),
    }


def write(folder: Path, tensors: Store | None = None, **changes: Any) -> weights.Index:
    given = {"framework": "torch", "layers": LAYERS, "buffers": ["block.inner.mean"]} | changes
    return weights.write(folder, network() if tensors is None else tensors, **given)


def files(folder: Path) -> dict[str, str]:
    """Hash of every file of a folder."""
    found = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in found}


def same(one: Store, other: Store) -> bool:
    """Equal names in equal order, types, shapes and bits."""
    return list(one) == list(other) and all(
        (one[n].dtype, one[n].shape, one[n].tobytes()) == (other[n].dtype, other[n].shape, other[n].tobytes())
        for n in one
    )


@pytest.fixture
def store(tmp_path: Path) -> Path:
    write(tmp_path / "weights")
    return tmp_path / "weights"


# Round trips.

awkward_names = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
    st.sampled_from(
        ["a", "A", "a.b", "A.b", "a/b", "..", "../x", "con", "aux.w", "é", "é", "x" * 300, "C:\\x", ".", ""]
    ),
)
dtypes = st.sampled_from([*(d for d in store_module.DTYPES if d != "bfloat16"), ">f4", ">i8", ml_dtypes.bfloat16]).map(
    np.dtype
)


@st.composite
def tensor(draw: Any) -> np.ndarray:
    shape = draw(hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=5))
    raw = draw(st.binary(min_size=8, max_size=8))
    dtype = draw(dtypes)
    entries = np.frombuffer(raw * 125, np.uint8).astype(dtype)[: int(np.prod(shape))].reshape(shape)
    return entries.T if draw(st.booleans()) else entries


@given(st.dictionaries(awkward_names, tensor(), max_size=8), st.data())
@settings(max_examples=60, deadline=None)
def test_any_tensors_with_any_names_come_back(tmp_path_factory: Any, tensors: Store, data: Any) -> None:
    folder = tmp_path_factory.mktemp("any") / "weights"
    for name in data.draw(st.lists(awkward_names, max_size=2)) if tensors else ():
        tensors[name] = data.draw(st.sampled_from(list(tensors.values())))  # tied
    buffers = data.draw(st.sets(st.sampled_from(sorted(tensors)))) if tensors else set()
    written = weights.write(folder, tensors, framework="torch", layers=(), buffers=buffers)
    native = {n: np.asarray(t.astype(t.dtype.newbyteorder("=")), order="C") for n, t in tensors.items()}
    assert same(weights.read(folder), native)
    assert weights.index(folder) == written
    assert {t.name for t in written.tensors if t.buffer} == buffers
    weights.verify(folder)


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=90) | awkward_names, unique=True))
@settings(max_examples=200, deadline=None)
def test_file_names_are_safe_and_never_collide(names: list[str]) -> None:
    made = [store_module._file_name(name) for name in names]
    assert len({name.lower() for name in made}) == len(names)
    for name in made:
        assert name.isascii() and len(name) <= 100 and not set(name) & set('<>:"/\\|?* ') and not name.startswith(".")
        assert name.split(".")[0] not in ("con", "aux", "nul", "prn", "com1", "lpt9")


def test_file_names_do_not_depend_on_the_other_tensors(tmp_path: Path) -> None:
    write(tmp_path / "a")
    write(tmp_path / "b", {"BLOCK.kernel": np.ones((400, 300)), **network()})
    kept = files(tmp_path / "a")
    del kept["index.json"]
    assert kept.items() <= files(tmp_path / "b").items()


def test_tied_tensors_are_stored_once_and_read_as_one_array(store: Path) -> None:
    facts = {t.name: t for t in weights.index(store).tensors}
    assert facts["output.weight"].tied_to == "embedding.weight"
    assert facts["output.weight"].file == facts["embedding.weight"].file == "tensors/embedding.weight.safetensors"
    arrays = weights.read(store)
    assert arrays["output.weight"] is arrays["embedding.weight"]
    assert list(weights.read(store, ["output.weight"])) == ["output.weight"]


def test_equal_values_in_different_memory_and_views_of_different_shape_are_not_tied(tmp_path: Path) -> None:
    whole = np.ones((4, 4))
    parts = {
        "a": whole,
        "b": whole.copy(),
        "c": whole[:2],
        "d": whole.T,
        "e": whole.reshape(-1),
        "f": whole[:0],
        "g": whole[:0],
    }
    index = write(tmp_path / "w", parts, buffers=())
    # A transpose of a square of C order has other strides.
    assert [t.tied_to for t in index.tensors] == [None] * 7


def test_big_tensors_have_a_file_each_and_small_ones_share_one_per_block(store: Path) -> None:
    assert sorted(files(store)) == [
        "buffers/block.safetensors",
        "index.json",
        "packed/block.safetensors",
        "packed/output.safetensors",
        "tensors/block.kernel.safetensors",
        "tensors/embedding.weight.safetensors",
    ]


def test_the_limit_is_256_kilobytes(tmp_path: Path) -> None:
    sizes = {"a.small": np.zeros(256 * 1024 - 1, np.uint8), "a.big": np.zeros(256 * 1024, np.uint8)}
    index = write(tmp_path / "w", sizes, buffers=())
    assert [t.file for t in index.tensors] == ["packed/a.safetensors", "tensors/a.big.safetensors"]


def test_files_are_plain_safetensors_without_metadata(store: Path) -> None:
    read = load_file(store / "packed/block.safetensors")
    assert np.array_equal(read["block.bias"], network()["block.bias"])
    header = (store / "packed/block.safetensors").read_bytes()
    assert b"__metadata__" not in header


def test_the_index_tells_each_tensor(store: Path) -> None:
    index = weights.index(store)
    assert [t.name for t in index.tensors] == list(network())
    assert [t.layer for t in index.tensors] == [None, "block", "block", "block.inner", None, None]
    kernel = index.tensors[1]
    assert kernel.shape == (400, 300) and kernel.dtype == "float32" and not kernel.buffer
    assert kernel.sha256 == hashlib.sha256(network()["block.kernel"].tobytes()).hexdigest()
    assert kernel.norm == pytest.approx(np.linalg.norm(network()["block.kernel"].astype(float)), rel=1e-6)
    assert kernel.sketch is not None and len(kernel.sketch) == 61
    assert index.tensors[3].buffer
    assert index.layers[0] == Layer("block", "dense", {"units": 400, "shape": [3, 4]})


def test_sketches_of_two_stores_tell_how_far_a_tensor_moved(tmp_path: Path) -> None:
    moved = network()
    moved["block.kernel"] = moved["block.kernel"] + np.float32(0.01) * network(1)["block.kernel"]
    a, b = write(tmp_path / "a"), write(tmp_path / "b", moved)
    estimates = [weights.sketch_distance(x.sketch, y.sketch) for x, y in zip(a.tensors, b.tensors, strict=True)]
    true = float(np.linalg.norm(moved["block.kernel"] - network()["block.kernel"]))
    assert estimates[1] == pytest.approx(true, rel=0.4)
    assert estimates[:1] + estimates[2:] == [0.0] * 5


def test_entries_that_are_not_finite_are_kept_and_have_no_norm(tmp_path: Path) -> None:
    broken = {"a": np.array([np.nan, np.inf, -0.0, 1.0], np.float32)}
    index = write(tmp_path / "w", broken, buffers=())
    assert index.tensors[0].norm is None and index.tensors[0].sketch is None
    assert same(weights.read(tmp_path / "w"), broken)
    json.loads((tmp_path / "w/index.json").read_text(), parse_constant=lambda word: pytest.fail(word))


# Bytes.


def test_two_folders_hold_the_same_bytes(tmp_path: Path) -> None:
    write(tmp_path / "one")
    write(tmp_path / "elsewhere/other")
    assert files(tmp_path / "one") == files(tmp_path / "elsewhere/other")


@pytest.mark.slow
def test_the_bytes_do_not_depend_on_hash_seed_or_threads(tmp_path: Path) -> None:
    write(tmp_path / "here")
    program = f"import sys; sys.path[:0] = {sys.path!r}\n" + (
        "import runpy, pathlib\n"
        "from stemma import threads\n"
        "threads.MOST = 1\n"
        f"tests = runpy.run_path({__file__!r})\n"
        f"tests['write'](pathlib.Path({str(tmp_path / 'there')!r}))\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True, env=os.environ | {"PYTHONHASHSEED": "7"})
    assert files(tmp_path / "here") == files(tmp_path / "there")


def test_the_order_of_tensors_is_kept_and_changes_the_index_alone(tmp_path: Path) -> None:
    distinct = {n: t.copy() for n, t in network().items()}
    backwards = dict(reversed(distinct.items()))
    write(tmp_path / "a", distinct)
    write(tmp_path / "b", backwards)
    assert list(weights.read(tmp_path / "b")) == list(backwards)
    a, b = files(tmp_path / "a"), files(tmp_path / "b")
    assert {name for name in a if a[name] != b[name]} == {"index.json"} and a.keys() == b.keys()


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("block.kernel", "tensors/block.kernel.safetensors"),
        ("block.bias", "packed/block.safetensors"),
        ("block.inner.mean", "buffers/block.safetensors"),
    ],
)
def test_a_changed_tensor_changes_its_file_and_the_index_alone(store: Path, name: str, file: str) -> None:
    before = files(store)
    changed = network()
    changed[name] = changed[name] + 1
    write(store, changed)
    after = files(store)
    assert before.keys() == after.keys()
    assert {name for name in after if after[name] != before[name]} == {file, "index.json"}


def test_the_structure_does_not_depend_on_values_and_names(tmp_path: Path) -> None:
    first = write(tmp_path / "w").structure
    assert write(tmp_path / "w", network(seed=5)).structure == first
    renamed = [Layer("another", layer.kind, layer.settings) for layer in LAYERS]
    assert write(tmp_path / "w", layers=renamed).structure == first


def test_the_structure_depends_on_kinds_settings_shapes_types_order_and_ties(tmp_path: Path) -> None:
    tensors, untied = network(), network()
    untied["output.weight"] = untied["output.weight"].copy()
    wider = tensors | {"block.bias": np.zeros(301, np.float32)}
    retyped = tensors | {"block.bias": np.zeros(300, np.float64)}
    structures = [write(tmp_path / "w", each).structure for each in (tensors, untied, wider, retyped)]
    for layers in (LAYERS[:2], LAYERS[::-1], [Layer("block", "dense", {"units": 401}), *LAYERS[1:]]):
        structures.append(write(tmp_path / "w", layers=layers).structure)
    assert len(set(structures)) == len(structures)


# Nothing is lost.

KILLED_WRITE = """
import os, sys
sys.path[:0] = {path!r}
import runpy
from pathlib import Path
import pathlib, shutil
from stemma.weights import store

calls = 0
def killing(function):
    def wrapped(*arguments, **named):
        global calls
        calls += 1
        if calls == {call}:
            os.kill(os.getpid(), 9)
        return function(*arguments, **named)
    return wrapped

{target} = killing({target})
tests = runpy.run_path({tests!r})
tests["write"](Path({folder!r}), tests["network"](seed=1))
"""


@pytest.mark.parametrize(
    ("target", "call", "left"),
    [
        ("store.save_file", 1, "old"),
        ("store.save_file", 4, "old"),
        ("store.write_text", 1, "old"),
        ("pathlib.Path.replace", 1, "old"),  # index.json into its place
        ("pathlib.Path.replace", 2, "old"),  # the old folder aside
        ("pathlib.Path.replace", 3, "old"),  # the new folder into its place
        ("shutil.rmtree", 1, "old"),  # what an earlier kill left
        ("shutil.rmtree", 2, "new"),  # the old folder
    ],
)
@pytest.mark.slow
def test_a_killed_write_leaves_a_whole_store_and_the_next_one_works(
    store: Path, target: str, call: int, left: str
) -> None:
    program = KILLED_WRITE.format(path=sys.path, call=call, target=target, tests=__file__, folder=str(store))
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert abs(done.returncode) == 9, done.stderr
    assert same(weights.read(store), network(seed=("old", "new").index(left)))
    weights.verify(store)
    write(store, network(seed=2))
    assert same(weights.read(store), network(seed=2))
    assert [path.name for path in store.parent.iterdir()] == ["weights"]


def test_a_write_that_fails_leaves_the_old_store_and_no_trace(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> None:
        raise OSError("No space left on device")

    monkeypatch.setattr(store_module, "save_file", full)
    with pytest.raises(OSError, match="No space left"):
        write(store, network(seed=1))
    assert same(weights.read(store), network())
    assert [path.name for path in store.parent.iterdir()] == ["weights"]


def test_a_store_with_fewer_tensors_leaves_no_old_files(store: Path) -> None:
    write(store, {"block.bias": np.zeros(3)}, buffers=())
    assert sorted(files(store)) == ["index.json", "packed/block.safetensors"]


def test_a_folder_that_holds_something_else_is_not_replaced(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(WeightsError, match=r"holds files but no index\.json, so it is not a weights store"):
        write(tmp_path)
    with pytest.raises(WeightsError, match="is a file, not a weights store"):
        write(tmp_path / "notes.txt")
    assert (tmp_path / "notes.txt").read_text() == "mine"


@pytest.mark.parametrize(
    ("tensors", "changes", "message"),
    [
        ({"a": np.array(["x"])}, {}, "tensor 'a' has type <U1; a store holds bool, int8"),
        ({"a": np.array([{}])}, {}, "tensor 'a' has type object"),
        ({"a": np.array([1j])}, {}, "tensor 'a' has type complex128"),
        ({"__metadata__": np.ones(1)}, {}, "tensor '__metadata__': safetensors has no place for this name"),
        ({"\ud800": np.ones(1)}, {}, "safetensors has no place for this name"),
        ({"a": np.ones(1)}, {"buffers": ["b"]}, "buffer 'b' is not among the tensors"),
        ({"a": np.ones(1)}, {"layers": [Layer("a", "b", {"c": np.ones(1)})]}, "are not JSON"),
        ({"a": np.ones(1)}, {"layers": [Layer("a", "b", {"c": float("nan")})]}, "are not JSON"),
    ],
)
def test_what_cannot_be_stored_is_refused_before_anything_changes(
    store: Path, tensors: Store, changes: dict[str, Any], message: str
) -> None:
    before = files(store)
    with pytest.raises(WeightsError, match=message):
        write(store, tensors, **({"buffers": ()} | changes))
    assert files(store) == before


# Damage.


def one_line(error: pytest.ExceptionInfo[WeightsError], *parts: str) -> None:
    assert "\n" not in str(error.value)
    for part in parts:
        assert part in str(error.value)


def test_a_missing_store_names_the_command(tmp_path: Path) -> None:
    for read in (weights.read, weights.index, weights.verify, weights.to_state_dict, weights.to_keras):
        with pytest.raises(WeightsError) as error:
            read(tmp_path / "weights")
        one_line(error, "weights is not there: run `dvc checkout ")


def test_a_store_is_named_by_a_text_too(store: Path) -> None:
    assert weights.index(str(store)) == weights.index(store)


def test_a_name_that_is_not_in_the_store_is_refused(store: Path) -> None:
    with pytest.raises(WeightsError, match=r"has no tensor 'block\.kernal'"):
        weights.read(store, ["block.bias", "block.kernal"])


def test_only_the_files_of_the_named_tensors_are_read(store: Path) -> None:
    (store / "tensors/block.kernel.safetensors").unlink()
    assert list(weights.read(store, ["output.scale", "block.bias"])) == ["block.bias", "output.scale"]


def test_every_flipped_byte_of_a_tensor_is_found(store: Path) -> None:
    for name, tensor in network().items():
        path = store / {t.name: t for t in weights.index(store).tensors}[name].file
        content = path.read_bytes()
        at = content.index(tensor.tobytes()[:64]) + tensor.nbytes - 1
        path.write_bytes(content[:at] + bytes([content[at] ^ 1]) + content[at + 1 :])
        for read in (weights.verify, weights.read, lambda folder, name=name: weights.read(folder, [name])):
            with pytest.raises(WeightsError) as error:
                read(store)
            one_line(error, str(path), "has another hash than in the index", "run `dvc checkout ")
        weights.read(store, verify=False)
        path.write_bytes(content)
    weights.verify(store)


@pytest.mark.parametrize("size", [0, 3, 8, 60, 4000])
def test_a_truncated_file_is_refused(store: Path, size: int) -> None:
    path = store / "tensors/block.kernel.safetensors"
    path.write_bytes(path.read_bytes()[:size])
    for read in (weights.read, weights.verify):
        with pytest.raises(WeightsError) as error:
            read(store)
        one_line(error, "block.kernel.safetensors is damaged", "run `dvc checkout")


def test_a_file_that_becomes_shorter_while_it_is_read_is_refused(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = store / "tensors/block.kernel.safetensors", store_module.safe_open

    def shortened(file: Path, **named: Any) -> Any:
        found = opened(file, **named)
        os.truncate(path, 4000)
        return found

    monkeypatch.setattr(store_module, "safe_open", shortened)
    for check in (True, False):
        with pytest.raises(WeightsError) as error:
            weights.read(store, ["block.kernel"], verify=check)
        one_line(error, "block.kernel.safetensors is damaged", "run `dvc checkout")


def test_a_missing_file_is_named(store: Path) -> None:
    (store / "packed/block.safetensors").unlink()
    for read in (weights.read, weights.verify):
        with pytest.raises(WeightsError) as error:
            read(store)
        one_line(error, "block.safetensors is not there: run `dvc checkout")


def test_a_file_or_tensor_too_many_is_found(store: Path) -> None:
    shutil.copyfile(store / "packed/block.safetensors", store / "packed/other.safetensors")
    with pytest.raises(WeightsError, match=r"other.safetensors is not in the index: run `dvc checkout"):
        weights.verify(store)
    (store / "packed/other.safetensors").unlink()
    path = store / "packed/block.safetensors"
    save_file({**load_file(path), "block.extra": np.ones(2)}, path)
    with pytest.raises(WeightsError, match=r"tensor 'block.extra' is not in the index"):
        weights.verify(store)


def test_a_tensor_of_another_shape_type_or_name_is_found(store: Path) -> None:
    path = store / "packed/block.safetensors"
    bias = load_file(path)["block.bias"]
    replacements = {"block.bias": bias.reshape(3, 100)}, {"block.bias": bias.view(np.int32)}, {"block.bios": bias}
    for content in replacements:
        save_file(content, path)
        for read in (weights.verify, lambda folder: weights.read(folder, verify=False)):
            with pytest.raises(WeightsError) as error:
                read(store)
            one_line(error, "block.safetensors is damaged", "block.bias")


def test_a_tensor_type_that_numpy_does_not_know_is_refused(store: Path) -> None:
    path = store / "packed/block.safetensors"
    save_file({"block.bias": np.ones(300, ml_dtypes.float8_e5m2)}, path)
    with pytest.raises(WeightsError, match=r"block\.safetensors is damaged"):
        weights.read(store)


def edited(store: Path, edit: Any) -> None:
    content = json.loads((store / "index.json").read_text())
    edit(content)
    (store / "index.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    "file",
    ["../../secret.safetensors", "/etc/passwd", "tensors/../../x.safetensors", "C:\\x.safetensors", "index.json",
     "tensors/sub/x.safetensors", "tensors\\x.safetensors", "tensors/..safetensors", ""],
)  # fmt: skip
def test_an_index_that_points_outside_the_store_is_refused(store: Path, file: str) -> None:
    edited(store, lambda content: content["tensors"][1].update(file=file))
    for read in (weights.read, weights.verify, weights.index):
        with pytest.raises(WeightsError) as error:
            read(store)
        one_line(error, "index.json is damaged", "'block.kernel' has the file")


@pytest.mark.parametrize(
    "edit",
    [
        lambda c: c.pop("tensors"),
        lambda c: c.update(tensors=3),
        lambda c: c.update(tensors=[3]),
        lambda c: c["tensors"][0].pop("sha256"),
        lambda c: c["tensors"][0].update(shape="ab"),
        lambda c: c["tensors"][0].update(name=3),
        lambda c: c["tensors"][0].update(norm="big"),
        lambda c: c["tensors"][0].update(sketch="1 2 x"),
        lambda c: c["tensors"][0].update(tied_to="nobody"),
        lambda c: c["tensors"][4].update(sha256="0" * 64),
        lambda c: c["tensors"].append(c["tensors"][0]),
        lambda c: c.update(architecture=[{}]),
        lambda c: c["architecture"][0].update(settings=[]),
        lambda c: c.update(config=[]),
        lambda c: c.update(framework=None),
    ],
)
def test_a_tampered_index_is_refused_with_one_line(store: Path, edit: Any) -> None:
    edited(store, edit)
    with pytest.raises(WeightsError) as error:
        weights.index(store)
    one_line(error, "index.json is damaged", "run `dvc checkout ")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"[" * 100_000])
def test_a_broken_index_is_refused_with_one_line(store: Path, content: bytes) -> None:
    (store / "index.json").write_bytes(content)
    with pytest.raises(WeightsError) as error:
        weights.index(store)
    one_line(error, "index.json is damaged")


def test_a_missing_index_is_named(store: Path) -> None:
    (store / "index.json").unlink()
    with pytest.raises(WeightsError, match=r"index\.json is not there: run `dvc checkout"):
        weights.index(store)


def test_another_format_is_refused(store: Path) -> None:
    edited(store, lambda content: content.update(format=3))
    with pytest.raises(WeightsError, match="has format 3, and this version of stemma reads 1 and 2"):
        weights.index(store)


def test_a_changed_architecture_is_found_by_its_fingerprint(store: Path) -> None:
    edited(store, lambda content: content["architecture"][0].update(kind="conv"))
    with pytest.raises(WeightsError, match="its structure has another fingerprint"):
        weights.verify(store)


# Other forms.


def test_one_plain_safetensors_file_holds_every_tensor(store: Path, tmp_path: Path) -> None:
    weights.to_safetensors(store, tmp_path / "out/model.safetensors")
    assert same(dict(sorted(load_file(tmp_path / "out/model.safetensors").items())), dict(sorted(network().items())))


def test_reading_needs_no_framework(store: Path) -> None:
    program = f"import sys; sys.path[:0] = {[str(SOURCE), *sys.path]!r}\n" + (
        "for name in ('torch', 'tensorflow', 'keras', 'pandas', 'sklearn', 'dvc', 'hydra'):\n"
        "    sys.modules[name] = None\n"
        "from stemma import weights\n"
        f"weights.verify({str(store)!r})\n"
        f"print(len(weights.read({str(store)!r})))\n"
        "try:\n"
        f"    weights.to_state_dict({str(store)!r})\n"
        "except Exception as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines() == [
        "6",
        'torch is not installed: run `pip install -c requirements.lock -e ".[torch]"`',
    ]


def test_a_store_of_pytorch_is_no_keras_model(store: Path) -> None:
    with pytest.raises(WeightsError, match=r"holds no Keras model \(its framework is torch\)"):
        weights.to_keras(store)


def test_weights_of_another_network_name_the_folder_and_the_command() -> None:
    error = weights.another_network(Path("models/weights"), RuntimeError("size mismatch\n  for a"))
    assert str(error) == (
        "models/weights holds the weights of another network (size mismatch for a): run `dvc repro train`"
    )


# Without zeros.


def pruned(share: float, size: tuple[int, int] = (400, 300)) -> Store:
    generator = np.random.default_rng(1)
    tensor = generator.standard_normal(size).astype(np.float32)
    tensor[generator.random(size) < share] = 0
    return network() | {"block.kernel": tensor}


@pytest.mark.parametrize("size", [(400, 300), (7, 11)])  # a file of its own, and one of several
def test_a_tensor_that_is_mostly_zero_is_stored_without_its_zeros(tmp_path: Path, size: tuple[int, int]) -> None:
    tensors = pruned(0.5, size)
    tensors["block.kernel"][0, :3] = -0.0, np.nan, 0.0
    described = write(tmp_path / "whole", tensors)
    assert write(tmp_path / "sparse", tensors, pruned=["block.kernel"]) == described
    for each in ("again", "sparse"):
        write(tmp_path / each, tensors, pruned=["block.kernel"])
    assert contents(tmp_path / "again") == contents(tmp_path / "sparse")
    found = weights.read(tmp_path / "sparse")
    assert all(found[name].tobytes() == tensor.tobytes() for name, tensor in tensors.items())
    assert np.signbit(found["block.kernel"][0, 0])
    weights.verify(tmp_path / "sparse")
    assert json.loads((tmp_path / "sparse/index.json").read_text())["format"] == 2
    file = {tensor.name: tensor.file for tensor in described.tensors}["block.kernel"]
    if size == (400, 300):
        whole, smaller = ((tmp_path / folder / file).stat().st_size for folder in ("whole", "sparse"))
        assert smaller < 0.54 * whole


def test_few_zeros_and_tensors_that_are_not_pruned_are_stored_as_they_are(tmp_path: Path) -> None:
    write(tmp_path / "plain", pruned(0.2))
    write(tmp_path / "few", pruned(0.2), pruned=["block.kernel"])
    write(tmp_path / "other", pruned(0.2), pruned=["block.bias"])
    assert contents(tmp_path / "plain") == contents(tmp_path / "few") == contents(tmp_path / "other")
    assert json.loads((tmp_path / "few/index.json").read_text())["format"] == 1


@pytest.mark.parametrize("fault", ["entry", "places", "length"])
def test_places_that_do_not_fit_their_entries_are_told_as_damage(tmp_path: Path, fault: str) -> None:
    write(tmp_path / "store", pruned(0.5), pruned=["block.kernel"])
    file = tmp_path / "store/tensors/block.kernel.safetensors"
    parts = load_file(file)
    if fault == "entry":
        parts["block.kernel"] = parts["block.kernel"][1:]
    elif fault == "places":
        parts["block.kernel/places"][0] ^= 255
    else:
        parts["block.kernel/places"] = parts["block.kernel/places"][:-1]
    save_file(parts, file)
    for look in (weights.read, weights.verify):
        with pytest.raises(WeightsError, match=r"block.kernel.safetensors is damaged"):
            look(tmp_path / "store")
