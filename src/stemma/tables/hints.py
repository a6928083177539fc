"""What looks wrong with a table that can be learned from: `hint: ...` lines, which `prepare.strict` turns into errors.

Each function below looks for one kind of trouble. Counts are exact and grow linearly with the table; what costs more
(whether one column alone predicts the target) is judged on a sample of the training rows.
"""

import hashlib
import warnings
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stemma import threads
from stemma.tables.columns import features, splitting
from stemma.tables.settings import Table
from stemma.tables.split import hashed, twins
from stemma.tables.statistics import numbers
from stemma.text import by_number, counted

SAMPLE = 5000  # training rows on which one column is judged
FEWEST = 100  # rows; in fewer, chance alone makes a column predict or differ everywhere
FEWEST_OF_CLASS = 10  # training rows of a class that a column is judged by
MOST_CLASSES = 50  # that a column is judged by, the most common
PREDICTS = 0.995  # ROC-AUC, or R2 of the ranks, of one column alone
MISSING = 0.9  # of the training rows
DISTINCT = 0.95  # of the values
RARE = 0.01  # of the training rows
OF_ONE_TYPE = 0.95  # of the values
TOLD = 5  # hints of one kind
DROP = "give it the role drop"  # what helps against a column
HALF = 10  # rows at least before and after a change of type
COARSE = 0.1  # deviations between neighbours in float32


@dataclass(frozen=True)
class Hint:
    """What looks wrong."""

    # leakage, repeated, identifier, constant, empty, missing, unseen, identical, type, rounded, imbalance, time or
    # unheld (a text of an expression)
    kind: str
    column: str | None  # None where it is about rows
    text: str  # one line


def find(frame: pd.DataFrame, settings: Table, splits: dict[str, np.ndarray]) -> tuple[Hint, ...]:
    """All hints, those about the whole table last.

    Args:
        frame: a canonical table that `validate.check` accepts.
        splits: row positions of train, validation and test.
    """
    sample = _Sample.draw(frame, settings, splits["train"])
    with warnings.catch_warnings():  # of all threads
        warnings.simplefilter("ignore", UserWarning)  # few rows of many classes look like values to scikit-learn
        by_column = threads.each(
            partial(_of_column, frame, settings, splits, sample), features(frame.columns, settings)
        )
    found, target = [hint for some in by_column for hint in some], settings.target
    told = {hint.column for hint in found if hint.kind in ("empty", "constant")}
    judged = [name for name, _ in features(frame.columns, settings) if name not in told]
    found += [Hint("identical", second, text) for second, text in _identical(frame, judged)]
    found += [Hint(kind, None, text) for kind, text in _repeated(frame, settings, splits)]
    found += [Hint(kind, settings.target, text) for kind, text in _imbalance(frame, settings, splits["train"])]
    found += [Hint(kind, target, f"the target {target!r} {text}") for kind, text in _rounded(frame[target])]
    found += [Hint(kind, settings.time, text) for kind, text in _time(frame, settings)]
    return tuple(found)


def _of_column(
    frame: pd.DataFrame,
    settings: Table,
    splits: dict[str, np.ndarray],
    sample: "_Sample | None",
    feature: tuple[str, str],
) -> list[Hint]:
    """Hints about one column alone."""
    name, role = feature
    values, train = frame[name], frame[name].iloc[splits["train"]]
    cure = "take it out of `derive`" if name in settings.derive else DROP
    texts = [*_worthless(train, cure)] or [*_identifier(values, role, cure)]
    texts = texts or [*_leakage(values, sample, cure), *_type(values), *_rounded(values), *_unseen(values, splits)]
    return [Hint(kind, name, f"column {name!r} {text}") for kind, text in texts]


def lines(found: Iterable[Hint]) -> list[str]:
    """The text of each hint; of many of one kind the first few, and how many there are besides."""
    kinds: dict[str, list[str]] = {}
    for hint in found:
        kinds.setdefault(hint.kind, []).append(hint.text)
    told = []
    for kind, texts in kinds.items():
        more = len(texts) - TOLD
        told += texts if more <= 1 else [*texts[:TOLD], f"{more} more columns: {kind}"]
    return told


def _worthless(train: pd.Series, cure: str) -> Iterator[tuple[str, str]]:
    """Nothing to learn from: no value, hardly any, or always the same."""
    missing = _missing(train)
    share = missing.mean()
    if share == 1:
        yield "empty", f"has no value in any training row: {cure}"
    elif share >= MISSING and len(train) >= FEWEST:
        yield "missing", f"has no value in {share:.1%} of the training rows"
    elif not missing.any() and _constant(train):
        yield "constant", f"is {_shown(train.iloc[0])} in every training row: {cure}"


def _identifier(values: pd.Series, role: str, cure: str) -> Iterator[tuple[str, str]]:
    """Texts that nearly all differ; whole numbers that all differ and rise or fall with the rows, or have few gaps."""
    present = values[~_missing(values)]
    if len(present) < FEWEST:
        return
    advice = f"it looks like an identifier: {cure}"
    if role == "categorical":
        distinct = present.nunique()
        if distinct >= DISTINCT * len(present):
            yield "identifier", f"has {counted(distinct, 'different text')} in {counted(len(present), 'row')}, {advice}"
    elif role == "numeric":
        number = present.to_numpy(np.float64)
        steps = np.diff(number)
        one_way = bool((steps > 0).all() or (steps < 0).all())
        dense = len(number) <= number.max() - number.min() + 1 < 2 * len(number)
        whole = (one_way or dense) and (number == np.floor(number)).all()
        if whole and len(np.unique(number)) == len(number):
            yield "identifier", f"holds a different whole number in every row, {advice}"


def _leakage(values: pd.Series, sample: "_Sample | None", cure: str) -> Iterator[tuple[str, str]]:
    """One column alone predicts the target nearly without a fault."""
    if sample is None:
        return
    score = sample.score(values)
    if score >= PREDICTS:
        told = f"{'R2 of the ranks' if sample.ranked else 'ROC-AUC'} {score:.4f}"
        yield "leakage", f"alone predicts the target ({told}): if it is known only afterwards, {cure}"


def _type(values: pd.Series) -> Iterator[tuple[str, str]]:
    """Texts that are numbers, but for a few, or up to a row from which on they are none (or the other way round)."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return
    number = np.array([_is_number(text) for text in values.cat.categories], bool)
    if number.all() or not number.any():
        return
    rows = np.flatnonzero(~_missing(values))
    flags = number[values.cat.codes.to_numpy()[rows]]
    turns = np.flatnonzero(np.diff(flags.astype(np.int8)))
    if flags.mean() >= OF_ONE_TYPE and len(rows) >= FEWEST:
        row = rows[int(np.argmin(flags))]
        share = f"{flags.mean():.1%} of its values are numbers"
        yield (
            "type",
            f"holds {_shown(values.iloc[row])} in row {values.index[row] + 1}, and {share}: is it a text for no value?",
        )
    elif len(turns) == 1 and HALF <= turns[0] + 1 <= len(rows) - HALF:
        before, after = rows[turns[0]], rows[turns[0] + 1]
        told = f"{_shown(values.iloc[after])} in row {values.index[after] + 1}, {_shown(values.iloc[before])} before it"
        kinds = "numbers to texts" if flags[0] else "texts to numbers"
        yield "type", f"changes half-way from {kinds}: {told}"


def _rounded(values: pd.Series) -> Iterator[tuple[str, str]]:
    """Numbers of which float32 makes few."""
    most, spread = (values.abs().max(), values.std()) if values.dtype == np.float64 else (0.0, 0.0)
    if (step := float(np.spacing(np.float32(most)))) > COARSE * spread > 0:
        told = f"holds numbers near {most:g}, which networks round to steps of {step:g}, for they compute in float32;"
        cure = "subtract an offset in the table, or give a time the role date"
        yield "rounded", f"{told} their deviation is {spread:g}: {cure}"


def _unseen(values: pd.Series, splits: dict[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    """Texts of validation and test that no training row holds."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return
    codes = values.cat.codes.to_numpy()
    seen = np.bincount(codes[splits["train"]], minlength=len(values.cat.categories)) > 0
    if seen.all():
        return
    rows = np.flatnonzero(~seen[codes])
    texts, row = int((~seen).sum()), int(rows[0])
    several = f"{texts} such texts in " if texts > 1 else ""
    more = f" ({several}{counted(len(rows), 'row')})" if len(rows) > 1 else ""
    shown = _shown(values.iloc[row]) if values.iloc[row] else "no value"
    yield "unseen", f"holds {shown} in row {values.index[row] + 1}, which no training row holds{more}"


def _identical(frame: pd.DataFrame, names: list[str]) -> Iterator[tuple[str, str]]:
    """Columns with the same content. Only those that agree in their first rows are looked at as a whole."""
    alike: dict[bytes, list[str]] = defaultdict(list)
    for name in names:
        alike[_digest(frame[name].iloc[:SAMPLE])].append(name)
    for some in alike.values():
        first: dict[bytes, str] = {}
        for name in some if len(some) > 1 else ():
            other = first.setdefault(_digest(frame[name]), name)
            if other != name:
                yield name, f"columns {other!r} and {name!r} hold the same in every row: give one of them the role drop"


def _digest(values: pd.Series) -> bytes:
    """Of the type and the values, texts as such."""
    digest = hashlib.blake2b(str(values.dtype.kind).encode())
    digest.update(pd.util.hash_pandas_object(values, index=False).to_numpy().tobytes())
    return digest.digest()


def _repeated(frame: pd.DataFrame, settings: Table, splits: dict[str, np.ndarray]) -> Iterator[tuple[str, str]]:
    """Rows of test whose features stand in a training row too."""
    hashes = hashed(frame, [name for name, _ in features(frame.columns, settings)])
    train = hashes[splits["train"]]
    twin = twins(train, hashes[splits["test"]])
    count = int(twin.sum())
    if count:
        row = frame.index[splits["test"][int(np.argmax(twin))]]
        yield (
            "repeated",
            f"{count:,} of {counted(len(twin), 'test row')} ({count / len(twin):.1%}) {by_number(count, 'has', 'have')}"
            f" the same features as a training row, the first in row {row + 1}"
            f" ({len(np.unique(train)):,} of {counted(len(train), 'training row')} differ): remove"
            " repeated rows" + ("" if splitting(settings) else ", or keep them together with `group: duplicates`"),
        )


def _imbalance(frame: pd.DataFrame, settings: Table, train: np.ndarray) -> Iterator[tuple[str, str]]:
    """A class far below its fair share."""
    if not settings.predicts.has_classes:
        return
    target = frame[settings.target].iloc[train]
    counts = target.value_counts(sort=False)
    name, rows = counts.idxmin(), int(counts.min())
    if rows < min(RARE, 0.1 / len(counts)) * len(target):
        yield (
            "imbalance",
            f"class {name!r} has {rows:,} of {counted(len(target), 'training row')} ({rows / len(target):.2%}): read"
            " pr_auc and recall, not accuracy, and try train.class_weight=balanced",
        )


def _time(frame: pd.DataFrame, settings: Table) -> Iterator[tuple[str, str]]:
    """A number that splits by time is also learned from: all later values are beyond those of training."""
    if settings.time is not None and (settings.time, "numeric") in features(frame.columns, settings):
        yield (
            "time",
            f"column {settings.time!r} splits the rows by time and is a feature: every test row lies beyond what was"
            f" learned: {DROP}",
        )


@dataclass(frozen=True)
class _Sample:
    """Some training rows in two halves: what is learned on one is judged on the other."""

    rows: np.ndarray  # their positions, of each class as many where there are enough, in an order of chance
    y: np.ndarray  # the class of each row as a number, or the rank of a regression's target in [0, 1]
    ranked: bool  # whether it is a rank

    @classmethod
    def draw(cls, frame: pd.DataFrame, settings: Table, train: np.ndarray) -> "_Sample | None":
        """None where the training rows are too few to judge by."""
        if len(train) < FEWEST:
            return None
        draw = np.random.default_rng(settings.split.seed)
        rows = draw.permutation(train)
        target = frame[settings.target].iloc[rows]
        if not settings.predicts.has_classes:
            return cls(rows[:SAMPLE], target.iloc[:SAMPLE].rank(pct=True).to_numpy(), True)
        classes = target.cat.codes.to_numpy()
        counts = np.bincount(classes)
        common = np.argsort(-counts, kind="stable")[:MOST_CLASSES]
        common = common[counts[common] >= FEWEST_OF_CLASS]
        if len(common) < 2:
            return None
        kept = np.concatenate([np.flatnonzero(classes == name)[: SAMPLE // len(common)] for name in common])
        kept = draw.permutation(kept)
        return cls(rows[kept], classes[kept], False)

    def score(self, column: pd.Series) -> float:
        """ROC-AUC (mean over the classes, each against the rest) or R2 of the ranks of the target, from this column.

        A tree with few leaves, or the mean of each text, is learned on one half and judged on the other, both ways
        round. A column of numbers that fails on the few rows that it learned from is judged no further.
        """
        values = column.iloc[self.rows]
        coded = isinstance(values.dtype, pd.CategoricalDtype)
        x = values.cat.codes.to_numpy() if coded else numbers(values)
        everyone = np.arange(len(x))
        few = everyone[: len(x) // 10]
        if not coded and self._by_tree(x, few, few) < PREDICTS - 0.01:
            return 0.0
        learn = self._by_means if coded else self._by_tree
        return (learn(x, everyone[::2], everyone[1::2]) + learn(x, everyone[1::2], everyone[::2])) / 2

    def _by_tree(self, x: np.ndarray, learn: np.ndarray, judge: np.ndarray) -> float:
        from sklearn.tree import DecisionTreeClassifier, DecisionTreeRegressor

        x = x[:, np.newaxis].astype(np.float32)
        if self.ranked:
            tree = DecisionTreeRegressor(max_leaf_nodes=64, min_samples_leaf=2, random_state=0)
            return _r2(self.y[judge], tree.fit(x[learn], self.y[learn]).predict(x[judge]))
        tree = DecisionTreeClassifier(max_leaf_nodes=32, min_samples_leaf=2, random_state=0)
        tree.fit(x[learn], self.y[learn])
        return _auc(self.y[judge], tree.predict_proba(x[judge]), tree.classes_)

    def _by_means(self, x: np.ndarray, learn: np.ndarray, judge: np.ndarray) -> float:
        def means(y: np.ndarray) -> np.ndarray:
            """Of each text, with one row of the mean of all; of every judged row."""
            counts = np.bincount(x[learn], minlength=x.max() + 1) + 1.0
            return np.asarray(((np.bincount(x[learn], y, minlength=x.max() + 1) + y.mean()) / counts)[x[judge]])

        if self.ranked:
            return _r2(self.y[judge], means(self.y[learn]))
        names = np.unique(self.y[learn])
        scores = np.column_stack([means((self.y[learn] == name).astype(np.float64)) for name in names])
        return _auc(self.y[judge], scores, names)


def _auc(classes: np.ndarray, scores: np.ndarray, names: np.ndarray) -> float:
    """Mean over the classes of the ROC-AUC against the rest (Mann-Whitney)."""
    from scipy import stats

    areas = []
    for place, name in enumerate(names):
        positive = classes == name
        p, n = positive.sum(), (~positive).sum()
        if p and n:
            ranks = stats.rankdata(scores[:, place])
            areas.append((ranks[positive].sum() - p * (p + 1) / 2) / (p * n))
    return float(np.mean(areas)) if areas else 0.0


def _r2(actual: np.ndarray, predicted: np.ndarray) -> float:
    spread = float(((actual - actual.mean()) ** 2).sum())
    return 1 - float(((actual - predicted) ** 2).sum()) / spread if spread else 0.0


def _missing(values: pd.Series) -> np.ndarray:
    """Where there is no value, (rows,) bool."""
    if not isinstance(values.dtype, pd.CategoricalDtype):
        return np.asarray(values.isna())
    blank = values.cat.categories == ""
    return blank[values.cat.codes] if blank.any() else np.zeros(len(values), bool)


def _constant(values: pd.Series) -> bool:
    plain = values.cat.codes.to_numpy() if isinstance(values.dtype, pd.CategoricalDtype) else values.to_numpy()
    return bool((plain == plain[0]).all())


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return text == ""  # no value is of any type
    return True


def _shown(value: Any) -> str:
    """A value as a person would write it."""
    if isinstance(value, str):
        return repr(value) if len(value) <= 40 else repr(value[:40]) + "..."
    return str(value) if isinstance(value, pd.Timestamp) else f"{value:g}"
