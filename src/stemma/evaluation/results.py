"""The files of figures: metrics.json, evaluation.json, decision.json. Where an older evaluation.json says nothing of a
figure, the table of figures does.

    main       the figure that models are compared by
    test       name -> value, low, high, better, unit

The table is imported only then: it needs NumPy, which a log has no use for.
"""

import math
from collections.abc import Container, Mapping
from pathlib import Path
from typing import Any

from stemma import layout
from stemma.files import read_json, write_json

FORMAT = 1  # of evaluation.json


def write(folder: Path, told: Mapping[str, Any]) -> None:
    """evaluation.json; of it decision.json, and metrics.json, which leaves out what is not defined."""
    write_json(folder / layout.METRICS.name, _flat(told))
    write_json(folder / layout.EVALUATION.name, told)
    write_json(folder / layout.DECISION.name, told["decision"])


def read(file: Path) -> dict[str, Any]:
    """One of those three."""
    found: dict[str, Any] = read_json(file)
    return found


def _flat(told: Mapping[str, Any]) -> dict[str, Any]:
    found = {"validation": told["validation"], "test": {name: each["value"] for name, each in told["test"].items()}}
    flat: dict[str, Any] = {
        split: {name: value for name, value in figures.items() if value is not None} for split, figures in found.items()
    }
    for split, best in (told["best_possible"] or {}).items():
        flat[split]["bayes_roc_auc"] = best
    if told["positive"] is not None:
        flat["threshold"] = told["decision"]["threshold"]
    if "classes" in told:
        flat["temperature"] = told["decision"]["temperature"]
    return flat


def figures(metrics: Any, prefix: str = "") -> dict[str, float]:
    """What metrics.json holds by dotted name: test.roc_auc, and threshold and temperature without a dot. What is no
    number is left out."""
    if isinstance(metrics, dict):
        parts = (figures(item, f"{prefix}.{key}") for key, item in metrics.items())
        return {name: value for part in parts for name, value in part.items()}
    number = isinstance(metrics, int | float) and not isinstance(metrics, bool)
    return {prefix.removeprefix("."): float(metrics)} if number and prefix else {}


def told(tree: Any, *keys: str) -> Any:
    """What lies at the end of these keys; None where there is nothing."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


def interval(evaluation: Any, key: str) -> tuple[float, float] | None:
    """The ends of a figure's interval, by its dotted name, such as test.roc_auc; None where there is none."""
    low, high = (told(evaluation, *key.split("."), end) for end in ("low", "high"))
    usable = all(isinstance(end, (int, float)) and math.isfinite(end) for end in (low, high))
    return (float(low), float(high)) if usable else None


def rate(name: str, gap: Mapping[str, Any]) -> str:
    """What people read of a rate of groups: of several classes with that of the gap."""
    return name.replace("_", " ") + (f" of {gap['class']}" if "class" in gap else "")


def main_figure(evaluation: Any, names: Container[str]) -> str | None:
    """The main figure, if it was measured; without a record the first that is one of some task."""
    main = told(evaluation, "main")
    if isinstance(main, str) and main in names:
        return main
    from stemma.task import KINDS

    return next((task.shown[0] for task in KINDS.values() if task.shown[0] in names), None)


def higher_is_better(evaluation: Any, name: str) -> bool:
    """Which way a figure is better; `test.` and the like before its name are left out."""
    better = told(evaluation, "test", name.rpartition(".")[2], "better")
    if better not in ("higher", "lower"):
        from stemma import metrics

        better = metrics.better(name)
    return bool(better == "higher")
