"""Explanations told to a person: what `stemma.explain` found, as JSON has it, as a document and its pictures."""

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from stemma.report.document import Chart, Document, Section, Table
from stemma.report.pictures import COLOURS, Margins, draw
from stemma.text import counted, figure, short

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
WIDTH, LETTER = 8.6, 0.08  # inches
Bar = tuple[str, float, float]  # name, effect, error


def document(name: str, target: str, found: Sequence[Told]) -> Document:
    """
    Args:
        name: of what was explained.
    """
    together = ", ".join(f"{a} and {b} ({strength:.2f})" for a, b, strength in found[0]["related"][:LARGEST])
    rows, beside = (counted(found[0][of], "row") for of in ("rows", "background"))
    lead = f"{name}, by {rows} beside {beside} to compare with, seed {found[0]['seed']}."
    told = f"Columns that go together: {together}. Moved apart, they make rows that there are not"
    badges = ((told, "plain"),) if together else ()
    return Document(f"Why {target} is answered so", lead, badges, (), tuple(section(each) for each in found))


def section(found: Told) -> Section:
    return Section(TITLES.get(found["method"], str(found["method"])), tuple(_parts(found)))


def _parts(found: Told) -> Iterator[str | Table | Chart]:
    method = found["method"]
    if found["effects"]:
        yield Chart(f"{method}-effects", "The mean size of each column's effect, and its standard error", wide=True)
        sizes = ((each["column"], figure(each["effect"]), figure(each["error"])) for each in found["effects"])
        yield Table("", ("column", "mean size", "error"), tuple(sizes))
    for one in found["reasons"][:ROWS]:
        caption = f"Row {one['row']}: {one['output']} {figure(one['answer'])}, on average {figure(one['base'])}"
        yield Chart(f"{method}-row-{one['row']}", caption, wide=True)
        ordered = sorted(one["effects"], key=_size)
        told = [
            (f"{each['column']} = {each['value']}", f"{each['effect']:+.4f}", figure(each["error"])) for each in ordered
        ]
        yield Table("", ("column", "effect", "error"), (*told, ("not accounted for", f"{one['gap']:+.4f}", "")))
    for curve in found["curves"][:CURVES]:
        yield Chart(
            f"{method}-{curve['column']}", f"{curve['output']} by {curve['column']}, on the whole and row by row"
        )
        values = zip(curve["values"], map(figure, curve["means"]), map(figure, curve["errors"]), strict=True)
        yield Table("", (curve["column"], curve["output"], "error"), tuple(values))
    if found["rules"]:
        yield f"The rules say what the network says with a fidelity of {figure(found['fidelity'])}."
        rows = [
            (
                " and ".join(rule["conditions"]) or "always",
                rule["answer"],
                figure(rule["share"]),
                figure(rule["fidelity"]),
            )
            for rule in found["rules"]
        ]
        yield Table("", ("where", "answer", "share of rows", "fidelity"), tuple(rows), words=(1,))
    if found["turned"]:
        rows = [
            (str(each["row"]), each["answer"], each["instead"], _change(each["changes"])) for each in found["turned"]
        ]
        yield Table("", ("row", "answer", "instead", "with"), tuple(rows), words=(1, 2, 3))


def _change(changes: Sequence[Sequence[str]]) -> str:
    return ", ".join(f"{column}: {value} -> {needed}" for column, value, needed in changes) or "no few columns turn it"


def pictures(found: Sequence[Told]) -> dict[str, str]:
    """Every chart of the document, by name."""
    made: dict[str, str] = {}
    for each in found:
        if each["effects"]:
            bars = [(one["column"], one["effect"], one["error"]) for one in each["effects"][: 2 * LARGEST]]
            made[f"{each['method']}-effects"] = _drawn(effects, bars)
        for one in each["reasons"][:ROWS]:
            made[f"{each['method']}-row-{one['row']}"] = _drawn(partial(waterfall, base=one["base"]), _steps(one))
        for curve in each["curves"][:CURVES]:
            made[f"{each['method']}-{curve['column']}"] = draw(
                partial(dependence, curve=curve), margins=Margins(bottom=0.9)
            )
    return made


def _drawn(paint: Any, bars: Sequence[Bar]) -> str:
    size, margins = (WIDTH, 0.8 + 0.24 * len(bars)), Margins(left=0.3 + LETTER * max(len(name) for name, *_ in bars))
    return draw(partial(paint, bars=bars), size=size, margins=margins)


def _steps(one: Told) -> list[Bar]:
    """From the base to the answer: the largest effects, and all that is left."""
    ordered = sorted(one["effects"], key=_size)
    largest, rest = ordered[:LARGEST], ordered[LARGEST:]
    bars = [(short(f"{each['column']} = {each['value']}", 40), each["effect"], each["error"]) for each in largest]
    left = sum(each["effect"] for each in rest) + one["gap"]
    return [*bars, (f"{len(rest)} others", left, 0.0)] if rest or abs(left) > 1e-6 else bars


def _size(effect: Told) -> float:
    return -abs(float(effect["effect"]))


def effects(axes: "Axes", bars: Sequence[Bar]) -> None:
    """Of columns, the largest on top, with what they may be off."""
    places = range(len(bars))[::-1]
    axes.barh(places, [size for _, size, _ in bars], xerr=[error for *_, error in bars], color=COLOURS["model"],
              ecolor=COLOURS["muted"], alpha=0.75, height=0.6)  # fmt: skip
    _name(axes, bars)
    axes.set(xlabel="mean size of the effect")


def waterfall(axes: "Axes", bars: Sequence[Bar], base: float) -> None:
    """Each effect from where the one before ended: up to the right, down to the left."""
    ends = np.cumsum([base, *(effect for _, effect, _ in bars)])
    for place, (_, effect, _), start in zip(range(len(bars))[::-1], bars, ends, strict=False):
        axes.barh(place, effect, left=start, color=COLOURS["second" if effect < 0 else "model"], alpha=0.75, height=0.6)
        at = max(start, start + effect), place
        axes.annotate(f"{effect:+.3g}", at, (3, 0), textcoords="offset points", va="center", fontsize=8)
    for value, style in ((base, ":"), (ends[-1], "--")):
        axes.axvline(value, color=COLOURS["ink"], linewidth=1.0, linestyle=style)
    _name(axes, bars)
    room = (ends.max() - ends.min()) / 8 or 0.1
    axes.set(xlabel="from the average answer (dotted) to this one (dashed)")
    axes.set_xlim(ends.min() - room / 4, ends.max() + room)


def _name(axes: "Axes", bars: Sequence[Bar]) -> None:
    axes.set_yticks(range(len(bars))[::-1], [short(name, 40) for name, *_ in bars])
    axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])
    axes.set(ylim=(-0.6, len(bars) - 0.4))
    axes.grid(visible=False, axis="y")


def dependence(axes: "Axes", curve: Told) -> None:
    """The mean, how far it may be off, and single rows behind it; of categories as points."""
    places = curve["places"] or range(len(curve["values"]))
    for single in curve["single"]:
        axes.plot(places, single, color=COLOURS["muted"], alpha=0.25, linewidth=0.7)
    line = "o-" if curve["places"] else "o"
    axes.errorbar(places, curve["means"], curve["errors"], fmt=line, color=COLOURS["model"], zorder=5)
    kept = range(0, len(places), max(1, len(places) // 4) if curve["places"] else 1)
    axes.set_xticks(
        [places[place] for place in kept],
        [short(curve["values"][place], 12) for place in kept],
        rotation=30,
        ha="right",
    )
    axes.set(xlabel=short(curve["column"], 40), ylabel=short(curve["output"], 30))
