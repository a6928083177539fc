"""Several small networks in one, on embedded numbers: the model for tables.

TabM-mini with piecewise-linear embeddings: Gorishniy, Kotelnikov and Babenko, TabM: Advancing Tabular Deep Learning
with Parameter-Efficient Ensembling, ICLR 2025, section 3 and figure 1. Members share all weights but an adapter before
the first layer and their own output layer; each is trained by its own loss, and their scores are averaged. Over 46
public data sets the authors find TabM the best of the deep models (section 4). Here members are fewer (8, not 32) and
smaller, to train in seconds on one core; bench/README.md has the figures on several kinds of table.
"""

from collections import OrderedDict
from typing import Any

import torch
from torch import nn

from stemma.frameworks.torch.embedding import Embedding
from stemma.frameworks.torch.network import TorchNetwork
from stemma.training import inputs
from stemma.training.base import Floats, Rows


class TorchTabular(TorchNetwork):
    """Rows (rows, inputs) -> embedding, adapter, hidden_1, ..., output of each member -> their mean (rows, outputs)."""

    edges: Floats | None = None

    def adapt(self, train: Rows) -> None:
        self.edges = inputs.edges(train.x, self.problem, self.settings.bins)

    def build(self) -> nn.Module:
        settings = self.settings
        edges = inputs.edges(None, self.problem, settings.bins) if self.edges is None else self.edges
        units = inputs.units(self.problem, settings.embedding)
        layers: OrderedDict[str, nn.Module] = OrderedDict(embedding=Embedding(self.problem, edges, units))
        width = inputs.width(self.problem, units)
        layers["adapter"] = Adapter(settings.members, width)
        for number, size in enumerate(settings.hidden, start=1):
            layers[f"hidden_{number}"] = nn.Linear(width, size)
            layers[f"activation_{number}"] = nn.ReLU()
            layers[f"dropout_{number}"] = nn.Dropout(settings.dropout)
            width = size
        layers["output"] = MemberDense(settings.members, width, self.problem.outputs)
        layers["mean"] = MemberMean()
        return nn.Sequential(layers)


class Adapter(nn.Module):
    """Rows (rows, width) -> scaled for each member (members, rows, width); it starts with random signs."""

    def __init__(self, members: int, width: int) -> None:
        super().__init__()
        self.members, self.width = members, width
        self.scale = nn.Parameter(torch.randint(0, 2, (members, 1, width)) * 2.0 - 1.0)

    def forward(self, x: Any) -> Any:
        return x * self.scale


class MemberDense(nn.Module):
    """A dense layer for each member: (members, rows, width) -> (members, rows, units)."""

    def __init__(self, members: int, width: int, units: int) -> None:
        super().__init__()
        self.members, self.width, self.units = members, width, units
        bound = width**-0.5
        self.weight = nn.Parameter(torch.empty(members, width, units).uniform_(-bound, bound))
        self.bias = nn.Parameter(torch.zeros(members, 1, units))

    def forward(self, x: Any) -> Any:
        return torch.matmul(x, self.weight) + self.bias


class MemberMean(nn.Module):
    """Scores (members, rows, outputs) -> their mean (rows, outputs); in training as they are: each has its own loss."""

    def forward(self, x: Any) -> Any:
        return x if self.training else x.mean(dim=0)
