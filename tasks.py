"""The chores: `python tasks.py run`. Needs Python 3.11 or newer and Git; works on Linux, macOS and Windows."""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
CACHES = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis")


def run(*arguments: str) -> None:
    """install, rebuild what changed (dvc repro), say where the results are"""
    install(framework())
    call("dvc", "repro", *arguments)
    print("\nmetrics      reports/metrics.json          dvc metrics show")
    print("plots        reports/plots/                dvc plots show")
    print(
        "the network  models/package/model.zip      python -m stemma.bundle predict models/package/model.zip ROWS.csv"
    )
    print(f"\nThese commands are in {BIN}: activate the environment first.")


def test(*arguments: str) -> None:
    """install all that tests need, run them all (arguments go to pytest)"""
    install("all,dev")
    call("pytest", *(arguments or ("-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadgroup")))


def lint() -> None:
    """check style and types (ruff, mypy)"""
    install("all,dev")
    call("ruff", "check", ".")
    call("ruff", "format", "--check", ".")
    call("mypy")


def bench() -> None:
    """measure, and write the tables to bench/README.md"""
    install("all,dev")
    call("python", "bench/pipeline.py")


def clean() -> None:
    """remove .venv and the tools' caches; data, models and reports stay"""
    shutil.rmtree(VENV, ignore_errors=True)
    for cache in (path for name in CACHES for path in ROOT.rglob(name)):
        shutil.rmtree(cache, ignore_errors=True)


def framework() -> str:
    """The extra that params.yaml needs: torch or tensorflow."""
    if not (ROOT / "params.yaml").is_file():
        raise SystemExit("error: params.yaml is not there: run `git checkout -- params.yaml`")
    found = re.search(r"^  framework: (\w+)", (ROOT / "params.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "torch"


def install(extras: str) -> None:
    """Make .venv and install the project with these extras, unless that was done since the pins last changed."""
    pins = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "requirements.lock"))
    stamp = VENV / f"installed-{extras}"
    digest = hashlib.sha256(pins).hexdigest()
    if PYTHON.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return
    if not any(VENV.glob("installed-*")):  # none at all, or one whose making was interrupted
        print(f"making {VENV}", flush=True)
        venv.create(VENV, with_pip=True, clear=True, symlinks=os.name != "nt")
    print(f"installing [{extras}]: some minutes, the first time", flush=True)
    pip = ("python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    call(*pip, "--constraint", "requirements.lock", "--editable", f".[{extras}]")
    stamp.write_text(digest, encoding="utf-8")


def call(program: str, *arguments: str) -> None:
    """Run a program of .venv here; stop with its exit code if it fails."""
    # Stages are started by DVC as `python ...`: .venv comes first on the PATH.
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}", "VIRTUAL_ENV": str(VENV)}
    command = [shutil.which(program, path=str(BIN)) or program, *arguments]
    code = subprocess.run(command, cwd=ROOT, env=environment).returncode
    if code:
        raise SystemExit(code)


CHORES = {chore.__name__: chore for chore in (run, test, lint, bench, clean)}


def main() -> None:
    if not (3, 11) <= sys.version_info < (3, 14):
        raise SystemExit(f"error: Python 3.11, 3.12 or 3.13 is needed, this is {sys.version.split()[0]}")
    name, arguments = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if not name:
        print("usage: python tasks.py CHORE\n")
        print("\n".join(f"  {name:6} {chore.__doc__}" for name, chore in CHORES.items()))
        return
    if name not in CHORES or (arguments and name not in ("run", "test")):
        unknown = name if name not in CHORES else " ".join(sys.argv[1:])
        print(f"error: no such chore: {unknown} (there are {', '.join(CHORES)})", file=sys.stderr)
        raise SystemExit(2)
    CHORES[name](*arguments)


if __name__ == "__main__":
    main()
