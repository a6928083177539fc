"""The programs that tests start: real processes, forked from one that has imported the libraries before.

A stage spends most of its time on imports, and the gate runs hundreds of stages. So `serving` puts `python`, `dvc`,
`stemma` and others into a folder for the PATH. Each (client.py) hands its arguments, environment and open streams to a
server (server.py), which forks: the child has the libraries, and none of this project's own code, which it imports from
where the real program would. What the client cannot hand over runs as it always did: other ways to start Python,
variables that libraries read when they are imported, `STEMMA_COLD=1`, and all on a system without fork. But `OTHER`:
what is asked to give the same bytes with those is forked from a server that was started with them.
"""

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import spawn
from pathlib import Path

HERE = Path(__file__).resolve().parent
COLD = {"STEMMA_COLD": "1"}  # in the environment of what is killed, or shall be a process with nothing imported
OTHER = {"PYTHONHASHSEED": "1", "OMP_NUM_THREADS": "4", "OPENBLAS_NUM_THREADS": "4", "TF_NUM_INTRAOP_THREADS": "4",
         "MKL_NUM_THREADS": "3"}  # fmt: skip  # tests/purchase_intent/test_pipeline.py sets the same
PLACE = "STEMMA_FORKS"  # the folder of the programs, once they are served
# -> the server that it is forked from
PROGRAMS = {"python": "stages", "pytest": "stages"} | dict.fromkeys(
    ("dvc", "stemma", "gto", "cookiecutter", "cruft"), "tools"
)
PROGRAM = """import sys
sys.path.insert(0, {here!r})
from client import main
main({socket!r}, {python!r}, {script!r})
"""
BY_A_SHELL = """#!/bin/sh
''''exec {python} -IS "$0" "$@"
'''"""
LONGEST = 127  # bytes of a first line that every Linux reads


@contextmanager
def serving(folder: Path, frameworks: bool = True) -> Iterator[Path]:
    """A folder for the PATH while its servers run; a server imports its libraries when it is first asked.

    Args:
        frameworks: are in what Python is forked from: each fork copies the map of its memory, which takes 40 ms more.
    """
    real = Path(sys.executable)
    programs = PROGRAMS if frameworks else dict.fromkeys(PROGRAMS, "tools")
    servers = [_started(folder / f"{name}.socket") for name in sorted(set(programs.values()))]
    if os.environ.get("PYTHONHASHSEED") != OTHER["PYTHONHASHSEED"]:
        servers.append(_started(folder / "stages.socket", **OTHER))
    (folder / "bin").mkdir()
    for name, server in programs.items():
        words = {
            "python": real,
            "here": HERE,
            "socket": folder / f"{server}.socket",
            "script": "-" if name == "python" else real.with_name(name),
        }
        program = folder / "bin" / name
        told = PROGRAM.format(**{key: str(word) for key, word in words.items()})
        program.write_text(f"{_start(str(real))}\n{told}", encoding="utf-8")
        program.chmod(0o755)
    try:
        yield folder / "bin"
    finally:
        for server in servers:
            server.communicate()  # the end of its input is its end


def _start(python: str) -> str:
    """How a file says that Python runs it: the system starts that, or, where it cannot read the path, a shell."""
    plain = f"#!{python} -IS"
    is_read = len(os.fsencode(plain)) < LONGEST and python.split() == [python]
    return plain if is_read else BY_A_SHELL.format(python=shlex.quote(python))


@contextmanager
def starting() -> Iterator[None]:
    """What this process starts by the Python that it runs in, multiprocessing too, is forked as what a test starts."""
    real = sys.executable
    _start_by(shutil.which("python") or real)
    try:
        yield
    finally:
        _start_by(real)


def _start_by(python: str) -> None:
    sys.executable = python
    spawn.set_executable(python)


def _started(place: Path, **environment: str) -> subprocess.Popen[bytes]:
    """A server at the place that a client looks for, which has the seed of its hashes in its name."""
    known = os.environ | environment
    socket = f"{place}{known.get('PYTHONHASHSEED', '')}"
    with Path(f"{socket}.log").open("wb") as told:  # what libraries say when they are imported
        command = [sys.executable, "-P", HERE / "server.py", socket]
        server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=told, env=known)
    assert server.stdout is not None
    assert server.stdout.readline() == b"listening\n"
    return server


def possible() -> bool:
    """Whether this system forks."""
    return hasattr(os, "fork") and sys.platform != "darwin"  # whose system libraries do not survive it
