"""Run one stage of the pipeline: `python src/stage.py train`.

dvc.yaml calls this file, not `python -m`, because Python then looks for code in this very src/ first. So an experiment
that DVC runs in a folder of its own (`--queue`, `--temp`) runs the code of that folder, not the installed one.
"""

import sys
from pathlib import Path

try:
    from stemma.toolkit.stage import run
except ModuleNotFoundError:
    raise SystemExit(f"error: {sys.executable} has no stemma: activate the project's environment") from None

if __name__ == "__main__":
    run(Path(__file__).parent / "purchase_intent")
