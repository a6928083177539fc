"""The plots of an evaluation: points for `dvc plots`, pictures for the report."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from stemma.evaluation.assessment import Judgement
from stemma.evaluation.baselines import CONSTANT, NETWORK
from stemma.files import swapped_folder, write_text
from stemma.report import charts, curves
from stemma.tables.arrays import Arrays


def write(
    folder: Path, told: Mapping[str, Any], test: Arrays, network: Judgement, others: Mapping[str, Judgement]
) -> dict[str, str]:
    """Points (CSV) of the network's curves, and pictures (SVG) beside the baselines'; the pictures, by name.

    Args:
        told: the record of the evaluation.
        others: the baselines, by name.
    """
    bins, learned = told["evaluate"]["bins"], {name: e for name, e in others.items() if name not in CONSTANT}
    points = {
        name: curves.tables(each.task, test.y, each.predictions["test"], each.decided("test"), bins)
        for name, each in {NETWORK: network, **learned}.items()
    }
    drawn = charts.draw_all(network.task, told, test.y, network.predictions["test"], points)
    with swapped_folder(folder) as partial:
        for name, table in points[NETWORK].items():
            table.to_csv(partial / f"{name}.csv", index=False, lineterminator="\n")
        for name, picture in drawn.items():
            write_text(partial / f"{name}.svg", picture)
    return drawn
