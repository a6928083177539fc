"""What `prepare.numeric` is worth, and what encoding costs.

python bench/encoding.py            into bench/README.md: some minutes on one core
python bench/encoding.py --print    printed only

The network is scikit-learn's MLPClassifier or MLPRegressor, so that nothing but the encoding differs.
"""

import statistics
import sys
import time
from collections.abc import Iterator

import numpy as np
import pandas as pd
import yaml
from sklearn import datasets
from sklearn.metrics import r2_score, roc_auc_score
from sklearn.model_selection import train_test_split
from sklearn.neural_network import MLPClassifier, MLPRegressor

from page import update
from pipeline import ROOT
from stemma.tables import encode, load
from stemma.tables.columns import features
from stemma.tables.settings import FILES, FileTable, PrepareSettings

SHOPPERS = ROOT.parent / "shared" / "data" / "online_shoppers_intention.csv"
SEEDS = 4
WAYS = ("standard", "robust", "quantile", "auto")
Case = tuple[str, pd.DataFrame, tuple[tuple[str, str], ...], np.ndarray]
HEAD = f"""## encoding

ROC-AUC (of several classes, one against the rest) or R2 of scikit-learn's MLPClassifier or MLPRegressor with hidden
layers 64 and 32 on a quarter of the rows, mean of {SEEDS} splits, by `prepare.numeric`.
Made by `python bench/encoding.py`.
"""


def cases() -> Iterator[Case]:
    """(name, table, features, target): classes as whole numbers, or values."""
    if SHOPPERS.is_file():
        table, roles = shoppers()
        yield "online_shoppers_intention.csv", table, roles, table["Revenue"].cat.codes.to_numpy()
    digits = datasets.load_digits()
    yield "digits", *numeric(digits.data), digits.target
    draw = np.random.default_rng(1)
    skewed = np.exp(1.5 * draw.normal(size=(4000, 8)))
    logs = np.log(skewed)
    score = 2 * np.sin(2 * logs[:, 0]) + logs[:, 1] * logs[:, 2] + skewed[:, 3].clip(0, 20) / 5 + np.abs(logs[:, 4])
    yield "log-normal columns, curves of their logarithms (R2)", *numeric(skewed), score + draw.normal(size=4000) / 2
    skewed = np.exp(draw.normal(size=(4000, 6)))
    score = 3 * skewed[:, 0] + skewed[:, 1] * skewed[:, 2]
    yield "log-normal columns, a sum of products (R2)", *numeric(skewed), score + draw.normal(size=4000)
    uniform, score = datasets.make_friedman1(3000, random_state=0)
    yield "make_friedman1, uniform columns (R2)", *numeric(uniform), score


def shoppers() -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    section = yaml.safe_load((ROOT / "conf/data/csv.yaml").read_text(encoding="utf-8"))
    settings = FileTable.model_validate(section | {"source": str(SHOPPERS)}, strict=False)
    table = load.table(settings, FILES)
    return table, features(table, settings)


def numeric(values: np.ndarray) -> tuple[pd.DataFrame, tuple[tuple[str, str], ...]]:
    frame = pd.DataFrame(values).add_prefix("c")
    return frame, tuple((name, "numeric") for name in frame)


def prepare(way: str) -> PrepareSettings:
    return PrepareSettings(strict=False, numeric=way, impute="median", indicator=True, rare=10, embed=50)


def judge(case: Case, way: str, seed: int) -> float:
    """One split, one fit."""
    _, frame, roles, target = case
    classes = target.dtype.kind in "iu"
    train, test = train_test_split(np.arange(len(frame)), random_state=seed, stratify=target if classes else None)
    x = encode.Encoder(encode.fit(frame.iloc[train], roles, prepare(way)).graph).encode(frame)
    known = {"hidden_layer_sizes": (64, 32), "alpha": 1e-3, "max_iter": 60, "random_state": seed}
    if not classes:
        target = (target - target[train].mean()) / target[train].std()
        return float(r2_score(target[test], MLPRegressor(**known).fit(x[train], target[train]).predict(x[test])))
    fitted = MLPClassifier(**known, early_stopping=len(train) > 2000).fit(x[train], target[train])
    chances = fitted.predict_proba(x[test])
    return float(roc_auc_score(target[test], chances if chances.shape[1] > 2 else chances[:, 1], multi_class="ovr"))


def quality() -> str:
    lines = [f"| table | {' | '.join(WAYS)} |", "|---" * (len(WAYS) + 1) + "|"]
    for case in cases():
        means = [statistics.mean(judge(case, way, seed) for seed in range(SEEDS)) for way in WAYS]
        lines.append(f"| {case[0]} | {' | '.join(f'{mean:.4f}' for mean in means)} |")
        print(lines[-1], file=sys.stderr)
    return "\n".join(lines) + "\n"


def speed() -> str:
    """Milliseconds for 20,000 rows, from a table in memory to encoded rows."""
    table, roles = shoppers()
    rows = table.iloc[np.arange(20_000) % len(table)].reset_index(drop=True)
    lines = ["| 20,000 rows of online_shoppers_intention.csv | fit | encode |", "|---|---|---|"]
    for way in WAYS:
        start = time.perf_counter()
        encoder = encode.Encoder(encode.fit(rows, roles, prepare(way)).graph)
        fit = time.perf_counter() - start
        seconds = []
        for _ in range(7):
            start = time.perf_counter()
            encoder.encode(rows)
            seconds.append(time.perf_counter() - start)
        lines.append(f"| {way} | {fit * 1000:.0f} ms | {statistics.median(seconds) * 1000:.1f} ms |")
    return "\n".join(lines) + "\n"


def main() -> None:
    page = f"{HEAD}\n{quality()}" + (f"\n{speed()}" if SHOPPERS.is_file() else "")
    print(page) if "--print" in sys.argv[1:] else update("encoding", page)


if __name__ == "__main__":
    main()
