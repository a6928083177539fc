"""What a server does to a version of a stage, written into the registry: others see it, and other servers follow."""

from stemma.errors import VersionError
from stemma.follow import source
from stemma.registry.promote import roll_back, would_hold
from stemma.registry.writing import Tagging
from stemma.repo.git import remotes
from stemma.repo.registry import MODEL
from stemma.text import say


def taken_back(asked: str, stage: str, version: str, why: str) -> str:
    """Roll a stage back that holds a version that was taken out of service; the tag of the event.

    Args:
        asked: a repository, a clone, or a Git URL, as of `Asked`.
        version: such as v1.2.0.

    Raises:
        VersionError: the stage holds another version by now, or held none before; or it cannot be written or pushed.
    """
    repository = source.opened(asked, say)
    known = repository.registry
    if known.assigned.get((MODEL, stage)) != known.registered.get((MODEL, version), ""):
        raise VersionError(f"{stage} does not hold {version} any more")
    pushed = Tagging(push=bool(remotes(repository.root)))
    back = would_hold(repository, stage)  # by what is followed: a clone may hold events that were not pushed
    return roll_back(repository, stage, back, why=why, tagging=pushed).tag
