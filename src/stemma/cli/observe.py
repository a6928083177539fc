"""What `stemma watch` reads, kept by a server: it is handed what it answers."""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

from stemma.bundle.archive import SIGNATURE
from stemma.errors import BundleError, SettingsError, told_by_system
from stemma.serve import log
from stemma.serve.load import opened
from stemma.serve.routes import SHADOW, Call, Outcome
from stemma.serve.settings import LogSettings, ModelSettings
from stemma.serve.sources import Source as Versions
from stemma.watch.log import KEY, Options, Request, Source, Writer
from stemma.watch.outcomes import LATE, Ledger, join

SECRET = {"authorization", "proxy-authorization", "cookie"}


class Kept:
    """The request log of a process that answers.

    Args:
        count: is told of rows of the "log" and of "feedback", and what was done with so many.
    """

    def __init__(self, settings: LogSettings, count: Callable[[str, str, int], None]) -> None:
        options, self._folder = _options(settings), Path(settings.folder)
        self.takes, self._headers, self._count = options.takes, settings.headers, count
        self._writer, self._ledger = Writer(self._folder, options, self._told), Ledger(self._folder)
        self._source, self._hidden = lru_cache(64)(Source), frozenset() if options.key else options.columns.keys()

    def answered(self, call: Call, seconds: float) -> None:
        """Keep it, a part at a time; a thread does the rest."""
        version, first = call.version(), 0
        name = f"{version.name} (shadow)" if call.ran.arm == SHADOW else version.name  # its figures are its own
        source = self._source(name, version.bundle.files[SIGNATURE], version.digest)
        headers = {name: value for name in self._headers if (value := call.header(name.encode()))}
        more: dict[str, Any] = {"arm": call.ran.arm, "caller": self._caller(call), "size": len(call.body)}
        for arrays, output in call.ran.parts:
            self._writer.add(source, Request(call.id, arrays, output, seconds, headers, first=first, **more))
            first += len(output)

    def _caller(self, call: Call) -> str:
        """Whom a split told apart; nobody where the log hides that and no key does: trying finds what a hash is of."""
        if not (call.ran.caller and self._hidden):
            return call.ran.caller
        split = call.models.by_name[call.version().model].split
        by = "" if split is None else split.by.replace("header:", "header.", 1).removeprefix("column:")
        return "" if by in self._hidden else call.ran.caller

    def outcomes(self, told: Sequence[Sequence[Outcome]]) -> list[dict[str, Any]]:
        """Join them with the log; those of requests that are not written yet are kept.

        Raises:
            OSError: none of them can be.
        """
        tellings = {str(place): [((id, row), text) for id, row, text in each] for place, each in enumerate(told)}
        found = join(self._folder, tellings, LATE, self._ledger.keep, self.takes)
        for each in found:
            for what in filter(each.counts.get, each.counts):
                self._count("feedback", what, each.counts[what])
        return [
            {
                **each.counts,
                "told": [f"{count} {what}: {meaning}{ids and f' ({ids})'}" for what, count, meaning, ids in each.rows],
            }
            for each in found
        ]

    def close(self) -> None:
        self._writer.close()

    def _told(self, state: str, rows: int) -> None:
        self._count("log", state, rows)
        if state == "failed":
            log.note("request log", rows=rows, error=self._writer.fault)


def check(kept: LogSettings, models: Iterable[ModelSettings]) -> None:
    """Refuse a log that cannot be kept, or would keep in the open what another name shall hide (SettingsError)."""
    options, found = _options(kept), tuple(sources(models)) if kept.columns else ()
    if found:  # a folder may still get its first version
        options.check(found, kept.headers)
    try:
        Path(kept.folder).mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"no request log can be kept in {kept.folder} ({told_by_system(error)})") from None


def _options(settings: LogSettings) -> Options:
    if secret := SECRET.intersection(settings.headers):
        raise SettingsError(f"the request log keeps no header {secret.pop()}: it is a secret of the caller")
    return Options(settings.sample, settings.columns, os.environ.get(KEY, "").encode())


def sources(models: Iterable[ModelSettings]) -> Iterator[Source]:
    """The versions that are there; of those that are damaged, the server tells."""
    for model in models:
        for place in Versions(Path(model.source)).versions().values():
            try:
                yield Source("", opened(place.path).files[SIGNATURE])
            except BundleError:
                continue
