"""The history of the registry: events in order, replayed, and their signatures."""

import itertools
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stemma
from registered_worlds import make_registered, tags, with_key
from stemma.errors import VersionError
from stemma.registry.history import replay
from stemma.registry.promote import roll_back
from stemma.registry.writing import Tagging
from stemma.repo import registry
from stemma.repo.git import GIT
from stemma.repo.registry import Event, Registry
from version_worlds import World

V1, V2, V3 = "v1.0.0", "v1.1.0", "v2.0.0"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Something of every kind has happened; one tag is as gto writes it."""
    made = make_registered(tmp_path_factory.mktemp("history") / "world")
    stemma.promote(made.folder, V1, "prod", why="To begin with\n\nIt was the only one.")
    stemma.promote(made.folder, V2, "prod")
    roll_back(made.folder, "prod", why="Complaints")
    stemma.demote(made.folder, V1)
    stemma.retire(made.folder, V1, "Wrong rows")
    later = {"GIT_COMMITTER_DATE": "2030-01-01T00:00:00Z"}
    made.ok("git", "tag", "-a", "model#dev#4", "-m", "Assigning stage dev", f"model@{V3}^{{}}", **later)
    made.ok("git", "tag", "model@v9.0.0")  # not annotated: no event
    made.ok("git", "tag", "-a", "notes", "-m", "no event either")
    return made


def test_events_are_past_tense_and_in_order_with_who_when_and_why(world: World) -> None:
    found = stemma.history(world.folder)
    assert [(event.kind, event.version, event.stage, event.before, event.after) for event in found.events] == [
        ("Registered", V1, None, None, None),
        ("Registered", V2, None, None, None),
        ("Registered", V3, None, None, None),
        ("Promoted", V1, "prod", None, V1),
        ("Promoted", V2, "prod", V1, V2),
        ("RolledBack", V1, "prod", V2, V1),
        ("Demoted", V2, "prod", V1, V1),
        ("Demoted", V1, "prod", V1, None),
        ("Retired", V1, None, None, None),
        ("Promoted", V3, "dev", None, V3),
    ]
    assert found.stages == {"model#dev": V3}
    first = found.events[3]
    assert (first.who, first.email, first.tag) == ("A Person", "person@example.org", "model#prod#1")
    assert first.why == "To begin with\n\nIt was the only one." and first.when.tzinfo is not None
    assert found.events[5].why == "Complaints"  # without its trailer


def test_one_stage_can_be_asked_for(world: World) -> None:
    found = stemma.history(world.folder, "prod")
    assert {event.stage for event in found.events} == {"prod"} and len(found.events) == 5 and found.stages == {}
    assert stemma.history(world.folder, "model#dev").stages == {"model#dev": V3}
    with pytest.raises(
        VersionError, match=r"nothing was ever promoted to 'prd' \(did you mean prod\?\): run `stemma history`"
    ):
        stemma.history(world.folder, "prd")


def test_git_is_asked_for_all_events_at_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    run = subprocess.run
    monkeypatch.setattr(subprocess, "run", lambda words, **rest: asked.append(words) or run(words, **rest))
    stemma.history(world.folder)
    assert [words[len(GIT)] for words in asked] == ["config", "for-each-ref"]  # what the clone lacks, first


def test_history_prints_text_markdown_and_json(world: World) -> None:
    lines = world.ok("stemma", "history").splitlines()
    assert lines[0].split() == ["event", "version", "stage", "when", "(UTC)", "who", "why"]
    assert lines[4].startswith("Promoted    model@v1.0.0  prod") and lines[4].endswith("A Person  To begin with")
    assert lines[6].startswith("RolledBack  model@v1.0.0  prod, was v1.1.0") and lines[-1] == "now: model#dev v2.0.0"
    assert world.ok("stemma", "history", "prod", "--md").splitlines()[2].startswith("| Promoted ")
    said = json.loads(world.ok("stemma", "history", "--json"))
    assert [event["kind"] for event in said["events"]][:4] == ["Registered"] * 3 + ["Promoted"]
    assert said["stages"] == {"model#dev": V3} and said["is_sound"] is None
    note, error = world.run("stemma", "history", "prd").stderr.splitlines()
    assert note.startswith("note: model@v9.0.0: a lightweight tag is no event") and error.startswith("error: nothing")
    assert note.endswith("run `git tag -f -a -m WHY 'model@v9.0.0' 'model@v9.0.0'`")


def test_a_tag_of_no_commit_is_told(world: World, tmp_path: Path) -> None:
    mine = world.copy(tmp_path / "mine")
    mine.ok("git", "tag", "-a", "model@v8.0.0", "-m", "of a folder", "HEAD^{tree}")
    told = mine.run("stemma", "history").stderr
    assert "note: model@v8.0.0: a tag of no commit is no event of the registry: run `git show 'model@v8.0.0'`" in told


def test_a_project_without_events_says_so(tmp_path: Path) -> None:
    (tmp_path / ".dvc").mkdir()
    world = World(tmp_path)
    world.ok("git", "init", "-q")
    assert world.ok("stemma", "history") == "nothing is registered: run `stemma register`"
    with pytest.raises(VersionError, match=r"nothing was ever promoted to 'prod': run"):
        stemma.history(tmp_path, "prod")


TAGS = st.sampled_from(["m@v1.0.0", "m@v1.0.0!", "m#a", "m#a!", "m#b", "m#b!", "m@deprecated", "n#a"])


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(TAGS, st.sampled_from("xyz")), max_size=12))
def test_the_events_replayed_give_what_every_stage_holds(written: list[tuple[str, str]]) -> None:
    said = [(registry.parse(tag), commit * 40) for tag, commit in written]
    known = Registry(
        tuple(Event(f"t{time}", commit, says, time, "A", "") for time, (says, commit) in enumerate(said) if says)
    )
    events = list(replay(known))
    assert [event.tag for event in events] == [f"t{number}" for number in range(len(written))]
    holds = {(event.model, event.stage): event.after for event in events if event.stage}
    numbers = {(event.says.model, event.commit): "v1.0.0" for event in known.events if event.says.action == "register"}
    expected = {key: numbers.get((key[0], commit), commit[:7]) for key, commit in known.assigned.items()}
    assert {key: version for key, version in holds.items() if version} == expected
    for earlier, later in itertools.pairwise(events):
        if earlier.stage and (earlier.model, earlier.stage) == (later.model, later.stage):
            assert later.before == earlier.after


# Signatures.


@pytest.fixture
def signed(tmp_path: Path) -> World:
    world = make_registered(tmp_path / "world")
    with_key(world, tmp_path)
    stemma.promote(world.folder, V1, "prod", why="Signed", tagging=Tagging(sign=True))
    world.ok("stemma", "promote", V2, "prod", "-m", "Signed too", "--sign")
    return world


def test_good_signatures_are_told_from_none(signed: World) -> None:
    found = stemma.history(signed.folder, "prod", verify=True)
    assert [event.signature for event in found.events] == ["good", "good"] and found.is_sound
    assert "person@example.org" in (found.events[0].signer or "")
    assert [event.why for event in found.events] == ["Signed", "Signed too"]  # without the signature itself
    assert signed.ok("stemma", "history", "prod", "--verify").endswith("signatures: 2 good, 0 bad, 0 events without")
    done = signed.run("stemma", "history", "--verify")
    assert done.returncode == 1 and "signatures: 2 good, 0 bad, 3 events without" in done.stdout
    assert json.loads(signed.run("stemma", "history", "--verify", "--json").stdout)["is_sound"] is False
    signed.ok("git", "verify-tag", "model#prod#2")
    assert json.loads(signed.ok("gto", "show", "--json"))["model"]["stage"]["prod"] == V2


def test_forged_copied_and_strange_signatures_are_bad(signed: World, tmp_path: Path) -> None:
    tag = signed.ok("git", "cat-file", "tag", "model#prod#1")
    forged = tmp_path / "forged"
    forged.write_text(tag.replace("Signed", "Forged").replace("#prod#1", "#prod#3") + "\n")
    identity = signed.ok("git", "hash-object", "-t", "tag", "-w", str(forged))
    signed.ok("git", "update-ref", "refs/tags/model#prod#3", identity)
    signed.ok("git", "update-ref", "refs/tags/model#prod#4", "refs/tags/model#prod#1")
    stranger = tmp_path / "stranger"
    stranger.mkdir()
    trusted = signed.ok("git", "config", "gpg.ssh.allowedSignersFile")
    with_key(signed, stranger)
    stemma.promote(signed.folder, V3, "prod", tagging=Tagging(sign=True))
    signed.ok("git", "config", "gpg.ssh.allowedSignersFile", trusted)
    found = {event.tag: event for event in stemma.history(signed.folder, "prod", verify=True).events}
    assert [found[f"model#prod#{number}"].signature for number in range(1, 6)] == ["good", "good", "bad", "bad", "bad"]
    assert found["model#prod#4"].signer == "it was signed as model#prod#1"
    done = signed.run("stemma", "history", "prod", "--verify")
    assert done.returncode == 1 and "bad: model#prod#4: it was signed as model#prod#1" in done.stdout


def test_a_key_that_does_not_sign_leaves_no_tag(signed: World) -> None:
    before = tags(signed)
    signed.ok("git", "config", "user.signingkey", "/nowhere/key.pub")
    with pytest.raises(VersionError, match=r"the tag cannot be signed \(.*/nowhere/key.pub"):
        stemma.promote(signed.folder, V3, "prod", tagging=Tagging(sign=True))
    assert tags(signed) == before
    signed.ok("git", "config", "tag.gpgSign", "true")  # Git's own setting counts without --sign
    with pytest.raises(VersionError, match=r"the tag cannot be signed"):
        stemma.promote(signed.folder, V3, "prod")
