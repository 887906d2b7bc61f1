"""Selection by significance as a likelihood: the three-parameter model and p-uniform*.

Both suppose what `sims.selection_step` says of a study, and are maximised by Newton's method with
analytic derivatives, from the best points of a grid.

On Hedges g neither is consistent: v_i depends on g. They recover the truth on data from their own
likelihood.
"""

import math

import numpy as np

from sims.kernels import kernel
from sims.pooling import moments, weighted_sums
from sims.selection_climbs import (
    ARRIVED,
    advance,
    begin,
    found_by,
    higher,
    near_data,
    nothing_found,
    on_the_hill,
)
from sims.selection_step import (
    CUT,
    FINE_CLIMBS,
    HALF_LOG_2PI,
    INV_SQRT_2PI,
    Slopes,
    keep_best,
    normal_upper,
    step_slopes,
    step_starts,
)
from sims.smallstudy import Corrected, failed

# Likelihoods -------------------------------------------------------------------------------


@kernel
def uniform_slopes(yi, vi, mu, tau2, log_weight):
    """p-uniform*: sum log f(y) - log(S or B, whichever side of the cut y is on).

    van Aert & van Assen 2023, doi:10.31222/osf.io/zqjr9, eq. 4; log_weight is not used.
    """
    value, m, t, mm, mt, tt = 0.0, 0.0, 0.0, 0.0, 0.0, 0.0
    for i in range(len(yi)):
        s2 = vi[i] + tau2
        s, r = math.sqrt(s2), yi[i] - mu
        cut = CUT * math.sqrt(vi[i])
        u = (cut - mu) / s
        sign = 1.0 if yi[i] >= cut else -1.0
        density = INV_SQRT_2PI * math.exp(-0.5 * u * u)
        log_side, p = _log_upper(sign * u, density)
        p *= sign
        value -= HALF_LOG_2PI + 0.5 * math.log(s2) + 0.5 * r * r / s2 + log_side
        pm, pt = p / s, 0.5 * p * u / s2
        m += r / s2 - pm
        t += 0.5 * (r * r / s2 - 1.0) / s2 - pt
        mm -= 1.0 / s2 + p * u / s2 - pm * pm
        mt -= r / (s2 * s2) + 0.5 * p * (u * u - 1.0) / (s2 * s) - pm * pt
        tt += (0.5 - r * r / s2) / (s2 * s2)
        tt -= 0.25 * p * u * (u * u - 3.0) / (s2 * s2) - pt * pt
    return Slopes(value, m, t, 0.0, mm, mt, tt, 0.0, 0.0, -1.0)


@kernel
def _log_upper(x, density):
    """log P(Z > x) and density / P(Z > x); far out by the continued fraction."""
    if x < 25.0:
        tail = normal_upper(x)
        return math.log(tail), density / tail
    ratio = x + 1.0 / (x + 2.0 / (x + 3.0 / (x + 4.0 / x)))
    return -0.5 * x * x - HALF_LOG_2PI - math.log(ratio), ratio


@kernel
def _slopes(yi, vi, mu, tau2, log_weight, steps):
    if steps:
        return step_slopes(yi, vi, mu, tau2, log_weight)
    return uniform_slopes(yi, vi, mu, tau2, log_weight)


# Maximisation ------------------------------------------------------------------------------


@kernel
def _climbed(yi, vi, mu, tau2, log_weight, steps, fixed_mu, before):
    # steps: the three-parameter model, else p-uniform*; fixed_mu: mu stays where it is; before: a
    # maximum that need not be found again.
    climb = begin(mu, tau2, log_weight)
    while climb.status < ARRIVED:
        new = _slopes(yi, vi, climb.next_mu, climb.next_tau2, climb.next_log_weight, steps)
        climb = advance(climb, new, not fixed_mu, steps)
        if on_the_hill(climb, before):
            return before
    return found_by(climb)


@kernel
def _spread(yi, vi):
    """Mean effect, variance between studies, and the SD of the effects about it."""
    tau2, _ = moments(yi, vi)
    mean = weighted_sums(yi, vi, tau2).mu
    total = 0.0
    for i in range(len(yi)):
        total += (yi[i] - mean) ** 2
    return mean, tau2, math.sqrt(max(total / len(yi), 0.25 * vi.min()))


@kernel
def _uniform_starts(yi, vi, mean, tau2, spread, best):
    # As `step_starts`, for p-uniform*: tau2 from 0 to several times the variance of the effects.
    for at in (0.0, tau2, spread * spread, 3.0 * spread * spread):
        for column in range(6):
            mu, value = mean + spread * (0.5 - 0.5 * column - 0.1 * column * column), 0.0
            for i in range(len(yi)):
                s2 = vi[i] + at
                s, r = math.sqrt(s2), yi[i] - mu
                u = (CUT * math.sqrt(vi[i]) - mu) / s
                side, _ = _log_upper(u if r >= u * s else -u, 0.0)
                value -= 0.5 * math.log(s2) + 0.5 * r * r / s2 + side
            keep_best(best, value, mu, at, 0.0)


@kernel
def maximise(yi, vi, steps):
    """The highest of the maxima climbed from the best points of a grid of (mu, tau2).

    steps: the three-parameter model, whose weight is the best one at each point; else p-uniform*.
    """
    mean, tau2, spread = _spread(yi, vi)
    best = np.full((FINE_CLIMBS if steps else 2, 4), -math.inf)
    if steps:
        step_starts(yi, vi, weighted_sums(yi, vi, 0.0).mu, mean, spread, best)
    else:
        _uniform_starts(yi, vi, mean, tau2, spread, best)
    found = nothing_found()
    for row in range(len(best)):
        other = _climbed(yi, vi, best[row, 1], best[row, 2], best[row, 3], steps, False, found)
        found = higher(found, other)
    return near_data(found, mean, spread)


# Estimates ---------------------------------------------------------------------------------


@kernel
def information(found):
    """Observed variances of mu, tau2 and the weight (not its log) at a maximum.

    tau2 at 0 is taken as known there, and its variance is NaN: the likelihood still falls with
    tau2, so its curvature in tau2 is no information (of sets of 9 studies that give 0, half have
    no maximum there). metafor's selmodel does the same wherever its search arrives at 0: its
    likelihood is flat below 0, which makes the numerical curvature as good as infinite; where it
    stops short of 0, its standard errors are noise or missing. weightr takes the curvature as it
    is: intervals at 0 are up to twice as wide, and cover the mean in 1 to 3 points more.
    """
    at, weight = found.at, math.exp(found.log_weight)
    # At the maximum the slope in log w is 0: second derivatives change by powers of w only.
    a, b, c = -at.mm, -at.mt, -at.mw / weight
    d, e, f = -at.tt, -at.tw / weight, -at.ww / (weight * weight)
    if found.tau2 == 0.0:
        det = a * f - c * c
        return f / det, math.nan, a / det
    det = a * (d * f - e * e) - b * (b * f - c * e) + c * (b * e - c * d)
    return (d * f - e * e) / det, (a * f - c * c) / det, (a * d - b * b) / det


@kernel
def profile(yi, vi, mu, start):
    """Log-likelihood of p-uniform* at a given mu, largest over tau2; climbed from two starts."""
    first = _climbed(yi, vi, mu, start, 0.0, False, True, nothing_found())
    second = _climbed(yi, vi, mu, 0.0, 0.0, False, True, nothing_found())
    return max(first.value, second.value)


@kernel
def signed_root(yi, vi, found, mu):
    """Signed root of the likelihood ratio of p-uniform* against a mean of mu; about N(0, 1)."""
    start = found.tau2 + 0.5 * (found.mu - mu) ** 2
    drop = found.value - profile(yi, vi, mu, start)
    root = math.sqrt(max(0.0, 2.0 * drop))
    return root if found.mu >= mu else -root


@kernel
def by_likelihood(yi, vi, truth, steps):
    """The three-parameter model (steps) or p-uniform*, by maximum likelihood.

    The model's standard errors come from the observed information; it is not estimated unless both
    sides of the cut have studies. p-uniform* has likelihood-ratio tests (van Aert & van Assen
    2023, doi:10.31222/osf.io/zqjr9).
    """
    k, n_below = len(yi), 0
    for i in range(k):
        n_below += yi[i] < CUT * math.sqrt(vi[i])
    if k < 3 or (steps and (n_below == 0 or n_below == k)):
        return failed()
    found = maximise(yi, vi, steps)
    if found.ok == 0.0:
        return failed()
    nan = math.nan
    if not steps:
        return Corrected(
            found.mu, nan, signed_root(yi, vi, found, 0.0), signed_root(yi, vi, found, truth),
            1.0, found.tau2, nan, nan, found.value,
        )  # fmt: skip
    return step_estimate(found, truth)


@kernel
def step_estimate(found, truth):
    """The three-parameter model's estimate at its maximum."""
    if found.ok == 0.0:
        return failed()
    variance, _, of_weight = information(found)
    if not variance > 0.0:
        return failed()
    se = math.sqrt(variance)
    return Corrected(
        found.mu, se, found.mu / se, (found.mu - truth) / se, 1.0, found.tau2,
        math.exp(found.log_weight), math.sqrt(max(0.0, of_weight)), found.value,
    )  # fmt: skip
