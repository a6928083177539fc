"""Run one stage of the pipeline: `python src/stage.py train`.

dvc.yaml calls this file, not `python -m`, because Python then looks for code in this very src/ first. So an experiment
that DVC runs in a folder of its own (`--queue`, `--temp`) runs the code of that folder, not the installed one.
"""

import gc
import importlib
import sys
from pathlib import Path

from stemma.errors import StemmaError, one_line

STAGES = Path(__file__).parent / "purchase_intent/stages"
WORDS = {"export": (0, 2), "check": (0, 1)}  # that may follow; nothing follows another stage


def main() -> None:
    stage, *arguments = sys.argv[1:] or [""]
    stages = sorted(file.stem for file in STAGES.glob("[a-z]*.py"))
    if stage not in stages or len(arguments) not in WORDS.get(stage, (0,)):
        usage = f"usage: python src/stage.py {{{','.join(stages)}}}, or export FORMAT FOLDER, or check strict"
        print(usage, file=sys.stderr)
        raise SystemExit(2)
    # A framework leaves a million objects in memory: to look for garbage among them costs a tenth of a stage, and a
    # quarter of export, which traces a network in as many and ends.
    gc.disable() if stage == "export" else gc.set_threshold(100_000)
    with one_line():
        try:
            importlib.import_module(f"purchase_intent.stages.{stage}").main(*arguments)
        except FileNotFoundError as error:
            raise StemmaError(f"{error.filename} is not there", run="dvc repro") from error


if __name__ == "__main__":
    main()
