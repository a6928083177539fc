"""Why a network answers as it does: methods over a function from raw columns to answers, whatever is behind it.

    model.py           what is explained: the function, rows to compare with, what columns hold
    told.py            what a method finds, in one frozen shape: effects, reasons, curves, rules, changes
    shap.py            what each column adds to an answer, by all others' company
    linear.py          the same by a linear fit around a row (LIME's idea)
    permutation.py     how far answers move where a column's values come from other rows
    dependence.py      how answers go with one column, on the whole and row by row
    surrogate.py       the rules of a small tree that answers as the network does, and how often it does
    counterfactual.py  the least change of a row that turns its answer
    related.py         columns that go together, about which methods that move them apart say little

    model = Model(predict, background, {"Month": "string", "PageValues": "number"}, ("TRUE",), ("FALSE", "TRUE"), 0.5)
    explain("shap", model, rows).reasons[0].effects

To add one: a function of a model, rows and what is asked that returns an `Explanation`, and a line in METHODS, or an
entry point of an installed package in the group `stemma.explanations`. Columns are those of a table: a category or a
date is one column, never several.
"""

from stemma.entries import Entry, added
from stemma.errors import EntryError
from stemma.explain.model import Asked, Model, Table
from stemma.explain.told import Explanation
from stemma.text import nearest

SHAP = "shap"
METHODS = {
    SHAP: Entry("stemma.explain.shap:shap"),
    "linear": Entry("stemma.explain.linear:linear"),
    "permutation": Entry("stemma.explain.permutation:permutation"),
    "dependence": Entry("stemma.explain.dependence:dependence"),
    "surrogate": Entry("stemma.explain.surrogate:surrogate", extra="explain"),
    "counterfactual": Entry("stemma.explain.counterfactual:counterfactual"),
}

__all__ = ["METHODS", "SHAP", "Asked", "Explanation", "Model", "Table", "explain", "methods"]


def methods() -> dict[str, Entry]:
    """Every method by name, those of installed packages too."""
    return METHODS | added("explanations", {}, METHODS)


def explain(method: str, model: Model, rows: Table | None = None, asked: Asked = Asked()) -> Explanation:  # noqa: B008
    """What a method finds.

    Args:
        rows: that are explained; None: those of the background.

    Raises:
        EntryError: there is no such method.
        MissingExtra: what it needs is not installed.
    """
    known = methods()
    if method not in known:
        raise EntryError(f"no explanation is named {method!r}{nearest(method, known)}: there are {', '.join(known)}")
    model.check(asked)
    found: Explanation = known[method].load()(model, model.background if rows is None else rows, asked)
    return found
