"""Run what was written in a process of its own, which knows nothing but the file.

    predictions = replay.run(replay.run_onnx, Path("models/export/model.onnx"), columns)

The process is the same Python, and finds code where this one does. Nothing is pickled on the way:
numbers travel as .npz, texts as JSON.
"""

import importlib
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma import runtime
from stemma.errors import ExportError
from stemma.training.exported import Arrays as Arrays

NUMBERS, TEXTS, RESULT = "numbers.npz", "texts.json", "result.npy"


def run(function: Callable[..., Any], file: Path, arrays: Arrays, *more: str) -> NDArray[np.float32]:
    """What `function(file, arrays, *more)` gives, in another process.

    Args:
        function: of a module, not of another function.

    Raises:
        ExportError: it fails; with its last line.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        _write(folder, arrays)
        command = [
            sys.executable, "-P", "-m", "stemma.formats.replay", function.__module__, function.__qualname__,
            str(file), name, *more,
        ]  # fmt: skip
        paths = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True)
        if done.returncode:
            told = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise ExportError(f"{file.name} cannot be loaded again in a process of its own ({told:.300})")
        result: NDArray[np.float32] = np.load(folder / RESULT, allow_pickle=False)
    return result


def run_onnx(file: Path, arrays: Arrays) -> Any:
    """By onnxruntime."""
    return runtime.run(runtime.session(file.read_bytes()), arrays)


def run_tflite(file: Path, arrays: Arrays) -> Any:
    """By ai-edge-litert, in chunks of rows."""
    from ai_edge_litert.interpreter import Interpreter

    serve = Interpreter(model_path=str(file), num_threads=1).get_signature_runner("serving_default")
    rows = len(next(iter(arrays.values())))
    parts = []
    for start in range(0, max(rows, 1), 4096):
        given = {name: values[start : start + 4096] for name, values in arrays.items()}
        parts.append(np.array(next(iter(serve(**given).values()))))
    return np.concatenate(parts)


def _write(folder: Path, arrays: Arrays) -> None:
    texts = {name: values[:, 0].tolist() for name, values in arrays.items() if values.dtype == object}
    (folder / TEXTS).write_text(json.dumps(texts), encoding="utf-8")
    # By number, for a column may have a name that a zip cannot hold.
    numbers = {name: values for name, values in arrays.items() if name not in texts}
    (folder / "names.json").write_text(json.dumps([list(arrays), list(numbers)]), encoding="utf-8")
    np.savez(folder / NUMBERS, *numbers.values())


def _read(folder: Path) -> dict[str, NDArray[Any]]:
    every, numbers = json.loads((folder / "names.json").read_text(encoding="utf-8"))
    texts = json.loads((folder / TEXTS).read_text(encoding="utf-8"))
    found = {name: np.array(values, object)[:, np.newaxis] for name, values in texts.items()}
    with np.load(folder / NUMBERS, allow_pickle=False) as archive:
        found |= {name: archive[f"arr_{place}"] for place, name in enumerate(numbers)}
    return {name: found[name] for name in every}


def _main() -> None:
    module, function, file, name, *more = sys.argv[1:]
    folder = Path(name)
    result = getattr(importlib.import_module(module), function)(Path(file), _read(folder), *more)
    np.save(folder / RESULT, np.asarray(result, np.float32), allow_pickle=False)


if __name__ == "__main__":
    _main()
