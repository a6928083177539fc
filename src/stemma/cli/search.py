"""`stemma search`: better settings, found honestly."""

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemma import layout
from stemma.cli.here import repository
from stemma.cli.options import argument
from stemma.errors import VersionError
from stemma.text import few, say

if TYPE_CHECKING:
    from stemma.repo.repository import Version


def search(
    name: Annotated[str | None, argument("[NAME]", "Of conf/search/NAME.yaml; by default the model's own.")] = None,
    trials: Annotated[int | None, typer.Option(min=1, help="In all; those already made count.")] = None,
    jobs: Annotated[int, typer.Option(min=1, help="Processes; with one, the same trials come twice.")] = 1,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Another one is another search.")] = 0,
    keep: Annotated[
        int | None, typer.Option(min=0, help="Of the best, to become experiments and be compared on the test rows.")
    ] = None,
) -> None:
    """Try settings of the model and the fit, and make experiments of the best.

    A search that was interrupted goes on where it was. Test rows are read by the experiments alone. It runs the
    project's own code, which needs `stemma trust`.

    Example: stemma search torch_mlp --trials 50 --jobs 2
    """
    from stemma.repo import project, tracking, trust
    from stemma.repo.repository import WORKSPACE, opened
    from stemma.search.space import file_of

    root = repository()
    if name is not None:
        file_of(root, name)
    trust.code(root, None, "stemma search")
    if not tracking.is_current(root, "prepare"):
        raise VersionError("data/prepared is not what the settings and the table say", run="dvc repro prepare")
    rows = _rows(opened(root).version(WORKSPACE))
    asked = {"name": name, "trials": trials, "keep": keep, "jobs": jobs, "seed": seed}
    done = project.heard(root, "search", json.dumps(asked))
    if done.returncode == project.WRONG_USAGE:
        raise VersionError(f"{project.STAGE} of this project is older than `stemma search`: update the project's files")
    if done.returncode:
        raise typer.Exit(done.returncode)
    found = json.loads(done.stdout.splitlines()[-1])  # the project's own code may have printed before
    say(f"{found['sentence']} All trials: reports/search/{found['name']}/{layout.PAGE.name}")
    for each in found["best"]:
        _made_real(root, found["name"], f"{found['study']}-{each['number']}", each, rows)


def _made_real(root: Path, search: str, name: str, trial: dict[str, Any], rows: str | None) -> None:
    """Make an experiment of a trial, unless there is one, and compare it with the present version."""
    from stemma.repo import project
    from stemma.repo.repository import opened
    from stemma.versions.compare import Options, compare

    if name not in opened(root).experiments:
        done = project.experiment(root, name, trial["settings"], "--temp")
        if done.returncode:
            raise VersionError(f"the experiment {name} failed ({project.reason(done)})", run="dvc exp run --temp")
    _check(opened(root).version(name), trial["composed"], rows)
    told = compare(root, "HEAD", name, Options(latency=False))
    looks = sum(one.startswith(f"{search}-") for one in opened(root).experiments)
    say(f"{told.sentence}; the test rows were looked at {looks}x for searches of this name")
    say(f"to keep it: dvc exp apply {name} && stemma conf adopt")


def _rows(version: "Version") -> str | None:
    """The hash of the prepared rows."""
    found = version.outputs.get(layout.PREPARED.as_posix())
    return None if found is None else found.md5


def _check(made: "Version", composed: dict[str, Any], rows: str | None) -> None:
    """Whether an experiment is what its trial was; a VersionError where it was edited between the two."""
    from stemma.conf.difference import compare

    other = [one.key for one in compare(composed, {name: (made.settings or {}).get(name) for name in composed})]
    other += [layout.PREPARED.as_posix()] * (_rows(made) != rows)
    if other:
        what = f"{made.name} is not what its trial was ({few(other)}): something was edited before it was made"
        raise VersionError(what, run=f"dvc exp remove {made.name}")
