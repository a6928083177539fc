"""Two DVC projects in one Git repository: each sees its own, under tags that GTO and DVC read."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import stemma
from registered_worlds import clones, tags
from stemma.errors import VersionError
from stemma.registry.writing import Tagging
from stemma.repo import extent
from stemma.repo.extent import Extent
from stemma.repo.repository import Repository
from stemma.versions.diff import code
from version_worlds import Projects, World, network, new, parts, table

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def two(two_projects: Projects, tmp_path: Path) -> Projects:
    return two_projects.copy(tmp_path / "shop")


def commit(world: World, name: str) -> str:
    return world.ok("git", "rev-parse", f"{name}^{{commit}}")


def test_a_project_knows_its_own_events_alone(two_projects: Projects) -> None:
    for world in (two_projects.churn, two_projects.sales):
        name = world.folder.name
        found = stemma.history(world.folder)
        assert [event.name for event in found.events] == ["model@v1.0.0", "model@v2.0.0", "model@v1.0.0"]
        assert {event.tag.partition("=")[0] for event in found.events} == {name} and found.stages["model#prod"]
        shown = stemma.log(world.folder, all=True)
        assert [entry.names for entry in shown] == [("model@v2.0.0", "HEAD", "main"), ("model@v1.0.0",)]
        assert [entry.subject for entry in shown] == [f"{name} 2", f"{name} 1"]
        assert stemma.best(world.folder).looked_at == 2
        assert stemma.verify(world.folder, all=True).versions[:2] == ("model@v1.0.0", "model@v2.0.0")


@pytest.mark.parametrize("name", ["model@v1.0.0", "churn:model@v1.0.0", "churn=model@v1.0.0", "model#prod"])
def test_a_version_is_named_with_or_without_its_folder(two_projects: Projects, name: str) -> None:
    found = Repository(two_projects.churn.folder).resolve(name)
    assert found.commit == commit(two_projects.churn, "churn=model@v1.0.0")


def test_what_another_project_registered_is_no_version_here(two: Projects) -> None:
    two.churn.tag("churn=model@v3.0.0")
    two.churn.tag("model@v4.0.0")
    for name in ("model@v3.0.0", "churn:model@v3.0.0", "model@v4.0.0"):
        with pytest.raises(VersionError, match="no revision is named"):
            Repository(two.sales.folder).resolve(name)


def test_gto_and_dvc_read_what_a_project_registers(two: Projects, tmp_path: Path) -> None:
    world = two.churn
    world.version("churn 3", parts(frame=None, bundle=b"churn 3"))
    stemma.register(world.folder, version="2.1.0")
    stemma.promote(world.folder, "v2.1.0", "prod")
    stemma.demote(two.sales.folder, "prod")
    stemma.retire(two.sales.folder, "v1.0.0", "wrong rows")
    assert {"churn=model@v2.1.0", "churn=model#prod#2", "sales=model#prod!#2", "sales=model@v1.0.0!"} < {*tags(world)}
    shown = json.loads(world.ok("gto", "show", "--json"))
    assert shown["churn:model"]["version"] == "v2.1.0" and shown["churn:model"]["stage"]["prod"] == "v2.1.0"
    assert shown["sales:model"]["version"] == "v2.0.0" and not shown["sales:model"]["stage"].get("prod")
    for option, value in (("--rev", "v2.1.0"), ("--stage", "prod")):
        world.ok("dvc", "artifacts", "get", ".", "churn:model", option, value, "-o", str(tmp_path / value))
        assert (tmp_path / value).read_bytes() == b"churn 3"


def test_a_project_pushes_its_own_events(two: Projects) -> None:
    anne, bob = (World(each.folder / "churn", each.folder) for each in clones(World(two.top)))
    for world in (anne, bob):
        world.write(".dvc/config.local", f"['remote \"disk\"']\n    url = {two.churn.remote}\n")
    stemma.promote(anne.folder, "v2.0.0", "prod", tagging=Tagging(push=True))
    bob.ok("git", "tag", "-d", "churn=model@v2.0.0", "sales=model@v2.0.0")
    assert stemma.promote(bob.folder, "v2.0.0", "dev", tagging=Tagging(push=True)).tag == "churn=model#dev#1"
    assert "churn=model#prod#2" in tags(bob) and "sales=model@v2.0.0" not in tags(bob)


def test_the_changes_of_another_project_are_in_nobody_s_way(two: Projects) -> None:
    two.sales.write("params.yaml", "model: {}\n")
    stemma.register(two.churn.folder, version="3.0.0")
    two.churn.write("params.yaml", "model: {}\n")
    with pytest.raises(VersionError, match=r"are in no commit \(params\.yaml\)"):
        stemma.register(two.churn.folder, version="4.0.0")


def test_the_code_that_differs_is_told_from_the_projects_folder(two: Projects) -> None:
    for world in (two.churn, two.sales):
        world.write("src/purchase_intent/model.py", "pass  # new\n")
    found = code.compare(two.churn.folder, "HEAD", None).files
    assert [file.path for file in found] == ["src/purchase_intent/model.py"]


def test_an_experiment_is_of_the_project_that_it_changes(two: Projects) -> None:
    made = two.sales.experiment("calm-otter", "another network", parts(frame=table(60), tensors=network(seed=7)[1]))
    assert Repository(two.sales.folder).experiments == {"calm-otter": (made,)}
    assert Repository(two.churn.folder).experiments == {}
    assert stemma.log(two.churn.folder, all=True).entries[0].names == ("model@v2.0.0", "HEAD", "main")


def test_a_folder_that_no_tag_can_name_is_refused(tmp_path: Path) -> None:
    World(tmp_path).ok("git", "init", "-q", "-b", "main")
    world = new(tmp_path / "our prøject", tmp_path)
    world.version("first", parts(frame=None))
    with pytest.raises(VersionError, match="the folder 'our prøject/' cannot be part of a tag"):
        stemma.register(world.folder)


@pytest.fixture
def nested(tmp_path: Path) -> tuple[World, World]:
    """A project at the top of its Git repository, and another one in a folder of it."""
    outer = new(tmp_path / "shop")
    outer.version("outer", parts(frame=None, bundle=b"outer"))
    inner = new(outer.folder / "inner", outer.folder)
    inner.version("inner", parts(frame=None, bundle=b"inner"))
    return outer, inner


def test_a_project_at_the_top_leaves_those_in_it_alone(nested: tuple[World, World]) -> None:
    outer, inner = nested
    stemma.register(inner.folder, why="inner")
    stemma.register(outer.folder, why="outer")
    outer.tag("parts=model@v1.0.0")  # of a dvc.yaml in a folder that is no project
    assert [event.tag for event in stemma.history(inner.folder).events] == ["inner=model@v1.0.0"]
    assert [event.name for event in stemma.history(outer.folder).events] == ["parts:model@v1.0.0", "model@v1.0.0"]
    looked = stemma.verify(outer.folder, all=True)
    assert looked.is_whole and looked.notes == ()
    assert stemma.doctor(outer.folder, "HEAD").errors == stemma.doctor(inner.folder, "HEAD").errors == 0
    inner.write("params.yaml", "model: {}\n")
    assert extent.of(outer.folder).changed(outer.folder) == []
    assert extent.of(inner.folder).changed(inner.folder) == ["params.yaml"]


def test_an_extent_is_its_folder_without_the_projects_in_it(nested: tuple[World, World]) -> None:
    outer, inner = nested
    assert extent.of(outer.folder) == Extent("", ("inner/",)) == extent.of(outer.folder, "HEAD")
    assert extent.of(inner.folder) == Extent("inner/")
    assert extent.of(outer.folder, "HEAD~2") == Extent("", ("inner/",))  # the index has it
    assert extent.others(outer.folder, "HEAD") == ("inner/",) and extent.others(inner.folder, "HEAD") == ("..",)


def test_tags_without_a_folder_are_told_with_what_takes_them_over(
    two: Projects, capsys: pytest.CaptureFixture[str]
) -> None:
    two.churn.tag("model@v7.0.0", "HEAD~1")
    said = "note: model@v7.0.0: of no project, for no folder is named: run `"
    stemma.history(two.churn.folder)
    told = capsys.readouterr().err
    assert told.startswith(said) and told.endswith("`\n")
    two.churn.ok("sh", "-c", told.removeprefix(said).removesuffix("`\n"))
    assert Repository(two.churn.folder).resolve("model@v7.0.0").commit == commit(two.churn, "HEAD~1")
