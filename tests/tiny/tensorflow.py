"""The network of the toolkit's tests in Keras."""

from typing import Any

import keras
from keras import layers, ops

from stemma.frameworks.tensorflow.embedding import embed
from stemma.frameworks.tensorflow.network import KerasNetwork
from stemma.training import inputs
from stemma.training.base import Floats, Rows


class Tiny(KerasNetwork):
    """Rows (rows, inputs) -> [embedding ->] hidden_1 -> activation_1 -> dropout_1 -> ... -> output [-> mean]."""

    edges: Floats | None = None

    def adapt(self, train: Rows) -> None:
        if self.settings.bins:
            self.edges = inputs.edges(train.x, self.problem, self.settings.bins)

    def build(self) -> keras.Model:
        settings = self.settings
        encoded = x = keras.Input((self.problem.inputs,), name="encoded")
        if settings.bins:
            edges = inputs.edges(None, self.problem, settings.bins) if self.edges is None else self.edges
            x = embed(self.problem, encoded, edges, settings.embedding)
        elif inputs.codes(self.problem):
            x = embed(self.problem, encoded)
        for number, units in enumerate(settings.hidden, start=1):
            x = layers.Dense(units, name=f"hidden_{number}")(x)
            x = layers.Activation(settings.activation, name=f"activation_{number}")(x)
            x = layers.Dropout(settings.dropout, name=f"dropout_{number}")(x)
        if settings.members is None:
            scores = layers.Dense(self.problem.outputs, name="output")(x)
        else:
            scores = Mean(name="mean")(Members(settings.members, self.problem.outputs, name="output")(x))
        return keras.Model(encoded, scores, name="network")


@keras.saving.register_keras_serializable("tiny")
class Members(layers.Layer):
    """A dense layer for each member: (rows, width) -> (members, rows, units)."""

    def __init__(self, members: int, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.members, self.units = members, units

    def build(self, shape: Any) -> None:
        bound = shape[-1] ** -0.5
        even = keras.initializers.RandomUniform(-bound, bound)
        self.weight = self.add_weight((self.members, shape[-1], self.units), even, name="weight")
        self.bias = self.add_weight((self.members, 1, self.units), "zeros", name="bias")

    def call(self, x: Any) -> Any:
        return ops.matmul(x, self.weight) + self.bias

    def get_config(self) -> dict[str, Any]:
        return dict(super().get_config(), members=self.members, units=self.units)


@keras.saving.register_keras_serializable("tiny")
class Mean(layers.Layer):
    """Scores (members, rows, outputs) -> their mean (rows, outputs); in training as they are: each has its own loss."""

    def call(self, x: Any, training: bool = False) -> Any:
        return x if training else ops.mean(x, axis=0)
