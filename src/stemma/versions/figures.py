"""What a version's evaluation.json says of its figures; where it says nothing, as an older one, the table does.

    main       the figure that models are compared by
    test       name -> value, low, high, better, unit

The table is imported only then: it needs NumPy, which a log has no use for.
"""

from collections.abc import Container, Mapping
from typing import Any


def told(tree: Any, *keys: str) -> Any:
    """What lies at the end of these keys; None where there is nothing."""
    for key in keys:
        tree = tree.get(key) if isinstance(tree, Mapping) else None
    return tree


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
