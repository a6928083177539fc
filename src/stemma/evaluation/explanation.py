"""What each column adds to answers, on the whole: Shapley values of test rows beside training rows."""

from dataclasses import asdict, replace
from typing import Any

import pandas as pd

from stemma.evaluation.probe import Probe
from stemma.evaluation.settings import EvaluateSettings
from stemma.explain import SHAP, Asked, Model, Table, explain
from stemma.signature import TYPES, Input, Signature
from stemma.tables.arrays import Labelled
from stemma.tables.encode import feeds

ROWS = 100  # that are explained, and beside which


def of(probe: Probe, train: Labelled, settings: EvaluateSettings) -> dict[str, Any]:
    """The entry `explanation` of a record, where `evaluate.explain` asks for it."""
    if not settings.explain or not len(probe.y):
        return {}
    usual = replace(probe, frame=train.frame, y=train.y).fewer(ROWS)
    task, inputs = probe.about.task, tuple(Input(name, TYPES[role]) for name, role in probe.about.inputs)
    facts = (task.output, task.classes, task.positive, probe.chosen.threshold)
    model = Model(lambda table: probe.asked(_frame(probe, table)), _table(usual), Signature(
        task.kind, probe.about.target, inputs, *facts))  # fmt: skip
    found = explain(SHAP, model, _table(probe.fewer(ROWS)), Asked(settings.seed))
    return {"explanation": asdict(replace(found, reasons=()))}


def _table(probe: Probe) -> Table:
    """The rows as methods of explanation take them."""
    return {name: values[:, 0] for name, values in feeds(probe.frame, probe.about.inputs).items()}


def _frame(probe: Probe, table: Table) -> pd.DataFrame:
    """And as the encoder does."""
    dates = {name for name, role in probe.about.inputs if role == "date"}
    return pd.DataFrame({n: pd.to_datetime(v, unit="s") if n in dates else v for n, v in table.items()})
