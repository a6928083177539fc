"""Equal weights in another graph: told by layer, and not as tensors that changed."""

import json
from typing import Any

import pytest
from typer.testing import CliRunner

import stemma
from stemma.cli.words import app
from stemma.errors import VersionError
from version_worlds import World, compression, new, parts

INT8 = {"type": "int8", "sparsity": 0.02, "scale": [0.001, 0.004], "input": [0.05, 128]}
MADE: dict[str, dict[str, Any] | None] = {
    "older": None,
    "plain": compression(),
    "again": compression(sparsity=0.004),
    "pruned": compression(sparsity=0.5),
    "whole": compression("int8_static", **INT8),
    "wider": compression("int8_static", **INT8 | {"scale": [0.001, 0.008]}),
    "damaged": compression() | {"layers": [{"name": "hidden_1.weight"}]},
}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """The same network each time, in the graph that each tag names."""
    world = new(tmp_path_factory.mktemp("compression") / "versions")
    for name, told in MADE.items():
        world.version(name, parts(compression=told))
        world.tag(name)
    return world


@pytest.fixture
def printed(world: World, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.chdir(world.folder)

    def run(*command: str) -> str:
        done = CliRunner().invoke(app, list(command))
        assert done.exit_code == 0, done.output
        return done.output

    return run


def test_a_compressed_version_has_the_weights_of_its_parent_and_layers_kept_otherwise(world: World) -> None:
    found = stemma.diff(world.folder, "plain", "whole")
    assert found.distance.total == 0 and all(tensor.same for tensor in found.tensors)
    assert found.compression is not None
    assert (found.compression.before.method, found.compression.after.method) == ("none", "int8_static")
    ((before, after),) = found.compression.layers
    assert (after.name, before.type, after.type) == ("hidden_1.weight", "float32", "int8")
    assert (after.scale, after.input) == ((0.001, 0.004), (0.05, 128))
    told = "weights equal, network compressed by int8_static, before by none: 4,000 -> 1,200 bytes of graph"
    assert told in found.notes


@pytest.mark.parametrize(
    ("before", "after"), [("plain", "plain"), ("plain", "again"), ("older", "whole"), ("whole", "older")]
)
def test_nothing_is_told_where_nothing_is_known_or_differs(before: str, after: str, world: World) -> None:
    found = stemma.diff(world.folder, before, after)
    assert found.compression is None and not any("compressed" in note for note in found.notes)


@pytest.mark.parametrize(("before", "after"), [("plain", "pruned"), ("whole", "wider")])
def test_another_scale_or_share_of_zeros_is_told_by_layer(before: str, after: str, world: World) -> None:
    found = stemma.diff(world.folder, before, after)
    assert found.compression is not None and [layer.name for layer, _ in found.compression.layers] == [
        "hidden_1.weight"
    ]
    assert not any("compressed" in note for note in found.notes)


def test_it_is_printed(printed: Any) -> None:
    shown = printed("diff", "plain", "whole")
    assert "float32, 0.0% zeros" in shown and "network compressed by int8_static" in shown
    assert "int8, scale 0.001 to 0.004, input scale 0.05, zero point 128, 2.0% zeros" in shown
    told = json.loads(printed("diff", "plain", "whole", "--json"))["compression"]
    assert told["after"]["bytes"] == [4000, 1200] and told["layers"][0][1]["type"] == "int8"


def test_show_tells_the_graph_and_misses_none_in_an_older_version(world: World, printed: Any) -> None:
    line = "int8_static, 4,000 -> 1,200 bytes, roc_auc on validation rows 0.9100 -> 0.9090"
    assert line in printed("show", "whole") and "Graph:" not in printed("show", "older")
    older, damaged = (stemma.show(world.folder, name) for name in ("older", "damaged"))
    assert (older.compression, older.missing) == (None, ())
    assert damaged.compression is None and damaged.missing[0].startswith("graph: reports/compression.json has another")


def test_the_same_weights_compressed_otherwise_are_another_version(world: World, printed: Any) -> None:
    listed = [(entry.subject, entry.method) for entry in stemma.log(world.folder)]
    assert listed == [("damaged", "none"), ("whole", "int8_static"), ("older", "none")]
    assert "(compressed by int8_static)" in printed("log")


def test_they_are_numbered_as_what_answers_otherwise(world: World) -> None:
    from stemma.registry.numbering import suggest
    from stemma.repo.repository import Repository

    version = Repository(world.folder).version
    bump, reason = suggest(version("whole"), version("plain"))
    assert bump == "minor" and reason.startswith("the same weights as plain, compressed by int8_static")
    assert suggest(version("again"), version("plain"))[0] == "patch"


def test_a_difference_to_a_damaged_one_is_one_line(world: World) -> None:
    with pytest.raises(VersionError, match=r"reports/compression.json of damaged has another form"):
        stemma.diff(world.folder, "plain", "damaged")
