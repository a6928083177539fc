"""The contract of every network: build, fit, predict, save, load, NumPy in and out.

A framework's folder fills in the rest: how one epoch runs, what the state is, how the network becomes an ONNX graph.
Networks give scores: one logit for two classes, one logit a class for more, the standardised value for a regression.
The task turns scores into probabilities or values, the same in both frameworks and in the exported graph.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from stemma.task import Task
from stemma.training.own import Parts
from stemma.training.settings import ModelSettings, TrainSettings

if TYPE_CHECKING:
    from stemma.tables.profile import Block, Profile

Floats = NDArray[np.float32]
State = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Problem:
    """What is predicted from how many inputs.

    Args:
        inputs: width of an encoded row.
        blocks: what the numbers of an encoded row are; none given: all of them are plain numbers.
    """

    task: Task
    inputs: int
    blocks: tuple["Block", ...] = ()

    @classmethod
    def of(cls, about: "Profile") -> "Problem":
        """The problem that a prepared table poses."""
        return cls(about.task, about.encoded_width, about.blocks)

    @property
    def outputs(self) -> int:
        """Scores per row."""
        return self.task.outputs


@dataclass(frozen=True)
class Rows:
    """Encoded rows: x float32 (rows, inputs), y (rows,) as class number or value."""

    x: Floats
    y: NDArray[Any]


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave; `number` counts from 1."""

    number: int
    rate: float
    train_loss: float
    validation_loss: float
    validation_score: float


@dataclass(frozen=True)
class Fit:
    """How a fit went.

    Args:
        epochs: all that ran.
        kept: the number of the one whose weights were kept.
        frozen: names of the tensors that were not trained.
        moved: relative L2 distance of each other tensor from its start, by name.
    """

    epochs: tuple[Epoch, ...]
    kept: int
    frozen: tuple[str, ...]
    moved: Mapping[str, float]


class Model(ABC):
    """One network. Subclasses in `torch/` and `tensorflow/` share these verbs."""

    framework: ClassVar[str]
    device: Any  # where the network is, in the words of its framework
    parts: Parts = Parts()  # of the fit that are the project's own

    def __init__(self, settings: ModelSettings, problem: Problem, threads: int = 1) -> None:
        """A network not yet fitted. `threads` of the CPU: sums are cut by threads, so it is fixed, never guessed."""
        self.settings: Any = settings
        self.problem = problem

    def adapt(self, train: Rows) -> None:  # noqa: B027 - most networks need nothing
        """Take from the training rows what `build` puts into buffers. A fit calls it, then `build`."""

    @abstractmethod
    def build(self) -> Any:
        """The network in its framework: encoded rows (rows, inputs) in, scores (rows, outputs) out."""

    def fit(
        self,
        train: Rows,
        validation: Rows,
        settings: TrainSettings,
        checkpoint: Path,
        watch: Callable[[Epoch], None] = lambda epoch: None,
        begin: Mapping[str, NDArray[Any]] | None = None,
    ) -> Fit:
        """Fit to `train`, judged on `validation` after every epoch.

        Args:
            checkpoint: file that holds the last finished epoch, so that an interrupted fit can go on.
            watch: called after every epoch, and for each earlier one when a fit is resumed.
            begin: tensors to start from, by name; the others are drawn.

        Raises:
            TrainingError: the loss is not finite or explodes, the device is not there, or the checkpoint is of
                another fit.
        """
        from stemma.training.fit import run

        return run(self, train, validation, settings, checkpoint, watch, begin or {})

    def predict(self, x: Floats) -> Floats:
        """Probabilities (rows, classes), or values (rows, 1) for a regression."""
        return self.problem.task.predictions(self.scores(x))

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the weights store."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read the weights store.

        Raises:
            WeightsError: it is missing, damaged, or of another network.
        """

    @abstractmethod
    def scores(self, x: Floats) -> Floats:
        """Scores (rows, outputs) of encoded rows."""

    @abstractmethod
    def onnx(self, opset: int) -> Any:
        """The network as an ONNX ModelProto: input `encoded` (rows, inputs), output `scores` (rows, outputs)."""

    # What `fit.run` needs from a framework.

    @abstractmethod
    def start(self, train: Rows, row_weights: Floats | None, settings: TrainSettings) -> None:
        """Put the rows, the network and a fresh optimizer on the device. `row_weights` (rows,) weigh the losses."""

    @abstractmethod
    def run_epoch(self, order: NDArray[np.int64], rate: float, seed: int) -> float:
        """One pass over the rows in this order, at this learning rate; the mean loss."""

    @abstractmethod
    def find_fault(self, order: NDArray[np.int64], rate: float, seed: int) -> str:
        """Run an epoch once more, slowly, and name the batch and layer where it first goes wrong."""

    @abstractmethod
    def state(self) -> State:
        """All that the next epoch depends on: network and optimizer."""

    @abstractmethod
    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back what `state` gave."""

    @abstractmethod
    def network_weights(self) -> State:
        """A copy of the network's tensors alone."""

    @abstractmethod
    def set_network_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        """Take back what `network_weights` gave."""
