"""How an event is written: by one writer at a time, and of two who meet one wins and the other is told who it was."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path

from stemma.errors import VersionError
from stemma.registry.history import Event, replay
from stemma.registry.tags import Remote, Tag, TakenError, write
from stemma.repo import clone, locks, registry
from stemma.repo.registry import MODEL, Registry
from stemma.repo.repository import Repo, Repository, opened
from stemma.text import say

Holders = dict[tuple[str, str], str]


@dataclass(frozen=True)
class Tagging:
    sign: bool = False  # with the key of Git's settings
    push: bool = False  # to the Git remote, before the tags are here; every event that the remote lacks goes with them
    wait: float = locks.WAIT_FOR_REGISTRY  # seconds, at most, for another process that writes to the registry


PLAIN = Tagging()


@dataclass(frozen=True)
class Writer:
    """Writes to the registry of a repository, while nobody else does."""

    repository: Repository
    remote: Remote | None
    sign: bool
    before: Holders  # what each stage held when the command began; a Repository may have been read long ago

    @property
    def known(self) -> Registry:
        return self.repository.registry

    def check_holders(self, stages: Iterable[str]) -> None:
        """A VersionError, with who came first, where one of these stages changed hands since the command began."""
        for stage in stages:
            if self.known.assigned.get((MODEL, stage)) != self.before.get((MODEL, stage)):
                last = [event for event in replay(self.known) if event.stage == stage and event.model == MODEL][-1]
                raise _came_first(last)

    def write(self, new: Sequence[Tag]) -> tuple[Event, ...]:
        """Make tags, all or none, and say what happened by them.

        Raises:
            VersionError: another push came first, with whose; a tag of this name cannot be, or is there; or as
                `tags.write`.
        """
        root = self.repository.root
        new = [replace(tag, name=registry.tag(root, tag.name)) for tag in new]
        for tag in new:
            if registry.parse(tag.name) is None:
                what = f"the folder {self.known.folder!r} cannot be part of a tag of GTO's"
                raise VersionError(f"{what}: give it a name of letters, digits, -, _ and .")
            if tag.name in self.known.light:
                raise registry.not_annotated([tag.name])
        old = {event.tag for event in self.known.events}
        try:
            write(root, new, sign=self.sign, remote=self.remote)
        except TakenError:
            others = [event for tag, event in self._events().items() if tag not in old]  # they are here by now
            raise _came_first(next((event for event in others if event.tag == new[-1].name), others[-1])) from None
        if self.remote is not None:
            with suppress(VersionError):  # it is done, whatever can still be asked
                self.remote.fetch()
        events = self._events()
        made = tuple(events.pop(tag.name) for tag in new)
        about = {what for event in made for what in (event.name, event.stage) if what}
        for event in events.values():  # a remote refuses the same name alone, and not who retires what one promotes
            if event.tag not in old and not about.isdisjoint((event.name, event.stage)):
                say(f"note: at the same time {_told(event)}: look at both by `stemma history`", error=True)
        return made

    def _events(self) -> dict[str, Event]:
        return {event.tag: event for event in replay(registry.read(self.repository.root))}


@contextmanager
def writing(repo: Repo, tagging: Tagging) -> Iterator[Writer]:
    """The repository as it is while nobody else writes to its registry; what the Git remote knows is fetched first."""
    root = opened(repo).root
    before = holders(root)
    if not tagging.push:  # which fetches every event first
        for lack in clone.lacks(root):  # else two versions may get one number
            if lack.kind == "history" or Remote(root, registry.tag(root, MODEL)).more():
                raise VersionError(f"{lack.what}: nothing is written to the registry before they are here", lack.run)
    remote = Remote(root, registry.tag(root, MODEL)) if tagging.push else None
    with locks.registry(root, tagging.wait):
        if remote is not None:
            remote.fetch()
        yield Writer(Repository(root), remote, tagging.sign, before)


def holders(root: Path) -> Holders:
    return registry.read(root).assigned


def message(subject: str, *more: str | None) -> str:
    return "\n\n".join([subject.strip(), *filter(None, more)]) + "\n"


def _came_first(event: Event) -> VersionError:
    told = f"{_told(event, ' came first:')}; nothing was done: look at it, then try again"
    return VersionError(told, run=f"stemma history {event.stage or ''}".strip())


def _told(event: Event, did: str = ":") -> str:
    what = f"{event.name} was {event.kind.lower().replace('rolledback', 'rolled back')}"
    where = f" ({event.stage})" if event.stage else ""
    when = f"{event.when:%Y-%m-%d %H:%M:%S} UTC"
    why = event.why.splitlines()[0] if event.why else ""
    return f"{event.who}{did} {what}{where} at {when}, {why!r}"
