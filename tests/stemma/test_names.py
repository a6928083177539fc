"""Names and hashes of strangers: what passes stays where it belongs, on POSIX and on Windows."""

import ntpath
import posixpath
from pathlib import Path, PurePosixPath, PureWindowsPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stemma import names
from stemma.bundle import flavour
from stemma.signature import Input, Signature

# Parts that some tool or file system reads in a way of its own, and letters that they are made of.
PARTS = (
    "", ".", "..", "...", ".git", ".GIT", ".git ", ".git.", ".g\u200cit", "\u200c.git", "GIT~1", "git~2", ".dvc",
    "DVC~1",
    ".git::$INDEX_ALLOCATION", ".hg", ".svn", ".jj", ".bzr", ".vscode", ".envrc", ".github", ".dvcignore", "~", "~root",
    "-rf", " a", "a ", "a.", "CON", "nul.txt", "COM1", "lpt\u00b9", "C:", "a:b", "\\", "..\\x", "a\nb", "a\0b", "HEAD",
    "head", "Makefile", "code", "setup.py", "stemma.py", "numpy", "__init__.py", "model.onnx", "version.json",
    "caf\u00e9",
    "objects", "refs", "conftest.py", "pyproject.toml", "git.exe", "package.json", "\u017fetup.cfg",
    "Make\ufb01le", "a",
)  # fmt: skip
PART = st.one_of(
    st.sampled_from(PARTS), st.text(max_size=6), st.text("./\\:~ .gitGITdvcheadHEADCONco1\u200c\u212a", max_size=8)
)
NAME = st.lists(PART, min_size=1, max_size=4).map("/".join)


def lands_in(name: str, windows: bool) -> bool:
    """Whether a file of this name, written below a folder, lies below it, by the rules of a platform."""
    if windows:
        return PureWindowsPath(ntpath.normpath(PureWindowsPath("C:/folder") / name)).is_relative_to("C:/folder")
    return PurePosixPath(posixpath.normpath(PurePosixPath("/folder") / name)).is_relative_to("/folder")


@given(NAME)
def test_a_name_of_a_bundle_is_one_file_inside_its_folder_everywhere(name: str) -> None:
    if not names.in_bundle(name):
        return
    parts = name.split("/")
    assert lands_in(name, windows=True) and lands_in(name, windows=False)
    assert PureWindowsPath(name).parts == PurePosixPath(name).parts == tuple(parts)
    for part in parts:
        assert part[0].isalnum() or part[0] == "_"
        assert part == part.rstrip(". ") and part.isprintable() and "~" not in part and ":" not in part
        assert names.folded(part) not in (
            "head",
            "makefile",
            "pyproject.toml",
            "conftest.py",
            "package.json",
            "git.exe",
        )
    assert not name.endswith(".py") or (parts[0] == "code" and len(parts) == 3)


@given(NAME, st.booleans())
def test_a_path_inside_a_repository_leads_neither_out_nor_to_git_and_dvc(name: str, windows: bool) -> None:
    if not names.inside(name, windows):
        return
    assert lands_in(name, windows)
    for part in name.split("/"):
        plain = names.UNSEEN.sub("", part).casefold().rstrip(". ")
        assert plain and "\n" not in part
        assert plain.split(":")[0].rstrip(". ") not in (".git", ".dvc", "git~1", "dvc~1")
    assert not windows or PureWindowsPath(name).parts == tuple(name.split("/"))


@pytest.mark.parametrize(
    "name",
    [
        ".git/config", "a/.git/hooks/post-checkout", ".GIT/config", ".git /config", ".git./config", ".g\u200cit/config",
        "GIT~1/config", ".git::$INDEX_ALLOCATION/config", ".hg/hgrc", ".svn/wc.db", ".bzr/x", ".jj/x",
        "_darcs/prefs/defaults",
        "CVS/Root", ".vscode/tasks.json", ".idea/x.xml", ".envrc", ".env", ".direnv/bin/ls",
        ".devcontainer/devcontainer.json",
        ".github/workflows/x.yml", ".gitlab-ci.yml", ".pre-commit-config.yaml", ".dvc/config", ".husky/pre-commit",
        ".npmrc",
        ".yarnrc", ".pypirc", ".netrc", ".bashrc", "a/.envrc", "pyproject.toml", "setup.py", "setup.cfg", "conftest.py",
        "sitecustomize.py", "numpy.py", "numpy/__init__.py", "code/__init__.py", "code/a/conftest.py", "code/a/b/c.py",
        "evil.pth", "Makefile", "MAKEFILE", "GNUmakefile", "Make\ufb01le", "Dockerfile", "Jenkinsfile", "package.json",
        "dvc.yaml", "data.csv.dvc", "compose.yaml", "CLAUDE.md", "AGENTS.md", "git.exe", "git.bat", "a/desktop.ini",
        "HEAD", "a/HEAD", "head", "-rf", "~", "~/x", "a~1", " x", "CON", "aux.txt", "x ", "x.", "x:y", "a\\b",
        "a\tb", "",
        "/a", "a//b", "a/", "./a", "a/../b", "x" * 201,
    ],
)  # fmt: skip
def test_what_tools_obey_or_platforms_read_otherwise_is_no_name_in_a_bundle(name: str) -> None:
    assert not names.in_bundle(name)


def test_what_bundles_have_held_until_now_are_names() -> None:
    known = Signature("regression", "y", (Input("x", "number"),), "prediction", (), None, None)
    written = {
        "model.onnx", "signature.json", "version.json", "reference.json", "background.json",
        "request.json", "response.json", "README.md",
        "requirements.txt", "manifest.json", "registered.json", "model.sig", *flavour.files("3.11", known),
    }  # fmt: skip
    assert len(written) > 14
    assert all(map(names.in_bundle, written))
    assert all(
        map(names.in_bundle, ("caf\u00e9 au lait.txt", "LICENSE", "notes/page 1.md", "vocab.bin", "labels-v2.csv"))
    )


@pytest.mark.parametrize(
    "name",
    [
        "../x", "a/../../x", "/etc/x", "", ".", "a/.", "a//b", "a/", "..", ".git/hooks/x", ".GIT/x", "a/.git",
        ".git /x",
        ".g\u200cit/x", "git~1/x", ".dvc/config", ".DVC./config", "a\nb", "a\0b", ".git::$INDEX_ALLOCATION/x",
        ".. /x", ". ./x",
    ],
)  # fmt: skip
@pytest.mark.parametrize("windows", [False, True])
def test_a_path_that_leads_astray_is_refused(name: str, windows: bool) -> None:
    assert not names.inside(name, windows)


@pytest.mark.parametrize("name", ["a\\..\\..\\x", "C:x", "C:/x", "a/NUL", "a/b.", "\\\\server\\share\\x", "12:30.csv"])
def test_what_is_a_plain_file_on_posix_may_be_none_on_windows(name: str) -> None:
    assert names.inside(name, windows=False)
    assert not names.inside(name, windows=True)


@pytest.mark.parametrize(
    "name", ["a", ".gitignore", "a/.hidden", "data (1)/x~.csv", "\u00e4 b.csv", "-x", "v1.2.0", "..a"]
)
def test_a_repository_keeps_files_of_any_name(name: str) -> None:
    assert names.inside(name, windows=False) and names.inside(name, windows=True)


def test_a_link_that_leads_out_is_seen(tmp_path: Path) -> None:
    root = tmp_path / "root"
    (root / "real" / "deep").mkdir(parents=True)
    (root / ".git").mkdir()
    (tmp_path / "outside").mkdir()
    links = {"out": "../outside", "up": "..", "git": ".git", "home": "real", "round": "round"}
    try:
        for name, target in links.items():
            (root / name).symlink_to(target, target_is_directory=True)
    except OSError:
        pytest.skip("no links can be made here")
    for name in ("real/x", "new/folder/x", "home/x", "home/deep/x", "out", "x"):
        assert names.stays_in(root, name), name
    for name in ("out/x", "out/new/x", "up/x", "git/x", "round/x", "round/new/x", "home/../out/x"):
        assert not names.stays_in(root, name), name
    assert names.unlinked(root, "real/x") and names.unlinked(root, ".git/x")
    assert not names.unlinked(root, "home/x") and not names.unlinked(root, "out/x")


HASHES = {names.md5: 32, names.sha256: 64, names.git_id: 40}


@given(
    st.sampled_from(list(HASHES)), st.one_of(st.text(max_size=70), st.text("0123456789abcdefABCDEF./\n", max_size=70))
)
def test_a_hash_is_digits_alone(judge: object, text: str) -> None:
    try:
        found = judge(text)  # type: ignore[operator]
    except ValueError:
        return
    assert set(found.removesuffix(".dir")) <= set("0123456789abcdef")
    assert len(found.removesuffix(".dir")) in (32, 40, 64)


@pytest.mark.parametrize("judge", HASHES)
def test_the_form_of_each_hash(judge: object) -> None:
    right = "0f" * (HASHES[judge] // 2)  # type: ignore[index]
    assert judge(right) == right  # type: ignore[operator]
    wrong = [
        "aa/dev/zero", "aa/../../../../x", "", right + "\n", right[:-1], right + "0", right.upper(), right + ".dir.dir",
        " " + right, right.replace("0", "\u0660"), None, 7, [right],
    ]  # fmt: skip
    for text in wrong:
        with pytest.raises(ValueError, match="is no "):
            judge(text)  # type: ignore[operator]
    assert names.md5("0f" * 16 + ".dir").endswith(".dir")
