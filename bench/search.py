"""What a search takes and finds: `python bench/search.py`, some ten minutes on two cores."""

import itertools
import re
import resource
import statistics
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

import page
from page import Table
from pipeline import call, project, timed
from stemma import metrics
from stemma.evaluation.folds import Tables
from stemma.search import optimism, study, trial
from stemma.search.settings import SearchSettings
from stemma.task import of

TRIALS, SEEDS, SEARCHES = 50, 30, 100
FOUND = 0.1  # of an objective that is 0 at its best, and 0.9 in the middle of random settings
GRID = [10 ** (-5 + half / 2) for half in range(9)], [1, 2, 4, 8, 16, 32], [0.0, 0.15, 0.3, 0.45, 0.6]
ROWS, WORLD, LOOKS = 400, 20_000, 20  # judged rows, rows that stand for all that may come, trials of a simulated search


def trials() -> Table:
    """`stemma search MODEL --trials 50 --jobs 2` on 12,000 simulated rows, without the experiment: seconds, processor
    time of all its processes, and how many trials their learning curve stopped. Others used the cores meanwhile."""
    rows = []
    with project() as folder:
        call(folder, "dvc", "repro", "prepare")
        call(folder, "stemma", "trust")
        for model, goal in (("torch_mlp", "< 600 s"), ("torch_tabular", "")):
            command = ("stemma", "search", model, "--trials", str(TRIALS), "--jobs", "2", "--keep", "0")
            before = processor_time()
            seconds = timed(partial(call, folder, *command))
            spent = processor_time() - before
            told = (folder / f"reports/search/{model}/report.md").read_text(encoding="utf-8")
            table = (folder / f"reports/search/{model}/trials.csv").read_text(encoding="utf-8")
            optimistic = re.search(r"optimism ([^ ]+) \(([^)]+)\)", told)
            luck = "" if optimistic is None else f"{optimistic[1]} ({optimistic[2]})"
            rows.append(
                [
                    model,
                    f"{seconds:.0f} s",
                    f"{spent:.0f} s",
                    str(table.count(",stopped,")),
                    luck.replace("\\", ""),
                    goal,
                ]
            )
    return ["model", "50 trials", "processor", "stopped", "optimism of the best", "goal"], rows


def processor_time() -> float:
    spent = resource.getrusage(resource.RUSAGE_CHILDREN)
    return spent.ru_utime + spent.ru_stime


def planted() -> Table:
    """A known objective of four settings, one a choice between three, one of which is 0.3 better: seeds of 30 in which
    40 trials come within 0.1 of the best value, 0; and the median of what they reach."""
    rows = []
    for sampler in ("tpe", "random"):
        reached = [least(seed, sampler, objective) for seed in range(SEEDS)]
        share = sum(value < FOUND for value in reached) / SEEDS
        goal = ">= 90%" if sampler == "tpe" else ""
        rows.append([sampler, f"{share:.0%}", f"{statistics.median(reached):.3f}", goal])
    return ["sampler", "found", "median", "goal"], rows


def objective(asked: Any) -> float:
    rate = np.log10(asked.suggest_float("rate", 1e-5, 1, log=True))
    width, dropout = asked.suggest_int("width", 1, 256, log=True), asked.suggest_float("dropout", 0, 0.9)
    far = 0.0 if asked.suggest_categorical("activation", ["relu", "gelu", "tanh"]) == "gelu" else 0.3
    return float((rate + 2.5) ** 2 / 4 + (np.log2(width) - 6) ** 2 / 16 + 4 * (dropout - 0.2) ** 2 + far)


def least(seed: int, sampler: str, value: Callable[[Any], float]) -> float:
    """What 40 trials find."""
    import optuna

    study.library()
    search = SearchSettings.model_validate({"space": {"a": {"choices": (1, 2)}}, "sampler": sampler})
    made = optuna.create_study()
    for number in range(40):
        made.sampler = study._sampler(search, seed, number)
        asked = made.ask()
        made.tell(asked, value(asked))
    return float(made.best_value)


def known() -> Table:
    """The same on a table whose best settings are known: `torch_mlp` was fitted to 1,500 simulated rows with each of
    270 settings (9 learning rates, 6 widths, 5 shares of dropout), and judged by log loss. Seeds of 30 in which 40
    trials leave at most a fiftieth of the way from the median of all settings to the best; and those that find the
    very best."""
    losses = fitted()
    best, rows = min(losses.values()), []
    near = best + 0.02 * (statistics.median(losses.values()) - best)
    for sampler in ("tpe", "random"):
        reached = [least(seed, sampler, partial(loss, losses)) for seed in range(SEEDS)]
        shares = [sum(value <= limit for value in reached) / SEEDS for limit in (near, best)]
        rows.append([sampler, *(f"{share:.0%}" for share in shares), ">= 90%" if sampler == "tpe" else ""])
    return ["sampler", "found", "the best of all", "goal"], rows


def loss(losses: dict[tuple[int, ...], float], asked: Any) -> float:
    return losses[tuple(asked.suggest_int(str(number), 0, len(each) - 1) for number, each in enumerate(GRID))]


def fitted() -> dict[tuple[int, ...], float]:
    """The log loss of each place of the grid."""
    from purchase_intent.networks import NETWORKS
    from purchase_intent.settings import load

    losses = {}
    with project() as folder:
        call(folder, "stemma", "conf", "sync", "data.rows=1500", "model=torch_mlp", "train.epochs=8")
        settings = load(folder / "params.yaml")
        call(folder, "python", "src/stage.py", "prepare")
        asked = SearchSettings.model_validate({"space": {"a": {"choices": (1, 2)}}, "metric": "log_loss"})
        parts = trial.table(folder / "data/prepared", asked, settings.data, Tables(NETWORKS)).parts
        common = trial.Common(Tables(NETWORKS), asked, parts, folder)
        for place in itertools.product(*map(range, map(len, GRID))):
            rate, width, dropout = (values[at] for values, at in zip(GRID, place, strict=True))
            model = settings.model.model_copy(update={"hidden": (width,), "dropout": dropout})
            train = settings.train.model_copy(update={"learning_rate": rate})
            changed = settings.model_copy(update={"model": model, "train": train})
            losses[place] = trial.run(common, changed, []).values[0]
    return losses


def optimistic() -> Table:
    """100 simulated searches: the best of 20 trials of nearly the same skill by ROC-AUC on 400 rows, and how much too
    good it is, which 20,000 further rows tell. How often the told 95 % interval holds that, and the means of both."""
    made = [simulated(seed) for seed in range(SEARCHES)]
    held = sum(told.low <= true <= told.high for told, true in made) / SEARCHES
    means = [float(np.mean([told.optimism for told, _ in made])), float(np.mean([true for _, true in made]))]
    return ["held", "mean told", "mean true", "goal"], [[f"{held:.0%}", *(f"{mean:+.4f}" for mean in means), ">= 90%"]]


def simulated(seed: int) -> tuple[optimism.Optimism, float]:
    draw = np.random.default_rng(seed)
    y = (draw.random(ROWS + WORLD) < 0.3).astype(float)
    signal, figure = 1.5 * y + draw.normal(size=len(y)), metrics.METRICS["roc_auc"]
    looks, truths = [], []
    for skill in 1 + 0.075 * draw.normal(size=LOOKS):
        probability = 1 / (1 + np.exp(-skill * signal - 0.8 * draw.normal(size=len(y))))
        both = np.column_stack([1 - probability, probability])
        judged, world = (
            metrics.Rows.of(of("binary", ("no", "yes")), y[part], both[part])
            for part in (slice(ROWS), slice(ROWS, None))
        )
        looks.append(partial(measured, judged, figure))
        truths.append(measured(world, figure, None))
    told = optimism.estimate(looks, ROWS, higher=True, seed=seed)
    assert told is not None
    return told, told.told - truths[int(np.argmax([look(None) for look in looks]))]


def measured(rows: metrics.Rows, figure: metrics.Metric, weights: Any) -> float:
    return metrics.figures(rows, weights, of=(figure,))[figure.name]


if __name__ == "__main__":
    page.main({"search": trials, "planted": planted, "known": known, "optimism": optimistic})
