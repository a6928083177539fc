"""The process beside a server: it comes back when it is killed, and ends with the server, however that ends."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from followed import Followed
from forks import COLD
from processes import is_gone
from stemma.follow import passes
from stemma.follow.beside import running
from timing import until

CHILD = """
import os, sys, time
from stemma.follow.beside import end_with_parent
end_with_parent()
with open(sys.argv[1], "a") as file:
    file.write(f"{os.getpid()}\\n")
time.sleep(600)
"""
PARENT = """
import sys, time
from stemma.follow.beside import running
with running(sys.argv[1:], print):
    time.sleep(600)
"""


def started(file: Path) -> list[int]:
    return [int(line) for line in file.read_text().split()] if file.exists() else []


def test_it_comes_back_when_it_is_killed_and_ends_with_the_block(tmp_path: Path) -> None:
    told: list[str] = []
    file = tmp_path / "processes"
    with running([sys.executable, "-c", CHILD, str(file)], told.append):
        until(lambda: started(file))
        os.kill(started(file)[0], signal.SIGKILL)
        until(lambda: len(started(file)) == 2)
    assert is_gone(started(file)[1])
    assert told == ["the process beside the server ended (-9): it is started again"]


def test_it_ends_as_it_means_to_though_a_thread_waits_for_the_server() -> None:
    told: list[str] = []
    script = "import sys; from stemma.follow.beside import end_with_parent; end_with_parent(); sys.exit(3)"
    with running([sys.executable, "-c", script], told.append):
        until(lambda: told)
    assert told[0] == "the process beside the server ended (3): it is started again"


def test_it_ends_without_a_word_where_all_are_asked_to(capfd: pytest.CaptureFixture[str]) -> None:
    """As systemd does it; a line that is no JSON stood in the log of the server."""
    script = "import os, signal; from stemma.errors import one_line; from stemma.follow.beside import end_with_parent\n"
    script += "with one_line(): end_with_parent(); os.kill(os.getpid(), signal.SIGTERM)"
    told: list[str] = []
    with running([sys.executable, "-c", script], told.append):
        until(lambda: told)
    assert told[0] == "the process beside the server ended (-15): it is started again"
    assert capfd.readouterr().err == ""


def test_it_ends_with_a_server_that_is_killed(tmp_path: Path) -> None:
    file = tmp_path / "processes"
    command = [sys.executable, "-c", PARENT, sys.executable, "-c", CHILD, str(file)]
    with subprocess.Popen(command, env=os.environ | COLD) as server:
        until(lambda: started(file))
        server.kill()
    until(lambda: is_gone(started(file)[0]))


def test_the_command_publishes_once_or_says_why_not(
    followed: Followed, run: Callable[..., tuple[int, str, str]]
) -> None:
    words = ("follow", followed.url, "--folder", str(followed.folder), "--once")
    code, _, told = run(followed.bob, *words)
    assert (code, "nothing was ever promoted to 'prod'" in told) == (1, True)
    followed.promote("v1.0.0")
    code, told, _ = run(followed.bob, *words)
    assert (code, told.startswith("prod is v1.0.0 (")) == (0, True)
    assert followed.numbers() == ["1"]


def test_signed_bundles_of_a_stage_are_refused_at_the_start(
    followed: Followed, run: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, told = run(followed.bob, "serve", "--stage", "prod", "--require-signature", "key.pub")
    assert (code, "ask for signed tags" in told) == (1, True)


@pytest.mark.parametrize("command", ["serve", "follow"])
def test_a_stage_that_was_never_promoted_to_beside_others_is_refused_and_not_waited_for(
    followed: Followed, command: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    followed.promote("v1.0.0")
    words = ["serve", followed.url, "--port=0"] if command == "serve" else ["follow", followed.url]
    code, _, told = run(followed.bob, *words, "--stage=prdo")
    assert (code, told.splitlines()[-1]) == (
        1,
        "error: nothing was ever promoted to 'prdo' (did you mean prod?): run `stemma history`",
    )


def test_a_registry_without_any_stage_and_one_that_cannot_be_asked_are_waited_for(followed: Followed) -> None:
    told: list[str] = []
    passes.check(followed.asked(), told.append)
    assert told == []
    passes.check(followed.asked("/no/such/repository"), told.append)
    assert len(told) == 1 and told[0].startswith("prod: ")


@pytest.mark.parametrize("stage", ["../prod", "a stage", "-prod"])
def test_what_is_no_stage_becomes_no_path(
    followed: Followed, stage: str, run: Callable[..., tuple[int, str, str]]
) -> None:
    code, _, told = run(followed.bob, "follow", f"--stage={stage}", "--once")
    assert (code, "is no stage" in told) == (1, True)
