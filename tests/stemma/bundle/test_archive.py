"""The bytes of a bundle, and what is damaged or dangerous."""

import hashlib
import json
import stat
import zipfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bundles import contents, plain, seal, sealed
from stemma import bundle
from stemma.bundle import archive
from stemma.errors import BundleError

# Build.


def test_the_same_files_give_the_same_bytes(model: Path, tmp_path: Path) -> None:
    backwards = dict(reversed(contents().items()))
    bundle.build(tmp_path / "new folder" / "again.zip", backwards)
    assert (tmp_path / "new folder" / "again.zip").read_bytes() == model.read_bytes()


def test_a_bundle_is_a_plain_zip_with_a_manifest(model: Path) -> None:
    with zipfile.ZipFile(model) as archive:
        assert archive.namelist() == ["README.md", "manifest.json", "model.onnx", "request.json", "signature.json"]
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        entry = archive.getinfo("model.onnx")
    assert (entry.date_time, entry.create_system, entry.external_attr >> 16) == (
        (1980, 1, 1, 0, 0, 0), 3, stat.S_IFREG | 0o644,
    )  # fmt: skip
    expected = {n: {"bytes": len(d), "sha256": hashlib.sha256(d).hexdigest()} for n, d in contents().items()}
    assert manifest == {"format": 1, "files": expected}


def test_a_bundle_gives_back_its_files_and_they_are_frozen(model: Path) -> None:
    opened = bundle.open_bundle(model)
    assert {name: opened.files[name] for name in contents()} == contents()
    with pytest.raises(TypeError):
        opened.files["more"] = b""  # type: ignore[index]
    with pytest.raises(AttributeError):
        opened.files = {}  # type: ignore[misc]


@pytest.mark.parametrize(
    "name",
    [
        "/etc/passwd",
        "../x",
        "a/../../x",
        "a/..",
        "..",
        ".",
        "",
        "a\\b",
        "C:x",
        "C:\\x",
        "a//b",
        "./a",
        "a/",
        "a\nb",
        "a\0b",
    ],
)
def test_an_unsafe_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="is not a safe name for a file"):
        bundle.build(tmp_path / "model.zip", {**contents(), name: b""})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"readme.MD": b""}, "'readme.MD' is there twice"),
        ({"manifest.json": b""}, r"manifest\.json is made here: leave it out"),
        ({"model.onnx": None}, r"it has no model\.onnx"),
        ({"signature.json": None}, r"it has no signature\.json"),
        ({"signature.json": b"{}"}, r"signature\.json is damaged"),
    ],
)
def test_what_is_no_bundle_is_not_built(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    files = {name: data for name, data in {**contents(), **change}.items() if data is not None}
    (tmp_path / "model.zip").write_bytes(b"the old one")
    with pytest.raises(BundleError, match=message):
        bundle.build(tmp_path / "model.zip", files)
    assert (tmp_path / "model.zip").read_bytes() == b"the old one"
    assert len(list(tmp_path.iterdir())) == 1


# Damage.


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_any_changed_byte_is_found(model: Path, tmp_path_factory: pytest.TempPathFactory, data: Any) -> None:
    content = bytearray(model.read_bytes())
    at = data.draw(st.integers(0, len(content) - 1))
    content[at] ^= data.draw(st.integers(1, 255))
    broken = model.with_name("broken.zip")
    broken.write_bytes(content)
    with pytest.raises(BundleError, match=r"broken\.zip is damaged \(.+\)$") as error:
        bundle.verify(broken)
    why = "it is no zip file" if at < 2 else "its bytes are not those that were packed"
    assert str(error.value).endswith(f"({why})")
    assert "\n" not in str(error.value)


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_cut_or_longer_bundle_is_found(model: Path, data: Any) -> None:
    content = model.read_bytes()
    other = content[: data.draw(st.integers(0, len(content)))] + data.draw(st.binary(max_size=3))
    assume(other != content)
    broken = model.with_name("cut.zip")
    broken.write_bytes(other)
    with pytest.raises(BundleError, match="is damaged"):
        bundle.verify(broken)


@pytest.fixture
def enemy(tmp_path: Path) -> Path:
    return tmp_path / "model.zip"


def refused(path: Path, reason: str) -> None:
    with pytest.raises(BundleError, match=reason) as error:
        bundle.open_bundle(path)
    assert "\n" not in str(error.value) and str(path) in str(error.value)


GOOD = list(contents().items())


def test_a_good_bundle_made_by_hand_opens(enemy: Path) -> None:
    bundle.verify(sealed(enemy, GOOD))


@pytest.mark.parametrize("name", ["../evil", "/etc/evil", "a/../../evil", "C:\\evil", "..\\evil"])
def test_a_name_outside_the_bundle_is_refused(enemy: Path, name: str) -> None:
    refused(sealed(enemy, [*GOOD, (name, b"x")]), "is not a safe name for a file")


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_one_name_are_refused(enemy: Path) -> None:
    refused(sealed(enemy, [*GOOD, ("README.md", b"another")]), r"'README\.md' is there twice")
    refused(sealed(enemy, [*GOOD, ("readme.md", b"another")]), r"'readme\.md' is there twice")


@pytest.mark.parametrize("mode", [stat.S_IFLNK | 0o777, stat.S_IFDIR | 0o755, stat.S_IFIFO | 0o644, 0])
def test_a_symlink_or_what_is_no_plain_file_is_refused(enemy: Path, mode: int) -> None:
    refused(sealed(enemy, [*GOOD, (plain("link", mode), b"/etc/passwd")]), "link is not a plain file")


def test_a_file_that_is_missing_extra_or_another_is_named(enemy: Path) -> None:
    refused(sealed(enemy, GOOD[:-1], dict(GOOD)), r"'request\.json' is missing")
    refused(sealed(enemy, GOOD, dict(GOOD[:-1])), r"'request\.json' is missing, or not the file that")
    changed = {**dict(GOOD), "request.json": b"[]\n"}
    refused(sealed(enemy, GOOD, changed), r"request\.json. is missing, or not the file that manifest\.json names")
    refused(sealed(enemy, GOOD[1:]), r"it has no model\.onnx")


def test_a_wrong_manifest_is_refused(enemy: Path) -> None:
    for manifest in (b"", b"[]", b"{}", b'{"format": 1, "files": 3}', b'{"format": 1, "files": {"a": 1}}', b"\xff"):
        refused(sealed(enemy, GOOD, manifest), r"manifest\.json is damaged")
    refused(
        sealed(enemy, GOOD, b'{"format": 2, "files": {}}'), r"manifest\.json has format 2, and this version reads 1"
    )


def test_an_archive_without_a_manifest_is_refused(enemy: Path) -> None:
    with zipfile.ZipFile(enemy, "w") as archive:
        for name, data in GOOD:
            archive.writestr(plain(name), data)
        archive.comment = bytes(64)
    seal(enemy)
    refused(enemy, r"it has no manifest\.json")


def test_a_zip_bomb_is_refused_before_it_is_unpacked(enemy: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed(enemy, [*GOOD, ("zeros", bytes(2**20))])
    bundle.verify(enemy)
    monkeypatch.setattr(archive, "SMALL", 2**19)
    monkeypatch.setattr(archive, "_unpacked", lambda *_: pytest.fail("unpacked"))
    refused(enemy, r"its [\d,]+ bytes unpack to [\d,]+\)")


def test_a_huge_declared_size_is_refused(enemy: Path) -> None:
    sealed(enemy, GOOD)
    content = enemy.read_bytes()
    at = content.rindex(b"PK\x01\x02") + 24  # length of the last file, as the directory at the end has it
    enemy.write_bytes(content[:at] + b"\xf0\xff\xff\xff" + content[at + 4 :])
    seal(enemy)
    refused(enemy, r"its [\d,]+ bytes unpack to 4,294,9\d\d,\d{3}\)")


def test_a_declared_size_that_is_too_small_is_refused(enemy: Path) -> None:
    sealed(enemy, GOOD)
    content = enemy.read_bytes()
    at = content.index(b"PK\x01\x02") + 24
    enemy.write_bytes(content[:at] + b"\x01\x00\x00\x00" + content[at + 4 :])
    seal(enemy)
    refused(enemy, "is damaged")


def test_an_encrypted_or_strangely_packed_file_is_refused(enemy: Path) -> None:
    content = sealed(enemy, GOOD).read_bytes()
    entry = content.index(b"PK\x01\x02")
    for at, value in ((entry + 8, 1), (entry + 10, 99)):  # the flag of encryption, the method
        enemy.write_bytes(content[:at] + bytes([value]) + content[at + 1 :])
        seal(enemy)
        refused(enemy, "is damaged")


def test_a_missing_bundle_names_the_command(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match=r"no\.zip is not there$"):
        bundle.open_bundle(tmp_path / "no.zip")
    kept = tmp_path / "models" / "package" / "model.zip"  # DVC has another copy
    with pytest.raises(BundleError, match=r"model\.zip is not there: run `dvc checkout .*/models/package/model\.zip`"):
        bundle.open_bundle(kept)
    kept.parent.mkdir(parents=True)
    kept.write_bytes(b"PK\x03\x04")
    with pytest.raises(BundleError, match=r"model\.zip is damaged \(.*\): run `dvc checkout "):
        bundle.open_bundle(kept)
    with pytest.raises(BundleError, match=r"cannot be read"):
        bundle.open_bundle(tmp_path)
