"""What figures and baselines are called where people read them."""

NAMES = {
    "roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "log_loss": "log loss", "brier": "Brier score", "f1": "F1", "mcc": "MCC",
    "mae": "MAE", "rmse": "RMSE", "r2": "R²", "error_p50": "error, 50 %", "error_p90": "error, 90 %",
    "error_p95": "error, 95 %",
}  # fmt: skip
MEANINGS = {
    "roc_auc": "chance that a positive row scores above another",
    "pr_auc": "mean precision over all recalls",
    "log_loss": "surprise per row, in nats; less is better",
    "brier": "squared error of the probabilities; less is better",
    "calibration_error": "how far probabilities and shares are apart; less is better",
    "accuracy": "share of rows decided rightly",
    "balanced_accuracy": "mean recall of the classes",
    "precision": "share of those decided positive that are",
    "recall": "share of the positive that are found",
    "f1": "harmonic mean of precision and recall",
    "mcc": "correlation of truth and decision",
    "mae": "mean absolute error; less is better",
    "rmse": "root of the mean squared error; less is better",
    "r2": "share of the variance that is explained",
    "error_p50": "half of the rows err by no more",
    "error_p90": "90 % of the rows err by no more",
    "error_p95": "95 % of the rows err by no more",
}
BASELINES = {
    "majority": "class shares", "mean": "mean", "logistic": "logistic regression", "ridge": "ridge regression",
    "gradient_boosting": "gradient boosting",
}  # fmt: skip
NETWORK = "this network"
CONSTANT = ("majority", "mean")  # the same prediction for every row


def metric_name(metric: str) -> str:
    return NAMES.get(metric, metric.replace("_", " "))
