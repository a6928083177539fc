"""The project's own code, run in a process of its own; whoever runs it has asked `trust` before."""

import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from stemma.errors import ENDING, INTERRUPTS, interrupts_held

STAGE = "src/stage.py"
WRONG_USAGE, INTERRUPTED = 2, 130
# A stage that ends so has told of its interrupt; -2: and ended at another.
TOLD = (INTERRUPTED, -2, *(128 + number for number in ENDING))
ENDS = 60.0, 5.0  # seconds for a process to end at an interrupt, as a stage puts its outputs back; and at a second one
Done = subprocess.CompletedProcess[str]


def run(root: Path, *words: str, toolkit: Path | None = None) -> Done:
    """`python src/stage.py WORD...` in the folder of a project, in this Python.

    Args:
        toolkit: the folder that holds the toolkit to use; None: the one in src/, else the one that is installed.
    """
    return _run(root, [STAGE, *words], _environment(toolkit))


def heard(root: Path, *words: str) -> Done:
    """The same, and what it says on standard error is seen at once; its standard input ends when this process does."""
    ours, theirs = os.pipe()
    try:
        return _run(root, [STAGE, *words], _environment(None), stdin=ours, stderr=None)
    finally:
        os.close(ours)
        os.close(theirs)


def experiment(
    root: Path, name: str, settings: Iterable[str], *words: str, state: Path | None = None, toolkit: Path | None = None
) -> Done:
    """`dvc exp run -n NAME -S KEY=VALUE... WORD...` in the folder of a project.

    Args:
        settings: KEY=VALUE each.
        state: the folder for what DVC notes outside of the repository. toolkit: as for `run`.
    """
    chosen = [word for each in settings for word in ("-S", each)]
    more = {"DVC_NO_ANALYTICS": "1", "PATH": programs()} | ({"DVC_SITE_CACHE_DIR": str(state)} if state else {})
    return _run(root, ["-P", "-m", "dvc", "exp", "run", "-n", name, *chosen, *words], _environment(toolkit) | more)


def reason(done: Done) -> str:
    """Why it failed: the line of ours, else that of DVC, else the last one."""
    lines = done.stderr.strip().splitlines() or [f"exit code {done.returncode}"]
    marked = [line.removeprefix(mark) for mark in ("error: ", "ERROR: ") for line in lines if line.startswith(mark)]
    return f"{[*marked, lines[-1]][0]:.500}"


def programs() -> str:
    """The PATH, on which the programs of this Python's environment are, which stages run."""
    here, path = str(Path(sys.executable).parent), os.environ.get("PATH", "")
    return path if here in path.split(os.pathsep) else f"{here}{os.pathsep}{path}"


def _run(
    root: Path,
    words: list[str],
    environment: Mapping[str, str],
    stdin: int = subprocess.DEVNULL,
    stderr: int | None = subprocess.PIPE,
) -> Done:
    try:
        with interrupts_held(INTERRUPTS):
            process = subprocess.Popen(
                [sys.executable, *words],
                cwd=root, env=environment, stdin=stdin, stdout=subprocess.PIPE, stderr=stderr, text=True,
            )  # fmt: skip
        out, err = process.communicate()
    except KeyboardInterrupt as interrupt:  # a terminal's came to both
        for number in set(ENDING).intersection(interrupt.args):
            process.send_signal(number)
        out, err = _ended(process)
        if stderr is None and process.returncode in TOLD:
            raise SystemExit(process.returncode if process.returncode > 0 else INTERRUPTED) from None
        raise
    return Done(process.args, process.returncode, out, err)


def _ended(process: "subprocess.Popen[str]") -> tuple[str, str]:
    """What it has said, once it has cleaned up behind itself."""
    for seconds in ENDS:
        with suppress(KeyboardInterrupt, subprocess.TimeoutExpired):
            return process.communicate(timeout=seconds)
    process.kill()
    return process.communicate()


def _environment(toolkit: Path | None) -> dict[str, str]:
    """That of this process, with its PYTHONPATH: clusters have packages there."""
    environment = {name: value for name, value in os.environ.items() if name != "STEMMA_DEBUG"}
    paths = [str(toolkit or ""), environment.get("PYTHONPATH", "")]
    return environment | ({"PYTHONPATH": os.pathsep.join(filter(None, paths))} if any(paths) else {})
