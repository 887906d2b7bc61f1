"""Performance measures, each with its Monte Carlo standard error.

Morris, White & Crowther 2019, doi:10.1002/sim.8086, table 6; means and ratios by the delta
method; intervals of proportions by Wilson 1927, doi:10.1080/01621459.1927.10502953.
"""

import math

from sims.types import Performance

Z95 = 1.959963984540054
_NAN = math.nan
# Chances that are means of chances known given the draws: no replicates are counted for them.
MEAN_CHANCES = ("pi_coverage", "type_s")
Moments = tuple[float, float, float, float]


def proportion(measure: str, n_hit: float, n_sim: int, n_failed: int = 0) -> Performance:
    """Share of `n_sim` replicates that were counted; NaN where there are none."""
    if n_sim == 0:
        return Performance(measure, _NAN, _NAN, _NAN, _NAN, 0, n_failed, 0)
    p = n_hit / n_sim
    mcse = math.sqrt(p * (1.0 - p) / n_sim)
    z2 = Z95 * Z95 / n_sim
    centre = (p + z2 / 2.0) / (1.0 + z2)
    half = Z95 * math.sqrt(p * (1.0 - p) / n_sim + z2 / (4.0 * n_sim)) / (1.0 + z2)
    low, high = max(0.0, centre - half), min(1.0, centre + half)
    return Performance(measure, p, mcse, low, high, n_sim, n_failed, int(n_hit))


def nothing(measure: str, n_sim: int) -> Performance:
    """A measure that does not exist for these replicates."""
    return Performance(measure, _NAN, _NAN, _NAN, _NAN, n_sim)


def mean(measure: str, total: float, total_sq: float, n_sim: int, n_failed: int = 0) -> Performance:
    """Mean of n_sim values, from their sum and sum of squares."""
    if n_sim < 2:
        return Performance(measure, _NAN, _NAN, _NAN, _NAN, n_sim, n_failed)
    value = total / n_sim
    variance = max(0.0, total_sq - n_sim * value * value) / (n_sim - 1)
    return _normal(measure, value, math.sqrt(variance / n_sim), n_sim, n_failed)


def mean_chance(
    measure: str, total: float, total_sq: float, n_sim: int, n_failed: int = 0
) -> Performance:
    """A chance as the mean of chances that are known given each replicate's draws.

    Conditional Monte Carlo: the same expectation as the share of replicates in which it happens,
    and never a larger variance (Asmussen & Glynn 2007, section V.4,
    doi:10.1007/978-0-387-69033-9). The MCSE is that of a mean; nothing is counted. Among n_sim
    replicates that count, such as the significant ones, it is that of the ratio of two means.
    """
    found = mean(measure, total, total_sq, n_sim, n_failed)
    return found._replace(ci_lb=max(0.0, found.ci_lb), ci_ub=min(1.0, found.ci_ub))


def ratio_of_means(
    measure: str, y: float, y_sq: float, x: float, x_sq: float, xy: float, n_sim: int
) -> Performance:
    """mean(y) / mean(x) from sums over n_sim replicates; MCSE by the delta method."""
    if n_sim < 2 or x <= 0.0:
        return Performance(measure, _NAN, _NAN, _NAN, _NAN, n_sim)
    value = y / x
    # Sum of squared residuals y - value x, whose sum is zero.
    residual = max(0.0, y_sq - 2.0 * value * xy + value * value * x_sq)
    mcse = math.sqrt(residual / (n_sim - 1) * n_sim) / x
    return _normal(measure, value, mcse, n_sim, 0)


def bias(measure: str, e: Moments, n_sim: int, n_failed: int = 0) -> Performance:
    """Mean error, from the sums of e, e^2, e^3, e^4 of the errors e = estimate - truth."""
    return mean(measure, e[0], e[1], n_sim, n_failed)


def emp_se(measure: str, e: Moments, n_sim: int, n_failed: int = 0) -> Performance:
    """Standard deviation of the estimates, from the same sums.

    var(s^2) is (m4 - m2^2) / n with central moments, to order 1 / n (O'Neill 2014,
    doi:10.1080/00031305.2014.966589, result 3), and the MCSE of s is its root over 2 s: nothing
    is assumed about the estimates, where the usual s / sqrt(2 (n - 1)) assumes normal ones.
    """
    if n_sim < 2:
        return nothing(measure, n_sim)._replace(n_failed=n_failed)
    m1, r2, r3, r4 = (total / n_sim for total in e)
    m2 = max(0.0, r2 - m1**2)
    m4 = max(0.0, r4 - 4.0 * m1 * r3 + 6.0 * m1**2 * r2 - 3.0 * m1**4)
    sd = math.sqrt(m2 * n_sim / (n_sim - 1))
    mcse = math.sqrt(max(0.0, m4 - m2**2) / n_sim) / (2.0 * sd) if sd > 0.0 else 0.0
    return _normal(measure, sd, mcse, n_sim, n_failed)


def rmse(measure: str, e: Moments, n_sim: int, n_failed: int = 0) -> Performance:
    """Root mean squared error, from the same sums.

    The MCSE of the mean of e^2 is that of any mean (Morris et al. 2019, table 6), and that of its
    root follows by the delta method: over 2 rmse.
    """
    if n_sim < 2:
        return nothing(measure, n_sim)._replace(n_failed=n_failed)
    mse = e[1] / n_sim
    root = math.sqrt(mse)
    variance = max(0.0, e[3] / n_sim - mse**2) / (n_sim - 1)
    return _normal(
        measure, root, math.sqrt(variance) / (2.0 * root) if root > 0.0 else 0.0, n_sim, n_failed
    )


def _normal(measure: str, value: float, mcse: float, n_sim: int, n_failed: int) -> Performance:
    half = Z95 * mcse
    return Performance(measure, value, mcse, value - half, value + half, n_sim, n_failed)
