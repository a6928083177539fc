"""Some test rows as service would send them: raw columns, which the encoder reads and the network answers."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self, TypeVar

import pandas as pd
from numpy.typing import NDArray

from stemma import metrics
from stemma.evaluation.assessment import Judgement
from stemma.evaluation.decision import Decision
from stemma.metrics.resampling import Floats as Weights
from stemma.tables.arrays import Arrays
from stemma.tables.encode import FILE, Encoder
from stemma.tables.profile import Profile
from stemma.task import Floats
from stemma.thin import evenly

Key = TypeVar("Key")
ROWS = 1000
COLUMNS = 50  # of a table with more, none is probed: it would cost more than the rest of an evaluation


@dataclass(frozen=True)
class Probe:
    """What a network is worth on rows as they are, and on the same ones changed."""

    about: Profile
    encode: Callable[[pd.DataFrame], Floats]  # raw rows -> encoded rows
    scores: Callable[[Floats], Floats]  # encoded rows -> the network's scores
    chosen: Decision
    frame: pd.DataFrame  # the rows
    y: NDArray[Any]  # what is true of them

    @classmethod
    def of(
        cls, folder: Path, about: Profile, test: Arrays, chosen: Decision, scores: Callable[[Floats], Floats]
    ) -> Self:
        """Of test rows; `folder` is data/prepared as a rule."""
        return cls(about, Encoder(folder / FILE).encode, scores, chosen, test.frame, test.y).fewer(ROWS)

    def fewer(self, count: int) -> Self:
        """Of so many of these rows at most, evenly spread."""
        kept = evenly(len(self.y), count)
        return replace(self, frame=self.frame.iloc[kept].reset_index(drop=True), y=self.y[kept])

    @cached_property
    def is_telling(self) -> bool:
        """Whether the main figure is defined on the rows, and the columns are not too many."""
        return bool(len(self.y)) and len(self.about.inputs) <= COLUMNS and math.isfinite(self._main(self.whole))

    @cached_property
    def whole(self) -> metrics.Rows:
        """The rows as they are."""
        return self.answered(self.frame)

    def answered(self, frame: pd.DataFrame) -> metrics.Rows:
        """The same rows changed, ready to be measured."""
        made = Judgement(self.about.task, {"test": self.asked(frame)}, self.chosen.threshold)
        return made.rows("test", self.y, metrics.BINS)

    def asked(self, frame: pd.DataFrame) -> Floats:
        """What the network answers: probabilities (rows, classes), or values (rows, 1)."""
        return self.chosen.predictions(self.about.task, self.scores(self.encode(frame)))

    def lost(self, changed: Mapping[Key, metrics.Rows], weights: Weights | None = None) -> dict[Key, float]:
        """How much worse the main figure is on each; below zero where it is better."""
        sign = 1 if metrics.METRICS[self.about.task.main].better == "higher" else -1
        before = self._main(self.whole, weights)
        return {name: sign * (before - self._main(rows, weights)) for name, rows in changed.items()}

    def _main(self, rows: metrics.Rows, weights: Weights | None = None) -> float:
        main = metrics.METRICS[self.about.task.main]
        return float(metrics.figures(rows, weights, [main])[main.name])
