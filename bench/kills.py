"""Rollbacks killed at every Git write and at random moments, and whether the promised command heals each.

    python bench/kills.py            both tables, into bench/README.md
    python bench/kills.py writes     one of them: writes, moments

It needs strace for `writes`. A run that is not healed is told on stderr, and its repository is kept.
"""

import os
import random
import shutil
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import page
from page import Table
from pipeline import ROOT

sys.path.insert(0, str(ROOT / "tests"))
import killed
from stemma import rollback
from version_worlds import World

MOMENTS = 100
AGAIN = 0.3  # of the runs: what heals is killed too, and healed in turn
WAYS = ("completed", "undone")
LAST = 7  # the Git command by which HEAD moves to the commit of a rollback


@dataclass(frozen=True)
class Mode:
    """What is killed.

    Args:
        name: as a person calls it. cut: whether a rollback was killed before, so that it is completed or undone.
    """

    name: str
    stash: bool = False
    cut: bool = False
    undo: bool = False

    def again(self, world: World) -> Callable[[], object]:
        """The rollback, by the same command."""
        return killed.back(world, commit=not self.stash, stash=self.stash)

    def work(self, world: World) -> Callable[[], object]:
        return (lambda: rollback.abort(world.folder)) if self.undo else self.again(world)


PLAIN = (Mode("`rollback REV --commit`"), Mode("`rollback REV --stash`", stash=True))
CUT = (Mode("the same again, after a kill", cut=True), Mode("`rollback --abort`, after a kill", cut=True, undo=True))


@dataclass(frozen=True)
class Room:
    """Where repositories are copied from. Args: head: its commit; lasts: seconds of a rollback."""

    folder: Path
    world: World
    states: dict[str, dict[str, str]]
    head: str
    lasts: float

    def copy(self, mode: Mode) -> World:
        """A repository in which a mode can begin."""
        world = self.world.copy(Path(tempfile.mkdtemp(dir=self.folder), self.world.folder.name))
        if mode.stash:
            world.write(killed.CHANGED, killed.MINE)
        if mode.cut:
            assert killed.killed_at(self.folder / "bin", LAST, "before", mode.again(world))
        return world


def writes() -> Table:
    """A rollback and all that it started, killed before each system call by which a Git command of its writes (a file
    made, written, renamed, linked or removed); then the same command again, or `--abort`, in turns. Healed: one version
    or the other whole by every hash, HEAD where it belongs, `git status` clean, no lock left, `git fsck` silent."""
    rows = []
    with _room() as room:
        for mode in (*PLAIN, *CUT):
            done = list(_at_writes(room, mode))
            rows.append([mode.name, f"{len(done)}", f"{sum(done)}"])
    return ["command", "kills", "healed"], rows


def moments() -> Table:
    """As `writes`, killed at a random moment; in 3 of 10 runs what heals is killed too, and then healed in turn."""
    rows = []
    with _room() as room:
        for mode in PLAIN:
            done = [_moment(room, mode, run) for run in range(MOMENTS)]
            rows.append([mode.name, f"{len(done)}", f"{sum(done)}"])
    return ["command", "kills", "healed"], rows


TABLES = {"writes": writes, "moments": moments}


@contextmanager
def _room() -> Iterator[Room]:
    with tempfile.TemporaryDirectory() as name, tempfile.TemporaryDirectory() as site:
        os.environ["DVC_SITE_CACHE_DIR"] = site
        folder = Path(name)
        world = killed.two_versions(folder / "a pläce")
        states = killed.states_of(world, folder / "plain" / world.folder.name)
        killed.back(world.copy(folder / "warm" / world.folder.name))()  # imports
        copy = world.copy(folder / "timed" / world.folder.name)
        start = time.monotonic()
        killed.killed_after(60.0, killed.back(copy))
        yield Room(folder, world, states, world.ok("git", "rev-parse", "HEAD"), time.monotonic() - start)


def _at_writes(room: Room, mode: Mode) -> Iterator[bool]:
    """Command by command, call by call, until one ends without a kill; whether each was healed."""
    for command in count(1):
        for call in count(1):
            world = room.copy(mode)
            if not killed.killed_at(room.folder / "bin", command, str(call), mode.work(world)):
                shutil.rmtree(world.folder.parent)
                break
            yield _healed(room, world, mode, WAYS[(command + call) % 2])
        if killed.counted(room.folder / "bin") < command:
            return


def _moment(room: Room, mode: Mode, run: int) -> bool:
    draw = random.Random(run)  # noqa: S311 - a moment, no secret
    while not killed.killed_after(draw.uniform(0, room.lasts), mode.work(world := room.copy(mode))):
        shutil.rmtree(world.folder.parent)  # it was done before
    if draw.random() < AGAIN:
        killed.killed_after(draw.uniform(0, room.lasts), mode.work(world))
    return _healed(room, world, mode, WAYS[run % 2])


def _healed(room: Room, world: World, mode: Mode, way: str) -> bool:
    try:
        killed.healed(world, room.states, room.head, way, mode.again(world))
    except Exception as error:
        kept = shutil.move(world.folder.parent, tempfile.mkdtemp(prefix="not-healed-"))
        print(f"{kept}: {mode.name}, {way}:", file=sys.stderr)
        traceback.print_exception(error)
        return False
    shutil.rmtree(world.folder.parent)
    return True


if __name__ == "__main__":
    page.main(TABLES)
