"""A fit by several workers: each takes its share of every batch, and their gradients are summed.

`ParallelSession` is in the process of the fit, which judges, keeps and saves as it does with one worker; `Member` is in
each worker. The first sends all that the next epoch depends on after every epoch. So a worker that dies costs that
epoch alone: the gang is started anew from there, and the epoch is run again to the same bytes.
"""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any
from urllib.parse import urlsplit
from urllib.request import url2pathname

import numpy as np
import torch
from numpy.typing import NDArray
from torch import distributed, nn

from stemma import runners
from stemma.entries import naming
from stemma.errors import TrainingError
from stemma.frameworks.torch.network import TorchNetwork
from stemma.frameworks.torch.pieces import Pieces
from stemma.frameworks.torch.session import TorchSession, be_deterministic, choose_device
from stemma.frameworks.torch.stepper import Ordinary
from stemma.runners import Died, Gang, Place, Runner
from stemma.text import counted, say
from stemma.training import fit
from stemma.training.base import Draw, Floats, Given, Problem, Rows, Session, State, below
from stemma.training.own import Parts
from stemma.training.settings import ModelSettings, TrainSettings

TRIES = 3  # of one epoch
PATIENCE = timedelta(minutes=5)  # with a worker that does not answer another
LOOPBACK = {"linux": "lo", "darwin": "lo0"}  # the network device of workers of one machine


class ParallelSession(Session):
    """Workers hold rows, network and optimizer; here are copies of the last two as they were after the last epoch."""

    def __init__(self, network: TorchNetwork, given: Given) -> None:
        settings = fit.settled(given.settings, given.train.x)
        self.device = choose_device(settings)
        be_deterministic()
        self.network, self.given = network, replace(given, settings=settings)
        network.adapt(given.train)
        network.device = torch.device("cpu") if settings.shard else self.device  # too large for another
        network.rebuild()
        self.gang: Gang | None = None
        self.held: State = {}  # by the workers; nothing where they are not started
        self.slots: State = {}  # of the optimizer
        with ExitStack() as opened:
            self.runner = opened.enter_context(_runner(given))
            opened.callback(self._end)
            busy, cores = settings.workers * settings.threads, self.runner.cores()
            if busy > cores:
                say(f"note: train.workers: {busy} threads share {cores} cores: fewer would be as fast", error=True)
            self._take(self._run(None)[1])
            self.opened = opened.pop_all()

    def run_epoch(self, draw: Draw) -> float:
        loss, state = self._run(draw)
        self._take(state)
        return loss

    def _run(self, draw: Draw | None) -> tuple[float, State]:
        """An epoch, or none, in all workers; they are started where there are none, or one has died."""
        state, died = ({} if draw is None else self.state()), None
        for _ in range(TRIES):
            if died is not None:
                say(f"note: {died}; all workers are started again, from the last epoch", error=True)
            try:
                self.gang = self.gang or self._started()
                told: tuple[float, State] = self.gang.call("epoch", draw, {} if _same(state, self.held) else state)[0]
                return told
            except Died as error:
                died = error
                self._end()
            except BaseException:  # what the others were in the middle of is not known
                self._end()
                raise
        raise TrainingError(f"{died}, {TRIES} times in one epoch", "dvc exp run -S train.resume=true") from died

    def _started(self) -> Gang:
        given, network = self.given, self.network
        size = given.settings.workers
        plan = Plan(type(network), network.settings, network.problem, given.settings, given.begin, given.parts)
        arguments = (plan, given.train.x, given.train.y, given.taught)
        with naming("train.workers: the network, or a part of the fit, cannot be sent to another process"):
            names = [f"worker {number} of {size}" for number in range(1, size + 1)]
            return self.runner.gang(Member, arguments, names, gpus=int(self.device.type == "cuda"))

    def _take(self, state: State) -> None:
        self.restore(state)
        self.held = state

    def find_fault(self, draw: Draw) -> str:
        """In this process, by the whole batch."""
        state, alone = self.state(), {"workers": 1, "shard": False}
        self.close()
        session = TorchSession(self.network, replace(self.given, settings=self.given.settings.model_copy(update=alone)))
        session.restore(state)
        return session.find_fault(draw)

    def state(self) -> State:
        return {f"network/{name}": tensor for name, tensor in self.network.tensors().items()} | self.slots

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.network.set_tensors(below("network/", state))
        self.slots = {name: tensor for name, tensor in state.items() if name.startswith("optimizer/")}

    def close(self) -> None:
        self.opened.close()

    def _end(self) -> None:
        if self.gang is not None:
            self.gang.close()
        self.gang, self.held = None, {}


def _runner(given: Given) -> Runner:
    return runners.chosen("local") if given.runner is None else runners.chosen(given.runner.name, given.runner.address)


def _same(state: State, held: State) -> bool:
    """Bit by bit."""
    return all(name in held and _bytes(held[name]) == _bytes(tensor) for name, tensor in state.items())


def _bytes(tensor: NDArray[Any]) -> memoryview:
    return np.ascontiguousarray(tensor).reshape(-1).view(np.uint8).data


@dataclass(frozen=True)
class Plan:
    """What a worker makes its network and its fit of, beside the rows."""

    kind: type[TorchNetwork]
    model: ModelSettings
    problem: Problem
    train: TrainSettings
    begin: Mapping[str, NDArray[Any]]
    parts: Parts


class Member(TorchSession):
    """The session of one worker."""

    def __init__(self, place: Place, plan: Plan, x: Floats, y: NDArray[Any], taught: Floats | None) -> None:
        self.place = place
        device = choose_device(plan.train).type
        if device == "cuda":
            _take_gpu(place)
        if place.meeting.startswith("file:") and sys.platform in LOOPBACK:
            os.environ.setdefault("GLOO_SOCKET_IFNAME", LOOPBACK[sys.platform])
        distributed.init_process_group(
            {"cpu": "gloo", "cuda": "nccl"}[device], timeout=PATIENCE,
            store=_store(place), rank=place.number, world_size=place.size,
        )  # fmt: skip
        self.failure = f"the network {plan.model.name} fails in training by several workers"
        with naming(f"the network {plan.model.name} cannot be built by several workers"):
            network = plan.kind(plan.model, plan.problem, plan.train.threads)
            super().__init__(network, Given(Rows(x, y), plan.train, plan.begin, plan.parts, taught))

    def _bring(self, built: nn.Module, settings: TrainSettings) -> None:
        if settings.shard:  # a layer after the other: the device never holds the whole network
            share_out(built, self.network.device.type, self.place.size)
        super()._bring(built, settings)

    def _steps(self, settings: TrainSettings) -> Ordinary:
        if settings.workers == 1:
            return super()._steps(settings)
        together = None if settings.shard else add_up  # those of shared parameters are summed as they are made
        return Pieces(self.objective, self.optimizer, settings, self.place.number, together)

    def epoch(self, draw: Draw | None, state: State) -> tuple[float, State] | None:
        """The mean loss, and all that the next epoch depends on, from the first worker; without a draw no epoch is run.

        Args:
            state: to go back to before; nothing: as it is.
        """
        if state:
            self.restore(state)
        total = torch.zeros((), dtype=torch.float64, device=self.network.device)
        if draw is not None:
            with naming(self.failure):  # each draws its own dropout
                total += self.run_epoch(replace(draw, seed=draw.seed + self.place.number))
            distributed.all_reduce(total)
        after = self.state()
        return None if self.place.number else (float(total), after)


def _store(place: Place) -> distributed.Store:
    where = urlsplit(place.meeting)
    if where.scheme == "file":
        return distributed.FileStore(url2pathname(where.path), place.size)
    return distributed.TCPStore(
        str(where.hostname), where.port or 0, place.size, place.number == 0, PATIENCE, master_listen_fd=place.door
    )


def _take_gpu(place: Place) -> None:
    count = torch.cuda.device_count()
    if place.beside >= count:
        what = f"train.workers: each needs a GPU of its own, and {counted(count, 'is', 'are')} there"
        raise TrainingError(what, run=f"dvc exp run -S train.workers={count}")
    torch.cuda.set_device(place.beside)


def add_up(parameters: Sequence[nn.Parameter]) -> None:
    """Give each parameter the sum of its gradients in all workers, in one message; none where no worker has one."""
    device = parameters[0].device
    parts = [torch.zeros_like(p) if p.grad is None else p.grad for p in parameters]
    there = torch.tensor([p.grad is not None for p in parameters], dtype=torch.float32, device=device)
    whole = torch.cat([*(part.reshape(-1) for part in parts), there])
    distributed.all_reduce(whole)
    *sums, there = whole.split([*(part.numel() for part in parts), len(parts)])
    for parameter, total, count in zip(parameters, sums, there.tolist(), strict=True):
        parameter.grad = total.view_as(parameter).to(parameter.dtype) if count else None


def share_out(built: nn.Module, device: str, size: int) -> None:
    """Each worker keeps a part of each parameter; a layer's are put together while it computes."""
    from torch.distributed.device_mesh import init_device_mesh
    from torch.distributed.fsdp import FSDPModule, fully_shard

    mesh = init_device_mesh(device, (size,))
    for module in [*_units(built), built]:
        module.register_forward_hook(_not_a_view)
        fully_shard(module, mesh=mesh)
    for module in built.modules():
        if isinstance(module, FSDPModule):
            module.set_gradient_divide_factor(1.0)  # a share is weighted already
            module.set_force_sum_reduction_for_comms(True)  # gloo knows no other


def _not_a_view(_: nn.Module, __: Any, output: Any) -> Any:
    """PyTorch would lose sight of a view that the network changes in its place, and give other gradients."""
    return output.clone() if isinstance(output, torch.Tensor) and output._is_view() else output


def _units(built: nn.Module) -> Iterator[nn.Module]:
    """What is put together at once: the parts of the network that have parameters, and of lists of parts each."""
    for module in built.children():
        if isinstance(module, nn.Sequential | nn.ModuleList | nn.ModuleDict):
            yield from _units(module)
        elif any(True for _ in module.parameters()):
            yield module
