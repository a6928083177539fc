"""The sections `model`, as far as every network has it, and `train`."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from stemma.settings import Section, Seed


class ModelSettings(Section):
    """What every model has. A model of your own inherits from it and names its settings."""

    name: str  # its line in the project's table NETWORKS
    framework: Literal["torch", "tensorflow"]


class TrainSettings(Section):
    """How a network is fitted, the same in both frameworks."""

    epochs: PositiveInt | None  # None, here and below: by the training rows, see `fit.settled`
    batch_size: PositiveInt | None
    loss: str | None  # of the project's own; None: that of the task
    optimizer: str  # adam, sgd, or of the project's own
    learning_rate: PositiveFloat
    schedule: str  # constant, cosine, step, or of the project's own
    weight_decay: Annotated[float, Field(ge=0)] | None
    clip_norm: PositiveFloat | None
    class_weight: Literal["none", "balanced"]
    patience: PositiveInt | None
    device: Literal["cpu", "cuda", "mps", "auto"]
    precision: Literal["float32", "mixed"]
    threads: PositiveInt
    stepper: Literal["auto", "ordinary", "recorded"]  # how PyTorch takes the steps on a CPU
    seed: Seed
    init_from: str | None  # a commit or registered version whose weights it starts from; None: random ones
    freeze: tuple[str, ...]  # patterns of tensors that stay as they start, such as "hidden_1.*"
    resume: bool
    trackers: tuple[str, ...]  # that are told of the run, beside DVCLive

    def deciding(self) -> dict[str, Any]:
        """Those that decide the bytes of a fit: neither how a run ends, what takes its steps, nor who is told."""
        return self.model_dump(mode="json", exclude={"resume", "stepper", "trackers"})


class Settled(TrainSettings):
    """Of one fit: what was left to the training rows has a value."""

    epochs: PositiveInt
    batch_size: PositiveInt
    weight_decay: float
