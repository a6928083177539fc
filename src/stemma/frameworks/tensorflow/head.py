"""A network as a graph of constants, and what turns its scores into predictions, in TensorFlow's operators."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from stemma.frameworks.tensorflow import _quiet
from stemma.task import HIGHEST
from stemma.training import exported
from stemma.training.exported import Exportable

with contextlib.suppress(RuntimeError):  # it runs already, as the network's own module set it up
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)


def frozen(served: Exportable) -> Callable[[Any], Any]:
    """A Keras network as a function of tensors: encoded rows (rows, inputs) -> scores (rows, outputs).

    Its variables are constants: a TFLite file would have to be told to fill them before the first row.
    """
    from tensorflow.python.framework.convert_to_constants import convert_variables_to_constants_v2

    network = served.model.built
    spec = tf.TensorSpec((None, served.problem.inputs), tf.float32, name="encoded")
    function = tf.function(lambda encoded: network(encoded, training=False), input_signature=[spec])
    constant = convert_variables_to_constants_v2(function.get_concrete_function())
    graph, given, wanted = constant.graph.as_graph_def(), constant.inputs[0].name, constant.outputs[0].name
    return lambda encoded: tf.graph_util.import_graph_def(graph, {given: encoded}, [wanted], name="network")[0]


def predictions(served: Exportable, scores: Any) -> Any:
    """Scores (rows, outputs) -> probabilities (rows, classes), or values (rows, 1)."""
    task = served.problem.task
    if task.head == "rescale":
        mean, deviation = task.rescaling
        values = scores * deviation + mean
        return values if task.log is None else tf.exp(tf.minimum(values, HIGHEST))
    scores = scores / served.temperature
    if task.head == "sigmoid":
        scores = tf.concat([tf.zeros_like(scores), scores], axis=1)
    return tf.nn.softmax(scores, axis=1)


@contextlib.contextmanager
def silent() -> Iterator[None]:
    """As all exporters are kept, and what C++ code of TensorFlow says."""
    with _quiet(), exported.silent("tensorflow", "absl"):
        yield
