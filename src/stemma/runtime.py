"""onnxruntime, set up the same way everywhere: one thread, so that results repeat and small networks are fast."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def run(session: Any, columns: Mapping[str, NDArray[Any]], chunk: int = 65_536) -> NDArray[np.float32]:
    """The first output (rows, width) for columns (rows, 1), in chunks, so that memory stays flat.

    No rows are not given to onnxruntime: some of its fused operations end the process then (1.31).
    """
    rows = len(next(iter(columns.values())))
    if not rows:
        return np.empty((0, *session.get_outputs()[0].shape[1:]), np.float32)
    if rows <= chunk:
        return np.asarray(session.run(None, columns)[0])
    parts = [
        session.run(None, {name: values[start : start + chunk] for name, values in columns.items()})[0]
        for start in range(0, rows, chunk)
    ]
    return np.concatenate(parts)
