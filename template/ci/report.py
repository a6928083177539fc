"""What a change does to the model, in Markdown; exit code 1 if the model became worse.

    python .ci/report.py BASE > report.md

compares HEAD with BASE. The metrics are read from Git. The verdict needs the predictions that `evaluate` kept, or the
bundles where the data changed: `stemma compare` reads them from the DVC remote. Nothing is trained.
"""

import subprocess
import sys
from typing import Any

import yaml

PREPARED = "data/prepared"
ROWS = f"{PREPARED}/test.parquet"
WEIGHTS = "models/weights"


def main(base: str) -> int:
    before, after = commit(base), commit("HEAD")
    old, new = outputs(before), outputs(after)
    print("### The model\n", flush=True)
    if old == new:
        print(f"It is the same in {before} and {after}.")
        return 0
    failed = show("dvc", "metrics", "diff", "--md", before, after)
    if WEIGHTS not in old:
        print(f"There is none in {before} to compare it with.")
        return failed
    table = rows(old, new)
    return show("stemma", "compare", before, after, "--require", "not-worse", "--no-latency", "--md", *table) or failed


def commit(revision: str) -> str:
    """Its short hash."""
    found = run("git", "rev-parse", "--verify", "--short", "--end-of-options", f"{revision}^{{commit}}")
    if found.returncode:
        raise SystemExit(f"error: there is no commit {revision!r} here: fetch the whole history")
    return found.stdout.strip()


def outputs(revision: str) -> dict[str, str]:
    """What dvc.lock pins at a commit: a hash by path; nothing where there is no dvc.lock."""
    if not run("git", "ls-tree", "--name-only", revision, "dvc.lock").stdout:
        return {}
    lock: dict[str, Any] = yaml.safe_load(run("git", "show", f"{revision}:dvc.lock").stdout)
    return {out["path"]: out["md5"] for stage in lock["stages"].values() for out in stage.get("outs", ())}


def rows(old: dict[str, str], new: dict[str, str]) -> tuple[str, ...]:
    """Where the data changed, the test rows that both bundles are run on."""
    if old.get(PREPARED) == new.get(PREPARED):
        return ()
    print("The data changed: both are run on the new test rows. The old model may have been trained on some.\n")
    pulled = run("dvc", "pull", ROWS)
    if pulled.returncode:
        print(problem(pulled))
    return "--on", ROWS


def show(*command: str) -> int:
    """Print what a command says; its exit code."""
    done = run(*command)
    print(problem(done) if done.returncode and not done.stdout else done.stdout, flush=True)
    return done.returncode


def problem(done: subprocess.CompletedProcess[str]) -> str:
    return f"`{' '.join(done.args)}` failed:\n\n```\n{done.stderr.strip()}\n```\n"


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, encoding="utf-8")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        raise SystemExit("usage: python .ci/report.py BASE > report.md")
    raise SystemExit(main(sys.argv[1]))
