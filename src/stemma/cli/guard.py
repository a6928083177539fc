"""`stemma watch guard`: takes a young version back that is beyond its bounds."""

import os
import sys
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from stemma.cli.follow import seconds
from stemma.cli.gc import age_of
from stemma.cli.service import HERE, Url
from stemma.errors import SettingsError, StemmaError
from stemma.text import say

if TYPE_CHECKING:
    from stemma.bundle.model import Bundle
    from stemma.serve.process import Beside
    from stemma.serve.settings import RollbackSettings, ServeSettings
    from stemma.watch.drift import Window
    from stemma.watch.guard import Rules, Seen

TRIES = 3  # of an order
EVERY = 3600.0  # seconds between two looks at drift
WEBHOOK = "STEMMA_WEBHOOK"
Key = tuple[str, int]  # a model and the number of a version


@dataclass
class Guard:
    """Looks at what a server says, and at its log.

    Args:
        log: the folder. url: of the server. sources: folders of versions, where bundles are looked for.
        tell: is told what happens.
        post: is told of each model whose state changed.
        follows: the stage of a model, and the repository that says what it holds.
    """

    log: Path | None
    url: str
    rules: "Rules"
    sources: Sequence[Path]
    tell: Callable[[str], None]
    post: Callable[[Mapping[str, Any]], None] = lambda event: None
    follows: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    states: dict[str, Any] = field(default_factory=dict)
    drifted: dict[str, list[str]] = field(default_factory=dict)  # by version
    judged: float = 0.0  # when that was
    names: dict[Key, str] = field(default_factory=dict)  # of every version that served
    begun: dict[str, float] = field(default_factory=dict)
    tries: Counter[Key] = field(default_factory=Counter)

    def look(self) -> None:
        """Once.

        Raises:
            StemmaError: the server does not answer.
        """
        from stemma.cli import client
        from stemma.watch import guard

        models = client.ask(self.url, "GET", "/status", "models")["models"]
        counts = _counts(self.url, client.read(self.url, "/metrics"))
        now, skipped = time.time(), list[str]()
        answers = {} if self.log is None else guard.read(self.log, now - 2 * self.rules.young, skipped)
        for model in models:
            for each in model["versions"]:
                key = model["name"], int(each["version"])
                self.names[key] = name = f"{model['name']}@{each['registered'] or each['version']}"
                first = answers[name].times[0] if name in answers else now
                self.begun[name] = min(self.begun.get(name, first), first)
        if self.log is not None and now - self.judged > EVERY:
            self._drift(self.log, now)
        for model in models:
            self._changed(model)
        splits = {model["name"]: model["split"]["shares"] for model in models if model["split"]}
        back = {(model["name"], int(each["version"])) for model in models for each in model["faults"]}
        for key in self._young(models, now):
            both = [key, *self._before(key, back)]
            seen = [
                guard.Seen(*counts.get(each, (0, 0)), answers.get(self.names[each]),
                           self._bundle(each) if self.rules.drift else None, _share(splits.get(key[0], {}), both))
                for each in both
            ]  # fmt: skip
            self._judge(key, *seen)

    def _young(self, models: Any, now: float) -> list[Key]:
        """Those that serve and began not long ago, the latest of each model first."""
        keys = [(model["name"], int(each["version"])) for model in models for each in model["versions"]]
        young = [key for key in keys if now - self.begun[self.names[key]] < self.rules.young]
        return sorted((key for key in young if self.tries[key] < TRIES), reverse=True)

    def _before(self, key: Key, back: Collection[Key]) -> Iterator[Key]:
        """The one before it that served, and was not taken back: what that did excuses nothing."""
        yield from sorted(each for each in self.names if each[0] == key[0] and each < key and each not in back)[-1:]

    def _judge(self, key: Key, young: "Seen", before: "Seen | None" = None) -> None:
        from stemma.cli import client
        from stemma.watch import guard

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

    def _write_down(self, model: str, version: str, why: str) -> None:
        """In the registry, too."""
        from stemma.follow.events import taken_back

        stage, source = self.follows[model]
        try:
            self.tell(f"the registry says so: {taken_back(source, stage, version, why)}")
        except StemmaError as error:
            self.tell(f"{stage} of the registry still holds {version}, which was taken back: {error}")

    def _drift(self, log: Path, now: float) -> None:
        """Look at the last windows, and leave what was found where `/metrics` shows it."""
        from stemma.files import write_text
        from stemma.serve.metrics import DRIFT
        from stemma.watch.drift import WEEK, drift, gauges

        last: dict[str, Window] = {}
        for bundle in (self._bundle(key) for key in self.names):
            try:
                found = drift(log, bundle, since=now - 3 * WEEK).windows if bundle else ()
            except StemmaError:  # nobody asked a version with such inputs
                continue
            last |= {each.version: each for each in found if each.state == "judged"}
        self.judged = now
        self.drifted = {name: [f"{shift.name}: {shift.told}" for shift in each.alarms] for name, each in last.items()}
        write_text(log / DRIFT, gauges((name, shift) for name, each in last.items() for shift in each.alarms))

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

    def _bundle(self, key: Key) -> "Bundle | None":
        """That of a version in service, by its number and its name."""
        from stemma.serve.load import opened
        from stemma.serve.sources import Source

        for place in (Source(source).versions().get(key[1]) for source in self.sources):
            try:
                bundle: Bundle | None = None if place is None else opened(place.path)
            except StemmaError:  # the server tells what is damaged
                continue
            if bundle and str(bundle.registered.get("version") or key[1]) == self.names[key].rpartition("@")[2]:
                return bundle
        return None


def _share(shares: Mapping[str, float], both: Sequence[Key]) -> float | None:
    """Of the first of two versions in what they share; None where no split shares out to it."""
    rest = 1 - sum(shares.values())
    of = [shares.get(str(number), rest) for _, number in both]
    return of[0] / sum(of) if len(of) == 2 and str(both[0][1]) in shares and 0 < of[0] < sum(of) else None


def _counts(url: str, told: bytes) -> Mapping[Key, tuple[int, int]]:
    """Requests and errors of each version, from a server's /metrics; without those of shadows."""
    from prometheus_client.parser import text_string_to_metric_families

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


def guard(
    log: Annotated[Path | None, typer.Argument(metavar="[LOG]", help="The folder of the server's request log.")] = None,
    url: Url = HERE,
    young: Annotated[str, typer.Option(metavar="AGE", help="How long a version is young.")] = "1h",
    errors: Annotated[float | None, typer.Option(help="Share of its requests that may fail.")] = None,
    latency: Annotated[float | None, typer.Option(help="Seconds that 1 % of them may exceed.")] = None,
    drift: Annotated[bool, typer.Option("--drift", help="Its predictions may not be far from the test rows'.")] = False,
    figure: Annotated[
        list[str] | None, typer.Option(metavar="NAME=BOUND", help="A figure by outcomes, such as accuracy=0.9.")
    ] = None,
    source: Annotated[
        list[Path] | None, typer.Option(metavar="SOURCE", help="A bundle or a folder of versions that is served.")
    ] = None,
    follows: Annotated[
        list[str] | None,
        typer.Option(metavar="MODEL=STAGE@SOURCE", help="A stage that is rolled back with it, in that repository."),
    ] = None,
    webhook: Annotated[
        str | None,
        typer.Option(metavar="URL", envvar=WEBHOOK, help="Is told, signed, when what serves changed, or what drifts."),
    ] = None,
    poll: Annotated[float, typer.Option(parser=seconds, metavar="10s", help="Between two looks.")] = 10.0,
    once: Annotated[bool, typer.Option("--once", help="Look once, and end.")] = False,
    attached: Annotated[bool, typer.Option("--attached", hidden=True)] = False,
) -> None:
    """Take a version back while it is young, as soon as it is beyond a bound for certain.

    What the version before does too is not its fault. Nothing is taken back twice.

    Example: stemma watch guard requests --errors 0.02 --latency 0.2 --once
    """
    from stemma.follow import beside
    from stemma.serve.settings import RollbackSettings
    from stemma.settings import checked
    from stemma.watch.guard import Rules
    from stemma.watch.webhook import VARIABLE, Webhook

    bounds = {name: _bound(name, text) for name, _, text in (each.partition("=") for each in figure or ())}
    rules = Rules(age_of("--young", young).total_seconds(), errors, latency, drift, bounds)
    _check_options(rules, log, webhook)
    given = {"young": young, "errors": errors, "latency": latency, "drift": drift, "figure": bounds, "poll": poll}
    checked(RollbackSettings, given, "stemma watch guard")
    tell = beside_the_server if attached else say
    if attached:
        beside.end_with_parent()
    hook = None if webhook is None else Webhook(webhook, os.environ.get(VARIABLE, ""), tell)
    post = (lambda event: None) if hook is None else hook.post
    looks = Guard(log, url, rules, source or (), tell, post, dict(map(_followed, follows or ())))
    if once:
        looks.look()
        return None if hook is None else hook.flush()
    told = ""
    while True:
        try:
            looks.look()
            fault = ""
        except StemmaError as error:
            fault = str(error)
        if fault not in ("", told):
            tell(f"the guard cannot look: {fault}")
        told = fault
        time.sleep(poll)


def _check_options(rules: "Rules", log: Path | None, webhook: str | None) -> None:
    """That they are bounds, and that something can be judged by them."""
    if rules.errors is not None and not 0 < rules.errors < 1:
        raise typer.BadParameter(f"{rules.errors} is no share between 0 and 1", param_hint="--errors")
    if rules.latency is not None and not rules.latency > 0:
        raise typer.BadParameter(f"{rules.latency} is no time", param_hint="--latency")
    if log is None and _needs_log(rules):
        raise typer.BadParameter("--latency, --drift and --figure are judged by a request log", param_hint="LOG")
    if rules.errors is None and not _needs_log(rules) and webhook is None:
        raise typer.BadParameter("no bound is given, such as --errors 0.02", param_hint="--errors")


def _needs_log(rules: "Rules | RollbackSettings") -> bool:
    return rules.latency is not None or rules.drift or bool(rules.figure)


def _followed(text: str) -> tuple[str, tuple[str, str]]:
    model, _, of = text.partition("=")
    stage, given, source = of.partition("@")
    if not (model and stage and given and source):
        raise typer.BadParameter(f"{text!r} is no MODEL=STAGE@SOURCE", param_hint="--follows")
    return model, (stage, source)


def beside_the_server(told: str) -> None:
    from stemma.serve import log

    log.note("guard", told=told)


def guarding(settings: "ServeSettings", served: "ServeSettings") -> "Beside":
    """The guard that a server's settings ask for, in a process beside it.

    Args:
        served: the same, with folders of versions in the place of repositories.

    Raises:
        SettingsError: it could not do its work.
    """
    if settings.auto_rollback is None and settings.webhook is None:
        return lambda address: nullcontext()
    from stemma.cli import client
    from stemma.follow import beside
    from stemma.serve.settings import RollbackSettings

    _check(settings)
    rules = settings.auto_rollback or RollbackSettings()
    words = ["watch", "guard", "--attached", f"--young={rules.young}", f"--poll={rules.poll}"]
    words += ["--drift"] * rules.drift + [f"--source={each.source}" for each in served.models]
    for model, folder in zip(settings.models, served.models, strict=True):
        name = model.name or Path(folder.source).name
        words += [] if model.stage is None else [f"--follows={name}={model.stage}@{model.source}"]
    told = {"errors": rules.errors, "latency": rules.latency}
    words += [f"--{name}={bound}" for name, bound in told.items() if bound is not None]
    words += [f"--figure={name}={bound}" for name, bound in rules.figure.items()]
    os.environ |= {} if settings.webhook is None else {WEBHOOK: settings.webhook}  # others see a command line
    os.environ |= {} if settings.tls is None else {client.SHOWN: settings.tls.cert}  # of another name than 127.0.0.1
    words += [] if settings.log is None else ["--", settings.log.folder]
    command = [sys.executable, "-P", "-m", "stemma.cli", *words[:2]]
    return lambda address: beside.running([*command, f"--url={address}", *words[2:]], beside_the_server)


def _check(settings: "ServeSettings") -> None:
    from stemma.serve import access
    from stemma.watch.webhook import VARIABLE, check

    if settings.webhook is not None:
        check(settings.webhook, os.environ.get(VARIABLE, ""))
    if settings.socket is not None:
        raise SettingsError("auto_rollback and webhook ask the server at its port: leave `socket` out")
    asks = settings.tokens is not None or access.VARIABLE in os.environ
    if asks and not os.environ.get("STEMMA_TOKEN"):
        raise SettingsError("the guard beside the server asks it: STEMMA_TOKEN of the environment must hold a token",
                            run="stemma service token guard --scope admin --scope predict")  # fmt: skip
    if settings.tls is not None and settings.tls.clients is not None and not os.environ.get("STEMMA_CERT"):
        raise SettingsError("the guard beside the server asks it: STEMMA_CERT of the environment must name the file of "
                            "a certificate, and its key, of the authority that `tls.clients` names")  # fmt: skip
    if settings.auto_rollback is not None:
        _check_rules(settings, settings.auto_rollback)


def _check_rules(settings: "ServeSettings", rules: "RollbackSettings") -> None:
    if not settings.admin:
        raise SettingsError("auto_rollback orders a version back, and the server takes no orders: add `admin: true`")
    if rules.errors is None and not _needs_log(rules):
        raise SettingsError("auto_rollback has no bound: add errors, latency, drift or figure, such as `errors: 0.02`")
    if settings.log is None and _needs_log(rules):
        raise SettingsError("latency, drift and figures are judged by the request log: add `log: {folder: requests}`")
    for name, bound in rules.figure.items():
        _bound(name, str(bound))


def _bound(name: str, text: str) -> float:
    from stemma.metrics import METRICS
    from stemma.text import nearest

    if name not in METRICS:
        raise SettingsError(f"{name!r} is no metric{nearest(name, METRICS)}")
    try:
        return float(text)
    except ValueError:
        raise typer.BadParameter(f"{name}={text} is no bound, such as {name}=0.9", param_hint="--figure") from None
