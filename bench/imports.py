"""What each stage imports, and what processor time that takes, beside an older commit.

python bench/imports.py             both tables, into bench/README.md
python bench/imports.py stages      one of them: stages, packages
"""

import functools
import io
import json
import operator
import os
import re
import shutil
import statistics
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter
from pathlib import Path

import page
from page import Table

ROOT = Path(__file__).resolve().parent.parent
BEFORE = "5476725"  # the last commit in which the project held all that is now the toolkit's
STAGES = ("settings", "prepare", "train", "evaluate", "export", "package")
OWN = ("purchase_intent", "stemma")
TRIES = 5
# Runs a stage, and tells the seconds of every module without those that it imports. `-X importtime` would count the
# time that other programs take, too.
TRACE = """
import collections, importlib._bootstrap as machinery, json, runpy, sys, time
find, inside, own = machinery._find_and_load, [0.0], collections.Counter()
def timed(name, import_):
    start = time.thread_time()
    inside.append(0.0)
    try:
        return find(name, import_)
    finally:
        took = time.thread_time() - start
        own[name] += took - inside.pop()
        inside[-1] += took
machinery._find_and_load = timed
sys.path[0] = "src"
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
json.dump(own, sys.stderr)
"""
QUICK = {"epochs": "1", "bootstrap": "0"}  # no import hangs on how much is computed
Seconds = Counter[str]  # by module, or by package


def stages() -> Table:
    """Processor seconds of all imports of a stage that runs, those inside functions too; median of five processes."""
    rows = []
    for stage in STAGES:
        before, after = (sum(side[stage].values()) for side in measured())
        counts = [str(len(side[stage])) for side in measured()]
        rows.append([f"`{stage}`", f"{before:.2f} s", f"{after:.2f} s", f"{after / before:.2f}", *counts])
    return ["stage", f"at {BEFORE}", "here", "ratio", "modules there", "modules here"], rows


def packages() -> Table:
    """The same by package, before -> here; those that take 0.02 s somewhere. Python's own are left out."""
    sides = [{stage: by_package(seconds) for stage, seconds in side.items()} for side in measured()]
    most = functools.reduce(operator.or_, (seconds for side in sides for seconds in side.values()))
    names = [name for name, seconds in most.most_common() if seconds >= 0.02 and name not in sys.stdlib_module_names]
    cells = [[" -> ".join(f"{side[stage].get(name, 0):.2f}" for side in sides) for stage in STAGES] for name in names]
    return ["package", *STAGES], [[name, *line] for name, line in zip(names, cells, strict=True)]


@functools.cache
def measured() -> tuple[dict[str, Seconds], dict[str, Seconds]]:
    """Stage -> seconds by module, of BEFORE and of the work tree; they take turns."""
    with tempfile.TemporaryDirectory() as name:
        folders = (before(Path(name) / "before"), now(Path(name) / "now"))
        found: tuple[dict[str, Seconds], ...] = ({}, {})
        for stage in STAGES:
            for folder in folders:
                run(folder, stage)  # compiles, and fills the disk's cache
            rounds = [[run(folder, stage) for folder in folders] for _ in range(TRIES)]
            for side, times in zip(found, zip(*rounds, strict=True), strict=True):
                side[stage] = medians(times)
    return found[0], found[1]


def before(folder: Path) -> Path:
    done = subprocess.run(["git", "archive", BEFORE], cwd=ROOT, check=True, stdout=subprocess.PIPE)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return with_results(folder)


def now(folder: Path) -> Path:
    files = subprocess.run(["git", "ls-files"], cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    for name in filter(lambda name: (ROOT / name).is_file(), files.splitlines()):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(ROOT / name, folder / name)
    return with_results(folder)


def with_results(folder: Path) -> Path:
    """What the stages read, which is the same on both sides, in a repository of its own."""
    for name in ("data/prepared", "models", "reports"):
        shutil.copytree(ROOT / name, folder / name, dirs_exist_ok=True)
    for file in (folder / "params.yaml", folder / "conf/config.yaml", folder / "conf/train/default.yaml"):
        text = file.read_text(encoding="utf-8")
        for name, value in QUICK.items():
            text = re.sub(rf"(?m)^( *{name}:) \S+", rf"\1 {value}", text)
        file.write_text(text, encoding="utf-8")
    identity = ["-c", "user.name=bench", "-c", "user.email=bench@example.org"]
    for command in (["init", "-q"], ["add", "-A"], [*identity, "commit", "-qm", "start"]):
        subprocess.run(["git", *command], cwd=folder, check=True)
    return folder


def run(folder: Path, stage: str) -> Seconds:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    command = [sys.executable, "-c", TRACE, "src/stage.py", stage]
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return Counter(json.loads(done.stderr.splitlines()[-1]))


def medians(times: tuple[Seconds, ...]) -> Seconds:
    names = {name for seconds in times for name in seconds}
    return Counter({name: statistics.median(seconds[name] for seconds in times) for name in names})


def by_package(seconds: Seconds) -> Seconds:
    made: Seconds = Counter()
    for module, own in seconds.items():
        top = module.split(".")[0]
        made["the project and the toolkit" if top in OWN else top] += own
    return made


if __name__ == "__main__":
    page.main({"stages": stages, "packages": packages})
