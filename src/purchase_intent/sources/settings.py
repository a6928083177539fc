"""The settings of each source."""

from typing import Annotated, Literal

from pydantic import Field

from stemma.settings import Seed
from stemma.tables.settings import Code, Table


class SimulatedTable(Table):
    """Sessions of shop visitors, drawn."""

    kind: Literal["simulated"]
    source: Code
    rows: Annotated[int, Field(ge=100)]
    seed: Seed
    missing: Annotated[float, Field(ge=0, lt=1)]  # share of masked values


class BundledTable(Table):
    """A table that comes with scikit-learn."""

    kind: Literal["bundled"]
    source: Code
    dataset: Literal["digits", "diabetes"]
