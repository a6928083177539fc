"""Networks of either framework as NumPy tensors and an ordered list of layers, and back.

A framework is imported inside the function that needs it. Tensors are named `layer.variable` in both: `hidden_1.weight`
and `hidden_1.bias` in PyTorch (its own names), `hidden_1.kernel` and `hidden_1.bias` in Keras.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.errors import MissingExtra, WeightsError
from stemma.text import in_one_line

Array = NDArray[Any]
UNSAFE = ("Lambda", "__lambda__")  # what holds Python code in a Keras config
NOT_STRUCTURE = ("name", "trainable", "dtype", "seed", "batch_shape")  # of a Keras layer's config


@dataclass(frozen=True)
class Layer:
    """One layer: its name, its kind in small letters, and the settings that shape it (JSON values)."""

    name: str
    kind: str
    settings: Mapping[str, Any]


def torch_tensors(module: Any) -> dict[str, Array]:
    """The state dict of a torch.nn.Module as arrays that share its memory (copies from a GPU); tied ones are one."""
    arrays: dict[Any, Array] = {}
    tensors = {}
    for name, tensor in module.state_dict().items():
        memory = (tensor.data_ptr(), tensor.dtype, tensor.shape, tensor.stride())
        if memory not in arrays:
            arrays[memory] = _from_torch(tensor.detach().cpu())
        tensors[name] = arrays[memory]
    return tensors


def torch_layers(module: Any) -> list[Layer]:
    """The modules that hold tensors of their own or no other module, in order; settings are its plain attributes."""
    return [
        Layer(name, type(part).__name__.lower(), _torch_settings(part))
        for name, part in module.named_modules()
        if not list(part.children()) or _holds_tensors(part)
    ]


def to_torch(array: Array) -> Any:
    """A torch.Tensor that shares the array's memory; bfloat16, which NumPy borrows from ml_dtypes, included.

    Raises:
        MissingExtra: PyTorch is not installed.
    """
    try:
        import torch
    except ImportError:
        raise MissingExtra("torch", "torch") from None
    if array.dtype.name == "bfloat16":
        return torch.from_numpy(array.view(np.int16)).view(torch.bfloat16)
    return torch.from_numpy(array)


def keras_tensors(model: Any) -> dict[str, Array]:
    """The weights of a Keras model, in the order of its layers."""
    arrays: dict[int, Array] = {}
    tensors = {}
    for name, variable in keras_variables(model).items():
        tensors[name] = arrays.setdefault(id(variable), np.asarray(variable.numpy()))
    return tensors


def keras_layers(model: Any) -> list[Layer]:
    """The layers of a Keras model in order, those of a nested model as `outer.inner`; inputs are no layers."""
    return [
        Layer(name, type(layer).__name__.lower(), _keras_settings(layer.get_config()))
        for name, layer in _keras_walk(model)
        if not hasattr(layer, "layers") and type(layer).__name__ != "InputLayer"
    ]


def keras_buffers(model: Any) -> list[str]:
    """Names of the tensors that no gradient was ever meant to reach, such as a BatchNormalization's moving mean."""
    # A frozen layer's weights are not buffers, yet no public attribute tells the two apart.
    born_trainable = {id(v) for layer in model._flatten_layers() for v in layer._trainable_variables}
    return [name for name, variable in keras_variables(model).items() if id(variable) not in born_trainable]


def set_keras_tensors(model: Any, tensors: Mapping[str, Array]) -> None:
    """Give a Keras model these weights, by name.

    Raises:
        WeightsError: names or shapes are not those of the model; nothing is set.
    """
    variables = keras_variables(model)
    wrong = [f"{name!r} is missing" for name in variables if name not in tensors]
    wrong += [f"{name!r} is too many" for name in tensors if name not in variables]
    wrong += [
        f"{name!r} has shape {tensors[name].shape}, not {tuple(variable.shape)}"
        for name, variable in variables.items()
        if name in tensors and tensors[name].shape != tuple(variable.shape)
    ]
    if wrong:
        raise WeightsError(f"the weights are of another network: tensor {', '.join(wrong)}")
    for name, variable in variables.items():
        variable.assign(tensors[name])


def keras_model(config: Mapping[str, Any]) -> Any:
    """A Keras model from what its `get_config()` gave. No code is run from it.

    Raises:
        WeightsError: it holds Python code (a Lambda), layers whose module is not imported, or is no model's.
        MissingExtra: Keras or TensorFlow is not installed.
    """
    try:
        import keras
    except ImportError:
        raise MissingExtra("tensorflow", "tensorflow") from None
    parts = list(_parts(config))
    if any(part.get("class_name") in UNSAFE for part in parts):
        raise WeightsError("the Keras model has a Lambda layer, which is Python code and is not run: build it in code")
    own = {(str(part.get("module")), str(part.get("registered_name"))) for part in parts}
    absent = sorted(
        {module for module, name in own if ">" in name and keras.saving.get_registered_object(name) is None}
    )
    if absent:
        raise WeightsError(f"the Keras model has layers of its own: import {', '.join(absent)} before it is built")
    kind = "Model" if "input_layers" in config else "Sequential"
    whole = {"module": "keras", "class_name": kind, "config": dict(config), "registered_name": None}
    try:
        return keras.saving.deserialize_keras_object(whole, safe_mode=True)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        raise WeightsError(f"the Keras model cannot be built from its config ({in_one_line(error)})") from None


def _from_torch(tensor: Any) -> Array:
    import torch

    if tensor.dtype == torch.bfloat16:
        import ml_dtypes

        bits: Array = tensor.view(torch.int16).numpy()
        return bits.view(ml_dtypes.bfloat16)
    array: Array = tensor.numpy()
    return array


def _holds_tensors(module: Any) -> bool:
    return any(True for _ in module.parameters(recurse=False)) or any(True for _ in module.buffers(recurse=False))


def _torch_settings(module: Any) -> dict[str, Any]:
    values = {name: value for name, value in vars(module).items() if name != "training" and not name.startswith("_")}
    return {name: _plain(value) for name, value in sorted(values.items()) if _is_plain(value)}


def keras_variables(model: Any) -> dict[str, Any]:
    """Every weight by its name: the layer's name and what follows it in the variable's path."""
    variables: dict[str, Any] = {}
    for layer in model.layers:
        for variable in layer.weights:
            name = _keras_name(variable.path.split("/"), layer.name, model.name)
            if name in variables:
                raise WeightsError(f"the Keras model has two tensors named {name!r}: rename one of the layers")
            variables[name] = variable
    return variables


def _keras_name(path: list[str], layer: str, model: str) -> str:
    """The name of a variable; by the way the model was built, its path starts with the model, the layer or neither."""
    if path[0] == model and layer in path[1:-1]:
        path = path[1:]
    inner = path[path.index(layer) + 1 :] if layer in path[:-1] else path
    return ".".join([layer, *inner])


def _keras_walk(model: Any, outer: str = "") -> Iterator[tuple[str, Any]]:
    for layer in model.layers:
        name = outer + layer.name
        yield name, layer
        if hasattr(layer, "layers"):
            yield from _keras_walk(layer, name + ".")


def _keras_settings(config: Mapping[str, Any]) -> dict[str, Any]:
    named = {name: value for name, value in sorted(config.items()) if name not in NOT_STRUCTURE}
    return {name: _plain(value) for name, value in named.items() if _is_plain(value)}


def _is_plain(value: Any) -> bool:
    if isinstance(value, (list, tuple)):
        return all(_is_plain(part) for part in value)
    return isinstance(value, (bool, int, float, str))


def _plain(value: Any) -> Any:
    return [_plain(part) for part in value] if isinstance(value, (list, tuple)) else value


def _parts(config: Any) -> Iterator[Mapping[str, Any]]:
    """Every mapping of a config, at any depth."""
    if isinstance(config, Mapping):
        yield config
    if isinstance(config, (Mapping, list, tuple)):
        for part in config.values() if isinstance(config, Mapping) else config:
            yield from _parts(part)
