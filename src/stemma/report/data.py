"""reports/data.md and its pictures: what a table holds, how it was split, and what looks wrong with it.

The same bytes for the same table: pictures are SVG whose names are drawn from a fixed salt, without a date.
"""

import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from stemma.files import swapped_folder, write_text
from stemma.tables.columns import features, splitting
from stemma.tables.hints import Hint
from stemma.tables.settings import Table
from stemma.tables.split import SPLITS
from stemma.tables.statistics import numbers, span

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PAGE = "data.md"
FOLDER = "data"  # of the pictures, beside the page
MOST_PICTURES = 24  # columns that are drawn
MOST_LINES = 200  # columns or hints with a line of their own
MOST_ROWS = 100_000  # of a split that drift and pictures are made from
LEVELS = 8  # bars of a column of texts
BINS = 24  # of a histogram, at most
DRIFT_BINS = 10  # each with as many training rows
COLOURS = {"train": "#4c78a8", "validation": "#72b7b2", "test": "#f58518"}
STYLE = {
    "svg.hashsalt": "stemma",  # what names inside the file are drawn from
    "svg.fonttype": "none",  # text stays text: a tenth of the bytes
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],  # comes with matplotlib, so that widths are the same everywhere
    "font.size": 8,
    "text.parse_math": False,  # a dollar sign in a name is a dollar sign
}
BY = {
    "group": "rows of one group stay together",
    "time": "the oldest rows to train, the newest to test",
    "partition": "as the column says",
}


def write(
    folder: Path,
    frame: pd.DataFrame,
    settings: Table,
    splits: dict[str, np.ndarray],
    about: dict[str, Any],
    hints: Sequence[Hint],
) -> None:
    """Write the page and its pictures.

    Args:
        folder: reports as a rule.
        frame: the canonical table.
        settings: the `data` section.
        splits: row positions of train, validation and test.
        about: as `statistics.make` gives it.
        hints: as `hints.find` gives them.
    """
    import matplotlib.style

    splits = {name: rows[:: -(-len(rows) // MOST_ROWS)] for name, rows in splits.items()}
    drifts = {name: drift(frame[name], splits) for name, _ in features(frame.columns, settings)}
    drawn = sorted(drifts, key=lambda name: -drifts[name])[:MOST_PICTURES]
    drawn = [name for name in drifts if name in drawn]
    with (
        matplotlib.style.context(["default", STYLE]),  # whatever a person's own matplotlibrc says
        swapped_folder(folder / FOLDER) as pictures,
        warnings.catch_warnings(action="ignore", category=UserWarning),  # letters that the font lacks
    ):
        _save(_target(frame[settings.target], about, splits), pictures / "target.svg")
        _save(_columns(frame, drawn, about, splits), pictures / "columns.svg")
    text = "\n".join(_page(frame, settings, about, hints, drifts, drawn))
    write_text(folder / PAGE, text + "\n")


def drift(values: pd.Series, splits: dict[str, np.ndarray]) -> float:
    """Population stability index between the training and the test rows; below 0.1 stable, from 0.25 large.

    PSI = sum (q - p) ln(q / p) over bins with the shares p of training and q of test (N. Siddiqi, Credit Risk
    Scorecards, 2006): tenths of the training rows, or the texts; no value is a bin too. Half a row is added to
    each bin, so that none is empty. By chance alone it is about (bins - 1) (1 / training rows + 1 / test rows).
    """
    if isinstance(values.dtype, pd.CategoricalDtype):
        bins, width = values.cat.codes.to_numpy(), len(values.cat.categories)
        counts = [np.bincount(bins[splits[name]], minlength=width) for name in ("train", "test")]
    else:
        train, test = (numbers(values.iloc[splits[name]]) for name in ("train", "test"))
        present = train[~np.isnan(train)]
        inner = np.linspace(0, 1, DRIFT_BINS + 1)[1:-1]
        edges = np.unique(np.quantile(present, inner)) if len(present) else np.array([])
        # NaN sorts last: a bin of its own.
        bins = [np.where(np.isnan(part), len(edges) + 1, np.searchsorted(edges, part)) for part in (train, test)]
        counts = [np.bincount(part, minlength=len(edges) + 2) for part in bins]
    used = (counts[0] + counts[1]) > 0
    p, q = ((count[used] + 0.5) / (count[used] + 0.5).sum() for count in counts)
    return float(np.sum((q - p) * np.log(q / p)))


def _page(
    frame: pd.DataFrame,
    settings: Table,
    about: dict[str, Any],
    hints: Sequence[Hint],
    drifts: dict[str, float],
    drawn: list[str],
) -> Iterator[str]:
    """The lines of the page."""
    task = settings.task + (f", positive: {_code(about['positive'])}" if about["positive"] is not None else "")
    yield f"# Data: {Path(settings.source).name}"
    yield ""
    yield (
        f"{about['rows']:,} rows and {len(drifts)} features of `{settings.source}`,"
        f" to predict {_code(settings.target)} ({task})."
    )
    yield from ["", "## Hints", ""]
    yield from [f"- {_escaped(hint.text)}" for hint in hints[:MOST_LINES]] or ["None."]
    if len(hints) > MOST_LINES:
        yield f"- and {len(hints) - MOST_LINES} more"
    yield from ["", "## Splits", ""]
    yield from _splits(settings, about)
    yield from ["", f"![{settings.target} in each split]({FOLDER}/target.svg)"]
    yield from ["", "## Columns", ""]
    yield (
        "Statistics are of the training rows. Drift is the population stability index between training and test rows:"
        " below 0.1 stable, from 0.25 large."
    )
    yield from _numeric(about, drifts)
    yield from _texts(about, drifts)
    yield ""
    if len(drawn) < len(drifts):
        yield f"The {len(drawn)} features with the most drift, training rows in blue and test rows in orange:"
    else:
        yield "Training rows in blue, test rows in orange:"
    yield from ["", f"![Distribution of the features]({FOLDER}/columns.svg)", ""]
    yield from _unused(frame, settings, about)


def _splits(settings: Table, about: dict[str, Any]) -> Iterator[str]:
    """How rows were split, and what each split holds."""
    by = "".join(f"By {setting} {_code(name)}: {BY[setting]}." for setting, name in splitting(settings).items())
    chance = "By chance" + ("" if settings.task == "regression" else ", every class in the same share")
    yield by or f"{chance} (seed {settings.split.seed})."
    yield ""
    classes = about["classes"][:10]
    yield _row(["split", "rows", "share", *(["mean"] if not classes else map(_code, classes))])
    yield _rule(2 + (len(classes) or 1))
    for name in SPLITS:
        part = about["splits"][name]
        if classes:
            held = [f"{part['balance'][label]:,} ({part['balance'][label] / part['rows']:.1%})" for label in classes]
        else:
            held = [_figure(part["mean"])]
        yield _row([name, f"{part['rows']:,}", f"{part['rows'] / about['rows']:.1%}", *held])
    if len(about["classes"]) > len(classes):
        yield from ["", f"The first {len(classes)} of {len(about['classes'])} classes."]


def _numeric(about: dict[str, Any], drifts: dict[str, float]) -> Iterator[str]:
    """Numbers, truth values and dates."""
    told = {name: column for name, column in about["training"].items() if "quantiles" in column}
    if told:
        yield from ["", _row(["number or date", "missing", "mean", "sd", "5 %", "50 %", "95 %", "drift"]), _rule(7)]
    for name, column in list(told.items())[:MOST_LINES]:
        of_date = column["role"] == "date"
        show = _day if of_date else _figure
        spread = "" if column["std"] is None else f"{column['std'] / 86400:.4g} days" if of_date else None
        figures = [show(column["mean"]), _figure(column["std"]) if spread is None else spread]
        figures += [show(column["quantiles"][percent]) for percent in ("5", "50", "95")]
        yield _row([_code(name), _missing(column, about), *figures, _drift(drifts[name])])
    yield from _more(told)


def _texts(about: dict[str, Any], drifts: dict[str, float]) -> Iterator[str]:
    """Texts and truth values, with the most frequent."""
    told = {name: column for name, column in about["training"].items() if "values" in column}
    if told:
        yield from ["", _row(["text or truth value", "role", "missing", "different", "most frequent", "drift"])]
        yield _row(["---", "---", "---:", "---:", "---", "---:"])
    train = about["splits"]["train"]["rows"]
    for name, column in list(told.items())[:MOST_LINES]:
        truth = {"0": "false", "1": "true"} if column["role"] == "boolean" else {}
        often = sorted(
            ((truth.get(text, text), rows) for text, rows in column["values"].items()), key=lambda one: -one[1]
        )
        shown = ", ".join(f"{_code(text)} {rows / train:.0%}" for text, rows in often[:4] if rows)
        count = sum(map(bool, column["values"].values()))
        several = f"more than {count:,}" if column.get("other") else f"{count:,}"
        yield _row([_code(name), column["role"], _missing(column, about), several, shown, _drift(drifts[name])])
    yield from _more(told)


def _unused(frame: pd.DataFrame, settings: Table, about: dict[str, Any]) -> Iterator[str]:
    """Columns that no model sees, and why."""
    reasons = {name: f"rows are split by it (`{setting}`)" for setting, name in splitting(settings).items()}
    used = {feature["name"] for feature in about["features"]}
    if about["bayes"] is not None:
        reasons[about["bayes"]] = "the true probability (`bayes`)"
    for name, role in settings.columns.items():
        if role == "drop" and name not in frame:
            reasons.setdefault(name, "its role is `drop`")
    told = [f"- {_code(name)}: {reason}" for name, reason in reasons.items() if name not in used]
    if told:
        yield from ["## Not used", "", *told[:MOST_LINES]]
        if len(told) > MOST_LINES:
            yield f"- and {len(told) - MOST_LINES} more"


def _target(target: pd.Series, about: dict[str, Any], splits: dict[str, np.ndarray]) -> "Figure":
    """The share of each class in each split, or the histogram of a regression's target."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 2.4), layout="constrained")
    axes = figure.subplots()
    if not about["classes"]:
        values = {name: target.iloc[splits[name]].to_numpy() for name in SPLITS}
        edges = _edges(values)
        for name, part in values.items():
            axes.stairs(_shares(part, edges), edges, color=COLOURS[name], label=name, linewidth=1.5)
    else:
        classes = about["classes"][:20]
        for place, name in enumerate(SPLITS):
            part = about["splits"][name]
            shares = [part["balance"][label] / part["rows"] for label in classes]
            at = np.arange(len(classes)) + (place - 1) * 0.27
            axes.bar(at, shares, 0.25, color=COLOURS[name], label=name)
        axes.set_xticks(np.arange(len(classes)), [_short(label) for label in classes])
    axes.set_ylabel("share of rows")
    axes.set_xlabel(_short(target.name, 40))
    axes.legend(frameon=False)
    _plain(axes)
    return figure


def _columns(
    frame: pd.DataFrame, names: Sequence[str], about: dict[str, Any], splits: dict[str, np.ndarray]
) -> "Figure":
    """A small picture for each column."""
    from matplotlib.figure import Figure

    across = min(4, len(names))
    down = -(-len(names) // across)
    figure = Figure(figsize=(2.4 * across, 1.7 * down), layout="constrained")
    grid = figure.subplots(down, across, squeeze=False).ravel()
    for axes, name in zip(grid, names, strict=False):
        values, role = frame[name], about["training"][name]["role"]
        parts = {split: values.iloc[splits[split]] for split in ("train", "test")}
        if role in ("categorical", "boolean"):
            _bars(axes, parts, role)
        else:
            _histogram(axes, parts, role)
        axes.set_title(_short(name, 28), fontsize=8, loc="left")
        axes.set_yticks([])
        _plain(axes)
        axes.spines["left"].set_visible(False)
    for axes in grid[len(names) :]:
        axes.set_visible(False)
    return figure


def _bars(axes: "Axes", parts: dict[str, pd.Series], role: str) -> None:
    """The most frequent texts of the training rows, and all others together."""
    shares = {}
    for name, values in parts.items():
        counts = values.value_counts(sort=False, dropna=True)
        shares[name] = counts[counts.index != ""] / max(len(values), 1)
    order = shares["train"].sort_values(ascending=False, kind="stable").index[:LEVELS]
    labels = [_short(value) if role == "categorical" else str(bool(value)).lower() for value in order]
    rest = any(share.sum() - share.reindex(order, fill_value=0).sum() > 1e-9 for share in shares.values())
    for shift, (name, share) in zip((-0.2, 0.2), shares.items(), strict=True):
        heights = [*share.reindex(order, fill_value=0)]
        heights += [share.sum() - sum(heights)] * rest
        axes.bar(np.arange(len(heights)) + shift, heights, 0.4, color=COLOURS[name])
    labels += ["others"] * rest
    turn = 45 if sum(map(len, labels)) > 18 else 0
    anchor = {"rotation_mode": "anchor", "ha": "right"} if turn else {}
    axes.set_xticks(np.arange(len(labels)), labels, fontsize=6, rotation=turn, **anchor)


def _histogram(axes: "Axes", parts: dict[str, pd.Series], role: str) -> None:
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
        for label, side in zip(axes.get_xticklabels(), ("left", "right"), strict=True):
            label.set_horizontalalignment(side)
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


def _plain(axes: "Axes") -> None:
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)


def _save(figure: "Figure", path: Path) -> None:
    """SVG without a date."""
    figure.savefig(path, format="svg", metadata={"Date": None, "Creator": None})


def _more(told: dict[str, Any]) -> Iterable[str]:
    more = len(told) - MOST_LINES
    return ["", f"And {more} more: `profile.json` has them all."] if more > 0 else []


def _row(cells: Iterable[str]) -> str:
    return "| " + " | ".join(cells) + " |"


def _rule(right: int) -> str:
    """Under the head of a table: the first column to the left, the others to the right."""
    return _row(["---", *["---:"] * right])


def _code(text: object) -> str:
    """As code, on one line, whatever it holds."""
    flat = " ".join(_short(str(text), 60).split()).replace("|", "\\|").replace("`", "'")
    return f"`{flat}`"


def _escaped(text: str) -> str:
    """Nothing of it is markup."""
    flat = " ".join(text.split())
    return "".join("\\" + letter if letter in "\\*_<>[]|#~" else letter for letter in flat)


def _missing(column: dict[str, Any], about: dict[str, Any]) -> str:
    share = column["missing"] / about["splits"]["train"]["rows"]
    return f"{share:.1%}" if column["missing"] else "-"


def _drift(value: float) -> str:
    return f"**{value:.3f}**" if value >= 0.25 else f"{value:.3f}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:,.4g}"


def _day(seconds: float | None) -> str:
    return "" if seconds is None else str(np.datetime64(round(seconds), "s").astype("datetime64[D]"))


def _short(text: object, most: int = 12) -> str:
    text = "".join(letter if letter.isprintable() else " " for letter in str(text))
    return text if len(text) <= most else text[: most - 1] + "…"
