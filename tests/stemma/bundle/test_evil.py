"""Archives that mean harm: each is refused with the reason, and nothing is written."""

import ast
import contextlib
import json
import os
import pickle
import stat
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bundles import SIGNATURE, contents, plain, seal, sealed
from stemma import bundle
from stemma.bundle import archive
from stemma.bundle.unpack import unpack
from stemma.errors import BundleError
from stemma.text import in_one_line

GOOD = list(contents().items())
END = 22 + 64  # bytes behind the directory


def changed(path: Path, change: Callable[[bytearray], bytes | bytearray]) -> None:
    """Other bytes, under a right seal."""
    path.write_bytes(change(bytearray(path.read_bytes())))
    seal(path)


def directory(content: bytearray) -> int:
    """Where the directory begins."""
    return struct.unpack("<L", content[-END + 16 : -END + 20])[0]


def moved(content: bytearray, by: int) -> bytearray:
    """The end, telling that the directory lies `by` bytes later."""
    content[-END + 16 : -END + 20] = struct.pack("<L", directory(content) + by)
    return content


def before_the_first_file(content: bytearray) -> bytearray:
    return bytearray(b"#!/bin/sh\n") + content


def between_files_and_directory(content: bytearray) -> bytearray:
    start = directory(content)
    moved(content, 4)
    return content[:start] + b"evil" + content[start:]


def between_directory_and_end(content: bytearray) -> bytearray:
    return content[:-END] + b"evil" + content[-END:]


def between_two_files(content: bytearray) -> bytearray:
    """Four bytes before the second file, and the directory told so."""
    second, start = content.index(b"PK\3\4", 4), directory(content)
    moved(content, 4)
    place = start
    while content[place : place + 4] == b"PK\1\2":
        offset, letters = struct.unpack("<L", content[place + 42 : place + 46])[0], content[place + 28]
        if offset >= second:
            content[place + 42 : place + 46] = struct.pack("<L", offset + 4)
        place += 46 + letters
    return content[:second] + b"evil" + content[second:]


def two_names_for_one_file(content: bytearray) -> bytearray:
    """The second entry of the directory lies where the first does: overlapping files, as in the zip bomb of 2019."""
    start = directory(content)
    second = start + 46 + content[start + 28]
    content[second + 42 : second + 46] = content[start + 42 : start + 46]
    return content


def another_name_where_it_lies(content: bytearray) -> bytearray:
    content[30] ^= 0x20
    return content


def another_length_where_it_lies(content: bytearray) -> bytearray:
    content[22] ^= 1
    return content


def another_length_everywhere(content: bytearray) -> bytearray:
    """One byte less than there is, in both places."""
    start = directory(content)
    for place in (22, start + 24):
        content[place : place + 4] = struct.pack("<L", struct.unpack("<L", content[place : place + 4])[0] - 1)
    return content


def another_checksum_everywhere(content: bytearray) -> bytearray:
    start = directory(content)
    for place in (14, start + 16):
        content[place] ^= 1
    return content


def another_packed_length(content: bytearray) -> bytearray:
    """What follows the packed bytes would belong to the file too."""
    start = directory(content)
    for place in (18, start + 20):
        content[place : place + 4] = struct.pack("<L", struct.unpack("<L", content[place : place + 4])[0] + 8)
    return content


def lengths_behind_the_file(content: bytearray) -> bytearray:
    for place in (6, directory(content) + 8):
        content[place] |= 8
    return content


def more_files_than_there_are(content: bytearray) -> bytearray:
    content[-END + 10] += 1
    return content


def another_disk(content: bytearray) -> bytearray:
    content[-END + 4] = 1
    return content


@pytest.mark.parametrize(
    "change",
    [
        before_the_first_file, between_files_and_directory, between_directory_and_end, between_two_files,
        two_names_for_one_file, another_name_where_it_lies, another_length_where_it_lies, another_length_everywhere,
        another_checksum_everywhere, another_packed_length, lengths_behind_the_file, more_files_than_there_are,
        another_disk,
    ],
)  # fmt: skip
def test_an_archive_of_which_not_every_byte_is_accounted_for_is_refused(
    change: Callable[[bytearray], bytearray], tmp_path: Path
) -> None:
    path = sealed(tmp_path / "model.zip", GOOD)
    bundle.verify(path)
    changed(path, change)
    refused(path, r"model\.zip is damaged \(")


@given(st.data())
@settings(max_examples=300, deadline=None)
def test_a_flipped_byte_under_a_right_seal_is_refused_or_changes_no_file(model: Path, data: Any) -> None:
    content = bytearray(model.read_bytes())
    content[data.draw(st.integers(0, len(content) - 65))] ^= data.draw(st.integers(1, 255))
    broken = model.with_name("resealed.zip")
    broken.write_bytes(content)
    seal(broken)
    try:
        found = bundle.open_bundle(broken).files
    except BundleError as error:
        assert "is damaged" in str(error) and "\n" not in str(error)
    else:
        assert found == bundle.open_bundle(model).files


def refused(path: Path, reason: str) -> None:
    """Neither opened nor unpacked; the folder stays as it is."""
    before = sorted(path.parent.iterdir())
    with pytest.raises(BundleError, match=reason) as error:
        unpack(bundle.open_bundle(path), path.parent / "unpacked")
    assert "\n" not in str(error.value)
    assert sorted(path.parent.iterdir()) == before


def extra(name: str) -> zipfile.ZipInfo:
    entry = plain(name)
    entry.extra = struct.pack("<2H4s", 0x7777, 4, b"evil")
    return entry


def commented(name: str) -> zipfile.ZipInfo:
    entry = plain(name)
    entry.comment = b"evil"
    return entry


@pytest.mark.parametrize(
    ("entry", "reason"),
    [
        (plain("../evil"), "is not a safe name"),
        (plain("a/../../evil"), "is not a safe name"),
        (plain("/etc/evil"), "is not a safe name"),
        (plain("//server/share/evil"), "is not a safe name"),
        (plain("C:evil"), "is not a safe name"),
        (plain("a\\..\\evil"), "is not a safe name"),
        (plain("NUL"), "is not a safe name"),
        (plain("a/com1.txt"), "is not a safe name"),
        (plain("con .txt"), "is not a safe name"),
        (plain("com\u00b9.txt"), "is not a safe name"),
        (plain("conin$"), "is not a safe name"),
        (plain("evil "), "is not a safe name"),
        (plain("a./evil"), "is not a safe name"),
        (plain("e\u202evil"), "is not a safe name"),
        (plain("e" * 300), "is not a safe name"),
        (plain("README.md/evil"), r"'README\.md' is a file and a folder"),
        (plain("readme.MD/evil"), r"'README\.md' is a file and a folder"),
        (plain("README.MD"), "is there twice"),
        (plain("link", stat.S_IFLNK | 0o777), "is not a plain file"),
        (plain("folder", stat.S_IFDIR | 0o755), "is not a plain file"),
        (plain("device", stat.S_IFCHR | 0o666), "is not a plain file"),
        (extra("more"), "more has more in the directory than a bundle has"),
        (commented("more"), "more has more in the directory than a bundle has"),
    ],
)
@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_name_or_kind_that_a_bundle_never_has_is_refused(entry: zipfile.ZipInfo, reason: str, tmp_path: Path) -> None:
    refused(sealed(tmp_path / "model.zip", [*GOOD, (entry, b"evil")]), reason)


def test_names_that_a_file_system_takes_for_one_are_refused(tmp_path: Path) -> None:
    entries = [*GOOD, ("caf\u00e9", b""), ("cafe\u0301", b"")]
    refused(sealed(tmp_path / "model.zip", entries), "is there twice")


def test_names_whose_marks_stand_in_another_order_are_one(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="is there twice"):
        archive.check_names(["\u03b1\u0345\u0301", "\u03b1\u0301\u0345"])


@pytest.mark.parametrize(("told", "reason"), [(50_000, "it holds 50000 files"), (5, "its directory of 5 files has 2")])
def test_a_directory_without_end_is_refused_before_it_is_parsed(
    told: int, reason: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    entries = b"".join(
        struct.pack("<4s4B4HL2L5H2L", b"PK\1\2", 20, 3, 20, 0, 0, 0, 0, 33, 0, 0, 0, 7, *[0] * 4, 0o100644 << 16, 0)
        + b"%07d" % number
        for number in range(50_000)
    )
    end = struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, told, told, len(entries), 0, 64)
    path = tmp_path / "model.zip"
    path.write_bytes(entries + end + bytes(64))
    seal(path)
    monkeypatch.setattr(zipfile, "ZipFile", None)
    refused(path, reason)


def test_what_a_terminal_would_obey_is_not_in_a_message(tmp_path: Path) -> None:
    listed = json.dumps({"format": 1, "files": {"Evil\n\x1b[2J": {"bytes": 1, "sha256": ""}}}).encode()
    path = sealed(tmp_path / "model.zip", GOOD, listed)
    with pytest.raises(BundleError, match="is missing") as error:
        bundle.open_bundle(path)
    assert str(error.value).isprintable()
    assert in_one_line(ValueError("evil \x1b[2J\nmore")) == "evil \\u001b[2J more"


def test_absurd_numbers_of_files_and_lengths_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = sealed(tmp_path / "model.zip", [*GOOD, *((f"{number}", b"") for number in range(30))])
    bundle.verify(path)
    monkeypatch.setattr(archive, "MOST_FILES", 20)
    refused(path, "it holds 35 files")
    monkeypatch.undo()
    monkeypatch.setattr(archive, "SMALL", 2**20)
    refused(sealed(path, [*GOOD, ("zeros", bytes(2**21))]), r"its \d,\d{3} bytes unpack to 2,\d{3},\d{3}\)")


def test_swapped_and_truncated_files_are_named(tmp_path: Path) -> None:
    swapped = {**dict(GOOD), "README.md": contents()["request.json"], "request.json": contents()["README.md"]}
    path = sealed(tmp_path / "model.zip", list(swapped.items()), dict(GOOD))
    refused(path, r"README\.md. is missing, or not the file that manifest\.json names")
    cut = {**dict(GOOD), "model.onnx": contents()["model.onnx"][:-1]}
    refused(
        sealed(path, list(cut.items()), dict(GOOD)),
        r"model\.onnx. is missing, or not the file that manifest\.json names",
    )


@pytest.mark.parametrize("name", ["version.json", "registered.json"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{"format": 9}', "has format 9, and this version reads 1"),
        (b"{}", "is damaged"),
        (b"[]", "is damaged"),
        (b"\xff", "is damaged"),
    ],
)
def test_a_record_of_another_format_is_refused(name: str, content: bytes, reason: str, tmp_path: Path) -> None:
    from stemma.bundle.check import check

    bundle.build(tmp_path / "model.zip", {**contents(), name: content})
    with pytest.raises(BundleError, match=rf"model\.zip: {name} {reason}"):
        check(tmp_path / "model.zip")


@pytest.mark.parametrize("name", ["version.json", "request.json", "code/more.json"])
@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"[" * 100_000, "has lists within lists, more than 100 deep"),
        (b'{"format": 1, "metrics": ' + b'{"a":' * 200 + b"1" + b"}" * 201, "has lists within lists, more than 100"),
        (b"[" + b"[]," * 6_000_000 + b"1]", "has 18,000,003 bytes"),
    ],
    ids=["unclosed", "closed", "long"],
)
def test_json_that_is_deep_or_huge_is_refused_before_anybody_walks_through_it(
    name: str, content: bytes, reason: str, tmp_path: Path
) -> None:
    refused(sealed(tmp_path / "model.zip", [*((n, d) for n, d in GOOD if n != name), (name, content)]), reason)


@pytest.mark.parametrize("place", ["target", "input", "class", "missing"])
def test_half_a_letter_in_a_signature_is_refused(place: str, tmp_path: Path) -> None:
    half = {
        "target": {"target": "\ud800"}, "input": {"inputs": [{"name": "\udfff", "type": "number"}]},
        "class": {"classes": ["\ud800", "TRUE"]}, "missing": {"missing": ["\ud800"]},
    }  # fmt: skip
    files = {**contents(), "signature.json": json.dumps({**SIGNATURE, **half[place]}).encode()}
    refused(sealed(tmp_path / "model.zip", list(files.items())), "a name, class or missing value is not a text")


def test_unknown_formats_of_manifest_and_signature_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.zip"
    refused(sealed(path, GOOD, b'{"format": 2, "files": {}}'), "has format 2, and this version reads 1")
    other = {**contents(), "signature.json": json.dumps({**SIGNATURE, "format": 2}).encode()}
    refused(sealed(path, list(other.items())), "has format 2, and this version reads 1")


# What tools obey.

OBEYED = (
    ".git/config", ".git/hooks/post-checkout", "a/.GIT/config", ".g\u200cit/config", "GIT~1/config", ".hg/hgrc",
    ".vscode/tasks.json", ".envrc", ".gitattributes", "HEAD", "_darcs/prefs/defaults", "Makefile", "pyproject.toml",
    "conftest.py", "numpy.py", "code/__init__.py", "git.exe", "-rf", "~/x",
)  # fmt: skip


@pytest.mark.parametrize("name", OBEYED)
def test_a_name_that_tools_obey_is_neither_opened_nor_built(name: str, tmp_path: Path) -> None:
    refused(sealed(tmp_path / "model.zip", [*GOOD, (name, b"evil")]), "is not a safe name for a file")
    with pytest.raises(BundleError, match="is not a safe name for a file"):
        bundle.build(tmp_path / "built.zip", {**contents(), name: b"evil"})
    assert [path.name for path in tmp_path.iterdir()] == ["model.zip"]


def test_an_empty_repository_of_git_without_its_dot_is_refused(tmp_path: Path) -> None:
    """Git takes a folder with these for a repository, and obeys what its config says, as soon as one stands in it."""
    bare = [(name, b"ref: refs/heads/main\n") for name in ("HEAD", "config", "objects/info/x", "refs/heads/x")]
    refused(sealed(tmp_path / "model.zip", [*GOOD, *bare]), "'HEAD' is not a safe name")


COMMANDS = {
    "inspect": ("inspect", "model.zip"),
    "inspect --json": ("inspect", "model.zip", "--json"),
    "verify": ("verify", "model.zip"),
    "predict": ("predict", "model.zip", "rows.csv"),
    "unpack": ("unpack", "model.zip", "unpacked"),
    "diff": ("diff", "model.zip", "good.zip"),
    "diff after": ("diff", "good.zip", "model.zip"),
    "sign": ("sign", "model.zip", "--key", "signing.pem"),
}


@pytest.mark.parametrize("command", [*COMMANDS, "python -m verify", "python -m predict"])
def test_a_command_that_reads_a_hostile_bundle_starts_and_writes_nothing(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from stemma import cli
    from stemma.bundle import sign

    here = tmp_path / "below" / "here"
    here.mkdir(parents=True)
    sign.key_pair(here / "signing.pem")
    bundle.build(here / "good.zip", contents())
    (here / "rows.csv").write_text("x\n1\n")
    monkeypatch.chdir(here)
    monkeypatch.setattr("subprocess.Popen", lambda *_, **__: pytest.fail("it started a process"))
    monkeypatch.setattr("os.system", lambda *_: pytest.fail("it started a process"))
    for name in (".git/config", "../evil", "code/x/../../evil", "HEAD"):
        sealed(here / "model.zip", [*GOOD, (name, b"evil")])
        before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
        with pytest.raises(SystemExit) as stopped:
            if command.startswith("python"):
                words = ["model.zip", "rows.csv"] if "predict" in command else ["model.zip"]
                bundle.main([command.split()[-1], *words])
            monkeypatch.setattr("sys.argv", ["stemma", "bundle", *COMMANDS[command]])
            cli.main()
        assert stopped.value.code == 1
        assert "is not a safe name for a file" in capsys.readouterr().err
        assert {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("kind", ["pipe", "/dev/zero"])
def test_what_is_no_plain_file_is_no_bundle(kind: str, tmp_path: Path) -> None:
    if not hasattr(os, "mkfifo"):
        pytest.skip("there are no pipes here")
    path = tmp_path / "model.zip"
    os.mkfifo(path) if kind == "pipe" else path.symlink_to(kind)
    with pytest.raises(BundleError, match="it is no plain file"):
        bundle.open_bundle(path)


def test_a_link_where_a_partial_file_is_written_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "model.zip.partial").symlink_to(tmp_path / "mine")
    bundle.build(tmp_path / "model.zip", contents())
    assert (tmp_path / "mine").read_text() == "mine"
    assert not (tmp_path / "model.zip").is_symlink()


# Pickles.


class Poison:
    """Writes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return Path.touch, (self.path,)  # type: ignore[return-value]


@pytest.mark.parametrize("name", ["model.onnx", "request.json", "model.pkl", "python_model.pkl", "rows.parquet"])
def test_a_poisoned_pickle_is_never_run(name: str, tmp_path: Path) -> None:
    from stemma.bundle.check import check
    from stemma.bundle.predict import predict

    ran = tmp_path / "ran"
    poison = pickle.dumps(Poison(ran))
    pickle.loads(poison)  # noqa: S301  the poison works
    assert ran.exists()
    ran.unlink()
    bundle.build(tmp_path / "model.zip", {**contents(), name: poison})
    opened = bundle.open_bundle(tmp_path / "model.zip")
    unpack(opened, tmp_path / "unpacked")
    (tmp_path / "rows.parquet").write_bytes(poison)
    for action in (lambda: check(tmp_path / "model.zip"),
                   lambda: predict(opened, bundle.Rows(tmp_path / "rows.parquet"), tmp_path / "out.csv")):  # fmt: skip
        with contextlib.suppress(BundleError):
            action()
    assert not ran.exists()


LOADERS = ("pickle", "_pickle", "cloudpickle", "dill", "joblib", "shelve", "marshal", "jsonpickle")


def unpickling(tree: ast.AST) -> list[str]:
    """What in a module could unpickle: imports, `torch.load` but with weights_only=True, `allow_pickle`, and so on."""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in LOADERS]
        elif isinstance(node, ast.ImportFrom):
            found += [node.module] if (node.module or "").split(".")[0] in LOADERS else []
        elif isinstance(node, ast.Call):
            called, given = ast.unparse(node.func), {word.arg: ast.unparse(word.value) for word in node.keywords}
            found += [called] if called == "torch.load" and given.get("weights_only") != "True" else []
            found += [called] if given.get("safe_mode", "True") != "True" else []
            found += [called] if given.get("allow_pickle", "False") != "False" else []
            found += [called] if called.endswith(("read_pickle", "unsafe_load", "Unpickler")) else []
            imported = called.endswith(("import_module", "__import__")) and "pickle" in ast.unparse(node)
            found += [called] if imported else []
    return found


def test_nothing_in_the_project_unpickles() -> None:
    sources = sorted(Path(archive.__file__).parents[2].rglob("*.py"))
    assert len(sources) > 100
    found = {path.as_posix(): unpickling(ast.parse(path.read_text(encoding="utf-8"))) for path in sources}
    assert {path: calls for path, calls in found.items() if calls} == {}


@pytest.mark.parametrize(
    "line",
    [
        "import pickle", "from joblib import load", "torch.load(path)", "torch.load(p, weights_only=False)",
        "np.load(path, allow_pickle=True)", "pd.read_pickle(p)", "keras.models.load_model(p, safe_mode=False)",
        "importlib.import_module('pickle')",
    ],
)  # fmt: skip
def test_the_search_for_unpickling_finds_it(line: str) -> None:
    assert unpickling(ast.parse(line))
    assert not unpickling(ast.parse("torch.load(p, weights_only=True); np.load(p); json.load(f); load_model(p)"))
