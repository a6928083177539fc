"""A small project for the toolkit's tests, which never import the real one: a network in each framework, a source.

The toolkit is handed these tables as it is handed a project's. What they hold is as awkward as what a project may hold:
buffers that are taken from the training rows, layers of its own, members that are trained each by its own loss.
"""

from collections.abc import Iterator
from typing import Annotated, Literal

import numpy as np
import pandas as pd
from pydantic import Field

from stemma.entries import Entry
from stemma.settings import Seed
from stemma.tables.settings import FILES, Table
from stemma.training.settings import ModelSettings

FRAMEWORKS = ("torch", "tensorflow")


class TinySettings(ModelSettings):
    """Dense layers; without `hidden` a linear model."""

    hidden: tuple[int, ...] = (16,)
    activation: Literal["relu", "gelu", "tanh"] = "relu"
    dropout: float = 0.2
    members: int | None = None  # networks that share all but their last layer, and whose scores are averaged
    embedding: int = 4  # numbers that a numeric column becomes, where there are bins
    bins: int | None = None  # of the curves of these numbers; None: they pass as they are


class VisitsTable(Table):
    """Visits of a shop, drawn."""

    kind: Literal["visits"]
    rows: Annotated[int, Field(ge=100)]
    seed: Seed


NETWORKS = {f"tiny_{framework}": Entry(f"tiny.{framework}:Tiny", TinySettings) for framework in FRAMEWORKS}
SOURCES = FILES | {"visits": Entry("tiny:visits", VisitsTable)}
VISITS = {
    "kind": "visits", "source": "tests/tiny/__init__.py", "rows": 600, "seed": 0,
    "target": "Revenue", "task": "binary", "positive": "TRUE",
    "columns": {"PageValues": "numeric", "Minutes": "numeric", "Month": "categorical", "Browser": "categorical",
                "Weekend": "boolean", "Probability": "bayes"},
    "ranges": {"PageValues": (0, None)}, "group": None, "time": None, "partition": None,
    "split": {"test": 0.2, "validation": 0.2, "seed": 0},
}  # fmt: skip
SPENT = {"target": "Minutes", "task": "regression", "positive": None, "ranges": {}, "columns": {
    "PageValues": "numeric", "Month": "categorical", "Browser": "drop", "Weekend": "boolean", "Probability": "drop",
    "Revenue": "drop"}}  # fmt: skip
SEASON = {"target": "Month", "task": "multiclass", "positive": None, "ranges": {}, "columns": {
    "PageValues": "numeric", "Minutes": "numeric", "Browser": "categorical", "Weekend": "boolean",
    "Probability": "drop", "Revenue": "drop"}}  # fmt: skip


def visits(settings: VisitsTable) -> Iterator[pd.DataFrame]:
    """Who stays long and looks at dear pages buys; browsers and page values are missing in some rows."""
    draw = np.random.default_rng(settings.seed)
    pages, minutes = draw.gamma(2.0, 10.0, settings.rows), draw.gamma(2.0, 5.0, settings.rows)
    weekend, month = draw.integers(0, 2, settings.rows), draw.integers(0, 3, settings.rows)
    chance = 1 / (1 + np.exp(3 - pages / 10 - weekend / 2))
    browser = draw.choice(["2", "1", "4", ""], settings.rows, p=[0.6, 0.25, 0.1, 0.05])
    yield pd.DataFrame(
        {
            "PageValues": np.where(draw.random(settings.rows) < 0.03, np.nan, pages),
            "Minutes": minutes + 5 * month,
            "Month": np.array(["May", "Nov", "Dec"])[month],
            "Browser": browser,
            "Weekend": np.where(weekend == 1, "TRUE", "FALSE"),
            "Revenue": np.where(draw.random(settings.rows) < chance, "TRUE", "FALSE"),
            "Probability": chance,
        }
    )
