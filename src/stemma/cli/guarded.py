"""The guard that a server's settings ask for, in a process beside it."""

import os
import sys
from contextlib import nullcontext
from pathlib import Path
from typing import TYPE_CHECKING

from stemma.cli.guard import WEBHOOK, beside_the_server, bound_of, needs_log
from stemma.errors import SettingsError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from stemma.serve.process import Beside
    from stemma.serve.settings import RollbackSettings, ServeSettings


def guarding(settings: "ServeSettings", served: "ServeSettings") -> "Beside":
    """The guard that a server's settings ask for, in a process beside it.

    Args:
        served: the same, with folders of versions in the place of repositories.

    Raises:
        SettingsError: it could not do its work.
    """
    if settings.auto_rollback is None and settings.webhook is None:
        return lambda address: nullcontext()
    from stemma.cli import client
    from stemma.follow import beside
    from stemma.serve.settings import RollbackSettings

    _check(settings, served)
    rules = settings.auto_rollback or RollbackSettings()
    words = ["watch", "guard", "--attached", f"--young={rules.young}", f"--poll={rules.poll}"]
    words += ["--drift"] * rules.drift + [f"--source={each.source}" for each in served.models]
    for model, folder in zip(settings.models, served.models, strict=True):
        name = model.name or Path(folder.source).name
        words += [] if model.stage is None else [f"--follows={name}={model.stage}@{model.source}"]
    told = {"errors": rules.errors, "latency": rules.latency}
    words += [f"--{name}={bound}" for name, bound in told.items() if bound is not None]
    words += [f"--figure={name}={bound}" for name, bound in rules.figure.items()]
    os.environ |= {} if settings.webhook is None else {WEBHOOK: settings.webhook}  # others see a command line
    os.environ |= {} if settings.tls is None else {client.SHOWN: settings.tls.cert}  # of another name than 127.0.0.1
    words += [] if settings.log is None else ["--", settings.log.folder]
    command = [sys.executable, "-P", "-m", "stemma.cli", *words[:2]]
    return lambda address: beside.running([*command, f"--url={address}", *words[2:]], beside_the_server)


def _check(settings: "ServeSettings", served: "ServeSettings") -> None:
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
        _check_figures(settings.auto_rollback.figure, served)


def _check_rules(settings: "ServeSettings", rules: "RollbackSettings") -> None:
    if not settings.admin:
        raise SettingsError("auto_rollback orders a version back, and the server takes no orders: add `admin: true`")
    if rules.errors is None and not needs_log(rules):
        raise SettingsError("auto_rollback has no bound: add errors, latency, drift or figure, such as `errors: 0.02`")
    if settings.log is None and needs_log(rules):
        raise SettingsError("latency, drift and figures are judged by the request log: add `log: {folder: requests}`")


def _check_figures(figure: "Mapping[str, float]", served: "ServeSettings") -> None:
    """That each judges something: of the tasks of versions that are there; of others, the guard tells."""
    from stemma.cli import observe
    from stemma.watch.guard import lacking

    for name, bound in figure.items():
        bound_of(name, str(bound))
    tasks = {each.signature.task for each in observe.sources(served.models)} if figure else set()
    for name in set.intersection(*(set(lacking(figure, task)) for task in tasks)) if tasks else ():
        told = ", ".join(sorted(tasks))
        raise SettingsError(f"auto_rollback.figure would judge nothing by {name}: it is no figure of a {told} task")
