"""What the toolkit asks of a project's own parts, each asked in seconds. A promise that is broken is an AssertionError.

Networks are fitted to rows that are made here: three numbers, a flag, and the code of a column with many levels.
"""

from collections.abc import Mapping
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from stemma import metrics, runtime, task, weights
from stemma.entries import Entry
from stemma.evaluation.settings import Settings
from stemma.tables import check, load, select, statistics
from stemma.tables.profile import Block
from stemma.tables.settings import Table
from stemma.text import counted
from stemma.training import fit, networks, own
from stemma.training.base import Floats, Given, Network, Problem, Rows
from stemma.training.own import Lines

PLAIN = Lines()
if TYPE_CHECKING:
    from _pytest.mark import ParameterSet

LEVELS = 40
BLOCKS = (
    Block("x", "numeric", 0, 3), Block("flag", "binary", 3, 1), Block("city", "code", 4, 1, LEVELS),
)  # fmt: skip
CLASSES = {"binary": ("no", "yes"), "multiclass": ("a", "b", "c"), "regression": ()}
TOLERANCE = 1e-4  # between a graph and the network, as conf/export has it
OPSET = 18


def rows(kind: str = "binary", count: int = 800, seed: int = 0) -> Rows:
    """Rows of a task. The product of two numbers decides, turned round in half of the cities; code 0 does not occur."""
    draw = np.random.default_rng(seed)
    x = draw.normal(size=(count, 5)).astype(np.float32)
    x[:, 3], x[:, 4] = draw.integers(0, 2, count), draw.integers(1, LEVELS, count)
    value = np.sign(x[:, 0] * x[:, 1]) * np.where(x[:, 4] % 2 == 0, 1, -1)
    if kind == "regression":
        return Rows(x, 100 + 20 * value.astype(np.float64))
    y = np.where(x[:, 3] == 1, 2, value > 0) if kind == "multiclass" else value > 0
    return Rows(x, y.astype(np.int64 if kind == "multiclass" else np.float32))


def each(lines: Mapping[str, Entry], pattern: str = "*") -> list["ParameterSet"]:
    """Networks as parameters of a test. With pytest-xdist, one worker holds TensorFlow and one PyTorch."""
    import pytest

    groups = {name: networks.home(lines[name]) or "torch" for name in lines if fnmatch(name, pattern)}
    return [pytest.param(name, marks=pytest.mark.xdist_group(group)) for name, group in groups.items()]


def check_network(
    lines: Mapping[str, Entry], settings: Settings, folder: Path, kind: str = "binary", parts: Lines = PLAIN
) -> Network:
    """Fit the network that settings name, twice; keep it, read it again, write its graph.

    Args:
        lines: the project's table NETWORKS.
        settings: its whole settings; a few epochs do.
        kind: of the task.
        parts: the project's own losses, optimizers and schedules, which `train` may name.

    Returns:
        The network, fitted to `rows(kind)`; its weights are in `folder / "weights"`.

    Raises:
        AssertionError: two fits differ, weights come back as others, or the graph gives other scores.
    """
    network, again = (fitted(lines, settings, folder, kind, parts) for _ in range(2))
    name, x = settings.model.name, _awkward(rows(kind, 60, seed=2).x)
    scores, tensors = network.scores(x), again.tensors()
    for tensor, values in network.tensors().items():
        _promise(np.array_equal(values, tensors[tensor]), f"{name}: two fits with one seed differ in {tensor}")
    _promise(scores.shape == (60, network.problem.outputs), f"{name}: scores of 60 rows are {scores.shape}")
    _promise(bool(np.isfinite(scores).all()), f"{name}: a score is no finite number")
    network.save(folder / "weights")
    other = networks.create(lines, settings.model, network.problem, settings.train.threads)
    other.load(folder / "weights")
    _promise(np.array_equal(other.scores(x), scores), f"{name}: weights that were kept give other scores")
    if network.framework == "tensorflow":
        rebuilt = np.asarray(weights.to_keras(folder / "weights")(x))
        _promise(np.array_equal(rebuilt, scores), f"{name}: built again from its layers, it gives other scores")
    _check_graph(network, x, scores)
    return network


def fitted(
    lines: Mapping[str, Entry], settings: Settings, folder: Path, kind: str = "binary", parts: Lines = PLAIN
) -> Network:
    """The network that settings name, fitted to `rows(kind)`."""
    mean, deviation = (0.0, 1.0) if CLASSES[kind] else (100.0, 20.0)
    problem = Problem(task.of(kind, CLASSES[kind], mean=mean, deviation=deviation), 5, BLOCKS)
    network = networks.create(lines, settings.model, problem, settings.train.threads)
    given = Given(rows(kind), settings.train, parts=own.chosen(settings.train, parts))
    fit.run(network, given, rows(kind, 200, seed=1), folder / "checkpoint")
    return network


def _awkward(x: Floats) -> Floats:
    """With a level that no training row has, and numbers far outside theirs."""
    x[:5, 4] = 0
    x[5:10, :3] *= 1000
    return x


def _check_graph(network: Network, x: Floats, scores: Floats) -> None:
    graph = network.onnx(OPSET)
    session, name = runtime.session(graph.SerializeToString()), graph.graph.input[0].name
    for count in (len(x), 1, 0):
        found = runtime.run(session, {name: x[:count]})
        same = found.shape == scores[:count].shape and np.allclose(found, scores[:count], TOLERANCE, TOLERANCE)
        _promise(same, f"{network.settings.name}: the graph gives other scores for {counted(count, 'row')}")


def check_source(lines: Mapping[str, Entry], settings: Table) -> check.Checked:
    """Read a table twice, and check it as the stage prepare does.

    Args:
        lines: the project's table SOURCES.
        settings: the section `data`.

    Returns:
        The table, its splits, and hints of what looks wrong all the same.

    Raises:
        AssertionError: the second table is another one.
        DataError: the table and its settings do not fit each other.
    """
    found = check.check(settings, lines, strict=False)
    again = statistics.content(select.select(load.table(settings, lines), settings)[0])
    _promise(again == statistics.content(found.table), f"{settings.source}: read again, the table is another one")
    return found


def check_metric(lines: Mapping[str, Entry], name: str) -> None:
    """Measure good predictions and poor ones with a line of the project's METRICS, in each task that it says it has.

    Raises:
        AssertionError: a figure is no finite number, poor predictions are better, or weights of rows do not count.
    """
    metric = metrics.loaded(name, lines[name])
    half = (np.arange(400) < 200).astype(np.float64)
    for kind in metric.tasks:
        good, poor = (metric.measure(metrics.Sample(_judged(kind, skill))) for skill in (0.9, 0.1))
        _promise(bool(np.isfinite((good, poor)).all()), f"{name}: {good} and {poor} are no finite numbers, {kind}")
        right = good >= poor if metric.better == "higher" else good <= poor
        _promise(right, f"{name}: {good} for good predictions, {poor} for poor ones, and {metric.better} is better")
        told = {metric.measure(metrics.Sample(_judged(kind, 0.3), weights)) for weights in (None, half, 1 - half)}
        _promise(len(told) > 1, f"{name}: weights of rows do not count, {kind}")


def _judged(kind: str, skill: float) -> metrics.Rows:
    """Predictions beside the truth, as near to it as `skill` says."""
    posed, y = task.of(kind, CLASSES[kind]), rows(kind, 400).y
    truth = np.eye(posed.width)[y.astype(int)] if posed.classes else y[:, None]
    noise = np.random.default_rng(0).random(truth.shape) * (1 if posed.classes else 200)
    given = skill * truth + (1 - skill) * noise
    if posed.classes:
        given /= given.sum(axis=1, keepdims=True)
    return metrics.Rows.of(posed, y, given, posed.decide(given, 0.5))


def _promise(kept: bool, told: str) -> None:
    if not kept:
        raise AssertionError(told)
