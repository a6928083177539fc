"""A network that changes what a layer gave, which is a view, in its place."""

from typing import Any

from torch import nn

from stemma.frameworks.torch.network import TorchNetwork


class Inplace(TorchNetwork):
    """Rows (rows, inputs) -> scores (rows, outputs)."""

    def build(self) -> nn.Module:
        return Body(self.problem.inputs, self.problem.outputs)


class Body(nn.Module):
    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, 8), nn.Linear(8, outputs)

    def forward(self, x: Any) -> Any:
        hidden = self.first(x[None])
        hidden += 0.5
        return self.last(hidden.sin_())[0]
