"""What the figures say: a gap, a result too good to be true, an imbalance ignored, probabilities that mislead."""

import math
from collections.abc import Iterator, Mapping
from typing import Any

from stemma.evaluation.results import rate, told
from stemma.repo.repository import METRICS, PROFILE, Version
from stemma.task import RARE
from stemma.text import counted, in_digits
from stemma.versions import curves
from stemma.versions.doctor.finding import Finding, Skipped, there, ways

GAP = 1.5  # validation loss over training loss
PERFECT, ENOUGH_ROWS = 0.9995, 200
MISCALIBRATED = 0.05  # expected calibration error
APART = 0.1  # of a rate; of errors as a share of the RMSE
FRAGILE = 0.1  # of the main figure
WORSE = {"noise": "noise", "missing": "missing values", "shift": "shifted columns", "unknown": "unknown texts"}


def training_and_validation_agree(version: Version) -> Iterator[Finding]:
    """The losses of the epoch whose weights were kept. Class weights make the two losses different things."""
    training, read = version.training, curves.read(version) or {}
    losses = [read[name] for name in ("train/loss", "validation/loss") if name in read]
    if training is None or len(losses) < 2:
        raise Skipped("reports/training has no learning curves")
    if told(training, "train", "class_weight") == "balanced":
        raise Skipped("train.class_weight weighs the training loss alone")
    kept = int(training["epoch_kept"])
    if min(map(len, losses)) < kept or kept < 1:
        raise Skipped("the learning curves end before the epoch that was kept")
    train, validation = (values[kept - 1] for values in losses)
    if train > 0 and validation > GAP * train:
        yield Finding(
            "warning", "gap", "the network fits its training rows much better than others",
            f"loss {train:.4g} in training, {validation:.4g} in validation, epoch {kept}",
            ways(version.settings, "more rows", "more train.weight_decay", "more model.dropout", "a smaller network",
                 "train.patience"),
        )  # fmt: skip


def figures_are_believable(version: Version) -> Iterator[Finding]:
    """Not above what is possible, where that is known; not perfect, where that is unlikely."""
    test, held = _test(version), _splits(version)["test"]
    auc, best = test.get("roc_auc"), test.get("bayes_roc_auc")
    if auc is not None and best is not None:
        rarest = min((held.get("balance") or {"": 0}).values())  # test rows of a class
        noise = 3 * math.sqrt(best * (1 - best) / max(rarest, 1))
        if auc > best + noise:
            yield Finding(
                "error", "believable", "the network is better than the best possible one",
                f"ROC-AUC {auc:.4f}, and the true probabilities reach {best:.4f}",
                "a column tells the target: look at the hints in reports/data.md",
            )  # fmt: skip
    for name in ("roc_auc", "accuracy", "r2"):
        if held["rows"] >= ENOUGH_ROWS and test.get(name) is not None and test[name] >= PERFECT:
            yield Finding(
                "warning", "believable", "the result is suspiciously perfect",
                f"{name} {test[name]:.5f} on {counted(held['rows'], 'row')}",
                "a column may tell the target: look at reports/data.md, and drop it in conf/data/",
            )  # fmt: skip
            break


def imbalance_is_met(version: Version) -> Iterator[Finding]:
    """A rare class that is mostly missed, though neither its weight nor the threshold was set for it."""
    test, train = _test(version), _splits(version)["train"]
    if not (balance := train.get("balance")):
        raise Skipped("a regression has no classes")
    rarest, count = min(balance.items(), key=lambda item: item[1])
    share = count / train["rows"]
    weighted = told(version.settings, "train", "class_weight") == "balanced"
    chosen = (version.metrics or {}).get("threshold", 0.5) != 0.5
    recall = test.get("recall")
    if share < RARE and not weighted and not chosen and recall is not None and recall < 0.5:
        yield Finding(
            "warning", "imbalance", f"class {rarest} is rare, and most of it is missed",
            f"{share:.1%} of the training rows, recall {recall:.3f}",
            "dvc exp run -S train.class_weight=balanced" + ", or -S evaluate.threshold=macro_f1" * (len(balance) == 2),
        )  # fmt: skip


def probabilities_are_calibrated(version: Version) -> Iterator[Finding]:
    """The expected calibration error of the test rows."""
    error = there(_test(version).get("calibration_error"), f"test.calibration_error of {METRICS}")
    if error > MISCALIBRATED:
        remedy = "dvc exp run -S evaluate.calibration=temperature"
        if told(version.settings, "evaluate", "calibration") == "temperature":
            remedy = ways(version.settings, "more validation rows", "more train.weight_decay", "more model.dropout")
        what = "probabilities are not what they say"
        yield Finding("warning", "calibration", what, f"expected calibration error {error:.3f}", remedy)


def groups_are_treated_alike(version: Version) -> Iterator[Finding]:
    """Gaps between the groups of a column that are wide for certain: by the low end of their intervals."""
    evaluation = version.evaluation or {}
    if not evaluation.get("fairness"):
        raise Skipped("no groups were held beside each other (evaluate.slices)")
    unit = 1.0 if evaluation["task"] != "regression" else told(evaluation, "test", "rmse", "value") or 0.0
    gaps = [(column, name, gap) for column, rates in evaluation["fairness"].items() for name, gap in rates.items()]
    for column, name, gap in (each for each in gaps if (each[2]["low"] or 0.0) > APART * unit):
        of = ", ".join(f"{gap['groups'][group]:.4g} of {group}" for group in (gap["most"], gap["least"]))
        yield Finding(
            "warning", "groups", f"groups of {column} are not treated alike",
            f"{rate(name, gap)} {of}, at least {gap['low']:.3g} apart",
            f"more rows of these groups; evaluate.minimum: {{gap.{name}.{column}: {APART * unit:.3g}}} keeps watch",
        )  # fmt: skip


def worse_rows_are_borne(version: Version) -> Iterator[Finding]:
    """What the main figure loses where rows are worse, beside what it is."""
    evaluation = version.evaluation or {}
    if not (changes := told(evaluation, "robustness", "changes")):
        raise Skipped("no rows were made worse (evaluate.robustness)")
    main, whole = evaluation["main"], evaluation["test"][evaluation["main"]]["value"]
    for name, change in changes.items():
        if (change["value"] or 0.0) > FRAGILE * abs(whole or 0.0):
            fall = in_digits(change["value"])
            most = max(change["columns"], key=lambda column: change["columns"][column] or 0.0)
            yield Finding(
                "warning", "robust", f"the network does not bear {WORSE[name]}",
                f"{main} {in_digits(whole)} is worse by {fall} at {change['size']:g}, most of it by {most}",
                ways(version.settings, f"look how {most} comes about", "more train.weight_decay", "more model.dropout"),
            )  # fmt: skip


def _test(version: Version) -> Mapping[str, Any]:
    return there(told(version.metrics, "test"), METRICS)


def _splits(version: Version) -> Mapping[str, Any]:
    return there(told(version.profile, "splits"), PROFILE)
