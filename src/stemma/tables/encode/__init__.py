"""The encoder: raw columns to the numbers that a network takes, kept and run as ONNX and as nothing else.

    numeric.py        numbers and truth values
    dates.py          dates
    categorical.py    texts
    graph.py          what these build the graph with
    here              fit and run

Nothing is pickled: training, evaluation and serving all run the same file, data/prepared/encoder.onnx.

The graph takes one (N, 1) tensor per feature, named as the column, in the order of the table: float32 for a number or
truth value, float64 for a date (seconds since 1970, NaN where there is none), text. It gives `encoded`, (N, width)
float32: numbers, then what is 0 or 1, then codes. `Fitted.blocks` says which column stands where, docs/encoding.md what
becomes of which column.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from stemma import layout, runtime, threads
from stemma.errors import DataError
from stemma.tables import spool
from stemma.tables.encode import categorical, dates, numeric
from stemma.tables.encode.graph import Graph
from stemma.tables.profile import Block
from stemma.tables.settings import PrepareSettings, Role
from stemma.values import seconds

FILE = layout.ENCODER.name
OPSET = 18  # of ONNX; the export stage converts where its settings ask for another
OUTPUT = "encoded"
OUTPUTS = (OUTPUT, "prediction", "probabilities")  # of this graph, and of the exported one
KINDS = ("numeric", "binary", "code")  # of blocks, in their order in an encoded row
CHUNK = 16_384  # rows encoded at once


@dataclass(frozen=True)
class Fitted:
    """An encoder: its graph, and what the numbers of an encoded row are."""

    graph: bytes
    blocks: tuple[Block, ...]


def fit(
    frame: pd.DataFrame,
    features: Sequence[tuple[str, Role]],
    settings: PrepareSettings,
    opset: int = OPSET,
    derive: Mapping[str, str] | None = None,
    train: NDArray[np.int64] | slice = slice(None),
) -> Fitted:
    """Fit the encoder, column by column so that memory stays low; the same bytes for the same rows.

    Args:
        frame: a canonical table.
        features: (name, role) of the columns to encode, in their order.
        derive: the expressions of those features that are derived.
        train: positions of the rows to learn from.

    Raises:
        DataError: a feature has the name of an output, of the encoder or of the exported graph.
    """
    from stemma.tables import derive as derived

    names = [name for name, _ in features]
    if taken := [name for name in OUTPUTS if name in names]:
        raise DataError(f"column {taken[0]!r} has the name of an output of the graph: rename it in the table")
    graph, derive = Graph(names), derive or {}
    given = {name: role for name, role in features if name not in derive}
    take(graph, given.items())
    derived.add(graph, derive, given)
    numbers, days, texts = _learned(frame, train, features, settings)
    parts = [*numeric.parts(graph, numbers), *dates.parts(graph, days), *categorical.parts(graph, texts)]
    parts.sort(key=lambda part: KINDS.index(part.blocks[0].kind))
    model, blocks = graph.finish(parts, OUTPUT, opset)
    return Fitted(model.SerializeToString(deterministic=True), blocks)


def take(graph: Graph, columns: Iterable[tuple[str, str]]) -> None:
    """Take columns (name, role) as `feeds` gives them."""
    for name, tensor in tensors(dict(columns)):
        graph.take(name, tensor)


def tensors(columns: Mapping[str, str]) -> list[tuple[str, int]]:
    """The type in ONNX of each column, by its role."""
    from onnx import TensorProto

    types = {"categorical": TensorProto.STRING, "date": TensorProto.DOUBLE}
    return [(name, types.get(role, TensorProto.FLOAT)) for name, role in columns.items()]


def _learned(
    frame: pd.DataFrame,
    train: NDArray[np.int64] | slice,
    features: Sequence[tuple[str, Role]],
    settings: PrepareSettings,
) -> tuple[Any, ...]:
    """Numbers, dates and texts, each in the order of the table; of values exactly as the graph will get them: what
    float32 cannot tell apart is not told apart here either."""

    def learn(feature: tuple[str, Role]) -> Any:
        name, role = feature
        column = frame[name].iloc[train]
        if role == "categorical":
            return categorical.learn(name, _levels(column), settings.rare, settings.embed)
        if role == "date":
            return dates.learn(name, _seconds(column), settings.indicator)
        return (numeric.learn_flag if role == "boolean" else numeric.learn)(name, _numbers(column), settings)

    learned = threads.each(learn, features)
    kinds = (numeric.Numeric, dates.Date, categorical.Categorical)
    return tuple([each for each in learned if isinstance(each, kind)] for kind in kinds)


def feeds(frame: pd.DataFrame, features: Sequence[tuple[str, str]]) -> dict[str, np.ndarray]:
    """What the graph takes: an (N, 1) array per feature: float32, float64 for a date, object arrays of str.

    Args:
        frame: holds the features among its columns; numbers and NaN, dates and NaT, texts and any missing value.
        features: (name, role), such as `Profile.features` or `Encoder.inputs`.

    Raises:
        DataError: a feature is not a column.
    """
    absent = [repr(name) for name, _ in features if name not in frame]
    if absent:
        raise DataError(f"the table lacks {', '.join(absent)}, which the encoder takes")
    kinds = {"categorical": _texts, "date": _seconds}
    return {name: kinds.get(role, _numbers)(frame[name])[:, np.newaxis] for name, role in features}


class Encoder:
    """A fitted encoder, run by onnxruntime on one thread.

    Args:
        graph: a file, or its bytes.

    Attributes:
        inputs: (name, role) in the order of the table; a boolean is numeric here.
        width: of the encoded rows.

    Raises:
        DataError: the file is not there or is no ONNX graph.
    """

    def __init__(self, graph: Path | bytes) -> None:
        if isinstance(graph, Path) and not graph.is_file():
            raise DataError(f"{graph} is not there", run="dvc repro prepare")
        try:
            self._session = runtime.session(graph.read_bytes() if isinstance(graph, Path) else graph)
        except Exception:  # the errors of onnxruntime have no other base
            where = graph if isinstance(graph, Path) else "the encoder"
            raise DataError(f"{where} is not an ONNX graph", run="dvc repro --force prepare") from None
        roles = {"tensor(float)": "numeric", "tensor(double)": "date", "tensor(string)": "categorical"}
        self.inputs = tuple((tensor.name, roles[tensor.type]) for tensor in self._session.get_inputs())
        self.width: int = self._session.get_outputs()[0].shape[1]

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Encode the rows of a frame, (rows, width) float32; piece by piece, so that only the result grows with it."""
        encoded = spool.empty((len(frame), self.width), np.float32)
        for start in range(0, len(frame), CHUNK):
            piece = frame.iloc[start : start + CHUNK]
            encoded[start : start + CHUNK] = self._session.run([OUTPUT], feeds(piece, self.inputs))[0]
        return encoded


def _numbers(column: pd.Series) -> np.ndarray:
    """float32, NaN where there is no value."""
    return np.asarray(column.to_numpy(np.float32, na_value=np.nan))


def _seconds(column: pd.Series) -> np.ndarray:
    return seconds(column.to_numpy("datetime64[us]"))


def _texts(column: pd.Series) -> np.ndarray:
    """An object array of str, "" where there is no value."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        texts = np.array([*map(str, column.cat.categories), ""], object)
        return np.asarray(texts[column.cat.codes.to_numpy()])  # code -1 takes the last
    return np.asarray(column.astype(object).where(column.notna(), "").map(str).to_numpy(object))


def _levels(column: pd.Series) -> pd.Series:
    """How many rows have each text, by text; 0 rows are possible."""
    if not isinstance(column.dtype, pd.CategoricalDtype):
        return pd.Series(_texts(column)).value_counts(sort=False)
    rows = np.bincount(column.cat.codes.to_numpy() + 1, minlength=len(column.cat.categories) + 1)
    counts = pd.Series(rows, index=["", *map(str, column.cat.categories)])
    return counts.groupby(level=0).sum()
