"""Run what was written in a process of its own, which knows nothing but the file.

    predictions, again = replay.run(replay.load_onnx, Path("models/export/model.onnx"), columns)

The process is the same Python, and finds code where this one does. Nothing is pickled on the way:
numbers travel as .npz, texts as JSON, each that occurs once, with its places among the numbers.
"""

import importlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma import runtime
from stemma.errors import ExportError
from stemma.files import scratch
from stemma.training.exported import Arrays as Arrays

Serve = Callable[[Arrays], Any]
ALONE = 32  # rows that are run one by one
NUMBERS, TEXTS, RESULT = "numbers.npz", "texts.json", "result.npy"


def run(function: Callable[..., Any], file: Path, arrays: Arrays, *more: str) -> NDArray[np.float32]:
    """What a file gives, in another process: (2, rows, outputs), for all rows at once and `regrouped`.

    Args:
        function: of a module, not of another function: `load...(file, *more)`, which gives a function of the arrays,
            or `run(file, arrays, *more)`.

    Raises:
        ExportError: it fails; with its last line.
    """
    with scratch("replay") as folder:
        _write(folder, arrays)
        command = [
            sys.executable, "-P", "-m", "stemma.formats.replay", function.__module__, function.__qualname__,
            str(file), str(folder), *more,
        ]  # fmt: skip
        paths = os.pathsep.join(filter(None, sys.path))
        done = subprocess.run(command, env=os.environ | {"PYTHONPATH": paths}, capture_output=True, text=True)
        if done.returncode:
            told = (done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1]
            raise ExportError(f"{file.name} cannot be loaded again in a process of its own ({told:.300})")
        result: NDArray[np.float32] = np.load(folder / RESULT, allow_pickle=False)
    return result


def regrouped(serve: Serve, arrays: Arrays) -> NDArray[np.float32]:
    """What the same rows give in another order, some of them alone and the others in batches of several sizes."""
    rows = len(next(iter(arrays.values())))
    order = np.random.default_rng(0).permutation(rows)
    cuts = sorted([*range(1, ALONE + 1), ALONE + 2, ALONE + 5, (ALONE + rows) // 2])
    batches = [batch for batch in np.split(order, cuts) if len(batch)] or [order]
    given = np.concatenate([serve({name: values[batch] for name, values in arrays.items()}) for batch in batches])
    result: NDArray[np.float32] = given[np.argsort(order)]
    return result


def load_onnx(file: Path) -> Serve:
    """By onnxruntime."""
    return partial(runtime.run, runtime.session(file.read_bytes()))


def load_tflite(file: Path) -> Serve:
    """By ai-edge-litert, in chunks of rows."""
    from ai_edge_litert.interpreter import Interpreter

    run = Interpreter(model_path=str(file), num_threads=1).get_signature_runner("serving_default")

    def serve(arrays: Arrays) -> Any:
        return runtime.in_pieces(lambda piece: np.array(next(iter(run(**piece).values()))), arrays)

    return serve


def _write(folder: Path, arrays: Arrays) -> None:
    import pandas as pd

    texts: dict[str, list[str]] = {}

    def numbers(name: str, values: NDArray[Any]) -> NDArray[Any]:
        if values.dtype != object:
            return values
        codes, found = pd.factorize(values[:, 0], use_na_sentinel=False)
        texts[name] = found.tolist()
        return np.asarray(codes)

    # By number, for a column may have a name that a zip cannot hold.
    np.savez(folder / NUMBERS, *(numbers(name, values) for name, values in arrays.items()))
    (folder / TEXTS).write_text(json.dumps([list(arrays), texts]), encoding="utf-8")


def _read(folder: Path) -> dict[str, NDArray[Any]]:
    names, texts = json.loads((folder / TEXTS).read_text(encoding="utf-8"))
    with np.load(folder / NUMBERS, allow_pickle=False) as archive:
        found = {name: archive[f"arr_{place}"] for place, name in enumerate(names)}
    return found | {name: np.array(values, object)[found[name], np.newaxis] for name, values in texts.items()}


def _main() -> None:
    module, name, file, place, *more = sys.argv[1:]
    function, folder = getattr(importlib.import_module(module), name), Path(place)
    loaded = name.startswith("load")
    serve = function(Path(file), *more) if loaded else lambda arrays: function(Path(file), arrays, *more)
    arrays = _read(folder)
    result = np.asarray([serve(arrays), regrouped(serve, arrays)], np.float32)
    np.save(folder / RESULT, result, allow_pickle=False)


if __name__ == "__main__":
    _main()
