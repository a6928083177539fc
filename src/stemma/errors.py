"""Everything that can go wrong, as one family. Each says what is wrong, where, and the next command:
"models/weights is not there: run `dvc checkout`".
"""

import errno
import os
import signal
import sys
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

from stemma.text import cut, say

NUMBERS = {
    errno.ENOSPC: "the disk is full: make room",
    errno.EDQUOT: "the disk's quota is used up: make room",
    errno.EROFS: "the disk is mounted read-only: mount it for writing, or choose another folder",
    errno.EACCES: "this user may not do this: change the folder's owner or mode",
    errno.EPERM: "this user may not do this: change the folder's owner or mode",
    errno.ENOTDIR: "a part of the path is a file: correct the path",
    errno.EIO: "the disk has a fault: look at the system's log, and copy what is there elsewhere",
}
ENDING = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
INTERRUPTS = [signal.SIGINT, *ENDING]


class StemmaError(Exception):
    """What is wrong and where, in one line.

    Args:
        what: the fault and its place, without a full stop.
        run: the command that helps, shown as "run `...`"; None where no one command does.
    """

    def __init__(self, what: str, run: str | None = None) -> None:
        self.what = cut(what)  # names of a stranger's are as long as he likes
        self.run = run
        super().__init__(f"{self.what}: run `{run}`" if run else self.what)


class SettingsError(StemmaError):
    """conf/ or params.yaml is wrong, or the two differ."""


class ToolkitError(StemmaError):
    """The toolkit that runs is not the locked one, or the lock is none."""


class DataError(StemmaError):
    """A table, its columns or its split cannot be used."""


class TrainingError(StemmaError):
    """A fit cannot start or cannot go on."""


class EvaluationError(StemmaError):
    """Predictions do not meet what a rule or the quality gate asks."""


class RunnerError(StemmaError):
    """A job failed, its process died, or there is nobody to run it."""


class EntryError(StemmaError):
    """What was added to a table cannot be loaded, fails, or is not what the table holds."""


class WeightsError(StemmaError):
    """The weights store is missing, damaged or of another format."""


class ExportError(StemmaError):
    """A graph cannot be made, or does not give what the framework gives."""


class BundleError(StemmaError):
    """A bundle is missing, damaged or does not fit its input."""


class RowError(BundleError):
    """A value of the rows to predict does not fit, or a column is not there.

    Args:
        row: its number; None where all rows lack the column.
        wanted: what was expected.
    """

    def __init__(self, what: str, column: str, row: int | None, wanted: str) -> None:
        self.column, self.row, self.wanted = column, row, wanted
        super().__init__(what)

    def within(self, name: object) -> "RowError":
        """The same, told with the file that holds the rows."""
        return RowError(f"{name}: {self.what}", self.column, self.row, self.wanted)


class GraphError(BundleError):
    """A graph does not answer values that fit its signature: what went wrong is its own, and nobody's who asked."""


class VersionError(StemmaError):
    """A revision does not exist, or a part of it is missing or damaged."""


class MissingExtra(StemmaError):
    """An optional package is not installed."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed", run=f'pip install -c requirements.lock -e ".[{extra}]"')


@contextmanager
def one_line(debug: bool = False) -> Iterator[None]:
    """Turn an error of ours or of a disk into one line on stderr and exit code 1, an interrupt into one line and 130.

    What would end the process at once is an interrupt too, so that it cleans up behind itself: SIGTERM, with exit code
    143, and SIGHUP.

    Args:
        debug: show the whole trace instead. The environment's STEMMA_DEBUG=1 does the same.
    """
    _open_standard()
    heeded = [each for each in ENDING if signal.getsignal(each) == signal.SIG_DFL]
    for each in heeded:
        signal.signal(each, _interrupt)
    try:
        try:
            yield
        except SystemExit:
            sys.stdout.flush()  # here a full disk can still be told
            raise
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough, as `head`
        _give_up_output()
        raise SystemExit(0) from None
    except (StemmaError, OSError) as error:
        _give_up_output()
        if debug or os.environ.get("STEMMA_DEBUG") == "1":  # --debug sets it meanwhile
            raise
        _stop(told_by_system(error) if isinstance(error, OSError) else str(error))
    except KeyboardInterrupt as interrupt:
        number = next((each for each in interrupt.args if each in ENDING), signal.SIGINT)
        _stop("interrupted", 128 + number)  # as shells count it
    finally:
        for each in heeded:
            if signal.getsignal(each) == _interrupt:  # a stage that has passed is deaf to them from there on
                signal.signal(each, signal.SIG_DFL)


def _interrupt(number: int, _: Any) -> NoReturn:
    raise KeyboardInterrupt(number)


@contextmanager
def interrupts_held(numbers: Iterable[signal.Signals] = (signal.SIGINT,)) -> Iterator[None]:
    """An interrupt in the block comes at its end, when who asks knows what started in it.

    Args:
        numbers: the signals. One that also ends what starts may not be held while anything is written to that.
    """
    before = {each: signal.getsignal(each) for each in numbers}
    # What starts shall ignore what is ignored here; what ends the process at once may; and only main may set handlers.
    held = {each: handler for each, handler in before.items() if callable(handler)}
    if threading.current_thread() is not threading.main_thread():
        held = {}
    came: list[int] = []
    for each in held:
        signal.signal(each, lambda number, _: came.append(number))
    try:
        yield
    finally:
        for each, handler in held.items():
            signal.signal(each, handler)
        if came:
            signal.raise_signal(came[0])


def told_by_system(error: OSError) -> str:
    """Where it happened, as far as that is known, and what to do."""
    where = f"{error.filename}: " if error.filename else ""
    return cut(where) + (NUMBERS.get(error.errno or 0) or error.strerror or type(error).__name__)


def _stop(what: str, code: int = 1) -> NoReturn:
    say(f"error: {what}", error=True)
    raise SystemExit(code) from None


def _open_standard() -> None:
    """Streams that the caller closed: else the next file that is opened would be one. Output to them still fails."""
    for number, flags in enumerate((os.O_RDONLY, os.O_RDONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, flags)
    sys.stdout = sys.stdout or open(1, "w", encoding="utf-8", closefd=False)  # noqa: SIM115 - until the process ends
    sys.stderr = sys.stderr or open(2, "w", encoding="utf-8", closefd=False)  # noqa: SIM115


def _give_up_output() -> None:
    """What standard output does not take is lost: Python would complain once more at its end."""
    try:
        sys.stdout.flush()
    except OSError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
