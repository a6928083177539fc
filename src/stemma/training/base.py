"""The contracts of a network, which is kept, and of a session, which fits it; NumPy in and out.

A framework's folder fills them in. Networks give scores: one logit for two classes, one logit a class for more, the
standardised value for a regression. The task turns scores into probabilities or values, the same in both frameworks
and in the exported graph.
"""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from stemma import weights
from stemma.task import Task
from stemma.training.own import PLAIN, Parts
from stemma.training.settings import ModelSettings, TrainSettings

if TYPE_CHECKING:
    from stemma.runners.settings import RunnerSettings
    from stemma.tables.profile import Block, Profile

Floats = NDArray[np.float32]
State = dict[str, NDArray[Any]]
MEAN = "exp_avg"  # of the gradients of the last ten steps or so, as Adam keeps it; PyTorch's name


@dataclass(frozen=True)
class Problem:
    """What is predicted from how many inputs."""

    task: Task
    inputs: int  # width of an encoded row
    # what the numbers of an encoded row are; none given: all of them are plain numbers
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
class Given:
    """What a network is fitted with."""

    train: Rows
    settings: TrainSettings
    # tensors to start from, by name; the others are drawn
    begin: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    parts: Parts = PLAIN  # of the fit that are the project's own
    # what a teacher says of the training rows: probabilities (rows, classes), or values (rows, 1)
    taught: Floats | None = None
    runner: "RunnerSettings | None" = None  # where the workers of a fit by several are; None: processes of this machine


@dataclass(frozen=True)
class Draw:
    """What an epoch does in this order, at this learning rate."""

    order: NDArray[np.int64]
    rate: float
    seed: int  # of the framework's own draws (dropout)
    rows: tuple[NDArray[Any], ...] | None = None  # to take in the place of the session's, in this order
    # of the weights that a step computes with, by tensor; the others of these tensors are 0
    masks: Mapping[str, NDArray[np.bool_]] = field(default_factory=dict)


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
    """How a fit went."""

    epochs: tuple[Epoch, ...]  # all that ran
    kept: int  # the number of the one whose weights were kept
    frozen: tuple[str, ...]  # names of the tensors that were not trained
    moved: Mapping[str, float]  # relative L2 distance of each other tensor from its start, by name


class Network(ABC):
    """One network: what is kept, judged and exported. Those of `torch/` and `tensorflow/` share these verbs."""

    framework: ClassVar[str]
    built: Any  # what `build` gave
    device: Any  # where that is, in the words of its framework
    cut_from: tuple[int, ...] | None = None  # units of the hidden layers before some were taken

    def __init__(self, settings: ModelSettings, problem: Problem, threads: int = 1) -> None:
        """A network not yet fitted. `threads` of the CPU: sums are cut by threads, so it is fixed, never guessed."""
        self.settings: Any = settings
        self.problem = problem

    def adapt(self, train: Rows) -> None:  # noqa: B027 - most networks need nothing
        """Take from the training rows what `build` puts into buffers. A fit calls it, then `build`."""

    @abstractmethod
    def build(self) -> Any:
        """The network in its framework: encoded rows (rows, inputs) in, scores (rows, outputs) out."""

    @abstractmethod
    def rebuild(self) -> None:
        """`build`, on its device, with what the settings are now."""

    def cut(self, hidden: tuple[int, ...]) -> None:
        """Build it anew with these units in its hidden layers, as its settings name them; the store tells of both."""
        self.cut_from = self.settings.hidden
        self.settings = type(self.settings).model_validate(dict(self.settings) | {"hidden": hidden})
        self.rebuild()

    def head(self) -> weights.Layer:
        """The last layer of the store: what turns scores into predictions, and whether units were taken before it."""
        name = self.problem.task.head
        told = {} if self.cut_from is None else {"cut_from": self.cut_from, "hidden": self.settings.hidden}
        return weights.Layer(name, name, {key: list(units) for key, units in told.items()})

    def fit_to(self, folder: Path) -> None:
        """Take from the network the units that the stored one, of the same settings, lacks."""
        told = weights.index(folder).layers[-1].settings
        if "cut_from" in told and tuple(told["cut_from"]) == self.settings.hidden:
            self.cut(tuple(told["hidden"]))

    @abstractmethod
    def session(self, given: Given) -> "Session":
        """What fits it to these rows. The network is built anew for it, on the device that settings name.

        Raises:
            TrainingError: the device is not there, or `train.freeze` names no tensor, or all.
        """

    def predict(self, x: Floats) -> Floats:
        """Probabilities (rows, classes), or values (rows, 1) for a regression."""
        return self.problem.task.predictions(self.scores(x))

    @abstractmethod
    def scores(self, x: Floats) -> Floats:
        """Scores (rows, outputs) of encoded rows."""

    @abstractmethod
    def tensors(self) -> State:
        """A copy of its weights and buffers, by name."""

    @abstractmethod
    def set_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        """Take back what `tensors` gave."""

    @abstractmethod
    def save(self, folder: Path) -> None:
        """Write the weights store."""

    @abstractmethod
    def load(self, folder: Path) -> None:
        """Read the weights store; a WeightsError where it is missing, damaged, or of another network."""

    @abstractmethod
    def onnx(self, opset: int) -> Any:
        """The network as an ONNX ModelProto: input `encoded` (rows, inputs), output `scores` (rows, outputs)."""


def below(folder: str, tensors: Mapping[str, NDArray[Any]]) -> State:
    """What lies in a folder of a state, by the rest of its name."""
    return {name.removeprefix(folder): tensor for name, tensor in tensors.items() if name.startswith(folder)}


class Session(ABC):
    """What fits a network: its rows and an optimizer on the device, and what `fit.run` asks of them."""

    @abstractmethod
    def run_epoch(self, draw: Draw) -> float:
        """One pass over the rows; the mean loss."""

    @abstractmethod
    def find_fault(self, draw: Draw) -> str:
        """Run an epoch once more, slowly, and name the batch and layer where it first goes wrong."""

    @abstractmethod
    def state(self) -> State:
        """All that the next epoch depends on: `network/TENSOR`, and `optimizer/...`: Adam's have `TENSOR/exp_avg`."""

    @abstractmethod
    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back what `state` gave."""

    def close(self) -> None:
        """End what was started for it; most have nothing."""
        return
