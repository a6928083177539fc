"""The section `export`."""

from typing import Annotated, Literal

from pydantic import Field, PositiveFloat

from stemma.settings import Section


class ExportSettings(Section):
    """What the network is exported to, and what difference that may have."""

    formats: tuple[str, ...] | Literal["all"]  # names in formats.FORMATS, onnx among them
    opset: Annotated[int, Field(ge=18, le=20)]  # of ONNX
    optimise: bool  # onnxruntime folds the constants of the ONNX network
    tolerance: PositiveFloat  # greatest difference from the network on every test row, of every format

    @property
    def allowed(self) -> tuple[float, str]:
        """The tolerance and its name."""
        return self.tolerance, "export.tolerance"
