"""The plots of an evaluation: points for `dvc plots`, pictures for the report; and those of a fit."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

from stemma.evaluation.assessment import Judgement
from stemma.evaluation.baselines import CONSTANT, NETWORK
from stemma.files import swapped_folder
from stemma.report import charts, curves, explanation
from stemma.report.pictures import draw
from stemma.tables.arrays import Arrays
from stemma.training import record


def write(
    folder: Path, told: Mapping[str, Any], test: Arrays, network: Judgement, others: Mapping[str, Judgement]
) -> dict[str, str]:
    """Points (CSV) of the network's curves; and pictures (SVG) beside the baselines', by name.

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
    if "explanation" in told:
        drawn |= explanation.pictures([told["explanation"]])
    with swapped_folder(folder) as new:
        for name, table in points[NETWORK].items():
            table.to_csv(new / f"{name}.csv", index=False, lineterminator="\n")
    return drawn


def of_training(folder: Path, file: Path) -> dict[str, str]:
    """The picture of the learning curves in DVCLive's folder, if there are some; `file`: training.json."""
    files = {split: folder / f"plots/metrics/{split}/loss.tsv" for split in ("train", "validation")}
    losses = {split: pd.read_csv(file, sep="\t")["loss"].to_numpy() for split, file in files.items() if file.is_file()}
    if not losses:
        return {}
    return {"learning": draw(partial(charts.learning, losses=losses, kept=record.read(file)["epoch_kept"]))}
