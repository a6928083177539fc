"""How many rows it takes to tell a difference from none."""

import math

POWER = 0.8
SIGNIFICANCE = 0.05


def rows_needed(difference: float, error: float, rows: int) -> int | None:
    """Rows on which a two-sided 5 % test would find this difference in 80 % of the cases.

    With the standard error s on n rows, which falls as 1 / sqrt(n), that is n ((z_0.975 + z_0.8) s / d)^2: the basic
    equation of J. M. Lachin, Introduction to sample size determination and power analysis for clinical trials,
    Controlled Clinical Trials 2, 1981. It takes the observed difference for the true one.

    Returns:
        None where no number is known: the difference is zero, or it has no error.
    """
    from scipy import stats

    if not difference or not error or not math.isfinite(difference / error):
        return None
    quantiles: float = stats.norm.ppf(1 - SIGNIFICANCE / 2) + stats.norm.ppf(POWER)
    return math.ceil(rows * (quantiles * error / abs(difference)) ** 2)
