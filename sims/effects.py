"""Hedges g, its bias correction and its sampling variance.

d = (mean difference) / (pooled SD), g = J d. Group sizes n1 and n2, df = n1 + n2 - 2,
n~ = n1 n2 / (n1 + n2).
"""

import math

from sims.kernels import kernel

# How the sampling variance of g is estimated; names as users type them.
VARIANCES = {"CMA": 0, "LS": 1, "UB": 2}


def exact_correction(df: float) -> float:
    """Exact J(df) = Gamma(df/2) / (sqrt(df/2) Gamma((df-1)/2)).

    Hedges 1981, eq. 6e, doi:10.3102/10769986006002107.
    """
    return math.exp(math.lgamma(df / 2.0) - math.lgamma((df - 1.0) / 2.0)) / math.sqrt(df / 2.0)


# Python calls the plain function: starting the compiler for it would take longer than it runs.
correction_exact = kernel(exact_correction)


@kernel
def correction_approximate(df):
    """J = 1 - 3 / (4 df - 1), as Comprehensive Meta-Analysis computes it."""
    return 1.0 - 3.0 / (4.0 * df - 1.0)


@kernel
def sampling_variance(n1, n2, variance):
    """(j, a, b): g = j d, and its estimated sampling variance is a + b g^2 (squared SDs).

    CMA: J^2 (1/n1 + 1/n2 + d^2 / (2 (n1 + n2))) with the approximate J, Borenstein et al. 2009,
    eqs. 4.20 and 4.24, doi:10.1002/9780470743386. LS: 1/n1 + 1/n2 + g^2 / (2 (n1 + n2)) with the
    exact J, the default of metafor. UB: unbiased, Hedges 1983, eq. 9,
    doi:10.1037/0033-2909.93.2.388.
    """
    total = n1 + n2
    df = total - 2.0
    sizes = 1.0 / n1 + 1.0 / n2
    if variance == 0:
        j = correction_approximate(df)
        return j, j * j * sizes, 1.0 / (2.0 * total)
    j = correction_exact(df)
    if variance == 1:
        return j, sizes, 1.0 / (2.0 * total)
    return j, sizes, 1.0 - (df - 2.0) / (df * j * j)


def exact_moments(delta: float, n1: int, n2: int, j: float | None = None) -> tuple[float, float]:
    """Mean and variance of g = j d at the true effect delta, from the noncentral t.

    Hedges 1981, doi:10.3102/10769986006002107: E d = delta / J,
    E d^2 = df / (df - 2) (1/n~ + delta^2). `j` is the correction used, exact if None.

    Raises
    ------
    ValueError : df <= 2, where the variance does not exist.
    """
    df = n1 + n2 - 2
    if df <= 2:
        raise ValueError("the variance of g exists from 5 animals in both groups together")
    exact = exact_correction(float(df))
    j = exact if j is None else j
    mean = j * delta / exact
    second = j * j * df / (df - 2.0) * ((n1 + n2) / (n1 * n2) + delta * delta)
    return mean, second - mean * mean
