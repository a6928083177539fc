"""What goes with the framework that was not chosen: pins and, in comments, the words for it.

Its folder, settings and tests go by the manifest, its lines of NETWORKS and its extra by edits.py, which reads this.
"""

# What only one framework needs, of requirements.lock (a test follows the packages' own requirements).
PINS = {
    "torch": ("mpmath", "onnx-ir", "onnxscript", "sympy", "torch"),
    "tensorflow": (
        "ai-edge-litert", "astunparse", "backports.strenum", "gast", "google-pasta", "h5py",
        "keras", "libclang", "namex", "opt_einsum", "optree", "tensorflow", "termcolor", "tf2onnx",
    ),
}  # fmt: skip

INIT = "src/purchase_intent/networks/__init__.py"
MODEL = {"torch": "torch_tabular", "both": "torch_tabular", "tensorflow": "keras_tabular"}  # what a project begins with
SAME = " The same in reference_torch and reference_keras."
TABM = """TabM-mini with piecewise-linear embeddings: Gorishniy, Kotelnikov and Babenko, TabM: Advancing Tabular Deep Learning
with Parameter-Efficient Ensembling, ICLR 2025, section 3 and figure 1. Members share all weights but an adapter before
the first layer and their own output layer; each is trained by its own loss, and their scores are averaged.
"""  # noqa: E501

# (file, old, new), as in edits.Edit
WITHOUT = {
    "tensorflow": (
        ("conf/experiment/reference_torch.yaml", SAME, ""),
        (INIT, ", in PyTorch (TensorFlow is the same in its folder):", ":"),
    ),
    "torch": (
        ("requirements.lock", "# torch's version names no build: on Linux pip takes the one with CUDA unless a CPU "
         "build is offered.\n", ""),
        ("conf/config.yaml", "-S experiment=reference_torch", "-S experiment=reference_keras"),
        ("conf/experiment/reference_keras.yaml", SAME, ""),
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
