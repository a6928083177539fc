"""Everything that is known of an evaluation, as plain data, which `results` writes and the report tells."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from stemma import metrics
from stemma.evaluation import assessment, fairness, gate, robustness
from stemma.evaluation.assessment import Judgement
from stemma.evaluation.baselines import NETWORK
from stemma.evaluation.decision import Decision
from stemma.evaluation.results import FORMAT
from stemma.evaluation.settings import EvaluateSettings, Settings
from stemma.files import finite
from stemma.tables.arrays import Labelled
from stemma.tables.columns import splitting
from stemma.tables.profile import Profile
from stemma.tables.settings import Table


def make(
    settings: Settings,
    about: Profile,
    splits: Mapping[str, Labelled],
    chosen: Decision,
    network: Judgement,
    others: Mapping[str, Judgement],
    more: Mapping[str, Any],
) -> dict[str, Any]:
    """The record; a number that is not defined is None.

    Args:
        splits: validation and test; with train, test rows that repeat a training row are told of.
        others: the baselines, by name.
        more: entries that are made apart: folds, importance, robustness; train with what each null came to.
    """
    test, own = splits["test"], settings.evaluate
    found, compared = assessment.figures(test, network, others, own)
    parts = {name: assessment.parts(test.frame[name], (name, "boolean") in about.features) for name in own.slices}
    ready = network.rows("test", test.y, own.bins)
    gaps = {name: fairness.gaps(ready, some, own) for name, some in parts.items() if ready.count}
    conditions = fairness.figures(gaps) | robustness.figures(more.get("robustness", {}))
    told: dict[str, Any] = {
        **_asked(settings, about),
        "decision": asdict(chosen),
        "validation": metrics.figures(
            network.rows("validation", splits["validation"].y, own.bins), of=network.measured
        ),
        "test": {metric.name: found[metric.name] | _about(metric) for metric in network.measured},
        "best_possible": _best_possible(about, splits),
        "baselines": {name: _baseline(each) | compared[name] for name, each in others.items()},
        "slices": assessment.by_slice(test, network, parts, own),
        "gate": _gate(own.minimum, network, found, compared, conditions),
        **more,
    }
    told |= {"fairness": gaps} if gaps else {}
    told |= _of_the_table(about, splits, {NETWORK: network, **others}, own)
    by_class = assessment.by_class(test, network) if about.task.classes else {}
    made: dict[str, Any] = finite(told | by_class)
    return made


def _asked(settings: Settings, about: Profile) -> dict[str, Any]:
    """What was to be predicted, of what table and by which settings."""
    task = about.task
    return {
        "format": FORMAT,
        "task": task.kind,
        "target": about.target,
        "positive": task.positive,
        "main": task.main,
        "data": _data(settings.data, about),
        "table": (about.raw.get("content") or {}).get("sha256"),
        "model": settings.model.model_dump(mode="json"),
        "train": settings.train.deciding(),
        "evaluate": settings.evaluate.model_dump(mode="json"),
    }


def _of_the_table(
    about: Profile, splits: Mapping[str, Labelled], models: Mapping[str, Judgement], own: EvaluateSettings
) -> dict[str, Any]:
    """Hints, and the figures without the test rows that repeat a training row, where there are such."""
    told = {"hints": about.raw["hints"]} if "hints" in about.raw else {}
    if "train" in splits:
        names = [name for name, _ in about.features]
        repeated = assessment.new_rows(splits["train"], splits["test"], names, models, own)
        told |= {"repeated": repeated} if repeated else {}
    return told


def _gate(
    minimum: Mapping[str, float | str],
    network: Judgement,
    found: Mapping[str, Any],
    compared: Mapping[str, Any],
    conditions: dict[str, float | None],
) -> list[dict[str, Any]]:
    """What is asked of figures, of gaps and falls, and whether they reach it."""
    figures = {name: entry["value"] for name, entry in found.items()} | conditions
    others = {name: {key: each["value"] for key, each in e["test"].items()} for name, e in compared.items()}
    demands = gate.demands(minimum, network.task, figures, others, network.own)
    return [asdict(demand) | {"passed": demand.passed} for demand in demands]


def _about(metric: metrics.Metric) -> dict[str, str | None]:
    """What whoever reads a figure must know of it; of one that the toolkit does not know, all that is shown of it."""
    about = {"better": metric.better, "unit": metric.unit}
    own = {"label": metric.label, "meaning": metric.meaning, "entry": metric.entry}
    return about if metric.entry is None else about | own


def _data(settings: Table, about: Profile) -> dict[str, Any]:
    by = "".join(f"by {setting} ({name})" for setting, name in splitting(settings).items())
    return {
        "source": about.raw["source"],
        "rows": about.raw["rows"],
        "splits": {name: entry["rows"] for name, entry in about.raw["splits"].items()},
        "split": by or f"by chance with seed {settings.split.seed}",
        "features": [name for name, _ in about.features],
    }


def _best_possible(about: Profile, splits: Mapping[str, Labelled]) -> dict[str, float] | None:
    """The best ROC-AUC that any model could reach on these rows, where the true probability is known."""
    if about.bayes is None:
        return None
    judged = {name: splits[name] for name in ("validation", "test")}
    return {name: metrics.roc_auc(rows.y == 1, rows.frame[about.bayes].to_numpy()) for name, rows in judged.items()}


def _baseline(judged: Judgement) -> dict[str, Any]:
    made = judged.baseline
    return {} if made is None else {"rows": made.rows, "converged": made.converged, "threshold": judged.threshold}
