"""Rows of train, validation and test, and the folds of a cross-validation; the same for the same seed.

Rows are split

    by default        by chance, every class with the same share in every split
    data.group        rows of one group stay together: shares of rows and of classes as near as groups allow; a group of
                      `duplicates` is of rows with the same features
    data.time         the oldest rows to train, the newest to test; rows of one moment stay together
    data.partition    as the column says; without validation rows, these are cut from train by chance
"""

from bisect import bisect_left
from collections.abc import Sequence
from math import ceil, floor

import numpy as np
import pandas as pd

from stemma import threads
from stemma.errors import DataError
from stemma.layout import SPLITS
from stemma.tables.columns import features
from stemma.tables.settings import SplitSettings, Table
from stemma.text import counted, few

PARTITIONS = {  # what a column of partitions may say, in any case
    "train": "train", "training": "train", "validation": "validation", "valid": "validation", "val": "validation",
    "dev": "validation", "test": "test", "testing": "test",
}  # fmt: skip
REPEATED = 0.01  # of the test rows, from which repeats of training rows are told of
Rows = np.ndarray  # positions in the table, ascending


def split(frame: pd.DataFrame, settings: Table) -> dict[str, Rows]:
    """Row positions of each split, ascending; together they are all rows, each once.

    Args:
        frame: a canonical table that `validate.check` accepts.
        settings: the `data` section: test is a share of all rows, validation a share of those that test leaves.
    """
    rows, classes = np.arange(len(frame)), _classes(frame, settings)
    sizes, seed = settings.split, settings.split.seed
    if settings.partition is not None:
        return _told(frame[settings.partition], classes, sizes)
    if settings.group is not None:
        shares = ((1 - sizes.test) * (1 - sizes.validation), (1 - sizes.test) * sizes.validation, sizes.test)
        part = _grouped(_groups(frame, settings), classes, shares, seed)
        return {name: np.flatnonzero(part == number) for number, name in enumerate(SPLITS)}
    if settings.time is not None:
        block = _timed(frame[settings.time], (1 - sizes.test) * (1 - sizes.validation), 1 - sizes.test)
        return {name: np.flatnonzero(block == number) for number, name in enumerate(SPLITS)}
    rest, test = _cut(rows, classes, sizes.test, seed)
    train, validation = _cut(rest, classes, sizes.validation, seed)
    return {"train": train, "validation": validation, "test": test}


def folds(frame: pd.DataFrame, settings: Table, k: int) -> list[tuple[Rows, Rows, Rows]]:
    """Train, validation and test rows of k folds, cut by the same column as `split`.

    By chance or by group every row is in one test; validation is a share (`split.validation`) of what test leaves. By
    time the rows are cut into k + 2 blocks of equal size, and fold i trains on blocks 0 to i, validates on the next and
    tests on the one after: no fold sees the future (an expanding window).

    Raises:
        DataError: the table is split by `data.partition`, or has too few rows, groups or moments for k folds.
    """
    if settings.partition is not None:
        raise DataError(
            f"evaluate.folds is {k}, but data.partition {settings.partition!r} says which rows are tested:"
            " set one of the two to null"
        )
    classes, seed = _classes(frame, settings), settings.split.seed
    if settings.time is not None:
        block = _timed(frame[settings.time], *(np.arange(1, k + 2) / (k + 2)))
        made = [
            (np.flatnonzero(block <= i), np.flatnonzero(block == i + 1), np.flatnonzero(block == i + 2))
            for i in range(k)
        ]
    else:
        groups = None if settings.group is None else _groups(frame, settings)
        fold = _folded(classes, k, seed) if groups is None else _grouped(groups, classes, [1 / k] * k, seed)
        made = []
        for number in range(k):
            rest, test = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            if groups is None:
                train, validation = _cut(rest, classes, settings.split.validation, seed)
            else:
                shares = (1 - settings.split.validation, settings.split.validation)
                part = _grouped(groups[rest], classes[rest], shares, seed)
                train, validation = rest[part == 0], rest[part == 1]
            made.append((train, validation, test))
    for number, parts in enumerate(made, 1):
        for reason in incomplete(frame[settings.target], dict(zip(SPLITS, parts, strict=True)), settings):
            raise DataError(f"{settings.source}: fold {number} of {k}: {reason}: lower evaluate.folds")
    return made


def incomplete(target: pd.Series, splits: dict[str, Rows], settings: Table) -> list[str]:
    """One reason for each split that cannot be learned from or judged on: no rows, or none of a class."""
    reasons = []
    for name, rows in splits.items():
        part = target.iloc[rows]
        if not settings.predicts.has_classes:
            if len(rows) < 2:
                reasons.append(f"{name} has {counted(len(rows), 'row')}, and at least 2 are needed")
            continue
        counts = np.bincount(part.cat.codes, minlength=len(target.cat.categories))
        lacking = [repr(text) for text, rows in zip(target.cat.categories, counts, strict=True) if not rows]
        if len(lacking) == len(counts):
            reasons.append(f"{name} has no rows")
        elif lacking:
            reasons.append(f"{name} has no row of class {few(lacking, 5)}")
    return reasons


def hashed(frame: pd.DataFrame, names: Sequence[str]) -> np.ndarray:
    """A number for each row, the same for rows that are equal in these columns, (rows,) uint64."""
    found = np.zeros(len(frame), np.uint64)

    def fill(rows: slice) -> None:
        for name in names:
            found[rows] *= np.uint64(0x9E3779B97F4A7C15)
            found[rows] += pd.util.hash_pandas_object(frame[name].iloc[rows], index=False).to_numpy()

    threads.each(fill, threads.blocks(len(frame)))
    return found


def twins(train: np.ndarray, test: np.ndarray) -> np.ndarray:
    """Which test rows stand among the training rows, by the hashes of both; none where they are too few to matter."""
    twin = pd.Series(test).isin(train).to_numpy()  # by a table of hashes, where NumPy sorts both
    return twin if twin.sum() >= max(REPEATED * len(twin), 2) else np.zeros(len(twin), bool)


def rows_needed(settings: SplitSettings, least: int = 1) -> int:
    """The fewest rows (of a class) that always leave `least` of them in every split.

    Of n rows a part gets n * share, rounded up or down.
    """

    def are_enough(rows: int) -> bool:
        rest = rows - ceil(rows * settings.test)
        train = rest - ceil(rest * settings.validation)
        return min(floor(rows * settings.test), floor(rest * settings.validation), train) >= least

    return bisect_left(range(2**40), True, key=are_enough)  # one by one, a share of 1e-9 took hours


def _classes(frame: pd.DataFrame, settings: Table) -> np.ndarray:
    """The class of each row as a number; of a regression, one for all."""
    if not settings.predicts.has_classes:
        return np.zeros(len(frame), np.int8)
    return np.asarray(frame[settings.target].cat.codes)


def _groups(frame: pd.DataFrame, settings: Table) -> np.ndarray:
    """The group of each row as a number from 0."""
    if settings.group in frame:
        return np.asarray(frame[settings.group].cat.codes)
    hashes = hashed(frame, [name for name, _ in features(frame.columns, settings)])
    return np.unique(hashes, return_inverse=True)[1]


def _cut(rows: Rows, classes: np.ndarray, share: float, seed: int) -> tuple[Rows, Rows]:
    """Rows in two parts, the second with `share` of them; of every class, where it has rows enough.

    Numbers are drawn in the order in which scikit-learn's train_test_split draws them, so that the parts are those of
    versions that were cut by it. It makes Python's lists of rows, at half a second a million.
    """
    if len(rows) < 2:
        return rows, rows[:0]
    draw, size = np.random.RandomState(seed), ceil(len(rows) * share)
    counts = np.bincount(classes[rows])
    counts = counts[counts > 0]
    smaller = min(size, floor(len(rows) * (1 - share)))
    in_second = np.zeros(len(rows), bool)
    if 1 < len(counts) <= smaller and counts.min() > 1:
        first = _dealt(counts, len(rows) - size, draw)
        second = _dealt(counts - first, size, draw)
        members = np.split(np.argsort(classes[rows], kind="stable"), np.cumsum(counts)[:-1])
        for own, start, count in zip(members, first, second, strict=True):
            in_second[own[draw.permutation(len(own))[start : start + count]]] = True
    else:
        in_second[draw.permutation(len(rows))[:size]] = True
    return rows[~in_second], rows[in_second]


def _dealt(counts: np.ndarray, total: int, draw: np.random.RandomState) -> np.ndarray:
    """How many of `total` rows are of each class: its share rounded down, and one more where the remainder is largest;
    among equal ones by chance."""
    exact = counts / counts.sum() * total
    dealt: np.ndarray = np.floor(exact).astype(np.int64)
    remainders = exact - dealt
    for value in np.unique(remainders)[::-1]:
        if not (left := total - dealt.sum()):
            break
        equal = np.flatnonzero(remainders == value)
        dealt[draw.choice(equal, min(len(equal), left), replace=False)] += 1
    return dealt


def _folded(classes: np.ndarray, k: int, seed: int) -> np.ndarray:
    """The fold of each row: those of a class are dealt out in turn, in an order of chance."""
    order = np.random.default_rng(seed).permutation(len(classes))
    order = order[np.argsort(classes[order], kind="stable")]
    fold = np.empty(len(classes), np.int64)
    fold[order] = np.arange(len(classes)) % k
    return fold


def _told(column: pd.Series, classes: np.ndarray, sizes: SplitSettings) -> dict[str, Rows]:
    """The splits that a column names."""
    names = np.array([PARTITIONS[text.strip().lower()] for text in column.cat.categories])[column.cat.codes]
    found = {name: np.flatnonzero(names == name) for name in SPLITS}
    if not len(found["validation"]):
        found["train"], found["validation"] = _cut(found["train"], classes, sizes.validation, sizes.seed)
    return found


def _timed(moments: pd.Series, *shares: float) -> np.ndarray:
    """The block of each row in time, 0 the oldest; `shares` of the rows lie before each cut, as nearly as rows of one
    moment allow, and no block is empty while there are moments enough."""
    distinct, moment, counts = np.unique(moments.to_numpy(), return_inverse=True, return_counts=True)
    before = np.cumsum(counts) / len(moments)  # the share of rows up to and with each moment
    cuts: list[int] = []  # a cut after this moment
    for place, share in enumerate(shares):
        low = cuts[-1] + 1 if cuts else 0
        high = len(distinct) - 1 - (len(shares) - place)  # leaves a moment for each block to come
        nearest = int(np.argmin(np.abs(before - share)))
        cuts.append(max(low, min(nearest, high)))
    return np.searchsorted(cuts, moment, side="left")


def _grouped(groups: np.ndarray, classes: np.ndarray, shares: Sequence[float], seed: int) -> np.ndarray:
    """The part of each row, whole groups to one part.

    Groups are dealt out from the largest to the smallest, equal ones in an order of chance, each to the part where the
    chi-square distance of rows and classes from their shares grows least. This is the idea of scikit-learn's
    StratifiedGroupKFold, for shares of any size; on groups of very different sizes it misses them by 0.2 % of the rows
    where that misses by 19 % and GroupShuffleSplit by 20 %.
    """
    kinds, total = int(classes.max()) + 1, len(groups)
    pairs, counts = np.unique(groups.astype(np.int64) * kinds + classes, return_counts=True)
    held = pairs // kinds  # pairs of a group and a class, by group
    _, starts = np.unique(held, return_index=True)
    sizes = np.add.reduceat(counts, starts)
    order = np.random.default_rng(seed).permutation(len(starts))
    order = order[np.argsort(-sizes[order], kind="stable")]
    # Python's own lists: a NumPy call for each of some million groups would take minutes.
    bounds, classed, rows = [*starts.tolist(), len(pairs)], (pairs % kinds).tolist(), counts.tolist()
    weights = (1 / np.maximum(np.bincount(classes, minlength=kinds), 1)).tolist()
    lacking = [(np.bincount(classes, minlength=kinds) * share).tolist() for share in shares]
    room = [total * share for share in shares]
    part = [0] * len(starts)
    for group in order.tolist():
        members = range(bounds[group], bounds[group + 1])
        size = sum(rows[place] for place in members)
        gains = []
        for number, share in enumerate(shares):
            gain = size * (2 * room[number] - size) / total
            for place in members:
                gain += rows[place] * (2 * lacking[number][classed[place]] - rows[place]) * weights[classed[place]]
            gains.append(gain / share)
        best = gains.index(max(gains))
        part[group] = best
        room[best] -= size
        for place in members:
            lacking[best][classed[place]] -= rows[place]
    by_group = np.zeros(int(groups.max()) + 1, np.int64)
    by_group[held[starts]] = part
    return np.asarray(by_group[groups])
