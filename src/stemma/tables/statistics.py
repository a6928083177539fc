"""What prepare finds out about a table and its splits; `profile` writes and reads it."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import Any

import numpy as np
import pandas as pd

from stemma import exact, threads
from stemma.tables.columns import features, role_of, splitting
from stemma.tables.profile import FORMAT, Block, described
from stemma.tables.settings import FileTable, Table
from stemma.task import moments
from stemma.values import BY_COLUMN, level, seconds

MOST_VALUES = 50  # of a categorical column that are counted by name
SKETCH = 512  # row hashes kept


def make(
    frame: pd.DataFrame, settings: Table, splits: dict[str, np.ndarray], blocks: Sequence[Block]
) -> dict[str, Any]:
    """All that profile.json holds.

    `columns` tells of every column in the whole table: two versions' tables are compared by it. `training` tells the
    same of the features in the training rows alone: a network learned from these, so what arrives in service is
    compared with them. Moments, quantiles and the histogram of a date are seconds since 1970 (UTC).

    Args:
        frame: the whole canonical table.
        splits: row positions of train, validation and test.
        blocks: of a row that the encoder fitted on train has encoded.
    """
    target = frame[settings.target]
    ordered = classes(target, settings)
    train = None if settings.predicts.has_classes else target.iloc[splits["train"]]
    bayes = next((name for name in frame if _role(name, settings) == "bayes"), None)
    return {
        "format": FORMAT,
        "source": settings.source,
        "task": settings.task,
        "target": settings.target,
        "classes": ordered,
        "positive": ordered[-1] if settings.predicts.has_positive else None,
        "features": [{"name": name, "role": role} for name, role in features(frame.columns, settings)],
        "encoded_width": sum(block.width for block in blocks),
        "blocks": [asdict(block) for block in blocks],
        "target_mean": None if train is None else float(train.mean()),
        "target_std": None if train is None else float(train.std(ddof=0)),
        "missing": list(settings.missing) if isinstance(settings, FileTable) else None,
        "rows": len(frame),
        "row": row_column(frame),
        "splits": {name: _balance(target.iloc[rows], ordered) for name, rows in splits.items()},
        **_facts(frame, settings, splits["train"]),
        "bayes": bayes,
        "bayes_roc_auc": None if bayes is None else bayes_auc(frame[bayes].to_numpy()),
    } | _where_set(settings, None if train is None else train.to_numpy())


def _facts(frame: pd.DataFrame, settings: Table, train: np.ndarray) -> dict[str, Any]:
    """What costs most: of each column, and of the rows."""
    source = frame.drop(columns=list(settings.derive))  # rows are the same, whatever is derived of them
    columns, training = [(name, _role(name, settings)) for name in frame], features(frame.columns, settings)
    hashes, digest, *facts = threads.together(
        partial(sketch, source),
        partial(content, source),
        *(partial(_column, frame[name], role) for name, role in columns),
        *(partial(_in_rows, frame[name], role, train) for name, role in training),
    )
    return {
        "columns": {name: told for (name, _), told in zip(columns, facts, strict=False)},
        "training": {name: told for (name, _), told in zip(training, facts[len(columns) :], strict=True)},
        "content": {"sha256": digest},
        "sketch": {"kind": "bottom-k", "k": SKETCH, "hashes": hashes},
    }


def _where_set(settings: Table, train: np.ndarray | None = None) -> dict[str, Any]:
    """How single columns are read or made, which rows are learned from and as what, where settings say so."""
    told = settings.model_dump(mode="json", include={*BY_COLUMN, "derive", "keep"})
    told["merge"] = {name: list(some) for name, some in merged(settings).items()}
    told["target_log"] = None if train is None or settings.transform_target is None else moments(exact.log(train))
    return {name: value for name, value in told.items() if value}


def classes(target: pd.Series, settings: Table) -> list[str]:
    """The classes in order: as numbers if all are numbers, else as text; the positive one of two last."""
    if not settings.predicts.has_classes:
        return []
    found = list(target.cat.categories)
    try:
        found.sort(key=lambda text: (float(text), text))
    except ValueError:
        found.sort()
    positive = positive_of(settings)
    if settings.predicts.has_positive and positive is not None:
        found.sort(key=lambda text: text == positive)
    return found


def positive_of(settings: Table) -> str | None:
    """The positive class as the canonical table has it."""
    return None if settings.positive is None else class_of(settings.positive, settings)


def class_of(text: str, settings: Table) -> str:
    """A class as the canonical table has it."""
    how = settings.writing(settings.target)
    return level(text.lower() if how.fold else text, how.decimal)


def merged(settings: Table) -> dict[str, tuple[str, ...]]:
    """The classes that become one, by its name, all as the canonical table has them."""
    found: dict[str, tuple[str, ...]] = {}
    for given, some in settings.merge.items():
        name = class_of(given, settings)  # "Side" and "side" may be one
        found[name] = (*found.get(name, ()), *(class_of(one, settings) for one in some))
    return found


def row_column(frame: pd.DataFrame) -> str:
    """The name of the first column of the split files, the row's position in the table: "row", or one that is free."""
    name = "row"
    while name in frame:
        name = "_" + name
    return name


def content(frame: pd.DataFrame) -> str:
    """The SHA-256 of names, types and values, whatever the file they came from looked like."""
    digest = hashlib.sha256()
    for name in frame:
        values = frame[name]
        digest.update(json.dumps([name, str(values.dtype)]).encode())
        if isinstance(values.dtype, pd.CategoricalDtype):
            digest.update(json.dumps(list(values.cat.categories)).encode())
            digest.update(values.cat.codes.to_numpy("<i4").tobytes())
        elif values.dtype.kind == "M":
            digest.update(values.to_numpy("datetime64[us]").astype("<i8").tobytes())
        else:
            numbers = values.to_numpy("<f8", copy=True)
            numbers[np.isnan(numbers)] = np.nan  # one pattern of bits for all of them
            digest.update(numbers.tobytes())
    return digest.hexdigest()


def sketch(frame: pd.DataFrame) -> list[str]:
    """The `SKETCH` smallest row hashes, 64 bits as 16 hexadecimal digits, ascending.

    Two such sketches and the numbers of rows tell how many rows two tables share: of the smallest hashes of their
    union, the share that is in both estimates the Jaccard index (bottom-k; Bar-Yossef et al. 2002, "Counting distinct
    elements in a data stream"; Cohen and Kaplan 2007, "Summarizing data using bottom-k sketches"). Equal rows count
    each: the second of them has another hash than the first.
    """
    hashes = np.concatenate(
        threads.each(
            lambda rows: pd.util.hash_pandas_object(frame.iloc[rows], index=False).to_numpy(),
            threads.blocks(len(frame)),
        )
    )
    ordered, occurrence = np.sort(hashes), np.zeros(len(hashes), np.uint64)  # 0 where a row is the only one
    repeated = pd.Series(hashes).isin(ordered[1:][ordered[1:] == ordered[:-1]]).to_numpy()
    occurrence[repeated] = pd.Series(hashes[repeated]).groupby(hashes[repeated]).cumcount()
    distinct = pd.util.hash_array(hashes + occurrence * np.uint64(0x9E3779B97F4A7C15))
    smallest = np.sort(np.partition(distinct, SKETCH)[:SKETCH] if len(distinct) > SKETCH else distinct)
    return [f"{value:016x}" for value in smallest]


def bayes_auc(probabilities: np.ndarray) -> float:
    """The ROC-AUC that true probabilities have on average, over the labels that could be drawn from them.

    With p_i the chance that row i is positive, the expected number of pairs in order over the expected number of pairs:

        AUC = sum over i != j of p_i (1 - p_j) [p_i > p_j, or 1/2 if equal]  /  sum over i != j of p_i (1 - p_j)

    (the Mann-Whitney form of the area, Hanley and McNeil 1982, weighted by the chance of each pair). Sorting does it
    in O(n log n).

    Args:
        probabilities: (rows,), in [0, 1].

    Returns:
        A number in [0, 1]; NaN where no pair of a positive and a negative row can occur.
    """
    levels, level = np.unique(probabilities, return_inverse=True)
    positive = np.bincount(level, probabilities, minlength=len(levels))
    negative = np.bincount(level, 1 - probabilities, minlength=len(levels))
    lower = np.cumsum(negative) - negative  # negative rows of a lower level
    alone = np.sum(probabilities * (1 - probabilities))  # a row paired with itself
    pairs = positive.sum() * negative.sum() - alone
    in_order = np.sum(positive * (lower + negative / 2)) - alone / 2
    return float(in_order / pairs) if pairs > 0 else float("nan")


def _role(name: str, settings: Table) -> str | None:
    """Of a column in the canonical table: target, group, partition, time where it has no other, or its role."""
    if name == settings.target:
        return "target"
    role = role_of(name, settings)
    split_by = next((setting for setting, column in splitting(settings).items() if column == name), None)
    return split_by if role == "drop" else role


def _balance(target: pd.Series, ordered: list[str]) -> dict[str, Any]:
    """Rows of a split, with the count of each class, or the mean of a regression's target."""
    if not ordered:
        return {"rows": len(target), "mean": float(target.mean())}
    counts = target.value_counts()
    return {"rows": len(target), "balance": {name: int(counts[name]) for name in ordered}}


def numbers(values: pd.Series) -> np.ndarray:
    """A canonical column that is no category, as float64; a date in seconds since 1970 (UTC); NaN for no value."""
    if values.dtype.kind != "M":
        return np.asarray(values.to_numpy(np.float64))
    return seconds(values.to_numpy("datetime64[us]"))


def _column(values: pd.Series, role: str | None) -> dict[str, Any]:
    """Role, missing values and distribution of one column."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        return {"role": role, "missing": int((values == "").sum()), **_counts(values[values != ""])}
    present = numbers(values)
    present = present[~np.isnan(present)]
    told = {"role": role, "missing": len(values) - len(present)}
    if role == "boolean":
        return told | {"values": {"0": int((present == 0).sum()), "1": int((present == 1).sum())}}
    return told | described(present)


def _in_rows(values: pd.Series, role: str, rows: np.ndarray) -> dict[str, Any]:
    return _column(values.iloc[rows], role)


def _counts(values: pd.Series) -> dict[str, Any]:
    """How often each text occurs, the most frequent by name and the rest together."""
    counts = values.value_counts(sort=False)
    counts = counts[counts > 0].sort_index().sort_values(ascending=False, kind="stable")
    named = {str(text): int(rows) for text, rows in counts.iloc[:MOST_VALUES].items()}
    return {"values": named, "other": int(counts.iloc[MOST_VALUES:].sum())}
