"""Stage `prepare`: a table -> data/prepared/ with the splits, the encoder and the profile, and reports/data.md."""

from purchase_intent.settings import load
from purchase_intent.sources import SOURCES
from stemma import layout
from stemma.report import data as report
from stemma.tables import prepared
from stemma.tables.check import check


def main() -> None:
    settings = load()
    checked = check(settings.data, SOURCES, settings.prepare.strict)
    about = prepared.write(layout.PREPARED, checked, settings.data, settings.prepare)
    report.write(layout.REPORTS, checked.table, settings.data, checked.splits, about, checked.hints)
