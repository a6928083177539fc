"""Stage `settings`: stops a run whose params.yaml is not what conf/ says, or holds a wrong setting."""

from pathlib import Path

from purchase_intent import config
from stemma import conf


def main() -> None:
    conf.guard(Path.cwd(), validate=config.load)
