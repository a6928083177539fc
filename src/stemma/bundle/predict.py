"""Rows in, predictions out: as CSV or Parquet, whole or not at all, in flat memory."""

import csv
import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO, cast

import numpy as np
from numpy.typing import NDArray

from stemma.bundle.limits import LIMITS, Limits, apart
from stemma.bundle.model import Bundle
from stemma.bundle.rows import BATCH, PARQUET, Rows, batches
from stemma.errors import BundleError
from stemma.files import replaced
from stemma.text import OUTPUT, visible

GROUP = 65_536  # rows of a row group in Parquet


def predict(bundle: Bundle, rows: Rows, output: Path | None = None, origin: Path | None = None) -> None:
    """Write `probability_CLASS` for each class, and `prediction`, of every row.

    Args:
        output: Parquet where its name ends so, else CSV; None: CSV to the standard output.
        origin: the file of the bundle, which is not written over.

    Raises:
        BundleError: the rows cannot be read, a value does not fit, or the output cannot be written.
    """
    if output is None:
        return _to_stdout(bundle, rows)
    _check_place(output, {"rows to predict": rows.path, "bundle": origin})
    try:
        with replaced(output) as partial:
            if output.suffix.lower() == PARQUET:
                _write_parquet(bundle, rows, partial)
            else:
                with partial.open("w", encoding="utf-8", newline="") as file:
                    _write_csv(bundle, rows, file)
    except OSError as error:
        raise BundleError(f"{output} cannot be written ({error.strerror or error})") from None


def columns(bundle: Bundle) -> list[str]:
    """The names of the columns of predictions."""
    return [*(f"probability_{name}" for name in bundle.signature.classes), "prediction"]


def outputs(bundle: Bundle, rows: Rows, limits: Limits = LIMITS) -> Iterator[NDArray[np.float32]]:
    """What the graph gives for some rows at a time, at least once; apart from this process, unless it is trusted.

    Raises:
        BundleError: as `predict`.
    """
    return _apart(bundle, lambda: _outputs(bundle, rows), limits)


def predicted(bundle: Bundle, columns: Mapping[str, Sequence[Any]], limits: Limits = LIMITS) -> NDArray[np.float32]:
    """As `Bundle.predict`, apart from this process, unless it is trusted.

    Raises:
        BundleError: as `Bundle.predict`.
    """

    def parts() -> Iterator[NDArray[np.float32]]:
        for start in range(0, max(1, len(next(iter(columns.values())))), BATCH):
            yield bundle.predict({name: values[start : start + BATCH] for name, values in columns.items()}, start + 1)

    return np.concatenate(list(_apart(bundle, parts, limits)))


def _apart(
    bundle: Bundle, work: Callable[[], Iterator[NDArray[np.float32]]], limits: Limits
) -> Iterator[NDArray[np.float32]]:
    if bundle.trusted:
        yield from work()
        return
    for content in apart(lambda: (output.tobytes() for output in work()), limits):
        yield np.frombuffer(content, np.float32).reshape(-1, bundle.signature.width)


def _outputs(bundle: Bundle, rows: Rows) -> Iterator[NDArray[np.float32]]:
    for first_row, arrays in batches(rows, bundle.signature):
        try:
            yield bundle.run(arrays, first_row)
        except BundleError as error:
            raise BundleError(f"{rows.path}: {error}") from None


def _check_place(output: Path, read: Mapping[str, Path | None]) -> None:
    """Refuse to put predictions in the place of what is no output."""
    try:
        if output.exists() and not output.is_file():  # a pipe or a device would be lost, and gets nothing
            raise BundleError(f"{output} is no file: name another, or leave it out to write to the terminal")
        for what, path in read.items():
            if path is not None and output.exists() and path.exists() and output.samefile(path):
                raise BundleError(f"{output} holds the {what}: name another file")
    except OSError as error:
        raise BundleError(f"{output} cannot be written ({error.strerror or error})") from None


def _to_stdout(bundle: Bundle, rows: Rows) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    try:
        _write_csv(bundle, rows, cast("TextIO", _Terminal()) if sys.stdout.isatty() else sys.stdout)
        sys.stdout.flush()
    except OSError as error:
        error.filename = OUTPUT
        raise


class _Terminal:
    """Standard output that is a terminal: names of classes are a stranger's."""

    def write(self, text: str) -> int:
        return sys.stdout.write(visible(text, lines=True))


def _write_csv(bundle: Bundle, rows: Rows, file: TextIO) -> None:
    writer = csv.writer(file, lineterminator="\n")
    header: list[str] | None = columns(bundle)
    for output in outputs(bundle, rows):
        if header is not None:  # not before: rows that cannot be read leave no output
            writer.writerow(header)
            header = None
        texts = output.astype(str)  # the fewest digits that give the same float32
        lines = np.column_stack([texts, bundle.signature.labels(output)]) if bundle.signature.classes else texts
        writer.writerows(lines.tolist())


def _write_parquet(bundle: Bundle, rows: Rows, path: Path) -> None:
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise BundleError("pyarrow is not installed, and Parquet needs it", run="pip install pyarrow") from None
    *probabilities, last = columns(bundle)
    classes = bundle.signature.classes
    types: list[Any] = [(name, pa.float32()) for name in probabilities]
    schema = pa.schema([*types, (last, pa.string() if classes else pa.float32())])
    with parquet.ParquetWriter(path, schema) as writer:
        for output in outputs(bundle, rows):
            found = [pa.array(column) for column in output.T]
            if classes:
                found.append(pa.array(bundle.signature.labels(output), pa.string()))
            writer.write_batch(pa.RecordBatch.from_arrays(found, schema=schema), row_group_size=GROUP)
