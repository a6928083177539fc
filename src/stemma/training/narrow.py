"""Structured pruning: a network of which whole units are gone, cut from a fitted one.

It is the same network with fewer units in its hidden layers, so all that is made of it is smaller too. The units that
stay are those with the largest norm of what comes in times that of what goes out: what one layer may take from the
other without a change of what both do leaves it as it is (Neyshabur, Salakhutdinov and Srebro, Path-SGD, NIPS 2015).
Layers are `hidden_1`, `hidden_2`, ..., `output`, and settings name the units of the hidden ones in `hidden`.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.errors import TrainingError
from stemma.training import shrink
from stemma.training.base import Network, State
from stemma.training.origin import Origin


def cut(network: Network, share: float) -> None:
    """Take this share of the units from each hidden layer, one of which stays; what stays is drawn."""
    network.cut(tuple(max(1, units - round(share * units)) for units in network.settings.hidden))


def of(network: Network, begin: Origin, share: float) -> Origin:
    """Cut the network; it starts from the tensors of its units that stay.

    Args:
        begin: tensors of the whole network.

    Raises:
        TrainingError: the network cannot be cut, or a tensor of a layer that is does not come from there.
    """
    names = list(network.tensors())
    cut(network, share)
    last = len(network.settings.hidden)
    layers = [*(f"hidden_{number}" for number in range(1, last + 1)), "output"]
    for name in names:
        if name.partition(".")[0] in layers and name not in begin.tensors:
            raise TrainingError(
                f"train.prune_structured: {name} does not come from train.init_from, so its units cannot be chosen: "
                "give model.hidden the units of that version",
                run=f"stemma show {begin.told['revision']}" if begin.told else None,
            )
    tensors = dict(begin.tensors)
    for layer, following, units in zip(layers, layers[1:], network.settings.hidden, strict=False):
        stay = _strongest(tensors, layer, following, units)
        tensors |= {name: np.take(t, stay, _axis(name, t, gives=True)) for name, t in _of(layer, tensors).items()}
        coming = _matrices(following, tensors)
        tensors |= {name: np.take(t, stay, _axis(name, t, gives=False)) for name, t in coming.items()}
    for name, tensor in network.tensors().items():
        if name in tensors and tensors[name].shape != tensor.shape:
            raise TrainingError(
                f"train.prune_structured: the network {network.settings.name} cannot be cut: {name} is not of the "
                "layers hidden_1, ..., output",
                run="dvc exp run -S train.prune_structured=null",
            )
    return Origin(tensors, begin.told)


def _strongest(tensors: State, layer: str, following: str, units: int) -> NDArray[np.intp]:
    """The numbers of the units that stay, in their order; of equals the first."""
    coming, going = (
        sum(_squares(t, _axis(name, t, gives)) for name, t in _matrices(where, tensors).items())
        for where, gives in ((layer, True), (following, False))
    )
    return np.sort(np.argsort(-np.asarray(coming * going), kind="stable")[:units])


def _squares(tensor: NDArray[Any], axis: int) -> NDArray[np.float64]:
    moved = np.moveaxis(tensor.astype(np.float64), axis, 0)
    return np.asarray(np.square(moved).reshape(len(moved), -1).sum(axis=1))


def _of(layer: str, tensors: State) -> State:
    return {name: tensor for name, tensor in tensors.items() if name.partition(".")[0] == layer}


def _matrices(layer: str, tensors: State) -> State:
    return {name: tensor for name, tensor in _of(layer, tensors).items() if name.endswith((".weight", ".kernel"))}


def _axis(name: str, tensor: NDArray[Any], gives: bool) -> int:
    """Where a layer's units are: those that it gives, or takes."""
    taken = shrink.takes(name, tensor.ndim)
    return (-1 if taken == -2 else 0) if gives else taken
