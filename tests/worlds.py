"""A working copy of this project with Git and DVC, for tests that run it as a user does."""

from pathlib import Path

from stemma import testing
from stemma.testing import Project, choose_a_table
from stemma.testing.projects import NOT_RUN, RESULTS

__all__ = [
    "NOT_RUN", "PREFIXES", "RESULTS", "ROOT", "Project", "choose_a_table", "copied", "fresh_project", "stemma"
]  # fmt: skip
ROOT = Path(__file__).resolve().parent.parent
SMALL = ("data=simulated", "data.rows=1500", "train.epochs=6", "train.batch_size=32", "evaluate.bootstrap=200")
PREFIXES = {"torch": "torch", "tensorflow": "keras"}  # framework -> how the names of its models begin


def stemma(*arguments: str) -> None:
    """`stemma ARGUMENT...` in this process. What goes wrong is a SystemExit, as a shell has it."""
    from stemma.cli.words import app
    from stemma.errors import one_line

    try:
        with one_line():
            app(list(arguments), prog_name="stemma")
    except SystemExit as end:
        if end.code:
            raise


def copied(folder: Path, without: tuple[str, ...] = ()) -> None:
    """Copy the files that Git tracks or would take, but for those whose names begin so."""
    testing.copied(ROOT, folder, without)


def fresh_project(folder: Path, *settings: str) -> Project:
    """What the project runs, without results, in a new repository, with settings composed and committed."""
    return testing.fresh(ROOT, folder, *settings)
