"""The index of a weights store: what index.json says, and how it is written, read and checked.

    format        1, or 2 where a tensor is stored without its zeros
    framework     "torch" or "tensorflow"
    architecture  [{name, kind, settings}], the layers in order
    structure     fingerprint of the architecture and of the tensors' shapes and types, without names and values
    tensors       [{name, layer, shape, dtype, sha256, file, norm, sketch, buffer, tied_to}], in order; the sums of a
                  sketch stand in one text, so that a person can read the file; null where an entry is not finite
    config        what a Keras model's get_config() gave, else null

Keys are sorted and no date is kept: equal stores have equal indexes.
"""

import hashlib
import json
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from stemma import layout
from stemma.errors import WeightsError
from stemma.text import counted
from stemma.weights.networks import Layer
from stemma.weights.sketch import BUCKETS

FORMAT, WITHOUT_ZEROS = 1, 2
INDEX = layout.INDEX.name
FILE_NAME = re.compile(r"(tensors|packed|buffers)/[a-z0-9_][a-z0-9_.~-]*\.safetensors")  # never outside the store


@dataclass(frozen=True)
class Tensor:
    """The facts about one tensor."""

    name: str
    layer: str | None  # the layer whose name its own name starts with; None where there is none
    shape: tuple[int, ...]
    dtype: str
    sha256: str  # of its bytes in row order, little-endian
    file: str  # where it is, relative to the store
    norm: float | None  # see stemma.weights.sketch; None where an entry is not finite
    sketch: tuple[float, ...] | None  # the same
    buffer: bool  # whether it is a state that no gradient reaches
    tied_to: str | None  # the tensor that it shares its memory with, under whose name it is stored; None for most

    @property
    def stored_as(self) -> str:
        """Its name in its file."""
        return self.name if self.tied_to is None else self.tied_to


@dataclass(frozen=True)
class Index:
    """What index.json says; `layers` are its architecture."""

    framework: str
    layers: tuple[Layer, ...]
    tensors: tuple[Tensor, ...]
    structure: str
    config: Mapping[str, Any] | None


def structure(layers: Iterable[Layer], tensors: Iterable[Tensor]) -> str:
    """SHA-256 of kinds and settings of the layers, shapes and types of the tensors and which are tied, all in order."""
    tensors = tuple(tensors)
    place = {tensor.name: number for number, tensor in enumerate(tensors)}
    content = {
        "layers": [[layer.kind, layer.settings] for layer in layers],
        "tensors": [[t.shape, t.dtype, None if t.tied_to is None else place[t.tied_to]] for t in tensors],
    }
    return hashlib.sha256(_json(content, separators=(",", ":")).encode()).hexdigest()


def dump(described: Index, format_: int = FORMAT) -> str:
    """The text of index.json; a WeightsError where a layer's settings or the config are not JSON values."""
    content = asdict(described) | {"format": format_}
    content["architecture"] = content.pop("layers")
    for tensor in content["tensors"]:
        if tensor["sketch"] is not None:  # one line of the file, not 61
            tensor["sketch"] = " ".join(map(repr, tensor["sketch"]))
    return _json(content, indent=1) + "\n"


def _json(content: Any, **style: Any) -> str:
    try:
        return json.dumps(content, sort_keys=True, allow_nan=False, **style)
    except (TypeError, ValueError) as error:
        raise WeightsError(f"the settings of a layer or the config are not JSON ({error})") from None


def parse(text: str, folder: Path) -> Index:
    """Read the text of `folder`/index.json.

    Raises:
        WeightsError: it is damaged, of another format, or names files outside the folder.
    """
    try:
        content = json.loads(text)
        if content["format"] not in (FORMAT, WITHOUT_ZEROS):
            known = f"{FORMAT} and {WITHOUT_ZEROS}"
            raise WeightsError(f"{folder} has format {content['format']!r}, and this version of stemma reads {known}")
        described = Index(
            framework=_typed(content, "framework", str),
            layers=tuple(_layer(entry) for entry in content["architecture"]),
            tensors=tuple(_tensor(entry) for entry in content["tensors"]),
            structure=_typed(content, "structure", str),
            config=_typed(content, "config", dict, type(None)),
        )
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError) as error:
        raise damaged(folder / INDEX, f"{type(error).__name__}: {error}", folder) from None
    _check_names(described.tensors, folder)
    return described


def _layer(entry: Any) -> Layer:
    return Layer(_typed(entry, "name", str), _typed(entry, "kind", str), _typed(entry, "settings", dict))


def _tensor(entry: Any) -> Tensor:
    text, shape = _typed(entry, "sketch", str, type(None)), _typed(entry, "shape", list)
    if not all(isinstance(length, int) and length >= 0 for length in shape):
        raise TypeError(f"shape is {shape!r:.80}")
    sketch = None if text is None else tuple(map(float, text.split()))
    if sketch is not None and not (len(sketch) == min(math.prod(shape), BUCKETS) and all(map(math.isfinite, sketch))):
        sums = counted(len(sketch), "sum")
        raise ValueError(f"a sketch of {entry['name']!r:.80} has {sums}, or one that is not finite")
    return Tensor(
        name=_typed(entry, "name", str),
        layer=_typed(entry, "layer", str, type(None)),
        shape=tuple(shape),
        dtype=_typed(entry, "dtype", str),
        sha256=_typed(entry, "sha256", str),
        file=_typed(entry, "file", str),
        norm=_typed(entry, "norm", int, float, type(None)),
        sketch=sketch,
        buffer=_typed(entry, "buffer", bool),
        tied_to=_typed(entry, "tied_to", str, type(None)),
    )


def _typed(entry: Any, key: str, *kinds: type) -> Any:
    if not isinstance(entry[key], kinds):
        raise TypeError(f"{key} is {entry[key]!r:.80}")
    return entry[key]


def _check_names(tensors: Sequence[Tensor], folder: Path) -> None:
    """Every name once, every file inside the folder, every tied tensor tied to a stored one."""
    stored = {tensor.name: tensor for tensor in tensors if tensor.tied_to is None}
    seen = set()
    for tensor in tensors:
        if tensor.name in seen:
            raise damaged(folder / INDEX, f"tensor {tensor.name!r} is there twice", folder)
        seen.add(tensor.name)
        if not FILE_NAME.fullmatch(tensor.file):
            raise damaged(folder / INDEX, f"tensor {tensor.name!r} has the file {tensor.file!r}", folder)
        owner = stored.get(tensor.stored_as)
        if owner is None or (owner.file, owner.sha256) != (tensor.file, tensor.sha256):
            raise damaged(folder / INDEX, f"tensor {tensor.name!r} is tied to {tensor.tied_to!r}", folder)


def not_there(path: Path, folder: Path) -> WeightsError:
    return WeightsError(f"{path} is not there", run=f"dvc checkout {folder.as_posix()}")


def damaged(path: Path, reason: str, folder: Path) -> WeightsError:
    return WeightsError(f"{path} is damaged ({reason})", run=f"dvc checkout {folder.as_posix()}")
