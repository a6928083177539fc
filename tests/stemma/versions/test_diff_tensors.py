"""How far tensors are apart, told from norms and sketches."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from indexes import index, mlp
from stemma.versions.diff import entries, structure, tensors


def changes(before, after, frameworks=("torch", "torch")):
    pair = [index(net, framework) for net, framework in zip((before, after), frameworks, strict=True)]
    return {one.before: one for one in tensors.compare(structure.compare(*pair).pairs)}


def one_tensor(array):
    return [("layer", "linear", {}, {"weight": array})]


def test_only_a_bias_moved_and_its_figures_are_exact() -> None:
    after = mlp()
    bias = after[0][3]["bias"]
    after[0][3]["bias"] = bias + np.float32(0.5) * (np.arange(8) < 2)
    found = changes(mlp(), after)
    assert [name for name, one in found.items() if not one.same] == ["hidden_1.bias"]
    moved = found["hidden_1.bias"]
    assert not moved.estimated
    assert moved.relative_l2 == pytest.approx(math.sqrt(0.5) / np.linalg.norm(bias), rel=1e-5)
    assert moved.max_change == pytest.approx(0.5, rel=1e-5)
    assert moved.share_changed == 0.25
    new = after[0][3]["bias"]
    cosine = float(bias @ new) / (np.linalg.norm(bias) * np.linalg.norm(new))
    assert moved.cosine == pytest.approx(cosine, rel=1e-5)
    whole = 8 * 8 + 8 + 8 * 8 + 8 + 8 + 1
    expected = math.sqrt(8 / whole) * math.sqrt(0.5) / (np.linalg.norm(bias) + np.linalg.norm(new))
    assert tensors.distance(list(found.values())) == pytest.approx(expected, rel=1e-5)


def test_a_large_tensor_is_estimated_and_said_to_be() -> None:
    generator = np.random.default_rng(0)
    a = generator.standard_normal((300, 200))
    step = 0.1 * generator.standard_normal(a.shape)
    found = changes(one_tensor(a), one_tensor(a + step))["layer.weight"]
    assert found.estimated and found.max_change is None and found.share_changed is None
    assert found.relative_l2 == pytest.approx(np.linalg.norm(step) / np.linalg.norm(a), rel=4 * tensors.ERROR)
    assert found.cosine == pytest.approx(1 - 0.005, abs=0.003)


def test_a_change_too_small_for_a_sketch_is_still_a_change() -> None:
    a = np.ones(1000)
    b = a.copy()
    b[0] += 1e-12
    found = changes(one_tensor(a), one_tensor(b))["layer.weight"]
    assert not found.same and found.estimated and 0 < found.distance < 1e-6


def test_opposite_tensors_are_as_far_apart_as_can_be() -> None:
    a = np.arange(1.0, 20.0)
    found = changes(one_tensor(a), one_tensor(-a))["layer.weight"]
    assert (found.distance, found.cosine, found.relative_l2) == pytest.approx((1, -1, 2), rel=1e-5)


def test_a_tensor_that_became_nan_is_at_distance_one_and_the_same_nan_at_none() -> None:
    broken = np.array([1.0, np.nan])
    found = changes(one_tensor(np.ones(2)), one_tensor(broken))["layer.weight"]
    assert (found.distance, found.relative_l2, found.cosine) == (1.0, None, None)
    assert changes(one_tensor(broken), one_tensor(broken.copy()))["layer.weight"].distance == 0


def test_a_tensor_of_zeros_has_no_relative_distance() -> None:
    found = changes(one_tensor(np.zeros(3)), one_tensor(np.ones(3)))["layer.weight"]
    assert (found.relative_l2, found.cosine) == (None, None)
    assert found.distance == pytest.approx(1, rel=1e-6)
    assert changes(one_tensor(np.zeros(3)), one_tensor(np.zeros(3)))["layer.weight"].distance == 0


def test_the_kernels_of_two_frameworks_are_turned_and_their_biases_compared() -> None:
    kernel, bias = np.random.default_rng(0).standard_normal((3, 5)), np.arange(5.0)
    torch = [("hidden", "linear", {"in_features": 3}, {"weight": kernel.T, "bias": bias})]
    keras = [("dense_7", "dense", {"units": 5}, {"kernel": kernel, "bias": bias})]
    found = changes(torch, keras, ("torch", "tensorflow"))
    assert found["hidden.bias"].same
    turned = found["hidden.weight"]
    assert (turned.after, turned.turned, turned.known, turned.relative_l2) == ("dense_7.kernel", True, False, None)
    assert turned.distance == pytest.approx(math.sqrt(0.5), rel=1e-5)  # as of tensors at right angles


def read(a, b):
    """As `--exact` finds them."""
    pairs = structure.compare(index(one_tensor(a)), index(one_tensor(b))).pairs
    return tensors.compare(pairs, {("layer.weight", "layer.weight"): entries._moved([(a, b)])})[0]


NAN = np.array([0x7FC00000, 0x7FC00001], np.uint32).view(np.float32)  # two bit patterns


@pytest.mark.parametrize(
    ("a", "b"),
    [([1, 0.0], [1, -0.0]), ([1, NAN[0]], [1, NAN[1]]), ([np.inf, 0.0], [np.inf, -0.0]), ([0.0] * 99, [-0.0] * 99)],
)
def test_other_bytes_of_the_same_values_are_at_distance_zero_once_they_are_read(a, b) -> None:
    a, b = np.array(a, np.float32), np.array(b, np.float32)
    found = read(a, b)
    assert not found.same and not found.estimated
    assert (found.distance, found.relative_l2, found.max_change, found.share_changed) == (0, 0, 0, 0)


def test_until_then_they_may_be_other_values_and_are_called_an_estimate() -> None:
    for other in ([1.0, -0.0], [1.0 + 2**-23, 0.0]):
        found = changes(one_tensor(np.float32([1, 0])), one_tensor(np.float32(other)))["layer.weight"]
        assert found.estimated and 0 < found.distance <= tensors.LEAST
        assert (found.max_change, found.share_changed) == (None, None)


@pytest.mark.parametrize("size", [2, 70])
def test_entries_whose_squares_are_too_small_for_a_number_have_a_distance(size) -> None:
    a = np.full(size, 1e-200)
    for found in (changes(one_tensor(a), one_tensor(3 * a))["layer.weight"], read(a, 3 * a)):
        assert found.distance == pytest.approx(0.5)
        assert found.relative_l2 == pytest.approx(2)


def test_whole_numbers_that_no_float_tells_apart_are_at_a_distance() -> None:
    found = read(np.array([2**53]), np.array([2**53 + 1]))
    assert 0 < found.distance < 1e-15 and found.share_changed == 1


def test_a_small_move_beside_large_values_is_still_a_move() -> None:
    a, b = np.array([1e150, 1e-150]), np.array([1e150, 3e-150])
    assert tensors.distance([read(a, b)]) > 0


values = st.floats(-1e3, 1e3, width=32)
extremes = st.sampled_from([0.0, -0.0, 1e-150, 3e-150, 1.0, 1 + 2**-52, -1e150, math.nan, math.inf])
lengths = st.integers(1, 100)


def two(dtype, elements):
    return lengths.flatmap(lambda n: st.tuples(*[hnp.arrays(dtype, n, elements=elements)] * 2))


@given(two(np.float32, values))
@settings(max_examples=60, deadline=None)
def test_a_distance_is_symmetric_in_0_1_and_0_only_for_equal_tensors(pair) -> None:
    a, b = pair
    forth, back = changes(one_tensor(a), one_tensor(b)), changes(one_tensor(b), one_tensor(a))
    there, here = forth["layer.weight"].distance, back["layer.weight"].distance
    assert there == pytest.approx(here, abs=1e-12)
    assert 0 <= there <= 1
    if not np.array_equal(a, b):
        assert there > 0
    else:
        assert there == 0 if a.tobytes() == b.tobytes() else there <= tensors.LEAST


@given(two(np.float32, st.floats(width=32)) | two(np.float64, extremes))
@settings(max_examples=60, deadline=None)
def test_what_is_read_is_at_distance_zero_if_and_only_if_all_values_are_equal(pair) -> None:
    a, b = pair
    forth, back = read(a, b), read(b, a)
    assert forth.distance == pytest.approx(back.distance, abs=1e-12)
    assert 0 <= forth.distance <= 1
    assert (forth.distance == 0) == bool(np.array_equal(a, b, equal_nan=True))
    assert all(figure is None or math.isfinite(figure) for figure in (forth.relative_l2, forth.cosine))
