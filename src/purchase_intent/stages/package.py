"""Stage `package`: the exported graph and all that serving needs -> models/package/model.zip."""

from purchase_intent.extensions.trackers import TRACKERS
from purchase_intent.settings import load
from stemma import layout
from stemma.bundle.archive import build
from stemma.bundle.contents import Results, files, version
from stemma.tables import profile
from stemma.trackers.run import packaged


def main() -> None:
    settings = load()
    about = profile.read(layout.PREPARED)
    results = Results.read(layout.WEIGHTS, layout.EXPORT, layout.REPORTS)
    sections = {"data": settings.data, "prepare": settings.prepare}
    record = version(about, results, settings.package, sections)
    build(layout.PACKAGE, files(about, results, settings.package, record, layout.PREPARED))
    packaged(settings, TRACKERS)
