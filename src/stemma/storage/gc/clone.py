"""Whether a clone knows enough to say what is garbage: its history is whole, and every tag of its Git remotes is here.

A tag that is missing is a version in production that nothing here names. So the Git remotes are asked first: tags that
are not here are fetched, and the commits that their branches and experiments point to, which need no name here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from stemma.errors import VersionError
from stemma.repo import clone
from stemma.repo.git import ids, refs, remotes, run
from stemma.repo.repository import EXPERIMENTS
from stemma.text import counted

HEADS, TAGS = "refs/heads/", "refs/tags/"


@dataclass(frozen=True)
class Far:
    """A branch, a tag or an experiment of a Git remote; its commit is here."""

    remote: str
    ref: str
    id: str


def asked(root: Path) -> tuple[tuple[Far, ...], tuple[str, ...]]:
    """What the Git remotes have, and in words what was fetched for it.

    Raises:
        VersionError: the clone is shallow, or was made or set to have no tags, or a Git remote cannot be asked.
    """
    for lack in clone.lacks(root):
        if lack.kind != "branches":  # those are asked for below
            raise VersionError(lack.what, run=lack.run)
    found: list[Far] = []
    said: list[str] = []
    for remote in remotes(root):
        there = _there(root, remote)
        said += _fetched(root, remote, there)
        found += there
    return tuple(found), tuple(said)


def _there(root: Path, remote: str) -> list[Far]:
    """Branches, tags and experiments of a Git remote."""
    patterns = [f"{kind}*" for kind in (HEADS, TAGS, EXPERIMENTS)]
    lines = _remotely(root, remote, "ls-remote", "--refs", remote, *patterns).splitlines()
    return [Far(remote, ref, identity) for identity, ref in (line.split("\t") for line in lines)]


def _fetched(root: Path, remote: str, there: Sequence[Far]) -> list[str]:
    """Get the tags that have no name here, and the commits of the rest that are not here."""
    here = {ref.name for ref in refs(root, TAGS)}
    tags = [far.ref for far in there if far.ref.startswith(TAGS) and far.ref not in here]
    known = ids(root, [far.id for far in there])
    rest = [far.ref for far, one in zip(there, known, strict=True) if one is None and far.ref not in tags]
    if not tags and not rest:
        return []
    words = ["fetch", "--quiet", "--no-tags", "--no-auto-gc", "--no-write-fetch-head", "--stdin", remote]
    _remotely(root, remote, *words, stdin="".join([*(f"{tag}:{tag}\n" for tag in tags), *(f"{ref}\n" for ref in rest)]))
    fetched = [counted(len(tags), "tag")] * bool(tags) + [counted(len(rest), "other commit")] * bool(rest)
    return [f"fetched {' and '.join(fetched)} from {remote}"]


def _remotely(root: Path, remote: str, *words: str, stdin: str = "") -> str:
    """What a Git command says that needs a remote (a VersionError where it failed); nobody is asked for a password."""
    done = run(root, *words, stdin=stdin, environment={"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"})
    if done.returncode:
        lines = done.stderr.decode(errors="replace").split("\n")
        told = next((line for line in lines if line.startswith(("fatal: ", "error: "))), lines[0])
        what = f"the Git remote {remote!r} cannot be asked for its tags ({told.split(': ', 1)[-1]:.200})"
        raise VersionError(f"{what}, and without them nothing is collected", run=f"git fetch --tags {remote}")
    return done.stdout.decode(errors="replace")
