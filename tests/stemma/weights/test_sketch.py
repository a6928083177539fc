"""The norm and the sketch of a tensor."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from stemma.weights.sketch import BUCKETS, norm_and_sketch, sketch_distance

SIZE = 300_000  # several blocks, the last one not full


def estimate(a, b):
    return sketch_distance(norm_and_sketch(a)[1], norm_and_sketch(b)[1])


def differences():
    """Kinds of change between two versions, from even to concentrated."""
    generator = np.random.default_rng(7)
    yield "noise", generator.standard_normal(SIZE)
    yield "constant", np.full(SIZE, 0.1)
    yield "ramp", np.linspace(-1, 2, SIZE)
    yield "waves", np.sin(np.arange(SIZE) / 50)
    yield "one row", np.where(np.arange(SIZE) // 500 == 3, 1.0, 0.0)
    yield "one column", np.where(np.arange(SIZE) % 500 == 3, 1.0, 0.0)
    yield "every 61st", np.where(np.arange(SIZE) % (61 * 4) == 0, 1.0, 0.0)
    yield "few", np.where(generator.random(SIZE) < 1e-4, 5.0, 0.0)
    yield "alternating", np.where(np.arange(SIZE) % 2 == 0, 1.0, -1.0)


@pytest.mark.parametrize("difference", [pytest.param(d, id=name) for name, d in differences()])
def test_a_distance_is_estimated_within_four_standard_deviations(difference) -> None:
    a = np.random.default_rng(1).standard_normal(SIZE)
    # "every 61st" falls into one bucket: its estimate has one degree of freedom and only the order of size is promised
    buckets = len(set(np.flatnonzero(difference) % BUCKETS))
    squared = (estimate(a, a + difference) / np.linalg.norm(difference)) ** 2
    assert squared < 1 + 4 * math.sqrt(2 / buckets)
    assert squared > max(0.0, 1 - 4 * math.sqrt(2 / BUCKETS)) or buckets == 1


def test_the_estimate_is_unbiased_and_as_exact_as_promised() -> None:
    # 400 shifts of a constant change: the hardest, since all its entries agree
    squared = []
    for start in range(400):
        change = np.zeros(40_000)
        change[start * 61 : start * 61 + 15_000] = 1.0
        squared.append(sum(value**2 for value in norm_and_sketch(change)[1]) / 15_000)
    assert abs(np.mean(squared) - 1) < 0.05
    assert np.std(squared) < 1.2 * math.sqrt(2 / BUCKETS)


@given(hnp.arrays(np.float32, st.integers(0, 61), elements=st.floats(-1e6, 1e6, width=32)))
@settings(max_examples=50, deadline=None)
def test_up_to_61_entries_the_distance_is_exact(a) -> None:
    b = a[::-1].copy()
    true = float(np.linalg.norm(a.astype(float) - b))
    assert estimate(a, b) == pytest.approx(true, rel=1e-4, abs=2e-6 * (1 + float(np.linalg.norm(a.astype(float)))))
    assert len(norm_and_sketch(a)[1]) == a.size


@given(hnp.arrays(np.float32, st.integers(62, 2000), elements=st.floats(-100, 100, width=32)), st.floats(-4, 4))
@settings(max_examples=50, deadline=None)
def test_sketches_are_linear(a, factor) -> None:
    one, other = norm_and_sketch(a)[1], norm_and_sketch(a.astype(float) * factor)[1]
    scale = 1e-5 * (1 + np.abs(a).sum(dtype=float))
    assert np.allclose(np.array(one) * factor, other, rtol=1e-5, atol=scale)


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "int8", "int64", "uint16", "bool"])
def test_the_norm_is_that_of_numpy(dtype) -> None:
    tensor = (np.random.default_rng(0).random((301, 77)) * 3).astype(dtype)
    assert norm_and_sketch(tensor)[0] == pytest.approx(np.linalg.norm(tensor.astype(float)), rel=1e-6)


def test_bfloat16_is_read_as_its_values() -> None:
    bfloat16 = pytest.importorskip("ml_dtypes").bfloat16
    tensor = np.arange(100).astype(bfloat16)
    assert norm_and_sketch(tensor) == norm_and_sketch(tensor.astype(np.float64))


@pytest.mark.parametrize("entry", [math.nan, math.inf, -math.inf, 1e300])
def test_a_tensor_that_is_not_finite_has_no_sketch(entry) -> None:
    broken = np.array([1.0, entry])
    assert norm_and_sketch(broken) == (None, None)
    assert math.isnan(sketch_distance(None, (1.0, 2.0)))


def test_sketches_of_different_sizes_have_no_distance() -> None:
    with pytest.raises(ValueError, match="lengths 2 and 3"):
        sketch_distance((1.0, 2.0), (1.0, 2.0, 3.0))


def test_the_digits_are_fixed() -> None:
    # Another NumPy, platform or version of sketch.py must find the same ones: new indexes are compared with old ones.
    norm, sketch = norm_and_sketch((np.arange(200_000) * 7919 % 1009).astype(np.float32) / 7)
    assert norm == 37189.73
    assert sketch is not None and sketch[:4] == (-1724.143, 1654.857, -1623.857, -2127.572)
