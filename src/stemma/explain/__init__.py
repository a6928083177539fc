"""Why a network answers as it does: methods over a function from raw columns to answers, whatever is behind it.

    model.py           what is explained: the function, rows to compare with, what goes in and comes out
    told.py            what a method finds, in one frozen shape: effects, reasons, curves, rules, turned answers
    reasons.py         what methods find row by row, told in one way
    shap.py            what each column adds to an answer, in the company of all others
    linear.py          the same by a linear fit around a row (LIME's idea)
    permutation.py     how far answers move where a column's values come from other rows
    dependence.py      how answers go with one column, on the whole and row by row
    surrogate.py       the rules of a small tree that answers as the network does, and how often it does
    counterfactual.py  the least change of a row that turns its answer
    related.py         columns that go together: moved apart, they make rows that do not occur

    explain("shap", Model(bundle.run, rows_of_training, bundle.signature), rows).reasons[0].effects

To add one: a function of a model, rows and what is asked that returns an `Explanation`, and a line in METHODS, or an
entry point of an installed package in the group `stemma.explanations`. Columns are those of a table: a category or a
date is one column, never several.
"""

from dataclasses import replace
from typing import Any

from stemma.entries import Entry, added
from stemma.errors import DataError, EntryError
from stemma.explain.model import Asked, Model, Table, length, taken
from stemma.explain.related import related
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
ASKED = Asked()

__all__ = ["ASKED", "METHODS", "SHAP", "Asked", "Explanation", "Model", "Table", "explain", "length", "method", "taken"]


def method(name: str) -> Entry:
    """A method, of an installed package too; an EntryError where there is none of this name."""
    known = METHODS | added("explanations", {}, METHODS)
    if name not in known:
        raise EntryError(f"no explanation is named {name!r}{nearest(name, known)}: there are {', '.join(known)}")
    return known[name]


def explain(name: str, model: Model, rows: Table | None = None, asked: Asked = ASKED) -> Explanation:
    """What a method finds.

    Args:
        rows: that are explained; None: those of the background.

    Raises:
        StemmaError: there is no such method, column or class, no row, or what it needs is not installed.
    """
    model.check(asked)
    model = replace(model, background=model.ordered(model.background))
    rows = model.background if rows is None else model.ordered(rows)
    if not length(rows):
        raise DataError("there are no rows to explain")
    found: Explanation = method(name).load()(model, rows, asked)
    facts: dict[str, Any] = {"method": name, "rows": length(rows), "background": length(model.background)}
    return replace(found, seed=asked.seed, related=related(model.background), **facts)
