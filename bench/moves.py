"""The cost of moving between versions: back, to a remote and from it, and through the registry.

python bench/moves.py             every table, into bench/README.md
python bench/moves.py rollback    one of them

The model is synthetic: files of random bytes, 1 GB together. 12 GB of disk, in $TMPDIR.
"""

import hashlib
import os
import shutil
import statistics
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from safetensors.numpy import save_file

import many_commits
import page
from page import Table
from pipeline import ROOT, call, timed
from stemma import weights
from stemma.weights import Layer

sys.path.insert(0, str(ROOT / "tests"))
from s3 import KEY, SECRET, Server, served

FILES, SIZE = 100, 10_000_000
TENSORS, CHANGED = 300, 3
SIDE = 913  # of each tensor: 3.3 MB, 1 GB together
TAGS = 1500
RUNS = 3
DISK = 12_000_000_000


# Going back.


def rollback() -> Table:
    """Seconds, median of 6 alternating runs, to go to another version of a model of 1 GB (100 files): `stemma rollback
    --commit` beside `git checkout` + `dvc checkout`; copies out of DVC's cache, or hard links; all files differ, or
    one. MD5: one pass over what moves, by one thread. Allowed for copies: 1.2 x plain + MD5; for links: 3 s. Objects of
    the cache that DVC does not know as hashed since they changed cost one more pass, once."""
    rows = []
    with _room() as folder:
        root = folder / "repository"
        _model(root)
        for link in ("copy", "hardlink"):
            call(root, "dvc", "config", "--local", "cache.type", link)
            call(root, "dvc", "checkout", "-q", "--relink")
            rows += [_back(root, link, *names) for names in (("all", "base"), ("one", "base"))]
    return ["link", "files that differ", "plain", "rollback", "MD5", "allowed", "rollback / allowed"], rows


@contextmanager
def _room() -> Iterator[Path]:
    """An empty folder on a disk that has room for copies of the model."""
    with tempfile.TemporaryDirectory() as folder:
        if shutil.disk_usage(folder).free < DISK:
            print(f"error: {Path(folder).parent} has less than 12 GB free: set TMPDIR", file=sys.stderr)
            raise SystemExit(1)
        yield Path(folder)


def _model(root: Path) -> None:
    """Three versions: `base`, and those where `all` of its files differ, or `one`."""
    _repository(root)
    for name, numbers in (("all", range(FILES)), ("base", range(FILES)), ("one", range(1))):
        for number in numbers:
            file = _weights(root) / f"{number:03}"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.unlink(missing_ok=True)
            file.write_bytes(os.urandom(SIZE))
        call(root, "dvc", "add", "-q", "models/weights")
        call(root, "git", "add", "-A")
        call(root, "git", "commit", "-qm", name)
        call(root, "git", "tag", name)


def _back(root: Path, link: str, there: str, here: str) -> list[str]:
    """To one version and to another, in turn: both ways of going, beside each other."""
    plain, ours, hashing = [], [], []
    moved = FILES if there == "all" else 1
    call(root, "git", "checkout", "-q", "main")
    for _ in range(RUNS):
        for name in (there, here):
            plain.append(timed(lambda: _plain(root, name)))  # noqa: B023 - called at once
        call(root, "git", "checkout", "-q", "main")
        call(root, "dvc", "checkout", "-q")
        call(root, "stemma", "rollback", here, "--commit")
        for name in (there, here):
            ours.append(timed(lambda: call(root, "stemma", "rollback", name, "--commit")))  # noqa: B023
        hashing.append(timed(lambda: _hash(root, moved)))
    usual, own, md5 = statistics.median(plain), statistics.median(ours), statistics.median(hashing)
    allowed = 1.2 * usual + md5 if link == "copy" else 3.0
    return [link, str(moved), *(f"{value:.2f}" for value in (usual, own, md5, allowed, own / allowed))]


def _repository(root: Path) -> None:
    """Git and DVC, and nothing in them."""
    root.mkdir()
    call(root, "git", "init", "-q", "-b", "main")
    call(root, "dvc", "init", "-q")
    for key, value in (("user.name", "bench"), ("user.email", "bench@example.org")):
        call(root, "git", "config", key, value)


def _plain(root: Path, name: str) -> None:
    call(root, "git", "checkout", "-q", name)
    call(root, "dvc", "checkout", "-q")


def _hash(root: Path, moved: int) -> None:
    for number in range(moved):
        with (_weights(root) / f"{number:03}").open("rb") as file:
            hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))


def _weights(root: Path) -> Path:
    return root / "models" / "weights"


# To a remote.


def remote() -> Table:
    """`dvc push` and `dvc pull` of 300 tensors, 1 GB, and of the next version, 3 tensors of which differ, to
    `rclone serve s3` on this machine. Here: a weights store. Plain: one safetensors file. The remote is set up as
    docs/remotes.md says: every object that is pulled is hashed. Median of 3 alternating runs, each into an empty
    bucket; a pull begins without a cache. "of nothing": a push that finds everything there. At 100 Mbit/s: the store,
    once, the server's rate limited."""
    runs: dict[str, list[dict[str, float]]] = {"here": [], "plain": []}
    with _room() as folder:
        repositories = {side: _with_remote(folder / side, side == "plain") for side in runs}
        with _server(folder / "buckets") as server:
            for number in range(RUNS):
                for side in sorted(runs, reverse=bool(number % 2)):
                    runs[side].append(_there_and_back(repositories[side], server, f"{side}-{number}"))
        with _server(folder / "slow", rate="12M") as server:
            slow = _there_and_back(repositories["here"], server, "slow")
    here, plain = ({what: statistics.median(run[what] for run in side) for what in side[0]} for side in runs.values())
    rows = []
    for what in ("push", "pull", "push of the next version", "pull of the next version", "push of nothing"):
        goal = ">= 0.9" if what in ("push", "pull") else ""
        rows.append([what, f"{here[what]:.2f} s", f"{plain[what]:.2f} s", f"{plain[what] / here[what]:.2f}", goal])
    for link, found in (("", here), (" at 100 Mbit/s", slow)):
        for what in ("push", "pull"):
            first, later = found[what], found[f"{what} of the next version"]
            times = [f"{later:.1f} s", f"{first:.1f} s", f"{later / first:.2f}"]
            rows.append([f"{what}{link}: next version / first", *times, "< 0.1" if link else ""])
    rows.append(["bytes: next version / first", "", "", f"{here['bytes']:.3f}", "< 0.1"])
    return ["what", "here", "beside", "ratio", "goal"], rows


@contextmanager
def _server(folder: Path, rate: str | None = None) -> Iterator[Server]:
    folder.mkdir()
    with served(folder, rate=rate) as server:
        yield server
    shutil.rmtree(folder)


def _with_remote(root: Path, one_file: bool) -> Path:
    """Versions v1 and v2 of the tensors, in a repository with a remote that `_there_and_back` places."""
    _repository(root)
    call(root, "dvc", "remote", "add", "-d", "cloud", "s3://bucket")
    call(root, "dvc", "remote", "modify", "cloud", "verify", "true")
    for option, value in (("access_key_id", KEY), ("secret_access_key", SECRET)):
        call(root, "dvc", "remote", "modify", "--local", "cloud", option, value)
    draw = np.random.default_rng(0)
    names = [f"layer_{number}.weight" for number in range(TENSORS)]
    tensors = {name: draw.standard_normal((SIDE, SIDE), np.float32) for name in names}
    layers = [Layer(name.removesuffix(".weight"), "linear", {}) for name in names]
    (root / "models").mkdir()
    for version in ("v1", "v2"):
        if one_file:
            save_file(tensors, root / "models" / "weights")
        else:
            weights.write(root / "models" / "weights", tensors, framework="torch", layers=layers)
        call(root, "dvc", "add", "-q", "models/weights")
        call(root, "git", "add", "-A")
        call(root, "git", "commit", "-qm", version)
        call(root, "git", "tag", version)
        tensors |= {name: tensors[name] + np.float32(0.01) for name in names[:CHANGED]}
    return root


def _there_and_back(root: Path, server: Server, name: str) -> dict[str, float]:
    """Seconds of each push and pull, and the share of bytes that the next version pushed."""
    bucket = server.bucket(name)
    call(root, "dvc", "remote", "modify", "cloud", "endpointurl", server.endpoint)
    call(root, "dvc", "remote", "modify", "cloud", "url", f"s3://{name}/dvc")
    push, pull = (lambda word=word: timed(lambda: call(root, "dvc", word)) for word in ("push", "pull"))
    found, sizes = {}, []
    for version, later in (("v1", ""), ("v2", " of the next version")):
        call(root, "git", "checkout", "-q", version, "models/weights.dvc")
        found[f"push{later}"] = push()
        sizes.append(sum(file.stat().st_size for file in bucket.rglob("*") if file.is_file()))
    found["push of nothing"] = push()
    cache, kept = root / ".dvc" / "cache", root / ".dvc" / "kept"
    cache.rename(kept)
    _remove(root / "models" / "weights")
    for version, later in (("v1", ""), ("v2", " of the next version")):
        call(root, "git", "checkout", "-q", version, "models/weights.dvc")
        found[f"pull{later}"] = pull()
    _remove(cache)
    kept.rename(cache)
    _remove(bucket)
    return found | {"bytes": sizes[1] / sizes[0] - 1}


def _remove(path: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


# The registry.


def history() -> Table:
    """A repository with 1,500 tags of the registry: seconds of a fresh process, median of 5 runs (of `gto`: one)."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name) / "repository"
        many_commits.build(folder, tags=TAGS)
        rows = []
        for command in ("stemma history", "stemma history prod", "stemma history --json", "gto history"):
            runs = [timed(lambda: call(folder, *command.split())) for _ in range(5 if "stemma" in command else 1)]  # noqa: B023
            goal = "< 0.5 s" if command == "stemma history" else ""
            rows.append([f"`{command}`", f"{statistics.median(runs):.2f} s", goal])
    return ["command", "here", "goal"], rows


TABLES: dict[str, Callable[[], Table]] = {"rollback": rollback, "remote": remote, "history": history}


if __name__ == "__main__":
    page.main(TABLES)
