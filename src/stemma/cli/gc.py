"""`stemma gc`: what nothing needs any more, moved out of the cache and the remote."""

import re
import shlex
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer
from typer.core import TyperCommand

from stemma.cli.here import repository
from stemma.cli.output import AsJson, AsMarkdown, Report, Table, in_bytes, show, show_json

if TYPE_CHECKING:
    from stemma.storage.gc import Collected, Moved, Plan

MOST = 20  # commits in the table, names in the line of those that stay
AGE = re.compile(r"(\d+)([mhdw])")
UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}
DEFAULT = "the default one"


class Command(TyperCommand):
    """`--remote` alone stands for the default remote."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        for place in reversed([place for place, word in enumerate(args) if word == "--remote"]):
            if place + 1 == len(args) or args[place + 1].startswith("-"):
                args.insert(place + 1, DEFAULT)
        return super().parse_args(ctx, args)


def gc(
    apply: Annotated[bool, typer.Option("--apply", help="Move it to the trash; without this, only show it.")] = False,
    undo: Annotated[bool, typer.Option("--undo", help="Bring back what the last run moved.")] = False,
    empty_trash: Annotated[bool, typer.Option("--empty-trash", help="Delete for good what is in the trash.")] = False,
    remote: Annotated[
        list[str] | None, typer.Option(metavar="[NAME]", help="This remote too; without a name, the default one.")
    ] = None,
    older_than: Annotated[
        str | None,
        typer.Option(
            metavar="AGE", help="Only what was written before, such as 30d, 12h, 0; by default 1d, of the trash all."
        ),
    ] = None,
    experiments: Annotated[
        str, typer.Option(metavar="all|none|AGE", help="Experiments that stay: all, none, or those younger than AGE.")
    ] = "all",
    drop_retired: Annotated[bool, typer.Option("--drop-retired", help="Retired versions need not stay.")] = False,
    keep: Annotated[list[str] | None, typer.Option(metavar="REV", help="A revision that stays too.")] = None,
    project: Annotated[
        list[Path] | None,
        typer.Option(metavar="FOLDER", help="Another repository with the same cache or remote: it keeps its objects."),
    ] = None,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Show what no version, stage, tag, branch, experiment or work tree needs; with --apply, move it to a trash.

    Tags are fetched first. Nothing is deleted before --empty-trash, and --undo brings the last run back.

    Example: stemma gc --remote --older-than 30d --apply
    """
    from stemma.storage import gc

    _fits({"--apply": apply, "--undo": undo, "--empty-trash": empty_trash},
          {"--older-than": older_than is not None, "--experiments": experiments != "all", "--keep": bool(keep),
           "--drop-retired": drop_retired, "--project": bool(project)})  # fmt: skip
    remotes = tuple(None if name == DEFAULT else name for name in remote or ())
    age = None if older_than is None else _age("--older-than", older_than)
    root = repository()
    if undo:
        if len(remotes) > 1:
            raise typer.BadParameter("one remote at a time with --undo", param_hint="--remote")
        moved = gc.undo(root, *remotes, only_remote=bool(remotes))
        show_json({"back": moved}) if as_json else show(_moved(moved, "back"), as_md)
        return
    rules = gc.Rules(
        remotes=remotes,
        older_than=gc.DAY if age is None else age,
        experiments=_experiments(experiments),
        retired=not drop_retired,
        keep=tuple(keep or ()),
        projects=tuple(project or ()),
    )
    if empty_trash:
        moved = gc.empty(root, rules, older_than=age or timedelta())
        show_json({"deleted": moved}) if as_json else show(_moved(moved, "deleted for good"), as_md)
        return
    if apply:
        done = gc.collect(root, rules)
        free = _free(remotes, experiments, drop_retired, keep or (), project or ())
        show_json(done) if as_json else show([*_planned(done.plan, "went"), *_done(done, free)], as_md)
        return
    plan = gc.plan(root, rules)
    show_json(plan) if as_json else show([*_planned(plan, "would go"), *_next(plan)], as_md)


def _fits(modes: dict[str, bool], rules: dict[str, bool]) -> None:
    """Whether the options go together; wrong usage otherwise."""
    given = [mode for mode, on in modes.items() if on]
    if len(given) > 1:
        raise typer.BadParameter(f"{given[0]} or {given[1]}, not both", param_hint=given[1])
    wrong = [rule for rule, on in rules.items() if on] if modes["--undo"] else []
    if wrong:
        raise typer.BadParameter("it says nothing to --undo", param_hint=wrong[0])


def _age(option: str, text: str) -> timedelta:
    match = AGE.fullmatch(text)
    if match is None and text != "0":
        raise typer.BadParameter(
            f"{text!r} is no age: a number with m, h, d or w, such as 30d; or 0", param_hint=option
        )
    try:
        return timedelta() if match is None else timedelta(**{UNITS[match[2]]: int(match[1])})
    except OverflowError:
        raise typer.BadParameter(f"{text!r} is too long", param_hint=option) from None


def _experiments(text: str) -> Literal["all", "none"] | timedelta:
    return text if text in ("all", "none") else _age("--experiments", text)  # type: ignore[return-value]  # as it says


def _planned(plan: "Plan", word: str) -> Report:
    names = list(dict.fromkeys(each.name for each in plan.kept))
    more = f" and {len(names) - MOST} more" if len(names) > MOST else ""
    counted = f"{len(plan.kept)} commit{'s' * (len(plan.kept) != 1)}"
    parts: list[str | Table] = [*plan.fetched]
    parts.append(f"{counted} and the work tree stay{': ' * bool(names)}{', '.join(names[:MOST])}{more}")
    rows = [
        (
            each.place,
            str(each.objects),
            in_bytes(each.size),
            str(each.going),
            in_bytes(each.going_size),
            str(each.young),
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
            parts.append(f"and {len(plan.losses) - MOST} more commits: see --json")
    unknown = sum(each.unknown for each in plan.places)
    if unknown:
        parts.append(f"{unknown} of these objects are in no commit: of runs that were never committed")
    return [*parts, *(f"note: {note}" for note in plan.notes)]


def _next(plan: "Plan") -> Report:
    if not plan.going:
        return [_nothing(plan)]
    return [f"{plan.going} objects, {in_bytes(plan.going_size)}, would move to the trash: run this again with --apply"]


def _nothing(plan: "Plan") -> str:
    young = sum(each.young for each in plan.places)
    return f"nothing to collect{f' yet: {young} objects are too young, see --older-than' * bool(young)}"


def _free(
    remotes: Sequence[str | None], experiments: str, drop_retired: bool, keep: Sequence[str], projects: Sequence[Path]
) -> str:
    """The command that empties the trash by the same rules: others may need what is in it."""
    words = ["stemma", "gc", "--empty-trash"]
    words += [word for name in remotes for word in ("--remote", *([] if name is None else [name]))]
    words += ["--experiments", experiments] if experiments != "all" else []
    words += ["--drop-retired"] if drop_retired else []
    words += [word for name in keep for word in ("--keep", name)]
    words += [word for folder in projects for word in ("--project", str(folder))]
    return shlex.join(words)


def _done(done: "Collected", free: str) -> Report:
    if done.run is None:
        return [_nothing(done.plan)]
    counted = f"{done.plan.going} objects, {in_bytes(done.plan.going_size)}, are in the trash (run {done.run})"
    verified = f"promoted versions are whole: {done.verified} objects looked for"
    return [f"{counted}; {verified}", f"back: stemma gc --undo; to free the disk: {free}"]


def _moved(moved: "Sequence[Moved]", word: str) -> Report:
    if not moved:
        return ["nothing to delete"]
    return [
        "\n".join(
            f"{each.place}: {each.objects} objects, {in_bytes(each.size)}, {word} (run {each.run})" for each in moved
        )
    ]
