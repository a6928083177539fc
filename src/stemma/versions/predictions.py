"""What a version says of some rows: read from its reports/predictions.parquet, or made by its bundle on a table."""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemma.errors import BundleError, DataError, VersionError
from stemma.versions import parquet

if TYPE_CHECKING:
    from stemma.bundle import Bundle
    from stemma.signature import Signature
    from stemma.versions.repository import Version

Array = NDArray[Any]

PROFILE = "data/prepared/profile.json"
PREDICTIONS = "reports/predictions.parquet"
BUNDLE = "models/package/model.zip"


@dataclass(frozen=True)
class Predictions:
    """What one version says of some rows.

    Args:
        task: binary, multiclass or regression.
        target: the column that is predicted.
        classes: in the order of the columns of `outputs`; empty for a regression.
        positive: the class that is judged; None unless binary.
        rows: (rows,) their numbers.
        actual: (rows,) class numbers, or values.
        decided: (rows,) class numbers, or values.
        outputs: (rows, classes) probabilities, or (rows, 1) values.
    """

    task: str
    target: str
    classes: tuple[str, ...]
    positive: str | None
    rows: Array
    actual: Array
    decided: Array
    outputs: Array

    def in_order_of(self, classes: tuple[str, ...]) -> "Predictions":
        """The same with the classes in another order."""
        if classes == self.classes:
            return self
        place = {name: number for number, name in enumerate(classes)}
        number = np.array([place[name] for name in self.classes])
        outputs = self.outputs[:, [self.classes.index(name) for name in classes]]
        actual, decided = number[self.actual], number[self.decided]
        return replace(self, classes=classes, actual=actual, decided=decided, outputs=outputs)


def recorded(version: "Version") -> Predictions:
    """The predictions that evaluate wrote for the test rows, in the order of their numbers.

    Raises:
        StemmaError: they are not in the version, or are not what evaluate writes.
    """
    import io

    import pyarrow as pa

    profile = version.profile
    if profile is None:
        raise VersionError(f"{version.name} has no {PROFILE}, which says what its predictions are")
    content = version.bytes(PREDICTIONS)
    try:
        table = parquet.read(io.BytesIO(content))
        columns = {name: table.column(name).to_numpy() for name in table.column_names}
        task, target = str(profile["task"]), str(profile["target"])
        classes = tuple(str(name) for name in profile["classes"])
        order = np.argsort(columns["row"], kind="stable")
        rows, actual, predicted = (columns[name][order] for name in ("row", "actual", "predicted"))
        if task == "regression":
            outputs = np.asarray(predicted, np.float64).reshape(-1, 1)
            return Predictions(task, target, (), None, rows, np.asarray(actual, np.float64), outputs[:, 0], outputs)
        outputs = np.column_stack([columns[f"probability_{name}"][order] for name in classes])
        place = {name: number for number, name in enumerate(classes)}
        actual, decided = (np.array([place[name] for name in labels], np.int64) for labels in (actual, predicted))
    except (pa.ArrowInvalid, KeyError, TypeError, ValueError) as error:
        raise VersionError(f"{PREDICTIONS} of {version.name} does not fit its profile ({_reason(error)})") from None
    return Predictions(task, target, classes, profile["positive"], rows, actual, decided, outputs)


def described(version: "Version", *keys: str) -> str:
    """A text of profile.json.

    Raises:
        VersionError: it does not hold it.
    """
    found = version.profile
    for key in keys:
        found = found.get(key) if isinstance(found, dict) else None
    if not isinstance(found, str):
        raise VersionError(f"{PROFILE} of {version.name} does not say its {'.'.join(keys)}")
    return found


def bundle_of(version: "Version") -> "Bundle":
    """The packaged network of a version, every byte verified.

    Raises:
        StemmaError: it is not in the version, or is damaged.
    """
    from stemma import bundle

    content = version.bytes(BUNDLE)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.zip"
        path.write_bytes(content)
        try:
            return bundle.open_bundle(path)
        except BundleError as error:
            raise BundleError(f"{version.name}: {str(error.what).replace(str(path), BUNDLE)}") from None


def table(path: Path) -> dict[str, list[Any]]:
    """The columns of a CSV file (UTF-8, commas, a header), as texts, or of a Parquet file, as its values.

    Raises:
        DataError: it is not there, cannot be read, or has no rows.
    """
    import pyarrow as pa
    from pyarrow import csv

    if not path.is_file():
        raise DataError(f"{path} is {'no file' if path.exists() else 'not there'}")
    try:
        if path.suffix == ".parquet":
            read = parquet.read(path)
        else:
            with csv.open_csv(path) as head:
                texts = {name: pa.string() for name in head.schema.names}
            options = csv.ConvertOptions(column_types=texts, strings_can_be_null=False)
            # One thread: only then does an error name the row.
            reading, parsing = csv.ReadOptions(use_threads=False), csv.ParseOptions(newlines_in_values=True)
            read = csv.read_csv(path, reading, parsing, options)
    except (pa.ArrowInvalid, UnicodeDecodeError, OSError) as error:
        raise DataError(f"{path} cannot be read ({_reason(error)})") from None
    twice = sorted({name for name in read.column_names if read.column_names.count(name) > 1})
    if twice:
        raise DataError(f"{path} has two columns named {twice[0]!r}")
    if not read.num_rows:
        raise DataError(f"{path} has no rows")
    return {name: read.column(name).to_pylist() for name in read.column_names}


def computed(bundle: "Bundle", columns: Mapping[str, Sequence[Any]], where: str) -> Predictions:
    """What a bundle says of the rows of a table that holds the target too.

    Args:
        where: the table's name, for messages.

    Raises:
        StemmaError: the target or an input is not there, or a value (row from 1) does not fit.
    """
    signature = bundle.signature
    if signature.target not in columns:
        raise DataError(f"{where} has no column {signature.target!r}, the target, to judge predictions by")
    actual = _actual(signature, columns[signature.target], where)
    try:
        outputs = bundle.predict(columns)
    except BundleError as error:
        raise BundleError(f"{where}: {error}") from None
    rows = np.arange(len(outputs))
    if signature.task == "regression":
        values = outputs.astype(np.float64)
        return Predictions(signature.task, signature.target, (), None, rows, actual, values[:, 0], values)
    place = {name: number for number, name in enumerate(signature.classes)}
    decided = np.array([place[label] for label in signature.labels(outputs)], np.int64)
    return Predictions(
        signature.task, signature.target, signature.classes, signature.positive, rows, actual, decided, outputs
    )


def _actual(signature: "Signature", values: Sequence[Any], where: str) -> Array:
    """Class numbers, or values, of the target's column."""
    from stemma.signature import CONVERTERS

    task, target = signature.task, signature.target
    convert = CONVERTERS["number" if task == "regression" else "string"]
    place = {name: number for number, name in enumerate(signature.classes)}
    known = f"one of {', '.join(signature.classes)}" if len(place) <= 20 else f"one of the {len(place)} classes"
    found: list[Any] = []
    for row, value in enumerate(values, start=1):
        try:
            stripped = value.strip() if isinstance(value, str) else value
            read = convert(stripped, signature.missing)
            found.append(float(read) if task == "regression" else place[read])
            wrong = not np.isfinite(found[-1])
        except (KeyError, TypeError, ValueError, OverflowError):
            wrong = True
        if wrong:
            wanted = "a finite number" if task == "regression" else known
            raise DataError(f"{where}: target {target!r}, row {row}: {value!r} is not {wanted}") from None
    return np.array(found, np.float64 if task == "regression" else np.int64)


def _reason(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
