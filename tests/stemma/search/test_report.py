"""The pictures of a search."""

import pandas as pd
import pytest
from matplotlib.figure import Figure

from stemma.search import report


def ticks(axes):
    low, high = axes.get_xlim()
    return [tick for tick in axes.get_xticks() if low <= tick <= high]


def test_no_trial_stands_between_two_trials():
    axes = Figure().subplots()
    report._lines(axes, pd.DataFrame({"trial": [0, 1], "auc": [0.8, 0.9], "best": [0.8, 0.9]}), "AUC")
    assert ticks(axes) == [0, 1]


@pytest.mark.parametrize(("values", "is_whole"), [([8, 8], True), ([8, 10, None], True), ([0.1, 0.3], False)])
def test_a_setting_of_whole_numbers_has_whole_ticks(values, is_whole):
    axes = Figure().subplots()
    column = pd.Series(values, name="model.embedding", dtype=object)
    report._slice(axes, column, pd.Series([0.8, 0.9, 0.7][: len(values)]), "AUC")
    assert all(tick % 1 == 0 for tick in ticks(axes)) == is_whole
