"""One dense layer: logistic, softmax or linear regression."""

import keras

from stemma.frameworks.tensorflow.embedding import embed
from stemma.frameworks.tensorflow.network import KerasNetwork
from stemma.training import inputs


class KerasLinear(KerasNetwork):
    """Rows (rows, inputs) -> scores (rows, outputs)."""

    def build(self) -> keras.Model:
        encoded = x = keras.Input((self.problem.inputs,), name="encoded")
        if inputs.codes(self.problem):
            x = embed(self.problem, encoded)
        scores = keras.layers.Dense(self.problem.outputs, name="output")(x)
        return keras.Model(encoded, scores, name="network")
