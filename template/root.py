"""What cookiecutter loads (`_extensions` in cookiecutter.json): it knows the template's folder and checks the answers.

cookiecutter and cruft put the template's folder on sys.path before they render anything, and render hooks from inside
it. `_repo_dir` is not known to cruft, and a `pre_prompt` hook would copy the folder, .venv included.
"""

import logging
import runpy
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from click import ClickException
from jinja2 import Environment
from jinja2.ext import Extension


def folder() -> Path:
    """The template's folder. Looked up at each call: one process may stamp from several (cruft does, in an update)."""
    for entry in (*reversed(sys.path), "."):
        if (Path(entry) / "template/root.py").is_file() and (Path(entry) / "cookiecutter.json").is_file():
            return Path(entry).resolve()
    raise ClickException("the template's folder is not on sys.path: run it by cookiecutter or cruft")


def checked(answers: Mapping[str, str], rule: str = "check") -> str:
    """The absolute path of the table that the answers name, or ""; or what another rule of template/answers.py gives.

    Raises:
        ClickException: an answer is wrong; cookiecutter and cruft print it and write nothing.
    """
    code = _answers()
    try:
        return str(code[rule](answers))
    except code["WrongAnswer"] as error:
        raise ClickException(str(error)) from None


def asked(target: object) -> str:
    """What the network answers, if nobody says it."""
    return str(_answers()["asked"](target))


def _answers() -> dict[str, Any]:
    return runpy.run_path(str(folder() / "template/answers.py"))


def is_news(record: logging.LogRecord) -> bool:
    """False for cookiecutter's trace of a hook that stopped: the hook itself has said why, in a line."""
    return not str(record.msg).startswith("Stopping generation because")


class Root(Extension):
    """`template_root()`, `asked(target)` and `checked(cookiecutter)` in cookiecutter.json and in the hooks."""

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        logging.getLogger("cookiecutter.hooks").addFilter(is_news)  # the same function is added once
        environment.globals["asked"] = asked
        environment.globals["checked"] = checked
        environment.globals["template_root"] = lambda: folder().as_posix()
