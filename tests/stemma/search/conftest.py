"""A project to search in, made once."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from searched import Searched, project


@pytest.fixture(scope="session")
def searched_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return project(tmp_path_factory.mktemp("searched"))


@pytest.fixture
def searched(searched_once: Path, tmp_path: Path) -> Callable[..., Searched]:
    """searched(metric="f1"): a copy, with changes of its space."""

    def make(**changes: Any) -> Searched:
        made = Searched(Path(shutil.copytree(searched_once, tmp_path / "p", dirs_exist_ok=True)))
        made.write(**changes)
        return made

    return make
