"""A stage that DVC runs gives all its outputs or leaves those of before, however it ends; what ran is in the run cache.

Real DVC and real processes, on stages that take no time. The whole pipeline: tests/test_rebuild.py.
"""

import errno
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from forks import COLD
from stemma.errors import StemmaError
from stemma.testing import Project
from stemma.toolkit import lock, undo
from timing import HANGS, WAITS, until

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("undo")]

ROOT = Path(__file__).resolve().parents[3]
RUN = """\
from pathlib import Path
from stemma.toolkit.stage import run
run(Path(__file__).parent / "tiny")
"""
EARLY = """\
import os, signal
from stemma.repo import inputs
of = inputs.of

def interrupted(*given):
    os.kill(os.getpid(), signal.NAME)
    return of(*given)

inputs.of = interrupted
"""
STAGE = """\
import atexit, os, signal, sys, time
from pathlib import Path
from stemma.errors import StemmaError
from stemma.repo.lockfile import load

def main():
    work = load(Path("params.yaml").read_text())
    for name in ("kept/one", "kept/two", "page.html", "told/one.txt", "told.md"):
        Path("out", name).parent.mkdir(parents=True, exist_ok=True)
        Path("out", name).write_text(f"{name}: {work['text']}, {work['how']}")
        if work["how"] == "first":
            break
    match work["how"]:
        case "error":
            raise StemmaError("it is not good enough (see out/page.html)")
        case "bug":
            raise ZeroDivisionError
        case "exit":
            sys.exit(3)
        case "pipe":
            raise BrokenPipeError
        case "first" | "wait":
            Path("waiting").touch()
            WAITS
        case "end":
            atexit.register(end)
        case "late":
            end()

def end():
    Path("waiting").touch()
    while not Path("told").exists():
        time.sleep(0.01)
""".replace("WAITS", WAITS)
SETTINGS = "from pathlib import Path\nmain = lambda: Path('passed.txt').touch()\n"
DVC_YAML = """\
stages:
  settings:
    cmd: python src/stage.py settings
    params: [text]
    deps: [src/stage.py]
    outs: [passed.txt: {cache: false, persist: true}]
  work:
    cmd: python src/stage.py work
    deps: [passed.txt, given, src/tiny/stages/work.py]
    params: [text, how]
    outs:
      - out/kept
      - out/page.html
      - out/told: {cache: false}
      - out/told.md: {cache: false}
"""
# Of Debian, the first ends at a signal though the stage that it started has not ended; the other has become the stage.
SHELLS = ["sh", "bash"]
IGNORED = "/out/kept\n/out/page.html\n/waiting\n/build/\n__pycache__/\n*.swp\n"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project of one stage that ran, committed."""
    root = tmp_path_factory.mktemp("ran") / "p"
    for name, text in {
        "src/stage.py": RUN, "src/tiny/stages/work.py": STAGE, "src/tiny/stages/settings.py": SETTINGS,
        "given/a.txt": "one", "given/below/b.txt": "two", "given/.a.txt.swp": "an editor's",
        "dvc.yaml": DVC_YAML, "params.yaml": "text: a\nhow: well\n", ".gitignore": IGNORED,
        ".dvcignore": "*.swp\n",
        lock.FILE: lock.text_of(lock.Lock(lock.SOURCES, "any", lock.rooms.own(), {"none": ""})),
    }.items():  # fmt: skip
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text, encoding="utf-8")
    project = Project(root)
    project.ok("git", "init", "-q")
    project.ok("dvc", "init", "-q")
    project.repro()
    project.commit()
    return project


@pytest.fixture
def project(ran: Project, tmp_path: Path) -> Project:
    return ran.copy(tmp_path / "p")


def test_help_is_no_wrong_usage(project: Project) -> None:
    for words, code in (("--help", 0), ("-h", 0), ("nothing", 2)):
        told = project.run("python", "src/stage.py", words)
        assert told.returncode == code and "{settings,work}" in (told.stderr if code else told.stdout)


def outputs(project: Project) -> dict[str, str]:
    files = (project.folder / "out").rglob("*")
    return {file.relative_to(project.folder).as_posix(): file.read_text() for file in files if file.is_file()}


def choose(project: Project, text: str, how: str) -> None:
    """Settings, committed: what `git status` shows afterwards is what the stage did."""
    (project.folder / "params.yaml").write_text(f"text: {text}\nhow: {how}\n", encoding="utf-8")
    project.commit()


def is_as_before(project: Project, before: dict[str, str]) -> bool:
    status = json.loads(project.ok("dvc", "status", "--json"))
    changed = [kind for reasons in status.values() for kind in reasons if "changed outs" in kind]
    return outputs(project) == before and not project.ok("git", "status", "--porcelain") and not changed


@pytest.mark.parametrize("how", ["error", "bug", "exit", "pipe"])
def test_a_stage_that_fails_leaves_the_outputs_of_before_and_what_it_wrote_beside_them(
    how: str, project: Project
) -> None:
    before = outputs(project)
    choose(project, "a", how)
    failed = project.run("dvc", "repro")
    assert failed.returncode
    assert is_as_before(project, before)
    assert project.read("build/failed/work/out/page.html") == f"page.html: a, {how}"
    assert ("see build/failed/work/out/page.html" in failed.stderr) == (how == "error")
    assert ("standard output was closed" in failed.stderr) == (how == "pipe")


def started(project: Project, shell: str = "sh") -> subprocess.Popen[str]:
    """`dvc repro`, in the middle of its stage, which that shell has started."""
    process = subprocess.Popen(
        ["dvc", "repro"], cwd=project.folder, start_new_session=True, text=True,
        env=os.environ | COLD | {"SHELL": shutil.which(shell) or shell},
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
    )  # fmt: skip
    until((project.folder / "waiting").exists)
    return process


@pytest.mark.skipif(os.name == "nt", reason="signals to a group are of POSIX")
@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("how", "number"), [("wait", signal.SIGINT), ("first", signal.SIGTERM)])
def test_a_stage_that_is_interrupted_leaves_the_outputs_of_before(
    how: str, number: signal.Signals, shell: str, project: Project
) -> None:
    before = outputs(project)
    choose(project, "a", how)
    process = started(project, shell)
    os.killpg(process.pid, number)
    _, told = process.communicate(timeout=HANGS)  # until the stage, which writes there too, has ended
    assert is_as_before(project, before), told
    assert "error: interrupted" in told


@pytest.mark.skipif(os.name == "nt", reason="signals to oneself are of POSIX")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_so_does_one_that_is_interrupted_before_it_has_begun(number: signal.Signals, project: Project) -> None:
    """DVC has removed the outputs before its process started."""
    before = outputs(project)
    choose(project, "b", "well")
    (project.folder / "src/stage.py").write_text(EARLY.replace("NAME", number.name) + RUN, encoding="utf-8")
    project.commit()
    failed = project.run("dvc", "repro", "--single-item", "work")
    assert "error: interrupted" in failed.stderr
    assert is_as_before(project, before)


@pytest.mark.skipif(os.name == "nt", reason="signals to a group are of POSIX")
def test_an_interrupt_of_a_stage_that_has_passed_leaves_its_outputs_as_dvc_lock_has_them(project: Project) -> None:
    """Python takes seconds to end where a framework was imported."""
    choose(project, "b", "end")
    process = started(project, "bash")
    os.killpg(process.pid, signal.SIGINT)
    (project.folder / "told").touch()
    _, told = process.communicate(timeout=HANGS)
    assert not process.returncode and "KeyboardInterrupt" not in told, told
    assert project.read("out/told.md") == "told.md: b, end"
    assert json.loads(project.ok("dvc", "status", "--json")) == {}


@pytest.mark.skipif(os.name == "nt", reason="signals to a group are of POSIX")
def test_a_stage_that_has_passed_is_whole_though_the_shell_that_started_it_is_killed_and_dvc_calls_it_failed(
    project: Project,
) -> None:
    """As dash does at Ctrl-C, which is /bin/sh in Debian and what DVC takes where SHELL is not set, as in CI."""
    stays = project.folder.with_name("stays")
    stays.write_text('#!/bin/sh\n/bin/sh "$@"\nexit $?\n', encoding="utf-8")
    stays.chmod(0o755)
    choose(project, "b", "end")
    process = started(project, str(stays))
    os.killpg(process.pid, signal.SIGINT)
    (project.folder / "told").touch()
    _, told = process.communicate(timeout=HANGS)
    assert process.returncode and "Traceback" not in told, told
    assert project.read("out/told.md") == "told.md: b, end"
    project.repro()
    assert json.loads(project.ok("dvc", "status", "--json")) == {}


EDITS = {  # what is edited while the stage runs -> how it is told
    "settings": (("params.yaml", "text: b", "text: c"), "text of params.yaml"),
    "code": (("src/tiny/stages/work.py", "import", "import  "), "src/tiny/stages/work.py"),
    "folder": (("given/below/b.txt", "two", "three"), "given/below/b.txt"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_what_is_edited_while_a_stage_runs_is_not_noted_as_what_made_its_results(edit: str, project: Project) -> None:
    """Plain DVC hashes dependencies at the end, and calls everything up to date."""
    (name, was, becomes), told_as = EDITS[edit]
    before, lock_of_before = outputs(project), project.read("dvc.lock")
    choose(project, "b", "late")
    process = started(project)
    project.replace(name, was, becomes)
    (project.folder / "told").touch()
    _, told = process.communicate(timeout=HANGS)
    assert process.returncode
    assert f"error: {told_as} changed while work ran" in told and "when it is as it was: run `dvc repro`" in told
    assert outputs(project) == before and "text: b" not in project.read("dvc.lock").partition("\n  work:")[2]
    assert project.read("build/failed/work/out/told.md") == "told.md: b, late"
    assert lock_of_before.partition("\n  work:")[2] == project.read("dvc.lock").partition("\n  work:")[2]

    project.replace(name, becomes, was)
    (project.folder / "waiting").unlink()
    project.repro()
    assert project.read("out/told.md") == "told.md: b, late"
    assert not (project.folder / "waiting").exists()  # it did not run: the run cache had it

    project.replace(name, was, becomes)
    project.repro()
    assert (project.folder / "waiting").exists()


CHAIN = """\
  first:
    cmd: python src/stage.py copy
    deps: [passed.txt]
    params: [rows]
    outs: [first.txt]
  last:
    cmd: python src/stage.py copy
    deps: [out/told.md]
    params: [rows]
    outs: [last.txt]
"""
COPY = "import os, shutil\nmain = lambda: shutil.copy('params.yaml', os.environ['DVC_STAGE'] + '.txt')\n"


@pytest.fixture
def chain(project: Project) -> Project:
    """`first`, then `work`, then `last`, which depends on a setting of `first`."""
    project.replace("dvc.yaml", "deps: [passed.txt, given,", "deps: [first.txt, given,")
    with (project.folder / "dvc.yaml").open("a", encoding="utf-8") as file:
        file.write(CHAIN)
    (project.folder / "src/tiny/stages/copy.py").write_text(COPY, encoding="utf-8")
    choose(project, "a", "well\nrows: 1")
    assert project.repro() == ["first", "work", "last"]
    project.commit()
    return project


def test_a_setting_of_an_earlier_stage_that_is_edited_while_a_later_one_runs_is_not_mixed_with_its_results(
    chain: Project,
) -> None:
    choose(chain, "a", "late\nrows: 1")
    process = started(chain)
    chain.replace("params.yaml", "rows: 1", "rows: 2")
    (chain.folder / "told").touch()
    _, told = process.communicate(timeout=HANGS)
    what = "rows of params.yaml (first ran with another one)"
    assert f"error: last would go on with what others made: {what}: run `dvc repro`" in told
    assert "rows: 1" in chain.read("last.txt")
    assert chain.repro() == ["first", "work", "last"]
    assert "rows: 2" in chain.read("last.txt")


def test_a_stage_that_is_run_alone_does_not_mix_what_others_made_apart(chain: Project) -> None:
    chain.replace("params.yaml", "rows: 1", "rows: 2")
    assert "rows of params.yaml (first ran with another one)" in chain.run("dvc", "repro", "-s", "last").stderr
    assert chain.repro("-s", "first") == ["first"]
    assert "first.txt (work ran with another one)" in chain.run("dvc", "repro", "-s", "last").stderr
    chain.ok("dvc", "freeze", "work")  # what DVC does not look at is nobody's fault
    assert chain.repro("-s", "last") == ["last"]


def test_the_toolkit_that_is_edited_while_a_stage_runs_is_not_noted_as_the_locked_one(project: Project) -> None:
    """Python reads a module when it first needs it."""
    shutil.copytree(ROOT / "src/stemma", project.folder / "src/stemma", ignore=shutil.ignore_patterns("__pycache__"))
    lock.write(project.folder)
    project.replace("dvc.yaml", "params: [text, how]", "params: [text, how, stemma.lock: [rooms.metrics]]")
    before = outputs(project)
    choose(project, "b", "late")
    process = started(project)
    for name in ("metrics/power.py", "serve/page.py"):  # the second is of no room that the stage names
        with (project.folder / "src/stemma" / name).open("a", encoding="utf-8") as file:
            file.write("# a comment\n")
    (project.folder / "told").touch()
    _, told = process.communicate(timeout=HANGS)
    assert "the toolkit's metrics changed while work ran, which may have read some of it: run `stemma lock`\n" in told
    assert outputs(project) == before

    project.ok("git", "checkout", "-q", "src/stemma")
    (project.folder / "waiting").unlink()
    project.repro()
    assert (project.folder / "waiting").exists()  # it ran: the run cache does not have what was made by halves


@pytest.mark.skipif(os.name == "nt", reason="a signal to one process is of POSIX")
def test_a_stage_that_goes_on_after_its_dvc_is_not_run_a_second_time_beside_it(project: Project) -> None:
    choose(project, "b", "late")
    process = started(project, "bash")
    process.terminate()  # DVC alone, which tells the stage nothing
    process.wait(HANGS)
    second = project.run("dvc", "repro")
    assert second.returncode
    assert "error: work still runs, as process" in second.stderr
    assert "stage.py work): wait until it is done, then run this again" in second.stderr
    for command in (("undo",), ("rollback", "HEAD")):  # which would move files under it
        moved = project.run("stemma", *command)
        assert moved.returncode == 1 and "in use by process" in moved.stderr and "stage.py work" in moved.stderr
    (project.folder / "told").touch()
    process.communicate(timeout=HANGS)  # until the stage, which writes there too, has ended
    project.repro()
    assert project.read("out/told.md") == "told.md: b, late"
    assert json.loads(project.ok("dvc", "status", "--json")) == {}


def test_a_disk_that_knows_no_locks_is_none_where_a_stage_still_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setenv("DVC_STAGE", "settings")
    monkeypatch.setattr("fcntl.flock", refuse)
    monkeypatch.setattr(undo, "INTERRUPTS", [])
    monkeypatch.setattr(undo.stages, "recall", lambda _: None)
    with undo.guarded(tmp_path):
        (tmp_path / "passed").touch()
    assert (tmp_path / "passed").exists()


@pytest.fixture
def bare(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which a stage `work` runs in this process, which depends on the file `given`."""
    (tmp_path / "below").mkdir()
    for folder in (tmp_path, tmp_path / "below"):
        (folder / "given").write_text("one", encoding="utf-8")
        (folder / "dvc.yaml").write_text("stages: {work: {cmd: echo, deps: [given]}}", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DVC_STAGE", "work")
    monkeypatch.setattr(undo, "INTERRUPTS", [])
    return tmp_path


@pytest.mark.parametrize("code", [0, None])
def test_a_stage_that_ends_itself_well_is_refused_too(code: int | None, bare: Path) -> None:
    """As a command of click does, and argparse at --help."""
    with undo.guarded(bare):
        raise SystemExit(code)
    with pytest.raises(StemmaError, match="given changed while work ran"), undo.guarded(bare):
        (bare / "given").write_text("two", encoding="utf-8")
        raise SystemExit(code)


def test_a_stage_of_another_dvc_yaml_depends_on_what_that_one_names(
    bare: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(bare / "below")
    for stage in ("below/dvc.yaml:work", "work"):
        monkeypatch.setenv("DVC_STAGE", stage)
        with undo.guarded(bare):
            (bare / "given").write_text(stage, encoding="utf-8")
        with pytest.raises(StemmaError, match="given changed while work ran"), undo.guarded(bare):
            (bare / "below/given").write_text(stage, encoding="utf-8")


def test_the_name_of_a_stage_may_have_a_colon(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of `foreach`: by its end it would be `work`, which is another one."""
    monkeypatch.setenv("DVC_STAGE", "each@of:work")
    with undo.guarded(bare):
        (bare / "given").write_text("two", encoding="utf-8")
    assert (bare / ".dvc/tmp/stemma-each@of-work.lock").exists()


def test_a_stage_that_is_interrupted_before_it_begins_is_undone(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A folder of many files takes a while to look at."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    done: list[str] = []
    monkeypatch.setattr(undo.inputs, "of", interrupted)
    monkeypatch.setattr(undo, "_undone", lambda _, stage: done.append(stage) or {})
    with pytest.raises(KeyboardInterrupt), undo.guarded(bare):
        pass
    assert done == ["work"]


def test_what_is_edited_while_the_run_cache_is_written_is_refused(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def remember(*_: object) -> bool:
        (bare / "given").write_text("two", encoding="utf-8")
        return True

    monkeypatch.setattr(undo, "WORTH", 0)
    monkeypatch.setattr(undo.stages, "remember", remember)
    with pytest.raises(StemmaError, match="given changed while work ran"), undo.guarded(bare):
        pass


def test_a_stage_passes_though_dvc_cannot_note_it(
    bare: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def remember(*_: object) -> bool:
        raise UnicodeEncodeError("utf-8", "", 0, 1, "surrogates not allowed")

    monkeypatch.setattr(undo, "WORTH", 0)
    monkeypatch.setattr(undo.stages, "remember", remember)
    with undo.guarded(bare):
        pass
    assert "note: DVC's run cache is not complete ('utf-8' codec" in capsys.readouterr().err


def test_outputs_are_put_back_wherever_the_stage_runs(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """DVC starts it in its wdir, and looks for dvc.yaml there."""
    before = outputs(project)
    (project.folder / "out/told.md").write_text("edited", encoding="utf-8")
    monkeypatch.setattr(undo, "_command", lambda: "python src/stage.py work")
    monkeypatch.chdir(project.folder / "given")
    assert undo.undo(project.folder, "work").back == ("out/told.md",)
    assert outputs(project) == before


def test_what_a_stage_does_not_depend_on_may_be_edited_while_it_runs(project: Project) -> None:
    choose(project, "b", "late")
    process = started(project)
    (project.folder / "params.yaml").open("a").write("other: 1\n")
    (project.folder / "src/tiny/stages/other.py").touch()
    (project.folder / "src/tiny/stages/work.py").touch()  # the same bytes
    (project.folder / "given/.b.txt.swp").touch()
    (project.folder / "told").touch()
    _, told = process.communicate(timeout=HANGS)
    assert not process.returncode, told
    assert json.loads(project.ok("dvc", "status", "--json")) == {}


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_after_a_kill_doctor_names_the_command_that_puts_outputs_back(project: Project) -> None:
    before = outputs(project)
    choose(project, "a", "first")
    process = started(project)
    refused = project.run("stemma", "undo")
    assert refused.returncode == 1 and "is in use by process" in refused.stderr
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert outputs(project) == {"out/kept/one": "kept/one: a, first"}
    found = json.loads(project.run("stemma", "doctor", "--json").stdout)["findings"]
    assert "run `stemma undo`" in next(each["remedy"] for each in found if each["check"] == "outputs")
    project.ok("stemma", "undo")
    assert is_as_before(project, before)
    assert project.read("build/failed/work/out/kept/one") == "kept/one: a, first"


def test_a_first_run_that_fails_leaves_what_it_wrote(project: Project) -> None:
    project.ok("git", "rm", "-q", "dvc.lock")
    choose(project, "a", "error")
    failed = project.run("dvc", "repro")
    assert "(see out/page.html)" in failed.stderr and "put back" not in failed.stderr
    assert outputs(project)["out/page.html"] == "page.html: a, error"


def test_a_failure_that_the_stage_survives_does_not_bring_old_outputs_back(project: Project) -> None:
    """DVC would take them for the new ones."""
    project.replace("dvc.yaml", "src/stage.py work", "src/stage.py work; python src/stage.py nothing || true")
    choose(project, "b", "well")
    project.repro()
    assert project.read("out/told.md") == "told.md: b, well"


def test_nothing_is_moved_through_a_link_that_leads_elsewhere(project: Project, tmp_path: Path) -> None:
    (tmp_path / "mine/work").mkdir(parents=True)
    (tmp_path / "mine/work/kept").touch()
    (project.folder / "build").mkdir()
    (project.folder / "build/failed").symlink_to(tmp_path / "mine")
    (project.folder / "out/told.md").write_text("edited", encoding="utf-8")
    refused = project.run("stemma", "undo")
    assert refused.returncode == 1 and "build/failed/work leads elsewhere" in refused.stderr
    assert project.read("out/told.md") == "edited"
    assert [path.name for path in (tmp_path / "mine").rglob("*")] == ["work", "kept"]


def test_outputs_come_out_of_git_where_the_cache_has_none_and_never_with_other_bytes(project: Project) -> None:
    """As in a clone after `dvc pull`: what Git keeps is not in the cache. One object there is damaged."""
    before = outputs(project)
    for file in (project.folder / ".dvc/cache/files/md5").rglob("*"):
        if file.is_file() and file.read_text() in (before["out/told/one.txt"], before["out/told.md"]):
            file.unlink()
        elif file.is_file() and file.read_text() == before["out/page.html"]:
            file.chmod(0o644)
            file.write_text("damaged")
    choose(project, "a", "error")
    failed = project.run("dvc", "repro")
    assert "in neither the cache nor Git: out/page.html" in failed.stderr
    del before["out/page.html"]
    assert outputs(project) == before


def test_settings_that_ran_before_run_again_neither_here_nor_where_the_run_cache_was_pulled(
    project: Project, tmp_path: Path
) -> None:
    project.ok("dvc", "remote", "add", "-d", "disk", str(tmp_path / "remote"))
    project.commit()
    project.ok("git", "clone", "-q", ".", str(tmp_path / "clone"))
    first = outputs(project)
    project.ok("dvc", "push", "-q")
    choose(project, "b", "well")
    assert project.repro() == ["settings", "work"]
    second = outputs(project)
    project.ok("dvc", "push", "-q")
    choose(project, "a", "well")
    assert project.repro() == ["settings"] and outputs(project) == first
    project.ok("dvc", "push", "-q", "--run-cache")
    clone = Project(tmp_path / "clone")
    clone.ok("dvc", "pull", "-q", "--run-cache")
    choose(clone, "c", "well")
    assert clone.repro() == ["settings", "work"]
    choose(clone, "b", "well")
    assert clone.repro("--pull") == ["settings"] and outputs(clone) == second
    choose(clone, "a", "well")
    assert clone.repro() == ["settings"] and outputs(clone) == first


def test_a_changed_command_and_one_of_several_steps_get_no_outputs_of_another(project: Project) -> None:
    project.replace(
        "dvc.yaml", "cmd: python src/stage.py work", "cmd: [python src/stage.py work, echo more >> out/told.md]"
    )
    for text in "ba":
        choose(project, text, "well")
        assert project.repro() == ["settings", "work"]
    choose(project, "b", "well")
    assert project.repro() == ["settings"]
    assert project.read("out/told.md") == "told.md: b, wellmore\n"


@pytest.mark.skipif(os.name == "nt", reason="a script of sh")
def test_where_dvc_runs_and_the_environment_is_not_active_the_stage_says_so(project: Project) -> None:
    bare = project.folder.with_name("bare")
    bare.mkdir()
    program = f'#!/bin/sh\nPYTHONPATH={shlex.quote(str(ROOT / "src"))} exec {shlex.quote(sys.executable)} -S "$@"\n'
    (bare / "python").write_text(program, encoding="utf-8")
    (bare / "python").chmod(0o755)
    choose(project, "b", "well")
    failed = project.run("dvc", "repro", PATH=f"{bare}{os.pathsep}{os.environ['PATH']}")
    assert "has no DVC: activate the project's environment" in failed.stderr and "Traceback" not in failed.stderr
    assert project.repro() == ["settings", "work"]
    project.ok("cp", str(ROOT / "src/stage.py"), "src/stage.py")
    failed = project.run(sys.executable, "-S", "src/stage.py", "work", PYTHONPATH="")
    assert failed.returncode == 1
    assert failed.stderr == f"error: {sys.executable} has no stemma: activate the project's environment\n"


def test_what_is_wrong_with_settings_is_told_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """DVC cannot read a dvc.yaml whose params.yaml lacks a key either, and says so in words of its own."""
    monkeypatch.setenv("DVC_STAGE", "settings")
    monkeypatch.setattr(undo, "INTERRUPTS", [])
    with pytest.raises(StemmaError, match="this setting is missing"), undo.guarded(tmp_path):
        raise StemmaError("train.seed: this setting is missing")
    assert capsys.readouterr().err == ""


def test_what_runs_a_stage_is_imported_where_an_interrupt_is_one_line() -> None:
    told = "import sys, stemma.toolkit.stage; print(*(name for name in sys.modules if name.startswith('stemma.repo')))"
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    assert done.stdout == "\n"
