"""stemma.lock: what it holds, what it stops, and how a change is taken or accepted."""

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma.errors import ToolkitError, VersionError
from stemma.repo import tracking
from stemma.toolkit import lock, rooms, version
from stemma.toolkit.distribution import pin
from worlds import ROOT, Project

NAMES = st.from_regex("room[a-z/]{1,9}", fullmatch=True)
TABLES = st.dictionaries(NAMES, st.from_regex("[0-9a-f]{16}", fullmatch=True))


def test_the_committed_lock_is_that_of_the_toolkit() -> None:
    lock.compare(ROOT)


@given(st.builds(lock.Lock, path=NAMES, version=st.just(version()), files=TABLES, rooms=TABLES))
def test_a_lock_is_read_as_it_was_written(written: lock.Lock) -> None:
    if written.files and written.rooms:
        assert lock.parse(lock.text_of(written)) == written


@given(
    st.text() | st.sampled_from(["rooms: [a]", "path: 1", "- a", "{}", "path: a\nversion: b\nfiles: {a: 1}\nrooms: {}"])
)
def test_no_text_that_is_no_lock_is_taken_for_one(text: str) -> None:
    with pytest.raises(ValueError):
        lock.parse(text)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository that locks the sources of this toolkit."""
    (tmp_path / "src").mkdir()
    (tmp_path / "src/stemma").symlink_to(ROOT / "src/stemma")
    lock.write(tmp_path)
    return tmp_path


def edit(root: Path, old: str, new: str) -> None:
    text = (root / lock.FILE).read_text(encoding="utf-8")
    assert old in text
    (root / lock.FILE).write_text(text.replace(old, new, 1), encoding="utf-8")


def test_a_lock_that_is_the_toolkits_passes_and_is_written_the_same_again(root: Path) -> None:
    before = (root / lock.FILE).stat()
    lock.check(root)
    lock.compare(root)
    assert lock.write(root).rooms == ()
    assert (root / lock.FILE).stat().st_mtime_ns == before.st_mtime_ns


def test_an_edit_of_a_room_that_was_not_locked_stops_a_stage(root: Path) -> None:
    edit(root, rooms.own()["task"], "0" * 16)
    with pytest.raises(
        ToolkitError, match=r"^src/stemma is not what stemma.lock holds \(rooms: task\): run `stemma lock`$"
    ):
        lock.check(root)
    assert lock.write(root).rooms == ()  # its digest with what it imports had not been edited
    lock.check(root)


def test_an_edit_of_what_cannot_change_a_result_stops_nothing_but_the_lock_is_old(root: Path) -> None:
    edit(root, version(root / "src/stemma"), "0.2.0+gffffffffff")
    lock.check(root)
    with pytest.raises(ToolkitError, match=r"^stemma.lock is not that of the toolkit: run `stemma lock`$"):
        lock.compare(root)


def test_a_lock_that_is_not_there_or_holds_the_marks_of_a_merge_is_written_anew(root: Path) -> None:
    whole = (root / lock.FILE).read_text(encoding="utf-8")
    (root / lock.FILE).write_text(f"<<<<<<< ours\n{whole}=======\n{whole}>>>>>>> theirs\n", encoding="utf-8")
    with pytest.raises(ToolkitError, match=r"^stemma.lock cannot be read \(.*\): run `stemma lock`$"):
        lock.check(root)
    (root / "dvc.lock").write_text("<<<<<<< ours\nstages:\n", encoding="utf-8")
    lock.write(root)
    assert (root / lock.FILE).read_text(encoding="utf-8") == whole
    (root / lock.FILE).unlink()
    with pytest.raises(ToolkitError, match=r"^stemma.lock is not there: run `stemma lock`$"):
        lock.check(root)


@pytest.fixture
def vendored(tmp_path: Path) -> Path:
    """A repository that holds a wheel of this very toolkit, and locks it."""
    (tmp_path / "vendor").mkdir()
    (tmp_path / f"vendor/stemma_versions-{version()}-py3-none-any.whl").write_bytes(b"a wheel")
    lock.write(tmp_path)
    return tmp_path


def test_a_wheel_of_the_toolkit_that_runs_is_locked_by_its_path(vendored: Path) -> None:
    assert lock.read(vendored).path == f"vendor/stemma_versions-{version()}-py3-none-any.whl"
    lock.check(vendored)


def test_a_wheel_without_its_pin_with_another_or_that_is_none_is_told_in_a_line(vendored: Path) -> None:
    wheel = lock.read(vendored).path
    with pytest.raises(ToolkitError, match=r"^vendor/stemma\.txt is not there, which says what vendor/.*whl must be$"):
        lock.unpacked(vendored, vendored / "out")
    (vendored / lock.PINNED).write_bytes(b"\xff")
    with pytest.raises(ToolkitError, match=r"^vendor/.*whl is not the wheel that vendor/stemma\.txt names$"):
        lock.unpacked(vendored, vendored / "out")
    (vendored / lock.PINNED).write_text(pin(wheel, b"a wheel"), encoding="utf-8")
    with pytest.raises(ToolkitError, match=r"^vendor/.*whl is no wheel \("):
        lock.unpacked(vendored, vendored / "out")
    assert not (vendored / "out").exists()


def test_another_toolkit_than_the_locked_one_stops_a_stage_even_if_no_room_differs(vendored: Path) -> None:
    edit(vendored, f"version: {version()}", "version: 0.1.0+g0000000000")
    told = f"the toolkit that is installed is {version()}, stemma.lock holds 0.1.0+g0000000000"
    with pytest.raises(ToolkitError, match=re.escape(f"{told}: run `python tasks.py install`")):
        lock.check(vendored)


@pytest.mark.parametrize(
    ("names", "told"),
    [
        ((), "vendor/ holds no wheel of the toolkit: run `git checkout -- vendor`"),
        (
            ("1.0+ga", "1.0+gb"),
            r"vendor/ holds stemma_versions-1.0\+ga-.*.whl, stemma_versions-1.0\+gb-.*.whl: remove all but the one",
        ),
        (("1.0+ga",), "the toolkit that is installed is .*, vendor/ holds stemma_versions-1.0.*: run `python tasks.py"),
    ],
)
def test_a_vendor_folder_without_the_one_wheel_that_runs_is_not_locked(
    names: tuple[str, ...], told: str, tmp_path: Path
) -> None:
    (tmp_path / "vendor").mkdir()
    for name in names:
        (tmp_path / f"vendor/stemma_versions-{name}-py3-none-any.whl").write_bytes(b"a wheel")
    with pytest.raises(ToolkitError, match=told):
        lock.write(tmp_path)
    assert not (tmp_path / lock.FILE).exists()


# In a project that ran.


def stemma(project: Project, *words: str) -> tuple[int, str]:
    """As it is typed where the toolkit of this folder is installed."""
    done = project.run("python", "-m", "stemma.cli", *words, PYTHONPATH="src")
    return done.returncode, done.stdout + done.stderr


def comment(project: Project, file: str) -> None:
    with (project.folder / "src/stemma" / file).open("a", encoding="utf-8") as source:
        source.write("# a comment\n")


@pytest.fixture
def project(torch_project: Project, tmp_path: Path) -> Project:
    return torch_project.copy(tmp_path / "p")


def test_an_edit_stops_the_pipeline_until_it_is_locked_and_a_typo_in_a_message_does_not(project: Project) -> None:
    comment(project, "errors.py")
    assert project.repro() == ["settings"]
    comment(project, "bundle/archive.py")
    done = project.run("dvc", "repro")
    assert "error: src/stemma is not what stemma.lock holds (rooms: bundle): run `stemma lock`\n" in done.stderr
    assert stemma(project, "lock", "--check") == (
        1,
        "error: stemma.lock is not that of the toolkit: run `stemma lock`\n",
    )
    assert "`dvc repro` runs again: package, and what uses their results" in stemma(project, "lock")[1]
    assert project.repro() == ["settings", "package"]


def test_a_change_that_was_proved_to_keep_the_bytes_is_accepted_and_nothing_runs(project: Project) -> None:
    comment(project, "task.py")
    code, told = stemma(project, "lock", "--accept", "task")
    assert code == 0 and "changed: bundle, compress, evaluation, formats" in told and "runs again" not in told
    assert project.ok("dvc", "status") == "Data and pipelines are up to date.\n"
    assert "models/weights" not in project.ok("git", "diff", "--stat")
    assert project.repro() == []


def test_what_is_not_one_proved_change_is_not_accepted(project: Project) -> None:
    before = project.read("dvc.lock"), project.read(lock.FILE)
    assert stemma(project, "lock", "--accept", "task")[1].startswith("error: nothing changed since stemma.lock")
    comment(project, "task.py")
    assert stemma(project, "lock", "--accept", "taks") == (1, "error: there is no room taks (did you mean task?)\n")
    comment(project, "values.py")
    assert (
        "error: task, values changed since stemma.lock was written, not task alone"
        in stemma(project, "lock", "--accept", "task")[1]
    )
    project.ok("git", "checkout", "-q", "--", "src/stemma/values.py")
    with (project.folder / "reports/metrics.json").open("a", encoding="utf-8") as file:
        file.write(" ")
    assert "error: the results are not those of dvc.lock (evaluate" in stemma(project, "lock", "--accept", "task")[1]
    assert (project.read("dvc.lock"), project.read(lock.FILE)) == before
    assert stemma(project, "lock", "--check", "--accept", "task")[0] == 2


@pytest.mark.parametrize("file", ["params.yaml", "models/package/model.zip", "src/stemma/values.py"])
def test_what_is_edited_while_a_change_is_accepted_is_not_accepted_with_it(
    file: str, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    comment(project, "task.py")
    before, changed = project.read("dvc.lock"), tracking.changed

    def edited(*given: Any, **more: Any) -> list[str]:
        found = changed(*given, **more)
        (project.folder / file).chmod(0o644)
        with (project.folder / file).open("a", encoding="utf-8") as opened:
            opened.write("# edited\n" if file.endswith("py") else "more: 1\n")
        return found

    monkeypatch.chdir(project.folder)  # where DVC takes paths from
    monkeypatch.setattr(tracking, "changed", edited)
    with pytest.raises(VersionError, match=r"changed too, so dvc.lock stays as it was: run `dvc repro`"):
        lock.accept(project.folder, "task")
    assert project.read("dvc.lock") == before
