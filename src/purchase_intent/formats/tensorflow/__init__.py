"""What TensorFlow writes: Keras networks, and a SavedModel of either framework's."""

import contextlib

# It sets TensorFlow up, and says what to install where it is not: nothing else may import it first.
from purchase_intent.models.tensorflow import tensorflow

with contextlib.suppress(RuntimeError):  # it runs already, as the network's own module set it up
    tensorflow.config.threading.set_intra_op_parallelism_threads(1)
    tensorflow.config.threading.set_inter_op_parallelism_threads(1)
