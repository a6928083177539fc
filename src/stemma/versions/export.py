"""Another format of any version, made by that version's own code.

The code of the commit, its own toolkit too, and what its stage `export` depends on are laid out in a temporary folder,
and there `python src/stage.py export FORMAT FOLDER` runs, in this Python. The work tree, the cache and the index of Git
are only read.
"""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stemma import layout
from stemma.errors import ExportError, VersionError
from stemma.files import check_folder, scratch, swapped_folder
from stemma.formats import parity
from stemma.names import stays_in
from stemma.repo import project, trust
from stemma.repo.git import git
from stemma.repo.repository import EXPORT, Repo, Version, no_model, opened
from stemma.toolkit import lock

ONNX = "onnx"  # what every version has: its folder holds it already


@dataclass(frozen=True)
class Exported:
    """What was made: `parity` is how far it is from the network on the test rows."""

    folder: Path
    format: str
    revision: str
    parity: parity.Proof


def export(repo: Repo, revision: str, format: str, folder: Path | None = None) -> Exported:
    """Write a version's network in a format to a new folder.

    Args:
        folder: FORMAT-COMMIT in the current one, by default.

    Raises:
        VersionError: there is no such version, it has no model, a part of it is out of reach, or its code would run
            and is not trusted.
        ExportError: the folder is there already, or the version's code cannot make the format.
    """
    version = opened(repo).version(revision)
    folder = Path(f"{format}-{version.revision.short}" if folder is None else folder).absolute()
    if folder.exists():
        raise ExportError(f"{folder} is already there: name another folder by --output")
    check_folder(folder.parent)
    if version.index is None:
        raise no_model(version)
    if format != ONNX:
        trust.code(version.repository.root, version.commit, f"stemma export --format {format}")
    if format == ONNX:
        content = {name: version.bytes(f"{EXPORT}/{name}") for name in (layout.GRAPH.name, layout.PARITY.name)}
        with swapped_folder(folder) as partial:
            for name, part in content.items():
                (partial / name).write_bytes(part)
    elif version.commit is None:
        _run(version, version.repository.root, format, folder)
    else:
        with scratch("export") as place:
            root = check_out(version.repository.root, version.commit, place)
            lay(version, root, ["export"])
            _run(version, root, format, folder, toolkit=lock.unpacked(root, place / "toolkit"))
    return Exported(folder, format, version.name, parity.read(folder, format))


def lay(version: Version, root: Path, stages: Iterable[str]) -> None:
    """Write those outputs that stages depend on, out of the cache or a remote, and that are not there."""
    known = (version.lock or {}).get("stages") or {}
    for dependency in (each for stage in stages for each in (known.get(stage) or {}).get("deps") or ()):
        output = version.output(dependency["path"])
        if output is None or (root / output.path).exists():
            continue
        inside = [f"{output.path}/{name}" for name in version.files(output)]
        names = inside if output.is_folder else [output.path]
        for name in names:
            if not stays_in(root, name):
                raise VersionError(f"{name!r} of {version.name} is no path of a file in the repository")
            place = root / name
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(version.bytes(name))


def check_out(root: Path, commit: str, folder: Path) -> Path:
    """The files as a checkout of the commit has them, but for links that lead out; where `root` lies among them.

    `git archive` would leave out what has the attribute export-ignore.
    """
    index, tree = folder / "index", folder / "tree"
    git(root, "read-tree", commit, index=index)
    git(root, "checkout-index", "--all", f"--prefix={tree.as_posix()}/", index=index)
    inside = Path(os.path.realpath(tree))
    links = [path for path in tree.rglob("*") if path.is_symlink()]
    for link in [link for link in links if not Path(os.path.realpath(link)).is_relative_to(inside)]:
        link.unlink()
    return tree / git(root, "rev-parse", "--show-prefix").decode().removesuffix("\n")


def _run(version: Version, root: Path, format: str, folder: Path, toolkit: Path | None = None) -> None:
    if not (root / project.STAGE).is_file():
        raise VersionError(f"{version.name} has no {project.STAGE}, which exports are made by")
    done = project.run(root, "export", format, str(folder), toolkit=toolkit)
    if done.returncode == project.WRONG_USAGE:
        raise VersionError(f"the code of {version.name} is older than formats on demand: it makes {ONNX} alone")
    if done.returncode:
        raise ExportError(f"{version.name}: {project.reason(done)}")
