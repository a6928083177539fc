"""A working copy of this project with Git and DVC, for tests that run it as a user does."""

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ("dvc.lock", "reports/")
NOT_RUN = ("tests/", "docs/", "bench/")  # by any stage: Git and DVC look at every file
PREFIXES = {  # framework -> how the names of its models begin; of those that this project has
    framework: prefix
    for framework, prefix in (("torch", "torch"), ("tensorflow", "keras"))
    if (ROOT / "src/purchase_intent/networks" / framework).is_dir()
}
PREFIX = next(iter(PREFIXES.values()))  # of the first one


def stemma(*arguments: str) -> None:
    """`stemma ARGUMENT...` in this process. What goes wrong is a SystemExit, as a shell has it."""
    from stemma.cli.words import app
    from stemma.errors import one_line

    try:
        with one_line():
            app(list(arguments), prog_name="stemma")
    except SystemExit as end:
        if end.code:
            raise


@dataclass(frozen=True)
class Project:
    """A working copy with Git and DVC."""

    folder: Path

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            command, cwd=self.folder, env=os.environ | environment, capture_output=True, text=True, timeout=600
        )

    def ok(self, *command: str, **environment: str) -> str:
        """Standard output of a command that must succeed."""
        done = self.run(*command, **environment)
        assert done.returncode == 0, f"{command} failed:\n{done.stdout}\n{done.stderr}"
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
        """Edit a file as a person would."""
        text = self.read(name)
        assert old in text, f"{old!r} is not in {name}"
        (self.folder / name).write_text(text.replace(old, new, 1), encoding="utf-8")

    def copy(self, folder: Path) -> "Project":
        shutil.copytree(self.folder, folder, symlinks=True)
        return Project(folder)


def copied(folder: Path, without: tuple[str, ...] = ()) -> None:
    """Copy the files that Git tracks or would take, but for those whose names begin so."""
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.splitlines()  # fmt: skip
    for name in listed:
        if not name.startswith(without) and (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, folder / name)


def choose_a_table(folder: Path) -> None:
    """The simulated one where conf/config.yaml chooses a table that is yet to be described."""
    path = folder / "conf/config.yaml"
    text = path.read_text(encoding="utf-8")
    chosen = re.search(r"^  - data: (\w+)$", text, re.MULTILINE)
    if chosen and not (folder / f"conf/data/{chosen[1]}.yaml").is_file():
        path.write_bytes(text.replace(chosen[0], "  - data: simulated").encode("utf-8"))


def fresh_project(folder: Path, *settings: str) -> Project:
    """What the project runs, without results, in a new repository, with settings composed and committed."""
    copied(folder, without=RESULTS + NOT_RUN)
    choose_a_table(folder)
    project = Project(folder)
    project.ok("git", "init", "-q", "-b", "main")
    project.ok("stemma", "conf", "sync", *settings)
    project.ok("stemma", "conf", "adopt")
    project.commit("start")
    return project
