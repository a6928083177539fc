"""Small named worlds: copies of this project in repositories of their own, trained once and used often."""

import functools
import gc
import itertools
import os
import re
import shutil
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from pathlib import Path

import dvc.logger  # noqa: F401  # what DVC says goes to the streams of now, not to those of who first imports it
import psutil
import pytest
import typer.main
from hypothesis import settings

with suppress(ImportError):  # in PyPI's PyTorch for Linux: imported after TensorFlow, it ends the process
    import triton  # noqa: F401

import forks
from forks import server
from stemma import testing
from stemma.errors import ENDING
from worlds import ROOT, SMALL, Project

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # workers share the cores: who waits sleeps; read at an import
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")  # else it tells of each fork, in tests of what is told
STARTED_WITH = server.at_start(dict(os.environ))
gc.set_threshold(100_000)  # as src/stage.py does: what two frameworks leave in memory is no garbage
typer.main.get_command = functools.cache(typer.main.get_command)  # made of the signatures of all words, at each call


# Chance finds faults where somebody looks for them, `python tasks.py test --fuzz`, and never stops the gate.
settings.register_profile("gate", derandomize=True, deadline=None, database=None)
settings.register_profile("fuzz", derandomize=False, deadline=None, print_blob=True)
settings.load_profile("gate")


MEMORY = Path("/dev/shm")  # noqa: S108  # a folder of a random name is made in it
PREFIX = f"stemma-tests-{os.getpid()}-"
ROOM = 8_000_000_000  # bytes: a whole run leaves 3 GB


def in_memory() -> bool:
    """Whether there is a disk in memory for hundreds of repositories: DVC syncs each of its writes."""
    for left in MEMORY.glob("stemma-tests-*-*"):  # by a run that was killed
        if not psutil.pid_exists(int(left.name.split("-")[2])):
            shutil.rmtree(left, ignore_errors=True)
    return MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM


def pytest_configure(config: pytest.Config) -> None:
    """Fork what tests start, for this process, its workers, and tests that run pytest."""
    # A shell's background ignores the first, `nohup` the last, and so would all that tests interrupt.
    for number, usual in ((signal.SIGINT, signal.default_int_handler), *((each, signal.SIG_DFL) for each in ENDING)):
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, usual)
    stack = ExitStack()
    config.add_cleanup(stack.close)
    if config.option.basetemp is None and in_memory():
        config.option.basetemp = Path(stack.enter_context(tempfile.TemporaryDirectory(dir=MEMORY, prefix=PREFIX)))
    if forks.possible() and forks.PLACE not in os.environ:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="forks-")))
        os.environ[forks.PLACE] = str(stack.enter_context(forks.serving(folder, config.option.markexpr != QUICK)))
        stack.callback(os.environ.pop, forks.PLACE)
        # Workers of pytest-xdist, where it is there, would each import both frameworks.
        workers = getattr(config.option, "tx", None) or ()
        config.option.tx = [f"{each}//python={os.environ[forks.PLACE]}/python" for each in workers]


COSTS = ("unit", "repository", "slow", "pipeline", "stamp")  # what a test needs
QUICK = "unit or repository"  # `python tasks.py test --quick`
WORLDS = {  # fixture -> what it costs
    "torch_project": "pipeline", "keras_project": "pipeline", "passed_once": "pipeline", "s3_server": "slow",
}  # fmt: skip
TESTS = Path(__file__).resolve().parent
SLOW = (  # besides what fits networks: what starts each command, composes conf/, draws, kills or waits again and again
    "purchase_intent/test_settings.py", "purchase_intent/test_simulated.py", "stemma/bundle/test_limits.py",
    "stemma/compress/", "stemma/conf/test_adoption.py", "stemma/evaluation/test_baselines.py", "stemma/follow/",
    "stemma/formats/", "stemma/frameworks/", "stemma/registry/test_promote.py", "stemma/repo/test_contained.py",
    "stemma/repo/test_locks.py", "stemma/repo/test_project.py", "stemma/repo/test_trust.py",
    "stemma/report/test_evaluation.py", "stemma/rollback/", "stemma/runners/test_ray.py", "stemma/search/",
    "stemma/storage/", "stemma/test_printed.py", "stemma/toolkit/test_undo.py", "stemma/trackers/test_publish.py",
    "stemma/training/", "stemma/versions/test_compare.py", "stemma/versions/test_compress.py",
    "stemma/versions/test_doctor.py", "stemma/weights/test_networks.py",
)  # fmt: skip
FOLDERS = (
    {"template/": "stamp", "stemma/test_testing.py": "slow"}
    | dict.fromkeys(SLOW, "slow")
    | {f"stemma/{room}/": "repository" for room in ("conf", "repo", "versions", "registry")}
)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """What is quick needs no framework, and what is slow would bring it along: none is even imported there."""
    return True if config.option.markexpr == QUICK and f"{place(collection_path)}/".startswith(SLOW) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test by what it costs. The dear ones come first: at the end short ones keep every worker busy.

    The tests of a file run on one worker, unless a group of theirs says which: what is made for a module is made once.
    """
    costs = [cost(item) for item in items]
    for item, its in zip(items, costs, strict=True):
        item.add_marker(its)
        if item.get_closest_marker("xdist_group") is None:
            item.add_marker(pytest.mark.xdist_group(place(item.path)))
    dear = {item.path for item, its in zip(items, costs, strict=True) if its in ("slow", "pipeline", "stamp")}
    items.sort(key=lambda item: item.path not in dear)
    gc.freeze()  # thousands of tests, which are looked through again at each collection of garbage


def cost(item: pytest.Item) -> str:
    """As the test is marked, else by the worlds that it asks for, else by its folder."""
    if marked := next((each for each in COSTS if item.get_closest_marker(each)), None):
        return marked
    if worlds := {WORLDS[name] for name in getattr(item, "fixturenames", ()) if name in WORLDS}:
        return max(worlds, key=COSTS.index)
    return next((its for folder, its in FOLDERS.items() if place(item.path).startswith(folder)), "unit")


@functools.cache
def place(path: Path) -> str:
    """In this folder; nothing for what lies elsewhere."""
    return path.relative_to(TESTS).as_posix() if path.is_relative_to(TESTS) else ""


def pytest_sessionfinish() -> None:
    """Pytest looks for garbage five times at its end; with two frameworks in memory pytest-xdist would not wait."""
    gc.collect()
    gc.freeze()


@pytest.fixture(scope="session", autouse=True)
def environment(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Commands of this environment first on the PATH, a Git identity, and none of the machine's own DVC state."""
    git = tmp_path_factory.mktemp("git")
    (git / "config").write_text("[maintenance]\n\tauto = false\n[core]\n\tfsync = none\n", encoding="utf-8")
    for part in ("hooks", "info"):  # of a new repository, without the samples: tests copy hundreds
        (git / "template" / part).mkdir(parents=True)
    programs = (os.environ.get(forks.PLACE), str(Path(sys.executable).parent), os.environ["PATH"])
    changes = {
        "PATH": os.pathsep.join(filter(None, programs)),
        "GIT_AUTHOR_NAME": "A Person",
        "GIT_AUTHOR_EMAIL": "person@example.org",
        "GIT_COMMITTER_NAME": "A Person",
        "GIT_COMMITTER_EMAIL": "person@example.org",
        "GIT_CONFIG_GLOBAL": str(git / "config"),
        "GIT_TEMPLATE_DIR": str(git / "template"),
        "DVC_NO_ANALYTICS": "1",
        "SHELL": "/bin/sh",  # by which DVC starts stages: the machine's own may differ
        "DVC_SITE_CACHE_DIR": str(tmp_path_factory.mktemp("dvc-site-cache")),
        "XDG_STATE_HOME": str(tmp_path_factory.mktemp("state")),  # where `stemma trust` notes
    }
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changes.items():
            patch.setenv(name, value)
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)  # hundreds of processes import the same code
        yield


@pytest.fixture(autouse=True)
def variables() -> Iterator[None]:
    """A test that left another variable would have all later programs of its worker started anew, or otherwise."""
    yield
    assert server.at_start(dict(os.environ)) == STARTED_WITH


NUMBERS = itertools.count()


@pytest.fixture
def tmp_path(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """As pytest's own, which looks for a free number among the folders of all tests before, for each of thousands."""
    name = re.sub(r"\W", "_", request.node.name)[:30]
    return tmp_path_factory.mktemp(f"{name}{next(NUMBERS)}", numbered=False)


@pytest.fixture(scope="module")
def forked() -> Iterator[None]:
    """What the toolkit starts in this process is forked as what a test starts is."""
    with forks.starting():
        yield


# As in tests/purchase_intent/conftest.py, so that both share what they train.


@pytest.fixture(scope="session")
def torch_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A small PyTorch network on simulated rows, trained and committed. Copy it before changing it."""
    return testing.trained(ROOT, tmp_path_factory, *SMALL, "model=torch_mlp")


@pytest.fixture(scope="session")
def keras_project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """The same in TensorFlow."""
    return testing.trained(ROOT, tmp_path_factory, *SMALL, "model=keras_mlp")
