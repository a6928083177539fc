"""What every Keras network shares: scores, tensors, the weights store, the ONNX graph."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import keras
import numpy as np
import tensorflow as tf
from keras.src.utils.naming import reset_uids  # beside it stands clear_session alone, which forgets the seed too
from numpy.typing import NDArray

from stemma import layout, runtime, weights
from stemma.errors import TrainingError, WeightsError
from stemma.files import scratch
from stemma.training import shrink
from stemma.training.base import Floats, Given, Network, Problem, State
from stemma.training.exported import ENCODED
from stemma.training.settings import ModelSettings

if TYPE_CHECKING:
    from stemma.frameworks.tensorflow.session import KerasSession

OPSET = 18  # the highest that tf2onnx writes; a higher one is reached by conversion


class KerasNetwork(Network):
    """A Keras network; subclasses say how it is built."""

    framework: ClassVar[str] = "tensorflow"

    def __init__(self, settings: ModelSettings, problem: Problem, threads: int = 1) -> None:
        super().__init__(settings, problem, threads)
        _be_deterministic(threads)
        self.device = "CPU:0"
        self.rebuild()

    def rebuild(self) -> None:
        with tf.device(self.device):
            self.built = self.named_by_place()

    def named_by_place(self) -> keras.Model:
        """`build`, in which layers without a name of their own are named by their place, not by how many there were."""
        reset_uids()
        return self.build()

    def session(self, given: Given) -> "KerasSession":
        from stemma.frameworks.tensorflow.session import KerasSession  # what only loads and scores needs no optimizer

        return KerasSession(self, given)

    def scores(self, x: Floats) -> Floats:
        with tf.device(self.device):
            return runtime.in_pieces(lambda columns: self.built(columns[ENCODED], training=False), {ENCODED: x})

    def tensors(self) -> State:
        return {name: np.array(tensor) for name, tensor in weights.keras_tensors(self.built).items()}

    def set_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        weights.set_keras_tensors(self.built, tensors)

    def save(self, folder: Path) -> None:
        weights.write(
            folder,
            tensors := weights.keras_tensors(self.built),
            framework=self.framework,
            layers=[*weights.keras_layers(self.built), self.head()],
            buffers=weights.keras_buffers(self.built),
            pruned=shrink.matrices(tensors),
            config=self.built.get_config(),
        )

    def load(self, folder: Path) -> None:
        tensors = weights.read(folder)
        self.fit_to(folder)
        try:
            self.set_tensors(tensors)
        except WeightsError as error:
            raise weights.another_network(folder, error) from None

    def onnx(self, opset: int) -> Any:
        import onnx

        signature = [keras.InputSpec(shape=(None, self.problem.inputs), dtype="float32", name="encoded")]
        with scratch("graph") as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Keras asks NumPy for a name that NumPy has retired
            file = folder / layout.NETWORK.name
            self.built.export(str(file), format="onnx", verbose=False, input_signature=signature, opset_version=OPSET)
            return onnx.load(file)


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
