"""reports/search/NAME: what a search tried and found, for people, and as tables for `dvc plots`."""

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stemma import layout
from stemma.files import swapped_folder
from stemma.metrics import label
from stemma.report import document
from stemma.report.document import Chart, Document, Section, Table
from stemma.report.pictures import COLOURS, WIDTH, Margins, bars, draw
from stemma.search.found import Found
from stemma.search.trial import shown
from stemma.text import counted, figure, short, signed

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FOLDER = Path("reports/search")
MOST_ROWS = 20  # of the table of trials
TOP = 0.1  # share of the trials that stand out in a picture


def write(folder: Path, found: Found) -> None:
    """The page (HTML and Markdown) and the tables."""
    with swapped_folder(folder) as new:
        table = _table(found)
        table.to_csv(new / "trials.csv", index=False, lineterminator="\n")
        _history(found).to_csv(new / "history.csv", index=False, lineterminator="\n")
        shares = pd.DataFrame({"setting": list(found.importance), "importance": list(found.importance.values())})
        shares.to_csv(new / "importance.csv", index=False, lineterminator="\n")
        document.write(_document(found), new / layout.PAGE.name, _drawn(found, table), new / "pictures")


def _table(found: Found) -> pd.DataFrame:
    """A row for each trial: its figures, and what it was of."""
    rows = [
        {"trial": each.number, "outcome": each.outcome, **dict(zip(found.figures, each.values, strict=False)),
         **{key: _plain(value) for key, value in each.drawn.items()}}
        for each in found.trials
    ]  # fmt: skip
    keys = list(dict.fromkeys(key for each in found.trials for key in each.drawn))
    return pd.DataFrame(rows, columns=["trial", "outcome", *found.figures, *keys])


def _plain(value: Any) -> Any:
    """Choices are kept as overrides; of numbers the settings have four digits."""
    return value.partition("=")[2] if isinstance(value, str) else float(f"{value:.4g}")


def _history(found: Found) -> pd.DataFrame:
    """The leading figure of each finished trial, and the best so far."""
    values = [each.values[0] for each in found.complete]
    best = (np.maximum if found.higher[0] else np.minimum).accumulate(values)
    return pd.DataFrame({"trial": [each.number for each in found.complete], found.figures[0]: values, "best": best})


def sentence(found: Found) -> str:
    """The best, and how much of it is to be believed."""
    first, lead = found.best[0], label(found.figures[0])
    trials, rows = counted(len(found.trials), "trial"), counted(found.rows, "row")
    best = f"{lead} {shown(found.figures[0], first.values[0])}"
    told = f"Trial {first.number} is the best of {trials}: {best} on the {rows} that chose it"
    if found.optimism is None:
        return f"{told}."
    hope = found.optimism
    return (
        f"{told}; on new rows {figure(hope.expected)} is to be expected (95 %: {figure(hope.expected_low)} to "
        f"{figure(hope.expected_high)}), for the best was chosen by its figure: optimism {signed(hope.optimism)} "
        f"({signed(hope.low)} to {signed(hope.high)})."
    )


def _document(found: Found) -> Document:
    outcomes, best = [each.outcome for each in found.trials], found.best[0]
    cards = [
        (label(name), shown(name, value), "of the best") for name, value in zip(found.figures, best.values, strict=True)
    ]
    cards += [(name, str(outcomes.count(name)), "trials") for name in ("complete", "stopped", "failed")]
    hope = found.optimism
    method = () if hope is None else (f"Expected value and optimism: {hope.method}. Test rows were not read.",)
    named = {each.partition("=")[0]: each for each in (*found.settings, *best.settings)}  # the trial's own win
    of_best = f"Its settings: {', '.join(named.values())}"
    faults = [f"Trial {each.number} failed: {each.fault}" for each in found.trials if each.fault]
    shares = "How much each setting decides whether a trial is among the best tenth (PED-ANOVA)."
    sections = (
        Section("The best", (*method, of_best, _best(found))),
        Section("History", (Chart("history", "Each trial, and the best so far", wide=True), *faults)),
        Section("Importance", (shares, Chart("importance", "Importance of the settings", wide=True))),
        Section("Settings", (
            Chart("parallel", "Parallel coordinates: the best tenth of the trials in colour", wide=True),
            Chart("slices", "The figure over each setting", wide=True),
        )),
    )  # fmt: skip
    return Document(f"Search {found.name}", sentence(found), (), tuple(cards), sections)


def _best(found: Found) -> Table:
    several = len(found.figures) > 1
    trials = (found.best if several else found.ranked)[:MOST_ROWS]
    rows = tuple(
        (str(each.number), *map(shown, found.figures, each.values), ", ".join(each.settings)) for each in trials
    )
    front = "The front of Pareto: none is better in all figures" if several else "The best trials"
    return Table(front, ("trial", *map(label, found.figures), "settings"), rows, words=(len(found.figures) + 1,))


def _drawn(found: Found, table: pd.DataFrame) -> dict[str, str]:
    complete = table[table["outcome"] == "complete"]
    keys = [key for key in table.columns[2 + len(found.figures):] if complete[key].notna().any()]  # fmt: skip
    lead = label(found.figures[0])
    slices = [partial(_slice, column=complete[key], values=complete[found.figures[0]], lead=lead) for key in keys]
    return {
        "history": draw(partial(_lines, table=_history(found), lead=lead), size=(WIDTH, 3.2)),
        "importance": bars([*found.importance.items()], "share of the importance"),
        "parallel": draw(partial(_parallel, table=complete, keys=keys, found=found), size=(WIDTH, 3.8),
                         margins=Margins(bottom=1.0)),
        "slices": draw(*slices, size=(WIDTH / 3, 2.6), across=3, margins=Margins(bottom=0.7)),
    }  # fmt: skip


def _lines(axes: "Axes", table: pd.DataFrame, lead: str) -> None:
    axes.plot(table["trial"], table[table.columns[1]], "o", color=COLOURS["muted"], markersize=4, label="trial")
    axes.step(table["trial"], table["best"], where="post", color=COLOURS["model"], label="best so far")
    axes.set(xlabel="trial", ylabel=lead)
    axes.locator_params(axis="x", integer=True)
    axes.legend(loc="best")


def _slice(axes: "Axes", column: pd.Series, values: pd.Series, lead: str) -> None:
    places, ticks, is_log = _places(column)
    axes.plot(places, values, "o", color=COLOURS["model"], markersize=3.5, alpha=0.7)
    axes.set(xlabel=short(column.name, 34), ylabel=lead, xscale="log" if is_log else "linear")
    if is_log:
        axes.xaxis.set_major_formatter("{x:g}")  # the usual one is of formulas, which are not drawn
        axes.xaxis.set_minor_formatter("")
    elif (places.dropna() % 1 == 0).all():
        axes.locator_params(axis="x", integer=True, min_n_ticks=1)
    if ticks:
        axes.set_xticks(range(len(ticks)), [short(tick, 12) for tick in ticks], rotation=30, ha="right", fontsize=7)


def _places(column: pd.Series) -> tuple[Any, list[str], bool]:
    """Where the values stand on an axis; the names of choices; whether it is one of logarithms."""
    numbers = pd.to_numeric(column, errors="coerce")
    if numbers.notna().sum() == column.notna().sum():
        low, high = numbers.min(), numbers.max()
        return numbers, [], bool(low > 0 and high / low > 20)
    ticks = sorted(column.dropna().astype(str).unique(), key=lambda text: (len(text), text))
    return column.map(lambda value: ticks.index(str(value)) if pd.notna(value) else np.nan), ticks, False


def _parallel(axes: "Axes", table: pd.DataFrame, keys: Sequence[str], found: Found) -> None:
    """A line for each trial through its settings, each from its least to its greatest, to the figure."""
    lead = found.figures[0]
    scaled = np.column_stack([_scaled(table[key]) for key in (*keys, lead)])
    order = np.argsort(table[lead].to_numpy() * (1 if found.higher[0] else -1), kind="stable")
    top = max(1, round(TOP * len(order)))
    for place, row in enumerate(order):
        colour, width = ("model", 1.8) if place >= len(order) - top else ("muted", 0.6)
        axes.plot(range(len(keys) + 1), scaled[row], color=COLOURS[colour], linewidth=width, alpha=0.8)
    names = [short(key, 26) for key in (*keys, label(lead))]
    axes.set_xticks(range(len(names)), names, rotation=25, ha="right", fontsize=7)
    axes.set_yticks([0, 1], ["least", "most"])


def _scaled(column: pd.Series) -> Any:
    places, _, is_log = _places(column)
    values = np.log(places.to_numpy(float)) if is_log else places.to_numpy(float)
    low, high = np.nanmin(values), np.nanmax(values)
    return (values - low) / ((high - low) or 1.0)
