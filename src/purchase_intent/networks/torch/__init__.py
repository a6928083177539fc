"""Networks in PyTorch, each file one `build`."""

import stemma.frameworks.torch  # noqa: F401 - says what to install where PyTorch is not
