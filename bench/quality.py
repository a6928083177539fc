"""How good the defaults are: every model on every table, on the same splits.

python bench/quality.py                                      all of it, into bench/README.md: hours on 2 cores
python bench/quality.py --tables wine,shoppers --seeds 2     some of it, printed only; --write puts it into the page
python bench/quality.py --models torch_tabular,boosting      some models

A table goes the way of a person's own: described, prepared, read as training reads it, with no setting touched but the
seed of the split and the model. Networks are fitted to the training rows and stop by the validation rows;
scikit-learn's models get both, encoded, with the defaults of scikit-learn.
"""

import argparse
import json
import math
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from page import update
from pipeline import ROOT, call, capture, project

SHOPPERS = ROOT.parent / "shared" / "data" / "online_shoppers_intention.csv"
NETWORKS = ("torch_tabular", "keras_tabular", "torch_mlp")
BASELINES = ("boosting", "mlp", "mlp_early", "linear")
HEAD = """Test rows, mean and standard deviation over {seeds} split seeds: ROC-AUC (of several classes, one against the
rest), or RMSE where marked. `mlp` is MLPClassifier or MLPRegressor, `mlp_early` the same with early stopping,
`boosting` HistGradientBoosting, `linear` logistic or ridge regression. Made by `python bench/quality.py`."""


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


def table(x: np.ndarray, y: np.ndarray) -> tuple[pd.DataFrame, str]:
    frame = pd.DataFrame(x, columns=[f"x{number}" for number in range(x.shape[1])])
    return frame.assign(target=np.where(y, "yes", "no") if y.dtype == bool else y), "target"


def logistic(score: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-score))


TABLES: dict[str, Callable[[], tuple[pd.DataFrame, str]]] = {
    "shoppers": shoppers,
    "shop": shop,
    **{name: bundled(name) for name in ("breast_cancer", "wine", "digits", "iris", "diabetes")},
    **{f.__name__: f for f in (linear, interactions, heavy_tails, many_levels, imbalanced, friedman)},
}


# One fit. What follows runs in a process of its own in a copy of the project, whose code it imports.


def judge(model: str, prepared: list[str]) -> None:
    """Fit one model to each prepared folder; a line of JSON for each: [name of the figure, figure]."""
    for folder in map(Path, prepared):
        print(json.dumps(figure(model, folder)), flush=True)


def figure(model: str, folder: Path) -> tuple[str, float]:
    """The figure of a model fitted to one prepared folder, on its test rows."""
    from sklearn.metrics import roc_auc_score

    from stemma.tables import arrays, profile

    about = profile.read(folder)
    splits = {name: arrays.read(folder, name) for name in ("train", "validation", "test")}
    predicted = (network if model in NETWORKS else baseline)(model, about, splits).astype(np.float64)
    y = splits["test"].y
    if about.task == "regression":
        return "RMSE", math.sqrt(float(np.mean(np.square(predicted[:, 0] - y))))
    if about.task == "binary":
        return "ROC-AUC", float(roc_auc_score(y, predicted[:, 1]))
    predicted /= predicted.sum(axis=1, keepdims=True)  # float32 rows sum to 1 less exactly than scikit-learn asks
    return "ROC-AUC", float(roc_auc_score(y, predicted, multi_class="ovr", labels=list(range(len(about.classes)))))


def network(model: str, about: Any, splits: dict[str, Any]) -> np.ndarray:
    from purchase_intent.networks import NETWORKS
    from purchase_intent.settings import load
    from stemma.training import fit, networks
    from stemma.training.base import Given, Problem, Rows

    settings = load()
    fitted = networks.create(NETWORKS, settings.model, Problem.of(about), settings.train.threads)
    train, validation = (Rows(splits[name].x, splits[name].y) for name in ("train", "validation"))
    with tempfile.TemporaryDirectory() as folder:
        fit.run(fitted, Given(train, settings.train), validation, Path(folder) / "checkpoint.safetensors")
    return fitted.predict(splits["test"].x)


def baseline(model: str, about: Any, splits: dict[str, Any]) -> np.ndarray:
    """Probabilities (rows, classes) or values (rows, 1) of a model of scikit-learn."""
    from sklearn import ensemble, linear_model, neural_network

    rows = {name: split.x if model == "boosting" else one_hot(split.x, about) for name, split in splits.items()}
    x, y = (np.concatenate([part["train"], part["validation"]]) for part in (rows, {n: s.y for n, s in splits.items()}))
    if about.task == "regression":
        made: dict[str, Callable[[], Any]] = {
            "boosting": lambda: ensemble.HistGradientBoostingRegressor(random_state=0),
            "mlp": lambda: neural_network.MLPRegressor(random_state=0),
            "mlp_early": lambda: neural_network.MLPRegressor(random_state=0, early_stopping=True),
            "linear": lambda: linear_model.RidgeCV(),
        }
        mean, deviation = y.mean(), y.std()
        fitted = made[model]().fit(x, (y - mean) / deviation)
        return (fitted.predict(rows["test"]) * deviation + mean)[:, None]
    made = {
        "boosting": lambda: ensemble.HistGradientBoostingClassifier(random_state=0),
        "mlp": lambda: neural_network.MLPClassifier(random_state=0),
        "mlp_early": lambda: neural_network.MLPClassifier(random_state=0, early_stopping=True),
        "linear": lambda: linear_model.LogisticRegression(max_iter=2000),
    }
    return made[model]().fit(x, y.astype(int)).predict_proba(rows["test"])


def one_hot(x: np.ndarray, about: Any) -> np.ndarray:
    """Codes as a column for each level, for models without an embedding."""
    parts = [
        np.eye(block.size, dtype=np.float32)[x[:, block.start].astype(int)]
        if block.kind == "code"
        else x[:, block.start : block.start + block.width]
        for block in about.blocks
    ]
    return np.concatenate(parts, axis=1)


# All of them.


def prepare(folder: Path, tables: list[str], seeds: int) -> Iterator[tuple[str, list[str]]]:
    """Describe and prepare each table for each split seed; its name and the prepared folders."""
    for name in tables:
        if name == "shoppers" and not SHOPPERS.is_file():
            print(f"note: {SHOPPERS} is not there, so the table shoppers is left out", file=sys.stderr)
            continue
        file = folder / "data" / "raw" / f"{name}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        frame, target = TABLES[name]()
        frame.to_csv(file, index=False)
        describe = ("stemma", "describe", f"data/raw/{name}.csv")
        call(folder, *describe, "--target", target, "--name", name, "--force")
        made = []
        for seed in range(seeds):
            call(folder, "stemma", "conf", "sync", f"data={name}", f"data.split.seed={seed}")
            call(folder, "python", "src/stage.py", "prepare")
            made.append(f"prepared/{name}-{seed}")
            shutil.move(folder / "data" / "prepared", folder / made[-1])
        yield name, made


def measure(folder: Path, model: str, prepared: dict[str, list[str]]) -> dict[str, tuple[str, list[float]]]:
    """By table: the name of the figure, and its value for each split seed."""
    if model in NETWORKS:
        call(folder, "stemma", "conf", "sync", f"model={model}")
    found = {}
    for name, folders in prepared.items():
        text = capture(folder, "python", str(ROOT / "bench" / "quality.py"), "--judge", model, *folders)
        lines = [json.loads(line) for line in text.splitlines() if line.startswith("[")]
        found[name] = (lines[0][0], [value for _, value in lines])
        print(f"{name}  {model}  {cell(*found[name])}", flush=True)
    return found


def cell(kind: str, values: list[float]) -> str:
    mean, deviation = statistics.mean(values), statistics.pstdev(values)
    return f"{mean:.3f} ± {deviation:.3f}" if kind == "ROC-AUC" else f"{mean:.4g} ± {deviation:.2g}"


def section(found: dict[str, dict[str, tuple[str, list[float]]]], seeds: int) -> str:
    """The Markdown table; the best mean of a row is bold."""
    models = list(found)
    lines = ["## quality", "", HEAD.format(seeds=seeds), "", f"| table | {' | '.join(models)} |"]
    lines.append("|---" * (len(models) + 1) + "|")
    for name in found[models[0]]:
        kind = found[models[0]][name][0]
        means = {model: statistics.mean(found[model][name][1]) for model in models}
        best = (min if kind == "RMSE" else max)(means.values())
        cells = [cell(*found[model][name]) for model in models]
        marked = [f"**{text}**" if means[model] == best else text for model, text in zip(models, cells, strict=True)]
        lines.append(f"| {name}{' (RMSE)' if kind == 'RMSE' else ''} | {' | '.join(marked)} |")
    return "\n".join(lines) + "\n"


def main() -> None:
    parser = argparse.ArgumentParser(description="Every model on every table, on the same splits.")
    parser.add_argument("--tables", default=",".join(TABLES), help=f"of {', '.join(TABLES)}")
    parser.add_argument("--models", default=",".join((*NETWORKS, *BASELINES)))
    parser.add_argument("--seeds", type=int, default=5, help="of the split (default: 5)")
    parser.add_argument("--write", action="store_true", help="into bench/README.md, though it is a part")
    parser.add_argument("--judge", nargs="+", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.judge:
        return judge(options.judge[0], options.judge[1:])
    tables, models = options.tables.split(","), options.models.split(",")
    unknown = sorted({*tables} - TABLES.keys() | {*models} - {*NETWORKS, *BASELINES})
    if unknown or options.seeds < 1:
        parser.error(f"no such table or model: {unknown[0]}" if unknown else "--seeds is at least 1")
    with project() as folder:
        prepared = dict(prepare(folder, tables, options.seeds))
        if prepared:
            text = section({model: measure(folder, model, prepared) for model in models}, options.seeds)
            print(text)
            if options.write or options == parser.parse_args([]):
                update("quality", text)


if __name__ == "__main__":
    main()
