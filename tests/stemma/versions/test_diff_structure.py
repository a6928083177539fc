"""Which layers of two networks are the same one."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from indexes import index, linear, mlp, relu
from stemma.versions.diff import structure, tensors
from stemma.versions.diff.structure import share_changed


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


def as_named(names, net):
    return [(name, *one[1:]) for name, one in zip(names, net, strict=True)]


ALIKE = linear("a", 3, 3)  # twice the same
NEAR = ("b", *ALIKE[1:3], {own: array * np.float32(1.01) for own, array in ALIKE[3].items()})


@pytest.mark.parametrize(
    ("net", "before", "after"),
    [
        ([relu(""), relu("")], "ef", "fe"),
        ([relu(""), relu(""), ALIKE, relu("")], "efag", "gaef"),
        ([ALIKE, relu(""), ALIKE, ("", "tanh", {}, {})], "aebf", "bfae"),
        ([ALIKE, NEAR, ALIKE], "abc", "bca"),
        ([("", "leaky", {"slope": 0.1}, {}), ("", "leaky", {"slope": 0.2}, {})], "ef", "fe"),
    ],
)
def test_names_that_changed_places_are_no_difference(net, before, after) -> None:
    found = structure.compare(index(as_named(before, net)), index(as_named(after, net)))
    assert [(layer.before, layer.after) for layer in found.layers] == list(zip(before, after, strict=True))
    assert share_changed(found) == 0
    assert all(one.same for one in tensors.compare(found.pairs))


def test_a_layer_that_moved_keeps_its_name_where_as_many_stay_in_order() -> None:
    net = [relu("e"), linear("a", 3, 3), relu("f"), linear("b", 3, 3)]
    after = [net[1], net[2], net[3], net[0]]
    assert statuses(net, after) == [("kept", "a", "a"), ("kept", "f", "f"), ("kept", "b", "b"), ("moved", "e", "e")]


def test_a_state_that_is_there_in_one_alone_or_in_another_shape_is_a_change() -> None:
    def norm(**states):
        return index([("norm", "norm", {}, {"scale": np.ones(3), **states})], buffers=[f"norm.{own}" for own in states])

    nets = norm(), norm(mean=np.zeros(3)), norm(mean=np.zeros((3, 1)))
    for before, after in itertools.permutations(nets, 2):
        assert [layer.status for layer in structure.compare(before, after).layers] == ["changed"]


def test_tensors_that_are_no_longer_tied_are_a_change() -> None:
    shared = np.ones((2, 2), np.float32)
    tied, untied = (
        [("a", "linear", {}, {"w": shared}), ("b", "linear", {}, {"w": w})] for w in (shared, shared.copy())
    )
    found = structure.compare(index(tied), index(untied))
    assert [layer.status for layer in found.layers] == ["kept", "changed"]


layer = st.builds(
    lambda name, one: (name, *one[1:]),
    st.sampled_from("abcdefg"),
    st.one_of(
        st.builds(linear, st.sampled_from("ab"), st.integers(1, 2), st.integers(1, 3), st.integers(0, 1)),
        st.builds(relu, st.just("")),
    ),
)
networks = st.lists(layer, max_size=6, unique_by=lambda one: one[0])


def but_for_names(net):
    return [(kind, own, {name: array.tobytes() for name, array in held.items()}) for _, kind, own, held in net]


@given(networks, networks | st.none(), st.permutations("abcdefg"))
@settings(max_examples=60, deadline=None)
def test_both_ways_are_the_same_comparison_and_0_only_where_nothing_but_names_differs(before, other, names) -> None:
    after = as_named(names[: len(before)], before) if other is None else other
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
    same = share_changed(forth) == 0 and all(one.same for one in tensors.compare(forth.pairs))
    assert same == (but_for_names(before) == but_for_names(after))


def test_tensors_of_no_layer_are_compared_too() -> None:
    before = index([])
    tensor = replace(index([linear("free", 2, 2)]).tensors[0], layer=None)
    with_tensor = replace(before, tensors=(tensor,))
    assert [layer.status for layer in structure.compare(before, with_tensor).layers] == ["added"]
    assert [layer.status for layer in structure.compare(with_tensor, with_tensor).layers] == ["kept"]
    renamed = replace(before, tensors=(replace(tensor, name="loose"),))
    alone = replace(before, tensors=(replace(tensor, name="free"),))
    assert [layer.status for layer in structure.compare(alone, renamed).layers] == ["renamed"]
