"""`stemma watch`: what the request log of a model in service tells."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemma.cli.output import AsJson, AsMarkdown, Report, Table, answer

if TYPE_CHECKING:
    from stemma.watch.outcomes import Taken

app = typer.Typer(help="Models in service, by their request log: outcomes.", no_args_is_help=True)
Log = Annotated[Path, typer.Argument(metavar="LOG", help="The folder of the request log.")]
DAYS = typer.Option(min=0, metavar="DAYS", help="From so many days after the request on an outcome is late.")


@app.command()
def outcomes(
    log: Log,
    file: Annotated[Path, typer.Argument(metavar="FILE.csv", help="Columns id and outcome; row, from 0, at will.")],
    late: Annotated[float, DAYS] = 7,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Take what came of requests into a log, by their ids; say what was late, told before, unknown or no outcome.

    Example: stemma watch outcomes requests outcomes.csv
    """
    from stemma.watch.outcomes import take

    found = take(log, file, late * 86400)
    answer(found, lambda: _taken(found), as_json, as_md)


def _taken(found: "Taken") -> Report:
    from stemma.watch.outcomes import SAID

    rows = [
        (what, f"{found.counts[what]:,}", meaning.format(days=found.days), ", ".join(found.examples.get(what, ())))
        for what, meaning in SAID.items()
        if found.counts[what]
    ]
    table = [Table(("what", "rows", "meaning", "ids"), rows, left=None)] if rows else []
    return [f"{found.sentence}.", *table, *found.skipped]
