"""What may serve, and what may not."""

import json
from pathlib import Path

import pytest

from bundles import ROWS, contents
from stemma import bundle
from stemma.bundle import sign
from stemma.bundle.unpack import unpack
from stemma.errors import BundleError, SettingsError
from stemma.serve.load import load
from stemma.serve.settings import ServeSettings


def test_a_file_a_folder_that_holds_it_and_a_folder_of_its_files_are_the_same(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    opened = bundle.open_bundle(bundles["binary"])
    (tmp_path / "1").mkdir()
    (tmp_path / "1/any-name.zip").write_bytes(bundles["binary"].read_bytes())
    unpack(opened, tmp_path / "2")
    (tmp_path / "2/.DS_Store").write_bytes(b"of a tool")
    for path in (bundles["binary"], tmp_path / "1", tmp_path / "2"):
        assert load(path).files == opened.files


@pytest.mark.parametrize("name", ["model.onnx", "signature.json", "README.md", "manifest.json"])
def test_an_unpacked_bundle_of_which_a_file_is_another_or_gone_is_refused(
    bundles: dict[str, Path], tmp_path: Path, name: str
) -> None:
    unpack(bundle.open_bundle(bundles["binary"]), tmp_path / "2")
    content = (tmp_path / "2" / name).read_bytes()
    for other in (content + b"}", content[:-3], b""):
        (tmp_path / "2" / name).write_bytes(other)
        with pytest.raises(BundleError, match="2 "):
            load(tmp_path / "2")
    (tmp_path / "2" / name).unlink()
    with pytest.raises(BundleError):
        load(tmp_path / "2")


def test_a_manifest_cannot_lead_out_of_its_folder_or_fill_the_memory(tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "secret").write_bytes(b"secret")
    for name, length in (("../secret", 6), ("/etc/passwd", 6), ("a", 2**40)):
        entry = {"bytes": length, "sha256": "0" * 64}
        (tmp_path / "1/manifest.json").write_text(json.dumps({"format": 1, "files": {name: entry}}))
        with pytest.raises(BundleError, match="no unpacked bundle, or damaged"):
            load(tmp_path / "1")


def test_a_folder_of_no_or_two_bundles_is_no_version(bundles: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="0 bundles"):
        load(tmp_path)
    for name in ("a", "b"):
        (tmp_path / f"{name}.zip").write_bytes(bundles["binary"].read_bytes())
    with pytest.raises(BundleError, match="2 bundles"):
        load(tmp_path)


def test_a_sample_that_gives_another_answer_keeps_a_version_out(tmp_path: Path) -> None:
    files = contents() | {"request.json": json.dumps({"inputs": ROWS}).encode()}
    bundle.build(tmp_path / "m.zip", files | {"response.json": b'{"probabilities": [[0, 1], [0, 1], [0, 1], [0, 1]]}'})
    with pytest.raises(BundleError, match="another prediction"):
        load(tmp_path / "m.zip")


def test_a_version_without_the_signature_that_is_asked_for_is_refused_before_it_runs(
    bundles: dict[str, Path], tmp_path: Path
) -> None:
    told = json.dumps({"format": 1, "version": "v1.2.0", "commit": "0" * 40}).encode()
    path = tmp_path / "signed.zip"
    bundle.build(path, contents() | {"registered.json": told})
    for name in ("mine", "theirs"):
        sign.key_pair(tmp_path / f"{name}.pem")
    sign.sign(path, tmp_path / "mine.pem")

    def asked(key: str, at_least: str | None = None) -> ServeSettings:
        return ServeSettings.of(signature={"key": str(tmp_path / key), "at_least": at_least})

    load(path, asked("mine.pub", "1.2.0").signature)
    for key, at_least, refused, why in (
        ("theirs.pub", None, path, "was not signed by the owner of"),
        ("nobody.pub", None, path, "cannot be read"),
        ("mine.pub", "v1.10.0", path, r"signed\.zip: it is v1\.2\.0, and v1\.10\.0 or later"),
        ("mine.pub", None, bundles["binary"], "is not signed"),
    ):
        with pytest.raises(BundleError, match=why):
            load(refused, asked(key, at_least).signature)
    with pytest.raises(SettingsError, match="at_least"):
        asked("mine.pub", "new")
