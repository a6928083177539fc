"""Small named worlds: copies of this project in repositories of their own, trained once and used often."""

import gc
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from filelock import FileLock

from worlds import PREFIX, PREFIXES, Project, fresh_project

gc.set_threshold(100_000)  # as src/stage.py does: what two frameworks leave in memory is no garbage


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with long ones first: at the end short ones keep every worker busy."""
    long = {item.path for item in items if item.get_closest_marker("slow")}
    items.sort(key=lambda item: item.path not in long)


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
    shared = own.parent if own.name.startswith("popen-") else own  # as a worker's folder is named
    trained = shared / f"{framework} is trained"  # says where
    with FileLock(shared / f"{framework}.lock"):
        if not trained.exists():
            first = fresh_project(folders.mktemp("first") / "project", *SMALL, f"model={PREFIXES[framework]}_mlp")
            first.repro()
            first.commit("trained")
            trained.write_text(str(first.folder), encoding="utf-8")
        return Project(Path(trained.read_text(encoding="utf-8"))).copy(folders.mktemp(framework) / "project")
