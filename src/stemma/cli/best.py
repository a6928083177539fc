"""`stemma best`: the best version under constraints."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemma.cli.here import repository
from stemma.cli.options import option
from stemma.cli.output import AsJson, AsMarkdown, Report, Table, answer, titled
from stemma.text import counted, figure

if TYPE_CHECKING:
    from stemma.versions.best import Best, Candidate


def best(
    metric: Annotated[
        str | None, typer.Option(help="Of reports/metrics.json: roc_auc (on the test rows), validation.roc_auc, ...")
    ] = None,
    where: Annotated[
        list[str] | None,
        option(
            "'NAME OP VALUE'", "Of a metric, rows, size, latency, parameters, date, stage or framework; repeatable."
        ),
    ] = None,
    like: Annotated[
        str | None, option("VERSION", "Those judged by its target, on its table and test rows, alone.")
    ] = None,
    limit: Annotated[int, typer.Option("-n", min=1, help="Versions listed.")] = 10,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Name the best version that fits every constraint, and say whether its lead is more than chance.

    Exit code 1 where the versions that fit were judged on different things, so that none is the best.

    Example: stemma best --metric log_loss --where 'rows > 1000' --where 'size < 5 MB'
    """
    from stemma.versions.best import best

    found = best(repository(), metric=metric, where=where or (), like=like)
    answer(found, lambda: report(found, limit), as_json, as_md)
    raise typer.Exit(0 if found.candidates else 1)


def report(found: "Best", limit: int) -> Report:
    several = len(found.groups) > 1
    tables = [(each.judged, _table(found, each.candidates[:limit])) for each in found.groups]
    more = max(len(each.candidates) for each in found.groups)
    left = ", ".join(f"`{text}` left out {count}" for text, count in found.left_out if count)
    notes = [f"and {more - limit} more: -n {more}"] if more > limit else []
    notes += [f"of {counted(found.looked_at, 'version')}, {left}"] if left else []
    shown = titled(tables) if several else [tables[0][1]]
    return [f"{found.sentence}.", *shown, *notes, *found.notes]


def _table(found: "Best", candidates: "Sequence[Candidate]") -> Table:
    facts = [name for name in candidates[0].facts if name not in (found.metric, "date", "stage")]
    rows = [
        (
            *(each.name, f"{each.date:%Y-%m-%d}", ", ".join(each.stages), figure(each.value)),
            *(_fact(each.facts[name]) for name in facts),
        )
        for each in candidates
    ]
    return Table(("version", "date", "stages", found.metric, *facts), rows, left=3)


def _fact(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:,.0f}" if value.is_integer() else figure(value)
    return f"{value:,}" if isinstance(value, int) else str("-" if value is None else value)
