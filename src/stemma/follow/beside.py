"""The processes beside a server, one for each stage that it follows, and its guard: they end with it, however that
ends, and come back when they fail.
"""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from stemma.errors import SettingsError
from stemma.follow import passes
from stemma.follow.passes import Asked
from stemma.follow.source import folder_of
from stemma.registry.names import check_stage
from stemma.serve import log
from stemma.serve.settings import ModelSettings, ServeSettings

PAUSE = 2.0  # seconds before it is started again
LOOK = 0.2


def folders(settings: ServeSettings) -> ServeSettings:
    """The same, with the folder of what is published in the place of each repository; a StemmaError where none is."""
    if settings.signature and any(each.stage for each in settings.models):
        raise SettingsError("the bundles of a stage are not signed: ask for signed tags, by `signed: true` of a model")
    models = [each if each.stage is None else _published(each, each.stage) for each in settings.models]
    return settings.model_copy(update={"models": tuple(models)})


def _published(model: ModelSettings, stage: str) -> ModelSettings:
    check_stage(stage)
    folder = folder_of(model.source, stage, model.name)
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    return model.model_copy(update={"source": str(folder)})


@contextmanager
def following(settings: ServeSettings) -> Iterator[None]:
    """Follow each stage for the time of the block; raises as `passes.check`."""
    with ExitStack() as stack:
        for model, served in zip(settings.models, folders(settings).models, strict=True):
            if model.stage is not None:
                passes.check(Asked(model.source, model.stage, Path(served.source)), note)
                words = ["follow", "--attached", f"--stage={model.stage}", f"--folder={served.source}"]
                words += ["--signed"] * model.signed + [f"--poll={settings.stage_poll / 2}", "--", model.source]
                stack.enter_context(running([sys.executable, "-P", "-m", "stemma.cli", *words], note))
        yield


def note(told: str) -> None:
    """Into the log of the server."""
    log.note("follow", told=told)


@contextmanager
def running(command: Sequence[str], say: Callable[[str], None]) -> Iterator[None]:
    """Run a command, which is to call `end_with_parent`, for the time of the block; `say` hears of each new start."""
    stop = threading.Event()
    keeper = threading.Thread(target=_keep, args=(command, say, stop), daemon=True)
    keeper.start()
    try:
        yield
    finally:
        stop.set()
        keeper.join()


def _keep(command: Sequence[str], say: Callable[[str], None], stop: threading.Event) -> None:
    while not stop.is_set():
        try:
            ended: object = _run(command, stop)
        except OSError as error:  # no process is left, or no memory
            ended = error
        if not stop.is_set():
            say(f"the process beside the server ended ({ended}): it is started again")
            stop.wait(PAUSE)


def _run(command: Sequence[str], stop: threading.Event) -> int:
    """The exit code of a command, which is ended when it is to stop."""
    # Of a session of its own: it asks nobody on the terminal for a password, and an interrupt is the server's.
    with subprocess.Popen(command, stdin=subprocess.PIPE, start_new_session=True) as process:
        while process.poll() is None and not stop.wait(LOOK):
            pass
        process.kill()  # `end_with_parent` would end it no better
    return process.returncode


def end_with_parent() -> None:
    """End this process when the one that started it is gone: nobody holds the other end of its input then."""
    signal.signal(signal.SIGTERM, signal.SIG_DFL)  # without a word: the log of the server is JSON

    def wait() -> None:
        os.read(sys.stdin.fileno(), 1)  # `sys.stdin` would be held: what ends by itself, or by a signal, would abort
        os._exit(0)  # what is published appears by one rename: there is nothing to put in order

    threading.Thread(target=wait, daemon=True).start()
