"""What a version says of prepared rows, for a network that learns from it; no training framework is needed."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from stemma.errors import VersionError
from stemma.repo.repository import Repo, opened
from stemma.text import counted, few, in_one_line

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from stemma.task import Task

ROLES = {"number": "numeric", "boolean": "numeric", "date": "date", "string": "categorical"}  # by type of an input


@dataclass(frozen=True)
class Answers:
    commit: str | None  # of its name now; None for the work tree
    predictions: "NDArray[np.float32]"  # probabilities (rows, classes), or values (rows, 1)


def answers(repo: Repo, revision: str, frame: "pd.DataFrame", task: "Task", target: str | None = None) -> Answers:
    """Run the packaged network of a version, for this target (None: any), on rows that `prepare` wrote; its classes
    come in the order of `task`.

    Raises:
        StemmaError: there is no such version, its bundle is not there or damaged, or it predicts something else.
    """
    from stemma.tables import encode
    from stemma.versions.predictions import bundle_of

    version = opened(repo).version(revision)
    bundle = bundle_of(version)
    signature = bundle.signature
    alike = (signature.task, {*signature.classes}) == (task.kind, {*task.classes})
    if not alike or target not in (None, signature.target):
        says = f"{signature.task} ({few([*signature.classes], 5)})" if signature.classes else signature.task
        says += f" of {signature.target!r}, so nothing can be learned from it"
        raise VersionError(f"{revision} answers another question, {says}")
    lacking = [each.name for each in signature.inputs if each.name not in frame]
    if lacking:
        raise VersionError(f"{revision} needs columns that data/prepared does not have: {few(lacking, 5)}")
    try:
        arrays = encode.feeds(frame, [(each.name, ROLES[each.type]) for each in signature.inputs])
    except (ValueError, TypeError) as error:
        raise VersionError(f"{revision} takes a column for another type than it has ({in_one_line(error)})") from None
    order = [signature.classes.index(name) for name in task.classes] or [0]
    said = bundle.run(arrays)[:, order]
    if task.log is not None and (count := int((said <= 0).sum())):
        raise VersionError(f"{revision} says 0 or less of {counted(count, 'row')}, which has no logarithm "
                           "(data.transform_target), so nothing can be learned from it")  # fmt: skip
    return Answers(version.commit, said)
