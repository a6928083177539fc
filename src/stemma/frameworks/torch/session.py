"""What fits a PyTorch network: its rows and optimizer on the device, epochs, their state, and where one goes wrong."""

import os
import warnings
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from stemma.entries import naming
from stemma.frameworks.torch import pieces, recorded
from stemma.frameworks.torch.network import TorchNetwork, like, whole
from stemma.frameworks.torch.objective import Objective
from stemma.frameworks.torch.stepper import Ordinary
from stemma.training import fit, rows
from stemma.training.base import Draw, Given, Session, State, below
from stemma.training.own import Parts
from stemma.training.settings import TrainSettings

BLOCK = 65_536  # rows: more would be copied at once, fewer would be gathered more often


class TorchSession(Session):
    """Rows are tensors on the device: an epoch gathers BLOCK of them at once, and batches are views."""

    def __init__(self, network: TorchNetwork, given: Given) -> None:
        train, settings = given.train, fit.settled(given.settings, given.train.x)
        self.network, device = network, choose_device(settings)
        be_deterministic()
        torch.manual_seed(settings.seed)
        network.adapt(train)
        network.device, network.built = device, network.build()
        network.set_tensors(network.tensors() | dict(given.begin))
        still = fit.frozen((name for name, _ in network.built.named_parameters()), settings)
        for name, parameter in network.built.named_parameters():
            parameter.requires_grad_(name not in still)
        if settings.workers * settings.accumulate > 1:
            pieces.check(network.built, network.settings.name, torch.from_numpy(train.x[: fit.TRIED]))
        self._bring(network.built, settings)
        self.rows = self._on_device(rows.of(network.problem, given))
        self.batch_size = settings.batch_size
        fused = device.type in ("cpu", "cuda") and not settings.shard  # not all of them know shared parameters
        self.optimizer = _optimizer(network.built, settings, given.parts, fused)
        names = {parameter: name for name, parameter in network.built.named_parameters()}
        self.trained = {names[p]: p for group in self.optimizer.param_groups for p in group["params"]}
        self.objective = Objective(network.built, network.problem.task.loss, settings, given.parts)
        self.step = self._steps(settings)
        steps = fit.sure_epochs(settings) * (len(train.x) // self.batch_size)
        self.stepper = recorded.choose(self.step, settings.stepper, steps)

    def _bring(self, built: nn.Module, settings: TrainSettings) -> None:
        """To the device."""
        built.to(self.network.device)

    def _steps(self, settings: TrainSettings) -> Ordinary:
        kind = Ordinary if settings.accumulate == 1 else pieces.Pieces
        return kind(self.objective, self.optimizer, settings)

    def run_epoch(self, draw: Draw) -> float:
        self._begin_epoch(draw)
        total = torch.zeros((), device=self.network.device)
        rows = max(1, BLOCK // self.batch_size) * self.batch_size
        for start in range(0, len(draw.order), rows):
            self.stepper.run(list(self._batches(draw, slice(start, start + rows))), total)
        self.network.built.eval()
        return float(total) / len(draw.order)

    def _begin_epoch(self, draw: Draw) -> None:
        torch.manual_seed(draw.seed)
        self.network.built.train()
        for group in self.optimizer.param_groups:
            group["lr"] = draw.rate
        self.objective.masks = dict(zip(draw.masks, self._on_device(draw.masks.values()), strict=True))

    def _on_device(self, arrays: Iterable[NDArray[Any]]) -> list[Any]:
        return [torch.from_numpy(array).to(self.network.device) for array in arrays]

    def _batches(self, draw: Draw, kept: slice = slice(None)) -> Iterator[tuple[Any, ...]]:
        """Views (batch_size, ...) of the rows: x, targets, and what else there is."""
        if draw.rows is None:
            index = torch.from_numpy(draw.order[kept]).to(self.network.device)
            parts = [part[index] for part in self.rows]
        else:
            parts = self._on_device(part[kept] for part in draw.rows)
        return zip(*(part.split(self.batch_size) for part in parts), strict=True)

    def find_fault(self, draw: Draw) -> str:
        self._begin_epoch(draw)
        network = self.network.built
        before = {name: float(p.detach().norm()) for name, p in network.named_parameters()}
        for number, batch in enumerate(self._batches(draw), start=1):
            if fault := self._fault(batch):
                return f"{fault} in batch {number}"
            self.step.update()
        growth = {n: float(p.detach().norm()) / (before[n] + 1.0) for n, p in network.named_parameters()}
        name = max(growth, key=lambda n: growth[n])
        return f"the weights of layer '{_layer(name)}' grew most, {growth[name]:.3g} times"

    def _fault(self, batch: tuple[Any, ...]) -> str | None:
        """What is not finite first in this batch: an input, what a layer gives, or a gradient. It leaves gradients."""
        if not torch.isfinite(batch[0]).all():
            return "there is an input that is not finite"
        found: list[str] = []
        names = {module: name for name, module in self.network.built.named_modules()}

        def watch(module: nn.Module, _: Any, output: Any) -> None:
            """Of a layer, before of what it is a part of."""
            is_finite = not isinstance(output, torch.Tensor) or torch.isfinite(output).all()
            if module in names and not is_finite:
                found.append(names[module])

        with nn.modules.module.register_module_forward_hook(watch):
            self.step.backward(*batch)
        if found:
            return f"layer '{found[0]}' first gives values that are not finite,"
        named = reversed(list(self.network.built.named_parameters()))  # gradients flow from the last layer back
        for name, parameter in named:
            if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
                return f"layer '{_layer(name)}' first has a gradient that is not finite,"
        return None

    def state(self) -> State:
        tensors = {f"network/{name}": tensor for name, tensor in self.network.tensors().items()}
        names = list(self.trained)
        for number, slot in self.optimizer.state_dict()["state"].items():
            for name, tensor in slot.items():
                if tensor is not None:
                    kept = whole(torch.as_tensor(tensor)).cpu().numpy().copy()
                    tensors[f"optimizer/{names[number]}/{name}"] = kept
        return tensors

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.network.set_tensors(below("network/", state))
        slots: dict[int, dict[str, Any]] = {}
        numbers = {name: number for number, name in enumerate(self.trained)}
        for path, tensor in below("optimizer/", state).items():
            name, _, slot = path.rpartition("/")
            kept = like(torch.from_numpy(np.array(tensor)), self.trained[name])
            slots.setdefault(numbers[name], {})[slot] = kept
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})


def choose_device(settings: TrainSettings) -> torch.device:
    """As `fit.device`, the fastest one first; for workers none that cannot sum gradients."""
    has_mps = torch.backends.mps.is_available() and settings.workers == 1
    return torch.device(fit.device(settings, [*["cuda"] * _has_cuda(), *["mps"] * has_mps, "cpu"]))


def _has_cuda() -> bool:
    """Whether a GPU of NVIDIA can be used; beside TensorFlow, a build for CUDA warns of a driver that is not there."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", r"CUDA initialization: .*Error loading CUDA libraries", UserWarning)
        return bool(torch.cuda.is_available())


def be_deterministic() -> None:
    """Refuse what would give other bytes the next time."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # cuBLAS is only repeatable with a workspace of its own
    torch.set_deterministic_debug_mode("error")  # use_deterministic_algorithms would import the compiler, seconds of it


def _optimizer(network: nn.Module, settings: TrainSettings, parts: Parts, fused: bool) -> torch.optim.Optimizer:
    """Weight decay is decoupled (Loshchilov and Hutter, ICLR 2019) and spares biases and scales: one group decays."""
    named = [(name.rpartition(".")[2], p) for name, p in network.named_parameters() if p.requires_grad]
    matrices = [p for name, p in named if p.ndim > 1 and name not in ("bias", "scale")]
    others = [p for name, p in named if p.ndim <= 1 or name in ("bias", "scale")]
    if settings.optimizer == "sgd":
        return torch.optim.SGD([{"params": matrices}, {"params": others}], settings.learning_rate, 0.9, fused=fused)
    groups = [{"params": matrices, "weight_decay": settings.weight_decay}, {"params": others, "weight_decay": 0.0}]
    if parts.optimizer is not None:
        with naming(f"the optimizer {settings.optimizer} fails"):
            return parts.optimizer(groups, settings)
    return torch.optim.AdamW(groups, lr=settings.learning_rate, eps=1e-7, fused=fused)


def _layer(parameter: str) -> str:
    return parameter.rpartition(".")[0] or parameter
