"""Proof that one thing gives the predictions of another; parity.json, written and read, which keeps proofs."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stemma import layout
from stemma.errors import ExportError
from stemma.files import read_json, write_json

Proof = Mapping[str, Any]


@dataclass(frozen=True)
class Parity:
    """How far two sets of predictions are apart, in probability or in standard deviations of the target."""

    rows: int
    largest: float
    mean: float
    worst_row: int


def compare(
    exported: NDArray[np.float32],
    expected: NDArray[np.float32],
    tolerance: float,
    unit: float = 1.0,
    name: str = "onnx",
    setting: str = "export.tolerance",
    origin: str = "network",
) -> Parity:
    """Compare predictions (rows, outputs) row by row.

    Args:
        tolerance: greatest difference, in `unit`.
        unit: 1 for probabilities, the target's standard deviation for a regression: one step of float32 grows with
            the numbers themselves.
        name: of the format.
        setting: that holds the tolerance.
        origin: what gives what is expected.

    Raises:
        ExportError: shapes differ, a value is not finite, or a row differs by more than `tolerance`.
    """
    if exported.shape != expected.shape:
        raise ExportError(f"{name} gives the shape {exported.shape}, the {origin} {expected.shape}")
    if not np.isfinite(exported).all():
        row = int(np.argmin(np.isfinite(exported).all(axis=1)))
        raise ExportError(f"{name} gives a value that is not finite for test row {row}")
    gaps = np.abs(exported.astype(np.float64) - expected.astype(np.float64)).max(axis=1) / unit
    worst = int(gaps.argmax())
    if gaps[worst] > tolerance:
        raise ExportError(
            f"{name} differs from the {origin} by {gaps[worst]:.3g} in test row {worst}, {setting} allows {tolerance:g}"
        )
    return Parity(len(gaps), float(gaps[worst]), float(gaps.mean()), worst)


def write(folder: Path, proofs: Mapping[str, Proof]) -> None:
    """By format. The facts of onnx stand first, alone where it is alone; what was made beside it is told by name."""
    others = {name: proof for name, proof in proofs.items() if name != "onnx"}
    write_json(folder / layout.PARITY.name, {**proofs.get("onnx", {}), **({"formats": others} if others else {})})


def read(folder: Path, format: str) -> Proof:
    """What `write` wrote of a format; an older stemma wrote one alone like onnx."""
    found: Proof = read_json(folder / layout.PARITY.name)
    return found.get("formats", {}).get(format, found)  # type: ignore[no-any-return]
