"""Stage `evaluate`: weights and prepared rows -> figures, decision, predictions, plots and the report in reports/.

metrics.json          the figures that `dvc metrics` shows
evaluation.json       all there is to know: intervals, baselines, classes, slices, folds, quality gate
decision.json         the threshold and the temperature, for export and package
predictions.parquet   every test row
plots/                points (CSV) for `dvc plots`, pictures (SVG) for the report
report.md, .html      evaluation.json for people
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd

from purchase_intent.extensions import baselines as own_baselines
from purchase_intent.extensions import metrics as own_metrics
from purchase_intent.extensions.training import LINES
from purchase_intent.networks import NETWORKS
from purchase_intent.settings import load
from stemma import metrics
from stemma.errors import EvaluationError
from stemma.evaluation import assessment, baselines, decision, folds, gate, record
from stemma.evaluation.settings import EvaluateSettings
from stemma.files import replaced, swapped_folder, write_json, write_text
from stemma.report import charts, curves, document
from stemma.report import evaluation as report
from stemma.tables import arrays, profile
from stemma.training import networks
from stemma.training.base import Problem

PREPARED = Path("data/prepared")
WEIGHTS = Path("models/weights")
SCRATCH = Path("models/checkpoint/folds")
METRICS = Path("reports/metrics.json")
EVALUATION = Path("reports/evaluation.json")
DECISION = Path("reports/decision.json")
PREDICTIONS = Path("reports/predictions.parquet")
PLOTS = Path("reports/plots")
REPORT = Path("reports/report.md")
PAGE = Path("reports/report.html")


def main() -> None:
    settings = load()
    about = profile.read(PREPARED)
    splits = {name: arrays.read(PREPARED, name) for name in ("validation", "test")}
    task, own = about.task, metrics.added_to(own_metrics.METRICS)
    refuse(settings.evaluate, about, splits["test"], own)
    model = networks.create(NETWORKS, settings.model, Problem.of(about))
    model.load(WEIGHTS)
    scores = {name: model.scores(rows.x) for name, rows in splits.items()}
    chosen = decision.decide(task, scores["validation"], splits["validation"].y, settings.evaluate)
    predictions = {name: chosen.predictions(task, found) for name, found in scores.items()}
    network = assessment.Judgement(task, predictions, chosen.threshold, own=own)
    train = arrays.read(PREPARED, "train")
    others = {
        made.name: assessment.of_baseline(made, task, splits, settings.evaluate)
        for made in baselines.fit(model.problem, about, train, settings.evaluate.seed, own_baselines.BASELINES)
    }
    k = settings.evaluate.folds
    tables = folds.Tables(NETWORKS, own_metrics.METRICS, LINES)
    folded = None if k is None else folds.cross_validate(settings, tables, PREPARED, SCRATCH, k)
    told = record.make(settings, about, splits, chosen, network, others, folded)
    write_figures(told)
    write_predictions(splits["test"], about, network)
    write_report(told, write_plots(told, splits["test"], network, others))
    stop_at_the_gate(told)


def refuse(
    settings: EvaluateSettings, about: profile.Profile, test: arrays.Arrays, own: tuple[metrics.Metric, ...]
) -> None:
    """Settings that this task or table has no use for, before anything is computed."""
    decision.check(about.task, settings)
    gate.check(settings.minimum, about.task, own, own_baselines.BASELINES)
    assessment.check_slices(settings.slices, [name for name in test.frame if name != about.row])


def write_figures(told: Mapping[str, Any]) -> None:
    """The three JSON files. metrics.json leaves out what is not defined."""
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
    write_json(METRICS, flat)
    write_json(EVALUATION, told)
    write_json(DECISION, told["decision"])


def write_predictions(rows: arrays.Arrays, about: profile.Profile, network: assessment.Judgement) -> None:
    """One row per test row: its number in the source table, what was true, what was predicted."""
    task, predicted = about.task, network.predictions["test"]
    made = {"row": rows.frame[about.row].to_numpy()}
    made |= task.columns(rows.y, predicted, task.decide(predicted, network.threshold))
    with replaced(PREDICTIONS) as partial:
        pd.DataFrame(made).to_parquet(partial, index=False)


def write_plots(
    told: Mapping[str, Any],
    test: arrays.Arrays,
    network: assessment.Judgement,
    others: Mapping[str, assessment.Judgement],
) -> dict[str, str]:
    """Points of the network's curves, and pictures beside the baselines'; the pictures."""
    bins, learned = told["evaluate"]["bins"], {name: e for name, e in others.items() if name not in baselines.CONSTANT}
    points = {
        name: curves.tables(each.task, test.y, each.predictions["test"], each.decided("test"), bins)
        for name, each in {baselines.NETWORK: network, **learned}.items()
    }
    drawn = charts.draw_all(network.task, told, test.y, network.predictions["test"], points)
    with swapped_folder(PLOTS) as folder:
        for name, table in points[baselines.NETWORK].items():
            table.to_csv(folder / f"{name}.csv", index=False, lineterminator="\n")
        for name, picture in drawn.items():
            write_text(folder / f"{name}.svg", picture)
    return drawn


def write_report(told: Mapping[str, Any], drawn: Mapping[str, str]) -> None:
    made = report.write(told)
    write_text(REPORT, document.markdown(made, PLOTS.name))
    write_text(PAGE, document.html(made, drawn))


def stop_at_the_gate(told: Mapping[str, Any]) -> None:
    """
    Raises:
        EvaluationError: a figure does not reach what `evaluate.minimum` asks; all files are written by then.
    """
    demands = [gate.Demand(d["metric"], d["better"], d["figure"], d["needed"], d["baseline"]) for d in told["gate"]]
    missed = [str(demand) for demand in demands if not demand.passed]
    if missed:
        raise EvaluationError(f"the quality gate failed: {'; '.join(missed)} (see {PAGE})")
