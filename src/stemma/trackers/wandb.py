"""Weights & Biases: a run in runs/wandb/, offline unless WANDB_MODE says otherwise. `wandb sync` sends it."""

import os
from collections.abc import Mapping
from pathlib import Path

import wandb

from stemma.trackers.base import Counted, Tracker


class WeightsAndBiases(Tracker):
    """A run; one that a later stage adds to is a file of its own, which `wandb sync` puts together."""

    def __init__(self, project: str, run: str, home: Path) -> None:
        self.run = wandb.init(
            project=project,
            id=run,
            name=run,
            dir=str(home),
            resume="allow",
            settings=wandb.Settings(
                mode=os.environ.get("WANDB_MODE", "offline"),
                silent=True, console="off", save_code=False, disable_git=True, x_disable_stats=True,
                x_disable_machine_info=True, init_timeout=90, finish_timeout=90,
            ),
        )  # fmt: skip

    def settings(self, values: Mapping[str, str | float | bool]) -> None:
        self.run.config.update(dict(values), allow_val_change=True)

    def tags(self, values: Mapping[str, str]) -> None:
        self.run.config.update({f"stemma.{name}": value for name, value in values.items()}, allow_val_change=True)

    def figures(self, values: Mapping[str, float], step: int | None = None) -> None:
        self.run.summary.update(dict(values)) if step is None else self.run.log(dict(values), step=step)

    def histograms(self, tensors: Mapping[str, Counted], step: int) -> None:
        self.run.log({name: wandb.Histogram(np_histogram=each) for name, each in tensors.items()}, step=step)

    def pictures(self, drawn: Mapping[str, str]) -> None:
        self.run.log({f"pictures/{name}": wandb.Html(svg, inject=False) for name, svg in drawn.items()})

    def close(self, status: str) -> None:
        self.run.finish(0 if status == "FINISHED" else 1)
