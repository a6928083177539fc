"""The pictures of an evaluation: each function below paints one."""

from collections.abc import Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stemma import text
from stemma.evaluation.baselines import CONSTANT, NETWORK, title
from stemma.metrics import label
from stemma.report import curves
from stemma.report.pictures import COLOURS, LETTER, WIDTH, Margins, bars, draw
from stemma.task import Task
from stemma.thin import evenly

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Array = NDArray[Any]
Bars = Mapping[str, tuple[float, float, float]]  # name -> figure and its interval; the network's first
POINTS = 2000  # of a scatter plot
MOST_COLUMNS = 20
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
    models = _models(told)
    size, margins = (WIDTH, 0.9 + 0.42 * len(models)), Margins(left=0.2 + LETTER * max(map(len, models), default=0))
    compare = partial(comparison, models=models, metric=label(told["main"]), best=_best(told))
    made = {"comparison": draw(compare, size=size, margins=margins)}
    if told.get("importance"):
        made["importance"] = _importance(told)
    paints = _of_classes(task, told, y, predictions, points) if task.classes else _of_values(y, predictions[:, 0])
    return made | {name: draw(paint) for name, paint in paints.items()}


def _importance(told: Mapping[str, Any]) -> str:
    most = sorted(told["importance"]["columns"].items(), key=lambda item: -item[1])[:MOST_COLUMNS]
    return bars(most, f"how much worse {label(told['main'])} is")


def _of_values(y: Array, values: Array) -> dict[str, partial[None]]:
    kept = evenly(len(y), POINTS)
    return {
        "residuals": partial(residuals, y=y[kept], values=values[kept]),
        "errors": partial(errors, error=values - y),
    }


def _of_classes(
    task: Task, told: Mapping[str, Any], y: Array, predictions: Array, points: Mapping[str, Mapping[str, pd.DataFrame]]
) -> dict[str, partial[None]]:
    positive, probability = curves.yes_or_no(task, y, predictions)
    named = {title(name): each for name, each in points.items()}
    made = {
        "roc": partial(roc, curves={name: each["roc"] for name, each in named.items()}),
        "precision_recall": partial(
            precision_recall,
            curves={name: each["precision_recall"] for name, each in named.items()},
            share=float(np.mean(positive)),
        ),
        "calibration": partial(calibration, points=points[NETWORK]["calibration"], probability=probability),
    }
    if task.positive is None:
        return made
    spread = {name: probability[positive == number] for number, name in enumerate(task.classes)}
    return made | {"separation": partial(separation, spread=spread, threshold=told["decision"]["threshold"])}


def _models(told: Mapping[str, Any]) -> Bars:
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
    """Where it is known, and of the main figure."""
    return told["best_possible"]["test"] if told["best_possible"] and told["main"] == "roc_auc" else None


def roc(axes: "Axes", curves: Mapping[str, pd.DataFrame]) -> None:
    """ROC curves by name, the model's first."""
    axes.plot([0, 1], [0, 1], color=COLOURS["grid"], linewidth=1.0, linestyle="--")
    _lines(axes, curves, "false_positive_rate", "true_positive_rate")
    axes.set(xlabel="false positive rate", ylabel="true positive rate (recall)", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="lower right")


def precision_recall(axes: "Axes", curves: Mapping[str, pd.DataFrame], share: float) -> None:
    """Precision at each recall; `share` of positive rows is what deciding by chance reaches."""
    axes.axhline(share, color=COLOURS["grid"], linewidth=1.0, linestyle="--")
    _lines(axes, curves, "recall", "precision")
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="lower left" if share < 0.4 else "lower right")


def calibration(axes: "Axes", points: pd.DataFrame, probability: Array) -> None:
    """Observed share against predicted probability, above how many rows have it."""
    axes.plot([0, 1], [0, 1], color=COLOURS["muted"], linewidth=1.0, linestyle="--", label="perfect")
    counts, edges = np.histogram(probability, 20, (0, 1))
    axes.stairs(0.25 * counts / counts.max(), edges, fill=True, color=COLOURS["grid"], label="rows, no scale")
    axes.plot(points["predicted"], points["observed"], color=COLOURS["model"], marker="o", markersize=4, label="model")
    axes.set(xlabel="predicted probability", ylabel="observed share", xlim=(0, 1), ylim=(0, 1.01))
    axes.legend(loc="upper left")


def separation(axes: "Axes", spread: Mapping[str, Array], threshold: float) -> None:
    """How the probabilities of the two classes spread, each class by itself; the positive one is the last."""
    edges = np.linspace(0, 1, 31)
    for (name, probability), colour in zip(spread.items(), ("second", "model"), strict=True):
        counts, _ = np.histogram(probability, edges)
        shares = counts / max(1, len(probability))
        axes.stairs(shares, edges, fill=True, alpha=0.45, color=COLOURS[colour], label=name)
    axes.axvline(threshold, color=COLOURS["ink"], linewidth=1.0, linestyle=":", label="threshold")
    axes.set(xlabel=f"predicted probability of {name}", ylabel="share of the class", xlim=(0, 1))
    axes.legend(loc="upper center")


def residuals(axes: "Axes", y: Array, values: Array) -> None:
    """What was true against what was predicted."""
    ends = [float(min(y.min(), values.min())), float(max(y.max(), values.max()))]
    axes.plot(ends, ends, color=COLOURS["muted"], linewidth=1.0, linestyle="--")
    axes.scatter(values, y, s=9, color=COLOURS["model"], alpha=0.5, linewidths=0)
    axes.set(xlabel="predicted", ylabel="actual")
    axes.locator_params(nbins=4)  # numbers of six digits stand side by side


def errors(axes: "Axes", error: Array) -> None:
    """How errors spread; the outer 1 % stands in the outer bins."""
    low, high = np.quantile(error, [0.005, 0.995])
    edges = np.histogram_bin_edges([low, high] if high > low else [low - 1, low + 1], 30)
    counts, _ = np.histogram(np.clip(error, edges[0], edges[-1]), edges)
    axes.stairs(counts, edges, fill=True, color=COLOURS["model"], alpha=0.6)
    axes.axvline(0, color=COLOURS["ink"], linewidth=1.0, linestyle=":")
    axes.set(xlabel="predicted - actual", ylabel="rows")
    axes.locator_params(axis="x", nbins=4)


def comparison(axes: "Axes", models: Bars, metric: str, best: float | None) -> None:
    """One figure of several models with its interval."""
    for place, (figure, low, high) in enumerate(reversed(list(models.values()))):
        colour = COLOURS["model" if place == len(models) - 1 else "muted"]
        axes.plot([low, high], [place, place], color=colour, linewidth=3, alpha=0.45, solid_capstyle="round")
        axes.plot([figure], [place], color=colour, marker="o", markersize=7)
        style: Mapping[str, Any] = {"textcoords": "offset points", "ha": "center", "fontsize": 8, "zorder": 9}
        axes.annotate(text.figure(figure), (figure, place), (0, 8), **style)
    if best is not None:
        axes.axvline(best, color=COLOURS["third"], linewidth=1.2, linestyle="--", label="best possible")
        axes.legend(loc="lower left", bbox_to_anchor=(0, 0), bbox_transform=axes.figure.transFigure)  # below all bars
    axes.set_yticks(range(len(models)), [*models][::-1])
    axes.tick_params(axis="y", length=0, labelcolor=COLOURS["ink"])
    axes.set(xlabel=metric, ylim=(-0.5, len(models) - 0.3))
    axes.margins(x=0.08)
    axes.grid(visible=False, axis="y")
    axes.spines["left"].set_visible(False)


def learning(axes: "Axes", losses: Mapping[str, Array], kept: int) -> None:
    """The loss after each epoch, of each split; the epoch whose weights were kept."""
    for (name, values), colour in zip(losses.items(), ("muted", "model"), strict=False):
        axes.plot(range(1, len(values) + 1), values, color=COLOURS[colour], label=name)
    axes.axvline(kept, color=COLOURS["ink"], linewidth=1.0, linestyle=":", label="kept")
    axes.set(xlabel="epoch", ylabel="loss")
    axes.locator_params(axis="x", integer=True)
    axes.legend(loc="upper right")


def _lines(axes: "Axes", curves: Mapping[str, pd.DataFrame], x: str, y: str) -> None:
    for place, (name, points) in enumerate(curves.items()):
        if place == 0:
            axes.plot(points[x], points[y], color=COLOURS["model"], label=name, zorder=5)
        else:
            axes.plot(points[x], points[y], color=COLOURS[OF_BASELINES[(place - 1) % 3]], label=name, linewidth=1.1)
