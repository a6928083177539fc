"""DVC's own composition of the settings, which is what `dvc exp run` does before it runs."""

from collections.abc import Sequence
from pathlib import Path


def compose(to: Path, folder: Path, name: str, plugins: Path, overrides: Sequence[str]) -> None:
    """Compose a folder into a YAML file.

    Args:
        to: the file; name: of the primary one, without .yaml; plugins: where Hydra looks for its plugins.
    """
    from dvc.utils.hydra import compose_and_dump

    compose_and_dump(to, str(folder), None, name, str(plugins), list(overrides))
