"""Weights that a fit keeps in the place of those that it trains: pruned, as int8 has them, averaged.

A step computes with what is kept, and its gradients pass straight through to what is trained.

prune               Zhu and Gupta, To Prune, or Not to Prune, 2017, equation 1: the share rises over the first
                    epochs; weights that are 0 stay so
quantisation_aware  Jacob et al., Quantization and Training of Neural Networks, CVPR 2018, section 3; the
                    straight-through estimator: Bengio, Leonard and Courville, 2013
averaging           Kingma and Ba, Adam, ICLR 2015, section 7.2; with 1 all epochs count alike: Izmailov et al.,
                    Averaging Weights Leads to Wider Optima and Better Generalization, UAI 2018
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from stemma.training.settings import Settled, TrainSettings

if TYPE_CHECKING:
    from stemma.training.base import Network, State

Masks = Mapping[str, NDArray[np.bool_]]  # by tensor: the weights that are not 0
RISING = 3  # epochs in which the pruned share rises: a network for tables is at its best after some seven
LEVELS = 64  # of whole numbers on either side of 0, for each unit, as `stemma.compress` makes them
LEAST = 1e-30  # scale of a unit without weights


def matrices(tensors: Mapping[str, Any]) -> tuple[str, ...]:
    """The names of the weights of dense layers: what comes as a vector from a table, and biases, are none."""
    kinds = ("weight", "kernel")
    found = [name for name, tensor in tensors.items() if name.rpartition(".")[2] in kinds and len(tensor.shape) > 1]
    return tuple(name for name in found if not name.startswith("embedding."))


def takes(name: str, dimensions: int) -> int:
    """The axis of what a layer takes: a matrix of PyTorch is (units, inputs), all else ends with (inputs, units)."""
    return 1 if name.endswith(".weight") and dimensions == 2 else -2


def gridded(tensors: Mapping[str, Any], bring: Callable[[Any, int], Any]) -> dict[str, Any]:
    """Those weights that become whole numbers, as they are then: those of members, a matrix for each, do not.

    Args:
        bring: `on_grid`, in the framework of the tensors.
    """
    names = [name for name in matrices(tensors) if len(tensors[name].shape) == 2]
    return {name: bring(tensors[name], takes(name, 2)) for name in names}


def ramp(settings: Settled) -> int:
    """Epochs in which weights are pruned bit by bit; none of them is kept."""
    return min(RISING, settings.epochs // 2) if settings.prune else 0


def masks(tensors: Mapping[str, NDArray[Any]], settings: Settled, done: int, still: Collection[str]) -> Masks:
    """What an epoch leaves of the weights of dense layers.

    Args:
        done: epochs before it.
        still: tensors that are not trained, and so not pruned.
    """
    if settings.prune is None:
        return {}
    rising = ramp(settings)
    share = settings.prune * (1 - (1 - done / rising) ** 3) if done < rising else settings.prune
    sizes = {name: np.abs(tensors[name]) for name in matrices(tensors) if name not in still}
    if settings.prune_by == "layer":
        return {name: _largest(size.ravel(), share).reshape(size.shape) for name, size in sizes.items()}
    whole = _largest(np.concatenate([size.ravel() for size in sizes.values()]), share)
    ends = np.cumsum([size.size for size in sizes.values()])
    parts = zip(sizes.items(), np.split(whole, ends[:-1]), strict=True)
    return {name: part.reshape(size.shape) for (name, size), part in parts}


def on_grid(tensor: NDArray[Any], axis: int) -> NDArray[Any]:
    """The nearest weights that are whole numbers times a scale for each unit.

    Args:
        axis: of what the units take.
    """
    scale = np.maximum(np.abs(tensor).max(axis=axis, keepdims=True) / np.float32(LEVELS), np.float32(LEAST))
    return np.asarray(np.rint(tensor / scale) * scale + 0.0)


@contextmanager
def kept(network: "Network", before: "State", draw_masks: Masks, settings: Settled, epoch: int) -> Iterator["State"]:
    """The network as it is judged and kept after an epoch; then it is again what is trained on.

    Args:
        before: the mean of the weights after earlier epochs; what it is with this one is given.
        epoch: its number, from 1.
    """
    if not changes_weights(settings) and settings.averaging is None:
        yield {}
        return
    trained = _pruned(network.tensors(), draw_masks)
    mean = {} if settings.averaging is None else _averaged(before, trained, settings.averaging, epoch)
    judged = _pruned(mean or trained, draw_masks)
    if settings.quantisation_aware:
        judged |= gridded(judged, on_grid)
    network.set_tensors(judged)
    yield mean
    network.set_tensors(trained)


def changes_weights(settings: TrainSettings) -> bool:
    """Whether a step computes with other weights than are trained."""
    return settings.prune is not None or settings.quantisation_aware


def needs_weights(settings: TrainSettings) -> bool:
    """Whether a step computes with weights of its own, or has a price for them."""
    return changes_weights(settings) or settings.l1 > 0 or settings.l2 > 0


def _largest(sizes: NDArray[Any], share: float) -> NDArray[np.bool_]:
    """All but this share, rounded to whole numbers; of equal ones the last stay."""
    gone = round(share * sizes.size)
    if not gone:
        return np.ones(sizes.size, bool)
    limit = np.partition(sizes, gone - 1)[gone - 1]
    stays = sizes >= limit
    stays[np.flatnonzero(sizes == limit)[: gone - np.count_nonzero(~stays)]] = False
    return np.asarray(stays)


def _pruned(tensors: "State", left: Masks) -> "State":
    return tensors | {name: tensors[name] * mask + 0.0 for name, mask in left.items()}  # -0.0 becomes 0.0


def _averaged(before: "State", tensors: "State", decay: float, epoch: int) -> "State":
    """A mean in which weights count `decay` of what those one epoch later do; whole numbers are the newest."""
    new = 1 / epoch if decay == 1 else (1 - decay) / (1 - decay**epoch)
    floats = [name for name, tensor in tensors.items() if np.issubdtype(tensor.dtype, np.floating)]
    means = {name: before.get(name, tensors[name]) for name in floats}
    return tensors | {name: mean + (tensors[name] - mean) * mean.dtype.type(new) for name, mean in means.items()}
