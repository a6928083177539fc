"""`stemma diff`: what changed between two versions."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from stemma.cli.here import repository
from stemma.cli.options import argument, flag, option
from stemma.cli.output import AsMarkdown, Report, Table, answer, titled
from stemma.text import counted, in_digits

if TYPE_CHECKING:
    from stemma.versions.diff import Difference
    from stemma.versions.diff.data import Data


def diff(
    a: Annotated[str, argument("A", "The revision before.")],
    b: Annotated[str, argument("[B]", "The revision after; the workspace if not given.")] = ("workspace"),
    exact: Annotated[
        bool, flag("--exact", "Read the tensors that differ, and the tables, instead of their sketches.")
    ] = False,
    weights: Annotated[
        str | None,
        option(
            "PART=W,...",
            (
                "Of the parts of D, such as structure=0.5,parameters=0.3,data=0.2; they sum to 1. "
                "By default those of conf/diff.yaml."
            ),
        ),
    ] = None,
    plot: Annotated[Path | None, option("FILE.png", "Draw a heat map of the change of each layer.")] = None,
    everything: Annotated[bool, flag("--all", "Show also what did not change.")] = False,
    as_json: Annotated[bool, flag("--json", "Print JSON, with what did not change.")] = False,
    as_md: AsMarkdown = False,
) -> None:
    """Say what changed from version A to version B: structure, weights, data, settings, metrics, code, environment.

    D is between 0 (nothing changed) and 1. Figures with ~ are estimated from sketches; --exact computes them.

    Example: stemma diff HEAD~1 HEAD
    """
    from stemma.versions.diff import diff, total

    if plot is not None:
        from stemma.versions.diff.plot import check_picture, draw

        check_picture(plot)
    given = None if weights is None else total.parse(weights)
    found = diff(repository(), a, b, exact=exact, weights=given)
    if plot is not None:
        draw(found, plot)
    answer(found, lambda: report(found, everything), as_json, as_md)


def report(found: "Difference", everything: bool) -> Report:
    """D first, then each kind of change under its name; kinds without a change are left out unless `everything`."""
    return [_headline(found), _parts(found), *titled(_sections(found, everything)), *found.notes]


def _headline(found: "Difference") -> str:
    total = found.distance.total
    sides = f"{_side(found.before)} -> {_side(found.after)}"
    if total is None:
        return f"{sides}: D is not known"
    return f"{sides}: D = {_mark(bool(found.distance.estimated))}{in_digits(total)}" + (
        "" if total else ", neither structure nor weights nor data changed"
    )


def _side(side: Any) -> str:
    return side.name if side.commit is None or side.commit.startswith(side.name) else f"{side.name} ({side.commit[:7]})"


def _parts(found: "Difference") -> Table:
    rows = [
        (name, "-" if part is None else _mark(name in found.distance.estimated) + in_digits(part), in_digits(weight))
        for (name, part), weight in zip(found.distance.parts.items(), found.distance.weights.values(), strict=True)
    ]
    return Table(("part of D", "0 to 1", "weight"), rows)


def _sections(found: "Difference", everything: bool) -> Iterator[tuple[str, Table]]:
    yield "Layers", _layers(found, everything)
    yield "Tensors", _tensors(found, everything)
    kept = found.compression.layers if found.compression is not None else ()
    yield "Graph", Table(("weights", "before", "after"), [(b.name, str(a), str(b)) for a, b in kept], left=None)
    if found.data is not None:
        yield "Data", _data(found.data, everything)
        yield "Columns", _columns(found.data, everything)
    yield "Settings", _settings(found.settings, "setting")
    yield "Metrics", _metrics(found, everything)
    yield "Code", _code(found)
    yield "Environment", _settings(found.environment, "environment")


def _layers(found: "Difference", everything: bool) -> Table:
    rows = []
    for layer in found.layers:
        if layer.status == "kept" and not everything:
            continue
        old, new = layer.parameters_before, layer.parameters_after
        count = f"{old:,}" if old == new else f"{old:,} -> {new:,}"
        changes = ", ".join(f"{one.key} {_value(one.before)} -> {_value(one.after)}" for one in layer.settings)
        moved = "moved" if layer.moved and layer.status != "moved" else ""
        why = ", ".join(filter(None, [changes, moved])) or "-"
        rows.append((_names(layer.before, layer.after), layer.kind, layer.status, count, why))
    return Table(("layer", "kind", "status", "parameters", "what"), rows, left=None)


def _names(before: str | None, after: str | None) -> str:
    names = [name for name in (before, after) if name is not None]
    return " -> ".join(dict.fromkeys(names)) or "(the network)"


def _tensors(found: "Difference", everything: bool) -> Table:
    rows = []
    for one in found.tensors:
        if one.same and not everything:
            continue
        mark = _mark(one.estimated)
        figures = [
            "-" if value is None else mark + in_digits(value) for value in (one.relative_l2, one.cosine, one.max_change)
        ]
        share = "-" if one.share_changed is None else f"{mark}{one.share_changed:.2%}"
        shape = "x".join(map(str, one.shape)) or "number"
        name = _names(one.before, one.after) + (" (axes turned)" if one.turned else "")
        rows.append((name, shape, "same" if one.same else "changed", *figures, share))
    return Table(("tensor", "shape", "status", "relative L2", "cosine", "max change", "entries changed"), rows, left=3)


def _data(data: "Data", everything: bool) -> Table:
    if data.same and not everything:
        return Table((), [])
    rows, mark = data.rows, _mark(data.rows.estimated)
    between = f"{rows.low:,} to {rows.high:,}" if rows.estimated else "-"
    listed = [
        ("rows", f"{rows.before:,}", f"{rows.after:,}", "-"),
        ("rows kept", f"{mark}{rows.kept:,}", f"{mark}{rows.kept:,}", between),
        ("rows removed, added", f"{mark}{rows.removed:,}", f"{mark}{rows.added:,}", "-"),
    ]
    if data.source_before != data.source_after:
        listed.insert(0, ("source", data.source_before, data.source_after, "-"))
    for one in data.classes:
        if one.before != one.after or everything:
            what = "mean of the target" if one.name == "mean" else f"share of {one.name}"
            listed.append((what, in_digits(one.before), in_digits(one.after), "-"))
    return Table(("data", "before", "after", "95 % interval"), listed)


def _columns(data: "Data", everything: bool) -> Table:
    rows = []
    for one in data.columns:
        if one.status == "same" and not everything:
            continue
        roles = list(dict.fromkeys(role or "-" for role in (one.role_before, one.role_after)))
        role = " -> ".join(roles) if one.status == "changed" else next((r for r in roles if r != "-"), "-")
        rows.append((one.name, role, one.status, in_digits(one.psi), one.level or "-", in_digits(one.jensen_shannon)))
    return Table(("column", "role", "status", "PSI", "drift", "Jensen-Shannon"), rows, left=3)


def _settings(settings: Iterable[Any], name: str) -> Table:
    return Table(
        (name, "before", "after"), [(one.key, _value(one.before), _value(one.after)) for one in settings], left=None
    )


def _metrics(found: "Difference", everything: bool) -> Table:
    rows = []
    for one in found.metrics:
        if one.move == 0 and not everything:
            continue
        noise = {None: "-", True: "within", False: "outside"}[one.within]
        rows.append((one.key, in_digits(one.before), in_digits(one.after), in_digits(one.move, "+"), noise))
    return Table(("metric", "before", "after", "move", "interval before"), rows)


def _code(found: "Difference") -> Table:
    rows = [(file.path, _count(file.insertions, "+"), _count(file.deletions, "-")) for file in found.code.files]
    if len(rows) > 1:
        rows.append((counted(len(rows), "file"), f"+{found.code.insertions}", f"-{found.code.deletions}"))
    return Table(("code", "lines added", "taken away"), rows)


def _count(lines: int | None, sign: str) -> str:
    return "binary" if lines is None else f"{sign}{lines}"


def _mark(estimated: bool) -> str:
    return "~" if estimated else ""


def _value(value: Any) -> str:
    from stemma.conf.difference import shown

    return "-" if value is None else shown(value)
