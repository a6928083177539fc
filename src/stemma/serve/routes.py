"""A route, a call and an answer: all that a protocol or a page is made of, and that a wrapper sees."""

import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import orjson
from numpy.typing import NDArray

from stemma.serve.batch import Batcher, Columns, Output
from stemma.serve.models import Models, Refused, Split, Version
from stemma.serve.scopes import Scope
from stemma.serve.settings import Limits
from stemma.text import counted

JSON = "application/json"
Control = Callable[..., Coroutine[Any, Any, str | None]]  # an action, a model -> why it cannot be done
Header = tuple[bytes, bytes]
Outcome = tuple[str, int, str]  # id of a request, number of the row in it, what came
Arrays = Mapping[str, NDArray[Any]]
STABLE, SPLIT, NAMED, SHADOW = "stable", "split", "named", "shadow"  # arms


@dataclass(slots=True)
class Ran:
    """The version that a call asked, and what it was asked and answered, part by part."""

    keeps: bool = False  # whether the parts are kept
    version: Version | None = None
    # why it was this version: who names none asks the stable one, or one that a split gives; one was named; or it gets
    # a copy, as a shadow
    arm: str = ""
    split: Split | None = None  # of which the column has yet to tell
    caller: str = ""  # whom a split told apart; empty where it has no name
    parts: list[tuple[Arrays, Output]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was read whole."""

    path: str
    named: Mapping[str, str]  # the parts of the path, by their names in the route
    query: bytes
    headers: tuple[Header, ...]  # names in lower case
    body: bytes
    models: Models  # those in service when it came; what is switched meanwhile does not change them
    limits: Limits
    control: Control | None  # changes what is in service; None where nobody may
    id: str = ""  # of the request, its caller's or ours
    ran: Ran = field(default_factory=Ran)  # what came of it until now

    def version(self) -> Version:
        """The version that predicts: the one that is named; else the stable one, or one that a split gives."""
        ran = self.ran
        if ran.version is None:
            ran.version, ran.arm = self.models.find(self.named), STABLE
            split = self.models.by_name[ran.version.model].split
            if "version" in self.named or "label" in self.named:
                ran.arm = NAMED
            elif split is not None and split.column:
                ran.split = split
            elif split is not None:
                self._take(split, ran.version, self.header(split.header))
        return ran.version

    def _take(self, split: Split, stable: Version, caller: str) -> None:
        """The version that a split gives a caller; who has no name is one by himself."""
        self.ran.caller, number = caller, split.version(caller or self.id)
        if number is not None:
            self.ran.version, self.ran.arm = self.models.by_name[stable.model].versions[number], SPLIT

    def predicted(self, columns: Columns, told: Callable[[Output], "Answer"]) -> "Answer | Awaitable[Answer]":
        """What is told of predictions by the version of this call; they may run with those of other calls."""
        batcher, waits = self.version().batcher, self.ran.split is None and self.ran.arm != SHADOW
        if batcher is not None and waits and batcher.takes(columns):
            return self._with_others(batcher, columns, told)
        return told(self.run(self.version().bundle.signature.arrays(columns)))

    async def _with_others(self, batcher: Batcher, columns: Columns, told: Callable[[Output], "Answer"]) -> "Answer":
        output = await batcher.predict(columns)
        if self.ran.keeps:
            self.ran.parts.append((self.version().bundle.signature.arrays(columns), output))
        return told(output)

    def run(self, arrays: Arrays, first_row: int = 1) -> Output:
        """As `Bundle.run`, by the version of this call; Elsewhere where a column tells that another is to be asked."""
        version = self.version()
        if self.ran.split is not None:
            self._take_by_column(self.ran.split, version, arrays)
        output: Output = version.bundle.run(arrays, first_row)
        if self.ran.keeps:
            self.ran.parts.append((arrays, output))
        return output

    def _take_by_column(self, split: Split, stable: Version, arrays: Arrays) -> None:
        values, self.ran.split = arrays.get(split.column), None
        caller = str(values[0, 0]) if values is not None and len(values) else ""
        self._take(split, stable, "" if caller == "nan" else caller)
        if self.ran.version is not stable:
            raise Elsewhere

    def check_rows(self, count: int, columns: int = 0) -> None:
        """Refuse (Refused) more rows, or columns, than are taken at once."""
        if count > self.limits.rows:
            raise Refused(422, f"there are more than {counted(self.limits.rows, 'row')}: send them in parts")
        if columns > self.limits.columns:
            raise Refused(422, f"there are {columns} columns, and {self.limits.columns} are taken")

    async def order(self, *action: Any, status: int = 409) -> None:
        """Change what is in service; Refused where nobody may here (403), or it cannot be done."""
        if self.control is None:
            raise Refused(403, "this server takes no orders: start it with --admin")
        if why := await self.control(*action):
            raise Refused(status, why)

    def header(self, name: bytes) -> str:
        """The last of this name, empty where there is none."""
        return next((value.decode("latin-1") for key, value in reversed(self.headers) if key == name), "")

    def json(self, body: bytes | None = None) -> Any:
        """The body, or a part of it; Refused where it is no JSON."""
        try:
            return orjson.loads(self.body if body is None else body)
        except orjson.JSONDecodeError as error:
            raise Refused(400, f"the body is no JSON ({error})") from None


class Observer(Protocol):
    """What sees the answers, and is handed to a server: it returns at once, and stops none."""

    def takes(self, id: str) -> bool:
        """Whether it wants to see the answer to this request."""

    def answered(self, call: Call, seconds: float) -> None:
        """What came of it is in `call.ran`."""

    def outcomes(self, told: Sequence[Sequence[Outcome]]) -> Sequence[dict[str, Any]]:
        """Take what came of requests, and say of each telling what was done, at leisure; an OSError: none is kept."""

    def close(self) -> None:
        """No more will come."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back."""

    body: bytes = b""
    status: int = 200
    kind: str = JSON
    headers: tuple[Header, ...] = ()
    version: Version | None = None  # that it is of, and is named in its headers
    rows: int = 0  # that were predicted
    # whether it is none because the version, or the server, failed; a caller's mistakes are no fault
    fault: bool = False


def in_json(value: Any, status: int = 200, headers: tuple[Header, ...] = (), **more: Any) -> Answer:
    """An answer; arrays and figures of NumPy with the fewest digits that give the same float32."""
    return Answer(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status, JSON, headers, **more)


class Elsewhere(Exception):
    """The call knows only now which version it is for: it is to be answered from the start."""


def answered(answer: Callable[[Call], Answer | Awaitable[Answer]], call: Call) -> Answer | Awaitable[Answer]:
    """What a route answers to a call."""
    try:
        return answer(call)
    except Elsewhere:
        return answer(call)


@dataclass(frozen=True)
class Route:
    """A path such as /v1/models/{model}:predict, a method, and what answers."""

    method: str
    path: str
    # called beside the event loop where the body is large; a coroutine that it gives is awaited on it
    answer: Callable[[Call], Answer | Awaitable[Answer]]
    takes: tuple[str, ...] = (JSON,)  # the content types of a body
    # what a caller's token must allow, where tokens are asked for; None: it is for everybody
    scope: str | None = Scope.PREDICT
    pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parts = re.split(r"\{(\w+)\}", self.path)
        made = "".join(f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
        object.__setattr__(self, "pattern", re.compile(made))


def versions(model: str) -> tuple[str, ...]:
    """The paths of a model, of its versions and of its labels."""
    return model, f"{model}/versions/{{version}}", f"{model}/labels/{{label}}"


def found(routes: Iterable[Route], method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """The route of a path, and the parts of the path by name; Refused where there is none, or not with this method."""
    methods = set()
    for route in routes:
        match = route.pattern.fullmatch(path)
        if match and method in (route.method, "HEAD" if route.method == "GET" else route.method):
            return route, match.groupdict()
        if match:
            methods.add(route.method)
    if not methods:
        raise Refused(404, f"{path[:200]} is no path here")
    allowed = ", ".join(sorted(methods))
    raise Refused(405, f"{path[:200]} takes {allowed}", headers=((b"allow", allowed.encode()),))
