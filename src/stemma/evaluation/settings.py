"""The section `evaluate`."""

from typing import Annotated, Literal, Protocol

from pydantic import Field, NonNegativeFloat, PositiveFloat

from stemma.runners.settings import RunnerSettings
from stemma.settings import Section, Seed, Share
from stemma.tables.settings import PrepareSettings, Table
from stemma.training.settings import ModelSettings, TrainSettings


class Costs(Section):
    """What a wrong decision costs, in any unit."""

    false_positive: PositiveFloat
    false_negative: PositiveFloat


class Robustness(Section):
    """How much worse rows are made, to see what the main figure loses; 0: not at all."""

    noise: NonNegativeFloat  # added to numbers, as a share of a column's deviation
    missing: Annotated[float, Field(ge=0, le=1)]  # share of the values of a column
    shift: NonNegativeFloat  # of numbers and dates, as a share of a column's deviation
    unknown: Annotated[float, Field(ge=0, le=1)]  # share of the values of a column of texts


class EvaluateSettings(Section):
    """How predictions are judged."""

    threshold: Share | Literal["auto", "f1", "macro_f1", "youden", "cost", "recall_at_precision"]  # a rule
    costs: Costs  # of the rule cost
    precision: Share  # of the rule recall_at_precision: the least precision
    calibration: Literal["none", "temperature"]
    bins: Annotated[int, Field(ge=2, le=1000)]
    bootstrap: Annotated[int, Field(ge=0, le=100_000)]  # resamples behind each 95 % interval; 0: no intervals
    slices: tuple[str, ...]  # columns whose every value is judged by itself
    robustness: Robustness
    explain: bool  # what each column adds to answers, in the report and the card
    folds: Annotated[int, Field(ge=2, le=100)] | None  # of a cross-validation; None: none
    minimum: dict[str, float | str]  # the quality gate: figures on the test rows, gaps, falls; better_than: a baseline
    seed: Seed


class Settings(Protocol):
    """The sections that made a network, of a project that may have more."""

    @property
    def data(self) -> Table: ...
    @property
    def prepare(self) -> PrepareSettings: ...
    @property
    def model(self) -> ModelSettings: ...
    @property
    def train(self) -> TrainSettings: ...
    @property
    def evaluate(self) -> EvaluateSettings: ...
    @property
    def runner(self) -> RunnerSettings: ...
