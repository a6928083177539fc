"""`stemma watch guard`: takes a young version back that is beyond the bounds of a server's settings.

The server starts it beside itself, where its settings ask for it: `python -m stemma.cli.guard URL`.
"""

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from stemma.cli.options import argument, flag
from stemma.cli.service import HERE, Url
from stemma.errors import SettingsError, one_line
from stemma.text import nearest, say

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from stemma.serve.process import Beside
    from stemma.serve.settings import RollbackSettings, ServeSettings

SETTINGS = "STEMMA_GUARD"  # of the environment, which others do not see as a command line: those of the server


def guard(
    config: Annotated[Path, argument("serve.yaml", "The settings of the server.")],
    url: Url = HERE,
    once: Annotated[bool, flag("--once", "Look once, and end.")] = False,
) -> None:
    """Take a version back while it is young, as soon as it is beyond a bound of `auto_rollback` for certain.

    A server does so itself where its settings say so; this is for one elsewhere. What the version before does too is
    not its fault. Nothing is taken back twice.

    Example: stemma watch guard serve.yaml --url https://example.org --once
    """
    from stemma.serve.settings import ServeSettings

    settings = ServeSettings.of(config)
    if not is_asked_for(settings):
        raise SettingsError(f"{config} asks for no guard: add auto_rollback or webhook")
    _check(settings)
    _watch(settings, url, say, once)


def is_asked_for(settings: "ServeSettings") -> bool:
    return settings.auto_rollback is not None or settings.webhook is not None


def guarding(settings: "ServeSettings") -> "Beside":
    """The guard that a server's settings ask for, in a process beside it; a SettingsError where it could not work."""
    if not is_asked_for(settings):
        return lambda address: nullcontext()
    from stemma.follow import beside

    _check(settings)
    os.environ[SETTINGS] = settings.model_dump_json()
    command = [sys.executable, "-P", "-m", "stemma.cli.guard"]
    return lambda address: beside.running([*command, address], _tell)


def _watch(settings: "ServeSettings", url: str, tell: "Callable[[str], None]", once: bool = False) -> None:
    from stemma.cli.gc import age
    from stemma.cli.looks import Guard
    from stemma.follow import beside
    from stemma.serve.keeper import name_of
    from stemma.serve.settings import RollbackSettings
    from stemma.watch.guard import Rules
    from stemma.watch.webhook import VARIABLE, Webhook

    asked, folders = settings.auto_rollback or RollbackSettings(), beside.folders(settings).models
    young = age(asked.young).total_seconds()
    rules = Rules(young, asked.errors, asked.latency, asked.drift, asked.figure)
    log = None if settings.log is None else Path(settings.log.folder)
    follows = {
        name_of(folder): (model.stage, model.source)
        for model, folder in zip(settings.models, folders, strict=True)
        if model.stage is not None
    }
    hook = None if settings.webhook is None else Webhook(settings.webhook, os.environ.get(VARIABLE, ""), tell)
    post = (lambda event: None) if hook is None else hook.post
    looks = Guard(log, url, rules, folders, tell, post, follows)
    if not once:
        return looks.poll(asked.poll)
    looks.look()
    return None if hook is None else hook.flush()


def _check(settings: "ServeSettings") -> None:
    from stemma.serve import access
    from stemma.watch.webhook import VARIABLE, check

    if settings.webhook is not None:
        check(settings.webhook, os.environ.get(VARIABLE, ""))
    if settings.socket is not None:
        raise SettingsError("auto_rollback and webhook ask the server at its port: leave `socket` out")
    asks = settings.tokens is not None or access.VARIABLE in os.environ
    if asks and not os.environ.get("STEMMA_TOKEN"):
        raise SettingsError("the guard beside the server asks it: STEMMA_TOKEN of the environment must hold a token",
                            run="stemma service token guard --scope admin --scope predict")  # fmt: skip
    if settings.tls is not None and settings.tls.clients is not None and not os.environ.get("STEMMA_CERT"):
        raise SettingsError("the guard beside the server asks it: STEMMA_CERT of the environment must name the file of "
                            "a certificate, and its key, of the authority that `tls.clients` names")  # fmt: skip
    if settings.auto_rollback is not None:
        _check_rules(settings, settings.auto_rollback)
        _check_figures(settings, settings.auto_rollback.figure)


def _check_rules(settings: "ServeSettings", rules: "RollbackSettings") -> None:
    needs_log = rules.latency is not None or rules.drift or bool(rules.figure)
    if not settings.admin:
        raise SettingsError("auto_rollback orders a version back, and the server takes no orders: add `admin: true`")
    if rules.errors is None and not needs_log:
        raise SettingsError("auto_rollback has no bound: add errors, latency, drift or figure, such as `errors: 0.02`")
    if settings.log is None and needs_log:
        raise SettingsError("latency, drift and figures are judged by the request log: add `log: {folder: requests}`")


def _check_figures(settings: "ServeSettings", figure: "Mapping[str, float]") -> None:
    """That each judges something: of the tasks of versions that are there; of others, the guard tells."""
    from stemma.cli import observe
    from stemma.follow import beside
    from stemma.metrics import METRICS
    from stemma.watch.guard import lacking

    for name in figure.keys() - METRICS:
        raise SettingsError(f"{name!r} is no metric{nearest(name, METRICS)}")
    tasks = {each.signature.task for each in observe.sources(beside.folders(settings).models)} if figure else set()
    for name in set.intersection(*(set(lacking(figure, task)) for task in tasks)) if tasks else ():
        told = ", ".join(sorted(tasks))
        raise SettingsError(f"auto_rollback.figure would judge nothing by {name}: it is no figure of a {told} task")


def _tell(told: str) -> None:
    from stemma.serve import log

    log.note("guard", told=told)


def _beside(url: str) -> None:
    """In the process beside a server, which ends with that one."""
    from stemma.cli import client
    from stemma.follow import beside
    from stemma.serve.settings import ServeSettings

    beside.end_with_parent()
    settings = ServeSettings.model_validate_json(os.environ[SETTINGS])
    os.environ |= {} if settings.tls is None else {client.SHOWN: settings.tls.cert}  # of another name than 127.0.0.1
    _watch(settings, url, _tell)


if __name__ == "__main__":
    with one_line():
        _beside(sys.argv[1])
