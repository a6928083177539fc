"""What the first layers make of an encoded row."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fits import EACH, tabular
from stemma.tables.profile import Block
from stemma.task import of
from stemma.training import inputs
from stemma.training.base import Problem

BLOCKS = (
    Block("age", "numeric", 0, 1), Block("income", "numeric", 1, 1), Block("colour", "binary", 2, 3),
    Block("city", "code", 5, 1, 60), Block("height", "numeric", 6, 1),
)  # fmt: skip
MIXED = Problem(of("binary", ("no", "yes")), 7, blocks=BLOCKS)


def numeric(columns: int) -> Problem:
    return Problem(of("binary", ("no", "yes")), columns)


def test_neighbouring_numbers_of_a_kind_are_one_run() -> None:
    assert inputs.runs(MIXED, "numeric") == ((0, 2), (6, 7))
    assert inputs.runs(MIXED, "numeric", "binary") == ((0, 5), (6, 7))
    assert [block.name for block in inputs.codes(MIXED)] == ["city"]


def test_without_blocks_every_number_is_numeric() -> None:
    assert inputs.runs(numeric(4), "numeric") == ((0, 4),)
    assert inputs.runs(numeric(4), "binary") == ()


def test_the_vector_of_a_code_grows_slowly_and_is_bounded() -> None:
    assert [inputs.dimension(levels) for levels in (1, 2, 10, 60, 1_000_000)] == [2, 2, 6, 16, inputs.WIDEST_CODE]


def test_a_wide_table_gets_fewer_numbers_and_bins_of_each_column() -> None:
    assert [inputs.units(numeric(columns), 8) for columns in (3, 128, 500, 5000)] == [8, 8, 2, 1]
    assert [inputs.edges(None, numeric(columns), 16).shape[1] - 1 for columns in (3, 512, 5000)] == [16, 16, 1]


def test_the_width_counts_what_passes_and_what_is_embedded() -> None:
    assert inputs.width(MIXED) == 3 + 3 + 16
    assert inputs.width(MIXED, 8) == 3 * 8 + 3 + 16


def test_edges_are_quantiles_of_the_training_rows_and_few_values_are_all_edges() -> None:
    x = np.stack([np.arange(9), np.repeat([0, 5, 7], [7, 1, 1]), np.full(9, 4)], axis=1).astype(np.float32)
    assert inputs.edges(x, numeric(3), 4).tolist() == [[0, 2, 4, 6, 8], [0, 5, 7, 7, 7], [4, 4, 4, 4, 4]]


@pytest.mark.parametrize("spikes", [{0.0: 0.92}, {0.0: 0.5, 3.0: 0.3}, {-1.0: 0.3, 1e6: 0.3, 2.0: 0.35}])
def test_a_value_of_many_rows_takes_no_edge_from_the_others(spikes: dict[float, float]) -> None:
    x = np.random.default_rng(0).lognormal(size=4000).astype(np.float32)
    first = 0
    for value, share in spikes.items():
        x[first : (first := first + int(4000 * share))] = value
    (found,) = inputs.edges(x[:, None], numeric(1), 48)
    assert len(np.unique(found)) >= 45 and set(spikes) <= {*found.tolist()}


def test_the_edges_of_a_column_without_spikes_are_plain_quantiles() -> None:
    x = np.random.default_rng(0).normal(size=(3000, 2)).astype(np.float32)
    expected = np.quantile(x.astype(np.float64), np.linspace(0, 1, 49), axis=0).T.astype(np.float32)
    assert inputs.edges(x, numeric(2), 48).tobytes() == expected.tobytes()


@settings(max_examples=50, deadline=None)
@given(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=40), st.integers(1, 20))
def test_edges_ascend_from_the_lowest_value_to_the_highest(values: list[float], bins: int) -> None:
    x = np.array(values, np.float32)[:, None]
    (found,) = inputs.edges(x, numeric(1), bins)
    assert (np.diff(found) >= 0).all() and np.isfinite(found).all()
    assert (found[0], found[-1]) == (x.min(), x.max())


@pytest.mark.parametrize("framework", EACH)
def test_pieces_times_widths_give_the_value_back(framework: str) -> None:
    """So a layer over pieces can draw the straight line too; outside the training rows it goes on level."""
    pytest.importorskip(framework)
    draw = np.random.default_rng(0)
    train = np.exp(draw.normal(size=(200, 3))).astype(np.float32)
    x = np.concatenate([train[:50], train[:1] * 1e6, -train[:1] * 1e6])
    model = tabular(framework, numeric(3), hidden=(1,), embedding=1, bins=6)
    edges = inputs.edges(train, numeric(3), 6)
    chosen = {"edges": edges, "weight": np.diff(edges)[:, :, None], "slope": np.zeros((3, 1)), "bias": np.zeros((3, 1))}
    own = {f"embedding.numeric.{name}": array.astype(np.float32) for name, array in chosen.items()}
    model.set_tensors(model.tensors() | own)
    expected = np.clip(x, edges[:, 0], edges[:, -1]) - edges[:, 0]
    assert np.allclose(embedded(model, x), expected, rtol=1e-4, atol=1e-5)


def embedded(model: Any, x: np.ndarray) -> np.ndarray:
    """What the layer `embedding.numeric` gives for encoded rows."""
    if model.framework == "tensorflow":
        return np.asarray(model.built.get_layer("embedding.numeric")(x))
    import torch

    return np.asarray(model.built.get_submodule("embedding.numeric")(torch.tensor(x)).detach())
