"""Signatures: OpenSSF model-signing with a key pair on P-256, offline."""

import json
import os
import stat
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundles import contents, sealed
from stemma import bundle
from stemma.bundle import sign
from stemma.bundle.archive import SIGNED
from stemma.bundle.check import check
from stemma.bundle.unpack import unpack
from stemma.errors import BundleError, MissingExtra, StemmaError


def registered(version: str = "v1.2.0") -> dict[str, bytes]:
    """A bundle with a version in it."""
    told = {"format": 1, "version": version, "commit": "0" * 40}
    return {**contents(), "registered.json": json.dumps(told).encode()}


@pytest.fixture(scope="session")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with mine.pem, mine.pub, theirs.pem and theirs.pub."""
    folder = tmp_path_factory.mktemp("keys")
    for name in ("mine", "theirs"):
        sign.key_pair(folder / f"{name}.pem")
    return folder


@pytest.fixture(scope="session")
def signed(keys: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("signed") / "model.zip"
    bundle.build(path, registered())
    sign.sign(path, keys / "mine.pem")
    return path


def test_a_signed_bundle_opens_as_before_and_its_key_verifies_it(signed: Path, keys: Path) -> None:
    opened = bundle.open_bundle(signed)
    assert opened.is_signed and {name: opened.files[name] for name in registered()} == registered()
    found = check(signed, keys / "mine.pub", "v1.2.0")
    assert {each.name: each.passed for each in found.checks if each.name in ("signature", "version")} == {
        "signature": True, "version": True,
    }  # fmt: skip


def test_another_key_and_no_signature_are_refused(signed: Path, keys: Path, model: Path) -> None:
    with pytest.raises(BundleError, match=r"was not signed by the owner of .*theirs\.pub, or was changed since"):
        check(signed, keys / "theirs.pub")
    with pytest.raises(BundleError, match=r"is not signed: run `stemma bundle sign "):
        check(model, keys / "mine.pub")


@pytest.mark.parametrize(
    ("at_least", "fits"), [("v1.2.0", True), ("v1.1.9", True), ("v1.2.1", False), ("v2.0.0-rc.1", False)]
)
def test_an_older_signed_bundle_is_refused(at_least: str, fits: bool, signed: Path, keys: Path) -> None:
    if fits:
        check(signed, keys / "mine.pub", at_least)
        return
    with pytest.raises(BundleError, match=rf"it is v1\.2\.0, and {at_least} or later is asked for"):
        check(signed, keys / "mine.pub", at_least)


def test_a_signed_bundle_without_a_version_is_refused_where_one_is_asked_for(keys: Path, tmp_path: Path) -> None:
    bundle.build(tmp_path / "m.zip", contents())
    sign.sign(tmp_path / "m.zip", keys / "mine.pem")
    check(tmp_path / "m.zip", keys / "mine.pub")
    with pytest.raises(BundleError, match=r"it says no version, and v1\.0\.0 or later is asked for"):
        check(tmp_path / "m.zip", keys / "mine.pub", "v1.0.0")


def repacked(path: Path, signed: Path, **changes: bytes | None) -> Path:
    """The signed files with changes, under a right manifest and seal, as somebody without the key would make it."""
    files = {name: data for name, data in bundle.open_bundle(signed).files.items() if name != "manifest.json"}
    files = {name: data for name, data in {**files, **changes}.items() if data is not None}
    listed = {name: data for name, data in files.items() if name != SIGNED}
    return sealed(path, list(files.items()), listed)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("registered.json", b'{"format": 1, "version": "v9.0.0"}'),
        ("README.md", b"# Another\n"),
        ("README.md", None),
        ("more", b""),
        (SIGNED, b"{}"),
        (SIGNED, b"\xff"),
        (SIGNED, None),
    ],
)
def test_any_changed_added_or_removed_file_is_refused(
    name: str, content: bytes | None, signed: Path, keys: Path, tmp_path: Path
) -> None:
    path = repacked(tmp_path / "m.zip", signed, **{name: content})
    bundle.verify(path)  # seal and manifest are right
    with pytest.raises(BundleError, match=r"not signed|or was changed since") as error:
        check(path, keys / "mine.pub")
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("name", [".gitignore", ".git/config", ".git/hooks/evil", ".github/x"])
def test_what_model_signing_leaves_out_by_itself_is_in_no_bundle(
    name: str, signed: Path, keys: Path, tmp_path: Path
) -> None:
    path = repacked(tmp_path / "m.zip", signed, **{name: b"evil\n"})
    with pytest.raises(BundleError, match="is not a safe name for a file"):
        check(path, keys / "mine.pub")


@given(st.data())
@settings(max_examples=100, deadline=None)
def test_any_flipped_byte_of_a_signed_bundle_is_found(signed: Path, data: Any) -> None:
    content = bytearray(signed.read_bytes())
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    broken = signed.with_name("broken.zip")
    broken.write_bytes(content)
    with pytest.raises(BundleError, match="is damaged"):
        bundle.verify(broken)


def test_a_second_signature_takes_the_place_of_the_first(signed: Path, keys: Path, tmp_path: Path) -> None:
    before = signed.read_bytes()
    sign.sign(signed, keys / "theirs.pem", tmp_path / "theirs.zip")
    assert signed.read_bytes() == before
    check(tmp_path / "theirs.zip", keys / "theirs.pub")
    with pytest.raises(BundleError, match="was not signed by the owner"):
        check(tmp_path / "theirs.zip", keys / "mine.pub")


def test_the_tool_of_openssf_verifies_an_unpacked_bundle(signed: Path, keys: Path, tmp_path: Path) -> None:
    unpack(bundle.open_bundle(signed), tmp_path / "unpacked")

    def verified(key: str) -> bool:
        command = [
            sys.executable, "-m", "model_signing", "verify", "key", tmp_path / "unpacked",
            "--signature", tmp_path / "unpacked" / SIGNED, "--public_key", keys / key, "--no-ignore-git-paths",
        ]  # fmt: skip
        return subprocess.run(command, capture_output=True).returncode == 0

    assert verified("mine.pub")
    (tmp_path / "unpacked/.gitignore").write_bytes(b"evil\n")  # which it leaves out by itself
    assert not verified("mine.pub")


def test_keys_are_never_overwritten_and_the_private_one_is_private(keys: Path, tmp_path: Path) -> None:
    assert os.name == "nt" or stat.S_IMODE((keys / "mine.pem").stat().st_mode) == 0o600
    before = (keys / "mine.pem").read_bytes()
    with pytest.raises(BundleError, match=r"mine\.pem is there: keys are never overwritten"):
        sign.key_pair(keys / "mine.pem")
    (tmp_path / "half.pub").touch()
    with pytest.raises(BundleError, match=r"half\.pub is there"):
        sign.key_pair(tmp_path / "half.pem")
    assert (keys / "mine.pem").read_bytes() == before and not (tmp_path / "half.pem").exists()


def test_wrong_keys_are_refused_with_one_line(signed: Path, keys: Path, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    pem, secret = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
    other = ed25519.Ed25519PrivateKey.generate().private_bytes(pem, secret, serialization.NoEncryption())
    (tmp_path / "ed25519.pem").write_bytes(other)
    other = ec.generate_private_key(ec.SECP384R1()).private_bytes(pem, secret, serialization.NoEncryption())
    (tmp_path / "p384.pem").write_bytes(other)
    (tmp_path / "text.pem").write_bytes(b"no key")
    public = serialization.PublicFormat.SubjectPublicKeyInfo
    (tmp_path / "rsa.pub").write_bytes(rsa.generate_private_key(65537, 2048).public_key().public_bytes(pem, public))
    before = signed.read_bytes()
    for key, message in (
        (tmp_path / "ed25519.pem", "cannot sign: it must be a private key on P-256"),
        (tmp_path / "p384.pem", "cannot sign: it must be a private key on P-256, and is on secp384r1"),
        (tmp_path / "text.pem", "cannot sign: it must be a private key on P-256"),
        (keys / "mine.pub", "cannot sign: it must be a private key on P-256"),
        (tmp_path / "no.pem", "cannot sign: .* No such file"),
    ):
        with pytest.raises(BundleError, match=message) as error:
            sign.sign(signed, key)
        assert "\n" not in str(error.value)
    for key, message in (
        (tmp_path / "text.pem", "is not a public key on P-256"),
        (keys / "mine.pem", "is not a public key on P-256"),
        (tmp_path / "rsa.pub", r"is not a public key on P-256 \(it has no curve\)"),
        (tmp_path / "no.pub", "cannot be read"),
    ):
        with pytest.raises(BundleError, match=message):
            check(signed, key)
    assert signed.read_bytes() == before


def test_without_model_signing_the_extra_is_named(signed: Path, keys: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "model_signing", None)
    for action in (lambda: sign.sign(signed, keys / "mine.pem"), lambda: check(signed, keys / "mine.pub")):
        with pytest.raises(MissingExtra, match=r"model-signing is not installed: run `pip install .*\[sign\]"):
            action()


@pytest.mark.parametrize("name", ["mine.pub", "mine.PUB"])
def test_a_private_key_is_not_written_where_the_public_one_goes(name: str, tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is how the public key is named"):
        sign.key_pair(tmp_path / name)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(BundleError, match="keys are never overwritten"):
        sign.key_pair(Path())


def test_a_signed_bundle_is_not_written_over_the_key(signed: Path, tmp_path: Path) -> None:
    sign.key_pair(tmp_path / "mine.pem")
    secret = (tmp_path / "mine.pem").read_bytes()
    with pytest.raises(StemmaError, match="holds the key: name another file"):
        sign.sign(signed, tmp_path / "mine.pem", tmp_path / "mine.pem")
    assert (tmp_path / "mine.pem").read_bytes() == secret
