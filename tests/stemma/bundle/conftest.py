"""The bundles of tests/bundles.py in files."""

from pathlib import Path

import pytest

from bundles import DATED, MULTICLASS, REGRESSION, contents, days
from stemma import bundle


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A binary network in a bundle."""
    path = tmp_path_factory.mktemp("bundle") / "model.zip"
    bundle.build(path, contents())
    return path


@pytest.fixture(scope="session")
def multiclass(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "model.zip"
    bundle.build(path, contents(MULTICLASS, width=3))
    return path


@pytest.fixture(scope="session")
def regression(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "model.zip"
    bundle.build(path, contents(REGRESSION, output="prediction", width=1))
    return path


@pytest.fixture(scope="session")
def dated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("bundle") / "model.zip"
    bundle.build(path, contents(DATED) | {"model.onnx": days()})
    return path
