"""A training step recorded once and run again without what autograd does around it.

In a small network most of a step's time goes into bookkeeping, not into numbers. Loss and gradients of one batch are
recorded as a flat list of PyTorch's operations (`make_fx`), views that never change are taken once, and the list runs
as plain Python code that calls each operation directly; AdamW comes down to the operation that it calls. All are those
of the ordinary step, in its order, so the bytes are the same. Where that is not certain the ordinary step is taken:
with a PyTorch that this was not tried with, and with a network whose recorded step fails on the batches it is tried on.
"""

import contextlib
import copy
import inspect
import logging
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from torch import fx, nn
from torch.func import functional_call

from stemma.errors import EntryError, TrainingError
from stemma.frameworks.torch.stepper import Batch, Ordinary, Stepper
from stemma.text import in_one_line
from stemma.training import shrink

TRIED = ("2.13",)  # releases of PyTorch; to add one, tests/stemma/frameworks/test_recorded.py must pass with it
WORTH = 0.2  # seconds of ordinary steps from which recording pays: it takes a tenth, and saves a sixth to two thirds
TIMED = 5  # steps that tell how long one takes: the quickest does, for the first has more to do
Step = Callable[..., list[Any]]  # a batch's parts -> the loss, and the gradient of each parameter that has one
aten = torch.ops.aten
SAME = (aten.detach.default, aten.alias.default)  # of no meaning outside autograd
VIEWS = (aten.t.default, aten.transpose.int, aten.permute.default, aten.view.default, aten.unsqueeze.default)


def choose(ordinary: Ordinary, setting: str, steps: int) -> Stepper:
    """What takes the steps of a fit.

    Args:
        setting: `train.stepper`.
        steps: that are sure to come.

    Raises:
        TrainingError: a recorded step is asked for where there can be none.
    """
    refusal = _refusal(ordinary)
    if setting == "recorded" and refusal:
        raise _not_recorded(refusal)
    if setting == "ordinary" or refusal:
        return ordinary
    return Chosen(ordinary, steps, must=setting == "recorded")


class Chosen:
    """Ordinary steps while one is timed, then recorded ones if they pay. The clock decides over nothing but time."""

    def __init__(self, ordinary: Ordinary, steps: int, must: bool) -> None:
        """Of `steps` that are sure to come; with `must` steps are recorded whether that pays or not."""
        self.ordinary, self.steps, self.must = ordinary, steps, must
        self.stepper: Stepper | None = None

    def run(self, batches: Sequence[Batch], total: Any) -> None:
        if self.stepper is None:
            seconds = min(self._timed(batch, total) for batch in batches[:TIMED])
            self.stepper = self._choose(batches) if self.must or seconds * self.steps >= WORTH else self.ordinary
            batches = batches[TIMED:]
        self.stepper.run(batches, total)

    def _timed(self, batch: Batch, total: Any) -> float:
        start = time.perf_counter()
        self.ordinary.run([batch], total)
        return time.perf_counter() - start

    def _choose(self, batches: Sequence[Batch]) -> Stepper:
        try:
            return Recorded(self.ordinary, batches[:2])
        except TrainingError as error:
            if self.must:
                raise
            logging.getLogger(__name__).info("%s", error)
            return self.ordinary


class Recorded:
    """Recorded steps for batches of one size, in a fit that has taken a step; a batch of another size is ordinary."""

    def __init__(self, ordinary: Ordinary, batches: Sequence[Batch]) -> None:
        """The step of the first batch, tried on the others of its size; the fit stays where it is.

        Raises:
            TrainingError: it cannot be recorded, or not to the same bytes.
        """
        self.ordinary, self.size = ordinary, len(batches[0][0])
        self.trained = [parameter for parameter in ordinary.network.parameters() if parameter.requires_grad]
        alike = [batch for batch in batches if len(batch[0]) == self.size]
        self.step = record(ordinary.network, ordinary.objective.loss, alike)

    def run(self, batches: Sequence[Batch], total: Any) -> None:
        full = sum(len(batch[0]) == self.size for batch in batches)  # the last one may not be
        losses = []
        with torch.inference_mode(), self._updating() as update:
            for batch in batches[:full]:
                loss, *gradients = self.step(*batch)
                update(gradients)
                losses.append(loss.item())
        self.ordinary.optimizer.zero_grad()
        sums = np.array(losses, np.float32) * np.float32(self.size)
        total.fill_(float(np.add.accumulate([np.float32(total), *sums])[-1]))  # one by one, as ordinary steps add
        self.ordinary.run(batches[full:], total)

    @contextlib.contextmanager
    def _updating(self) -> Iterator[Callable[[list[Any]], None]]:
        """A step of the optimizer for gradients in the order of the parameters."""
        optimizer = self.ordinary.optimizer
        if self.ordinary.clip_norm is None and _is_plain_adam(optimizer):
            with _fused_adam(optimizer, self.trained) as update:
                yield update
            return

        def set_and_step(gradients: list[Any]) -> None:
            for parameter, gradient in zip(self.trained, gradients, strict=True):
                parameter.grad = gradient
            self.ordinary.update()

        yield set_and_step


def _refusal(ordinary: Ordinary) -> str | None:
    """Why no step of this fit can be recorded, whatever its network is."""
    if not torch.__version__.startswith(tuple(f"{release}." for release in TRIED)):
        return f"PyTorch {torch.__version__} was not tried, but {', '.join(TRIED)}"
    if ordinary.mixed or next(ordinary.network.parameters()).device.type != "cpu":
        return "it needs the CPU"
    if type(ordinary) is not Ordinary:
        return "train.workers and train.accumulate take ordinary ones"
    if shrink.needs_weights(ordinary.objective.settings):
        return "train.prune, quantisation_aware, l1 and l2 take ordinary ones"
    return None


def _not_recorded(why: str) -> TrainingError:
    return TrainingError(f"train.stepper: the step is not recorded: {why}", run="dvc exp run -S train.stepper=auto")


def _is_plain_adam(optimizer: torch.optim.Optimizer) -> bool:
    """Whether its step is the operation below: a project may bring another one."""
    plain = {"fused": True, "amsgrad": False, "maximize": False}
    groups = optimizer.param_groups
    return type(optimizer) is torch.optim.AdamW and all(group[n] is v for group in groups for n, v in plain.items())


@contextlib.contextmanager
def _fused_adam(optimizer: torch.optim.Optimizer, trained: list[Any]) -> Iterator[Callable[[list[Any]], None]]:
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


def record(network: nn.Module, loss: Callable[..., Any], batches: Sequence[Batch]) -> Step:
    """The step of a network in training, for batches of this size.

    Args:
        loss: of scores, targets and row weights.
        batches: one to record; all to try it on. State of the network and of the random generator stay.

    Raises:
        TrainingError: it cannot be recorded, or not to the same bytes.
    """
    values = {name: p for name, p in network.named_parameters() if p.requires_grad}
    rest = {name: p for name, p in (*network.named_parameters(), *network.named_buffers()) if name not in values}
    before, random = {name: tensor.clone() for name, tensor in rest.items()}, torch.get_rng_state()
    try:
        twin = copy.deepcopy(network)  # what layers keep in Python changes here alone

        def step(given: list[Any], *batch: Any) -> list[Any]:
            tensors = rest | dict(zip(values, given, strict=True))
            found = loss(functional_call(twin, tensors, (batch[0],)), *batch[1:])
            gradients = torch.autograd.grad(found, given)
            return [found.detach(), *map(_laid_as, gradients, given)]

        given = list(values.values())
        run = _record(step, given, batches[0])
        same = all(_equal(partial(step, given, *batch), partial(run, *batch), random) for batch in batches)
    except (EntryError, RuntimeError, TypeError, NotImplementedError) as error:
        # Python decides by values, or an operation is unknown.
        raise _not_recorded(in_one_line(error, 300)) from error
    finally:
        torch.set_rng_state(random)
        changed = [name for name, tensor in rest.items() if not torch.equal(tensor, before[name])]
        for name in changed:
            rest[name].copy_(before[name])
    if changed or not same:
        raise _not_recorded("it changes a buffer" if changed else "it gives other bytes")
    return run


def _laid_as(gradient: Any, parameter: Any) -> Any:
    """The gradient with its numbers in the order of the parameter's: AdamW's operation takes them one by one."""
    return gradient if gradient.stride() == parameter.stride() else torch.empty_like(parameter).copy_(gradient)


def _equal(one: Callable[[], list[Any]], other: Callable[[], list[Any]], random: Any) -> bool:
    """Whether both give the same bytes, drawing the same random numbers."""
    torch.set_rng_state(random)
    expected = one()
    torch.set_rng_state(random)
    with torch.inference_mode():
        found = other()
    return all(
        a.dtype == b.dtype and torch.equal(a, b) and torch.equal(a.signbit(), b.signbit())
        for a, b in zip(expected, found, strict=True)
    )


def _record(step: Callable[..., Any], values: list[Any], batch: Batch) -> Step:
    from torch.fx.experimental.proxy_tensor import make_fx

    module = make_fx(step)(values, *batch)
    graph = module.graph
    inputs = [node for node in graph.nodes if node.op == "placeholder"]
    fixed: dict[fx.Node, Any] = dict(zip(inputs, (value.detach() for value in values), strict=False))
    for node in list(graph.nodes):
        if node.op == "get_attr":
            fixed[node] = getattr(module, node.target)
        elif node.op == "call_function":
            _simplify(node, fixed)
    graph.eliminate_dead_code()
    first = next(iter(graph.nodes))
    arguments: list[Any] = []

    def argument(tensor: Any) -> fx.Node:
        """Fixed tensors are arguments, which Python finds faster than attributes."""
        arguments.append(tensor)
        with graph.inserting_before(first):
            return graph.placeholder(f"fixed_{len(arguments)}")

    for node, tensor in fixed.items():
        if node.users:
            node.replace_all_uses_with(argument(tensor))
    # PyTorch takes a tensor in half the time of a number.
    for node in graph.find_nodes(op="call_function", target=aten.div_.Scalar):
        node.args = (node.args[0], argument(torch.tensor(node.args[1], dtype=node.meta["val"].dtype)))
    for node in list(graph.nodes):
        if node in fixed:  # those that nothing used are gone
            graph.erase_node(node)
        elif node.op == "call_function":
            _call_directly(node)
    graph.set_codegen(fx.graph.CodeGen())
    run = fx.GraphModule(nn.Module(), graph).forward
    return lambda *parts: run(*arguments, *parts)


def _simplify(node: fx.Node, fixed: dict[fx.Node, Any]) -> None:
    """Drop what has no effect; take out what is the same in every step."""
    source: Any = node.args[0] if node.args else None
    twice = node.target is aten.t.default and isinstance(source, fx.Node) and source.target is aten.t.default
    if node.target in SAME:
        node.replace_all_uses_with(source)
    elif twice:
        node.replace_all_uses_with(source.args[0])
    elif node.target in VIEWS and source in fixed:
        fixed[node] = node.target(fixed[source], *node.args[1:])
    elif node.target is aten.empty_like.default:  # filled before it is read: one serves all steps
        like = node.meta["val"]
        fixed[node] = torch.empty_strided(like.shape, like.stride(), dtype=like.dtype)
    elif node.target is aten.view.default and _keeps_dimension(source) and len(source.users) == 1:
        source.args = (*source.args[:2], False)  # a sum that drops its dimension is that view
        node.replace_all_uses_with(source)
    elif node.target is aten.mul.Tensor and _is_one(node.args[1]) and len(source.users) == 1:
        node.replace_all_uses_with(source)


def _keeps_dimension(node: Any) -> bool:
    return (
        isinstance(node, fx.Node)
        and node.target is aten.sum.dim_IntList
        and node.args[1:] == ([0], True)
        and node.meta["val"].ndim == 2
    )


def _is_one(node: Any) -> bool:
    """Whether it is the gradient of the loss with respect to itself."""
    return isinstance(node, fx.Node) and node.target is aten.ones_like.default and node.meta["val"].ndim == 0


def _call_directly(node: fx.Node) -> None:
    """Call PyTorch's own binding of an operation where it has one: half the overhead of an OpOverload."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return
    name = node.target.overloadpacket.__name__
    rest = node.target._schema.arguments[len(node.args) :]
    # All of them: the binding may have other defaults.
    arguments = (*node.args, *(each.default_value for each in rest if not each.kwarg_only))
    if inspect.isbuiltin(getattr(torch, name, None)):
        node.target, node.args = getattr(torch, name), arguments
    elif inspect.ismethoddescriptor(getattr(torch.Tensor, name, None)):
        node.op, node.target, node.args = "call_method", name, arguments
