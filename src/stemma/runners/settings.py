"""The section `runner`."""

from typing import Annotated, Literal

from pydantic import Field, model_validator

from stemma.runners import ADDRESS
from stemma.settings import Section


class RunnerSettings(Section):
    """Where folds, trials of a search and the workers of a fit by several run; it changes no result."""

    name: Literal["local", "ray"]
    address: Annotated[str, Field(pattern=ADDRESS)] | None  # of a Ray cluster; None: Ray on this machine

    @model_validator(mode="after")
    def _is_asked_for_by_ray(self) -> "RunnerSettings":
        if self.name == "local" and self.address is not None:
            raise ValueError("an address goes with runner=ray")
        return self
