"""The files of a weights store: written whole or not at all, read with or without their hashes, in other forms."""

import hashlib
import os
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from threading import Lock
from typing import Any, TypeVar

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from stemma.errors import WeightsError
from stemma.files import open_plain, read_plain, recover_folder, replaced, swapped_folder, write_text
from stemma.names import RESERVED
from stemma.text import in_one_line
from stemma.threads import each
from stemma.weights import sparse
from stemma.weights.facts import FORMAT, INDEX, WITHOUT_ZEROS, Index, Tensor, damaged, dump, not_there, parse, structure
from stemma.weights.networks import Array, Layer, keras_model, set_keras_tensors, to_torch
from stemma.weights.sketch import norm_and_sketch

BIG = 256 * 1024  # bytes, from which a tensor has a file of its own
INTEGERS = ("int8", "int16", "int32", "int64", "uint8", "uint16", "uint32", "uint64")
DTYPES = ("bool", *INTEGERS, "float16", "float32", "float64", "bfloat16")
PLAIN_NAME = re.compile(r"[a-z0-9_][a-z0-9_.-]{0,79}")  # safe as a file name everywhere, also where case is ignored
Result = TypeVar("Result")


def write(
    folder: str | Path,
    tensors: Mapping[str, Array],
    *,
    framework: str,
    layers: Sequence[Layer],
    buffers: Collection[str] = (),
    pruned: Collection[str] = (),
    config: Mapping[str, Any] | None = None,
) -> Index:
    """Write the whole store beside `folder`, then put it in its place: a kill leaves the old store or the new one.

    Args:
        tensors: by name, in the order that the index keeps; arrays with the same memory are tied.
        layers: the architecture, in order; settings must be JSON values.
        buffers: names of the tensors that are buffers.
        pruned: names of tensors that are stored without their zeros where these are many.
        config: of a Keras model, for `to_keras`.

    Raises:
        WeightsError: a tensor has a type or a name that cannot be stored, a setting is no JSON value, a buffer is no
            tensor, or the folder holds something else.
    """
    folder, tensors, buffers = Path(folder), dict(tensors), frozenset(buffers)
    _check_place(folder)
    arrays = {name: _storable(name, tensor) for name, tensor in tensors.items()}
    for stray in sorted(buffers - arrays.keys()):
        raise WeightsError(f"buffer {stray!r} is not among the tensors")
    planned = _plan(arrays, _ties(tensors), layers, buffers)
    with swapped_folder(folder) as partial:
        turns, files = Lock(), _by_file(planned).items()
        stored = {name: sparse.encoded(name, a) if name in pruned else {name: a} for name, a in arrays.items()}
        digests = _merged(each(lambda file: _save(partial / file[0], file[1], arrays, stored, turns), files))
        facts = tuple(replace(tensor, **digests[tensor.stored_as]) for tensor in planned)
        format_ = WITHOUT_ZEROS if any(len(parts) > 1 for parts in stored.values()) else FORMAT
        text = dump(Index(framework, tuple(layers), facts, structure(layers, facts), config), format_)
        write_text(partial / INDEX, text)
    return parse(text, folder)


def index(folder: str | Path) -> Index:
    """Read what the store says of itself; no tensor is read.

    Raises:
        WeightsError: it is missing, damaged, of another format, or names files outside the folder.
    """
    folder = Path(folder)
    if not folder.exists():
        recover_folder(folder)
    if not folder.is_dir():
        raise not_there(folder, folder)
    try:
        return parse(read_plain(folder / INDEX).decode(), folder)
    except FileNotFoundError:
        raise not_there(folder / INDEX, folder) from None
    except (UnicodeDecodeError, OSError) as error:
        raise damaged(folder / INDEX, str(error), folder) from None


def read(folder: str | Path, names: Iterable[str] | None = None, *, verify: bool = True) -> dict[str, Array]:
    """Read all tensors, or those named, in the order of the index; tied ones are one array.

    Args:
        verify: hash every tensor read and compare with the index.

    Raises:
        WeightsError: as `index`; a name is not in the store; a file is missing, damaged or changed.
    """
    folder = Path(folder)
    wanted = _wanted(index(folder).tensors, names, folder)
    arrays = _merged(each(lambda file: _load(folder, *file, verify), _by_file(wanted).items()))
    return {tensor.name: arrays[tensor.stored_as] for tensor in wanted}


def verify(folder: str | Path) -> None:
    """Hash everything again, file by file, and compare with the index. The index itself is for DVC to hash.

    Raises:
        WeightsError: names the first tensor or file that is missing, changed or too many.
    """
    folder = Path(folder)
    described = index(folder)
    if structure(described.layers, described.tensors) != described.structure:
        raise damaged(folder / INDEX, "its structure has another fingerprint", folder)
    files = _by_file(described.tensors)
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    for stray in sorted(found - {*files, INDEX}):
        raise WeightsError(f"{folder / stray} is not in the index", run=f"dvc checkout {folder.as_posix()}")
    each(lambda file: _verify_file(folder, *file), files.items())


def to_safetensors(folder: str | Path, file: str | Path) -> None:
    """Write all tensors to one plain safetensors file; tied ones are written under each of their names.

    Raises:
        WeightsError: as `read`.
    """
    tensors = read(folder)
    with replaced(Path(file)) as partial:
        save_file(tensors, partial)


def to_state_dict(folder: str | Path) -> dict[str, Any]:
    """All tensors as torch.Tensor, for torch.nn.Module.load_state_dict; tied ones share memory.

    Raises:
        WeightsError: as `read`.
        MissingExtra: PyTorch is not installed.
    """
    return {name: to_torch(array) for name, array in read(folder).items()}


def to_keras(folder: str | Path) -> Any:
    """The Keras model that was written, with its weights.

    Raises:
        WeightsError: as `read`; the store is not of a Keras model, or the model holds Python code (a Lambda).
        MissingExtra: Keras or TensorFlow is not installed.
    """
    described = index(folder)
    if described.config is None:
        raise WeightsError(f"{folder} holds no Keras model (its framework is {described.framework})")
    model = keras_model(described.config)
    set_keras_tensors(model, read(folder))
    return model


def another_network(folder: Path, error: Exception) -> WeightsError:
    """The error of a network whose layers are not those of the store."""
    reason = in_one_line(error, None)
    return WeightsError(f"{folder} holds the weights of another network ({reason})", run="dvc repro train")


# Writing.


def _check_place(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise WeightsError(f"{folder} is a file, not a weights store: move it away")
    if folder.is_dir() and not (folder / INDEX).exists() and any(folder.iterdir()):
        raise WeightsError(f"{folder} holds files but no {INDEX}, so it is not a weights store: move it away")


def _storable(name: str, tensor: Array) -> Array:
    """The tensor in row order, little-endian."""
    if name == "__metadata__" or any("\ud800" <= letter <= "\udfff" for letter in name):
        raise WeightsError(f"tensor {name!r}: safetensors has no place for this name")
    if tensor.dtype.name not in DTYPES:
        raise WeightsError(f"tensor {name!r} has type {tensor.dtype}; a store holds {', '.join(DTYPES)}")
    if tensor.dtype.byteorder == ">":
        tensor = tensor.astype(tensor.dtype.newbyteorder("<"))
    return np.asarray(tensor, order="C")


def _ties(tensors: Mapping[str, Array]) -> dict[str, str]:
    """{tensor: the first one with the same memory}."""
    first: dict[Any, str] = {}
    ties = {}
    for name, tensor in tensors.items():
        memory = (tensor.ctypes.data, tensor.dtype, tensor.shape, tensor.strides)
        owner = first.setdefault(memory, name) if tensor.size else name
        if owner != name:
            ties[name] = owner
    return ties


def _plan(
    arrays: Mapping[str, Array], ties: Mapping[str, str], layers: Sequence[Layer], buffers: Collection[str]
) -> list[Tensor]:
    """The facts that are known before a tensor is looked into."""
    planned, layer_names = [], [layer.name for layer in layers]
    for name, array in arrays.items():
        stored_as = ties.get(name, name)
        file = _file(stored_as, array.nbytes, stored_as in buffers)
        layer = _layer_of(name, layer_names)
        planned.append(
            Tensor(name, layer, array.shape, array.dtype.name, "", file, None, None, name in buffers, ties.get(name))
        )
    return planned


def _layer_of(tensor: str, layers: Sequence[str]) -> str | None:
    fitting = [layer for layer in layers if layer == "" or tensor.startswith((layer + ".", layer + "/"))]
    return max(fitting, key=len, default=None)


def _file(name: str, size: int, buffer: bool) -> str:
    if size >= BIG:
        return f"tensors/{_file_name(name)}.safetensors"
    return f"{'buffers' if buffer else 'packed'}/{_file_name(re.split('[./]', name)[0])}.safetensors"


def _file_name(name: str) -> str:
    """The name itself where any file system takes it, else its plain letters and a hash: no two names collide."""
    if PLAIN_NAME.fullmatch(name) and not RESERVED.fullmatch(name):
        return name
    letters = re.sub("[^a-z0-9_-]", "_", name.lower())[:60]
    return f"_{letters}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _save(
    path: Path,
    tensors: Iterable[Tensor],
    arrays: Mapping[str, Array],
    stored: Mapping[str, Mapping[str, Array]],
    turns: Lock,
) -> dict[str, dict[str, Any]]:
    """Write one file; {name of a tensor in it: the facts that its entries give}.

    One thread sketches at a time: its many short loops each take Python's lock, so two take longer than one.
    """
    names = dict.fromkeys(tensor.stored_as for tensor in tensors)
    path.parent.mkdir(exist_ok=True)
    save_file(_merged(stored[name] for name in names), path)
    return {name: _digest(arrays[name], turns) for name in names}


def _digest(array: Array, turns: Lock) -> dict[str, Any]:
    with turns:
        norm, sketch = norm_and_sketch(array)
    return {"sha256": _sha256(array), "norm": norm, "sketch": sketch}


# Reading.


def _wanted(tensors: Sequence[Tensor], names: Iterable[str] | None, folder: Path) -> list[Tensor]:
    if names is None:
        return list(tensors)
    chosen = set(names)
    for stray in sorted(chosen - {tensor.name for tensor in tensors}):
        raise WeightsError(f"{folder} has no tensor {stray!r}")
    return [tensor for tensor in tensors if tensor.name in chosen]


def _load(folder: Path, file: str, tensors: Sequence[Tensor], verify: bool) -> dict[str, Array]:
    """The arrays of these tensors, which are in one file, by their names in it."""
    path = folder / file
    with _opened(path, folder) as stored:
        arrays: dict[str, Array] = {}
        for tensor in tensors:
            if tensor.stored_as not in arrays:
                arrays[tensor.stored_as] = _read_tensor(stored, tensor, path)
    for tensor in tensors:
        array = arrays[tensor.stored_as]
        if (array.shape, array.dtype.name) != (tensor.shape, tensor.dtype):
            raise damaged(path, f"tensor {tensor.name!r} is {array.dtype.name}{array.shape}", folder)
        if verify and _sha256(array) != tensor.sha256:
            raise damaged(path, f"tensor {tensor.name!r} has another hash than in the index", folder)
    return arrays


def _read_tensor(stored: Any, tensor: Tensor, path: Path) -> Array:
    """One tensor of an opened file. One that has the file to itself is read past the library, in half of its time.

    The library copies out of a mapped file and lets no other thread run meanwhile. It has checked the header by now: a
    tensor that is alone fills the file to its end.
    """
    name = tensor.stored_as
    if sparse.is_encoded(stored, name, tensor.shape):
        return sparse.read(stored, name, tensor.shape)
    part = stored.get_slice(name)
    shape = part.get_shape()
    if [*stored.keys()] != [name] or not shape or not all(shape):
        found: Array = stored.get_tensor(name)
        return found
    array: Array = np.empty(shape, part[:0].dtype)
    with path.open("rb") as file:
        file.seek(-array.nbytes, os.SEEK_END)
        if file.readinto(array.reshape(-1).view(np.uint8).data) != array.nbytes:
            raise OSError("it became shorter while it was read")
    return array


def _verify_file(folder: Path, file: str, tensors: Sequence[Tensor]) -> None:
    _load(folder, file, tensors, verify=True)
    with _opened(folder / file, folder) as stored:
        known = {tensor.stored_as for tensor in tensors}
        known |= {t.stored_as + sparse.PLACES for t in tensors if sparse.is_encoded(stored, t.stored_as, t.shape)}
        for stray in sorted(set(stored.keys()) - known):
            raise damaged(folder / file, f"tensor {stray!r} is not in the index", folder)


@contextmanager
def _opened(path: Path, folder: Path) -> Iterator[Any]:
    """A safetensors file, its faults as a WeightsError."""
    try:
        with open_plain(path), safe_open(path, framework="np") as stored:
            yield stored
    except FileNotFoundError:
        raise not_there(path, folder) from None
    except (SafetensorError, OSError, AttributeError, ValueError) as error:  # NumPy has no attribute for some types
        raise damaged(path, in_one_line(error, None), folder) from None


# Both.


def _by_file(tensors: Iterable[Tensor]) -> dict[str, list[Tensor]]:
    files: dict[str, list[Tensor]] = {}
    for tensor in tensors:
        files.setdefault(tensor.file, []).append(tensor)
    return files


def _sha256(array: Array) -> str:
    return hashlib.sha256(array.reshape(-1).view(np.uint8).data).hexdigest()


def _merged(parts: Iterable[Mapping[str, Result]]) -> dict[str, Result]:
    return {name: value for part in parts for name, value in part.items()}
