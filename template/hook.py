"""What the two hooks do. They run in the new project's folder; the template's folder and the answers are given."""

import shutil
from collections.abc import Mapping
from pathlib import Path

from template import closing, stamp
from template.answers import WrongAnswer, rules, table
from template.toolkit import OldLock


def before(root: Path, folder: Path, answers: Mapping[str, str]) -> None:
    """Refuse wrong answers, and to overwrite a file that differs. cookiecutter has made the folder if need be."""
    try:
        rules(answers)
        if answers["__csv_file"]:
            table({**answers, "csv_path": answers["__csv_file"]})
    except WrongAnswer as error:
        stamp.stop(str(error))
    if any(folder.iterdir()):
        planned = _planned(root, answers) | rendered(root, answers)
        found = stamp.clashes(folder, planned)
        if answers["__csv_file"]:
            found += stamp.clashes(folder, {stamp.copied(answers): Path(answers["__csv_file"]).read_bytes()})
        if found:
            stamp.stop(f"{folder} has another {', another '.join(found)}: move it away, then stamp again")


def after(root: Path, folder: Path, answers: Mapping[str, str]) -> None:
    """Write the project."""
    stamp.write(folder, _planned(root, answers))
    if answers["__csv_file"]:
        shutil.copyfile(answers["__csv_file"], folder / stamp.copied(answers))
        stamp.ignore(folder / stamp.copied(answers))
    print(closing.message(folder, answers), flush=True)


def _planned(root: Path, answers: Mapping[str, str]) -> dict[str, bytes]:
    try:
        return stamp.plan(root, answers)
    except OldLock as error:
        stamp.stop(str(error))


def rendered(root: Path, answers: Mapping[str, str]) -> dict[str, bytes]:
    """What cookiecutter itself writes: the files that hold Jinja."""
    from jinja2 import Environment, StrictUndefined

    top = root / "{{cookiecutter.project_slug}}"
    environment = Environment(undefined=StrictUndefined, keep_trailing_newline=True)  # noqa: S701 - Markdown, not HTML
    return {
        path.relative_to(top).as_posix(): environment.from_string(path.read_text(encoding="utf-8"))
        .render(cookiecutter=answers)
        .encode("utf-8")
        for path in sorted(top.rglob("*"))
        if path.is_file()
    }
