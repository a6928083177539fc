"""What a step of data-parallel training costs, in seconds, as JSON.

python bench/scale_steps.py costs      of one process, by its share of the rows, and of an exchange between two
python bench/scale_steps.py steps N    of N processes that share a batch and exchange their gradients, as seen
"""

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import torch
from torch import distributed

from purchase_intent.networks import NETWORKS
from purchase_intent.settings import load
from stemma.task import of
from stemma.training import networks
from stemma.training.base import Problem

ROWS, INPUTS = 2048, 40
WORKERS = (1, 2, 4, 8, 16, 32, 64)
TURNS, STEPS = 5, 20  # the least of the turns counts
LARGE = 2**22  # numbers


def built() -> Any:
    """The default network."""
    return networks.create(NETWORKS, load().model, Problem(of("binary", ("no", "yes")), INPUTS), 1).built.train()


def stepping(rows: int, exchange: bool = False) -> Callable[[], None]:
    """A step on rows of its own."""
    model, x, y = built(), torch.randn(rows, INPUTS), torch.randint(0, 2, (rows, 1)).float()
    adam = torch.optim.AdamW(model.parameters())

    def step() -> None:
        adam.zero_grad()
        scores = model(x)
        torch.nn.functional.binary_cross_entropy_with_logits(scores, y.expand_as(scores)).backward()
        if exchange:
            distributed.all_reduce(torch.cat([each.grad.flatten() for each in model.parameters()]))
        adam.step()

    return step


def least(step: Callable[[], Any], clock: Callable[[], float] = time.process_time) -> float:
    turns = []
    for _ in range(TURNS):
        step()
        start = clock()
        for _ in range(STEPS):
            step()
        turns.append((clock() - start) / STEPS)
    return min(turns)


def worker(work: str, rank: int, count: int, store: str, there: Any) -> None:
    torch.set_num_threads(1)
    distributed.init_process_group("gloo", f"file://{store}", rank=rank, world_size=count)
    if work == "steps":
        there.send(least(stepping(ROWS // count, exchange=count > 1)))
    else:
        exchanges = (partial(distributed.all_reduce, torch.zeros(size)) for size in (1, LARGE))
        there.send([least(exchange, time.perf_counter) for exchange in exchanges])
    distributed.destroy_process_group()


def together(work: str, count: int) -> Any:
    """What the slowest of so many processes says."""
    context, pipes = get_context("spawn"), []
    with tempfile.TemporaryDirectory() as folder:
        for rank in range(count):
            here, there = context.Pipe(duplex=False)
            context.Process(target=worker, args=(work, rank, count, str(Path(folder, "store")), there)).start()
            pipes.append(here)
        return max(pipe.recv() for pipe in pipes)


def costs() -> dict[str, Any]:
    torch.set_num_threads(1)
    small, large = together("exchange", 2)  # of a ring of two: two steps, that send half each
    return {
        "compute": [(count, least(stepping(ROWS // count))) for count in WORKERS],
        "bytes": 4 * sum(each.numel() for each in built().parameters()),
        "latency": small / 2,
        "bandwidth": 4 * LARGE / (large - small),
    }


if __name__ == "__main__":
    print(json.dumps(costs() if sys.argv[1] == "costs" else together("steps", int(sys.argv[2]))))
