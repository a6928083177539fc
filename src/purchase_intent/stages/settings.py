"""Stage `settings`: stops a run whose params.yaml is not what conf/ says, or holds a wrong setting."""

from pathlib import Path

from purchase_intent.settings import load
from stemma import conf


def main() -> None:
    conf.guard(Path.cwd(), validate=load)
