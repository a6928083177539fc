"""Sessions of shop visitors, drawn: a stand-in for "Online Shoppers Purchasing Intention" (UCI) of any length.

The columns, their order and the style of their values are those of the UCI file, plus `Probability`, the true chance
that the session ends in a purchase. A row is drawn in this order:

1. The visitor: VisitorType, Weekend, Region and Month from fixed shares; OperatingSystems from fixed shares, Browser
   given OperatingSystems, TrafficType given VisitorType. SpecialDay (closeness to a holiday) is above 0 only in
   February and May, the months before Valentine's Day and Mother's Day.
2. The visit: a hidden engagement, normal, drives the pages of the three kinds. Each count is Poisson with a log-normal
   mean (so the counts are skewed and go together); the time on a kind of page is gamma with a shape in proportion to
   its count, and 0 where there is no page.
3. The measures of the shop: ExitRates fall with the number of pages, BounceRates are a share of ExitRates (all of it
   in many visits of one page, none of it in half of the others). PageValues is 0 in about four visits of five, more
   often above 0 in long visits, and then gamma.
4. Missing values: each value of a column in MASKED is left out with the chance `missing`.
5. Revenue: with the chance p = sigmoid(score), where the score is a function of the row as it now stands. A missing
   value adds a fixed amount of its own, so p is the chance given what is observed, and no model of these columns can
   order the rows better than p does.

The score is not linear: the page value counts by its logarithm, twice as much for new visitors; the time on products
has a best value; weekends turn the effect of the pages of information round; a close holiday keeps buyers away. About
15 % of the rows buy, and ordering them by p has a ROC-AUC of about 0.93, as the best models have on the real file.

    python -m purchase_intent.sources.simulated --rows 1000000 --seed 7 data/raw/sessions.parquet
"""

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from purchase_intent.sources.settings import SimulatedTable
from stemma.errors import DataError, one_line
from stemma.files import replaced

CHUNK = 32_768  # rows drawn from one random stream; another number gives another table
MASKED = (
    "Administrative_Duration",
    "Informational_Duration",
    "ProductRelated_Duration",
    "BounceRates",
    "ExitRates",
    "PageValues",
    "Browser",
    "Region",
    "TrafficType",
)
KINDS = ("Administrative", "Informational", "ProductRelated")
CODED = ("OperatingSystems", "Browser", "Region", "TrafficType")  # 1, 2, ...; 0 is missing in the arrays here

MONTHS = ("Feb", "Mar", "May", "June", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MONTH_SHARE = (0.015, 0.155, 0.273, 0.023, 0.035, 0.035, 0.036, 0.045, 0.243, 0.140)
MONTH_SCORE = np.array([-1.2, -0.5, -0.5, -0.4, 0.1, 0.2, 0.3, 0.2, 0.8, -0.3])
HOLIDAY_SHARE = np.array([0.43, 0, 0.35, 0, 0, 0, 0, 0, 0, 0])  # of the sessions of a month, near a special day

VISITORS = ("New_Visitor", "Other", "Returning_Visitor")
VISITOR_SHARE = (0.137, 0.007, 0.856)
VISITOR_SCORE = np.array([0.3, 0.0, 0.0])
VISITOR_VALUE = np.array([2.0, 1.5, 1.0])  # how much the page value counts

SYSTEM_SHARE = (0.210, 0.535, 0.207, 0.039, 0.001, 0.001, 0.001, 0.006)
BROWSER_SHARE = np.array(  # given the operating system: 1, 2, 3, any other
    [
        [0.833, 0.108, 0.002, 0.002, 0.002, 0.001, 0.000, 0.050, 0.000, 0.001, 0.000, 0.000, 0.001],
        [0.003, 0.766, 0.000, 0.111, 0.065, 0.023, 0.006, 0.000, 0.000, 0.024, 0.000, 0.001, 0.001],
        [0.000, 0.946, 0.041, 0.000, 0.002, 0.004, 0.004, 0.000, 0.001, 0.000, 0.000, 0.001, 0.001],
        [0.490, 0.350, 0.000, 0.002, 0.044, 0.006, 0.001, 0.000, 0.000, 0.000, 0.010, 0.001, 0.096],
    ]
)
REGION_SHARE = (0.388, 0.092, 0.195, 0.096, 0.026, 0.065, 0.062, 0.035, 0.041)
TRAFFIC_SHARE = np.array(  # given the visitor: new, other, returning
    [
        [170, 510, 60, 70, 30, 10, 0, 70, 0, 20, 0, 0, 10, 0, 1, 0, 0, 1, 1, 47],
        [100, 200, 50, 20, 10, 10, 0, 20, 0, 10, 0, 0, 10, 0, 1, 0, 0, 1, 1, 567],
        [210, 280, 190, 90, 20, 40, 4, 20, 4, 40, 23, 0, 68, 1, 3, 0, 0, 1, 2, 4],
    ]
)

# What a code adds to the score; index 0 is a missing value.
BROWSER_SCORE = np.array([-0.10, -0.1, 0.0, -0.8, 0.2, 0.2, -0.3, -0.2, 0.1, 0.0, 0.3, 0.0, 0.6, 0.3])
REGION_SCORE = np.array([0.00, 0.1, 0.1, -0.1, -0.1, 0.1, -0.2, 0.1, -0.2, 0.1])
TRAFFIC_SCORE = np.array(
    [0.10, -0.3, 0.5, -0.5, 0.1, 0.4, -0.3, 0.8, 0.6, -0.4, 0.4, 0.2, 0, -0.9, 0.1, -1.5, 0.5, 0, -1.0, -0.4, 0.5]
)
# What a missing value adds to the score, for the columns that are not coded.
MISSING_SCORE = {
    "PageValues": 1.2,
    "ExitRates": -0.8,
    "BounceRates": -0.3,
    "ProductRelated_Duration": -0.4,
    "Informational_Duration": 0.1,
    "Administrative_Duration": 0.2,
}


def frames(rows: int, seed: int, missing: float, chunk: int = CHUNK) -> Iterator[pd.DataFrame]:
    """Draw a table piece by piece, so that memory does not grow with it.

    Piece i comes from a random stream of its own, keyed by (seed, i), and is always drawn whole: a longer table begins
    with the rows of a shorter one, and a table with more missing values has the same visits.

    Args:
        rows: of the whole table.
        seed: of the random streams.
        missing: share of the values of the columns in MASKED that are left out, in [0, 1).
        chunk: rows of a piece.

    Yields:
        Frames of at most `chunk` rows: counts int64, codes Int64, measures float64, the other columns categories of
        text ("TRUE" and "FALSE" for Weekend and Revenue).
    """
    for index, start in enumerate(range(0, rows, chunk)):
        draw = np.random.default_rng([seed, index])
        session = _session(draw, chunk)
        _leave_out(draw, session, missing)
        chance = np.round(1 / (1 + np.exp(-score(session))), 6)
        bought = draw.random(chunk) < chance
        yield _frame(session, bought, chance).iloc[: rows - start]


def score(session: dict[str, np.ndarray]) -> np.ndarray:
    """The logarithm of the odds of a purchase, (rows,), given the columns as they are, missing values included."""
    visitor = session["VisitorType"]
    page_value = 1.6 + 0.7 * np.log1p(session["PageValues"]) * VISITOR_VALUE[visitor]
    minutes = np.log1p(session["ProductRelated_Duration"] / 60)
    information = np.log1p(session["Informational_Duration"])
    terms = {
        "PageValues": np.where(session["PageValues"] == 0, 0, page_value),
        "ExitRates": -16 * session["ExitRates"],
        "BounceRates": -6 * session["BounceRates"],
        "ProductRelated_Duration": 0.6 * minutes - 0.12 * (minutes - 2.5) ** 2,
        "Informational_Duration": np.where(session["Weekend"] == 1, 0.2, -0.1) * information,
        "Administrative_Duration": 0.04 * np.log1p(session["Administrative_Duration"]),
    }
    total = -4.6 + MONTH_SCORE[session["Month"]] + VISITOR_SCORE[visitor] - 0.8 * session["SpecialDay"]
    for name, term in terms.items():
        total += np.where(np.isnan(term), MISSING_SCORE[name], term)
    total += BROWSER_SCORE[session["Browser"]] + REGION_SCORE[session["Region"]]
    return np.asarray(total + TRAFFIC_SCORE[session["TrafficType"]])


def table(settings: SimulatedTable) -> Iterator[pd.DataFrame]:
    """The table that settings ask for, piece by piece."""
    return frames(settings.rows, settings.seed, settings.missing)


def write(path: Path, rows: int, seed: int, missing: float) -> None:
    """Write a table as CSV or Parquet, by the ending of `path`, piece by piece; the same bytes for the same arguments.

    Raises:
        DataError: the ending is another one, or the folder is not there.
    """
    import pyarrow as pa

    path = Path(path)
    if path.suffix not in (".csv", ".parquet"):
        raise DataError(f"{path} has no known ending: name it .csv or .parquet")
    if not path.parent.is_dir():
        raise DataError(f"the folder {path.parent} is not there", run=f"mkdir {path.parent}")
    pieces = (pa.Table.from_pandas(frame, preserve_index=False) for frame in frames(rows, seed, missing))
    first = next(pieces)
    with replaced(path) as partial, _writer(partial, path.suffix, first.schema) as file:
        file.write_table(first)
        for piece in pieces:
            file.write_table(piece)


def main(arguments: Sequence[str] | None = None) -> None:
    """The command line."""
    program = "python -m purchase_intent.sources.simulated"
    parser = argparse.ArgumentParser(prog=program, description="Draw a table.")
    parser.add_argument("--rows", type=int, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--missing", type=float, default=0.02, help="share of values left out (default: 0.02)")
    parser.add_argument("file", type=Path, help="ends in .csv or .parquet")
    options = parser.parse_args(arguments)
    if options.rows < 1 or options.seed < 0 or not 0 <= options.missing < 1:
        parser.error("--rows is at least 1, --seed at least 0, --missing in [0, 1)")
    write(options.file, options.rows, options.seed, options.missing)


def _session(draw: np.random.Generator, rows: int) -> dict[str, np.ndarray]:
    """The columns of visits before anything is missing; categories as indices, codes as 1, 2, ..."""
    visitor = _pick(draw, VISITOR_SHARE, rows)
    month = _pick(draw, MONTH_SHARE, rows)
    system = _pick(draw, SYSTEM_SHARE, rows)
    near = draw.random(rows) < HOLIDAY_SHARE[month]
    session = {
        "VisitorType": visitor,
        "Weekend": (draw.random(rows) < 0.2326).astype(np.int64),
        "Month": month,
        "SpecialDay": np.where(near, draw.integers(1, 6, rows) * 2 / 10, 0.0),
        "OperatingSystems": system + 1,
        "Browser": _pick_given(draw, BROWSER_SHARE, np.minimum(system, 3)) + 1,
        "Region": _pick(draw, REGION_SHARE, rows) + 1,
        "TrafficType": _pick_given(draw, TRAFFIC_SHARE, visitor) + 1,
    }
    engagement = draw.standard_normal(rows) - 0.3 * (visitor == 0)
    for kind, pages, spread, shape, seconds in zip(
        KINDS, (0.2, -1.8, 2.8), (1.1, 1.5, 1.15), (0.8, 0.5, 1.6), (48, 150, 25), strict=True
    ):
        mean = np.exp(pages + spread * (0.8 * engagement + 0.6 * draw.standard_normal(rows)))
        session[kind] = draw.poisson(np.minimum(mean, 1000))
        session[f"{kind}_Duration"] = np.round(draw.gamma(shape * session[kind]) * seconds, 9)
    pages = np.sum([session[kind] for kind in KINDS], axis=0)
    exits = np.round(np.minimum(0.2, 0.008 + draw.gamma(2, 0.2 / (1.5 + pages))), 9)
    share = np.where(pages <= 1, 1.0, np.where(draw.random(rows) < 0.5, 0.0, draw.beta(1.5, 1.2, rows)))
    session["ExitRates"] = exits
    session["BounceRates"] = np.minimum(exits, np.round(exits * share, 9))
    valued = draw.random(rows) < 0.7 * pages / (pages + 45)
    session["PageValues"] = np.where(valued, np.round(draw.gamma(0.9, 29, rows), 9), 0.0)
    return session


def _leave_out(draw: np.random.Generator, session: dict[str, np.ndarray], missing: float) -> None:
    """Put NaN, or code 0, in the place of some values of the columns in MASKED."""
    for name in MASKED:
        left_out = draw.random(len(session[name])) < missing
        session[name][left_out] = 0 if name in CODED else np.nan


def _frame(session: dict[str, np.ndarray], bought: np.ndarray, chance: np.ndarray) -> pd.DataFrame:
    """The columns in the order and style of the UCI file, then Probability."""
    truth = ("FALSE", "TRUE")
    codes = {name: pd.array(session[name], dtype="Int64") for name in CODED}
    for values in codes.values():
        values[values == 0] = pd.NA
    columns: dict[str, object] = {}
    for kind in KINDS:
        columns |= {kind: session[kind], f"{kind}_Duration": session[f"{kind}_Duration"]}
    columns |= {name: session[name] for name in ("BounceRates", "ExitRates", "PageValues", "SpecialDay")}
    columns |= {"Month": pd.Categorical.from_codes(session["Month"], MONTHS), **codes}
    columns |= {
        "VisitorType": pd.Categorical.from_codes(session["VisitorType"], VISITORS),
        "Weekend": pd.Categorical.from_codes(session["Weekend"], truth),
        "Revenue": pd.Categorical.from_codes(bought.astype(np.int8), truth),
        "Probability": chance,
    }
    return pd.DataFrame(columns)


def _pick(draw: np.random.Generator, shares: Sequence[float], rows: int) -> np.ndarray:
    """Indices drawn by `shares`, (rows,)."""
    return _pick_given(draw, np.array([shares]), np.zeros(rows, np.int64))


def _pick_given(draw: np.random.Generator, shares: np.ndarray, given: np.ndarray) -> np.ndarray:
    """Indices drawn by the line of `shares` that `given`, (rows,), names."""
    bounds = np.cumsum(shares, axis=1)
    bounds = bounds / bounds[:, -1:]
    return np.asarray((draw.random(len(given))[:, None] >= bounds[given]).sum(axis=1))


def _writer(path: Path, ending: str, schema: Any) -> Any:
    """A CSV or Parquet file that takes Arrow tables."""
    from pyarrow import csv, parquet

    if ending == ".parquet":
        return parquet.ParquetWriter(path, schema, compression="zstd")
    options = csv.WriteOptions(quoting_style="none", quoting_header="none")
    return csv.CSVWriter(path, schema, write_options=options)


if __name__ == "__main__":
    with one_line():
        main()
