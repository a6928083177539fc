"""`stemma register`, `promote`, `demote`, `retire`, `history`: the model registry in Git tags."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stemma.cli.compare import Margin
from stemma.cli.here import repository
from stemma.cli.options import On, Require, argument, flag, option
from stemma.cli.output import AsJson, AsMarkdown, Report, Table, answer, done, plain
from stemma.text import counted, say

if TYPE_CHECKING:
    from stemma.registry.history import Event, History

Why = Annotated[str | None, typer.Option("-m", "--why", "--message", help="Kept as the tag's message.")]
Sign = Annotated[bool, flag("--sign", "Sign the tag with the key of Git's settings.")]
Push = Annotated[bool, flag("--push", "To the Git remote too, or not at all: whoever is second there is told.")]


def register(
    rev: Annotated[str | None, argument("[REV]", "HEAD by default, with nothing left to commit.")] = None,
    version: Annotated[str | None, option("1.2.0", "The number.")] = None,
    bump: Annotated[
        Literal["major", "minor", "patch"] | None,
        typer.Option(
            help="Raise this part of the highest number. By default: structure or signature changed, major; retrained, "
            "minor; the same weights, patch."
        ),
    ] = None,
    why: Why = None,
    sign: Sign = False,
    push: Push = False,
    as_json: AsJson = False,
) -> None:
    """Give a commit with a trained model a number: the tag model@v1.2.0.

    Example: stemma register -m "More rows"
    """
    from stemma.registry.register import register
    from stemma.registry.writing import Tagging

    if version is not None and bump is not None:
        raise typer.BadParameter("give it or --bump, not both", param_hint="--version")
    made = register(repository(), rev, version=version, bump=bump, why=why, tagging=Tagging(sign, push))
    tell([made], True, push, as_json)


def promote(
    version: Annotated[str, argument("VERSION", "v1.2.0, or a revision that is registered.")],
    stage: Annotated[str, argument("STAGE", "dev, staging, prod: any name.")],
    require: Require = None,
    margin: Margin = None,
    on: On = None,
    metric: Annotated[str | None, typer.Option(help="Compare by this figure.")] = None,
    local: Annotated[
        bool, flag("--local", "The project has no DVC remote: look for the objects in the cache.")
    ] = False,
    why: Why = None,
    sign: Sign = False,
    push: Push = False,
    as_json: AsJson = False,
) -> None:
    """Let a registered version take a stage: the tag model#prod#4. Every object of it must be in the DVC remote.

    With --require, it is compared with the version that is there now.

    Example: stemma promote v1.2.0 prod --require better -m "Fewer false alarms"
    """
    from stemma.registry.promote import Judgement, promote
    from stemma.registry.writing import Tagging

    given = {"--margin": margin, "--on": on, "--metric": metric}
    for name, value in given.items():
        if value is not None and require is None:
            raise typer.BadParameter("it goes with --require", param_hint=name)
    if margin is not None and require != "not-worse":
        raise typer.BadParameter("it goes with --require not-worse", param_hint="--margin")
    judgement = None if require is None else Judgement(require, margin, on, metric)
    tagging = Tagging(sign, push)
    made = promote(repository(), version, stage, why=why, judgement=judgement, local=local, tagging=tagging)
    if require is not None and made.before is None and not as_json:
        say(f"{stage} was empty: there was nothing to compare with")
    tell([made], why is not None, push, as_json)


def demote(
    name: Annotated[str, argument("STAGE|VERSION", "A stage, or a version: all that it holds.")],
    why: Why = None,
    sign: Sign = False,
    push: Push = False,
    as_json: AsJson = False,
) -> None:
    """Leave a stage empty: the tag model#prod!#5. `stemma rollback` gives it to the version before instead.

    Example: stemma demote prod -m "Taken out of service"
    """
    from stemma.registry.promote import demote
    from stemma.registry.writing import Tagging

    made = demote(repository(), name, why=why, tagging=Tagging(sign, push))
    tell(made, why is not None, push, as_json)


def retire(
    version: Annotated[str, argument("VERSION", "v1.2.0, or a revision that is registered.")],
    why: Annotated[str, typer.Option("-m", "--why", "--message", help="Kept as the tag's message.")],
    sign: Sign = False,
    push: Push = False,
    as_json: AsJson = False,
) -> None:
    """Take a version out of the registry: the tag model@v1.2.0!. It must be in no stage; its commit stays.

    Example: stemma retire v1.0.0 --why "Trained on the wrong rows"
    """
    from stemma.registry.register import retire
    from stemma.registry.writing import Tagging

    made = retire(repository(), version, why, tagging=Tagging(sign, push))
    tell([made], True, push, as_json)


def history(
    stage: Annotated[str | None, argument("[STAGE]", "The events of this stage alone.")] = None,
    verify: Annotated[bool, flag("--verify", "Check every tag's signature; exit 1 unless all are good.")] = False,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """List what happened to the versions, the oldest event first: what, when, who, why.

    Example: stemma history prod
    """
    from stemma.registry.history import history

    found = history(repository(), stage, verify=verify)
    answer(found, lambda: report(found), as_json, as_md)
    raise typer.Exit(1 if found.is_sound is False else 0)


def report(found: "History") -> Report:
    if not found.events:
        return ["nothing is registered: run `stemma register`"]
    headers: tuple[str, ...] = ("event", "version", "stage", "when (UTC)", "who", "why")
    rows: list[tuple[str, ...]] = [
        (event.kind, event.name, _stage(event), f"{event.when:%Y-%m-%d %H:%M:%S}", event.who, _first(event.why))
        for event in found.events
    ]
    if found.verified:
        headers = (*headers, "signature")
        rows = [(*row, event.signature or "") for row, event in zip(rows, found.events, strict=True)]
    parts: list[str | Table] = [Table(headers, rows, left=None)]
    if found.stages:
        held = ", ".join(f"{stage} {version}" for stage, version in found.stages.items())
        parts.append(f"now: {held}")
    return parts + ([_signatures(found)] if found.verified else [])


def _signatures(found: "History") -> str:
    count = {state: sum(event.signature == state for event in found.events) for state in ("good", "bad", "none")}
    lines = [f"signatures: {count['good']} good, {count['bad']} bad, {counted(count['none'], 'event')} without"]
    lines += [f"bad: {event.tag}: {_first(event.signer or '')}" for event in found.events if event.signature == "bad"]
    return "\n".join(lines)


def _stage(event: "Event") -> str:
    """The stage, with what it held before or holds again."""
    if event.stage is None:
        return ""
    if event.kind == "Demoted":
        return f"{event.stage}, now {event.after or 'empty'}"
    return f"{event.stage}, was {event.before}" if event.before else event.stage


def _first(text: str) -> str:
    return text.splitlines()[0] if text else ""


def tell(made: "Sequence[Event]", with_why: bool, pushed: bool, as_json: bool) -> None:
    """What was done, and the command that shares it."""
    from stemma.repo.git import remotes

    with done(", ".join(f"{event.kind} {event.name} ({event.tag})" for event in made)):
        if as_json:
            return say(json.dumps([plain(event) for event in made], indent=2))
        for event in made:
            where = f" {'from' if event.kind == 'Demoted' else 'to'} {_stage(event)}" if event.stage else ""
            say(f"{event.kind} {event.name}{where}" + (f": {_first(event.why)}" if with_why else ""))
        if names := [] if pushed else remotes(repository()):
            tags = " ".join(f"'{event.tag}'" for event in made)
            say(f"not pushed: git push {'origin' if 'origin' in names else names[0]} {tags}")
