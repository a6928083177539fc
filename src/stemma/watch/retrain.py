"""What it would take to train on what came: rows of the log with their outcomes, as a table to train on."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import compute, parquet

from stemma.errors import StemmaError
from stemma.files import check_place, replaced
from stemma.semver import is_version
from stemma.signature import Signature
from stemma.text import counted, few
from stemma.watch.answers import Answers, bare, day, model, of_name, read, telling
from stemma.watch.log import Log

TABLE = Path("data/raw/service.parquet")


@dataclass(frozen=True)
class Retraining:
    """New rows, and what to do with them."""

    version: str  # that is in production, from whose weights training would start; as the log names it
    rows: int  # those with an outcome
    first: float  # the time of their requests
    last: float
    table: str  # where they are, or would be
    commands: tuple[str, ...]  # one after the other
    skipped: tuple[str, ...]  # files of the log that could not be read

    @property
    def sentence(self) -> str:
        return f"{counted(self.rows, 'row')} with an outcome from {day(self.first)} to {day(self.last)} (UTC)"


def retrain(folder: Path, version: str | None = None, since: float | None = None, to: Path | None = None) -> Retraining:
    """Gather the rows with an outcome of every version of the model that takes the same inputs and predicts the same
    target, as classes or as values; of one request one row.

    Args:
        version: in production, as the log names it; None: the one that answered last.
        to: a Parquet file that is written; None: nothing is.

    Raises:
        StemmaError: no row has an outcome, a column was not kept as it came, or the file is there already, or cannot
            be written.
    """
    if to is not None:
        _check_table(to)
    kept = Log(folder, since)
    versions = {name: each.but("shadow") for name, each in read(kept, ("input",)).items()}
    last = _chosen(versions, version, folder)
    asked = [each.judged for each in versions.values() if _learns(each) == _learns(last)]
    times = np.concatenate([each.times for each in asked])
    if not len(times):
        raise StemmaError(f"no request in {folder} has an outcome", run=telling(folder))
    table = pa.concat_tables([_table(each, last.signature) for each in asked if len(each.table)])
    if to is not None:
        with replaced(to) as partial:
            parquet.write_table(table, partial)
    where = to or TABLE
    commands = tuple(_commands(folder, last, where, version, to is not None))
    period = float(times.min()), float(times.max())
    return Retraining(last.version, len(table), *period, str(where), commands, kept.skipped)


def _chosen(versions: Mapping[str, Answers], name: str | None, folder: Path) -> Answers:
    if name is not None:
        return of_name(versions, name, folder)
    answered = [each for each in versions.values() if len(each.table)]
    if not answered:
        raise StemmaError(f"{folder} holds no request that somebody heard the answer of")
    return max(answered, key=lambda each: each.times[-1])


def _learns(of: Answers) -> tuple[object, ...]:
    """What its rows have in common with those of another version."""
    return model(of.version), of.signature.inputs, of.signature.target, bool(of.signature.classes)


def _table(answers: Answers, known: Signature) -> Any:
    """The inputs by their names, and the target."""
    columns = {each.name: f"input.{each.name}" for each in known.inputs}
    gone = [name for name, column in columns.items()
            if name in answers.treated or column not in answers.table.column_names]  # fmt: skip
    if gone:
        raise StemmaError(f"the log did not keep {few(gone)} as it came: nothing can be trained on that")
    kept = {name: _plain(answers.table[column]) for name, column in columns.items()}
    came = answers.table["told"] if known.classes else answers.table["outcome"].cast(pa.float64())
    return pa.table(kept | {known.target: came})


def _plain(values: Any) -> Any:
    """No text is no value."""
    if not pa.types.is_string(values.type):
        return values
    return compute.if_else(compute.equal(values, ""), pa.scalar(None, pa.string()), values)


def _check_table(to: Path) -> None:
    if to.suffix != ".parquet":
        raise StemmaError(f"{to} is no name of a Parquet file: end it with .parquet")
    if to.exists():
        raise StemmaError(f"{to} is there already: give the rows another name")
    check_place(to)


def _commands(folder: Path, last: Answers, table: Path, version: str | None, written: bool) -> Sequence[str]:
    """Rows that the version in production never saw are a part of the new table: its test rows are the gate."""
    name, number = shlex.quote(table.as_posix()), f"v{bare(last.version)}"
    start = f"model@{number}" if is_version(number) else "COMMIT"
    write = [] if version is None else [f"--version {shlex.quote(version)}"]
    made = ["stemma watch retrain", shlex.quote(str(folder)), *write, f"--write {name}"]
    return [
        *([] if written else [" ".join(made)]),
        f"dvc add {name}",
        f"git add {name}.dvc {shlex.quote((table.parent / '.gitignore').as_posix())}",
        f"dvc exp run -S data.source={name} -S train.init_from={start}",
        "stemma conf adopt",
        "git commit -am 'Retrain on what came in service'",
        f"stemma compare {start} HEAD --on data/prepared/test.parquet --require not-worse",
    ]
