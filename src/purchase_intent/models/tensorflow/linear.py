"""One dense layer: logistic, softmax or linear regression."""

import keras

from purchase_intent.models.tensorflow.network import KerasModel


class KerasLinear(KerasModel):
    """Rows (rows, inputs) -> scores (rows, outputs)."""

    def build(self) -> keras.Model:
        encoded = keras.Input((self.problem.inputs,), name="encoded")
        scores = keras.layers.Dense(self.problem.outputs, name="output")(encoded)
        return keras.Model(encoded, scores, name="network")
