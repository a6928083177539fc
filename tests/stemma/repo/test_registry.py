"""GTO's grammar, read as GTO reads it."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stemma
from stemma.errors import VersionError
from stemma.repo import registry
from stemma.repo.registry import Event, Grammar, Registry
from stemma.repo.repository import Repository
from stemma.semver import precedence
from version_worlds import World

WORDS = st.sampled_from(
    ["model", "src", "v1.2.3", "v0.0.0-rc.1+b", "v01.0.0", "prod", "deprecated", "created", "12", "x-1"]
)
MARKS = st.sampled_from(["@", "#", "!", "=", "/", "", "-", "_", ".", ":"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(WORDS, MARKS), min_size=1, max_size=5).map(lambda parts: "".join(map("".join, parts))))
def test_every_tag_means_what_gto_says_it_means(tag: str) -> None:
    tags = pytest.importorskip("gto.tag")
    expected = tags.parse_name(tag, raise_on_fail=False)
    found = registry.parse(tag)
    assert (found is not None) == bool(expected)
    if found is None or "action" not in expected:  # GTO tells no action for model@created
        return
    assert found == Grammar(
        action=expected["action"].value,
        model=expected["name"],
        version=expected.get("version"),
        stage=expected.get("stage"),
        counter=expected.get("counter"),
    )


def events(*tags: tuple[str, str]) -> Registry:
    found = [(tag, commit, registry.parse(tag)) for tag, commit in tags]
    return Registry(
        tuple(Event(tag, commit, says, time, "A Person", "") for time, (tag, commit, says) in enumerate(found) if says)
    )


def test_a_stage_is_held_by_its_last_assignment_in_force() -> None:
    moved = events(("m#prod#1", "a"), ("m#prod#2", "b"), ("m#dev#3", "a"), ("n#prod#1", "z"))
    assert moved.assigned == {("m", "prod"): "b", ("m", "dev"): "a", ("n", "prod"): "z"}
    back = events(("m#prod#1", "a"), ("m#prod#2", "b"), ("m#prod!#3", "b"))
    assert back.find("m#prod") == "a"
    assert events(("m#prod#1", "a"), ("m#prod!#2", "a")).find("m#prod") is None
    assert events(("m#prod#1", "a"), ("m#prod#2", "b"), ("m#prod#3", "a")).find("m#prod") == "a"


def test_a_registration_can_be_taken_back() -> None:
    found = events(("m@v1.0.0", "a"), ("m@v1.1.0", "b"), ("m@v1.1.0!", "b"), ("src=m@v2.0.0#7", "c"))
    assert found.registered == {("m", "v1.0.0"): "a", ("src:m", "v2.0.0"): "c"}
    assert (found.find("m@v1.1.0"), found.find("src:m@v2.0.0"), found.find("m@latest")) == (None, "c", "a")
    assert found.names() == ["m@v1.0.0", "src:m@v2.0.0"]


def test_latest_is_by_precedence_and_not_by_time_or_text() -> None:
    order = ["v1.0.0-alpha", "v1.0.0-alpha.1", "v1.0.0-alpha.beta", "v1.0.0-beta", "v1.0.0-beta.2"]
    order += ["v1.0.0-beta.11", "v1.0.0-rc.1", "v1.0.0", "v1.9.0", "v1.10.0"]  # semver.org 2.0.0, section 11, and two
    assert sorted(reversed(order), key=precedence) == order
    assert events(*((f"m@{name}", name) for name in reversed(order))).find("m@latest") == "v1.10.0"


def test_tags_that_are_not_annotated_or_not_of_the_grammar_are_no_events(three_versions: World, tmp_path) -> None:
    world = three_versions.copy(tmp_path / "world")
    world.ok("git", "tag", "model@v9.0.0")
    world.tag("release-1")
    found = registry.read(world.folder)
    assert [event.tag for event in found.events] == ["model@v1.0.0", "model#prod#1", "model@v1.1.0", "model#prod#2"]
    assert found.events[0].author == "A Person" and found.events[0].message == "model@v1.0.0"
    assert found.assigned == {("model", "prod"): world.ok("git", "rev-parse", "model@v1.1.0^{commit}")}


def test_a_tag_on_a_tag_is_an_event_of_the_commit_below(three_versions: World, tmp_path) -> None:
    world = three_versions.copy(tmp_path / "world")
    world.git("tag", "-a", "model#staging#1", "-m", "on a tag", "model@v1.0.0")
    world.git("tag", "-a", "model@v7.0.0", "-m", "a file", "HEAD:params.yaml")
    assert world.ok("git", "cat-file", "-t", world.ok("git", "rev-parse", "model#staging#1^{}")) == "commit"
    found = registry.read(world.folder)
    first = world.ok("git", "rev-parse", "model@v1.0.0^{commit}")
    assert found.assigned["model", "staging"] == found.registered["model", "v1.0.0"] == first
    assert ("model", "v7.0.0") not in found.registered


def test_gto_itself_finds_the_same_versions_and_stages(three_versions: World) -> None:
    api = pytest.importorskip("gto.api")
    artifact = api._get_state(str(three_versions.folder)).find_artifact("model")
    found = registry.read(three_versions.folder)
    assert {version.version: version.commit_hexsha for version in artifact.versions} == {
        version: commit for (_, version), commit in found.registered.items()
    }
    assert artifact.get_vstages()["prod"][0].commit_hexsha == found.find("model#prod")


def test_a_tag_that_is_not_annotated_is_told_with_its_remedy(three_versions: World, tmp_path, capsys) -> None:
    world = three_versions.copy(tmp_path / "world")
    world.ok("git", "tag", "model@v9.0.1", "main")
    remedy = "git tag -f -a -m WHY 'model@v9.0.1' 'model@v9.0.1'"
    Repository(world.folder).resolve("model@v9.0.1")  # Git knows it
    told = f"model@v9.0.1: a lightweight tag is no event of the registry, here or for GTO: run `{remedy}`"
    assert capsys.readouterr().err == f"note: {told}\n"
    with pytest.raises(VersionError, match=re.escape(told)):
        stemma.register(world.folder, "main", version="9.0.1")
    world.ok("sh", "-c", remedy)
    assert registry.read(world.folder).registered["model", "v9.0.1"] == world.ok("git", "rev-parse", "main")


def test_a_tag_that_is_nearly_an_event_is_told_with_what_its_name_would_be(
    three_versions: World, tmp_path, capsys
) -> None:
    world = three_versions.copy(tmp_path / "world")
    for name in ("model@1.0.7", "model@v2.0", "models@1"):
        world.git("tag", "-a", name, "-m", "by hand")
    assert len(registry.read(world.folder).events) == len(registry.read(three_versions.folder).events)
    told = "note: model@1.0.7, model@v2.0: no event of the registry by its name, which is as model@v1.2.0: run `git tag"
    assert capsys.readouterr().err.startswith(told)


def test_a_name_of_what_is_not_there_is_told_with_the_command_that_forgets_it(three_versions: World, tmp_path) -> None:
    world = three_versions.copy(tmp_path / "world")
    world.write(".git/refs/tags/model@v8.0.0", f"{'12' * 20}\n")
    with pytest.raises(VersionError, match=r"refs/tags/model@v8.0.0 names what is not in .*: run `git update-ref -d"):
        registry.read(world.folder)
