"""The tables of a folder or a bucket: each predicted once, whole or not at all, several at a time.

Predictions of `a/b.csv` are `a/b.parquet`, and tell in their metadata what they were made with. So the same command
once more does what is left to do, and no more.
"""

import json
import os
import socket
from collections.abc import Callable, Container, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path, PurePosixPath
from typing import Any

from stemma.bundle.archive import GRAPH, SIGNATURE
from stemma.bundle.model import Bundle
from stemma.bundle.predict import Run, write_parquet
from stemma.bundle.rows import ARROW, ARROW_STREAM, PARQUET, Rows
from stemma.errors import BundleError, StemmaError, told_by_system
from stemma.files import scratch
from stemma.names import inside
from stemma.runners import Died, Runner
from stemma.text import Pace, by_number, counted, few, say

TABLES = (PARQUET, ARROW, ARROW_STREAM, ".csv", ".tsv", ".txt")
HIDDEN = (".", "_")  # begin the names of what is no table, or not yet, as Hadoop and Spark have it
SHARES = 4  # for each process: who is done early takes another, and not every table starts one
PREFIX, TABLE = "stemma.", "stemma.table"  # of the metadata: provenance, and the part of it that is the table's
Place = Any  # a `stemma.repo.places.Place`


@dataclass(frozen=True)
class Many:
    """Tables to predict."""

    source: str  # a folder or the URL of a bucket
    target: str
    place: Callable[[str, str], Place]  # opens either; messages call it by the second text
    rows: Rows  # how to read them and what to keep; their path is not used
    again: bool = False  # what was made with another table or bundle is made anew
    # On this machine, for what processes write meanwhile: they are killed where a run ends early.
    near: Path | None = None


@dataclass(frozen=True)
class Done:
    """What became of a table; without rows and without a fault, its predictions were there."""

    name: str
    rows: int | None = None
    fault: str | None = None


def predict(bundle: Bundle, many: Many, runner: Runner, jobs: int | None = None) -> None:
    """Write the predictions of every table; those that cannot be made are told one by one, and the others are made.

    Raises:
        BundleError: some could not be made, or there is nothing to predict.
    """
    pace = Pace()
    _check_apart(many)
    names, done = _planned(_tables(many))
    with scratch("predict") as near:
        made = _run(runner, bundle, replace(many, near=near), names, jobs or runner.cores())
    target = many.place(many.target, "predictions")
    there = target.sizes("")
    done += [_seen(each, there, target.url) for each in made]
    faults = [each for each in done if each.fault]
    for each in faults:
        say(f"{each.name}: {each.fault}", error=True)
    if line := _summary(done, pace.seconds):
        say(line, error=True)
    if faults:
        failed, are = few([each.name for each in faults]), by_number(len(faults), "is", "are")
        raise BundleError(f"{len(faults)} of {counted(len(done), 'table')} {are} not predicted: {failed}")


def _summary(done: Sequence[Done], seconds: float) -> str:
    """What was predicted now, and what before; empty where all failed."""
    rows = [each.rows for each in done if each.rows is not None]
    before = sum(each.rows is None and not each.fault for each in done)
    now = f"{counted(sum(rows), 'row')} of {counted(len(rows), 'table')} in {seconds:.1f} s"
    earlier = f"{counted(before, 'table was', 'tables were')} predicted before"
    return "; ".join([now] * bool(rows) + [earlier] * bool(before))


def _check_apart(many: Many) -> None:
    """Refuse a target whose predictions the next run would read as rows, or that would stand in the place of rows."""
    source, target = (f"{each.rstrip('/')}/" for each in (many.source, many.target))
    if source.startswith(target) or target.startswith(source):
        raise BundleError(f"{many.target} and the rows lie within one another: name another folder for predictions")


def _tables(many: Many) -> list[str]:
    at_hand = "://" not in many.source
    found = _walked(Path(many.source)) if at_hand else many.place(many.source, "rows").sizes("")
    names = sorted(name for name in found if not any(part.startswith(HIDDEN) for part in name.split("/")))
    tables = [name for name in names if name.lower().endswith(TABLES)]
    if not tables:
        raise BundleError(f"{many.source} holds no table: names of tables end in {', '.join(TABLES)}")
    if len(tables) < len(names):
        say(f"no table by its name, and left out: {few(sorted({*names} - {*tables}))}", error=True)
    return tables


def _walked(root: Path) -> Iterator[str]:
    """Files by relative name. Links to files are followed; those to folders, which may lead round, are but named."""

    def stop(error: OSError) -> None:
        raise error

    for above, folders, files in os.walk(root, onerror=stop):
        folders[:] = [name for name in folders if not name.startswith(HIDDEN)]
        links = [name for name in folders if Path(above, name).is_symlink()]
        yield from (Path(above, name).relative_to(root).as_posix() for name in (*files, *links))


def _planned(tables: Sequence[str]) -> tuple[list[str], list[Done]]:
    """What to predict, and what cannot be: two tables for one name, and names that are none on a disk."""
    by_output: dict[str, list[str]] = {}
    for name in tables:
        by_output.setdefault(_output(name), []).append(name)
    faults = {name: "no file can be called so: rename it" for name in tables if not inside(name)}
    for output, names in by_output.items():
        if len(names) > 1:
            faults |= dict.fromkeys(names, f"{few(names)} would all be {output}: rename all but one")
    return [name for name in tables if name not in faults], [Done(name, fault=why) for name, why in faults.items()]


def _output(name: str) -> str:
    return PurePosixPath(name).with_suffix(PARQUET).as_posix()


def _run(runner: Runner, bundle: Bundle, many: Many, names: Sequence[str], at_once: int) -> list[Done]:
    """What became of each; those of a share whose process died are tried once more, one by one."""
    files = {name: bundle.files[name] for name in (GRAPH, SIGNATURE)}
    work = partial(predicted, many, files, bundle.trusted, _provenance(bundle, many.rows))
    shares = [names[start :: SHARES * at_once] for start in range(min(SHARES * at_once, len(names)))]
    pace, done = Pace(), list[Done]()

    def line() -> str:
        return f"{len(done):,} of {counted(len(names), 'table')}, {pace.seconds:.0f} s"

    while shares:
        left: list[Sequence[str]] = []
        with closing(runner.stream(work, [(few(each), (each,)) for each in shares], at_once)) as ended:
            for number, found in ended:
                if not isinstance(found, Died):
                    done.extend(found)
                elif len(shares[number]) == 1:
                    done.append(Done(shares[number][0], fault=f"its process {found.how}"))
                else:
                    say(f"{found}: they are tried one by one", error=True)
                    left += [[name] for name in shares[number]]
                pace.say(line)
        shares = left
    return done


def _provenance(bundle: Bundle, rows: Rows) -> dict[str, str]:
    """All that predictions are made with, but the table."""
    reading = json.dumps([rows.separator, rows.decimal, rows.encoding])
    return {f"{PREFIX}bundle": bundle.digest, f"{PREFIX}keep": json.dumps(rows.keep), f"{PREFIX}reading": reading}


def _seen(done: Done, there: Container[str], target: str) -> Done:
    """As this process sees it: another machine may have a folder of that name to itself."""
    if done.fault or _output(done.name) in there:
        return done
    return Done(done.name, fault=f"its predictions are not in {target}: every node needs the same folder there")


def predicted(
    many: Many, files: Mapping[str, bytes], trusted: bool, provenance: Mapping[str, str], names: Sequence[str]
) -> list[Done]:
    """What became of a share of the tables, in a process that may be on another machine."""
    if "://" not in many.source and not Path(many.source).is_dir():
        raise BundleError(f"{socket.gethostname()} does not see {many.source}: every node needs the same folder there")
    bundle = Bundle.of(files, trusted)
    source, target = many.place(many.source, "rows"), many.place(many.target, "predictions")
    return [_done(many, bundle, provenance, name, source, target) for name in names]


def _done(many: Many, bundle: Bundle, provenance: Mapping[str, str], name: str, source: Place, target: Place) -> Done:
    try:
        mark = source.mark(name)
        if mark is None:
            raise BundleError("it is not there any more")
        wanted, before = {**provenance, TABLE: mark}, target.look(_output(name), _made_with)
        if before == wanted:
            return Done(name)
        _check_there(before, wanted, many.again)
        near = many.near if many.near and many.near.is_dir() else None
        with scratch("table", near) as folder, source.local(name, folder) as file:
            run, written = Run(bundle, replace(many.rows, path=file)), folder / "predictions"
            with _called_it(file):
                write_parquet(run, written, wanted)
            if source.mark(name) != mark:
                raise BundleError("it changed while it was read: run this again")
            if target.look(_output(name), _made_with) != before:
                raise BundleError("another run has written it meanwhile: run this again")
            target.put(_output(name), written, new=before is None)
        return Done(name, run.done)
    except (StemmaError, OSError) as error:
        return Done(name, fault=told_by_system(error) if isinstance(error, OSError) else str(error))


def _check_there(before: Mapping[str, str] | None, wanted: Mapping[str, str], again: bool) -> None:
    """Refuse to write over predictions, unless they shall be made `again`, and over what is none of ours."""
    if before == {}:
        raise BundleError("what has the name of its predictions does not tell what it was made with: move it away")
    if before is not None and not again:
        others = [key.removeprefix(PREFIX) for key in wanted if before.get(key) != wanted[key]]
        raise BundleError(f"its predictions were made with another {few(others)} (--again: make them anew)")


def _made_with(file: Any) -> dict[str, str]:
    """What the metadata of a file tell; nothing where it holds no predictions of ours."""
    import pyarrow as pa
    from pyarrow import parquet

    try:
        found = parquet.read_metadata(file).metadata or {}
    except pa.ArrowException:
        return {}
    return {key.decode(): value.decode() for key, value in found.items() if key.startswith(PREFIX.encode())}


@contextmanager
def _called_it(file: Path) -> Iterator[None]:
    """Errors begin with the file, which may be a copy of a random name."""
    try:
        yield
    except BundleError as error:
        raise BundleError(str(error).removeprefix(str(file)).lstrip(":, ")) from None
