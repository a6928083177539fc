"""Rows in, predictions out: as CSV or Parquet, whole or not at all, in flat memory."""

import csv
import io
import json
import operator
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TextIO

import numpy as np
from numpy.typing import NDArray

from stemma.bundle.limits import LIMITS, Limits, apart
from stemma.bundle.model import Bundle
from stemma.bundle.rows import BATCH, PARQUET, Kept, Rows, batches
from stemma.errors import BundleError
from stemma.files import check_place, replaced
from stemma.text import OUTPUT, Pace, counted, say, visible

BLOCK = 65_536  # letters that are shown at once
GROUP = 65_536  # rows of a row group in Parquet
Part = tuple[Kept, NDArray[np.float32]]  # some rows: the columns that are kept, and what the graph gives


def predict(bundle: Bundle, rows: Rows, output: Path | None = None, origin: Path | None = None) -> None:
    """Write `probability_CLASS` for each class, and `prediction`, of every row, after the columns that it keeps.

    How many rows these were, and in what time, is said on standard error.

    Args:
        output: Parquet where its name ends so, else CSV; None: CSV to the standard output.
        origin: the file of the bundle, which is not written over.

    Raises:
        StemmaError: the rows cannot be read, or a value does not fit.
        OSError: the output cannot be written.
    """
    run = Run(bundle, rows)
    if output is None:
        _to_stdout(run)
    else:
        read = {"rows to predict": rows.path, "bundle": origin}
        check_place(output, read, "name another, or leave it out to write to the terminal")
        _to_file(run, output)
    say(f"{counted(run.done, 'row')} in {run.pace.seconds:.1f} s", error=True)


def columns(bundle: Bundle) -> list[str]:
    """The names of the columns of predictions."""
    return [*(f"probability_{name}" for name in bundle.signature.classes), "prediction"]


class Run:
    """Rows on their way through a graph."""

    def __init__(self, bundle: Bundle, rows: Rows, limits: Limits = LIMITS) -> None:
        self.bundle, self.rows, self.limits, self.done, self.pace = bundle, rows, limits, 0, Pace()

    def parts(self) -> Iterator[Part]:
        """Some rows at a time, at least once."""
        for kept, output in _apart(self.bundle, lambda: _parts(self.bundle, self.rows), self.limits):
            self.done += len(output)
            yield kept, output
            self.pace.say(lambda: f"{counted(self.done, 'row')}, {self.pace.seconds:.0f} s")


def predicted(bundle: Bundle, columns: Mapping[str, Sequence[Any]], limits: Limits = LIMITS) -> NDArray[np.float32]:
    """As `Bundle.predict`, its errors too, apart from this process, unless the bundle is trusted."""

    def parts() -> Iterator[Part]:
        for start in range(0, max(1, len(next(iter(columns.values())))), BATCH):
            part = {name: values[start : start + BATCH] for name, values in columns.items()}
            yield {}, bundle.predict(part, start + 1)

    return np.concatenate([output for _, output in _apart(bundle, parts, limits)])


def _apart(bundle: Bundle, work: Callable[[], Iterator[Part]], limits: Limits) -> Iterator[Part]:
    """Apart from this process, unless the bundle is trusted; what comes back is numbers and JSON."""
    if bundle.trusted:
        yield from work()
        return
    items = apart(lambda: (item for kept, out in work() for item in (json.dumps(kept).encode(), out.tobytes())), limits)
    for kept in items:
        yield json.loads(kept), np.frombuffer(next(items), np.float32).reshape(-1, bundle.signature.width)


def _parts(bundle: Bundle, rows: Rows) -> Iterator[Part]:
    own = {*columns(bundle)}
    for first_row, arrays, kept in batches(rows, bundle.signature):
        if twice := sorted(own & kept.keys()):
            raise BundleError(f"{rows.path}: the column {twice[0]!r} cannot be kept: a prediction is called so")
        try:
            yield kept, bundle.run(arrays, first_row)
        except BundleError as error:
            raise BundleError(f"{rows.path}: {error}") from None


def _to_file(run: Run, output: Path) -> None:
    with replaced(output) as partial:
        if output.suffix.lower() == PARQUET:
            write_parquet(run, partial)
        else:
            with partial.open("w", encoding="utf-8", newline="") as file:
                _write_csv(run, file)


def _to_stdout(run: Run) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    with tempfile.TemporaryFile("w+", encoding="utf-8", newline="") as whole:
        _write_csv(run, whole)
        whole.seek(0)
        try:
            while text := whole.read(BLOCK):  # names of classes are a stranger's, and a terminal would obey them
                sys.stdout.write(visible(text, lines=True) if sys.stdout.isatty() else text)
            sys.stdout.flush()
        except OSError as error:
            error.filename = OUTPUT
            raise


def _write_csv(run: Run, file: TextIO) -> None:
    writer, known = csv.writer(file, lineterminator="\n"), run.bundle.signature
    begun = False
    for kept, output in run.parts():
        if not begun:
            writer.writerow([*kept, *columns(run.bundle)])
            begun = True
        texts = output.astype(str)  # the fewest digits that give the same float32
        lines = (np.column_stack([texts, known.labels(output)]) if known.classes else texts).tolist()
        beside = zip(*(values for _, values in kept.values()), strict=True)
        writer.writerows(map(operator.add, map(list, beside), lines) if kept else lines)


def write_parquet(run: Run, path: Path, metadata: Mapping[str, str] | None = None) -> None:
    """Args: metadata: of the file."""
    try:
        import pyarrow as pa
        from pyarrow import parquet
    except ImportError:
        raise BundleError("pyarrow is not installed, and Parquet needs it", run="pip install pyarrow") from None
    known, writer = run.bundle.signature, None
    try:
        for kept, output in run.parts():
            found = [pa.array(values, pa.type_for_alias(kind)) for kind, values in kept.values()]
            found += [pa.array(column) for column in output.T]
            if known.classes:
                found.append(pa.array(known.labels(output), pa.string()))
            batch = pa.RecordBatch.from_arrays(found, names=[*kept, *columns(run.bundle)])
            writer = writer or parquet.ParquetWriter(path, batch.schema.with_metadata(metadata))
            writer.write_batch(batch, row_group_size=GROUP)
    finally:
        if writer is not None:
            writer.close()
