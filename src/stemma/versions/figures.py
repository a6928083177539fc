"""What a version's evaluation.json says of its figures; where it says nothing, as an older one, the table does.

    main       the figure that models are compared by
    test       name -> value, low, high, better, unit

The table is imported only then: it needs NumPy, which a log has no use for.
"""

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from stemma.metrics import Better


def main_figure(evaluation: Any, names: Iterable[str]) -> str | None:
    """The main figure, if it was measured; without a record the first that is one of some task."""
    known = set(names)
    told = evaluation.get("main") if isinstance(evaluation, Mapping) else None
    if isinstance(told, str) and told in known:
        return told
    from stemma.task import KINDS

    return next((task.shown[0] for task in KINDS.values() if task.shown[0] in known), None)


def direction(evaluation: Any, name: str) -> "Better":
    """Which way a figure is better; `test.` and the like before its name are left out."""
    test = evaluation.get("test") if isinstance(evaluation, Mapping) else None
    entry = test.get(name.rpartition(".")[2]) if isinstance(test, Mapping) else None
    told = entry.get("better") if isinstance(entry, Mapping) else None
    if told == "higher":
        return "higher"
    if told == "lower":
        return "lower"
    from stemma.metrics import better

    return better(name)
