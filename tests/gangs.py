"""A worker of the tests of gangs: it is made in another process, so it stands in a module."""

import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from stemma.errors import RunnerError
from stemma.runners import Place


def hold(sign: Path) -> None:
    """A job that has begun when the sign is there, and does not end."""
    sign.touch()
    time.sleep(600)


@dataclass
class Counter:
    where: Place
    count: int
    values: Any

    def place(self) -> int:
        return self.where.number

    def meeting(self) -> str:
        return self.where.meeting

    def number(self) -> int:
        return os.getpid()

    def hold(self, sign: Path) -> None:
        hold(sign)

    def add(self, more: int) -> int:
        self.count += more
        return self.count

    def array(self) -> list[int]:
        return [int(value) for value in self.values]

    def write(self) -> list[int]:
        self.values[0] = 9
        return self.array()

    def folder(self) -> str:
        return str(Path(urlparse(self.where.meeting).path).parent)

    def files(self) -> int:
        return len(list(Path(self.folder()).iterdir()))

    def refuse(self, number: int) -> None:
        if self.where.number == number:
            raise RunnerError("no more than this", run="less")

    def lose(self, number: int) -> None:
        if self.where.number != number:
            raise RunnerError("the other one is gone")
        time.sleep(0.3)
        os.kill(os.getpid(), signal.SIGKILL)

    def leave(self) -> None:
        if self.where.number == 0:
            os._exit(3)
        time.sleep(60)
