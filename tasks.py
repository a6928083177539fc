"""The chores: `python tasks.py run`. Needs Python 3.11 or newer and Git; works on Linux, macOS and Windows."""

from __future__ import annotations  # an older Python reads this file to the end, where it is told

import hashlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
PINNED = "vendor/stemma.txt"  # the toolkit's wheel, by its path and its hash
UPDATING = "STEMMA_UPDATING"  # in the environment of what an update of the toolkit runs
SIZES = {"torch": (0.4, 1.7), "tensorflow": (0.9, 3.0), "all,dev": (1.2, 4.2)}  # GB to fetch, and on disk
CUDA = (2.5, 4.0)  # more, with PyTorch as PyPI has it for Linux
CPU_BUILD = "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu"
CACHES = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis")


def run(*arguments: str) -> None:
    """install, rebuild what changed (dvc repro), say where the results are"""
    repository()
    install()
    call("dvc", "repro", *arguments)
    print("\nmetrics      reports/metrics.json          dvc metrics show")
    print("plots        reports/plots/                dvc plots show")
    print(
        "the network  models/package/model.zip      python -m stemma.bundle predict models/package/model.zip ROWS.csv"
    )
    print(f"\nThese commands are in {BIN}: activate the environment first.")


def test(*arguments: str) -> None:
    """install, run all tests; --quick: without pipelines; --fuzz [HOURS]: new examples of properties; or pytest's."""
    repository()
    install("all,dev")
    if arguments[:1] == ("--fuzz",):
        fuzz(*arguments[1:])
        return
    quick = ("-m", "unit or repository") if "--quick" in arguments else ()
    chosen = tuple(argument for argument in arguments if argument != "--quick")
    call("pytest", *quick, *(chosen or (*on_all_cores(), "--durations=15", "--durations-min=2")))


def fuzz(hours: str = "0") -> None:
    """Draw examples of every property once, or for so many hours; stop at the first that fails."""
    if not (ROOT / "tests/stemma").is_dir():
        print("error: --fuzz draws examples for the tests of the toolkit, and none of them is here", file=sys.stderr)
        raise SystemExit(2)
    try:
        end = time.monotonic() + 3600 * float(hours)
    except ValueError:
        print(f"error: --fuzz takes a number of hours, not {hours!r}", file=sys.stderr)
        raise SystemExit(2) from None
    while True:
        call("pytest", "-m", "hypothesis", "--hypothesis-profile=fuzz", "-q", *on_all_cores())
        if time.monotonic() >= end:
            return


def on_all_cores() -> tuple[str, ...]:
    return "-n", str(min(os.cpu_count() or 1, 4)), "--dist", "loadgroup"


def lint() -> None:
    """check style and types (ruff, mypy)"""
    install("all,dev")
    call("ruff", "check", ".")
    call("ruff", "format", "--check", ".")
    call("mypy")


def bench() -> None:
    """measure, and write the tables to bench/README.md"""
    install("all,dev")
    for name in ("pipeline", "versions", "moves", "kills", "export", "compress", "processors", "watch", "serve"):
        call("python", f"bench/{name}.py")


def clean() -> None:
    """remove .venv and the tools' caches; data, models and reports stay"""
    shutil.rmtree(VENV, ignore_errors=True)
    for cache in (path for name in CACHES for path in ROOT.rglob(name)):
        shutil.rmtree(cache, ignore_errors=True)


def update_stemma(*arguments: str) -> None:
    """[FROM] [--version TAG]: take the toolkit of a template (path or URL; without FROM, the one cruft knows)"""
    install()
    call("python", "-m", "stemma.toolkit.update", *arguments)


def repository() -> None:
    """Make a Git repository with a first commit where there is none: DVC and its learning curves need one."""
    if not shutil.which("git"):
        raise SystemExit("error: Git is needed, https://git-scm.com, and it is not on the PATH")
    top = subprocess.run(["git", "rev-parse", "--show-prefix"], cwd=ROOT, capture_output=True, text=True)
    if (ROOT / ".git").exists() and " --add safe.directory " in top.stderr:
        cure = f"git config --global --add safe.directory '{ROOT}'"
        raise SystemExit(f"error: {ROOT} belongs to another user, and Git reads nothing there: run `{cure}`")
    if top.returncode or top.stdout.strip():
        if top.stdout.strip():
            print("this folder lies in another repository and gets one of its own, for versions are whole commits")
        call("git", "init", "--quiet", "--initial-branch", "main")
    head = ("git", "rev-parse", "--verify", "--quiet", "HEAD")
    if subprocess.run(head, cwd=ROOT, capture_output=True).returncode:
        print("making the first commit", flush=True)
        call("git", "add", "--all")
        call("git", "commit", "--quiet", "--message", "Start")


def framework() -> str:
    """The extra that params.yaml needs: torch or tensorflow."""
    if not (ROOT / "params.yaml").is_file():
        raise SystemExit("error: params.yaml is not there: run `git checkout -- params.yaml`")
    found = re.search(r"^  framework: (\w+)", (ROOT / "params.yaml").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else "torch"


def install(extras: str = "") -> None:
    """[EXTRAS]: make .venv with the locked toolkit and the project's packages, unless they are in there"""
    put_back()
    extras = extras or framework()
    pins = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "requirements.lock", toolkit()[-1]))
    stamp = VENV / f"made-{extras}"
    digest = hashlib.sha256(pins).hexdigest()
    if PYTHON.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return
    pip = ("python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    if not any(VENV.glob("made-*")):  # none at all, one whose making was interrupted, or one of older chores
        if importlib.util.find_spec("ensurepip") is None:
            raise SystemExit(
                "error: this Python cannot make a .venv with pip: run `apt install python3-venv`, on Debian"
            )
        print(f"making {VENV}", flush=True)
        venv.create(VENV, with_pip=True, clear=True, symlinks=os.name != "nt")
        call(*pip, "--constraint", "requirements.lock", "pip")  # Python 3.11's own takes twice as long to find versions
    print(announcement(extras), flush=True)
    before = {other: other.read_text(encoding="utf-8") for other in VENV.glob("made-*")}
    for other in before:  # an interrupt leaves .venv in pieces
        other.unlink()
    try:
        call(*pip, "--no-deps", *toolkit()[:-1])
        call(*pip, "--constraint", "requirements.lock", "--editable", f".[{extras}]")
    except SystemExit:  # pip came to its own end, so .venv is whole, and is not made anew the next time
        stamp.write_text("", encoding="utf-8")
        raise
    for made in (stamp, *(other for other, of in before.items() if of == digest)):  # of the same toolkit and pins
        made.write_text(digest, encoding="utf-8")


def put_back() -> None:
    """Undo an update of the toolkit that was interrupted: what it moved aside is there until all has succeeded."""
    if UPDATING in os.environ:
        return
    wheel, lock = ROOT / "vendor.aside", ROOT / "stemma.lock.aside"
    if wheel.is_dir():
        if lock.is_file():
            lock.replace(ROOT / "stemma.lock")
        shutil.rmtree(ROOT / "vendor", ignore_errors=True)
        wheel.rename(ROOT / "vendor")
    lock.unlink(missing_ok=True)
    shutil.rmtree(ROOT / "vendor.partial", ignore_errors=True)


def toolkit() -> tuple[str, ...]:
    """What pip is told to take the toolkit from, and the file that says which one it is."""
    if (ROOT / "src/stemma/pyproject.toml").is_file():
        return "--no-build-isolation", "--editable", "src/stemma", "src/stemma/pyproject.toml"
    if not (ROOT / PINNED).is_file():
        raise SystemExit(f"error: {PINNED} is not there: run `git checkout -- vendor`")
    wheel, _, pinned = (ROOT / PINNED).read_text(encoding="utf-8").partition(" --hash=sha256:")
    if not (ROOT / wheel).is_file() or hashlib.sha256((ROOT / wheel).read_bytes()).hexdigest() != pinned.strip():
        raise SystemExit(f"error: {wheel} is not the one that {PINNED} names: run `git checkout -- vendor`")
    return "--force-reinstall", "--require-hashes", "--requirement", PINNED, PINNED


def announcement(extras: str) -> str:
    """What pip is about to fetch, and how to have less of it."""
    if extras not in SIZES:
        return f"installing [{extras}]"  # of a params.yaml that `dvc repro` refuses
    fetched, kept = SIZES[extras]
    told = f"installing [{extras}]: {fetched} GB to fetch, {kept} GB in {VENV}; some minutes, the first time"
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    if sys.platform != "linux" or extras == "tensorflow" or not re.search("^torch = ", project, re.MULTILINE):
        return told
    return (
        f"{told}\nPyPI has PyTorch for Linux with CUDA: {fetched + CUDA[0]:.1f} GB and {kept + CUDA[1]:.1f} GB; "
        f"with {CPU_BUILD} pip takes the CPU build"
    )


def call(program: str, *arguments: str) -> None:
    """Run a program of .venv here; stop with its exit code if it fails, and once it has ended at an interrupt."""
    # Stages are started by DVC as `python ...`: .venv comes first on the PATH.
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}", "VIRTUAL_ENV": str(VENV)}
    command = [shutil.which(program, path=str(BIN)) or program, *arguments]
    came: list[int] = []
    before = signal.getsignal(signal.SIGINT)
    if before != signal.SIG_IGN:  # the program ignores it too
        signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    code = subprocess.run(command, cwd=ROOT, env=environment).returncode
    signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
    if code:
        raise SystemExit(code)


# Only Stemma itself has bench/; a project stamped from it has the other chores.
HERE = (run, test, lint, install, *((bench,) if (ROOT / "bench").is_dir() else ()), clean, update_stemma)
CHORES = {chore.__name__.replace("_", "-"): chore for chore in HERE}


def main() -> None:
    if not (3, 11) <= sys.version_info < (3, 14):
        raise SystemExit(f"error: Python 3.11, 3.12 or 3.13 is needed, this is {sys.version.split()[0]}")
    name, arguments = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if name in ("", "-h", "--help"):
        print("usage: python tasks.py CHORE\n")
        print("\n".join(f"  {name:13} {chore.__doc__}" for name, chore in CHORES.items()))
        return
    most = {"install": 1, "run": 99, "test": 99, "update-stemma": 99}.get(name, 0)
    if name not in CHORES or len(arguments) > most:
        unknown = name if name not in CHORES else " ".join(sys.argv[1:])
        print(f"error: no such chore: {unknown} (there are {', '.join(CHORES)})", file=sys.stderr)
        raise SystemExit(2)
    try:
        CHORES[name](*arguments)
    except KeyboardInterrupt:
        raise SystemExit(130) from None  # as shells count it


if __name__ == "__main__":
    main()
