"""Write formats, and prove each by the rows that the network has not seen."""

import math
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from stemma import metrics
from stemma.entries import naming
from stemma.files import swapped_folder, write_text
from stemma.formats import ABOUT, ENCODED, ENCODER, Format, Served, parity, replay, ways
from stemma.tables import encode
from stemma.tables.arrays import Arrays
from stemma.training.exported import scorer


def write(served: Served, formats: Mapping[str, Format], test: Arrays, target: Path) -> None:
    """Write these formats and their proofs to a folder; a fault in one leaves it as it was.

    Raises:
        ExportError: a format cannot be written or run, or differs by more than the tolerance.
    """
    with swapped_folder(target) as folder:
        if any(format.encoded for format in formats.values()):
            (folder / ENCODER).write_bytes(served.encoder)
            write_text(folder / ABOUT, served.about())
        columns = encode.feeds(test.frame, served.features)
        proofs = {name: prove(served, name, format, folder, test, columns) for name, format in formats.items()}
        parity.write(folder, proofs)


def prove(
    served: Served, name: str, format: Format, folder: Path, test: Arrays, columns: replay.Arrays
) -> dict[str, Any]:
    """Write a format, run it in a process of its own on the test rows, and tell how far it is from the network.

    Raises:
        ExportError: it cannot be written or run, or differs by more than the tolerance.
    """
    task = served.problem.task
    write, load = ways(format, served.framework)
    with naming(f"the format {name} cannot be written"):
        write(served, folder / format.file)
    more = served.entry.words() if format.code else ()
    given, again = replay.run(load, folder / format.file, {ENCODED: test.x} if format.encoded else columns, *more)
    exported, apart = (served.predictions(each) if format.scores else each for each in (given, again))
    expected = served.predictions(scorer(served.graph)(test.x))
    allowed, setting = served.allowed
    found = parity.compare(exported, expected, allowed, task.deviation, name, setting)
    regrouped = f"{name}, given the rows in other batches, which must change nothing,"
    parity.compare(apart, expected, allowed, task.deviation, regrouped, setting)
    main = metrics.METRICS[task.main]
    figures = [metrics.figures(metrics.Rows.of(task, test.y, each), of=[main]) for each in (exported, expected)]
    difference = figures[0][main.name] - figures[1][main.name]
    return asdict(found) | {
        "metric": main.name,
        "metric_difference": None if math.isnan(difference) else difference,
        "tolerance": allowed,
    }
