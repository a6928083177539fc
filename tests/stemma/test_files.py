"""Files and folders are the old ones or the new ones."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from stemma.files import recover_folder, replaced, scratch, swapped_folder, write_text


def test_a_file_is_replaced_only_when_the_block_ends_well(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.txt"
    write_text(path, "old\n")
    with pytest.raises(RuntimeError), replaced(path) as partial:
        partial.write_text("half")
        raise RuntimeError
    assert path.read_bytes() == b"old\n"
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


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


HOLD = """
import time
from stemma.files import scratch
with scratch("test"):
    print(end=".", flush=True)
    time.sleep(60)
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
    with scratch("test") as other:
        (tmp_path / "stemma-test.young").mkdir()
        with scratch("test"):
            assert (tmp_path / "stemma-test.young").exists(), "its process may be about to lock it"
