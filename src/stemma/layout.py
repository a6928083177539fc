"""Where each artefact lies, from the project's folder; `stemma.repo` knows them by these names in Git and dvc.lock."""

from pathlib import Path

SPLITS = ("train", "validation", "test")

RAW = Path("data/raw")
PREPARED = Path("data/prepared")
PROFILE = PREPARED / "profile.json"
ENCODER = PREPARED / "encoder.onnx"

WEIGHTS = Path("models/weights")
INDEX = WEIGHTS / "index.json"
CHECKPOINT = Path("models/checkpoint/last.safetensors")  # the last finished epoch of a fit
FOLDS = Path("models/checkpoint/folds")
NETWORK = Path("models/network/network.onnx")  # the graph of the network, as it is judged and served
EXPORT = Path("models/export")
GRAPH = EXPORT / "model.onnx"
PARITY = EXPORT / "parity.json"
PACKAGE = Path("models/package/model.zip")
RUNS = Path("runs")  # what trackers keep here; neither Git nor DVC sees it

REPORTS = Path("reports")
CURVES = REPORTS / "training"
TRAINING = REPORTS / "training.json"
COMPRESSION = REPORTS / "compression.json"
METRICS = REPORTS / "metrics.json"
EVALUATION = REPORTS / "evaluation.json"
DECISION = REPORTS / "decision.json"
PREDICTIONS = REPORTS / "predictions.parquet"
PLOTS = REPORTS / "plots"  # points, for `dvc plots`
PICTURES = REPORTS / "pictures"  # of the page, in Git, whose hosts show them
PAGE = REPORTS / "report.html"  # and report.md
SETTINGS = REPORTS / "settings"


def rows(split: str) -> Path:
    """Those of train, validation or test."""
    return PREPARED / f"{split}.parquet"


def home(root: Path) -> Path:
    """The work tree, of a folder below .dvc/tmp/exps too, where DVC runs an experiment without tags and branches."""
    places = [folder for folder in root.parents if folder.parts[-3:] == (".dvc", "tmp", "exps")]
    return places[0].parents[2] if places else root
