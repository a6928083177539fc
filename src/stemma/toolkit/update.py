"""`python tasks.py update-stemma`: the toolkit of a template takes the place of the project's, wholly or not at all.

    python -m stemma.toolkit.update [FROM] [--version TAG]

The old one lies beside, as vendor.aside and stemma.lock.aside, until the new one is installed, locked and tested. What
fails or is interrupted is put back by `python tasks.py install`, and after a kill too: every chore begins with that.
"""

import argparse
import os
import re
import shutil
import signal
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from pathlib import Path

from stemma.errors import StemmaError, ToolkitError, interrupts_held, one_line
from stemma.files import read_json, scratch, write_bytes
from stemma.repo import git
from stemma.text import few
from stemma.toolkit.distribution import NAME, version
from stemma.toolkit.lock import FILE, INSTALL, PINNED, SOURCES, VENDOR

CRUFT = ".cruft.json"  # which template the project was made from, and at which commit
BUILDER = f"{SOURCES}/toolkit/distribution.py"
WHEELS, TOLD = f"{NAME.replace('-', '_')}-*.whl", Path(PINNED).name
UPDATING = {"STEMMA_UPDATING": "1"}  # by which tasks.py leaves what lies aside
STEPS = (  # what the new toolkit must go through, each in a process of its own; and what it means if it fails
    (("tasks.py", "install", "all,dev"), "the new toolkit cannot be installed"),
    (("-m", "stemma.cli", "lock"), f"the new toolkit cannot write {FILE}"),
    (("tasks.py", "test", "--quick", "-q"), "the project's quick tests fail with the new toolkit"),
)


@dataclass(frozen=True)
class Origin:
    """A template, and a tag, branch or commit of it."""

    template: str
    version: str


def main() -> None:
    with one_line():
        update(Path.cwd(), sys.argv[1:])


def update(root: Path, words: list[str]) -> None:
    """Put the toolkit that the words name in the place of the project's.

    Raises:
        StemmaError: it cannot be found, or did not go well; then everything is as it was.
    """
    if (root / SOURCES / "pyproject.toml").is_file():
        raise ToolkitError(f"{SOURCES} is the toolkit's source, which Git updates: update-stemma replaces a wheel")
    origin = _wanted(root, words)
    partial = root / f"{VENDOR}.partial"
    try:
        commit = _fetched(root, origin, partial)
        _take(root, partial, f"{origin.template} ({commit[:7]})")
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _take(root: Path, partial: Path, origin: str) -> None:
    """Replace vendor/ by what lies beside it, unless it is the same, and say what that means."""
    if (partial / TOLD).read_bytes() == (root / PINNED).read_bytes():
        print(f"the toolkit is that of {origin} already")
        return
    _refuse_edits(root)
    (wheel,) = partial.glob(WHEELS)
    print(f"the toolkit of {origin}: {version()} -> {wheel.name.split('-')[1]}", flush=True)
    unpinned = _unpinned(root, wheel)
    _replace(root, partial)
    if unpinned:
        print(f"requirements.lock does not pin {', '.join(unpinned)}, which the toolkit needs: the template's does")
    print(f"next: git add {VENDOR} {FILE}, git commit, dvc repro")


def _wanted(root: Path, words: list[str]) -> Origin:
    """What the command line names; for the rest, what cruft knows."""
    parser = argparse.ArgumentParser("python tasks.py update-stemma", allow_abbrev=False)
    parser.add_argument("FROM", nargs="?", help="path or URL of a template; without it, the one that cruft knows")
    parser.add_argument("--version", metavar="TAG", help="tag, branch or commit; without it, the newest of FROM")
    given = parser.parse_args(words)
    if given.FROM:
        return Origin(given.FROM, given.version or "HEAD")
    try:
        known = read_json(root / CRUFT)
        return Origin(known["template"], given.version or known["commit"])
    except (OSError, ValueError, KeyError, TypeError):
        told = f"{CRUFT} does not say which template this project is from"
        raise ToolkitError(told, run="python tasks.py update-stemma FROM") from None


def _fetched(root: Path, origin: Origin, partial: Path) -> str:
    """Lay vendor/ as it is to be into a folder beside it; the template's commit."""
    with scratch("update") as folder:
        template = folder / "template"
        git.git(root, "clone", "--quiet", "--no-checkout", "--", origin.template, str(template))
        commit = _commit(template, origin)
        git.git(template, "checkout", "--quiet", "--detach", commit)
        shutil.rmtree(partial, ignore_errors=True)
        shutil.copytree(root / VENDOR, partial, ignore=shutil.ignore_patterns(WHEELS, TOLD))
        if not (template / BUILDER).is_file() or _run(root, "-I", str(template / BUILDER), str(partial)):
            told = f"{origin.template} ({commit[:7]}) holds no toolkit that can be made a wheel"
            raise ToolkitError(f"{told} ({BUILDER})")
    return commit


def _commit(template: Path, origin: Origin) -> str:
    for name in (origin.version, f"origin/{origin.version}"):
        commit = git.commit_of(template, name)
        if commit:
            return commit
    tags = git.git(template, "tag", "--sort=-creatordate").decode().split()
    raise ToolkitError(f"{origin.template} has no {origin.version!r}; its newest tags: {few(tags) or 'none'}")


def _refuse_edits(root: Path) -> None:
    """Nobody's work is replaced: what is there must be committed."""
    listed = git.git(root, "status", "--porcelain", "--ignored", "--", VENDOR, FILE).decode().splitlines()
    if listed:
        names = few([line[3:] for line in listed])
        raise ToolkitError(f"not committed, and so not replaced: {names}", run=f"git status {VENDOR} {FILE}")


def _unpinned(root: Path, wheel: Path) -> list[str]:
    """The packages that a wheel needs, with the extras that the project takes, and requirements.lock does not name."""
    with zipfile.ZipFile(wheel) as archive:
        (metadata,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        needs = re.findall(r'^Requires-Dist: ([\w.-]+)(?:.*extra == "(\w+)")?', archive.read(metadata).decode(), re.M)
    taken = set(re.findall(rf"{NAME}\[(\w+)\]", (root / "pyproject.toml").read_text(encoding="utf-8"))) | {""}
    lines = (root / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = {_plain(line.split("==")[0]) for line in lines}
    return sorted({name for name, extra in needs if extra in taken and _plain(name) not in pinned})


def _plain(name: str) -> str:
    """A package's name as indexes compare it."""
    return re.sub(r"[-_.]+", "-", name.strip()).lower()


def _replace(root: Path, partial: Path) -> None:
    """Swap, then try; on any failure all goes back."""
    try:
        _swap(root, partial)
        for command, failed in STEPS:
            if _run(root, *command, alone="install" in command, **UPDATING):  # pip leaves halves when interrupted
                raise ToolkitError(failed)
    except (StemmaError, OSError, KeyboardInterrupt) as error:
        why = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        if _run(root, "tasks.py", "install"):
            raise ToolkitError(f"{why}, and what was here is not wholly back", run=INSTALL) from None
        raise ToolkitError(f"{why}; everything is as it was") from None
    # Only this move counts: without vendor.aside nothing is put back.
    (root / f"{VENDOR}.aside").rename(partial)
    (root / f"{FILE}.aside").unlink()


def _swap(root: Path, partial: Path) -> None:
    write_bytes(root / f"{FILE}.aside", (root / FILE).read_bytes())
    (root / VENDOR).rename(root / f"{VENDOR}.aside")
    partial.rename(root / VENDOR)


def _run(root: Path, *words: str, alone: bool = False, **environment: str) -> int:
    """A Python program's exit code. An interrupt is raised when it has ended; alone, it has none itself."""
    command, variables = [sys.executable, *words], os.environ | environment
    with interrupts_held():
        return subprocess.run(command, cwd=root, env=variables, process_group=0 if alone else None).returncode


if __name__ == "__main__":
    main()
