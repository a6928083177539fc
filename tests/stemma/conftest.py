"""Named worlds: a small repository with settings (groups, a nested group, experiments, an interpolation, comments
everywhere), and repositories with versions. A test that changes one copies it first: `three_versions.copy(folder)`.
"""

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from s3 import Server, served
from stemma import cli
from stemma.repo import composition
from version_worlds import Projects, World, make_three_versions, make_two_projects

Run = Callable[..., tuple[int, str, str]]

CONF = {
    "config.yaml": """\
# What this is.
defaults:
  - _self_
  - data: small      # small | large
  - model: mlp
  - train: default
  - experiment: null   # over the above

# Judging.
evaluate:
  threshold: 0.5   # of a positive row
  rate: ${train.rate}
  "names": ['a', "b"]   # two quotes
""",
    "data/small.yaml": '# Few rows.\nname: small\nrows: 10\npositive: "TRUE"   # quoted\ncolumns: {}   # none yet\n',
    "data/large.yaml": "# Many rows.\nname: large\nrows: 1000\nchunks:   # a block list\n  - 1   # one\n  - 2\n",
    "model/mlp.yaml": """\
defaults:
  - optimizer: adam
  - _self_
# Dense layers.
name: mlp
hidden: [64,  32]        # units
dropout: 0.1
""",
    "model/linear.yaml": "name: linear     # no hidden layer\n",
    "model/optimizer/adam.yaml": "kind: adam\nbeta: 0.9   # of the mean\n",
    "model/optimizer/sgd.yaml": "kind: sgd\n",
    "train/default.yaml": "epochs: 40      # at most\nrate: 0.001\npatience:   # no value\nseed: 0\n",
    "experiment/quick.yaml": "# @package _global_\n# Seconds.\ntrain:\n  epochs: 3\n",
    "experiment/reference.yaml": """\
# @package _global_
defaults:
  - override /model: linear

# All of it.
train:
  epochs: 10
  rate: 0.5
evaluate:
  threshold: 0.7
""",
}

STAGE = """\
import os, pathlib, sys
from stemma import conf, errors

name = sys.argv[1]
with open(os.environ["STAGES_RUN"], "a") as log:
    log.write(name + "\\n")
if name == "settings":
    with errors.one_line():
        conf.guard(pathlib.Path.cwd())
else:
    text = str(conf.params(pathlib.Path.cwd())[name if name != "prepare" else "data"])
    pathlib.Path(name + ".txt").write_text(text)
"""

DVC_YAML = """\
stages:
  settings:
    cmd: python stage.py settings
    deps: [conf, params.yaml]
    outs:
      - reports/settings/passed.txt: {cache: false, persist: true}
      - reports/settings/composed.yaml: {cache: false, persist: true}
  prepare:
    cmd: python stage.py prepare
    deps: [reports/settings/passed.txt]
    params: [data]
    outs: [prepare.txt]
  train:
    cmd: python stage.py train
    deps: [reports/settings/passed.txt, prepare.txt]
    params: [train, model]
    outs: [train.txt]
"""


@dataclass(frozen=True)
class Repository:
    """A folder with conf/, .dvc/config and, where DVC itself runs, Git and three stages."""

    root: Path

    def read(self, name: str) -> str:
        return (self.root / name).read_bytes().decode()

    def write(self, name: str, text: str) -> None:
        (self.root / name).parent.mkdir(parents=True, exist_ok=True)
        (self.root / name).write_bytes(text.encode())

    def replace(self, name: str, old: str, new: str) -> None:
        text = self.read(name)
        assert old in text, f"{old!r} is not in {name}"
        self.write(name, text.replace(old, new, 1))

    def files(self) -> dict[str, str]:
        """Every file of conf/ and params.yaml: name -> text."""
        found = [*sorted((self.root / "conf").rglob("*")), self.root / "params.yaml"]
        return {str(file.relative_to(self.root)): self.read(str(file)) for file in found if file.is_file()}

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        known = os.environ | {"STAGES_RUN": str(self.root.parent / "stages.log")} | environment
        return subprocess.run(command, cwd=self.root, env=known, capture_output=True, text=True, timeout=600)

    def ok(self, *command: str) -> str:
        done = self.run(*command)
        assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
        return done.stdout + done.stderr

    def stages_run(self) -> list[str]:
        """The stages that ran since the last call."""
        log = self.root.parent / "stages.log"
        names = log.read_text().split() if log.exists() else []
        log.unlink(missing_ok=True)
        return names


@pytest.fixture(scope="session")
def asked_once() -> Callable[..., None]:
    """`repo.composition.compose`, but of the same files and overrides Hydra, which takes its time, is asked once.

    What does not compose is told with its place, and so is asked each time.
    """
    known: dict[tuple[object, ...], bytes] = {}
    compose = composition.compose

    def asked(to: Path, folder: Path, name: str, plugins: Path, overrides: list[str]) -> None:
        files = sorted(folder.rglob("*.yaml"))
        key = (name, *overrides, *((str(file.relative_to(folder)), file.read_bytes()) for file in files))
        if not files or key not in known:
            compose(to, folder, name, plugins, overrides)
            known[key] = to.read_bytes()
        to.write_bytes(known[key])

    return asked


@pytest.fixture
def settings(tmp_path: Path, asked_once: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> Repository:
    """conf/ and .dvc/config, params.yaml composed; no Git."""
    monkeypatch.setattr(composition, "compose", asked_once)
    repository = Repository(tmp_path / "repository")
    _write_conf(repository)
    return repository


@pytest.fixture(scope="session")
def passed_once(tmp_path_factory: pytest.TempPathFactory) -> Repository:
    repository = Repository(tmp_path_factory.mktemp("pipeline") / "repository")
    _write_conf(repository)
    repository.write("stage.py", STAGE)
    repository.write("dvc.yaml", DVC_YAML)
    repository.ok("git", "init", "-q", "-b", "main")
    repository.ok("dvc", "repro", "-q")
    repository.ok("git", "add", "-A")
    repository.ok("git", "commit", "-qm", "start")
    assert repository.stages_run() == ["settings", "prepare", "train"]
    return repository


@pytest.fixture
def pipeline(passed_once: Repository, tmp_path: Path) -> Repository:
    """The same with Git, DVC and the stages settings, prepare and train, run and committed."""
    shutil.copytree(passed_once.root, tmp_path / "repository", symlinks=True)
    return Repository(tmp_path / "repository")


def _write_conf(repository: Repository) -> None:
    from stemma import conf

    repository.write(".dvc/config", "[hydra]\n    enabled = True\n")
    repository.write(".dvc/.gitignore", "/config.local\n/tmp\n/cache\n")
    for name, text in CONF.items():
        repository.write(f"conf/{name}", text)
    conf.sync(repository.root)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """`stemma ARGUMENT...` in a world or a folder: exit code, stdout, stderr."""
    monkeypatch.setenv("STEMMA_DEBUG", "0")
    monkeypatch.setenv("TERM", "dumb")

    def call(place: World | Path, *arguments: str) -> tuple[int, str, str]:
        monkeypatch.chdir(place.folder if isinstance(place, World) else place)
        monkeypatch.setattr(sys, "argv", ["stemma", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        printed = capsys.readouterr()
        return int(stopped.value.code or 0), printed.out, printed.err

    return call


@pytest.fixture(scope="session")
def three_versions(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three versions on main, a branch, an experiment, tags, a remote on disk; see `make_three_versions`."""
    return make_three_versions(tmp_path_factory.mktemp("three") / "versions")


@pytest.fixture(scope="session")
def two_projects(tmp_path_factory: pytest.TempPathFactory) -> Projects:
    """Two DVC projects in one Git repository; see `make_two_projects`."""
    return make_two_projects(tmp_path_factory.mktemp("projects") / "shop")


@pytest.fixture(scope="session")
def s3_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A real S3 server that asks for keys; `s3` sets them."""
    with served(tmp_path_factory.mktemp("s3")) as server:
        yield server


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 64 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    if os.name == "nt" or subprocess.run(command, capture_output=True).returncode:
        pytest.skip("no small disk can be mounted here")
    yield folder
    subprocess.run(["umount", "-l", str(folder)], check=True)


@pytest.fixture
def s3(s3_server: Server, monkeypatch: pytest.MonkeyPatch) -> Server:
    """The server, with endpoint and keys in the environment."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    return s3_server
