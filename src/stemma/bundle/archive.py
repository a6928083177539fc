"""The file: a zip of which every byte is accounted for, written and read.

The same files give the same bytes. The archive's comment is the SHA-256 of all bytes before it, so that any changed
byte is found. Reading trusts nothing: every header, length and hash must agree, files follow each other without gap
or overlap, and all is checked in memory before anybody gets a byte of it.
"""

import hashlib
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from stemma import signature
from stemma.errors import BundleError
from stemma.files import mistaken, replaced
from stemma.names import LONGEST, folded, in_bundle
from stemma.text import counted, in_one_line

FORMAT = 1
MANIFEST, GRAPH, SIGNATURE = "manifest.json", "model.onnx", "signature.json"
SIGNED = "model.sig"  # the OpenSSF signature of all other files; the one file that the manifest does not list
DATE = (1980, 1, 1, 0, 0, 0)  # the first that a zip can hold
MODE = stat.S_IFREG | 0o644
UNIX = 3  # so that a bundle built on Windows has the same bytes
LEVEL = 6  # of deflate
SEAL = 64  # letters of a SHA-256
# What a bundle may unpack to, at most: a small zip of endless zeros must not fill the memory.
SMALL, RATIO = 256 * 2**20, 10
MOST_FILES = 10_000
MOST_JSON, DEEPEST = 16 * 2**20, 100  # bytes of a file, and lists within lists
LOCAL = struct.Struct("<4s5H3L2H")  # signature, version, flags, method, time, date, CRC, packed, size, name, extra
ENTRY = 46  # bytes of an entry of the directory, without its name
END = struct.Struct("<4s4H2LH")  # signature, disks, files here and in all, size and place of the directory, comment
UTF8 = 0x800  # the flag of a name that is not ASCII


def build(path: Path, files: Mapping[str, bytes]) -> None:
    """Write a bundle of these files, by their names in it.

    Raises:
        BundleError: a name is not safe to unpack, is there twice or is the manifest's, the graph or the signature is
            not there, or the signature is wrong.
    """
    for made in (MANIFEST, SIGNED):
        if made in files:
            raise BundleError(f"{made} is made here: leave it out")
    write(path, complete(files))


def complete(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """The files and their manifest; raises as `build`."""
    check_names(list(files))
    _check_content(files)
    entries = {name: {"bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in files.items()}
    manifest = json.dumps({"format": FORMAT, "files": entries}, indent=2, sort_keys=True) + "\n"
    return dict(files) | {MANIFEST: manifest.encode()}


def write(path: Path, content: Mapping[str, bytes]) -> None:
    """Write an archive of just these files, sealed; an OSError where it cannot be written."""
    with replaced(Path(path)) as partial:
        with zipfile.ZipFile(partial, "w") as archive:
            for name in sorted(content):
                archive.writestr(_entry(name), content[name], zipfile.ZIP_DEFLATED, LEVEL)
            archive.comment = bytes(SEAL)
        with partial.open("r+b") as file:
            seal = _hash_before_seal(file)
            file.seek(-SEAL, os.SEEK_END)
            file.write(seal)


def read(file: BinaryIO) -> dict[str, bytes]:
    """The files of an archive; each is what the manifest says.

    Raises:
        BundleError: it is damaged, or holds what a bundle does not.
    """
    try:
        return _read(file)
    # What is raised for archives that are broken in a way that was not looked for here.
    except (zipfile.BadZipFile, struct.error, zlib.error, EOFError, RuntimeError, ValueError) as error:
        raise BundleError(in_one_line(error)) from None


def check_names(names: Sequence[str]) -> None:
    """Refuse names that a bundle never has, and those that would not unpack to one file each on every platform.

    Raises:
        BundleError: names the first such name.
    """
    seen: set[str] = set()
    folders: set[str] = set()
    for name in names:
        if not in_bundle(name):
            raise BundleError(f"{name[:LONGEST]!r} is not a safe name for a file")
        if folded(name) in seen:
            raise BundleError(f"{name!r} is there twice")
        seen.add(folded(name))
        folders |= {folded(str(above)) for above in PurePosixPath(name).parents}
    for name in names:
        if folded(name) in folders:
            raise BundleError(f"{name!r} is a file and a folder")


def _entry(name: str) -> zipfile.ZipInfo:
    entry = zipfile.ZipInfo(name, DATE)
    entry.create_system = UNIX
    entry.external_attr = MODE << 16
    return entry


def _hash_before_seal(file: BinaryIO) -> bytes:
    """SHA-256 in hexadecimal letters of all but the last 64 bytes."""
    left = file.seek(0, os.SEEK_END) - SEAL
    file.seek(0)
    digest = hashlib.sha256()
    while left > 0:
        block = file.read(min(left, 2**20))
        digest.update(block)
        left -= len(block)
    return digest.hexdigest().encode()


def _read(file: BinaryIO) -> dict[str, bytes]:
    first = file.read(64)
    if not first.startswith(b"PK"):
        raise BundleError(f"it {mistaken(first) or 'is no zip file'}")
    seal = _hash_before_seal(file)
    if file.read(SEAL) != seal:
        raise BundleError("its bytes are not those that were packed")
    size = file.tell()
    count, start = _end(file, size)
    with zipfile.ZipFile(file) as archive:
        entries = sorted(archive.infolist(), key=lambda entry: entry.header_offset)
        if (len(entries), archive.start_dir) != (count, start):
            raise BundleError("its directory does not fit the file")
        _check_entries(entries, size)
        content, place = {}, 0
        for entry in entries:
            content[entry.filename], place = _unpacked(file, entry, place)
        if place != archive.start_dir:
            raise BundleError("its directory does not follow its files")
    check(content)
    return content


def check(content: Mapping[str, bytes]) -> None:
    """Refuse files that are not just those of their manifest, or no bundle.

    Raises:
        BundleError: says which file is wrong.
    """
    _check_content(content)
    _check_manifest(content)


def _end(file: BinaryIO, size: int) -> tuple[int, int]:
    """How many files there are, and where the directory begins, before anything as long as the file is parsed.

    The directory ends where the end of the archive begins, and that ends where the file ends.
    """
    place = size - SEAL - END.size
    if place < 0:
        raise BundleError("it is too short")
    file.seek(place)
    name, disk, first, here, all_, directory, offset, comment = END.unpack(file.read(END.size))
    if (name, disk, first, here, offset + directory, comment) != (b"PK\5\6", 0, 0, all_, place, SEAL):
        raise BundleError("its directory does not fit the file")
    if all_ > MOST_FILES:
        raise BundleError(f"it holds {all_} files")
    if directory > all_ * (ENTRY + 4 * LONGEST):  # of which each letter has 4 bytes at most
        raise BundleError(f"its directory of {all_} files has {directory} bytes")
    return all_, offset


def _check_entries(entries: Sequence[zipfile.ZipInfo], size: int) -> None:
    check_names([entry.orig_filename for entry in entries])
    for entry in entries:
        if not stat.S_ISREG(entry.external_attr >> 16):
            raise BundleError(f"{entry.filename} is not a plain file")
        if entry.flag_bits & ~UTF8 or entry.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise BundleError(f"{entry.filename} is encrypted, or packed in a way that a bundle is not")
        if entry.extra or entry.comment:
            raise BundleError(f"{entry.filename} has more in the directory than a bundle has")
    unpacked = sum(entry.file_size for entry in entries)
    if unpacked > max(SMALL, RATIO * size):
        raise BundleError(f"its {counted(size, 'byte')} unpack to {unpacked:,}")


def _unpacked(file: BinaryIO, entry: zipfile.ZipInfo, place: int) -> tuple[bytes, int]:
    """A file that must lie at `place`, and where the next one must."""
    if entry.header_offset != place:
        raise BundleError(f"{entry.filename} does not follow the file before it")
    file.seek(place)
    name = entry.orig_filename.encode("utf-8" if entry.flag_bits & UTF8 else "cp437")
    told = (b"PK\3\4", entry.flag_bits, entry.compress_type, entry.CRC, entry.compress_size, entry.file_size, 0)
    mark, _, flags, method, _, _, crc, packed, length, letters, extra = LOCAL.unpack(file.read(LOCAL.size))
    if (mark, flags, method, crc, packed, length, extra) != told:
        raise BundleError(f"{entry.filename} has another header than the directory says")
    if file.read(letters) != name:
        raise BundleError(f"{entry.filename} has another name where it lies")
    data = file.read(entry.compress_size)
    if entry.compress_type == zipfile.ZIP_DEFLATED:
        inflate = zlib.decompressobj(-zlib.MAX_WBITS)
        data = inflate.decompress(data, entry.file_size + 1)
        if not inflate.eof or inflate.unused_data:
            raise BundleError(f"{entry.filename} does not unpack to the length that the directory says")
    if len(data) != entry.file_size or zlib.crc32(data) != entry.CRC:
        raise BundleError(f"{entry.filename} is not the file that the directory says")
    return data, file.tell()


def _check_content(files: Mapping[str, bytes]) -> None:
    for name in (GRAPH, SIGNATURE):
        if name not in files:
            raise BundleError(f"it has no {name}")
    for name, data in files.items():
        if name.endswith(".json"):
            _check_json(name, data)
    signature.parse(files[SIGNATURE])


def _check_json(name: str, data: bytes) -> None:
    """Refuse what would fill the memory, or the stack of those who walk through it; what else is wrong they say."""
    if len(data) > MOST_JSON:
        raise BundleError(f"{name} has {counted(len(data), 'byte')}")
    try:
        level = [json.loads(data)]
        for _ in range(DEEPEST):
            inner = (
                each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)
            )
            level = [value for values in inner for value in values]
    except RecursionError:
        level = [None]
    except ValueError:
        level = []
    if level:
        raise BundleError(f"{name} has lists within lists, more than {DEEPEST} deep")


def _check_manifest(content: Mapping[str, bytes]) -> None:
    if MANIFEST not in content:
        raise BundleError(f"it has no {MANIFEST}")
    try:
        manifest = json.loads(content[MANIFEST])
        known, promised = manifest["format"], dict(manifest["files"])
        values = {name: (entry["bytes"], entry["sha256"]) for name, entry in promised.items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise BundleError(f"{MANIFEST} is damaged") from None
    if known != FORMAT:
        raise BundleError(f"{MANIFEST} has format {known!r}, and this version reads {FORMAT}")
    listed = {name: data for name, data in content.items() if name not in (MANIFEST, SIGNED)}
    found = {name: (len(data), hashlib.sha256(data).hexdigest()) for name, data in listed.items()}
    for name in sorted(values.keys() | found.keys()):
        if values.get(name) != found.get(name):
            raise BundleError(f"{name!r} is missing, or not the file that {MANIFEST} names")
