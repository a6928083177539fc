"""A setting that names something outside the commit does not move, or is refused before it is written."""

import json
from pathlib import Path
from typing import Any

import pytest

import stemma
from stemma import conf
from stemma.conf import pins
from stemma.errors import SettingsError, VersionError
from version_worlds import TRAINING, World, new, parts


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Two versions of different commits; the first is registered and in production."""
    made = new(tmp_path_factory.mktemp("pins") / "world")
    made.version("first", parts(bundle=b"1"))
    stemma.register(made.folder)
    stemma.promote(made.folder, "model@v1.0.0", "prod")
    made.version("second", parts(bundle=b"2"))
    made.ok("git", "branch", "topic")
    made.ok("git", "branch", "deadbeef")
    made.ok("git", "tag", "milestone")
    return made


def start(name: str | None) -> dict[str, Any]:
    return {"train": {"init_from": name}, "data": {"source": "data/raw/t.csv"}}


def commit(world: World, name: str = "HEAD") -> str:
    return world.ok("git", "rev-parse", name).strip()


@pytest.mark.parametrize("name", ["HEAD", "HEAD~1", "topic", "milestone", "model#prod", "model@latest", "deadbeef"])
def test_a_name_that_moves_is_refused_with_the_commit_to_name(world: World, name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        pins.check(world.folder, start(name))
    stands_for = commit(world, {"model#prod": "HEAD~1", "model@latest": "HEAD~1"}.get(name, name))
    assert str(caught.value) == (
        f"train.init_from: {name} is {stands_for[:10]}, and moves: name the commit, or a registered version: "
        f"run `dvc exp run -S train.init_from={stands_for}`"
    )


def test_where_dvc_runs_an_experiment_beside_the_work_tree_names_are_still_known(world: World) -> None:
    folder = world.folder / ".dvc/tmp/exps/tmp1"
    (folder / ".dvc").mkdir(parents=True)
    world.ok("git", "init", "-q", str(folder))
    with pytest.raises(SettingsError, match=f"topic is {commit(world)[:10]}, and moves"):
        pins.check(folder, start("topic"))
    pins.check(folder, start(commit(world)[:7]))


def test_commits_registered_versions_and_single_assignments_stay(world: World) -> None:
    whole = commit(world)
    for name in (None, whole, whole[:7], whole[:12].upper(), "model@v1.0.0", "model#prod#1", "0" * 40):
        pins.check(world.folder, start(name))


def test_a_version_made_before_keeps_its_meaning(world: World) -> None:
    file = world.folder / "reports/training.json"
    before = file.read_bytes()
    first = commit(world, "HEAD~1")
    file.write_text(json.dumps(TRAINING | {"init_from": {"revision": "HEAD", "commit": first}}), encoding="utf-8")
    with pytest.raises(SettingsError, match=f"was {first[:10]} when .* made and is {commit(world)[:10]} now") as caught:
        pins.check(world.folder, start("HEAD"))
    assert caught.value.run == f"dvc exp run -S train.init_from={first}"
    file.write_text("<<<<<<< ours", encoding="utf-8")
    with pytest.raises(SettingsError, match=commit(world)):
        pins.check(world.folder, start("HEAD"))
    file.write_bytes(before)


def test_the_workspace_and_what_is_nowhere_are_no_versions(world: World) -> None:
    with pytest.raises(SettingsError, match="workspace is no version: commit it, and name the commit"):
        pins.check(world.folder, start("workspace"))
    with pytest.raises(VersionError, match="no revision is named 'nowhere'"):
        pins.check(world.folder, start("nowhere"))


@pytest.mark.parametrize("url", ["https://example.org/a/t.csv", "s3://bucket/t.csv"])
def test_a_table_by_a_url_is_refused_with_the_command_that_keeps_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(SettingsError) as caught:
        pins.check(tmp_path, {"data": {"source": url}})
    assert caught.value.run == f"dvc import-url {url} data/raw/t.csv"


def test_nothing_that_moves_is_written_by_sync_or_adopt_or_passes_the_guard(settings: Any) -> None:
    before = settings.files()
    with pytest.raises(SettingsError, match="dvc import-url"):
        conf.sync(settings.root, ["+data.source=https://example.org/t.csv"])
    assert settings.files() == before
    conf.guard(settings.root)
    settings.write("params.yaml", settings.read("params.yaml").replace("data:\n", "data:\n  source: s3://b/t.csv\n"))
    before = settings.files()
    for refused in (conf.adopt, conf.guard):
        with pytest.raises(SettingsError, match="dvc import-url"):
            refused(settings.root)
    assert settings.files() == before
