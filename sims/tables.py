"""Smooth functions of one number as piecewise polynomials, for kernels."""

from collections.abc import Callable

import numpy as np

from sims.kernels import kernel

DEGREE = 6


def fit_table(
    function: Callable[[np.ndarray], np.ndarray], low: float, high: float, intervals: int
) -> np.ndarray:
    """Coefficients of a function on equal intervals of [low, high], lowest power first.

    Interpolation at Chebyshev nodes in u = 0..1 of each interval.

    Returns
    -------
    (intervals, DEGREE + 1) float64, read-only
    """
    nodes = 0.5 - 0.5 * np.cos(np.pi * (np.arange(DEGREE + 1) + 0.5) / (DEGREE + 1))
    step = (high - low) / intervals
    values = function(low + (np.arange(intervals)[:, None] + nodes) * step)
    powers = nodes[:, None] ** np.arange(DEGREE + 1)
    table = np.ascontiguousarray(np.linalg.solve(powers[None], values[:, :, None])[:, :, 0])
    table.setflags(write=False)
    return table


@kernel
def evaluate(tables, which, position):
    """Value of table number `which` at a position counted in intervals from its low end."""
    interval = int(position)
    u = position - interval
    value = tables[which, interval, DEGREE]
    for power in range(DEGREE - 1, -1, -1):
        value = value * u + tables[which, interval, power]
    return value
