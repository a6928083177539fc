"""The format tflite: encoded rows in, probabilities or a prediction out, for ai-edge-litert on small devices."""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import tensorflow as tf

from stemma.entries import naming
from stemma.errors import ExportError, MissingExtra
from stemma.frameworks.tensorflow.head import frozen, predictions, silent
from stemma.training.exported import Exportable


def write(served: Exportable, file: Path) -> None:
    """Network and head as the signature `serving_default`: `encoded` to the output, by its name.

    Raises:
        MissingExtra: the runtime, which the file is proved with, is not installed.
        ExportError: a layer has no operator of TFLite.
    """
    if find_spec("ai_edge_litert") is None:
        raise MissingExtra("ai-edge-litert", "tensorflow")
    spec = tf.TensorSpec((None, served.problem.inputs), tf.float32, name="encoded")
    with naming("tflite cannot be made of this network", ExportError), silent():
        network = frozen(served)

        def serve(encoded: Any) -> dict[str, Any]:
            return {served.problem.task.output: predictions(served, network(encoded))}

        function = tf.function(serve, input_signature=[spec]).get_concrete_function()
        content = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module()).convert()
    file.write_bytes(content)
