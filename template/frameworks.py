"""What goes with the framework that was not chosen: pins and, in pages and comments, the words for it.

Its folder, settings and tests go by the manifest, its lines of NETWORKS and its extra by edits.py, which reads this.
"""

# What only one framework needs, of requirements.lock (a test follows the packages' own requirements).
PINS = {
    "torch": ("mpmath", "onnx-ir", "onnxscript", "sympy", "torch"),
    "tensorflow": (
        "absl-py", "ai-edge-litert", "astunparse", "backports.strenum", "gast", "google-pasta", "grpcio", "h5py",
        "keras", "libclang", "namex", "opt_einsum", "optree", "tensorflow", "termcolor", "tf2onnx",
    ),
}  # fmt: skip

# The entries of FORMATS that need modules in the framework's folder.
FORMATS_OF = {"torch": ("torch_export",), "tensorflow": ("saved_model", "tflite", "h5", "keras")}
FORMATS = "src/stemma/formats/__init__.py"
INIT = "src/purchase_intent/networks/__init__.py"
EXPERIMENTS = "; `reference_torch` and `reference_keras` are one network in both frameworks.\n"
ONE = ", such as `{}`.\n"
SAME = " The same in reference_torch and reference_keras."
TABLE = (
    "| `torch_tabular`, `keras_tabular` | PyTorch, TensorFlow |",
    "| `torch_mlp`, `keras_mlp` | PyTorch, TensorFlow |",
    "| `torch_linear`, `keras_linear` | PyTorch, TensorFlow |",
)
LIKEWISE = (
    "Settings, layer names, batches and metrics are the same in both frameworks; "
    "weights start from the same distribution, not\nfrom the same numbers.\n\n"
)
KERAS_WAY = (
    "(see `networks/torch/tabular.py`). In TensorFlow it is the same with `KerasNetwork`, in `networks/tensorflow/`; "
    "a layer class of your\nown is registered"
)
TABM = """TabM-mini with piecewise-linear embeddings: Gorishniy, Kotelnikov and Babenko, TabM: Advancing Tabular Deep Learning
with Parameter-Efficient Ensembling, ICLR 2025, section 3 and figure 1. Members share all weights but an adapter before
the first layer and their own output layer; each is trained by its own loss, and their scores are averaged.
"""  # noqa: E501
KERAS_CODE = """import keras
from keras import layers
from stemma.frameworks.tensorflow.network import KerasNetwork


class Mine(KerasNetwork):
    def build(self) -> keras.Model:
        encoded = keras.Input((self.problem.inputs,), name="encoded")
        hidden = layers.Dense(32, activation="silu", name="hidden")(encoded)
        return keras.Model(encoded, layers.Dense(self.problem.outputs, name="output")(hidden), name="network")
"""
TORCH_CODE = """from torch import nn
from stemma.frameworks.torch.network import TorchNetwork


class Mine(TorchNetwork):
    def build(self) -> nn.Module:
        return nn.Sequential(nn.Linear(self.problem.inputs, 32), nn.SiLU(), nn.Linear(32, self.problem.outputs))
"""

ROW = "| a network | `networks/torch/`, `networks/tensorflow/` |"
IN_TENSORFLOW = " In TensorFlow an optimizer is made from the\nsection `train` alone; what needs no decay is left out."
TORCH_FOCAL = """import torch
from torch.nn import functional


def focal(scores, targets):
    \"""The loss of each row (rows,), from scores and targets (rows, 1). Lin et al., ICCV 2017, with gamma 2.\"""
    loss = functional.binary_cross_entropy_with_logits(scores, targets, reduction="none")
    return (loss * (1 - torch.exp(-loss)) ** 2)[:, 0]
"""
KERAS_FOCAL = """import keras


def focal(scores, targets):
    \"""The loss of each row (rows,), from scores and targets (rows, 1). Lin et al., ICCV 2017, with gamma 2.\"""
    loss = keras.losses.binary_crossentropy(targets, scores, from_logits=True)
    return loss * (1 - keras.ops.exp(-loss)) ** 2
"""
TORCH_NADAM = """import torch


def nadam(groups, settings):
    \"""From groups of parameters, each with its weight decay, and the section `train`.\"""
    return torch.optim.NAdam(groups, lr=settings.learning_rate, decoupled_weight_decay=True)
"""
KERAS_NADAM = """import keras


def nadam(settings):
    \"""From the section `train`; what needs no weight decay is left out of it.\"""
    return keras.optimizers.Nadam(settings.learning_rate, weight_decay=settings.weight_decay)
"""

# What docs/formats.md says of formats that are of one framework.
FORMATS_WORDS = {
    "tensorflow": (
        "- *On demand*: its bytes change at every export, so DVC does not keep it; `stemma export` makes it from any "
        "version.\n",
        "- **saved_model.** Signature `serving_default`; the input of each column has its name. Point TensorFlow "
        "Serving at the\n  folder `saved_model/NAME`. A PyTorch network is translated from ONNX operator by operator; "
        "an operator without a\n  translation is named (`stemma/frameworks/tensorflow/translate.py`).\n"
        "- **tflite.** Run by ai-edge-litert, signature `serving_default`, one row or more.\n"
        "- **h5, keras.** `keras.models.load_model(file)`, after an import of this project's models for its layers. "
        "Safe mode stays\n  on. `.keras` is written again without its date, so that the same network has the same "
        "bytes.\n",
    ),
    "torch": (
        "- **torch_export.** `torch.export.load(file).module()`. Our files hold no pickle, and the stage looks before "
        "it loads; but\n  `torch.export.load` unpickles what a file asks it to: load no file that you do not trust.\n",
    ),
}

# (file, old, new), as in edits.Edit
WITHOUT = {
    "tensorflow": (
        ("conf/experiment/reference_torch.yaml", SAME, ""),
        ("docs/settings.md", "-S model=keras_mlp", "-S model=torch_mlp"),
        ("docs/settings.md", EXPERIMENTS, ONE.format("reference_torch")),
        *(("docs/models.md", row, row.split(",")[0] + " | PyTorch |") for row in TABLE),
        ("docs/models.md", LIKEWISE, ""),
        ("docs/models.md", KERAS_WAY + " with `keras.saving.register_keras_serializable`, and imported before "
         "`stemma.weights.to_keras` reads it.\n", "(see `networks/torch/tabular.py`).\n"),
        (INIT, ", in PyTorch (TensorFlow is the same in its folder):", ":"),
        ("docs/formats.md", "`stemma export REV --format saved_model`", "`stemma export REV --format torch_export`"),
        *(("docs/formats.md", words, "") for words in FORMATS_WORDS["tensorflow"]),
        ("docs/extending.md", ROW, "| a network | `networks/torch/` |"),
        ("docs/extending.md", IN_TENSORFLOW, ""),
    ),
    "torch": (
        ("docs/extending.md", ROW, "| a network | `networks/tensorflow/` |"),
        ("docs/extending.md", IN_TENSORFLOW, ""),
        ("docs/extending.md", TORCH_FOCAL, KERAS_FOCAL),
        ("docs/extending.md", TORCH_NADAM, KERAS_NADAM),
        *(("docs/formats.md", words, "") for words in FORMATS_WORDS["torch"]),
        ("requirements.lock", "# torch's version names no build: on Linux pip takes the one with CUDA unless a CPU "
         "build is offered.\n", ""),
        ("conf/config.yaml", "  - model: torch_tabular\n", "  - model: keras_tabular\n"),
        ("conf/config.yaml", "-S experiment=reference_torch", "-S experiment=reference_keras"),
        ("conf/experiment/reference_keras.yaml", SAME, ""),
        ("docs/settings.md", "-S experiment=reference_torch", "-S experiment=reference_keras"),
        ("docs/settings.md", EXPERIMENTS, ONE.format("reference_keras")),
        *(("docs/models.md", row, f"| {row.split(', ')[1].split(' |')[0]} | TensorFlow |") for row in TABLE),
        ("docs/models.md", LIKEWISE, ""),
        ("docs/models.md", "networks/torch/mine.py", "networks/tensorflow/mine.py"),
        ("docs/models.md", TORCH_CODE, KERAS_CODE),
        ("docs/models.md", "networks.torch.mine:Mine", "networks.tensorflow.mine:Mine"),
        ("docs/models.md", "framework: torch\n", "framework: tensorflow\n"),
        ("docs/models.md", KERAS_WAY,
         "(see `networks/tensorflow/tabular.py`). A layer class of your\nown is registered"),
        (INIT, ", in PyTorch (TensorFlow is the same in its folder):", ":"),
        (INIT, "`torch/mine.py`: a class of `TorchNetwork` that has `build(self) -> nn.Module`, one score",
         "`tensorflow/mine.py`: a class of `KerasNetwork` that has `build(self) -> keras.Model`, one score"),
        (INIT, "networks.torch.mine:Mine", "networks.tensorflow.mine:Mine"),
        ("src/purchase_intent/networks/tensorflow/tabular.py", "The source and its figures are told in "
         "networks/torch/tabular.py; here is the same network in Keras.\n", TABM),
        (INIT, "`framework: torch` and", "`framework: tensorflow` and"),
        ("tasks.py", 'found[1] if found else "torch"', 'found[1] if found else "tensorflow"'),
    ),
}  # fmt: skip
