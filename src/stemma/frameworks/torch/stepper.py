"""The steps of an epoch, and the ordinary way to take them; the other one is in recorded.py."""

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from torch import nn
from torch.nn import functional

from stemma.training import own
from stemma.training.own import PLAIN, Parts
from stemma.training.settings import TrainSettings

Batch = Sequence[Any]  # x (batch_size, inputs), targets, row weights if there are


class Stepper(Protocol):
    """Takes steps; whichever takes them, the bytes are the same."""

    def run(self, batches: Sequence[Batch], total: Any) -> None:
        """A step for each batch, in their order; `total` grows by the sum of its rows' losses."""


class Ordinary:
    """Steps as PyTorch takes them: loss, gradients by autograd, the optimizer."""

    def __init__(
        self,
        network: nn.Module,
        kind: str,
        optimizer: torch.optim.Optimizer,
        settings: TrainSettings,
        parts: Parts = PLAIN,
    ) -> None:
        """
        Args:
            network: in training, on its device.
            kind: of the loss, in the words of the task.
            parts: of the fit that are the project's own.
        """
        self.network, self.kind, self.optimizer, self.parts = network, kind, optimizer, parts
        self.clip_norm, self.mixed = settings.clip_norm, settings.precision == "mixed"
        self.decay = settings.weight_decay if settings.optimizer == "sgd" else 0.0

    def run(self, batches: Sequence[Batch], total: Any) -> None:
        for batch in batches:
            total += self.backward(*batch).detach() * len(batch[0])
            self.update()

    def backward(self, x: Any, y: Any, weights: Any = None) -> Any:
        """The loss of a batch; each parameter has its gradient then."""
        self.optimizer.zero_grad()
        with torch.autocast(x.device.type, torch.bfloat16, enabled=self.mixed):
            scores = self.network(x)
        loss = self.loss(scores.float(), y, weights)
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

    def loss(self, scores: Any, y: Any, weights: Any = None) -> Any:
        """The mean over the batch of each row's loss times its weight; over members too, if scores have them first."""
        if scores.ndim == 3:
            y = y.expand(len(scores), *y.shape).flatten(0, 1)
            weights = None if weights is None else weights.repeat(len(scores))
            scores = scores.flatten(0, 1)
        if self.parts.loss is not None:
            losses = own.losses(self.parts.loss, scores, y)
            return (losses if weights is None else losses * weights).mean()
        if self.kind == "squared_error":
            return functional.mse_loss(scores, y)
        if self.kind == "binary_cross_entropy":
            each = None if weights is None else weights[:, None]
            return functional.binary_cross_entropy_with_logits(scores, y, weight=each)
        if weights is None:
            return functional.cross_entropy(scores, y)
        return (functional.cross_entropy(scores, y, reduction="none") * weights).mean()
