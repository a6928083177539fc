"""Run a program by a server's fork; SCRIPT is `-` for Python itself.

The child's exit code becomes one's own; signals go to it; when the client is killed, the server kills the child.
Thousands of these start in a run of the tests, so it uses what needs no import: C's own modules, no pathlib, no json,
no array, which brings the collections along.
"""

import _signal as signal
import os
import sys
from _socket import AF_UNIX, SCM_RIGHTS, SOL_SOCKET, socket
from select import select

COLD = b"cold"  # the server's word for: start it yourself
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
A_WORKER = ["-u", "-c"]  # how pytest-xdist starts one: a program, read from standard input
SPAWNED = "--multiprocessing-fork"  # the last word of how multiprocessing starts one


def main(place: str, python: str, script: str) -> None:
    arguments = sys.argv[1:]
    command = arguments if script == "-" else [script, *arguments]
    if not os.environ.get("STEMMA_COLD") and can_be_forked(command):
        run_by_server(place + os.environ.get("PYTHONHASHSEED", ""), command)
    os.execv(python, [python, *command])  # noqa: S606 - there is no shell, and none is wanted


def can_be_forked(command: list[str]) -> bool:
    """A script, or `-m MODULE`, perhaps with -P, or a worker of the tests or of multiprocessing: no other option."""
    words = command[1:] if command[:1] == ["-P"] else command
    if command[:2] == A_WORKER or command[-1:] == [SPAWNED]:
        return True
    return bool(words) and (words[0] == "-m" or not words[0].startswith("-"))


def run_by_server(place: str, command: list[str]) -> None:
    """Be the child until it ends; return where the server says that it should not be forked, or is not there."""
    streams = opened()
    server = socket(AF_UNIX)
    try:
        server.connect(place)
    except OSError:
        return
    umask = os.umask(0)
    os.umask(umask)
    here = os.getcwd()  # noqa: PTH109 - pathlib takes as long to import as all else here
    request = {"command": command, "folder": here, "environment": dict(os.environ), "umask": umask, "streams": streams}
    send(server, request, streams)
    first = line(server)
    if first == COLD:
        return
    woken, wake = os.pipe()
    os.set_blocking(wake, False)
    signal.set_wakeup_fd(wake)  # each signal's number: a handler of Python's would not end a wait that just begins
    for number in PASSED_ON:
        if signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
    while server not in select([server, woken], [], [])[0]:
        try:
            os.kill(int(first), os.read(woken, 1)[0])
        except ProcessLookupError:  # it has just ended, and the server is about to say how
            continue
    end(int(line(server) or -9))  # the server was killed, and its children with it


def opened() -> list[int]:
    """The standard streams, and what else was handed on, such as the pipes of multiprocessing."""
    found = []
    for number in sorted(map(int, os.listdir("/dev/fd"))):  # noqa: PTH208 - pathlib takes as long as all else here
        try:
            os.fstat(number)
        except OSError:  # it was open to read the list
            continue
        found.append(number)
    return found


def send(server: socket, request: dict[str, object], streams: list[int]) -> None:
    """The request's length, with the streams beside it; then the request, as Python writes it."""
    text = repr(request).encode("utf-8", "surrogateescape")
    numbers = b"".join(stream.to_bytes(4, sys.byteorder) for stream in streams)
    server.sendmsg([b"%9d\n" % len(text)], [(SOL_SOCKET, SCM_RIGHTS, numbers)])
    server.sendall(text)


def line(server: socket) -> bytes:
    """The server's next line; empty where it is gone."""
    told = b""
    while not told.endswith(b"\n") and (more := server.recv(1)):
        told += more
    return told.strip()


def end(code: int) -> None:
    """End as the child did: below zero, by a signal."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    os._exit(code)
