"""The model registry: annotated Git tags in GTO's grammar (https://dvc.org/doc/gto), read with one `git for-each-ref`.

    model@v1.2.0        registers a version; model@v1.2.0! takes that back
    model#prod#3        assigns the stage prod, the third such tag; model#prod!#4 takes that back
    model@deprecated    deprecates the model

Of a project in a folder of its Git repository the tags are `churn=model@v1.2.0`, and its names here are without the
folder, as its paths are: a project knows its own events alone. A version is known by its commit. GTO ignores tags that
are not annotated, and so does this.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import Literal

from stemma.errors import VersionError
from stemma.repo.git import at, commit_of, git, ids, prefix, top
from stemma.semver import VERSION, precedence
from stemma.text import few, say_once

MODEL = "model"  # the artifact's name in dvc.yaml

Action = Literal["register", "deregister", "assign", "unassign", "deprecate", "create"]

ODD = re.compile(rf"(?:[a-zA-Z0-9-_./]+=)?{MODEL}[@#].*")  # meant for an event, it seems
_NAME = r"[a-zA-Z0-9](?:[a-zA-Z0-9-/_]*[a-zA-Z0-9])?"
TAG = re.compile(
    rf"(?P<model>(?:[a-zA-Z0-9-_./]+=)?{_NAME})"
    rf"(?:(?:\#(?P<stage>{_NAME})|@(?P<version>{VERSION}))(?P<cancel>!?)|@(?P<whole>deprecated|created))"
    r"(?:\#(?P<counter>[0-9]+))?",
)
_FIELDS = (
    "refname:strip=2", "*objectname", "*objecttype", "taggerdate:unix", "taggername", "contents:subject",
    "taggeremail:trim", "contents:body", "objectname", "tag", "contents:signature",
)  # fmt: skip
_FORMAT = "".join(f"%({field})%00" for field in _FIELDS)


@dataclass(frozen=True)
class Grammar:
    action: Action
    model: str  # GTO's artifact, with `:` after a folder where the tag has `=`; of an event, as its project names it
    version: str | None  # "v1.2.0", of a registration
    stage: str | None  # "prod", of an assignment
    counter: int | None  # None where the tag has none


@dataclass(frozen=True)
class Event:
    """A tag that registers, assigns, or takes that back. `time` in seconds since 1970."""

    tag: str
    commit: str
    says: Grammar
    time: int
    author: str
    message: str  # the first line of what it says
    email: str = ""
    body: str = ""  # the lines below, without the signature
    object: str = ""  # Git's id of the tag itself
    inner: str = ""  # the name that it was made, and signed, under
    signed: bool = False


@dataclass(frozen=True)
class Registry:
    """All such tags of a project, the oldest first."""

    events: tuple[Event, ...]
    folder: str = ""  # where the project lies in its Git repository, such as "churn/"
    light: tuple[str, ...] = ()  # tags that would be events, were they annotated

    @cached_property
    def registered(self) -> dict[tuple[str, str], str]:
        """The commit of each registered version, by model and version."""
        found: dict[tuple[str, str], str] = {}
        for event in self.events:
            if event.says.version is None:
                continue
            key = event.says.model, event.says.version
            if event.says.action == "register":
                found[key] = event.commit
            else:
                found.pop(key, None)
        return found

    @cached_property
    def in_force(self) -> dict[tuple[str, str], tuple[str, ...]]:
        """The commits whose assignment to a stage was not taken back, the last one last, by model and stage."""
        held: dict[tuple[str, str], dict[str, None]] = {}
        for event in self.events:
            if event.says.stage is None:
                continue
            commits = held.setdefault((event.says.model, event.says.stage), {})
            commits.pop(event.commit, None)
            if event.says.action == "assign":
                commits[event.commit] = None
        return {key: tuple(commits) for key, commits in held.items() if commits}

    @cached_property
    def assigned(self) -> dict[tuple[str, str], str]:
        """The commit that holds each stage, by model and stage: of the assignments in force, the last."""
        return {key: commits[-1] for key, commits in self.in_force.items()}

    def find(self, name: str) -> str | None:
        """The commit of `model#stage`, `model@v1.2.0`, `churn:model@latest`; None where there is none."""
        name = _relative(name.replace("=", ":", 1), self.folder) or name
        model, _, stage = name.partition("#")
        if stage:
            return self.assigned.get((model, stage))
        model, _, version = name.partition("@")
        if version == "latest":
            versions = [(number, commit) for (of, number), commit in self.registered.items() if of == model]
            return max(versions, key=lambda found: precedence(found[0]))[1] if versions else None
        return self.registered.get((model, version))

    def names(self) -> list[str]:
        versions = [f"{model}@{version}" for model, version in self.registered]
        return versions + [f"{model}#{stage}" for model, stage in self.assigned]


def read(root: Path) -> Registry:
    """The registry of a project. That a tag is not annotated is told in a line on stderr.

    Raises:
        VersionError: the folder has no Git.
    """
    folder = prefix(root)
    words = git(root, "for-each-ref", f"--format={_FORMAT}", "refs/tags").decode(errors="replace").split("\0")
    found, light, nobodys, astray, odd = list[Event](), list[str](), list[str](), list[str](), list[str]()
    for start in range(0, len(words) - 1, len(_FIELDS)):
        ref, commit, kind, *facts = words[start : start + len(_FIELDS)]
        time, author, message, email, body, itself, inner, signature = facts
        name = ref.removeprefix("\n")  # the line end behind the tag before
        says = parse(name)
        odd += [name] if says is None and ODD.fullmatch(name) else []
        model = None if says is None else _relative(says.model, folder)
        if says is None or model is None:
            nobodys += [name] if says is not None and ":" not in says.model else []
            continue
        if kind not in ("", "commit"):  # a tag on a tag, or on a file
            commit = commit_of(root, f"refs/tags/{name}") or ""
        if commit:
            more = email, body.strip(), itself, inner, bool(signature)
            found.append(Event(name, commit, replace(says, model=model), int(time or 0), author, message, *more))
        else:
            (astray if kind else light).append(name)
    events = sorted(_in_project(root, found), key=lambda event: (event.time, event.says.counter or 0, event.tag))
    if nobodys and not (top(root) / ".dvc").is_dir():
        cure = f"git tag -a -m WHY '{tag(root, nobodys[0])}' '{nobodys[0]}^{{}}'"
        say_once(f"note: {few(nobodys)}: of no project, for no folder is named: run `{cure}`")
    if odd:
        cure = f"git tag -a -m WHY {tag(root, f'{MODEL}@v1.2.0')} '{odd[0]}^{{}}'"
        say_once(f"note: {few(odd)}: no event of the registry by its name, which is as {MODEL}@v1.2.0: run `{cure}`")
    if astray:
        say_once(f"note: {few(astray)}: a tag of no commit is no event of the registry: run `git show '{astray[0]}'`")
    if light:
        say_once(f"note: {not_annotated(light)}")
    return Registry(tuple(events), folder, tuple(light))


def not_annotated(tags: Sequence[str]) -> VersionError:
    what = f"{few(tags)}: a lightweight tag is no event of the registry, here or for GTO"
    return VersionError(what, run=f"git tag -f -a -m WHY '{tags[0]}' '{tags[0]}'")


def tag(root: Path, name: str) -> str:
    """The Git tag of a name in a project: `churn=model@v1.2.0`; as it is where it says a folder itself."""
    folder = prefix(root)
    return f"{folder[:-1]}={name}" if folder and "=" not in name else name


def _relative(model: str, folder: str) -> str | None:
    """`model` of `churn:model` in the folder "churn/"; None where it lies elsewhere."""
    if not folder:
        return model
    within = f"{model.rpartition(':')[0]}/".startswith(folder)
    return model.removeprefix(f"{folder[:-1]}:").removeprefix(folder) if within else None


def _in_project(root: Path, events: Sequence[Event]) -> Iterator[Event]:
    """Those whose folder, in their commit, is in no DVC project below this one."""
    above = [
        (number, at(event.commit, f"{folder}/.dvc"))
        for number, event in enumerate(events)
        if (inside := event.says.model.rpartition(":")[0])
        for folder in (inside, *map(str, PurePosixPath(inside).parents))
        if folder != "."
    ]
    there = ids(root, [name for _, name in above]) if above else []
    elsewhere = {number for (number, _), found in zip(above, there, strict=True) if found}
    return (event for number, event in enumerate(events) if number not in elsewhere)


def parse(tag: str) -> Grammar | None:
    """What the name of a tag says; None where it is not of the grammar."""
    match = TAG.fullmatch(tag)
    if match is None:
        return None
    if match["whole"]:
        action: Action = "deprecate" if match["whole"] == "deprecated" else "create"
    elif match["version"]:
        action = "deregister" if match["cancel"] else "register"
    else:
        action = "unassign" if match["cancel"] else "assign"
    counter = None if match["counter"] is None else int(match["counter"])
    return Grammar(action, match["model"].replace("=", ":"), match["version"], match["stage"], counter)
