"""A version of another toolkit: the doctor and a rollback say so, with the command."""

import sys
from pathlib import Path

import pytest

from stemma import rollback
from stemma.repo.repository import Repository
from stemma.toolkit import lock, rooms, version
from stemma.versions.doctor import Finding, examine
from version_worlds import TRAINING, World, new, parts

OTHER = "0.1.0+g0123456789"
WHEEL = "vendor/stemma_versions-{}-py3-none-any.whl"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three versions: from before the lock; of another toolkit than the one that runs; of this one, and this Python."""
    here = TRAINING["environment"] | {"python": "{}.{}".format(*sys.version_info)}
    world = new(tmp_path_factory.mktemp("going back") / "world")
    world.version("before", parts())
    world.tag("before")
    for name, number in (("other", OTHER), ("this", version())):
        locked = lock.Lock(WHEEL.format(number), number, rooms.own(), rooms.digests())
        world.write(lock.FILE, lock.text_of(locked))
        world.version(name, parts(export=name.encode(), training=TRAINING | {"environment": here}))
        world.tag(name)
    return world


def found(world: World, revision: str) -> list[Finding]:
    return [one for one in examine(Repository(world.folder).version(revision)).findings if one.check == "toolkit"]


def test_the_doctor_tells_a_version_that_another_toolkit_made(world: World) -> None:
    (one,) = found(world, "other")
    assert (one.severity, one.remedy) == ("warning", "run `python tasks.py install`")
    assert one.evidence == f"the version's toolkit is {OTHER}, the one that is installed {version()}"
    assert found(world, "this") == [] == found(world, "before")


def test_in_the_workspace_it_is_an_error_for_stages_refuse_it(world: World, tmp_path: Path) -> None:
    here = world.copy(tmp_path / "world")
    assert found(here, "workspace") == []
    here.git("checkout", "-q", "other")
    (one,) = found(here, "workspace")
    assert one.severity == "error"
    assert one.evidence == f"the toolkit that is installed is {version()}, stemma.lock holds {OTHER}"


@pytest.mark.parametrize(("revision", "told"), [("other", True), ("this", False), ("before", False)])
def test_a_rollback_ends_with_the_command_that_brings_its_toolkit_back(revision: str, told: bool, world: World) -> None:
    differs = rollback.environment(Repository(world.folder).version(revision))
    run = None if differs is None else differs.run
    assert (run == "python tasks.py install") == told
    assert not told or (differs is not None and OTHER in differs.differs)


@pytest.mark.slow
def test_stages_that_ran_by_other_rooms_than_the_lock_holds_are_named(world: World, tmp_path: Path) -> None:
    import yaml

    here = world.copy(tmp_path / "world")
    ran = yaml.safe_load((here.folder / "dvc.lock").read_text())
    ran["stages"]["export"]["params"] = {lock.FILE: {"rooms.formats": "0" * 16, "rooms.task": rooms.digests()["task"]}}
    here.write("dvc.lock", yaml.safe_dump(ran, sort_keys=False))
    findings = [one for one in examine(Repository(here.folder).version("workspace")).findings if one.check == "results"]
    assert [(one.what, one.evidence) for one in findings] == [
        ("stage export ran with another toolkit than stemma.lock has", "rooms.formats")
    ]
