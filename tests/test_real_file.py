"""The simulated table beside the file of the UCI repository that it is drawn after, where that is there."""

import re
from pathlib import Path

import pandas as pd

from purchase_intent.sources import simulated
from sections import real_file

__all__ = ["real_file"]


def test_values_are_written_in_the_style_of_the_real_file(tmp_path: Path, real_file: Path) -> None:
    simulated.write(tmp_path / "t.csv", 5000, 0, 0.0)
    lines = (tmp_path / "t.csv").read_text().splitlines()[1:]
    real = real_file.read_text(encoding="utf-8").splitlines()
    assert real[0] == (tmp_path / "t.csv").read_text().splitlines()[0].removesuffix(",Probability")
    whole, number = r"\d+", r"\d+(\.\d{1,10})?([Ee]-?\d+)?"
    words = [set(pd.read_csv(real_file, dtype=str)[name]) for name in ("Month", "VisitorType", "Weekend", "Revenue")]
    assert "June" in words[0]
    month, visitor, truth, _ = ("|".join(sorted(found)) for found in words)
    kinds = [whole, number] * 3 + [number] * 4 + [month] + [whole] * 4 + [visitor, truth, truth]
    style = re.compile(",".join(f"({kind})" for kind in kinds))
    assert all(style.fullmatch(line) for line in real[1:])
    assert all(style.fullmatch(line.rpartition(",")[0]) for line in lines)
