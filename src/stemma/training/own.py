"""Parts of a fit that a project puts in the place of the toolkit's: a loss, an optimizer, a schedule."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from stemma.conf import pins
from stemma.entries import Entry, added, naming
from stemma.errors import EntryError
from stemma.settings import Chosen
from stemma.text import nearest
from stemma.training.settings import TrainSettings

TOOLKIT: Mapping[str, tuple[str, ...]] = {
    "loss": (),  # null is that of the task
    "optimizer": ("adam", "sgd"),
    "schedule": ("constant", "cosine", "step"),
}


Schedule = Callable[[float], float]


@dataclass(frozen=True)
class Lines:
    """A project's tables of these, by the setting of `train` that names one of their lines."""

    loss: Mapping[str, Entry] = field(default_factory=dict)
    optimizer: Mapping[str, Entry] = field(default_factory=dict)
    schedule: Mapping[str, Entry] = field(default_factory=dict)

    def of(self, part: str) -> dict[str, Entry]:
        """Those of the project and of installed packages; raises as `added`."""
        return added(f"{part}s" if part != "loss" else "losses", getattr(self, part), TOOLKIT[part])


@dataclass(frozen=True)
class Parts:
    """What settings chose of them; None: the toolkit's own."""

    # scores (rows, outputs) and targets, in tensors of the framework -> the loss of each row (rows,)
    loss: Callable[..., Any] | None = None
    # of PyTorch from groups of parameters and the section `train`; of Keras from the section alone
    optimizer: Callable[..., Any] | None = None
    # the share of the epochs that are done -> what train.learning_rate is multiplied by
    schedule: Schedule | None = None


PLAIN = Parts()  # the toolkit's own alone


def losses(loss: Callable[..., Any], scores: Any, targets: Any) -> Any:
    """What a loss gives for a batch, (rows,); an EntryError where it fails, or gives something else."""
    with naming("the loss that train.loss names fails"):
        each = loss(scores, targets)
        shape, rows = tuple(each.shape), scores.shape[0]
    if shape != (rows,):
        raise EntryError(f"the loss that train.loss names gives {shape}, not {(rows,)}, a value for each row")
    return each


def chosen(settings: TrainSettings, lines: Lines) -> Parts:
    """The parts that settings name, loaded; an EntryError where one cannot be."""
    entries = {part: lines.of(part).get(str(getattr(settings, part))) for part in TOOLKIT}
    return Parts(**{part: entry.load() for part, entry in entries.items() if entry is not None})


def faults(lines: Lines, values: Mapping[str, Any], _: Mapping[str, Chosen]) -> list[str]:
    """What is wrong with the names of parts in the section `train`."""
    section = pins.part(values, "train")
    return [fault for part in TOOLKIT if (fault := _fault(part, section.get(part), lines))]


def _fault(part: str, name: Any, lines: Lines) -> str | None:
    try:
        names = [*TOOLKIT[part], *lines.of(part)]
    except EntryError as error:
        return f"train.{part}: {error}"
    if not isinstance(name, str) or name in names:
        return None  # that it is no text, its type tells
    return f"train.{part}: {name!r} is none of {', '.join(names) or 'null, for there are none'}{nearest(name, names)}"
