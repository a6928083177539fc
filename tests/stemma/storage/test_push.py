"""`stemma push`: versions of any commit into the remote of this clone."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

import stemma
from stemma.errors import VersionError
from stemma.repo import places
from version_worlds import World

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def world(three_versions: World, tmp_path: Path) -> World:
    """Three versions, in the cache alone; the remote is a relative path, as the docs have it."""
    world = three_versions.copy(tmp_path / "w" / "world")
    for file in (world.remote / "files").rglob("*"):
        if file.is_file():
            file.unlink()
    return world


def held(world: World) -> set[str]:
    return {file.parent.name + file.name for file in (world.remote / "files").rglob("*") if file.is_file()}


def test_a_version_that_is_not_checked_out_is_whole_in_the_remote_afterwards(world: World, run: Run) -> None:
    assert not stemma.verify(world.folder, ["HEAD~2"], only="remote").is_whole
    code, out, err = run(world, "push", "HEAD~2")
    assert (code, err) == (0, "") and out.startswith("1 version in remote 'disk': ")
    assert stemma.verify(world.folder, ["HEAD~2"], only="remote").is_whole
    assert not stemma.verify(world.folder, ["HEAD"], only="remote").is_whole
    assert "objects were there" in run(world, "push", "HEAD~2")[1]


def test_all_sends_every_version_once(world: World, run: Run) -> None:
    sent = stemma.push(world.folder, all=True)
    assert sent.pushed == sent.objects == len(held(world)) and stemma.verify(world.folder, all=True).is_whole
    assert json.loads(run(world, "push", "--all", "--json")[1])["pushed"] == 0


def test_what_a_command_advises_makes_it_succeed(world: World, run: Run) -> None:
    _, _, err = run(world, "promote", "v1.1.0", "dev")
    (advised,) = [part for part in err.split("`") if part.startswith("stemma push ")]
    assert run(world, *advised.split()[1:])[0] == 0
    assert run(world, "promote", "v1.1.0", "dev")[0] == 0


def test_a_listing_is_sent_last(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []
    real = places.copy
    monkeypatch.setattr(places, "copy", lambda md5, *more: (sent.append(md5), real(md5, *more)))
    stemma.push(world.folder)
    assert sent == sorted(sent, key=lambda md5: md5.endswith(".dir")) and sent[-1].endswith(".dir")


def test_an_object_that_is_nowhere_is_named_and_nothing_is_sent(world: World) -> None:
    world.object(world.md5("models/package/model.zip")).unlink()
    with pytest.raises(VersionError, match=r"1 object is neither .* \(models/package/model\.zip\).* nothing was sent"):
        stemma.push(world.folder)
    assert held(world) == set()


def test_a_damaged_object_is_not_sent(world: World) -> None:
    file = world.object(world.md5("models/package/model.zip"))
    file.chmod(0o644)
    file.write_bytes(b"other bytes")
    with pytest.raises(VersionError, match="is damaged"):
        stemma.push(world.folder)


def test_without_a_remote_the_command_that_adds_one_is_told(world: World) -> None:
    world.write(".dvc/config", "[core]\n    analytics = false\n")
    with pytest.raises(VersionError, match="run `dvc remote add --default NAME URL`"):
        stemma.push(world.folder)
