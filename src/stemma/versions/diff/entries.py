"""Tensors of two versions entry by entry: only the files of those that differ are fetched, one pair at a time.

A tensor is read in slices along its first axis, so memory holds some MB of it however large it is. Each is hashed on
the way and must have the hash that its version's index gives.
"""

import hashlib
import math
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.errors import WeightsError
from stemma.files import open_plain, scratch
from stemma.repo.objects import md5_of
from stemma.repo.repository import WEIGHTS, Version
from stemma.text import in_one_line
from stemma.versions.diff.structure import Part
from stemma.versions.diff.tensors import Moved
from stemma.weights import Tensor, sparse

SLICE = 4 * 1024 * 1024  # bytes of a tensor that are looked at together
Array = NDArray[Any]


def measure(
    before: Version, after: Version, unequal: Sequence[tuple[Part, Part, str]]
) -> dict[tuple[str, str], Moved | None]:
    """What lies between the tensors of these layers and roles, by their names before and after.

    Returns:
        None where values differ and an entry, or the square of one, is not finite.

    Raises:
        StemmaError: a file is in neither cache nor remote, or a tensor has another hash than its index says.
    """
    found = {}
    with scratch("diff") as folder:
        sides = _Fetched(before, folder / "before"), _Fetched(after, folder / "after")
        for one, other, role in sorted(unequal, key=lambda item: item[0].tensors[item[2]].file):
            a, b = one.tensors[role], other.tensors[role]
            axes = one.turned.get(role), other.turned.get(role)
            if axes[0] == axes[1]:
                blocks = zip(sides[0].slices(a), sides[1].slices(b), strict=True)
            else:
                blocks = zip(sides[0].whole(a, axes[0]), sides[1].whole(b, axes[1]), strict=True)
            found[a.name, b.name] = _moved(blocks)
    return found


def _moved(blocks: Iterator[tuple[Array, Array]]) -> Moved | None:
    """Sums over pairs of blocks of one shape."""
    squares, largest = np.zeros(3), np.zeros(3)
    changed, entries = 0, 0
    for before, after in blocks:
        a, b = before.astype(np.float64).ravel(), after.astype(np.float64).ravel()
        with np.errstate(over="ignore", invalid="ignore"):
            vectors = (a, b, b - a)
            squares += [float(each @ each) for each in vectors]
            largest = np.maximum(largest, [np.abs(each).max(initial=0.0) for each in vectors])
        changed += int(np.count_nonzero((before != after).ravel() & ~(np.isnan(a) & np.isnan(b))))
        entries += a.size
    norms = np.maximum(np.sqrt(squares), largest)  # squares may be too small for a number
    if not changed:  # also where entries are not finite
        norms, largest = np.where(np.isfinite(norms), norms, 0.0), np.zeros(3)
    if not np.isfinite(norms).all():
        return None
    if changed and not norms[2]:  # whole numbers beyond 2**53
        norms[2] = np.spacing(norms.max())
    share = changed / entries if entries else 0.0
    return Moved((float(norms[0]), float(norms[1])), float(norms[2]), float(largest[2]), share, estimated=False)


class _Fetched:
    """A version's weights, one file at hand: read where it lies on this machine, else fetched over the one before."""

    def __init__(self, version: Version, folder: Path) -> None:
        self.version = version
        self.folder = folder
        self.file: str | None = None

    def slices(self, tensor: Tensor) -> Iterator[Array]:
        """The tensor in pieces along its first axis, checked when the last one was taken."""
        from safetensors import SafetensorError, safe_open

        digest = hashlib.sha256()
        try:
            path = self._path(tensor.file)
            with open_plain(path), safe_open(path, framework="np") as stored:
                for piece in _pieces(stored, tensor):
                    digest.update(np.ascontiguousarray(piece).reshape(-1).view(np.uint8).data)
                    yield piece
        except (SafetensorError, OSError, AttributeError, ValueError) as error:
            raise self._damaged(tensor, in_one_line(error)) from None
        if digest.hexdigest() != tensor.sha256:
            raise self._damaged(tensor, f"tensor {tensor.name!r} has another hash than in the index")

    def whole(self, tensor: Tensor, axes: tuple[int, ...] | None) -> Iterator[Array]:
        """The tensor at once, its axes put in this order."""
        array = np.concatenate([np.atleast_1d(piece) for piece in self.slices(tensor)]).reshape(tensor.shape)
        yield array if axes is None else array.transpose(axes)

    def _path(self, file: str) -> Path:
        """Where the file lies whole: the work tree, the cache, or a remote that is a folder; else what was fetched."""
        repository = self.version.repository
        if self.version.commit is None:
            return repository.root / WEIGHTS / file
        md5 = self._listing.get(file, ("",))[0]
        lying = repository.objects.path(md5) if md5 else None
        if lying is not None and md5_of(lying) == md5:
            return lying
        path = self.folder / "file.safetensors"
        if file != self.file:
            self.folder.mkdir(exist_ok=True)
            path.write_bytes(self.version.bytes(f"{WEIGHTS}/{file}"))
            self.file = file
        return path

    @cached_property
    def _listing(self) -> Mapping[str, tuple[str, int | None]]:
        output = self.version.output(WEIGHTS)
        return {} if output is None else self.version.files(output)

    def _damaged(self, tensor: Tensor, reason: str) -> WeightsError:
        return WeightsError(f"{WEIGHTS}/{tensor.file} of {self.version.name} is damaged ({reason})", run="dvc pull")


def _pieces(stored: Any, tensor: Tensor) -> Iterator[Array]:
    if sparse.is_encoded(stored, tensor.stored_as, tensor.shape):
        yield sparse.read(stored, tensor.stored_as, tensor.shape)
        return
    there = stored.get_slice(tensor.stored_as)
    if tuple(there.get_shape()) != tensor.shape:
        raise ValueError(f"tensor {tensor.name!r} has shape {tuple(there.get_shape())}")
    if not tensor.shape or math.prod(tensor.shape) == 0:
        yield stored.get_tensor(tensor.stored_as)
        return
    size = math.prod(tensor.shape[1:]) * 8
    step = max(SLICE // size, 1)
    for start in range(0, tensor.shape[0], step):
        yield there[start : min(start + step, tensor.shape[0])]
