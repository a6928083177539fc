"""Small named worlds: copies of this project in repositories of their own, trained once and used often."""

import gc
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from worlds import PREFIX, PREFIXES, Project, fresh_project

gc.set_threshold(100_000)  # as src/stage.py does: what two frameworks leave in memory is no garbage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long ones first: at the end short ones keep every worker busy."""
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


def pytest_sessionfinish() -> None:
    """Pytest looks for garbage five times at its end; with two frameworks in memory pytest-xdist would not wait."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands of this environment first on the PATH, a Git identity, and none of the machine's own DVC state."""
    changes = {
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "GIT_AUTHOR_NAME": "A Person",
        "GIT_AUTHOR_EMAIL": "person@example.org",
        "GIT_COMMITTER_NAME": "A Person",
        "GIT_COMMITTER_EMAIL": "person@example.org",
        "GIT_CONFIG_GLOBAL": os.devnull,
        "DVC_NO_ANALYTICS": "1",
        "DVC_SITE_CACHE_DIR": str(tmp_path_factory.mktemp("dvc-site-cache")),
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changes.items():
            patch.setenv(name, value)
        yield


SMALL = ("data=simulated", "data.rows=1500", "train.epochs=6", "train.batch_size=32", "evaluate.bootstrap=200")


@pytest.fixture(scope="session")
def torch_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small PyTorch network on simulated rows, trained and committed. Copy it before changing it."""
    return _trained(tmp_path_factory, "torch")


@pytest.fixture(scope="session")
def keras_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same in TensorFlow."""
    return _trained(tmp_path_factory, "tensorflow")


@pytest.fixture(scope="session")
def trained_project(request: pytest.FixtureRequest) -> Project:
    """The one of these in the first framework that this project has."""
    project: Project = request.getfixturevalue(f"{PREFIX}_project")
    return project


def _trained(folders: pytest.TempPathFactory, framework: str) -> Project:
    """A copy of one's own of a project that all workers of pytest-xdist share: the first that needs it trains it."""
    if framework not in PREFIXES:
        pytest.skip(f"this project has no network of {framework}")
    own = folders.getbasetemp()
    shared = own.parent if "PYTEST_XDIST_WORKER" in os.environ else own
    first, trained = shared / f"{framework} project", shared / f"{framework} is trained"
    with FileLock(shared / f"{framework}.lock"):
        if not trained.exists():
            if first.exists():  # of a worker that failed
                shutil.rmtree(first)
            project = fresh_project(first, *SMALL, f"model={PREFIXES[framework]}_mlp")
            project.repro()
            project.commit("trained")
            trained.touch()
        return Project(first).copy(folders.mktemp(framework) / "project")
