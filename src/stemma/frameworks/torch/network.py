"""What every PyTorch model shares: the epoch, the state, the weights store, the ONNX graph."""

import contextlib
import copy
import io
import logging
import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

from stemma import weights
from stemma.entries import naming
from stemma.errors import TrainingError
from stemma.frameworks.torch import recorded
from stemma.training import fit
from stemma.training.base import Floats, Model, Problem, Rows, State
from stemma.training.own import Parts
from stemma.training.settings import ModelSettings, TrainSettings

CHUNK = 65_536  # rows scored at once: memory stays flat
WORTH = 3000  # steps of a fit from which recording one pays: it takes a second


class TorchModel(Model):
    """A PyTorch network; subclasses say how it is built."""

    framework: ClassVar[str] = "torch"

    def __init__(self, settings: ModelSettings, problem: Problem, threads: int = 1) -> None:
        super().__init__(settings, problem, threads)
        torch.set_num_threads(threads)
        self.device = torch.device("cpu")
        self.network: nn.Module = self.build().eval()

    def start(self, train: Rows, row_weights: Floats | None, settings: TrainSettings) -> None:
        self.device = choose_device(settings)
        _be_deterministic()
        torch.manual_seed(settings.seed)
        self.adapt(train)
        self.network = self.build().to(self.device)
        still = fit.frozen((name for name, _ in self.network.named_parameters()), settings)
        for name, parameter in self.network.named_parameters():
            parameter.requires_grad_(name not in still)
        self.batch_size, self.clip_norm = settings.batch_size, settings.clip_norm
        self.mixed = settings.precision == "mixed"
        self.decay = settings.weight_decay if settings.optimizer == "sgd" else 0.0
        self.x = torch.from_numpy(train.x).to(self.device)
        self.y = torch.from_numpy(self.problem.task.targets(train.y)).to(self.device)
        self.row_weights = None if row_weights is None else torch.from_numpy(row_weights).to(self.device)
        self.optimizer = _optimizer(self.network, settings, self.parts, fused=self.device.type in ("cpu", "cuda"))
        self.recorded = self._record() if settings.epochs * (len(train.x) // self.batch_size) >= WORTH else None

    def _record(self) -> recorded.Step | None:
        if self.device.type != "cpu" or len(self.x) < 2 * self.batch_size:
            return None
        batches = list(self._batches(np.arange(2 * self.batch_size)))
        return recorded.record(self.network.train(), self._loss, batches)

    def run_epoch(self, order: NDArray[np.int64], rate: float, seed: int) -> float:
        self._begin_epoch(rate, seed)
        total = torch.zeros((), device=self.device)
        batches = list(self._batches(order))
        stop = max(1, len(order) // self.batch_size) if self.recorded else 1
        self._run(batches[:1], total)  # Adam has a state from now on
        self._run_recorded(batches[1:stop], total)
        self._run(batches[stop:], total)  # all, or one that is not full
        self.network.eval()
        return float(total) / len(order)

    def _run(self, batches: list[tuple[Any, ...]], total: Any) -> None:
        """A step for each batch; `total` grows by the sum of its rows' losses."""
        for batch in batches:
            total += self._step(*batch).detach() * len(batch[0])

    def _run_recorded(self, batches: list[tuple[Any, ...]], total: Any) -> None:
        """The same for full batches, the same bytes in a fraction of the time."""
        if not batches:
            return
        losses = []
        with torch.inference_mode(), self._updating() as update:
            for batch in batches:
                loss, *gradients = self.recorded(*batch)
                update(gradients)
                losses.append(loss.item())
        self.optimizer.zero_grad()
        sums = np.float32(losses) * np.float32(self.batch_size)
        total.fill_(float(np.add.accumulate([np.float32(total), *sums])[-1]))  # one after the other, as `_run` adds

    @contextlib.contextmanager
    def _updating(self) -> Iterator[Callable[[list[Any]], None]]:
        """A step of the optimizer for gradients in the order of the parameters."""
        trained = [parameter for parameter in self.network.parameters() if parameter.requires_grad]

        if self.clip_norm is None and self.parts.optimizer is None and isinstance(self.optimizer, torch.optim.AdamW):
            with _fused_adam(self.optimizer, trained) as update:
                yield update
            return

        def set_and_step(gradients: list[Any]) -> None:
            for parameter, gradient in zip(trained, gradients, strict=True):
                parameter.grad = gradient
            self._clip()
            self._update()

        yield set_and_step

    def _begin_epoch(self, rate: float, seed: int) -> None:
        torch.manual_seed(seed)
        self.network.train()
        for group in self.optimizer.param_groups:
            group["lr"] = rate

    def _batches(self, order: NDArray[np.int64]) -> Iterator[tuple[Any, ...]]:
        """Views (batch_size, ...) of the rows, gathered once an epoch."""
        index = torch.from_numpy(order).to(self.device)
        parts = [self.x[index], self.y[index]]
        if self.row_weights is not None:
            parts.append(self.row_weights[index])
        return zip(*(part.split(self.batch_size) for part in parts), strict=True)

    def _step(self, x: Any, y: Any, weights: Any = None) -> Any:
        self.optimizer.zero_grad()
        loss = self._backward(x, y, weights)
        self._clip()
        self._update()
        return loss

    def _clip(self) -> None:
        if self.clip_norm is not None:
            nn.utils.clip_grad_norm_(self.network.parameters(), self.clip_norm)

    def _update(self) -> None:
        """One step of the optimizer; SGD's own weight decay would pass through its momentum, so it is done here."""
        if self.decay:
            rate = self.optimizer.param_groups[0]["lr"]
            with torch.no_grad():
                for matrix in self.optimizer.param_groups[0]["params"]:
                    matrix.mul_(1 - rate * self.decay)
        self.optimizer.step()

    def _backward(self, x: Any, y: Any, weights: Any = None) -> Any:
        if self.mixed:
            with torch.autocast(self.device.type, dtype=torch.bfloat16):
                scores = self.network(x)
            scores = scores.float()
        else:
            scores = self.network(x)
        loss = self._loss(scores, y, weights)
        loss.backward()
        return loss

    def _loss(self, scores: Any, y: Any, weights: Any = None) -> Any:
        """The mean over the batch of each row's loss times its weight; over members too, if scores have them first."""
        if scores.ndim == 3:
            y = y.expand(len(scores), *y.shape).flatten(0, 1)
            weights = None if weights is None else weights.repeat(len(scores))
            scores = scores.flatten(0, 1)
        if self.parts.loss is not None:
            losses = self.parts.loss(scores, y)
            return (losses if weights is None else losses * weights).mean()
        loss = self.problem.task.loss
        if loss == "squared_error":
            return functional.mse_loss(scores, y)
        if loss == "binary_cross_entropy":
            each = None if weights is None else weights[:, None]
            return functional.binary_cross_entropy_with_logits(scores, y, weight=each)
        if weights is None:
            return functional.cross_entropy(scores, y)
        return (functional.cross_entropy(scores, y, reduction="none") * weights).mean()

    def find_fault(self, order: NDArray[np.int64], rate: float, seed: int) -> str:
        self._begin_epoch(rate, seed)
        before = {name: float(p.detach().norm()) for name, p in self.network.named_parameters()}
        for number, batch in enumerate(self._batches(order), start=1):
            if not torch.isfinite(batch[0]).all():
                return f"batch {number} has an input that is not finite"
            found: list[str] = []
            with _watched(self.network, found):
                self.optimizer.zero_grad()
                self._backward(*batch)
            if found:
                return f"layer '{found[0]}' first gives values that are not finite, in batch {number}"
            named = reversed(list(self.network.named_parameters()))  # gradients flow from the last layer back
            for name, parameter in named:
                if parameter.grad is not None and not torch.isfinite(parameter.grad).all():
                    return f"layer '{_layer(name)}' first has a gradient that is not finite, in batch {number}"
            self._clip()
            self._update()
        growth = {n: float(p.detach().norm()) / (before[n] + 1.0) for n, p in self.network.named_parameters()}
        name = max(growth, key=lambda n: growth[n])
        return f"the weights of layer '{_layer(name)}' grew most, {growth[name]:.3g} times"

    @torch.no_grad()
    def scores(self, x: Floats) -> Floats:
        self.network.eval()
        parts = [self.network(torch.from_numpy(x[i : i + CHUNK]).to(self.device)) for i in range(0, len(x), CHUNK)]
        return torch.cat(parts).float().cpu().numpy()

    def state(self) -> State:
        tensors = {f"network/{name}": tensor for name, tensor in self.network_weights().items()}
        for number, slot in self.optimizer.state_dict()["state"].items():
            for name, tensor in slot.items():
                if tensor is not None:
                    tensors[f"optimizer/{number}/{name}"] = torch.as_tensor(tensor).cpu().numpy().copy()
        return tensors

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.set_network_weights({n[8:]: t for n, t in state.items() if n.startswith("network/")})
        slots: dict[int, dict[str, Any]] = {}
        for path, tensor in state.items():
            if path.startswith("optimizer/"):
                _, number, name = path.split("/")
                slots.setdefault(int(number), {})[name] = torch.from_numpy(np.array(tensor))
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": slots, "param_groups": groups})

    def network_weights(self) -> State:
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.network.state_dict().items()}

    def set_network_weights(self, weights: Mapping[str, NDArray[Any]]) -> None:
        self.network.load_state_dict({name: torch.from_numpy(np.array(t)) for name, t in weights.items()})

    def save(self, folder: Path) -> None:
        network, head = self.network.eval(), self.problem.task.head
        weights.write(
            folder,
            weights.torch_tensors(network),
            framework=self.framework,
            layers=[*weights.torch_layers(network), weights.Layer(head, head, {})],
            buffers=[name for name, _ in network.named_buffers()],
        )

    def load(self, folder: Path) -> None:
        state = weights.to_state_dict(folder)
        try:
            self.network.load_state_dict(state)
        except RuntimeError as error:
            raise weights.another_network(folder, error) from None

    def onnx(self, opset: int) -> Any:
        example = torch.zeros(2, self.problem.inputs)
        with _quiet():
            program = torch.onnx.export(
                copy.deepcopy(self.network).cpu().eval(),
                (example,),
                dynamo=True,
                external_data=False,
                opset_version=opset,
                input_names=["encoded"],
                output_names=["scores"],
                dynamic_shapes=({0: torch.export.Dim("rows")},),
                verbose=False,
            )
        return program.model_proto


def choose_device(settings: TrainSettings) -> torch.device:
    """The device that settings name; auto takes the fastest one there.

    Raises:
        TrainingError: it is not there, or mixed precision was asked for without a GPU.
    """
    present = ["cpu"]
    if torch.backends.mps.is_available():
        present.insert(0, "mps")
    if torch.cuda.is_available():
        present.insert(0, "cuda")
    name = present[0] if settings.device == "auto" else settings.device
    if name not in present:
        raise TrainingError(
            f"train.device: {name} is not on this machine (there: {', '.join(present)})",
            run="dvc exp run -S train.device=auto",
        )
    if settings.precision == "mixed" and name == "cpu":
        raise TrainingError(
            "train.precision: mixed needs a GPU, and the device is cpu", "dvc exp run -S train.precision=float32"
        )
    return torch.device(name)


def _be_deterministic() -> None:
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


@contextlib.contextmanager
def _fused_adam(optimizer: torch.optim.AdamW, trained: list[Any]) -> Iterator[Callable[[list[Any]], None]]:
    """What AdamW's step comes down to, for gradients in the order of these tensors, which have taken a step before.

    They share one count of steps meanwhile, and groups that differ in nothing are one call.
    """
    place = {id(parameter): number for number, parameter in enumerate(trained)}
    groups: dict[tuple[Any, ...], list[Any]] = {}
    for group in optimizer.param_groups:
        settings = (group["lr"], *group["betas"], group["weight_decay"], group["eps"])
        if group["params"]:  # all of a group may be frozen
            groups.setdefault(settings, []).extend(group["params"])
    step = optimizer.state[trained[0]]["step"].clone()
    calls = []
    for settings, parameters in groups.items():
        first, second = ([optimizer.state[p][name] for p in parameters] for name in ("exp_avg", "exp_avg_sq"))
        named = dict(zip(("lr", "beta1", "beta2", "weight_decay", "eps"), settings, strict=True))
        numbers = [place[id(parameter)] for parameter in parameters]
        calls.append((numbers, parameters, first, second, [step] * len(parameters), named))

    def update(gradients: list[Any]) -> None:
        step.add_(1)
        for numbers, parameters, first, second, steps, named in calls:
            chosen = [gradients[number] for number in numbers]
            torch._fused_adamw_(parameters, chosen, first, second, [], steps, amsgrad=False, maximize=False, **named)

    try:
        yield update
    finally:
        for parameter in trained:
            optimizer.state[parameter]["step"].copy_(step)


@contextlib.contextmanager
def _watched(network: nn.Module, found: list[str]) -> Iterator[None]:
    """Collect the names of the layers whose output is not finite, in the order they run."""

    def watch(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor) and not torch.isfinite(output).all():
                found.append(name)

        return hook

    leaves = [(name, module) for name, module in network.named_modules() if not list(module.children())]
    handles = [module.register_forward_hook(watch(name)) for name, module in leaves]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def _layer(parameter: str) -> str:
    return parameter.rpartition(".")[0] or parameter


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports its progress and warns about torchvision; neither concerns a user here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
