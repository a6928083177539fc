"""What a guard takes back is an event of the registry."""

import pytest

import stemma
from followed import Followed
from stemma.cli.looks import Guard
from stemma.errors import VersionError
from stemma.follow.events import taken_back
from stemma.registry.history import history
from stemma.watch.guard import Rules


def test_a_version_that_is_taken_back_leaves_its_stage_with_the_reason(followed: Followed) -> None:
    followed.promote("v1.0.0")
    followed.promote("v2.0.0")
    told: list[str] = []
    guard = Guard(None, "", Rules(), (), told.append, follows={"shop": ("prod", followed.url)})
    guard._write_down("shop", "v2.0.0", "20.0% of 100 requests failed, and 2.0% may")
    assert told[0].startswith("the registry says so: model#prod#")
    followed.bob.ok("git", "fetch", "-q", "--tags")
    events = history(followed.bob.folder, "prod").events
    assert [event.version for event in events] == ["v1.0.0", "v2.0.0", "v1.0.0"]
    assert "20.0% of 100 requests failed" in events[-1].why


def test_a_stage_that_went_on_is_left_alone(followed: Followed) -> None:
    followed.promote("v1.0.0")
    followed.promote("v2.0.0")
    with pytest.raises(VersionError, match=r"prod does not hold v1\.0\.0 any more"):
        taken_back(followed.url, "prod", "v1.0.0", "it errs")


def test_a_clone_with_an_event_that_was_not_pushed_goes_back_to_what_was_followed(followed: Followed) -> None:
    """That event stood between, and the version that was taken back was what came before it."""
    followed.promote("v1.0.0")
    followed.promote("v2.0.0")
    followed.bob.ok("git", "fetch", "-q", "--tags")
    stemma.promote(followed.bob.folder, "v1.1.0", "prod")
    taken_back(str(followed.bob.folder), "prod", "v2.0.0", "it errs")
    assert history(followed.bob.folder, "prod").events[-1].version == "v1.0.0"
