"""The section `package`."""

from typing import Annotated

from pydantic import Field

from stemma.settings import Section


class PackageSettings(Section):
    """What the bundle says of itself."""

    name: Annotated[str, Field(min_length=1)]
    description: str
    intended_use: str  # what it is for, and what it is not for
    limits: tuple[str, ...]  # what it is known to do badly, a sentence each
    licence: str | None  # such as an SPDX identifier; None: not stated
    background: Annotated[int, Field(ge=0, le=10_000)]  # training rows that it carries, to explain answers against
    mlflow: bool  # add the files by which MLflow opens the unpacked bundle
