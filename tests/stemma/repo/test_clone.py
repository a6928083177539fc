"""What a clone lacks is told where an answer would seem whole, with the command; nothing gets a number there."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import stemma
from registered_worlds import make_registered
from stemma.errors import VersionError
from stemma.registry.writing import Tagging
from stemma.repo import clone
from stemma.text import say_once
from version_worlds import World, parts

Run = Callable[..., tuple[int, str, str]]
UNSHALLOW = "git fetch --unshallow --tags"
TAGS = "git config --unset remote.origin.tagOpt && git fetch --tags origin"
BRANCHES = "git remote set-branches origin '*' && git fetch --tags origin"
CLONES = {"--depth=1": UNSHALLOW, "--no-tags": TAGS, "--single-branch": BRANCHES}


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> World:
    """Three registered versions on main, and v3.0.0 on a branch that main does not have."""
    world = make_registered(tmp_path_factory.mktemp("origin") / "world")
    world.ok("git", "checkout", "-qb", "wider")
    world.version("on a branch", parts(bundle=b"bundle 5"))
    world.tag("model@v3.0.0")
    world.ok("git", "checkout", "-q", "main")
    world.ok("git", "config", "uploadpack.allowFilter", "true")
    world.ok("git", "config", "uploadpack.allowAnySHA1InWant", "true")
    return world


@pytest.fixture
def cloned(origin: World, tmp_path: Path) -> Callable[[str], World]:
    """A clone made with an option, beside what stands for its DVC remote."""
    say_once.cache_clear()

    def make(option: str) -> World:
        place = World(tmp_path / "world")
        origin.ok("git", "clone", "-q", option, origin.folder.as_uri(), str(place.folder))
        place.remote.symlink_to(origin.remote)
        return place

    return make


@pytest.mark.parametrize("option", CLONES)
@pytest.mark.parametrize("words", [["log", "--all"], ["history"], ["verify", "--all", "--only", "remote"]])
def test_what_shows_all_says_what_is_lacking(
    cloned: Callable[[str], World], run: Run, option: str, words: list[str]
) -> None:
    code, _, told = run(cloned(option), *words)
    assert code == 0 and f"run `{CLONES[option]}`\n" in told


@pytest.mark.parametrize("option", CLONES)
def test_nothing_is_registered_before_every_event_is_here(cloned: Callable[[str], World], option: str) -> None:
    world = cloned(option)
    with pytest.raises(VersionError, match="nothing is written to the registry before they are here") as refused:
        stemma.register(world.folder, "HEAD", bump="major")
    assert refused.value.run == CLONES[option]
    world.ok("sh", "-c", CLONES[option])
    assert stemma.register(world.folder, "HEAD", bump="major").name == "model@v4.0.0"


def test_a_push_fetches_the_events_first_and_needs_no_whole_clone(origin: World, tmp_path: Path) -> None:
    server = tmp_path / "server.git"
    origin.ok("git", "clone", "-q", "--bare", str(origin.folder), str(server))
    world = World(tmp_path / "world")
    origin.ok("git", "clone", "-q", "--no-tags", server.as_uri(), str(world.folder))
    made = stemma.register(world.folder, "HEAD", bump="major", tagging=Tagging(push=True))
    assert made.name == "model@v4.0.0"


def test_a_single_branch_whose_tags_are_all_here_is_enough_to_register(cloned: Callable[[str], World]) -> None:
    world = cloned("--depth=1")
    world.ok("sh", "-c", UNSHALLOW)
    assert [lack.kind for lack in clone.lacks(world.folder)] == ["branches"]
    assert stemma.register(world.folder, "HEAD", bump="patch").name == "model@v3.0.1"


@pytest.mark.parametrize("name", ["HEAD~3", "model@v3.0.0"])
def test_a_revision_that_is_not_here_comes_with_what_brings_it(cloned: Callable[[str], World], name: str) -> None:
    with pytest.raises(VersionError, match="this clone is shallow") as refused:
        stemma.show(cloned("--depth=1").folder, name)
    assert refused.value.run == UNSHALLOW


def test_a_whole_clone_says_nothing(cloned: Callable[[str], World], capsys: pytest.CaptureFixture[str]) -> None:
    world = cloned("--tags")
    stemma.log(world.folder, all=True), stemma.history(world.folder)
    assert clone.lacks(world.folder) == [] and capsys.readouterr().err == ""


def test_a_partial_clone_answers_as_a_whole_one_or_says_what_fetches_the_rest(origin: World, tmp_path: Path) -> None:
    source, asked, world = origin.copy(tmp_path / "source"), World(tmp_path / "asked"), World(tmp_path / "world")
    for place in (asked, world):
        source.ok("git", "clone", "-q", "--filter=blob:none", source.folder.as_uri(), str(place.folder))
    assert [entry.metric for entry in stemma.log(asked.folder)] == [entry.metric for entry in stemma.log(origin.folder)]
    source.folder.rename(tmp_path / "away")
    for ask in (stemma.log, stemma.verify):
        with pytest.raises(VersionError, match="is a partial clone, and what it lacks cannot be fetched") as refused:
            ask(world.folder, all=True)
    (tmp_path / "away").rename(source.folder)
    world.ok("sh", "-c", str(refused.value.run))
    source.folder.rename(tmp_path / "away")
    assert len(stemma.log(world.folder)) == 4


def test_a_repository_of_another_user_is_one_line_with_gits_own_command(
    three_versions: World, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    for words in (
        ["log"],
        ["show"],
        ["register"],
        ["rollback", "HEAD"],
        ["verify"],
        ["doctor", "HEAD"],
        ["gc"],
        ["trust"],
    ):
        code, _, told = run(three_versions, *words)
        assert code == 1 and told.count("\n") == 1, told
        assert "belongs to another user" in told
        assert told.endswith(f"run `git config --global --add safe.directory {three_versions.folder}`\n")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root gives a folder away")
def test_so_is_a_project_below_a_folder_of_another_user(two_projects, tmp_path: Path, run: Run) -> None:
    two = two_projects.copy(tmp_path / "shop")
    shutil.chown(two.top, 1234), shutil.chown(two.top / ".git", 1234)
    code, _, told = run(two.churn, "log")
    assert code == 1 and told.endswith(f"run `git config --global --add safe.directory {two.top}`\n")
