"""The one shape of what can be added to: a table of lines, each naming where a thing is.

    METRICS = {"lift": Entry("project.extensions.metrics.lift:LIFT")}

A line is strings and a type, so it costs nothing until the thing is used, and can be sent to another process. The
toolkit has its own lines, the project hands over more, and packages that are installed bring theirs: a Python entry
point in the group `stemma.metrics` (`stemma.networks`, ...) names an `Entry` of theirs. docs/extending.md tells each.
"""

import functools
import importlib
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from importlib import metadata
from typing import Any

from stemma.errors import EntryError, MissingExtra, StemmaError
from stemma.text import in_one_line


@dataclass(frozen=True)
class Entry:
    """A line of a table."""

    path: str  # where the thing is, "module:Name"
    settings: type[Any] | None = None  # the type of its section of params.yaml; None where it has none
    extra: str | None = None  # the optional dependencies of the project that its module imports

    def load(self, kind: type[Any] = object) -> Any:
        """The thing, imported only now.

        Args:
            kind: what it must be.

        Raises:
            MissingExtra: a package that it needs is not installed.
            EntryError: its module cannot be imported, has nothing of this name, or something else.
        """
        with naming(f"{self.path} cannot be loaded"):
            try:
                found = _named(self.path)
            except ModuleNotFoundError as error:
                if self.extra is None:
                    raise
                raise MissingExtra(str(error.name), self.extra) from error
        if not isinstance(found, kind):
            raise EntryError(f"{self.path} is no {kind.__name__}")
        return found

    def words(self) -> tuple[str, str]:
        """The entry for another process, which `of_words` takes there."""
        settings = "" if self.settings is None else f"{self.settings.__module__}:{self.settings.__qualname__}"
        return self.path, settings

    @classmethod
    def of_words(cls, path: str, settings: str) -> "Entry":
        return cls(path, _named(settings) if settings else None)


def added(table: str, own: Mapping[str, Entry], taken: Collection[str]) -> dict[str, Entry]:
    """What installed packages and the project add to a table of the toolkit.

    Args:
        table: its name, as in docs/extending.md.
        own: the project's lines.
        taken: the names of the toolkit's own.

    Raises:
        EntryError: a name is taken, or could not stand in files and on the command line.
    """
    lines = installed(table) | dict(own)
    for name, entry in lines.items():
        if name in taken:
            raise EntryError(f"{table}: the toolkit has a {name!r}, so {entry.path} needs another name")
        if not name.replace("-", "_").isidentifier():
            raise EntryError(f"{table}: {name!r} is no name: letters, digits, _ and - make one")
    return lines


def installed(table: str) -> dict[str, Entry]:
    """The lines that installed packages bring; an EntryError where one cannot be imported, or is no Entry."""
    own = [point for point in _points() if point.group == f"stemma.{table}"]
    return {point.name: Entry(point.value).load(Entry) for point in own}


@functools.cache
def _points() -> tuple[metadata.EntryPoint, ...]:
    """Those for us of all that is installed: to look for them takes some 20 ms."""
    points = {point for each in metadata.distributions() for point in each.entry_points}
    return tuple(sorted(point for point in points if point.group.startswith("stemma.")))


@contextmanager
def naming(what: str, kind: Callable[[str], StemmaError] = EntryError) -> Iterator[None]:
    """Turn what code that was added, or is fed with what was, raises into one line; `--debug` shows where."""
    try:
        yield
    except StemmaError:
        raise
    except Exception as error:  # it is anyone's code: what it raises has no common base
        raise kind(f"{what} ({type(error).__name__}: {in_one_line(error)})") from error


def _named(path: str) -> Any:
    module, name = path.split(":")
    return getattr(importlib.import_module(module), name)
