"""The learning curves of a version, as DVCLive writes them: a file for each, `step` first, the figure last."""

import csv
import math
import re

from stemma.repo.repository import CURVES, Version

FILE = re.compile(r"plots/metrics/(.+)\.tsv")


def read(version: Version) -> dict[str, tuple[float, ...]] | None:
    """By name, such as train/loss; NaN where it is no number. None where the version has no folder of them.

    Raises:
        VersionError: a file is out of reach.
    """
    output = version.output(CURVES)
    if output is None:
        return None
    names = {name: found[1] for name in sorted(version.files(output)) if (found := FILE.fullmatch(name))}
    return {name: _last_column(version.text(f"{CURVES}/{file}")) for file, name in names.items()}


def _last_column(text: str) -> tuple[float, ...]:
    rows = list(csv.reader(text.splitlines(), delimiter="\t"))[1:]
    return tuple(_number(row[-1]) for row in rows if row)


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
