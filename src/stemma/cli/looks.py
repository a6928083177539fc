"""What `stemma watch guard` does: it looks at a server and its request log, and takes a young version back."""

import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from prometheus_client.parser import text_string_to_metric_families

from stemma.bundle.model import Bundle
from stemma.cli import client
from stemma.errors import StemmaError, told_by_system
from stemma.files import write_text
from stemma.follow.events import taken_back
from stemma.serve.keeper import name_of
from stemma.serve.load import opened
from stemma.serve.metrics import DRIFT
from stemma.serve.settings import ModelSettings
from stemma.serve.sources import Source
from stemma.watch import guard
from stemma.watch.drift import WEEK, Window, drift
from stemma.watch.guard import Rules, Seen
from stemma.watch.log import Log
from stemma.watch.shown import gauges

TRIES = 3  # of an order
EVERY = 3600.0  # seconds between two looks at drift
Key = tuple[str, int]  # a model and the number of a version


@dataclass
class Guard:
    """Looks at what a server says, and at its log."""

    log: Path | None  # the folder
    url: str  # of the server
    rules: Rules
    served: Sequence[ModelSettings]  # whose versions lie here, where they do
    tell: Callable[[str], None]  # is told what happens
    post: Callable[[Mapping[str, Any]], None] = lambda event: None  # is told of each model whose state changed
    # the stage of a model, and the repository that says what it holds
    follows: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)
    drifted: dict[str, list[str]] = field(default_factory=dict)  # by version
    judged: float = 0.0  # when that was
    names: dict[Key, str] = field(default_factory=dict)  # of every version that served
    begun: dict[str, float] = field(default_factory=dict)
    tries: Counter[Key] = field(default_factory=Counter)
    unjudged: set[tuple[str, str]] = field(default_factory=set)  # versions, and figures that their tasks do not have

    def look(self) -> None:
        """Once; a StemmaError where the server does not answer."""
        models = client.ask(self.url, "GET", "/status", "models")["models"]
        counts = _counts(self.url, client.read(self.url, "/metrics"))
        now = time.time()
        answers = {} if self.log is None else guard.read(Log(self.log, now - 2 * self.rules.young))
        serves = serving(models)
        self.names |= serves
        for name in serves.values():
            first = answers[name].times[0] if name in answers else now
            self.begun[name] = min(self.begun.get(name, first), first)
        if self.log is not None and abs(now - self.judged) > EVERY:
            self._drift(self.log, now)
        for model in models:
            self._changed(model)
        splits = {model["name"]: model["split"]["shares"] for model in models if model["split"]}
        back = {(model["name"], int(each["version"])) for model in models for each in model["faults"]}
        for key in self._young(serves, now):
            # The one before it that served, and was not taken back: what that did excuses nothing.
            before = [each for each in self.names if each[0] == key[0] and each < key and each not in back]
            both = [key, *sorted(before)[-1:]]
            seen = [
                guard.Seen(*counts.get(each, (0, 0)), answers.get(self.names[each]),
                           self._bundle(each) if self.rules.drift else None, _share(splits.get(key[0], {}), both))
                for each in both
            ]  # fmt: skip
            self._judge(key, *seen)
            self._tell_unjudged(self.names[key], seen[0])

    def poll(self, seconds: float) -> None:
        """Again and again; a fault is told once, and looked past."""
        told = ""
        if self.log is not None and not (self.log / DRIFT).exists():
            with suppress(OSError):  # else nothing tells that it never could look
                write_text(self.log / DRIFT, gauges((), time.time()))
        while True:
            try:
                self.look()
                fault = ""
            except StemmaError as error:
                fault = str(error)
            if fault not in ("", told):
                self.tell(f"the guard cannot look: {fault}")
            told = fault
            time.sleep(seconds)

    def _young(self, serves: Mapping[Key, str], now: float) -> list[Key]:
        """Those that serve and began not long ago, the latest of each model first."""
        young = [key for key, name in serves.items() if now - self.begun[name] < self.rules.young]
        return sorted((key for key in young if self.tries[key] < TRIES), reverse=True)

    def _judge(self, key: Key, young: Seen, before: Seen | None = None) -> None:
        model, number = key
        why = guard.verdict(self.rules, young, before)
        if why is None:
            return
        self.tries[key] += 1
        try:
            client.ask(self.url, "POST", f"/admin/models/{model}/withdraw/{number}", "done", {"why": why})
        except StemmaError as error:
            return self.tell(f"{model} {number} is not taken back, though {why}: {error}")
        self.tries[key] = TRIES
        self.tell(f"{model} {number} is taken back: {why}")
        if model in self.follows:
            self._write_down(model, self.names[key].rpartition("@")[2], why)

    def _tell_unjudged(self, name: str, seen: Seen) -> None:
        """Once, of figures that judge nothing."""
        lacks = [] if seen.answers is None else guard.lacking(self.rules.figure, seen.answers.signature.task)
        for each in {(name, figure) for figure in lacks} - self.unjudged:
            self.unjudged.add(each)
            self.tell(f"{name} is not judged by {each[1]}: it is no figure of its task")

    def _write_down(self, model: str, version: str, why: str) -> None:
        """In the registry, too."""
        stage, source = self.follows[model]
        try:
            self.tell(f"the registry says so: {taken_back(source, stage, version, why)}")
        except StemmaError as error:
            self.tell(f"{stage} of the registry still holds {version}, which was taken back: {error}")

    def _drift(self, log: Path, now: float) -> None:
        """Look at the last windows, and leave what was found where `/metrics` shows it."""
        last: dict[str, Window] = {}
        since = (now // WEEK - 3) * WEEK  # whole windows: what is left of one changes with each look
        for key, name in self.names.items():
            try:
                bundle = self._bundle(key)
                found = drift(log, bundle, since=since, of=name).windows if bundle else ()
            except StemmaError:  # nobody asked it
                continue
            last |= {each.version: each for each in found if each.state == "judged"}
        self.judged = now
        self.drifted = {name: [f"{shift.name}: {shift.told}" for shift in each.alarms] for name, each in last.items()}
        shifts = ((name, shift) for name, each in last.items() for shift in each.alarms)
        try:
            log.mkdir(mode=0o700, parents=True, exist_ok=True)  # it may be gone by now
            write_text(log / DRIFT, gauges(shifts, now))
        except OSError as error:  # young versions are judged all the same
            self.tell(f"what drifted cannot be written down ({told_by_system(error)})")

    def _changed(self, model: Any) -> None:
        """Tell of a model whose state is another one; of the first that is seen, what is wrong with it."""
        names = [self.names[model["name"], int(each["version"])] for each in model["versions"]]
        faults = {each["version"]: each["error"] for each in model["faults"]}
        drifted = {name: told for name in names if (told := self.drifted.get(name))}
        now = {"versions": names, "faults": faults, "drift": drifted}
        before = self.states.get(model["name"], {"versions": names, "faults": {}, "drift": {}})
        self.states[model["name"]] = now
        if now != before:
            self.post({"model": model["name"], "before": before, "now": now})

    def _bundle(self, key: Key) -> Bundle | None:
        """That of a version in service, by its model, its number and its name."""
        latest = max(number for name, number in self.names if name == key[0])
        for settings in self.served:
            source = Source(Path(settings.source))
            number = int(key[1] == latest) if source.is_bundle else key[1]  # the server counts how often it changed
            try:
                place = source.versions().get(number) if name_of(settings) == key[0] else None
                bundle: Bundle | None = None if place is None else opened(place.path)
            except StemmaError:  # the server tells what is damaged
                continue
            if bundle and str(bundle.registered.get("version") or key[1]) == self.names[key].rpartition("@")[2]:
                return bundle
        return None


def serving(models: Any) -> dict[Key, str]:
    """The versions that serve, of a server's /status, by the names that the log has."""
    return {
        (model["name"], int(each["version"])): f"{model['name']}@{each['registered'] or each['version']}"
        for model in models
        for each in model["versions"]
    }


def _share(shares: Mapping[str, float], both: Sequence[Key]) -> float | None:
    """Of the first of two versions in what they share; None where no split shares out to it."""
    rest = 1 - sum(shares.values())
    of = [shares.get(str(number), rest) for _, number in both]
    return of[0] / sum(of) if len(of) == 2 and str(both[0][1]) in shares and 0 < of[0] < sum(of) else None


def _counts(url: str, told: bytes) -> Mapping[Key, tuple[int, int]]:
    """Requests and errors of each version, from a server's /metrics; without those of shadows."""
    found: dict[Key, list[int]] = {}
    try:
        families = [*text_string_to_metric_families(told.decode())]
    except ValueError:
        raise StemmaError(f"{url}/metrics tells no figures of a server of `stemma serve`") from None
    for family in families:
        for sample in family.samples:
            place = {"stemma_version_seconds_count": 0, "stemma_version_errors_total": 1}.get(sample.name)
            if place is not None and sample.labels["arm"] != "shadow":
                key = sample.labels["model"], int(sample.labels["version"])
                found.setdefault(key, [0, 0])[place] += int(sample.value)
    return {key: (requests, errors) for key, (requests, errors) in found.items()}
