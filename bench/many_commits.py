"""A repository with a long history of versions, made in seconds by `git fast-import`; no training.

    python bench/many_commits.py FOLDER

1,000 commits, 300 of them with a new model, on main and on branches that are merged; 1,500 annotated tags in GTO's
grammar. Each version has a dvc.lock of a real size, and its index of weights in the cache.
"""

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

START = 1_767_225_600  # 2026-01-01 00:00 UTC
PERSON = "A Person <person@example.org>"


@dataclass
class Stream:
    """What `git fast-import` reads, with a mark for each object."""

    parts: list[bytes] = field(default_factory=list)
    marks: int = 0

    def add(self, head: str, content: str, tail: str = "") -> int:
        self.marks += 1
        body = content.encode()
        kind, _, rest = head.partition("\n")
        lines = f"{kind}\nmark :{self.marks}\n{rest}data {len(body)}\n"
        self.parts.append(lines.encode() + body + f"\n{tail}".encode())
        return self.marks

    def blob(self, content: str) -> int:
        return self.add("blob\n", content)

    def commit(self, branch: str, seconds: int, message: str, files: dict[str, int], parents: list[int]) -> int:
        who = f"author {PERSON} {seconds} +0000\ncommitter {PERSON} {seconds} +0000\n"
        start = f"from :{parents[0]}\n" if parents else ""
        merged = "".join(f"merge :{parent}\n" for parent in parents[1:])
        changed = "".join(f"M 100644 :{mark} {name}\n" for name, mark in files.items())
        return self.add(f"commit refs/heads/{branch}\n{who}", message, f"{start}{merged}{changed}\n")

    def tag(self, name: str, commit: int, seconds: int) -> None:
        body = f"data {len(name)}\n{name}\n"
        self.parts.append(f"tag {name}\nfrom :{commit}\ntagger {PERSON} {seconds} +0000\n{body}".encode())


def build(folder: Path, commits: int = 1000, versions: int = 300, tags: int = 1500) -> None:
    """Make the repository in a new folder."""
    (folder / ".dvc").mkdir(parents=True)
    (folder / ".dvc" / "config").write_text("[core]\n    analytics = false\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=folder, check=True)
    stream, made = Stream(), []
    for place, commit in enumerate(_history(stream, folder, commits, versions)):
        made.append((place, commit))
    for number in range(tags):
        place, commit = made[number * len(made) // tags]
        name = (
            f"model@v1.{number // 5}.0" if number % 5 == 0 else f"model#{('dev', 'test', 'prod')[number % 3]}#{number}"
        )
        stream.tag(name, commit, START + 3600 * commits + number)
    subprocess.run(["git", "fast-import", "--quiet"], cwd=folder, input=b"".join(stream.parts), check=True)
    subprocess.run(["git", "reset", "-q", "--hard"], cwd=folder, check=True)


def _history(stream: Stream, folder: Path, commits: int, versions: int) -> Iterator[int]:
    """The commits that have a new model: two of three on main, the third on a branch that the next commit merges."""
    head: list[int] = []
    done = 0
    for number in range(commits):
        seconds = START + 3600 * number
        new = (number + 1) * versions // commits > number * versions // commits
        if not new:
            head = [stream.commit("main", seconds, f"page {number}", {"notes.md": stream.blob(f"{number}\n")}, head)]
            continue
        done += 1
        files = _version(stream, folder, done)
        if done % 10 == 0 and head:
            side = stream.commit(f"side-{done}", seconds, f"version {done} on a branch", files, head)
            head = [stream.commit("main", seconds, f"merge version {done}", files, [*head, side])]
            yield side
        else:
            head = [stream.commit("main", seconds, f"version {done}", files, head)]
            yield head[0]


def _version(stream: Stream, folder: Path, number: int) -> dict[str, int]:
    """The files in Git of a version; the index of its weights goes into the cache."""
    weights, size = _weights(folder, number)
    score = 0.7 + 0.2 * number / (number + 20)
    metrics = {"test": {"accuracy": score, "roc_auc": score}, "validation": {"accuracy": score, "roc_auc": score}}
    files = {
        "dvc.lock": _lock(weights, size, number),
        "params.yaml": f"train:\n  seed: {number % 7}\n",
        "reports/metrics.json": json.dumps(metrics, indent=2),
        "reports/training.json": json.dumps({"epochs_run": number, "environment": {}}),
        "src/model.py": f"layers = {number // 20}\n",
    }
    return {name: stream.blob(content) for name, content in files.items()}


def _weights(folder: Path, number: int) -> tuple[str, int]:
    """An index of eight tensors of which two changed, in the cache; the hash of the folder's listing."""
    tensors = [
        {
            "name": f"hidden_{place}.weight", "layer": f"hidden_{place}", "shape": [64, 64], "dtype": "float32",
            "sha256": hashlib.sha256(b"%d %d" % (place, number if place < 2 else 0)).hexdigest(),
            "file": f"packed/hidden_{place}.safetensors", "norm": 1.0, "buffer": False, "tied_to": None,
            "sketch": " ".join(["0.1234567"] * 61),
        }
        for place in range(8)
    ]  # fmt: skip
    layers = [{"name": f"hidden_{place}", "kind": "linear", "settings": {}} for place in range(8)]
    index = {
        "format": 1,
        "framework": "torch",
        "architecture": layers,
        "structure": "s",
        "tensors": tensors,
        "config": None,
    }
    md5 = _keep(folder, json.dumps(index, sort_keys=True, indent=1).encode())
    return _keep(folder, json.dumps([{"md5": md5, "relpath": "index.json"}]).encode(), ".dir"), len(tensors)


def _keep(folder: Path, content: bytes, suffix: str = "") -> str:
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest() + suffix
    path = folder / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return md5


def _lock(weights: str, size: int, number: int) -> str:
    """As long as that of the default pipeline: 12 KB."""
    facts = f"      hash: md5\n      md5: {'0' * 32}\n      size: {number}\n"
    deps = "".join(f"    - path: src/purchase_intent/data/part_{place}.py\n{facts}" for place in range(60))
    params = "".join(f"          column_{place}: numeric\n" for place in range(60))
    data = f"{number // 3:032x}.dir"
    return (
        "schema: '2.0'\nstages:\n  prepare:\n    cmd: python src/stage.py prepare\n"
        f"    deps:\n{deps}    params:\n      params.yaml:\n        data:\n{params}    outs:\n"
        f"    - path: data/prepared\n      hash: md5\n      md5: {data}\n      size: 1\n      nfiles: 5\n"
        f"  train:\n    cmd: python src/stage.py train\n    deps:\n{deps}    outs:\n"
        f"    - path: models/weights\n      hash: md5\n      md5: {weights}\n      size: {size}\n      nfiles: 1\n"
    )


if __name__ == "__main__":
    target = Path(sys.argv[1])
    shutil.rmtree(target, ignore_errors=True)
    build(target)
