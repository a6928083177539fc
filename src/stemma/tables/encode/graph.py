"""An ONNX graph in the making, of standard operators; each value is known by its name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from stemma.tables.profile import Block

if TYPE_CHECKING:
    import onnx

LABELS = 3  # version of the operator set ai.onnx.ml, which has the look-up of texts
SINCE = {"StringConcat": 20}  # the opset that has an operator, where it may not be the one that is asked for


@dataclass(frozen=True)
class Part:
    """Numbers of an encoded row: a float32 value of the graph (rows, width), and its blocks, each counted from 0."""

    value: str
    blocks: tuple[Block, ...]

    @classmethod
    def of(
        cls, value: str, kind: str, names: Sequence[str], widths: Sequence[int], sizes: Sequence[int] = ()
    ) -> "Part":
        """Blocks of one kind, side by side."""
        sizes = sizes or [0] * len(names)
        blocks = [Block(name, kind, 0, width, size) for name, width, size in zip(names, widths, sizes, strict=True)]
        return cls(value, tuple(blocks))


class Graph:
    """Nodes and constants, in the order in which they are added.

    Args:
        columns: names of the inputs; no value in between has the name of one of them.
    """

    def __init__(self, columns: Sequence[str]) -> None:
        self._prefix = "encoder"
        while any(name.startswith(self._prefix) for name in columns):
            self._prefix += "_"
        self._inputs: list[Any] = []
        self._nodes: list[Any] = []
        self._constants: list[Any] = []
        self._used, self._least = 0, 0

    def take(self, name: str, tensor: int) -> None:
        """Take a column (rows, 1) of this type of ONNX."""
        from onnx import helper

        self._inputs.append(helper.make_tensor_value_info(name, tensor, [None, 1]))

    def reads(self, name: str) -> bool:
        """Whether a node takes it."""
        return any(name in node.input for node in self._nodes)

    def constant(self, values: Any, dtype: Any = np.float32) -> str:
        from onnx import numpy_helper

        name = self._name()
        self._constants.append(numpy_helper.from_array(np.asarray(values, dtype), name))
        return name

    def node(self, kind: str, *inputs: str, domain: str = "", **attributes: Any) -> str:
        """Add a node of one output."""
        return self.nodes(kind, *inputs, outputs=1, domain=domain, **attributes)[0]

    def nodes(self, kind: str, *inputs: str, outputs: int, domain: str = "", **attributes: Any) -> list[str]:
        """Add a node of several outputs."""
        from onnx import helper

        names = [self._name() for _ in range(outputs)]
        self._least = max(self._least, SINCE.get(kind, 0))
        self._nodes.append(helper.make_node(kind, inputs, names, names[0], domain=domain, **attributes))
        return names

    def name(self, value: str, name: str) -> None:
        """Give a value a name of its own, as an input has."""
        from onnx import helper

        self._nodes.append(helper.make_node("Identity", [value], [name], self._name()))

    def joined(self, values: Sequence[str]) -> str:
        """Values (rows, ...) side by side."""
        return values[0] if len(values) == 1 else self.node("Concat", *values, axis=1)

    def float32(self, value: str) -> str:
        """A value of another type as float32."""
        from onnx import TensorProto

        return self.node("Cast", value, to=TensorProto.FLOAT)

    def finish(self, parts: Sequence[Part], output: str, opset: int) -> "tuple[onnx.ModelProto, tuple[Block, ...]]":
        """The graph that gives these parts side by side as `output`, and what stands where in it."""
        from onnx import TensorProto, helper

        blocks, width = [], 0
        for block in (block for part in parts for block in part.blocks):
            blocks.append(replace(block, start=width))
            width += block.width
        # A Concat even of one part: it gives the output its name.
        self._nodes.append(helper.make_node("Concat", [part.value for part in parts], [output], self._name(), axis=1))
        return self.model([(output, TensorProto.FLOAT)], opset, width), tuple(blocks)

    def model(self, outputs: Sequence[tuple[str, int]], opset: int, width: int = 1) -> "onnx.ModelProto":
        """The graph that gives these values (rows, width), of these types of ONNX."""
        from onnx import helper

        given = [helper.make_tensor_value_info(name, tensor, [None, width]) for name, tensor in outputs]
        graph = helper.make_graph(self._nodes, "encoder", self._inputs, given, self._constants)
        opsets = [helper.make_opsetid("", max(opset, self._least)), helper.make_opsetid("ai.onnx.ml", LABELS)]
        model = helper.make_model(graph, opset_imports=opsets, producer_name="stemma")
        model.ir_version = helper.find_min_ir_version_for(model.opset_import)
        return model

    def _name(self) -> str:
        self._used += 1
        return f"{self._prefix}/{self._used}"
