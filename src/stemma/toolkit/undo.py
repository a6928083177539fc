"""A stage that DVC runs gives all its outputs, or those of before: DVC removes them before it starts one.

with undo.guarded(root):     what fails or is interrupted in here is undone; what passes need not run again
undo.undo(root)              after a kill
"""

import os
import re
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from stemma import names
from stemma.errors import INTERRUPTS, StemmaError
from stemma.repo import inputs, locks, mixed, stages
from stemma.repo.lockfile import FIRST, PIPELINE
from stemma.repo.stages import Output
from stemma.text import few, in_one_line, say
from stemma.toolkit import lock

FAILED = Path("build/failed")  # which Git ignores
RUN = "stemma undo"
WORTH = 10  # seconds: what takes less is noted by the next `settings` alone, for to open DVC takes half a second


@dataclass(frozen=True)
class Undone:
    """What was done, by paths of outputs."""

    back: tuple[str, ...]  # as dvc.lock has them
    lacking: tuple[str, ...]  # neither the cache nor Git holds those bytes
    aside: dict[str, Path]  # in FAILED, by where they were

    @property
    def sentence(self) -> str:
        said = [f"put back: {few(self.back)}"] if self.back else []
        folders = sorted({Path(*place.parts[:3]).as_posix() for place in self.aside.values()})
        said += [f"what a stage had written there is in {few(folders)}"] if folders else []
        said += [f"in neither the cache nor Git: {few(self.lacking)} (try `dvc pull`)"] if self.lacking else []
        return "; ".join(said) or "every output is as dvc.lock has it"


@contextmanager
def guarded(root: Path) -> Iterator[None]:
    """Around a stage; nothing but this happens where DVC does not run it.

    Raises:
        StemmaError: in the place of one that names an output, which is elsewhere now; or of a broken pipe; what it
            depends on was edited meanwhile; or a process of before runs the stage.
    """
    stage = os.environ.get("DVC_STAGE", "").rpartition(f"{PIPELINE}:")[2]  # of below/dvc.yaml:each@a:b
    if not stage:
        yield
        return
    if find_spec("dvc") is None:  # it was started by its path, and `python` is another
        raise StemmaError(f"{sys.executable} has no DVC: activate the project's environment, then run this again")
    with _alone(root, stage), _undone_unless_it_passes(root, stage):
        yield


@contextmanager
def _alone(root: Path, stage: str) -> Iterator[None]:
    """Hold the stage's lock. Where DVC was killed, its stage goes on: a second one would take its outputs away, and
    write among them."""
    # Not DVC_ROOT: of a queued experiment that is the work tree, and this its copy.
    home = next((folder for folder in (root, *root.parents) if (folder / ".dvc").is_dir()), root)
    name = "-".join((*root.relative_to(home).parts, re.sub("[/:]", "-", stage)))  # each@a:b
    file = home / ".dvc/tmp" / locks.STAGE.format(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    with locks.tried(file) as who:
        if who is not None:
            raise StemmaError(f"{stage} still runs, as {who}: wait until it is done, then run this again")
        yield


@contextmanager
def _undone_unless_it_passes(root: Path, stage: str) -> Iterator[None]:
    try:
        folder = Path.cwd() if Path(PIPELINE).is_file() else root  # a stage of another dvc.yaml starts beside it
        began, before = time.monotonic(), inputs.of(folder, stage)
        if other := list(mixed.stale(folder, stage)):
            raise StemmaError(f"{stage} would go on with what others made: {few(other)}", run="dvc repro")
        with _passed():
            yield
        sys.stdout.flush()
        took = time.monotonic() - began
        if stage == FIRST:  # not before: DVC reads settings too, and what is wrong with them is told by the stage
            _note(lambda: stages.recall(root))
        if rooms := lock.edited(root, before.values.get(lock.FILE, ())):
            raise StemmaError(f"{few(rooms)} changed while {stage} ran, which may have read some of it", lock.WRITE)
        edited = before.edited()
        is_worth_it = stage != FIRST and (edited or took >= WORTH)
        noted = is_worth_it and _note(lambda: stages.remember(root, stage, _command(), before))
        if edited := edited or (before.edited() if noted else []):  # noting takes a while
            raise _edited(stage, edited, bool(noted))
        _ignore_signals()  # Python's end takes a while: killed in it, what passed would not be in dvc.lock
    except BaseException as error:
        aside = {} if stage == FIRST else _undone(root, stage)  # it has no output that DVC removes
        if isinstance(error, BrokenPipeError):  # which would end as if all were well
            raise StemmaError("standard output was closed") from error
        if isinstance(error, StemmaError):
            raise StemmaError(_moved(error.what, aside), error.run) from error
        raise


@contextmanager
def _passed() -> Iterator[None]:
    """A stage that ends itself by `sys.exit()` passes too."""
    try:
        yield
    except SystemExit as end:
        if end.code:
            raise


def _command() -> str:
    """This one, as dvc.yaml has it."""
    return " ".join(["python", *sys.argv])


def _note(work: Callable[[], bool | None]) -> bool | None:
    """Do what later runs have their use of, and this one has not."""
    try:
        return work()
    except Exception as error:  # whatever DVC raises: the stage has passed
        say(f"note: DVC's run cache is not complete ({in_one_line(error, None)})", error=True)
        return False


def _edited(stage: str, what: list[str], noted: bool) -> StemmaError:
    kept = "; the run cache has them, for when it is as it was" if noted else ""
    return StemmaError(
        f"{few(what)} changed while {stage} ran, and DVC would note that as what made its results{kept}",
        run="dvc repro",
    )


def _ignore_signals() -> None:
    for each in INTERRUPTS:
        signal.signal(each, signal.SIG_IGN)


def _undone(root: Path, stage: str) -> dict[str, Path]:
    """Undo a stage, whatever else comes; what is aside."""
    _ignore_signals()
    try:
        done = undo(root, stage)
    except (StemmaError, OSError) as error:
        say(f"note: the outputs of {stage} are not back ({error}): run `{RUN}`", error=True)
        return {}
    if done.aside or done.lacking:
        say(f"note: {done.sentence}", error=True)
    return done.aside


def _moved(what: str, aside: dict[str, Path]) -> str:
    """A message that names outputs, with where they are now."""
    paths = "|".join(re.escape(path) for path in sorted(aside, key=len, reverse=True))
    return re.sub(paths, lambda found: aside[found[0]].as_posix(), what) if paths else what


def undo(root: Path, stage: str | None = None) -> Undone:
    """Put outputs back as dvc.lock has them; what else lies there goes to FAILED.

    Args:
        stage: that runs and fails; None for all, while none runs.

    Raises:
        StemmaError: DVC cannot read them, a disk refuses, or FAILED leads elsewhere.
    """
    with stages.outputs(root, stage, _command()) as outputs:
        wrong = [output for output in outputs if not output.is_right]
        for folder in {FAILED / output.stage for output in wrong}:
            if not names.unlinked(root, f"{folder.as_posix()}/x"):
                raise StemmaError(f"{folder} leads elsewhere, through a link or its name: put a folder in its place")
            shutil.rmtree(root / folder, ignore_errors=True)
        aside = {output.path: place for output in wrong if (place := _set_aside(root, output))}
        lacking = [output.path for output in wrong if not output.put()]
    return Undone(tuple(each.path for each in wrong if each.path not in lacking), tuple(lacking), aside)


def _set_aside(root: Path, output: Output) -> Path | None:
    """Where it is now; None where nothing lay there."""
    here, place = root / output.path, FAILED / output.stage / output.path
    if not os.path.lexists(here):
        return None
    (root / place).parent.mkdir(parents=True, exist_ok=True)
    shutil.move(here, root / place)
    return place
