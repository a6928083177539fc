"""Several small networks in one, on embedded numbers: the model for tables.

The source and its figures are told in networks/torch/tabular.py; here is the same network in Keras.
"""

from typing import Any

import keras
from keras import initializers, layers, ops

from stemma.frameworks.tensorflow.embedding import embed
from stemma.frameworks.tensorflow.network import KerasNetwork
from stemma.training import inputs
from stemma.training.base import Floats, Rows


class KerasTabular(KerasNetwork):
    """Rows (rows, inputs) -> embedding, adapter, hidden_1, ..., output of each member -> their mean (rows, outputs).

    TabM-mini: Gorishniy, Kotelnikov and Babenko, ICLR 2025, figure 1.
    """

    edges: Floats | None = None

    def adapt(self, train: Rows) -> None:
        self.edges = inputs.edges(train.x, self.problem, self.settings.bins)

    def build(self) -> keras.Model:
        settings = self.settings
        edges = inputs.edges(None, self.problem, settings.bins) if self.edges is None else self.edges
        encoded = keras.Input((self.problem.inputs,), name="encoded")
        x = embed(self.problem, encoded, edges, inputs.units(self.problem, settings.embedding))
        x = Adapter(settings.members, name="adapter")(x)
        for number, size in enumerate(settings.hidden, start=1):
            x = layers.Dense(size, **_drawn_as_in_torch(x.shape[-1]), name=f"hidden_{number}")(x)
            x = layers.Activation("relu", name=f"activation_{number}")(x)
            x = layers.Dropout(settings.dropout, name=f"dropout_{number}")(x)
        x = MemberDense(settings.members, self.problem.outputs, name="output")(x)
        return keras.Model(encoded, MemberMean(name="mean")(x), name="network")


@keras.saving.register_keras_serializable("purchase_intent")
class Adapter(layers.Layer):
    """Rows (rows, width) -> scaled for each member (members, rows, width); it starts with random signs."""

    def __init__(self, members: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members = members

    def build(self, shape: Any) -> None:
        self.scale = self.add_weight((self.members, 1, shape[-1]), _signs, name="scale")

    def call(self, x: Any) -> Any:
        return x * self.scale

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config(), members=self.members)


@keras.saving.register_keras_serializable("purchase_intent")
class MemberDense(layers.Layer):
    """A dense layer for each member: (members, rows, width) -> (members, rows, units)."""

    def __init__(self, members: int, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members, self.units = members, units

    def build(self, shape: Any) -> None:
        bound = shape[-1] ** -0.5
        even = initializers.RandomUniform(-bound, bound)
        self.weight = self.add_weight((self.members, shape[-1], self.units), even, name="weight")
        self.bias = self.add_weight((self.members, 1, self.units), "zeros", name="bias")

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.weight) + self.bias

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config(), members=self.members, units=self.units)


@keras.saving.register_keras_serializable("purchase_intent")
class MemberMean(layers.Layer):
    """Scores (members, rows, outputs) -> their mean (rows, outputs); in training as they are: each has its own loss."""

    def call(self, x: Any, training: bool = False) -> Any:
        return x if training else ops.mean(x, axis=0)


def _signs(shape: Any, dtype: Any = None) -> Any:
    return ops.cast(keras.random.randint(shape, 0, 2) * 2 - 1, dtype)


def _drawn_as_in_torch(width: int) -> dict[str, Any]:
    """Initializers of a dense layer: PyTorch's, which depend on its inputs alone."""
    bound = width**-0.5
    return {
        "kernel_initializer": initializers.RandomUniform(-bound, bound),
        "bias_initializer": initializers.RandomUniform(-bound, bound),
    }
