"""What every Keras model shares: the epoch, the state, the weights store, the ONNX graph.

An epoch is one graph: the loop over batches runs inside TensorFlow, so a step costs no Python.
"""

import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from stemma import weights
from stemma.entries import naming
from stemma.errors import TrainingError, WeightsError
from stemma.training import fit
from stemma.training.base import Floats, Model, Problem, Rows, State
from stemma.training.own import Parts
from stemma.training.settings import ModelSettings, TrainSettings

CHUNK = 65_536  # rows scored at once: memory stays flat
OPSET = 18  # the highest that tf2onnx writes; a higher one is reached by conversion


class KerasModel(Model):
    """A Keras network; subclasses say how it is built."""

    framework: ClassVar[str] = "tensorflow"

    def __init__(self, settings: ModelSettings, problem: Problem, threads: int = 1) -> None:
        super().__init__(settings, problem, threads)
        _be_deterministic(threads)
        self.device = "CPU:0"
        with tf.device(self.device):
            self.network: keras.Model = self.build()
        self.fitted = self.network

    def start(self, train: Rows, row_weights: Floats | None, settings: TrainSettings) -> None:
        self.device = choose_device(settings)
        keras.utils.set_random_seed(settings.seed)
        self.adapt(train)
        with tf.device(self.device):
            self.network = self.build()
            # In mixed precision another network is fitted; the one in float32 is judged and saved.
            self.fitted = self.network if settings.precision == "float32" else _mixed(self.build)
            self.learning = _learning(self.network, self.fitted, settings)
            self.optimizer = _optimizer(self.learning, settings, self.parts)
            self.x = tf.constant(train.x)
            self.y = tf.constant(self.problem.task.targets(train.y))
            self.row_weights = None if row_weights is None else tf.constant(row_weights)
        self.batch_size, self.clip_norm = settings.batch_size, settings.clip_norm
        self._graph = tf.function(self._epoch)

    def run_epoch(self, order: NDArray[np.int64], rate: float, seed: int) -> float:
        self._begin_epoch(rate, seed)
        with tf.device(self.device):
            loss = float(self._graph(tf.constant(order))) / len(order)
        if self.fitted is not self.network:
            self.network.set_weights(self.fitted.get_weights())
        return loss

    def _begin_epoch(self, rate: float, seed: int) -> None:
        self.optimizer.learning_rate.assign(rate)
        for number, generator in enumerate(_generators(self.fitted)):
            generator.state.assign([seed, number])

    def _epoch(self, order: tf.Tensor) -> tf.Tensor:
        """The sum of the losses of all rows."""
        # Gathered once an epoch: batches are then slices (batch_size, ...).
        x, y = tf.gather(self.x, order), tf.gather(self.y, order)
        row_weights = None if self.row_weights is None else tf.gather(self.row_weights, order)
        rows = tf.shape(order)[0]
        total = tf.zeros(())
        for start in tf.range(0, rows, self.batch_size):
            end = tf.minimum(start + self.batch_size, rows)
            batch = (x[start:end], y[start:end], None if row_weights is None else row_weights[start:end])
            total += self._step(*batch) * tf.cast(end - start, tf.float32)
        return total

    def _step(self, x: tf.Tensor, y: tf.Tensor, row_weights: tf.Tensor | None) -> tf.Tensor:
        loss, gradients = self._gradients(x, y, row_weights)
        self._apply(gradients)
        return loss

    def _apply(self, gradients: list[tf.Tensor]) -> None:
        if self.clip_norm is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, self.clip_norm)
        self.optimizer.apply(gradients, self.learning)

    def _gradients(
        self, x: tf.Tensor, y: tf.Tensor, row_weights: tf.Tensor | None
    ) -> tuple[tf.Tensor, list[tf.Tensor]]:
        with tf.GradientTape() as tape:
            scores = tf.cast(self.fitted(x, training=True), tf.float32)
            loss = self._loss(scores, y, row_weights)
        return loss, tape.gradient(loss, [v.value for v in self.learning])

    def _loss(self, scores: tf.Tensor, y: tf.Tensor, row_weights: tf.Tensor | None) -> tf.Tensor:
        """The mean over the batch of each row's loss times its weight; over members too, if scores have them first."""
        if len(scores.shape) == 3:
            members = scores.shape[0]
            y = tf.concat([y] * members, axis=0)
            row_weights = None if row_weights is None else tf.tile(row_weights, [members])
            scores = tf.reshape(scores, (-1, scores.shape[2]))
        loss = self.problem.task.loss
        if self.parts.loss is not None:
            each = self.parts.loss(scores, y)
        elif loss == "squared_error":
            each = tf.square(scores - y)[:, 0]
        elif loss == "binary_cross_entropy":
            each = tf.nn.sigmoid_cross_entropy_with_logits(labels=y, logits=scores)[:, 0]
        else:
            each = tf.nn.sparse_softmax_cross_entropy_with_logits(labels=y, logits=scores)
        return tf.reduce_mean(each if row_weights is None else each * row_weights)

    def find_fault(self, order: NDArray[np.int64], rate: float, seed: int) -> str:
        self._begin_epoch(rate, seed)
        variables = self.learning
        before = [float(tf.norm(v)) for v in variables]
        layers = [layer for layer in self.network.layers if not isinstance(layer, keras.layers.InputLayer)]
        outputs = keras.Model(self.network.inputs, [layer.output for layer in layers])
        for number, start in enumerate(range(0, len(order), self.batch_size), start=1):
            rows = order[start : start + self.batch_size]
            x, y = tf.gather(self.x, rows), tf.gather(self.y, rows)
            row_weights = None if self.row_weights is None else tf.gather(self.row_weights, rows)
            if not _finite(x):
                return f"batch {number} has an input that is not finite"
            for layer, output in zip(layers, tf.nest.flatten(outputs(x, training=False)), strict=True):
                if not _finite(output):
                    return f"layer '{layer.name}' first gives values that are not finite, in batch {number}"
            _, gradients = self._gradients(x, y, row_weights)
            for variable, gradient in reversed(list(zip(variables, gradients, strict=True))):
                if not _finite(gradient):  # gradients flow from the last layer back
                    return f"layer '{_layer(variable)}' first has a gradient that is not finite, in batch {number}"
            self._apply(gradients)
        growth = [float(tf.norm(v)) / (norm + 1.0) for v, norm in zip(variables, before, strict=True)]
        worst = int(np.argmax(growth))
        return f"the weights of layer '{_layer(variables[worst])}' grew most, {growth[worst]:.3g} times"

    def scores(self, x: Floats) -> Floats:
        with tf.device(self.device):
            parts = [self.network(x[i : i + CHUNK], training=False) for i in range(0, len(x), CHUNK)]
        return np.concatenate([np.asarray(part, dtype=np.float32) for part in parts])

    def state(self) -> State:
        tensors = {f"network/{name}": tensor for name, tensor in self.network_weights().items()}
        for number, variable in enumerate(self.optimizer.variables):
            tensors[f"optimizer/{number}"] = np.array(variable)
        return tensors

    def restore(self, state: Mapping[str, NDArray[Any]]) -> None:
        self.set_network_weights({n[8:]: t for n, t in state.items() if n.startswith("network/")})
        for number, variable in enumerate(self.optimizer.variables):
            variable.assign(state[f"optimizer/{number}"])

    def network_weights(self) -> State:
        return {name: np.array(tensor) for name, tensor in weights.keras_tensors(self.network).items()}

    def set_network_weights(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        weights.set_keras_tensors(self.network, tensors)
        if self.fitted is not self.network:
            self.fitted.set_weights(self.network.get_weights())

    def save(self, folder: Path) -> None:
        head = self.problem.task.head
        weights.write(
            folder,
            weights.keras_tensors(self.network),
            framework=self.framework,
            layers=[
                *weights.keras_layers(self.network),
                weights.Layer(head, head, {}),
            ],
            buffers=weights.keras_buffers(self.network),
            config=self.network.get_config(),
        )

    def load(self, folder: Path) -> None:
        tensors = weights.read(folder)
        try:
            self.set_network_weights(tensors)
        except WeightsError as error:
            raise weights.another_network(folder, error) from None

    def onnx(self, opset: int) -> Any:
        import onnx

        signature = [keras.InputSpec(shape=(None, self.problem.inputs), dtype="float32", name="encoded")]
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras asks NumPy for a name that NumPy has retired
            file = Path(folder) / "network.onnx"
            self.network.export(str(file), format="onnx", verbose=False, input_signature=signature, opset_version=OPSET)
            return onnx.load(file)


def choose_device(settings: TrainSettings) -> str:
    """The device that settings name; auto takes a GPU where there is one.

    Raises:
        TrainingError: it is not there, or mixed precision was asked for without a GPU.
    """
    gpu = bool(tf.config.list_physical_devices("GPU"))  # Apple's plugin shows Metal ("mps") as a GPU too
    if settings.device in ("cuda", "mps") and not gpu:
        raise TrainingError(
            f"train.device: {settings.device} is not on this machine (there: cpu)",
            run="dvc exp run -S train.device=auto",
        )
    device = "GPU:0" if gpu and settings.device != "cpu" else "CPU:0"
    if settings.precision == "mixed" and device == "CPU:0":
        raise TrainingError(
            "train.precision: mixed needs a GPU, and the device is cpu", run="dvc exp run -S train.precision=float32"
        )
    return device


def _be_deterministic(threads: int) -> None:
    """Repeatable kernels; TensorFlow takes the number of threads only before its first operation."""
    tf.config.experimental.enable_op_determinism()
    tf.config.experimental.enable_tensor_float_32_execution(False)  # a GPU would round products to 10 bits
    if tf.config.threading.get_intra_op_parallelism_threads() == threads:
        return
    try:
        tf.config.threading.set_intra_op_parallelism_threads(threads)
        tf.config.threading.set_inter_op_parallelism_threads(1)
    except RuntimeError:
        raise TrainingError(
            f"train.threads: TensorFlow already runs in this process with another number than {threads}"
        ) from None


def _learning(network: keras.Model, fitted: keras.Model, settings: TrainSettings) -> list[Any]:
    """The variables of `fitted` that are trained. Names are those of `network`: a twin's may have a number added."""
    variables = network.trainable_variables
    names = {id(variable): name for name, variable in weights.keras_variables(network).items()}
    still = fit.frozen((names[id(variable)] for variable in variables), settings)
    pairs = zip(variables, fitted.trainable_variables, strict=True)
    return [twin for variable, twin in pairs if names[id(variable)] not in still]


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
    return variable.path.rpartition("/")[0]
