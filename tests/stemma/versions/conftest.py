"""Named worlds of versions. A test that changes one copies it first: `three_versions.copy(tmp_path / "w")`."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from s3 import Server, served
from stemma import cli
from version_worlds import World, make_three_versions

Run = Callable[..., tuple[int, str, str]]


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
