"""What a step of PyTorch brings down: the loss of its rows, by the weights that are kept, and a price of these."""

from collections.abc import Mapping
from typing import Any

import torch
from torch import nn
from torch.func import functional_call
from torch.nn import functional

from stemma.training import own, shrink
from stemma.training.own import PLAIN, Parts
from stemma.training.settings import TrainSettings


class Objective:
    """Of one network in training, on its device."""

    def __init__(self, network: nn.Module, kind: str, settings: TrainSettings, parts: Parts = PLAIN) -> None:
        """
        Args:
            kind: of the loss, in the words of the task.
        """
        self.network, self.kind, self.settings, self.own = network, kind, settings, parts.loss
        trained = {name: p for name, p in network.named_parameters() if p.requires_grad}
        self.matrices = {name: trained[name] for name in shrink.matrices(trained)}
        self.masks: Mapping[str, Any] = {}

    def of(self, x: Any, *targets: Any, mixed: bool = False) -> Any:
        """The loss of a batch.

        Args:
            targets: as `loss` takes them.
            mixed: products in bfloat16.
        """
        weights = self._weights() if shrink.needs_weights(self.settings) else {}
        with torch.autocast(x.device.type, torch.bfloat16, enabled=mixed):
            scores = functional_call(self.network, weights, (x,)) if weights else self.network(x)
        loss = self.loss(scores.float(), *targets)
        return loss + self._price(weights) if weights else loss

    def loss(self, scores: Any, y: Any, weights: Any = None, taught: Any = None) -> Any:
        """The mean over the batch of each row's loss times its weight; over members too, if scores have them first.

        Args:
            taught: what a teacher says. With the temperature squared, gradients of both parts are alike in size.
        """
        if scores.ndim == 3:
            members, scores = len(scores), scores.flatten(0, 1)
            y, weights, taught = (None if part is None else _repeated(part, members) for part in (y, weights, taught))
        truth = self._mean(scores, y, weights)
        if taught is None:
            return truth
        temperature, share = self.settings.distil_temperature, self.settings.distil_weight
        return (1 - share) * truth + share * temperature**2 * self._mean(scores / temperature, taught, weights)

    def _mean(self, scores: Any, y: Any, weights: Any) -> Any:
        if self.own is not None:
            losses = own.losses(self.own, scores, y)
            return (losses if weights is None else losses * weights).mean()
        if self.kind == "squared_error":
            if weights is None:
                return functional.mse_loss(scores, y)
            return (functional.mse_loss(scores, y, reduction="none")[:, 0] * weights).mean()
        if self.kind == "binary_cross_entropy":
            each = None if weights is None else weights[:, None]
            return functional.binary_cross_entropy_with_logits(scores, y, weight=each)
        if weights is None:
            return functional.cross_entropy(scores, y)
        return (functional.cross_entropy(scores, y, reduction="none") * weights).mean()

    def _weights(self) -> dict[str, Any]:
        kept = {name: w * self.masks[name] if name in self.masks else w for name, w in self.matrices.items()}
        return kept | shrink.gridded(kept, _on_grid) if self.settings.quantisation_aware else kept

    def _price(self, weights: Mapping[str, Any]) -> Any:
        sizes = sum(w.abs().sum() for w in weights.values()) if self.settings.l1 else 0.0
        squares = sum(w.square().sum() for w in weights.values()) if self.settings.l2 else 0.0
        return self.settings.l1 * sizes + self.settings.l2 / 2 * squares


def _repeated(part: Any, members: int) -> Any:
    return part.expand(members, *part.shape).flatten(0, 1)


def _on_grid(weights: Any, axis: int) -> Any:
    """As `shrink.on_grid`; gradients pass straight through."""
    values = weights.detach()
    scale = (values.abs().amax(dim=axis, keepdim=True) / shrink.LEVELS).clamp(min=shrink.LEAST)
    return weights + (torch.round(values / scale) * scale - values)
