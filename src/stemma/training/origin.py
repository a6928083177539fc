"""Where a fit starts from: tensors that are drawn, or those of another version; and the version that teaches it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol

from numpy.typing import NDArray

from stemma.errors import TrainingError
from stemma.text import say
from stemma.training.base import Floats, Network, State


class Answers(Protocol):
    """What a version says of some rows; which rooms above this one read."""

    @property
    def revision(self) -> str: ...
    @property
    def commit(self) -> str | None: ...
    @property
    def predictions(self) -> Floats: ...


@dataclass(frozen=True)
class Origin:
    """
    Attributes:
        tensors: that are not drawn, by name.
        told: which these are, for the record; None where all are drawn.
        taught: what a teacher says of the training rows: probabilities (rows, classes), or values (rows, 1).
        teacher: which version that is, for the record.
    """

    tensors: State = field(default_factory=dict)
    told: Mapping[str, Any] | None = None
    taught: Floats | None = None
    teacher: Mapping[str, Any] | None = None

    def taught_by(self, answers: Answers) -> "Origin":
        """The same, with what a version says of the training rows."""
        teacher = {"revision": answers.revision, "commit": answers.commit}
        return replace(self, taught=answers.predictions, teacher=teacher)


def of(network: Network, revision: str, commit: str | None, arrays: Mapping[str, NDArray[Any]]) -> Origin:
    """The tensors of another version that fit this network by name and shape, which is told.

    Raises:
        TrainingError: none fits.
    """
    own = {name: (tensor.shape, tensor.dtype) for name, tensor in network.tensors().items()}
    taken = {name: t for name, t in arrays.items() if own.get(name) == (t.shape, t.dtype)}
    if not taken:
        raise TrainingError(
            f"train.init_from: no tensor of {revision} has a name and shape of this network",
            run=f"stemma show {revision}",
        )
    drawn = sorted(own.keys() - taken.keys())
    say(
        f"note: {len(taken)} of {len(own)} tensors start from {revision}"
        + (f"; drawn: {', '.join(drawn)}" * bool(drawn))
    )
    return Origin(taken, {"revision": revision, "commit": commit, "taken": sorted(taken), "drawn": drawn})
