"""Not a stage of dvc.yaml: `stemma search` calls it to try settings on what the stage `prepare` wrote."""

import json
from pathlib import Path

from purchase_intent.extensions.metrics import METRICS
from purchase_intent.extensions.training import LINES
from purchase_intent.networks import NETWORKS
from purchase_intent.settings import load
from stemma.evaluation.folds import Tables
from stemma.search import run


def main(asked: str) -> None:
    run.answer(Path.cwd(), run.Asked(**json.loads(asked)), Tables(NETWORKS, METRICS, LINES), load)
