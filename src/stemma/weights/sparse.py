"""A tensor that is mostly zero, in a file: the other entries in order, and one bit for each place that says where.

At half zeros it takes 0.53 of its bytes in float32. A zero is an entry without a bit that is set: -0.0 is none.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
WORTH = 0.75  # of the tensor's bytes: what saves less is stored as it is
PLACES = "/places"  # follows the tensor's name


def encoded(name: str, tensor: Array) -> dict[str, Array]:
    """What a file holds of a tensor: as it is, or its entries and their places, by name."""
    bits = tensor.reshape(-1).view(f"u{tensor.itemsize}")
    places = np.packbits(bits != 0)
    entries = tensor.reshape(-1)[bits != 0]
    if tensor.ndim < 2 or entries.nbytes + places.nbytes > WORTH * tensor.nbytes:
        return {name: tensor}
    return {name: entries, name + PLACES: places}


def decoded(entries: Array, places: Array, shape: tuple[int, ...]) -> Array:
    """The tensor again; a ValueError where there are more entries than places, or fewer."""
    size = int(np.prod(shape))
    bits = np.unpackbits(places, count=size).astype(bool)
    if len(places) != -(-size // 8) or np.count_nonzero(bits) != entries.size:
        raise ValueError(f"{entries.size} entries, and {np.count_nonzero(bits)} places in {size}")
    tensor = np.zeros(size, entries.dtype)
    tensor[bits] = entries
    return tensor.reshape(shape)


def is_encoded(stored: Any, name: str, shape: tuple[int, ...]) -> bool:
    """Whether an opened file of safetensors holds a tensor of this shape by its entries."""
    return len(shape) > 1 and len(stored.get_slice(name).get_shape()) == 1 and name + PLACES in {*stored.keys()}


def read(stored: Any, name: str, shape: tuple[int, ...]) -> Array:
    """The tensor of an opened file that holds it so; raises as `decoded`."""
    return decoded(stored.get_tensor(name), stored.get_tensor(name + PLACES), shape)
