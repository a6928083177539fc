"""Rollbacks that are killed, at a moment or while Git writes, and what must be true after the promised command.

A `git` that stands first on the PATH counts the commands that write. At the one asked for it kills all that belongs to
the rollback: before it, after it, or, where strace is, at one of its system calls.
"""

import contextlib
import hashlib
import os
import shutil
import signal
import time
from collections.abc import Callable
from pathlib import Path

from stemma import rollback
from stemma.repo import journal
from timing import HANGS
from version_worlds import World, changed, new, parts

V1, V2 = "model@v1.0.0", "model@v1.1.0"
CHANGED, MINE = "src/é à.py", "mine\n"  # a file in both versions, and what a person wrote there
WRITING = ("read-tree", "update-index", "commit-tree", "update-ref", "stash")
CALLS = "rename,renameat,renameat2,link,linkat,unlink,unlinkat,mkdir,mkdirat,rmdir,write"
GIT = """#!/bin/sh
case " $* " in {writing}) ;; *) exec {git} "$@";; esac
count=$(($(cat "$0.count") + 1))
echo $count > "$0.count"
[ $count = "$KILL_COMMAND" ] || exec {git} "$@"
case $KILL_CALL in
  before) kill -9 0;;
  after) {git} "$@"; kill -9 0;;
esac
strace -f -q -o "$0.trace" -e trace={calls} -e inject={calls}:signal=SIGKILL:when=$KILL_CALL {git} "$@"
code=$?
grep -q "killed by SIGKILL" "$0.trace" && kill -9 0
exit $code
"""


def two_versions(folder: Path) -> World:
    """Files that were added, changed and removed, in names with spaces and accents."""
    world = new(folder)
    first = parts()
    world.write("notes/old page.md", "Old.\n")
    world.write("src/é à.py", "pass\n")
    world.write("data/raw/ä b.csv", "a,b\n1,2\n")
    world.ok("dvc", "add", "-q", "data/raw/ä b.csv")
    world.version("first model", first)
    world.tag(V1)
    world.ok("git", "rm", "-q", "notes/old page.md")
    world.write("notes/new page.md", "New.\n")
    world.write("src/é à.py", "pass  # new\n")
    world.write("data/raw/ä b.csv", "a,b\n3,4\n")
    world.ok("dvc", "add", "-q", "data/raw/ä b.csv")
    world.version("second model", first.but(tensors=changed(first.tensors, "output.bias"), code="pass  # new\n"))
    world.tag(V2)
    return world


def state(world: World) -> dict[str, str]:
    """The hash of each file of the work tree; what DVC and Git keep for themselves is left out."""
    return {
        path.relative_to(world.folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(world.folder.rglob("*"))
        if path.is_file() and not {".git", "cache", "tmp", "config.local"} & set(path.relative_to(world.folder).parts)
    }


def states_of(world: World, copy: Path) -> dict[str, dict[str, str]]:
    """What `git checkout` and `dvc checkout` make of each version, in a copy."""
    plain, found = world.copy(copy), {}
    for name in (V1, V2):
        plain.ok("git", "checkout", "-qf", name)
        plain.ok("dvc", "checkout", "-q", "-f")
        found[name] = state(plain)
    assert found[V1] != found[V2]
    return found


def killed_after(seconds: float, work: Callable[[], object]) -> bool:
    """Do it in another process, and kill that with all that it started; whether it was killed before it ended."""
    child = os.fork()
    if child == 0:
        os.setpgid(0, 0)
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    with contextlib.suppress(OSError):
        os.setpgid(child, child)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            return os.WIFSIGNALED(status)
        time.sleep(0.002)
    os.killpg(child, signal.SIGKILL)
    return os.WIFSIGNALED(os.waitpid(child, 0)[1])


def killed_at(folder: Path, command: int, call: str, work: Callable[[], object]) -> bool:
    """Do it in another process, and kill it at a Git command that writes, the first being 1; whether it came so far.

    Args:
        folder: for the `git` that does so. call: before, after, or the number of a system call of that command.
    """
    git = folder / "git"
    folder.mkdir(parents=True, exist_ok=True)
    patterns = "|".join(f'*" {word} "*' for word in WRITING)
    real = shutil.which("git")
    git.write_text(GIT.replace("{git}", str(real)).replace("{writing}", patterns).replace("{calls}", CALLS))
    git.chmod(0o755)
    Path(f"{git}.count").write_text("0\n")

    def on_our_path() -> None:
        os.environ |= {"PATH": f"{folder}:{os.environ['PATH']}", "KILL_COMMAND": str(command), "KILL_CALL": call}
        work()

    return killed_after(HANGS, on_our_path)


def counted(folder: Path) -> int:
    """The Git commands that wrote, until the kill that `killed_at` asked for."""
    return int((folder / "git.count").read_text())


def back(world: World, *, commit: bool = True, stash: bool = False) -> Callable[[], object]:
    return lambda: rollback.roll_back(world.folder, V1, commit=commit, stash=stash)


def healed(world: World, states: dict[str, dict[str, str]], head: str, way: str, again: Callable[[], object]) -> None:
    """After a kill: the same command, or --abort, leaves one version or the other whole, and nothing else.

    Args:
        head: HEAD's commit when the rollback began.
    """
    mine = stashed_or_there(world)
    waiting = journal.read(world.folder)
    if way == "undone" and waiting is not None:
        rollback.abort(world.folder)
    elif waiting is not None or state(world) != states[V1]:
        again()
    wanted = V2 if way == "undone" and waiting is not None else V1
    assert stashed_or_there(world) == mine
    if wanted == V2 and (world.folder / CHANGED).read_text() == MINE:
        world.ok("git", "checkout", "HEAD", "--", CHANGED)
    assert state(world) == states[wanted]
    now = world.ok("git", "rev-parse", "HEAD")
    assert head in ((now,) if wanted == V2 else (now, world.ok("git", "rev-parse", "HEAD^")))
    if now != head or wanted == V2:
        assert world.ok("git", "status", "--porcelain") == ""
    assert journal.read(world.folder) is None
    assert [*(world.folder / ".git").rglob("*.lock")] in ([], [world.folder / ".git/stemma/rollback.lock"])
    assert world.ok("git", "fsck", "--no-dangling", "--connectivity-only") == ""


def stashed_or_there(world: World) -> bool:
    """Whether what a person had changed is in the work tree, or in the stash."""
    there = world.folder / CHANGED
    stashed = world.git("show", f"stash@{{0}}:{CHANGED}") if world.git("stash", "list") else ""
    return MINE.strip() in (stashed.strip(), there.read_text().strip() if there.exists() else "")
