"""Models in PyTorch: `network` has the verbs, each other file one `build`."""

from importlib.util import find_spec

from stemma.errors import MissingExtra

if find_spec("torch") is None:
    raise MissingExtra("torch", "torch")
