"""Stage `package`: the exported graph and all that serving needs -> models/package/model.zip."""

from pathlib import Path

from purchase_intent.settings import load
from stemma.bundle.archive import build
from stemma.bundle.contents import Results, files, version
from stemma.tables import profile

PREPARED = Path("data/prepared")
EXPORT = Path("models/export")
WEIGHTS = Path("models/weights")
REPORTS = Path("reports")
PACKAGE = Path("models/package/model.zip")


def main() -> None:
    settings = load()
    about = profile.read(PREPARED)
    results = Results.read(WEIGHTS, EXPORT, REPORTS)
    sections = {"data": settings.data, "prepare": settings.prepare}
    record = version(about, results, settings.package, sections)
    build(PACKAGE, files(about, results, settings.package, record, PREPARED / "test.parquet"))
