"""Stage `export`: encoder, network, temperature -> models/export/, each format proved equal on all test rows.

On demand, `python src/stage.py export FORMAT FOLDER` makes one format in a new folder and leaves models/export/ alone;
`stemma export` calls it in the code of any version.
"""

from pathlib import Path

from purchase_intent.extensions.formats import FORMATS
from purchase_intent.networks import NETWORKS
from purchase_intent.settings import load
from stemma import formats, layout
from stemma.files import read_json
from stemma.formats import proof
from stemma.tables import arrays, profile
from stemma.training import networks
from stemma.training.base import Problem


def main(name: str | None = None, folder: str = str(layout.EXPORT)) -> None:
    settings = load()
    network = (settings.model.framework, settings.compress.method)
    asked = formats.asked(name, Path(folder), settings.export.formats, network, FORMATS)
    about, test = profile.read(layout.PREPARED), arrays.read(layout.PREPARED, "test")
    problem = Problem.of(about)
    served = formats.Served(
        lambda: networks.fitted(NETWORKS, settings.model, problem, layout.WEIGHTS),
        settings.model.framework,
        problem,
        layout.NETWORK.read_bytes(),
        NETWORKS[settings.model.name],
        layout.ENCODER.read_bytes(),
        about.inputs,
        read_json(layout.DECISION)["temperature"],
        settings.export,
        settings.compress.allowed or settings.export.allowed,
        settings.package.name,
    )
    proof.write(served, asked, test, Path(folder))
