"""Where a fit starts from: tensors that are drawn, or those of another version; and the version that teaches it."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

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


def of(network: Network, revision: str, commit: str | None, arrays: Mapping[str, Any], classes: Any = None) -> Origin:
    """The tensors of another version that fit this network by name and shape, which is told; without those of the last
    layer where its classes, or their order, are known to be others.

    Raises:
        TrainingError: none fits.
    """
    own = {name: (tensor.shape, tensor.dtype) for name, tensor in network.tensors().items()}
    others = classes is not None and tuple(classes) != network.problem.task.classes
    last = [*own][-1].rpartition(".")[0] + "." if others else "\0"
    fitting = {name: t for name, t in arrays.items() if own.get(name) == (t.shape, t.dtype)}
    taken = {name: t for name, t in fitting.items() if not name.startswith(last)}
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
