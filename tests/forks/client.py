"""Run a program by a server's fork: `client.py SOCKET PYTHON SCRIPT ARGUMENT...`; SCRIPT is `-` for Python itself.

The child's exit code becomes one's own; signals go to it; when the client is killed, the server kills the child.
"""

import json
import os
import signal
import socket
import sys
from array import array

COLD = "cold"  # the server's word for: start it yourself
PASSED_ON = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def main() -> None:
    place, python, script, *arguments = sys.argv[1:]
    command = arguments if script == "-" else [script, *arguments]
    if not os.environ.get("STEMMA_COLD") and can_be_forked(command):
        run_by_server(place, command)
    os.execv(python, [python, *command])  # noqa: S606 - there is no shell, and none is wanted


def can_be_forked(command: list[str]) -> bool:
    """A script, or `-m MODULE`, perhaps with -P: but no other option of Python's."""
    words = command[1:] if command[:1] == ["-P"] else command
    return bool(words) and (words[0] == "-m" or not words[0].startswith("-"))


def run_by_server(place: str, command: list[str]) -> None:
    """Be the child until it ends; return where the server says that it should not be forked, or is not there."""
    with socket.socket(socket.AF_UNIX) as server:
        try:
            server.connect(place)
        except OSError:
            return
        umask = os.umask(0)
        os.umask(umask)
        here = os.getcwd()  # noqa: PTH109 - pathlib takes as long to import as all else here
        request = {"command": command, "folder": here, "environment": dict(os.environ), "umask": umask}
        send(server, json.dumps(request).encode("utf-8", "surrogateescape"))
        answers = server.makefile("r")
        first = answers.readline().strip()
        if first == COLD:
            return
        for number in PASSED_ON:
            if signal.getsignal(number) != signal.SIG_IGN:
                signal.signal(number, lambda number, _: os.kill(int(first), number))
        end(int(answers.readline()))


def send(server: socket.socket, request: bytes) -> None:
    """The request's length, with the standard streams beside it; then the request."""
    streams = array("i", (0, 1, 2))
    server.sendmsg([b"%9d\n" % len(request)], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, streams)])
    server.sendall(request)


def end(code: int) -> None:
    """End as the child did: below zero, by a signal."""
    if code < 0:
        signal.signal(-code, signal.SIG_DFL) if -code not in (signal.SIGKILL, signal.SIGSTOP) else None
        os.kill(os.getpid(), -code)
    os._exit(code)


main()
