"""The sections `model`, as far as every network has it, and `train`."""

from typing import Annotated, Any, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from stemma.settings import Section, Seed, Share

Chance = Annotated[float, Field(ge=0, lt=1)]
Least0 = Annotated[float, Field(ge=0)]


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
    threads: Annotated[int, Field(gt=0, le=1024)]  # of the CPU; where the system gives too few, libraries crash
    workers: PositiveInt  # processes that share each batch
    shard: bool  # they share the parameters too
    accumulate: PositiveInt  # pieces of a worker's share, one after the other
    stepper: Literal["auto", "ordinary", "recorded"]  # how PyTorch takes the steps on a CPU
    seed: Seed
    init_from: str | None  # a commit or registered version whose weights it starts from; None: random ones
    freeze: tuple[str, ...]  # patterns of tensors that stay as they start, such as "hidden_1.*"
    prune: Share | None  # of the weights of dense layers: the smallest are 0 at the end
    prune_by: Literal["network", "layer"]  # where this share is taken
    prune_structured: Share | None  # of the units of each hidden layer: they are gone, and the graph is smaller
    teacher: str | None  # a commit or registered version whose predictions it learns too
    distil_temperature: PositiveFloat
    distil_weight: Annotated[float, Field(ge=0, le=1)]  # of what the teacher says, beside the truth
    quantisation_aware: bool  # the weights of dense layers are whole numbers times a scale for each unit
    l1: Least0  # price of the sum of the weights' sizes
    l2: Least0  # price of half the sum of their squares
    label_smoothing: Chance
    mixup: Least0  # both parameters of the Beta distribution that rows are mixed by
    input_noise: Least0  # deviation
    column_dropout: Chance  # that a column of a row takes the value of another row
    averaging: Annotated[float, Field(gt=0, le=1)] | None  # what an epoch's weights count for one epoch later
    warm_up: Annotated[int, Field(ge=0)]  # epochs in which the learning rate rises
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
