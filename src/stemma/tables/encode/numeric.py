"""Numbers and truth values, imputed and brought to a common scale; all columns at once, as a matrix.

    standard    (x - mean) / deviation
    robust      z = (x - median) / (IQR / 1.349), then z / sqrt(1 + (z / 3)^2): nearly z near 0, never beyond 3
    quantile    the normal score of the share of training rows below x, between knots by straight lines
    flag        0 or 1 as it is

The second is the robust scaling and smooth clipping of Holzmueller, Grinsztajn and Steinwart, Better by Default:
Strong Pre-Tuned MLPs and Boosted Trees on Tabular Data, NeurIPS 2024, with the IQR in the unit of a normal deviation;
where the IQR is 0, the standard deviation stands for it. In the third, equal rows count half as below, and the score of
a share p is the inverse of the normal distribution function at p, as in scikit-learn's QuantileTransformer; the knots
lie at equal steps of the score, so that the tails have some too.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from stemma.tables.encode.graph import Graph, Part
from stemma.tables.settings import PrepareSettings

FLAG = "flag"
LARGEST = 1e30  # more counts as this, so that differences stay finite in float32
SMALLEST = 1e-30  # a smaller spread has no reciprocal in float32; such a column counts as constant
FARTHEST = 1e6  # deviations from the centre, at most; no training row of a table that fits a disk is as far
BEND = 3.0  # of the smooth clip
IQR = 1.3489795003921634  # of the standard normal distribution
KNOTS = 256  # at equal steps of the normal score
HEAVY = 0.01  # a value of this share of the rows gets a knot on either side of its own
SKEW, KURTOSIS = 1.0, 6.0  # what auto takes for nearly normal, at most; a normal column has 0 and 3


@dataclass(frozen=True)
class Numeric:
    """What the training rows told of one column."""

    name: str
    treatment: str  # standard, robust, quantile or flag
    fill: float  # stands for a missing value
    indicator: bool  # whether some are missing and others are not, and one number is to say so
    center: float = 0.0  # of standard and robust: (x - center) * scale
    scale: float = 0.0
    # of quantile: x ascending and scores, each (knots,) float32
    knots: tuple[NDArray[np.float32], NDArray[np.float32]] | None = None


def learn(name: str, values: NDArray[np.float32], settings: PrepareSettings) -> Numeric:
    """Fit one column of numbers to the values that it has; constant and empty columns become 0.

    Args:
        values: (rows,), NaN is missing.
    """
    present = _present(values)
    if not len(present):
        return Numeric(name, "standard", 0.0, False)
    indicator = settings.indicator and len(present) < len(values)
    mean = float(present.mean(dtype=np.float64))
    fill = _quantile(present, 0.5) if settings.impute == "median" else mean
    if float(present[-1]) - float(present[0]) < SMALLEST:
        return Numeric(name, "standard", fill, indicator)
    deviation = max(float(present.std(dtype=np.float64)), SMALLEST)
    treatment = _choice(present, mean, deviation) if settings.numeric == "auto" else settings.numeric
    if treatment == "standard":
        return Numeric(name, treatment, fill, indicator, mean, 1 / deviation)
    if treatment == "robust":
        spread = (_quantile(present, 0.75) - _quantile(present, 0.25)) / IQR
        scale = 1 / (spread if spread >= SMALLEST else deviation)
        return Numeric(name, treatment, fill, indicator, _quantile(present, 0.5), scale)
    return Numeric(name, treatment, fill, indicator, knots=normal_scores(present))


def learn_flag(name: str, values: NDArray[np.float32], settings: PrepareSettings) -> Numeric:
    """Fit one column of 0, 1 and NaN: the more frequent one stands for a missing value."""
    ones, rows = int((values == 1).sum()), int((~np.isnan(values)).sum())
    return Numeric(name, FLAG, float(2 * ones > rows), settings.indicator and 0 < rows < len(values))


def normal_scores(present: NDArray[np.float32]) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """The knots of `quantile`: some of the values, ascending, and the normal score of each.

    Args:
        present: ascending, of at least two different values.
    """
    from scipy.special import ndtr, ndtri

    rows = len(present)
    farthest = -ndtri(0.5 / rows)
    shares = ndtr(np.linspace(-farthest, farthest, KNOTS))
    at = np.unique(present[np.round(shares * rows - 0.5).astype(np.int64)])
    below, above = np.searchsorted(present, at, "left"), np.searchsorted(present, at, "right")
    heavy = above - below >= HEAVY * rows
    beside = np.concatenate([below[heavy] - 1, above[heavy]])
    at = np.unique(np.concatenate([at, present[beside[(beside >= 0) & (beside < rows)]]]))
    at = at[np.diff(at.astype(np.float64), prepend=-np.inf) >= SMALLEST]
    middle = (np.searchsorted(present, at, "left") + np.searchsorted(present, at, "right")) / 2
    return at, ndtri(middle / rows).astype(np.float32)


def parts(graph: Graph, columns: Sequence[Numeric]) -> list[Part]:
    """The nodes of all columns: for each treatment one part, then one for the indicators."""
    if not columns:
        return []
    ways = [way for way in TREATMENTS if any(each.treatment == way for each in columns)]
    columns = sorted(columns, key=lambda each: ways.index(each.treatment))
    groups = {way: [each for each in columns if each.treatment == way] for way in ways}
    values = graph.joined([each.name for each in columns])
    missing = graph.node("IsNaN", values)
    filled = graph.node("Where", missing, _row(graph, [each.fill for each in columns]), values)
    inside = graph.node("Clip", filled, graph.constant(-LARGEST), graph.constant(LARGEST))
    found = []
    for (way, group), piece in zip(groups.items(), _split(graph, inside, groups), strict=True):
        kind = "binary" if way == FLAG else "numeric"
        found.append(
            Part.of(TREATMENTS[way](graph, piece, group), kind, [each.name for each in group], [1] * len(group))
        )
    places = [place for place, each in enumerate(columns) if each.indicator]
    if places:
        flags = graph.float32(graph.node("Gather", missing, graph.constant(places, np.int64), axis=1))
        found.append(Part.of(flags, "binary", [columns[place].name for place in places], [1] * len(places)))
    return found


def _present(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """The values that are there, ascending; -0 is 0, for a sort leaves the two in any order."""
    present = np.sort(np.clip(values[~np.isnan(values)], -LARGEST, LARGEST))
    present += np.float32(0)
    return present


def _quantile(present: NDArray[np.float32], share: float) -> float:
    """Of ascending values, by the straight line between two of them."""
    place = share * (len(present) - 1)
    low = int(place)
    high = min(low + 1, len(present) - 1)
    return float(present[low]) + (place - low) * (float(present[high]) - float(present[low]))


def _choice(present: NDArray[np.float32], mean: float, deviation: float) -> str:
    """What auto does with a column: nearly normal ones are only scaled."""
    z = (present.astype(np.float64) - mean) / deviation
    square = z * z
    nearly = abs(float((square * z).mean())) <= SKEW and float((square * square).mean()) <= KURTOSIS
    return "standard" if nearly else "quantile"


def _split(graph: Graph, values: str, groups: dict[str, list[Numeric]]) -> list[str]:
    if len(groups) == 1:
        return [values]
    widths = graph.constant([len(group) for group in groups.values()], np.int64)
    return graph.nodes("Split", values, widths, outputs=len(groups), axis=1)


def _standard(graph: Graph, x: str, columns: Sequence[Numeric]) -> str:
    centered = graph.node("Sub", x, _row(graph, [each.center for each in columns]))
    z = graph.node("Mul", centered, _row(graph, [each.scale for each in columns]))
    return graph.node("Clip", z, graph.constant(-FARTHEST), graph.constant(FARTHEST))


def _robust(graph: Graph, x: str, columns: Sequence[Numeric]) -> str:
    z = _standard(graph, x, columns)
    bent = graph.node("Mul", z, graph.constant(1 / BEND))
    below = graph.node("Add", graph.node("Mul", bent, bent), graph.constant(1))
    return graph.node("Div", z, graph.node("Sqrt", below))


def _quantiles(graph: Graph, x: str, columns: Sequence[Numeric]) -> str:
    """score = scores[i] + (x - knots[i]) * slopes[i], with knots[i] the last knot that is not above x.

    The tables of all columns stand in one, each filled up to the same size with knots that no value reaches; i is found
    for all values at once by halving.
    """
    curves = [each.knots for each in columns if each.knots is not None]  # all of them
    size = 1 << (max(len(curve[0]) for curve in curves) - 1).bit_length()
    tables = [_tables(*curve, size) for curve in curves]
    knots, scores, slopes = (graph.constant(np.concatenate(table)) for table in zip(*tables, strict=True))
    low, high = (_row(graph, [curve[0][end] for curve in curves]) for end in (0, -1))
    x = graph.node("Min", graph.node("Max", x, low), high)
    place = graph.constant(np.arange(len(columns))[np.newaxis] * size, np.int32)
    step = size // 2
    while step:
        further = graph.node("Add", place, graph.constant(step, np.int32))
        reached = graph.node("GreaterOrEqual", x, graph.node("Gather", knots, further))
        place = graph.node("Where", reached, further, place)
        step //= 2
    beyond = graph.node("Sub", x, graph.node("Gather", knots, place))
    rise = graph.node("Mul", beyond, graph.node("Gather", slopes, place))
    return graph.node("Add", graph.node("Gather", scores, place), rise)


def _tables(knots: NDArray[np.float32], scores: NDArray[np.float32], size: int) -> tuple[NDArray[np.float32], ...]:
    """Knots, scores and slopes, each (size,); the last knot has slope 0, and those that fill up are never reached."""
    slopes = np.diff(scores.astype(np.float64)) / np.diff(knots.astype(np.float64))
    table = np.full((3, size), np.inf, np.float32)
    table[1:] = 0
    table[0, : len(knots)], table[1, : len(knots)], table[2, : len(slopes)] = knots, scores, slopes
    return tuple(table)


def _row(graph: Graph, values: Sequence[float]) -> str:
    return graph.constant([values])


TREATMENTS: dict[str, Callable[[Graph, str, Sequence[Numeric]], str]] = {
    "standard": _standard,
    "robust": _robust,
    "quantile": _quantiles,
    FLAG: lambda graph, x, columns: x,  # as it is
}
