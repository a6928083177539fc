"""Which number a version gets, and why: structure or signature changed: major; retrained, or compressed in another way:
minor; same weights: patch.

The signature is what goes in and what comes out: the input columns with their types, the task, the target, its classes.
It is read from data/prepared/profile.json. Versions are numbered by semver.org, 2.0.0.
"""

from collections.abc import Collection
from typing import Any, Literal

from stemma.errors import VersionError
from stemma.repo.registry import Registry
from stemma.repo.repository import Version
from stemma.semver import is_version, precedence
from stemma.text import by_number, counted, few

Bump = Literal["major", "minor", "patch"]
FIRST = "v1.0.0"


def latest(known: Registry, model: str) -> str | None:
    """The highest version that is registered; None where none is."""
    return max((version for of, version in known.registered if of == model), key=precedence, default=None)


def ever(known: Registry, model: str) -> list[str]:
    """All versions that were ever registered: a number is never used twice."""
    found = [event.says for event in known.events if event.says.action == "register" and event.says.model == model]
    return [str(says.version) for says in found]


def checked(version: str) -> str:
    """`v1.2.0` from "1.2.0" or "v1.2.0"; a VersionError where it is none."""
    name = f"v{version.removeprefix('v')}"
    if not is_version(name):
        raise VersionError(f"{version!r} is no version: it is MAJOR.MINOR.PATCH, such as 1.2.0 or 2.0.0-rc.1")
    return name


def bumped(used: Collection[str], bump: Bump) -> str:
    """The version after the highest used one. v2.0.0-rc.1 is followed by v2.0.0 where that fits."""
    if not used:
        return FIRST
    (major, minor, patch), final, _ = precedence(max(used, key=precedence))
    if bump == "major":
        return f"v{major if not final and minor == patch == 0 else major + 1}.0.0"
    if bump == "minor":
        return f"v{major}.{minor if not final and patch == 0 else minor + 1}.0"
    return f"v{major}.{minor}.{patch if not final else patch + 1}"


def suggest(version: Version, before: Version) -> tuple[Bump, str]:
    """The bump that what changed since the version before asks for, and why.

    Raises:
        VersionError: the weights' index or the profile of either is out of reach, or `before` holds no model.
    """
    from stemma.versions.diff import compression, structure, tensors

    if version.index is None or before.index is None:
        bare = version if version.index is None else before
        raise VersionError(f"{bare.name} holds no models/weights to compare", run="stemma log")
    since = f"since {before.name}"
    moved = _signature_change(before.profile, version.profile)
    if moved is not None:
        return "major", f"the signature changed {since}: {moved}"
    found = structure.compare(before.index, version.index)
    layers = [layer.after or layer.before for layer in found.layers if layer.status not in ("kept", "renamed")]
    if layers:
        return "major", f"the structure changed {since}: {few([str(name) for name in layers])}"
    shared = tensors.compare(found.pairs)
    differ = sum(not tensor.same for tensor in shared)
    if differ:
        tensors_differ = f"{counted(len(shared), 'tensor')} {by_number(differ, 'differs', 'differ')}"
        return "minor", f"retrained {since}: {differ} of {tensors_differ}"
    graphs = compression.compare(before, version)
    if graphs is not None and graphs.other:
        return "minor", f"the same weights as {before.name}, {graphs}"
    return "patch", f"the same weights as {before.name}"


def _contract(profile: Any) -> dict[str, Any]:
    """What goes in, the role of each column that a row must bring, and what comes out, by name."""
    made = profile.get("derive", ())
    inputs = {f"input {each['name']}": each["role"] for each in profile["features"] if each["name"] not in made}
    return inputs | {key: profile[key] for key in ("task", "target", "classes", "positive")}


def _signature_change(before: Any, after: Any) -> str | None:
    """What differs, in words; None where nothing does, or where a version has no profile."""
    if before is None or after is None:
        return None
    try:
        was, now = _contract(before), _contract(after)
    except (KeyError, TypeError) as error:
        raise VersionError(
            f"data/prepared/profile.json is of another format ({type(error).__name__}: {error})"
        ) from None
    said = [f"{name} is new" for name in now if name not in was]
    said += [f"{name} is gone" for name in was if name not in now]
    said += [f"{name} is {now[name]} (was {was[name]})" for name in now if was.get(name, now[name]) != now[name]]
    return few(said) if said else None
