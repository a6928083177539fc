"""Processes that end while a test looks at them: who asks for the state of one may find that it is gone."""

import signal
import subprocess
from contextlib import suppress
from typing import Any

import psutil


class Interrupted(subprocess.Popen[Any]):
    """As this one begins, an interrupt comes."""

    def __init__(self, *arguments: Any, **how: Any) -> None:
        super().__init__(*arguments, **how)
        signal.raise_signal(signal.SIGINT)


def is_gone(process: int) -> bool:
    """Whether it has ended, though nobody may have waited for it yet."""
    with suppress(psutil.NoSuchProcess):
        return psutil.Process(process).status() == psutil.STATUS_ZOMBIE
    return True


def spawned(parent: int) -> list[psutil.Process]:
    """What multiprocessing has started there for its jobs."""
    found = []
    for child in psutil.Process(parent).children():
        with suppress(psutil.NoSuchProcess):
            found += [child] * ("spawn_main" in " ".join(child.cmdline()))
    return found
