"""`stemma search`: better settings, found honestly."""

import json
from pathlib import Path
from typing import Annotated

import typer

from stemma.cli.here import repository
from stemma.errors import VersionError
from stemma.text import say


def search(
    name: Annotated[
        str | None, typer.Argument(metavar="[NAME]", help="Of conf/search/NAME.yaml; by default the model's own.")
    ] = None,
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

    root = repository()
    trust.code(root, None, "stemma search")
    if not tracking.is_current(root, "prepare"):
        raise VersionError("data/prepared is not what the settings and the table say", run="dvc repro prepare")
    asked = {"name": name, "trials": trials, "keep": keep, "jobs": jobs, "seed": seed}
    done = project.heard(root, "search", json.dumps(asked))
    if done.returncode == project.WRONG_USAGE:
        raise VersionError(f"{project.STAGE} of this project is older than `stemma search`: update the project's files")
    if done.returncode:
        raise typer.Exit(done.returncode)
    found = json.loads(done.stdout.splitlines()[-1])  # the project's own code may have printed before
    say(f"{found['sentence']} All trials: reports/search/{found['name']}/report.html")
    for each in found["best"]:
        _made_real(root, found["name"], f"{found['study']}-{each['number']}", each["settings"])


def _made_real(root: Path, search: str, name: str, settings: list[str]) -> None:
    """Make an experiment of a trial, unless there is one, and compare it with the present version."""
    from stemma.repo import project
    from stemma.repo.repository import opened
    from stemma.versions.compare import Options, compare

    if name not in opened(root).experiments:
        done = project.experiment(root, name, settings, "--temp")
        if done.returncode:
            raise VersionError(f"the experiment {name} failed ({project.reason(done)})", run="dvc exp run --temp")
    told = compare(root, "HEAD", name, Options(latency=False))
    looks = sum(one.startswith(f"{search}-") for one in opened(root).experiments)
    say(f"{told.sentence}; the test rows were looked at {looks}x for searches of this name")
    say(f"to keep it: dvc exp apply {name} && stemma conf adopt")
