"""The chores: `python tasks.py run`. Needs Python 3.11 or newer and Git; works on Linux, macOS and Windows."""

from __future__ import annotations  # an older Python reads this file to the end, where it is told

import hashlib
import importlib.util
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import venv
import zipfile
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent
VENV = ROOT / ".venv"
BIN = VENV / ("Scripts" if os.name == "nt" else "bin")
PYTHON = BIN / ("python.exe" if os.name == "nt" else "python")
TOOLKIT = "src/stemma"
PARTIAL, ASIDE = ROOT / f"{TOOLKIT}.partial", ROOT / f"{TOOLKIT}.aside"
SIZES = {"torch": (0.4, 1.7), "tensorflow": (0.9, 3.0), "all,dev": (1.2, 4.2)}  # GB to fetch, and on disk
CUDA = (2.5, 4.0)  # more, with PyTorch as PyPI has it for Linux
CPU_BUILD = "PIP_EXTRA_INDEX_URL=https://download.pytorch.org/whl/cpu"
CACHES = ("__pycache__", ".pytest_cache", ".mypy_cache", ".ruff_cache", ".hypothesis")


def run(*arguments: str) -> None:
    """install, rebuild what changed (dvc repro), say where the results are"""
    repository()
    install(framework())
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
    for name in ("pipeline", "versions", "moves", "export"):
        call("python", f"bench/{name}.py")


def clean() -> None:
    """remove .venv and the tools' caches; data, models and reports stay"""
    shutil.rmtree(VENV, ignore_errors=True)
    for cache in (path for name in CACHES for path in ROOT.rglob(name)):
        shutil.rmtree(cache, ignore_errors=True)


def update_stemma(*arguments: str) -> None:
    """FROM [--version TAG]: replace src/stemma by a template's (path or URL), unless it was edited here"""
    if len(arguments) not in (1, 3) or arguments[1:2] not in ((), ("--version",)):
        print("usage: python tasks.py update-stemma FROM [--version TAG]", file=sys.stderr)
        raise SystemExit(2)
    version = arguments[2] if arguments[2:] else "HEAD"
    mend()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        template, archive = Path(folder, "template"), Path(folder, "stemma.zip")
        git(template, "clone", "--quiet", "--bare", "--", arguments[0], str(template))
        new = commit_of(template, version)
        old = unedited(template)
        if git(template, "rev-parse", f"{old}:{TOOLKIT}") == git(template, "rev-parse", f"{new}:{TOOLKIT}"):
            print(f"{TOOLKIT} is that of {version} ({new[:7]}) already")
            return
        git(template, "archive", "--format=zip", f"--output={archive}", f"{new}:{TOOLKIT}")
        changed = git(template, "diff", "--shortstat", old, new, "--", TOOLKIT)
        lines = list(needs(*(git(template, "show", f"{commit}:pyproject.toml") for commit in (old, new))))
        swap(archive)
    print(f"{TOOLKIT} is that of {version} ({new[:7]}) now: {changed}")
    for line in lines:
        print(f"pyproject.toml: {line}")
    print("next: python tasks.py test")


def unedited(template: Path) -> str:
    """The oldest commit of the template whose toolkit is ours, byte for byte; stop if there is none."""
    commits = git(template, "log", "--all", "--full-history", "--format=%H", "--", TOOLKIT).split()
    asked = "\n".join(f"{commit}:{TOOLKIT}" for commit in commits)
    found = git(template, "cat-file", "--batch-check=%(objecttype) %(objectname)", text=asked).splitlines()
    trees = {line[5:]: commit for commit, line in zip(commits, found, strict=True) if line.startswith("tree ")}
    if not trees:
        raise SystemExit(f"error: the template never held {TOOLKIT}: is it one of Stemma?")
    git(template, f"--work-tree={ROOT}", "add", "--all", "--", str(ROOT / TOOLKIT))
    ours = git(template, "write-tree", f"--prefix={TOOLKIT}/")
    if ours not in trees:
        edits = min((git(template, "diff", "--name-only", tree, ours).splitlines() for tree in trees), key=len)
        names = ", ".join(edits[:5]) + (f" and {len(edits) - 5} more" if edits[5:] else "")
        raise SystemExit(
            f"error: {TOOLKIT} was edited (no commit of the template holds it), so nothing was replaced: {names}: "
            "run `cruft update`, which keeps edits"
        )
    return trees[ours]


def commit_of(template: Path, version: str) -> str:
    try:
        return git(template, "rev-parse", "--verify", "--end-of-options", f"{version}^{{commit}}")
    except SystemExit:
        tags = ", ".join(git(template, "tag", "--sort=-creatordate").splitlines()[:5])
        raise SystemExit(f"error: the template has no {version!r}; its newest tags: {tags or 'none'}") from None


def needs(*files: str) -> Iterator[str]:
    """What the toolkit asks of pyproject.toml between the two, as far as this project's says otherwise."""
    import tomllib  # Python 3.10 has none

    mine = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    projects = (tomllib.loads(text)["project"] for text in (*files, mine))
    old, new, here = (
        {"dependencies": each.get("dependencies", []), **each.get("optional-dependencies", {})} for each in projects
    )
    for part in (part for part in new if part in here or part not in old):
        before, has = old.get(part, []), here.get(part, [])
        yield from (f"add {each!r} to {part}" for each in new[part] if each not in before and each not in has)
        yield from (f"{part} need no longer hold {each!r}" for each in before if each in has and each not in new[part])


def swap(archive: Path) -> None:
    """Put what the archive holds in the toolkit's place; on any failure the old one stays."""
    try:
        with zipfile.ZipFile(archive) as files:
            files.extractall(PARTIAL)
        (ROOT / TOOLKIT).rename(ASIDE)
        PARTIAL.rename(ROOT / TOOLKIT)
    except OSError as error:  # a full disk; on Windows, a program that has a file of it open
        raise SystemExit(f"error: {TOOLKIT} stays as it was: {error}") from None
    finally:
        mend()


def mend() -> None:
    """Undo a swap that was interrupted, and remove what one leaves."""
    if ASIDE.exists() and not (ROOT / TOOLKIT).exists():
        ASIDE.rename(ROOT / TOOLKIT)
    for left in (PARTIAL, ASIDE):
        shutil.rmtree(left, ignore_errors=True)


def git(repository: Path, *arguments: str, text: str | None = None) -> str:
    """What a Git command says of a repository, stripped; stop if it fails."""
    command = ["git", f"--git-dir={repository}", "-c", "core.autocrlf=false", *arguments]
    done = subprocess.run(command, input=text, capture_output=True, text=True, encoding="utf-8")
    if done.returncode:
        raise SystemExit(f"error: git {arguments[0]}: {' '.join(done.stderr.split())}")
    return done.stdout.strip()


def repository() -> None:
    """Make a Git repository with a first commit where there is none: DVC and its learning curves need one."""
    if not shutil.which("git"):
        raise SystemExit("error: Git is needed, https://git-scm.com, and it is not on the PATH")
    top = subprocess.run(["git", "rev-parse", "--show-prefix"], cwd=ROOT, capture_output=True, text=True)
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


def install(extras: str) -> None:
    """Make .venv and install the project with these extras, unless that was done since the pins last changed."""
    pins = b"".join((ROOT / name).read_bytes() for name in ("pyproject.toml", "requirements.lock"))
    stamp = VENV / f"installed-{extras}"
    digest = hashlib.sha256(pins).hexdigest()
    if PYTHON.exists() and stamp.exists() and stamp.read_text(encoding="utf-8") == digest:
        return
    if not any(VENV.glob("installed-*")):  # none at all, or one whose making was interrupted
        if importlib.util.find_spec("ensurepip") is None:
            raise SystemExit(
                "error: this Python cannot make a .venv with pip: run `apt install python3-venv`, on Debian"
            )
        print(f"making {VENV}", flush=True)
        venv.create(VENV, with_pip=True, clear=True, symlinks=os.name != "nt")
    print(announcement(extras), flush=True)
    pip = ("python", "-m", "pip", "--disable-pip-version-check", "install", "--quiet")
    call(*pip, "--constraint", "requirements.lock", "--editable", f".[{extras}]")
    stamp.write_text(digest, encoding="utf-8")


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
    """Run a program of .venv here; stop with its exit code if it fails."""
    # Stages are started by DVC as `python ...`: .venv comes first on the PATH.
    environment = os.environ | {"PATH": f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}", "VIRTUAL_ENV": str(VENV)}
    command = [shutil.which(program, path=str(BIN)) or program, *arguments]
    code = subprocess.run(command, cwd=ROOT, env=environment).returncode
    if code:
        raise SystemExit(code)


# Only Stemma itself has bench/; a project stamped from it has the other chores.
HERE = (run, test, lint, *((bench,) if (ROOT / "bench").is_dir() else ()), clean, update_stemma)
CHORES = {chore.__name__.replace("_", "-"): chore for chore in HERE}


def main() -> None:
    if not (3, 11) <= sys.version_info < (3, 14):
        raise SystemExit(f"error: Python 3.11, 3.12 or 3.13 is needed, this is {sys.version.split()[0]}")
    name, arguments = (sys.argv[1:2] or [""])[0], sys.argv[2:]
    if not name:
        print("usage: python tasks.py CHORE\n")
        print("\n".join(f"  {name:13} {chore.__doc__}" for name, chore in CHORES.items()))
        return
    if name not in CHORES or (arguments and name not in ("run", "test", "update-stemma")):
        unknown = name if name not in CHORES else " ".join(sys.argv[1:])
        print(f"error: no such chore: {unknown} (there are {', '.join(CHORES)})", file=sys.stderr)
        raise SystemExit(2)
    CHORES[name](*arguments)


if __name__ == "__main__":
    main()
