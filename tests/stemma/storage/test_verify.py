"""Every object is hashed again where it lies: what is missing or damaged is named, and mended from the other side."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

import stemma
from s3 import Server
from stemma.errors import VersionError
from stemma.storage.verify import Verification
from version_worlds import World, new, parts

Run = Callable[..., tuple[int, str, str]]
INDEX = "models/weights/index.json"


@pytest.fixture
def world(three_versions: World, tmp_path: Path) -> World:
    return three_versions.copy(tmp_path / "world")


def in_remote(world: World, md5: str) -> Path:
    return world.remote / "files" / "md5" / md5[:2] / md5[2:]


def flip(path: Path) -> None:
    """One bit of the middle byte."""
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.chmod(0o644)
    path.write_bytes(content)


def faults(found: Verification) -> list[tuple[str, str, str, bool]]:
    return sorted((fault.path, fault.place, fault.state, fault.repaired) for fault in found.faults)


def test_a_sound_version_is_whole_and_everything_of_it_was_hashed(world: World) -> None:
    found = stemma.verify(world.folder)
    assert found.is_whole
    assert found.places == ("cache", "remote 'disk'")
    files = [world.object(world.md5(path)) for path in ("models/weights", INDEX, "models/package/model.zip")]
    assert found.objects > len(files)
    assert found.size > 2 * sum(file.stat().st_size for file in files)


def test_all_means_registered_versions_stages_branches_and_head_and_experiments_when_asked(world: World) -> None:
    found = stemma.verify(world.folder, all=True)
    assert set(found.versions) == {"model@v1.0.0", "model@v1.1.0", "main", "wider"}
    more = stemma.verify(world.folder, all=True, experiments=True)
    assert set(more.versions) - set(found.versions) == {"calm-otter"}
    assert more.objects > found.objects


def test_a_flipped_byte_in_the_cache_is_named_and_mended_from_the_remote(world: World) -> None:
    flip(world.object(world.md5(INDEX)))
    assert faults(stemma.verify(world.folder)) == [(INDEX, "cache", "corrupt", False)]
    assert faults(stemma.verify(world.folder, repair=True)) == [(INDEX, "cache", "corrupt", True)]
    assert stemma.verify(world.folder).is_whole


def test_a_flipped_byte_in_the_remote_is_named_and_mended_from_the_cache(world: World) -> None:
    flip(in_remote(world, world.md5(INDEX)))
    assert faults(stemma.verify(world.folder)) == [(INDEX, "remote 'disk'", "corrupt", False)]
    assert stemma.verify(world.folder, repair=True).is_whole
    assert in_remote(world, world.md5(INDEX)).read_bytes() == world.object(world.md5(INDEX)).read_bytes()


def test_deleted_objects_are_missing_and_are_fetched_from_the_other_side(world: World) -> None:
    in_remote(world, world.md5(INDEX)).unlink()
    world.object(world.md5("models/weights")).unlink()
    expected = [("models/weights", "cache", "missing", False), (INDEX, "remote 'disk'", "missing", False)]
    assert faults(stemma.verify(world.folder)) == expected
    assert stemma.verify(world.folder, repair=True).is_whole


def test_what_is_damaged_on_both_sides_stays_and_is_not_called_repaired(world: World) -> None:
    md5 = world.md5(INDEX)
    flip(world.object(md5))
    flip(in_remote(world, md5))
    before = world.object(md5).read_bytes()
    found = stemma.verify(world.folder, repair=True)
    assert not found.is_whole
    assert len(found.faults) == 2
    assert world.object(md5).read_bytes() == before


def test_an_empty_cache_is_filled_from_the_remote(world: World) -> None:
    world.empty_cache()
    found = stemma.verify(world.folder, all=True, repair=True)
    assert found.is_whole
    assert len(found.faults) == found.objects
    assert world.ok("dvc", "checkout") is not None
    assert json.loads(world.ok("dvc", "status", "--json")) == {}


def test_a_listing_that_is_nowhere_is_a_fault_and_its_unknown_files_are_a_note(world: World) -> None:
    md5 = world.md5("models/weights")
    world.object(md5).unlink()
    in_remote(world, md5).unlink()
    found = stemma.verify(world.folder)
    assert len(found.faults) == 2
    assert any("models/weights" in note and "not known" in note for note in found.notes)


def test_one_side_alone_can_be_asked_for(world: World) -> None:
    flip(in_remote(world, world.md5(INDEX)))
    assert stemma.verify(world.folder, only="cache").is_whole
    assert not stemma.verify(world.folder, only="remote").is_whole


def test_an_output_in_git_must_be_what_dvc_lock_says(world: World) -> None:
    metrics = json.loads((world.folder / "reports/metrics.json").read_text())
    metrics["test"]["accuracy"] = 0.99
    world.write("reports/metrics.json", json.dumps(metrics))
    world.commit("better by hand")
    assert faults(stemma.verify(world.folder)) == [("reports/metrics.json", "Git", "corrupt", False)]
    assert stemma.verify(world.folder, ["HEAD~1"]).is_whole


def test_a_file_that_dvc_add_tracks_is_verified_too(tmp_path: Path) -> None:
    world = new(tmp_path / "world")
    world.version("a model", parts())
    world.write("data/raw/rows.csv", "a,b\n1,2\n")
    world.ok("dvc", "add", "data/raw/rows.csv")
    world.push()
    world.commit("rows")
    assert stemma.verify(world.folder).is_whole
    md5 = yaml.safe_load((world.folder / "data/raw/rows.csv.dvc").read_text())["outs"][0]["md5"]
    in_remote(world, md5).unlink()
    assert faults(stemma.verify(world.folder)) == [("data/raw/rows.csv", "remote 'disk'", "missing", False)]


def test_an_output_that_is_never_pushed_is_not_missed_in_the_remote(tmp_path: Path) -> None:
    world = new(tmp_path / "world")
    pipeline = yaml.safe_load((world.folder / "dvc.yaml").read_text())
    pipeline["stages"]["package"]["outs"] = [{"models/package/model.zip": {"push": False}}]
    world.write("dvc.yaml", yaml.safe_dump(pipeline))
    world.version("a model", parts())
    in_remote(world, world.md5("models/package/model.zip")).unlink()
    assert stemma.verify(world.folder).is_whole
    world.object(world.md5("models/package/model.zip")).unlink()
    assert faults(stemma.verify(world.folder)) == [("models/package/model.zip", "cache", "missing", False)]


def test_a_remote_that_is_not_mounted_is_one_line_and_not_a_thousand(world: World) -> None:
    world.remote.rename(world.remote.with_name("elsewhere"))
    with pytest.raises(VersionError, match=r"remote 'disk': there is no folder .*: run `dvc push`"):
        stemma.verify(world.folder)
    assert stemma.verify(world.folder, only="cache").is_whole


def test_the_command_says_what_is_wrong_in_words_and_exits_1(world: World, run: Run) -> None:
    code, out, _ = run(world, "verify")
    assert code == 0
    assert out.endswith(" in cache and remote 'disk': whole\n")
    flip(world.object(world.md5(INDEX)))
    code, out, _ = run(world, "verify", "--all")
    assert code == 1
    assert "1 corrupt" in out
    assert world.md5(INDEX) in out
    assert "remedy: run `stemma verify --repair`" in out
    code, out, _ = run(world, "verify", "--json")
    assert code == 1
    assert json.loads(out)["faults"][0]["path"] == INDEX
    code, out, _ = run(world, "verify", "--repair", "--md")
    assert code == 0
    assert "| path" in out
    assert "1 repaired" in out


@pytest.mark.parametrize(
    ("name", "message"), [("nope", "no revision is named 'nope'"), ("workspace", "the workspace is no version")]
)
def test_a_wrong_name_is_one_line(world: World, run: Run, name: str, message: str) -> None:
    code, _, err = run(world, "verify", name)
    assert code == 1
    assert err.startswith(f"error: {message}")
    assert err.count("\n") == 1


def test_a_commit_without_a_model_is_not_whole(world: World) -> None:
    start = world.ok("git", "rev-list", "--max-parents=0", "HEAD")
    world.git("tag", "-a", "model@v9.0.0", "-m", "of nothing", start)
    with pytest.raises(VersionError, match=r"model@v9\.0\.0 holds no trained model"):
        stemma.verify(world.folder, ["model@v9.0.0"])
    notes = stemma.verify(world.folder, all=True).notes
    assert "model@v9.0.0 is registered, and holds no trained model" in notes


def test_repair_names_who_holds_the_lock(world: World) -> None:
    holder = "import sys, time, zc.lockfile as z; held = z.LockFile(sys.argv[1]); print(1, flush=True); time.sleep(600)"
    (world.folder / ".dvc/tmp").mkdir(exist_ok=True)
    command = [sys.executable, "-c", holder, str(world.folder / ".dvc/tmp/lock")]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
        assert other.stdout is not None
        other.stdout.readline()
        try:
            with pytest.raises(VersionError, match=f"in use by process {other.pid}"):
                stemma.verify(world.folder, repair=True)
        finally:
            other.kill()


def test_a_bucket_is_verified_and_mended_like_a_folder(world: World, s3: Server) -> None:
    bucket = s3.bucket("verified")
    world.ok("dvc", "remote", "add", "--local", "-d", "cloud", "s3://verified/dvc")
    world.ok("dvc", "push", "-A")
    md5 = world.md5(INDEX)
    place = bucket / "dvc/files/md5" / md5[:2] / md5[2:]
    flip(place)
    world.object(world.md5("models/weights")).unlink()
    found = stemma.verify(world.folder, all=True)
    expected = [("models/weights", "cache", "missing", False), (INDEX, "remote 'cloud'", "corrupt", False)]
    assert faults(found) == expected
    assert stemma.verify(world.folder, all=True, repair=True).is_whole
    assert place.read_bytes() == world.object(md5).read_bytes()
