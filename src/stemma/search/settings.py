"""What conf/search/NAME.yaml says: the space of settings, and how it is searched."""

import math
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat, PositiveInt, field_validator, model_validator

from stemma.settings import Section


class Dimension(Section):
    """The values of one setting, or of one group of conf/: choices, or all from low to high."""

    choices: Annotated[tuple[Any, ...], Field(min_length=2)] | None = None
    low: int | float | None = None  # of whole numbers, if both ends are
    high: int | float | None = None
    log: bool = False  # drawn evenly by their logarithm
    step: PositiveInt | PositiveFloat | None = None
    # another dimension -> the choices with which this one counts
    when: dict[str, Annotated[tuple[Any, ...], Field(min_length=1)]] = Field(default_factory=dict)

    @property
    def is_whole(self) -> bool:
        return isinstance(self.low, int) and isinstance(self.high, int)

    @model_validator(mode="after")
    def _is_one_kind(self) -> "Dimension":
        low, high = self.low, self.high
        if (self.choices is None) == (low is None) or (low is None) != (high is None):
            raise ValueError("give either choices, or low and high")
        if self.choices is not None and (self.log or self.step is not None):
            raise ValueError("log and step go with low and high")
        told = [repr(each) for each in self.choices or ()]  # 1 is not True
        if twice := [each for each in told if told.count(each) > 1]:
            raise ValueError(f"the choice {twice[0]} is there twice")
        if low is not None and high is not None and not low < high:
            raise ValueError("low must be below high")
        if self.log and (self.step is not None or (low is not None and low <= 0)):
            raise ValueError("log needs a low above 0, and no step")
        if self.is_whole and isinstance(self.step, float):
            raise ValueError("the step of whole numbers is whole")
        if low is not None and high is not None and self.step is not None:
            first, last, step = (Decimal(str(value)) for value in (low, high, self.step))  # as written: 0.3 is 3 x 0.1
            if beyond := (last - first) % step:
                raise ValueError(f"step must divide high - low: from low it reaches {last - beyond}")
        return self


class SearchSettings(Section):
    """How a space is searched. What a file leaves out is as here."""

    space: Annotated[dict[str, Dimension], Field(min_length=1)]
    settings: tuple[str, ...] = ()  # of every trial, as for `dvc exp run -S`: model=torch_mlp
    metric: str | tuple[str, ...] | None = None  # None: the main figure; several: Pareto
    sampler: Literal["tpe", "random"] = "tpe"
    pruner: Literal["median", "none"] = "median"  # by the learning curve; of one metric only
    trials: PositiveInt = 50
    seconds: PositiveFloat | None = None  # after which no trial begins
    seeds: PositiveInt = 1  # fits of a trial, from so many seeds
    folds: Annotated[int, Field(ge=2, le=100)] | None = None  # of the training and validation rows; None: as prepared
    keep: NonNegativeInt = 1  # of the best, which become experiments

    @property
    def metrics(self) -> tuple[str, ...]:
        """Those asked for; none: the main figure."""
        return () if self.metric is None else (self.metric,) if isinstance(self.metric, str) else self.metric

    @field_validator("metric")
    @classmethod
    def _is_each_asked_for_once(cls, value: str | tuple[str, ...] | None) -> str | tuple[str, ...] | None:
        if value == ():
            raise ValueError("an empty list names no metric: leave it out for the main figure")
        if isinstance(value, tuple) and len(set(value)) < len(value):
            raise ValueError("a metric is there twice")
        return value

    def deciding(self) -> dict[str, Any]:
        """What decides which trials there are, in their order; not how many."""
        return self.model_dump(mode="json", exclude={"trials", "seconds", "keep"})


def contains(dimension: Dimension, value: Any) -> bool:
    """Whether a value is one of a dimension's."""
    if dimension.choices is not None:
        return value in dimension.choices
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return is_number and dimension.low <= value <= dimension.high
