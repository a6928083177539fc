"""MLflow: a run in the store that MLFLOW_TRACKING_URI names, by default runs/mlflow.db.

`mlflow ui --backend-store-uri sqlite:///runs/mlflow.db` shows that.
"""

import os
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from mlflow import MlflowClient
from mlflow.entities import Metric, Param, RunTag
from mlflow.store.db.db_types import DATABASE_ENGINES

from stemma.trackers.base import Tracker

PREFIX = "stemma."  # of tags; those of MLflow itself are `mlflow.`
LONGEST = 6000  # letters of a setting, by MLflow's rule


class MLflow(Tracker):
    """A run, which a tag finds again; it has no view for histograms, curves and graphs, but shows pictures."""

    def __init__(self, project: str, run: str, home: Path) -> None:
        self.client = client(home)
        experiment = experiment_of(self.client, home, project)
        found = self.client.search_runs([experiment], f"tags.`{PREFIX}run` = '{run}'")
        made = found[0] if found else self.client.create_run(experiment, tags={f"{PREFIX}run": run}, run_name=run)
        self.run = made.info.run_id

    def settings(self, values: Mapping[str, str | float | bool]) -> None:
        self.client.log_batch(self.run, params=[Param(name, str(value)[:LONGEST]) for name, value in values.items()])

    def tags(self, values: Mapping[str, str]) -> None:
        self.client.log_batch(self.run, tags=[RunTag(f"{PREFIX}{name}", value) for name, value in values.items()])

    def figures(self, values: Mapping[str, float], step: int | None = None) -> None:
        at = int(time.time() * 1000)
        self.client.log_batch(self.run, [Metric(name, value, at, step or 0) for name, value in values.items()])

    def pictures(self, drawn: Mapping[str, str]) -> None:
        for name, svg in drawn.items():
            self.client.log_text(self.run, svg, f"pictures/{name}.svg")

    def close(self, status: str) -> None:
        self.client.set_terminated(self.run, status)


def address(home: Path, uri: str | None = None) -> str:
    """Where the store is. Args: home: the folder of runs, which has it by default."""
    return uri or os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{(home / 'mlflow.db').as_posix()}"


def client(home: Path, uri: str | None = None) -> MlflowClient:
    """Args: as of `address`."""
    asked = address(home, uri)
    if asked.startswith(f"sqlite:///{home.as_posix()}"):
        home.mkdir(parents=True, exist_ok=True)
    return MlflowClient(asked)


def experiment_of(client: MlflowClient, home: Path, name: str) -> str:
    """The number of the experiment of this name, which is made where it is not there."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    # A server has a place for files; a database has none, and they would land in the current folder.
    is_database = urlsplit(client.tracking_uri).scheme.partition("+")[0] in DATABASE_ENGINES
    return str(client.create_experiment(name, (home / "mlflow").as_uri() if is_database else None))
