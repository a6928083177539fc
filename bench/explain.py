"""What explanations cost, and how near they are to exact ones, beside plain `shap`.

python bench/explain.py              all tables, into bench/README.md; it needs `dvc pull` or `dvc repro`
python bench/explain.py exact        one of them: shap, exact

Explained are test rows of the project, beside the rows that its bundle holds.
"""

import itertools
import os
import time
from collections.abc import Callable
from dataclasses import replace
from math import factorial
from typing import Any

import numpy as np
import pandas as pd
from shap import explainers, maskers

import page
from page import Table
from pipeline import ROOT
from stemma import layout
from stemma.bundle import Rows, open_bundle
from stemma.bundle.explain import flat, model_of
from stemma.bundle.rows import batches
from stemma.explain import METHODS, Explanation, Model, explain, length, taken

ROWS, FEW, COLUMNS = 200, 10, 10  # explained; compared with exact values; free in these
USUAL = 500  # evaluations of shap
Answers = Callable[[Any], Any]


def shap() -> Table:
    """200 test rows and one, all columns, beside the background of the bundle; shap asks the same function, and that of
    the framework, with one pair of orders (the least that it takes) and with its usual number, for ten rows, and that
    times 20. Seconds of processor; both sides use one thread."""
    model, rows = project()
    usual = f"{length(model.background)} rows of background, {len(model.kinds)} columns"
    ours, few = timed(lambda: explain("shap", model, rows)), taken(rows, slice(FEW))
    lines = [[f"SHAP of {ROWS} rows, {usual}", f"{ours:.1f} s", "", "<= 20 s"]]
    for name, answers in (("the bundle", of_bundle(model)), ("the framework's network", of_framework())):
        by_shap(model, answers, few, USUAL)  # which compiles at first
        for told, evaluations in (("one pair of orders", 2 * len(model.kinds) + 1), ("as it comes", USUAL)):
            plain = timed(lambda a=answers, e=evaluations: by_shap(model, a, few, e)) * ROWS / FEW
            lines.append([f"the same by shap, {name}, {told}", f"{ours:.1f} s", f"{plain:.1f} s", ""])
    one = taken(rows, slice(1))
    for method in METHODS:
        lines.append([f"one row, {method}", f"{timed(lambda m=method: explain(m, model, one)):.3f} s", "", "< 0.5 s"])
    return ["what", "here", "shap", "goal"], lines


def exact() -> Table:
    """Differences to Shapley values by all sets of columns, 10 rows, where 10 columns of the bundle's network are free
    and the others stand as in the first row; how far sums are off; and what standard error was told."""
    whole, rows = project()
    names = [*whole.kinds][-COLUMNS:]
    model, rows = narrowed(whole, taken(rows, slice(1)), names), {name: rows[name][:FEW] for name in names}
    true = np.array([by_all_sets(model, taken(rows, [place])) for place in range(FEW)])
    ours = explain("shap", model, rows)
    told = max(each.error for one in ours.reasons for each in one.effects)
    lines = [["here", *against(true, effects(ours)), f"{max(abs(one.gap) for one in ours.reasons):.1e}", f"{told:.4f}"]]
    for what, evaluations in (("shap, one pair of orders", 2 * COLUMNS + 1), ("shap, as it comes", USUAL)):
        found, base = by_shap(model, of_bundle(model), rows, evaluations)
        gap = np.abs(base + found.sum(axis=1) - of_bundle(model)(rows)).max()
        lines.append([what, *against(true, found), f"{gap:.1e}", ""])
    return ["what", "largest difference", "mean difference", "gap of sums", "largest error told"], lines


def project() -> tuple[Model, dict[str, Any]]:
    """What the bundle in models/package answers, and test rows."""
    bundle = open_bundle(ROOT / layout.PACKAGE, trusted=True)
    arrays = next(batches(Rows(ROOT / layout.rows("test")), bundle.signature))[1]
    model = model_of(bundle)
    return replace(model, background=model.ordered(model.background)), taken(model.ordered(flat(arrays)), slice(ROWS))


def narrowed(model: Model, row: Any, names: list[str]) -> Model:
    """The network of some columns, where the others are those of a row."""
    fixed = {name: values for name, values in row.items() if name not in names}
    known = replace(model.known, inputs=tuple(each for each in model.known.inputs if each.name in names))

    def predict(table: Any) -> Any:
        return model.predict({**{name: np.repeat(values, length(table)) for name, values in fixed.items()}, **table})

    return Model(predict, {name: model.background[name] for name in names}, known)


def of_bundle(model: Model) -> Answers:
    return lambda table: model.predict(table)[:, 1]


def of_framework() -> Answers:
    """The network before it is exported, behind the encoder."""
    from purchase_intent.networks import NETWORKS
    from purchase_intent.settings import load
    from stemma.tables import profile
    from stemma.tables.encode import FILE, Encoder
    from stemma.training import networks
    from stemma.training.base import Problem

    about = profile.read(layout.PREPARED)
    network = networks.create(NETWORKS, load().model, Problem.of(about))
    network.load(layout.WEIGHTS)
    encoder = Encoder(layout.PREPARED / FILE)
    return lambda table: about.task.predictions(network.scores(encoder.encode(pd.DataFrame(table))))[:, 1]


def by_shap(model: Model, answers: Answers, rows: Any, evaluations: int) -> tuple[Any, Any]:
    """Its masker takes numbers alone: categories are coded."""
    names, levels = [*model.background], {}
    coded = []
    for name in names:
        values = np.concatenate([model.background[name], rows[name]])
        if values.dtype.kind == "O":
            levels[name], values = np.unique(values, return_inverse=True)
        coded.append(values.astype(np.float64))
    table, count = np.column_stack(coded), length(model.background)

    def decoded(numbers: Any) -> Any:
        columns = dict(zip(names, numbers.T, strict=True))
        return answers({n: levels[n][v.astype(int)] if n in levels else v.astype(model.background[n].dtype)
                        for n, v in columns.items()})  # fmt: skip

    masker = maskers.Independent(table[:count], max_samples=count)
    found = explainers.Permutation(decoded, masker, seed=0)(table[count:], max_evals=evaluations, silent=True)
    return found.values, found.base_values


def by_all_sets(model: Model, row: Any) -> list[float]:
    names, count, value = [*row], length(model.background), {}
    for own in itertools.chain.from_iterable(itertools.combinations(names, size) for size in range(len(names) + 1)):
        rows = {n: np.repeat(row[n], count) if n in own else model.background[n] for n in names}
        value[frozenset(own)] = float(model.predict(rows)[:, 1].mean(dtype=np.float64))
    weights = [factorial(size) * factorial(len(names) - 1 - size) / factorial(len(names)) for size in range(len(names))]
    return [
        sum(weights[len(own)] * (value[own | {name}] - before) for own, before in value.items() if name not in own)
        for name in names
    ]


def effects(found: Explanation) -> Any:
    return np.array([[each.effect for each in one.effects] for one in found.reasons])


def against(true: Any, found: Any) -> tuple[str, str]:
    apart = np.abs(true - found)
    return f"{apart.max():.4f}", f"{apart.mean():.5f}"


def timed(action: Callable[[], Any]) -> float:
    """Seconds of processor."""
    start = time.process_time()
    action()
    return time.process_time() - start


if __name__ == "__main__":
    os.chdir(ROOT)
    page.main({"shap": shap, "exact": exact})
