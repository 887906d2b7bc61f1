"""The decay across studies: a meta-regression of effects on the delay of their test."""

import math
from typing import NamedTuple

import numpy as np

from sims.decay_syntheses import draw_studies
from sims.engine import run_tally
from sims.exact import t_quantile
from sims.kernels import entry, kernel
from sims.streams import draw_uniform, open_stream, scenario_key, stream_key
from sims.syntheses import effect
from sims.types import Studies


class Slope(NamedTuple):
    """A meta-regression's slope, its Knapp-Hartung standard error, and tau^2."""

    slope: float
    se: float
    tau2: float


@kernel
def _weighted_line(x, y, v, tau2):
    # Sums of weights, of x and of y about their weighted means, and the slope.
    k = x.shape[0]
    w_sum, wx, wy = 0.0, 0.0, 0.0
    for i in range(k):
        w = 1.0 / (v[i] + tau2)
        w_sum += w
        wx += w * x[i]
        wy += w * y[i]
    centre_x, centre_y = wx / w_sum, wy / w_sum
    sxx, sxy = 0.0, 0.0
    for i in range(k):
        w = 1.0 / (v[i] + tau2)
        sxx += w * (x[i] - centre_x) ** 2
        sxy += w * (x[i] - centre_x) * (y[i] - centre_y)
    slope = sxy / sxx
    misfit = 0.0
    for i in range(k):
        away = y[i] - centre_y - slope * (x[i] - centre_x)
        misfit += away * away / (v[i] + tau2)
    return w_sum, centre_x, sxx, slope, misfit


@kernel
def regress(x, y, v):
    """Mixed-effects meta-regression on one moderator, DerSimonian-Laird tau^2.

    Equal to metafor's rma(y, v, mods = ~x, method = "DL", test = "knha"): Knapp & Hartung 2003,
    doi:10.1002/sim.1482. x, y, v: (k,), k >= 3.
    """
    k = x.shape[0]
    w_sum, centre, sxx, slope, misfit = _weighted_line(x, y, v, 0.0)
    # trace of P: the weights less what two estimated coefficients take.
    squares, squares_x = 0.0, 0.0
    for i in range(k):
        w2 = 1.0 / (v[i] * v[i])
        squares += w2
        squares_x += w2 * (x[i] - centre) ** 2
    trace = w_sum - squares / w_sum - squares_x / sxx
    tau2 = max(0.0, (misfit - (k - 2.0)) / trace)
    _, _, sxx, slope, misfit = _weighted_line(x, y, v, tau2)
    return Slope(slope, math.sqrt(misfit / (k - 2.0) / sxx), tau2)


@entry
def tally_regressions(
    seed, scenario, first, count, mu, tau, curves, delays, studies, critical, memory, out
):
    """Add to `out` (2,) how many slopes of replicates are significantly negative, positive.

    mu, tau: (J,) equally likely truths; curves: (J, k) share of the effect at each delay (k,).
    """
    key = stream_key(seed, scenario)
    rows, size, common = memory
    terms = studies.terms
    for r in range(count):
        state = open_stream(key, np.uint64(first + r))
        u, state = draw_uniform(state)
        j = int(u * mu.shape[0])
        draw_studies(state, tau[j], studies, common, rows[0], rows[1], rows[2], size)
        for i in range(delays.shape[0]):
            deviation = curves[j, i] * (mu[j] + rows[0, i]) - mu[j] + rows[1, i]
            a, b = terms[size[i], 1], terms[size[i], 2]
            rows[4, i], rows[5, i] = effect(mu[j], deviation, rows[2, i], a, b)
        x = regress(delays, rows[4], rows[5])
        out[0] += 1.0 if x.slope < -critical * x.se else 0.0
        out[1] += 1.0 if x.slope > critical * x.se else 0.0


def regression_counts(
    studies: Studies,
    mu: np.ndarray,
    tau: np.ndarray,
    curves: np.ndarray,
    delays: np.ndarray,
    tail: float,
    n_sim: int,
    seed: int,
) -> np.ndarray:
    """How many of n_sim simulated reviews find a falling, and a rising effect; t on k - 2."""
    from sims.decay_syntheses import new_memory

    delays = np.array(delays, dtype=float)
    critical = float(t_quantile(tail, len(delays) - 2.0))
    arrays = tuple(np.array(x, dtype=float, order="C") for x in (mu, tau, curves))
    key = scenario_key("regression")

    def tally(first: int, count: int, out: np.ndarray) -> None:
        tally_regressions(
            np.uint64(seed), key, first, count, *arrays, delays, studies, critical,
            new_memory(studies), out,
        )  # fmt: skip

    return run_tally(tally, n_sim, (2,))
