"""What every PyTorch network shares: scores, tensors, the weights store, the ONNX graph."""

import contextlib
import copy
import io
import logging
import warnings
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
import torch
from numpy.typing import NDArray

from stemma import runtime, weights
from stemma.training import shrink
from stemma.training.base import Floats, Given, Network, Problem, State
from stemma.training.exported import ENCODED
from stemma.training.settings import ModelSettings

if TYPE_CHECKING:
    from stemma.frameworks.torch.session import TorchSession


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

    def session(self, given: Given) -> "TorchSession":
        from stemma.frameworks.torch.session import TorchSession  # what only loads and scores needs no optimizer

        return TorchSession(self, given)

    def scores(self, x: Floats) -> Floats:
        self.built.eval()
        with torch.no_grad():
            return runtime.in_pieces(self._scored, {ENCODED: x})

    def _scored(self, columns: runtime.Columns) -> Any:
        return self.built(torch.from_numpy(columns[ENCODED]).to(self.device)).float().cpu().numpy()

    def tensors(self) -> State:
        return {name: tensor.detach().cpu().numpy().copy() for name, tensor in self.built.state_dict().items()}

    def set_tensors(self, tensors: Mapping[str, NDArray[Any]]) -> None:
        self.built.load_state_dict({name: torch.from_numpy(np.array(tensor)) for name, tensor in tensors.items()})

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
        with _quiet():
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


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """The exporter reports its progress and warns about torchvision; neither concerns a user here."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            logger.setLevel(level)
