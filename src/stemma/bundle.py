"""The packaged network: one zip file that holds all that serving needs. Build it, verify it, open it, predict with it.

    model.onnx        columns in, probabilities or a prediction out
    signature.json    what goes in and what comes out, see stemma.signature
    manifest.json     the SHA-256 and the length of every other file
    and what else was given: the version's record, a sample, statistics, the model card

The same files give the same bytes. The archive's comment is the SHA-256 of all bytes before it, so that any changed
byte is found. Predicting needs NumPy and onnxruntime, and nothing is unpickled.

    python -m stemma.bundle predict models/package/model.zip rows.csv
    python -m stemma.bundle verify models/package/model.zip
"""

import argparse
import csv
import hashlib
import io
import json
import os
import stat
import sys
import zipfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath
from types import MappingProxyType
from typing import Any, BinaryIO, TextIO

import numpy as np
from numpy.typing import NDArray

from stemma import runtime, signature
from stemma.errors import BundleError, one_line
from stemma.files import replaced

FORMAT = 1
MANIFEST, GRAPH, SIGNATURE = "manifest.json", "model.onnx", "signature.json"
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
MODE = stat.S_IFREG | 0o644
UNIX = 3  # so that a bundle built on Windows has the same bytes
LEVEL = 6  # of deflate
SEAL = 64  # letters of a SHA-256
# What a bundle may unpack to, at most: a small zip of endless zeros must not fill the memory.
SMALL, RATIO = 256 * 2**20, 100
BATCH = 8192  # rows read and predicted at once
TENSORS = {
    "number": "tensor(float)",
    "boolean": "tensor(float)",
    "date": "tensor(double)",
    "string": "tensor(string)",
}


@dataclass(frozen=True)
class Rows:
    """A CSV file to predict, with a header and in UTF-8.

    Args:
        separator: of two fields, one character.
        decimal: the mark before the decimals of a number, a point or a comma.
    """

    path: Path
    separator: str = ","
    decimal: str = "."


@dataclass(frozen=True)
class Bundle:
    """A verified bundle in memory."""

    files: Mapping[str, bytes]
    signature: signature.Signature

    def predict(self, columns: Mapping[str, Sequence[Any]], first_row: int = 1) -> NDArray[np.float32]:
        """Probabilities (N, classes), or predictions (N, 1) of a regression.

        Args:
            columns: N values (text, numbers or None) of every input, by name; other columns are ignored.
            first_row: number of the first row, for messages.

        Raises:
            BundleError: names the column and row of a value that does not fit, or the graph does not fit the signature.
        """
        arrays = self.signature.arrays(columns, first_row)
        if not len(next(iter(arrays.values()))):
            return np.empty((0, self.signature.width), np.float32)
        output = runtime.run(self._session, arrays)
        if output.shape[1:] != (self.signature.width,):
            raise BundleError(f"{GRAPH} gives {output.shape[1:]} values a row, and {SIGNATURE} {self.signature.width}")
        strange = ~np.isfinite(output).all(axis=1)
        if strange.any():
            raise BundleError(f"row {first_row + int(strange.argmax())} gives a prediction that is not finite")
        return output

    @cached_property
    def _session(self) -> Any:
        try:
            session = runtime.session(self.files[GRAPH])
        except ImportError:
            raise BundleError("onnxruntime is not installed", run="pip install onnxruntime") from None
        except Exception as error:  # the errors of onnxruntime have no other base
            raise BundleError(f"{GRAPH} cannot be run ({_first_line(error)})") from None
        inputs = {each.name: TENSORS[each.type] for each in self.signature.inputs}
        if {each.name: each.type for each in session.get_inputs()} != inputs:
            raise BundleError(f"{GRAPH} does not take the inputs of {SIGNATURE}")
        if session.get_outputs()[0].name != self.signature.output:
            raise BundleError(f"{GRAPH} does not give the output of {SIGNATURE}")
        return session


def build(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a bundle of these files, by their names in it.

    Raises:
        BundleError: a name is not safe to unpack, is there twice or is the manifest's, the graph or the signature is
            not there, or the signature is wrong.
    """
    _check_names(files)
    if MANIFEST in files:
        raise BundleError(f"{MANIFEST} is made here: leave it out")
    _check_content(files)
    entries = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    manifest = json.dumps({"format": FORMAT, "files": entries}, indent=2, sort_keys=True) + "\n"
    content = dict(files) | {MANIFEST: manifest.encode()}
    with replaced(Path(path)) as partial:
        with zipfile.ZipFile(partial, "w") as archive:
            for name in sorted(content):
                archive.writestr(_entry(name), content[name], zipfile.ZIP_DEFLATED, LEVEL)
            archive.comment = bytes(SEAL)
        with partial.open("r+b") as file:
            seal = _hash_before_seal(file)
            file.seek(-SEAL, os.SEEK_END)
            file.write(seal)


def open_bundle(path: Path) -> Bundle:
    """Read a bundle into memory, every byte verified.

    Raises:
        BundleError: it is not there, is damaged, or holds what a bundle does not.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            content = _read(file)
    except FileNotFoundError:
        raise BundleError(f"{path} is not there", run=f"dvc checkout {path.as_posix()}") from None
    except OSError as error:
        raise BundleError(f"{path} cannot be read ({error.strerror or error})") from None
    except BundleError as error:
        raise BundleError(f"{path} is damaged ({error})", run=f"dvc checkout {path.as_posix()}") from None
    # What zipfile raises for archives that are broken, encrypted or packed in a way that it does not know.
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as error:
        reason = _first_line(error)
        raise BundleError(f"{path} is damaged ({reason})", run=f"dvc checkout {path.as_posix()}") from None
    return Bundle(MappingProxyType(content), signature.parse(content[SIGNATURE]))


def verify(path: Path) -> None:
    """Check every byte of a bundle.

    Raises:
        BundleError: as `open_bundle`.
    """
    open_bundle(path)


# The archive.


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, DATE)
    entry.create_system = UNIX
    entry.external_attr = MODE << 16
    return entry


def _hash_before_seal(file: BinaryIO) -> bytes:
    """SHA-256 in hexadecimal letters of all but the last 64 bytes."""
    left = file.seek(0, os.SEEK_END) - SEAL
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0:
        block = file.read(min(left, 2**20))
        digest.update(block)
        left -= len(block)
    return digest.hexdigest().encode()


def _read(file: BinaryIO) -> dict[str, bytes]:
    """The files of an archive; each is what the manifest says."""
    seal = _hash_before_seal(file)
    if file.read(SEAL) != seal:
        raise BundleError("its bytes are not those that were packed")
    size = file.tell()
    with zipfile.ZipFile(file) as archive:
        entries = archive.infolist()
        _check_entries(entries, size)
        content = {entry.filename: archive.read(entry) for entry in entries}
    _check_content(content)
    _check_manifest(content)
    return content


def _check_entries(entries: Sequence[zipfile.ZipInfo], size: int) -> None:
    _check_names([entry.orig_filename for entry in entries])
    for entry in entries:
        if not stat.S_ISREG(entry.external_attr >> 16):
            raise BundleError(f"{entry.filename} is not a plain file")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > max(SMALL, RATIO * size):
        raise BundleError(f"its {size} bytes unpack to {unpacked}")


def _check_names(names: Sequence[str] | Mapping[str, bytes]) -> None:
    """Refuse names that would not unpack to one file each, inside the folder, on every platform."""
    seen: set[str] = set()
    for name in names:
        path = PurePosixPath(name)
        plain = name.isprintable() and not set(name) & set('\\:<>"|?*')
        if not name or not plain or path.is_absolute() or ".." in path.parts or path.as_posix() != name or name == ".":
            raise BundleError(f"{name!r} is not a safe name for a file")
        if name.casefold() in seen:
            raise BundleError(f"{name!r} is there twice")
        seen.add(name.casefold())


def _check_content(files: Mapping[str, bytes]) -> None:
    for name in (GRAPH, SIGNATURE):
        if name not in files:
            raise BundleError(f"it has no {name}")
    signature.parse(files[SIGNATURE])


def _check_manifest(content: Mapping[str, bytes]) -> None:
    if MANIFEST not in content:
        raise BundleError(f"it has no {MANIFEST}")
    try:
        manifest = json.loads(content[MANIFEST])
        known, promised = manifest["format"], dict(manifest["files"])
        values = {name: (entry["bytes"], entry["sha256"]) for name, entry in promised.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BundleError(f"{MANIFEST} is damaged") from None
    if known != FORMAT:
        raise BundleError(f"{MANIFEST} has format {known!r}, and this version reads {FORMAT}")
    found = {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in content.items() if name != MANIFEST}
    for name in sorted(values.keys() - found.keys()):
        raise BundleError(f"{name} is missing")
    for name in sorted(found.keys() - values.keys()):
        raise BundleError(f"{name} is not in {MANIFEST}")
    for name, value in found.items():
        if value != values[name]:
            raise BundleError(f"{name} is not the file that {MANIFEST} names")


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]


# The command line.


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parser().parse_args(arguments)
    with one_line():
        if chosen.command == "verify":
            count = len(open_bundle(chosen.bundle).files)
            print(f"{chosen.bundle} is intact: {count} files")
            return
        rows = Rows(chosen.rows, chosen.separator, chosen.decimal)
        if chosen.output is None:
            _to_stdout(open_bundle(chosen.bundle), rows)
        else:
            _to_file(open_bundle(chosen.bundle), rows, chosen.output)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m stemma.bundle", description="Predict with a packaged network.")
    commands = parser.add_subparsers(dest="command", required=True)
    predict = commands.add_parser(
        "predict",
        help="predict the rows of a CSV file",
        description="Predict the rows of a CSV file (UTF-8, with a header), one line of CSV for each.",
        epilog="example: python -m stemma.bundle predict models/package/model.zip rows.csv --output predictions.csv",
    )
    verify = commands.add_parser(
        "verify",
        help="check every byte of a bundle",
        description="Check every byte of a bundle.",
        epilog="example: python -m stemma.bundle verify models/package/model.zip",
    )
    for command in (predict, verify):
        command.add_argument("bundle", metavar="MODEL.zip", type=Path)
    predict.add_argument("rows", metavar="ROWS.csv", type=Path)
    predict.add_argument("--separator", metavar="CHARACTER", type=_character, default=",", help="of ROWS.csv [,]")
    predict.add_argument("--decimal", choices=(".", ","), default=".", help="the mark in numbers of ROWS.csv [.]")
    predict.add_argument("--output", metavar="FILE", type=Path, help="write here instead of to the terminal")
    return parser


def _character(text: str) -> str:
    """A separator; a tab may be written as \\t, which is easier to type."""
    text = "\t" if text == "\\t" else text
    if len(text) != 1 or text in '"\r\n':
        raise argparse.ArgumentTypeError(f"{text!r} is not one character that can separate fields")
    return text


def _to_stdout(bundle: Bundle, rows: Rows) -> None:
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8", newline="")
    try:
        _write_predictions(bundle, rows, sys.stdout)
        sys.stdout.flush()
    except BrokenPipeError:  # the reader, such as `head`, has seen enough; Python would complain once more at exit
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _to_file(bundle: Bundle, rows: Rows, output: Path) -> None:
    try:
        with replaced(output) as partial, partial.open("w", encoding="utf-8", newline="") as file:
            _write_predictions(bundle, rows, file)
    except OSError as error:
        raise BundleError(f"{output} cannot be written ({error.strerror or error})") from None


def _write_predictions(bundle: Bundle, rows: Rows, file: TextIO) -> None:
    classes = bundle.signature.classes
    writer = csv.writer(file, lineterminator="\n")
    for first_row, columns in _batches(rows):
        try:
            if rows.decimal == ",":
                columns = _pointed(columns, bundle.signature, first_row)
            output = bundle.predict(columns, first_row)
        except BundleError as error:
            raise BundleError(f"{rows.path}: {error}") from None
        if first_row == 1:  # not before: rows that cannot be read leave no output
            writer.writerow([*(f"probability_{name}" for name in classes), "prediction"])
        texts = output.astype(str)  # the fewest digits that give the same float32
        lines = np.column_stack([texts, bundle.signature.labels(output)]) if classes else texts
        writer.writerows(lines.tolist())


def _batches(rows: Rows) -> Iterator[tuple[int, dict[str, list[str]]]]:
    """(number of the first row, columns) of some rows at a time; at least once. Empty lines are no rows."""
    path = rows.path
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True, delimiter=rows.separator)
            header = _header(next(reader, []), path)
            first_row = 1
            batch: list[list[str]] = []
            for row in filter(None, reader):
                if len(row) != len(header):
                    number = first_row + len(batch)
                    raise BundleError(f"{path}, row {number}: {len(row)} values, and the header has {len(header)}")
                batch.append(row)
                if len(batch) == BATCH:
                    yield first_row, _columns(header, batch)
                    first_row, batch = first_row + BATCH, []
            if batch or first_row == 1:
                yield first_row, _columns(header, batch)
    except FileNotFoundError:
        raise BundleError(f"{path} is not there") from None
    except (OSError, csv.Error, UnicodeDecodeError) as error:
        raise BundleError(f"{path} cannot be read as CSV ({_first_line(error)})") from None


def _pointed(columns: dict[str, list[str]], known: signature.Signature, first_row: int) -> dict[str, list[str]]:
    """The columns with a point in numbers that have a decimal comma."""
    numbers = {each.name.strip() for each in known.inputs if each.type == "number"}
    pointed = dict(columns)
    for name in (name for name in columns if name.strip() in numbers):
        for row, text in enumerate(columns[name], start=first_row):
            if "." in text and text.strip() not in known.missing:
                raise BundleError(f"column {name!r}, row {row}: {text!r} has a point, and the decimal mark is a comma")
        pointed[name] = [text.replace(",", ".") for text in columns[name]]
    return pointed


def _header(names: list[str], path: Path) -> list[str]:
    if not names:
        raise BundleError(f"{path} is empty: its first line must name the columns")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise BundleError(f"{path} has two columns named {twice[0]!r}")
    return names


def _columns(header: list[str], rows: list[list[str]]) -> dict[str, list[str]]:
    values = zip(*rows, strict=True) if rows else ([] for _ in header)
    return {name: list(column) for name, column in zip(header, values, strict=True)}


if __name__ == "__main__":
    main()
