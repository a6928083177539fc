"""Where each artefact lies: from the project's folder, with slashes, as Git and dvc.lock write it."""

PARAMS, LOCK, PIPELINE = "params.yaml", "dvc.lock", "dvc.yaml"
SETTINGS = "reports/settings"  # what the stage of this name leaves

RAW = "data/raw"
PREPARED = "data/prepared"
PROFILE = f"{PREPARED}/profile.json"
REPORTS = "reports"  # prepare's own are data.md and data/

WEIGHTS = "models/weights"
INDEX = f"{WEIGHTS}/index.json"
CHECKPOINT = "models/checkpoint"  # of a fit that runs, and of folds
CURVES = "reports/training"
TRAINING = "reports/training.json"

METRICS = "reports/metrics.json"
EVALUATION = "reports/evaluation.json"
DECISION = "reports/decision.json"
PREDICTIONS = "reports/predictions.parquet"
PLOTS = "reports/plots"
REPORT, PAGE = "reports/report.md", "reports/report.html"

EXPORT = "models/export"
PACKAGE = "models/package/model.zip"


def split(name: str) -> str:
    """The rows of train, validation or test."""
    return f"{PREPARED}/{name}.parquet"
