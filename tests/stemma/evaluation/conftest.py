"""Settings and small tables for these tests, and a network that is a formula."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

import stemma.task
from predicted import make
from stemma.evaluation.decision import Decision
from stemma.evaluation.probe import Probe

__all__ = ["make"]
FEATURES = (("size", "numeric"), ("other", "numeric"), ("kind", "categorical"), ("day", "date"), ("flag", "boolean"))
ROWS = 800


@pytest.fixture
def probe(make: Any) -> Any:
    """probe("binary"): a network whose score is `size` (missing: 0) and 1 more where `kind` is b."""

    def of(task: str) -> Probe:
        draw = np.random.default_rng(0)
        frame = pd.DataFrame(
            {
                "size": draw.normal(size=ROWS), "other": draw.normal(size=ROWS),
                "kind": pd.Categorical(draw.choice(["a", "b"], ROWS)), "flag": draw.integers(0, 2, ROWS) * 1.0,
                "day": pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 300, ROWS), unit="D"),
            }
        )  # fmt: skip

        def score(rows: pd.DataFrame) -> np.ndarray:
            return (rows["size"].fillna(0.0) + (rows["kind"].astype(object) == "b")).to_numpy(np.float32)[:, None]

        posed = stemma.task.of(task, ("a", "b") if task == "binary" else ())
        about = replace(make.prepared(task, 600)[1], features=FEATURES, task=posed)
        y = score(frame)[:, 0]
        chosen = Decision("fixed", 0.5) if task == "binary" else Decision(None, None)
        return Probe(about, score, lambda x: x, chosen, frame, (y > 0).astype(np.float32) if task == "binary" else y)

    return of
