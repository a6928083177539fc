"""The networks: the contract in `base`, the fit in `training`, one folder per framework, and the table MODELS.

To add a model of your own, in PyTorch (TensorFlow is the same in its folder):

1. `torch/mine.py`: a class that inherits from `TorchModel` and has `build(self) -> nn.Module`, one score per output;
2. a line here: `"mine": Entry("purchase_intent.models.torch.mine:Mine", MlpSettings)`;
3. `conf/model/mine.yaml` with `name: mine`, `framework: torch` and its settings.

Settings of its own come as a class that inherits from `config.ModelSettings`.
"""

import importlib
from dataclasses import dataclass
from typing import TYPE_CHECKING

from purchase_intent.config import LinearSettings, MlpSettings, ModelSettings, TabularSettings

if TYPE_CHECKING:
    from purchase_intent.models.base import Model, Problem


@dataclass(frozen=True)
class Entry:
    """Where a model is ("module:Class") and the type of its settings."""

    path: str
    settings: type[ModelSettings]


MODELS = {
    "torch_mlp": Entry("purchase_intent.models.torch.mlp:TorchMlp", MlpSettings),
    "torch_tabular": Entry("purchase_intent.models.torch.tabular:TorchTabular", TabularSettings),
    "torch_linear": Entry("purchase_intent.models.torch.linear:TorchLinear", LinearSettings),
    "keras_mlp": Entry("purchase_intent.models.tensorflow.mlp:KerasMlp", MlpSettings),
    "keras_tabular": Entry("purchase_intent.models.tensorflow.tabular:KerasTabular", TabularSettings),
    "keras_linear": Entry("purchase_intent.models.tensorflow.linear:KerasLinear", LinearSettings),
}


def create(settings: ModelSettings, problem: "Problem", threads: int = 1) -> "Model":
    """The model that settings name, not yet fitted.

    Raises:
        MissingExtra: its framework is not installed.
    """
    module, name = MODELS[settings.name].path.split(":")
    return getattr(importlib.import_module(module), name)(settings, problem, threads)
