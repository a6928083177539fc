"""What nothing needs goes to a trash and comes back; what anything needs stays, whatever happens meanwhile."""

import dataclasses
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
import yaml

import stemma
from registered_worlds import clones
from s3 import Server
from stemma.errors import VersionError
from stemma.repo import places
from stemma.repo.repository import Repository
from stemma.storage import gc
from stemma.storage.gc import Plan, Rules, trash
from timing import until
from version_worlds import PARAMS, TRAINING, Projects, World, network, new, parts

Run = Callable[..., tuple[int, str, str]]
NOW = Rules(older_than=timedelta())
BOTH = Rules(older_than=timedelta(), remotes=(None,))
DVC_GC = ("dvc", "gc", "--workspace", "--all-tags", "--force")


@pytest.fixture(scope="session")
def long_history(tmp_path_factory: pytest.TempPathFactory) -> World:
    """v1.0.0, which is in prod; two commits that nothing points to; the tip of main. All of it pushed."""
    world = new(tmp_path_factory.mktemp("gc") / "shop")
    for number, message in enumerate(("first", "second", "third", "fourth")):
        tensors = network(seed=number)[1]
        world.version(message, parts(tensors=tensors, frame=None, bundle=f"bundle {number}".encode()))
        if number == 0:
            stemma.register(world.folder)
            stemma.promote(world.folder, "v1.0.0", "prod")
    return world


@pytest.fixture
def world(long_history: World, tmp_path: Path) -> World:
    return long_history.copy(tmp_path / "shop")  # its committed config names shop-remote


def files(folder: Path) -> dict[str, bytes]:
    """The objects of a place."""
    found = (folder / "files" / "md5").rglob("*")
    return {path.name: path.read_bytes() for path in found if path.is_file()}


def cached(world: World) -> dict[str, bytes]:
    return files(world.cache.parent.parent)


def is_whole(world: World, *revisions: str) -> bool:
    return stemma.verify(world.folder, revisions, all=not revisions).is_whole


def lost(plan: Plan) -> list[str]:
    return [loss.subject for loss in plan.losses]


# What goes, and the way back.


def test_a_dry_run_says_what_each_commit_would_lose_and_moves_nothing(world: World) -> None:
    before = cached(world), files(world.remote)
    plan = gc.plan(world.folder, BOTH)
    assert lost(plan) == ["third", "second"]
    assert [place.place for place in plan.places] == ["cache", "remote 'disk'"]
    cache, remote = plan.places
    assert cache.going == remote.going > 0
    assert plan.losses[0].sizes["cache"] > 0
    assert cache.unknown == 0
    assert (cached(world), files(world.remote)) == before
    assert not (world.remote / trash.FOLDER).exists()


def test_what_nothing_needs_goes_to_the_trash_and_comes_back_byte_for_byte(world: World) -> None:
    before = cached(world), files(world.remote)
    done = gc.collect(world.folder, BOTH)
    assert done.verified > 0
    assert len(cached(world)) == len(before[0]) - done.plan.places[0].going
    assert len(files(world.remote)) == len(before[1]) - done.plan.places[1].going
    assert is_whole(world)
    assert not is_whole(world, "HEAD~1")
    assert gc.collect(world.folder, BOTH).run is None
    moved = gc.undo(world.folder)
    assert {each.run for each in moved} == {done.run}
    assert (cached(world), files(world.remote)) == before
    assert is_whole(world, "HEAD~1", "HEAD~2")
    with pytest.raises(VersionError, match="there is nothing to undo"):
        gc.undo(world.folder)


def test_the_cache_alone_is_collected_unless_a_remote_is_named(world: World) -> None:
    before = files(world.remote)
    gc.collect(world.folder, NOW)
    assert files(world.remote) == before
    assert stemma.verify(world.folder, ["HEAD~1"], repair=True).is_whole


def test_several_runs_come_back_one_after_the_other(world: World) -> None:
    before = cached(world)
    world.ok("git", "tag", "kept", "HEAD~1")
    gc.collect(world.folder, NOW)
    middle = cached(world)
    world.ok("git", "tag", "-d", "kept")
    gc.collect(world.folder, NOW)
    gc.undo(world.folder)
    assert cached(world) == middle
    gc.undo(world.folder)
    assert cached(world) == before


def test_the_trash_is_emptied_for_good_and_by_age(world: World) -> None:
    gc.collect(world.folder, BOTH)
    assert gc.empty(world.folder, older_than=timedelta(hours=1)) == ()
    [gone] = gc.empty(world.folder)
    assert gone.objects > 0
    assert not list((world.cache.parent.parent / trash.FOLDER).rglob("*.json"))
    assert list((world.remote / trash.FOLDER).rglob("objects/*"))
    assert [each.place for each in gc.empty(world.folder, BOTH)] == ["remote 'disk'"]
    with pytest.raises(VersionError, match="nothing to undo"):
        gc.undo(world.folder)
    assert is_whole(world)


def test_what_is_needed_again_is_not_deleted_with_the_trash(world: World) -> None:
    gc.collect(world.folder, BOTH)
    world.git("branch", "again", "HEAD~2")
    with pytest.raises(VersionError, match=r"needed again: bring them back first: run `stemma gc --undo`"):
        gc.empty(world.folder)
    gc.undo(world.folder)
    assert is_whole(world, "again")


def test_a_run_in_a_remote_can_be_undone_from_another_clone(world: World) -> None:
    other = world.folder.with_name("other")
    world.ok("git", "clone", "-q", str(world.folder), str(other))
    before = files(world.remote)
    gc.collect(world.folder, BOTH)
    [moved] = gc.undo(other, only_remote=True)
    assert moved.place == "remote 'disk'"
    assert files(world.remote) == before


def test_dvc_push_puts_a_collected_version_back_whole(world: World) -> None:
    world.ok("dvc", "push", "-A")  # DVC notes what the remote has
    gc.collect(world.folder, BOTH)
    gc.undo(world.folder)
    gc.collect(world.folder, BOTH)
    shutil.copytree(world.cache.parent.parent / trash.FOLDER, world.folder.with_name("aside"))
    gc.empty(world.folder, BOTH)
    world.ok("git", "checkout", "-q", "HEAD~1")
    for object_ in world.folder.with_name("aside").rglob("objects/*"):
        place = world.object(object_.name)
        place.parent.mkdir(exist_ok=True)
        shutil.copyfile(object_, place)
    world.ok("dvc", "push")
    assert stemma.verify(world.folder, ["HEAD"], only="remote").is_whole


# What stays.


def stage_changes_of(world: World, revision: str) -> None:
    world.ok("git", "checkout", revision, "--", "dvc.lock", "params.yaml", "src", "reports")


def on_a_branch(world: World, commit: str) -> None:
    world.git("branch", "mine", commit)


def under_a_plain_tag(world: World, commit: str) -> None:
    world.git("tag", "plain", commit)


def under_a_tag_of_a_tag(world: World, commit: str) -> None:
    world.tag("inner", commit)
    world.git("tag", "-a", "outer", "-m", "x", "inner")
    world.git("tag", "-d", "inner")


def registered(world: World, commit: str) -> None:
    stemma.register(world.folder, commit)


def in_a_stage(world: World, commit: str) -> None:
    world.tag("model#dev#1", commit)


def retired(world: World, commit: str) -> None:
    stemma.register(world.folder, commit)
    stemma.retire(world.folder, str(stemma.history(world.folder).events[-1].version), why="x")


def as_head(world: World, commit: str) -> None:
    world.git("checkout", "-q", "--detach", commit)


def in_the_stash(world: World, commit: str) -> None:
    stage_changes_of(world, commit)
    world.git("stash")
    world.write("notes.md", "a later stash")
    world.git("add", "notes.md")
    world.git("stash")


def in_the_work_tree_alone(world: World, commit: str) -> None:
    world.write("dvc.lock", world.ok("git", "show", f"{commit}:dvc.lock") + "\n")


def in_the_index_alone(world: World, commit: str) -> None:
    stage_changes_of(world, commit)
    world.write("dvc.lock", world.ok("git", "show", "HEAD:dvc.lock") + "\n")


def in_another_work_tree(world: World, commit: str) -> None:
    other = world.folder.with_name("second-tree")
    world.git("worktree", "add", "-q", "--detach", str(other), "HEAD")
    (other / "dvc.lock").write_text(world.ok("git", "show", f"{commit}:dvc.lock") + "\n")


def as_an_experiment(world: World, commit: str) -> None:
    base = world.ok("git", "rev-parse", "HEAD")
    world.ok("git", "update-ref", f"refs/exps/{base[:2]}/{base[2:]}/calm-otter", commit)


def queued(world: World, commit: str) -> None:
    """Two entries of DVC's queue; the one wanted is in the reflog alone."""
    ref = "refs/exps/celery/stash"
    stage_changes_of(world, commit)
    for later in (False, True):
        world.write("notes.md", str(later))
        world.git("add", "notes.md")
        world.ok("git", "update-ref", "--create-reflog", ref, world.ok("git", "stash", "create"))
        world.git("reset", "-q", "--hard")


def in_a_running_experiment(world: World, commit: str) -> None:
    folder = world.folder / ".dvc/tmp/exps/tmp1"
    world.ok("git", "init", "-q", str(folder))
    (folder / "dvc.lock").write_text(world.ok("git", "show", f"{commit}:dvc.lock") + "\n")


def in_a_running_experiment_of_another_work_tree(world: World, commit: str) -> None:
    other = world.folder.with_name("second-tree")
    world.git("worktree", "add", "-q", "--detach", str(other), "HEAD")
    in_a_running_experiment(dataclasses.replace(world, folder=other), commit)


def on_a_branch_of_another_clone(world: World, commit: str) -> None:
    """It was fetched once, and the branch is one that this clone does not follow."""
    server = world.folder.with_name("server.git")
    world.ok("git", "clone", "-q", "--bare", str(world.folder), str(server))
    world.ok("git", "remote", "add", "-t", "main", "origin", str(server))
    world.ok("git", "-C", str(server), "branch", "theirs", commit)


def imported(world: World, commit: str) -> None:
    """A .dvc file on a branch names one object of it, as an import."""
    entry = yaml.safe_load(world.ok("git", "show", f"{commit}:dvc.lock"))["stages"]["train"]["outs"][0]
    world.git("checkout", "-q", "-b", "with-import")
    outs = [{"path": "weights", **{key: entry[key] for key in ("md5", "size", "nfiles", "hash")}}]
    content = {"outs": outs, "deps": [{"path": "x", "repo": {"url": "https://example.org", "rev_lock": "0" * 40}}]}
    world.write("data/weights.dvc", yaml.safe_dump(content))
    world.commit("an import")
    world.git("checkout", "-q", "main")


HOLDERS = [
    on_a_branch, under_a_plain_tag, under_a_tag_of_a_tag, registered, in_a_stage, retired, as_head, in_the_stash,
    in_the_work_tree_alone, in_the_index_alone, in_another_work_tree, as_an_experiment, queued,
    in_a_running_experiment, in_a_running_experiment_of_another_work_tree, on_a_branch_of_another_clone,
]  # fmt: skip


@pytest.mark.parametrize("hold", HOLDERS, ids=lambda hold: hold.__name__)
def test_a_version_stays_that_is(world: World, hold: Callable[[World, str], None]) -> None:
    wanted = world.ok("git", "rev-parse", "HEAD~2")
    hold(world, wanted)
    done = gc.collect(world.folder, BOTH)
    assert lost(done.plan) == ["third"]
    assert is_whole(world, wanted)


@pytest.mark.parametrize(
    "how", ["trained", "a commit that is asked for", "asked for in the work tree", "a grandparent"]
)
def test_what_a_version_that_stays_started_from_stays(world: World, how: str) -> None:
    """Nothing else points to the second version, whose weights another began with."""
    second = world.ok("git", "rev-parse", "HEAD~2")
    trained = TRAINING | {"init_from": {"commit": second, "revision": second[:7], "taken": [], "drawn": []}}
    asked = PARAMS | {"train": PARAMS["train"] | {"init_from": second[:10]}}
    made = parts(tensors=network(seed=7)[1], frame=None)
    if how == "asked for in the work tree":
        world.write("params.yaml", yaml.safe_dump(asked))
    else:
        child = world.version(
            "child", made.but(**{"params": asked} if how.startswith("a commit") else {"training": trained})
        )
    if how == "a grandparent":
        again = TRAINING | {"init_from": {"commit": child, "revision": child}}
        world.ok("git", "reset", "-q", "--hard", "HEAD~1")
        world.ok("git", "update-ref", "-d", "ORIG_HEAD")
        world.version("grandchild", made.but(training=again, tensors=network(seed=8)[1]))
    plan = gc.plan(world.folder, NOW)
    assert ("start", second) in {(root.why, root.commit) for root in plan.kept}
    assert second not in {loss.commit for loss in plan.losses}
    assert (how == "a grandparent") == (len([root for root in plan.kept if root.why == "start"]) == 2)


def test_what_a_dvc_file_of_a_branch_tracks_stays(world: World) -> None:
    wanted = world.ok("git", "rev-parse", "HEAD~2")
    imported(world, wanted)
    gc.collect(world.folder, BOTH)
    faults = stemma.verify(world.folder, [wanted]).faults
    assert faults
    assert not any(fault.path.startswith("models/weights") for fault in faults)


def test_a_folder_that_git_keeps_is_found_in_commits_in_the_index_and_in_the_work_tree(world: World) -> None:
    pipeline, lock = (yaml.safe_load((world.folder / name).read_text()) for name in ("dvc.yaml", "dvc.lock"))
    pipeline["stages"]["evaluate"]["outs"].append({"reports/data": {"cache": False}})
    lock["stages"]["evaluate"]["outs"].append({"path": "reports/data", "hash": "md5", "md5": "0" * 32 + ".dir"})
    for name, content in (("dvc.yaml", pipeline), ("dvc.lock", lock)):
        world.write(name, yaml.safe_dump(content, sort_keys=False))
    world.write("reports/data/columns.svg", "<svg/>")
    lost = "reports/data of {} is kept neither by DVC nor by Git"
    assert lost.format("the work tree") in gc.plan(world.folder).notes
    world.ok("git", "add", "-A")
    assert not [note for note in gc.plan(world.folder).notes if "kept neither" in note]
    world.ok("git", "commit", "-qm", "a folder in Git")
    assert not [note for note in gc.plan(world.folder).notes if "kept neither" in note]


def test_the_work_trees_of_a_bare_repository_are_all_looked_at(world: World, tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    world.ok("git", "clone", "-q", "--bare", str(world.folder), str(bare))
    for name in ("one", "two"):
        world.ok("git", "-C", str(bare), "worktree", "add", "-q", "--detach", str(tmp_path / name), "main")
    shutil.copytree(world.folder / ".dvc/cache", tmp_path / "one/.dvc/cache")
    World(tmp_path / "two").ok("dvc", "cache", "dir", "--local", str(tmp_path / "one/.dvc/cache"))
    (tmp_path / "two/dvc.lock").write_text(world.ok("git", "show", "HEAD~2:dvc.lock") + "\n")
    for name in ("one", "two"):
        assert lost(gc.plan(tmp_path / name, NOW)) == ["third"]
    shutil.rmtree(tmp_path / "two")
    with pytest.raises(VersionError, match=r"the work tree .*two is not there.*`git worktree prune`"):
        gc.plan(tmp_path / "one", NOW)


def test_experiments_stay_by_rule(world: World) -> None:
    as_an_experiment(world, world.ok("git", "rev-parse", "HEAD~2"))
    for rule, expected in (
        ("all", ["third"]),
        (timedelta(days=36500), ["third"]),
        (timedelta(days=1), ["third", "second"]),
        ("none", ["third", "second"]),
    ):
        assert lost(gc.plan(world.folder, Rules(older_than=timedelta(), experiments=rule))) == expected  # type: ignore[arg-type]


def test_a_retired_version_goes_only_when_asked_and_when_nothing_else_holds_it(world: World) -> None:
    retired(world, world.ok("git", "rev-parse", "HEAD~2"))
    asked = Rules(older_than=timedelta(), retired=False)
    assert lost(gc.plan(world.folder, NOW)) == ["third"]
    assert lost(gc.plan(world.folder, asked)) == ["third", "second"]
    world.git("branch", "mine", "HEAD~2")
    assert lost(gc.plan(world.folder, asked)) == ["third"]


def test_what_is_young_stays_and_so_do_the_files_of_a_young_listing(world: World) -> None:
    rules = Rules(older_than=timedelta(hours=1), remotes=(None,))
    assert gc.plan(world.folder, rules).going == 0
    listing = yaml.safe_load(world.ok("git", "show", "HEAD~1:dvc.lock"))["stages"]["train"]["outs"][0]["md5"]
    for folder in (world.cache, world.remote / "files/md5"):
        for path in folder.rglob("*"):
            if path.is_file() and path.name != listing[2:]:
                os.utime(path, (0, 0))
    plan = gc.plan(world.folder, rules)
    assert plan.going > 0
    assert plan.places[0].young == 1 + len(json.loads(world.object(listing).read_bytes()))


def test_another_repository_with_the_same_cache_keeps_its_objects(world: World, tmp_path: Path) -> None:
    other = World(tmp_path / "other")
    world.ok("git", "clone", "-q", str(world.folder), str(other.folder))
    other.git("checkout", "-q", "HEAD~2")
    other.git("remote", "remove", "origin")
    alone = gc.plan(world.folder, NOW)
    beside = gc.plan(world.folder, Rules(older_than=timedelta(), projects=(other.folder,)))
    assert 0 < beside.going < alone.going
    assert lost(beside) == ["third"]


def test_another_project_of_the_repository_with_the_same_remote_keeps_its_objects(
    two_projects: Projects, tmp_path: Path
) -> None:
    two = two_projects.copy(tmp_path / "shop")
    for world in (two.churn, two.sales):
        world.ok("dvc", "remote", "modify", "-q", "disk", "url", str(two.churn.remote))
        world.commit("one remote for both")
        stemma.push(world.folder, all=True)
    two.sales.version("never registered", parts(frame=None, bundle=b"nobody's"))
    two.sales.ok("git", "reset", "-q", "--hard", "HEAD~1")
    two.sales.ok("git", "update-ref", "-d", "ORIG_HEAD")
    stemma.push(two.sales.folder, all=True)
    shutil.copytree(two.sales.remote, two.churn.remote, dirs_exist_ok=True)
    assert 0 < gc.collect(two.churn.folder, BOTH).plan.places[1].going < 10
    assert all(stemma.verify(world.folder, all=True, only="remote").is_whole for world in (two.churn, two.sales))
    shutil.rmtree(two.sales.folder)
    with pytest.raises(VersionError, match=r"the project in ../sales is not in the work tree.*git checkout HEAD"):
        gc.plan(two.churn.folder, BOTH)


def test_a_cache_outside_the_repository_is_touched_only_when_its_users_are_named(world: World, tmp_path: Path) -> None:
    shutil.copytree(world.folder / ".dvc/cache", tmp_path / "shared")
    world.ok("dvc", "cache", "dir", "--local", str(tmp_path / "shared"))
    with pytest.raises(VersionError, match=r"outside this repository, others may use it.*`stemma gc --project \.`"):
        gc.plan(world.folder, NOW)
    rules = Rules(older_than=timedelta(), projects=(world.folder,))
    gc.collect(world.folder, rules)
    assert is_whole(world)


# The story: a clone without tags.


def deployed(world: World, *options: str) -> World:
    """A clone that got the objects of main, as a person has who fetched everything and works on."""
    server = world.folder.with_name("server.git")
    if not server.exists():
        world.ok("git", "clone", "-q", "--bare", str(world.folder), str(server))
    clone = World(world.folder.with_name(f"clone-{secrets.token_hex(4)}"))
    world.ok("git", "clone", "-q", *options, server.as_uri(), str(clone.folder))
    return clone


def test_dvc_gc_in_a_clone_without_tags_loses_the_production_model_and_stemma_gc_refuses(world: World) -> None:
    careful = deployed(world, "--no-tags")
    for rules in (NOW, BOTH):
        with pytest.raises(VersionError, match=r"takes no tags from origin.*--unset remote\.origin\.tagOpt"):
            gc.collect(careful.folder, rules)
    full = deployed(world)
    gc.collect(full.folder, BOTH)
    assert stemma.verify(full.folder, ["model#prod"], only="remote").is_whole
    careless = deployed(world, "--no-tags")
    careless.ok(*DVC_GC)
    careless.ok(*DVC_GC, "-c")
    shutil.rmtree(world.folder / ".dvc/cache")
    assert not is_whole(full, "model#prod")
    full.ok("git", "checkout", "-q", "model@v1.0.0")
    assert full.run("dvc", "pull").returncode != 0


def test_tags_that_were_removed_here_are_fetched_first(world: World) -> None:
    clone = deployed(world)
    clone.ok("git", "tag", "-d", "model@v1.0.0", "model#prod#1")
    repository = Repository(clone.folder)
    assert repository.registry.names() == []
    plan = gc.plan(repository, BOTH)
    assert plan.fetched == ("fetched 2 tags from origin",)
    assert [kept.why for kept in plan.kept if kept.name == "model#prod"] == ["stage"]
    assert "model#prod#1" in clone.ok("git", "tag")


def test_a_shallow_clone_is_refused(world: World) -> None:
    clone = deployed(world, "--depth=1")
    with pytest.raises(VersionError, match=r"shallow.*run `git fetch --unshallow --tags`"):
        gc.plan(clone.folder, NOW)


def test_a_git_remote_out_of_reach_is_one_line_with_the_command(world: World, run: Run) -> None:
    clone = deployed(world)
    shutil.rmtree(world.folder.with_name("server.git"))
    code, _, err = run(clone, "gc", "--apply")
    assert code == 1
    assert err.startswith("error: the Git remote 'origin' cannot be asked for its tags")
    assert err.endswith("run `git fetch --tags origin`\n")
    assert err.count("\n") == 1


def test_the_branches_and_experiments_of_others_stay_in_the_remote(world: World) -> None:
    anne, bob = clones(world)
    second = bob.ok("git", "rev-parse", "HEAD~2")
    bob.ok("git", "push", "-q", "origin", f"{second}:refs/heads/new", f"HEAD~1:refs/exps/ab/{'c' * 38}/brave-fox")
    plan = gc.plan(anne.folder, BOTH)
    assert plan.going == 0
    assert {"origin/new", "brave-fox"} <= {kept.name for kept in plan.kept}
    anne.ok("git", "fetch", "-q")
    without = gc.plan(anne.folder, Rules(older_than=timedelta(), remotes=(None,), experiments="none"))
    assert lost(without) == ["third"]


def test_the_same_tag_on_two_commits_keeps_both(world: World) -> None:
    clone = deployed(world)
    world.ok("git", "-C", str(world.folder.with_name("server.git")), "tag", "best", "HEAD~1")
    clone.ok("git", "tag", "best", "HEAD~2")
    assert gc.plan(clone.folder, BOTH).going == 0


# What stands in the way.


def test_a_promoted_version_that_is_not_whole_stops_it_before_anything_moves(world: World) -> None:
    md5 = yaml.safe_load(world.ok("git", "show", "model@v1.0.0:dvc.lock"))["stages"]["package"]["outs"][0]["md5"]
    world.object(md5).unlink()
    (world.remote / "files/md5" / md5[:2] / md5[2:]).unlink()
    before = cached(world)
    with pytest.raises(VersionError, match=r"no place has models/package/model\.zip of model#prod"):
        gc.collect(world.folder, NOW)
    assert cached(world) == before


def test_a_promoted_version_that_is_damaged_afterwards_undoes_it(world: World, run: Run) -> None:
    md5 = yaml.safe_load(world.ok("git", "show", "model@v1.0.0:dvc.lock"))["stages"]["package"]["outs"][0]["md5"]
    world.object(md5).write_bytes(b"other bytes")
    before = cached(world), files(world.remote)
    code, _, err = run(world, "gc", "--older-than", "0", "--remote", "--apply")
    assert code == 1
    assert "model.zip of model#prod is missing or damaged in the cache; everything is where it was" in err
    assert (cached(world), files(world.remote)) == before
    with pytest.raises(VersionError, match="nothing to undo"):
        gc.undo(world.folder)


def test_a_version_that_is_promoted_out_of_the_trash_asks_for_it_back(world: World) -> None:
    commit = world.ok("git", "rev-parse", "HEAD~2")
    gc.collect(world.folder, BOTH)
    world.tag("model#dev#1", commit)
    with pytest.raises(VersionError, match=r"of model#dev.*run `stemma gc --undo`"):
        gc.collect(world.folder, BOTH)


def test_a_listing_that_is_nowhere_stops_it_where_a_registered_version_has_it_and_is_a_note_elsewhere(
    world: World,
) -> None:
    world.git("branch", "mine", "HEAD~2")
    for revision in ("mine", "model@v1.0.0"):
        md5 = yaml.safe_load(world.ok("git", "show", f"{revision}:dvc.lock"))["stages"]["train"]["outs"][0]["md5"]
        world.object(md5).unlink()
        (world.remote / "files/md5" / md5[:2] / md5[2:]).unlink()
        if revision == "mine":
            assert any("models/weights of mine is nowhere" in note for note in gc.plan(world.folder).notes)
    with pytest.raises(VersionError, match="the listing of models/weights of model#prod is nowhere"):
        gc.plan(world.folder)


def test_without_a_commit_nothing_goes(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    with pytest.raises(VersionError, match=r"there is no commit yet.*`git commit`"):
        gc.plan(tmp_path)


def test_a_dvc_lock_that_cannot_be_read_stops_it(world: World) -> None:
    world.write("dvc.lock", "<<<<<<< HEAD\n")
    with pytest.raises(VersionError, match=r"dvc\.lock of the work tree cannot be read"):
        gc.plan(world.folder)


def test_a_remote_that_is_not_there_or_not_known_is_one_line(world: World) -> None:
    before = cached(world)
    world.remote.rename(world.remote.with_name("elsewhere"))
    with pytest.raises(VersionError, match="remote 'disk': there is no folder"):
        gc.collect(world.folder, BOTH)
    with pytest.raises(VersionError, match="no remote is named 'nope'"):
        gc.plan(world.folder, Rules(remotes=("nope",)))
    assert cached(world) == before


def mounted(folder: Path, *options: str) -> None:
    if os.name == "nt" or subprocess.run(["mount", *options, str(folder)], capture_output=True).returncode:
        pytest.skip("nothing can be mounted here")


@pytest.fixture
def read_only_cache(world: World) -> Iterator[World]:
    folder = world.folder / ".dvc/cache"
    mounted(folder, "--bind", str(folder))
    try:
        mounted(folder, "-o", "remount,ro,bind")
        yield world
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_read_only_cache_is_one_line_and_keeps_everything(read_only_cache: World) -> None:
    before = cached(read_only_cache)
    with pytest.raises(VersionError, match=r"cache .* the disk is mounted read-only"):
        gc.collect(read_only_cache.folder, NOW)
    assert cached(read_only_cache) == before


@pytest.fixture
def full_cache(world: World) -> Iterator[World]:
    """A cache on a disk without a free block."""
    folder, aside = world.folder / ".dvc/cache", world.folder.with_name("aside")
    folder.rename(aside)
    folder.mkdir()
    mounted(folder, "-t", "tmpfs", "-o", "size=512k", "none")
    try:
        shutil.copytree(aside, folder, dirs_exist_ok=True)
        with (folder / "filler").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
            while True:
                file.write(bytes(1024))
        yield world
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_full_disk_is_one_line_and_a_few_free_kilobytes_are_enough(full_cache: World) -> None:
    before = cached(full_cache)
    with pytest.raises(VersionError, match="the disk is full: make room"):
        gc.collect(full_cache.folder, NOW)
    assert cached(full_cache) == before
    with (full_cache.folder / ".dvc/cache/filler").open("r+b") as file:
        file.truncate(Path(file.name).stat().st_size - 16384)
    gc.collect(full_cache.folder, NOW)
    assert gc.empty(full_cache.folder)[0].objects > 0
    assert is_whole(full_cache)


def test_who_holds_the_lock_is_named_and_nothing_moves(world: World) -> None:
    holder = "import sys, time, zc.lockfile as z; held = z.LockFile(sys.argv[1]); print(1, flush=True); time.sleep(600)"
    (world.folder / ".dvc/tmp").mkdir(exist_ok=True)
    before = cached(world)
    for file in (world.folder / ".dvc/tmp/lock", world.folder / ".dvc/cache" / trash.FOLDER / ".lock"):
        file.parent.mkdir(exist_ok=True)
        command = [sys.executable, "-c", holder, str(file)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as other:
            assert other.stdout is not None
            other.stdout.readline()
            try:
                with pytest.raises(VersionError, match=f"in use by process {other.pid}"):
                    gc.collect(world.folder, NOW)
            finally:
                other.kill()
    assert cached(world) == before


class Stopped(BaseException):
    """In place of a kill, at a moment that a test chooses."""


@pytest.mark.parametrize("after", [0, 1, 4, 12])
def test_cut_short_at_any_move_the_rest_is_whole_and_undo_brings_all_back(
    world: World, monkeypatch: pytest.MonkeyPatch, after: int
) -> None:
    before = cached(world), files(world.remote)
    move = places.Folder.move

    def stopped(function: Callable[[], object]) -> None:
        count = iter(range(1000))

        def cut(self: places.Folder, key: str, to: str) -> bool:
            if next(count) >= after:
                raise Stopped
            return move(self, key, to)

        with monkeypatch.context() as patch:
            patch.setattr(places.Folder, "move", cut)
            with pytest.raises(Stopped):
                function()
        assert is_whole(world)
        gc.undo(world.folder)
        assert (cached(world), files(world.remote)) == before

    stopped(lambda: gc.collect(world.folder, BOTH))
    gc.collect(world.folder, BOTH)
    stopped(lambda: gc.undo(world.folder))


def in_a_process(work: Callable[[], object]) -> int:
    """The number of a process that does this; it has imported all of it already."""
    process = os.fork()
    if process == 0:
        try:
            work()
        finally:
            os._exit(0)
    return process


@pytest.mark.skipif(not hasattr(os, "fork"), reason="a process that starts in milliseconds is needed")
@pytest.mark.slow
def test_killed_at_any_moment_verify_is_clean_and_undo_brings_all_back(world: World) -> None:
    before = cached(world), files(world.remote)
    tries = int(os.environ.get("STEMMA_KILLS", "10"))
    waiting = world.folder / ".dvc/cache" / trash.FOLDER
    in_the_middle = 0
    for number in range(tries):
        process = in_a_process(lambda: gc.collect(world.folder, BOTH))
        awaited = (".lock", "*/journal.json", "*/objects/*")[number % 3]
        until(lambda: list(waiting.glob(awaited)))  # noqa: B023
        time.sleep(number / tries * (0.02 if number % 3 else 0.3))
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)
        assert is_whole(world)
        if list(waiting.glob("*/journal.json")):
            in_the_middle += cached(world) != before[0] or files(world.remote) != before[1]
            gc.undo(world.folder)
        assert (cached(world), files(world.remote)) == before
        shutil.rmtree(waiting)
    assert in_the_middle


# The command.


def test_the_command_shows_then_moves_then_brings_back_then_frees(world: World, run: Run) -> None:
    world.ok("git", "update-ref", "refs/exps/apply/ORIG_HEAD", "HEAD")  # of DVC's own, which says least
    code, out, err = run(world, "gc", "--older-than", "0", "--remote")
    assert (code, err) == (0, "")
    assert "2 commits and the work tree stay: model#prod, main" in out
    assert "would move to the trash: run this again with --apply" in out
    assert "remote 'disk'" in out
    code, out, _ = run(world, "gc", "--older-than", "0", "--remote", "disk", "--apply", "--md")
    assert code == 0
    assert "promoted versions are whole" in out
    assert "| place" in out
    code, out, _ = run(world, "gc", "--undo")
    assert code == 0
    assert out.count("back (run 0001-") == 2
    assert run(world, "gc", "--older-than", "0", "--apply", "--json")[0] == 0
    code, out, _ = run(world, "gc", "--empty-trash", "--json")
    assert json.loads(out)["deleted"][0]["objects"] > 0
    code, out, _ = run(world, "gc", "--undo")
    assert code == 1
    assert run(world, "gc", "--apply")[1].endswith("nothing to collect\n")


def test_json_holds_the_plan(world: World, run: Run) -> None:
    code, out, _ = run(world, "gc", "--json", "--older-than", "0", "--experiments", "30d", "--drop-retired")
    assert code == 0
    plan = json.loads(out)
    assert [loss["subject"] for loss in plan["losses"]] == ["third", "second"]
    assert plan["going"] == plan["places"][0]["going"] > 0


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--apply", "--undo"], "--apply or --undo, not both"),
        (["--undo", "--older-than", "1d"], "it goes with --remote alone"),
        (["--older-than", "soon"], "'soon' is no age"),
        (["--older-than", "-1d"], "is no age"),
        (["--experiments", "some"], "'some' is no age"),
        (["--older-than", "99999999999d"], "is longer than 5200w"),
        (["--older-than", "36401d"], "is longer than 5200w"),
        (["--older-than", "9" * 5000 + "d"], "is longer than 5200w"),
        (["--undo", "--remote", "a", "--remote", "b"], "one remote at a time"),
    ],
)
def test_wrong_usage_exits_2(world: World, run: Run, options: list[str], message: str) -> None:
    code, _, err = run(world, "gc", *options)
    assert code == 2
    assert message in " ".join(err.replace("│", " ").split())


# A bucket.


@pytest.fixture
def cloud(world: World, s3: Server) -> World:
    """Its default remote is a bucket that holds everything."""
    bucket = s3.bucket(f"gc-{secrets.token_hex(4)}")
    shutil.copytree(world.remote, bucket / "dvc")
    config = f"[core]\n    remote = cloud\n['remote \"cloud\"']\n    url = s3://{bucket.name}/dvc\n"
    world.write(".dvc/config.local", config)
    return world


def in_bucket(world: World, s3: Server) -> dict[str, bytes]:
    name = (world.folder / ".dvc/config.local").read_text().rpartition("s3://")[2].strip()
    return files(s3.folder / name)


def test_a_bucket_is_collected_and_undone_like_a_folder(cloud: World, s3: Server) -> None:
    before = in_bucket(cloud, s3)
    assert gc.plan(cloud.folder, Rules(remotes=(None,))).places[1].young > 0
    done = gc.collect(cloud.folder, BOTH)
    assert len(in_bucket(cloud, s3)) == len(before) - done.plan.places[1].going
    assert is_whole(cloud)
    gc.undo(cloud.folder)
    assert in_bucket(cloud, s3) == before
    gc.collect(cloud.folder, BOTH)
    assert len(gc.empty(cloud.folder, BOTH)) == 2
    assert is_whole(cloud)


def test_a_wrong_key_is_one_line_and_nothing_moves(cloud: World, s3: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    before = cached(cloud), in_bucket(cloud, s3)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(VersionError, match=r"remote 'cloud' .*\(403\)"):
        gc.collect(cloud.folder, BOTH)
    assert (cached(cloud), in_bucket(cloud, s3)) == before


def test_a_bucket_that_forbids_to_delete_is_one_line_and_nothing_moves(
    cloud: World, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    import s3fs
    from botocore.exceptions import ClientError

    def denied(self: object, *args: object, **kwargs: object) -> None:
        answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
        raise PermissionError(13, "Forbidden") from ClientError(answer, "DeleteObject")  # type: ignore[arg-type]

    before = cached(cloud), in_bucket(cloud, s3)
    monkeypatch.setattr(s3fs.S3FileSystem, "rm_file", denied)
    with pytest.raises(VersionError, match=r"the key may not do this \(403\).*everything is where it was"):
        gc.collect(cloud.folder, BOTH)
    assert (cached(cloud), in_bucket(cloud, s3)) == before


def test_a_server_that_stops_in_the_middle_leaves_what_undo_brings_back(
    cloud: World, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = cached(cloud), in_bucket(cloud, s3)
    move, count = places.Bucket.move, iter(range(1000))

    def stopping(self: places.Bucket, key: str, to: str) -> bool:
        if next(count) == 5:
            s3.stop()
        return move(self, key, to)

    with monkeypatch.context() as patch:
        patch.setattr(places.Bucket, "move", stopping)
        with pytest.raises(VersionError, match=r"it is in the trash: run `stemma gc --undo`"):
            gc.collect(cloud.folder, BOTH)
    s3.start()
    assert is_whole(cloud)
    gc.undo(cloud.folder)
    assert (cached(cloud), in_bucket(cloud, s3)) == before


# What was not committed before a merge or a rebase, and others of the same clone.


@pytest.mark.parametrize("command", ["merge", "rebase"])
def test_what_an_autostash_holds_stays(world: World, command: str) -> None:
    world.write("notes", "a\n")
    world.commit("a")
    world.ok("git", "checkout", "-qb", "other", "HEAD~1")
    world.write("notes", "b\n")
    world.write("mine.bin", "older")
    world.ok("dvc", "add", "-q", "mine.bin")
    world.commit("b")
    world.write("mine.bin", "not committed")
    world.ok("dvc", "add", "-q", "mine.bin")
    assert world.run("git", command, "--autostash", "main").returncode != 0  # notes conflict
    gc.collect(world.folder, NOW)
    assert b"not committed" in cached(world).values()


def test_another_work_tree_of_the_clone_or_one_folder_twice_may_be_named_as_projects(
    world: World, tmp_path: Path
) -> None:
    world.ok("git", "worktree", "add", "-q", str(tmp_path / "tree"), "main~1")
    projects = (tmp_path / "tree", tmp_path / "tree", world.folder)
    done = gc.collect(world.folder, Rules(older_than=timedelta(), projects=projects))
    assert lost(done.plan) == ["second"]


def test_the_command_that_frees_the_disk_follows_the_same_rules(world: World, run: Run) -> None:
    stemma.register(world.folder, "HEAD~1")
    stemma.retire(world.folder, "v1.1.0", why="A mistake")
    code, out, _ = run(world, "gc", "--older-than", "0", "--drop-retired", "--remote", "--apply")
    assert code == 0
    free = out.strip().rpartition("to free the disk: stemma ")[2]
    assert free == "gc --empty-trash --remote --drop-retired"
    code, out, error = run(world, *free.split())
    assert code == 0, error
    assert "deleted for good" in out
