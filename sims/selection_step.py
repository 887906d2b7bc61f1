"""The three-parameter selection model's likelihood, study by study, and a grid of starts.

Study i reports y_i ~ N(mu, s_i^2), s_i^2 = v_i + tau^2, and is significant where y_i exceeds
c_i = 1.96 sqrt(v_i): one-sided p of the normal test at most .025. That has probability S_i,
B_i = 1 - S_i; a study that is not significant is published with the relative probability w.

`sims.lanes.selection` has the same over lanes.
"""

import math
from typing import NamedTuple

import numpy as np

from sims.kernels import kernel

CUT = 1.959963984540054  # of y / sqrt(v): one-sided p .025
HALF_LOG_2PI = 0.9189385332046727
INV_SQRT_2PI = 0.3989422804014327
_SQRT_HALF = math.sqrt(0.5)
# The grid of starts: tau2 in variances of the effects, mu in their SDs about the pooled effect at
# that tau2, mostly downwards: selection only takes down. Newton's steps to the best weight, at the
# first point and at others, which begin with a neighbour's. A tau2 that is too large takes Newton's
# method twice the steps.
GRID_TAU2 = (0.0, 0.4)
GRID_MU = (0.2, -0.6, -1.6, -3.5)
FIRST_STEPS, NEXT_STEPS = 4, 1
# From the best points of that grid, four up to so many studies and two beyond, 2 of 10,000 sets of
# 3 to 12 selected studies miss a higher maximum that the finer grid finds; where variances differ a
# thousandfold, 20 of 10,000 sets of 4 and 2 of 10,000 sets of 9. Of 12 climbs from the finer grid
# and from each effect, other grids found nothing higher, but in 4 of 10,000 such sets of 4.
FEW, MOST_CLIMBS = 12, 4
FINE_TAU2 = (0.0, 0.02, 0.1, 0.4, 1.0)
FINE_MU = (0.9, 0.24, -0.41, -1.07, -1.72, -2.38, -3.03, -3.69, -4.34, -5.0)
FINE_CLIMBS = 12


@kernel
def n_climbs(k):
    """How many points of the coarse grid are climbed from."""
    return MOST_CLIMBS if k <= FEW else 2


class Slopes(NamedTuple):
    """Log-likelihood and its derivatives in (mu, tau2, log weight)."""

    value: float
    m: float
    t: float
    w: float
    mm: float
    mt: float
    tt: float
    mw: float
    tw: float
    ww: float


@kernel
def normal_upper(u):
    """P(Z > u) of a standard normal Z."""
    return 0.5 * math.erfc(u * _SQRT_HALF)


@kernel
def step_slopes(yi, vi, mu, tau2, log_weight):
    """Three-parameter model: sum log f(y) + [not significant] log w - log(S + w B).

    Hedges & Vevea 1996, doi:10.3102/10769986021004299, eq. 6, with one cut.
    """
    weight = math.exp(log_weight)
    a = 1.0 - weight
    value = 0.0
    m, t, w, mm, mt, tt, mw, tw, ww = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(yi)):
        s2 = vi[i] + tau2
        s, r = math.sqrt(s2), yi[i] - mu
        cut = CUT * math.sqrt(vi[i])
        u = (cut - mu) / s
        above, below = normal_upper(u), normal_upper(-u)
        density = INV_SQRT_2PI * math.exp(-0.5 * u * u)
        published = above + weight * below
        value -= HALF_LOG_2PI + 0.5 * math.log(s2) + 0.5 * r * r / s2 + math.log(published)
        if yi[i] < cut:
            value += log_weight
            w += 1.0
        # The normal part.
        m += r / s2
        t += 0.5 * (r * r / s2 - 1.0) / s2
        mm -= 1.0 / s2
        mt -= r / (s2 * s2)
        tt += (0.5 - r * r / s2) / (s2 * s2)
        # Derivatives of log(published): of `published` over it, then less their products.
        p = density / published
        pm, pt, pw = a * p / s, 0.5 * a * p * u / s2, weight * below / published
        m -= pm
        t -= pt
        w -= pw
        mm -= a * p * u / s2 - pm * pm
        mt -= 0.5 * a * p * (u * u - 1.0) / (s2 * s) - pm * pt
        tt -= 0.25 * a * p * u * (u * u - 3.0) / (s2 * s2) - pt * pt
        mw -= -weight * p / s - pm * pw
        tw -= -0.5 * weight * p * u / s2 - pt * pw
        ww -= pw - pw * pw
    return Slopes(value, m, t, w, mm, mt, tt, mw, tw, ww)


# Starts ------------------------------------------------------------------------------------


@kernel
def weight_factor(step):
    """exp(step) for a step of log w, -2 to 2, to 6%: a step that is a little off is a step too."""
    x = min(max(step, -2.0), 2.0)
    return (12.0 + x * (6.0 + x)) / (12.0 - x * (6.0 - x))


@kernel
def _best_weight(above, below, n_below, weight, n_steps):
    # The weight at which the likelihood is largest for given S_i and B_i; it is concave in log w.
    for _ in range(n_steps):
        total, curvature = 0.0, 0.0
        for i in range(len(above)):
            published = weight * below[i]
            share = published / (above[i] + published)
            total += share
            curvature += share * (1.0 - share)
        if curvature > 0.0:
            weight *= weight_factor((n_below - total) / curvature)
    return weight


@kernel
def _profile_weight(yi, vi, mu, tau2, near, n_steps):
    """Log-likelihood at a point, and the weight close to the best one there, from a near one."""
    k, n_below, value = len(yi), 0.0, 0.0
    above, below = np.empty(k), np.empty(k)
    for i in range(k):
        n_below += yi[i] < CUT * math.sqrt(vi[i])
        s2 = vi[i] + tau2
        s, r = math.sqrt(s2), yi[i] - mu
        value -= 0.5 * r * r / s2 + math.log(s)
        u = (CUT * math.sqrt(vi[i]) - mu) / s
        above[i], below[i] = normal_upper(u), normal_upper(-u)
    weight = _best_weight(above, below, n_below, near, n_steps)
    value += n_below * math.log(weight)
    for i in range(k):
        value -= math.log(above[i] + weight * below[i])
    return value, weight


@kernel
def step_starts(yi, vi, fixed, mean, spread, best):
    """The best points of the fine grid into best (n, 4): value, mu, tau2, best log weight there.

    fixed, mean: pooled effects at tau2 = 0 and at DerSimonian and Laird's; spread: SD of effects.
    """
    for row in range(len(FINE_TAU2)):
        tau2, weight = FINE_TAU2[row] * spread * spread, 1.0
        for column in range(len(FINE_MU)):
            mu = (fixed if row == 0 else mean) + spread * FINE_MU[column]
            value, weight = _profile_weight(yi, vi, mu, tau2, weight, FIRST_STEPS)
            keep_best(best, value, mu, tau2, math.log(weight))
    for i in range(len(yi)):
        value, weight = _profile_weight(yi, vi, yi[i], 0.0, 1.0, FIRST_STEPS)
        keep_best(best, value, yi[i], 0.0, math.log(weight))


@kernel
def keep_best(best, value, mu, tau2, log_weight):
    """Put a point among the best ones, (n, 4), the best first."""
    row = len(best) - 1
    if not value > best[row, 0]:
        return
    while row > 0 and value > best[row - 1, 0]:
        for which in range(4):
            best[row, which] = best[row - 1, which]
        row -= 1
    best[row, 0], best[row, 1], best[row, 2], best[row, 3] = value, mu, tau2, log_weight
