"""`stemma remote check` against a folder and a real S3 server: what is denied is one line with what to do."""

import datetime
import json
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import stemma
from s3 import Server, served
from stemma import cli
from stemma.errors import VersionError
from stemma.repo.trouble import CODES, explained
from stemma.storage.remote import Probe
from timing import until
from version_worlds import World

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def world(three_versions: World, tmp_path: Path) -> World:
    return three_versions.copy(tmp_path / "world")


@pytest.fixture
def cloud(world: World, s3: Server) -> World:
    """Its remote `cloud` is a bucket."""
    s3.bucket("models")
    world.write(".dvc/config.local", "[core]\n    remote = cloud\n['remote \"cloud\"']\n    url = s3://models/dvc\n")
    return world


def allowed(found: Probe) -> dict[str, bool | None]:
    return {step.action: step.allowed for step in found.steps}


def says(found: Probe, action: str) -> str:
    return next(step.says for step in found.steps if step.action == action)


def test_a_folder_allows_everything_and_nothing_is_left_in_it(world: World) -> None:
    found = stemma.probe(world.folder)
    assert found.is_usable
    assert allowed(found) == {"list": True, "write": True, "read": True, "delete": True}
    assert [path.name for path in world.remote.iterdir()] == ["files"]


def test_a_folder_that_is_not_there_is_named_and_not_made_usable(world: World) -> None:
    world.remote.rename(world.remote.with_name("elsewhere"))
    found = stemma.probe(world.folder)
    assert not found.is_usable
    assert "there is no folder" in says(found, "list")
    assert not world.remote.exists()


def test_a_name_that_is_not_known_and_no_default_are_one_line(world: World) -> None:
    with pytest.raises(VersionError, match=r"no remote is named 'nope' \(there are: disk\)"):
        stemma.probe(world.folder, "nope")
    world.write(".dvc/config", "[core]\n    analytics = false\n")
    with pytest.raises(VersionError, match="no default remote is set: run `dvc remote add -d"):
        stemma.probe(world.folder)


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ssh://nowhere.example.org/dvc", "ssh is supported, but requires 'dvc-ssh' to be installed$"),
        ("s3://models/dvc", r"'dvc-s3' to be installed: run `pip install -c requirements\.lock -e \"\.\[s3\]\"`"),
    ],
)
def test_a_kind_of_remote_whose_package_is_missing_is_one_line(
    world: World, url: str, says: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dvc_objects.fs import known_implementations

    monkeypatch.setitem(known_implementations["s3"], "class", "no_such_module.S3")
    world.write(".dvc/config", f"[core]\n    remote = far\n['remote \"far\"']\n    url = {url}\n")
    for act in (stemma.probe, stemma.verify, stemma.push):
        with pytest.raises(VersionError, match=f"^remote 'far': .*{says}"):
            act(world.folder)


def test_a_secret_in_the_committed_config_is_noted(world: World) -> None:
    config = (world.folder / ".dvc/config").read_text()
    world.write(".dvc/config", config + "['remote \"s\"']\n    url = s3://b\n    secret_access_key = hush\n")
    found = stemma.probe(world.folder, "disk")
    assert any("holds a secret" in note for note in found.notes)


@pytest.mark.parametrize("code", sorted(CODES))
def test_every_code_of_s3_has_a_line_that_says_what_to_do(code: str) -> None:
    from botocore.exceptions import ClientError

    try:
        try:
            raise ClientError({"Error": {"Code": code, "Message": "x"}}, "PutObject")  # type: ignore[typeddict-item]
        except ClientError as error:
            raise PermissionError(13, "Forbidden") from error  # as s3fs does
    except PermissionError as error:
        assert explained(error) == CODES[code]
    assert ":" in CODES[code]


def test_a_bucket_allows_everything_and_verify_true_is_advised(cloud: World, s3: Server) -> None:
    found = stemma.probe(cloud.folder)
    assert found.is_usable
    assert found.left is None
    assert [path for path in s3.bucket("models").rglob("*") if path.is_file()] == []
    assert any("dvc remote modify cloud verify true" in note for note in found.notes)
    cloud.ok("dvc", "remote", "modify", "--local", "cloud", "verify", "true")
    assert stemma.probe(cloud.folder).notes == ()


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("AWS_SECRET_ACCESS_KEY", "wrong", "the secret key does not fit the access key (403)"),
        ("AWS_ACCESS_KEY_ID", "wrong", "the access key is not known there (403)"),
        ("AWS_ACCESS_KEY_ID", None, "key is set"),
        ("AWS_ENDPOINT_URL", "http://127.0.0.1:9", "nothing answers there"),
    ],
)
def test_what_is_refused_is_explained(
    cloud: World, monkeypatch: pytest.MonkeyPatch, name: str, value: str | None, message: str
) -> None:
    if value is None:
        monkeypatch.delenv(name)
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    else:
        monkeypatch.setenv(name, value)
    found = stemma.probe(cloud.folder)
    assert allowed(found) == {"list": False, "write": False, "read": None, "delete": None}
    assert message in says(found, "list")
    assert message in says(found, "write")


def test_verify_says_it_in_one_line(cloud: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    with pytest.raises(VersionError, match=r"remote 'cloud' \(s3://models/dvc\): the secret key .* \(403\)"):
        stemma.verify(cloud.folder, only="remote")


def test_a_bucket_that_is_not_there_is_named(cloud: World) -> None:
    cloud.ok("dvc", "remote", "modify", "--local", "cloud", "url", "s3://nowhere/dvc")
    found = stemma.probe(cloud.folder)
    assert "there is no such bucket (404)" in says(found, "list")
    assert "there is no such bucket (404)" in says(found, "write")


def test_a_clock_that_is_off_is_named(cloud: World, monkeypatch: pytest.MonkeyPatch) -> None:
    import botocore.auth

    ahead = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=2)
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda remove_tzinfo=True: ahead.replace(tzinfo=None))
    assert "clock" in says(stemma.probe(cloud.folder), "list")


def test_a_read_only_bucket_is_told_from_a_usable_one(
    cloud: World, tmp_path: Path, s3: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """rclone never answers a write that it does not allow; a check ends all the same."""
    (tmp_path / "buckets/models/dvc").mkdir(parents=True)
    (tmp_path / "buckets/models/dvc/object").write_text("here")
    with served(tmp_path / "buckets", read_only=True) as server:
        monkeypatch.setenv("AWS_ENDPOINT_URL", server.endpoint)
        told: list[Probe] = []

        def is_told() -> bool:  # what it does allow it may not have answered in time
            told.append(stemma.probe(cloud.folder, patience=3))
            return allowed(told[-1]) == {"list": True, "write": False, "read": True, "delete": None}

        until(is_told)
    assert "read-only" in says(told[-1], "write")


def test_the_command_prints_a_line_for_each_step_and_exits_1_when_one_is_denied(
    cloud: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def run(*arguments: str) -> tuple[int, str]:
        monkeypatch.chdir(cloud.folder)
        monkeypatch.setattr(sys, "argv", ["stemma", "remote", "check", *arguments])
        with pytest.raises(SystemExit) as stopped:
            cli.main()
        return int(stopped.value.code or 0), capsys.readouterr().out

    code, out = run()
    assert code == 0
    assert [line.split()[:2] for line in out.splitlines()[1:5]] == [
        [action, "allowed"] for action in ("list", "write", "read", "delete")
    ]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "wrong")
    code, out = run("--json")
    assert code == 1
    assert json.loads(out)["is_usable"] is False
    assert run("disk")[0] == 0
