"""A copy of a project with Git and DVC, for tests that run it as a person does."""

import hashlib
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from stemma import conf
from stemma.repo.project import programs

if TYPE_CHECKING:
    import pytest

RESULTS = ("dvc.lock", "reports/")
NOT_RUN = ("tests/", "docs/", "bench/")  # by any stage: Git and DVC look at every file
DRAWN = "data/raw/drawn.csv"
PERSON = {f"GIT_{role}_{what}": text for role in ("AUTHOR", "COMMITTER")
          for what, text in (("NAME", "A Person"), ("EMAIL", "person@example.org"))}  # fmt: skip


@dataclass(frozen=True)
class Project:
    """A working copy in a repository of its own."""

    folder: Path

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command in its folder. What the environment does not say is a Git identity and folders for DVC's state."""
        known = self._defaults() | os.environ | {"PATH": programs()} | environment
        return subprocess.run(command, cwd=self.folder, env=known, capture_output=True, text=True, timeout=600)

    def ok(self, *command: str, **environment: str) -> str:
        """Standard output of a command that must succeed; an AssertionError with all that it said where it fails."""
        done = self.run(*command, **environment)
        if done.returncode:
            raise AssertionError(f"{command} failed:\n{done.stdout}\n{done.stderr}")
        return done.stdout

    def repro(self, *arguments: str, **environment: str) -> list[str]:
        """`dvc repro`; the stages that ran."""
        return re.findall(r"Running stage '(\w+)'", self.ok("dvc", "repro", *arguments, **environment))

    def commit(self, message: str = "a commit") -> str:
        """Commit everything; the revision."""
        self.ok("git", "add", "-A")
        self.ok("git", "commit", "--allow-empty", "-qm", message)
        return self.ok("git", "rev-parse", "HEAD").strip()

    def read(self, name: str) -> str:
        return (self.folder / name).read_text(encoding="utf-8")

    def replace(self, name: str, old: str, new: str) -> None:
        """Edit a file as a person would; an AssertionError where the old text is not in it."""
        text = self.read(name)
        if old not in text:
            raise AssertionError(f"{old!r} is not in {name}")
        (self.folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    def copy(self, folder: Path) -> "Project":
        """One to change: what a test was given is every test's."""
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)

    def _defaults(self) -> dict[str, str]:
        state = {name: str(self.folder / ".dvc/tmp/tests") for name in ("DVC_SITE_CACHE_DIR", "XDG_STATE_HOME")}
        return PERSON | state | {"GIT_CONFIG_GLOBAL": os.devnull, "DVC_NO_ANALYTICS": "1"}


def copied(root: Path, folder: Path, without: tuple[str, ...] = ()) -> None:
    """Copy the files that Git tracks or would take, but for those whose names begin so."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=root, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if not name.startswith(without) and (root / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / name, folder / name)


def choose_a_table(folder: Path) -> None:
    """The first that is there, where conf/config.yaml chooses one that is yet to be described."""
    path = folder / "conf/config.yaml"
    text = path.read_text(encoding="utf-8")
    chosen = re.search(r"^  - data: (\w+)$", text, re.MULTILINE)
    there = sorted(file.stem for file in folder.glob("conf/data/*.yaml"))
    if chosen and there and chosen[1] not in there:
        path.write_bytes(text.replace(chosen[0], f"  - data: {there[0]}").encode("utf-8"))


def draw_a_table(file: Path) -> None:
    """A CSV of 400 customers: numbers, a category, a flag, missing values, and whether each bought, a bit by chance."""
    draw = np.random.default_rng(0)
    age, spent = draw.uniform(18, 90, 400), draw.gamma(2, 50, 400)
    city, member = draw.choice(["Bern", "Oslo", "Rome"], 400), draw.random(400) < 0.4
    score = age / 10 + spent / 50 - 8 + np.where(member, 1, -1) + np.where(city == "Oslo", 1, 0)
    bought = draw.random(400) < 1 / (1 + np.exp(-score))
    spent[draw.random(400) < 0.05] = np.nan
    flags = {"member": np.where(member, "yes", "no"), "bought": np.where(bought, "yes", "no")}
    table = pd.DataFrame({"age": age.round(2), "spent": spent.round(2), "city": city} | flags)
    file.parent.mkdir(parents=True, exist_ok=True)
    table.to_csv(file, index=False, lineterminator="\n")


def fresh(root: Path, folder: Path, *settings: str) -> Project:
    """What a project runs, without results, in a new repository, with params.yaml composed and committed.

    With `data=drawn`, on a small table that is drawn and described there.
    """
    copied(root, folder, without=RESULTS + NOT_RUN)
    choose_a_table(folder)
    project = Project(folder)
    project.ok("git", "init", "-q", "-b", "main")
    if "data=drawn" in settings:
        draw_a_table(folder / DRAWN)
        project.ok("stemma", "describe", DRAWN, "--target", "bought", "--name", "drawn", "--force")
    conf.sync(folder, settings)
    project.commit("start")
    return project


def trained(root: Path, folders: "pytest.TempPathFactory", *settings: str) -> Project:
    """A copy of one's own of a project that ran: the first of all tests and workers that asks for these settings runs
    it, and commits."""
    from filelock import FileLock

    own, name = folders.getbasetemp(), hashlib.sha256(repr(settings).encode()).hexdigest()[:16]
    place = (own.parent if own.name.startswith("popen-") else own) / f"trained-{name}"  # a worker's folder is named so
    with FileLock(f"{place}.lock"):
        if not place.exists():
            first = fresh(root, folders.mktemp("first") / "project", *settings)
            conf.adopt(first.folder)  # tests compose conf/ again
            first.repro()
            first.commit("trained")
            place.write_text(str(first.folder), encoding="utf-8")
    return Project(Path(place.read_text(encoding="utf-8"))).copy(folders.mktemp("trained") / "project")


def params(root: Path, folder: Path, *settings: str) -> Path:
    """params.yaml of conf/ with these settings, for a project's own loader; its path in the folder."""
    path = folder / conf.PARAMS
    path.write_text(conf.compose(root, settings), encoding="utf-8")
    return path
