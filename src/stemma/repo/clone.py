"""What a clone lacks of its repository, in words, with the command that brings it.

A partial clone (`--filter=blob:none`) lacks nothing that is named here: Git fetches what is read of it, or fails.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from stemma.repo.git import is_shallow, run
from stemma.text import say_once


@dataclass(frozen=True)
class Lack:
    """A part that is not here. Args: what: in words; run: the command that brings it."""

    kind: Literal["history", "tags", "branches"]
    what: str
    run: str


def lacks(root: Path) -> list[Lack]:
    """What this clone was made, or set, to lack; the remote is not asked."""
    found = []
    if is_shallow(root):
        what = "this clone is shallow, and versions, tags and branches may be in the part that it lacks"
        found.append(Lack("history", what, "git fetch --unshallow --tags"))
    settings: dict[str, list[str]] = {}
    for line in run(root, "config", "--get-regexp", r"^remote\..*\.(fetch|tagopt)$").stdout.decode().splitlines():
        name, _, value = line.partition(" ")
        settings.setdefault(name.removeprefix("remote."), []).append(value)
    for setting, values in settings.items():
        remote, _, kind = setting.rpartition(".")
        if kind == "tagopt" and "--no-tags" in values:
            what = f"this clone takes no tags from {remote}, and tags say which versions are in use"
            cure = f"git config --unset remote.{remote}.tagOpt && git fetch --tags {remote}"
            found.append(Lack("tags", what, cure))
        elif kind == "fetch" and not any("*" in value for value in values):
            what = f"this clone does not take every branch of {remote}, and versions and tags may be on others"
            cure = f"git remote set-branches {remote} '*' && git fetch --tags {remote}"
            found.append(Lack("branches", what, cure))
    return found


def tell(root: Path, *, branches: bool = True) -> None:
    """What is lacking, on stderr, by a command that would else seem to say all there is.

    Args:
        branches: whether the command is about every branch.
    """
    for lack in [each for each in lacks(root) if branches or each.kind != "branches"]:
        say_once(f"note: {lack.what}: run `{lack.run}`")
