"""What tests start is what they ask for: streams, folder, exit codes, signals; nothing of our own is in it before."""

import os
import selectors
import signal
import socket
import subprocess
import sys
from contextlib import ExitStack
from pathlib import Path

import psutil
import pytest

import forks
from forks.server import Server
from timing import HANGS, WAITS

pytestmark = pytest.mark.skipif(not forks.possible(), reason="there is no fork")

ASKED = """import os, sys
print(sys.argv, os.getcwd(), sys.path[0], "numpy" in sys.modules, "stemma" in sys.modules, os.environ.get("OWN"))
print(sys.stdin.read(), file=sys.stderr)
sys.exit(3)
"""
SPAWNING = """import multiprocessing, sys
def tell(there):
    there.send((multiprocessing.parent_process() is not None, "numpy" in sys.modules, "stemma" in sys.modules))
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=tell, args=(there,))
    child.start()
    there.close()
    print(here.recv())
    child.join()
    print(child.exitcode)
"""
WAITING = f"import os, time\nprint(os.getpid(), flush=True)\n{WAITS}\n"


@pytest.fixture
def scripts(tmp_path: Path) -> Path:
    (tmp_path / "below").mkdir()
    (tmp_path / "asked.py").write_text(ASKED, encoding="utf-8")
    (tmp_path / "spawning.py").write_text(SPAWNING, encoding="utf-8")
    (tmp_path / "waiting.py").write_text(WAITING, encoding="utf-8")
    return tmp_path


def run(*command: str, cwd: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    known = os.environ | {"OWN": "mine"} | environment
    return subprocess.run(["python", *command], cwd=cwd, env=known, input="said", capture_output=True, text=True)


@pytest.mark.parametrize(
    "variables", [{}, forks.COLD, {"OMP_NUM_THREADS": "3"}, pytest.param(forks.OTHER, marks=pytest.mark.slow)]
)
def test_a_script_has_its_own_arguments_folder_streams_and_exit_code(variables: dict[str, str], scripts: Path) -> None:
    done = run("../asked.py", "a b", cwd=scripts / "below", **variables)
    forked = variables in ({}, forks.OTHER)
    assert done.stdout == f"['../asked.py', 'a b'] {scripts / 'below'} {scripts} {forked} False mine\n"
    assert (done.stderr, done.returncode) == ("said\n", 3)


@pytest.mark.parametrize("seed", ["7", forks.OTHER["PYTHONHASHSEED"]])
def test_a_hash_seed_of_the_whole_run_is_that_of_its_servers(
    seed: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By which a client finds one."""
    with monkeypatch.context() as patched, ExitStack() as opened:
        patched.setenv("PYTHONHASHSEED", seed)
        opened.enter_context(forks.serving(tmp_path))
        sockets = {each.name for each in tmp_path.iterdir() if each.is_socket()}
    assert sockets == {f"stages.socket{seed}", f"tools.socket{seed}", f"stages.socket{forks.OTHER['PYTHONHASHSEED']}"}


@pytest.mark.slow
def test_another_hash_seed_is_there_in_a_fork_too(scripts: Path) -> None:
    (scripts / "hashed.py").write_text("import sys\nprint('numpy' in sys.modules, hash('a'))\n", encoding="utf-8")
    told = [run("hashed.py", cwd=scripts, **forks.OTHER, **cold).stdout.split() for cold in ({}, forks.COLD)]
    assert [forked for forked, _ in told] == ["True", "False"] and told[0][1] == told[1][1]


def test_a_module_is_found_in_the_folder_and_in_pythonpath(scripts: Path) -> None:
    here = run("-m", "asked", cwd=scripts)
    assert here.returncode == 3 and f" {scripts} {scripts} True False" in here.stdout
    assert "No module named asked" in run("-P", "-m", "asked", cwd=scripts).stderr
    elsewhere = run("-P", "-m", "asked", cwd=scripts / "below", PYTHONPATH=str(scripts))
    assert elsewhere.returncode == 3 and f" {scripts / 'below'} {scripts} True False" in elsewhere.stdout


@pytest.mark.parametrize("variables", [{}, forks.COLD])
def test_a_process_of_multiprocessing_has_its_pipes(variables: dict[str, str], scripts: Path) -> None:
    done = run("spawning.py", cwd=scripts, **variables)
    assert done.stdout == f"(True, {not variables}, False)\n0\n", done.stderr


def test_other_ways_to_start_python_are_those_of_python(scripts: Path) -> None:
    done = run("-c", "import sys; print('numpy' in sys.modules, sys.executable)", cwd=scripts)
    assert done.stdout == f"False {sys.executable}\n"


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL])
def test_a_signal_ends_the_program_too(sent: signal.Signals, scripts: Path) -> None:
    process = subprocess.Popen(
        ["python", "waiting.py"], cwd=scripts, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's job in the background ignores it
    )  # fmt: skip
    assert process.stdout is not None
    child = psutil.Process(int(process.stdout.readline()))
    process.send_signal(sent)
    assert process.wait(HANGS) == -sent
    assert psutil.wait_procs([child], timeout=HANGS)[1] == []
    process.stdout.close()


def test_a_child_that_has_no_group_of_its_own_yet_ends_with_its_client_too() -> None:
    client, other = socket.socketpair()
    with client, other, subprocess.Popen(["sleep", "600"]) as child:
        served = Server(other, ())
        served.clients[child.pid] = client
        served.selector.register(client, selectors.EVENT_READ, child.pid)
        served.end(child.pid)
        assert child.wait(HANGS) == -signal.SIGKILL


def test_a_client_that_is_killed_at_any_moment_ends_no_other(scripts: Path) -> None:
    for moment in range(12):
        process = subprocess.Popen(
            ["python", "asked.py"], cwd=scripts, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL
        )
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(0.004 * moment)
        process.kill()
        process.communicate()
    assert " True False" in run("asked.py", cwd=scripts).stdout
