"""What PyTorch and Keras call the same thing, and how their tensors lie: both as Keras has it.

A PyTorch Linear holds its weight as (out, in), a Keras Dense its kernel as (in, out); a convolution's channels come
first in one and last in the other. Layers whose tensors have no plain counterpart (recurrent, attention) keep their own
names and are then not paired across frameworks.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KERNEL_AXES = {  # of a PyTorch weight, in the order of a Keras kernel
    "dense": (1, 0),
    "conv1d": (2, 1, 0),
    "conv2d": (2, 3, 1, 0),
    "conv3d": (2, 3, 4, 1, 0),
}
KINDS = {
    "linear": "dense",
    "batchnorm1d": "batchnormalization",
    "batchnorm2d": "batchnormalization",
    "batchnorm3d": "batchnormalization",
    "layernorm": "layernormalization",
}
SCALE_AND_SHIFT = {"weight": "gamma", "bias": "beta"}
ROLES = {
    "batchnormalization": SCALE_AND_SHIFT | {"running_mean": "moving_mean", "running_var": "moving_variance"},
    "layernormalization": SCALE_AND_SHIFT,
    "embedding": {"weight": "embeddings"},
} | {kind: {"weight": "kernel"} for kind in KERNEL_AXES}


@dataclass(frozen=True)
class Layout:
    """How the names and axes of one framework's layers are read."""

    common: bool  # whether kinds and roles take the names that Keras gives them; so between two frameworks
    torch: bool  # whether they come from PyTorch, and names and axes are translated

    def kind(self, kind: str, settings: Mapping[str, Any]) -> str:
        if self.common and kind == "activation":
            return str(settings.get("activation", kind))
        return KINDS.get(kind, kind) if self.common and self.torch else kind

    def role(self, kind: str, name: str) -> str:
        """What a tensor is in its layer (of a kind as `kind` gives it): `kernel`, `bias`, `moving_mean`."""
        return ROLES.get(kind, {}).get(name, name) if self.common and self.torch else name

    def axes(self, kind: str, name: str) -> tuple[int, ...] | None:
        """The order of axes that puts a tensor as Keras has it; None where it stands so already."""
        return KERNEL_AXES.get(kind) if self.common and self.torch and name == "weight" else None


def layouts(before: str, after: str) -> tuple[Layout, Layout]:
    """How two versions are read, by their frameworks: as they are if these are one, else both as Keras has it."""
    common = before != after
    return Layout(common, before == "torch"), Layout(common, after == "torch")
