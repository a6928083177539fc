"""`stemma bundle`: the one file that holds all that serving needs, made, looked at, verified, run, signed, compared."""

import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from stemma.cli.here import repository
from stemma.cli.options import Revision, argument, flag, option
from stemma.cli.output import AsJson, AsMarkdown, Report, Table, answer, in_thousands, show, show_json, titled
from stemma.cli.written import Decimal, Encoding, Separator
from stemma.cli.written import rows as table
from stemma.text import counted, figure, interval, say, signed, without_password

if TYPE_CHECKING:
    from stemma.bundle import Bundle
    from stemma.bundle.check import Verified
    from stemma.bundle.difference import BundleDifference, Change

app = typer.Typer(help="The packaged network: build, verify, predict, sign, compare.", no_args_is_help=True)
File = Annotated[Path, argument("MODEL.zip", "The bundle.")]


@app.command()
def build(
    rev: Revision = "HEAD",
    output: Annotated[Path | None, option("FILE|FOLDER", "By default NAME-v1.2.0.zip in this folder.")] = None,
    as_json: AsJson = False,
) -> None:
    """Write the bundle of a version, out of DVC's cache or its remote; a registered one carries its number.

    Example: stemma bundle build model@v1.2.0
    """
    from stemma.versions import release

    made = release.release(repository(), rev, output)
    number = made.version or "not registered"
    told = f"{made.path}: {made.name}, {number}, {counted(made.bytes, 'byte')}, SHA-256 {made.sha256}"
    answer(made, lambda: [told], as_json)


@app.command()
def inspect(bundle: File, as_json: AsJson = False, as_md: AsMarkdown = False) -> None:
    """Say what a bundle is: version, inputs, classes, figures, files. Every hash is checked, nothing is run.

    Example: stemma bundle inspect models/package/model.zip
    """
    from stemma.bundle import open_bundle
    from stemma.bundle.model import RECORD, reading

    found = open_bundle(bundle)
    if as_json:
        files = {name: len(data) for name, data in sorted(found.files.items())}
        facts = {"signature": found.signature, "record": found.record, "files": files}
        show_json({"path": bundle, "registered": found.registered, "signed": found.is_signed} | facts)
    else:
        with reading(RECORD):
            show(_about(found, bundle), as_md)


@app.command()
def verify(
    bundle: File,
    key: Annotated[Path | None, option("PUBLIC", "It must be signed by the owner of this public key.")] = None,
    at_least: Annotated[
        str | None, option("1.2.0", "With --key: refuse a bundle that was signed as an older version.")
    ] = None,
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Check every hash, the signature, the graph and its operators, and play the sample again; exit 1 if one is wrong.

    Example: stemma bundle verify models/package/model.zip
    """
    from stemma.bundle.check import check
    from stemma.semver import is_version

    if at_least is not None:
        at_least = f"v{at_least.removeprefix('v')}"
        if key is None:
            raise typer.BadParameter(
                "it goes with --key: whoever changes a bundle could change its number", param_hint="--at-least"
            )
        if not is_version(at_least):
            raise typer.BadParameter(f"{at_least[1:]} is no version such as 1.2.0", param_hint="--at-least")
    found = check(bundle, key, at_least)
    answer(found, lambda: _verified(found), as_json, as_md)


@app.command()
def predict(
    bundle: File,
    rows: Annotated[str, argument("ROWS", "CSV, .parquet, .arrow or .arrows; a folder of such, or s3://NAME/PREFIX.")],
    keep: Annotated[list[str] | None, option("COLUMN", "Of ROWS, written too; repeatable, '*' is all of them.")] = None,
    separator: Separator = None,
    decimal: Decimal = None,
    encoding: Encoding = None,
    output: Annotated[
        str | None, option("FILE|FOLDER", "Write here, Parquet if it ends so; else CSV to the terminal.")
    ] = None,
    trust: Annotated[
        bool, flag("--trust", "Run its graph without a look at it, and without limits of time and memory.")
    ] = False,
    runner: Annotated[
        Literal["local", "ray"] | None, typer.Option(help="What predicts the tables of a folder; by default local.")
    ] = None,
    address: Annotated[str | None, option("HOST:PORT", "Of Ray's cluster.")] = None,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Tables of a folder at a time; by default one for each core.")
    ] = None,
    again: Annotated[bool, flag("--again", "Of a folder: what another table or bundle gave is made anew.")] = False,
) -> None:
    """Predict the rows of a table of any size, or of each table of a folder or bucket, once.

    Example: stemma bundle predict models/package/model.zip rows.csv --keep id --output predictions.parquet

    Example: stemma bundle predict models/package/model.zip rows --output s3://bucket/predictions --jobs 8
    """
    from stemma import bundle as package
    from stemma import runners
    from stemma.bundle import many
    from stemma.bundle.predict import predict
    from stemma.repo import stores

    found = table(Path(rows), separator, decimal, encoding, keep or ())
    if address is not None and (runner != "ray" or not re.fullmatch(runners.ADDRESS, address)):
        raise typer.BadParameter("HOST:PORT of a cluster goes with --runner ray", param_hint="--address")
    opened = package.open_bundle(bundle, trust)
    if "://" in rows or found.path.is_dir():
        if output is None or Path(output).is_file():
            raise typer.BadParameter("predictions of many tables need a folder", param_hint="--output")
        tables = many.Many(_place(rows), _place(output), stores.at, found, again)
        with runners.chosen(runner or "local", address) as chosen:
            many.predict(opened, tables, chosen, jobs)
    elif runner or jobs or again:
        raise typer.BadParameter(f"{rows} is no folder", param_hint="--runner, --jobs, --again")
    else:
        predict(opened, found, None if output is None else Path(output), bundle)


def _place(text: str) -> str:
    """A folder as every process finds it, or the URL of a bucket."""
    if "://" not in text:
        return Path(text).resolve().as_posix()
    if not re.fullmatch("s3://[^/@]+(/.*)?", text):
        raise typer.BadParameter(f"{without_password(text)} is no bucket: s3://NAME/PREFIX is one")
    return text


@app.command()
def unpack(bundle: File, folder: Annotated[Path, argument("FOLDER", "A new or empty folder.")]) -> None:
    """Write the files of a bundle into a folder, after every hash was checked.

    Example: stemma bundle unpack models/package/model.zip unpacked
    """
    from stemma.bundle import open_bundle
    from stemma.bundle.unpack import unpack

    opened = open_bundle(bundle)
    unpack(opened, folder)
    say(f"{folder}: {counted(len(opened.files), 'file')}")


@app.command()
def key(private: Annotated[Path, argument("PRIVATE.pem", "Where to write the private key.")]) -> None:
    """Make a key pair to sign with (P-256, PEM): PRIVATE.pem, and PRIVATE.pub for those who verify.

    Example: stemma bundle key signing.pem
    """
    from stemma.bundle.sign import key_pair

    public = key_pair(private)
    say(f"{private}: keep it secret, whoever has it can sign\n{public}: give it to whoever verifies")


@app.command()
def sign(
    bundle: File,
    key: Annotated[Path, option("PRIVATE", "A private key on P-256, in PEM.")],
    output: Annotated[Path | None, option("FILE", "Write here, and leave MODEL.zip.")] = None,
) -> None:
    """Sign every file of a bundle, and its version, by OpenSSF model-signing; offline.

    Example: stemma bundle sign shop-v1.2.0.zip --key signing.pem
    """
    from stemma.bundle.sign import sign

    sign(bundle, key, output)
    say(f"{output or bundle}: signed")


@app.command()
def diff(
    a: Annotated[Path, argument("A.zip", "The bundle before.")],
    b: Annotated[Path, argument("B.zip", "The bundle after.")],
    as_json: AsJson = False,
    as_md: AsMarkdown = False,
) -> None:
    """Say what changed from bundle A to bundle B: files, inputs, layers, weights, data, settings, figures, packages.

    Example: stemma bundle diff shop-v1.1.0.zip shop-v1.2.0.zip
    """
    from stemma.bundle import open_bundle
    from stemma.bundle.difference import difference

    found = difference(open_bundle(a), open_bundle(b), (str(a), str(b)))
    answer(found, lambda: _different(found), as_json, as_md)


# What is shown.


def _about(bundle: "Bundle", path: Path) -> Report:
    from stemma.bundle.card import compressed

    record, known = bundle.record, bundle.signature
    process, structure = record.get("process") or {}, record.get("structure") or {}
    rows = [
        ("name", record.get("name", "")),
        ("description", record.get("description", "")),
        ("version", bundle.registered.get("version", "not registered")),
        ("commit", bundle.registered.get("commit", "")),
        ("signed", "yes, not checked: stemma bundle verify --key PUBLIC" if bundle.is_signed else "no"),
        ("predicts", f"{known.target} ({known.task})"),
        ("classes", ", ".join(known.classes)),
        ("threshold", "" if known.threshold is None else f"{known.positive} from {known.threshold:g} on"),
        ("network", " ".join(filter(None, [(process.get("model") or {}).get("name"), structure.get("framework")]))),
        ("graph", compressed(record) or ""),
        ("licence", record.get("licence") or ""),
        ("bytes", f"{path.stat().st_size:,}"),
    ]
    told = [(name, " ".join(str(value).split())) for name, value in rows if value]
    parts: list[str | Table] = [Table(("bundle", str(path)), told, left=None)]
    parts.append(Table(("input", "type"), [(each.name, each.type) for each in known.inputs], left=None))
    figures = list(_figures(record))
    if figures:
        parts.append(Table(("test", "value", "95 % interval"), figures))
    return [*parts, Table(("file", "bytes"), [(name, f"{len(data):,}") for name, data in sorted(bundle.files.items())])]


def _figures(record: Any) -> Iterable[tuple[str, ...]]:
    test = (record.get("metrics") or {}).get("test") or {}
    intervals = (record.get("evaluation") or {}).get("test") or {}
    for name, value in sorted(test.items()):
        ends = ((intervals.get(name) or {}).get(side) for side in ("low", "high"))
        yield name, figure(value) if isinstance(value, int | float) else str(value), interval(*ends)


def _verified(found: "Verified") -> Report:
    words = {True: "good", False: "wrong", None: "not checked"}
    rows = [(each.name, words[each.passed], each.told) for each in found.checks]
    return [f"{found.path}, {found.version or 'not registered'}", Table(("what", "state", "told"), rows, left=None)]


def _different(found: "BundleDifference") -> Report:
    if found.is_same:
        return [f"{found.a} and {found.b} hold the same files"]
    files = [(each.name, in_thousands(each.a), in_thousands(each.b)) for each in found.files]
    moved = [(each.name, figure(each.a), figure(each.b), signed(each.b - each.a)) for each in found.metrics]
    sections = {
        "Inputs and outputs": _changed(found.signature),
        "Structure": _changed(found.structure),
        "Weights": Table(("tensor",), [(name,) for name in found.tensors]),
        "Data": _changed(found.data),
        "Settings": _changed(found.settings),
        "Figures": Table(("metric", "a", "b", "b - a"), moved),
        "Environment": _changed(found.environment),
        "Files": Table(("file", "bytes a", "bytes b"), files),
    }
    return [f"{found.a} -> {found.b}", *titled(sections.items())]


def _changed(changes: "tuple[Change, ...]") -> Table:
    return Table(("name", "a", "b"), [(each.name, _short(each.a), _short(each.b)) for each in changes], left=None)


def _short(value: Any) -> str:
    text = "" if value is None else " ".join(str(value).split())
    return text if len(text) <= 60 else f"{text[:57]}..."
