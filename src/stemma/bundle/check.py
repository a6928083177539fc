"""What a bundle promises, checked: every hash, who signed it, which version it is, the graph, the sample."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma.bundle.archive import GRAPH
from stemma.bundle.graph import look
from stemma.bundle.limits import LIMITS, Limits, answer
from stemma.bundle.model import RECORD, REGISTERED, REQUEST, RESPONSE, Bundle, open_bundle, reading
from stemma.errors import BundleError
from stemma.semver import is_version, precedence
from stemma.text import counted, in_one_line

MOST_ROUNDING = 1e-2  # of float16
TOLERANCE = 1e-5  # of a replayed sample: of a probability, or of a value relative to itself


@dataclass(frozen=True)
class Check:
    """One thing that was checked; `passed` is None where there was nothing to check, and `told` says why."""

    name: str
    passed: bool | None
    told: str


@dataclass(frozen=True)
class Verified:
    """A bundle in which nothing wrong was found."""

    path: Path
    version: str | None  # under which it is registered, such as v1.2.0
    checks: tuple[Check, ...]


def check(path: Path, key: Path | None = None, at_least: str | None = None, limits: Limits = LIMITS) -> Verified:
    """Check all that a bundle promises; its graph is looked at first, and runs apart from this process.

    Args:
        key: a public key in PEM: the bundle must be signed by its owner.
        at_least: a version such as 1.2.0: what is signed must say that it is this one or a later one.

    Raises:
        StemmaError: says what is wrong.
    """
    bundle = open_bundle(path)
    try:
        look(bundle.files[GRAPH])
        version = registered(bundle)
        found = [
            Check("hashes", True, f"{counted(len(bundle.files), 'file is', 'files are')} as the manifest says"),
            _signature(bundle, path, key),
            *(() if at_least is None else (_version(version, at_least),)),
            *(Check(*told) for told in answer(lambda: [astuple(_graph(bundle)), astuple(sample(bundle))], limits)),
            Check("record", True, "its format is known") if bundle.record else Check("record", None, "it has none"),
        ]
    except BundleError as error:
        told = str(error.what)
        raise error if str(path) in told else BundleError(f"{path}: {told}", run=error.run) from None
    return Verified(path, version, tuple(found))


def signed(bundle: Bundle, path: Path, key: Path, at_least: str | None = None) -> None:
    """Nothing, if the owner of a key signed a bundle, and as this version or a later one; raises as `check`."""
    _signature(bundle, path, key)
    if at_least is not None:
        _version(registered(bundle), at_least)


def _signature(bundle: Bundle, path: Path, key: Path | None) -> Check:
    from stemma.bundle import sign

    if key is not None:
        sign.verify(bundle, key, path)
        return Check("signature", True, f"by the owner of {key}, over every file")
    return Check("signature", None, "not looked at: no key was given" if bundle.is_signed else "it has none")


def registered(bundle: Bundle) -> str | None:
    """The version under which it is registered, such as v1.2.0; None where it says none.

    Raises:
        BundleError: what it says is no version.
    """
    version = bundle.registered.get("version")
    if bundle.registered and (not isinstance(version, str) or not is_version(version)):
        raise BundleError(f"{REGISTERED} names {version!r:.60}, which is no version such as v1.2.0")
    return version


def _version(version: str | None, at_least: str) -> Check:
    if version is None:
        raise BundleError(f"it says no version, and {at_least} or later is asked for", run="stemma bundle build")
    if precedence(version) < precedence(at_least):
        raise BundleError(f"it is {version}, and {at_least} or later is asked for")
    return Check("version", True, f"{version} is {at_least} or later")


def _graph(bundle: Bundle) -> Check:
    try:
        import onnx
    except ImportError:
        bundle.ready()
        return Check("graph", True, "it fits the signature; no more was looked at: onnx is not installed")
    try:
        model = onnx.load_from_string(bundle.files[GRAPH])
        onnx.checker.check_model(model, full_check=True)
    except Exception as error:  # of the checker, of shape inference, and of protobuf
        raise BundleError(f"{GRAPH} is no valid graph ({in_one_line(error)})") from None
    bundle.ready()
    opsets = ", ".join(f"{entry.domain or 'ai.onnx'} {entry.version}" for entry in model.opset_import)
    return Check("graph", True, f"valid, standard operators alone ({opsets}), nothing outside the bundle")


def sample(bundle: Bundle) -> Check:
    """Play the sample request again; a BundleError where it gives another prediction, among others or alone."""
    if REQUEST not in bundle.files or RESPONSE not in bundle.files:
        return Check("sample", None, "it has none")
    try:
        columns = bundle.sample
        expected = np.array(json.loads(bundle.files[RESPONSE])[bundle.signature.output], np.float64)
        given, apart = (
            np.asarray(each, np.float64) for each in (bundle.predict(columns), _one_by_one(bundle, columns))
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise BundleError(f"{REQUEST} or {RESPONSE} is damaged ({type(error).__name__})") from None
    if given.shape != expected.shape:
        raise BundleError(f"{REQUEST} gives the shape {given.shape}, and {RESPONSE} has {expected.shape}")
    largest = _largest_gap(given, expected, TOLERANCE, "gives another prediction than " + RESPONSE)
    _largest_gap(apart, expected, _rounding(bundle), f"gives alone another prediction than in {RESPONSE}, among others")
    rows = counted(len(given), "row gives", "rows give")
    return Check("sample", True, f"{rows} what {RESPONSE} says, {largest:.1g} apart at most")


def _one_by_one(bundle: Bundle, columns: Mapping[str, Sequence[Any]]) -> list[Any]:
    """The predictions of the same rows, each in a batch of its own."""
    rows = range(len(next(iter(columns.values()))))
    return [bundle.predict({name: values[row : row + 1] for name, values in columns.items()})[0] for row in rows]


def _rounding(bundle: Bundle) -> float:
    """What a row may differ by in another batch: in float16 kernels round otherwise."""
    with reading(RECORD):
        allowed = bundle.record.get("export", {}).get("parity", {}).get("tolerance", TOLERANCE)
        return float(min(max(allowed, TOLERANCE), MOST_ROUNDING))


def _largest_gap(given: NDArray[Any], expected: NDArray[Any], tolerance: float, fault: str) -> float:
    """The largest difference, which is refused above the tolerance."""
    gaps = np.abs(given - expected) / np.maximum(1.0, np.abs(expected))
    if not (gaps <= tolerance).all():
        row = int(np.nan_to_num(gaps, nan=np.inf).max(axis=1).argmax())
        raise BundleError(f"row {row + 1} of {REQUEST} {fault} ({gaps.max():.3g} apart)")
    return float(gaps.max())
