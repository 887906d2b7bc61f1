"""Pooling of a block of syntheses: the formulas of `sims.pooling`, over lanes of replicates.

A block is one array of rows of LANES numbers, so that the compiler can tell reads from writes
and vectorises every loop over lanes. Lanes iterate together; one that has converged keeps its
result. Three things make it fast:

- Sums are taken once per step, about a centre c near mu: with m = sum w (y - c) / sum w,
  sum w^p (y - mu)^2 = sum w^p (y - c)^2 - 2 m sum w^p (y - c) + m^2 sum w^p. The centre follows
  mu, so that nothing cancels in the end.
- DerSimonian and Laird's sums are the first step of both iterations, which start from it.
- Iterations stop at a step of LAST_STEP relative to the average v + tau^2, and results follow
  the last step to first order: d mu = -(sum w^2 r / sum w) d tau^2, d sum w = -sum w^2 d tau^2,
  dQ = -sum w^2 r^2 d tau^2. Convergence is quadratic: what is left is the step squared.
"""

import math

import numpy as np

from sims.kernels import inner, kernel
from sims.lanes import LANES
from sims.names import ESTIMATORS
from sims.pooling import (
    MAX_STEPS,
    NOT_TRIED,
    moment_tau2,
    newton,
    q_step,
    reml,
    restricted_information,
    restricted_score,
    weighted_sums,
)

_FE, _DL, _PM, _REML = (ESTIMATORS[name] for name in ("FE", "DL", "PM", "REML"))
LAST_STEP = 1e-6
# Where the largest sampling variance is at most this many times the smallest, one climb and a
# look at 0 missed the highest maximum of REML in 5 of 12 million sets made to be difficult, always
# with 0 and a likelihood nearly as high. Beyond, `_look_for_others` left 1 in a million up to a
# ratio of 100, and 6 in a million up to 20,000.
ONE_MAXIMUM = 16.0
_TINY = 1e-300

# Rows of a block. First sums at the current tau^2: S of w^p, A of w^p (y - c), B of w^p (y - c)^2.
_S1, _A1, _B1, _S2, _A2, _B2, _S3, _A3, _B3 = range(9)
# The iteration of each lane: tau^2, the centre c, a bracket of the maximum, whether it goes on.
# Then what tells whether the restricted likelihood may have a second maximum.
_TAU2, _CENTRE, _LOW, _HIGH, _ACTIVE, _V_MIN, _V_MAX, _SCORE_AT_0 = range(9, 17)
_N_SUMS = 9
_DL_SUMS = 17  # the sums again, at DerSimonian and Laird's tau^2 and about FE's mu
_RESULTS = _DL_SUMS + _N_SUMS
# Columns of `sims.types.Pooled`, five rows for each estimator code.
MU, SE, BETWEEN, HK, OK = range(5)
N_RESULTS = 5
_STUDIES = _RESULTS + N_RESULTS * len(ESTIMATORS)
# Three rows for each study.
EFFECT, VARIANCE, WEIGHT, _N_ROWS = range(4)


@inner
def from_front(at):
    """An index or a number of lanes as it is, 0 or more: said so that the compiler knows it.

    A negative index would count from the end; loops over lanes are not vectorised where the
    compiler sees that an index might be negative, or overflow.
    """
    return at & 0x7FFFFFFF


@inner
def study_row(i):
    """Index of the first lane of a study's first row."""
    return from_front((_STUDIES + _N_ROWS * i) * LANES)


@kernel
def pooling_workspace(k):
    """A block for k studies. Lanes without a replicate are pooled too: ones are harmless."""
    return np.ones((_STUDIES + _N_ROWS * k) * LANES)


@inner
def set_study(work, i, lane, y, v):
    """Put study i of a lane's synthesis into a block."""
    at = study_row(i) + lane
    work[at + EFFECT * LANES] = y
    work[at + VARIANCE * LANES] = v


@inner
def study(work, i, lane):
    """Effect and sampling variance of study i of a lane's synthesis."""
    at = study_row(i) + lane
    return work[at + EFFECT * LANES], work[at + VARIANCE * LANES]


@inner
def result_at(estimator, which):
    """Index of the first lane of a result (MU, SE, BETWEEN, HK or OK) of an estimator."""
    return from_front((_RESULTS + N_RESULTS * estimator + which) * LANES)


@inner
def _store(work, estimator, lane, mu, s1, tau2, q1, df, ok):
    at = result_at(estimator, MU) + lane
    work[at + MU * LANES] = mu
    work[at + SE * LANES] = 1.0 / math.sqrt(s1)
    work[at + BETWEEN * LANES] = tau2
    work[at + HK * LANES] = q1 / df if df > 0.0 else math.nan
    work[at + OK * LANES] = ok


@inner
def _fixed_effect(work, k):
    # FE's results, and DL's tau^2 in _TAU2.
    for lane in range(LANES):
        for row in (_S1, _S2, _A1, _B1, _B2):
            work[row * LANES + lane] = 0.0
        work[_V_MIN * LANES + lane], work[_V_MAX * LANES + lane] = math.inf, 0.0
    for i in range(k):
        at = study_row(i)
        for lane in range(LANES):
            v = work[at + VARIANCE * LANES + lane]
            w = 1.0 / v
            work[at + WEIGHT * LANES + lane] = w
            work[_S1 * LANES + lane] += w
            work[_S2 * LANES + lane] += w * w
            work[_A1 * LANES + lane] += w * work[at + EFFECT * LANES + lane]
            work[_V_MIN * LANES + lane] = min(v, work[_V_MIN * LANES + lane])
            work[_V_MAX * LANES + lane] = max(v, work[_V_MAX * LANES + lane])
    for lane in range(LANES):
        work[_CENTRE * LANES + lane] = work[_A1 * LANES + lane] / work[_S1 * LANES + lane]
    for i in range(k):
        at = study_row(i)
        for lane in range(LANES):
            r = work[at + EFFECT * LANES + lane] - work[_CENTRE * LANES + lane]
            wr = work[at + WEIGHT * LANES + lane] * r
            work[_B1 * LANES + lane] += wr * r
            work[_B2 * LANES + lane] += wr * wr
    df = k - 1.0
    for lane in range(LANES):
        s1, s2, q1 = work[_S1 * LANES + lane], work[_S2 * LANES + lane], work[_B1 * LANES + lane]
        _store(work, _FE, lane, work[_CENTRE * LANES + lane], s1, 0.0, q1, df, 1.0)
        work[_TAU2 * LANES + lane] = moment_tau2(q1, s1, s2, df) if k > 1 else 0.0
        work[_SCORE_AT_0 * LANES + lane] = restricted_score(s1, s2, work[_B2 * LANES + lane])


@inner
def _sums(work, k, powers):
    # Sums of w, w^2 and w^3 up to `powers`, at each lane's tau^2 and about its centre.
    for row in range(3 * powers):
        for lane in range(LANES):
            work[row * LANES + lane] = 0.0
    for i in range(k):
        at = study_row(i)
        for lane in range(LANES):
            w = 1.0 / (work[at + VARIANCE * LANES + lane] + work[_TAU2 * LANES + lane])
            r = work[at + EFFECT * LANES + lane] - work[_CENTRE * LANES + lane]
            wr = w * r
            work[_S1 * LANES + lane] += w
            work[_A1 * LANES + lane] += wr
            work[_B1 * LANES + lane] += wr * r
            if powers >= 2:
                work[_S2 * LANES + lane] += w * w
                work[_A2 * LANES + lane] += w * wr
                work[_B2 * LANES + lane] += wr * wr
            if powers >= 3:
                work[_S3 * LANES + lane] += w * w * w
                work[_A3 * LANES + lane] += w * w * wr
                work[_B3 * LANES + lane] += w * wr * wr


@inner
def _moments_result(work, k):
    df = k - 1.0
    for lane in range(LANES):
        s1, a1 = work[_S1 * LANES + lane], work[_A1 * LANES + lane]
        m = a1 / s1
        mu = work[_CENTRE * LANES + lane] + m
        q1 = work[_B1 * LANES + lane] - a1 * m
        _store(work, _DL, lane, mu, s1, work[_TAU2 * LANES + lane], q1, df, 1.0)
    for at in range(_N_SUMS * LANES):
        work[_DL_SUMS * LANES + at] = work[at]


@inner
def _start(work):
    # Every iteration starts from DL's sums, whatever was iterated before.
    tau2, centre = result_at(_DL, BETWEEN), result_at(_FE, MU)
    for at in range(_N_SUMS * LANES):
        work[at] = work[_DL_SUMS * LANES + at]
    for lane in range(LANES):
        work[_TAU2 * LANES + lane] = work[tau2 + lane]
        work[_CENTRE * LANES + lane] = work[centre + lane]
        work[_LOW * LANES + lane], work[_HIGH * LANES + lane] = NOT_TRIED, math.inf
        work[_ACTIVE * LANES + lane] = 1.0


@inner
def _end_step(work, estimator, lane, k, new, m, q1, q2, c2):
    # Move an active lane's tau^2 to `new`, with its results there, and mark whether it goes on.
    # After a long step, not the last, sum w to first order can be below 0.
    s1, s2 = work[_S1 * LANES + lane], work[_S2 * LANES + lane]
    tau2, centre = work[_TAU2 * LANES + lane], work[_CENTRE * LANES + lane] + m
    active = work[_ACTIVE * LANES + lane] > 0.0
    step = new - tau2
    goes_on = 0.0 if abs(step) * s1 <= LAST_STEP * k else 1.0
    at = result_at(estimator, MU) + lane
    mu = centre - step * c2 / s1
    se = 1.0 / math.sqrt(max(s1 - step * s2, _TINY))
    hk = (q1 - step * q2) / (k - 1.0)
    work[at + MU * LANES] = mu if active else work[at + MU * LANES]
    work[at + SE * LANES] = se if active else work[at + SE * LANES]
    work[at + HK * LANES] = hk if active else work[at + HK * LANES]
    work[at + BETWEEN * LANES] = new if active else work[at + BETWEEN * LANES]
    work[_TAU2 * LANES + lane] = new if active else tau2
    work[_CENTRE * LANES + lane] = centre
    work[_ACTIVE * LANES + lane] = goes_on if active else 0.0


@inner
def _n_active(work):
    n = 0
    for lane in range(LANES):
        n += 1 if work[_ACTIVE * LANES + lane] > 0.0 else 0
    return n


@inner
def _converged(work, estimator):
    ok, mu = result_at(estimator, OK), result_at(estimator, MU)
    for lane in range(LANES):
        is_number = work[mu + lane] == work[mu + lane]
        work[ok + lane] = 1.0 - work[_ACTIVE * LANES + lane] if is_number else 0.0


@inner
def _paule_mandel_step(work, k):
    target = k - 1.0
    for lane in range(LANES):
        s1, s2 = work[_S1 * LANES + lane], work[_S2 * LANES + lane]
        a1, a2 = work[_A1 * LANES + lane], work[_A2 * LANES + lane]
        m = a1 / s1
        q1 = work[_B1 * LANES + lane] - a1 * m
        q2 = work[_B2 * LANES + lane] - m * (2.0 * a2 - m * s2)
        tau2 = work[_TAU2 * LANES + lane]
        # Effects that are all the same have q1 = q2 = 0.
        new = max(0.0, tau2 + q_step(q1, max(q2, _TINY), target))
        new = 0.0 if tau2 == 0.0 and q1 <= target else new
        _end_step(work, _PM, lane, k, new, m, q1, q2, a2 - m * s2)


@inner
def _restricted_step(work, k):
    for lane in range(LANES):
        s1, s2, s3 = (
            work[_S1 * LANES + lane], work[_S2 * LANES + lane], work[_S3 * LANES + lane],
        )  # fmt: skip
        a1, a2, a3 = (
            work[_A1 * LANES + lane], work[_A2 * LANES + lane], work[_A3 * LANES + lane],
        )  # fmt: skip
        m = a1 / s1
        q1 = work[_B1 * LANES + lane] - a1 * m
        q2 = work[_B2 * LANES + lane] - m * (2.0 * a2 - m * s2)
        q3 = work[_B3 * LANES + lane] - m * (2.0 * a3 - m * s3)
        c2 = a2 - m * s2
        score = restricted_score(s1, s2, q2)
        information = restricted_information(s1, s2, s3, q3, c2)
        tau2 = work[_TAU2 * LANES + lane]
        new, _, low, high = newton(
            tau2, score, information, s1, work[_LOW * LANES + lane], work[_HIGH * LANES + lane]
        )
        work[_LOW * LANES + lane], work[_HIGH * LANES + lane] = low, high
        new = 0.0 if tau2 == 0.0 and score <= 0.0 else new
        _end_step(work, _REML, lane, k, new, m, q1, q2, c2)


@inner
def _look_for_others(work, k):
    # Mark in _ACTIVE, beside lanes that did not converge, those whose restricted likelihood may
    # have a second maximum: the score is not positive somewhere below the one found, or positive
    # above it, on the starts of `sims.pooling.reml`. Without a wide range of variances, looking at
    # 0 is enough.
    found = result_at(_REML, BETWEEN)
    n_wide = 0
    for lane in range(LANES):
        falls = work[_SCORE_AT_0 * LANES + lane] <= 0.0
        other = falls and work[found + lane] > 0.0
        work[_ACTIVE * LANES + lane] = 1.0 if other else work[_ACTIVE * LANES + lane]
        wide = work[_V_MAX * LANES + lane] > ONE_MAXIMUM * work[_V_MIN * LANES + lane]
        # From here _HIGH and _LOW bound where a lane is looked at; a lane that is not wide is
        # looked at nowhere.
        work[_HIGH * LANES + lane] = work[_V_MAX * LANES + lane] if wide else 0.0
        work[_TAU2 * LANES + lane] = 0.25 * work[_V_MIN * LANES + lane]
        n_wide += 1 if wide else 0
    if n_wide == 0:
        return
    for i in range(k):
        at = study_row(i)
        for lane in range(LANES):
            # Four times the largest squared distance from the mean is at least the squared range.
            r = 2.0 * (work[at + EFFECT * LANES + lane] - work[_CENTRE * LANES + lane])
            high = work[_HIGH * LANES + lane]
            work[_HIGH * LANES + lane] = max(high, r * r) if high > 0.0 else 0.0
    while n_wide > 0:
        _sums(work, k, 2)
        n_wide = 0
        for lane in range(LANES):
            s1, s2, a2 = (
                work[_S1 * LANES + lane], work[_S2 * LANES + lane], work[_A2 * LANES + lane],
            )  # fmt: skip
            m = work[_A1 * LANES + lane] / s1
            score = restricted_score(s1, s2, work[_B2 * LANES + lane] - m * (2.0 * a2 - m * s2))
            tau2, high = work[_TAU2 * LANES + lane], work[_HIGH * LANES + lane]
            expected = tau2 < work[found + lane]
            other = tau2 < high and (score > 0.0) != expected
            work[_ACTIVE * LANES + lane] = 1.0 if other else work[_ACTIVE * LANES + lane]
            work[_TAU2 * LANES + lane] = 4.0 * tau2
            n_wide += 1 if 4.0 * tau2 < high else 0


@kernel
def _highest_maxima(work, k, yi, vi):
    # The scalar version decides between several maxima; it climbs from more starts.
    _look_for_others(work, k)
    for lane in range(LANES):
        if work[_ACTIVE * LANES + lane] > 0.0:
            for i in range(k):
                yi[i], vi[i] = study(work, i, lane)
            tau2, ok = reml(yi, vi)
            x = weighted_sums(yi, vi, tau2)
            _store(work, _REML, lane, x.mu, x.s1, tau2, x.q1, k - 1.0, ok)


@inner
def _copy_results(work, source, target):
    for at in range(N_RESULTS * LANES):
        work[result_at(target, MU) + at] = work[result_at(source, MU) + at]


@kernel
def pool_block(work, k, estimators, yi, vi):
    """Pool a block of k studies by each of the estimators (E,), codes of `sims.names.ESTIMATORS`.

    Results are read with `result_at`: those of `sims.pooling.pool_studies`. yi, vi: (k,) scratch.
    """
    _fixed_effect(work, k)
    highest = estimators.max()
    if highest == _FE:
        return
    if k < 2:
        # One study is returned as it is.
        for estimator in range(_DL, _REML + 1):
            _copy_results(work, _FE, estimator)
        return
    _sums(work, k, highest)
    _moments_result(work, k)
    for estimator in (_PM, _REML):
        if not (estimators == estimator).any():
            continue
        _start(work)
        for step in range(MAX_STEPS):
            if step > 0:
                _sums(work, k, estimator)
            if estimator == _PM:
                _paule_mandel_step(work, k)
            else:
                _restricted_step(work, k)
            if _n_active(work) == 0:
                break
        _converged(work, estimator)
    if (estimators == _REML).any():
        _highest_maxima(work, k, yi, vi)
