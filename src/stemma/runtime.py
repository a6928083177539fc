"""onnxruntime, set up the same way everywhere: one thread, so that results repeat and small networks are fast."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Columns = Mapping[str, NDArray[Any]]
PIECE = 8_192  # rows run at once: memory stays flat
NOWHERE = str(Path(os.devnull, "nowhere"))  # a folder that is nowhere


def session(content: bytes) -> Any:
    """An InferenceSession over a serialised graph, which may come from anybody: no other file is read for it.

    Raises:
        onnxruntime.capi.onnxruntime_pybind11_state.Fail and its kin: the bytes are no valid graph.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4  # errors are raised
    options.add_session_config_entry("session.model_external_initializers_file_folder_path", NOWHERE)
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def run(session: Any, columns: Columns) -> NDArray[np.float32]:
    """The first output (rows, width) for columns (rows, 1).

    No rows are not given to onnxruntime: some of its fused operations end the process then (1.31).
    """
    if not len(next(iter(columns.values()))):
        return np.empty((0, *session.get_outputs()[0].shape[1:]), np.float32)
    return in_pieces(lambda piece: session.run(None, piece)[0], columns)


def in_pieces(run: Callable[[Columns], Any], columns: Columns) -> NDArray[np.float32]:
    """What is made of columns, PIECE rows after the other, as one array.

    Each part goes where it stays: parts that lie between what was freed would hold some MB apart for ever.
    """
    rows = len(next(iter(columns.values())))
    if rows <= PIECE:
        return np.asarray(run(columns), np.float32)

    def piece(start: int) -> NDArray[Any]:
        return np.asarray(run({name: values[start : start + PIECE] for name, values in columns.items()}))

    first = piece(0)
    found = np.empty((rows, *first.shape[1:]), np.float32)
    found[:PIECE] = first
    for start in range(PIECE, rows, PIECE):
        found[start : start + PIECE] = piece(start)
    return found
