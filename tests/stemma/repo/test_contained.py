"""A stranger's repository: no name, link or hash in it makes a command write outside, remove outside, or read on."""

import hashlib
import json
import os
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from stemma import rollback
from stemma.errors import StemmaError, VersionError
from stemma.repo import journal, places, stores, trust
from stemma.repo.repository import Repository
from stemma.storage.backup import backup
from stemma.storage.gc import Rules, plan
from stemma.storage.restore import restore
from stemma.storage.verify import verify
from stemma.versions.export import export
from timing import HANGS
from version_worlds import World, new, parts

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="links and pipes need rights there"),
    pytest.mark.xdist_group("contained"),
]
Run = Callable[..., tuple[int, str, str]]
WEIGHTS = "models/weights"
LISTED = (
    "../x", "../../../outside/x", "OUTSIDE/x", "a/../../../x", "", ".", "a/.", "a//b", "a/", "..",
    "../../.git/hooks/post-checkout",
    ".git/hooks/x", ".dvc/config", "a/.GIT/x", "a\nb", "index.json/x", "index.json",
)  # fmt: skip
PATHS = ("../../outside", "OUTSIDE", ".git/hooks", ".dvc/tmp", ".", "..")
HASHES = (
    "aa/dev/zero",
    "aa{pipe}",
    "aa{pipe}.dir",
    "aa/../../../../../../secret.dir",
    "",
    "0" * 31,
    "A" * 32,
    "0" * 32 + ".dir.dir",
)
LINKS = {"data": "../outside", "models": "OUTSIDE", "models/weights": "../../outside", "reports/training": ".."}


@pytest.fixture(autouse=True)
def no_end() -> Iterator[None]:
    """What reads without end fails here, and does not hang."""
    signal.signal(signal.SIGALRM, lambda *_: pytest.fail("it reads without end"))
    signal.alarm(int(HANGS))
    yield
    signal.alarm(0)


class Hostile(World):
    """`main` is as it should be; each tag is a commit on top of it that means harm."""

    def evil(self, tag: str, change: Callable[[dict[str, Any]], None]) -> None:
        """A commit with another dvc.lock."""
        good = (self.folder / "dvc.lock").read_text()
        lock = yaml.safe_load(good)
        change({out["path"]: out for stage in lock["stages"].values() for out in stage["outs"]})
        self.write("dvc.lock", yaml.safe_dump(lock, sort_keys=False))
        self.git("commit", "-qam", tag)
        self.git("tag", tag)
        self.git("reset", "-q", "--hard", "HEAD~1")

    def listing(self, relpath: str) -> tuple[str, int]:
        """The listing of the weights with one more file, in the cache; its MD5 and number of files."""
        files = json.loads(self.object(self.md5(WEIGHTS)).read_bytes())
        files.append({"md5": files[0]["md5"], "relpath": relpath})
        return self._store(json.dumps(files).encode(), ".dir"), len(files)

    def linked(self, tag: str, name: str, target: str) -> None:
        """A commit in which Git holds a link; the work tree stays."""
        self.git("rm", "-rq", "--cached", "--ignore-unmatch", name)
        (self.folder.parent / "target").write_text(target)
        blob = self.ok("git", "hash-object", "-w", str(self.folder.parent / "target"))
        self.ok("git", "update-index", "--add", "--cacheinfo", f"120000,{blob},{name}")
        self.git("commit", "-qm", tag)
        self.git("tag", tag)
        self.git("reset", "-q", "--soft", "HEAD~1")
        self.git("read-tree", "HEAD")
        self.git("checkout", "-q", "--", ".")


def harm_of(listing: tuple[str, int]) -> Callable[[dict[str, Any]], None]:
    """The weights have this listing."""
    return lambda outs: outs[WEIGHTS].update(md5=listing[0], nfiles=listing[1])


def out_at(path: str) -> Callable[[dict[str, Any]], None]:
    """The prepared data lie elsewhere."""
    return lambda outs: outs["data/prepared"].update(path=path)


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Hostile:
    made = Hostile(new(tmp_path_factory.mktemp("hostile") / "clone").folder)
    (made.folder.parent / "outside").mkdir()
    outside = str(made.folder.parent / "outside")
    made.write("src/stage.py", "import sys\nsys.exit(2)\n")
    made.version("good", parts())
    for number, relpath in enumerate(LISTED):
        made.evil(f"listed-{number}", harm_of(made.listing(relpath.replace("OUTSIDE", outside))))
    for number, path in enumerate(PATHS):
        made.evil(f"path-{number}", out_at(path.replace("OUTSIDE", outside)))
    os.mkfifo(made.folder.parent / "pipe")
    os.mkfifo(made.folder.parent / "pipe.dir")
    for number, md5 in enumerate(HASHES):
        made.evil(f"hash-{number}", harm_of((md5.format(pipe=made.folder.parent / "pipe"), 1)))
    for number, (name, target) in enumerate(LINKS.items()):
        made.linked(f"link-{number}", name, target.replace("OUTSIDE", outside))
    made.push()
    return made


def around(world: World) -> dict[str, object]:
    """Everything in and beside the clone, but for what Git and DVC note for themselves."""
    top, found = world.folder.parent, {}
    for path in sorted(top.rglob("*")):
        name = path.relative_to(top).as_posix()
        if name.startswith(("clone/.dvc/tmp/", "clone/.git/stemma")) or name in ("clone/.dvc/tmp", "clone/.git/index"):
            continue
        facts = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        content = str(path.readlink()) if path.is_symlink() else content
        found[name] = (facts.st_mode, content)
    return found


def refused(world: World, tag: str) -> str:
    """Not restored, in the dry run as in the real one; nothing moved. Why."""
    before = around(world)
    try:
        blockers = rollback.plan(world.folder, tag).blockers
    except VersionError as error:
        blockers = (str(error),)
    assert blockers and "\n" not in "".join(blockers)
    with pytest.raises(VersionError) as refusal:
        rollback.roll_back(world.folder, tag, commit=True)
    assert str(refusal.value) == blockers[0]
    assert journal.read(world.folder) is None
    assert around(world) == before
    return blockers[0]


@pytest.mark.parametrize("number", range(len(LISTED)), ids=map(repr, LISTED))
def test_a_listing_with_a_path_that_leads_astray_moves_nothing(world: Hostile, number: int) -> None:
    assert f"the listing of {WEIGHTS} cannot be read" in refused(world, f"listed-{number}")


@pytest.mark.parametrize("number", range(len(PATHS)), ids=PATHS)
def test_an_output_with_a_path_that_leads_astray_moves_nothing(world: Hostile, number: int) -> None:
    dvc_yaml = (world.folder / "dvc.yaml").read_text()
    said = yaml.safe_load(dvc_yaml)
    said["stages"]["prepare"]["outs"] = [PATHS[number].replace("OUTSIDE", str(world.folder.parent / "outside"))]
    world.git("checkout", "-q", f"path-{number}")
    world.write("dvc.yaml", yaml.safe_dump(said))
    world.git("commit", "-qam", "the pipeline says so too")
    evil = world.ok("git", "rev-parse", "HEAD")
    world.git("checkout", "-q", "main")
    assert "cannot be read" in refused(world, evil)


@pytest.mark.parametrize("number", range(len(LINKS)), ids=LINKS)
def test_outputs_behind_a_link_that_git_holds_move_nothing(world: Hostile, number: int) -> None:
    assert "is a link, and outputs would be written through it" in refused(world, f"link-{number}")


@pytest.mark.parametrize("name", ["models", "models/weights", "data/prepared"])
@pytest.mark.parametrize("target", ["../outside", ".git"])
def test_outputs_behind_a_link_of_the_work_tree_move_nothing(world: Hostile, name: str, target: str) -> None:
    world.write("notes.md", "x")
    world.git("add", "notes.md")
    world.git("commit", "-qm", "another")
    (world.folder / name).rename(world.folder.parent / "aside")
    (world.folder / name).symlink_to(world.folder.parent / "outside" if "out" in target else world.folder / target)
    try:
        assert "would be written through a link that leads elsewhere" in refused(world, "HEAD~1")
    finally:
        (world.folder / name).unlink()
        (world.folder.parent / "aside").rename(world.folder / name)
        world.git("reset", "-q", "--hard", "HEAD~1")


def test_a_link_to_a_folder_of_the_repository_is_no_hindrance(world: Hostile) -> None:
    (world.folder / "models").rename(world.folder / "kept")
    (world.folder / "models").symlink_to("kept", target_is_directory=True)
    try:
        assert not any("link" in line for line in rollback.plan(world.folder, "HEAD", stash=True).blockers)
    finally:
        (world.folder / "models").unlink()
        (world.folder / "kept").rename(world.folder / "models")


COMMANDS = {
    "show": ("show", "{rev}"),
    "show --json": ("show", "{rev}", "--json"),
    "diff": ("diff", "HEAD", "{rev}"),
    "log": ("log", "--all"),
    "best": ("best", "--all"),
    "doctor": ("doctor", "{rev}"),
    "verify": ("verify", "{rev}"),
    "verify --repair": ("verify", "{rev}", "--repair"),
    "compare": ("compare", "HEAD", "{rev}"),
    "history": ("history",),
    "dry run": ("rollback", "{rev}", "--dry-run"),
    "rollback": ("rollback", "{rev}"),
    "stash": ("rollback", "{rev}", "--stash"),
    "export": ("export", "{rev}", "--format", "h5", "--output", "{out}/exported"),
    "onnx": ("export", "{rev}", "--format", "onnx", "--output", "{out}/exported"),
    "bundle": ("bundle", "build", "{rev}", "--output", "{out}/model.zip"),
    "gc": ("gc",),
    "backup": ("backup", "{out}/backup", "{rev}"),
    "promote": ("register", "{rev}", "--version", "1.0.0"),
}


@pytest.mark.parametrize("command", COMMANDS)
def test_no_command_reads_what_a_hash_that_is_none_names(
    world: Hostile, command: str, run: Run, tmp_path: Path
) -> None:
    before = around(world)
    for number in range(3):
        words = [word.format(rev=f"hash-{number}", out=tmp_path) for word in COMMANDS[command]]
        code, out, err = run(world, *words)
        assert code in (0, 1, 2) and "Traceback" not in out + err, err
        assert around(world) == before


@pytest.mark.parametrize("number", range(len(HASHES)), ids=HASHES)
def test_a_hash_that_is_none_is_an_error_of_one_line(world: Hostile, number: int) -> None:
    version = Repository(world.folder).version(f"hash-{number}")
    with pytest.raises(VersionError, match=r"dvc\.lock of hash-\d is damaged \(.* is no MD5\)"):
        version.output(WEIGHTS)
    with pytest.raises(VersionError, match="is no MD5"):
        verify(world.folder, [f"hash-{number}"])
    assert HASHES[number] == "" or "is no MD5" in refused(world, f"hash-{number}")  # DVC takes that for none


def test_a_hash_in_a_listing_or_a_dvc_file_is_judged_too(world: Hostile) -> None:
    from stemma.repo import lockfile

    pipe = world.folder.parent / "pipe"
    with pytest.raises(ValueError, match="is no MD5"):
        lockfile.listing(json.dumps([{"relpath": "a", "md5": f"aa{pipe}"}]).encode())
    with pytest.raises(ValueError, match="is no MD5"):
        lockfile.tracked(f"outs:\n- path: a\n  md5: aa{pipe}\n", "a")
    for content in (b"{}", b"[1]", b"[{}]", b"null", b"\xff", b"[" * 100_000, b'[{"relpath": 1}]'):
        with pytest.raises(ValueError):
            lockfile.listing(content)


def test_two_files_of_one_path_are_no_listing() -> None:
    from stemma.repo import lockfile

    file = {"relpath": "a", "md5": "0" * 32}
    assert lockfile.listing(json.dumps([file]).encode()) == {"a": ("0" * 32, None)}
    with pytest.raises(ValueError, match="twice"):
        lockfile.listing(json.dumps([file, file]).encode())
    with pytest.raises(ValueError, match="is no path"):
        lockfile.listing(json.dumps([file, {**file, "relpath": "a/b"}]).encode())


# What is no plain file.


@pytest.fixture
def copy(world: Hostile, tmp_path: Path) -> Hostile:
    made = Hostile(world.copy(tmp_path / "clone").folder)
    made.git("tag", "-d", *made.git("tag").split())
    return made


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
@pytest.mark.parametrize("name", ["params.yaml", "dvc.lock", "models/weights/index.json", "models/package/model.zip"])
def test_a_pipe_or_a_device_of_the_work_tree_is_not_read(
    copy: Hostile, kind: str, name: str, run: Run, tmp_path: Path
) -> None:
    place = copy.folder / name
    place.unlink()
    os.mkfifo(place) if kind == "pipe" else place.symlink_to(kind)
    with pytest.raises(VersionError, match=r"plain file|not in the work tree"):
        Repository(copy.folder).version("workspace").bytes(name)
    for words in (
        ("show", "workspace"),
        ("bundle", "inspect", "models/package/model.zip"),
        ("conf", "check"),
        ("doctor",),
    ):
        code, _, err = run(copy, *words)
        assert code in (0, 1) and "Traceback" not in err


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_a_pipe_or_a_device_in_the_place_of_an_object_is_not_read(copy: Hostile, kind: str, tmp_path: Path) -> None:
    for place in (
        copy.object(copy.md5(WEIGHTS)),
        copy.remote / "files/md5" / copy.object(copy.md5(WEIGHTS)).relative_to(copy.cache),
    ):
        place.unlink()
        os.mkfifo(place) if kind == "pipe" else place.symlink_to(kind)
    for action in (
        lambda: (version := Repository(copy.folder).version("HEAD")).files(version.output(WEIGHTS)),  # type: ignore[arg-type]
        lambda: verify(copy.folder, ["HEAD"]),
        lambda: backup(copy.folder, str(tmp_path / "backup"), ["HEAD"]),
        lambda: rollback.roll_back(copy.folder, "HEAD"),
        lambda: plan(copy.folder, Rules()),
    ):
        with pytest.raises(StemmaError, match="plain file"):
            action()


# Other commands that write what a listing names.


def test_an_export_writes_nothing_beside_its_folder(copy: Hostile, tmp_path: Path) -> None:
    lock = yaml.safe_load((copy.folder / "dvc.lock").read_text())
    md5, count = copy.listing("../../../x")
    outs = {out["path"]: out for stage in lock["stages"].values() for out in stage["outs"]}
    lock["stages"]["export"]["deps"] = [{"path": WEIGHTS}]
    good = outs[WEIGHTS] | {}
    outs[WEIGHTS].update(md5=md5, nfiles=count)
    copy.write("dvc.lock", yaml.safe_dump(lock))
    copy.commit("a listing")
    with pytest.raises(VersionError, match="damaged"):
        export(copy.folder, "HEAD", "h5", tmp_path / "out")
    outs[WEIGHTS].update(good)
    prepared = outs["models/package/model.zip"]
    prepared["path"] = "../../x"
    lock["stages"]["export"]["deps"] = [{"path": "../../x"}]
    copy.write("dvc.lock", yaml.safe_dump(lock))
    copy.commit("an output")
    trust.trust(copy.folder)
    with pytest.raises(VersionError, match="is no path of a file in the repository"):
        export(copy.folder, "HEAD", "h5", tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture(scope="module")
def kept(world: Hostile, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A backup of the good version."""
    folder = tmp_path_factory.mktemp("kept") / "backup"
    made = Hostile(world.copy(folder.parent / "clone").folder)
    backup(made.folder, str(folder), ["HEAD"])
    return folder


def edited(kept: Path, folder: Path, **changes: Any) -> Path:
    """A copy of a backup with another manifest."""
    shutil.copytree(kept, folder)
    told = json.loads((folder / "manifest.json").read_text())
    (folder / "manifest.json").write_text(json.dumps(told | changes))
    return folder


@pytest.mark.parametrize(
    "changes",
    [
        {"bundle": "../../../dev/zero"}, {"bundle": 7}, {"objects": {"aa/dev/zero": 1}}, 
        {"objects": {"0" * 32: "many"}},
        {"head": "--stdin"}, {"refs": {"refs/heads/main": "HEAD\ndelete refs/x"}}, 
        {"refs": {"refs/heads/a\nb": "0" * 40}},
        {"versions": {"--all": "x"}},
    ],
)  # fmt: skip
def test_a_backup_whose_manifest_names_no_hash_is_refused(kept: Path, changes: dict[str, Any], tmp_path: Path) -> None:
    source = edited(kept, tmp_path / "backup", **changes)
    with pytest.raises(VersionError, match=r"manifest\.json is damaged"):
        restore(str(source), tmp_path / "restored")
    assert [path.name for path in tmp_path.iterdir()] == ["backup"]


@pytest.mark.parametrize("name", [".git", "..", "../x", ".ssh", "/etc/x", "HEAD", "a\nb"])
def test_a_backup_does_not_choose_a_folder_that_tools_obey(
    kept: Path, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = edited(kept, tmp_path / "backup", name=name)
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with pytest.raises(VersionError, match="name the one to restore it to"):
        restore(str(source))
    assert not any((tmp_path / "here").iterdir())
    assert restore(str(source), tmp_path / "named").checked_out


def test_a_pipe_in_the_place_of_a_manifest_is_not_waited_for(tmp_path: Path) -> None:
    (tmp_path / "backup").mkdir()
    os.mkfifo(tmp_path / "backup" / "manifest.json")
    with pytest.raises(VersionError, match="plain file"):
        restore(str(tmp_path / "backup"), tmp_path / "restored")


@pytest.mark.parametrize("harm", ["listing", "link", "cache", "config"])
def test_a_restored_repository_stays_in_its_folder(copy: Hostile, harm: str, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    if harm == "listing":
        copy.evil("linked", harm_of(copy.listing("../../../outside/x")))
        copy.git("reset", "-q", "--hard", "linked")
    else:
        name = {"link": "models", "cache": ".dvc/cache", "config": ".dvc/config.local"}[harm]
        copy.linked("linked", name, str(outside / "x" if harm == "config" else outside))
        copy.git("update-ref", "refs/heads/main", "linked")
    source = tmp_path / "backup"
    try:
        backup(copy.folder, str(source), ["HEAD"])
    except VersionError as error:  # of a listing that is none no backup is made either
        assert harm == "listing" and "cannot be read" in str(error)
        return
    with pytest.raises(VersionError, match="link"):
        restore(str(source), tmp_path / "restored")
    assert not any(outside.iterdir()) and not (tmp_path / "restored").exists()


def test_a_collection_leaves_a_cache_behind_a_link_alone(copy: Hostile, tmp_path: Path) -> None:
    away = tmp_path / "other project"
    shutil.move(copy.cache, away)
    copy.cache.symlink_to(away, target_is_directory=True)
    with pytest.raises(VersionError, match="outside this repository"):
        plan(copy.folder, Rules())


def test_no_object_is_written_or_removed_behind_a_link_of_the_cache(copy: Hostile, tmp_path: Path) -> None:
    md5 = copy.md5(WEIGHTS)
    away, place = tmp_path / "other", copy.object(md5).parent
    away.mkdir()
    (away / md5[2:]).write_text("mine")
    shutil.rmtree(place)
    place.symlink_to(away, target_is_directory=True)
    cache = stores.cache(Repository(copy.folder))
    for action in (
        lambda: verify(copy.folder, ["HEAD"], repair=True),
        lambda: rollback.roll_back(copy.folder, "HEAD"),
        lambda: cache.delete(places.key(md5)),
        lambda: cache.move(places.key(md5), "elsewhere"),
    ):
        with pytest.raises(VersionError, match="lies behind a link"):
            action()
    assert [(file.name, file.read_text()) for file in away.iterdir()] == [(md5[2:], "mine")]


def test_after_a_kill_no_file_behind_a_link_is_touched(copy: Hostile, tmp_path: Path) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / ".bashrc").write_text("mine\n")
    before = copy.ok("git", "rev-parse", "HEAD")
    copy.write("home/.bashrc", "theirs\n")
    target = copy.commit("a file where a link is")
    copy.git("reset", "-q", "--hard", before)
    (copy.folder / "home").symlink_to(tmp_path / "home", target_is_directory=True)
    journal.write(copy.folder, journal.Journal("target", target, before, target, "", True, False))
    rollback.abort(copy.folder)
    assert (tmp_path / "home" / ".bashrc").read_text() == "mine\n"
    assert journal.read(copy.folder) is None
