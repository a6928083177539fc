"""What each column adds, of a network that is a formula."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest

from stemma.evaluation import explanation
from stemma.tables.arrays import Arrays


@pytest.mark.parametrize("task", ["binary", "regression"])
def test_columns_that_the_network_ignores_add_nothing_and_the_others_are_told_as_they_are(
    make: Any, probe: Any, task: str
) -> None:
    asked = probe(task)
    train = Arrays(asked.y, asked.y, asked.frame)
    assert explanation.of(asked, train, make.settings()) == {}
    told = explanation.of(asked, train, make.settings(explain=True))["explanation"]
    effects = {each["column"]: each["effect"] for each in told["effects"]}
    assert set(effects) == {"size", "other", "kind", "day", "flag"} and told["reasons"] == ()
    assert effects["size"] > effects["kind"] > 0 == effects["other"] == effects["day"] == effects["flag"]
    assert (told["rows"], told["background"]) == (100, 100)
    if task == "regression":  # of a sum, the effect is the term beside its mean
        size = asked.fewer(100).frame["size"]
        assert effects["size"] == pytest.approx(float((size - size.mean()).abs().mean()), rel=0.02)
    assert told == explanation.of(asked, train, make.settings(explain=True))["explanation"]


def test_dates_and_what_is_missing_reach_the_encoder_as_they_were(make: Any, probe: Any) -> None:
    asked = probe("regression")
    frame = asked.frame.assign(day=asked.frame["day"].mask(asked.frame.index % 7 == 0))
    seen: list[pd.DataFrame] = []

    def encode(rows: pd.DataFrame) -> np.ndarray:
        seen.append(rows)
        return (rows["day"].dt.dayofyear.fillna(0.0)).to_numpy(np.float32)[:, None]

    dated = replace(asked, encode=encode, frame=frame)
    told = explanation.of(dated, Arrays(asked.y, asked.y, frame), make.settings(explain=True))["explanation"]
    assert [each["column"] for each in told["effects"] if each["effect"] > 0] == ["day"]
    days = set(frame["day"].dropna())
    assert all(set(rows["day"].dropna()) <= days and rows["day"].isna().any() for rows in seen if len(rows) > 500)
