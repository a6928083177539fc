"""One dense layer: logistic, softmax or linear regression."""

from collections import OrderedDict

from torch import nn

from purchase_intent.models.torch.network import TorchModel


class TorchLinear(TorchModel):
    """Rows (rows, inputs) -> scores (rows, outputs)."""

    def build(self) -> nn.Module:
        return nn.Sequential(OrderedDict(output=dense(self.problem.inputs, self.problem.outputs)))


def dense(inputs: int, outputs: int) -> nn.Linear:
    """Weights drawn as Keras draws them (Glorot and Bengio, AISTATS 2010), so both frameworks start alike."""
    layer = nn.Linear(inputs, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
