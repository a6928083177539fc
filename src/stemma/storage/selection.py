"""Which versions a command means: those named, those that hold a stage, or all that must never be lost."""

from collections.abc import Sequence

from stemma.errors import VersionError
from stemma.repo.git import commit_of, refs
from stemma.repo.repository import Repository, Revision, Version

TIPS = ("refs/heads", "refs/remotes")


def select(
    repository: Repository,
    revisions: Sequence[str] = (),
    *,
    stages: Sequence[str] = (),
    all: bool = False,
    experiments: bool = False,
) -> tuple[Version, ...]:
    """Each version once, under its first name.

    Args:
        revisions: names, as `Repository.resolve` takes them.
        stages: names such as "prod", of every model that has the stage, or "model#prod".
        all: every registered version, the holder of every stage, every branch's tip, and HEAD.
        experiments: every experiment too.

    Raises:
        VersionError: a name is not known, the workspace was named, a stage is empty, or there is no commit yet.
    """
    if commit_of(repository.root, "HEAD") is None:
        raise VersionError("there is no commit yet", run="git commit")
    names = list(revisions)
    for stage in stages:
        names += _holders(repository, stage)
    names += repository.registry.names() if all else []
    found: dict[str, Version] = {}
    for version in map(repository.version, names):
        if version.commit is None:
            raise VersionError("the workspace is no version: commit it first", run="git commit")
        found.setdefault(version.commit, version)
    branches = [ref for ref in refs(repository.root, *TIPS) if not ref.alias] if all else []  # others' as last fetched
    tips = [Revision(ref.short, ref.id) for ref in branches]
    tips += [Revision("HEAD", commit_of(repository.root, "HEAD"))] if all else []
    named = repository.experiments.items() if experiments else ()
    for revision in [*tips, *(Revision(name, commit) for name, commits in named for commit in commits)]:
        found.setdefault(str(revision.commit), Version(repository, revision))
    return tuple(found.values())


def _holders(repository: Repository, stage: str) -> list[str]:
    """The stage of this name of each model, as model#stage."""
    known = [f"{model}#{name}" for model, name in repository.registry.assigned]
    found = [each for each in known if stage in (each, each.partition("#")[2])]
    if not found:
        there = f"there are {', '.join(known)}" if known else "none is assigned"
        raise VersionError(f"no version holds the stage {stage!r}: {there}")
    return found
