"""The networks: one folder per framework, and the table NETWORKS.

To add one of your own, in PyTorch (TensorFlow is the same in its folder):

1. `torch/mine.py`: a class of `TorchNetwork` that has `build(self) -> nn.Module`, one score per output;
2. a line here: `"mine": Entry("purchase_intent.networks.torch.mine:Mine", MlpSettings)`;
3. `conf/model/mine.yaml` with `name: mine`, `framework: torch` and its settings.

Settings of its own come as a class that inherits from `ModelSettings`, in `settings.py`.
"""

from purchase_intent.networks.settings import LinearSettings, MlpSettings, TabularSettings
from stemma.entries import Entry, installed

NETWORKS = {
    **installed("networks"),
    "torch_mlp": Entry("purchase_intent.networks.torch.mlp:TorchMlp", MlpSettings),
    "torch_tabular": Entry("purchase_intent.networks.torch.tabular:TorchTabular", TabularSettings),
    "torch_linear": Entry("purchase_intent.networks.torch.linear:TorchLinear", LinearSettings),
    "keras_mlp": Entry("purchase_intent.networks.tensorflow.mlp:KerasMlp", MlpSettings),
    "keras_tabular": Entry("purchase_intent.networks.tensorflow.tabular:KerasTabular", TabularSettings),
    "keras_linear": Entry("purchase_intent.networks.tensorflow.linear:KerasLinear", LinearSettings),
}
