"""A route, a call and an answer: all that a protocol or a page is made of, and that a wrapper sees."""

import re
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from stemma.serve.models import Models, Refused, Version
from stemma.serve.settings import Limits

JSON = "application/json"
Control = Callable[..., Coroutine[Any, Any, str | None]]  # an action, a model -> why it cannot be done
Header = tuple[bytes, bytes]


@dataclass(frozen=True, slots=True)
class Call:
    """A request that was read whole.

    Args:
        named: the parts of the path, by their names in the route.
        headers: names in lower case.
        models: those in service when it came; what is switched meanwhile does not change them.
        control: changes what is in service; None where nobody may.
    """

    path: str
    named: Mapping[str, str]
    query: bytes
    headers: tuple[Header, ...]
    body: bytes
    models: Models
    limits: Limits
    control: Control | None

    def check_rows(self, count: int, columns: int = 0) -> None:
        """Refuse more rows, or columns, than are taken at once.

        Raises:
            Refused: there are more.
        """
        if count > self.limits.rows:
            raise Refused(422, f"there are more than {self.limits.rows} rows: send them in parts")
        if columns > self.limits.columns:
            raise Refused(422, f"there are {columns} columns, and {self.limits.columns} are taken")

    def header(self, name: bytes) -> str:
        """The last of this name, empty where there is none."""
        return next((value.decode("latin-1") for key, value in reversed(self.headers) if key == name), "")

    def json(self, body: bytes | None = None) -> Any:
        """The body, or a part of it.

        Raises:
            Refused: it is no JSON.
        """
        try:
            return orjson.loads(self.body if body is None else body)
        except orjson.JSONDecodeError as error:
            raise Refused(400, f"the body is no JSON ({error})") from None


@dataclass(frozen=True, slots=True)
class Answer:
    """What goes back.

    Args:
        version: that it is of, and is named in its headers.
        rows: that were predicted.
    """

    body: bytes = b""
    status: int = 200
    kind: str = JSON
    headers: tuple[Header, ...] = ()
    version: Version | None = None
    rows: int = 0


def in_json(value: Any, status: int = 200, headers: tuple[Header, ...] = (), **more: Any) -> Answer:
    """An answer; arrays and figures of NumPy with the fewest digits that give the same float32."""
    return Answer(orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY), status, JSON, headers, **more)


@dataclass(frozen=True)
class Route:
    """A path such as /v1/models/{model}:predict, a method, and what answers.

    Args:
        answer: called beside the event loop where the body is large; a coroutine that it gives is awaited on it.
        takes: the content types of a body.
        scope: what a caller's token must allow, where tokens are asked for; None: it is for everybody.
    """

    method: str
    path: str
    answer: Callable[[Call], Answer | Awaitable[Answer]]
    takes: tuple[str, ...] = (JSON,)
    scope: str | None = "predict"
    pattern: re.Pattern[str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        parts = re.split(r"\{(\w+)\}", self.path)
        made = "".join(f"(?P<{part}>[^/]+)" if place % 2 else re.escape(part) for place, part in enumerate(parts))
        object.__setattr__(self, "pattern", re.compile(made))


def found(routes: Iterable[Route], method: str, path: str) -> tuple[Route, Mapping[str, str]]:
    """The route of a path, and the parts of the path by name.

    Raises:
        Refused: there is none, or not with this method.
    """
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
