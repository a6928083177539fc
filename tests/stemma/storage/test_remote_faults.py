"""What goes wrong between here and a remote, on a real S3 server or a small disk: the message, and nothing is lost.

Beside it: `test_remote` (what a remote refuses), `test_verify` (damaged and lost objects), `test_backup` (backups cut
short), `test_registering` (two clones that promote at once).
"""

import os
import shutil
import subprocess
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from pathlib import Path

import pytest

import stemma
from s3 import Server, served
from stemma.errors import VersionError
from stemma.repo import places, stores
from stemma.repo.repository import Repository
from stemma.storage import gc
from timing import until
from version_worlds import World

INDEX = "models/weights/index.json"
NUMBERS = count()


@pytest.fixture
def world(three_versions: World, tmp_path: Path) -> World:
    return three_versions.copy(tmp_path / "world")


@pytest.fixture
def cloud(world: World, s3: Server) -> World:
    """The world with an empty bucket as its remote, set up and committed as docs/remotes.md says."""
    name = f"faults-{next(NUMBERS)}"
    s3.bucket(name)
    config = (world.folder / ".dvc/config").read_text().replace("remote = disk", "remote = cloud")
    world.write(".dvc/config", f"{config}['remote \"cloud\"']\n    url = s3://{name}/dvc\n    verify = true\n")
    world.commit("a bucket")
    return world


def bucket(world: World, s3: Server) -> Path:
    """Where the server keeps what is pushed."""
    config = (world.folder / ".dvc/config").read_text()
    return s3.folder / config.partition("s3://")[2].split()[0]


def in_bucket(world: World, s3: Server, md5: str) -> Path:
    return bucket(world, s3) / places.key(md5)


def objects(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def rows(world: World) -> None:
    """Data of 40 files in a version of its own."""
    for number in range(40):
        world.write(f"data/rows/{number}", os.urandom(300_000))
    world.ok("dvc", "add", "data/rows")
    world.commit("rows")


def clone(world: World, folder: Path) -> World:
    """What Git brings to an empty machine."""
    world.ok("git", "clone", "-q", f"file://{world.folder}", str(folder))
    return World(folder)


def refused(act: Callable[[], object]) -> str:
    """The one line of an error."""
    with pytest.raises(VersionError) as found:
        act()
    assert "\n" not in str(found.value)
    return str(found.value)


def pushed(world: World, s3: Server) -> None:
    """Every object in the bucket, before the server first looks into it."""
    shutil.copytree(world.cache, bucket(world, s3) / places.OBJECTS)


def delete(world: World, s3: Server, md5: str) -> None:
    """An object, from the bucket; the server does not see at once what is done behind its back."""
    place = stores.remote(Repository(world.folder))
    assert place is not None and place.size(places.key(md5))
    place.delete(places.key(md5))


def stopped_after(some: int, folder: Path, server: Server, world: World, *command: str) -> str:
    """What a command says whose server is killed once a folder holds `some` more files; the server runs again then."""
    before = len(objects(folder))
    server.restart(rate="1M")  # all of them take 12 s: however busy this machine is, the kill comes before the end
    process = subprocess.Popen(
        command, cwd=world.folder, env=os.environ | {"AWS_MAX_ATTEMPTS": "1"}, text=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    until(lambda: len(objects(folder)) >= before + some or process.poll() is not None)
    server.stop()
    said = process.communicate()[0]
    server.restart()
    assert process.returncode != 0, said
    return said


def test_a_server_that_stops_in_a_push_loses_nothing_and_the_next_push_completes_it(cloud: World, s3: Server) -> None:
    rows(cloud)
    said = stopped_after(5, bucket(cloud, s3), s3, cloud, "dvc", "push")
    assert s3.endpoint in said or "failed to push" in said
    assert {fault.state for fault in stemma.verify(cloud.folder, only="remote").faults} == {"missing"}
    stemma.register(cloud.folder, "HEAD")
    lacking = refused(lambda: stemma.promote(cloud.folder, "HEAD", "prod"))
    assert "the remote lacks" in lacking and "run `stemma push " in lacking
    cloud.ok("dvc", "push")
    assert stemma.verify(cloud.folder).is_whole
    assert stemma.promote(cloud.folder, "HEAD", "prod").kind == "Promoted"


def test_an_empty_machine_clones_pulls_and_verifies_though_the_server_stops_in_the_pull(
    cloud: World, s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows(cloud)
    pushed(cloud, s3)
    new = clone(cloud, tmp_path / "new")
    monkeypatch.setenv("DVC_SITE_CACHE_DIR", str(tmp_path / "site"))
    new.cache.mkdir(parents=True)
    said = stopped_after(5, new.cache, s3, new, "dvc", "pull")
    assert s3.endpoint in said or "failed to pull" in said
    found = stemma.verify(new.folder, only="cache")
    assert {fault.state for fault in found.faults} == {"missing"}
    new.ok("dvc", "pull")
    found = stemma.verify(new.folder)
    assert (found.is_whole, found.places) == (True, ("cache", "remote 'cloud'"))
    assert (new.folder / "data/rows/7").read_bytes() == (cloud.folder / "data/rows/7").read_bytes()


def test_a_wrong_key_is_told_with_its_403_by_every_command_and_nothing_is_written(
    cloud: World, s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(cloud, s3)
    s3.bucket("faults-backups")
    stemma.backup(cloud.folder, "s3://faults-backups/b")
    there = objects(s3.folder)
    cloud.object(cloud.md5(INDEX)).unlink()
    cache = objects(cloud.cache)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    for act in (
        lambda: stemma.verify(cloud.folder),
        lambda: stemma.verify(cloud.folder, repair=True),
        lambda: stemma.promote(cloud.folder, "model@v1.0.0", "staging"),
        lambda: stemma.backup(cloud.folder, "s3://faults-backups/other"),
        lambda: stemma.restore("s3://faults-backups/b", tmp_path / "restored"),
    ):
        said = refused(act)
        assert "(403)" in said and "does not fit" in said, said
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "wrong")
    said = refused(lambda: stemma.backup(cloud.folder, "s3://faults-backups/other"))
    assert "(403)" in said and "is not known there" in said, said
    assert (objects(s3.folder), objects(cloud.cache)) == (there, cache)
    assert not (tmp_path / "restored").exists()
    assert "model#staging" not in cloud.ok("git", "tag")


def test_what_reads_a_version_tells_of_a_bucket_what_is_wrong_and_waits_no_longer_than_what_moves_it(
    cloud: World, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(cloud, s3)
    cloud.empty_cache()
    shutil.rmtree(cloud.remote)

    def said() -> str:
        return refused(lambda: Repository(cloud.folder).version("HEAD").index)

    with monkeypatch.context() as patch:
        patch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
        assert "models/weights of HEAD cannot be fetched (the key is refused" in said()
    with s3.silent(), monkeypatch.context() as patch:
        patch.setattr("stemma.repo.objects.SILENCE", 1)
        assert "of HEAD cannot be fetched (the server stopped answering: try again" in said()
    cloud.write(".dvc/config.local", "['remote \"cloud\"']\n    url = s3://nowhere/dvc\n")
    assert "of HEAD cannot be fetched (there is no such bucket (404): make it, or correct the URL)" in said()


class Page(BaseHTTPRequestHandler):
    """A page to any path, as a proxy that wants a password or the console of a server has it."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", "13")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"<html></html>")

    do_HEAD = do_PUT = do_GET

    def log_message(self, *_: object) -> None:
        """Nothing on stderr."""


def test_a_page_of_html_is_no_object(cloud: World, monkeypatch: pytest.MonkeyPatch) -> None:
    stemma.register(cloud.folder, "HEAD")
    with ThreadingHTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{server.server_port}")
        for act in (
            lambda: stemma.push(cloud.folder),
            lambda: stemma.promote(cloud.folder, "HEAD", "prod"),
            lambda: stemma.verify(cloud.folder, only="remote"),
            lambda: gc.plan(cloud.folder, gc.Rules(remotes=(None,))),
        ):
            assert "what answers there is no S3 server: correct the endpoint's URL" in refused(act)
        server.shutdown()
    assert "model#prod#3" not in cloud.ok("git", "tag")


@pytest.fixture
def read_only(cloud: World, s3: Server) -> Iterator[Server]:
    """A second server, which lets the same files be read."""
    pushed(cloud, s3)
    with served(s3.folder, read_only=True) as server:
        yield server


def test_a_read_only_bucket_is_read_and_refuses_in_one_line(
    cloud: World, s3: Server, read_only: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    delete(cloud, s3, cloud.md5(INDEX))
    cloud.object(cloud.md5("models/weights")).unlink()
    there = objects(s3.folder)
    monkeypatch.setenv("AWS_ENDPOINT_URL", read_only.endpoint)
    for act in (
        lambda: stemma.backup(cloud.folder, f"s3://{bucket(cloud, s3).parent.name}/backup"),
        lambda: stemma.verify(cloud.folder, repair=True),
    ):
        assert "the server fails (500): it may be read-only or full" in refused(act)
    assert objects(s3.folder) == there
    assert cloud.object(cloud.md5(INDEX)).is_file()
    assert [step.allowed for step in stemma.probe(cloud.folder).steps] == [True, False, True, None]


def test_a_server_that_hangs_is_left_after_a_while(
    cloud: World, s3: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pushed(cloud, s3)
    (tmp_path / "large").write_bytes(bytes(20_000_000))
    with s3.silent(), monkeypatch.context() as patch:
        patch.setattr("stemma.repo.objects.SILENCE", 1)
        patch.setattr(places, "SLOWEST", 20_000_000)
        place = stores.at(f"s3://{bucket(cloud, s3).parent.name}/large", "backup")
        with pytest.raises(VersionError, match=r"backup \(s3://.*\): the server stopped answering: try again"):
            place.put("large", tmp_path / "large")
        with pytest.raises(VersionError, match=r"remote 'cloud' \(s3://.*\): the server stopped answering: try again"):
            stemma.verify(cloud.folder, only="remote")
    assert stemma.verify(cloud.folder).is_whole


def test_a_full_disk_stops_a_repair_and_a_restore_and_what_was_there_stays(
    world: World, small_disk: Path, tmp_path: Path
) -> None:
    world.write("large", os.urandom(200_000))  # more of Git than the disk holds
    world.commit("a large file")
    stemma.backup(world.folder, str(tmp_path / "backup"))
    with pytest.raises(VersionError, match=r"the disk is full: make room|No space left on device"):
        stemma.restore(str(tmp_path / "backup"), small_disk / "restored")
    assert list(small_disk.iterdir()) == []
    world.write(".dvc/config.local", f"[cache]\n    dir = {small_disk}\n")
    with pytest.raises(VersionError, match=r"cache .*: the disk is full: make room"):
        stemma.verify(world.folder, repair=True)
    found = stemma.verify(world.folder, only="cache")
    assert {fault.state for fault in found.faults} == {"missing"} and len(found.faults) < found.objects
    said = world.run("dvc", "pull")
    assert said.returncode != 0 and "No space left on device" in said.stderr + said.stdout, said.stderr
    assert {fault.state for fault in stemma.verify(world.folder, only="cache").faults} == {"missing"}
    (world.folder / ".dvc/config.local").unlink()
    assert stemma.verify(world.folder, repair=True).is_whole


def test_a_server_whose_disk_is_full_refuses_a_backup_in_one_line(
    world: World, small_disk: Path, tmp_path: Path, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    with served(small_disk) as server:
        server.bucket("backups")
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        said = refused(lambda: stemma.backup(world.folder, "s3://backups/b"))
        assert "the server fails (500): it may be read-only or full" in said
        assert "holds no backup" in refused(lambda: stemma.restore("s3://backups/b", tmp_path / "restored"))
    assert stemma.verify(world.folder, all=True).is_whole


def test_a_folder_mounted_read_only_says_so(world: World, small_disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    with pytest.raises(VersionError, match="the disk is mounted read-only: mount it for writing"):
        stemma.backup(world.folder, str(small_disk / "backup"))
    world.write(".dvc/config.local", f"[core]\n    remote = small\n['remote \"small\"']\n    url = {small_disk}\n")
    found = stemma.probe(world.folder)
    assert [step.allowed for step in found.steps] == [True, False, None, None]
    assert "mounted read-only" in found.steps[1].says


@pytest.mark.parametrize("kind", ["folder", "bucket"])
def test_what_was_overwritten_in_a_remote_is_pulled_unless_verify_is_set_as_the_check_advises(
    cloud: World, s3: Server, kind: str
) -> None:
    name, md5 = {"folder": "disk", "bucket": "cloud"}[kind], cloud.md5(INDEX)
    lines = f"[core]\n    remote = {name}\n['remote \"{name}\"']\n    verify = "
    cloud.write(".dvc/config.local", lines + "false\n")
    pushed(cloud, s3)
    place = in_bucket(cloud, s3, md5) if kind == "bucket" else cloud.remote / places.key(md5)
    place.chmod(0o644)
    place.write_bytes(b"{}")
    advice = f"dvc pulls what was overwritten there unseen: run `dvc remote modify {name} verify true`"
    assert advice in stemma.probe(cloud.folder).notes
    cloud.empty_cache()
    (cloud.folder / INDEX).unlink()
    cloud.ok("dvc", "pull", "models/weights")
    assert (cloud.folder / INDEX).read_bytes() == b"{}"
    cloud.write(".dvc/config.local", lines + "true\n")
    assert advice not in stemma.probe(cloud.folder).notes
    cloud.empty_cache()
    (cloud.folder / INDEX).unlink()
    assert cloud.run("dvc", "pull", "models/weights").returncode != 0
    assert not cloud.object(md5).exists() and not (cloud.folder / INDEX).exists()


def test_a_deleted_object_is_seen_by_verify_and_promote_where_dvc_says_in_sync(cloud: World, s3: Server) -> None:
    pushed(cloud, s3)
    stemma.register(cloud.folder, "HEAD")
    delete(cloud, s3, cloud.md5(INDEX))
    assert "Everything is up to date" in cloud.ok("dvc", "push")
    assert "in sync" in cloud.ok("dvc", "status", "-c")
    assert "the remote lacks 1 of" in refused(lambda: stemma.promote(cloud.folder, "HEAD", "prod"))
    assert stemma.verify(cloud.folder, repair=True).is_whole
    assert stemma.promote(cloud.folder, "HEAD", "prod").kind == "Promoted"
