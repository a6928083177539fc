"""The section `compress`."""

from typing import Literal

from pydantic import PositiveFloat, PositiveInt

from stemma.settings import Section


class CompressSettings(Section):
    """How the fitted network's graph is made smaller before it is judged."""

    method: Literal["none", "float16", "int8_dynamic", "int8_static"]
    rows: PositiveInt  # of validation, that int8_static takes the ranges of its numbers from
    tolerance: PositiveFloat  # greatest difference that other neighbours in a batch may make to a row

    @property
    def allowed(self) -> tuple[float, str] | None:
        """The tolerance and its name, where something is compressed."""
        return None if self.method == "none" else (self.tolerance, "compress.tolerance")
