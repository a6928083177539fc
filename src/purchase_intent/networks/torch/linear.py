"""One dense layer: logistic, softmax or linear regression."""

from collections import OrderedDict

from torch import nn

from stemma.frameworks.torch.embedding import Embedding
from stemma.frameworks.torch.network import TorchNetwork
from stemma.training import inputs


class TorchLinear(TorchNetwork):
    """Rows (rows, inputs) -> scores (rows, outputs)."""

    def build(self) -> nn.Module:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if inputs.codes(self.problem):
            layers["embedding"] = Embedding(self.problem)
        layers["output"] = dense(inputs.width(self.problem), self.problem.outputs)
        return nn.Sequential(layers)


def dense(width: int, outputs: int) -> nn.Linear:
    """Weights drawn as Keras draws them (Glorot and Bengio, AISTATS 2010), so both frameworks start alike."""
    layer = nn.Linear(width, outputs)
    nn.init.xavier_uniform_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer
