"""A graph is looked at before anything runs it; what networks are made of passes."""

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import hostile
from bundles import graph
from hostile import FLOAT, INT64, constant, info, looped, made, model, node, shaped
from stemma.bundle import graph as graphs
from stemma.bundle import look
from stemma.errors import BundleError


def told(value: object) -> str:
    """The name of a test by its texts: not by the bytes of a graph."""
    return value if isinstance(value, str) else "graph"


ADDED = node("Add", ["PageValues", "more"], ["prediction"])


def refused(content: bytes, reason: str) -> None:
    with pytest.raises(BundleError, match=rf"^model\.onnx {reason}") as error:
        look(content)
    assert str(error.value).isprintable()
    assert len(str(error.value)) < 200


def tensor(**changes: Any) -> bytes:
    found = constant("more", [1.0], np.float32)
    for name, value in changes.items():
        found.ClearField(name)  # type: ignore[arg-type]
        getattr(found, name).extend(value) if isinstance(value, list) else setattr(found, name, value)
    return made([ADDED], [found])


def branched(change: Any = lambda found: None, domain: str = "") -> bytes:
    """What is added comes out of a branch."""
    held = constant("held", [1.0], np.float32)
    change(held)
    names = [node("Identity", ["held"], ["out"], domain=domain)]
    inner = helper.make_graph(names, "branch", [], [info("out", FLOAT, [1])], [held])
    chosen = node("If", ["always"], ["more"], then_branch=inner, else_branch=inner)
    return made([chosen, ADDED], [constant("always", True, np.bool_)])


def elsewhere(found: Any) -> None:
    found.ClearField("raw_data")
    found.data_location = TensorProto.EXTERNAL
    found.external_data.add(key="location", value="/etc/passwd")


@pytest.mark.parametrize(
    "content",
    [
        graph(), graph("prediction", 1), hostile.plain(), looped(5), looped([5]), looped(-1),
        looped(1000, [node("Neg", ["sum"], ["x"])]),
        branched(), hostile.nested(8), shaped("Expand", [2**10, 2**10]), shaped("Tile", [1, 3]), tensor(),
        made([node("Constant", [], ["trips"], value=constant("", 7)), hostile.loop("trips")]),
        made([node("Reshape", ["PageValues", "shape"], ["prediction"])], [constant("shape", [-1, 1])]),
        made([ADDED], [helper.make_tensor("more", FLOAT, [1], [2.0])]),
    ],
    ids=told,
)  # fmt: skip
def test_what_networks_are_made_of_passes(content: bytes) -> None:
    onnx.checker.check_model(content)
    look(content)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (looped(2**62), "has a loop without an end"),
        (looped(100_001), "has a loop without an end"),
        (looped([5, 5]), "has a loop without an end"),
        (hostile.computed_turns(), "has a loop without an end"),
        (made([hostile.loop("")]), "has a loop without an end"),
        (made([node("Scan", ["PageValues"], ["prediction"], num_scan_inputs=1)]), "has a loop without an end"),
        (looped(400, [hostile.loop("trips")]), "has a loop without an end"),
    ],
    ids=told,
)
def test_a_loop_without_a_constant_end_is_refused(content: bytes, reason: str) -> None:
    refused(content, reason)


@pytest.mark.parametrize("taken", ["initializer", "input", "node"])
def test_a_number_of_turns_whose_name_something_else_has_too_is_no_constant(taken: str) -> None:
    found = onnx.load_from_string(looped(5))
    if taken == "initializer":
        found.graph.initializer.append(constant("trips", 2**62))
    elif taken == "input":
        found.graph.input.append(info("trips", INT64, []))
    else:
        found.graph.node.insert(0, node("Cast", ["PageValues"], ["trips"], to=INT64))
    refused(found.SerializeToString(), "has a loop without an end")


@pytest.mark.parametrize("operator", ["ConstantOfShape", "Expand", "Tile"])
@pytest.mark.parametrize("size", [[2**30], [2**15, 2**15], [1] * 100_002])
def test_a_tensor_of_gigabytes_or_of_endless_dimensions_is_refused(operator: str, size: list[int]) -> None:
    refused(shaped(operator, size), f"makes a tensor of more than 268,435,456 values, by {operator}$")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (tensor(dims=[1] * 100_002), "has a tensor of 100,002 dimensions$"),
        (tensor(dims=[2**31, 2**31]), "has the tensor 'more' of more values than the file holds"),
        (tensor(dims=[-1]), "has the tensor 'more' of more values than the file holds"),
        (tensor(dims=[2**40], name="n\x1b[2J" * 100), "has the tensor 'n ...nn? ?.*…' of more values"),
    ],
    ids=told,
)
def test_a_tensor_that_says_more_than_it_holds_is_refused(content: bytes, reason: str) -> None:
    refused(content, reason)


def test_a_value_of_endless_dimensions_is_refused() -> None:
    found = model([node("Identity", ["PageValues"], ["prediction"])])
    found.graph.value_info.append(info("x", FLOAT, [1] * 100_002))
    refused(found.SerializeToString(), "has a tensor of 100,002 dimensions")


def test_a_sparse_tensor_that_would_fill_the_memory_is_refused() -> None:
    found = model([ADDED])
    places = constant("places", [0])
    found.graph.sparse_initializer.append(
        helper.make_sparse_tensor(constant("more", [1.0], np.float32), places, [2**40])
    )
    refused(found.SerializeToString(), "has the tensor '' of more values than the file holds")


@pytest.mark.parametrize("content", [tensor(data_location=TensorProto.EXTERNAL), branched(elsewhere)], ids=told)
def test_a_tensor_of_another_file_is_refused(content: bytes) -> None:
    refused(content, "keeps the tensor '(more|held)' in another file")


def imported(domain: str) -> bytes:
    found = model([node("Identity", ["PageValues"], ["prediction"])])
    found.opset_import.append(helper.make_opsetid(domain, 1))
    return found.SerializeToString()  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("content", "domain"),
    [
        (made([node("Gelu", ["PageValues"], ["prediction"], domain="com.microsoft")]), "com.microsoft"),
        (branched(domain="com.microsoft"), "com.microsoft"),
        (imported("own"), "own"),
        (imported("o" * 10_000), "o*…"),
    ],
    ids=told,
)
def test_operators_that_not_every_runtime_has_are_refused(content: bytes, domain: str) -> None:
    refused(content, f"uses operators of '{domain}', which not every runtime has")


def test_functions_of_the_graph_s_own_are_refused() -> None:
    found = model([node("Identity", ["PageValues"], ["prediction"])])
    found.functions.add(name="Identity", domain="")
    refused(found.SerializeToString(), "has functions of its own")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"no graph", "is damaged"),
        (hostile.plain()[:-3], r"is damaged \("),
        (b"\x3a" + b"\xff" * 11, r"is damaged \(a number without an end\)"),
        (b"\xba\x80\x80\x80\x80\x01\x00", r"is damaged \(a field without an end, or of no known form\)"),
        (b"\x3b", r"is damaged \(a field without an end, or of no known form\)"),
        (hostile.plain()[:4] + b"ORTM", r"is damaged \(it is of onnxruntime's own format\)"),
        (hostile.nested(25), r"is damaged \(it has parts within parts, more than 60 deep\)"),
    ],
    ids=told,
)
def test_bytes_that_are_no_graph_are_refused(content: bytes, reason: str) -> None:
    refused(content, reason)


@pytest.mark.parametrize("content", [b"\x08\x0a" * 1001, b"\x3a\xc8\x01" + b"\x0a\x00" * 100], ids=["values", "nodes"])
def test_a_file_of_endlessly_many_small_things_is_refused(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(graphs, "MOST_FIELDS", 1000)
    refused(content, r"is damaged \(it has more than 1,000 fields\)")


def test_what_is_kept_of_a_graph_is_small_however_long_its_values_are() -> None:
    import tracemalloc

    found = model([ADDED], [constant("more", np.ones(10**7), np.float32)])
    found.graph.node[0].doc_string = "x" * 10**7
    content = found.SerializeToString()
    tracemalloc.start()
    look(content)
    assert tracemalloc.get_traced_memory()[1] < 10**6
    tracemalloc.stop()


def test_a_graph_in_two_parts_is_looked_at_whole() -> None:
    """Protobuf joins them."""
    harmless, loops = hostile.plain(), looped(2**62)
    refused(harmless + loops, "has a loop without an end")
    refused(loops + harmless, "has a loop without an end")


def test_packed_and_plain_numbers_are_the_same() -> None:
    """`dims` stands in either form in the file; both are read by protobuf."""
    packed = b"\x0a\x05" + b"\x80\x80\x80\x80\x10"  # dims: [2**32]
    plain = b"\x08" + b"\x80\x80\x80\x80\x10"
    for dims in (packed, plain):
        held = b"\x2a" + bytes([len(dims) * 2]) + dims * 2
        refused(b"\x3a" + bytes([len(held)]) + held, "has the tensor '' of more values than the file holds")
