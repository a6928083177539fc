"""`stemma serve --workers 2`: one answer, whoever gives it."""

import asyncio
import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path

import psutil
import pytest

from processes import is_gone
from serving import Server, served
from stemma.bundle import open_bundle
from stemma.bundle.unpack import unpack
from stemma.serve.settings import ServeSettings
from stemma.serve.workers import Crew, Worker
from timing import HANGS, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("workers")]

ROW = b'{"Month": "May", "PageValues": 1, "Weekend": true}'


def publish(folder: Path, number: int, content: Path) -> None:
    (folder / ".partial").mkdir(parents=True)
    shutil.copyfile(content, folder / ".partial/model.zip")
    (folder / ".partial").rename(folder / str(number))


def workers(server: Server) -> list[psutil.Process]:
    return psutil.Process(server.process.pid).children(recursive=True)


def versions(server: Server, count: int = 12) -> set[str]:
    """Of as many connections, which either worker may take."""
    replies = [server.ask("POST", "/predict", ROW) for _ in range(count)]
    assert {each.status for each in replies} == {200}
    return {each.headers["x-model-version"] for each in replies}


def all_serve(server: Server, number: int) -> None:
    """Wait until its log says so: one worker answers with a version before the other has heard of it."""
    assert server.process.stderr is not None
    lines = map(json.loads, server.process.stderr)
    next(line for line in lines if line["event"] == "serving" and line["versions"] == [number])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, bundles: dict[str, Path]) -> Path:
    folder = tmp_path_factory.mktemp("models") / "shop"
    publish(folder, 1, bundles["regression"])
    return folder


@pytest.fixture(scope="module")
def server(folder: Path, bundles: dict[str, Path]) -> Iterator[Server]:
    """Of two workers that have switched from version 1 to 2."""
    with served(folder, "--workers", "2", "--poll", "0.05", cold=True) as running:
        assert len(workers(running)) == 2 and versions(running) == {"1"}
        publish(folder, 2, bundles["regression"])
        all_serve(running, 2)
        yield running


@pytest.fixture(scope="module")
def damaged(server: Server, folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """To which a version 9 came that is none."""
    path = tmp_path_factory.mktemp("damaged") / "cut.zip"
    path.write_bytes(b"PK no bundle")
    publish(folder, 9, path)
    until(lambda: bool(server.ask("GET", "/status").json["models"][0]["faults"]))
    return server


def test_all_workers_switch(server: Server) -> None:
    assert versions(server) == {"2"}


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
def test_a_worker_that_is_ended_comes_back_with_what_serves(number: int, server: Server) -> None:
    before = workers(server)
    current = versions(server)
    before[0].send_signal(number)
    until(lambda: len(set(workers(server)) - {before[0]}) == 2)
    assert versions(server) == current
    os.kill(before[1].pid, signal.SIGKILL)  # so that only the new one is left for a while
    assert versions(server) == current


@pytest.mark.parametrize("published", ["1/model.zip", "1", "model.zip"])
def test_a_worker_that_is_replaced_gets_what_serves_though_it_is_gone_where_it_was_published(
    published: str, tmp_path: Path, bundles: dict[str, Path]
) -> None:
    path = tmp_path / "shop" / published
    path.parent.mkdir(parents=True)
    unpack(open_bundle(bundles["regression"]), path) if path.name == "1" else shutil.copy(bundles["regression"], path)
    with served(path if published == "model.zip" else tmp_path / "shop", "--workers", "2", cold=True) as server:
        shutil.rmtree(tmp_path / "shop")
        for each in (before := workers(server)):
            each.kill()
        until(lambda: len({*workers(server)} - {*before}) == 2)
        assert versions(server) == {"1"}


@pytest.mark.skipif(not hasattr(psutil, "RLIMIT_NOFILE"), reason="limits of another process are Linux's")
def test_a_worker_that_cannot_be_started_is_started_later(bundles: dict[str, Path]) -> None:
    with served(bundles["regression"], "--workers", "2", cold=True) as server:
        keeper, (first, second) = psutil.Process(server.process.pid), workers(server)
        _, most = keeper.rlimit(psutil.RLIMIT_NOFILE)
        keeper.rlimit(psutil.RLIMIT_NOFILE, (3, most))  # what is open stays so, and nothing more can be opened
        first.kill()
        assert server.process.stderr is not None
        until(lambda: "no worker started" in server.process.stderr.readline())
        assert versions(server) == {"1"}
        keeper.rlimit(psutil.RLIMIT_NOFILE, (most, most))
        until(lambda: len({*workers(server)} - {first}) == 2)
        assert second in workers(server)


def test_a_worker_that_an_interrupt_ends_as_it_starts_is_not_told_of(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    """The system may end it before it is of a session of its own."""

    async def interrupted() -> None:
        with socket.socket() as bound:
            crew = Crew(ServeSettings(), bound, "")

            async def ended(_: object) -> Worker:
                asyncio.get_running_loop().call_soon(crew.stop)
                raise RuntimeError("the handler is closed")

            monkeypatch.setattr(crew, "_start", ended)
            await crew._keep(None)

    asyncio.run(interrupted())
    assert capfd.readouterr().err == ""


ANSWERS = """import json, sys
for line in sys.stdin: print(json.dumps({"answered": json.loads(line)["asked"], "told": None}), flush=True)
"""


@pytest.mark.parametrize("ends", [False, True])
def test_an_answer_that_nobody_waits_for_any_more_ends_no_worker(ends: bool) -> None:
    """Who asked was interrupted."""

    async def nothing(*_: str) -> None:
        """It asks for nothing."""

    async def asked() -> None:
        pipes = dict.fromkeys(("stdin", "stdout"), asyncio.subprocess.PIPE)
        process = await asyncio.create_subprocess_exec(sys.executable, "-c", ANSWERS, **pipes)
        worker = Worker(process, nothing)
        first = asyncio.create_task(worker.serve())
        await asyncio.sleep(0)
        first.cancel()
        if ends:
            process.kill()
        else:
            await worker.serve()
            worker.stop()
        await worker.ended

    asyncio.run(asked())


def test_a_worker_that_is_killed_under_load_takes_along_the_calls_that_it_had_alone(server: Server) -> None:
    stop, told = threading.Event(), list[bytes | None]()

    def call() -> None:
        while not stop.is_set():
            try:
                told.append(server.ask("POST", "/predict", ROW).body)
            except (OSError, HTTPException):  # it was with the one that is killed
                told.append(None)

    callers = [threading.Thread(target=call) for _ in range(4)]
    before = workers(server)
    for each in callers:
        each.start()
    until(lambda: len(told) > 50)
    before[0].kill()
    until(lambda: len(set(workers(server)) - {before[0]}) == 2)
    now = len(told)
    until(lambda: len(told) > now + 50)
    stop.set()
    for each in callers:
        each.join()
    assert told.count(None) <= len(callers) and len(set(told) - {None}) == 1


def test_a_worker_that_is_told_what_it_does_not_understand_ends_with_a_word_of_it() -> None:
    """As one of a toolkit that was changed under its keeper."""
    with socket.create_server(("127.0.0.1", 0)) as bound:
        words = [sys.executable, "-m", "stemma.serve.worker", str(bound.fileno()), ""]
        told = ServeSettings().model_dump_json().encode() + b"\n{}\n"
        done = subprocess.run(words, input=told, pass_fds=[bound.fileno()], capture_output=True, timeout=HANGS)
    assert done.returncode == 1 and b"KeyError" in done.stderr


def test_a_version_that_is_damaged_changes_no_worker(damaged: Server) -> None:
    assert versions(damaged) == {"2"}


def test_the_figures_are_those_of_all_workers_whichever_is_asked(damaged: Server) -> None:
    server = damaged
    until(lambda: counted(server, 20))
    text = server.ask("GET", "/metrics").body.decode()
    assert 'stemma_version{model="shop",version="2"} 1.0' in text
    refused = 'stemma_version_refused{model="shop",version="9",why="'
    until(lambda: refused in server.ask("GET", "/metrics").body.decode())
    assert 'stemma_switches_total{model="shop"} 2.0' in text


def test_what_waited_at_a_worker_that_is_killed_waits_no_more(server: Server) -> None:
    before, (host, port) = workers(server), server.address.removeprefix("http://").split(":")
    with contextlib.ExitStack() as stack:
        for _ in range(8):
            link = stack.enter_context(socket.create_connection((host, int(port)), HANGS))
            link.sendall(b"POST /predict HTTP/1.1\r\nhost: a\r\ncontent-length: 9\r\n\r\n{")
        until(lambda: waiting(server) == 8 + 1)  # who asks for it waits, too
        for each in before:
            each.kill()
        until(lambda: len({*workers(server)} - {*before}) == 2)
        until(lambda: waiting(server) == 1)


def waiting(server: Server) -> float:
    with contextlib.suppress(OSError, HTTPException):  # it was with one that is killed
        text = server.ask("GET", "/metrics").body.decode()
        return sum(
            float(line.split()[-1]) for line in text.splitlines() if line.startswith("stemma_requests_in_progress ")
        )
    return -1


def counted(server: Server, more: int) -> bool:
    """Whether all tell so many more; a worker counts after it has answered, so some of before may come in with them."""
    before = rows(server)
    versions(server, more)
    until(lambda: rows(server) >= before + more)
    return {rows(server) for _ in range(6)} == {before + more}


def rows(server: Server) -> int:
    text = server.ask("GET", "/metrics").body.decode()
    return int(sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("stemma_rows_total{")))


@pytest.mark.usefixtures("damaged")
def test_an_order_to_one_worker_is_an_order_to_all(folder: Path) -> None:
    with served(folder, "--workers", "2", "--admin", cold=True) as server:
        assert server.ask("POST", "/v2/repository/models/shop/unload").status == 200
        assert {server.ask("POST", "/predict", ROW).status for _ in range(8)} == {503}
        assert server.ask("POST", "/v2/repository/models/shop/load").status in (200, 400)  # 9 is damaged
        assert versions(server) == {"2"}


def test_sigterm_ends_all(server: Server) -> None:
    known = workers(server)
    assert len(known) == 2
    assert server.stop() == 0
    assert all(is_gone(each.pid) for each in known)


def test_who_stops_every_process_at_once_cuts_no_call_short(bundles: dict[str, Path], tmp_path: Path) -> None:
    """As systemd does."""
    (tmp_path / "serve.yaml").write_text("{limits: {seconds: 120}, drain: 120}\n")
    with served(bundles["regression"], "--workers", "2", "--config", tmp_path / "serve.yaml", cold=True) as server:
        place, known = ("127.0.0.1", int(server.address.rsplit(":", 1)[1])), workers(server)
        with socket.create_connection(place, HANGS) as link:
            head = f"POST /predict HTTP/1.1\r\nhost: a\r\nexpect: 100-continue\r\ncontent-length: {len(ROW)}\r\n\r\n"
            link.sendall(head.encode() + ROW[:10])
            assert b" 100 " in link.recv(1024), "and so it is taken"
            for each in (*known, server.process):
                each.terminate()
            until(lambda: any(is_gone(each.pid) for each in known))
            link.sendall(ROW[10:])
            assert b" 200 " in link.recv(1024)
        assert server.process.wait(HANGS) == 0


def test_workers_end_when_their_keeper_is_killed(bundles: dict[str, Path]) -> None:
    with served(bundles["regression"], "--workers", "2", cold=True) as server:
        known = workers(server)
        assert len(known) == 2
        server.process.kill()
        until(lambda: all(is_gone(each.pid) for each in known))


def test_a_bundle_that_no_worker_can_serve_is_one_line(tmp_path: Path, run) -> None:
    (tmp_path / "m.zip").write_bytes(b"PK no bundle")
    code, _, err = run(tmp_path, "serve", "m.zip", "--workers", "2", "--port", "0")
    assert code == 1 and err.count("\n") == 1 and "damaged" in err


def test_tokens_that_cannot_be_read_are_one_line_and_no_worker_is_started(
    bundles: dict[str, Path], tmp_path: Path, run, monkeypatch: pytest.MonkeyPatch
) -> None:
    words = ("serve", str(bundles["binary"]), "--port", "0")
    code, out, told = run(tmp_path, *words, "--workers", "2", "--tokens", "no such.yaml")
    assert (code, out, told.count("\n")) == (1, "", 1)
    assert told.endswith(": run `stemma service token NAME --file 'no such.yaml'`\n")
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path / "none"))
    code, out, told = run(tmp_path, *words)
    assert (code, out, told.count("\n"), "names no folder" in told) == (1, "", 1, True)


def test_an_interrupt_while_workers_start_is_one_line(bundles: dict[str, Path]) -> None:
    command = ["stemma", "serve", "--port", "0", "--workers", "2", str(bundles["regression"])]
    cold = os.environ | {"STEMMA_COLD": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=cold, start_new_session=True) as process:
        until(lambda: len(psutil.Process(process.pid).children()) == 2)
        os.killpg(process.pid, signal.SIGINT)
        said = process.communicate(timeout=HANGS)[1]
    assert (process.returncode, said) in [(130, "error: interrupted\n"), (0, "")]
