"""One trial: settings are drawn, a network is fitted for each part and seed, and judged on the rows that no fit saw.

The rows are those of training and validation. Test rows are not read here.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stemma import conf, metrics
from stemma.conf.difference import dotted, leaves
from stemma.errors import EvaluationError, MissingExtra, SettingsError, StemmaError
from stemma.evaluation import decision
from stemma.evaluation.folds import Tables
from stemma.evaluation.settings import EvaluateSettings, Settings
from stemma.metrics import Metric
from stemma.runners import workplace
from stemma.search import study
from stemma.search.settings import Dimension, SearchSettings
from stemma.search.space import Space, override
from stemma.tables import arrays, profile, split
from stemma.task import Task
from stemma.text import few, figure, nearest
from stemma.training import fit, networks, own
from stemma.training.base import Epoch, Given, Network, Problem, Rows

if TYPE_CHECKING:
    import optuna

PARAMETERS = Metric("parameters", "parameters", "numbers in its tensors", (), lambda _: np.nan, "lower")
Array = NDArray[Any]
Watch = Callable[[Epoch], None]


@dataclass(frozen=True)
class Part:
    """Rows to fit, rows by which a fit is stopped, and rows to judge it by."""

    problem: Problem
    train: Rows
    stop: Rows
    judged: Rows


@dataclass(frozen=True)
class Table:
    """What trials are fitted to and judged on, by these figures, the first of which leads."""

    parts: tuple[Part, ...]
    figures: tuple[Metric, ...]

    @property
    def task(self) -> Task:
        return self.parts[0].problem.task

    @property
    def y(self) -> Array:
        """The truth of all judged rows, in the order of the parts."""
        return np.concatenate([part.judged.y for part in self.parts])


@dataclass(frozen=True)
class Judged:
    """Predictions of a trial for the judged rows of each seed: (seeds, rows, outputs), and decisions (seeds, rows)."""

    predictions: Array
    decided: Array

    def rows(self, task: Task, y: Array, bins: int) -> tuple[metrics.Rows, ...]:
        """Ready to be measured, for each seed."""
        pairs = zip(self.predictions, self.decided, strict=True)
        return tuple(metrics.Rows.of(task, y, predicted, decided, bins) for predicted, decided in pairs)

    def write(self, file: Path) -> None:
        file.parent.mkdir(parents=True, exist_ok=True)
        np.savez(file, predictions=self.predictions, decided=self.decided)

    @staticmethod
    def read(file: Path) -> "Judged":
        with np.load(file) as arrays_of:
            return Judged(arrays_of["predictions"], arrays_of["decided"])


@dataclass(frozen=True)
class Common:
    """What all trials of a search have in common, wherever they run."""

    tables: Tables
    search: SearchSettings
    parts: tuple[Part, ...]
    scratch: Path  # a folder for checkpoints


@dataclass(frozen=True)
class Ended:
    """How a trial came to its end: with values and what they are of, or with a fault; else its curve stopped it."""

    curve: tuple[tuple[int, float], ...]  # epoch and validation loss
    values: tuple[float, ...] = ()
    judged: Judged | None = None
    fault: str | None = None


def table(prepared: Path, search: SearchSettings, data: Any, tables: Tables) -> Table:
    """The training and validation rows as prepare wrote them, or cut into folds.

    Raises:
        SettingsError: a metric is none. DataError: the rows are not there, or cannot be cut.
    """
    about = profile.read(prepared)
    problem, wanted = Problem.of(about), figures(search, about.task, tables)
    train, validation = (arrays.read(prepared, name) for name in ("train", "validation"))
    if search.folds is None:
        judged = Rows(validation.x, validation.y)
        return Table((Part(problem, Rows(train.x, train.y), judged, judged),), wanted)
    x, y = np.concatenate([train.x, validation.x]), np.concatenate([train.y, validation.y])
    triples = split.folds(pd.concat([train.frame, validation.frame], ignore_index=True), data, search.folds)
    return Table(tuple(_part(problem, *(Rows(x[rows], y[rows]) for rows in triple)) for triple in triples), wanted)


def _part(problem: Problem, train: Rows, stop: Rows, judged: Rows) -> Part:
    return Part(replace(problem, task=problem.task.fitted(train.y)), train, stop, judged)


def figures(search: SearchSettings, task: Task, tables: Tables) -> tuple[Metric, ...]:
    known = {each.name: each for each in metrics.of_task(task.kind, metrics.added_to(tables.metrics))}
    known[PARAMETERS.name] = PARAMETERS
    for name in search.metrics:
        if name not in known:
            raise SettingsError(f"metric: {name!r} is none of {few(tuple(known), 99)}{nearest(name, known)}")
    return tuple(known[name] for name in search.metrics or (task.main,))


def shown(name: str, value: float) -> str:
    """A figure of this name."""
    return f"{value:,.0f}" if name == PARAMETERS.name else figure(value)


def drawn(trial: "optuna.Trial", space: Mapping[str, Dimension]) -> dict[str, Any]:
    """A value for each dimension that counts."""
    values: dict[str, Any] = {}
    for key, dimension in space.items():
        if all(values.get(other, dimension) in wanted for other, wanted in dimension.when.items()):
            values[key] = _suggested(trial, key, dimension)
    return values


def _suggested(trial: "optuna.Trial", key: str, dimension: Dimension) -> Any:
    if dimension.choices is not None:  # Optuna keeps texts and numbers alone
        texts = {override(key, value): value for value in dimension.choices}
        return texts[trial.suggest_categorical(key, tuple(texts))]
    low, high, step = dimension.low, dimension.high, dimension.step
    if dimension.is_whole:
        return trial.suggest_int(key, low, high, step=step or 1, log=dimension.log)  # type: ignore[arg-type]
    return trial.suggest_float(key, low, high, step=step, log=dimension.log)  # type: ignore[arg-type]


def present(space: Space, known: Table) -> dict[str, Any]:
    """The settings as they are, by their dotted names, what they leave to the rows too; and the groups of conf/."""
    made = _as_fitted(space, (), known)
    named = {dotted(path): value for path, value in leaves({"model": made[0], "train": made[1]}).items()}
    return named | conf.choices(space.root, space.search.settings)


def is_present(space: Space, chosen: Sequence[str], known: Table) -> bool:
    """Whether these settings give the fit that the present ones give."""
    base = replace(space, search=space.search.model_copy(update={"settings": ()}))
    return _as_fitted(space, chosen, known) == _as_fitted(base, (), known)


def _as_fitted(space: Space, chosen: Sequence[str], known: Table) -> tuple[dict[str, Any], dict[str, Any]]:
    settings = space.settings(chosen)
    train = fit.settled(settings.train, known.parts[0].train.x)
    return settings.model.model_dump(mode="json"), train.model_dump(mode="json")


def run(common: Common, settings: Settings, others: Sequence["optuna.trial.FrozenTrial"]) -> Ended:
    """Fit and judge a network of these settings.

    Args:
        others: the trials that came to their end before.

    Raises:
        MissingExtra: no trial can be fitted here.
    """
    import optuna

    known = Table(common.parts, figures(common.search, common.parts[0].problem.task, common.tables))
    curve: list[tuple[int, float]] = []
    try:
        with workplace(common.scratch) as folder:
            watch = _unwatched if common.search.pruner == "none" else _watching(curve, others, known.figures[0])
            judged, size = _judged(common, settings, folder / "checkpoint.safetensors", watch)
        values = _measured(judged, known, settings.evaluate.bins, size)
        if not all(map(math.isfinite, values)):
            raise EvaluationError(f"{known.figures[0].name} is not defined on the judged rows")
    except optuna.TrialPruned:
        return Ended(tuple(curve))
    except MissingExtra:  # to count such trials would leave nothing to try once it is installed
        raise
    except StemmaError as error:
        return Ended(tuple(curve), fault=str(error))
    return Ended(tuple(curve), tuple(values), judged)


def _judged(common: Common, settings: Settings, checkpoint: Path, watch: Watch) -> tuple[Judged, int]:
    """And how many numbers are in the tensors of the network."""
    seeds, size = [], 0
    for number in range(common.search.seeds):
        found, seed = [], (settings.train.seed + number) % 2**32
        training = settings.train.model_copy(update={"resume": False, "seed": seed})
        for part in common.parts:
            network = networks.create(common.tables.networks, settings.model, part.problem, training.threads)
            given = Given(part.train, training, parts=own.chosen(training, common.tables.training))
            fit.run(network, given, part.stop, checkpoint, watch)
            watch, size = _unwatched, sum(tensor.size for tensor in network.tensors().values())
            found.append(_predicted(network, part.judged, settings.evaluate))
        seeds.append([np.concatenate(each) for each in zip(*found, strict=True)])
    return Judged(np.stack([each[0] for each in seeds]), np.stack([each[1] for each in seeds])), size


def _unwatched(epoch: Epoch) -> None:
    """Of the first fit alone the learning curve is compared."""


def _watching(curve: list[tuple[int, float]], others: Sequence["optuna.trial.FrozenTrial"], leading: Metric) -> Watch:
    """Stop a trial whose validation loss is worse than others' was. Turned round where more of the figure is better."""
    import optuna

    sign = -1 if leading.better == "higher" else 1
    trial = study.beside(others, leading)

    def watch(epoch: Epoch) -> None:
        curve.append((epoch.number, sign * epoch.validation_loss))
        trial.report(curve[-1][1], epoch.number)
        if trial.should_prune():
            raise optuna.TrialPruned

    return watch


def _predicted(network: Network, judged: Rows, settings: EvaluateSettings) -> tuple[Array, Array]:
    task, scores = network.problem.task, network.scores(judged.x)
    chosen = decision.decide(task, scores, judged.y, settings)
    predicted = chosen.predictions(task, scores)
    return predicted, task.decide(predicted, chosen.threshold)


def _measured(judged: Judged, known: Table, bins: int, size: int) -> list[float]:
    """Each figure, the mean over the seeds."""
    rows = judged.rows(known.task, known.y, bins)
    wanted = [each for each in known.figures if each is not PARAMETERS]
    each = [metrics.figures(one, of=wanted) for one in rows]
    means = {name: float(np.mean([found[name] for found in each])) for name in (each[0] if each else ())}
    return [float(size) if figure is PARAMETERS else means[figure.name] for figure in known.figures]
