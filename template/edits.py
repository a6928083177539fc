"""What the answers change in the files, as exact replacements. A text that is not found stops the stamp.

choose(texts, answers)   what the choices change in the texts of the root
fill(texts, answers)     what a person wrote, once the package is renamed
"""

import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath

from template import frameworks, settings
from template.answers import table_name

DESCRIBE = """


def describe() -> None:
    \"\"\"The first time: look at the table that the project started with, and make it the pipeline's data.\"\"\"
    if not (ROOT / {conf}).is_file():
        call(
            "stemma",
            "describe",
            {file},
            "--target",
            {target},
            "--name",
            {name},
            "--track",
        )
        call("stemma", "conf", "sync")


def test("""

TOOLS = ("filelock", "mypy", "pytest", "ruff", "types-PyYAML")  # of the extra dev, in a project
OPTIONS = {"train": "default", "export": "default", "experiment": "null"}  # of groups that no answer chooses
SOURCES = "src/purchase_intent/sources/__init__.py"
TABLES = {"simulated": "SimulatedTable", "digits": "BundledTable"}  # data -> its class in sources/settings.py
SMALL = {"digits": "data=digits", "csv": "data=drawn"}  # what the tests of a project run, which may have no table yet

JENKINS_KEYS = """            environment {
                AWS_ACCESS_KEY_ID = credentials('aws-access-key-id')
                AWS_SECRET_ACCESS_KEY = credentials('aws-secret-access-key')
            }
"""
JENKINS_NAMES = """//   aws-access-key-id, aws-secret-access-key   of the DVC remote on S3
"""


@dataclass(frozen=True)
class Edit:
    """`old` stands once in `file`; it becomes `new`."""

    file: str
    old: str
    new: str


def choose(texts: Mapping[str, str], answers: Mapping[str, str]) -> dict[str, str]:
    """The texts of the root by target, with every edit that the choices ask for.

    Raises:
        LookupError: a text is not in its file, or more than once.
    """
    return _edited(texts, _choices(texts, answers))


def fill(texts: Mapping[str, str], answers: Mapping[str, str]) -> dict[str, str]:
    """The texts with the answers that are free text, and params.yaml composed of them.

    Raises:
        LookupError: a text is not in its file, or more than once.
    """
    filled = _edited(texts, _words(texts, answers))
    return filled | {"params.yaml": settings.composed(filled, _known(answers))}


def _edited(texts: Mapping[str, str], edits: Iterable[Edit]) -> dict[str, str]:
    edited = dict(texts)
    for edit in edits:
        count = edited[edit.file].count(edit.old) if edit.file in edited else 0
        if count != 1:
            raise LookupError(f"template/edits.py: {edit.old!r} stands {count} times in {edit.file}, not once")
        edited[edit.file] = edited[edit.file].replace(edit.old, edit.new)
    return edited


def _choices(texts: Mapping[str, str], answers: Mapping[str, str]) -> Iterator[Edit]:
    yield Edit("pyproject.toml", 'packages = ["stemma", "purchase_intent"]', 'packages = ["purchase_intent"]')
    yield from _own_tools(texts["pyproject.toml"])
    yield from _python(answers["python_version"])
    yield from _ci(texts, answers)
    if answers["framework"] != "both":
        yield from _without(texts, {"torch": "tensorflow", "tensorflow": "torch"}[answers["framework"]])
    yield from _sources(texts, answers["data"])
    yield from _chosen(texts, OPTIONS | {"data": answers["data"], "model": frameworks.MODEL[answers["framework"]]})


def _chosen(texts: Mapping[str, str], options: Mapping[str, str]) -> Iterator[Edit]:
    """The options of groups. What the root has chosen today is its own affair."""
    for group, option in options.items():
        yield _set(texts, "conf/config.yaml", f"  - {group}: ", option, is_word=True)


def _set(texts: Mapping[str, str], file: str, key: str, value: str, is_word: bool = False) -> Edit:
    """Another value in the one line that begins with this key; behind a word a comment stays."""
    found = re.findall(rf"\n{re.escape(key)}" + (r"\S*" if is_word else ".*"), texts[file])
    if len(found) != 1:
        raise LookupError(f"template/edits.py: {len(found)} lines of {file} begin with {key!r}, not one")
    return Edit(file, found[0], f"\n{key}{value}")


def _words(texts: Mapping[str, str], answers: Mapping[str, str]) -> Iterator[Edit]:
    yield from _names(texts, answers)
    if answers["data"] == "csv":
        yield from _own_table(texts, answers)
    if answers["remote"] == "s3":
        yield from _bucket(answers)


def _names(texts: Mapping[str, str], answers: Mapping[str, str]) -> Iterator[Edit]:
    description = answers["description"]
    yield _set(texts, "pyproject.toml", "description = ", f'"{description}"')
    yield _set(texts, "conf/config.yaml", "  description: ", settings.scalar(description))
    if "LICENSE" in texts:
        (holder,) = (line for line in texts["LICENSE"].splitlines() if line.endswith("The Stemma developers"))
        yield Edit("LICENSE", holder, f"{holder.split('Copyright')[0]}Copyright (c) {answers['author']}")


def _python(version: str) -> Iterator[Edit]:
    minor = int(version.split(".")[1])
    names = [f"3.{number}" for number in range(minor, 14)]
    told = " or ".join([", ".join(names[:-1]), names[-1]] if names[:-1] else names)
    yield Edit("pyproject.toml", 'requires-python = ">=3.11,<3.14"', f'requires-python = ">={version},<3.14"')
    yield Edit("pyproject.toml", 'python_version = "3.11"', f'python_version = "{version}"')
    yield Edit("tasks.py", "Needs Python 3.11 or newer", f"Needs Python {version} or newer")
    yield Edit("tasks.py", "(3, 11) <= sys.version_info", f"(3, {minor}) <= sys.version_info")
    yield Edit("tasks.py", "Python 3.11, 3.12 or 3.13 is needed", f"Python {told} is needed")


def _ci(texts: Mapping[str, str], answers: Mapping[str, str]) -> Iterator[Edit]:
    version = answers["python_version"]
    for file in texts:
        if file.startswith(".github/workflows/"):
            yield Edit(file, 'python-version: "3.11"', f'python-version: "{version}"')
        elif file in (".gitlab-ci.yml", "Jenkinsfile"):
            yield Edit(file, "python:3.11", f"python:{version}")
        if file.startswith((".github/", ".gitlab-ci", "Jenkinsfile")) and answers["framework"] == "tensorflow":
            yield from (Edit(file, line, "") for line in texts[file].splitlines(True) if "pytorch" in line)
    if "Jenkinsfile" in texts and answers["remote"] != "s3":  # Jenkins stops at credentials that do not exist
        yield Edit("Jenkinsfile", JENKINS_KEYS, "")
        yield Edit("Jenkinsfile", JENKINS_NAMES, "")


def _without(texts: Mapping[str, str], framework: str) -> Iterator[Edit]:
    """Lines that are of one framework alone, then words."""
    prefix, rest = {"torch": ("torch", "tensorflow"), "tensorflow": ("keras", "torch")}[framework]
    starts = {
        "pyproject.toml": (f"{framework} = [",),
        "requirements.lock": tuple(f"{name}==" for name in frameworks.PINS[framework]),
        frameworks.INIT: (f'    "{prefix}_',),
    }
    for file, beginnings in starts.items():
        lines = [line for line in texts[file].splitlines(keepends=True) if line.startswith(beginnings)]
        if not lines:
            raise LookupError(f"template/edits.py: no line of {file} begins with {' or '.join(beginnings)}")
        yield from (Edit(file, f"\n{line}", "\n") for line in lines)
    yield Edit("pyproject.toml", "[torch,tensorflow,", f"[{rest},")
    yield from (Edit(*words) for words in frameworks.WITHOUT[framework])


def _own_tools(text: str) -> Iterator[Edit]:
    """Of the extra dev, what a project's own tests and chores use."""
    extra = text.split("\ndev = [\n")[1].split("\n]")[0].splitlines()
    for line in (line for line in extra if not line.lstrip(' "').startswith(TOOLS)):
        yield Edit("pyproject.toml", f"{line}\n", "")


def _sources(texts: Mapping[str, str], data: str) -> Iterator[Edit]:
    """The source that was chosen, and no other; a table in a file needs none."""
    for name in TABLES.values():
        if name != TABLES.get(data):
            (line,) = (line for line in texts[SOURCES].splitlines(keepends=True) if line.endswith(f", {name}),\n"))
            yield Edit(SOURCES, line, "")
    names = "from purchase_intent.sources.settings import BundledTable, SimulatedTable\n"
    yield Edit(SOURCES, names, f"{names.split('Bundled')[0]}{TABLES[data]}\n" if data in TABLES else "")
    if data in TABLES:
        yield from _settings(texts["src/purchase_intent/sources/settings.py"], TABLES[data])
    if data in SMALL:
        yield Edit("tests/purchase_intent/conftest.py", '"data=simulated", "data.rows=1500"', f'"{SMALL[data]}"')


def _settings(text: str, kept: str) -> Iterator[Edit]:
    """Of the classes one, and the imports that it needs."""
    file = "src/purchase_intent/sources/settings.py"
    for block in text.rstrip("\n").split("\n\n\n")[1:]:
        if not block.startswith(f"class {kept}("):
            yield Edit(file, f"\n\n\n{block}", "")
    if kept == "BundledTable":
        yield Edit(file, "import Annotated, Literal", "import Literal")
        yield Edit(file, "from pydantic import Field\n\nfrom stemma.settings import Seed\n", "")


def _own_table(texts: Mapping[str, str], answers: Mapping[str, str]) -> Iterator[Edit]:
    """The first `tasks.py run` describes it. Until then nothing trains: what conf/config.yaml chooses is not there."""
    file = _known(answers)["source"]
    name = table_name(PurePosixPath(file).name)
    yield from _chosen(texts, {"data": name})
    repro = '    call("dvc", "repro", *arguments)\n'
    yield Edit("tasks.py", repro, f"    describe()\n{repro}")
    yield Edit("tasks.py", "\n\n\ndef test(", DESCRIBE.format(
        conf=json.dumps(f"conf/data/{name}.yaml"), file=json.dumps(file), name=json.dumps(name),
        target=json.dumps(answers["csv_target"], ensure_ascii=False),
    ))  # fmt: skip


def _known(answers: Mapping[str, str]) -> dict[str, str]:
    """What the answers say of a table of one's own."""
    file = PurePosixPath(answers["csv_path"].replace("\\", "/")).name
    return {"source": f"data/raw/{file}", "target": answers["csv_target"]}


def _bucket(answers: Mapping[str, str]) -> Iterator[Edit]:
    """The address only: keys come from the environment or from .dvc/config.local."""
    url = "s3://" + answers["s3_bucket"].removeprefix("s3://")
    endpoint = f"    endpointurl = {answers['s3_endpoint']}\n" if answers["s3_endpoint"] else ""
    remote = f"['remote \"storage\"']\n    url = {url}\n{endpoint}    verify = true\n"
    yield Edit(".dvc/config", "    analytics = false\n", "    analytics = false\n    remote = storage\n")
    yield Edit(".dvc/config", "    enabled = True\n", f"    enabled = True\n{remote}")
    yield Edit("tasks.py", "extras = extras or framework()", 'extras = extras or f"{framework()},s3"')
