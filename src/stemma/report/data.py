"""reports/data.md and its pictures: what a table holds, how it was split, and what looks wrong with it."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stemma.files import swapped_folder, write_text
from stemma.layout import SPLITS
from stemma.report import pictures
from stemma.report.pictures import Margins, draw
from stemma.tables.columns import features, splitting
from stemma.tables.drift import drift
from stemma.tables.hints import Hint
from stemma.tables.profile import span
from stemma.tables.settings import Table
from stemma.tables.statistics import numbers
from stemma.text import by_number, code, counted, escaped, in_digits, short, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

PAGE = "data.md"
FOLDER = "data"  # of the pictures, beside the page
MOST_PICTURES = 24  # columns that are drawn
MOST_LINES = 200  # columns or hints with a line of their own
MOST_ROWS = 100_000  # of a split that drift and pictures are made from
CLASSES = 10  # that are told and drawn
LEVELS = 8  # bars of a column of texts
BINS = 24  # of a histogram, at most
COLOURS = {name: pictures.COLOURS[of] for name, of in (("train", "model"), ("validation", "third"), ("test", "second"))}
BY = {
    "group": "rows of one group stay together",
    "time": "the oldest rows to train, the newest to test",
    "partition": "as the column says",
}
About = Mapping[str, Any]  # profile.json


def write(
    folder: Path,
    frame: pd.DataFrame,
    settings: Table,
    splits: Mapping[str, np.ndarray],
    about: About,
    hints: Sequence[Hint],
) -> None:
    """Write the page and its pictures.

    Args:
        frame: the canonical table.
        splits: row positions of train, validation and test.
        about: as `statistics.make` gives it.
    """
    splits = {name: rows[:: -(-len(rows) // MOST_ROWS)] for name, rows in splits.items()}
    columns = (frame[name] for name, _ in features(frame.columns, settings))
    drifts = {each.name: drift(each.iloc[splits["train"]], each.iloc[splits["test"]])[0] for each in columns}
    most = sorted(drifts, key=lambda name: -drifts[name])[:MOST_PICTURES]
    drawn = {name: frame[name] for name in drifts if name in most}
    with swapped_folder(folder / FOLDER) as into:
        write_text(into / "target.svg", _target(frame[settings.target], about, splits))
        write_text(into / "columns.svg", _columns(drawn, about, splits))
    text = "\n".join(_page(frame, settings, about, hints, drifts, len(drawn)))
    write_text(folder / PAGE, text + "\n")


def _page(
    frame: pd.DataFrame,
    settings: Table,
    about: About,
    hints: Sequence[Hint],
    drifts: Mapping[str, float],
    drawn: int,
) -> Iterator[str]:
    task = settings.task + (f", positive: {code(about['positive'])}" if about["positive"] is not None else "")
    yield f"# Data: {escaped(Path(settings.source).name)}"
    yield ""
    yield (
        f"{counted(about['rows'], 'row')} and {counted(len(drifts), 'feature')} of {code(settings.source)},"
        f" to predict {_code(settings.target)} ({task})."
    )
    left_out = about.get("left_out", {}).items()
    yield from (f"\nLeft out: {counted(rows, 'row')} by {code(why)}." for why, rows in left_out)
    yield from ["", "## Hints", ""]
    yield from _items([escaped(hint.text) for hint in hints]) or ["None."]
    yield from ["", "## Splits", ""]
    yield from _splits(settings, about)
    yield from ["", f"![{escaped(settings.target)} in each split]({FOLDER}/target.svg)"]
    yield from ["", "## Columns", ""]
    yield (
        "Statistics are of the training rows. Drift is the population stability index between training and test rows:"
        " below 0.1 stable, from 0.25 large."
    )
    yield from _numeric(about, drifts)
    yield from _texts(about, drifts)
    if settings.derive:
        yield from ["", *_items([f"{_code(name)} is {code(text)}" for name, text in settings.derive.items()])]
    yield ""
    features = by_number(drawn, "feature", f"{drawn} features")
    most = f"The {features} with the most drift, training" if drawn < len(drifts) else "Training"
    yield f"{most} rows in blue, test rows in orange:"
    yield from ["", f"![Distribution of the features]({FOLDER}/columns.svg)", ""]
    yield from _unused(frame, settings, about)


def _splits(settings: Table, about: About) -> Iterator[str]:
    by = "".join(f"By {setting} {_code(name)}: {BY[setting]}." for setting, name in splitting(settings).items())
    chance = "By chance" + (", every class in the same share" if settings.predicts.has_classes else "")
    yield by or f"{chance} (seed {settings.split.seed})."
    yield ""
    classes = about["classes"][:CLASSES]
    head = ["split", "rows", "share", *(["mean"] if not classes else map(_code, classes))]
    yield from table(head, ([name, *_split(about["splits"][name], about["rows"], classes)] for name in SPLITS))
    if len(about["classes"]) > len(classes):
        yield from ["", f"The first {len(classes)} of {counted(len(about['classes']), 'class', 'classes')}."]


def _split(part: About, rows: int, classes: Sequence[str]) -> Iterator[str]:
    yield f"{part['rows']:,}"
    yield f"{part['rows'] / rows:.1%}"
    if not classes:
        yield _figure(part["mean"])
    for label in classes:
        yield f"{part['balance'][label]:,} ({part['balance'][label] / part['rows']:.1%})"


def _numeric(about: About, drifts: Mapping[str, float]) -> Iterator[str]:
    """Numbers, truth values and dates."""
    head = ["number or date", "missing", "mean", "sd", "5 %", "50 %", "95 %", "drift"]

    def cells(name: str, column: About) -> list[str]:
        dates = column["role"] == "date"
        show, spread = (_day if dates else _figure), column["std"]
        days = f"{spread / 86400:.4g} days" if dates and spread is not None else _figure(spread)
        ends = [show(column["quantiles"][percent]) for percent in ("5", "50", "95")]
        return [_code(name), _missing(column, about), show(column["mean"]), days, *ends, _drift(drifts[name])]

    return _table(head, [cells(*each) for each in about["training"].items() if "quantiles" in each[1]], (0,))


def _texts(about: About, drifts: Mapping[str, float]) -> Iterator[str]:
    """Texts and truth values, with the most frequent."""
    head = ["text or truth value", "role", "missing", "different", "most frequent", "drift"]
    train = about["splits"]["train"]["rows"]

    def cells(name: str, column: About) -> list[str]:
        truth = {"0": "false", "1": "true"} if column["role"] == "boolean" else {}
        often = sorted(column["values"].items(), key=lambda one: -one[1])
        shown = ", ".join(f"{_code(truth.get(text, text))} {rows / train:.0%}" for text, rows in often[:4] if rows)
        several = "more than " * bool(column.get("other")) + f"{sum(map(bool, column['values'].values())):,}"
        return [_code(name), column["role"], _missing(column, about), several, shown, _drift(drifts[name])]

    return _table(head, [cells(*each) for each in about["training"].items() if "values" in each[1]], (0, 1, 4))


def _unused(frame: pd.DataFrame, settings: Table, about: About) -> Iterator[str]:
    """Columns that no model sees, and why."""
    splits = [(setting, name) for setting, name in splitting(settings).items() if name in frame]
    reasons = {name: f"rows are split by it (`{setting}`)" for setting, name in splits}
    used = {feature["name"] for feature in about["features"]}
    if about["bayes"] is not None:
        reasons[about["bayes"]] = "the true probability (`bayes`)"
    for name, role in settings.columns.items():
        if role == "drop" and name not in frame:
            reasons.setdefault(name, "its role is `drop`")
    if told := [f"{_code(name)}: {reason}" for name, reason in reasons.items() if name not in used]:
        yield from ["## Not used", "", *_items(told)]


def _target(target: pd.Series, about: About, splits: Mapping[str, np.ndarray]) -> str:
    """The share of each class in each split, or the histogram of a regression's target."""

    def paint(axes: "Axes") -> None:
        if about["classes"]:
            _shares_of_classes(axes, about)
        else:
            _spread(axes, target, splits)
        axes.set(ylabel="share of rows", xlabel=short(target.name, 40))
        axes.grid(visible=False, axis="x")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.97), ncols=len(SPLITS))

    deep = 0.6 if _is_long(about["classes"][:CLASSES], 60) else 0.0
    return draw(paint, size=(6, 2.7 + deep), margins=Margins(bottom=0.55 + deep, top=0.3))


def _spread(axes: "Axes", target: pd.Series, splits: Mapping[str, np.ndarray]) -> None:
    values = {name: target.iloc[splits[name]].to_numpy() for name in SPLITS}
    edges = _edges(values)
    for name, part in values.items():
        axes.stairs(_shares(part, edges), edges, color=COLOURS[name], label=name, linewidth=1.5)


def _shares_of_classes(axes: "Axes", about: About) -> None:
    classes = about["classes"][:CLASSES]
    for place, name in enumerate(SPLITS):
        part = about["splits"][name]
        shares = [part["balance"][label] / part["rows"] for label in classes]
        axes.bar(np.arange(len(classes)) + (place - 1) * 0.27, shares, 0.25, color=COLOURS[name], label=name)
    _name(axes, classes, 60)


def _columns(columns: Mapping[str, pd.Series], about: About, splits: Mapping[str, np.ndarray]) -> str:
    paints = [partial(_column, values=each, role=about["training"][name]["role"], splits=splits)
              for name, each in columns.items()]  # fmt: skip
    return draw(*paints, size=(2.4, 1.9), margins=Margins(0.25, 0.1, 0.65, 0.25), across=4)


def _column(axes: "Axes", values: pd.Series, role: str, splits: Mapping[str, np.ndarray]) -> None:
    parts = {split: values.iloc[splits[split]] for split in ("train", "test")}
    (_bars if role in ("categorical", "boolean") else _histogram)(axes, parts, role)
    axes.set_title(short(values.name, 28), fontsize=8, loc="left")
    axes.set_yticks([])
    axes.grid(visible=False)
    axes.spines["left"].set_visible(False)


def _bars(axes: "Axes", parts: Mapping[str, pd.Series], role: str) -> None:
    """The most frequent texts of the training rows, and all others together."""
    shares = {}
    for name, values in parts.items():
        counts = values.value_counts(sort=False, dropna=True)
        shares[name] = counts[counts.index != ""] / max(len(values), 1)
    order = shares["train"].sort_values(ascending=False, kind="stable").index[:LEVELS]
    labels = [value if role == "categorical" else str(bool(value)).lower() for value in order]
    rest = any(share.sum() - share.reindex(order, fill_value=0).sum() > 1e-9 for share in shares.values())
    for shift, (name, share) in zip((-0.2, 0.2), shares.items(), strict=True):
        heights = [*share.reindex(order, fill_value=0)]
        heights += [share.sum() - sum(heights)] * rest
        axes.bar(np.arange(len(heights)) + shift, heights, 0.4, color=COLOURS[name])
    _name(axes, [*labels, *["others"] * rest], 18, fontsize=6)


def _is_long(labels: Sequence[str], letters: int) -> bool:
    return sum(len(short(label, 12)) for label in labels) > letters


def _name(axes: "Axes", labels: Sequence[str], letters: int, **style: Any) -> None:
    """Bars that stand; names of more than so many letters in all are turned."""
    if _is_long(labels, letters):
        style |= {"rotation": 45, "rotation_mode": "anchor", "ha": "right"}
    axes.set_xticks(np.arange(len(labels)), [short(label, 12) for label in labels], **style)


def _histogram(axes: "Axes", parts: Mapping[str, pd.Series], role: str) -> None:
    """Numbers or dates; shares are of all rows, also of those without a value."""
    values = {name: part[~np.isnan(part)] for name, part in ((name, numbers(part)) for name, part in parts.items())}
    if not len(values["train"]):
        axes.text(0.5, 0.5, "no value", ha="center", va="center", transform=axes.transAxes)
        axes.set_xticks([])
        return
    edges = _edges(values)
    for name, part in values.items():
        share = len(part) / max(len(parts[name]), 1)
        filled = name == "train"
        axes.stairs(_shares(part, edges) * share, edges, color=COLOURS[name], fill=filled, alpha=0.75, linewidth=1.2)
    if role == "date":
        axes.set_xticks([edges[0], edges[-1]], [_day(edges[0]), _day(edges[-1])], fontsize=6)
        first, last = axes.get_xticklabels()
        first.set_horizontalalignment("left")
        last.set_horizontalalignment("right")
    else:
        axes.locator_params(axis="x", nbins=4)
        axes.tick_params(axis="x", labelsize=6)


def _edges(values: dict[str, np.ndarray]) -> np.ndarray:
    """Between the 1st and the 99th percentile of the training rows; the fewer rows a split has, the fewer bins."""
    low, high = np.quantile(values["train"], [0.01, 0.99])
    if low == high:
        low, high = values["train"].min(), values["train"].max()
    bins = int(np.clip(np.sqrt(min(map(len, values.values()))), 5, BINS))
    return np.linspace(*span(low, high, bins), bins + 1)


def _shares(values: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Of the values in each bin; those beyond stand in the outer bins."""
    counts, _ = np.histogram(np.clip(values, edges[0], edges[-1]), edges)
    return counts / max(len(values), 1)


def _items(lines: Sequence[str]) -> list[str]:
    more = [f"and {len(lines) - MOST_LINES} more"] if len(lines) > MOST_LINES else []
    return [f"- {line}" for line in (*lines[:MOST_LINES], *more)]


def _table(head: Sequence[str], rows: Sequence[Sequence[str]], left: Iterable[int]) -> Iterator[str]:
    if rows:
        yield from ["", *table(head, rows[:MOST_LINES], left)]
    if len(rows) > MOST_LINES:
        yield from ["", f"And {len(rows) - MOST_LINES} more: `profile.json` has them all."]


def _code(text: object) -> str:
    return code(short(text, 60))


def _missing(column: About, about: About) -> str:
    share = column["missing"] / about["splits"]["train"]["rows"]
    return f"{share:.1%}" if column["missing"] else "-"


def _drift(value: float) -> str:
    return f"**{value:.3f}**" if value >= 0.25 else f"{value:.3f}"


def _figure(value: float | None) -> str:
    return "" if value is None else in_digits(value)


def _day(seconds: float | None) -> str:
    return "" if seconds is None else str(np.datetime64(round(seconds), "s").astype("datetime64[D]"))
