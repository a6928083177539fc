"""What a clone lacks, with the command that brings it. Of a partial clone Git fetches what is read."""

from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Literal

from stemma.repo.git import git, run
from stemma.text import say_once


@dataclass(frozen=True)
class Lack:
    """A part that is not here. Args: what: in words; run: the command that brings it."""

    kind: Literal["history", "tags", "branches"]
    what: str
    run: str


def lacks(root: Path) -> list[Lack]:
    """What this clone was made, or set, to lack; the remote is not asked."""
    found, own = [], root / ".git"  # a folder is looked at without a process: every `stemma log` asks
    told = b"" if own.is_dir() else git(root, "rev-parse", "--is-shallow-repository").strip()
    if told == b"true" or (own / "shallow").is_file():
        what = "this clone is shallow, and versions, tags and branches may be in the part that it lacks"
        found.append(Lack("history", what, "git fetch --unshallow --tags"))
    asked = ("config", "--get-regexp", r"^remote\..*\.(fetch|tagopt)$")
    settings: dict[tuple[str, str], list[str]] = {}
    for line in run(root, *asked).stdout.decode(errors="replace").splitlines():
        name, _, value = line.partition(" ")
        remote, _, kind = name.removeprefix("remote.").rpartition(".")
        settings.setdefault((quote(remote), kind), []).append(value)
    for (remote, kind), values in settings.items():
        if kind == "tagopt" and "--no-tags" in values:
            what = f"this clone takes no tags from {remote}, and tags say which versions are in use"
            found.append(Lack("tags", what, f"git config --unset remote.{remote}.tagOpt && git fetch --tags {remote}"))
        elif kind == "fetch" and not any("*" in value for value in values):
            what = f"this clone does not take every branch of {remote}, and versions and tags may be on others"
            found.append(Lack("branches", what, f"git remote set-branches {remote} '*' && git fetch --tags {remote}"))
    return found


def tell(root: Path) -> None:
    """What is lacking, on stderr, by a command that would else seem to say all there is."""
    for lack in lacks(root):
        say_once(f"note: {lack.what}: run `{lack.run}`")
