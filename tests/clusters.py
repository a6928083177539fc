"""A Ray cluster of two nodes, in processes of this machine."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

import ports
from stemma.files import scratch

TESTS = Path(__file__).resolve().parent
TOKEN = "a" * 64


@dataclass
class Cluster:
    """Its processes are those that were started in its folder."""

    folder: Path
    address: str
    environment: dict[str, str]

    def add(self, *options: str, **environment: str) -> None:
        """A node with one core, if options say no other; the first is the head."""
        ray = Path(sys.executable).parent / "ray"
        usual = ("--num-cpus=1", "--object-store-memory=100000000", "--include-log-monitor=false")
        command = [str(ray), "start", *usual, *options]
        done = subprocess.run(command, env=self.environment | environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    def processes(self, *names: str) -> list[psutil.Process]:
        """All, or those in whose command line a name is."""
        found = []
        for process in psutil.process_iter(["cmdline", "environ"]):
            told = " ".join(process.info["cmdline"] or ())
            mine = (process.info["environ"] or {}).get("RAY_TMPDIR") == str(self.folder)
            if mine and process.pid != os.getpid() and (not names or any(name in told for name in names)):
                found.append(process)
        return found

    def kill(self, *names: str) -> None:
        for process in self.processes(*names):
            process.send_signal(signal.SIGKILL)


@contextmanager
def cluster(**environment: str) -> Iterator[Cluster]:
    """A head. What it imports is what this process imports."""
    # What those that are killed still write into the folder goes with the next one.
    with ports.held() as port, scratch("ray") as folder:
        quiet = {
            "RAY_TMPDIR": str(folder),
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN": TOKEN,
            "RAY_USAGE_STATS_ENABLED": "0",
        }
        paths = {"PYTHONPATH": os.pathsep.join([str(TESTS), *filter(None, [os.environ.get("PYTHONPATH")])])}
        made = Cluster(folder, f"127.0.0.1:{port}", {**os.environ, **quiet, **paths, **environment})
        try:
            few = ("--include-dashboard=false", "--no-monitor")
            made.add("--head", f"--port={port}", f"--temp-dir={folder}", *few)
            yield made
        finally:
            made.kill()
