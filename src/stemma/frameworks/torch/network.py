"""What every PyTorch network shares: scores, tensors, the weights store, the ONNX graph."""

import copy
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from stemma import runtime, weights
from stemma.training import shrink
from stemma.training.base import Floats, Given, Network, Problem, Session, State
from stemma.training.exported import ENCODED, silent
from stemma.training.settings import ModelSettings


class TorchNetwork(Network):
    """A PyTorch network; subclasses say how it is built."""

    framework: ClassVar[str] = "torch"

    def __init__(self, settings: ModelSettings, problem: Problem, threads: int = 1) -> None:
        super().__init__(settings, problem, threads)
        torch.set_num_threads(threads)
        self.device = torch.device("cpu")
        self.rebuild()

    def rebuild(self) -> None:
        self.built = self.build().to(self.device).eval()

    def session(self, given: Given) -> Session:
        if given.settings.workers > 1:
            from stemma.frameworks.torch.parallel import ParallelSession

            return ParallelSession(self, given)
        from stemma.frameworks.torch.session import TorchSession  # what only loads and scores needs no optimizer

        return TorchSession(self, given)

    def scores(self, x: Floats) -> Floats:
        self.built.eval()
        with torch.no_grad():
            return runtime.in_pieces(self._scored, {ENCODED: x})

    def _scored(self, columns: runtime.Columns) -> Any:
        return self.built(torch.from_numpy(columns[ENCODED]).to(self.device)).float().cpu().numpy()

    def tensors(self) -> State:
        return {name: whole(tensor.detach()).cpu().numpy().copy() for name, tensor in self.built.state_dict().items()}

    def set_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        held = self.built.state_dict()
        self.built.load_state_dict(
            {name: like(torch.from_numpy(np.array(tensor)), held.get(name)) for name, tensor in tensors.items()}
        )

    def save(self, folder: Path) -> None:
        network = self.built.eval()
        weights.write(
            folder,
            tensors := weights.torch_tensors(network),
            framework=self.framework,
            layers=[*weights.torch_layers(network), self.head()],
            buffers=[name for name, _ in network.named_buffers()],
            pruned=shrink.matrices(tensors),
        )

    def load(self, folder: Path) -> None:
        state = weights.to_state_dict(folder)
        self.fit_to(folder)
        try:
            self.built.load_state_dict(state)
        except RuntimeError as error:
            raise weights.another_network(folder, error) from None

    def onnx(self, opset: int) -> Any:
        example = torch.zeros(2, self.problem.inputs)
        with silent("torch.onnx"):
            program = torch.onnx.export(
                copy.deepcopy(self.built).cpu().eval(),
                (example,),
                dynamo=True,
                external_data=False,
                opset_version=opset,
                input_names=["encoded"],
                output_names=["scores"],
                dynamic_shapes=({0: torch.export.Dim("rows")},),
                verbose=False,
            )
        return program.model_proto


def whole(tensor: Any) -> Any:
    """A tensor of one process; what workers share is put together, in all of them at once."""
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def like(tensor: Any, other: Any) -> Any:
    """The same values, shared among workers if `other` is and has this shape."""
    if not hasattr(other, "full_tensor") or tensor.shape != other.shape:
        return tensor
    from torch.distributed.tensor import distribute_tensor

    mesh = other.device_mesh
    return distribute_tensor(tensor.to(other.device), mesh, other.placements, src_data_rank=None)
