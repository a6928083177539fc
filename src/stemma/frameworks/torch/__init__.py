"""All that knows PyTorch.

network.py     a network: scores, tensors, the store, the ONNX graph
embedding.py   its first layers
session.py     what fits it: epochs, their state, faults
objective.py   what a step brings down
stepper.py     the steps of an epoch; recorded.py takes them in less time
program.py     the format torch_export
"""

from importlib.util import find_spec

from stemma.errors import MissingExtra

if find_spec("torch") is None:
    raise MissingExtra("torch", "torch")
