"""Where a fit starts from: tensors that are drawn, or those of another version; and the version that teaches it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from numpy.typing import NDArray

from stemma.errors import TrainingError
from stemma.text import by_number, counted, say
from stemma.training.base import Floats, Network, State


@dataclass(frozen=True)
class Origin:
    """Where a fit starts from, and whom it learns from."""

    tensors: State = field(default_factory=dict)  # that are not drawn, by name
    told: Mapping[str, Any] | None = None  # which these are, for the record; None where all are drawn
    # what a teacher says of the training rows: probabilities (rows, classes), or values (rows, 1)
    taught: Floats | None = None
    teacher: Mapping[str, Any] | None = None  # which version that is, for the record

    def taught_by(self, revision: str, commit: str | None, predictions: Floats) -> "Origin":
        """The same, with what a version says of the training rows."""
        return replace(self, taught=predictions, teacher={"revision": revision, "commit": commit})


def of(
    network: Network,
    revision: str,
    commit: str | None,
    arrays: Mapping[str, NDArray[Any]],
    classes: Sequence[str] | None = None,
) -> Origin:
    """The tensors of another version that fit this network by name and shape, which is told.

    Args:
        classes: of that version; where they, or their order, are others, the last layer is drawn. None: not known.

    Raises:
        TrainingError: none fits.
    """
    own = {name: (tensor.shape, tensor.dtype) for name, tensor in network.tensors().items()}
    taken = {name: t for name, t in arrays.items() if own.get(name) == (t.shape, t.dtype)}
    others = classes is not None and tuple(classes) != network.problem.task.classes
    if others:
        last = [*own][-1].rpartition(".")[0]
        taken = {name: t for name, t in taken.items() if name.rpartition(".")[0] != last}
    if not taken:
        raise TrainingError(
            f"train.init_from: no tensor of {revision} has a name and shape of this network"
            + ", but for the last layer, for other classes" * others,
            run=f"stemma show {revision}",
        )
    drawn = sorted(own.keys() - taken.keys())
    start = by_number(len(taken), "starts", "start")
    drawn_told = f"; drawn{', for it has other classes' * others}: {', '.join(drawn)}" * bool(drawn)
    say(f"note: {len(taken)} of {counted(len(own), 'tensor')} {start} from {revision}{drawn_told}")
    return Origin(taken, {"revision": revision, "commit": commit, "taken": sorted(taken), "drawn": drawn})
