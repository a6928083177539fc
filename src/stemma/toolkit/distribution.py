"""The toolkit as a distribution: what it holds, its version, and its wheel. Standard library only.

The stamp writes the wheel with it, and pip asks it, as pyproject.toml's build backend (PEP 517 and 660), so that both
write the same bytes: stored, not deflated (zlib differs between builds), with one date, one system and one mode.
The version ends in a digest of the content, for pip keeps what is installed under a version that it knows.
"""

import base64
import hashlib
import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

PACKAGE = Path(__file__).resolve().parent.parent
NAME = "stemma-versions"  # `stemma` on the public index is somebody else's
KINDS = (".py", ".typed", ".toml", ".md", ".html", ".binpb")
ELSEWHERE = ("docs/*.md", "LICENSE")  # beside src/ in the sources, inside of the package once it is a wheel
NOT_OURS = {"docs/scaffold.md"}  # how a project is stamped: of the template
DATE = (1980, 1, 1, 0, 0, 0)
UNIX, MODE = 3, 0o100644 << 16


def contents(package: Path = PACKAGE) -> dict[str, Path]:
    """Every file of the distribution, by its place in the package."""
    sources = package.parent.parent
    home = sources if (sources / "docs").is_dir() and not (package / "docs").is_dir() else package
    found = {path.relative_to(package).as_posix(): path for path in package.rglob("*") if path.suffix in KINDS}
    found |= {path.relative_to(home).as_posix(): path for pattern in ELSEWHERE for path in home.glob(pattern)}
    return {name: found[name] for name in sorted(found.keys() - NOT_OURS) if not _is_left(name)}


def _is_left(name: str) -> bool:
    """True for caches, and for what an editor or an interrupted swap leaves."""
    return any(part.startswith((".", "__pycache__")) for part in name.split("/"))


def version(package: Path = PACKAGE) -> str:
    """The version, which ends in a digest of all that the distribution holds."""
    return _version({name: path.read_bytes() for name, path in contents(package).items()})


def _version(files: Mapping[str, bytes]) -> str:
    number = _project(files)["tool"]["stemma"]["version"]
    return f"{number}+g{digest(files)[:10]}"


def _project(files: Mapping[str, bytes]) -> dict[str, Any]:
    import tomllib

    return tomllib.loads(files["pyproject.toml"].decode())


def digest(files: Mapping[str, bytes]) -> str:
    """One SHA-256 of names and bytes, in the order of the names."""
    lines = (f"{hashlib.sha256(files[name]).hexdigest()}  {name}\n" for name in sorted(files))
    return hashlib.sha256("".join(lines).encode()).hexdigest()


def wheel(package: Path = PACKAGE) -> tuple[str, bytes]:
    """The name of the wheel and its bytes, the same every time."""
    files = {name: path.read_bytes() for name, path in contents(package).items()}
    return _wheel(files, {f"stemma/{name}": content for name, content in files.items()})


def _wheel(files: Mapping[str, bytes], members: Mapping[str, bytes]) -> tuple[str, bytes]:
    import zipfile

    number = _version(files)
    stem = f"{NAME.replace('-', '_')}-{number}"
    members = {**members, **_information(files, f"{stem}.dist-info", number)}
    record = f"{stem}.dist-info/RECORD"
    lines = [*(f"{name},sha256={_short(content)},{len(content)}" for name, content in members.items()), f"{record},,"]
    written = io.BytesIO()
    with zipfile.ZipFile(written, "w", zipfile.ZIP_STORED) as archive:
        for name, content in {**members, record: "\n".join([*lines, ""]).encode()}.items():
            entry = zipfile.ZipInfo(name, DATE)
            entry.create_system, entry.external_attr = UNIX, MODE
            archive.writestr(entry, content)
    return f"{stem}-py3-none-any.whl", written.getvalue()


def vendored(package: Path = PACKAGE) -> dict[str, bytes]:
    """The files of a project's vendor/: the wheel, and the line that tells pip its path and its hash."""
    name, content = wheel(package)
    return {name: content, "stemma.txt": pin(f"vendor/{name}", content).encode()}


def pin(path: str, content: bytes) -> str:
    """The text of stemma.txt: pip takes this path, if it holds these bytes."""
    return f"./{path} --hash=sha256:{hashlib.sha256(content).hexdigest()}\n"


def _short(content: bytes) -> str:
    """A hash as RECORD holds it."""
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


def _information(files: Mapping[str, bytes], folder: str, number: str) -> dict[str, bytes]:
    project = _project(files)["project"]
    scripts = "".join(f"{name} = {target}\n" for name, target in project["scripts"].items())
    texts = {
        "METADATA": _metadata(project, number),
        "WHEEL": "Wheel-Version: 1.0\nGenerator: stemma\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "entry_points.txt": f"[console_scripts]\n{scripts}",
    }
    told = {f"{folder}/{name}": text.encode() for name, text in texts.items()}
    return told | ({f"{folder}/licenses/LICENSE": files["LICENSE"]} if "LICENSE" in files else {})


def _metadata(project: Mapping[str, Any], number: str) -> str:
    lines = [
        "Metadata-Version: 2.4",
        f"Name: {project['name']}",
        f"Version: {number}",
        f"Summary: {project['description']}",
        f"License-Expression: {project['license']}",
        "License-File: LICENSE",
        f"Requires-Python: {project['requires-python']}",
        *(f"Requires-Dist: {needed}" for needed in project["dependencies"]),
    ]
    for extra, needed in project["optional-dependencies"].items():
        lines += [f"Provides-Extra: {extra}", *(f"Requires-Dist: {_when(each, extra)}" for each in needed)]
    return "\n".join([*lines, ""])


def _when(needed: str, extra: str) -> str:
    package, _, marker = needed.partition(";")
    marked = f"({marker.strip()}) and " if marker else ""
    return f'{package.strip()} ; {marked}extra == "{extra}"'


def build_wheel(wheel_directory: str, config_settings: object = None, metadata_directory: object = None) -> str:
    """PEP 517: write the wheel, and say its name."""
    return _written(wheel_directory, *wheel())


def build_editable(wheel_directory: str, config_settings: object = None, metadata_directory: object = None) -> str:
    """PEP 660: a wheel that leads to these sources."""
    files = {name: path.read_bytes() for name, path in contents().items()}
    return _written(wheel_directory, *_wheel(files, {"stemma_sources.pth": f"{PACKAGE.parent}\n".encode()}))


def _written(folder: str, name: str, content: bytes) -> str:
    (Path(folder) / name).write_bytes(content)
    return name


def main() -> None:
    """`python distribution.py FOLDER`: write what a project's vendor/ holds, without anything installed."""
    import sys

    (folder,) = sys.argv[1:]
    Path(folder).mkdir(exist_ok=True)
    for name, content in vendored().items():
        _written(folder, name, content)


if __name__ == "__main__":
    main()
