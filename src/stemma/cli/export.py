"""`stemma export`: a version's network in another format."""

from pathlib import Path
from typing import Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import Revision
from stemma.text import counted, say


def export(
    revision: Revision = "HEAD",
    format: Annotated[
        str,
        typer.Option(help="onnx, saved_model, tflite, h5, keras, torch_export or safetensors; see docs/formats.md."),
    ] = "onnx",
    output: Annotated[
        Path | None, typer.Option(help="The folder to make; FORMAT-COMMIT by default. It must not be there yet.")
    ] = None,
) -> None:
    """Write the network of any version in another format, made and proved equal by that version's own code.

    Example: stemma export model@v1.2.0 --format saved_model
    """
    from stemma.versions.export import export

    made = export(repository(), revision, format, output)
    shown = made.folder.relative_to(Path.cwd()) if made.folder.is_relative_to(Path.cwd()) else made.folder
    say(
        f"{shown}: {made.format} of {made.revision}, within {made.parity['largest']:.2g} of the network "
        f"on {counted(made.parity['rows'], 'test row')}"
    )
