"""A small project to search in: conf/, prepared rows, and the tests' own network."""

import os
import signal
from collections.abc import Callable, Generator, Iterable
from pathlib import Path
from typing import Any

import yaml
from torch import nn

from stemma import conf
from stemma.entries import Entry
from stemma.evaluation.folds import Tables
from stemma.runners import Job
from stemma.runners.local import Local
from stemma.search import run
from stemma.search.found import Found
from stemma.search.run import Asked
from stemma.tables import prepared
from stemma.tables.check import check
from tiny import NETWORKS, SOURCES, VISITS, TinySettings
from tiny.params import load, settled, values
from tiny.torch import Tiny

SPACE = {
    "trials": 3,
    "space": {
        "model.hidden": {"choices": [[4], [8, 4], [16]]},
        "model.dropout": {"low": 0.0, "high": 0.4, "step": 0.1},
        "train.learning_rate": {"low": 0.0001, "high": 0.1, "log": True},
    },
}
FATAL = [13]  # units of a hidden layer that end the process


class Fatal(Tiny):
    """A network that may take its process with it, as one that needs too much memory does."""

    def build(self) -> nn.Module:
        if list(self.settings.hidden) == FATAL:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().build()


TABLES = Tables(NETWORKS | {"tiny_torch": Entry("searched:Fatal", TinySettings)})


class Searched:
    """A project whose space can be changed."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def write(self, **changes: Any) -> None:
        file = self.root / "conf/search/tiny.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(SPACE | changes, sort_keys=False), encoding="utf-8")

    def run(self, **asked: Any) -> Found:
        return run.search(self.root, Asked(**({"name": "tiny"} | asked)), TABLES, load)


def in_process(
    _: Local, work: Callable[..., Any], jobs: Iterable[Job], at_once: int
) -> Generator[tuple[int, Any], None, None]:
    """`Local.stream` in this process, where it is not what is tested that there are others."""
    for number, (_, arguments) in enumerate(jobs):
        yield number, work(*arguments)


def project(root: Path) -> Path:
    sections = values(VISITS | {"rows": 400}, train={"epochs": 6, "batch_size": 32})
    model = sections.pop("model")
    (root / ".dvc").mkdir()
    (root / ".dvc/config").write_text("[hydra]\n    enabled = True\n", encoding="utf-8")
    defaults = {"defaults": ["_self_", {"model": "tiny_torch"}, {"data": "visits"}]}
    data = sections.pop("data")
    for name, content in {
        "config": defaults | sections, "model/tiny_torch": model, "model/other": model | {"hidden": [3]},
        "data/visits": data, "data/more": data | {"rows": 500},
    }.items():  # fmt: skip
        file = root / f"conf/{name}.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    conf.sync(root)
    made = settled(data=VISITS | {"rows": 400})
    prepared.write(root / "data/prepared", check(made.data, SOURCES, False), made.data, made.prepare)
    return root
