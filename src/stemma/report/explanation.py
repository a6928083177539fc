"""Explanations told to a person: what `stemma.explain` found, as JSON has it, as a document and its pictures."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from stemma.report.document import Chart, Document, Section, Table
from stemma.report.pictures import COLOURS, LETTER, WIDTH, Margins, bars, draw, label_bar, name_bars
from stemma.text import counted, figure, short, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Told = Mapping[str, Any]
TITLES = {
    "shap": "What each column adds (Shapley values)",
    "linear": "What each column adds (a linear fit around a row)",
    "permutation": "How far answers move with a column's values from other rows",
    "dependence": "How answers go with each column",
    "surrogate": "Rules that say nearly the same",
    "counterfactual": "What would turn the answer",
}
LARGEST, ROWS, CURVES = 10, 10, 6  # effects of a picture, rows and curves that are told
NOTHING = 1e-6  # of an effect
TALL = Margins(bottom=0.95)
Part = tuple[str | Table | Chart, Callable[[], str]]


def document(name: str, target: str, found: Sequence[Told]) -> Document:
    """What each method found of what is called `name`."""
    together = ", ".join(f"{a} and {b} ({strength:.2f})" for a, b, strength in found[0]["related"][:LARGEST])
    rows, beside = (counted(found[0][of], "row") for of in ("rows", "background"))
    lead = f"{name}, by {rows} beside {beside} to compare with, seed {found[0]['seed']}."
    told = f"Columns that go together: {together}. Moved apart, they make rows that do not occur"
    badges = ((told, "plain"),) if together else ()
    return Document(f"Why {target} is answered so", lead, badges, (), tuple(section(each) for each in found))


def section(found: Told) -> Section:
    return Section(TITLES.get(found["method"], str(found["method"])), tuple(part for part, _ in _parts(found)))


def pictures(found: Sequence[Told]) -> dict[str, str]:
    """Every chart of these sections, by name."""
    return {part.name: paint() for each in found for part, paint in _parts(each) if isinstance(part, Chart)}


def _parts(found: Told) -> Iterator[Part]:
    """Every part, and what paints it where it is a chart."""
    if found["effects"]:
        yield from _of_effects(found)
    for one in found["reasons"][:ROWS]:
        yield from _of_row(found["method"], one)
    yield from _of_curves(found)
    if found["rules"]:
        yield f"The rules say what the network says with a fidelity of {figure(found['fidelity'])}.", str
        rules = ((" and ".join(each["conditions"]) or "always", each["answer"], figure(each["share"]),
                  figure(each["fidelity"])) for each in found["rules"])  # fmt: skip
        yield Table("", ("where", "answer", "share of rows", "fidelity"), tuple(rules), words=(1,)), str
    if found["turned"]:
        turned = ((str(each["row"]), each["answer"], each["instead"], _change(each)) for each in found["turned"])
        yield Table("", ("row", "answer", "instead", "with"), tuple(turned), words=(1, 2, 3)), str


def _of_effects(found: Told) -> Iterator[Part]:
    most, told = found["effects"][: 2 * LARGEST], "The mean size of each column's effect, and its standard error"
    sizes, errors = [(each["column"], each["effect"]) for each in most], [each["error"] for each in most]
    paint = partial(bars, sizes, "mean size of the effect", errors)
    yield Chart(f"{found['method']}-effects", told, wide=True), paint
    rows = tuple((each["column"], figure(each["effect"]), figure(each["error"])) for each in found["effects"])
    yield Table("", ("column", "mean size", "error"), rows), str


def _of_row(method: str, one: Told) -> Iterator[Part]:
    """From the base to the answer: the largest effects, and all that is left."""
    ordered = sorted(one["effects"], key=lambda each: -abs(each["effect"]))
    effects = [(f"{each['column']} = {each['value']}", each["effect"]) for each in ordered]
    rest = sum(effect for _, effect in effects[LARGEST:]) + one["gap"]
    shown = [*effects[:LARGEST], *([("others", rest)] if abs(rest) > NOTHING else [])]
    told = f"Row {one['row']}: {one['output']} {figure(one['answer'])}, on average {figure(one['base'])}"
    yield Chart(f"{method}-row-{one['row']}", told, wide=True), partial(_steps, shown, one["base"])
    rows = [(name, signed(effect), figure(e["error"])) for (name, effect), e in zip(effects, ordered, strict=True)]
    yield Table("", ("column", "effect", "error"), (*rows, ("not accounted for", f"{one['gap']:+.4f}", ""))), str


def _of_curves(found: Told) -> Iterator[Part]:
    """Names of columns are a stranger's, and in no name of a picture."""
    curves = found["curves"][:CURVES]
    for place, curve in enumerate(curves):
        told = f"{curve['output']} by {curve['column']}, on the whole and row by row"
        yield Chart(f"{found['method']}-{place}", told), partial(draw, partial(dependence, curve=curve), margins=TALL)
    for curve in curves:
        rows = zip(curve["values"], map(figure, curve["means"]), map(figure, curve["errors"]), strict=True)
        yield Table("", (curve["column"], curve["output"], "error"), tuple(rows)), str


def _change(turned: Told) -> str:
    told = ", ".join(f"{column}: {value} -> {needed}" for column, value, needed in turned["changes"])
    return told or "no few columns turn it"


def _steps(effects: Sequence[tuple[str, float]], base: float) -> str:
    names = [short(name, 40) for name, _ in effects]
    paint = partial(waterfall, names=names, effects=[effect for _, effect in effects], base=base)
    margins = Margins(left=0.3 + LETTER * max(map(len, names)))
    return draw(paint, size=(WIDTH, 0.8 + 0.24 * len(names)), margins=margins)


def waterfall(axes: "Axes", names: Sequence[str], effects: Sequence[float], base: float) -> None:
    """Each effect from where the one before ended: up to the right, down to the left."""
    ends = np.cumsum([base, *effects])
    for place, effect, start in zip(range(len(effects))[::-1], effects, ends, strict=False):
        axes.barh(place, effect, left=start, color=COLOURS["second" if effect < 0 else "model"], alpha=0.75, height=0.6)
        label_bar(axes, signed(effect), (max(start, start + effect), place))
    for value, style in ((base, ":"), (ends[-1], "--")):
        axes.axvline(value, color=COLOURS["ink"], linewidth=1.0, linestyle=style)
    name_bars(axes, names)
    room = (ends.max() - ends.min()) / 8 or 0.1
    axes.set(xlabel="from the average answer (dotted) to this one (dashed)")
    axes.set_xlim(ends.min() - room / 4, ends.max() + room)


def dependence(axes: "Axes", curve: Told) -> None:
    """The mean at each value, how far it may be off, and single rows behind it."""
    places = range(len(curve["values"]))
    for single in curve["single"]:
        axes.plot(places, single, color=COLOURS["muted"], alpha=0.25, linewidth=0.7)
    axes.errorbar(places, curve["means"], curve["errors"], fmt="o", color=COLOURS["model"], zorder=5)
    axes.set_xticks(places, [short(value, 12) for value in curve["values"]], rotation=40, ha="right")
    axes.set(xlabel=short(curve["column"], 40), ylabel=short(curve["output"], 30))
