"""`python -m stemma.describe`: look at a file, write conf/data/NAME.yaml, tell."""

import argparse
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from stemma.cli.here import repository
from stemma.describe import page
from stemma.describe.dialect import detect
from stemma.describe.roles import Description, judge
from stemma.describe.survey import survey
from stemma.errors import DataError, one_line
from stemma.files import replaced, write_text
from stemma.tables import files

NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
# Hydra reads the first as values, not names; Windows has no files of the others.
TAKEN = {
    "null",
    "true",
    "false",
    "nan",
    "inf",
    "con",
    "prn",
    "aux",
    "nul",
    *(f"{p}{n}" for p in ("com", "lpt") for n in range(10)),
}
TRACKED = Path("data/raw")


def main(arguments: Sequence[str] | None = None) -> None:
    chosen = _parser().parse_args(arguments)
    with one_line():
        root = repository()
        written = root / "conf/data" / f"{chosen.name}.yaml"
        _check(chosen.name, written, chosen.force)
        found = describe(chosen)
        if chosen.strict and found.warnings:
            reasons = found.warnings if len(found.warnings) == 1 else ("", *found.warnings)
            raise DataError(f"{chosen.file}: " + "\n  ".join(reasons).lstrip(" "))
        page.yaml(found, "")  # whether all of it can be written is known before anything is copied
        source = _tracked(root, chosen.file, chosen.force) if chosen.track else chosen.file
        write_text(written, page.yaml(found, place(root, source)))
        show(found, written.relative_to(root).as_posix(), chosen.name)
        if not source.resolve().is_relative_to(root.resolve()):
            warn(f"{source} is outside the project, where only this machine finds it: --track copies it to data/raw/")


def describe(chosen: argparse.Namespace) -> Description:
    """Look at the file."""
    path = chosen.file
    if not path.is_file():
        kept = path.with_name(f"{path.name}.dvc").is_file()
        what = "a file" if path.exists() else "there"
        raise DataError(f"{path} is not {what}", run=f"dvc pull {path.as_posix()}.dvc" if kept else None)
    parquet = files.is_parquet(path)
    dialect = None if parquet else detect(path, not chosen.no_header, chosen.separator, chosen.encoding, chosen.decimal)
    return judge(survey(path, dialect), chosen.target)


def place(root: Path, file: Path) -> str:
    """A file as the settings name it: from the project's folder where it is in there, else from the top."""
    inside = file.resolve()
    return (inside.relative_to(root.resolve()) if inside.is_relative_to(root.resolve()) else inside).as_posix()


def show(found: Description, written: str, name: str) -> None:
    """What was seen on stdout, what to look at on stderr."""
    from rich.console import Console

    console = Console(width=None if sys.stdout.isatty() else 160, soft_wrap=not sys.stdout.isatty())
    console.print(page.table(found))
    for warning in found.warnings:
        warn(warning)
    console.print(f"\n{written} is written: read it, correct it, then run `dvc exp run -S data={name}`", markup=False)


def warn(text: str) -> None:
    print(f"warning: {text}", file=sys.stderr)


def _check(name: str, written: Path, force: bool) -> None:
    """Refuse a name that is no name of a file or of a setting, and one that is there already."""
    if not NAME.fullmatch(name) or name.lower() in TAKEN:
        raise DataError(f"--name {name!r} is not a name for a file: use letters, digits, _ and -, a letter first")
    if written.exists() and not force:
        raise DataError(
            f"conf/data/{written.name} is there already: choose another --name, or overwrite it with --force"
        )


def _tracked(root: Path, file: Path, force: bool) -> Path:
    """The file in data/raw/, copied there where it is not, and kept by DVC."""
    kept = root / TRACKED / file.name
    if file.resolve() != kept.resolve():
        if kept.exists() and not force and kept.read_bytes() != file.read_bytes():
            raise DataError(f"{place(root, kept)} is there already with another content: overwrite it with --force")
        with replaced(kept) as partial:
            shutil.copyfile(file, partial)
    command = [sys.executable, "-m", "dvc", "add", "--quiet", place(root, kept)]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        raise DataError(f"DVC does not take {place(root, kept)} ({reason})", run=f"dvc add {place(root, kept)}")
    return kept


def _parser() -> argparse.ArgumentParser:
    example = "data/raw/visits.csv --target Revenue --name visits"
    parser = argparse.ArgumentParser(
        prog="python -m stemma.describe",
        description="Look at a CSV or Parquet file and write conf/data/NAME.yaml: how it is written, the role of each "
        "column, the task. What was seen stands beside each line, for a person to correct.",
        epilog=f"example: python -m stemma.describe {example}",
    )
    parser.add_argument("file", metavar="FILE", type=Path, help="the table: text, compressed or not, or Parquet")
    parser.add_argument("--target", metavar="COLUMN", required=True, help="the column to predict")
    parser.add_argument("--name", metavar="NAME", required=True, help="of conf/data/NAME.yaml, and of -S data=NAME")
    parser.add_argument("--no-header", action="store_true", help="the first row is data: columns are c0, c1, ...")
    parser.add_argument(
        "--separator", metavar="CHARACTER", type=_separator, help="instead of the one found; tab for a tab"
    )
    parser.add_argument("--encoding", metavar="ENCODING", help="instead of the one found, as Python names it")
    parser.add_argument("--decimal", choices=(".", ","), help="instead of the one found")
    parser.add_argument("--track", action="store_true", help="copy the file to data/raw/ and `dvc add` it")
    parser.add_argument("--strict", action="store_true", help="write nothing where there is a warning")
    parser.add_argument("--force", action="store_true", help="overwrite what is there")
    return parser


def _separator(text: str) -> str:
    if text.lower() in ("tab", "\\t"):
        return "\t"
    if len(text) != 1 or text in '\n\r"':
        raise argparse.ArgumentTypeError(f"{text!r} is not one character")
    return text


if __name__ == "__main__":
    main()
