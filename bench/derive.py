"""What derived columns cost: `python bench/derive.py`, some minutes on one core."""

import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

import page
from page import Table
from pipeline import ROOT
from purchase_intent.sources import simulated
from stemma import bundle, runtime
from stemma.tables import encode, load, prepared
from stemma.tables.check import check
from stemma.tables.columns import features
from stemma.tables.settings import FILES, FileTable, PrepareSettings

ROWS = 1_000_000
TURNS = 3
ANSWERS = 200  # of one call, in each of so many turns
EXPRESSIONS = {
    "ratio": "ExitRates / (BounceRates + 1e-6)",
    "pages": "Administrative + Informational + ProductRelated",
    "long": "log1p(ProductRelated_Duration)",
    "pace": "ProductRelated_Duration / (ProductRelated + 1)",
    "worth": "sqrt(PageValues)",
    "near": "SpecialDay > 0.5",
    "sunday": "Weekend and SpecialDay > 0",
    "spring": 'Month == "Mar" or Month == "May"',
    "root": "abs(ExitRates - BounceRates) ** 0.5",
    "pair": "cat(VisitorType, Region)",
}
PREPARE = PrepareSettings(strict=False, numeric="auto", impute="median", indicator=True, rare=10, embed=50)


def shares() -> Table:
    """Ten expressions (bench/derive.py names them). What they add to `prepare` of 1,000,000 rows x 18 columns in CSV,
    beside a file that holds the same ten columns; and to a prediction of the default network's bundle: the encoder with
    them, less one that is given the ten. Processor time, the least of 3 and of 200 turns."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        simulated.main(["--rows", str(ROWS), str(folder / "rows.parquet")])
        raw = pd.read_parquet(folder / "rows.parquet").drop(columns="Probability")
        raw.to_csv(folder / "rows.csv", index=False)
        derived = table(folder / "rows.csv", EXPRESSIONS, {})
        whole = load.table(derived, FILES)
        raw.assign(**{name: whole[name].to_numpy() for name in EXPRESSIONS}).to_csv(folder / "whole.csv", index=False)
        roles = {name: role for name, role in features(whole, derived) if name in EXPRESSIONS}
        given = table(folder / "whole.csv", {}, roles)
        turns = [[seconds(lambda t=t: written(folder / "made", t)) for t in (given, derived)] for _ in range(TURNS)]
        beside, with_them = (min(each) for each in zip(*turns, strict=True))
        lines = [line("`prepare`", with_them - beside, beside, "10 %")]
        lines += [line(f"a prediction, rows: {rows:,}", *predicted(derived, rows), "5 %") for rows in (1, 1000)]
    return ["what", "ten expressions", "all else", "share", "goal"], lines


def table(file: Path, named: Mapping[str, str], roles: Mapping[str, str]) -> FileTable:
    section = yaml.safe_load((ROOT / "conf/data/csv.yaml").read_text(encoding="utf-8"))
    section["columns"] |= roles
    return FileTable.model_validate(section | {"source": str(file), "derive": dict(named)}, strict=False)


def written(folder: Path, data: FileTable) -> None:
    prepared.write(folder, check(data, FILES, strict=False), data, PREPARE)


def predicted(data: FileTable, rows: int) -> tuple[float, float]:
    """Seconds of the expressions, and of a prediction by the default network."""
    frame = check(data, FILES, strict=False).table.iloc[:20_000]
    graphs = [encode.fit(frame, features(frame, data), PREPARE, derive=named).graph for named in (EXPRESSIONS, {})]
    few = frame.iloc[:rows]
    with_them, given = (least(called(graph, few)) for graph in graphs)
    whole = bundle.open_bundle(ROOT / "models/package/model.zip")
    raw = {each.name: few[each.name].tolist() for each in whole.signature.inputs}
    arrays = whole.signature.arrays(raw)
    return with_them - given, least(lambda: whole.run(arrays))


def called(graph: bytes, frame: Any) -> Callable[[], Any]:
    session, arrays = runtime.session(graph), encode.feeds(frame, encode.Encoder(graph).inputs)
    return lambda: session.run(None, arrays)


def least(call: Callable[[], Any]) -> float:
    return min(seconds(call) for _ in range(ANSWERS))


def seconds(call: Callable[[], Any]) -> float:
    begun = time.process_time()
    call()
    return time.process_time() - begun


def line(what: str, more: float, beside: float, goal: str) -> list[str]:
    return [what, f"{more * 1000:.3g} ms", f"{beside * 1000:.4g} ms", f"{more / beside:.1%}", f"< {goal}"]


if __name__ == "__main__":
    page.main({"derive": shares})
