"""How tags of the registry are made: whole, in a step, here or on a Git remote first; never moved, never forced.

A tag is made by `git tag`, so that Git's own settings for signing hold, in a scratch repository that shares the
objects. Its name appears in the real one in one step, or, when it is pushed, on the remote first: a process killed at
any moment leaves either no trace or the tag.
"""

import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from stemma.errors import VersionError
from stemma.files import scratch
from stemma.repo import locks, registry
from stemma.repo.git import config, fields, git, is_set, refs, remotes, run

SETTINGS = r"^(user|gpg|tag)\."  # what `git tag` reads


@dataclass(frozen=True)
class Tag:
    name: str
    commit: str
    message: str  # whole, with its trailers


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
    locks.clear_killed(root, *(f"refs/tags/{name}" for name in made))  # whoever writes holds the registry's lock
    lines = "".join(f"create refs/tags/{name} {identity}\n" for name, identity in made.items())
    git(root, "update-ref", "--stdin", stdin=lines)


def _made(root: Path, new: Sequence[Tag], sign: bool) -> dict[str, str]:
    """Tag objects without a name here: their ids by the names that they are made for."""
    if run(root, "var", "GIT_COMMITTER_IDENT").returncode:
        raise VersionError("Git does not know who you are", run='git config user.name "Your Name"` and `user.email')
    asked = ("rev-parse", "--path-format=absolute", "--git-path", "objects", "--show-object-format")
    objects, form = git(root, *asked).decode().splitlines()
    last = max((event.time for event in registry.read(root).events), default=0)
    when = max(int(time.time()), last + 1)  # GTO orders events by their seconds, and clocks differ
    signed = sign or is_set(root, "tag.gpgSign")
    made = {}
    with scratch("tag") as folder:
        git(root, "init", "--quiet", "--bare", "--template=", f"--object-format={form}", str(folder))
        place = {"GIT_DIR": str(folder), "GIT_OBJECT_DIRECTORY": objects}
        for number, tag in enumerate(new):
            words = ("--cleanup=whitespace", "--file=-", "--sign" if signed else "--annotate", tag.name, tag.commit)
            dated = place | {"GIT_COMMITTER_DATE": f"@{when + number} +0000"}
            done = run(root, *_settings(root), "tag", *words, stdin=tag.message, environment=dated, hooks=True)
            _check("tag", done)
            look = ("--format=%(objectname) %(contents:signature)", f"refs/tags/{tag.name}")
            shown = _check("for-each-ref", run(root, "for-each-ref", *look, environment=place))
            made[tag.name], _, signature = shown.partition(" ")
            if signed and not signature.strip():  # Git 2.39 makes the tag without it when the SSH key is missing
                what = f"the tag cannot be signed ({_told(done.stderr)})"
                raise VersionError(what, run="git config user.signingkey KEY")
    return made


def _settings(root: Path) -> list[str]:
    listed = fields(run(root, "config", "-z", "--get-regexp", SETTINGS).stdout)
    pairs = [entry.partition("\n") for entry in listed]
    return [word for name, _, value in pairs for word in ("-c", f"{name}={value}")]


def _check(verb: str, done: subprocess.CompletedProcess[bytes]) -> str:
    """What a Git command says; a VersionError with all that it told where it failed."""
    if done.returncode:
        raise VersionError(f"git {verb} failed ({_told(done.stderr)})")
    return done.stdout.decode(errors="replace")


def _told(errors: bytes) -> str:
    """Git's lines in one."""
    lines = [line.strip() for line in errors.decode(errors="replace").splitlines()]
    return f"{'; '.join(line.removeprefix('fatal: ').removeprefix('error: ') for line in lines if line):.300}"


class Remote:
    """The Git remote that events are pushed to, and what it has of the registry; a VersionError where there is none."""

    def __init__(self, root: Path, model: str) -> None:
        self.root = root
        self.model = model.replace("=", ":")  # as they are parsed
        self.patterns = [f"refs/tags/{model}{mark}*" for mark in "@#"]
        self.name = _remote(root)

    def fetch(self) -> dict[str, str]:
        """Get the events that are not here; all that are there. A VersionError where one has another's name here."""
        here, there = self._here(), self._there()
        clash = sorted(name for name in here.keys() & there.keys() if here[name] != there[name])
        if clash:
            what = (
                f"{clash[0]} is another event here than on {self.name}: yours was never pushed, or that one was moved"
            )
            raise VersionError(what, run=f"git tag -d '{clash[0]}'")
        if there.keys() - here.keys():
            specs = [f"{pattern}:{pattern}" for pattern in self.patterns]
            self._ask("fetch", "--quiet", "--no-tags", self.name, *specs)
        return there

    def more(self) -> bool:
        """Whether the remote has events that are not here."""
        return bool(self._there().keys() - self._here().keys())

    def push(self, made: Mapping[str, str]) -> None:
        """Push tags by their ids, with every event that the remote lacks, all or none.

        Raises:
            TakenError: the remote has another event of one of these names; what it has is here now.
            VersionError: it refuses, or cannot be reached.
        """
        here, there = self._here(), self._there()
        lacking = {name: identity for name, identity in here.items() if name not in there}
        specs = [f"{identity}:refs/tags/{name}" for name, identity in (lacking | dict(made)).items()]
        try:
            self._ask("push", "--quiet", "--atomic", self.name, *specs)
        except VersionError:
            after = self._there()
            if all(after.get(name) == identity for name, identity in made.items()):
                return  # the remote took them; its answer was lost
            self.fetch()
            if after.keys() & made.keys():
                raise TakenError(f"{self.name} got another event first") from None
            raise

    def _ask(self, verb: str, *words: str) -> str:
        return _check(verb, run(self.root, verb, *words, hooks=True))

    def _there(self) -> dict[str, str]:
        listed = self._ask("ls-remote", "--refs", self.name, *self.patterns)
        pairs = [line.split("\t") for line in listed.splitlines()]
        return self._events((ref.removeprefix("refs/tags/"), identity) for identity, ref in pairs)

    def _here(self) -> dict[str, str]:
        return self._events((ref.short, ref.id) for ref in refs(self.root, *self.patterns) if ref.peeled)

    def _events(self, tags: Iterable[tuple[str, str]]) -> dict[str, str]:
        """Those of the model's registry."""
        said = [(name, identity, registry.parse(name)) for name, identity in tags]
        return {name: identity for name, identity, says in said if says is not None and says.model == self.model}


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
