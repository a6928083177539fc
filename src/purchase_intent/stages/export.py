"""Stage `export`: encoder, weights, temperature -> models/export/, each format proved equal on all test rows.

On demand, `python src/stage.py export FORMAT FOLDER` makes one format in a new folder and leaves models/export/ alone;
`stemma export` calls it in the code of any version.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from purchase_intent.extensions.formats import FORMATS
from purchase_intent.networks import NETWORKS
from purchase_intent.settings import Settings, load
from stemma import formats, metrics
from stemma.entries import naming
from stemma.errors import ExportError
from stemma.files import swapped_folder, write_json, write_text
from stemma.formats import parity, replay
from stemma.tables import arrays, encode, profile
from stemma.training import networks
from stemma.training.base import Problem

PREPARED = Path("data/prepared")
WEIGHTS = Path("models/weights")
DECISION = Path("reports/decision.json")
EXPORT = Path("models/export")


def main(name: str | None = None, folder: str | None = None) -> None:
    settings = load()
    framework, table = settings.model.framework, formats.known(FORMATS)
    if name is None or folder is None:
        export(settings, formats.chosen(settings.export.formats, framework, table), table, EXPORT)
        return
    if fault := formats.refusal(name, framework, table):
        raise ExportError(fault)
    if Path(folder).exists():
        raise ExportError(f"{folder} is already there: name another folder")
    export(settings, [name], table, Path(folder))


def export(settings: Settings, names: Sequence[str], table: Mapping[str, formats.Format], target: Path) -> None:
    """Write these formats and their proofs; a fault in one leaves the folder as it was."""
    about = profile.read(PREPARED)
    model = networks.create(NETWORKS, settings.model, Problem.of(about))
    model.load(WEIGHTS)
    test = arrays.read(PREPARED, "test")
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
    with swapped_folder(target) as folder:
        if any(table[name].encoded for name in names):
            (folder / formats.ENCODER).write_bytes(served.encoder)
            write_text(folder / formats.ABOUT, served.about())
        columns = encode.feeds(test.frame, about.features)
        proofs = {name: prove(served, name, table[name], folder, test, columns) for name in names}
        # The facts of onnx stand first, alone where it is alone; what was made beside it is told by name.
        told = proofs.pop("onnx", {}) | ({"formats": proofs} if proofs else {})
        write_json(folder / "parity.json", told)


def prove(
    served: formats.Served, name: str, format: formats.Format, folder: Path, test: arrays.Arrays, columns: replay.Arrays
) -> dict[str, Any]:
    """Write a format, run it in a process of its own on the test rows, and tell how far it is from the network.

    Raises:
        ExportError: it cannot be written or run, or differs by more than the tolerance.
    """
    task = served.problem.task
    write, run = formats.ways(format, served.model.framework)
    with naming(f"the format {name} cannot be written"):
        write(served, folder / format.file)
    more = served.entry.words() if format.code else ()
    given = replay.run(run, folder / format.file, {formats.ENCODED: test.x} if format.encoded else columns, *more)
    exported = served.predictions(given) if format.scores else given
    expected = served.predictions(served.model.scores(test.x))
    setting = "tolerance_float16" if name == "onnx" and served.settings.precision == "float16" else "tolerance"
    allowed = getattr(served.settings, setting)
    found = parity.compare(exported, expected, allowed, task.deviation, name, setting)
    main = metrics.METRICS[task.main]
    figures = [metrics.figures(metrics.Rows.of(task, test.y, each), of=[main]) for each in (exported, expected)]
    difference = figures[0][main.name] - figures[1][main.name]
    return asdict(found) | {
        "metric": main.name,
        "metric_difference": None if math.isnan(difference) else difference,
        "tolerance": allowed,
    }
