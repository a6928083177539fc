"""The request log: Parquet files in a folder, written and read here.

A file holds rows that one version answered. Its metadata say which, with the signature of its bundle; its columns are

    id, row            of the request; the number of the row in it, from 0
    time, latency      when it was answered (UTC); seconds that the whole request took
    input.NAME         as the signature types it, or as text what a treatment leaves of it
    header.NAME        of the request
    arm                why this version was asked: "stable", "split", "named", "shadow"; not in every log
    caller             whom a split by a header or a column told apart, hashed; not in every log
    probability.CLASS  of each class
    prediction         the class that was decided, or the value of a regression

A file has a temporary name until it is whole: what is killed loses the rows of its last `Options.seconds`.
"""

import hmac
import json
import math
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property, partial
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal, get_args
from uuid import uuid4

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import compute, parquet

from stemma import parquet as whole
from stemma.errors import SettingsError, StemmaError, told_by_system
from stemma.files import open_plain, replaced
from stemma.signature import Signature, parse
from stemma.text import in_one_line, nearest

KEY = "STEMMA_LOG_KEY"  # of the environment
FORMAT, REQUESTS = 1, "requests"
STAMP = "%Y%m%dT%H%M%S"  # in the name of a file: when it was written, or its last row came
FACTS = b"stemma.watch"  # of a file's metadata
MOMENT = pa.timestamp("us", tz="UTC")
TYPES = {"number": pa.float32(), "boolean": pa.bool_(), "date": MOMENT, "string": pa.string()}
CORE = {"id": pa.string(), "row": pa.int32(), "time": MOMENT}  # of every file
MORE = {"arm": pa.string(), "caller": pa.string()}  # of some
MASKED = "***"
CHUNK = 64  # requests taken at once: more would hold the interpreter while an answer waits for it
PAUSE = 0.5  # seconds in which nothing is looked for: to look costs more than a request
DAMAGE = (ValueError, LookupError, TypeError, AttributeError, ArithmeticError, RecursionError)  # of what a file says
FILES = 4  # whose rows, or bytes, may wait in memory
ARRAY = 250  # bytes of an array of one value, beside those of the value
LARGE = 64 * 10**6  # bytes of a file in memory that is written, however few its rows are
Treatment = Literal["mask", "hash", "omit"]
Columns = Mapping[str, Any]


@dataclass(frozen=True)
class Source:
    """What answered: the version, and signature.json of its bundle."""

    version: str
    contract: bytes
    digest: str = ""  # of what answered, where others may have the same name at another time

    @cached_property
    def signature(self) -> Signature:
        return parse(self.contract)


@dataclass(frozen=True)
class Request:
    """One request of N rows that was answered."""

    id: str
    inputs: Mapping[str, NDArray[Any]]  # arrays (N, 1), as `Signature.arrays` makes them; nobody changes them any more
    output: NDArray[Any]  # (N, width), what the graph gave
    latency: float  # seconds
    headers: Mapping[str, str] = field(default_factory=dict)  # those that are kept, by name
    time: float = field(default_factory=time.time)  # seconds since 1970
    first: int = 0  # the number of the first row in it
    arm: str | None = None  # why this version was asked
    caller: str = ""  # who is asked the same version every time
    size: int = 0  # bytes of the body

    @property
    def bytes(self) -> int:
        """About what it takes to wait: to look at each value would take longer than to answer."""
        return self.size + ARRAY * len(self.inputs)


@dataclass(frozen=True)
class Options:
    """What is kept of requests."""

    sample: float = 1.0  # share of the requests, chosen by a hash of their ids: the same ones in every process
    # inputs, and headers as header.NAME, that are masked (only whether there is a value), hashed (equal values stay
    # equal), or left out
    columns: Mapping[str, Treatment] = field(default_factory=dict)
    key: bytes = field(default=b"", repr=False)  # of the hashes: without it nobody finds a value by trying
    rows: int = 50_000  # a file is written when it has so many
    seconds: float = 60.0  # or when it is so old

    def __post_init__(self) -> None:
        for treatment in set(self.columns.values()) - set(get_args(Treatment)):
            raise SettingsError(
                f"columns of the request log cannot be treated by {treatment!r}: mask, hash or omit them"
            )
        if "hash" in self.columns.values() and not self.key:
            raise SettingsError(f"columns of the request log are hashed: {KEY} of the environment must hold a key")

    def check(self, sources: Iterable[Source], headers: Collection[str] = ()) -> None:
        """Refuse (SettingsError) the name of a column that no version has, whose values would be kept."""
        known = {each.name for source in sources for each in source.signature.inputs}
        known |= {f"header.{name}" for name in headers}
        for name in self.columns.keys() - known:
            raise SettingsError(f"the request log shall treat {name!r}, which no version takes{nearest(name, known)}")

    def takes(self, id: str) -> bool:
        return self.sample >= 1 or share(id) < self.sample

    def digest(self, value: object) -> str:
        """16 hexadecimal digits."""
        return hmac.digest(self.key, str(value).encode("utf-8", "replace"), "sha256").hex()[:16]


def share(id: str) -> float:
    """A number from 0 to 1, like a random one, but always the same."""
    return int.from_bytes(blake2b(id.encode("utf-8", "replace"), digest_size=6).digest()) / 2**48


class Writer:
    """Takes requests and returns at once: a thread of its own writes them. Nothing that it meets stops an answer.

    Args:
        told: is told of rows, as they are counted.

    Attributes:
        counts: rows that were "written", "dropped" because too many waited, and "failed" to be written, until now.
        fault: why they failed, the last time.
    """

    def __init__(
        self, folder: Path, options: Options = Options(), told: Callable[[str, int], None] = lambda state, rows: None
    ) -> None:
        self._folder, self._options, self._told = folder, options, told
        self._lock, self._closing = threading.Lock(), threading.Event()
        self._queue: deque[tuple[Source, Request]] = deque()
        self._waiting, self.counts, self.fault = 0, Counter[str](), ""  # rows in memory
        self._bytes = 0  # in the queue
        self._files: dict[Source, _File] = {}  # of the thread
        pa.array(np.empty(0))  # with its first array Arrow imports pandas, if that is there: not while answers wait
        self._thread = threading.Thread(target=self._run, name="request log", daemon=True)
        self._thread.start()

    def add(self, source: Source, request: Request) -> None:
        if not self._options.takes(request.id):
            return
        rows = len(request.output)
        with self._lock:
            if self._waiting + rows > FILES * self._options.rows or self._bytes > FILES * LARGE:
                self._count("dropped", rows)
                return
            self._waiting += rows
            self._bytes += request.bytes
            self._queue.append((source, request))

    def close(self) -> None:
        """Write what waits."""
        self._closing.set()
        self._thread.join()

    def _run(self) -> None:
        last = False
        while not last:
            last = self._closing.is_set()
            while taken := [self._queue.popleft() for _ in range(min(CHUNK, len(self._queue)))]:
                with self._lock:
                    self._bytes -= sum(each.bytes for _, each in taken)
                for source in dict.fromkeys(source for source, _ in taken):
                    self._keep(source, [each for of, each in taken if of == source])
                self._flush()
                time.sleep(0.001)  # answers come first
            self._flush(all=last)
            self._closing.wait(PAUSE)

    def _keep(self, source: Source, requests: Sequence[Request]) -> None:
        with self._losing(sum(len(each.output) for each in requests)):
            made = _table(source.signature, requests, self._options)
            self._files.setdefault(source, _File()).add(made)

    def _flush(self, all: bool = False) -> None:
        for source, file in list(self._files.items()):
            old = time.monotonic() - file.since >= self._options.seconds
            if all or old or file.rows >= self._options.rows or file.bytes >= LARGE:
                del self._files[source]
                with self._losing(file.rows):
                    table = pa.concat_tables(file.tables, promote_options="default")
                    told = {"version": source.version, "signature": source.contract.decode(), "digest": source.digest}
                    save(self._folder, REQUESTS, table, told | {"treated": dict(self._options.columns)})
                    self._left("written", file.rows)

    @contextmanager
    def _losing(self, rows: int) -> Iterator[None]:
        """Whatever goes wrong in here is counted and told, and the next rows are tried."""
        try:
            yield
        except Exception as error:
            self.fault = told_by_system(error) if isinstance(error, OSError) else in_one_line(error)
            self._left("failed", rows)

    def _left(self, state: str, rows: int) -> None:
        """They do not wait any more."""
        with self._lock:
            self._waiting -= rows
        self._count(state, rows)

    def _count(self, state: str, rows: int) -> None:
        self.counts[state] += rows
        self._told(state, rows)


@dataclass
class _File:
    """Rows of a version on their way to one file."""

    tables: list[Any] = field(default_factory=list)
    since: float = field(default_factory=time.monotonic)
    rows: int = 0
    bytes: int = 0

    def add(self, table: Any) -> None:
        self.tables.append(table)
        self.rows += table.num_rows
        self.bytes += table.nbytes


# Rows as Arrow has them.


def _table(known: Signature, requests: Sequence[Request], options: Options) -> Any:
    output = np.concatenate([each.output for each in requests])
    counts = [len(each.output) for each in requests]
    of = np.repeat(np.arange(len(counts)), counts)  # the request of each row
    before = np.cumsum(counts) - counts - [each.first for each in requests]

    def repeated(values: list[Any], kind: Any) -> Any:
        return pa.array(values, kind).take(pa.array(of))

    made: dict[str, Any] = {
        "id": repeated([each.id for each in requests], CORE["id"]),
        "row": pa.array(np.arange(len(of)) - before[of], CORE["row"]),
        "time": repeated([round(each.time * 1e6) for each in requests], MOMENT),
        "latency": repeated([each.latency for each in requests], pa.float64()),
    }
    if any(each.arm for each in requests):
        made["arm"] = repeated([each.arm for each in requests], MORE["arm"])
    if any(each.caller for each in requests):
        whom = [options.digest(each.caller) if each.caller else None for each in requests]
        made["caller"] = repeated(whom, MORE["caller"])
    for each in known.inputs:
        values = np.concatenate([request.inputs[each.name] for request in requests])[:, 0]
        made |= _treated(f"input.{each.name}", each.name, _typed(values, each.type), options)
    for name in sorted({name for request in requests for name in request.headers}):
        values = repeated([request.headers.get(name) for request in requests], pa.string())
        made |= _treated(f"header.{name}", f"header.{name}", values, options)
    made |= {f"probability.{name}": pa.array(output[:, place]) for place, name in enumerate(known.classes)}
    return pa.table(made | {"prediction": pa.array(known.labels(output) if known.classes else output[:, 0])})


def _typed(values: NDArray[Any], kind: str) -> Any:
    """A column of a graph's inputs; no value is null, of a text ""."""
    if kind == "string":
        return pa.array(values, pa.string())
    gone = np.isnan(values)
    plain = np.where(gone, 0, values * 1e6 if kind == "date" else values)
    wide = {"number": np.float32, "boolean": np.bool_, "date": np.int64}[kind]
    return pa.array(np.rint(plain).astype(wide) if kind == "date" else plain.astype(wide), TYPES[kind], mask=gone)


def _treated(column: str, name: str, values: Any, options: Options) -> dict[str, Any]:
    """The column as it is kept, by its name in the file; nothing where it is left out."""
    treatment = options.columns.get(name)
    if treatment is None or treatment == "omit":
        return {} if treatment else {column: values}
    shown = (
        None if value in (None, "") else MASKED if treatment == "mask" else options.digest(value)
        for value in values.to_pylist()
    )
    return {column: pa.array(shown, pa.string())}


# Files.


def save(folder: Path, kind: str, table: Any, facts: Columns, name: str = "") -> str:
    """Write a file that no other has the name of, or one in its place; its name. An OSError leaves nothing of it."""
    told = json.dumps({"format": FORMAT, "kind": kind, **facts}).encode()
    until = max(filter(None, (datetime.now(UTC), compute.max(table["time"]).as_py())))  # clocks are set back, too
    name = name or f"{kind}-{until:{STAMP}}Z-{uuid4().hex[:12]}.parquet"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)  # it may be gone by now; what callers sent is not for all
    with replaced(folder / name) as partial:
        texts = [field.name for field in table.schema if pa.types.is_string(field.type)]
        parquet.write_table(table.replace_schema_metadata({FACTS: told}), partial, use_dictionary=texts)
    return name


@dataclass(frozen=True)
class File:
    """A file of requests; its rows are not read."""

    path: Path
    source: Source
    treated: Mapping[str, str]  # what was done to columns, by name, before they were kept
    types: Mapping[str, Any]  # of its columns, by name
    first: float  # the time of its rows, seconds since 1970
    last: float


class Log:
    """The files of a request log. What is damaged, or none of ours, is left out.

    Args:
        since: seconds since 1970, before which no request counts; None: all do.
    """

    def __init__(self, folder: Path, since: float | None = None) -> None:
        self.folder, self._since, self._skipped = folder, since, dict[str, None]()

    @property
    def skipped(self) -> tuple[str, ...]:
        """A line for each file that was left out, until now."""
        return tuple(self._skipped)

    def files(self, needed: bool = True) -> list[File]:
        """Those that hold requests, in the order of their first rows; what was written too early is not opened.

        Args:
            needed: whether it is a StemmaError that there is none.
        """
        start = -math.inf if self._since is None else self._since
        there = self._paths(REQUESTS)
        paths = [path for path in there if _written(path) >= start]
        found = [file for path in paths for file in self._sound(path, partial(_file, path))]
        if needed and not found and len(paths) == len(there):
            raise StemmaError(f"{self.folder} holds no request log" + "".join(f": {line}" for line in self.skipped[:1]))
        kept = (file for file in found if file.last >= start and file.first <= file.last)
        return sorted(kept, key=lambda file: (file.first, file.path))

    def rows(self, file: File, columns: Collection[str]) -> Iterator[Any]:
        """The Arrow table of a file; none where it is damaged.

        Args:
            columns: those that are wanted beside id, row and time, such as "prediction", or "input" for all of its
                kind.
        """
        for table in self._sound(file.path, partial(_opened, file.path, REQUESTS, columns)):
            start = None if self._since is None else datetime.fromtimestamp(self._since, UTC)
            yield table if start is None else table.filter(compute.greater_equal(table["time"], start))

    def scan(self, kind: str, columns: Collection[str]) -> Iterator[Any]:
        """The table of each file of a kind."""
        for path in self._paths(kind):
            yield from self._sound(path, partial(_opened, path, kind, columns))

    def _paths(self, kind: str) -> list[Path]:
        return sorted(self.folder.glob(f"{kind}-*.parquet"))

    def _sound(self, path: Path, read: Callable[[], Any]) -> Iterator[Any]:
        """What is read of a file; nothing, and a line, where it cannot be."""
        try:
            yield read()
        except OSError as error:
            self._skipped[f"{path} is skipped: {error.strerror or in_one_line(error)}"] = None
        except (pa.ArrowException, StemmaError, *DAMAGE) as error:
            why = in_one_line(error, 80)
            self._skipped[f"{path} is skipped: it is damaged, or not of this log ({why})"] = None


def _written(path: Path) -> float:
    """When, by its name; of another name it is not known."""
    try:
        return datetime.strptime(path.name.split("-")[1], f"{STAMP}Z").replace(tzinfo=UTC).timestamp() + 1
    except (ValueError, IndexError):
        return math.inf


def _opened(path: Path, kind: str, columns: Collection[str]) -> Any:
    with open_plain(path) as file:
        schema = parquet.read_schema(file)
        _facts(schema, kind)  # where they are damaged, so may be the rest
        file.seek(0)
        wanted = {*CORE, *MORE, *columns}
        table = whole.read(file, [name for name in schema.names if {name, name.partition(".")[0]} & wanted])
    _check_values(table)
    return table


def _facts(schema: Any, kind: str) -> Columns:
    facts: Columns = json.loads(schema.metadata[FACTS])
    if (facts["format"], facts["kind"]) != (FORMAT, kind):
        raise ValueError(f"{facts['kind']} of format {facts['format']}")
    more = {name: kind for name, kind in MORE.items() if name in schema.names}
    for name, wanted in (CORE | more | (_answered(facts) if kind == REQUESTS else {})).items():
        if schema.field(name).type != wanted:
            raise TypeError(f"{name} is {schema.field(name).type}")
    return facts


def _file(path: Path) -> File:
    with open_plain(path) as file:
        schema, known = parquet.read_schema(file), parquet.read_metadata(file)
    facts, place = _facts(schema, REQUESTS), schema.names.index("time")
    groups = [known.row_group(number).column(place).statistics for number in range(known.num_row_groups)]
    ends = [end / 1e6 for group in groups for end in (group.min_raw, group.max_raw)]
    for end in ends:
        datetime.fromtimestamp(end, UTC)  # a date of Python's, or a ValueError
    of = _source(facts), facts["treated"], dict(zip(schema.names, schema.types, strict=True))
    return File(path, *of, min(ends, default=math.inf), max(ends, default=-math.inf))


def _check_values(table: Any) -> None:
    """Refuse what no server writes, and no figure can be made of: no time, or one of no calendar, and infinity."""
    if table["time"].null_count:
        raise ValueError("a time is missing")
    compute.min_max(table["time"]).as_py()  # a date of Python's, or a ValueError
    for name, column in zip(table.column_names, table.columns, strict=True):
        if pa.types.is_floating(column.type) and compute.any(compute.is_inf(column)).as_py():
            raise ValueError(f"{name} is not finite")


def _answered(facts: Columns) -> dict[str, Any]:
    """The types of what was answered; facts that are damaged are found here."""
    classes = _source(facts).signature.classes
    if not isinstance(facts["treated"], dict):
        raise TypeError("treated")
    probabilities = {f"probability.{name}": pa.float32() for name in classes}
    return probabilities | {"latency": pa.float64(), "prediction": pa.string() if classes else pa.float32()}


def _source(facts: Columns) -> Source:
    return Source(str(facts["version"]), facts["signature"].encode(), str(facts.get("digest", "")))
