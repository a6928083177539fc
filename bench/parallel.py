"""A fit by several workers beside one, and beside PyTorch's DistributedDataParallel started by torchrun and by Ray
Train.

python bench/parallel.py
"""

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import torch
from torch import distributed, nn

import page
from page import Table
from purchase_intent.networks.settings import MlpSettings
from purchase_intent.networks.torch.mlp import TorchMlp
from purchase_intent.settings import load
from stemma.task import of
from stemma.training.base import Draw, Given, Problem, Rows

INPUTS, HIDDEN, BATCH, STEPS, ROUNDS = 256, (1024, 1024), 2048, 8, 5
MODEL = MlpSettings(name="torch_mlp", framework="torch", hidden=HIDDEN, activation="relu", dropout=0.0)
PROBLEM = Problem(of("binary", ("no", "yes")), INPUTS)


def parallel() -> Table:
    """Rows a second of an MLP of 256 inputs and two layers of 1,024 units, batches of 2,048, one thread a worker, where
    each has a core to itself: by seconds of a processor, so that a busy machine tells the same, over the number of
    workers; the least of five epochs of eight steps. Starts, and how long one waits for another, are not in it."""
    one, two, peer, trainer = _rate(workers=1), _rate(workers=2), _torchrun(), _peer(__file__, "trainer")
    pieces, shared = _rate(workers=2, accumulate=4), _rate(workers=2, shard=True)
    lines = (
        ("2 workers", two, "1 worker", one, ">= 1.6"),
        ("2 workers", two, "DDP by torchrun, 2 processes", peer, "about 1"),
        ("2 workers", two, "DDP by Ray Train, 2 workers", trainer, "about 1"),
        ("2 workers, each 4 pieces", pieces, "a piece", two, ""),
        ("2 workers that share parameters", shared, "each has all", two, ""),
    )
    columns = ["what", "rows/s", "beside", "rows/s", "ratio", "goal"]
    return columns, [[w, f"{r:,.0f}", o, f"{s:,.0f}", f"{r / s:.2f}", goal] for w, r, o, s, goal in lines]


def _rows() -> Rows:
    draw = np.random.default_rng(0)
    x = draw.normal(size=(BATCH * STEPS, INPUTS)).astype(np.float32)
    return Rows(x, (x[:, 0] > 0).astype(np.float32))


def _rate(**changes: object) -> float:
    train = load().train.model_copy(update={"batch_size": BATCH, "device": "cpu", "stepper": "ordinary", **changes})
    session = TorchMlp(MODEL, PROBLEM, train.threads).session(Given(_rows(), train))
    draw = Draw(np.arange(BATCH * STEPS), 0.001, 0)
    try:
        seconds = [_spent(lambda: session.run_epoch(draw), _processor) for _ in range(ROUNDS)]
    finally:
        session.close()
    return BATCH * STEPS * train.workers / min(seconds)


def _processor() -> float:
    """Seconds of this process and its workers."""
    here = psutil.Process()
    times = [each.cpu_times() for each in (here, *here.children(recursive=True))]
    return sum(each.user + each.system for each in times)


def _spent(epoch: Callable[[], object], clock: Callable[[], float]) -> float:
    start = clock()
    epoch()
    return clock() - start


def _torchrun() -> float:
    return _peer("-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", __file__, "ddp")


def _peer(*command: str) -> float:
    alone = {**os.environ, "OMP_NUM_THREADS": "1", "RAY_USAGE_STATS_ENABLED": "0", "RAY_AUTH_TOKEN": "a" * 64}
    done = subprocess.run([sys.executable, *command], env=alone, check=True, stdout=subprocess.PIPE, text=True)
    return float(done.stdout.split()[-1])


def ddp() -> None:
    """As PyTorch's tutorial has it."""
    distributed.init_process_group("gloo")
    rate = _trained(nn.parallel.DistributedDataParallel)
    if distributed.get_rank() == 0:
        print(rate)
    distributed.destroy_process_group()


def trainer() -> None:
    """As Ray's guide has it, on a Ray of this machine."""
    import ray
    from ray import train
    from ray.train.torch import TorchTrainer, prepare_model

    def work(config: dict[str, str]) -> None:
        rate = _trained(prepare_model)
        if train.get_context().get_world_rank() == 0:
            Path(config["told"]).write_text(str(rate), encoding="utf-8")

    with tempfile.TemporaryDirectory() as folder:
        here, told = os.pathsep.join(sys.path), Path(folder, "told")
        ray.init("local", num_cpus=3, include_dashboard=False, object_store_memory=2**28, log_to_driver=False,
                 runtime_env={"env_vars": {"PYTHONPATH": here}})  # fmt: skip
        given: dict[str, str] = {"told": str(told)}
        kept = train.RunConfig(storage_path=folder)
        TorchTrainer(
            work, train_loop_config=given, scaling_config=train.ScalingConfig(num_workers=2), run_config=kept
        ).fit()
        ray.shutdown()
        print(told.read_text(encoding="utf-8"))


def _trained(together: Callable[[nn.Module], nn.Module]) -> float:
    """Rows a second of one of two workers, each with its half of every batch."""
    rank = distributed.get_rank()
    rows, network = _rows(), TorchMlp(MODEL, PROBLEM).build()
    x, y = torch.from_numpy(rows.x), torch.from_numpy(rows.y)[:, None]
    model = together(network)
    adam = torch.optim.AdamW(model.parameters(), fused=True)

    def epoch() -> None:
        for start in range(rank * BATCH // 2, BATCH * STEPS, BATCH):
            part = slice(start, start + BATCH // 2)
            adam.zero_grad()
            nn.functional.binary_cross_entropy_with_logits(model(x[part]), y[part]).backward()
            adam.step()

    seconds = torch.tensor([_spent(epoch, time.process_time) for _ in range(ROUNDS)])
    distributed.all_reduce(seconds)
    return BATCH * STEPS * 2 / float(seconds.min())


if __name__ == "__main__":
    os.chdir(Path(__file__).parent.parent)
    peers = {"ddp": ddp, "trainer": trainer}
    peers[sys.argv[1]]() if sys.argv[1:] and sys.argv[1] in peers else page.main({"parallel": parallel})
