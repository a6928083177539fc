"""How tags of the registry are made: whole, in a step, here or on a Git remote first; never moved, never forced.

A tag is made by `git tag`, so that Git's own settings for signing hold, in a scratch repository that shares the
objects. Its name appears in the real one in one step, or, when it is pushed, on the remote first: a process killed at
any moment leaves either no trace or the tag.
"""

import os
import subprocess
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stemma.errors import VersionError
from stemma.repo import registry
from stemma.repo.git import WITH_HOOKS, config, git, is_set

SETTINGS = r"^(user|gpg|tag)\."  # what `git tag` reads


@dataclass(frozen=True)
class Tag:
    """A tag to be made.

    Args:
        message: whole, with its trailers.
    """

    name: str
    commit: str
    message: str


class TakenError(VersionError):
    """Another person's push came first."""


def write(root: Path, new: Sequence[Tag], *, sign: bool, remote: "Remote | None") -> None:
    """Make tags, all or none.

    Args:
        sign: with the key of Git's settings.
        remote: push them there first, with every tag of the registry that it lacks; None: here alone.

    Raises:
        TakenError: the remote got a tag of one of these names first; nothing was made.
        VersionError: Git does not know who tags, the key does not sign, or the remote refuses; nothing was made.
    """
    made = _made(root, new, sign)
    if remote is not None:
        remote.push(made)
    lines = "".join(f"create refs/tags/{name} {identity}\n" for name, identity in made.items())
    git(root, "update-ref", "--stdin", stdin=lines)


def _made(root: Path, new: Sequence[Tag], sign: bool) -> dict[str, str]:
    """Tag objects without a name here: their ids by the names that they are made for."""
    if subprocess.run(["git", "var", "GIT_COMMITTER_IDENT"], cwd=root, capture_output=True).returncode:
        raise VersionError("Git does not know who you are", run='git config user.name "Your Name"` and `user.email')
    asked = ("rev-parse", "--path-format=absolute", "--git-path", "objects", "--show-object-format")
    objects, form = git(root, *asked).decode().splitlines()
    when = _later_than(registry.read(root))
    signed = sign or is_set(root, "tag.gpgSign")
    made = {}
    with tempfile.TemporaryDirectory(prefix="stemma-tag-") as scratch:
        git(root, "init", "--quiet", "--bare", "--template=", f"--object-format={form}", scratch)
        place = {"GIT_DIR": scratch, "GIT_OBJECT_DIRECTORY": objects}
        for number, tag in enumerate(new):
            words = [*WITH_HOOKS, *_settings(root), "tag", "--cleanup=whitespace", "--file=-"]
            words += ["--sign" if signed else "--annotate", tag.name, tag.commit]
            said = _run(words, root, tag.message, place | {"GIT_COMMITTER_DATE": f"@{when + number} +0000"})[1]
            look = ["git", "for-each-ref", "--format=%(objectname) %(contents:signature)", f"refs/tags/{tag.name}"]
            made[tag.name], _, signature = _run(look, root, "", place)[0].partition(" ")
            if signed and not signature.strip():  # Git 2.39 makes the tag without it when the SSH key is missing
                raise VersionError(f"the tag cannot be signed ({_told(said)})", run="git config user.signingkey KEY")
    return made


def _later_than(known: registry.Registry) -> int:
    """Now, or the second after the last event: GTO orders events by their seconds, and clocks differ."""
    return max(int(time.time()), max((event.time for event in known.events), default=0) + 1)


def _settings(root: Path) -> list[str]:
    done = subprocess.run(["git", "config", "-z", "--get-regexp", SETTINGS], cwd=root, capture_output=True, text=True)
    pairs = [entry.partition("\n") for entry in done.stdout.split("\0") if entry]
    return [word for name, _, value in pairs for word in ("-c", f"{name}={value}")]


def _run(words: Sequence[str], root: Path, stdin: str, environment: Mapping[str, str]) -> tuple[str, str]:
    """What a command says on standard output, and on standard error."""
    done = subprocess.run(
        words,
        cwd=root,
        input=stdin,
        env=os.environ | environment,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
    )
    if done.returncode:
        raise VersionError(f"git {_verb(words)} failed ({_told(done.stderr)})")
    return done.stdout, done.stderr


def _told(errors: str) -> str:
    """Git's lines in one."""
    lines = [line.strip().removeprefix("fatal: ").removeprefix("error: ") for line in errors.splitlines()]
    return f"{'; '.join(filter(None, lines)):.300}"


def _verb(words: Sequence[str]) -> str:
    return next((word for word in words if word in ("tag", "push", "fetch", "ls-remote", "for-each-ref")), words[1])


class Remote:
    """The Git remote that events are pushed to, and what it has of the registry.

    Raises:
        VersionError: there is none, or it cannot be asked.
    """

    def __init__(self, root: Path, model: str) -> None:
        self.root = root
        self.model = model
        self.patterns = [f"refs/tags/{model}{mark}*" for mark in "@#"]
        self.name = _remote(root)

    def fetch(self) -> None:
        """Get the events that are not here.

        Raises:
            VersionError: the remote cannot be asked, or an event here has another one's name.
        """
        here, there = self._here(), self._there()
        clash = sorted(name for name in here.keys() & there.keys() if here[name] != there[name])
        if clash:
            what = f"{clash[0]} is another event here than on {self.name}: yours was never pushed"
            raise VersionError(what, run=f"git tag -d '{clash[0]}'")
        if there.keys() - here.keys():
            specs = [f"{pattern}:{pattern}" for pattern in self.patterns]
            _run([*WITH_HOOKS, "fetch", "--quiet", "--no-tags", self.name, *specs], self.root, "", {})

    def push(self, made: Mapping[str, str]) -> None:
        """Push tags by their ids, with every event that the remote lacks, all or none.

        Raises:
            TakenError: the remote has events that are not here; they are here now.
            VersionError: it refuses, or cannot be reached.
        """
        here, there = self._here(), self._there()
        lacking = {name: identity for name, identity in here.items() if name not in there}
        specs = [f"{identity}:refs/tags/{name}" for name, identity in (lacking | dict(made)).items()]
        try:
            _run([*WITH_HOOKS, "push", "--quiet", "--atomic", self.name, *specs], self.root, "", {})
        except VersionError:
            after = self._there()
            if all(after.get(name) == identity for name, identity in made.items()):
                return  # the remote took them; its answer was lost
            if after.keys() - there.keys():
                self.fetch()
                raise TakenError(f"{self.name} got another event first") from None
            raise

    def _there(self) -> dict[str, str]:
        told = _run([*WITH_HOOKS, "ls-remote", "--refs", self.name, *self.patterns], self.root, "", {})[0]
        pairs = [line.split("\t") for line in told.splitlines()]
        return self._events((ref.removeprefix("refs/tags/"), identity) for identity, ref in pairs)

    def _here(self) -> dict[str, str]:
        asked = "--format=%(objecttype) %(objectname) %(refname:strip=2)"
        lines = git(self.root, "for-each-ref", asked, *self.patterns).decode().splitlines()
        found = [line.split(" ", 2) for line in lines]
        return self._events((name, identity) for kind, identity, name in found if kind == "tag")

    def _events(self, tags: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Those of the model's registry."""
        said = [(name, identity, registry.parse(name)) for name, identity in tags]
        return {name: identity for name, identity, says in said if says is not None and says.model == self.model}


def remotes(root: Path) -> list[str]:
    """The names of the Git remotes."""
    return git(root, "remote").decode().split()


def _remote(root: Path) -> str:
    """Where tags go: remote.pushDefault, else origin, else the only one."""
    known = remotes(root)
    wanted: list[str] = [config(root, "remote.pushDefault"), "origin", *(known if len(known) == 1 else [])]
    for name in wanted:
        if name in known:
            return name
    if known:
        what = f"there are several Git remotes ({', '.join(known)}), and none is the default"
        raise VersionError(what, run=f"git config remote.pushDefault {known[0]}")
    raise VersionError("there is no Git remote to push to", run="git remote add origin URL")
