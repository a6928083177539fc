"""The settings: one frozen, typed section per section of params.yaml.

No setting has a default here: conf/ holds every value, params.yaml is its composition, and the types say which values
are allowed. Each type stands beside what it sets; a section of your own is a class of `Section` and a line below.
"""

from functools import partial
from pathlib import Path

from purchase_intent.extensions.baselines import BASELINES
from purchase_intent.extensions.formats import FORMATS
from purchase_intent.extensions.metrics import METRICS
from purchase_intent.extensions.trackers import TRACKERS
from purchase_intent.extensions.training import LINES
from purchase_intent.networks import NETWORKS
from purchase_intent.sources import SOURCES
from stemma import formats, settings, trackers
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


class Settings(Section):
    """The whole of params.yaml."""

    data: Table
    prepare: PrepareSettings
    model: ModelSettings
    train: TrainSettings
    compress: CompressSettings
    evaluate: EvaluateSettings
    export: ExportSettings
    package: PackageSettings
    runner: RunnerSettings


def load(path: str | Path = "params.yaml") -> Settings:
    """Read and check the whole of params.yaml.

    Raises:
        SettingsError: the file is missing or not YAML, or settings are wrong: all of them, one per line.
    """
    chosen = {"data": ("kind", SOURCES), "model": ("name", NETWORKS)}
    checks = (
        networks.faults,
        objective.faults,
        partial(own.faults, LINES),
        partial(check.faults, METRICS, BASELINES),
        partial(formats.faults, FORMATS),
        partial(trackers.faults, TRACKERS),
    )
    return settings.load(Settings, path, chosen, checks)
