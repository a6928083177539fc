"""`stemma gc`: what nothing needs any more, moved out of the cache and the remote."""

import re
import shlex
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from stemma.cli.here import repository
from stemma.cli.options import flag, option
from stemma.cli.output import AsJson, AsMarkdown, Report, Table, answer, in_bytes
from stemma.text import by_number, counted, cut, few

if TYPE_CHECKING:
    from stemma.storage.gc import Collected, Moved, Plan, Rules

MOST = 20  # commits in the table, names in the line of those that stay
AGE = re.compile(r"([0-9]+)([mhdw])")
LONGEST = timedelta(weeks=5200)  # beyond it, dates soon are of no calendar
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DEFAULT = "the default one"
MINUTE = timedelta(minutes=1)


class Command(TyperCommand):
    """`--remote` alone stands for the default remote."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for place in reversed([place for place, word in enumerate(args) if word == "--remote"]):
            if place + 1 == len(args) or args[place + 1].startswith("-"):
                args.insert(place + 1, DEFAULT)
        return super().parse_args(ctx, args)


def age(text: str) -> timedelta:
    """Of 30m, 12h, 7d, 4w or 0."""
    match = AGE.fullmatch(text)
    if match is None and text != "0":
        raise typer.BadParameter(f"{text!r} is no age: a number with m, h, d or w, such as 30d; or 0")
    try:
        found = timedelta() if match is None else timedelta(**{UNITS[match[2]]: int(match[1])})
    except (OverflowError, ValueError):  # a number of some thousand digits
        found = timedelta.max
    if found > LONGEST:
        raise typer.BadParameter(f"{cut(repr(text))} is longer than {LONGEST.days // 7}w")
    return found


def _which(text: str) -> str | timedelta:
    return text if text in ("all", "none") else age(text)


def gc(
    apply: Annotated[bool, flag("--apply", "Move it to the trash; without this, only show it.")] = False,
    undo: Annotated[bool, flag("--undo", "Bring back what the last run moved.")] = False,
    empty_trash: Annotated[bool, flag("--empty-trash", "Delete for good what is in the trash.")] = False,
    remote: Annotated[list[str] | None, option("[NAME]", "This remote too; without a name, the default one.")] = None,
    older_than: Annotated[
        timedelta | None, option("AGE", "Only what was written before: 30d, 12h, 0 [1d; of the trash 0].", parser=age)
    ] = None,
    experiments: Annotated[
        Any, option("all|none|AGE", "That stay: all, none, or what is younger than AGE.", parser=_which)
    ] = "all",
    drop_retired: Annotated[bool, flag("--drop-retired", "Retired versions need not stay.")] = False,
    project: Annotated[
        list[Path] | None, option("FOLDER", "Another repository with the same cache or remote: it keeps its objects.")
    ] = None,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Show what no version, stage, tag, branch, experiment or work tree needs; with --apply, move it to a trash.

    Tags are fetched first. Nothing is deleted before --empty-trash, and --undo brings the last run back.

    Example: stemma gc --remote --older-than 30d --apply
    """
    from stemma.storage import gc

    mode = _mode({"apply": apply, "undo": undo, "empty_trash": empty_trash})
    remotes = tuple(None if name == DEFAULT else name for name in remote or ())
    before = gc.DAY if older_than is None else older_than
    rules = gc.Rules(remotes, before, experiments, not drop_retired, tuple(project or ()))
    found, report = _done(mode, rules, older_than)
    answer(found, lambda: report, as_json, as_md)


def _mode(modes: dict[str, bool]) -> str:
    """What to do; to plan where nothing is given, wrong usage where too much is."""
    given = [mode for mode, on in modes.items() if on]
    if len(given) > 1:
        one, other = (f"--{mode.replace('_', '-')}" for mode in given[:2])
        raise typer.BadParameter(f"{one} or {other}, not both", param_hint=other)
    return given[0] if given else "plan"


def _done(mode: str, rules: "Rules", older_than: timedelta | None) -> tuple[Any, Report]:
    """Do it: what was found, and its report."""
    from stemma.storage import gc

    if mode == "undo":
        if older_than is not None or replace(rules, remotes=()) != gc.Rules():  # the last run comes back as it went
            raise typer.BadParameter("it goes with --remote alone", param_hint="--undo")
        if len(rules.remotes) > 1:
            raise typer.BadParameter("one remote at a time with --undo", param_hint="--remote")
        moved = gc.undo(repository(), *rules.remotes, only_remote=bool(rules.remotes))
        return {"back": moved}, _moved(moved, "back")
    root = repository()
    if mode == "empty_trash":
        moved = gc.empty(root, rules, older_than=older_than or timedelta())
        return {"deleted": moved}, _moved(moved, "deleted for good")
    if mode == "apply":
        done = gc.collect(root, rules)
        return done, [*_planned(done.plan, "went"), *_collected(done, _to_free(rules))]
    plan = gc.plan(root, rules)
    return plan, [*_planned(plan, "would go"), *_next(plan)]


def _to_free(rules: "Rules") -> str:
    """The command that empties the trash by the same rules: others may need what is in it."""
    words = ["stemma", "gc", "--empty-trash"]
    words += [word for name in rules.remotes for word in ("--remote", *([] if name is None else [name]))]
    younger = rules.experiments if isinstance(rules.experiments, str) else f"{rules.experiments // MINUTE}m"
    words += [] if younger == "all" else ["--experiments", younger]
    words += [] if rules.retired else ["--drop-retired"]
    words += [word for folder in rules.projects for word in ("--project", str(folder))]
    return shlex.join(words)


def _planned(plan: "Plan", word: str) -> Report:
    names = list(dict.fromkeys(each.name for each in plan.kept))
    parts: list[str | Table] = [*plan.fetched]
    parts.append(f"{counted(len(plan.kept), 'commit')} and the work tree stay{': ' * bool(names)}{few(names, MOST)}")
    rows = [
        (
            *(each.place, str(each.objects), in_bytes(each.size)),
            *(str(each.going), in_bytes(each.going_size), str(each.young)),
        )
        for each in plan.places
    ]
    parts.append(Table(("place", "objects", "bytes", word, "bytes", "too young"), rows))
    if plan.losses:
        places = [each.place for each in plan.places]
        losses = [
            (each.commit[:7], each.subject[:50], str(each.objects), *(in_bytes(each.sizes[name]) for name in places))
            for each in plan.losses[:MOST]
        ]
        parts.append(Table(("commit", "subject", "objects", *places), losses, left=2))
        if len(plan.losses) > MOST:
            parts.append(f"and {counted(len(plan.losses) - MOST, 'more commit')}: see --json")
    unknown = sum(each.unknown for each in plan.places)
    if unknown:
        are = by_number(unknown, "is", "are")
        parts.append(f"{unknown} of these objects {are} in no commit: of runs that were never committed")
    return [*parts, *(f"note: {note}" for note in plan.notes)]


def _next(plan: "Plan") -> Report:
    if not plan.going:
        return [_nothing(plan)]
    objects = counted(plan.going, "object")
    return [f"{objects}, {in_bytes(plan.going_size)}, would move to the trash: run this again with --apply"]


def _nothing(plan: "Plan") -> str:
    young = sum(each.young for each in plan.places)
    yet = f" yet: {counted(young, 'object is', 'objects are')} too young, see --older-than"
    return f"nothing to collect{yet * bool(young)}"


def _collected(done: "Collected", free: str) -> Report:
    if done.run is None:
        return [_nothing(done.plan)]
    going = done.plan.going
    are = by_number(going, "is", "are")
    moved = f"{counted(going, 'object')}, {in_bytes(done.plan.going_size)}, {are} in the trash (run {done.run})"
    verified = f"promoted versions are whole: {counted(done.verified, 'object')} looked for"
    return [f"{moved}; {verified}", f"back: stemma gc --undo; to free the disk: {free}"]


def _moved(moved: "Sequence[Moved]", word: str) -> Report:
    if not moved:
        return ["nothing to delete"]
    lines = (
        f"{each.place}: {counted(each.objects, 'object')}, {in_bytes(each.size)}, {word} (run {each.run})"
        for each in moved
    )
    return ["\n".join(lines)]
