"""What fits a Keras network: its rows and optimizer on the device, epochs, their state, and where one goes wrong.

An epoch is one graph: the loop over batches runs inside TensorFlow, so a step costs no Python.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stemma import weights
from stemma.entries import naming
from stemma.errors import StemmaError, TrainingError
from stemma.frameworks.tensorflow.network import KerasNetwork
from stemma.frameworks.tensorflow.objective import Objective
from stemma.training import fit, rows
from stemma.training.base import MEAN, Draw, Given, Session, State, below
from stemma.training.own import Parts
from stemma.training.settings import TrainSettings


class KerasSession(Session):
    """In mixed precision another network is fitted, `fitted`; the one in float32 is judged and saved."""

    def __init__(self, network: KerasNetwork, given: Given) -> None:
        train, settings = given.train, fit.settled(given.settings, given.train.x)
        if settings.stepper == "recorded":
            raise TrainingError(
                "train.stepper: recorded steps are PyTorch's: TensorFlow runs an epoch as one graph",
                run="dvc exp run -S train.stepper=auto",
            )
        self.network, network.device = network, choose_device(settings)
        keras.utils.set_random_seed(settings.seed)
        network.adapt(train)
        with tf.device(network.device):
            network.rebuild()
            self.fitted = network.built if settings.precision == "float32" else _mixed(network.named_by_place)
            learning = _learning(network.built, self.fitted, settings)
            self.learning = list(learning.values())
            self.optimizer = _optimizer(self.learning, settings, given.parts)
            self.slots = _slots(self.optimizer, learning)
            self.rows = [tf.constant(part) for part in rows.of(network.problem, given)]
            self.objective = Objective(self.fitted, learning, network.problem.task.loss, given)
        self._set_tensors(network.tensors() | dict(given.begin))
        self.batch_size, self.clip_norm = settings.batch_size, settings.clip_norm
        self._graph = tf.function(self._epoch)

    def run_epoch(self, draw: Draw) -> float:
        self._begin_epoch(draw)
        with tf.device(self.network.device), _as_it_was():
            loss = float(self._graph(*self._drawn(draw))) / len(draw.order)
        if self.fitted is not self.network.built:
            self.network.built.set_weights(self.fitted.get_weights())
        return loss

    def _begin_epoch(self, draw: Draw) -> None:
        self.optimizer.learning_rate.assign(draw.rate)
        for number, generator in enumerate(_generators(self.fitted)):
            generator.state.assign([draw.seed, number])
        self.objective.begin(draw.masks)

    def _drawn(self, draw: Draw) -> list[tf.Tensor]:
        """The rows in the order of an epoch, gathered once: batches are then slices (batch_size, ...)."""
        if draw.rows is not None:
            return [tf.constant(part) for part in draw.rows]
        order = tf.constant(draw.order)
        return [tf.gather(part, order) for part in self.rows]

    def _epoch(self, *parts: tf.Tensor) -> tf.Tensor:
        """The sum of the losses of all rows."""
        rows = tf.shape(parts[0])[0]
        total = tf.zeros(())
        for start in tf.range(0, rows, self.batch_size):
            end = tf.minimum(start + self.batch_size, rows)
            loss, gradients = self._gradients(*(part[start:end] for part in parts))
            self._apply(gradients)
            total += loss * tf.cast(end - start, tf.float32)
        return total

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        if self.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm)
        self.optimizer.apply(gradients, self.learning)

    def _gradients(self, *batch: tf.Tensor) -> tuple[tf.Tensor, list[tf.Tensor]]:
        """Of x (batch_size, inputs), targets, and what else there is."""
        with tf.GradientTape() as tape:
            loss = self.objective.of(*batch)
        return loss, tape.gradient(loss, [v.value for v in self.learning])

    def find_fault(self, draw: Draw) -> str:
        self._begin_epoch(draw)
        before = [float(tf.norm(v)) for v in self.learning]
        layers = [layer for layer in self.network.built.layers if not isinstance(layer, keras.layers.InputLayer)]
        outputs = keras.Model(self.network.built.inputs, [layer.output for layer in layers])
        parts = self._drawn(draw)
        for number, start in enumerate(range(0, len(draw.order), self.batch_size), start=1):
            batch = [part[start : start + self.batch_size] for part in parts]
            _, gradients = self._gradients(*batch)
            if fault := self._fault(batch[0], layers, outputs, gradients):
                return f"{fault} in batch {number}"
            self._apply(gradients)
        growth = [float(tf.norm(v)) / (norm + 1.0) for v, norm in zip(self.learning, before, strict=True)]
        worst = int(np.argmax(growth))
        return f"the weights of layer '{_layer(self.learning[worst])}' grew most, {growth[worst]:.3g} times"

    def _fault(self, x: Any, layers: list[Any], outputs: keras.Model, gradients: list[Any]) -> str | None:
        """What is not finite first in a batch: an input, what a layer gives, or a gradient."""
        if not _finite(x):
            return "there is an input that is not finite"
        for layer, output in zip(layers, tf.nest.flatten(outputs(x, training=False)), strict=True):
            if not _finite(output):
                return f"layer '{layer.name}' first gives values that are not finite,"
        for variable, gradient in reversed(list(zip(self.learning, gradients, strict=True))):
            if not _finite(gradient):  # gradients flow from the last layer back
                return f"layer '{_layer(variable)}' first has a gradient that is not finite,"
        return None

    def state(self) -> State:
        tensors = {f"network/{name}": tensor for name, tensor in self.network.tensors().items()}
        return tensors | {f"optimizer/{name}": np.array(variable) for name, variable in self.slots.items()}

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self._set_tensors(below("network/", state))
        for name, variable in self.slots.items():
            variable.assign(state[f"optimizer/{name}"])

    def _set_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        self.network.set_tensors(tensors)
        if self.fitted is not self.network.built:
            self.fitted.set_weights(self.network.built.get_weights())


@contextmanager
def _as_it_was() -> Iterator[None]:
    """An error of ours that is raised while a graph is made, which TensorFlow tells in an error of its own."""
    try:
        yield
    except Exception as error:
        if isinstance(error.__context__, StemmaError):
            raise error.__context__ from None
        raise


def choose_device(settings: TrainSettings) -> str:
    """As `fit.device`, in TensorFlow's words; Apple's plugin shows Metal ("mps") as a GPU too."""
    gpus = ["cuda", "mps"] if tf.config.list_physical_devices("GPU") else []
    return "CPU:0" if fit.device(settings, [*gpus, "cpu"]) == "cpu" else "GPU:0"


def _learning(network: keras.Model, fitted: keras.Model, settings: TrainSettings) -> dict[str, Any]:
    """The variables of `fitted` that are trained. Names are those of `network`: a twin's may have a number added."""
    variables = network.trainable_variables
    names = {id(variable): name for name, variable in weights.keras_variables(network).items()}
    still = fit.frozen((names[id(variable)] for variable in variables), settings)
    pairs = zip(variables, fitted.trainable_variables, strict=True)
    named = ((names[id(variable)], twin) for variable, twin in pairs)
    return {name: twin for name, twin in named if name not in still}


def _optimizer(variables: list[Any], settings: TrainSettings, parts: Parts) -> keras.Optimizer:
    """Weight decay is decoupled (Loshchilov and Hutter, ICLR 2019) and spares biases and scales."""
    decay = settings.weight_decay or None
    if parts.optimizer is not None:
        with naming(f"the optimizer {settings.optimizer} fails"):
            optimizer = parts.optimizer(settings)
    elif settings.optimizer == "adam":
        optimizer = keras.optimizers.AdamW(settings.learning_rate, weight_decay=decay or 0.0, epsilon=1e-7)
    else:
        optimizer = keras.optimizers.SGD(settings.learning_rate, momentum=0.9, weight_decay=decay)
    if decay is not None:
        spared = [v for v in variables if len(v.shape) <= 1 or v.name in ("bias", "scale")]
        optimizer.exclude_from_weight_decay(spared)
    optimizer.build(variables)
    return optimizer


def _slots(optimizer: keras.Optimizer, learning: dict[str, Any]) -> dict[str, Any]:
    """What an optimizer keeps: the means of gradients by their tensors, the rest by its number."""
    means = optimizer._momentums if isinstance(optimizer, keras.optimizers.Adam) else ()  # no public name has them
    named = {id(mean): f"{name}/{MEAN}" for name, mean in zip(learning, means, strict=False)}
    return {named.get(id(variable), str(n)): variable for n, variable in enumerate(optimizer.variables)}


def _mixed(build: Callable[[], keras.Model]) -> keras.Model:
    """A network that computes in bfloat16; its variables are float32."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        return build()
    finally:
        keras.config.set_dtype_policy(before)


def _generators(network: keras.Model) -> list[keras.random.SeedGenerator]:
    layers = network._flatten_layers(include_self=False)  # no public call lists nested layers
    return [layer.seed_generator for layer in layers if getattr(layer, "seed_generator", None) is not None]


def _finite(tensor: tf.Tensor) -> bool:
    return bool(tf.reduce_all(tf.math.is_finite(tensor)))


def _layer(variable: Any) -> str:
    return str(variable.path.rpartition("/")[0])
