"""What a version says of its test rows, as evaluate wrote it, and their columns; or of a table's, by its bundle."""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

import stemma.task
from stemma import layout, parquet
from stemma.bundle import archive
from stemma.bundle.model import Bundle
from stemma.bundle.predict import predicted
from stemma.bundle.rows import ALL, Rows, batches, texts
from stemma.errors import BundleError, DataError, VersionError
from stemma.evaluation import predictions as written
from stemma.evaluation.results import told
from stemma.repo.repository import PACKAGE, PREDICTIONS, PROFILE, Version
from stemma.signature import Signature
from stemma.task import Task
from stemma.text import few, in_one_line, nearest
from stemma.values import CONVERTERS, writing

Array = NDArray[Any]
TEST = layout.rows("test").as_posix()


@dataclass(frozen=True)
class Predictions:
    task: Task  # its classes are in the order of the columns of `outputs`
    target: str  # the column that is predicted
    rows: Array  # (rows,) their numbers
    actual: Array  # (rows,) class numbers, or values
    decided: Array  # (rows,) class numbers, or values
    outputs: Array  # (rows, classes) probabilities, or (rows, 1) values

    def in_order_of(self, classes: tuple[str, ...]) -> Self:
        """The same with the classes in another order."""
        own = self.task.classes
        if classes == own:
            return self
        number = np.array([classes.index(name) for name in own])
        outputs = self.outputs[:, [own.index(name) for name in classes]]
        task, actual, decided = replace(self.task, classes=classes), number[self.actual], number[self.decided]
        return replace(self, task=task, actual=actual, decided=decided, outputs=outputs)

    def at(self, places: Array) -> Self:
        """Of these rows alone."""
        parts = {name: getattr(self, name)[places] for name in ("rows", "actual", "decided", "outputs")}
        return replace(self, **parts)


def recorded(version: Version) -> Predictions:
    """The predictions that evaluate wrote for the test rows, in the order of their numbers.

    Raises:
        StemmaError: they are not in the version, or are not what evaluate writes.
    """
    profile = version.profile
    if profile is None:
        raise VersionError(f"{version.name} has no {PROFILE}, which says what its predictions are")
    content = version.bytes(PREDICTIONS)
    try:
        task = stemma.task.of(str(profile["task"]), [str(name) for name in profile["classes"]], profile["positive"])
        return Predictions(task, str(profile["target"]), *written.read(content, task))
    except (KeyError, TypeError, ValueError) as error:
        raise VersionError(f"{PREDICTIONS} of {version.name} does not fit its profile ({in_one_line(error)})") from None


def described(version: Version, *keys: str) -> str:
    """A text of profile.json; a VersionError where it does not hold it."""
    found = told(version.profile, *keys)
    if not isinstance(found, str):
        raise VersionError(f"{PROFILE} of {version.name} does not say its {'.'.join(keys)}")
    return found


def test_columns(version: Version, rows: Array, wanted: Sequence[str]) -> Mapping[str, Sequence[Any]]:
    """Columns of a version's test rows, in the order of these row numbers; those that are not there are left out.

    Raises:
        VersionError: the table is not in the version, or lacks one of these rows.
    """
    import pyarrow as pa
    from pyarrow.parquet import read_schema

    number = described(version, "row")
    try:
        content = io.BytesIO(version.bytes(TEST))
        names = read_schema(content).names
        held = parquet.read(content, (number, *wanted))
        numbers = held.column(number).to_numpy()
    except (pa.ArrowInvalid, KeyError) as error:
        raise VersionError(f"{TEST} of {version.name} cannot be read ({error})") from None
    order = np.argsort(numbers, kind="stable")
    if not np.array_equal(numbers[order], rows):
        raise VersionError(f"{TEST} of {version.name} does not hold the rows that it was judged on")
    found: dict[str, Sequence[Any]] = dict.fromkeys(names, ())
    return found | {name: held.column(name).take(pa.array(order)).to_pylist() for name in wanted if name in names}


def bundle_of(version: Version) -> Bundle:
    """The packaged network of a version, every byte verified.

    Raises:
        StemmaError: it is not in the version, or is damaged.
    """
    content = version.bytes(PACKAGE)
    try:
        return Bundle.of(archive.read(io.BytesIO(content)))
    except BundleError as error:
        raise BundleError(f"{PACKAGE} of {version.name} is damaged ({error})") from None


def table(path: Path, known: Signature) -> dict[str, list[Any]]:
    """The columns of a text file, as texts, or of Parquet, as its values; compressed too.

    Args:
        known: how the table of training was written; so is this one, or plainly (`Rows.as_written`).

    Raises:
        StemmaError: it is not there, cannot be read, or has no rows.
    """
    from stemma.tables import files

    if not path.is_file():
        raise DataError(f"{path} is {'no file' if path.exists() else 'not there'}")
    found = _values(path) if files.is_parquet(path) else _texts(path, known)
    if not any(found.values()):
        raise DataError(f"{path} has no rows")
    return found


def _values(path: Path) -> dict[str, list[Any]]:
    from stemma.tables import files

    with files.one_reason(path):
        read = parquet.read(path)
    twice = sorted({name for name in read.column_names if read.column_names.count(name) > 1})
    if twice:
        raise DataError(f"{path} has two columns named {twice[0]!r}")
    return {name: parquet.widened(read.column(name)).to_pylist() for name in read.column_names}


def _texts(path: Path, known: Signature) -> dict[str, list[Any]]:
    """Numbers with the decimal mark of training, where the file has another."""
    from stemma.tables import files

    with files.one_reason(path):
        content = files.raw(path).read()
    rows, found = Rows(path, content=content, keep=(ALL,)).as_written(known.file), dict[str, list[Any]]()
    for _, columns in texts(rows, {each.name for each in known.inputs}):
        for name, values in columns.items():
            found.setdefault(name.strip(), []).extend(values)
    numbers = {each.name for each in known.inputs if each.type == "number"}
    numbers |= set() if known.classes else {known.target}
    if rows.decimal and rows.decimal != known.decimal:
        for name in numbers & found.keys() - known.decimal_in.keys():
            found[name] = [text.replace(rows.decimal, known.decimal) for text in found[name]]
    return found


def computed(bundle: Bundle, columns: Mapping[str, Sequence[Any]], where: str) -> Predictions:
    """What a bundle says of the rows of a table that holds the target too.

    Args:
        where: the table's name, for messages.

    Raises:
        StemmaError: the target or an input is not there, or a value (row from 1) does not fit.
    """
    signature = bundle.signature
    if signature.target not in columns:
        there = f"{nearest(signature.target, columns)}; it has {few([repr(name) for name in columns], 5)}"
        raise DataError(f"{where} has no column {signature.target!r}, the target, to judge predictions by{there}")
    actual = _actual(signature, columns[signature.target], where)
    try:
        outputs = predicted(bundle, columns)
    except BundleError as error:
        raise BundleError(f"{where}: {error}") from None
    task = stemma.task.of(signature.task, signature.classes, signature.positive)
    decided = task.decide(outputs, signature.threshold)
    return Predictions(task, signature.target, np.arange(len(outputs)), actual, decided, outputs)


def seen(version: Version, columns: Mapping[str, Sequence[Any]]) -> int:
    """How many rows of a table have the features of a row that the version was trained on; 0 where they are few.

    Raises:
        StemmaError: the training rows, or the bundle that says what a feature is, are out of reach.
    """
    import pandas as pd

    from stemma.tables.split import hashed, twins

    known, path = bundle_of(version).signature, layout.rows("train")
    train = Rows(path, content=version.bytes(path.as_posix()))
    names = [each.name for each in known.inputs]
    here, *there = (
        hashed(pd.DataFrame({name: values[:, 0] for name, values in arrays.items()}), names)
        for arrays in (known.arrays(columns), *(arrays for _, arrays, _ in batches(train, known)))
    )
    return int(twins(np.concatenate(there), here).sum())


def _actual(signature: Signature, values: Sequence[Any], where: str) -> Array:
    """Class numbers, or values, of the target's column."""
    target, place = signature.target, {name: number for number, name in enumerate(signature.classes)}
    convert, written = CONVERTERS["string" if place else "number"], writing(signature, target)
    found: list[Any] = []
    for row, value in enumerate(values, start=1):
        try:
            read = convert(value.strip() if isinstance(value, str) else value, written)
            found.append(place[signature.class_of(read)] if place else float(read))
            if not np.isfinite(found[-1]):
                raise ValueError
        except (KeyError, TypeError, ValueError, OverflowError):
            wanted = f"one of {few(signature.classes, 20)}" if place else "a finite number"
            raise DataError(f"{where}: target {target!r}, row {row}: {value!r} is not {wanted}") from None
    return np.array(found, np.int64 if place else np.float64)
