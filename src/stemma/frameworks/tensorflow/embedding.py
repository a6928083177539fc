"""The first layers of a Keras network: encoded rows -> the numbers that dense layers take. See training/inputs.py.

`stemma.weights.to_keras` reads a network with these layers from its store once this module is imported.
"""

from typing import Any

import keras
from keras import layers, ops

from stemma.training import inputs
from stemma.training.base import Floats, Problem


@keras.saving.register_keras_serializable("stemma")
class Columns(layers.Layer):
    """Some numbers of a row: (rows, inputs) -> (rows, columns)."""

    def __init__(self, runs: inputs.Runs, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.runs = runs

    def call(self, x: Any) -> Any:
        return ops.concatenate([x[:, first:end] for first, end in self.runs], axis=1)

    def get_config(self) -> dict[str, Any]:
        config: dict[str, Any] = super().get_config()
        return config | {"runs": [list(run) for run in self.runs]}


@keras.saving.register_keras_serializable("stemma")
class PiecewiseLinear(Columns):
    """Numeric columns of a row: (rows, inputs) -> their vectors (rows, columns * units).

    The edges are never trained. A value outside the range of the training rows counts as its nearest end.
    """

    def __init__(self, runs: inputs.Runs, bins: int, units: int, **kwargs: Any) -> None:
        super().__init__(runs, **kwargs)
        self.bins, self.units = bins, units

    def build(self, shape: Any) -> None:
        columns, even = inputs.count(self.runs), keras.initializers.RandomUniform(-1, 1)
        self.edges = self.add_weight((columns, self.bins + 1), "zeros", name="edges", trainable=False)
        self.slope = self.add_weight((columns, self.units), even, name="slope")
        self.bias = self.add_weight((columns, self.units), keras.initializers.RandomUniform(-1, 1), name="bias")
        self.weight = self.add_weight((columns, self.bins, self.units), "zeros", name="weight")

    def call(self, x: Any) -> Any:
        value = ops.minimum(ops.maximum(super().call(x), self.edges[:, 0]), self.edges[:, -1])[:, :, None]
        width = ops.maximum(self.edges[:, 1:] - self.edges[:, :-1], inputs.SMALLEST_BIN)
        pieces = ops.clip((value - self.edges[:, :-1]) / width, 0.0, 1.0)  # (rows, columns, bins)
        bent = ops.transpose(ops.matmul(ops.transpose(pieces, (1, 0, 2)), self.weight), (1, 0, 2))
        vectors = value * self.slope + self.bias + bent  # (rows, columns, units)
        return ops.reshape(vectors, (-1, vectors.shape[1] * self.units))

    def get_config(self) -> dict[str, Any]:
        return super().get_config() | {"bins": self.bins, "units": self.units}


def embed(problem: Problem, encoded: Any, edges: Floats | None = None, units: int = 1) -> Any:
    """Encoded rows (rows, inputs) -> (rows, width): numbers that pass, then numeric columns, then codes.

    Args:
        edges, units: of the bins of the numeric columns (columns, bins + 1), and of their vectors; without them these
            columns pass as they are.
    """
    numeric = inputs.runs(problem, "numeric") if edges is not None else ()
    plain = inputs.runs(problem, "binary") if numeric else inputs.runs(problem, "numeric", "binary")
    exact = {"dtype": "float32"}  # in mixed precision too: bfloat16 tells no code above 256 from the next
    parts = [Columns(plain, name="embedding.plain", **exact)(encoded)] if plain else []
    if edges is not None and numeric:
        layer = PiecewiseLinear(numeric, edges.shape[1] - 1, units, name="embedding.numeric", **exact)
        parts.append(layer(encoded))
        layer.edges.assign(edges)
    for number, block in enumerate(inputs.codes(problem), start=1):
        code = Columns(((block.start, block.start + 1),), name=f"code_{number}", **exact)(encoded)
        vector = layers.Embedding(block.size, inputs.dimension(block.size), name=f"embedding.code_{number}")(code)
        parts.append(layers.Flatten(name=f"vector_{number}")(vector))
    return layers.Concatenate(name="embedding")(parts) if len(parts) > 1 else parts[0]
