"""What only a PyTorch network can be exported to."""

import purchase_intent.models.torch  # noqa: F401 - says what to install where PyTorch is not
