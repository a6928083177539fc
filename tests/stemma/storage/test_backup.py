"""A backup needs nothing else: restored with the original gone, it verifies; cut short or damaged, nothing is lost."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import stemma
from s3 import Server
from stemma.errors import VersionError
from stemma.repo import places
from stemma.storage import backup as backing
from stemma.storage import manifest, sealing
from version_worlds import Projects, World

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def world(three_versions: World, tmp_path: Path) -> World:
    return three_versions.copy(tmp_path / "world")


def gone(world: World) -> None:
    """Neither the repository nor its remote is there any more."""
    world.folder.rename(world.folder.with_name("gone"))
    world.remote.rename(world.remote.with_name("gone-remote"))


def everything(folder: Path) -> dict[str, str]:
    """The SHA-256 of every file, by path; without what only locks."""
    return {
        path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def objects(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / "objects").rglob("*") if path.is_file())


def test_restored_with_the_original_gone_it_verifies_and_has_branches_tags_and_files(
    world: World, tmp_path: Path
) -> None:
    refs = world.ok("git", "for-each-ref", "--format=%(objectname) %(refname)", "refs/heads", "refs/tags", "refs/exps")
    head = world.ok("git", "rev-parse", "HEAD")
    files = everything(world.folder / "models")
    stemma.backup(world.folder, str(tmp_path / "backup"), experiments=True)
    gone(world)
    done = stemma.restore(str(tmp_path / "backup"), tmp_path / "new")
    new = World(tmp_path / "new")
    assert done.checked_out
    assert stemma.verify(new.folder, all=True, experiments=True).is_whole
    assert new.ok("git", "for-each-ref", "--format=%(objectname) %(refname)") == refs
    assert (new.ok("git", "rev-parse", "HEAD"), new.ok("git", "branch", "--show-current")) == (head, "main")
    assert new.ok("git", "status", "--porcelain") == ""
    assert everything(new.folder / "models") == files
    assert new.ok("git", "checkout", "-q", "wider") == ""
    new.ok("dvc", "checkout")


def test_where_the_remote_is_gone_it_is_not_the_default_of_the_restored_one_and_the_note_says_so(
    world: World, tmp_path: Path
) -> None:
    stemma.backup(world.folder, str(tmp_path / "backup"))
    gone(world)
    done = stemma.restore(str(tmp_path / "backup"), tmp_path / "new")
    assert any("remote 'disk' does not hold all of this" in note for note in done.notes)
    assert "core.remote=" in World(tmp_path / "new").ok("dvc", "config", "--list", "--local")


def test_where_the_remote_still_holds_everything_it_stays_the_default(world: World, tmp_path: Path) -> None:
    world.git("commit", "-qam", "another remote")
    stemma.backup(world.folder, str(tmp_path / "backup"))
    done = stemma.restore(str(tmp_path / "backup"), tmp_path / "new")
    assert done.notes == ()
    assert stemma.verify(tmp_path / "new", all=True).places == ("cache", "remote 'disk'")


def test_a_second_run_copies_only_what_is_new_and_the_same_versions_give_the_same_bytes(
    world: World, tmp_path: Path
) -> None:
    place = tmp_path / "backup"
    first = stemma.backup(world.folder, str(place), stages=["prod"])
    assert first.copied == first.objects > 0
    before = everything(place)
    again = stemma.backup(world.folder, str(place), stages=["prod"])
    assert (again.copied, again.written) == (0, False)
    assert everything(place) == before
    more = stemma.backup(world.folder, str(place))
    assert more.copied == more.objects - first.objects
    other = tmp_path / "other"
    stemma.backup(world.folder, str(other))
    assert {path.name for path in objects(other)} == {path.name for path in objects(place)}


def test_only_the_versions_asked_for_are_copied_and_git_whole(world: World, tmp_path: Path) -> None:
    found = stemma.backup(world.folder, str(tmp_path / "backup"), ["model@v1.0.0"])
    assert found.versions == ("model@v1.0.0",)
    done = stemma.restore(str(tmp_path / "backup"), tmp_path / "new")
    assert not done.checked_out
    assert stemma.verify(tmp_path / "new", ["model@v1.0.0"], only="cache").is_whole
    assert not stemma.verify(tmp_path / "new", ["main"], only="cache").is_whole
    assert "wider" in World(tmp_path / "new").ok("git", "branch")


def test_what_was_backed_up_stays_when_its_branch_is_gone_and_the_cache_is_collected(
    world: World, tmp_path: Path
) -> None:
    place = str(tmp_path / "backup")
    stemma.backup(world.folder, place, ["wider"])
    commit = world.ok("git", "rev-parse", "wider")
    world.ok("git", "branch", "-D", "wider")
    world.empty_cache()
    stemma.backup(world.folder, place, ["main"])
    gone(world)
    stemma.restore(place, tmp_path / "new")
    assert stemma.verify(tmp_path / "new", [commit, "main"], only="cache").is_whole


def test_objects_that_are_only_in_the_remote_are_copied_from_there(world: World, tmp_path: Path) -> None:
    world.empty_cache()
    stemma.backup(world.folder, str(tmp_path / "backup"))
    stemma.restore(str(tmp_path / "backup"), tmp_path / "new")
    assert stemma.verify(tmp_path / "new", all=True, only="cache").is_whole


def test_an_object_that_is_nowhere_is_named_and_the_earlier_backup_stands(world: World, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    stemma.backup(world.folder, str(place), ["model@v1.0.0"])
    before = (place / "manifest.json").read_bytes()
    md5 = world.md5("models/package/model.zip")
    lost = world.md5("models/weights/index.json")
    for path in (world.object(lost), world.remote / "files/md5" / lost[:2] / lost[2:]):
        path.unlink()
    assert md5 != lost
    nowhere = r"no place holds a good copy of models/weights/index\.json"
    with pytest.raises(VersionError, match=f"{nowhere}: the earlier backup stands"):
        stemma.backup(world.folder, str(place))
    with pytest.raises(VersionError, match=f"{nowhere}: run"):
        stemma.backup(world.folder, str(tmp_path / "first"))
    assert (place / "manifest.json").read_bytes() == before
    stemma.restore(str(place), tmp_path / "new")


def test_a_damaged_copy_in_the_cache_is_passed_over_for_the_good_one_in_the_remote(
    world: World, tmp_path: Path
) -> None:
    md5 = world.md5("models/weights/index.json")
    world.object(md5).chmod(0o644)
    world.object(md5).write_bytes(b"damaged")
    stemma.backup(world.folder, str(tmp_path / "backup"))
    assert hashlib.md5((tmp_path / "backup" / manifest.object_key(md5, False)).read_bytes()).hexdigest() == md5  # noqa: S324


def test_a_flipped_byte_in_the_backup_is_named_and_nothing_is_left(world: World, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    stemma.backup(world.folder, str(place))
    for victim in (objects(place)[7], next((place / "git").iterdir())):
        sound = victim.read_bytes()
        victim.chmod(0o644)
        victim.write_bytes(sound[:-1] + bytes([sound[-1] ^ 1]))
        with pytest.raises(VersionError, match=f"{victim.name} is damaged"):
            stemma.restore(str(place), tmp_path / "new")
        assert not list(tmp_path.glob("new*"))
        victim.write_bytes(sound)
    assert stemma.restore(str(place), tmp_path / "new").checked_out


def test_a_lost_object_of_the_backup_is_named_by_restore_and_put_back_by_the_next_run(
    world: World, tmp_path: Path
) -> None:
    place = tmp_path / "backup"
    stemma.backup(world.folder, str(place))
    victim = objects(place)[3]
    victim.unlink()
    with pytest.raises(VersionError, match=f"{victim.name} is missing"):
        stemma.restore(str(place), tmp_path / "new")
    assert stemma.backup(world.folder, str(place)).copied == 1
    stemma.restore(str(place), tmp_path / "new")


def test_a_branch_that_moves_while_git_is_copied_leaves_the_earlier_backup(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It would name a commit that its bundle does not hold."""
    place, read = tmp_path / "backup", backing._refs
    stemma.backup(world.folder, str(place), ["model@v1.0.0"])
    before = everything(place)

    def moves(*given: Any) -> Any:
        found = read(*given)
        world.ok("git", "commit", "-q", "--amend", "--allow-empty", "-m", "another")
        return found

    world.ok("git", "commit", "-q", "--allow-empty", "-m", "new")
    with monkeypatch.context() as patch:
        patch.setattr(backing, "_refs", moves)
        with pytest.raises(VersionError, match="refs/heads/main moved while Git was copied: the earlier backup"):
            stemma.backup(world.folder, str(place), ["model@v1.0.0"])
    assert everything(place) == before
    stemma.backup(world.folder, str(place), ["model@v1.0.0"])
    stemma.restore(str(place), tmp_path / "restored")


def test_a_full_folder_is_not_touched(world: World, tmp_path: Path) -> None:
    stemma.backup(world.folder, str(tmp_path / "backup"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine/letter.txt").write_text("dear")
    with pytest.raises(VersionError, match="is not empty"):
        stemma.restore(str(tmp_path / "backup"), tmp_path / "mine")
    with pytest.raises(VersionError, match=r"holds other things \(letter\.txt"):
        stemma.backup(world.folder, str(tmp_path / "mine"))
    assert everything(tmp_path / "mine").keys() == {"letter.txt"}


def test_wrong_words_are_one_line(world: World, tmp_path: Path, run: Run) -> None:
    (tmp_path / "empty").mkdir()
    for arguments, message in (
        (("restore", str(tmp_path / "empty"), "x"), "holds no backup"),
        (("backup", "inside"), "is inside the repository"),
        (("backup", str(tmp_path / "b"), "--stage", "nope"), "no version holds the stage 'nope': there are model#prod"),
        (("backup", str(tmp_path / "b"), "--encrypt", "age1nope"), "is no recipient"),
        (("backup", "nope://x/y"), "backup"),
    ):
        code, out, err = run(world.folder, *arguments)
        assert (code, out) == (1, "")
        assert message in err
        assert err.count("\n") == 1
    assert run(world.folder, "backup", str(tmp_path / "b"), "main", "--all")[0] == 2
    assert not (tmp_path / "b").exists()


def test_a_folder_with_the_backup_of_another_repository_is_refused(world: World, tmp_path: Path) -> None:
    stemma.backup(world.folder, str(tmp_path / "backup"))
    other = World(tmp_path / "other")
    other.folder.mkdir()
    other.ok("git", "init", "-qb", "main")
    other.ok("dvc", "init", "-q")
    other.commit("another")
    with pytest.raises(VersionError, match="which this repository does not know"):
        stemma.backup(other.folder, str(tmp_path / "backup"))


def test_a_project_in_a_folder_of_its_repository_is_restored_there(two_projects: Projects, tmp_path: Path) -> None:
    two = two_projects.copy(tmp_path / "shop")
    for name in ("churn", "sales"):
        stemma.backup(two.top / name, str(tmp_path / f"{name}-backup"))
    with pytest.raises(VersionError, match=r"the backup in .* is of the project in sales/: choose another place"):
        stemma.backup(two.churn.folder, str(tmp_path / "sales-backup"))
    with pytest.raises(VersionError, match="is inside the repository, and would be lost with it"):
        stemma.backup(two.churn.folder, str(two.top / "backup"))
    two.top.rename(tmp_path / "gone")
    done = stemma.restore(str(tmp_path / "churn-backup"), tmp_path / "new")
    assert done.checked_out and everything(tmp_path / "new/churn/models") == everything(tmp_path / "gone/churn/models")
    assert stemma.verify(tmp_path / "new/churn", all=True, only="cache").is_whole
    assert [entry.names[0] for entry in stemma.log(tmp_path / "new/churn")] == ["model@v2.0.0", "model@v1.0.0"]


def test_a_shallow_clone_is_refused(world: World, tmp_path: Path) -> None:
    world.ok("git", "clone", "-q", "--depth", "1", f"file://{world.folder}", str(tmp_path / "shallow"))
    with pytest.raises(VersionError, match=r"shallow.*run `git fetch --unshallow --tags`"):
        stemma.backup(tmp_path / "shallow", str(tmp_path / "backup"))


def test_git_and_dvc_alone_can_restore_it(world: World, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    stemma.backup(world.folder, str(place))
    gone(world)
    bundle = next((place / "git").iterdir())
    subprocess.run(["git", "clone", "-q", str(bundle), str(tmp_path / "plain")], check=True, capture_output=True)
    plain = World(tmp_path / "plain")
    plain.ok("dvc", "remote", "add", "--local", "-d", "backup", str(place / "objects"))
    plain.ok("dvc", "pull")
    assert stemma.verify(plain.folder).is_whole


def test_an_encrypted_backup_shows_no_content_and_opens_with_its_key_alone(
    world: World, tmp_path: Path, run: Run
) -> None:
    place = tmp_path / "backup"
    _, out, _ = run(tmp_path, "key", "secret.key")
    recipient = out.strip()
    assert (tmp_path / "secret.key").stat().st_mode & 0o077 == 0
    content = world.object(world.md5("models/weights/index.json")).read_bytes()
    assert run(world.folder, "backup", str(place), "--encrypt", recipient)[0] == 0
    assert not any(content[:40] in path.read_bytes() for path in place.rglob("*") if path.is_file())
    assert run(world.folder, "backup", str(place), "--encrypt", recipient)[1].count(" 0 of them new") == 1
    assert "is encrypted for" in run(world.folder, "backup", str(place))[2]
    gone(world)
    assert "--key" in run(tmp_path, "restore", str(place), "new")[2]
    run(tmp_path, "key", "other.key")
    code, _, err = run(tmp_path, "restore", str(place), "new", "--key", "other.key")
    assert (code, err.count("\n")) == (1, 1)
    assert "the key does not fit" in err
    assert run(tmp_path, "restore", str(place), "new", "--key", "secret.key")[0] == 0
    assert stemma.verify(tmp_path / "new", all=True).is_whole
    victim = sorted((place / "sealed").rglob("*"))[-1]
    victim.write_bytes(victim.read_bytes()[:-1] + b"x")
    assert "cannot be opened" in run(tmp_path, "restore", str(place), "again", "--key", "secret.key")[2]
    assert not list(tmp_path.glob("again*"))


def test_a_key_is_never_overwritten_and_a_secret_one_is_no_recipient(tmp_path: Path) -> None:
    sealing.new_key(tmp_path / "key")
    secret = (tmp_path / "key").read_text().split()[-1]
    with pytest.raises(VersionError, match="is there already"):
        sealing.new_key(tmp_path / "key")
    with pytest.raises(VersionError, match="that is a secret key"):
        sealing.recipient(secret)


class Stopped(Exception):
    """In place of a kill, at a moment that a test chooses."""


@pytest.mark.parametrize("after", [0, 5, 10_000])
def test_cut_short_the_earlier_backup_stands_and_the_next_run_completes_the_new_one(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    place = tmp_path / "backup"
    stemma.backup(world.folder, str(place), ["model@v1.0.0"])
    before = (place / "manifest.json").read_bytes()
    put, count = places.Folder.put, iter(range(100_000))

    def cut(self: places.Folder, key: str, file: Path, md5: str | None = None) -> None:
        if next(count) >= after or (after == 10_000 and key == manifest.NAME):
            raise Stopped
        put(self, key, file, md5)

    with monkeypatch.context() as patch:
        patch.setattr(places.Folder, "put", cut)
        with pytest.raises(Stopped):
            stemma.backup(world.folder, str(place))
    assert (place / "manifest.json").read_bytes() == before
    stemma.restore(str(place), tmp_path / "early")
    stemma.backup(world.folder, str(place))
    stemma.restore(str(place), tmp_path / "late")
    assert stemma.verify(tmp_path / "late", all=True, only="cache").is_whole


def test_killed_at_any_moment_the_next_run_completes_it(world: World, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    command = [sys.executable, "-m", "stemma.cli", "backup", str(place)]
    runs = int(os.environ.get("STEMMA_KILLS", "10"))
    for moment in range(runs):
        with subprocess.Popen(command, cwd=world.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as running:
            began = time.monotonic()
            while not (place / ".lock").exists() and running.poll() is None and time.monotonic() - began < 30:
                time.sleep(0.002)
            time.sleep(0.06 * moment / runs)
            running.kill()
        if (place / "manifest.json").is_file():
            stemma.restore(str(place), tmp_path / f"restored-{moment}")
            shutil.rmtree(place)
    stemma.backup(world.folder, str(place))
    assert not list(place.rglob("*.partial"))
    stemma.restore(str(place), tmp_path / "new")
    assert stemma.verify(tmp_path / "new", all=True, only="cache").is_whole


def test_a_bucket_holds_a_backup_and_restores_with_the_original_gone(world: World, tmp_path: Path, s3: Server) -> None:
    s3.bucket("backups")
    first = stemma.backup(world.folder, "s3://backups/shop", ["model@v1.0.0"])
    assert stemma.backup(world.folder, "s3://backups/shop", ["model@v1.0.0"]).copied == 0
    second = stemma.backup(world.folder, "s3://backups/shop")
    assert second.copied == second.objects - first.objects
    gone(world)
    stemma.restore("s3://backups/shop", tmp_path / "new")
    assert stemma.verify(tmp_path / "new", all=True).is_whole
    damaged = sorted((s3.bucket("backups") / "shop/objects").rglob("*"))[-1]
    damaged.write_bytes(bytes(damaged.stat().st_size))
    with pytest.raises(VersionError, match="is damaged"):
        stemma.restore("s3://backups/shop", tmp_path / "again")
    assert not list(tmp_path.glob("again*"))


def test_a_server_that_stops_in_the_middle_is_one_line_and_the_next_run_completes(
    world: World, tmp_path: Path, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    s3.bucket("stopped")
    put, count = places.Bucket.put, iter(range(100_000))

    def stopping(self: places.Bucket, key: str, file: Path, md5: str | None = None) -> None:
        if next(count) == 10:
            s3.stop()
        put(self, key, file, md5)

    try:
        with monkeypatch.context() as patch:
            patch.setattr(places.Bucket, "put", stopping)
            with pytest.raises(
                VersionError, match=r"backup \(s3://stopped/b\): (nothing answers|the server broke off)"
            ):
                stemma.backup(world.folder, "s3://stopped/b")
    finally:
        s3.start()
    assert stemma.backup(world.folder, "s3://stopped/b").copied > 0
    stemma.restore("s3://stopped/b", tmp_path / "new")


def test_a_full_disk_is_told_as_one_and_leaves_nothing(world: World, tmp_path: Path, small_disk: Path) -> None:
    world.write("src/purchase_intent/large.py", os.urandom(100_000))
    world.commit("Git's part alone is larger than the disk")
    stemma.backup(world.folder, str(tmp_path / "backup"))
    with pytest.raises(VersionError, match=r"git .* failed in .*the disk is full: make room"):
        stemma.restore(str(tmp_path / "backup"), small_disk / "new")
    assert not list(small_disk.iterdir())


def test_a_full_disk_is_one_line_and_the_earlier_backup_stands(world: World, small_disk: Path) -> None:
    place = small_disk / "backup"
    with pytest.raises(VersionError, match="the disk is full: make room"):
        stemma.backup(world.folder, str(place), experiments=True)
    assert not (place / "manifest.json").exists()
    assert not list(place.rglob("*.partial"))


def test_a_manifest_of_another_format_or_damaged_is_named(world: World, tmp_path: Path) -> None:
    place = tmp_path / "backup"
    stemma.backup(world.folder, str(place), ["main"])
    text = (place / "manifest.json").read_text()
    (place / "manifest.json").write_text(json.dumps(json.loads(text) | {"format": 9}))
    with pytest.raises(VersionError, match="has format 9"):
        stemma.restore(str(place), tmp_path / "new")
    (place / "manifest.json").write_text(text[:100])
    with pytest.raises(VersionError, match=r"manifest\.json is damaged"):
        stemma.restore(str(place), tmp_path / "new")
