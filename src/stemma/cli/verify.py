"""`stemma verify`: every object of a version, hashed again."""

from collections import Counter
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stemma.cli.here import repository
from stemma.cli.options import All, Experiments, Revisions, flag
from stemma.cli.output import AsJson, AsMarkdown, Report, Table, answer, in_bytes
from stemma.text import counted, few

if TYPE_CHECKING:
    from stemma.storage.verify import Verification


def verify(
    revisions: Revisions = None,
    all: All = False,
    experiments: Experiments = False,
    repair: Annotated[
        bool, flag("--repair", "Put a verified copy from the other side where one is missing or damaged.")
    ] = False,
    only: Annotated[Literal["cache", "remote"] | None, typer.Option(help="Look at this side alone.")] = None,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Hash every object of a version again, in the cache and in the remote; exit 1 if one is missing or damaged.

    Example: stemma verify --all --repair
    """
    from stemma.storage.verify import verify

    chosen = revisions or ()
    found = verify(repository(), chosen, all=all, experiments=experiments, repair=repair, only=only)
    answer(found, lambda: report(found), as_json, as_md)
    raise typer.Exit(0 if found.is_whole else 1)


def report(found: "Verification") -> Report:
    versions = counted(len(found.versions), "version")
    looked_at = f"{versions}, {counted(found.objects, 'object')}, {in_bytes(found.size)} hashed"
    parts: list[str | Table] = [f"{looked_at} in {' and '.join(found.places) or 'no place'}: {_verdict(found)}"]
    if found.faults:
        rows = [
            (each.path, few(each.versions), each.place, f"{each.state}{', repaired' * each.repaired}", each.md5)
            for each in sorted(found.faults, key=lambda fault: (fault.place, fault.path))
        ]
        parts.append(Table(("path", "version", "place", "state", "md5"), rows, left=None))
    parts += [] if found.is_whole else [_remedy(found)]
    return parts + [f"note: {note}" for note in found.notes]


def _verdict(found: "Verification") -> str:
    counts = Counter("repaired" if fault.repaired else fault.state for fault in found.faults)
    return ", ".join(f"{counts[word]} {word}" for word in ("missing", "corrupt", "repaired") if counts[word]) or "whole"


def _remedy(found: "Verification") -> str:
    """The next command, by what is known."""
    wrong = [fault for fault in found.faults if not fault.repaired]
    in_git = [fault for fault in wrong if fault.place == "Git"]
    if len(in_git) == len(wrong):
        return "remedy: Git holds another file than its stage made: run `dvc repro`, and commit what comes of it"
    if found.repair:
        return "remedy: no place holds a good copy of these: restore them from a backup, or make them by `dvc repro`"
    return "remedy: run `stemma verify --repair` with the same versions"
