"""Figures for one split, by task, computed with scikit-learn.

All take `y` (rows,) as class numbers or values, and predictions as `Model.predict` gives them: probabilities
(rows, classes), or values (rows, 1).
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn import metrics

Array = NDArray[Any]


def judge(task: str, y: Array, predictions: Array, threshold: float) -> dict[str, float]:
    """All figures of a task. `threshold`: probability from which a row counts as positive, for two classes."""
    if task == "regression":
        return regression(y, predictions)
    return binary(y, predictions, threshold) if task == "binary" else multiclass(y, predictions)


def classify(task: str, predictions: Array, threshold: float) -> NDArray[np.int64]:
    """The class number (rows,) that is decided for."""
    if task == "binary":
        return (predictions[:, 1] >= threshold).astype(np.int64)
    return predictions.argmax(axis=1)


def roc_auc(y: Array, score: Array) -> float:
    """Chance that a positive row scores above a negative one (Hanley and McNeil, Radiology 143, 1982)."""
    return float(metrics.roc_auc_score(y, score))


def binary(y: Array, probabilities: Array, threshold: float) -> dict[str, float]:
    """Two classes; class 1 is the positive one. Losses are in nats; Brier: Monthly Weather Review 78, 1950."""
    p = probabilities[:, 1].astype(np.float64)
    decided = classify("binary", probabilities, threshold)
    return {
        "log_loss": float(metrics.log_loss(y, p, labels=[0, 1])),
        "accuracy": float(metrics.accuracy_score(y, decided)),
        "precision": float(metrics.precision_score(y, decided, zero_division=0.0)),
        "recall": float(metrics.recall_score(y, decided, zero_division=0.0)),
        "f1": float(metrics.f1_score(y, decided, zero_division=0.0)),
        "roc_auc": roc_auc(y, p),
        "pr_auc": float(metrics.average_precision_score(y, p)),
        "brier": float(metrics.brier_score_loss(y, p)),
    }


def multiclass(y: Array, probabilities: Array) -> dict[str, float]:
    """Several classes: averages over classes are macro averages, the ROC-AUC is one against the rest."""
    classes = list(range(probabilities.shape[1]))
    # Sums of float32 rows miss 1 by more than scikit-learn allows.
    p = probabilities.astype(np.float64)
    p /= p.sum(axis=1, keepdims=True)
    decided = probabilities.argmax(axis=1)
    return {
        "log_loss": float(metrics.log_loss(y, p, labels=classes)),
        "accuracy": float(metrics.accuracy_score(y, decided)),
        "precision": float(metrics.precision_score(y, decided, average="macro", zero_division=0.0)),
        "recall": float(metrics.recall_score(y, decided, average="macro", zero_division=0.0)),
        "f1": float(metrics.f1_score(y, decided, average="macro", zero_division=0.0)),
        "roc_auc": float(metrics.roc_auc_score(y, p, multi_class="ovr", labels=classes)),
    }


def regression(y: Array, values: Array) -> dict[str, float]:
    """In the unit of the target; r2 has none."""
    predicted = values[:, 0].astype(np.float64)
    return {
        "mae": float(metrics.mean_absolute_error(y, predicted)),
        "rmse": math.sqrt(metrics.mean_squared_error(y, predicted)),
        "r2": float(metrics.r2_score(y, predicted)),
    }
