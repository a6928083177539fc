"""What the versions are read with: `git`, run in a repository's folder.

A clone brings no settings of Git; a folder that was copied with its .git does. What of these starts a program in
commands that read is switched off where that costs nobody anything; docs/trust.md says what remains.
"""

import errno
import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from stemma.errors import NUMBERS, VersionError
from stemma.files import read_plain

_QUIET = (
    "core.fsmonitor=false", "log.showSignature=false", "protocol.ext.allow=never", "fetch.recurseSubmodules=false",
    "submodule.recurse=false",
    "safe.bareRepository=explicit",  # a folder of the tree may look like one, with settings of its own
)  # fmt: skip
WITH_HOOKS = ("git", *(word for setting in _QUIET for word in ("-c", setting)))  # to tag and push, as the user's Git
DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)  # what Git tells of a disk, in the words of the system
POINTER = re.compile(rb"version https://git-lfs.github.com/spec/v1\n(?:ext-.*\n)*oid sha256:([0-9a-f]{64})\nsize \d+\n")
ROOM = 1 << 20  # bytes; with less a disk is full
GIT = (*WITH_HOOKS, "-c", f"core.hooksPath={os.devnull}")


def run(
    root: Path,
    *words: str,
    stdin: str | None = None,
    environment: Mapping[str, str] | None = None,
    hooks: bool = False,
) -> subprocess.CompletedProcess[bytes]:
    """A Git command, which may fail.

    Args:
        environment: that it has beside this process's. hooks: the user's are run, as to tag and push.

    Raises:
        VersionError: Git is not installed.
    """
    command = [*(WITH_HOOKS if hooks else GIT), *words]
    given = None if stdin is None else stdin.encode(errors="surrogateescape")
    try:
        return subprocess.run(command, cwd=root, env=os.environ | (environment or {}), input=given, capture_output=True)
    except FileNotFoundError:
        raise VersionError("git is not installed, and versions are read from it") from None


def git(root: Path, *words: str, stdin: str | None = None, index: Path | None = None) -> bytes:
    """Standard output of a Git command.

    Args:
        index: the file that stands for Git's own index.

    Raises:
        VersionError: Git is not installed, or the command failed; with Git's own first line.
    """
    done = run(root, *words, stdin=stdin, environment={"GIT_INDEX_FILE": str(index)} if index else None)
    if done.returncode:
        raise _failed(root, words[0], done.stderr.decode(errors="replace").strip() or f"exit code {done.returncode}")
    return done.stdout


def _failed(root: Path, verb: str, told: str) -> VersionError:
    """What Git says in a line, with the command that helps where one does."""
    cure = next((line.strip() for line in told.splitlines() if " --add safe.directory " in line), None)
    if cure is not None:
        return VersionError(f"{root} belongs to another user, and Git reads nothing there until you say so", run=cure)
    first = told.splitlines()[0].removeprefix("fatal: ")
    if "promisor remote" in told:
        what = f"{root} is a partial clone, and what it lacks cannot be fetched ({first})"
        return VersionError(f"{what}: with its remote in reach", run="git fetch --refetch --no-filter")
    if lost := re.search(r"missing object \w+ for (refs/\S+)", told):
        what = f"{lost[1]} names what is not in {root}: fetch it, or forget the name"
        return VersionError(what, run=f"git update-ref -d '{lost[1]}'")
    is_full = " write " in told and shutil.disk_usage(root).free < ROOM  # Git does not always say why
    disk = [NUMBERS[number] for number in DISK if os.strerror(number) in told] + [NUMBERS[errno.ENOSPC]] * is_full
    return VersionError(f"git {verb} failed in {root} ({[*disk, first][0]})")


def commit_of(root: Path, name: str) -> str | None:
    """The commit that Git knows by this name; None where there is none."""
    if not name or name.startswith("-") or "\n" in name:
        return None
    try:
        return git(root, "rev-parse", "--verify", "--quiet", name + "^{commit}").decode().strip()
    except VersionError:
        git(root, "rev-parse", "--git-dir")  # tells a name that does not exist from a folder without Git
        return None


def config(root: Path, name: str) -> str:
    """A setting of Git; empty where it is not set."""
    return git(root, "config", "--default", "", "--get", name).decode(errors="replace").strip()


def is_set(root: Path, name: str) -> bool:
    """Whether a setting of Git is true; false where there is none."""
    return git(root, "config", "--type=bool", "--default", "false", "--get", name).strip() == b"true"


def own_folder(root: Path) -> Path:
    """Git's folder of this work tree alone."""
    return _folder(root, "--git-dir")


def common_folder(root: Path) -> Path:
    """Git's folder that all work trees of a clone share."""
    return _folder(root, "--git-common-dir")


def _folder(root: Path, which: str) -> Path:
    return Path(git(root, "rev-parse", "--path-format=absolute", which).decode().removesuffix("\n"))


def prefix(root: Path) -> str:
    """The way from Git's top folder down to `root`: empty, or `churn/`."""
    if (root / ".git").exists():
        return ""  # without a process: nearly every project is alone in its repository
    return git(root, "rev-parse", "--show-prefix").decode(errors="surrogateescape").removesuffix("\n")


def top(root: Path) -> Path:
    """The top folder of this work tree; `root` may be below."""
    return Path(git(root, "rev-parse", "--show-toplevel").decode().removesuffix("\n"))


@dataclass(frozen=True)
class Ref:
    name: str  # whole, such as refs/heads/main
    id: str  # what it names
    peeled: str  # what an annotated tag is of, else empty
    alias: bool  # whether it stands for another one, as origin/HEAD does

    @property
    def short(self) -> str:
        return self.name.split("/", 2)[2]


def dates(root: Path, commits: Sequence[str]) -> dict[str, datetime]:
    """When each of these commits was made, the newest first."""
    asked = ("log", "--no-walk", "--format=%H %cI", "--stdin")
    lines = git(root, *asked, stdin="\n".join(commits)).decode().splitlines() if commits else []
    pairs = [line.split() for line in lines]
    return {commit: datetime.fromisoformat(date).astimezone(UTC) for commit, date in pairs}


def remotes(root: Path) -> list[str]:
    return git(root, "remote").decode().split()


def refs(root: Path, *patterns: str) -> list[Ref]:
    """The refs below these names; all of them without any."""
    form = "--format=%(objectname) %(*objectname) %(refname) %(symref)"
    lines = git(root, "for-each-ref", form, *patterns).decode(errors="replace").splitlines()
    found = [line.split(" ", 3) for line in lines]
    return [Ref(name, identity, peeled, bool(other)) for identity, peeled, name, other in found]


def at(commit: str, path: str) -> str:
    """A file of a commit as Git names it; the path is relative to the folder that Git runs in."""
    return f"{commit}:./{path}"


def contents(root: Path, names: Sequence[str]) -> list[bytes | None]:
    """The files with these names as Git keeps them, in one process; None for what is not there or is no file."""
    stream = git(root, "cat-file", "--batch", stdin="".join(f"{name}\n" for name in names))
    found: list[bytes | None] = []
    start = 0
    for _ in names:
        end = stream.index(b"\n", start)
        header = stream[start:end].split(b" ")
        start = end + 1
        if header[-1] in (b"missing", b"ambiguous"):
            found.append(None)
            continue
        size = int(header[-1])
        found.append(stream[start : start + size] if header[-2] == b"blob" else None)
        start += size + 1
    return _behind_pointers(root, found)


def _behind_pointers(root: Path, found: list[bytes | None]) -> list[bytes | None]:
    """With what pointers of Git LFS stand for, where that is on this machine; no filter is run, nothing is fetched."""
    pointers = [POINTER.fullmatch(content or b"") for content in found]
    folder = common_folder(root) / "lfs" / "objects" if any(pointers) else root
    for place, pointer in enumerate(pointers):
        name = pointer[1].decode() if pointer else ""
        file = folder / name[:2] / name[2:4] / name
        if name and file.is_file() and hashlib.sha256(content := read_plain(file)).hexdigest() == name:
            found[place] = content
    return found


def checked_out(root: Path, path: str, blob: str) -> bytes:
    """A file with the line ends, `$Id$` and encoding that its attributes ask for; no filter's command is run."""
    listed = fields(run(root, "config", "-z", "--name-only", "--get-regexp", r"^filter\.").stdout)
    off = [word for name in dict.fromkeys(listed) for word in ("-c", f"{name}=")]
    return git(root, *off, "cat-file", "--filters", f"--path={prefix(root)}{path}", blob)


def ids(root: Path, names: Sequence[str]) -> list[str | None]:
    """The object ids of files or folders with these names, in one process; None for what is not there."""
    answer = git(root, "cat-file", "--batch-check=%(objectname)", stdin="".join(f"{name}\n" for name in names))
    lines = answer.decode(errors="replace").splitlines()
    return [None if line.endswith((" missing", " ambiguous")) else line for line in lines]


def fields(stream: bytes) -> list[str]:
    """What Git lists with `-z`."""
    return stream.decode(errors="surrogateescape").split("\0")[:-1]


def tree(root: Path, commit: str) -> dict[str, list[str]]:
    """Mode, kind and id of each file, link and submodule of a commit, by its path from `root`."""
    lines = [entry.partition("\t") for entry in fields(git(root, "ls-tree", "-r", "-z", commit))]
    return {path: facts.split(" ") for facts, _, path in lines}


def blobs(root: Path, commit: str) -> dict[str, str]:
    """The id of each file of a commit, by its path from `root`, without links and submodules."""
    return {path: facts[2] for path, facts in tree(root, commit).items() if facts[0].startswith("100")}


def blob_ids(folder: Path, paths: Sequence[str]) -> dict[str, str]:
    """The id of files of the work tree, line ends and filters as Git has them."""
    there = [path for path in paths if (folder / path).is_file()]
    odd = [path for path in there if "\n" in path or path.startswith('"') or path.endswith("\r") or _is_no_text(path)]
    plain = [path for path in there if path not in odd]
    answer = git(folder, "hash-object", "--stdin-paths", stdin="".join(f"{path}\n" for path in plain))
    answer += b"".join(git(folder, "hash-object", "--", path) for path in odd)
    return dict(zip([*plain, *odd], answer.decode().split(), strict=True))


def _is_no_text(path: str) -> bool:
    """Whether a name has bytes that are no UTF-8."""
    return any("\udc80" <= letter <= "\udcff" for letter in path)
