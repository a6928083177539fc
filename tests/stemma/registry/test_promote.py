"""Versions registered, promoted, rolled back, demoted and retired: what is written, what is refused, and races."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stemma
from registered_worlds import clones, make_registered, start, tags
from s3 import served
from stemma.errors import VersionError
from stemma.registry import numbering, reach
from stemma.registry.promote import Judgement, roll_back
from stemma.registry.tags import Remote
from stemma.registry.writing import Tagging
from stemma.repo import locks
from stemma.repo.repository import Repository, Version
from stemma.semver import precedence
from timing import until
from version_worlds import World, network, new, parts

Run = Callable[..., tuple[int, str, str]]
V1, V2, V3 = "v1.0.0", "v1.1.0", "v2.0.0"
NAMES = [f"model@{version}" for version in (V1, V2, V3)]


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_registered(tmp_path_factory.mktemp("registered") / "world")


@pytest.fixture
def world(registered: World, tmp_path: Path) -> World:
    return registered.copy(tmp_path / "world")


def held(world: World) -> dict[str, str]:
    """The version of each stage."""
    return dict(stemma.history(world.folder).stages)


# Numbers.


def test_the_bump_follows_from_what_changed(tmp_path: Path) -> None:
    world = new(tmp_path / "world")
    first = parts()
    layers, tensors = network((8, 6, 4))
    wider = first.but(layers=layers, tensors=tensors)
    told = []
    for made in (first, first.but(metrics=None), wider, wider.but(tensors=network((8, 6, 4), seed=2)[1])):
        world.version("a version", made)
        told.append(stemma.register(world.folder))
    assert [(event.version, event.why) for event in told] == [
        ("v1.0.0", "the first registered version"),
        ("v1.0.1", "patch: the same weights as model@v1.0.0"),
        ("v2.0.0", "major: the structure changed since model@v1.0.1: hidden_2, hidden_3, activation_3"),
        ("v2.1.0", "minor: retrained since model@v2.0.0: 8 of 8 tensors differ"),
    ]
    profile = json.loads((world.folder / "data/prepared/profile.json").read_text())
    before, after = (Signed({**profile, "features": features}) for features in (
        [{"name": "price", "role": "numeric"}, {"name": "visits", "role": "numeric"}],
        [{"name": "price", "role": "categorical"}, {"name": "clicks", "role": "numeric"}],
    ))  # fmt: skip
    bump, reason = numbering.suggest(after, before)  # type: ignore[arg-type]
    assert bump == "major"
    assert reason.endswith("input clicks is new, input visits is gone, input price is categorical (was numeric)")


class Signed:
    """As much of a version as a signature takes."""

    index, name = object(), "model@v1.0.0"

    def __init__(self, profile: object) -> None:
        self.profile = profile


@pytest.mark.parametrize(
    ("used", "bump", "next"),
    [
        ([], "major", "v1.0.0"),
        (["v1.2.3"], "major", "v2.0.0"),
        (["v1.2.3"], "minor", "v1.3.0"),
        (["v1.9.0", "v1.10.0"], "patch", "v1.10.1"),
        (["v2.0.0-rc.1"], "patch", "v2.0.0"),
        (["v2.0.0-rc.1"], "major", "v2.0.0"),
        (["v2.1.0-rc.1"], "major", "v3.0.0"),
        (["v2.0.1-rc.1"], "minor", "v2.1.0"),
    ],
)
def test_a_bump_raises_the_highest_number(used: list[str], bump: numbering.Bump, next: str) -> None:
    assert numbering.bumped(used, bump) == next


NUMBER = st.integers(0, 12)
VERSION = st.tuples(NUMBER, NUMBER, NUMBER, st.sampled_from(["", "-rc.1", "-1", "+build"])).map(
    lambda each: f"v{each[0]}.{each[1]}.{each[2]}{each[3]}"
)


@settings(max_examples=100, deadline=None)
@given(st.lists(VERSION, min_size=1, max_size=5), st.sampled_from(["major", "minor", "patch"]))
def test_a_new_number_is_above_all_used_ones(used: list[str], bump: numbering.Bump) -> None:
    new = numbering.bumped(used, bump)
    assert all(precedence(new) > precedence(old) for old in used)
    assert numbering.checked(new) == new


def test_a_number_or_a_bump_can_be_given(world: World) -> None:
    made = stemma.register(world.folder, version="1.1.1", why="A repair")
    assert (made.name, made.why, made.kind) == ("model@v1.1.1", "A repair\n\nRegister model v1.1.1", "Registered")
    world.commit("a page")
    assert stemma.register(world.folder, bump="major").version == "v3.0.0"


def test_the_lock_of_a_tag_that_a_killed_command_left_is_in_nobody_s_way(world: World) -> None:
    world.write(".git/refs/tags/model@v1.1.1.lock", b"")
    assert stemma.register(world.folder, version="1.1.1").version == "v1.1.1"


def test_a_number_is_never_used_again(world: World) -> None:
    stemma.retire(world.folder, V3, "wrong rows")
    assert stemma.register(world.folder, "HEAD").version == "v3.0.0"  # beside v1.1.0, the structure changed
    with pytest.raises(VersionError, match=r"was registered as model@v2.0.0, and is retired"):
        stemma.register(world.folder, NAMES[2])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"revision": "HEAD~4"}, "HEAD~4 holds no trained model: its dvc.lock names no models/weights"),
        ({"revision": "HEAD~1"}, r"HEAD~1 \(\w{7}\) was registered as model@v2.0.0$"),
        ({"revision": "workspace"}, "the workspace cannot be registered: commit it first: run `git commit`"),
        ({"revision": "HEAAD"}, r"no revision is named 'HEAAD'"),
        ({"version": "1.2"}, "'1.2' is no version: it is MAJOR.MINOR.PATCH, such as 1.2.0"),
        ({"version": "01.2.0"}, "'01.2.0' is no version"),
        ({"version": "2.0.0"}, "model@v2.0.0 exists already: the next are v2.0.1, v2.1.0, v3.0.0"),
        ({"version": "2.0.0", "bump": "major"}, "give one of them"),
    ],
)
def test_what_cannot_be_registered_is_refused(registered: World, options: dict[str, str], message: str) -> None:
    with pytest.raises(VersionError, match=message):
        stemma.register(registered.folder, **options)  # type: ignore[arg-type]
    assert tags(registered) == NAMES


def test_head_is_registered_only_with_nothing_left_to_commit(world: World) -> None:
    world.write("params.yaml", "changed: true\n")
    with pytest.raises(VersionError, match=r"changes that are in no commit \(params.yaml\).*`stemma register HEAD`"):
        stemma.register(world.folder)
    assert stemma.register(world.folder, "HEAD").version == "v2.1.0"


def test_who_cannot_be_named_is_told_how(world: World) -> None:
    nobody = {f"GIT_{role}_{what}": "" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    done = world.run("stemma", "register", **nobody)
    assert done.returncode == 1 and "Git does not know who you are" in done.stderr
    assert tags(world) == NAMES


# GTO and DVC read what is written.


def shown(world: World) -> dict[str, str | None]:
    """What `gto show` says."""
    found = json.loads(world.ok("gto", "show", "--json"))["model"]
    return {"latest": found["version"], **{name: found["stage"][name] for name in found["stage"]}}


def test_what_gto_writes_is_understood(world: World) -> None:
    world.ok("gto", "register", "model", "--version", "v2.0.1")
    world.ok("gto", "assign", "model", "--version", "v2.0.1", "--stage", "prod")
    assert held(world) == {"model#prod": "v2.0.1"}
    assert stemma.promote(world.folder, V1, "prod").before == "v2.0.1"


def test_gto_and_dvc_understand_every_tag(world: World, tmp_path: Path) -> None:
    stemma.promote(world.folder, V1, "prod")
    stemma.promote(world.folder, V2, "prod", why="Better\n\n# and more of it")
    stemma.promote(world.folder, V2, "team/dev-1")
    assert tags(world)[:3] == ["model#prod#1", "model#prod#2", "model#team/dev-1#1"]
    assert shown(world) == {"latest": V3, "prod": V2, "team/dev-1": V2}
    assert held(world) == {"model#prod": V2, "model#team/dev-1": V2}
    for option, value in (("--rev", V1), ("--stage", "prod")):
        world.ok("dvc", "artifacts", "get", ".", "model", option, value, "-o", str(tmp_path / value))
    assert (tmp_path / V1).read_bytes() == b"bundle 1" and (tmp_path / "prod").read_bytes() == b"bundle 2"
    roll_back(world.folder, "prod")
    assert shown(world)["prod"] == V1
    stemma.demote(world.folder, "prod")
    stemma.retire(world.folder, V1, "wrong rows")
    assert shown(world) == {"latest": V3, "team/dev-1": V2}
    told = json.loads(world.ok("gto", "history", "--json"))
    assert sorted(event["event"] for event in told) == sorted(
        ["registration"] * 3 + ["assignment"] * 4 + ["unassignment"] * 2 + ["deregistration"]
    )
    assert {event["ref"] for event in told} == set(tags(world))


def test_every_event_is_later_than_the_one_before_whatever_the_clock_says(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(time, "time", lambda: 1.0)  # a clock that stands far behind
    stemma.promote(world.folder, V1, "prod")
    stemma.promote(world.folder, V2, "prod")
    demoted = stemma.demote(world.folder, "prod")
    events = stemma.history(world.folder).events
    assert [event.when for event in events] == sorted({event.when for event in events})
    assert events[-1] == demoted[-1] and shown(world) == {"latest": V3}


# Promote.


def test_a_promotion_says_what_the_stage_held(world: World) -> None:
    first = stemma.promote(world.folder, "1.0.0", "prod", why="To begin with")
    second = stemma.promote(world.folder, "HEAD~1", "prod")
    assert (first.kind, first.before, first.after, first.why) == ("Promoted", None, V1, "To begin with")
    assert (second.version, second.before, second.after, second.tag) == (V3, V1, V3, "model#prod#2")


@pytest.mark.parametrize(
    ("version", "stage", "message"),
    [
        ("v1.0.1", "prod", r"no version is named 'v1.0.1' \(did you mean v1"),
        ("model@v9.0.0", "prod", r"no version is named 'model@v9.0.0' \(did you mean model@v"),
        ("HEAD", "prod", r"HEAD \(\w{7}\) has no registered version: run `stemma register HEAD`"),
        ("workspace", "prod", "the workspace is no version"),
        (V1, "pro d", "'pro d' is no stage: letters, digits"),
        (V1, "prod#1", "is no stage"),
        (V1, "", "is no stage"),
        (V1, "-x", "is no stage"),
        (V1, "a//b", "is no stage"),
    ],
)
def test_what_cannot_be_promoted_is_refused(registered: World, version: str, stage: str, message: str) -> None:
    with pytest.raises(VersionError, match=message):
        stemma.promote(registered.folder, version, stage)
    assert tags(registered) == NAMES


def test_the_holder_of_a_stage_is_not_promoted_to_it_again(world: World) -> None:
    stemma.promote(world.folder, V1, "prod")
    with pytest.raises(VersionError, match=r"model@v1.0.0 is in prod already"):
        stemma.promote(world.folder, V1, "prod")


@pytest.mark.parametrize("what", ["models/weights", "models/weights/index.json", "models/package/model.zip"])
def test_every_object_must_be_in_the_remote(world: World, what: str) -> None:
    md5 = world.md5(what)
    stemma.register(world.folder)
    place = world.remote / "files" / "md5" / md5[:2] / md5[2:]
    kept = place.read_bytes()
    place.unlink()
    with pytest.raises(
        VersionError,
        match=rf"the remote lacks 1 of \d+ objects of model@v2.1.0: {what}: run `stemma push model@v2.1.0`",
    ):
        stemma.promote(world.folder, "v2.1.0", "prod")
    place.write_bytes(kept)
    world.empty_cache()
    assert stemma.promote(world.folder, "v2.1.0", "prod").after == "v2.1.0"


def test_a_listing_that_is_nowhere_is_missing(world: World) -> None:
    md5 = world.md5("models/weights")
    stemma.register(world.folder)
    (world.remote / "files" / "md5" / md5[:2] / md5[2:]).write_bytes(b"[")
    world.empty_cache()
    with pytest.raises(VersionError, match=r"the remote lacks 1 of .*: models/weights"):
        stemma.promote(world.folder, "v2.1.0", "prod")


def test_a_project_without_a_remote_says_so_to_promote(world: World) -> None:
    with pytest.raises(VersionError, match=r"--local is for a project without a DVC remote, and this one has 'disk'"):
        stemma.promote(world.folder, V1, "prod", local=True)
    world.write(".dvc/config", "[core]\n    analytics = false\n")
    with pytest.raises(VersionError, match=r"no default DVC remote is set, and model@v1.0.0 is on this machine alone"):
        stemma.promote(world.folder, V1, "prod")
    assert stemma.promote(world.folder, V1, "prod", local=True).after == V1
    world.object(world.md5("models/package/model.zip")).unlink()
    stemma.register(world.folder, "HEAD")
    with pytest.raises(VersionError, match=r"the cache lacks 1 of"):
        stemma.promote(world.folder, "v2.1.0", "prod", local=True)


@pytest.mark.slow
def test_a_bucket_is_asked_for_every_object(
    world: World, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "buckets").mkdir()
    with served(tmp_path / "buckets") as server:
        server.bucket("models")
        cloud = "[core]\n    remote = cloud\n['remote \"cloud\"']\n    url = s3://models/dvc\n"
        world.write(".dvc/config.local", cloud)

        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)

        def promote() -> str:
            code, printed, told = run(world, "promote", V3, "prod")
            assert code == 0 or told.count("\n") == 1, told
            return told or printed

        world.ok("dvc", "push")  # the last version, not V3
        lacking = promote()
        assert f"of model@{V3}: models" in lacking and f"run `stemma push model@{V3}`" in lacking
        world.ok("stemma", "push", f"model@{V3}")
        with monkeypatch.context() as stranger:
            stranger.setenv("AWS_ACCESS_KEY_ID", "nobody")
            assert "remote 'cloud'" in promote()
        server.stop()
        assert "remote 'cloud'" in promote() and tags(world) == NAMES
        server.start()
        world.empty_cache()  # the listings come from the bucket, too
        assert promote() == "Promoted model@v2.0.0 to prod\n"


def test_a_requirement_is_judged_beside_the_version_that_is_there(world: World) -> None:
    better = Judgement("better")
    assert stemma.promote(world.folder, V1, "prod", judgement=better).before is None  # nothing to compare with
    with pytest.raises(VersionError, match=r"not promoted, for better is required: model@v1.1.0 is not disting"):
        stemma.promote(world.folder, V2, "prod", judgement=better)
    assert held(world) == {"model#prod": V1}
    made = stemma.promote(world.folder, V2, "prod", why="No worse", judgement=Judgement("not-worse"))
    assert made.why.startswith("No worse\n\nmodel@v1.1.0 is not distinguishable from model@v1.0.0 at this sample size")


# Roll back, demote, retire.


def test_a_rollback_goes_one_version_back_each_time(world: World) -> None:
    for version in (V1, V2, V3):
        stemma.promote(world.folder, version, "prod")
    back = roll_back(world.folder, "prod", why="Complaints")
    assert (back.kind, back.before, back.after, back.why) == ("RolledBack", V3, V2, "Complaints")
    assert roll_back(world.folder, "prod").after == V1
    with pytest.raises(VersionError, match=rf"prod held no registered version before {V1}: run"):
        roll_back(world.folder, "prod")
    for version in (None, V1):  # which would be no way back
        with pytest.raises(VersionError, match=r"nothing was ever promoted to 'prdo' \(did you mean prod\?\)"):
            roll_back(world.folder, "prdo", version)
    stemma.promote(world.folder, V3, "prod")
    assert roll_back(world.folder, "prod", V2).after == V2
    assert "Stemma-Event: RolledBack" in world.ok("git", "cat-file", "-p", "refs/tags/model#prod#7")


def test_a_rollback_fills_an_empty_stage_and_passes_over_retired_versions(world: World) -> None:
    for version in (V1, V2, V3):
        stemma.promote(world.folder, version, "prod")
    stemma.retire(world.folder, V2, "wrong rows")
    assert roll_back(world.folder, "prod").after == V1
    stemma.demote(world.folder, "prod")
    assert roll_back(world.folder, "prod").after == V1


def test_a_demoted_stage_is_empty_and_does_not_fall_back(world: World) -> None:
    stemma.promote(world.folder, V1, "prod")
    stemma.promote(world.folder, V2, "prod")
    made = stemma.demote(world.folder, "prod", why="Out of service")
    assert [(event.tag, event.version, event.after) for event in made] == [
        ("model#prod!#3", V1, V2),
        ("model#prod!#4", V2, None),
    ]
    assert held(world) == {}
    with pytest.raises(VersionError, match=r"prod is empty"):
        stemma.demote(world.folder, "prod")


def test_a_demoted_version_leaves_every_stage_that_it_holds(world: World) -> None:
    for version, stage in ((V1, "dev"), (V2, "dev"), (V1, "prod"), (V1, "test")):
        stemma.promote(world.folder, version, stage)
    stemma.demote(world.folder, V1)
    assert held(world) == {"model#dev": V2}
    with pytest.raises(VersionError, match=r"model@v1.0.0 holds no stage"):
        stemma.demote(world.folder, V1)
    with pytest.raises(VersionError, match=r"no version is named 'deev', and no stage \(did you mean dev\?\)"):
        stemma.demote(world.folder, "deev")
    with pytest.raises(VersionError, match=r"no version is named 'shadow'.*, and no stage"):
        stemma.demote(world.folder, "shadow")
    with pytest.raises(VersionError, match=r"nothing was ever promoted to 'shadow'"):
        stemma.demote(world.folder, "model#shadow")


def test_a_version_in_a_stage_is_not_retired(world: World) -> None:
    stemma.promote(world.folder, V1, "prod")
    with pytest.raises(VersionError, match=r"model@v1.0.0 is in prod: demote it first: run `stemma demote v1.0.0`"):
        stemma.retire(world.folder, V1, "wrong rows")
    stemma.demote(world.folder, V1)
    made = stemma.retire(world.folder, V1, "wrong rows")
    assert (made.kind, made.name, made.why) == ("Retired", "model@v1.0.0", "wrong rows")
    for again in (
        lambda: stemma.promote(world.folder, V1, "prod"),
        lambda: stemma.retire(world.folder, V1, "x"),
    ):
        with pytest.raises(VersionError, match=r"model@v1.0.0 is retired"):
            again()
    with pytest.raises(VersionError, match=r"give --why"):
        stemma.retire(world.folder, V2, " ")


# Several at once.

WAITING = """
import sys
from stemma.semver import precedence
from stemma.errors import StemmaError
from stemma.registry import promote, writing
known = writing.holders
def told(root):
    found = known(root)
    print("ready", flush=True)
    return found
writing.holders = told
try:
    print(promote.promote(".", sys.argv[1], "prod", tagging=writing.Tagging(wait=600)).version)
except StemmaError as error:
    print(error)
"""


def test_of_two_processes_in_one_clone_one_wins_and_the_other_is_told(world: World) -> None:
    with locks.registry(world.folder):
        both = [start(world, sys.executable, "-c", WAITING, version) for version in (V1, V2)]
        assert [process.stdout.readline() for process in both if process.stdout] == ["ready\n"] * 2
    said = sorted((process.communicate()[0].strip() for process in both), key=len)
    assert said[0] in (V1, V2) and held(world) == {"model#prod": said[0]}
    assert f"A Person came first: model@{said[0]} was promoted (prod) at" in said[1] and "nothing was done" in said[1]
    assert tags(world) == ["model#prod#1", *NAMES]


def test_of_two_clones_the_second_to_push_is_told_who_won(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    anne, bob = clones(world)
    with monkeypatch.context() as patch:
        patch.setenv("GIT_COMMITTER_NAME", "anne")
        stemma.promote(anne.folder, V1, "prod", why="It is time", tagging=Tagging(push=True))
    with pytest.raises(
        VersionError, match=r"anne came first: model@v1.0.0 was promoted \(prod\).*'It is time'; nothing"
    ):
        stemma.promote(bob.folder, V2, "prod", tagging=Tagging(push=True))
    assert held(bob) == {"model#prod": V1}
    assert stemma.promote(bob.folder, V2, "prod", tagging=Tagging(push=True)).before == V1
    assert anne.ok("git", "ls-remote", "--tags", "--refs", "origin", "model#*").count("\n") == 1


def test_of_two_clones_one_may_retire_what_the_other_promotes_and_the_second_is_told(
    world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    anne, bob = clones(world)
    push = Remote.push

    def later(remote: Remote, made: Any) -> None:
        monkeypatch.undo()
        stemma.register(bob.folder, "HEAD", tagging=Tagging(push=True))  # which is about another version
        stemma.retire(bob.folder, V1, "wrong rows", tagging=Tagging(push=True))
        push(remote, made)

    monkeypatch.setattr(Remote, "push", later)
    stemma.promote(anne.folder, V1, "prod", tagging=Tagging(push=True))
    (note,) = [line for line in capsys.readouterr().err.splitlines() if "at the same time" in line]
    assert "model@v1.0.0 was retired at" in note and "'wrong rows': look at both by `stemma history`" in note


def test_of_two_clones_that_push_at_the_same_moment_one_wins(world: World) -> None:
    anne, bob = clones(world)
    hook = bob.folder / ".git/hooks/pre-push"  # runs when bob's push has already seen that the name is free
    hook.write_text(
        "#!/bin/sh\nunset $(git rev-parse --local-env-vars)\n"
        f"cd {anne.folder} && GIT_COMMITTER_NAME=anne stemma promote {V1} prod --push -m 'A moment before' </dev/null\n"
    )
    hook.chmod(0o755)
    done = bob.run("stemma", "promote", V2, "prod", "--push")
    assert done.returncode == 1 and done.stderr.count("error:") == 1, done.stderr
    assert "anne came first: model@v1.0.0 was promoted (prod)" in done.stderr and "'A moment before'" in done.stderr
    assert held(anne) == held(bob) == {"model#prod": V1}
    assert tags(bob) == ["model#prod#1", *NAMES]


def test_who_comes_between_the_look_at_the_remote_and_the_push_is_named(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Objects are asked for in between: of two who promote at once most meet there."""
    anne, bob = clones(world)
    asked = reach.check

    def meanwhile(version: Version, *, local: bool) -> None:
        asked(version, local=local)
        with monkeypatch.context() as patch:
            patch.setattr(reach, "check", asked)
            patch.setenv("GIT_COMMITTER_NAME", "anne")
            stemma.promote(anne.folder, V1, "prod", tagging=Tagging(push=True))

    monkeypatch.setattr(reach, "check", meanwhile)
    with pytest.raises(
        VersionError, match=r"anne came first: model@v1.0.0 was promoted \(prod\) at .*nothing was done"
    ):
        stemma.promote(bob.folder, V2, "prod", tagging=Tagging(push=True))
    assert held(bob) == {"model#prod": V1}


def test_a_push_takes_along_what_the_remote_lacks_all_or_none(world: World) -> None:
    anne, bob = clones(world)
    stemma.register(anne.folder, "HEAD")
    stemma.promote(anne.folder, "HEAD", "dev")
    stemma.promote(anne.folder, V1, "prod", tagging=Tagging(push=True))
    bob.ok("git", "fetch", "-q", "--tags")
    assert held(bob) == {"model#dev": "v2.1.0", "model#prod": V1}


def test_an_event_that_cannot_be_pushed_is_not_here_either(world: World) -> None:
    with pytest.raises(VersionError, match=r"there is no Git remote to push to"):
        stemma.promote(world.folder, V1, "prod", tagging=Tagging(push=True))
    anne, bob = clones(world)
    hook = world.folder.with_name("server.git") / "hooks/pre-receive"
    hook.write_text("#!/bin/sh\necho 'no pushes on Sundays' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(VersionError, match=r"git push failed .*no pushes on Sundays"):
        stemma.promote(anne.folder, V1, "prod", tagging=Tagging(push=True))
    shutil.rmtree(world.folder.with_name("server.git"))
    with pytest.raises(VersionError, match=r"git ls-remote failed"):
        stemma.promote(bob.folder, V1, "prod", tagging=Tagging(push=True))
    assert tags(world) == tags(anne) == tags(bob) == NAMES


def test_an_unpushed_event_that_lost_its_name_is_named(world: World) -> None:
    anne, bob = clones(world)
    stemma.promote(bob.folder, V2, "prod")
    stemma.promote(anne.folder, V1, "prod", tagging=Tagging(push=True))
    with pytest.raises(
        VersionError, match=r"model#prod#1 is another event here than on origin.*git tag -d 'model#prod#1'"
    ):
        stemma.promote(bob.folder, V3, "dev", tagging=Tagging(push=True))


HOLDING = "from stemma.repo import locks\nwith locks.registry('.'):\n    print('ready', flush=True)\n    input()\n"


def test_a_lock_names_its_holder_and_goes_with_a_killed_process(world: World) -> None:
    script = world.folder / "holding.py"
    script.write_text(HOLDING)
    holder = subprocess.Popen(
        [sys.executable, str(script), "prod {now}"], cwd=world.folder, text=True,
        stdin=subprocess.PIPE, stdout=subprocess.PIPE,
    )  # fmt: skip
    assert holder.stdout is not None and holder.stdout.readline() == "ready\n"
    with pytest.raises(VersionError, match=rf"in use by process {holder.pid} \(holding.py prod {{now}}\): wait until"):
        stemma.promote(world.folder, V1, "prod", tagging=Tagging(wait=0.2))
    holder.kill()
    holder.wait()
    assert stemma.promote(world.folder, V1, "prod", tagging=Tagging(wait=0.2)).after == V1


RUNS = int(os.environ.get("STEMMA_KILLS", "10"))


@pytest.mark.slow
def test_a_promotion_killed_at_any_moment_is_made_or_not(world: World) -> None:
    draw = np.random.default_rng(0)
    anne, _ = clones(world)
    began = time.monotonic()
    anne.ok("stemma", "promote", V3, "prod", "--push")
    whole = time.monotonic() - began
    for run in range(RUNS):
        before, wanted = tags(anne), (V1, V2)[run % 2]
        remote = anne.ok("git", "ls-remote", "--tags", "--refs", "origin")
        process = start(anne, "stemma", "promote", wanted, "prod", "--push")
        time.sleep(draw.uniform(0, whole))
        process.kill()
        process.communicate()
        until(lambda: locks.git_process(anne.folder) is None)  # a push that it left running is under way no more
        new = sorted(set(tags(anne)) - set(before))
        pushed = anne.ok("git", "ls-remote", "--tags", "--refs", "origin") != remote
        assert len(new) <= 1 and (pushed or not new)  # what is here is on the server
        done = anne.run("stemma", "promote", wanted, "prod", "--push")
        if done.returncode:  # it was made, maybe by that push; this has fetched it
            assert anne.ok("git", "ls-remote", "--tags", "--refs", "origin") != remote
            assert "is in prod already" in done.stderr or "came first" in done.stderr, done.stderr
        assert held(anne) == {"model#prod": wanted}
    anne.ok("git", "fsck", "--strict")


# The command line.


def test_the_commands_print_what_they_did(world: World) -> None:
    assert world.ok("stemma", "register", "-m", "New rows") == "Registered model@v2.1.0: New rows"
    assert world.ok("stemma", "promote", V1, "prod", "-m", "First") == "Promoted model@v1.0.0 to prod: First"
    assert world.ok("stemma", "promote", V2, "prod") == "Promoted model@v1.1.0 to prod, was v1.0.0"
    lines = world.ok("stemma", "demote", "prod").splitlines()
    assert lines[-1] == "Demoted model@v1.1.0 from prod, now empty"
    said = json.loads(world.ok("stemma", "retire", V1, "--why", "Old", "--json"))
    assert (said[0]["kind"], said[0]["why"]) == ("Retired", "Old")


def test_an_event_that_was_not_pushed_comes_with_the_command_to_push_it(world: World) -> None:
    anne, _ = clones(world)
    assert anne.ok("stemma", "promote", V1, "prod").splitlines()[1] == "not pushed: git push origin 'model#prod#1'"
    anne.ok("git", "push", "origin", "model#prod#1")


@pytest.mark.parametrize(
    ("words", "code", "message"),
    [
        (["register", "--version", "1.0.0", "--bump", "major"], 2, "give it or --bump, not both"),
        (["promote", V1], 2, "Missing argument"),
        (["promote", V1, "prod", "--margin", "0.1"], 2, "it goes with --require"),
        (["promote", V1, "prod", "--margin", "0.1", "--require", "better"], 2, "it goes with --require not-worse"),
        (["retire", V1], 2, "Missing option"),
        (["promote", "v3.0.0", "prod"], 1, "error: no version is named 'v3.0.0'"),
        (["demote", "prod"], 1, "error: no version is named 'prod'"),
    ],
)
def test_wrong_words_get_one_line(registered: World, words: list[str], code: int, message: str) -> None:
    done = registered.run("stemma", *words)
    assert done.returncode == code and message in done.stderr and "Traceback" not in done.stderr
    assert code == 2 or done.stderr.count("\n") == 1


def test_a_worktree_of_git_has_the_same_registry_and_lock(world: World, tmp_path: Path) -> None:
    other = tmp_path / "other"
    world.ok("git", "worktree", "add", "-q", str(other), "HEAD~1")
    with locks.registry(world.folder), pytest.raises(VersionError, match=r"the registry is in use"):
        stemma.retire(other, V1, "old", tagging=Tagging(wait=0))
    assert stemma.retire(other, V1, "old").tag in tags(world)


def test_a_repository_read_before_does_not_hide_what_came_since(world: World) -> None:
    repository = Repository(world.folder)
    assert repository.registry.assigned == {}
    stemma.promote(repository, V1, "prod")
    assert stemma.promote(repository, V2, "prod").before == V1
