"""data/prepared -> the arrays that training and evaluation take."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from pyarrow import parquet

from stemma.errors import DataError
from stemma.tables import encode, profile, spool


@dataclass(frozen=True)
class Arrays:
    """One split."""

    x: np.ndarray  # (rows, width) float32, encoded
    # (rows,): 0 or 1 float32 (binary, 1 is the positive class), the index of the class int64 (multiclass), or the
    # target as it is, float64 (regression)
    y: np.ndarray
    frame: pd.DataFrame  # the rows themselves, as prepare wrote them

    def taken(self, rows: np.ndarray | slice) -> "Arrays":
        """Some of the rows, by position."""
        return Arrays(self.x[rows], self.y[rows], self.frame.iloc[rows])


@dataclass(frozen=True)
class Split:
    """One split, of which only those rows are encoded that are taken. Attributes as of `Arrays`."""

    y: np.ndarray
    frame: pd.DataFrame
    encoder: encode.Encoder

    def taken(self, rows: np.ndarray | slice) -> Arrays:
        """Some of the rows, by position."""
        frame = self.frame.iloc[rows]
        return Arrays(self.encoder.encode(frame), self.y[rows], frame)


Labelled = Arrays | Split  # encoded or not


def read(folder: Path, split: str) -> Arrays:
    """Read and encode one split; arguments and errors as of `read_split`."""
    return read_split(folder, split).taken(slice(None))


def read_split(folder: Path, split: str) -> Split:
    """Read one split (train, validation or test) of a folder, data/prepared as a rule.

    Raises:
        DataError: a file is not there or damaged.
    """
    known = profile.read(folder)
    frame = read_frame(folder, split)
    return Split(labels(frame[known.target], known), frame, encode.Encoder(Path(folder) / encode.FILE))


def read_frame(folder: Path, split: str) -> pd.DataFrame:
    """The rows of one split, not encoded."""
    path = Path(folder) / f"{split}.parquet"
    if not path.is_file():
        raise DataError(f"{path} is not there", run="dvc repro prepare")
    try:
        with parquet.ParquetFile(path) as file:  # a column at a time: memory stays low
            return spool.frame((name, file.read([name]).to_pandas()[name].array) for name in file.schema_arrow.names)
    except (OSError, ValueError):
        raise DataError(f"{path} is damaged", run="dvc repro --force prepare") from None


def labels(target: pd.Series, known: profile.Profile) -> np.ndarray:
    """The target as numbers, see `Arrays.y`; a DataError where a class is not among those of the profile."""
    if not known.task.classes:
        return np.asarray(target.to_numpy(np.float64))
    codes = np.asarray(pd.Categorical(target, categories=known.task.classes).codes)
    if (codes < 0).any():
        wrong = target.iloc[int(np.argmax(codes < 0))]
        raise DataError(f"{wrong!r} is not a class in {profile.FILE}", run="dvc repro --force prepare")
    return codes.astype(np.int64 if known.task.positive is None else np.float32)
