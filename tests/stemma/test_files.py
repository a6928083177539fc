"""Files and folders are the old ones or the new ones."""

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from stemma import files
from stemma.errors import StemmaError, one_line
from stemma.files import check_folder, check_place, recover_folder, replaced, scratch, swapped_folder, write_text


def test_a_file_is_replaced_only_when_the_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old\n")
    with pytest.raises(RuntimeError), replaced(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_bytes() == b"old\n"
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


@pytest.mark.parametrize("path", [Path(), Path("/")])
def test_what_is_always_a_folder_is_told_as_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit), one_line(), replaced(path):
        raise AssertionError("it begins")
    assert capsys.readouterr().err == f"error: {path}: Is a directory\n"


def test_a_user_without_a_home_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", home)
    monkeypatch.delenv("XDG_STATE_HOME", raising=False)
    with pytest.raises(StemmaError, match="set HOME, or XDG_STATE_HOME"):
        files.state_folder()
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    assert files.state_folder() == tmp_path / "stemma"


def test_what_cannot_be_written_is_known_before_the_work(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    check_folder(tmp_path / "new/deep")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]
    for folder in ("file", "file/deep"):
        with pytest.raises(NotADirectoryError):
            check_folder(tmp_path / folder)


def test_a_place_for_a_file_is_told_of_what_it_holds_and_of_no_terminal(tmp_path: Path) -> None:
    (tmp_path / "old.html").touch()
    check_place(tmp_path / "old.html", {"rows": None})
    with pytest.raises(StemmaError, match=r"is no file: name another$"):
        check_place(tmp_path)
    with pytest.raises(StemmaError, match=r"holds the rows: name another file$"):
        check_place(tmp_path / "old.html", {"rows": tmp_path / "old.html"})
    with pytest.raises(StemmaError, match="cannot be written"):
        check_place(tmp_path / "old.html/below.html")


def test_a_folder_is_swapped_whole_or_not_at_all(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for text in ("one", "two"):
        with swapped_folder(folder) as new:
            (new / text).write_text(text)
    with pytest.raises(RuntimeError), swapped_folder(folder) as new:
        (new / "three").write_text("three")
        raise RuntimeError
    assert [file.name for file in folder.iterdir()] == ["two"]
    assert [file.name for file in tmp_path.iterdir()] == ["folder"]


def test_a_swap_cut_between_its_two_moves_brings_the_old_folder_back(tmp_path: Path) -> None:
    (tmp_path / "folder.aside").mkdir()
    (tmp_path / "folder.aside" / "old").write_text("old")
    recover_folder(tmp_path / "folder")
    assert (tmp_path / "folder" / "old").read_text() == "old"
    assert not (tmp_path / "folder.aside").exists()


def test_a_swap_cut_after_its_second_move_keeps_the_new_folder(tmp_path: Path) -> None:
    for name in ("folder", "folder.aside"):
        (tmp_path / name).mkdir()
    (tmp_path / "folder" / "new").write_text("new")
    recover_folder(tmp_path / "folder")
    assert [path.name for path in tmp_path.iterdir()] == ["folder"]


SWAP_FOREVER = """
import itertools, pathlib, sys
from stemma.files import swapped_folder
for number in itertools.count():
    with swapped_folder(pathlib.Path(sys.argv[1])) as new:
        for part in "ab":
            (new / part).write_text(str(number))
    if number == 0:
        print("begun", flush=True)
"""


@pytest.mark.skipif(os.name == "nt", reason="SIGKILL is of POSIX")
def test_a_kill_at_any_moment_leaves_one_whole_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    for attempt in range(8):
        process = subprocess.Popen([sys.executable, "-c", SWAP_FOREVER, str(folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None and process.stdout.readline() == b"begun\n"
        time.sleep(0.013 * attempt)
        process.send_signal(signal.SIGKILL)
        process.communicate()
        recover_folder(folder)
        assert {(folder / part).read_text() for part in "ab"} != set()
        assert (folder / "a").read_text() == (folder / "b").read_text()


FULL = Path("/dev/full")


@pytest.mark.skipif(not FULL.exists(), reason="only Linux has a device that is full")
@pytest.mark.parametrize("whole", [replaced, swapped_folder])
def test_a_full_disk_is_told_with_what_was_written(
    whole: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit), one_line(), whole(tmp_path / "made"), FULL.open("wb", 0) as full:
        full.write(b"x")
    assert capsys.readouterr().err == f"error: {tmp_path / 'made'}: the disk is full: make room\n"
    assert [*tmp_path.iterdir()] == []


def test_a_copy_that_a_full_disk_does_not_take_is_told_by_its_own_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """As `shutil.copyfile` raises it."""
    with pytest.raises(SystemExit), one_line(), replaced(tmp_path / "copy") as partial:
        raise OSError(errno.ENOSPC, "No space left on device", "table.csv", None, str(partial))
    assert capsys.readouterr().err == f"error: {tmp_path / 'copy'}: the disk is full: make room\n"


HOLD = """
import time
from stemma.files import scratch
with scratch("test"):
    print(end=".", flush=True)
    time.sleep(600)
"""


@pytest.mark.skipif(os.name == "nt", reason="Windows has no lock of a folder")
def test_a_temporary_folder_goes_with_the_next_of_its_kind_once_its_process_is_killed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    with subprocess.Popen([sys.executable, "-c", HOLD], env=environment, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None and process.stdout.read(1) == b"."
        (left,) = tmp_path.iterdir()
        (left / "file").write_text("x")
        os.utime(left, (0, 0))
        with scratch("test") as other:
            assert {*tmp_path.iterdir()} == {left, other}, "it is held"
        process.kill()
    with scratch("other"):
        assert left.exists()
    with scratch("test", tmp_path.parent) as elsewhere:
        assert left.exists() and elsewhere.parent.samefile(tmp_path.parent)
    with scratch("test") as other:
        assert {*tmp_path.iterdir()} == {other}


def older(path: Path) -> None:
    """As if it was left long ago."""
    os.utime(path, (0, 0), follow_symlinks=False)


@pytest.fixture
def left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """How a temporary folder of this machine begins."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with scratch("test") as made:
        return made.with_suffix(".x")


@pytest.mark.skipif(os.name == "nt", reason="Windows has no lock of a folder")
def test_a_temporary_folder_that_may_be_in_use_stays(left: Path, tmp_path: Path) -> None:
    left.mkdir()
    other = tmp_path / "stemma-test.another0.x"
    other.mkdir()
    older(other)
    with scratch("test"):
        assert left.exists(), "its process may be about to lock it"
        assert other.exists(), "its lock is not seen here"
    older(left)
    with scratch("test"):
        assert not left.exists() and other.exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no lock of a folder")
@pytest.mark.parametrize("what", ["pipe", "file", "link", "another user's"])
def test_what_only_has_the_name_of_a_temporary_folder_is_neither_waited_for_nor_removed(
    what: str, left: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "kept").mkdir()
    older(tmp_path / "kept")
    match what:
        case "pipe":
            os.mkfifo(left)
        case "file":
            left.touch()
        case "link":
            left.symlink_to(tmp_path / "kept")
        case _:
            left.mkdir()
            monkeypatch.setattr("os.geteuid", lambda: os.getuid() + 1)
    older(left)
    signal.alarm(20)  # ends what waits for a pipe
    with scratch("test"):
        assert left.exists()
    signal.alarm(0)
    assert (tmp_path / "kept").exists()


@pytest.mark.skipif(os.name == "nt", reason="Windows has no lock of a folder")
def test_a_disk_without_locks_has_temporary_folders(left: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", refuse)
    left.mkdir()
    older(left)
    with scratch("test") as folder:
        (folder / "file").touch()
        assert left.exists()
    assert not folder.exists()
