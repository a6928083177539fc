"""Stage `evaluate`: the network's graph and prepared rows -> figures, decision, predictions, plots, report in reports/.

metrics.json          the figures that `dvc metrics` shows
evaluation.json       all there is to know: intervals, baselines, classes, slices, folds, quality gate
decision.json         the threshold and the temperature, for export and package
predictions.parquet   every test row
plots/                points (CSV) for `dvc plots`
report.md, .html      evaluation.json for people; pictures/ (SVG) are those of report.md
"""

import hashlib
from typing import Any

from purchase_intent.extensions.baselines import BASELINES
from purchase_intent.extensions.metrics import METRICS
from purchase_intent.extensions.trackers import TRACKERS
from purchase_intent.extensions.training import LINES
from purchase_intent.networks import NETWORKS
from purchase_intent.settings import load
from stemma import layout
from stemma.evaluation import (
    assessment,
    check,
    decision,
    explanation,
    folds,
    gate,
    importance,
    predictions,
    probe,
    record,
    results,
    robustness,
)
from stemma.evaluation.settings import EvaluateSettings
from stemma.metrics import added_to
from stemma.report import document, plots
from stemma.report import evaluation as report
from stemma.tables import arrays, profile
from stemma.trackers.run import judged
from stemma.training import record as fits
from stemma.training.exported import scorer


def main() -> None:
    settings = load()
    about = profile.read(layout.PREPARED)
    splits = {name: arrays.read(layout.PREPARED, name) for name in ("validation", "test")}
    own = added_to(METRICS)
    check.slices(settings.evaluate.slices, splits["test"].frame, about.row)
    score = scorer(layout.NETWORK.read_bytes())
    scores = {name: score(rows.x) for name, rows in splits.items()}
    chosen = decision.decide(about.task, scores["validation"], splits["validation"].y, settings.evaluate)
    network = assessment.of_network(about.task, scores, chosen, own)
    train = arrays.read_split(layout.PREPARED, "train")  # what learns from them, encodes a sample
    others = assessment.of_baselines(about, train, splits, settings.evaluate, BASELINES)
    k, tables = settings.evaluate.folds, folds.Tables(NETWORKS, METRICS, LINES)
    folded = None if k is None else folds.cross_validate(settings, tables, layout.PREPARED, layout.FOLDS, k)
    asked = probe.Probe.of(layout.PREPARED, about, splits["test"], chosen, score)
    more = {"folds": folded, "train": fits.read(layout.TRAINING)["train"]} | examined(asked, train, settings.evaluate)
    told = record.make(settings, about, splits | {"train": train}, chosen, network, others, more)
    told["weights"] = hashlib.sha256(layout.INDEX.read_bytes()).hexdigest()
    results.write(layout.REPORTS, told)
    predictions.write(layout.PREDICTIONS, splits["test"], about, network)
    drawn = plots.write(layout.PLOTS, told, splits["test"], network, others)
    drawn |= plots.of_training(layout.CURVES, layout.TRAINING)
    document.write(report.write(told, drawn), layout.PAGE, drawn, layout.PICTURES)
    judged(settings, TRACKERS)
    gate.stop(told["gate"], layout.PAGE)


def examined(asked: probe.Probe, train: arrays.Labelled, settings: EvaluateSettings) -> dict[str, Any]:
    """What the network goes by, and what it loses where rows are worse."""
    return importance.of(asked) | robustness.of(asked, settings) | explanation.of(asked, train, settings)
