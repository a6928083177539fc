"""`stemma log`: the graph of versions."""

import shutil
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from stemma.cli.here import repository
from stemma.cli.options import flag, option
from stemma.cli.output import AsJson, AsMarkdown, Table, aligned, show, show_json
from stemma.text import figure, say, signed

if TYPE_CHECKING:
    from stemma.versions.log import Entry, Log

LETTERS = "S structure, P parameters, D data, T settings, C code"
LEGEND = f"changed: {LETTERS}"
Graph = Literal["ascii", "mermaid", "dot"]
UNKNOWN = "; s p: not known, for models/weights is not on this machine"


def log(
    graph: Annotated[Graph, typer.Option(help="How the graph is drawn.")] = "ascii",
    all: Annotated[bool, flag("--all", "Every branch, tag and experiment, not HEAD alone.")] = False,
    number: Annotated[int | None, typer.Option("-n", "--number", min=1, help="Versions shown, at most.")] = None,
    since: Annotated[str | None, option("DATE", "Versions from then on: a day (UTC), or as Git reads dates.")] = None,
    metric: Annotated[
        str | None,
        typer.Option(
            help="roc_auc, validation.loss, ...; by default what the newest version was judged by, of the test rows."
        ),
    ] = None,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Show the versions: the commits whose model changed, with their names, what changed and how good they are.

    Example: stemma log --all -n 20 --metric log_loss
    """
    from stemma.versions.log import log

    found = log(repository(), all=all, number=number, since=since, metric=metric)
    for note in found.notes:
        say(f"note: {note}", error=True)
    if as_json:
        show_json(found)
    elif not found.entries:
        why = "a version is a commit whose dvc.lock names models/weights" if since is None else f"none since {since}"
        say(f"no version: {why}")
    elif as_md:
        if graph != "ascii":
            say(f"```{graph}\n{_drawn(found, graph)}\n```\n")
        show([Table(_headers(found), _rows(found), left=None), _legend(found)], markdown=True)
    elif graph == "ascii":
        say("\n".join([*_lines(found), "", _legend(found)]))
    else:
        say(_drawn(found, graph))


def _legend(found: "Log") -> str:
    """What the letters stand for; those of what is not known only where a version has one."""
    unknown = UNKNOWN * any(set("sp") & set(entry.changed or "") for entry in found)
    return "\n".join([*(f"judged {letter}: {on}" for on, letter in _judged(found).items()), LEGEND + unknown])


def _judged(found: "Log") -> dict[str, str]:
    """A letter for each of what versions were judged on; none where all were judged on the same."""
    return {on: _letters(place) for place, on in enumerate(dict.fromkeys(each.judged for each in found if each.judged))}


def _letters(place: int) -> str:
    """A, B, ... Z, AA, AB, ..."""
    return (_letters(place // 26 - 1) if place >= 26 else "") + chr(ord("A") + place % 26)


def _drawn(found: "Log", graph: Graph) -> str:
    from stemma.versions import graph as drawing

    draw = drawing.mermaid if graph == "mermaid" else drawing.dot
    return draw(found, lambda entry: _label(found, entry))


def _label(found: "Log", entry: "Entry") -> list[str]:
    told = [f"{entry.date:%Y-%m-%d} {entry.author}", " ".join(_measured(found, entry)).strip()]
    return [" ".join([entry.revision, *entry.names, *entry.stages]), *filter(None, told), entry.changed or "first"]


def _lines(found: "Log") -> list[str]:
    """The graph on the left, a line per version; on a terminal the subject is cut to its width."""
    from stemma.versions import graph as drawing

    rows = {entry.commit: row for entry, row in zip(found, _rows(found), strict=True)}
    drawn = drawing.text([(entry.commit, entry.parents) for entry in found])
    headers = _headers(found)
    cells = [(mark, *(rows[name] if name else ("",) * len(headers))) for mark, name in drawn]
    lines = aligned(Table(("", *headers), cells, left=None))
    if sys.stdout.isatty():
        width = shutil.get_terminal_size().columns
        return [line if len(line) <= width else f"{line[: width - 1]}…" for line in lines]
    return lines


def _headers(found: "Log") -> tuple[str, ...]:
    judged = ("judged",) if _judged(found) else ()
    figures = (found.metric or "metric", "move", *judged)
    return "revision", "date", "author", "changed", *figures, "names and stages", "subject"


def _rows(found: "Log") -> list[tuple[str, ...]]:
    letters = _judged(found)
    return [
        (
            entry.revision,
            f"{entry.date:%Y-%m-%d}",
            entry.author,
            "first" if entry.changed is None else entry.changed or "names",
            *(_measured(found, entry)[1:] or ("-", "")),
            *([letters[entry.judged or ""]] if letters else []),
            ", ".join([*entry.names, *entry.stages]),
            _subject(entry),
        )
        for entry in found
    ]


def _measured(found: "Log", entry: "Entry") -> tuple[str, ...]:
    """The metric's name, its value, and its move; nothing where it was not measured."""
    if found.metric is None or entry.metric is None:
        return ()
    return found.metric, figure(entry.metric), "" if entry.move is None else signed(entry.move)


def _subject(entry: "Entry") -> str:
    """What the commit says, with where the weights come from."""
    told = [entry.subject]
    if entry.method != "none":
        told.append(f"(compressed by {entry.method})")
    if entry.trained_from is not None:
        told.append(f"(from the weights of {entry.trained_from[:7]})")
    if entry.taught_by is not None:
        told.append(f"(taught by {entry.taught_by[:7]})")
    if entry.same_as is not None:
        told.append(f"(the weights of {entry.same_as[:7]} again)")
    return " ".join(told)
