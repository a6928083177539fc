"""Request logs as a server would write them: nothing is served."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from bundles import MULTICLASS, REGRESSION, SIGNATURE
from stemma.watch.log import Log, Options, Request, Source, Writer

START = 1_760_000_000.0  # seconds since 1970: a Thursday
DAY = 86400.0
EVERY_ROW = Options()
__all__ = ["DAY", "MULTICLASS", "REGRESSION", "SIGNATURE", "START", "logged", "read", "source"]


def source(version: str = "model@v1.0.0", signature: Mapping[str, Any] = SIGNATURE) -> Source:
    return Source(version, json.dumps(signature).encode())


def logged(
    folder: Path,
    output: Any,
    *,
    of: Source | None = None,
    inputs: Mapping[str, Any] | None = None,
    headers: Sequence[Mapping[str, str]] | None = None,
    times: Any = None,
    ids: Sequence[str] | None = None,
    options: Options = EVERY_ROW,
    arm: str | None = None,
    callers: Sequence[str] | None = None,
) -> Counter[str]:
    """A request for each row; of two classes, `output` is the probability of the positive one.

    Args:
        inputs: (rows,) each; those that are not given are "May", 1.0 and 1.0.
        times: seconds since 1970; None: a minute apart.
        ids: None: VERSION-0, VERSION-1, ...
    """
    of = of or source()
    output = np.asarray(output, np.float32)
    if output.ndim == 1:
        output = np.column_stack([1 - output, output] if len(of.signature.classes) == 2 else [output])
    rows = len(output)
    plain = {"string": np.full(rows, "May", object), "number": np.ones(rows, np.float32)}
    plain |= {"boolean": plain["number"], "date": np.full(rows, START)}
    columns = {each.name: plain[each.type] for each in of.signature.inputs} | dict(inputs or {})
    times = START + 60 * np.arange(rows) if times is None else np.asarray(times, float)
    with closing(Writer(folder, options)) as writer:
        for n in range(rows):
            row = {name: np.asarray(values[n : n + 1]).reshape(1, 1) for name, values in columns.items()}
            id = f"{of.version}-{n}" if ids is None else ids[n]
            header = {} if headers is None else headers[n]
            more = {"arm": arm, "caller": callers[n] if callers else ""}
            writer.add(of, Request(id, row, output[n : n + 1], 0.001 * (n % 10 + 1), header, float(times[n]), **more))
    return writer.counts


@dataclass(frozen=True)
class Part:
    """The rows of one file of a log."""

    source: Source
    treated: Mapping[str, str]
    table: pa.Table


def read(kept: Log, columns: Any) -> Iterator[Part]:
    """A log as the toolkit reads it, file by file."""
    for file in kept.files():
        for table in kept.rows(file, columns):
            yield Part(file.source, file.treated, table)
