"""The tensors of a version, for a network that starts from them."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from stemma.errors import VersionError, WeightsError
from stemma.evaluation.results import told
from stemma.files import scratch
from stemma.repo.repository import WEIGHTS, Repo, no_model, opened

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from stemma.weights import Tensor


@dataclass(frozen=True)
class Tensors:
    revision: str  # as it was asked for
    commit: str | None  # of that name now; None for the work tree
    arrays: "Mapping[str, NDArray[Any]]"  # by name
    classes: Sequence[str] | None = None  # in the order of its outputs; none of a regression, None where not known


def parameters(tensors: "Iterable[Tensor]") -> int:
    """Entries that a gradient reaches, tied ones where they are stored."""
    return sum(math.prod(tensor.shape) for tensor in tensors if not tensor.buffer and tensor.tied_to is None)


def tensors(repo: Repo, revision: str) -> Tensors:
    """Read every tensor of a version, from the cache or a remote, each verified by its hash.

    Raises:
        VersionError: there is no such revision, or its weights are not there, out of reach or damaged.
    """
    from stemma import weights

    version = opened(repo).version(revision)
    index = version.index
    if index is None:
        raise no_model(version)
    with scratch("weights") as folder:
        for file in {weights.facts.INDEX, *(tensor.file for tensor in index.tensors)}:
            (folder / file).parent.mkdir(parents=True, exist_ok=True)
            (folder / file).write_bytes(version.bytes(f"{WEIGHTS}/{file}"))
        try:
            return Tensors(revision, version.commit, weights.read(folder), told(version.profile, "classes"))
        except WeightsError as error:
            raise VersionError(f"{revision}: {error.what.replace(str(folder), WEIGHTS)}") from None
