"""One way to make the network of bench/compress.py smaller, in a process of its own; prints what it found as JSON.

python bench/compress_peer.py NAME FOLDER      FOLDER: network.onnx, ours.onnx, rows.npz, weights.npz
"""

import json
import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.metrics import roc_auc_score

BATCH = 1000
CALLS = {1: 300, BATCH: 20}  # of a turn, by rows
TURNS = 5
Scores = Callable[[np.ndarray], np.ndarray]
Made = tuple[str, int, Scores, Scores]  # what it is, its bytes, before, after


def in_turns(calls: Mapping[str, Scores], x: np.ndarray, count: int) -> dict[str, float]:
    """Seconds of each, the least of the turns' means."""
    taken: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(TURNS):
        for name, scores in calls.items():
            scores(x)
            start = time.perf_counter()
            for _ in range(CALLS[count]):
                scores(x)
            taken[name].append((time.perf_counter() - start) / CALLS[count])
    return {name: min(each) for name, each in taken.items()}


def stemma(folder: Path) -> Made:
    return _graphs("stemma, int8_static", folder, folder / "ours.onnx")


def static(folder: Path) -> Made:
    from onnxruntime import quantization as tools

    class Reader(tools.CalibrationDataReader):  # type: ignore[misc]
        def __init__(self) -> None:
            self.rows = iter([{_input(folder): np.load(folder / "rows.npz")["seen"]}])

        def get_next(self) -> Any:
            return next(self.rows, None)

    tools.quantize_static(folder / "network.onnx", folder / "made.onnx", Reader())
    return _graphs("onnxruntime quantize_static", folder, folder / "made.onnx")


def dynamic(folder: Path) -> Made:
    from onnxruntime import quantization as tools

    tools.quantize_dynamic(folder / "network.onnx", folder / "made.onnx")
    return _graphs("onnxruntime quantize_dynamic", folder, folder / "made.onnx")


def keras(folder: Path) -> Made:
    import keras

    layers = _layers(folder)

    def network() -> Any:
        units = [len(bias) for _, bias in layers]
        dense = [keras.layers.Dense(count, "relu") for count in units[:-1]]
        made = keras.Sequential([keras.Input((layers[0][0].shape[1],)), *dense, keras.layers.Dense(units[-1])])
        made.set_weights([part for weight, bias in layers for part in (weight.T, bias)])
        return made

    plain, made = network(), network()
    made.quantize("int8")
    size = sum(int(np.prod(each.shape)) * np.dtype(each.dtype).itemsize for each in made.weights)
    return f"keras {keras.__version__} quantize(int8)", size, plain.predict_on_batch, made.predict_on_batch


def torchao(folder: Path) -> Made:
    import torch
    import torchao
    from torchao.quantization import Int8DynamicActivationInt8WeightConfig, quantize_

    torch.set_num_threads(1)

    def network() -> Any:
        parts: list[Any] = []
        for weight, bias in _layers(folder):
            dense = torch.nn.Linear(weight.shape[1], weight.shape[0])
            dense.load_state_dict({"weight": torch.from_numpy(weight), "bias": torch.from_numpy(bias)})
            parts += [dense, torch.nn.ReLU()]
        return torch.nn.Sequential(*parts[:-1]).eval()

    def scores(model: Any, x: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            return np.asarray(model(torch.from_numpy(x)))

    plain, made = network(), network()
    quantize_(made, Int8DynamicActivationInt8WeightConfig())
    size = sum(weight.size + 4 * len(weight) + bias.nbytes for weight, bias in _layers(folder))  # a scale for each unit
    return f"torchao {torchao.__version__} int8 dynamic", size, partial(scores, plain), partial(scores, made)


def _layers(folder: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """Weights (units, inputs) and biases, in order."""
    held = np.load(folder / "weights.npz")
    names = sorted({name.rpartition(".")[0] for name in held.files})  # hidden_1, ..., output
    return [(held[f"{name}.weight"], held[f"{name}.bias"]) for name in names]


def _graphs(what: str, folder: Path, made: Path) -> Made:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    name = _input(folder)
    sessions = [onnxruntime.InferenceSession(file, options) for file in (folder / "network.onnx", made)]
    before, after = (lambda x, each=each: each.run(None, {name: x})[0] for each in sessions)
    return what, made.stat().st_size, before, after


def _input(folder: Path) -> str:
    import onnx

    return str(onnx.load(folder / "network.onnx").graph.input[0].name)


def main(name: str, folder: Path) -> None:
    what, size, before, after = MADE[name](folder)
    rows = np.load(folder / "rows.npz")
    calls = {"before": before, "after": after}
    areas = [float(roc_auc_score(rows["y"], np.asarray(each(rows["x"]))[:, -1])) for each in calls.values()]
    times = {count: list(in_turns(calls, rows["x"][:count], count).values()) for count in CALLS}
    print(json.dumps({"what": what, "bytes": size, "single": times[1], "batch": times[BATCH], "area": areas}))


MADE = {each.__name__: each for each in (stemma, static, dynamic, keras, torchao)}

if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
