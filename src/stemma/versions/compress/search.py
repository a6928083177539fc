"""The story of a search: make, judge, keep the smallest of those that lose less than the budget.

A candidate is a set of settings; to add one, a line in the table.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from stemma import layout
from stemma.conf.hydra_yaml import flow
from stemma.errors import StemmaError, VersionError
from stemma.evaluation.results import told
from stemma.repo import trust
from stemma.repo.repository import PACKAGE, Repo, Version, no_model, opened
from stemma.text import figure, signed
from stemma.versions.compare import Comparison, Options, check_metric, compare
from stemma.versions.compress.clone import cloned

By = Literal["size", "latency"]
SLOWER = 1.05  # times the latency before, from which that is said
INT8, AWARE = "compress.method=int8_static", "train.quantisation_aware=true"
CANDIDATES = {  # from mild to strong: settings, and a milder one, without whose success this one is not tried
    "float16": ("compress.method=float16", None),
    "int8_dynamic": ("compress.method=int8_dynamic", None),
    "int8_static": (INT8, None),
    "aware_int8": (f"{AWARE} {INT8}", None),
    "prune_50": ("train.prune=0.5", None),
    "prune_50_int8": (f"train.prune=0.5 {INT8}", "prune_50"),
    "prune_80": ("train.prune=0.8", "prune_50"),
    "prune_80_int8": (f"train.prune=0.8 {INT8}", "prune_80"),
    "units_25": ("train.prune_structured=0.25", None),
    "units_25_int8": (f"train.prune_structured=0.25 {INT8}", "units_25"),
    "units_50": ("train.prune_structured=0.5", "units_25"),
    "units_50_int8": (f"train.prune_structured=0.5 {INT8}", "units_50"),
    "units_75": ("train.prune_structured=0.75", "units_50"),
    "units_75_int8": (f"train.prune_structured=0.75 {INT8}", "units_75"),
}


@dataclass(frozen=True)
class Budget:
    """Of a metric, in its unit, less than `loss` may be lost, whichever way it is better; above 0."""

    metric: str
    loss: float

    def __str__(self) -> str:
        return f"{self.metric} -{self.loss:g}"

    def holds(self, found: Comparison) -> bool:
        """Whether the whole 95 % interval of the loss lies below it."""
        return found.meets("not-worse", self.loss)


@dataclass(frozen=True)
class Found:
    revision: str
    budget: Budget
    by: By
    before: Comparison  # the version beside itself on the validation rows
    judged: Mapping[str, Comparison]  # each candidate beside it there, by name
    others: Mapping[str, str]  # why a candidate was not judged
    # the smallest of those that lose less than the budget; None where there is none smaller than the version
    chosen: str | None
    test: Comparison | None  # how that one does on the test rows, which nothing else looks at
    experiment: str | None  # its name, where it loses less than the budget there too

    @property
    def sentence(self) -> str:
        if self.test is None or self.chosen is None:
            return f"nothing smaller than {self.revision} keeps within {self.budget}: {self._missed()}"
        found = self.judged[self.chosen]
        what = f"{self.chosen}, {share(found, self.by):.2f} x the {self.by} of {self.revision}"
        end = f"it is the experiment {self.experiment}" if self.experiment else "there not within the budget: not kept"
        return f"{what}: {_moved(found)} on the validation rows, {_moved(self.test)} on the test rows; {end}"

    def _missed(self) -> str:
        if not self.judged:
            return f"no candidate could be judged ({next(iter(self.others.values()))})"
        over = [name for name, each in self.judged.items() if not self.budget.holds(each)]
        if len(over) < len(self.judged):
            return f"what does has no less {self.by}"
        name = min(over, key=lambda name: self.judged[name].lost)
        return f"the nearest is {name}, {_moved(self.judged[name])} on the validation rows"


def search(
    repo: Repo, revision: str, budget: Budget, by: By = "size", progress: Callable[[str], None] = lambda _: None
) -> Found:
    """Try every candidate for a version, and keep the smallest that loses less than the budget as an experiment.

    Args:
        by: what smallest means: bytes of the bundle, or the time that one row takes. progress: told what is tried.

    Raises:
        StemmaError: there is no such version, its code is not trusted, or it has no such metric.
    """
    version = _version(repo, revision, budget.metric)
    with cloned(version) as clone:
        rows = Options(clone.root / layout.rows("validation"), metric=budget.metric)
        before = compare(repo, version, version, rows)
        judged: dict[str, Comparison] = {}
        others: dict[str, str] = {}
        for name, (_, milder) in CANDIDATES.items():
            progress(name)
            try:
                settings = settings_of(name, version)
                if milder is not None and not (milder in judged and budget.holds(judged[milder])):
                    raise StemmaError(f"{milder}, which is milder, does not keep within the budget")
                judged[name] = compare(repo, version, clone.run(name, settings), rows)
            except StemmaError as error:
                others[name] = str(error)
        fit = [name for name, each in judged.items() if budget.holds(each) and share(each, by) < 1]
        chosen = min(fit, key=lambda name: share(judged[name], by), default=None)
        options = Options(metric=budget.metric, latency=False)
        test = None if chosen is None else compare(repo, version, judged[chosen].b, options)
        kept = clone.keep(chosen) if chosen is not None and test is not None and budget.holds(test) else None
    return Found(version.name, budget, by, before, judged, others, chosen, test, kept)


def share(found: Comparison, by: By) -> float:
    """Bytes of the bundle, or the latency of one row, as a share of the version's; infinite where it is not known."""
    if by == "size":
        a, b = (size.bytes for size in found.sizes)
        return b / a if a and b else math.inf
    before, after = (size.latency for size in found.sizes)
    return after.single / before.single if before and after else math.inf


def _version(repo: Repo, revision: str, metric: str) -> Version:
    version = opened(repo).version(revision)
    if version.commit is None:
        raise VersionError("the workspace is no commit, and experiments are made on one", run="git commit")
    if not version.has(PACKAGE):
        raise no_model(version)
    check_metric(version, metric)
    trust.code(version.repository.root, version.commit, "stemma compress")
    return version


def settings_of(name: str, version: Version) -> dict[str, str]:
    """Of a candidate; training goes on from the version's weights, with the units that its network has."""
    chosen = dict(pair.split("=") for pair in CANDIDATES[name][0].split())
    for key in chosen:
        section, _, last = key.partition(".")
        if last not in (told(version.settings, section) or {}):
            raise StemmaError(f"the code of {version.name} has no setting {key}")
    if not any(key.startswith("train.") for key in chosen):
        return chosen
    start = {"train.init_from": str(version.commit)}
    head = version.index.layers[-1].settings if version.index else {}
    if "cut_from" in head:  # its settings name the whole network, which would be cut from the one that was
        start |= {"model.hidden": flow(head["hidden"]), "train.prune_structured": "null"}
    return start | chosen


def _moved(found: Comparison) -> str:
    low, high = signed(found.main.low), signed(found.main.high)
    return f"{figure(found.main.a)} -> {figure(found.main.b)} (95 % interval {low} to {high})"
