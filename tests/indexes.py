"""Small networks as indexes of a weights store, made as the store itself makes them."""

import tempfile
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from stemma import weights
from stemma.weights import Index, Layer

Net = Sequence[tuple[str, str, Mapping[str, Any], Mapping[str, np.ndarray]]]  # name, kind, settings, tensors


def index(net: Net, framework: str = "torch", buffers: Sequence[str] = ()) -> Index:
    tensors = {f"{name}.{own}": array for name, _, _, held in net for own, array in held.items()}
    layers = [Layer(name, kind, settings) for name, kind, settings, _ in net]
    with tempfile.TemporaryDirectory() as folder:
        return weights.write(f"{folder}/weights", tensors, framework=framework, layers=layers, buffers=buffers)


def linear(name: str, inputs: int, outputs: int, seed: int = 0) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    generator = np.random.default_rng([seed, inputs, outputs, *name.encode()])
    held = {
        "weight": generator.standard_normal((outputs, inputs)).astype(np.float32),
        "bias": generator.standard_normal(outputs).astype(np.float32),
    }
    return name, "linear", {"in_features": inputs, "out_features": outputs}, held


def relu(name: str) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    return name, "relu", {"inplace": False}, {}


def mlp() -> list[Any]:
    return [linear("hidden_1", 8, 8), relu("activation_1"), linear("hidden_2", 8, 8), linear("output", 8, 1)]
