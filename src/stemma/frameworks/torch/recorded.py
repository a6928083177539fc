"""A training step recorded once and run again without what autograd does around it.

In a small network most of a step's time goes into bookkeeping, not into numbers. Loss and gradients of one batch are
recorded as a flat list of PyTorch's operations (`make_fx`), views that never change are taken once, and the list runs
as plain Python code that calls each operation directly. The operations are those of the ordinary step, in its order, so
the bytes are the same; `record` proves it on the batches it is given, and gives nothing where that fails.
"""

import inspect
import logging
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import fx, nn
from torch.func import functional_call

Batch = Sequence[Any]  # x (batch_size, inputs), targets, row weights if there are
Step = Callable[..., list[Any]]  # a batch's parts -> the loss, and the gradient of each parameter that has one
aten = torch.ops.aten
SAME = (aten.detach.default, aten.alias.default)  # of no meaning outside autograd
VIEWS = (aten.t.default, aten.transpose.int, aten.permute.default, aten.view.default, aten.unsqueeze.default)


def record(network: nn.Module, loss: Callable[..., Any], batches: Sequence[Batch]) -> Step | None:
    """The step of a network in training, for batches of this size; None where it cannot be recorded exactly.

    Args:
        loss: of scores, targets and row weights.
        batches: one to record, others to prove it on. State of the network and of the random generator stay.
    """
    parameters = {name: p for name, p in network.named_parameters() if p.requires_grad}

    def step(values: list[Any], *batch: Any) -> list[Any]:
        found = loss(functional_call(network, dict(zip(parameters, values, strict=True)), (batch[0],)), *batch[1:])
        return [found.detach(), *torch.autograd.grad(found, values)]

    values, buffers = list(parameters.values()), [buffer.clone() for buffer in network.buffers()]
    random = torch.get_rng_state()
    try:
        run = _record(step, values, batches[0])
        same = all(_equal(lambda b=b: step(values, *b), lambda b=b: run(*b), random) for b in batches)
    except (RuntimeError, TypeError, NotImplementedError) as error:  # Python decides by values, an operation is unknown
        logging.getLogger(__name__).info("the training step is not recorded: %s", error)
        return None
    finally:
        torch.set_rng_state(random)
    kept = True
    for buffer, before in zip(network.buffers(), buffers, strict=True):
        kept &= torch.equal(buffer, before)
        buffer.copy_(before)
    return run if same and kept else None


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
    for node in fixed:
        graph.erase_node(node)
    for node in list(graph.nodes):
        if node.op == "call_function":
            _call_directly(node)
    graph.set_codegen(fx.graph.CodeGen())
    run = fx.GraphModule(nn.Module(), graph).forward
    return lambda *parts: run(*arguments, *parts)


def _simplify(node: fx.Node, fixed: dict[fx.Node, Any]) -> None:
    """Drop what has no effect; take out what is the same in every step."""
    source = node.args[0] if node.args else None
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
