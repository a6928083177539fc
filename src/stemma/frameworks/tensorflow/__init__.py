"""All that knows TensorFlow (Keras).

network.py     a network: scores, tensors, the store, the ONNX graph
embedding.py   its first layers
session.py     what fits it: epochs, their state, faults
objective.py   what a step brings down
archive.py     the formats h5 and keras
lite.py        the format tflite
saved.py       the format saved_model; translate.py brings it what is in ONNX, head.py what is in Keras
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from importlib.util import find_spec

from stemma.errors import MissingExtra

if find_spec("tensorflow") is None:
    raise MissingExtra("tensorflow", "tensorflow")


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Send what C++ code writes to stderr nowhere; Python's exceptions pass."""
    sys.stderr.flush()
    saved, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(saved, 2)
        os.close(saved)
        os.close(nowhere)


os.environ["KERAS_BACKEND"] = "tensorflow"  # Keras reads it once, and could also run on PyTorch or JAX
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# Before its logging is set up, TensorFlow reports on stderr, as errors, that a machine without a GPU has none.
with _quiet():
    import tensorflow

    tensorflow.config.list_physical_devices("GPU")
