"""`stemma compress`: the smallest network within a budget."""

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import Revision, flag, option
from stemma.cli.output import AsJson, AsMarkdown, Table, answer
from stemma.errors import StemmaError
from stemma.text import say

if TYPE_CHECKING:
    from stemma.versions.compress.search import Budget

BUDGET = re.compile(r"\s*(\w+)\s*-\s*((?:\d+\.?\d*|\.\d+)(?:e[+-]?\d+)?)\s*", re.IGNORECASE)


def compress(
    budget: Annotated[str, option("'METRIC -X'", "Less than X may be lost of a metric, shown at 95 %.")],
    revision: Revision = "HEAD",
    latency: Annotated[
        bool, flag("--latency/--size", "Keep the fastest for one row, or the one of the fewest bytes.")
    ] = False,
    html: Annotated[Path | None, option("FILE.html", "Write all of it as a page too.")] = None,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Try smaller networks from mild to strong, and keep the smallest that loses less than a budget as an experiment.

    Exit code 1 where there is none.

    Example: stemma compress HEAD --budget 'roc_auc -0.002' --latency
    """
    from stemma.files import check_place
    from stemma.versions.compress import page
    from stemma.versions.compress.search import search

    wanted = budget_of(budget)
    if html is not None:  # a search takes minutes
        check_place(html)
    found = search(repository(), revision, wanted, "latency" if latency else "size", _tell)
    if html is not None:
        page.write(found, html)
    table = Table(page.HEAD, [*page.lines(found)], left=2)
    answer(found, lambda: [*([f"{found.sentence}."] if found.experiment else []), table], as_json, as_md)
    if found.experiment is None:
        raise StemmaError(found.sentence)


def budget_of(text: str) -> "Budget":
    """`roc_auc -0.002`."""
    from stemma.versions.compress.search import Budget

    found = BUDGET.fullmatch(text)
    loss = float(found[2]) if found else 0.0
    if found is None or not 0 < loss < float("inf"):
        wanted = "METRIC -X, such as 'roc_auc -0.002', X above 0: no sample shows that nothing is lost"
        raise typer.BadParameter(f"{text!r} is not {wanted}", param_hint="--budget")
    return Budget(found[1], loss)


def _tell(name: str) -> None:
    """How far it is, for who waits at a terminal."""
    if sys.stderr.isatty():
        say(f"trying {name}", error=True)
