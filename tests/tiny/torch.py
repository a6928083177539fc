"""The network of the toolkit's tests in PyTorch."""

from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from stemma.frameworks.torch.embedding import Embedding
from stemma.frameworks.torch.network import TorchNetwork
from stemma.training import inputs
from stemma.training.base import Floats, Rows

ACTIVATIONS = {"relu": nn.ReLU, "gelu": nn.GELU, "tanh": nn.Tanh}


class Tiny(TorchNetwork):
    """Rows (rows, inputs) -> [embedding ->] hidden_1 -> activation_1 -> dropout_1 -> ... -> output [-> mean]."""

    edges: Floats | None = None

    def adapt(self, train: Rows) -> None:
        if self.settings.bins:
            self.edges = inputs.edges(train.x, self.problem, self.settings.bins)

    def build(self) -> nn.Module:
        settings, width = self.settings, inputs.width(self.problem)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        if settings.bins:
            edges = inputs.edges(None, self.problem, settings.bins) if self.edges is None else self.edges
            layers["embedding"] = Embedding(self.problem, edges, settings.embedding)
            width = inputs.width(self.problem, settings.embedding)
        elif inputs.codes(self.problem):
            layers["embedding"] = Embedding(self.problem)
        for number, units in enumerate(settings.hidden, start=1):
            layers[f"hidden_{number}"] = nn.Linear(width, units)
            layers[f"activation_{number}"] = ACTIVATIONS[settings.activation]()
            layers[f"dropout_{number}"] = nn.Dropout(settings.dropout)
            width = units
        if settings.members is None:
            layers["output"] = nn.Linear(width, self.problem.outputs)
        else:
            layers["output"] = Members(settings.members, width, self.problem.outputs)
            layers["mean"] = Mean()
        return nn.Sequential(layers)


class Members(nn.Module):
    """A dense layer for each member: (rows, width) -> (members, rows, units)."""

    def __init__(self, members: int, width: int, units: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(members, width, units).uniform_(-(width**-0.5), width**-0.5))
        self.bias = nn.Parameter(torch.zeros(members, 1, units))

    def forward(self, x: Any) -> Any:
        return torch.matmul(x, self.weight) + self.bias


class Mean(nn.Module):
    """Scores (members, rows, outputs) -> their mean (rows, outputs); in training as they are: each has its own loss."""

    def forward(self, x: Any) -> Any:
        return x if self.training else x.mean(dim=0)
