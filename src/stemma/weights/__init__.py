"""The weights store: a folder of safetensors files and an index that can be compared without them.

    index.json                  format, framework, architecture, structure, and every tensor's facts; no dates
    tensors/NAME.safetensors    one tensor of 256 KB or more
    packed/BLOCK.safetensors    the smaller weights whose names start with BLOCK ("hidden_1" in "hidden_1.bias")
    buffers/BLOCK.safetensors   the smaller buffers, which change in every training, apart from weights that may not

DVC keeps a folder file by file, so a version costs only the files whose tensors changed. The same tensors give the
same bytes in any folder. Tensors that share memory are stored once. Reading needs neither PyTorch nor TensorFlow.

Reading order:

- `facts`     what index.json says
- `sketch`    a norm, and how far two versions of a tensor are apart
- `sparse`    a tensor without its zeros
- `store`     write, read, verify, write back in other forms
- `networks`  PyTorch and Keras networks as arrays and layers, and back

A first call:

    from stemma import weights
    weights.write(folder, tensors, framework="torch", layers=layers)
    weights.index(folder).tensors    # the facts
    weights.read(folder)             # {name: array}
"""

from stemma.weights.facts import Index, Tensor
from stemma.weights.networks import (
    Layer,
    keras_buffers,
    keras_layers,
    keras_tensors,
    keras_variables,
    set_keras_tensors,
    torch_layers,
    torch_tensors,
)
from stemma.weights.sketch import sketch_distance
from stemma.weights.store import another_network, index, read, to_keras, to_safetensors, to_state_dict, verify, write

__all__ = [
    "Index", "Layer", "Tensor", "another_network", "index", "keras_buffers", "keras_layers", "keras_tensors",
    "keras_variables", "read", "set_keras_tensors", "sketch_distance", "to_keras", "to_safetensors", "to_state_dict",
    "torch_layers", "torch_tensors", "verify", "write",
]  # fmt: skip
