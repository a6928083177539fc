"""Dense layers, an activation and dropout between them."""

import keras
from keras import layers

from stemma.frameworks.tensorflow.embedding import embed
from stemma.frameworks.tensorflow.network import KerasNetwork
from stemma.training import inputs


class KerasMlp(KerasNetwork):
    """Rows (rows, inputs) -> hidden_1 -> ... -> scores (rows, outputs)."""

    def build(self) -> keras.Model:
        encoded = x = keras.Input((self.problem.inputs,), name="encoded")
        if inputs.codes(self.problem):
            x = embed(self.problem, encoded)
        for number, units in enumerate(self.settings.hidden, start=1):
            x = layers.Dense(units, name=f"hidden_{number}")(x)
            x = layers.Activation(self.settings.activation, name=f"activation_{number}")(x)
            x = layers.Dropout(self.settings.dropout, name=f"dropout_{number}")(x)
        scores = layers.Dense(self.problem.outputs, name="output")(x)
        return keras.Model(encoded, scores, name="network")
