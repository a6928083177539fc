"""Rollback: back to a version, proven by hash, or nothing moved; completed or undone after a kill at any moment."""

import contextlib
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner, Result

from killed import CHANGED, MINE, V1, V2, back, counted, healed, killed_after, killed_at, state, states_of, two_versions
from s3 import Server
from stemma import rollback
from stemma.errors import VersionError
from stemma.repo import journal, locks, places
from stemma.repo.git import blob_ids
from timing import HANGS
from version_worlds import World, changed, new, parts

posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="kill -9 of a forked process")


@pytest.fixture(scope="session")
def two(tmp_path_factory: pytest.TempPathFactory) -> World:
    return two_versions(tmp_path_factory.mktemp("two") / "a pläce")


@pytest.fixture
def world(two: World, tmp_path: Path) -> World:
    return two.copy(tmp_path / "a pläce")


@pytest.fixture(scope="session")
def states(two: World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    return states_of(two, tmp_path_factory.mktemp("plain") / "a pläce")


def is_at(world: World, states: dict[str, dict[str, str]], name: str) -> bool:
    return state(world) == states[name]


def cli(world: World, *arguments: str) -> Result:
    from stemma.cli.words import app
    from stemma.errors import one_line

    with contextlib.chdir(world.folder):
        done = CliRunner().invoke(app, ["rollback", *arguments])
    if isinstance(done.exception, VersionError):
        with contextlib.suppress(SystemExit), one_line():
            raise done.exception
    return done


def test_a_rollback_restores_what_the_plain_way_restores(world: World, states: dict[str, dict[str, str]]) -> None:
    head = world.ok("git", "rev-parse", "HEAD")
    done = rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V1)
    assert world.ok("git", "rev-parse", "HEAD") == head
    assert world.ok("git", "write-tree") == world.ok("git", "rev-parse", f"{V1}^{{tree}}")
    assert done.made is None
    assert world.ok("git", "diff", "--name-only") == ""
    assert done.verified > 5
    assert {move.path for move in done.moves} >= {
        "notes/old page.md",
        "notes/new page.md",
        "src/é à.py",
        "data/raw/ä b.csv",
    }
    assert journal.read(world.folder) is None
    assert not (world.folder / ".git/index.lock").exists()


def test_history_goes_forward(world: World, states: dict[str, dict[str, str]]) -> None:
    head = world.ok("git", "rev-parse", "HEAD")
    done = rollback.roll_back(world.folder, V1, commit=True)
    assert world.ok("git", "rev-parse", "HEAD") == done.made
    assert world.ok("git", "rev-parse", "HEAD^") == head
    assert world.ok("git", "branch", "--show-current") == "main"
    assert world.ok("git", "log", "-1", "--format=%s") == f"Roll back to {V1}"
    assert world.ok("git", "log", "-1", "--format=%(trailers:key=Stemma-Rollback-To,valueonly)") == done.commit
    assert world.ok("git", "status", "--porcelain") == ""
    again = rollback.roll_back(world.folder, V2, commit=True)
    assert is_at(world, states, V2)
    assert world.ok("git", "rev-parse", "HEAD^") == done.made != again.made


def test_what_dvc_exp_save_puts_into_git_is_kept_by_dvc_alone(world: World, states: dict[str, dict[str, str]]) -> None:
    world.write(".dvc/tmp/repro.dat", "of `dvc exp save`")
    world.git("add", "-f", "models/weights", ".dvc/tmp/repro.dat")
    world.git("commit", "-qm", "saved")
    world.git("tag", "saved")
    for target, name in ((V1, V1), ("saved", V2), (V1, V1)):
        rollback.roll_back(world.folder, target, commit=True)
        assert is_at(world, states, name)
        assert world.git("ls-files", "models", ".dvc/tmp") == "", "the next `dvc repro` would refuse them"
        assert world.git("status", "--porcelain") == ""
    rollback.roll_back(world.folder, "saved", whole=True, commit=True)
    assert is_at(world, states, V2) and world.git("ls-files", "models") == ""
    rollback.roll_back(world.folder, V1, commit=True)
    rollback.roll_back(world.folder, "saved")
    assert is_at(world, states, V2) and world.git("ls-files", "models") == ""


def test_nothing_is_done_where_nothing_differs(world: World, states: dict[str, dict[str, str]]) -> None:
    head = world.ok("git", "rev-parse", "HEAD")
    done = rollback.roll_back(world.folder, "HEAD", commit=True)
    assert done.moves == () and done.made is None
    assert world.ok("git", "rev-parse", "HEAD") == head
    assert is_at(world, states, V2)


def test_a_dry_run_touches_nothing(world: World) -> None:
    world.empty_cache()
    before = {path: path.stat().st_mtime_ns for path in (world.folder / ".git").rglob("*") if path.is_file()}
    files = state(world)
    done = cli(world, V1, "--dry-run")
    assert done.exit_code == 0, done.output
    assert "src/é à.py" in done.output and "from the remote" in done.output and "notes/new page.md" in done.output
    assert state(world) == files
    assert {path: path.stat().st_mtime_ns for path in (world.folder / ".git").rglob("*") if path.is_file()} == before
    assert not world.cache.exists()
    plan = json.loads(cli(world, V1, "--dry-run", "--json").output)
    weights = next(move for move in plan["moves"] if move["path"].startswith("models/weights/") and move["fetch"])
    assert weights["size"] == (world.folder / weights["path"]).stat().st_size
    assert plan["blockers"] == [] and plan["fetch"]


def test_what_the_cache_lacks_is_fetched_and_what_goes_is_kept(world: World, states: dict[str, dict[str, str]]) -> None:
    world.empty_cache()
    rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V1)
    shutil.rmtree(world.remote)  # the way back needs the cache alone
    world.git("commit", "-qm", "Roll back")
    rollback.roll_back(world.folder, V2)
    assert is_at(world, states, V2)


def test_the_plain_way_works_after_it_too(world: World, states: dict[str, dict[str, str]]) -> None:
    rollback.roll_back(world.folder, V1, commit=True)
    assert world.ok("dvc", "status", "-q") == ""
    world.ok("git", "checkout", "-q", V2)
    world.ok("dvc", "checkout", "-q")
    assert is_at(world, states, V2)


def test_a_dvc_that_was_killed_in_its_index_does_no_harm(world: World, states: dict[str, dict[str, str]]) -> None:
    from dvc.repo import Repo
    from dvc_data.index import DataIndexEntry, Meta

    with Repo(str(world.folder)) as repo, repo.switch(V1):
        prefix = ("tree", repo.index.data_tree.hash_info.value, "repo", "models")
        repo.data_index[prefix] = DataIndexEntry(key=("models",), meta=Meta(isdir=True), loaded=True)
        repo.data_index.commit()  # `dvc checkout` of this version now removes its outputs
    rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V1)


def test_outputs_that_were_removed_come_back(world: World, states: dict[str, dict[str, str]]) -> None:
    shutil.rmtree(world.folder / "models/export")
    (world.folder / "reports/predictions.parquet").unlink()
    rollback.roll_back(world.folder, "HEAD")
    assert is_at(world, states, V2)


def test_an_output_that_may_be_run_may_be_run_again(world: World) -> None:
    file = world.folder / "data/raw/ä b.csv.dvc"
    text = yaml.safe_load(file.read_text())
    text["outs"][0]["isexec"] = True
    file.write_text(yaml.safe_dump(text))
    there = world.commit("runs")
    world.ok("git", "checkout", "-q", V1)
    world.ok("dvc", "checkout", "-q")
    rollback.roll_back(world.folder, there)
    assert os.access(world.folder / "data/raw/ä b.csv", os.X_OK)


def a_changed_object(world: World) -> str:
    """The MD5 of a weights file that only the first version has."""
    with contextlib.chdir(world.folder):
        plan = rollback.plan(world.folder, V1)
    path = next(
        move.path for move in plan.moves if move.path.startswith("models/weights/") and move.change == "modified"
    )
    return plan._new.files[path]


def test_a_missing_object_is_named_and_the_tree_is_left_alone(world: World) -> None:
    md5 = a_changed_object(world)
    world.object(md5).unlink()
    (world.remote / "files/md5" / md5[:2] / md5[2:]).unlink()
    files = state(world)
    with pytest.raises(
        VersionError, match=r"1 object of .* is neither whole in the cache nor in remote 'disk' .*models/w"
    ):
        rollback.roll_back(world.folder, V1)
    assert state(world) == files
    assert world.ok("git", "status", "--porcelain") == ""
    assert journal.read(world.folder) is None


def test_what_a_folder_without_its_listing_would_hold_is_not_told_to_go(world: World) -> None:
    with contextlib.chdir(world.folder):
        md5 = rollback.plan(world.folder, V1)._new.folders["models/weights"]
    world.object(md5).unlink()
    (world.remote / "files/md5" / md5[:2] / md5[2:]).unlink()
    plan = json.loads(cli(world, V1, "--dry-run", "--json").output)
    assert "models/weights" in plan["blockers"][0]
    assert [move for move in plan["moves"] if move["path"].startswith("models/weights/")] == []


def test_a_missing_object_is_named_where_there_is_no_remote(world: World) -> None:
    world.object(a_changed_object(world)).unlink()
    world.ok("dvc", "remote", "remove", "disk")
    world.commit("no remote")
    with pytest.raises(VersionError, match="is not whole in the cache, and no remote is configured"):
        rollback.roll_back(world.folder, V1)


@pytest.mark.parametrize("remote", ["whole", "flipped too"])
def test_a_flipped_byte_in_the_cache_is_caught(world: World, states: dict[str, dict[str, str]], remote: str) -> None:
    md5 = a_changed_object(world)
    flip(world.object(md5))
    if remote == "whole":
        rollback.roll_back(world.folder, V1)
        assert is_at(world, states, V1)
        assert hashlib.md5(world.object(md5).read_bytes(), usedforsecurity=False).hexdigest() == md5
        return
    flip(world.remote / "files/md5" / md5[:2] / md5[2:])
    with pytest.raises(VersionError, match=r"models/weights/.* cannot be fetched .*damaged"):
        rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V2)
    assert journal.read(world.folder) is None


def test_a_server_that_stops_in_the_middle_of_the_fetch_changes_nothing(
    world: World, states: dict[str, dict[str, str]], s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write(".dvc/config.local", "[core]\n    remote = s3\n['remote \"s3\"']\n    url = s3://rolling\n")
    shutil.copytree(world.remote / "files", s3.bucket("rolling") / "files")
    shutil.rmtree(world.remote)
    world.empty_cache()
    fetched = [move for move in rollback.plan(world.folder, V1).moves if move.fetch]
    assert fetched and all(move.size for move in fetched)
    real, count = places.copy, iter(range(1000))

    def stopping(*arguments: Any) -> None:
        if next(count) == 2:
            s3.stop()
        real(*arguments)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(places, "copy", stopping)
            told = r"of model@v1.0.0 cannot be fetched \(remote 's3' .*(nothing answers|broke off).*; nothing was moved"
            with pytest.raises(VersionError, match=told):
                rollback.roll_back(world.folder, V1)
    finally:
        s3.start()
    assert is_at(world, states, V2)
    assert journal.read(world.folder) is None
    rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V1)


def test_a_full_disk_under_the_cache_changes_nothing(
    world: World, states: dict[str, dict[str, str]], small_disk: Path
) -> None:
    world.write(".dvc/config.local", f"[cache]\n    dir = {small_disk}\n")
    (small_disk / "filler").write_bytes(bytes(56_000))
    with pytest.raises(VersionError, match="the disk is full: make room"):
        rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V2)
    assert journal.read(world.folder) is None
    (small_disk / "filler").unlink()


def flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def test_a_byte_that_flips_while_it_is_copied_is_caught(
    world: World, states: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stemma.rollback import steps

    real = steps.data

    def flipping(*arguments: Any) -> object:
        done = real(*arguments)
        flip(world.folder / "models/weights/packed/output.safetensors")
        return done

    monkeypatch.setattr(steps, "data", flipping)
    with pytest.raises(VersionError, match=r"1 restored file is not what the version says .models/weights/packed"):
        rollback.roll_back(world.folder, V1)
    monkeypatch.undo()
    rollback.abort(world.folder)
    assert is_at(world, states, V2)


def test_what_is_not_committed_is_refused(world: World) -> None:
    world.write("src/é à.py", "mine\n")
    done = cli(world, V1)
    assert done.exit_code == 1
    with pytest.raises(
        VersionError, match=r"1 file changed since HEAD \(src/é à.py\): commit, or run `stemma rollback"
    ):
        rollback.roll_back(world.folder, V1)
    world.ok("git", "checkout", "-q", ".")
    (world.folder / "models/export/model.onnx").write_bytes(b"mine")
    with pytest.raises(VersionError, match=r"1 file changed since HEAD \(models/export\)"):
        rollback.roll_back(world.folder, V1)


def test_a_stash_comes_back(world: World, states: dict[str, dict[str, str]]) -> None:
    world.write("src/é à.py", "mine\n")
    (world.folder / "models/export/model.onnx").write_bytes(b"mine")
    files = state(world)
    done = cli(world, V1, "--stash", "--commit")
    assert done.exit_code == 0, done.output
    assert is_at(world, states, V1)
    assert "git stash branch mine, then dvc checkout" in done.output
    world.ok("git", "stash", "branch", "mine")
    world.ok("dvc", "checkout", "-q")
    now = state(world)
    assert {path for path in files if now.get(path) != files[path]} == {"dvc.lock"}  # it pins the changed output now
    assert (world.folder / "models/export/model.onnx").read_bytes() == b"mine"


def test_untracked_files_in_the_way_are_kept_or_identical(world: World, states: dict[str, dict[str, str]]) -> None:
    world.write("notes/old page.md", "Mine.\n")
    with pytest.raises(VersionError, match=r"1 file that no version keeps is in the way \(notes/old page.md\)"):
        rollback.roll_back(world.folder, V1)
    assert (world.folder / "notes/old page.md").read_text() == "Mine.\n"
    world.write("notes/old page.md", "Old.\n")
    rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V1)


def test_what_is_no_version_is_refused(world: World, tmp_path: Path) -> None:
    for name, told in (
        ("model@v9.0.0", "no revision is named"),
        ("workspace", "the workspace is no version"),
        ("HEAD~2", r"HEAD~2 holds no model .*run `stemma log`"),
    ):
        with pytest.raises(VersionError, match=told):
            rollback.roll_back(world.folder, name)
    with pytest.raises(VersionError, match="is not in a DVC repository"):
        rollback.roll_back(tmp_path, V1)
    (world.folder / ".git/MERGE_HEAD").write_text(world.ok("git", "rev-parse", "HEAD") + "\n")
    with pytest.raises(VersionError, match="a merge is in progress: finish it, or run `git merge --abort`"):
        rollback.roll_back(world.folder, V1)
    world.write("dvc.lock", "<<<<<<< HEAD\na: 1\n=======\na: 2\n>>>>>>> theirs\n")  # which DVC cannot read
    with pytest.raises(VersionError, match="a merge is in progress"):
        rollback.roll_back(world.folder, V1)


def test_an_output_that_a_version_does_not_have_goes(world: World, states: dict[str, dict[str, str]]) -> None:
    lock = yaml.safe_load((world.folder / "dvc.lock").read_text())
    del lock["stages"]["package"]
    (world.folder / "models/package/model.zip").unlink()
    world.write("dvc.lock", yaml.safe_dump(lock, sort_keys=False))
    bare = world.commit("no package")
    rollback.roll_back(world.folder, V1, commit=True)
    assert is_at(world, states, V1)
    rollback.roll_back(world.folder, bare)
    assert not (world.folder / "models/package").exists()


def test_the_environment_that_differs_is_told_with_its_command(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import platform

    monkeypatch.setattr(platform, "python_version", lambda: "3.9.1")
    done = cli(world, V1)
    assert "the environment differs from the recorded one (python 3.11 there, 3.9 here" in done.output
    assert "recreate it: pip install numpy==2.4.6 onnxruntime==1.31.1 torch==2.13.0" in done.output
    assert f'staged, not committed: git commit -m "Roll back to {V1}"' in done.output


def test_a_stage_goes_back_alone(world: World) -> None:
    world.tag("model#prod#1", f"{V1}^{{commit}}")
    world.tag("model#prod#2", f"{V2}^{{commit}}")
    files = state(world)
    assert "prod would go back to v1.0.0" in cli(world, "--stage", "prod", "--dry-run").output
    planned = json.loads(cli(world, "--stage", "prod", "--dry-run", "--json").output)
    assert planned == {"stage": "prod", "version": "v1.0.0"}
    for wrong, message in (("nonsense", "no version is named 'nonsense'"), (V2, "model@v1.1.0 is in prod already")):
        assert message in str(cli(world, wrong, "--stage", "prod", "--dry-run").exception)
    done = cli(world, "--stage", "prod", "-m", "Too many false alarms")
    assert done.exit_code == 0, done.output
    assert "RolledBack" in done.output
    assert state(world) == files
    assert world.ok("git", "rev-parse", "model#prod#3^{commit}") == world.ok("git", "rev-parse", f"{V1}^{{commit}}")
    assert "Stemma-Event: RolledBack" in world.ok("git", "tag", "-l", "--format=%(contents)", "model#prod#3")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "name a version"),
        (("--abort", "HEAD"), "it stands alone"),
        (("--stage", "prod", "--commit"), "no file changes with --stage"),
        (("HEAD", "--push"), "it goes with --stage"),
        (("--stage", "prod", "--md"), "there is no table with --stage"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(world: World, arguments: tuple[str, ...], told: str) -> None:
    done = cli(world, *arguments)
    assert done.exit_code == 2
    assert told in done.output


# Locks.


def test_a_full_disk_below_dvc_s_own_notes_is_one_line(
    world: World, small_disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(small_disk))
    (small_disk / "filler").write_bytes(bytes(56_000))
    with pytest.raises(VersionError, match=r"or DVC's site cache: .*full"):
        rollback.plan(world.folder, V1)


@pytest.mark.slow
def test_dvc_s_lock_names_its_holder(world: World) -> None:
    (world.folder / ".dvc/tmp").mkdir(exist_ok=True)
    lines = (
        "from dvc.repo import Repo, lock_repo",
        "repo = Repo()",
        "with lock_repo(repo): print(1, flush=True); input()",
    )
    script = "\n".join(lines)
    holder = subprocess.Popen(
        [sys.executable, "-c", script], cwd=world.folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE
    )
    try:
        assert holder.stdout is not None and holder.stdout.readline()
        with pytest.raises(VersionError, match=rf"is in use by process {holder.pid} \(.*lock_repo"):
            rollback.roll_back(world.folder, V1)
    finally:
        holder.kill()
        holder.communicate()


def test_a_stage_that_runs_is_named(world: World) -> None:
    noted = {"write": {"x": {"pid": os.getppid(), "cmd": "dvc repro"}}, "read": {}}
    world.write(".dvc/tmp/rwlock", json.dumps(noted))
    with pytest.raises(VersionError, match=rf"is in use by process {os.getppid()} \(dvc repro\)"):
        rollback.roll_back(world.folder, V1)


def test_a_git_lock_that_nobody_holds_is_told_with_its_remedy(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_FOR_GIT", 0.2)
    files = state(world)
    world.write(".git/index.lock", b"")
    with pytest.raises(VersionError, match=r"index.lock is there, and no git command runs here.*run `rm"):
        rollback.roll_back(world.folder, V1)
    assert state(world) == files
    assert journal.read(world.folder) is None


def test_git_waits_while_a_rollback_moves_files(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from stemma.rollback import steps

    real, said = steps.data, []

    def trying(*arguments: Any) -> object:
        said.append(world.run("git", "add", "-A").stderr)
        return real(*arguments)

    monkeypatch.setattr(steps, "data", trying)
    rollback.roll_back(world.folder, V1)
    assert "index.lock': File exists" in said[0]


# Kills.


@pytest.mark.skipif(os.name == "nt", reason="such names cannot be there")
def test_git_hashes_files_of_any_name(tmp_path: Path) -> None:
    subprocess.run(["git", "init", "-q", tmp_path], check=True)
    names = ["plain.md", '"quoted" page.md', "ends with return\r", "two\nlines", "back\\slash", "Käufer"]
    for number, name in enumerate(names):
        (tmp_path / name).write_text(f"{number}\n", encoding="utf-8")
    alone = {
        name: subprocess.check_output(["git", "hash-object", "--", name], cwd=tmp_path, text=True).strip()
        for name in names
    }
    assert blob_ids(tmp_path, [*names, "not there"]) == alone


WRITES = (  # the Git commands of a rollback that write, in order; bench/kills.py kills inside of them too
    "update-index", "read-tree, as a trial", "update-index", "read-tree", "update-index", "commit-tree", "update-ref",
)  # fmt: skip


@posix
@pytest.mark.parametrize("number", range(1, len(WRITES) + 1))
@pytest.mark.parametrize(("call", "way"), [("before", "completed"), ("after", "undone")])
@pytest.mark.slow
def test_a_rollback_that_was_killed_beside_a_git_write_is_completed_or_undone(
    world: World, states: dict[str, dict[str, str]], tmp_path: Path, number: int, call: str, way: str
) -> None:
    head = world.ok("git", "rev-parse", "HEAD")
    assert killed_at(tmp_path / "bin", number, call, back(world))
    healed(world, states, head, way, back(world))


@posix
def test_a_rollback_writes_by_git_as_often_as_is_tested(world: World, tmp_path: Path) -> None:
    assert not killed_at(tmp_path / "bin", len(WRITES) + 1, "before", back(world))
    assert counted(tmp_path / "bin") == len(WRITES)


@posix
@pytest.mark.parametrize("way", ["completed", "undone"])
@pytest.mark.parametrize("number", [1, 3, 4])
@pytest.mark.slow
def test_an_abort_that_was_killed_is_completed_or_the_rollback_is(
    world: World, states: dict[str, dict[str, str]], tmp_path: Path, number: int, way: str
) -> None:
    head = world.ok("git", "rev-parse", "HEAD")
    assert killed_at(tmp_path / "bin", len(WRITES), "after", back(world))
    assert killed_at(tmp_path / "bin", number, "after", lambda: rollback.abort(world.folder))
    healed(world, states, head, way, back(world))


@posix
def test_a_file_that_was_written_again_within_the_second_is_not_taken_for_the_old_one(
    world: World, states: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = world.folder / "data/raw/ä b.csv.dvc"
    newer = file.read_bytes()
    dies(monkeypatch, "code", back(world))
    assert len(newer) == file.stat().st_size
    written = file.stat()
    file.write_bytes(newer)
    os.utime(file, ns=(written.st_atime_ns, written.st_mtime_ns))
    world.ok("git", "config", "core.trustctime", "false")  # which nobody can set
    index = world.folder / ".git/index"
    os.utime(index, (index.stat().st_atime + 5, index.stat().st_mtime + 5))  # else Git knows that it must look again
    rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V1)


@posix
def test_what_a_killed_stash_left_in_git_s_folder_is_removed(
    world: World, states: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(locks, "SETTLED", 0.1)
    head = world.ok("git", "rev-parse", "HEAD")
    world.write(CHANGED, MINE)
    dies(monkeypatch, "stash", back(world, stash=True), after=False)
    for name in ("index.stash.4711", "index.stash.4711.lock"):
        world.write(f".git/{name}", b"")
    healed(world, states, head, "completed", back(world, stash=True))
    assert not list((world.folder / ".git").glob("index.stash*"))


STEPS = ("code", "data", "verify", "commit")


@posix
@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("way", ["completed", "undone"])
@pytest.mark.slow
def test_a_kill_right_after_a_step(
    world: World, states: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, step: str, way: str
) -> None:
    from stemma.rollback import steps

    head = world.ok("git", "rev-parse", "HEAD")
    real = getattr(steps, step)

    def last(*arguments: object, **more: object) -> None:
        real(*arguments, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    monkeypatch.setattr(steps, step, last)
    assert killed_after(HANGS, lambda: rollback.roll_back(world.folder, V1, commit=True))
    monkeypatch.undo()
    waiting = journal.read(world.folder)
    assert waiting is not None
    with pytest.raises(VersionError, match=rf"a rollback to {V1} was cut short .*or `stemma rollback --abort`"):
        rollback.roll_back(world.folder, V2)
    if way == "completed":
        assert "completed: restored" in cli(world, V1).output
        assert is_at(world, states, V1)
        assert world.ok("git", "rev-parse", "HEAD^") == head
    else:
        assert "undone: the rollback" in cli(world, "--abort").output
        assert is_at(world, states, V2)
        assert world.ok("git", "rev-parse", "HEAD") == head
    assert world.ok("git", "status", "--porcelain") == ""
    assert journal.read(world.folder) is None


@posix
def test_what_was_written_after_a_kill_is_kept_aside(
    world: World, states: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    from stemma.rollback import steps

    monkeypatch.setattr(steps, "data", lambda *_, **__: os.kill(os.getpid(), signal.SIGKILL))
    assert killed_after(HANGS, lambda: rollback.roll_back(world.folder, V1))
    monkeypatch.undo()
    world.write("src/é à.py", "mine\n")
    world.write("models/export/mine.txt", "mine too\n")
    world.write("data/raw/.5kqHUMmc2S2eh4RxfSxa-w.tmp", "half of a fi")  # what DVC writes to before it renames
    done = rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V1)
    assert set(done.aside) == {"src/é à.py", "models/export/mine.txt"}
    assert (Path(str(done.saved)) / "src/é à.py").read_text() == "mine\n"


def test_there_is_nothing_to_abort_without_a_kill(world: World) -> None:
    with pytest.raises(VersionError, match="no rollback was cut short"):
        rollback.abort(world.folder)


@posix
@pytest.mark.parametrize("moment", ["before", "after"])
@pytest.mark.slow
def test_a_kill_around_the_stash_loses_nothing(
    world: World, states: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, moment: str
) -> None:
    from stemma.rollback import steps

    real = steps.git

    def dying(root: Path, *words: str, **more: str) -> bytes:
        if words[:2] != ("stash", "push"):
            return real(root, *words, **more)
        if moment == "after":
            real(root, *words)
        os.kill(os.getpid(), signal.SIGKILL)
        return b""

    world.write("src/é à.py", "mine\n")
    (world.folder / "models/export/model.onnx").write_bytes(b"mine")
    monkeypatch.setattr(steps, "git", dying)
    assert killed_after(HANGS, lambda: rollback.roll_back(world.folder, V1, stash=True))
    monkeypatch.undo()
    done = rollback.roll_back(world.folder, V1, stash=True)
    assert is_at(world, states, V1)
    assert done.aside == ()
    assert done.stash is not None
    world.ok("git", "reset", "-q", "--hard")
    world.ok("git", "stash", "branch", "mine")
    world.ok("dvc", "checkout", "-q")
    assert (world.folder / "src/é à.py").read_text() == "mine\n"
    assert (world.folder / "models/export/model.onnx").read_bytes() == b"mine"


@pytest.mark.parametrize("whole", [False, True])
def test_a_project_in_a_folder_of_a_larger_repository(tmp_path: Path, whole: bool) -> None:
    world = new(tmp_path / "large repo" / "projéct")
    shutil.move(world.folder / ".git", world.folder.parent / ".git")
    world.commit("into a folder")
    first = parts()
    world.write("../other/ä.txt", "1\n")
    world.git("add", "-A", "..")
    old = world.version("first", first)
    before = state(world)
    world.write("../other/ä.txt", "2\n")
    world.write("../other/b.txt", "2\n")
    world.git("add", "-A", "..")
    world.version("second", first.but(tensors=changed(first.tensors, "output.bias")))
    after = state(world)
    rollback.roll_back(world.folder, old, commit=True, whole=whole)
    assert state(world) == before != after
    assert (world.folder / "../other/ä.txt").read_text() == ("1\n" if whole else "2\n")
    assert (world.folder / "../other/b.txt").exists() is not whole
    assert world.ok("git", "status", "--porcelain") == ""


def test_a_link_is_proven_by_its_object(world: World, states: dict[str, dict[str, str]]) -> None:
    world.ok("dvc", "config", "--local", "cache.type", "hardlink")
    rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V1)
    index = next((world.folder / "models/weights").glob("*.json"))
    assert index.stat().st_nlink > 1


def test_a_file_where_a_stage_that_has_not_run_would_put_its_output_is_kept(world: World) -> None:
    pipeline = yaml.safe_load((world.folder / "dvc.yaml").read_text())
    here = world.ok("git", "rev-parse", "HEAD")
    world.write(
        "dvc.yaml", yaml.safe_dump({"stages": pipeline["stages"] | {"new": {"cmd": "true", "outs": ["mine.bin"]}}})
    )
    world.write(".gitignore", (world.folder / ".gitignore").read_text() + "/mine.bin\n")
    later = world.commit("a stage that has not run")
    world.ok("git", "checkout", "-q", here)
    world.write("mine.bin", "mine\n")
    with pytest.raises(VersionError, match=r"in the way \(mine.bin\)"):
        rollback.roll_back(world.folder, later)
    assert (world.folder / "mine.bin").read_text() == "mine\n"


# What a person has that no version keeps, around a kill.


def dies(monkeypatch: pytest.MonkeyPatch, step: str, work: Callable[[], object], *, after: bool = True) -> None:
    """Kill a rollback right before or after one of its steps."""
    from stemma.rollback import steps

    real = getattr(steps, step)

    def last(*arguments: object, **more: object) -> None:
        if after:
            real(*arguments, **more)
        os.kill(os.getpid(), signal.SIGKILL)

    with monkeypatch.context() as patch:
        patch.setattr(steps, step, last)
        assert killed_after(HANGS, work)


@posix
def test_an_untracked_file_that_was_there_before_is_there_after_an_abort(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("notes/old page.md", "Old.\n")
    before = state(world)
    dies(monkeypatch, "code", lambda: rollback.roll_back(world.folder, V1))
    rollback.abort(world.folder)
    assert state(world) == before
    assert world.ok("git", "status", "--porcelain") == '?? "notes/old page.md"'


@posix
def test_an_abort_before_the_stash_was_made_leaves_what_is_not_committed(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.write("src/mine.py", "mine\n")
    world.ok("git", "add", "src/mine.py")
    world.write("src/é à.py", "edited\n")
    before, status = state(world), world.ok("git", "status", "--porcelain")
    dies(monkeypatch, "stash", lambda: rollback.roll_back(world.folder, V1, stash=True), after=False)
    assert rollback.abort(world.folder).undone
    assert state(world) == before
    assert world.ok("git", "status", "--porcelain") == status


@posix
@pytest.mark.parametrize("name", ["mine.py", "two\nlines", os.fsdecode(b"caf\xe9")])
def test_a_file_that_was_staged_after_a_kill_is_kept_aside(
    world: World, states: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    dies(monkeypatch, "code", lambda: rollback.roll_back(world.folder, V1), after=False)
    (world.folder / ".git/index.lock").unlink()
    (world.folder / name).write_text("mine\n")
    world.ok("git", "add", name)
    done = rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V1)
    assert done.aside == (name,)
    assert (Path(str(done.saved)) / name).read_text() == "mine\n"


@posix
def test_the_same_relative_name_completes_though_the_commit_was_made(
    world: World, states: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    dies(monkeypatch, "commit", lambda: rollback.roll_back(world.folder, "HEAD~1", commit=True))
    assert rollback.roll_back(world.folder, "HEAD~1", commit=True).completed
    assert is_at(world, states, V1)
    assert world.ok("git", "rev-list", "--count", "HEAD") == "4"


@posix
def test_an_abort_that_gives_up_leaves_no_lock(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    dies(monkeypatch, "code", lambda: rollback.roll_back(world.folder, V1))
    world.ok("git", "update-ref", "HEAD", "HEAD~1")
    with pytest.raises(VersionError, match=r"HEAD moved since .* every file stays as it is"):
        rollback.abort(world.folder)
    assert not (world.folder / ".git/index.lock").exists()


@posix
@pytest.mark.parametrize("way", [(V1, "--commit"), ("--abort",)])
@pytest.mark.parametrize(("step", "after", "left"), [
    ("commit", False, ["HEAD", "refs/heads/main"]),
    ("commit", True, ["HEAD", "ORIG_HEAD"]),
    ("stash", False, ["index", "refs/stash"]),
])  # fmt: skip
@pytest.mark.slow
def test_locks_that_a_killed_git_command_left_are_in_nobody_s_way(
    world: World, states: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, way: tuple[str, ...], step: str,
    after: bool, left: list[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(locks, "SETTLED", 0.1)
    mine = step == "stash"
    if mine:
        world.write("src/é à.py", "mine\n")
    dies(monkeypatch, step, lambda: rollback.roll_back(world.folder, V1, commit=True, stash=mine), after=after)
    for name in left:
        world.write(f".git/{name}.lock", b"")
    assert cli(world, *way).exit_code == 0
    assert not [name for name in left if (world.folder / f".git/{name}.lock").exists()]
    if not mine:
        assert is_at(world, states, V1 if V1 in way else V2)
        assert world.ok("git", "status", "--porcelain") == ""


@posix
def test_a_lock_that_a_git_command_may_hold_stays(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(locks, "WAIT_FOR_GIT", 0.3)
    dies(monkeypatch, "commit", lambda: rollback.roll_back(world.folder, V1, commit=True), after=False)
    world.write(".git/HEAD.lock", b"")
    os.utime(world.folder / ".git/HEAD.lock", (0, 0))
    with subprocess.Popen(["git", "cat-file", "--batch"], cwd=world.folder, stdin=subprocess.PIPE) as running:
        with pytest.raises(VersionError, match=rf"in use by process {running.pid} \(git cat-file --batch\)"):
            rollback.abort(world.folder)
        assert running.stdin is not None
        running.stdin.close()
    assert (world.folder / ".git/HEAD.lock").exists()
    rollback.abort(world.folder)
    assert not (world.folder / ".git/HEAD.lock").exists()


# Others at work.


@pytest.mark.slow
def test_another_rollback_meanwhile_touches_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    from stemma.rollback import steps

    world.write(".dvc/config", (world.folder / ".dvc/config").read_text() + "    verify = true\n")
    world.commit("other settings")
    real, said = steps.data, []

    def trying(*arguments: Any, **more: Any) -> object:
        said.append(world.run("stemma", "rollback", "--abort"))
        return real(*arguments, **more)

    monkeypatch.setattr(steps, "data", trying)
    rollback.roll_back(world.folder, V1, commit=True)
    assert said[0].returncode == 1 and f"is in use by process {os.getpid()}" in said[0].stderr
    assert world.ok("git", "status", "--porcelain") == ""


@pytest.mark.parametrize("stash", [False, True])
def test_a_commit_that_is_made_meanwhile_stops_it_before_the_first_move(
    world: World, states: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch, stash: bool
) -> None:
    from stemma.rollback import steps

    real = steps.fetch

    def slow(*arguments: Any) -> None:
        real(*arguments)
        world.ok("git", "commit", "-q", "--allow-empty", "-m", "meanwhile")

    monkeypatch.setattr(steps, "fetch", slow)
    with pytest.raises(VersionError, match="HEAD moved meanwhile; nothing was moved"):
        rollback.roll_back(world.folder, V1, commit=True, stash=stash)
    assert is_at(world, states, V2)
    assert journal.read(world.folder) is None


def test_a_disk_without_hard_links_is_enough(
    world: World, states: dict[str, dict[str, str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(*_: object, **__: object) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(locks.os, "link", refused)
    rollback.roll_back(world.folder, V1)
    assert is_at(world, states, V1)


# Trees that are unlike others.


def test_a_pipeline_that_cannot_be_read_is_one_line(world: World) -> None:
    world.write("dvc.yaml", "stages: [\n")
    for stash in (False, True):
        with pytest.raises(VersionError, match=r"the work tree cannot be read by DVC .*dvc.yaml.*run `git diff HEAD`"):
            rollback.roll_back(world.folder, V1, stash=stash)
    assert journal.read(world.folder) is None


def test_a_hard_link_that_was_written_through_is_mended_from_the_remote(
    world: World, states: dict[str, dict[str, str]]
) -> None:
    world.ok("dvc", "config", "--local", "cache.type", "hardlink")
    world.ok("dvc", "checkout", "-q", "--relink")
    file, md5 = world.folder / "models/export/model.onnx", world.md5("models/export/model.onnx")
    file.chmod(0o644)
    file.write_bytes(b"written into the cache")
    rollback.roll_back(world.folder, "HEAD", stash=True)
    assert is_at(world, states, V2)
    assert hashlib.md5(world.object(md5).read_bytes(), usedforsecurity=False).hexdigest() == md5


def test_an_output_folder_that_is_empty_is_there_again(world: World) -> None:
    for file in (world.folder / "models/export").iterdir():
        file.unlink()
    empty = world.keep("an empty folder")
    rollback.roll_back(world.folder, V1, commit=True)
    rollback.roll_back(world.folder, empty, commit=True)
    assert list((world.folder / "models/export").iterdir()) == []
    assert world.ok("dvc", "status", "-q") == ""


def test_a_submodule_is_left_where_git_checkout_leaves_it(world: World, states: dict[str, dict[str, str]]) -> None:
    there = str(world.folder.with_name("part"))
    world.ok("git", "init", "-q", there)
    world.ok("git", "-C", there, "commit", "-q", "--allow-empty", "-m", "one")
    world.ok("git", "-c", "protocol.file.allow=always", "submodule", "--quiet", "add", there, "part")
    first = world.commit("with a part")
    world.ok("git", "-C", "part", "commit", "-q", "--allow-empty", "-m", "two")
    world.commit("with a newer part")
    rollback.roll_back(world.folder, first, commit=True)
    assert world.ok("git", "rev-parse", "HEAD^{tree}") == world.ok("git", "rev-parse", f"{first}^{{tree}}")
    assert journal.read(world.folder) is None


def test_json_is_all_that_is_printed_though_outputs_go_into_the_stash(world: World) -> None:
    (world.folder / "models/export/model.onnx").write_bytes(b"mine")
    printed = world.ok("stemma", "rollback", V1, "--stash", "--json")
    assert json.loads(printed)["stash"]
