"""DVC's own composition of the settings, which is what `dvc exp run` does before it runs."""

from collections.abc import Sequence
from pathlib import Path


def compose(
    to: Path, folder: Path | None, module: str | None, name: str, plugins: Path, overrides: Sequence[str]
) -> None:
    """Compose a folder, or the Python module in its stead, into a YAML file.

    Args:
        to: the file; name: of the primary one, without .yaml; plugins: where Hydra looks for its plugins.
    """
    from dvc.utils.hydra import compose_and_dump

    compose_and_dump(to, None if folder is None else str(folder), module, name, str(plugins), list(overrides))
