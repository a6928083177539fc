"""A search as a table, and as a page: which candidates no other beats in size or time and in the figure."""

from collections.abc import Iterator
from functools import partial
from math import inf
from pathlib import Path
from typing import TYPE_CHECKING

from stemma.files import write_text
from stemma.metrics import label
from stemma.report import document
from stemma.report.document import Chart, Document, Section, Table
from stemma.report.pictures import COLOURS, WIDTH, Margins, draw
from stemma.text import figure, signed
from stemma.versions.compare import Comparison
from stemma.versions.compress.search import SLOWER, By, Found, share
from stemma.versions.speed import BATCH

if TYPE_CHECKING:
    from matplotlib.axes import Axes

HEAD = (
    "candidate", "verdict", "bytes", "in memory, MB", "1 row, ms", "rows/s", "on validation",
    "95 % interval of the difference",
)  # fmt: skip
CAPTION = "The figure and its interval by what is left of size and time; a line joins those that no other beats"


def lines(found: Found) -> Iterator[tuple[str, ...]]:
    """The version itself, then what was tried."""
    yield found.revision, "as it is", *_facts(found.before)
    for name, each in found.judged.items():
        slower = f"; slower here, {share(each, 'latency'):.2f} x" if SLOWER < share(each, "latency") < inf else ""
        kept = "; the smallest" if name == found.chosen else ""
        verdict = "within the budget" if found.budget.holds(each) else "loses too much"
        yield name, f"{verdict}{kept}{slower}", *_facts(each)
    for name, reason in found.others.items():
        yield name, reason, *["-"] * 6


def _facts(each: Comparison) -> Iterator[str]:
    size = each.sizes[1]
    yield f"{size.bytes:,}" if size.bytes else "-"
    yield "-" if size.memory is None else f"{size.memory / 1e6:.1f}"
    yield from (f"{size.latency.single:.3f}", f"{BATCH / size.latency.batch * 1000:,.0f}") if size.latency else "--"
    yield figure(each.main.b)
    yield f"{signed(each.main.low)} to {signed(each.main.high)}"


def write(found: Found, page: Path) -> None:
    proved = ("proved", "good") if found.experiment else ("not proved", "bad")
    sections = (
        Section("Size, time and loss", (Chart("pareto", CAPTION, wide=True),)),
        Section("Tried", (Table("", HEAD, tuple(lines(found)), words=(1,)),)),
    )
    badges = ((f"budget {found.budget}", "plain"), proved)
    made = Document(f"{found.revision}, compressed", f"{found.sentence}.", badges, (), sections)
    paints = [partial(_paint, found=found, by=by) for by in ("size", "latency")]
    drawn = draw(*paints, size=(WIDTH, 3.8), margins=Margins(left=0.85, top=0.3))
    write_text(page, document.html(made, {"pareto": drawn}))


def front(found: Found, by: By) -> list[str]:
    """Those that no other beats in both size or time and the figure, the smallest first."""
    sign, kept = 1 if found.before.higher_is_better else -1, list[str]()
    places = {name: (share(each, by), -sign * each.main.b) for name, each in found.judged.items()}
    for name in sorted(places, key=lambda name: places[name]):
        if not kept or places[name][1] < places[kept[-1]][1]:
            kept.append(name)
    return kept


def _paint(axes: "Axes", found: Found, by: By) -> None:
    every = {found.revision: found.before, **found.judged}
    for place, (name, each) in enumerate(every.items()):
        x, main, colour = share(each, by), each.main, COLOURS["third" if name == found.chosen else "model"]
        axes.plot([x, x], [main.a + main.low, main.a + main.high], color=colour, alpha=0.45, linewidth=2)
        axes.plot([x], [main.b], color=colour, marker="o", markersize=5)
        axes.annotate(name, (x, main.b), (5, (6, -11, 16)[place % 3]), textcoords="offset points", fontsize=7)
    best = [every[name] for name in front(found, by)]
    axes.plot([share(each, by) for each in best], [each.main.b for each in best], color=COLOURS["muted"], linewidth=1)
    allowed = found.before.main.a - (1 if found.before.higher_is_better else -1) * found.budget.loss
    axes.axhline(allowed, color=COLOURS["second"], linewidth=1.0, linestyle="--", label=f"budget {found.budget}")
    axes.set(xlabel=f"{by}, share of {found.revision}", ylabel=label(found.budget.metric))
    axes.margins(x=0.12, y=0.12)
    axes.legend(loc="lower right")
