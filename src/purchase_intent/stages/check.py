"""What the stage `prepare` checks before it learns anything, alone: `stemma check` calls it for a source in code."""

from purchase_intent.settings import load
from purchase_intent.sources import SOURCES
from stemma.tables.check import check, told
from stemma.text import say


def main(strict: str | None = None) -> None:
    settings = load()
    say(told(check(settings.data, SOURCES, settings.prepare.strict or strict is not None), settings.data))
