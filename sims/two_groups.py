"""Hedges g of studies from the means and standard deviations of their two groups."""

import math

import numpy as np

from sims.effects import VARIANCES, sampling_variance
from sims.kernels import entry


@entry
def fill_hedges_g(n1, mean1, sd1, n2, mean2, sd2, variance, yi, vi):
    """Fill yi, vi (k,): g = J (mean1 - mean2) / s and its sampling variance, squared SDs.

    s^2 = ((n1 - 1) sd1^2 + (n2 - 1) sd2^2) / (n1 + n2 - 2), Borenstein et al. 2009, eq. 4.19,
    doi:10.1002/9780470743386; J and the variance as `sims.effects.sampling_variance` has them.
    """
    for i in range(len(yi)):
        j, a, b = sampling_variance(n1[i], n2[i], variance)
        # Scaled by the larger SD: squares of tiny or huge units must not underflow or overflow.
        unit = max(sd1[i], sd2[i])
        u1, u2 = sd1[i] / unit, sd2[i] / unit
        pooled = ((n1[i] - 1.0) * u1 * u1 + (n2[i] - 1.0) * u2 * u2) / (n1[i] + n2[i] - 2.0)
        g = j * ((mean1[i] - mean2[i]) / unit) / math.sqrt(pooled)
        yi[i] = g
        vi[i] = a + b * g * g


def hedges_g(
    n1: np.ndarray, mean1: np.ndarray, sd1: np.ndarray,
    n2: np.ndarray, mean2: np.ndarray, sd2: np.ndarray,
    variance: str = "CMA",
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Hedges g and its sampling variance, each (k,); group 1 is the treated one.

    Parameters
    ----------
    n1, mean1, sd1, n2, mean2, sd2 : (k,) animals, means and standard deviations (above 0)
    variance : a name of `sims.effects.VARIANCES`
    """
    columns = [np.array(column, dtype=float) for column in (n1, mean1, sd1, n2, mean2, sd2)]
    yi, vi = np.empty(len(columns[0])), np.empty(len(columns[0]))
    fill_hedges_g(*columns, VARIANCES[variance], yi, vi)
    return yi, vi
