"""How far a fit has come, and the file that holds it, so that an interrupted fit goes on.

The checkpoint is one safetensors file, replaced whole. Numbers and texts are tensors too, so nothing needs unpickling.
"""

import hashlib
import json
import math
from dataclasses import astuple, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.errors import TrainingError
from stemma.files import replaced
from stemma.toolkit import lock
from stemma.training.base import Epoch, Given, Network, Rows, Session, State, below
from stemma.training.settings import Settled

SMOOTH = 5  # epochs that early stopping judges together


@dataclass(frozen=True)
class Progress:
    """A fit after some epochs: what was seen, the weights kept so far, and the mean of those of all, where one is."""

    epochs: tuple[Epoch, ...]
    kept: int
    weights: State
    mean: State = field(default_factory=dict)

    def after(self, epoch: Epoch, network: Network, mean: State, first: int | None) -> "Progress":
        """With one more epoch; its weights are kept if it is the best so far, or always without early stopping.

        Args:
            first: place of the first epoch that may be the best; None: without early stopping.
        """
        epochs = (*self.epochs, epoch)
        if first is not None:
            ends = range(first + SMOOTH, len(epochs))
            best = min((judged(self.epochs[first:end]) for end in ends), default=math.inf)
            if judged(epochs[first:]) >= best < math.inf:
                return Progress(epochs, self.kept, self.weights, mean)
        return Progress(epochs, epoch.number, network.tensors(), mean)

    def is_over(self, settings: Settled) -> bool:
        done = len(self.epochs)
        return done >= settings.epochs or (settings.patience is not None and done - self.kept >= settings.patience)


def judged(epochs: tuple[Epoch, ...]) -> float:
    """What the last of these epochs is judged by: the mean validation loss of the last SMOOTH.

    With few validation rows, or few of one class, a single epoch has the least loss by chance, and often an early one.
    """
    losses = [epoch.validation_loss for epoch in epochs[-SMOOTH:]]
    return sum(losses) / SMOOTH if len(losses) == SMOOTH else math.inf


@dataclass(frozen=True)
class Checkpoint:
    """The file of one fit."""

    path: Path
    identity: dict[str, str]  # what the fit that wrote it must share with the one that takes it up
    session: Session

    def write(self, progress: Progress) -> None:
        from safetensors.numpy import save_file

        tensors = {f"state/{name}": tensor for name, tensor in self.session.state().items()}
        tensors |= {f"kept/{name}": tensor for name, tensor in progress.weights.items()}
        tensors |= {f"mean/{name}": tensor for name, tensor in progress.mean.items()}
        tensors["identity"] = np.frombuffer(json.dumps(self.identity, sort_keys=True).encode(), dtype=np.uint8)
        tensors["epochs"] = np.array([astuple(e) for e in progress.epochs], np.float64).reshape(-1, len(fields(Epoch)))
        tensors["kept"] = np.array([progress.kept])
        with replaced(self.path) as partial:
            save_file({name: np.asarray(tensor, order="C") for name, tensor in tensors.items()}, partial)

    def read(self) -> Progress:
        """What was written last; the session goes back to it.

        Raises:
            TrainingError: the file is damaged, or of another fit.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            tensors = load_file(self.path)
            saved = json.loads(tensors.pop("identity").tobytes())
            table, kept = tensors.pop("epochs"), int(tensors.pop("kept")[0])
        except (SafetensorError, KeyError, ValueError) as error:
            raise TrainingError(f"{self.path} is damaged ({error}); train.resume=false starts over") from None
        self._check(saved)
        epochs = tuple(Epoch(int(row[0]), *map(float, row[1:])) for row in table)
        self.session.restore(below("state/", tensors))
        return Progress(epochs, kept, below("kept/", tensors), below("mean/", tensors))

    def _check(self, saved: dict[str, str]) -> None:
        both = saved.keys() | self.identity.keys()
        changed = sorted(key for key in both if saved.get(key) != self.identity.get(key))
        if changed:
            raise TrainingError(
                f"{self.path} is of another fit ({', '.join(changed)} changed); train.resume=false starts over"
            )


def identity(network: Network, given: Given, validation: Rows, session: Session) -> dict[str, str]:
    """Of a fit that has not begun: settings, network, code, device and both sets of rows."""
    values = {f"model.{key}": repr(value) for key, value in network.settings.model_dump().items()}
    shapes = {name: (tensor.shape, str(tensor.dtype)) for name, tensor in sorted(session.state().items())}
    values |= {"network or optimizer": repr(shapes), "device": str(network.device)}
    values |= {f"train.{key}": repr(value) for key, value in given.settings.deciding().items()}
    values["code"] = lock.code(Path.cwd(), "train")
    values["weights at the start"] = _digest(*(tensor for _, tensor in sorted(network.tensors().items())))
    rows = {"training rows": given.train, "validation rows": validation}
    values |= {} if given.taught is None else {"what the teacher says": _digest(given.taught)}
    return values | {name: _digest(part.x, part.y) for name, part in rows.items()}


def _digest(*arrays: NDArray[Any]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
