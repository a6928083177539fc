"""Names and hashes that somebody else wrote, judged where they are read, before they become paths.

    in_bundle   a file of a bundle: it lands in a folder where any tool may look for its own files
    inside      a file of a repository: it may have any name, but leads neither out nor to what Git and DVC keep there
    stays_in    the same, where links that lie there are followed; unlinked: there are none
    md5 ...     a hash has its digits and nothing else: it becomes a path too

Nothing here opens a file.
"""

import os
import re
import unicodedata
from contextlib import suppress
from pathlib import Path, PurePosixPath

LONGEST = 200
# Names that Windows keeps for devices, or cannot write.
RESERVED = re.compile(r"(?i)(con|prn|aux|nul|conin\$|conout\$|(com|lpt)[\d¹²³]) *(\..*)?|.*[. ]")
# What a tool obeys because it lies there, though no dot tells: of version control (a folder with a HEAD is a repository
# to Git), of builders and containers, of test runners, of assistants, and what a shell of Windows or Python loads.
OBEYED = re.compile(
    r"head|cvs|_darcs|_svn|\w+file|cmakelists\.txt|meson\.build|sconstruct|wscript|pom\.xml|go\.mod|mlproject|"
    r"(package|composer|deno|devbox)\.json|dvc\.(yaml|lock)|(docker-)?compose\.ya?ml|(azure|bitbucket)-pipelines\.ya?ml|"
    r"(agents|claude|gemini)\.md|conftest\.py|test_.*\.py|"
    r".*\.(toml|ini|cfg|inf|nix|gradle|kts|mk|dvc|pth|py[cdw]|so|dll|dylib|exe|com|bat|cmd|ps1|vbs|lnk|url|scf|desktop)"
)
MODULE = re.compile(r"code/\w+/\w+\.py")  # of the MLflow flavour: a Python that runs in the folder imports no other
# `.git` and `.dvc` under every name that a file system takes for theirs; what leads nowhere or up; what ends a line.
ASTRAY = re.compile(r"(?is)[. ]*|\.(git|dvc)[. ]*(:.*)?|(git|dvc)~\d.*|.*[\0-\x1f\x7f].*")
UNSEEN = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")  # letters that HFS+ passes over


def in_bundle(name: str) -> bool:
    """Whether a bundle may hold a file of this name: every part begins with a letter, a digit or `_`, no tool obeys it,
    and every platform takes it for the same."""
    parts = name.split("/")
    tame = all(_is_portable(part) and (part[0].isalnum() or part[0] == "_") and "~" not in part for part in parts)
    obeyed = any(OBEYED.fullmatch(folded(part)) for part in parts)
    code = folded(name).endswith(".py") and not MODULE.fullmatch(name)
    return tame and not obeyed and not code and len(name) <= LONGEST


def inside(name: str, windows: bool = os.name == "nt") -> bool:
    """Whether a relative path with slashes stays in its folder, out of .git and .dvc."""
    parts = name.split("/")
    astray = any(ASTRAY.fullmatch(part if part.isascii() else UNSEEN.sub("", part)) for part in parts)
    return not astray and not (windows and not all(map(_is_portable, parts)))


def stays_in(root: Path, name: str) -> bool:
    """Whether a path is `inside`, and no link among the folders that it leads through takes it elsewhere."""
    above = _above(root, name) if inside(name) else None
    return above is not None and (above == "." or inside(above))


def unlinked(root: Path, name: str) -> bool:
    """Whether a path of Git's leads through no link, where Git would not follow."""
    return _above(root, name) == PurePosixPath(name).parent.as_posix()


def _above(root: Path, name: str) -> str | None:
    """The folder that a path is in, relative to `root`, links followed; None where it is not below."""
    try:
        top, above = root.resolve(), (root / name).parent.resolve()
        with suppress(FileNotFoundError, NotADirectoryError, PermissionError):
            above.stat()  # from Python 3.13 on, `resolve` lets links in a circle pass
    except (OSError, RuntimeError):  # links in a circle
        return None
    return above.relative_to(top).as_posix() if above.is_relative_to(top) else None


def folded(name: str) -> str:
    """The same for names that some file system takes for one."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", name).casefold())


def md5(text: object) -> str:
    """The name of an object of DVC's, ".dir" behind it for the listing of a folder; ValueError for anything else."""
    return _hash(text, r"[0-9a-f]{32}(?:\.dir)?", "MD5")


def sha256(text: object) -> str:
    """The digits of a SHA-256; ValueError for anything else."""
    return _hash(text, r"[0-9a-f]{64}", "SHA-256")


def git_id(text: object) -> str:
    """Git's digits for a commit; ValueError for anything else."""
    return _hash(text, r"[0-9a-f]{40}(?:[0-9a-f]{24})?", "commit")


def _hash(text: object, form: str, kind: str) -> str:
    if not isinstance(text, str) or not re.fullmatch(form, text):
        raise ValueError(f"{str(text)[:80]!r} is no {kind}")
    return text


def _is_portable(part: str) -> bool:
    """Whether every platform can write it, and takes it for just this name."""
    plain = part.isprintable() and not set(part) & set('/\\:<>"|?*')
    return bool(part) and plain and not RESERVED.fullmatch(part)
