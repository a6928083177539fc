"""Dense layers, an activation and dropout between them."""

from collections import OrderedDict

from torch import nn

from purchase_intent.networks.torch.linear import dense
from stemma.frameworks.torch.embedding import Embedding
from stemma.frameworks.torch.network import TorchNetwork
from stemma.training import inputs

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


class TorchMlp(TorchNetwork):
    """Rows (rows, inputs) -> hidden_1 -> ... -> scores (rows, outputs)."""

    def build(self) -> nn.Module:
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if inputs.codes(self.problem):
            layers["embedding"] = Embedding(self.problem)
        width = inputs.width(self.problem)
        for number, units in enumerate(self.settings.hidden, start=1):
            layers[f"hidden_{number}"] = dense(width, units)
            layers[f"activation_{number}"] = ACTIVATIONS[self.settings.activation]()
            layers[f"dropout_{number}"] = nn.Dropout(self.settings.dropout)
            width = units
        layers["output"] = dense(width, self.problem.outputs)
        return nn.Sequential(layers)
