"""Stage `export`: encoder, weights, temperature -> models/export/, each format proved equal on all test rows.

On demand, `python src/stage.py export FORMAT FOLDER` makes one format in a new folder and leaves models/export/ alone;
`stemma export` calls it in the code of any version.
"""

import json
from pathlib import Path

from purchase_intent.networks import NETWORKS
from purchase_intent.settings import load
from stemma import formats
from stemma.formats import proof
from stemma.tables import arrays, encode, profile
from stemma.training import networks
from stemma.training.base import Problem

PREPARED = Path("data/prepared")
WEIGHTS = Path("models/weights")
DECISION = Path("reports/decision.json")
EXPORT = Path("models/export")


def main(name: str | None = None, folder: str = str(EXPORT)) -> None:
    settings = load()
    names = formats.asked(name, Path(folder), settings.export.formats, settings.model.framework)
    about, test = profile.read(PREPARED), arrays.read(PREPARED, "test")
    model = networks.create(NETWORKS, settings.model, Problem.of(about))
    model.load(WEIGHTS)
    served = formats.Served(
        model,
        NETWORKS[settings.model.name],
        (PREPARED / encode.FILE).read_bytes(),
        about.features,
        json.loads(DECISION.read_text(encoding="utf-8"))["temperature"],
        settings.export,
        settings.package.name,
        test.x,
    )
    proof.write(served, names, test, Path(folder))
