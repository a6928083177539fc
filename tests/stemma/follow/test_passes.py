"""A pass publishes just what the stage holds, whole, under a number that grows; one that fails leaves what is there."""

import json
import shutil
import threading
import time
from itertools import pairwise
from pathlib import Path

import pytest
import typer

import stemma
from followed import PUSHED, Followed
from registered_worlds import with_key
from s3 import Server
from stemma.bundle import open_bundle
from stemma.cli.follow import seconds
from stemma.errors import VersionError
from stemma.follow import Published, folder, passes, poll, publish, source
from stemma.follow.folder import KEPT
from stemma.registry.writing import Tagging
from stemma.repo.git import git
from stemma.repo.repository import Repository
from timing import until
from version_worlds import Projects


def threshold(found: Published | None) -> float | None:
    assert found is not None
    return open_bundle(found.bundle).signature.threshold


@pytest.mark.parametrize("source", ["the Git server's URL", "a clone"])
def test_promotion_rollback_and_demotion_are_published(followed: Followed, source: str) -> None:
    asked = followed.asked(None if source != "a clone" else str(followed.bob.folder))
    followed.promote("v1.0.0")
    first = publish(asked)
    assert first is not None
    assert (first.number, first.version, threshold(first)) == (1, "v1.0.0", 0.1)
    assert open_bundle(first.bundle).registered["version"] == "v1.0.0"
    assert publish(asked, first) == first, "what is there is not published anew"
    followed.promote("v1.1.0")
    second = publish(asked, first)
    followed.roll_back()
    third = publish(asked, second)
    assert [(each.number, each.version, threshold(each)) for each in (second, third) if each] == [
        (2, "v1.1.0", 0.2),
        (3, "v1.0.0", 0.1),
    ]
    assert followed.numbers() == ["1", "2", "3"], "the newest is what the stage holds"
    followed.demote()
    assert publish(asked, third) is None
    assert (followed.folder / "empty").exists()
    followed.promote("v2.0.0")
    again = publish(asked)
    assert again is not None
    assert again.number > 3, "a number never names two versions"
    assert not (followed.folder / "empty").exists()


def test_the_clone_of_a_url_holds_no_file_but_the_configuration(followed: Followed, tmp_path: Path) -> None:
    followed.promote("v1.0.0")
    publish(followed.asked())
    files = [path for path in (tmp_path / "state").rglob("*") if path.is_file() and ".git" not in path.parts]
    assert {path.relative_to(path.parents[1]).as_posix() for path in files} == {".dvc/config"}


def test_what_is_published_stays_when_git_or_the_remote_is_gone(followed: Followed) -> None:
    asked = followed.asked()
    followed.promote("v1.0.0")
    first = publish(asked)
    followed.promote("v1.1.0")
    followed.origin.remote.rename(followed.origin.remote.with_name("gone"))
    with pytest.raises(VersionError, match=r"model\.zip of model#prod is neither in the cache nor in a remote"):
        publish(asked, first)
    assert followed.numbers() == ["1"]
    Path(followed.url).rename(followed.folder.parent / "gone.git")
    with pytest.raises(VersionError, match="git fetch failed"):
        publish(asked, first)
    assert followed.numbers() == ["1"]


def test_a_clone_follows_what_its_git_remote_has_and_nothing_else(followed: Followed, tmp_path: Path) -> None:
    asked, told = followed.asked(str(followed.bob.folder)), list[str]()
    for version in ("v1.0.0", "v1.1.0"):
        followed.promote(version)
        found = publish(asked)
    assert found is not None and found.version == "v1.1.0"
    followed.anne.ok("git", "push", "-q", "--delete", "origin", "model#prod#2")
    found = publish(asked, found, told.append)
    assert found is not None and (found.number, found.version) == (3, "v1.0.0")
    cure = "run `git push origin 'model#prod#2'` or `git tag -d 'model#prod#2'`"
    assert told == [f"model#prod#2: not on origin (never pushed, or deleted there), and not followed: {cure}"]
    followed.bob.ok("git", "tag", "-d", "model#prod#2")
    stemma.promote(followed.bob.folder, "v1.1.0", "prod")
    assert publish(asked, found) == found, "what was not pushed does not count"
    Path(followed.url).rename(tmp_path / "gone.git")
    with pytest.raises(VersionError, match="git ls-remote failed"):
        publish(asked, found)


def test_a_project_in_a_folder_of_a_clone_gets_its_own_events(two_projects: Projects, tmp_path: Path) -> None:
    two = two_projects.copy(tmp_path / "shop")
    two.churn.ok("git", "clone", "-q", "--bare", str(two.top), str(tmp_path / "server.git"))
    two.churn.ok("git", "clone", "-q", str(tmp_path / "server.git"), str(tmp_path / "bob"))
    two.churn.tag("churn=model#prod#2", "churn=model@v2.0.0^{}")
    two.churn.ok("git", "push", "-q", str(tmp_path / "server.git"), "churn=model#prod#2")
    found = source.opened(str(tmp_path / "bob" / "churn"), print)
    assert found.registry.assigned["model", "prod"] == found.registry.registered["model", "v2.0.0"]


def test_a_rollback_needs_no_remote(followed: Followed) -> None:
    asked = followed.asked()
    for version in ("v1.0.0", "v1.1.0"):
        followed.promote(version)
        publish(asked)
    followed.roll_back()
    shutil.rmtree(followed.origin.remote)
    assert threshold(publish(asked)) == 0.1
    assert followed.numbers() == ["1", "2", "3"]


def test_other_bytes_than_the_version_names_are_not_published(followed: Followed) -> None:
    followed.promote("v1.0.0")
    for kept in followed.origin.remote.rglob("*"):
        if kept.is_file():
            kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    with pytest.raises(VersionError, match="damaged"):
        publish(followed.asked())
    assert followed.numbers() == []


@pytest.mark.parametrize("harm", ["cut", "gone", "no note"])
def test_a_version_that_was_harmed_is_published_anew(followed: Followed, harm: str) -> None:
    """A machine that loses its power leaves empty files behind."""
    followed.promote("v1.0.0")
    first = publish(followed.asked())
    assert first is not None
    if harm == "cut":
        first.bundle.write_bytes(b"")
    elif harm == "gone":
        first.bundle.unlink()
    else:
        (first.folder / "published.json").write_bytes(b"")
    again = publish(followed.asked())
    assert again is not None
    assert (again.number, threshold(again)) == (2, 0.1)


def test_a_killed_pass_leaves_nothing_that_a_server_sees(followed: Followed) -> None:
    followed.promote("v1.0.0")
    (followed.folder / ".partial").mkdir(parents=True)
    (followed.folder / ".partial" / "model.zip").write_bytes(b"half")
    publish(followed.asked())
    assert followed.numbers() == ["1"]
    assert not (followed.folder / ".partial").exists()


def test_only_the_newest_few_are_kept(tmp_path: Path) -> None:
    for number in range(1, KEPT + 3):
        folder.add(tmp_path, number, "a commit", lambda path: path.write_text("a bundle") and "v1.0.0")
    assert [each.number for each in folder.published(tmp_path)] == list(range(3, KEPT + 3))


def test_a_folder_of_other_versions_is_refused(followed: Followed) -> None:
    followed.promote("v1.0.0")
    (followed.folder / "7").mkdir(parents=True)
    with pytest.raises(VersionError, match=r"shop holds other versions than those of prod of .*server\.git"):
        publish(followed.asked())
    (followed.folder / "7").rmdir()
    publish(followed.asked())
    followed.promote("v1.1.0", "staging")
    with pytest.raises(VersionError, match="name another folder"):
        publish(type(followed.asked())(followed.url, "staging", followed.folder))
    assert followed.numbers() == ["1"]


def test_tags_without_a_good_signature_are_refused_where_that_is_asked(followed: Followed) -> None:
    followed.promote("v1.0.0")
    with pytest.raises(VersionError, match="model#prod#1 has no good signature"):
        publish(followed.asked(signed=True))
    assert followed.numbers() == []


def test_a_signed_stage_is_followed_until_somebody_without_a_key_moves_it(followed: Followed, tmp_path: Path) -> None:
    asked = followed.asked(str(followed.bob.folder), signed=True)
    with_key(followed.bob, tmp_path)
    stemma.promote(followed.bob.folder, "v1.0.0", "prod", tagging=Tagging(sign=True, push=True))
    first = publish(asked)
    assert threshold(first) == 0.1
    assert publish(asked, first) == first
    stemma.demote(followed.bob.folder, "prod", tagging=PUSHED)
    with pytest.raises(VersionError, match="model#prod!#2 has no good signature"):
        publish(asked, first)
    assert not (followed.folder / "empty").exists()


def test_the_events_whose_signatures_are_verified_are_those_that_are_followed(
    followed: Followed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another server of the clone may fetch in between."""
    asked, check = followed.asked(str(followed.bob.folder), signed=True), passes._check_signatures
    with_key(followed.bob, tmp_path)
    stemma.promote(followed.bob.folder, "v1.0.0", "prod", tagging=Tagging(sign=True, push=True))
    stemma.promote(followed.bob.folder, "v2.0.0", "prod", tagging=PUSHED)

    def later(repository: Repository, stage: str) -> None:
        followed.bob.ok("git", "tag", "-d", "model#prod#2")
        check(repository, stage)

    monkeypatch.setattr(passes, "_check_signatures", later)
    with pytest.raises(VersionError, match="model#prod#2 has no good signature"):
        publish(asked)
    assert followed.numbers() == []


@pytest.mark.slow
def test_a_bundle_comes_from_s3_and_one_that_was_changed_there_does_not(followed: Followed, s3: Server) -> None:
    shutil.copytree(followed.origin.remote, s3.bucket("followed") / "dvc")
    followed.anne.write(".dvc/config", "[core]\n    remote = s3\n['remote \"s3\"']\n    url = s3://followed/dvc\n")
    followed.anne.commit("Another remote")
    followed.anne.ok("git", "push", "-q")
    for version, number in (("v1.0.0", 1), ("v2.0.0", 3)):
        stemma.promote(followed.anne.folder, version, "prod", tagging=Tagging(push=True))
        found = publish(followed.asked())
        assert threshold(found) == number / 10
    stemma.promote(followed.anne.folder, "v1.1.0", "prod", tagging=Tagging(push=True))
    for kept in (s3.bucket("followed") / "dvc").rglob("*"):
        if kept.is_file():
            kept.write_bytes(kept.read_bytes()[:-1] + b"!")
    with pytest.raises(VersionError, match="damaged"):
        publish(followed.asked())
    assert followed.numbers() == ["1", "2"]


@pytest.mark.parametrize(
    ("source", "told"), [("nowhere", "git fetch failed"), ("--upload-pack=touch x", "is no folder and no Git URL")]
)
def test_what_is_no_source_is_told(followed: Followed, source: str, told: str) -> None:
    with pytest.raises(VersionError, match=told):
        publish(followed.asked(source))


def test_a_relative_remote_that_the_clone_of_a_url_has_not_beside_it_is_told(followed: Followed) -> None:
    followed.origin.write(".dvc/config", "[core]\n    remote = disk\n['remote \"disk\"']\n    url = ../../elsewhere\n")
    followed.origin.commit("Name the remote by a relative path")
    git(followed.origin.folder, "push", "--quiet", followed.url, "HEAD")
    followed.promote("v1.0.0")
    told: list[str] = []
    with pytest.raises(VersionError, match="nor in a remote within reach"):
        publish(followed.asked(), warn=told.append)
    assert len(told) == 1 and "elsewhere is not there" in told[0] and "by a whole path or a URL" in told[0]


def test_a_password_is_neither_written_beside_versions_nor_told(followed: Followed) -> None:
    followed.promote("v1.0.0")
    publish(followed.asked(f"file://user:secret@localhost{followed.url}"))
    assert json.loads((followed.folder / "followed.json").read_text())["source"] == f"file://localhost{followed.url}"


def test_each_change_of_state_is_told_once(followed: Followed) -> None:
    told: list[str] = []
    stop = threading.Event()
    follower = threading.Thread(target=poll, args=(followed.asked(), 0.1, told.append, stop))

    def until_told(state: str) -> None:
        until(lambda: told and state in told[-1])

    follower.start()
    until_told("prod: nothing was ever promoted to 'prod'")
    followed.promote("v1.0.0")
    until_told("prod is v1.0.0 (")
    Path(followed.url).rename(followed.folder.parent / "gone.git")
    until_told("git fetch failed")
    time.sleep(0.5)
    (followed.folder.parent / "gone.git").rename(followed.url)
    until_told("prod is v1.0.0 (")
    stop.set()
    follower.join()
    assert all(one != other for one, other in pairwise(told)), told
    assert told[1] == told[-1], "it is told that all is well again"


@pytest.mark.parametrize(("text", "found"), [("5s", 5.0), ("5", 5.0), (0.3, 0.3), ("500ms", 0.5), ("10ms", 0.01)])
def test_the_time_between_two_looks_has_a_unit_or_is_in_seconds(text: object, found: float) -> None:
    assert seconds(text) == pytest.approx(found)


@pytest.mark.parametrize("text", ["5x", "", "s", "-1", "0", "nan", "inf", "1ms", "2 days"])
def test_a_time_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(typer.BadParameter, match="is no time from 10ms to a day, such as 5s"):
        seconds(text)
