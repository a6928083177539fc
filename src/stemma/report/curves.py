"""The points of each plot, as tables that `dvc plots` draws.

Every table exists for every task: one that a task has no use for has its columns and no rows, because dvc.yaml names
all of them. For several classes, ROC, PR and calibration are micro averages: every (row, class) pair is one yes or no.
"""

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn import metrics
from sklearn.calibration import calibration_curve

from stemma.task import Task
from stemma.thin import evenly

Array = NDArray[Any]
POINTS = 500  # of a curve: more are not seen
DECISIONS = 2**18  # that DVC counts; evaluation.json has all of them counted


def tables(task: Task, y: Array, predictions: Array, decided: Array | None, bins: int) -> dict[str, pd.DataFrame]:
    """Name of the plot -> its points.

    Args:
        y: (rows,) class numbers, or values.
        predictions: probabilities (rows, classes) or values (rows, 1).
        decided: (rows,) class numbers; None where nothing is decided.
        bins: of the calibration curve, each with the same number of rows.
    """
    made = {
        "roc": pd.DataFrame({"false_positive_rate": [], "true_positive_rate": []}),
        "precision_recall": pd.DataFrame({"recall": [], "precision": []}),
        "calibration": pd.DataFrame({"predicted": [], "observed": []}),
        "confusion": pd.DataFrame({"actual": [], "predicted": []}),
        "residuals": pd.DataFrame({"predicted": [], "actual": []}),
    }
    if not task.classes:
        made["residuals"] = pd.DataFrame({"predicted": predictions[:, 0], "actual": y}).iloc[evenly(len(y), POINTS)]
        return made
    yes, p = yes_or_no(task, y, predictions)
    false_positive, true_positive, _ = metrics.roc_curve(yes, p)
    precision, recall, _ = metrics.precision_recall_curve(yes, p)
    observed, predicted = calibration_curve(yes, p, n_bins=bins, strategy="quantile")
    if decided is not None:
        labels, kept = np.asarray(task.classes), evenly(len(y), DECISIONS)
        made["confusion"] = pd.DataFrame(
            {"actual": labels[y[kept].astype(np.int64)], "predicted": labels[decided[kept]]}
        )
    return made | {
        "roc": _points(false_positive_rate=false_positive, true_positive_rate=true_positive),
        "precision_recall": _points(recall=recall[::-1], precision=precision[::-1]),
        "calibration": pd.DataFrame({"predicted": predicted, "observed": observed}),
    }


def yes_or_no(task: Task, y: Array, probabilities: Array) -> tuple[Array, Array]:
    """Truths (0 or 1) and probabilities; of several classes every (row, class) pair is one."""
    if task.positive is not None:
        return y, probabilities[:, 1]
    return np.eye(probabilities.shape[1], dtype=np.int64)[y.astype(np.int64)].ravel(), probabilities.ravel()


def _points(**columns: Array) -> pd.DataFrame:
    frame = pd.DataFrame(columns)
    return frame.iloc[evenly(len(frame), POINTS)]
