"""What is served, where, within which limits: the options of `stemma serve` over serve.yaml, as one frozen object."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BeforeValidator, Field, model_validator
from pydantic_core import PydanticCustomError

from stemma import layout
from stemma.errors import SettingsError
from stemma.semver import VERSION
from stemma.settings import Section, checked, parse

NAME = re.compile(r"(?:([\w.-]+)=)?(.+)")  # NAME=SOURCE
MEGABYTE = 10**6
MOST = 1e9  # MB or seconds: beyond it neither bytes nor a clock can be counted


def shaped(pattern: str, told: str) -> AfterValidator:
    """A text of that form; what is wrong with another is told in words."""

    def check(text: str) -> str:
        if re.fullmatch(pattern, text) is None:
            raise PydanticCustomError("shape", "should be {told}", {"told": told})
        return text

    return AfterValidator(check)


Megabytes = Annotated[float, Field(gt=0, le=MOST)]
Seconds = Annotated[float, Field(gt=0, le=MOST)]
Place = Annotated[str, shaped(r"[^\x00]+", "a text that is not empty")]  # a file, a folder, a host, a URL
Share = Annotated[float, Field(ge=0, le=1)]
Header = Annotated[str, shaped("[a-z0-9-]{1,64}", "a header in small letters, such as x-user")]
By = Annotated[str, shaped("id|header:[a-z0-9-]{1,64}|column:.+", "id, header:x-user or column:NAME")]
Policy = Annotated[
    str, shaped(r"all|latest:[1-9]\d{0,5}|\d{1,18}(,\d{1,18})*", "all, latest:2, or numbers such as 1,3")
]
Least = Annotated[str, shaped(f"v?{VERSION.removeprefix('v')}", "a version such as 1.2.0")]
Age = Annotated[str, shaped(r"[1-9]\d{0,2}[mhdw]", "an age such as 30m, 1h, 2d or 1w")]
Prefix = Annotated[str, shaped("(/.*[^/])?", "a path such as /shop, without / at its end")]
Batch = Annotated[Literal["auto", "off"], BeforeValidator(lambda given: "off" if given is False else given)]  # of YAML
Label = Annotated[str, shaped(r"[^/\x00-\x20]+", "a name without / and spaces")]  # it stands in paths
Count = Annotated[int, Field(gt=0)]


def _one_at_most(shares: dict[str, float]) -> dict[str, float]:
    if sum(shares.values()) > 1 + 1e-9:
        raise ValueError("they are more than 1 together")
    return shares


def _some(given: tuple[Any, ...]) -> tuple[Any, ...]:
    if not given:
        raise ValueError("one at least is to be there")
    return given


SOME = AfterValidator(_some)  # what pydantic has for it also tells of an only one that is wrong


class SplitSettings(Section):
    """How callers who name no version are shared out between versions."""

    versions: Annotated[dict[str, Share], AfterValidator(_one_at_most)]  # by number, label, or registered name
    by: By = "id"  # what callers are told apart by
    name: Annotated[str, Field(max_length=100)] = ""  # of the experiment; under another one all are shared out anew


class ModelSettings(Section):
    """A model, where its versions lie, and which of them serve."""

    source: Place  # a bundle, or a folder of versions; with a stage, a repository, a clone or a Git URL
    stage: Annotated[str, Field(min_length=1)] | None = None  # of which the version serves that holds it
    signed: bool = False  # follow a stage by tags alone of which Git verifies the signature
    name: str | None = None  # None: as its bundle, or its folder, is named
    policy: Policy = "latest:1"
    labels: dict[Label, int] = Field(default_factory=dict)  # names of versions; those that do not serve have none
    split: SplitSettings | None = None  # versions that get a share of the calls
    shadow: dict[str, Share] = Field(default_factory=dict)  # versions that get copies, and answer nobody

    @model_validator(mode="after")
    def _is_signed_at_a_stage(self) -> "ModelSettings":
        if self.signed and self.stage is None:
            raise ValueError("signed is said of the tags of a stage: for signed bundles give `signature`")
        return self


class Limits(Section):
    """What is refused, so that one caller cannot take all there is."""

    body: Megabytes = 64.0  # 413
    rows: Count = 100_000  # 422
    columns: Count = 10_000  # 422
    unpacked: Megabytes = 1024.0  # that Parquet or Arrow unpacks to: 422
    explained: Count = 16  # rows that are explained at once: 422
    explaining: Seconds = 5.0  # for that: 422
    seconds: Seconds = 10.0  # for a request to arrive: 408
    concurrency: Count = 1024  # calls at once, in each process: 503
    bodies: Megabytes = 1024.0  # of all calls at once, in each process: 503
    memory: Megabytes | None = None  # that versions take, in each process; one that would take more does not serve
    rate: Annotated[float, Field(gt=0)] | None = None  # calls a second of a token or an address, in each process: 429


class SignatureSettings(Section):
    """What every version must be signed by, and as."""

    key: Place  # the file of a public key
    at_least: Least | None = None  # an old one is refused


class TlsSettings(Section):
    """The files of TLS, in PEM; each is read again when it changes."""

    cert: Place  # the certificate, and those up to its authority
    key: Place
    clients: Place | None = None  # the authority that must have signed a client's certificate; None: clients need none


class LogSettings(Section):
    """What is kept of requests and their answers. STEMMA_LOG_KEY of the environment is the key of hashes."""

    folder: Place
    sample: Annotated[float, Field(gt=0, le=1)] = 1.0  # of the requests
    columns: dict[str, Literal["mask", "hash", "omit"]] = Field(default_factory=dict)  # inputs, and header.NAME
    headers: tuple[Header, ...] = ()  # those of requests that are kept


class RollbackSettings(Section):
    """When a version is taken back by itself: beyond one of these, for certain, while it is young."""

    young: Age = "1h"  # from its first request
    errors: Annotated[float, Field(gt=0, lt=1)] | None = None  # share of its requests that may fail
    latency: Seconds | None = None  # that 1 % of them may exceed
    drift: bool = False  # whether predictions may not be far from those of the bundle's test rows
    figure: dict[str, float] = Field(default_factory=dict)  # by outcomes: the least, of losses the most
    poll: Annotated[float, Field(ge=0.01, le=86400)] = 10.0  # seconds between two looks


class ServeSettings(Section):
    """All of it."""

    models: Annotated[tuple[ModelSettings, ...], SOME] = (ModelSettings(source=str(layout.PACKAGE)),)
    host: Place = "127.0.0.1"
    port: Annotated[int, Field(ge=0, lt=65536)] = 8501  # 0: any that is free
    grpc_port: Annotated[int, Field(ge=0, lt=65536)] | None = None  # of the host, beside HTTP; None: no gRPC
    socket: Place | None = None  # a Unix socket in the place of host and port
    tls: TlsSettings | None = None  # None: plain HTTP
    root_path: Prefix = ""  # that a proxy puts before every path
    tokens: Place | None = None  # the file of who may ask what; None: the environment's STEMMA_TOKENS, else everybody
    signature: SignatureSettings | None = None  # None: versions need none
    poll: Seconds = 1.0  # between two looks at the sources
    stage_poll: Annotated[float, Field(ge=0.2, le=86400)] = 5.0  # seconds in which an event of a stage is in service
    allow_breaking: bool = False  # take versions that break those who call the one before
    admin: bool = False  # take orders to load and unload
    explain: bool = False  # say why rows are answered so
    audit: Place | None = None  # where orders are written down; None: audit.jsonl below ~/.local/state/stemma
    workers: Annotated[int, Field(gt=0, le=1024)] = 1  # processes that answer
    batch: Batch = "auto"  # run small calls together where that pays, and changes no answer
    drain: Seconds = 30.0  # for calls to end, after SIGTERM
    limits: Limits = Limits()
    log: LogSettings | None = None
    auto_rollback: RollbackSettings | None = None
    webhook: Place | None = None  # a URL that is told when what serves changed, or what drifts
    log_requests: bool = False  # a line for each, beside those for what happens

    @classmethod
    def of(
        cls,
        file: Path | None = None,
        models: Iterable[str] = (),
        stage: str | None = None,
        log: str | None = None,
        **options: Any,
    ) -> "ServeSettings":
        """Those of a file, and over them what was given; None was not.

        Args:
            stage: of each of the models.
            log: the folder of the request log.

        Raises:
            SettingsError: the file is not there or no YAML, or settings are wrong: all of them, one per line.
        """
        values = {} if file is None else _read(file)
        if given := [_named(each) | {"stage": stage} for each in models]:
            values["models"] = given
        if log is not None:
            kept = values.get("log")
            values["log"] = (kept if isinstance(kept, dict) else {}) | {"folder": log}
        values |= {name: value for name, value in options.items() if value is not None}
        return checked(cls, values, "stemma serve" if file is None else str(file))


def _named(model: str) -> dict[str, str | None]:
    match = NAME.fullmatch(model)
    name, source = match.groups() if match else (None, model)
    return {"name": name, "source": source}


def _read(file: Path) -> dict[str, Any]:
    try:
        found = parse(file.read_text(encoding="utf-8"), str(file)) or {}
    except FileNotFoundError:
        raise SettingsError(f"{file} is not there") from None
    except (OSError, UnicodeDecodeError) as error:
        raise SettingsError(f"{file} cannot be read ({error})") from None
    if not isinstance(found, Mapping):
        raise SettingsError(f"{file} holds no settings, but {type(found).__name__}")
    return dict(found)
