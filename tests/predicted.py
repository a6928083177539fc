"""Settings and small tables for the tests of evaluation."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import stemma.task
from stemma.evaluation.settings import EvaluateSettings
from stemma.tables import encode
from stemma.tables.arrays import Arrays
from stemma.tables.profile import Profile
from stemma.tables.settings import PrepareSettings
from stemma.training.base import Problem

DEFAULTS: dict[str, Any] = {
    "threshold": 0.5, "costs": {"false_positive": 1.0, "false_negative": 1.0}, "precision": 0.8, "calibration": "none",
    "bins": 10, "bootstrap": 50, "slices": (), "explain": False,
    "folds": None, "minimum": {}, "seed": 0,
    "robustness": {"noise": 0.1, "missing": 0.1, "shift": 0.5, "unknown": 0.1},
}  # fmt: skip


class Make:
    """`make.settings(threshold="f1")`: the settings of evaluate, with some changed."""

    @staticmethod
    def settings(**changed: Any) -> EvaluateSettings:
        return EvaluateSettings.model_validate(DEFAULTS | changed)

    @staticmethod
    def probabilities(p: Any) -> np.ndarray:
        return np.stack([1 - np.asarray(p), np.asarray(p)], axis=1)

    @classmethod
    def prepared(cls, task: str, rows: int = 400, levels: int = 3) -> tuple[Problem, Profile, Arrays]:
        """The frame encoded, and its target: the score, or classes cut from it."""
        frame = cls.frame(rows, levels)
        features = (("size", "numeric"), ("kind", "categorical"))
        chosen = {"strict": False, "numeric": "auto", "impute": "median", "indicator": True, "rare": 2, "embed": 50}
        fitted = encode.fit(frame, features, PrepareSettings.model_validate(chosen))
        edges = {"binary": [0.5], "multiclass": [-0.5, 1.5], "regression": []}[task]
        y = frame["score"].to_numpy() if task == "regression" else np.digitize(frame["score"], edges)
        classes = tuple("abc"[: len(edges) + 1]) if edges else ()
        width = sum(block.width for block in fitted.blocks)
        spread = {"mean": float(y.mean()), "deviation": float(y.std())} if task == "regression" else {}
        posed = stemma.task.of(task, classes, **spread)
        problem = Problem(posed, width, fitted.blocks)
        about = Profile(posed, "score", features, width, fitted.blocks, None, "row", {})
        return problem, about, Arrays(encode.Encoder(fitted.graph).encode(frame), y, frame)

    @staticmethod
    def frame(rows: int, levels: int = 3, seed: int = 0) -> pd.DataFrame:
        """A number with gaps, a text with so many levels, and what depends on both."""
        generator = np.random.default_rng(seed)
        size, code = generator.normal(size=rows), generator.integers(0, levels, rows)
        made = pd.DataFrame({"row": np.arange(rows), "size": size, "kind": pd.Categorical([f"k{n:03}" for n in code])})
        made["score"] = size + 2.0 * (code % 2) + 0.5 * generator.normal(size=rows)
        made.loc[generator.random(rows) < 0.1, "size"] = np.nan
        return made


@pytest.fixture
def make() -> type[Make]:
    return Make
