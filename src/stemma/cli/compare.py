"""`stemma compare`: which of two versions is better."""

import math
from typing import TYPE_CHECKING, Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import On, Require, argument, option
from stemma.cli.output import AsJson, AsMarkdown, Report, Table, answer, in_thousands
from stemma.text import counted, figure, signed

if TYPE_CHECKING:
    from stemma.metrics.resampling import Difference
    from stemma.versions.compare import Comparison
    from stemma.watch.ab import Experiment

MOST = 10  # columns that are shown
Margin = Annotated[
    float | None, typer.Option(min=0.0, help="With not-worse: the loss that is shown to be smaller than this, at 95 %.")
]


def compare(
    a: Annotated[str, argument("A", "The revision to compare with.")],
    b: Annotated[str, argument("B", "The revision that is judged.")],
    on: On = None,
    by: Annotated[list[str] | None, option("COLUMN", "Compare each value of a column by itself; repeatable.")] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="What the verdict follows from: by default roc_auc, balanced_accuracy (several classes) or rmse."
        ),
    ] = None,
    cost: Annotated[str | None, option("fp=X,fn=Y", "What a false positive and a false negative cost.")] = None,
    require: Require = None,
    margin: Margin = None,
    resamples: Annotated[int, typer.Option(min=500, max=100_000, help="Of the bootstrap.")] = 1000,
    latency: Annotated[bool, typer.Option(help="Time both bundles.")] = True,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Say whether version B is better than version A, on the same rows, and how sure that is.

    Example: stemma compare model#prod HEAD --require not-worse --margin 0.01
    """
    from stemma.versions.compare import Options, compare

    if margin is not None and require != "not-worse":
        raise typer.BadParameter("it goes with --require not-worse", param_hint="--margin")
    if margin is not None and not math.isfinite(margin):
        raise typer.BadParameter(f"{margin} is no loss: give a number such as 0.01", param_hint="--margin")
    costs = None if cost is None else costs_of(cost)
    options = Options(on, by or (), metric, costs, resamples, latency)
    found = compare(repository(), a, b, options)
    answer(found, lambda: report(found), as_json, as_md)
    raise typer.Exit(0 if require is None or found.meets(require, margin) else 1)


def costs_of(text: str) -> tuple[float, float]:
    """`fp=1,fn=5` as (1.0, 5.0), in any order."""
    try:
        pairs = [part.split("=") for part in text.split(",")]
        costs = {name.strip(): float(value) for name, value in pairs}
        if len(pairs) != 2 or costs.keys() != {"fp", "fn"} or not all(0 <= value < 1e300 for value in costs.values()):
            raise ValueError
    except ValueError:
        raise typer.BadParameter(f"{text!r} is not fp=X,fn=Y with numbers from 0", param_hint="--cost") from None
    return costs["fp"], costs["fn"]


def report(found: "Comparison") -> Report:
    parts: list[str | Table] = [f"{found.sentence}.", _metrics(found)]
    parts.append("\n".join(f"{test.name}: p {_p(test.p)}" for test in found.tests))
    parts += [slices(found)] if found.slices else []
    return [*parts, *_reasons(found), _sizes(found), *found.notes]


def _metrics(found: "Comparison") -> Table:
    ordered = sorted(found.differences.items(), key=lambda item: item[0] != found.metric)
    rows = [(name, figure(each.a), figure(each.b), *_moved(each)) for name, each in ordered]
    return Table(("metric", found.a, found.b, "difference", "95 % interval"), rows)


def slices(found: "Comparison | Experiment") -> Table:
    headers = (f"{found.metric} of", "rows", found.a, found.b, "difference", "95 % interval", "p (Holm)", "verdict")
    rows = []
    for each in found.slices:
        values = figure(each.difference.a), figure(each.difference.b), *_moved(each.difference)
        p = "-" if each.corrected is None else _p(each.corrected).removeprefix("= ")
        count = each.rows if isinstance(each.rows, int) else sum(each.rows)
        rows.append((f"{each.column} = {each.value}", f"{count:,}", *values, p, each.verdict))
    return Table(headers, rows)


def _reasons(found: "Comparison") -> Report:
    """Columns by which answers of one go more than those of the other, beyond chance."""
    apart = [each for each in found.reasons if each.corrected < 0.05][:MOST]
    if found.reasons and not apart:
        return [f"Answers of both go by the same columns, as far as {counted(found.reasons[0].rows, 'row')} can tell."]
    head = ("answers move without", found.a, found.b, "difference", "95 % interval")
    rows = [(r.column, figure(r.difference.a), figure(r.difference.b), *_moved(r.difference)) for r in apart]
    return [Table(head, rows)] if rows else []


def _sizes(found: "Comparison") -> Table:
    a, b = found.sizes
    rows = [
        ("bundle, bytes", in_thousands(a.bytes), in_thousands(b.bytes)),
        ("parameters", in_thousands(a.parameters), in_thousands(b.parameters)),
    ]
    if a.latency is not None and b.latency is not None:
        rows.append(("1 row, ms", f"{a.latency.single:.3f}", f"{b.latency.single:.3f}"))
        rows.append(("256 rows, ms", f"{a.latency.batch:.3f}", f"{b.latency.batch:.3f}"))
    if a.memory is not None and b.memory is not None:
        rows.append(("in memory, MB", f"{a.memory / 1e6:.1f}", f"{b.memory / 1e6:.1f}"))
    return Table(("size and latency", found.a, found.b), rows)


def _moved(each: "Difference") -> tuple[str, str]:
    """A difference and its interval; a dash where it has no meaning."""
    if not math.isfinite(each.error):
        return "-", "-"
    return signed(each.difference), f"{signed(each.low)} to {signed(each.high)}"


def _p(value: float) -> str:
    return f"= {value:.4f}" if value >= 0.0001 else "< 0.0001"
