"""`stemma watch guard`: takes a young version back that is beyond its bounds."""

import os
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from stemma.cli.follow import seconds
from stemma.cli.gc import age_of
from stemma.cli.service import HERE, Url
from stemma.errors import SettingsError
from stemma.text import say

if TYPE_CHECKING:
    from stemma.serve.settings import RollbackSettings
    from stemma.watch.guard import Rules

WEBHOOK = "STEMMA_WEBHOOK"
Figures = Annotated[
    list[str] | None, typer.Option("--figure", metavar="NAME=BOUND", help="A figure by outcomes, such as accuracy=0.9.")
]
Sources = Annotated[
    list[Path] | None,
    typer.Option("--source", metavar="SOURCE", help="A bundle or a folder of versions that is served."),
]
Follows = Annotated[
    list[str] | None,
    typer.Option(metavar="MODEL=STAGE@SOURCE", help="A stage that is rolled back with it, in that repository."),
]
Hook = Annotated[
    str | None,
    typer.Option(metavar="URL", envvar=WEBHOOK, help="Is told, signed, when what serves changed, or what drifts."),
]


def guard(
    log: Annotated[Path | None, typer.Argument(metavar="[LOG]", help="The folder of the server's request log.")] = None,
    url: Url = HERE,
    young: Annotated[str, typer.Option(metavar="AGE", help="How long a version is young.")] = "1h",
    errors: Annotated[float | None, typer.Option(help="Share of its requests that may fail.")] = None,
    latency: Annotated[float | None, typer.Option(help="Seconds that 1 % of them may exceed.")] = None,
    drift: Annotated[bool, typer.Option("--drift", help="Its predictions may not be far from the test rows'.")] = False,
    figure: Figures = None,
    source: Sources = None,
    follows: Follows = None,
    webhook: Hook = None,
    poll: Annotated[float, typer.Option(parser=seconds, metavar="10s", help="Between two looks.")] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> None:
    """Take a version back while it is young, as soon as it is beyond a bound for certain.

    What the version before does too is not its fault. Nothing is taken back twice.

    Example: stemma watch guard requests --errors 0.02 --latency 0.2 --once
    """
    from stemma.cli.looks import Guard
    from stemma.follow import beside
    from stemma.serve.settings import RollbackSettings
    from stemma.settings import checked
    from stemma.watch.guard import Rules
    from stemma.watch.webhook import VARIABLE, Webhook

    bounds = {name: bound_of(name, text) for name, _, text in (each.partition("=") for each in figure or ())}
    rules = Rules(age_of("--young", young).total_seconds(), errors, latency, drift, bounds)
    _check_options(rules, log, webhook)
    checked(RollbackSettings, {**asdict(rules), "young": young, "poll": poll}, "stemma watch guard")
    tell = beside_the_server if attached else say
    if attached:
        beside.end_with_parent()
    hook = None if webhook is None else Webhook(webhook, os.environ.get(VARIABLE, ""), tell)
    post = (lambda event: None) if hook is None else hook.post
    looks = Guard(log, url, rules, source or (), tell, post, dict(map(_followed, follows or ())))
    if not once:
        return looks.poll(poll)
    looks.look()
    return None if hook is None else hook.flush()


def _check_options(rules: "Rules", log: Path | None, webhook: str | None) -> None:
    """That they are bounds, and that something can be judged by them."""
    if rules.errors is not None and not 0 < rules.errors < 1:
        raise typer.BadParameter(f"{rules.errors} is no share between 0 and 1", param_hint="--errors")
    if rules.latency is not None and not rules.latency > 0:
        raise typer.BadParameter(f"{rules.latency} is no time", param_hint="--latency")
    if log is None and needs_log(rules):
        raise typer.BadParameter("--latency, --drift and --figure are judged by a request log", param_hint="LOG")
    if rules.errors is None and not needs_log(rules) and webhook is None:
        raise typer.BadParameter("no bound is given, such as --errors 0.02", param_hint="--errors")


def needs_log(rules: "Rules | RollbackSettings") -> bool:
    return rules.latency is not None or rules.drift or bool(rules.figure)


def _followed(text: str) -> tuple[str, tuple[str, str]]:
    model, _, of = text.partition("=")
    stage, given, source = of.partition("@")
    if not (model and stage and given and source):
        raise typer.BadParameter(f"{text!r} is no MODEL=STAGE@SOURCE", param_hint="--follows")
    return model, (stage, source)


def beside_the_server(told: str) -> None:
    from stemma.serve import log

    log.note("guard", told=told)


def bound_of(name: str, text: str) -> float:
    from stemma.metrics import METRICS
    from stemma.text import nearest

    if name not in METRICS:
        raise SettingsError(f"{name!r} is no metric{nearest(name, METRICS)}")
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{name}={text} is no bound, such as {name}=0.9", param_hint="--figure") from None
