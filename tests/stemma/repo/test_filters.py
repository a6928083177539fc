"""Files are read as Git keeps them: pointers of Git LFS through its objects, and no filter's command is run."""

import hashlib
import shutil
from pathlib import Path

import pytest

import stemma
from stemma.errors import VersionError
from stemma.repo.repository import Repository
from version_worlds import World, new, parts

JSON = ("reports/metrics.json", "reports/training.json", "reports/evaluation.json")


def with_attributes(world: World, text: str, driver: str) -> None:
    """Attributes in Git, and a filter that leaves a mark when it is run."""
    world.write(".gitattributes", text)
    for side in ("clean", "smudge"):
        world.ok("git", "config", f"filter.{driver}.{side}", f"touch {world.folder}/../was-run; cat")
    world.ok("git", "config", f"filter.{driver}.required", "true")


@pytest.fixture
def lfs(tmp_path: Path) -> World:
    """The reports in Git are pointers, as a clone with `*.json filter=lfs` has them; their objects are in .git/lfs."""
    world = new(tmp_path / "world")
    world.version("first", parts(frame=None))
    for name in JSON:
        content = (world.folder / name).read_bytes()
        digest = hashlib.sha256(content).hexdigest()
        world.write(f".git/lfs/objects/{digest[:2]}/{digest[2:4]}/{digest}", content)
        pointer = f"version https://git-lfs.github.com/spec/v1\noid sha256:{digest}\nsize {len(content)}\n"
        world.write(name, pointer)
    world.git("add", "-A")
    world.git("commit", "-q", "--amend", "--no-edit")
    with_attributes(world, "*.json filter=lfs\n", "lfs")
    return world


def test_a_pointer_is_read_through_its_object(lfs: World) -> None:
    assert stemma.log(lfs.folder).entries[0].metric == 0.85
    found = stemma.show(lfs.folder)
    assert [figure.value for figure in found.metrics if figure.name == "roc_auc"] == [0.85, 0.86]
    assert stemma.verify(lfs.folder).is_whole and stemma.best(lfs.folder).looked_at == 1
    assert not (lfs.folder.parent / "was-run").exists()


@pytest.mark.parametrize("left", ["nothing", "damaged"])
def test_a_pointer_without_its_object_is_told_with_the_command_that_brings_it(lfs: World, left: str) -> None:
    shutil.rmtree(lfs.folder / ".git/lfs") if left == "nothing" else None
    for file in (lfs.folder / ".git/lfs").rglob("*"):
        file.write_bytes(b"{}") if file.is_file() else None
    version = Repository(lfs.folder).version("HEAD")
    told = r"reports/metrics.json of HEAD is kept by Git LFS, and is not on this machine: run `git lfs fetch --all`"
    with pytest.raises(VersionError, match=told):
        version.json("reports/metrics.json")
    with pytest.raises(VersionError, match="run `git lfs pull`"):
        Repository(lfs.folder).version("workspace").json("reports/metrics.json")
    assert f"metrics: {told}" in stemma.show(lfs.folder).missing
    log = stemma.log(lfs.folder)
    assert log.entries[0].metric is None
    assert log.notes == ("2 reports kept by Git LFS and not on this machine, so figures are missing: "
                         "run `git lfs fetch --all`",)  # fmt: skip
    assert {fault.state for fault in stemma.verify(lfs.folder).faults} == {"missing"}


@pytest.mark.parametrize(
    ("attribute", "encoding", "content"),
    [
        ("eol=crlf", "utf-8", "{\n}\n"),
        ("working-tree-encoding=UTF-16LE", "utf-16-le", "{}\n"),
        ("ident", "utf-8", '{"id": "$Id$"}\n'),
    ],
)
def test_a_file_that_a_checkout_writes_otherwise_than_git_keeps_it_is_whole(
    tmp_path: Path, attribute: str, encoding: str, content: str
) -> None:
    world = new(tmp_path / "world")
    world.version("first", parts(frame=None))
    name = "reports/metrics.json"
    with_attributes(world, f"{name} text {attribute} filter=odd\n", "odd")
    world.write(name, content.encode(encoding))
    world.commit("with attributes")
    (world.folder / name).unlink()
    world.ok("git", "checkout", "--", name)
    lies = (world.folder / name).read_bytes()
    world.write("dvc.lock", (world.folder / "dvc.lock").read_text().replace(world.md5(name), md5(lies)))
    world.commit("as it lies there")
    assert Repository(world.folder).version("HEAD").text(name) == content and content.encode() != lies
    (tmp_path / "was-run").unlink()
    assert stemma.verify(world.folder).is_whole and not (tmp_path / "was-run").exists()
    world.write(name, '{"another": 1}\n'.encode(encoding))
    world.commit("edited")
    assert [fault.state for fault in stemma.verify(world.folder).faults] == ["corrupt"]


def md5(content: bytes) -> str:
    return hashlib.md5(content, usedforsecurity=False).hexdigest()
