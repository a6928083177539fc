"""Networks in TensorFlow (Keras), each file one `build`."""

import stemma.frameworks.tensorflow  # noqa: F401 - sets TensorFlow up, and says what to install where it is not
