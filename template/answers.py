"""The answers and their rules. A wrong one is refused in a line, with the rule and an example; nothing is written.

Standard library only: cookiecutter may live in an environment of its own.
"""

import csv
import gzip
import keyword
import os
import re
import sys
import zlib
from collections.abc import Mapping
from pathlib import Path

HERE = Path(__file__).resolve().parent
CHOICES = {  # the first is the default
    "licence": ("MIT", "Apache-2.0", "BSD-3-Clause", "none"),
    "framework": ("both", "torch", "tensorflow"),
    "data": ("simulated", "csv", "digits"),
    "remote": ("local", "s3"),
    "ci": ("github", "gitlab", "jenkins", "none"),
    "python_version": ("3.11", "3.12", "3.13"),
}
TEXTS = ("project_name", "project_slug", "package_name", "csv_path", "csv_target", "description", "author")
TEXTS += ("s3_bucket", "s3_endpoint")
DEVICES = {"con", "prn", "aux", "nul", *(f"{name}{number}" for name in ("com", "lpt") for number in range(10))}
KNOWN_TABLES = {"simulated", "csv", "digits", "diabetes", "null", "true", "false", "nan", "inf", *DEVICES}
SLUG = re.compile(r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?")
PACKAGE = re.compile(r"[a-z][a-z0-9_]{0,29}")
BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9](/[A-Za-z0-9._-]+)*")
ENDPOINT = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9a-fA-F:]+\])(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*/?")
COLUMN = re.compile(r"[^\x00-\x1f\x7f\"'\\]{1,80}")
FILE = re.compile(r"\w[\w .+-]{0,79}")
TABLES = (".csv", ".tsv", ".txt", ".parquet", ".csv.gz", ".tsv.gz", ".txt.gz")


class WrongAnswer(Exception):
    """An answer that would give no project that works."""

    def __init__(self, key: str, value: object, rule: str, example: str) -> None:
        shown = value if str(value).isprintable() else ascii(value)
        super().__init__(f"{key}={shown}: {rule}, such as {key}={example}")


def check(answers: Mapping[str, str]) -> str:
    """The absolute path of the table that the answers name, or "".

    Raises:
        WrongAnswer: the first wrong one.
    """
    rules(answers)
    return table(answers)


def choices(answers: Mapping[str, str]) -> str:
    """ "", which is what is proposed to the next question: those that are asked before it are known.

    Raises:
        WrongAnswer: the first wrong one.
    """
    for key, known in CHOICES.items():
        if key in answers and answers[key] not in known:
            raise WrongAnswer(key, answers[key], f"there are {', '.join(known)}", known[0])
    return ""


def rules(answers: Mapping[str, str]) -> None:
    """All that can be said of the answers without looking at a disk.

    Raises:
        WrongAnswer: the first wrong one.
    """
    choices({key: answers.get(key, "") for key in CHOICES})
    for key in TEXTS:  # of a settings file or a replay it may be anything
        if not isinstance(answers.get(key), str):
            raise WrongAnswer(key, answers.get(key), "a text, an empty one where there is none", '"a text"')
    for key in ("project_name", "description", "author"):
        _check_line(key, answers[key])
    slug, package = answers["project_slug"], answers["package_name"]
    if not SLUG.fullmatch(slug) or slug in DEVICES:
        raise WrongAnswer("project_slug", slug, "small letters, digits and hyphens, at most 50", "visitor-intent")
    if slug in {name.replace("_", "-") for name in pinned()}:
        raise WrongAnswer("project_slug", slug, "it would hide a package that is installed with it", f"{slug}-project")
    if not PACKAGE.fullmatch(package) or keyword.iskeyword(package) or keyword.issoftkeyword(package):
        raise WrongAnswer(
            "package_name", package, "small letters, digits and _, a letter first, at most 30, no keyword", "my_package"
        )
    if package in taken():
        raise WrongAnswer("package_name", package, "it would hide a module of that name", f"{package}_project")
    _check_remote(answers)
    _check_table(answers)


def taken() -> set[str]:
    """Modules that a project's package would hide: Python's, the pinned packages', the toolkit's, the tests'."""
    others = (HERE / "modules.txt").read_text(encoding="utf-8").split()
    return {*sys.stdlib_module_names, *pinned(), *others}


def pinned() -> set[str]:
    """The packages of requirements.lock, in small letters with _."""
    lock = (HERE.parent / "requirements.lock").read_text(encoding="utf-8")
    return {line.split("==")[0].lower().replace("-", "_") for line in lock.splitlines() if "==" in line}


def asked(target: object) -> str:
    """The question of a project that predicts this column; a column may hold what a line of text may not."""
    question = f"What is {target}?"
    return question if _is_line(question) else "What is it?"


def _check_line(key: str, text: str) -> None:
    """Text that stands in TOML, YAML, Markdown and Python comments: one line, nothing that ends a string there."""
    if not text.strip() or len(text) > 100 or text != text.strip():
        raise WrongAnswer(key, text, "a line of 1 to 100 characters, no spaces around it", '"Will they buy?"')
    if not _is_line(text):
        raise WrongAnswer(key, text, 'one line without " \\ ` { } < > | $', '"Will they buy?"')


def _is_line(text: str) -> bool:
    return text.isprintable() and not set(text) & set('"\\`{}<>|$')


def _check_remote(answers: Mapping[str, str]) -> None:
    bucket, endpoint = answers["s3_bucket"], answers["s3_endpoint"]
    if answers["remote"] != "s3":
        if bucket or endpoint:
            key = "s3_bucket" if bucket else "s3_endpoint"
            raise WrongAnswer("remote", answers["remote"], f"{key} is given, so the remote is on S3", "s3")
        return
    if not BUCKET.fullmatch(bucket.removeprefix("s3://")):
        raise WrongAnswer("s3_bucket", bucket, "the bucket's name, and a path in it if you like", "my-bucket/models")
    if endpoint and not ENDPOINT.fullmatch(endpoint):
        raise WrongAnswer(
            "s3_endpoint",
            endpoint,
            "the server's address with http or https and no password",
            "https://minio.example.org:9000",
        )


def _check_table(answers: Mapping[str, str]) -> None:
    path, target = answers["csv_path"], answers["csv_target"]
    if answers["data"] != "csv":
        if path or target:
            key = "csv_path" if path else "csv_target"
            raise WrongAnswer("data", answers["data"], f"{key} is given, so the data is a file of yours", "csv")
        return
    name = Path(path).name
    if not name.lower().endswith(TABLES) or not FILE.fullmatch(name):
        raise WrongAnswer("csv_path", path, f"a file that ends in {', '.join(TABLES)}", "../visits.csv")
    if not COLUMN.fullmatch(target) or target != target.strip():
        raise WrongAnswer("csv_target", target, "the name of the column to predict, without quotes or \\", "Revenue")


def table(answers: Mapping[str, str]) -> str:
    """The table's absolute path; "" where none is named, or where this folder is a project that has it (an update).

    Raises:
        WrongAnswer: it is not there or cannot be read, or its first line does not hold the target.
    """
    if answers["data"] != "csv":
        return ""
    path, target = answers["csv_path"], answers["csv_target"]
    file = Path(os.path.expanduser(path))  # noqa: PTH111 - Path's stops at a ~user that is not there
    if not os.path.isfile(file):  # noqa: PTH113 - Path's stops at a name that is too long
        if any(Path("data/raw", file.name + suffix).is_file() for suffix in ("", ".dvc")):
            return ""
        raise WrongAnswer("csv_path", path, f"there is no such file (looked at {file.absolute()})", "../visits.csv")
    try:
        columns = header(file)
    except (OSError, EOFError, zlib.error) as error:
        raise WrongAnswer("csv_path", path, f"it cannot be read ({error})", "../visits.csv") from None
    if columns and target not in columns:
        raise WrongAnswer("csv_target", target, f"{file.name} has the columns {', '.join(columns[:20])}", columns[-1])
    return file.resolve().as_posix()


def table_name(file: str) -> str:
    """What conf/data/NAME.yaml is called for a file: letters, digits and _, a letter first."""
    name = re.sub(r"\W+", "_", file.split(".")[0], flags=re.ASCII).strip("_").lower()[:50]
    return name if re.match("[a-z]", name) and name not in KNOWN_TABLES else f"table_{name}".rstrip("_")


def header(file: Path) -> list[str]:
    """The columns of a text table by the separator that gives most; none for Parquet, which needs a library."""
    if file.name.lower().endswith(".parquet"):
        return []
    with gzip.open(file) if file.name.lower().endswith(".gz") else file.open("rb") as stream:
        begin = stream.read(100_000)
    encoding = "utf-16" if begin.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8-sig"
    first = begin if encoding == "utf-16" else begin.split(b"\n")[0]
    try:
        text = first.decode(
            encoding, errors="ignore" if encoding == "utf-16" else "strict"
        )  # it may be cut in a letter
    except UnicodeDecodeError:
        text = first.decode("latin-1")
    line = next(iter(text.splitlines()), "")
    rows = [next(csv.reader([line], delimiter=separator), []) for separator in ",;\t|"]
    return [name.strip() for name in max(rows, key=lambda row: (len(row), '"' not in "".join(row)))]
