"""The pictures of the report, as SVG: the same bytes for the same figures.

A file of its own is a light picture. In a page, `document` turns each of COLOURS into a CSS variable, so that it suits
light and dark pages.
"""

import io
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stemma.evaluation.baselines import CONSTANT, NETWORK, title
from stemma.metrics import label
from stemma.report import curves
from stemma.task import Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]
COLOURS = {"ink": "#1f2328", "muted": "#6e7781", "grid": "#d8dee4", "paper": "#ffffff", "model": "#1f6feb",
           "second": "#bc4c00", "third": "#1a7f37", "fourth": "#8250df"}  # fmt: skip
STYLE = {
    "svg.hashsalt": "stemma", "svg.fonttype": "none", "font.family": "DejaVu Sans", "font.size": 9.0,
    "text.color": COLOURS["ink"], "axes.labelcolor": COLOURS["ink"], "axes.edgecolor": COLOURS["muted"],
    "xtick.color": COLOURS["muted"], "ytick.color": COLOURS["muted"], "axes.grid": True, "axes.axisbelow": True,
    "grid.color": COLOURS["grid"], "grid.linewidth": 0.7, "axes.spines.top": False, "axes.spines.right": False,
    "legend.frameon": False, "legend.fontsize": 8.0, "lines.linewidth": 1.8, "path.simplify": True,
}  # fmt: skip
SQUARE, WIDTH = (4.2, 3.6), 8.6
POINTS = 2000  # of a scatter plot
OF_BASELINES = ("muted", "second", "third")


def draw_all(
    task: Task, told: Mapping[str, Any], y: Array, predictions: Array, points: Mapping[str, Mapping[str, pd.DataFrame]]
) -> dict[str, str]:
    """Every picture that the report of a task shows, by name.

    Args:
        told: what evaluation.json holds.
        y, predictions: of the test rows: class numbers or values (rows,), and probabilities or values (rows, outputs).
        points: from `curves`, by model, the network's first.
    """
    made = {"comparison": comparison(_bars(told), label(told["main"]), _best(told))}
    if not task.classes:
        kept = np.unique(np.linspace(0, len(y) - 1, min(len(y), POINTS)).astype(np.int64))
        made["residuals"] = residuals(y[kept], predictions[kept, 0])
        return made | {"errors": errors(y, predictions[:, 0])}
    positive, probability = curves.yes_or_no(task, y, predictions)
    made["roc"] = roc({name: each["roc"] for name, each in _named(points)})
    made["precision_recall"] = precision_recall(
        {name: each["precision_recall"] for name, each in _named(points)}, float(np.mean(positive))
    )
    made["calibration"] = calibration(points[NETWORK]["calibration"], probability)
    if task.positive is not None:
        threshold = told["decision"]["threshold"]
        made["separation"] = separation(positive == 1, probability, (task.classes[0], task.classes[1]), threshold)
    return made


def _named(points: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return [(title(name), each) for name, each in points.items()]


def _bars(told: Mapping[str, Any]) -> dict[str, tuple[float, float, float]]:
    """The main figure of each model that learns with its interval, where it is defined."""
    main = told["main"]
    entries = {NETWORK: told["test"][main]}
    shown = {name: entry for name, entry in told["baselines"].items() if name not in CONSTANT}
    entries |= {title(name): entry["test"][main] for name, entry in shown.items()}
    return {
        name: (e["value"], e["value"] if e["low"] is None else e["low"], e["value"] if e["high"] is None else e["high"])
        for name, e in entries.items()
        if e["value"] is not None
    }


def _best(told: Mapping[str, Any]) -> float | None:
    return None if told["best_possible"] is None else told["best_possible"]["test"]


def draw(paint: Callable[["Axes"], None], size: tuple[float, float] = SQUARE) -> str:
    """One picture as SVG text, without a date."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(STYLE):
        figure = Figure(size, layout="constrained")
        paint(figure.subplots())
        made = io.StringIO()
        figure.savefig(made, format="svg", transparent=True, metadata={"Date": None, "Creator": None})
    return made.getvalue()


def roc(curves: Mapping[str, pd.DataFrame]) -> str:
    """ROC curves by name, the model's first."""

    def paint(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], color=COLOURS["grid"], linewidth=1.0, linestyle="--")
        _lines(axes, curves, "false_positive_rate", "true_positive_rate")
        axes.set(xlabel="false positive rate", ylabel="true positive rate (recall)", xlim=(0, 1), ylim=(0, 1.01))
        axes.legend(loc="lower right")

    return draw(paint)


def precision_recall(curves: Mapping[str, pd.DataFrame], share: float) -> str:
    """Precision at each recall; `share` of positive rows is what deciding by chance reaches."""

    def paint(axes: "Axes") -> None:
        axes.axhline(share, color=COLOURS["grid"], linewidth=1.0, linestyle="--")
        _lines(axes, curves, "recall", "precision")
        axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))
        axes.legend(loc="lower left" if share < 0.4 else "lower right")

    return draw(paint)


def calibration(points: pd.DataFrame, probability: Array) -> str:
    """Observed share against predicted probability, above how many rows have it."""

    def paint(axes: "Axes") -> None:
        axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linewidth=1.0, linestyle="--", label="perfect")
        counts, edges = np.histogram(probability, 20, (0, 1))
        axes.stairs(0.25 * counts / counts.max(), edges, fill=True, color=COLOURS["grid"], label="rows, no scale")
        axes.plot(
            points["predicted"], points["observed"], color=COLOURS["model"], marker="o", markersize=4, label="model"
        )
        axes.set(xlabel="predicted probability", ylabel="observed share", xlim=(0, 1), ylim=(0, 1.01))
        axes.legend(loc="upper left")

    return draw(paint)


def separation(positive: NDArray[np.bool_], probability: Array, names: tuple[str, str], threshold: float) -> str:
    """How the probabilities of the two classes spread, each class by itself."""

    def paint(axes: "Axes") -> None:
        edges = np.linspace(0, 1, 31)
        for rows, name, colour in ((~positive, names[0], "second"), (positive, names[1], "model")):
            counts, _ = np.histogram(probability[rows], edges)
            axes.stairs(counts / max(1, rows.sum()), edges, fill=True, alpha=0.45, color=COLOURS[colour], label=name)
        axes.axvline(threshold, color=COLOURS["ink"], linewidth=1.0, linestyle=":", label="threshold")
        axes.set(xlabel=f"predicted probability of {_plain(names[1])}", ylabel="share of the class", xlim=(0, 1))
        axes.legend(loc="upper center")

    return draw(paint)


def residuals(y: Array, values: Array) -> str:
    """What was true against what was predicted."""

    def paint(axes: "Axes") -> None:
        ends = [float(min(y.min(), values.min())), float(max(y.max(), values.max()))]
        axes.plot(ends, ends, color=COLOURS["muted"], linewidth=1.0, linestyle="--")
        axes.scatter(values, y, s=9, color=COLOURS["model"], alpha=0.5, linewidths=0)
        axes.set(xlabel="predicted", ylabel="actual")

    return draw(paint)


def errors(y: Array, values: Array) -> str:
    """How errors spread; the outer 1 % stands in the outer bins."""

    def paint(axes: "Axes") -> None:
        error = values - y
        low, high = np.quantile(error, [0.005, 0.995])
        edges = np.histogram_bin_edges([low, high] if high > low else [low - 1, low + 1], 30)
        counts, _ = np.histogram(np.clip(error, edges[0], edges[-1]), edges)
        axes.stairs(counts, edges, fill=True, color=COLOURS["model"], alpha=0.6)
        axes.axvline(0, color=COLOURS["ink"], linewidth=1.0, linestyle=":")
        axes.set(xlabel="predicted - actual", ylabel="rows")

    return draw(paint)


def comparison(bars: Mapping[str, tuple[float, float, float]], metric: str, best: float | None) -> str:
    """One figure of several models with its interval: name -> (figure, low, high); the model's first."""

    def paint(axes: "Axes") -> None:
        for place, (figure, low, high) in enumerate(reversed(list(bars.values()))):
            colour = COLOURS["model" if place == len(bars) - 1 else "muted"]
            axes.plot([low, high], [place, place], color=colour, linewidth=3, alpha=0.45, solid_capstyle="round")
            axes.plot([figure], [place], color=colour, marker="o", markersize=7)
            label = f"{figure:.4g}"
            axes.annotate(label, (figure, place), (0, 8), textcoords="offset points", ha="center", fontsize=8, zorder=9)
        if best is not None:
            axes.axvline(best, color=COLOURS["third"], linewidth=1.2, linestyle="--", label="best possible")
            axes.legend(loc="lower left")
        axes.set_yticks(range(len(bars)), [_plain(name) for name in reversed(bars)])
        axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])
        axes.set(xlabel=metric, ylim=(-0.5, len(bars) - 0.3))
        axes.margins(x=0.08)
        axes.grid(visible=False, axis="y")
        axes.spines["left"].set_visible(False)

    return draw(paint, (WIDTH, 0.9 + 0.42 * len(bars)))


def _lines(axes: "Axes", curves: Mapping[str, pd.DataFrame], x: str, y: str) -> None:
    for place, (name, points) in enumerate(curves.items()):
        if place == 0:
            axes.plot(points[x], points[y], color=COLOURS["model"], label=_plain(name), zorder=5)
        else:
            colour = COLOURS[OF_BASELINES[(place - 1) % 3]]
            axes.plot(points[x], points[y], color=colour, label=_plain(name), linewidth=1.1)


def _plain(text: str) -> str:
    """matplotlib reads formulas between two dollar signs."""
    return text.replace("$", r"\$")
