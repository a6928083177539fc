"""Steps whose gradient is summed from pieces of a batch: of one worker's one after the other, and of several workers'.

A piece of n of a batch's N rows counts n/N, and so does its part of what weights cost: the sum is the gradient of the
whole batch, within float error, whichever way it is cut. That holds where a row's scores depend on that row alone.
"""

import copy
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import torch
from torch import nn

from stemma.entries import naming
from stemma.errors import TrainingError
from stemma.frameworks.torch.objective import Objective
from stemma.frameworks.torch.stepper import Batch, Ordinary
from stemma.training.settings import TrainSettings

ALIKE = 1e-4  # relative: scores of a row within another batch differ by less, for sums are taken in another order


class Pieces(Ordinary):
    """Ordinary steps, but for the gradient."""

    def __init__(
        self,
        objective: Objective,
        optimizer: torch.optim.Optimizer,
        settings: TrainSettings,
        worker: int = 0,
        together: Callable[[Sequence[nn.Parameter]], None] | None = None,
    ) -> None:
        """
        Args:
            worker: which of `train.workers` this one is, from 0.
            together: sums the gradients of all workers; None: there are no others, or it happens as they are made.
        """
        super().__init__(objective, optimizer, settings)
        self.first, self.count = worker * settings.accumulate, settings.accumulate
        self.all, self.together = settings.workers * settings.accumulate, together
        self.trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]

    def backward(self, *batch: Any) -> Any:
        """What this worker's pieces add to the loss of a batch; each parameter has the gradient of all pieces then."""
        self.optimizer.zero_grad()
        total = torch.zeros((), device=batch[0].device)
        for share, piece in self._own(batch):
            loss = share * self.objective.of(*piece, mixed=self.mixed)
            loss.backward()
            total += loss.detach()
        if self.together is not None:
            self.together(self.trained)
        return total

    def _own(self, batch: Batch) -> Iterator[tuple[float, Batch]]:
        """This worker's pieces, each with its share of the batch. Where there are fewer rows than pieces, some take one
        that counts nothing: workers that wait for each other take as many steps.
        """
        cut = [part.tensor_split(self.all) for part in batch]
        for number in range(self.first, self.first + self.count):
            piece = [pieces[number] for pieces in cut]
            share = len(piece[0]) / len(batch[0])
            yield share, piece if share else [part[:1] for part in batch]


def check(network: nn.Module, name: str, x: Any) -> None:
    """Nothing, if a batch of this network can be cut.

    Args:
        x: a few rows (rows, inputs).

    Raises:
        EntryError: it fails.
        TrainingError: in training its scores of a row depend on the others of a batch, or it keeps what it saw of them.
    """
    tried = copy.deepcopy(network).train()
    for module in tried.modules():
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.eval()
    before, half = [buffer.clone() for buffer in tried.buffers()], (len(x) + 1) // 2
    with torch.no_grad(), naming(f"the network {name} fails in training"):
        whole, again, part = tried(x), tried(x), tried(x[:half])
    draws = not torch.equal(whole, again)  # at random, in a way of its own: nothing can be told from its scores then
    alone = draws or torch.allclose(whole[..., :half, :], part, rtol=ALIKE, atol=ALIKE * float(whole.abs().max()))
    stayed = all(torch.equal(old, new) for old, new in zip(before, tried.buffers(), strict=True))
    if not alone or not stayed:
        norms = (each for each in network.modules() if isinstance(each, nn.modules.batchnorm._NormBase))
        kinds = {type(each).__name__ for each in norms}
        raise TrainingError(
            f"train.workers and train.accumulate cut a batch into pieces, and the network {name} computes over a whole "
            f"one in training ({', '.join(sorted(kinds)) or 'a layer of its own'}): it would silently be another fit",
            run="dvc exp run -S train.workers=1 -S train.accumulate=1",
        )
