"""The project, run once with small settings in a copy of its own, and its settings as conf/ composes them."""

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from purchase_intent.networks import NETWORKS
from purchase_intent.settings import Settings, load
from stemma import testing

with suppress(ImportError):  # in PyPI's PyTorch for Linux: imported after TensorFlow, it ends the process
    import triton  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
SMALL = ("data=simulated", "data.rows=1500", "train.epochs=6", "train.batch_size=32", "evaluate.bootstrap=200")


@pytest.fixture(scope="session", params=testing.each(NETWORKS, "*_mlp"))
def project(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> testing.Project:
    """It ran from data to package, with one network of each framework, and is committed. Copy it to change it."""
    return testing.trained(ROOT, tmp_path_factory, *SMALL, f"model={request.param}")


@pytest.fixture
def composed(tmp_path: Path) -> Callable[..., Settings]:
    """composed("model=torch_mlp"): the settings of conf/ with changes, on a table that is always there."""

    def make(*changes: str) -> Settings:
        chosen = () if any(change.startswith("data=") for change in changes) else ("data=csv",)
        return load(testing.params(ROOT, tmp_path, *chosen, *changes))

    return make
