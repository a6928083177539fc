"""`stemma serve --stage`: what one clone promotes, a server beside another clone answers with."""

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from followed import Followed
from serving import Server, served
from timing import HANGS

pytestmark = pytest.mark.slow
ROW = {"Month": "May", "PageValues": -2.1, "Weekend": False}  # TRUE from 0.1 on, and FALSE from 0.3 on


@pytest.fixture
def server(followed: Followed) -> Iterator[Server]:
    with served(followed.bob.folder, "--stage", "prod", "--poll", "0.3", cold=True) as server:
        yield server


def answers(server: Server, prediction: str | None, version: str | None) -> None:
    """Wait until it answers so; every answer on the way is that of the version that it names. 503 where none serves."""
    end, allowed = time.monotonic() + HANGS, {200} if version in ("2", "3") else {200, 503}
    known = {"1": "TRUE", "2": "FALSE", "3": "TRUE", "6": "FALSE", None: None}
    while True:
        reply = server.ask("POST", "/predict", ROW)
        assert reply.status in allowed
        now = reply.json["predictions"][0]["prediction"] if reply.status == 200 else None
        assert now == known[reply.headers.get("x-model-version")]
        if (now, reply.headers.get("x-model-version")) == (prediction, version):
            return
        assert time.monotonic() < end, f"it answers {reply}"
        time.sleep(0.05)


def follower(server: Server) -> psutil.Process:
    (found,) = [each for each in psutil.Process(server.process.pid).children() if "follow" in each.cmdline()]
    return found


def test_what_anne_promotes_rolls_back_and_demotes_is_what_bobs_server_answers(
    followed: Followed, server: Server
) -> None:
    answers(server, None, None)
    followed.promote("v1.0.0")
    answers(server, "TRUE", "1")
    followed.promote("v2.0.0")
    answers(server, "FALSE", "2")
    followed.roll_back()
    answers(server, "TRUE", "3")
    Path(followed.url).rename(followed.folder.parent.with_name("gone.git"))
    os.kill(follower(server).pid, signal.SIGKILL)
    time.sleep(1.5)
    answers(server, "TRUE", "3")
    followed.folder.parent.with_name("gone.git").rename(followed.url)
    followed.demote()
    answers(server, None, None)
    followed.promote("v2.0.0")
    answers(server, "FALSE", "6")
    beside = follower(server)
    assert server.stop() == 0
    assert not beside.is_running(), "it ends with the server"
