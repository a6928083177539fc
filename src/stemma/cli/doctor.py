"""`stemma doctor`: what is wrong with a version."""

from typing import TYPE_CHECKING, Annotated

import typer

from stemma.cli.here import repository
from stemma.cli.options import Revision, flag
from stemma.cli.output import AsJson, AsMarkdown, Report, Table, answer
from stemma.text import counted

if TYPE_CHECKING:
    from stemma.versions.doctor import Diagnosis


def doctor(
    revision: Revision = "workspace",
    strict: Annotated[bool, flag("--strict", "Exit with 1 on warnings too.")] = False,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Find what is wrong with a version, each fault with its evidence and a remedy; exit 1 on errors.

    Example: stemma doctor model#prod --strict
    """
    from stemma.versions.doctor import doctor

    found = doctor(repository(), revision)
    answer(found, lambda: report(found, as_md), as_json, as_md)
    raise typer.Exit(0 if found.is_sound(strict) else 1)


def report(found: "Diagnosis", markdown: bool = False) -> Report:
    parts: list[str | Table] = [
        f"{found.revision}: {counted(found.errors, 'error')}, {counted(found.warnings, 'warning')}"
    ]
    if markdown and found.findings:
        rows = [(each.severity, each.check, each.what, each.evidence, each.remedy) for each in found.findings]
        parts.append(Table(("severity", "check", "fault", "evidence", "remedy"), rows, left=None))
    elif found.findings:
        parts += [
            f"{each.severity}: {each.what} [{each.check}]\n  evidence: {each.evidence}\n  remedy: {each.remedy}"
            for each in found.findings
        ]
    if found.passed:
        parts.append(f"sound: {', '.join(found.passed)}")
    return parts + [Table(("not examined", "why"), [*found.skipped.items()], left=None)] * bool(found.skipped)
