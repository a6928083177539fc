"""Differences that may be looked at every day: the chance that a false one ever shows is at most 5 %.

An interval for one look is not: who looks at it every day finds a difference between equal versions sooner or later.
This is the normal mixture of H. Robbins, Annals of Mathematical Statistics 41, 1970, for estimates with a standard
error s from n rows. With x = r n,

    P(for any n: |estimate - truth| > s sqrt((1 + x) / x (2 ln(1 / a) + ln(1 + x)))) <= a

It is the mixture SPRT of Johari, Koomen, Pekelis and Walsh, Operations Research 70, 2022, and, for an error that is
estimated too, the asymptotic confidence sequence of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas, Annals of
Statistics 52, 2024: it holds from FEWEST rows on. r makes it narrowest at BEST rows (their equation 24).
"""

import math
from bisect import bisect_left

from stemma.metrics.power import POWER, SIGNIFICANCE

FEWEST = 100  # rows of each version; of several by one caller, callers
BEST = 10_000
SOON = 1_000  # in its place, where outcomes of a week, or of a young version, are judged
MISMATCH = 0.01  # of a split that is as it was meant
TWICE = -2 * math.log(SIGNIFICANCE)
SPREAD = (TWICE + math.log(1 + TWICE)) / BEST  # r
LONGEST = 10**12  # rows


def rows_of(a: int, b: int) -> float:
    """Rows that tell as much as these if both versions had half of them."""
    return 4 / (1 / a + 1 / b)


def reach(rows: float) -> float:
    """How many standard errors the interval reaches to each side."""
    x = SPREAD * rows
    return math.sqrt((1 + x) / x * (TWICE + math.log1p(x)))


def p(statistic: float, rows: float, best: int = BEST) -> float:
    """One over the mixture's likelihood ratio, for an estimate over its standard error: below 0.05 just where the
    interval leaves zero out."""
    x = SPREAD * rows * BEST / best
    return math.exp(min(0.0, math.log1p(x) / 2 - statistic**2 * x / (2 * (1 + x))))


def rows_needed(difference: float, error: float, rows: float) -> int | None:
    """Rows at which this difference would have shown in about 80 % of the cases; None where no number is known."""
    from scipy import stats

    if not difference or not error or not math.isfinite(difference / error):
        return None
    extra, wanted = float(stats.norm.ppf(POWER)), abs(difference) / error

    def shows(more: float) -> bool:
        return (reach(more) + extra) * math.sqrt(rows / more) <= wanted

    found = bisect_left(range(LONGEST), True, lo=1, key=shows)
    return None if found == LONGEST else found


def mismatch(a: int, b: int, share: float) -> float:
    """Chance that a split ever looks so unlike the one that was meant, however often one looks.

    One over the Bayes factor of Lindon and Malek, Anytime-valid inference for multinomial count data, NeurIPS 2022,
    with a uniform distribution of shares as the alternative.

    Args:
        share: of b, as it was meant.
    """
    from scipy.special import betaln

    meant = a * math.log1p(-share) + b * math.log(share)
    return math.exp(min(0.0, meant - float(betaln(a + 1, b + 1))))


def exceeds(count: int, rows: int, bound: float) -> float:
    """Chance that so many of the rows ever are what at most a share of them is, however often one looks.

    One over the likelihood ratio of Robbins (1970), with a uniform distribution of the shares above the bound.

    Args:
        bound: between 0 and 1.
    """
    from scipy import special, stats

    of = count + 1, rows - count + 1
    larger = float(special.betaln(*of)) + float(stats.beta.logsf(bound, *of)) - math.log1p(-bound)
    return math.exp(min(0.0, count * math.log(bound) + (rows - count) * math.log1p(-bound) - larger))
