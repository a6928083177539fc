"""Runs one stage of a project: what its src/stage.py calls. An interrupt is one line also while more is imported."""

import gc
import importlib
import sys
from contextlib import ExitStack
from pathlib import Path

from stemma.errors import INTERRUPTS, StemmaError, interrupts_held, one_line

WORDS = {"export": (0, 2), "check": (0, 1), "search": (1,)}  # that may follow; nothing follows another stage


def run(package: Path) -> None:
    """The stage that the command line names, by the toolkit that stemma.lock holds.

    Args:
        package: the folder of the project's package, which holds stages/.
    """
    package = package.absolute()
    try:
        with one_line(), ExitStack() as stack:
            # DVC has removed the outputs already: no interrupt comes before they can be put back.
            with interrupts_held(INTERRUPTS):
                from stemma.toolkit import undo

                stack.enter_context(undo.guarded(package.parent.parent))
            _run(package, *(sys.argv[1:] or [""]))
    finally:  # at its end Python looks for garbage again and again: seconds, of a framework's million objects
        gc.freeze()


def _run(package: Path, stage: str, *arguments: str) -> None:
    stages = sorted(file.stem for file in (package / "stages").glob("[a-z]*.py"))
    asked = stage in ("-h", "--help")
    if asked or stage not in stages or len(arguments) not in WORDS.get(stage, (0,)):
        usage = f"usage: python src/stage.py {{{','.join(stages)}}}, or export FORMAT FOLDER, or check strict"
        print(usage, file=sys.stdout if asked else sys.stderr)
        raise SystemExit(0 if asked else 2)
    # A framework leaves a million objects in memory: to look for garbage among them costs a tenth of a stage, and a
    # quarter of export, which traces a network in as many and ends.
    gc.disable() if stage == "export" else gc.set_threshold(100_000)
    from stemma.toolkit import lock

    lock.check(package.parent.parent)
    try:
        importlib.import_module(f"{package.name}.stages.{stage}").main(*arguments)
    except FileNotFoundError as error:
        raise StemmaError(f"{error.filename} is not there", run="dvc repro") from error
