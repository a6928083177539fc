"""The settings of each network."""

from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from stemma.training.settings import ModelSettings


class MlpSettings(ModelSettings):
    """Dense layers."""

    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]  # units of each hidden layer
    activation: Literal["relu", "gelu", "tanh"]
    dropout: Annotated[float, Field(ge=0, lt=1)]


class TabularSettings(ModelSettings):
    """Several small networks in one, on embedded numbers."""

    members: PositiveInt  # networks whose predictions are averaged
    hidden: Annotated[tuple[PositiveInt, ...], Field(min_length=1)]  # units of each hidden layer of a member
    embedding: PositiveInt  # numbers that a numeric column becomes, at most
    bins: PositiveInt  # where the curves of these numbers may bend, at most
    dropout: Annotated[float, Field(ge=0, lt=1)]


class LinearSettings(ModelSettings):
    """No hidden layer, nothing to set."""
