"""The encoder: raw columns to the numbers that a network takes. Fitted by scikit-learn, kept and run as ONNX.

Nothing is pickled: training, evaluation and serving all run the same file, data/prepared/encoder.onnx.

    numeric       the median for a missing value, then standard scaling
    boolean       the most frequent value for a missing one
    categorical   one column per text seen in training ("" is one too); none of them for an unknown text

The graph takes one (N, 1) tensor per feature, named as the column, float32 or text, in the order of the table, and
gives `encoded`, (N, width) float32: first the numeric columns, then the boolean, then the categorical.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from purchase_intent.config import Role
from stemma import runtime
from stemma.errors import DataError

if TYPE_CHECKING:
    import onnx
    from sklearn.compose import ColumnTransformer

FILE = "encoder.onnx"
OPSET = 18  # of ONNX; the export stage converts where its settings ask for another
OUTPUT = "encoded"
CHUNK = 16_384  # rows encoded at once
SMALLEST_SCALE = 1e-30  # a smaller spread has no reciprocal in float32; such a column counts as constant


def fit(train: pd.DataFrame, features: Sequence[tuple[str, Role]], opset: int = OPSET) -> bytes:
    """Fit the encoder and convert it; the same bytes for the same rows.

    Args:
        train: the training rows of a canonical table.
        features: (name, role) of the columns to encode, in their order.
        opset: of ONNX.

    Returns:
        The ONNX graph.

    Raises:
        DataError: a feature has the name of an output, of the encoder or of the exported graph.
    """
    names = [name for name, _ in features]
    taken = sorted({OUTPUT, "probabilities", "prediction"} & set(names))
    if taken:
        raise DataError(f"column {taken[0]!r} has the name of an output of the graph: rename it in the table")
    # The converter gets names of its own: it changes those that hold spaces or dots, and may then mix them up.
    short = {f"f{place}": feature for place, feature in enumerate(features)}
    roles = {new: role for new, (_, role) in short.items()}
    transformer = _fitted(train, short)
    graph = _converted(transformer, roles, opset)
    _rename(graph, dict(zip(short, names, strict=True)))
    return graph.SerializeToString(deterministic=True)


def feeds(frame: pd.DataFrame, features: Sequence[tuple[str, str]]) -> dict[str, np.ndarray]:
    """What the graph takes: an (N, 1) array per feature, float32 or object arrays of str.

    Args:
        frame: holds the features among its columns; numbers and NaN, texts and any missing value.
        features: (name, role), such as `Profile.features` or `Encoder.inputs`.

    Raises:
        DataError: a feature is not a column.
    """
    absent = [repr(name) for name, _ in features if name not in frame]
    if absent:
        raise DataError(f"the table lacks {', '.join(absent)}, which the encoder takes")
    return {
        name: (_texts if role == "categorical" else _numbers)(frame[name])[:, np.newaxis] for name, role in features
    }


def plain(column: pd.Series) -> list[float | str | None]:
    """The values of a canonical column as JSON has them: numbers, null for a missing one, and text."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        return _texts(column).tolist()
    return [None if np.isnan(value) else value for value in column.tolist()]


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
        roles = {"tensor(float)": "numeric", "tensor(string)": "categorical"}
        self.inputs = tuple((tensor.name, roles[tensor.type]) for tensor in self._session.get_inputs())
        self.width: int = self._session.get_outputs()[0].shape[1]

    def feeds(self, frame: pd.DataFrame) -> dict[str, np.ndarray]:
        """What this graph takes of a frame; see `feeds`."""
        return feeds(frame, self.inputs)

    def encode(self, frame: pd.DataFrame) -> np.ndarray:
        """Encode the rows of a frame, (rows, width) float32; piece by piece, so that only the result grows with it."""
        encoded = np.empty((len(frame), self.width), np.float32)
        for start in range(0, len(frame), CHUNK):
            piece = frame.iloc[start : start + CHUNK]
            encoded[start : start + CHUNK] = self._session.run([OUTPUT], self.feeds(piece))[0]
        return encoded


def _fitted(train: pd.DataFrame, features: dict[str, tuple[str, Role]]) -> "ColumnTransformer":
    """The parts, each fitted on its columns. ColumnTransformer.fit would encode every row too, and so need as much
    memory as several copies of the table; fitted on one row, it only learns which columns go where."""
    from sklearn.compose import ColumnTransformer

    parts = [part for part in _parts({new: role for new, (_, role) in features.items()}) if part[2]]
    for _, part, names in parts:
        part.fit(_columns(train, {name: features[name] for name in names}))
        if hasattr(part, "steps"):
            scale = part[-1].scale_
            scale[scale < SMALLEST_SCALE] = 1.0
    transformer = ColumnTransformer(parts).fit(_columns(train.head(1), features))
    transformer.transformers_ = parts
    return transformer


def _columns(train: pd.DataFrame, features: dict[str, tuple[str, Role]]) -> pd.DataFrame:
    """Columns exactly as the graph will get them: what float32 cannot tell apart is not told apart here either."""
    values = feeds(train, tuple(features.values())).values()
    return pd.DataFrame({new: column[:, 0] for new, column in zip(features, values, strict=True)}, copy=False)


def _parts(roles: dict[str, Role]) -> list[tuple[str, Any, list[str]]]:
    """What is done with which columns. One encoder per categorical column: the graph is twice as fast as with one."""
    from sklearn.impute import SimpleImputer
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    # A column without any value becomes 0, so that every feature has its place.
    median = SimpleImputer(strategy="median", keep_empty_features=True, copy=False)
    frequent = SimpleImputer(strategy="most_frequent", keep_empty_features=True)
    numeric = [name for name, role in roles.items() if role == "numeric"]
    boolean = [name for name, role in roles.items() if role == "boolean"]
    texts = [name for name, role in roles.items() if role == "categorical"]
    parts = [("numeric", make_pipeline(median, StandardScaler()), numeric), ("boolean", frequent, boolean)]
    return parts + [(name, OneHotEncoder(handle_unknown="ignore"), [name]) for name in texts]


def _converted(transformer: "ColumnTransformer", roles: dict[str, Role], opset: int) -> "onnx.ModelProto":
    """The transformer as ONNX, of exactly this opset."""
    from onnx import helper, version_converter
    from skl2onnx import convert_sklearn
    from skl2onnx.common.data_types import FloatTensorType, StringTensorType

    types = {"categorical": StringTensorType, "numeric": FloatTensorType, "boolean": FloatTensorType}
    takes = [(name, types[role]([None, 1])) for name, role in roles.items()]
    graph = convert_sklearn(transformer, "encoder", takes, target_opset={"": opset, "ai.onnx.ml": 3})
    # skl2onnx gives the lowest opset that the graph gets by with, and may name a domain twice.
    graph = version_converter.convert_version(graph, opset)
    versions = {entry.domain: entry.version for entry in graph.opset_import}
    del graph.opset_import[:]
    graph.opset_import.extend(helper.make_opsetid(domain, version) for domain, version in sorted(versions.items()))
    graph.ir_version = helper.find_min_ir_version_for(graph.opset_import)
    return graph


def _rename(model: "onnx.ModelProto", columns: dict[str, str]) -> None:
    """Inputs get the names of the columns, the output its own, and everything between a name that no column has."""
    graph = model.graph
    prefix = "encoder"
    while any(name.startswith(prefix) for name in columns.values()):
        prefix += "_"
    outer = columns | {graph.output[0].name: OUTPUT}

    def renamed(name: str) -> str:
        return outer.get(name, f"{prefix}/{name}" if name else "")

    for value in (*graph.input, *graph.output, *graph.initializer, *graph.value_info):
        value.name = renamed(value.name)
    for node in graph.node:
        node.name = f"{prefix}/{node.name}"
        node.input[:] = [renamed(name) for name in node.input]
        node.output[:] = [renamed(name) for name in node.output]


def _numbers(column: pd.Series) -> np.ndarray:
    """float32, NaN where there is no value."""
    return column.to_numpy(np.float32, na_value=np.nan)


def _texts(column: pd.Series) -> np.ndarray:
    """An object array of str, "" where there is no value."""
    if isinstance(column.dtype, pd.CategoricalDtype):
        texts = np.array([*map(str, column.cat.categories), ""], object)
        return texts[column.cat.codes.to_numpy()]  # code -1 takes the last
    return column.astype(object).where(column.notna(), "").map(str).to_numpy(object)
