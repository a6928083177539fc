"""A working repository out of a backup: every byte is verified before it counts, and a failure leaves nothing."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stemma.errors import VersionError
from stemma.files import scratch, sha256_of, swapped_folder, write_text
from stemma.names import in_bundle
from stemma.repo import outputs, places, stores
from stemma.repo.git import git
from stemma.repo.objects import md5_of
from stemma.repo.places import Place
from stemma.repo.repository import Repository
from stemma.repo.trouble import told
from stemma.storage import manifest, sealing
from stemma.storage.manifest import Manifest
from stemma.threads import each

NO_DEFAULT = "[core]\n    remote = \n"


@dataclass(frozen=True)
class Restored:
    folder: str
    versions: tuple[str, ...]  # whose objects are in the cache
    objects: int
    size: int
    checked_out: bool  # whether the work tree has the outputs of HEAD
    notes: tuple[str, ...]  # what is left to do


def restore(source: str, folder: Path | str | None = None, *, key: Path | None = None) -> Restored:
    """Make a repository out of a backup: Git's branches, tags and experiments, DVC's cache, the files of HEAD.

    Where the default remote does not hold all of it, no remote is the default: .dvc/config.local says so.

    Args:
        source: a path or a URL; endpoint and keys come from the environment.
        folder: a folder that is not there, or is empty; by default one here, with the name that the repository had.
        key: the file with the secret key of an encrypted backup.

    Raises:
        VersionError: the folder is not empty, the source holds no backup, or something in it is missing or damaged;
            nothing is left behind then.
    """
    place = stores.at(source, "backup")
    found = manifest.load(place)
    if found is None:
        raise VersionError(f"{place.url} holds no backup: {manifest.NAME} is not there")
    if folder is None and not in_bundle(found.name):  # such as .git, which would make this folder a repository
        raise VersionError(f"{place.url} is of a folder named {found.name!r:.80}: name the one to restore it to")
    target = Path(folder or found.name).resolve()
    if target.exists() and (not target.is_dir() or any(target.iterdir())):
        raise VersionError(f"{target} is not empty: choose a folder that is, or that is not there")
    if target == Path.cwd():
        raise VersionError(f"{target} is the folder that you are in: go one up, and name it")
    if found.sealed and key is None:
        raise VersionError(f"the backup in {place.url} is encrypted: give the file with the secret key by --key")
    opener = _Opener(place, found, sealing.identity(key) if key is not None and found.sealed else None)
    with told(str(target)), swapped_folder(target) as partial, scratch("restore") as passing:
        _git_part(opener, partial, passing)
        project = partial / found.project
        if not (project / ".dvc").is_dir():
            raise VersionError(f"HEAD of the backup in {place.url} is no DVC project: it has no {found.project}.dvc")
        _objects(opener, stores.cache(Repository(project)), passing)
        _outputs_stay(opener, project)
    notes = _without_remote(target / found.project, found)
    checked_out = found.head_commit in found.versions
    if checked_out:
        _checkout(target / found.project)
    else:
        notes.append("HEAD is no version of the backup: `git checkout` one that is, then `dvc checkout`")
    return Restored(
        str(target), tuple(found.versions.values()), len(found.objects), sum(found.objects.values()), checked_out,
        tuple(notes),
    )  # fmt: skip


@dataclass(frozen=True)
class _Opener:
    """A backup's files, decrypted where need be. `identity` is the secret key."""

    place: Place
    manifest: Manifest
    identity: Any

    @contextmanager
    def file(self, key: str, passing: Path) -> Iterator[Path]:
        """A file of the backup on this machine, as it was before it was encrypted."""
        name = f"{self.place.url}/{key}"
        with ExitStack() as stack:
            path = stack.enter_context(self.place.local(key, passing))
            if not path.is_file():
                raise VersionError(f"{name} is missing: the backup is not whole")
            if self.identity is not None:
                path = stack.enter_context(sealing.opened(path, self.identity, passing, name))
            yield path


def _git_part(opener: _Opener, folder: Path, passing: Path) -> None:
    found = opener.manifest
    with opener.file(found.bundle_key, passing) as bundle:
        if sha256_of(bundle) != found.bundle:
            raise VersionError(f"{opener.place.url}/{found.bundle_key} is damaged: its SHA-256 is another")
        git(folder, "init", "-q")
        git(folder, "bundle", "unbundle", str(bundle))
    git(folder, "update-ref", "--stdin", stdin="".join(f"create {ref} {to}\n" for ref, to in found.refs.items()))
    if found.head.startswith("refs/"):
        git(folder, "symbolic-ref", "HEAD", found.head)
    else:
        git(folder, "update-ref", "--no-deref", "HEAD", found.head)
    git(folder, "reset", "-q", "--hard")
    settings = folder / found.project / ".dvc"
    above = [folder / each for each in settings.relative_to(folder).parents]
    links = [path for path in (*above, settings, *settings.rglob("*")) if path.is_symlink()]
    if links:
        name = links[0].relative_to(folder).as_posix()
        raise VersionError(f"{name} of the backup in {opener.place.url} is a link, and DVC would write through it")


def _objects(opener: _Opener, cache: Place, passing: Path) -> None:
    def fill(md5: str) -> None:
        name = manifest.object_key(md5, opener.manifest.sealed)
        with opener.file(name, passing) as file:
            if md5_of(file) != md5.removesuffix(".dir"):
                raise VersionError(f"{opener.place.url}/{name} is damaged: it does not hold what its name says")
            cache.put(places.key(md5), file, md5)

    each(fill, opener.manifest.objects, waits=True)


def _outputs_stay(opener: _Opener, folder: Path) -> None:
    """Whether DVC will write the outputs of HEAD into the folder alone.

    Raises:
        VersionError: one has a path, or lies behind a link, that leads elsewhere.
    """
    head = opener.manifest.head_commit
    if head in opener.manifest.versions:
        with outputs.opened(Repository(folder)) as restored:
            what = outputs.astray(folder, restored.of(head))
        if what:
            raise VersionError(f"{opener.place.url}: {what}")


def _without_remote(folder: Path, found: Manifest) -> list[str]:
    """Unset the default remote where it does not hold what the backup holds; what to tell of it."""
    repository = Repository(folder)
    name = repository.objects.config["core"].get("remote")
    if not name:
        return []
    try:
        place = stores.remote(repository, name, retries=0)
        there = {} if place is None else place.sizes(places.OBJECTS)
        why = "" if {places.key(md5) for md5 in found.objects} <= there.keys() else "does not hold all of this"
    except VersionError as error:
        why = f"cannot be used ({error})"
    if not why:
        return []
    write_text(folder / ".dvc" / "config.local", NO_DEFAULT)
    back = "`dvc config --local --unset core.remote`, then `stemma push --all`"
    return [f"remote {name!r} {why}: it is not the default here. To use it again: {back}"]


def _checkout(folder: Path) -> None:
    """The outputs of HEAD, by DVC, in the work tree."""
    with outputs.opened(Repository(folder)) as restored:
        try:
            restored.check_out()
        except VersionError as error:
            what = f"{folder} is restored, and DVC cannot check it out ({error.what})"
            raise VersionError(what, run="dvc checkout") from None
