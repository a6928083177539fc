"""The whole of params.yaml in the toolkit's own sections: the values of conf/, with the tests' table and network."""

import tempfile
from collections.abc import Mapping
from functools import partial
from pathlib import Path
from typing import Any

import yaml

from stemma import formats, settings
from stemma.bundle.settings import PackageSettings
from stemma.compress.settings import CompressSettings
from stemma.evaluation import check
from stemma.evaluation.settings import EvaluateSettings
from stemma.formats.settings import ExportSettings
from stemma.runners.settings import RunnerSettings
from stemma.settings import Section
from stemma.tables.settings import PrepareSettings, Table
from stemma.training import networks, objective, own
from stemma.training.settings import ModelSettings, TrainSettings
from tiny import NETWORKS, SOURCES, VISITS
from worlds import ROOT

Changes = Mapping[str, Any]


class Whole(Section):
    """As a project puts the sections together."""

    data: Table
    prepare: PrepareSettings
    model: ModelSettings
    train: TrainSettings
    compress: CompressSettings
    evaluate: EvaluateSettings
    export: ExportSettings
    package: PackageSettings
    runner: RunnerSettings


def load(path: Path) -> Whole:
    chosen = {"data": ("kind", SOURCES), "model": ("name", NETWORKS)}
    evaluation = partial(check.faults, {}, {})
    checks = (
        networks.faults,
        objective.faults,
        partial(own.faults, own.Lines()),
        evaluation,
        partial(formats.faults, {}),
    )
    return settings.load(Whole, path, chosen, checks)


def values(data: Changes = VISITS, **changes: Changes) -> dict[str, Any]:
    """Sections by name: `data` is the whole of its own, `train={"epochs": 2}` changes another."""
    sections = {name: values for name, values in conf("config").items() if name != "defaults"}
    sections |= {name: conf(f"{name}/default") for name in ("train", "export")}
    sections |= {"runner": conf("runner/local")}
    sections |= {"data": data, "model": {"name": "tiny_torch", "framework": "torch"}}
    sections["model"] |= {"hidden": [16], "activation": "relu", "dropout": 0.2}
    return {name: {**section, **changes.get(name, {})} for name, section in sections.items()}


def conf(name: str) -> dict[str, Any]:
    """A file of conf/."""
    found: dict[str, Any] = yaml.safe_load((ROOT / f"conf/{name}.yaml").read_text(encoding="utf-8"))
    return found


def settle(folder: Path, **changes: Changes) -> Path:
    """Write params.yaml into a folder, which is given back."""
    (folder / "params.yaml").write_text(yaml.safe_dump(values(**changes)), encoding="utf-8")
    return folder


def settled(**changes: Changes) -> Whole:
    with tempfile.TemporaryDirectory() as folder:
        return load(settle(Path(folder), **changes) / "params.yaml")
