"""manifest.json: what a backup holds. It is written last, so that a backup is always the old one or the new one.

    manifest.json                    this file: sorted, no dates; the same versions give the same bytes
    git/SHA256.bundle                all of Git: branches, tags, experiments; `git clone` reads it
    objects/files/md5/XX/...         objects as DVC lays them out: objects/ is a remote for `dvc pull`

Of an encrypted backup the bundle is git/SHA256.bundle.age, and objects lie under sealed/files/md5/XX/...
"""

from collections.abc import Mapping
from dataclasses import dataclass

from stemma import names
from stemma.errors import VersionError
from stemma.repo import journal, places
from stemma.repo.places import Place
from stemma.text import in_one_line

NAME = "manifest.json"
GIT = "git"


@dataclass(frozen=True)
class Manifest:
    name: str  # of the repository's folder
    versions: Mapping[str, str]  # the commits whose objects are all there, each with a name
    refs: Mapping[str, str]  # Git's, by full name
    head: str  # what HEAD is, "refs/heads/main" or a commit
    bundle: str  # SHA-256 of the Git bundle, not sealed
    objects: Mapping[str, int]  # bytes of each object by MD5, as it lies there
    recipient: str | None  # whom bundle and objects are encrypted for; None where they are not
    project: str = ""  # where DVC's lies in it, such as "churn/", empty at its top

    @property
    def head_commit(self) -> str:
        return self.refs.get(self.head, self.head)

    @property
    def sealed(self) -> bool:
        return self.recipient is not None

    @property
    def bundle_key(self) -> str:
        return bundle_key(self.bundle, self.sealed)


def bundle_key(sha256: str, sealed: bool) -> str:
    return f"{GIT}/{sha256}.bundle{'.age' if sealed else ''}"


def object_key(md5: str, sealed: bool) -> str:
    return f"{'sealed' if sealed else 'objects'}/{places.key(md5)}"


def load(place: Place) -> Manifest | None:
    """The manifest of a backup, None where there is none; a VersionError where it is damaged, or of another format."""
    content = places.read(place, NAME)
    if content is None:
        return None
    try:
        return _checked(journal.parsed(content, Manifest))
    except (ValueError, TypeError, AttributeError) as error:
        what = f"{place.url}/{NAME} is damaged, or another stemma wrote it ({in_one_line(error, 120)})"
        raise VersionError(what) from None


def _checked(found: Manifest) -> Manifest:
    """What becomes a path or goes to Git has the form of a hash, or of a ref; a ValueError where something has not."""
    names.sha256(found.bundle)
    if found.project and not names.inside(found.project.removesuffix("/")):
        raise ValueError(f"{found.project[:80]!r} is no folder in it")
    for md5, size in found.objects.items():
        names.md5(md5)
        if not isinstance(size, int) or size < 0:
            raise ValueError(f"{size!r:.40} is no number of bytes")
    for ref in found.refs:
        if not ref.startswith("refs/") or ref.split() != [ref]:
            raise ValueError(f"{ref[:80]!r} is no ref")
    for commit in (*found.versions, *found.refs.values(), *([] if found.head.startswith("refs/") else [found.head])):
        names.git_id(commit)
    return found
