"""What runs the project's own code: only where its repository is trusted, and in a process of its own.

What reads versions shows what was recorded. What must be computed anew by a figure of the project's own, and its own
checks, come through here.
"""

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from stemma import runners
from stemma.files import scratch
from stemma.repo import trust
from stemma.repo.repository import Version
from stemma.versions.export import check_out


@contextmanager
def code(version: Version, what: str) -> Iterator[Path]:
    """The folder in which Python finds the packages of a version's project.

    Args:
        what: asks for it, for the line where that is refused.

    Raises:
        VersionError: the code of the version is not trusted.
    """
    root = version.repository.root
    trust.code(root, version.commit, what)
    if version.commit is None:
        yield root / trust.CODE
        return
    with scratch("code") as folder:
        yield check_out(root, version.commit, folder) / trust.CODE


def run(work: Callable[..., Any], name: str, source: Path, *arguments: Any) -> Any:
    """What `work` gives for these arguments, in a process that finds the project's packages in `source`.

    Args:
        work: a function of a module. name: says in errors what ran.
    """
    with runners.chosen("local") as runner:
        return runner.run(_work, [(work, str(source), *arguments)], [name], at_once=1)[0]


def _work(work: Callable[..., Any], source: str, *arguments: Any) -> Any:
    sys.path.insert(0, source)
    sys.dont_write_bytecode = True
    return work(*arguments)
