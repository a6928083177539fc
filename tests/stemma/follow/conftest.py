"""The world of tests/followed.py."""

from pathlib import Path

import pytest

from followed import Followed, followed_by_two, make_registered_bundles
from version_worlds import World


@pytest.fixture(scope="session")
def registered_once(tmp_path_factory: pytest.TempPathFactory) -> World:
    return make_registered_bundles(tmp_path_factory.mktemp("followed"))


@pytest.fixture
def followed(registered_once: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Followed:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    return followed_by_two(registered_once, tmp_path)
