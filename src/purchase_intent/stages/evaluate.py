"""Stage `evaluate`: weights and prepared rows -> reports/metrics.json, predictions.parquet and plots."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from purchase_intent import config, models
from purchase_intent.data import arrays, profile
from purchase_intent.evaluation import curves, metrics
from purchase_intent.models.base import Floats, Problem
from stemma.files import replaced, swapped_folder, write_text

PREPARED = Path("data/prepared")
WEIGHTS = Path("models/weights")
METRICS = Path("reports/metrics.json")
PREDICTIONS = Path("reports/predictions.parquet")
PLOTS = Path("reports/plots")


def main() -> None:
    settings = config.load()
    about = profile.read(PREPARED)
    problem = Problem.of(about)
    model = models.create(settings.model, problem)
    model.load(WEIGHTS)
    threshold = settings.evaluate.threshold
    figures: dict[str, Any] = {"threshold": threshold} if about.task == "binary" else {}
    splits = {name: arrays.read(PREPARED, name) for name in ("validation", "test")}
    predictions = {name: model.predict(rows.x) for name, rows in splits.items()}
    for name, rows in splits.items():
        figures[name] = metrics.judge(about.task, rows.y, predictions[name], threshold) | bayes(about, rows)
    write_text(METRICS, json.dumps(figures, indent=2, sort_keys=True) + "\n")
    rows, predicted = splits["test"], predictions["test"]
    decided = metrics.classify(about.task, predicted, threshold) if about.classes else rows.y
    write_predictions(rows, about, predicted, decided)
    write_plots(curves.tables(about.task, about.classes, rows.y, predicted, decided, settings.evaluate.bins))


def bayes(about: profile.Profile, rows: arrays.Arrays) -> dict[str, float]:
    """The best ROC-AUC that any model could reach on these rows, where the true probability is known."""
    if about.bayes is None:
        return {}
    return {"bayes_roc_auc": float(metrics.roc_auc(rows.y, rows.frame[about.bayes].to_numpy()))}


def write_predictions(rows: arrays.Arrays, about: profile.Profile, predicted: Floats, decided: np.ndarray) -> None:
    """One row per test row: its number in the source table, what was true, what was predicted."""
    columns: dict[str, object] = {"row": rows.frame[about.row].to_numpy()}
    if about.classes:
        labels = np.asarray(about.classes, dtype=object)
        columns |= {"actual": labels[rows.y.astype(int)], "predicted": labels[decided]}
        columns |= {f"probability_{name}": predicted[:, number] for number, name in enumerate(about.classes)}
    else:
        columns |= {"actual": rows.y, "predicted": predicted[:, 0]}
    with replaced(PREDICTIONS) as partial:
        pd.DataFrame(columns).to_parquet(partial, index=False)


def write_plots(tables: dict[str, pd.DataFrame]) -> None:
    with swapped_folder(PLOTS) as folder:
        for name, table in tables.items():
            table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
