"""Look at a file and write conf/data/NAME.yaml."""

import re
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from stemma import layout
from stemma.conf.hydra_yaml import parse, read_text
from stemma.describe import page
from stemma.describe.dialect import detect
from stemma.describe.roles import Description, judge
from stemma.describe.survey import survey
from stemma.errors import DataError
from stemma.files import replaced, write_text
from stemma.names import stays_in
from stemma.tables import files

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
# Hydra reads the first as values, not names; Windows has no files of the others.
TAKEN = {"null", "true", "false", "nan", "inf", "con", "prn", "aux", "nul"}
TAKEN |= {f"{port}{number}" for port in ("com", "lpt") for number in range(10)}


@dataclass(frozen=True)
class Request:
    """What to look at, and how."""

    file: Path
    target: str  # the column to predict
    name: str  # of conf/data/NAME.yaml
    header: bool = True  # whether the first row names the columns
    separator: str | None = None  # of a text, as the next two, instead of what is found
    encoding: str | None = None
    decimal: str | None = None
    strict: bool = False  # write nothing where there is a warning
    force: bool = False  # overwrite what is there


@dataclass(frozen=True)
class Written:
    """What was seen, where it is written, and the file that the settings name now."""

    found: Description
    settings: str
    source: Path


def write(root: Path, request: Request, track: Callable[[Path], None] | None = None) -> Written:
    """Describe a file in conf/data/ of the project in `root`.

    Args:
        track: lets DVC keep a file, which is first copied to data/raw/; None: the file stays where it is.

    Raises:
        DataError: the file cannot be described, or a file is in the way of what would be written.
    """
    written = f"conf/data/{request.name}.yaml"
    _check(root, request, written)
    found = describe(request)
    if request.strict and found.warnings:
        several = "".join(f"\n  {each}" for each in found.warnings)
        raise DataError(f"{request.file}:{several if len(found.warnings) > 1 else f' {found.warnings[0]}'}")
    page.yaml(found, "")  # whether all of it can be written is known before anything is copied
    source = request.file
    if track is not None:
        source = _copied(root, request)
        track(source)
    own = _is_chosen(root, request.name) and not (root / written).exists()
    write_text(root / written, page.yaml(found, place(root, source), None if own else request.name))
    return Written(found, written, source)


def describe(request: Request) -> Description:
    """Look at the file."""
    path = request.file
    if not path.is_file():
        kept = path.with_name(f"{path.name}.dvc").is_file()
        what = "a file" if path.exists() else "there"
        raise DataError(f"{path} is not {what}", run=f"dvc pull {path.as_posix()}.dvc" if kept else None)
    given = (request.header, request.separator, request.encoding, request.decimal)
    return judge(survey(path, None if files.is_parquet(path) else detect(path, *given)), request.target)


def place(root: Path, file: Path) -> str:
    """A file as the settings name it: from the project's folder where it is in there, else from the top."""
    inside = file.resolve()
    return (inside.relative_to(root.resolve()) if inside.is_relative_to(root.resolve()) else inside).as_posix()


def _check(root: Path, request: Request, written: str) -> None:
    """Refuse a name that is no name of a file or of a setting, and one that is there already."""
    name = request.name
    if not NAME.fullmatch(name) or name.lower() in TAKEN:
        raise DataError(f"--name {name!r} is not a name for a file: use letters, digits, _ and -, a letter first")
    if not stays_in(root, written):
        raise DataError(f"{written} is not in the project: a link leads elsewhere")
    if (root / written).exists() and not request.force:
        raise DataError(f"{written} is there already: choose another --name, or overwrite it with --force")


def _is_chosen(root: Path, name: str) -> bool:
    """Whether conf/config.yaml chooses this table: without its description yet, the project was made for it."""
    config = root / "conf/config.yaml"
    values = parse(read_text(config), config.name) if config.is_file() else None
    return isinstance(values, dict) and {"data": name} in (values.get("defaults") or [])


def _copied(root: Path, request: Request) -> Path:
    """The file in data/raw/, copied there where it is not."""
    file, name = request.file, (layout.RAW / request.file.name).as_posix()
    kept = root / name
    if file.resolve() == kept.resolve():
        return kept
    if not stays_in(root, name):
        raise DataError(f"{name} is not in the project: a link leads elsewhere")
    if kept.exists() and not request.force and kept.read_bytes() != file.read_bytes():
        raise DataError(f"{name} is there already with another content: overwrite it with --force")
    with replaced(kept) as partial:
        shutil.copyfile(file, partial)
    return kept
