"""The format saved_model: named columns in, probabilities or a prediction out, in the layout of TensorFlow Serving.

    saved_model/NAME/1/saved_model.pb    signature serving_default: an input (rows, 1) per column, by its name

A graph of constants: the encoder, translated from ONNX, then the network, then the head. A Keras network is frozen as
it is; one of PyTorch is translated too.
"""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import onnx
import tensorflow as tf

from stemma import runtime
from stemma.entries import naming
from stemma.errors import ExportError
from stemma.frameworks.tensorflow.head import frozen, predictions, silent
from stemma.frameworks.tensorflow.translate import TYPES, translate
from stemma.training.base import Floats
from stemma.training.exported import Arrays, Exportable

VERSION = "1"  # the folder of the first version, in TensorFlow Serving's words
SIGNATURE = "serving_default"
OPSET = 18  # that a network of PyTorch is translated from


def write(served: Exportable, file: Path) -> None:
    """The folder.

    Raises:
        ExportError: an operator of a PyTorch network has no translation, or TensorFlow cannot freeze the network.
    """
    encoder = onnx.load_model_from_string(served.encoder)
    network = _network(served)
    with silent(), tf.Graph().as_default():
        columns = {
            value.name: tf.compat.v1.placeholder(
                TYPES[value.type.tensor_type.elem_type], (None, 1), name=f"column_{number}"
            )
            for number, value in enumerate(encoder.graph.input)
        }
        (encoded,), tables = translate(encoder, columns)
        outputs = {served.problem.task.output: predictions(served, network(encoded))}
        _save(file / served.name / VERSION, columns, outputs, tables)


def load(file: Path) -> Callable[[Arrays], Floats]:
    """Columns -> what the signature gives for them."""
    (folder,) = file.glob(f"*/{VERSION}")
    v1 = tf.compat.v1
    with silent(), tf.Graph().as_default():
        session = v1.Session()
        # By the tensors of the signature, as TensorFlow Serving does: Python could not call it with a column `self`.
        signature = v1.saved_model.load(session, [tf.saved_model.SERVING], str(folder)).signature_def[SIGNATURE]
    (output,) = (each.name for each in signature.outputs.values())

    def serve(arrays: Arrays) -> Floats:
        rows = {signature.inputs[name].name: values for name, values in arrays.items()}
        return runtime.in_pieces(lambda piece: session.run(output, piece), rows)

    return serve


def _network(served: Exportable) -> Callable[[Any], Any]:
    """Encoded rows (rows, inputs) -> scores (rows, outputs)."""
    with naming("saved_model cannot be made of this network", ExportError):
        if served.model.framework == "tensorflow":
            with silent():
                return frozen(served)
        network = served.model.onnx(OPSET)
    return lambda encoded: translate(network, {network.graph.input[0].name: encoded})[0][0]


def _save(folder: Path, columns: dict[str, Any], outputs: dict[str, Any], tables: list[Any]) -> None:
    v1 = tf.compat.v1
    with v1.Session() as session:
        builder = v1.saved_model.Builder(str(folder))
        signature = v1.saved_model.predict_signature_def(columns, outputs)
        fill = tf.group(*tables, name="fill_tables") if tables else None
        builder.add_meta_graph_and_variables(session, [tf.saved_model.SERVING], {SIGNATURE: signature}, main_op=fill)
        builder.save()
