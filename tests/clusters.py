"""A Ray cluster of two nodes, in processes of this machine, or in two networks of it with a link between them."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import pytest

import ports
from stemma.files import scratch

TESTS = Path(__file__).resolve().parent
TOKEN = "a" * 64
NETWORK = 0x40000000  # CLONE_NEWNET
WIRE = "wire"
HOSTS = ("10.77.5.1", "10.77.5.2")  # nobody else sees them


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
def cluster(host: str = "127.0.0.1", **environment: str) -> Iterator[Cluster]:
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
        made = Cluster(folder, f"{host}:{port}", {**os.environ, **quiet, **paths, **environment})
        try:
            few = ("--include-dashboard=false", "--no-monitor", f"--node-ip-address={host}")
            made.add("--head", f"--port={port}", f"--temp-dir={folder}", *few)
            yield made
        finally:
            made.kill()


@contextmanager
def linked() -> Iterator[tuple[str, str]]:
    """The names of two network namespaces with nothing but a link between them; each has one of HOSTS."""
    names = (f"stemma-{os.getpid()}-a", f"stemma-{os.getpid()}-b")
    if not shutil.which("ip") or os.geteuid() != 0:
        pytest.skip("only root has networks, by ip")
    try:
        for name in names:
            _ip("netns", "add", name)
        _ip("link", "add", WIRE, "netns", names[0], "type", "veth", "peer", "name", WIRE, "netns", names[1])
        for name, host in zip(names, HOSTS, strict=True):
            _ip("-n", name, "address", "add", f"{host}/30", "dev", WIRE)
            for device in ("lo", WIRE):
                _ip("-n", name, "link", "set", device, "up")
            _ip("-n", name, "route", "add", "default", "dev", WIRE)  # Ray takes for its address what leads elsewhere
        yield names
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True)


def cut(name: str) -> None:
    """The link of a namespace."""
    _ip("-n", name, "link", "set", WIRE, "down")


@contextmanager
def inside(name: str) -> Iterator[None]:
    """What this thread opens and starts is in a namespace."""
    back = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    there = os.open(f"/run/netns/{name}", os.O_RDONLY)
    try:
        assert ctypes.CDLL(None).setns(there, NETWORK) == 0
        yield
    finally:
        assert ctypes.CDLL(None).setns(back, NETWORK) == 0
        os.close(back)
        os.close(there)


def _ip(*arguments: str) -> None:
    done = subprocess.run(["ip", *arguments], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"ip {' '.join(arguments)}: {done.stderr}")
