"""`stemma show`: the whole record of a version."""

import json
import math
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from stemma.cli.here import repository
from stemma.cli.options import Revision
from stemma.cli.output import AsJson, AsMarkdown, Heading, Report, Table, answer, in_thousands
from stemma.text import counted, in_digits, interval

if TYPE_CHECKING:
    from stemma.compress.record import Record as Compression
    from stemma.versions.show import Artifact, Data, Metric, Process, Record, Structure, Weights

BARS = "▁▂▃▄▅▆▇█"
PLAIN_BARS = "_.-=+*#@"  # where the terminal has no such characters
WIDTH = 40  # of a sparkline


def show(revision: Revision = "HEAD", as_json: AsJson = False, as_md: AsMarkdown = False) -> None:
    """Show all that is known of a version: structure, data, process, metrics, weights, environment, bundle.

    Example: stemma show model#prod
    """
    from stemma.versions.show import show

    found = show(repository(), revision)
    answer(found, lambda: report(found), as_json, as_md)


def report(found: "Record") -> Report:
    sections: dict[str, tuple[Any, Callable[[Any], Report]]] = {
        "Structure": (found.structure, _structure),
        "Data": (found.data, _data),
        "Process": (found.process, _process),
        "Metrics": (found.metrics, _metrics),
        "Weights": (found.weights, _weights),
        "Graph": (found.compression, _graph),
        "Environment": (found.environment, lambda packages: [_pairs(_flat(packages))]),
        "Outputs": (found.outputs, _outputs),
        "Not what made it": (found.untrue, lambda lines: ["\n".join(f"- {line}" for line in lines)]),
        "Missing": (found.missing, lambda lines: ["\n".join(f"- {line}" for line in lines)]),
    }
    parts: list[str | Table] = [_head(found)]
    for title, (part, told) in sections.items():
        if part:
            parts += [Heading(title), *told(part)]
    return parts


def _head(found: "Record") -> Table:
    pairs = {
        "version": found.name,
        "commit": found.commit or "none: the work tree",
        "names": ", ".join([*found.names, *found.stages]),
        "date": None if found.date is None else found.date.isoformat(sep=" "),
        "author": found.author,
        "subject": found.subject,
    }
    return _pairs(pairs)


def _pairs(pairs: Mapping[str, object]) -> Table:
    rows = [(name, str(value)) for name, value in pairs.items() if value not in (None, "")]
    return Table(rows[0], rows[1:], left=None)


def _structure(found: "Structure") -> list[str | Table]:
    rows = [
        (
            layer.name,
            layer.kind,
            ", ".join(f"{name} {shape_of(shape)}" for name, shape in layer.tensors),
            ", ".join(f"{key}={_value(value)}" for key, value in layer.settings.items()),
            f"{layer.parameters:,}",
        )
        for layer in found.layers
    ]
    rows.append(("total", "", "", "", f"{found.parameters:,}"))
    told = f"{found.framework}, {counted(found.parameters, 'parameter')}, fingerprint {found.fingerprint[:12]}"
    return [told, Table(("layer", "kind", "tensors", "settings", "parameters"), rows, left=4)]


def shape_of(shape: Sequence[int]) -> str:
    """As 64x17; a single number as `scalar`."""
    return "x".join(map(str, shape)) or "scalar"


def _data(found: "Data") -> list[str | Table]:
    pairs = {
        "source": found.source,
        "SHA-256": found.sha256,
        "MD5": found.md5,
        "task": found.task,
        "target": found.target,
        "rows": None if found.rows is None else f"{found.rows:,}",
        "columns": len(found.columns),
    }
    names = found.classes or ("mean",)
    splits = [("rows", *(f"{facts.get('rows', 0):,}" for facts in found.splits.values()))]
    splits += [(name, *(_share(facts, name, found.classes) for facts in found.splits.values())) for name in names]
    columns = [(column.name, column.role or "-", in_thousands(column.missing)) for column in found.columns]
    return [
        _pairs(pairs),
        Table(("split", *found.splits), splits),
        Table(("column", "role", "missing"), columns, left=2),
    ]


def _share(facts: Mapping[str, Any], name: str, classes: Sequence[str]) -> str:
    """A class's rows and its share, or a regression's mean."""
    if not classes:
        return in_digits(facts["mean"]) if isinstance(facts.get("mean"), float | int) else "-"
    count = facts.get("balance", {}).get(name)
    return "-" if count is None else f"{count:,} ({count / max(facts.get('rows', 0), 1):.1%})"


def _process(found: "Process") -> list[str | Table]:
    kept = None if found.epoch_kept is None else f"{found.epoch_kept} of {found.epochs_run} run"
    facts = _flat(found.settings) | {"best epoch": kept, "weights from": _start(found)}
    facts |= {"taught by": found.teacher and _version(found.teacher, found.teacher_commit)}
    facts |= {"units before pruning": found.cut_from and ", ".join(map(str, found.cut_from))}
    parts: list[str | Table] = [_pairs(facts) if any(facts.values()) else "no settings"]
    if found.curves:
        rows = [
            (curve.name, sparkline(curve.values), in_digits(curve.values[0]), in_digits(curve.values[-1]))
            for curve in found.curves
            if curve.values
        ]
        parts.append(Table(("curve", "by epoch", "first", "last"), rows, left=2))
    return parts


def _start(found: "Process") -> str | None:
    """The version whose weights training started with, and how many tensors were taken."""
    if found.init_from is None:
        return None
    taken = "" if found.taken is None else f", {counted(found.taken, 'tensor')}"
    drawn = f"; drawn: {', '.join(found.drawn)}" if found.drawn else ""
    return f"{_version(found.init_from, found.init_commit)}{taken}{drawn}"


def _version(revision: str, commit: str | None) -> str:
    return revision if commit is None else f"{revision} ({commit[:7]})"


def sparkline(values: Sequence[float], width: int = WIDTH) -> str:
    """Values as bars; more than fit are averaged in groups, and what is no number is a space."""
    bars = BARS if "utf" in (sys.stdout.encoding or "").lower() else PLAIN_BARS
    count = min(width, len(values))
    groups = [values[place * len(values) // count : (place + 1) * len(values) // count] for place in range(count)]
    means = [sum(group) / len(group) for group in groups]
    finite = [mean for mean in means if math.isfinite(mean)]
    low, high = min(finite, default=0.0), max(finite, default=0.0)
    step = (high - low) / (len(bars) - 1) or 1.0
    return "".join(bars[round((mean - low) / step)] if math.isfinite(mean) else " " for mean in means)


def _metrics(found: "Sequence[Metric]") -> list[Table]:
    rows = [(each.split or "-", each.name, in_digits(each.value), interval(each.low, each.high)) for each in found]
    return [Table(("split", "metric", "value", "95 % interval"), rows, left=2)]


def _weights(found: "Weights") -> list[str | Table]:
    pairs = {
        "tensors": found.tensors,
        "parameters": f"{found.parameters:,}",
        "buffers": f"{found.buffers:,}",
        "bytes": f"{found.bytes:,}",
        "norm": _norm(found.norm),
        "MD5": found.md5,
    }
    rows = [
        (each.name, shape_of(each.shape), each.dtype, f"{each.bytes:,}", _norm(each.norm)) for each in found.largest
    ]
    return [_pairs(pairs), Table(("largest tensors", "shape", "type", "bytes", "norm"), rows, left=3)]


def _norm(value: float | None) -> str:
    return "not finite" if value is None else in_digits(value)


def _graph(found: "Compression") -> list[str | Table]:
    rows = [(layer.name, shape_of(layer.shape), str(layer)) for layer in found.layers]
    return [str(found), Table(("weights", "shape", "kept as"), rows, left=None)]


def _outputs(found: "Mapping[str, Artifact]") -> list[Table]:
    rows = [(name, kept.path, kept.md5 or "-", in_thousands(kept.bytes)) for name, kept in found.items()]
    return [Table(("output", "path", "MD5", "bytes"), rows, left=3)]


def _flat(values: Mapping[str, Any]) -> dict[str, object]:
    """Nested settings by dotted name."""
    from stemma.conf.difference import dotted, leaves

    return {dotted(path): _value(value) for path, value in leaves(dict(values)).items() if value not in (None, {})}


def _value(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)
