"""Sizes of errors, counted in bins: their median is not moved by a few runaway estimates."""

import math

import numpy as np

from sims.performance import Z95
from sims.types import Performance

# Bins of |estimate - truth| in SDs, each 5.5% wider than the one before; two for what is beyond.
EDGES = np.concatenate([[0.0], np.geomspace(1e-3, 1e3, 261), [np.inf]])


def binned(errors: np.ndarray) -> np.ndarray:
    """How many errors are of which size: counts by the bins of `EDGES`."""
    return np.histogram(np.abs(errors), EDGES)[0]


def median_size(measure: str, counts: np.ndarray, n_failed: int = 0) -> Performance:
    """Median of |error| from counts by bin, with the order statistics about it.

    The ranks n / 2 -+ z sqrt(n) / 2 hold the median with 95% (binomial: Conover 1999, Practical
    Nonparametric Statistics, 3.2); half their distance over z is the MCSE. Within a bin sizes are
    taken as equally likely, which is less than 1% off.
    """
    n = int(counts.sum())
    if n < 2:
        return Performance(measure, math.nan, math.nan, math.nan, math.nan, n, n_failed)
    reach = 0.5 * Z95 / math.sqrt(n)
    upto = np.concatenate([[0.0], np.cumsum(counts)]) / n
    ends = np.minimum(EDGES, 2.0 * EDGES[-2])
    lower, value, upper = (
        _quantile(min(1.0, max(0.0, p)), upto, ends) for p in (0.5 - reach, 0.5, 0.5 + reach)
    )
    return Performance(measure, value, (upper - lower) / (2.0 * Z95), lower, upper, n, n_failed)


def _quantile(p: float, upto: np.ndarray, ends: np.ndarray) -> float:
    at = min(int(np.searchsorted(upto, p, side="left")), len(upto) - 1)
    if at == 0:
        return float(ends[0])
    share = (p - upto[at - 1]) / (upto[at] - upto[at - 1])
    return float(ends[at - 1] + share * (ends[at] - ends[at - 1]))
