"""`stemma rollback`: back to a version, code, settings, data and model together; or a stage back to what it held."""

from typing import TYPE_CHECKING, Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import argument, flag
from stemma.cli.output import AsJson, AsMarkdown, Report, Table, answer, done, in_bytes
from stemma.text import counted

if TYPE_CHECKING:
    from stemma.rollback import Environment, Plan, Rollback


def rollback(
    rev: Annotated[str | None, argument("[REV]", "A version; not needed with --stage.")] = None,
    stage: Annotated[
        str | None,
        typer.Option(help="Move this stage alone, to the version that it held before or to REV; no file changes."),
    ] = None,
    commit: Annotated[bool, flag("--commit", "Make the restored state a new commit.")] = False,
    dry_run: Annotated[
        bool, flag("--dry-run", "Show each file that would move, and what is in the way; touch nothing.")
    ] = False,
    stash: Annotated[bool, flag("--stash", "Put what is not committed into Git's stash first, outputs too.")] = False,
    whole: Annotated[
        bool, flag("--whole-commit", "Git's files outside of the project too, of other projects as well.")
    ] = False,
    abort: Annotated[bool, flag("--abort", "Undo a rollback that was killed.")] = False,
    why: Annotated[str | None, typer.Option("-m", "--why", help="With --stage: kept as the tag's message.")] = None,
    local: Annotated[
        bool, flag("--local", "With --stage, in a project without a DVC remote: look in the cache.")
    ] = False,
    push: Annotated[bool, flag("--push", "With --stage: to the Git remote too, or not at all.")] = False,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Restore code, settings, data and model of a version, every hash verified; HEAD's branch stays where it is.

    Nothing moves unless every object is there. What a kill cut short, the same command completes and --abort undoes.

    Example: stemma rollback model@v1.2.0 --commit
    """
    _fits(rev, stage, abort, {"--commit": commit, "--dry-run": dry_run, "--stash": stash, "--whole-commit": whole},
          {"--why": why is not None, "--local": local, "--push": push})  # fmt: skip
    if stage is not None:
        if as_md:
            raise typer.BadParameter("there is no table with --stage", param_hint="--md")
        _stage(stage, rev, dry_run, why, local, push, as_json)
    else:
        _files(rev, {"commit": commit, "stash": stash, "whole": whole}, dry_run, as_json, as_md)


def _files(name: str | None, how: dict[str, bool], dry_run: bool, as_json: bool, as_md: bool) -> None:
    """To a version; without a name, back to where a rollback that was killed began."""
    from stemma import rollback as going
    from stemma.repo.repository import Repository

    root = repository()
    if name is not None and dry_run:
        plan = going.plan(root, name, **how)
        differs = going.environment(Repository(root).version(plan.commit))
        answer(plan, lambda: _planned(plan, differs), as_json, as_md, environment=differs)
        raise typer.Exit(1 if plan.blockers else 0)
    made = going.abort(root) if name is None else going.roll_back(root, name, **how)
    told = _sentences(made)
    with done("; ".join(told)):
        differs = None if name is None else going.environment(Repository(root).version(made.commit))
        answer(made, lambda: ["\n".join(told), *_environment(differs)], as_json, as_md, environment=differs)


def _fits(rev: str | None, stage: str | None, abort: bool, moving: dict[str, bool], tagging: dict[str, bool]) -> None:
    """Whether the options go together; wrong usage otherwise."""
    if abort and (rev or stage or any(moving.values()) or any(tagging.values())):
        raise typer.BadParameter("it stands alone", param_hint="--abort")
    if rev is None and stage is None and not abort:
        raise typer.BadParameter("name a version, or give --stage", param_hint="REV")
    others, why = (tagging, "it goes with --stage") if stage is None else (moving, "no file changes with --stage")
    for name, given in others.items():
        if given and name != "--dry-run":
            raise typer.BadParameter(why, param_hint=name)


def _stage(stage: str, rev: str | None, dry_run: bool, why: str | None, local: bool, push: bool, as_json: bool) -> None:
    from stemma.cli.registry import tell
    from stemma.registry import promote
    from stemma.registry.writing import Tagging

    if dry_run:
        target = promote.would_hold(repository(), stage, rev)
        answer({"stage": stage, "version": target}, lambda: [f"{stage} would go back to {target}"], as_json)
        return
    made = promote.roll_back(repository(), stage, rev, why=why, local=local, tagging=Tagging(push=push))
    tell([made], why is not None, push, as_json)


def _planned(plan: "Plan", differs: "Environment | None") -> Report:
    rows = [
        (move.path, move.keeper, move.change, in_bytes(move.size), "from the remote" if move.fetch else "")
        for move in plan.moves
    ]
    size = sum(move.size or 0 for move in plan.moves if move.fetch)
    files = counted(len(plan.moves), "file")
    head = f"to {plan.revision} ({plan.commit[:7]}) from {plan.before[:7]}: {files} would change"
    parts: list[str | Table] = [f"{head}, {counted(len(plan.fetch), 'object')} fetched ({in_bytes(size)})"]
    parts += [Table(("path", "kept by", "change", "size", "fetch"), rows, left=3)] if rows else []
    if plan.unsaved:
        parts.append(f"not committed: {', '.join(plan.unsaved)}")
    parts += [f"in the way: {blocker}" for blocker in plan.blockers]
    return parts + _environment(differs)


def _sentences(made: "Rollback") -> list[str]:
    where, verified = f"{made.revision} ({made.commit[:7]})", f"{counted(made.verified, 'output')} verified"
    if made.undone:
        parts = [f"undone: the rollback to {where}; {made.before[:7]} is restored, {verified}"]
    else:
        changed = "" if made.completed else f"{counted(len(made.moves), 'file')} changed, "
        parts = [f"{'completed: ' * made.completed}restored {where}: {changed}{verified}"]
        if made.made is not None:
            parts.append(f"committed as {made.made[:7]}; back again: stemma rollback {made.before[:7]} --commit")
        elif made.moves or made.completed:
            parts.append(
                f'staged, not committed: git commit -m "Roll back to {made.revision}"; '
                "or take it back: git reset --hard, then dvc checkout"
            )
    if made.stash is not None:
        parts.append(
            f"what was not committed is in the stash {made.stash[:7]}; with a clean tree again: "
            f"git stash branch mine, then dvc checkout"
        )
    if made.others:
        parts.append(f"of {', '.join(made.others)} Git's files alone moved: run `dvc checkout` there")
    if made.aside:
        parts.append(f"files that no version keeps were in the way and are in {made.saved}: {', '.join(made.aside)}")
    return parts


def _environment(differs: "Environment | None") -> list[str]:
    if differs is None:
        return []
    return [f"the environment differs from the recorded one ({differs.differs}); recreate it: {differs.run}"]
