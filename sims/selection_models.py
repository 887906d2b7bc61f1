"""Selection by significance as a likelihood: the three-parameter model and p-uniform*.

Both suppose what `sims.selection_step` says of a study, and are maximised by Newton's method with
analytic derivatives, from the best points of a grid.

On Hedges g neither is consistent: v_i depends on g. They recover the truth on data from their own
likelihood.
"""

import math
from typing import NamedTuple

import numpy as np

from sims.kernels import kernel
from sims.pooling import moments, weighted_sums
from sims.selection_step import (
    CUT,
    HALF_LOG_2PI,
    INV_SQRT_2PI,
    Slopes,
    keep_best,
    normal_upper,
    step_slopes,
    step_starts,
)
from sims.smallstudy import Corrected, failed

_MAX_STEPS = 100
_MAX_HALVINGS = 40
# What a step promises, twice: the last step is taken without another look, its error is this small
# again; and less than the rounding of a log-likelihood, relative to it.
_LAST = 1e-12
_ROUNDING = 1e-11
# Squared distance, in standard errors, of a climb from a maximum on whose hill it is: of 70,000
# sets of 5 selected studies none had a higher maximum so near (at 0.1, 11 had).
_SAME_HILL = 0.003
# Estimates further out than this many spreads of the data have run away.
_FURTHEST = 20.0


class Maximum(NamedTuple):
    """Where a likelihood is largest: parameters, value, derivatives there; ok 1.0 if converged."""

    mu: float
    tau2: float
    log_weight: float
    value: float
    at: Slopes
    ok: float


class Climb(NamedTuple):
    """A climb on its way: where it stands, its slopes there, and where to look next.

    gain: what the next step promises, twice; damping: of the next step; steps: taken; halvings:
    of this step; status: one of STARTED, GOING, ARRIVED, LOST.
    """

    mu: float
    tau2: float
    log_weight: float
    at: Slopes
    next_mu: float
    next_tau2: float
    next_log_weight: float
    gain: float
    damping: float
    steps: float
    halvings: float
    status: float


STARTED, GOING, ARRIVED, LOST = 0.0, 1.0, 2.0, 3.0


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
def _solve(at, free_mu, free_t, free_w, damping):
    """Newton's step of the free parameters with -H + damping diag|H|; and whether that is > 0.

    Cholesky of the 3 x 3 matrix; a parameter that is not free has a unit row.
    """
    a = -at.mm + damping * abs(at.mm) if free_mu else 1.0
    d = -at.tt + damping * abs(at.tt) if free_t else 1.0
    f = -at.ww + damping * abs(at.ww) if free_w else 1.0
    b = -at.mt if free_mu and free_t else 0.0
    c = -at.mw if free_mu and free_w else 0.0
    e = -at.tw if free_t and free_w else 0.0
    g1 = at.m if free_mu else 0.0
    g2 = at.t if free_t else 0.0
    g3 = at.w if free_w else 0.0
    if not a > 0.0:
        return 0.0, 0.0, 0.0, False
    l21, l31 = b / a, c / a
    d2 = d - l21 * b
    if not d2 > 1e-12 * abs(d):
        return 0.0, 0.0, 0.0, False
    l32 = (e - l31 * b) / d2
    d3 = f - l31 * c - l32 * (e - l31 * b)
    if not d3 > 1e-12 * abs(f):
        return 0.0, 0.0, 0.0, False
    z1 = g1
    z2 = g2 - l21 * z1
    z3 = g3 - l31 * z1 - l32 * z2
    x3 = z3 / d3
    x2 = z2 / d2 - l32 * x3
    return z1 / a - l21 * x2 - l31 * x3, x2, x3, True


@kernel
def begin(mu, tau2, log_weight):
    """A climb from a start; the slopes there are looked at first."""
    nan = math.nan
    nowhere = Slopes(nan, nan, nan, nan, nan, nan, nan, nan, nan, nan)
    return Climb(
        mu, tau2, log_weight, nowhere, mu, tau2, log_weight, nan, 0.0, 0.0, 0.0, STARTED
    )  # fmt: skip


@kernel
def _higher_by(at, gain):
    return Slopes(
        at.value + gain, at.m, at.t, at.w, at.mm, at.mt, at.tt, at.mw, at.tw, at.ww
    )  # fmt: skip


@kernel
def _arrive(mu, tau2, log_weight, at, free_mu, free_w):
    # A climb that has come to the end of a slope: at a maximum if its curvature says so.
    _, _, _, positive = _solve(at, free_mu, tau2 > 0.0, free_w, 0.0)
    status = ARRIVED if positive else LOST
    return Climb(mu, tau2, log_weight, at, mu, tau2, log_weight, 0.0, 0.0, 0.0, 0.0, status)


@kernel
def advance(climb, new, free_mu, free_w):
    """A climb by Newton's method after a look at its next point, whose slopes are `new`.

    tau2 >= 0; the climb never goes down. Where the curvature is not that of a maximum, or a step
    does not go up, the step is damped (Levenberg 1944, doi:10.1090/qam/10666). free_mu, free_w:
    whether mu and the weight are looked for.
    """
    mu, tau2, log_weight, at = climb.mu, climb.tau2, climb.log_weight, climb.at
    damping, steps, halvings = climb.damping, climb.steps, climb.halvings
    if climb.status == STARTED:
        at = new
    elif new.value >= at.value or climb.gain < _ROUNDING * (1.0 + abs(at.value)):
        mu, tau2, log_weight, at = climb.next_mu, climb.next_tau2, climb.next_log_weight, new
        damping = damping / 8.0 if damping > 2e-3 else 0.0
        steps, halvings = steps + 1.0, 0.0
    else:
        damping = max(1e-3, 8.0 * damping)
        halvings += 1.0
    free_t = tau2 > 0.0 or at.t > 0.0
    while steps < _MAX_STEPS and halvings < _MAX_HALVINGS:
        dm, dt, dw, positive = _solve(at, free_mu, free_t, free_w, damping)
        if positive:
            dw = min(max(dw, -3.0), 3.0)
            after = max(0.0, tau2 + dt)
            gain = abs(at.m * dm) + abs(at.t * (after - tau2)) + abs(at.w * dw)
            if damping == 0.0 and gain < _LAST:
                at = _higher_by(at, 0.5 * gain)
                return _arrive(mu + dm, after, log_weight + dw, at, free_mu, free_w)
            return Climb(
                mu, tau2, log_weight, at, mu + dm, after, log_weight + dw, gain, damping, steps,
                halvings, GOING,
            )  # fmt: skip
        damping = max(1e-3, 8.0 * damping)
        halvings += 1.0
    return Climb(
        mu, tau2, log_weight, at, mu, tau2, log_weight, 0.0, damping, steps, halvings, LOST
    )  # fmt: skip


@kernel
def on_the_hill(climb, found):
    """Whether a climb is so close to a maximum found before that it would arrive there."""
    if found.ok == 0.0:
        return False
    m, t, w = climb.mu - found.mu, climb.tau2 - found.tau2, climb.log_weight - found.log_weight
    at = found.at
    distance = -(m * m * at.mm + t * t * at.tt + w * w * at.ww)
    distance -= 2.0 * (m * t * at.mt + m * w * at.mw + t * w * at.tw)
    return abs(distance) < _SAME_HILL


@kernel
def found_by(climb):
    """What a climb has found."""
    return Maximum(
        climb.mu, climb.tau2, climb.log_weight, climb.at.value, climb.at,
        1.0 if climb.status == ARRIVED else 0.0,
    )  # fmt: skip


@kernel
def nothing_found():
    """No maximum."""
    return found_by(begin(math.nan, math.nan, math.nan))


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
    """The highest of the maxima climbed from the two best points of a grid of (mu, tau2).

    steps: the three-parameter model, whose weight is the best one at each point; else p-uniform*.
    """
    mean, tau2, spread = _spread(yi, vi)
    best = np.full((2, 4), -math.inf)
    if steps:
        step_starts(yi, vi, mean, spread, best)
    else:
        _uniform_starts(yi, vi, mean, tau2, spread, best)
    first = nothing_found()
    first = _climbed(yi, vi, best[0, 1], best[0, 2], best[0, 3], steps, False, first)
    second = _climbed(yi, vi, best[1, 1], best[1, 2], best[1, 3], steps, False, first)
    return higher(first, second, mean, spread)


@kernel
def higher(first, second, mean, spread):
    """The higher of two maxima; not one that has run away from the data."""
    chosen = second if second.value > first.value and second.ok == 1.0 else first
    if chosen.ok == 0.0:
        chosen = second
    away = abs(chosen.mu - mean) > _FURTHEST * spread
    if away or chosen.tau2 > (_FURTHEST * spread) ** 2 or abs(chosen.log_weight) > 30.0:
        return Maximum(chosen.mu, chosen.tau2, chosen.log_weight, chosen.value, chosen.at, 0.0)
    return chosen


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
