"""The steps of an epoch, and the ordinary way to take them; the other one is in recorded.py."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import nn

from stemma.frameworks.torch.objective import Objective
from stemma.training.settings import TrainSettings

Batch = Sequence[Any]  # x (batch_size, inputs), targets, row weights if there are, what a teacher says if there is one


class Stepper(Protocol):
    """Takes steps; whichever takes them, the bytes are the same."""

    def run(self, batches: Sequence[Batch], total: Any) -> None:
        """A step for each batch, in their order; `total` grows by the sum of its rows' losses."""


class Ordinary:
    """Steps as PyTorch takes them: loss, gradients by autograd, the optimizer."""

    def __init__(self, objective: Objective, optimizer: torch.optim.Optimizer, settings: TrainSettings) -> None:
        self.network, self.objective, self.optimizer = objective.network, objective, optimizer
        self.clip_norm, self.mixed = settings.clip_norm, settings.precision == "mixed"
        self.decay = settings.weight_decay if settings.optimizer == "sgd" else 0.0

    def run(self, batches: Sequence[Batch], total: Any) -> None:
        for batch in batches:
            total += self.backward(*batch).detach() * len(batch[0])
            self.update()

    def backward(self, *batch: Any) -> Any:
        """The loss of a batch; each parameter has its gradient then."""
        self.optimizer.zero_grad()
        loss = self.objective.of(*batch, mixed=self.mixed)
        loss.backward()
        return loss

    def update(self) -> None:
        """One step of the optimizer; SGD's own weight decay would pass through its momentum, so it is done here."""
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)
        if self.decay:
            rate = self.optimizer.param_groups[0]["lr"]
            with torch.no_grad():
                for matrix in self.optimizer.param_groups[0]["params"]:
                    matrix.mul_(1 - rate * self.decay)
        self.optimizer.step()
