"""The log: a line for what happens, and nobody waits for whoever reads it."""

import asyncio
import fcntl
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from stemma.serve import log
from stemma.serve.routes import Answer
from timing import HANGS

WRITES = """
from stemma.serve import log
for number in range({count}):
    log.note("fault", trace="x" * {length}, number=number)
print("done")
"""


def written(stream: int, count: int, length: int) -> "subprocess.CompletedProcess[str]":
    code = WRITES.format(count=count, length=length)
    return subprocess.run(
        [sys.executable, "-c", code], stdout=subprocess.PIPE, stderr=stream, text=True, timeout=HANGS, check=True
    )


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(fcntl, "F_SETPIPE_SZ"), reason="pipes of a known size are Linux's")
@pytest.mark.parametrize("length", [10, 50_000])
def test_a_log_that_nobody_reads_stops_nothing(length: int) -> None:
    read, write = os.pipe()
    fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, 8192)
    try:
        assert written(write, 300, length).stdout == "done\n"
        os.close(write)
        first = os.read(read, 65536).splitlines()[0]
        assert length > 8192 or json.loads(first)["number"] == 0
    finally:
        os.close(read)


@pytest.mark.slow
def test_a_log_that_is_closed_or_on_a_full_disk_stops_nothing() -> None:
    for place in ("/dev/full", os.devnull):
        with Path(place).open("w") as file:
            assert written(file.fileno(), 3, 10).stdout == "done\n"
    code = "import os; os.close(2)" + WRITES.format(count=3, length=10)
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "done\n"


def test_a_line_longer_than_a_pipe_takes_at_once_arrives_whole(capfd: pytest.CaptureFixture[str]) -> None:
    log.note("fault", trace="x" * 200_000)
    assert len(json.loads(capfd.readouterr().err)["trace"]) == 200_000


def test_requests_that_are_answered_at_one_time_are_written_at_once_and_in_whole_lines(
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    parts: list[bytes] = []
    write = os.write
    monkeypatch.setattr(log.os, "write", lambda stream, part: (parts.append(part), write(stream, part))[1])
    scope = {"method": "POST", "path": "/predict", "id": "7", "headers": ()}

    async def forty() -> None:
        requests = log.Requests()
        for number in range(40):
            requests.tell(scope, Answer(rows=number), 0.001)
        assert parts == []
        while not parts:
            await asyncio.sleep(log.TOGETHER)

    asyncio.run(forty())
    assert 1 < len(parts) < 10
    assert all(len(part) <= log.ATONCE and part.endswith(b"\n") for part in parts)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert [line["event"] for line in lines] == ["request"] * 40
