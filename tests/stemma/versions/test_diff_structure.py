"""Which layers of two networks are the same one."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes import index, linear, mlp, relu
from stemma.versions.difference import structure, tensors
from stemma.versions.difference.structure import share_changed


def statuses(before, after, **frameworks):
    found = structure.compare(index(before, **frameworks), index(after, **frameworks))
    return [(layer.status, layer.before, layer.after) for layer in found.layers]


def test_a_network_compared_with_itself_has_only_kept_layers() -> None:
    assert {status for status, _, _ in statuses(mlp(), mlp())} == {"kept"}


def test_an_inserted_layer_is_one_insertion() -> None:
    after = mlp()
    after.insert(2, linear("hidden_new", 8, 8))
    assert [entry for entry in statuses(mlp(), after) if entry[0] != "kept"] == [("added", None, "hidden_new")]
    assert [entry for entry in statuses(after, mlp()) if entry[0] != "kept"] == [("removed", "hidden_new", None)]


def test_an_insertion_that_numbers_the_layers_anew_is_still_one_insertion() -> None:
    held = [linear(f"w{place}", 6, 6)[3] for place in range(4)]
    numbered = [(str(place), "linear", {"in_features": 6, "out_features": 6}, own) for place, own in enumerate(held)]
    new = linear("new", 6, 6)[3]
    after = [
        (str(place), "linear", {"in_features": 6, "out_features": 6}, own)
        for place, own in enumerate([held[0], new, *held[1:]])
    ]
    found = statuses(numbered, after)
    assert [entry[0] for entry in found] == ["kept", "added", "renamed", "renamed", "renamed"]
    assert found[2] == ("renamed", "1", "2")


def test_a_layer_inserted_among_retrained_ones_is_found_by_what_the_others_hold() -> None:
    noise = np.random.default_rng(5)
    nudged = [linear(f"w{place}", 20, 20)[3] for place in range(4)]
    before = [(str(place), "linear", {}, own) for place, own in enumerate(nudged)]
    held = [
        {name: array + 0.05 * noise.standard_normal(array.shape).astype(np.float32) for name, array in own.items()}
        for own in nudged
    ]
    held.insert(1, linear("new", 20, 20)[3])
    after = [(str(place), "linear", {}, own) for place, own in enumerate(held)]
    assert [entry[0] for entry in statuses(before, after)] == ["kept", "added", "renamed", "renamed", "renamed"]


def test_a_renamed_layer_is_kept_and_costs_nothing() -> None:
    before, after = mlp(), mlp()
    after[2] = ("middle", *after[2][1:])
    found = structure.compare(index(before), index(after))
    assert [layer.status for layer in found.layers] == ["kept", "kept", "renamed", "kept"]
    assert share_changed(found) == 0
    assert tensors.distance(tensors.compare(found.pairs)) == 0


def test_a_moved_layer_is_kept_and_said_to_have_moved() -> None:
    after = mlp()
    after.insert(3, after.pop(1))  # the activation behind hidden_2
    found = statuses(mlp(), after)
    assert ("moved", "activation_1", "activation_1") in found
    assert [entry[0] for entry in found].count("kept") == 3


def test_two_layers_that_changed_places_are_recognised_by_their_tensors() -> None:
    before = [linear("a", 9, 9), linear("b", 9, 9)]
    after = [("a", *before[1][1:]), ("b", *before[0][1:])]
    found = structure.compare(index(before), index(after))
    assert [(layer.before, layer.after) for layer in found.layers] == [("b", "a"), ("a", "b")]
    assert sum(layer.moved for layer in found.layers) == 1


def test_a_layer_of_another_width_is_changed_and_says_how() -> None:
    after = mlp()
    after[0] = linear("hidden_1", 8, 16)
    changed = structure.compare(index(mlp()), index(after)).layers[0]
    assert changed.status == "changed"
    assert {(one.key, str(one.before), str(one.after)) for one in changed.settings} == {
        ("out_features", "8", "16"), ("weight.shape", "[8, 8]", "[16, 8]"), ("bias.shape", "[8]", "[16]"),
    }  # fmt: skip


def test_another_activation_under_the_same_name_is_a_change() -> None:
    after = mlp()
    after[1] = ("activation_1", "tanh", {}, {})
    assert ("changed", "activation_1", "activation_1") in statuses(mlp(), after)


def test_the_share_counts_parameters_and_a_layer_without_any_as_one() -> None:
    after = [*mlp(), relu("last")]
    whole = 8 * 8 + 8 + 1 + 8 * 8 + 8 + 8 + 1 + 1
    assert share_changed(structure.compare(index(mlp()), index(after))) == pytest.approx(1 / whole)


def test_networks_that_share_no_layer_are_as_far_apart_as_can_be() -> None:
    found = structure.compare(index([linear("a", 3, 4)]), index([("b", "embedding", {}, {"weight": np.ones((2, 5))})]))
    assert [layer.status for layer in found.layers] == ["removed", "added"]
    assert share_changed(found) == 1
    assert tensors.distance(tensors.compare(found.pairs)) == 1


layer = st.one_of(
    st.builds(linear, st.sampled_from("abcd"), st.integers(1, 3), st.integers(1, 3), st.integers(0, 2)),
    st.builds(relu, st.sampled_from("efg")),
)
networks = st.lists(layer, max_size=6, unique_by=lambda one: one[0])


@given(networks, networks)
@settings(max_examples=60, deadline=None)
def test_both_ways_are_the_same_comparison(before, after) -> None:
    a, b = index(before), index(after)
    forth, back = structure.compare(a, b), structure.compare(b, a)
    assert sorted((one[0].name, one[1].name) for one in forth.pairs) == sorted(
        (one[1].name, one[0].name) for one in back.pairs
    )
    assert share_changed(forth) == pytest.approx(share_changed(back), abs=1e-12)
    assert 0 <= share_changed(forth) <= 1
    there, here = (tensors.distance(tensors.compare(found.pairs)) for found in (forth, back))
    assert there == pytest.approx(here, abs=1e-12)
    assert 0 <= there <= 1
    nothing = [one[1:3] for one in before] == [one[1:3] for one in after]
    assert (share_changed(forth) == 0) == nothing


def test_tensors_of_no_layer_are_compared_too() -> None:
    before = index([])
    tensor = replace(index([linear("free", 2, 2)]).tensors[0], layer=None)
    with_tensor = replace(before, tensors=(tensor,))
    assert [layer.status for layer in structure.compare(before, with_tensor).layers] == ["added"]
    assert [layer.status for layer in structure.compare(with_tensor, with_tensor).layers] == ["kept"]
