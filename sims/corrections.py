"""Corrections for small-study effects, one synthesis at a time: the versions to read.

Positive effects are benefit. A new correction is a kernel that returns `Corrected`, its branch in
`correct`, and its name, words and reference in `sims.smallstudy_names`. The likelihood-based ones
are in `sims.selection_models`. `sims.lanes.corrections` does many syntheses.
"""

import math
from typing import NamedTuple

import numpy as np

from sims.kernels import entry, kernel
from sims.pooling import between_variance, pool_studies
from sims.selection_models import by_likelihood
from sims.smallstudy import failed, wald, weighted_line
from sims.smallstudy_names import CORRECTIONS

_NONE, _L0, _R0, _PET, _PEESE, _PET_PEESE, SEL3, _PUNI, _LIMIT = (
    CORRECTIONS[name]
    for name in (
        "none", "trimfill", "trimfill-r0", "pet", "peese", "pet-peese", "sel3", "p-uniform-star",
        "limit",
    )
)  # fmt: skip
_MAX_ROUNDS = 100
# Corrections whose statistic is t with k - 2 df; the others' is standard normal.
T_BASED = ("pet", "peese", "pet-peese")
# Corrections that compare small studies with large ones: for effect sizes of equal groups of one
# size standard errors differ only because the effects do, and there is nothing to compare.
BY_SIZE = ("pet", "peese", "pet-peese", "limit")


class Trimmed(NamedTuple):
    """Trim and fill: the pooled effect of real and imputed studies, and how many were imputed."""

    mu: float
    se: float
    tau2: float
    filled: float
    ok: float


# Trim and fill -----------------------------------------------------------------------------


@kernel
def _ranks(y, mu):
    """Rank sum of the positive y - mu among all |y - mu|, and the rank of the lowest negative one.

    y: sorted. Effects below mu, from the nearest one down, and those above it, from the nearest one
    up, are each in the order of |y - mu| already: the two are merged. Of equal ones that below mu
    comes first.
    """
    k, rank_sum, largest_negative = len(y), 0, 0
    above = 0
    while above < k and y[above] <= mu:
        above += 1
    below = above - 1
    for r in range(1, k + 1):
        if below >= 0 and (above == k or mu - y[below] <= y[above] - mu):
            if y[below] < mu:
                largest_negative = r
            below -= 1
        else:
            rank_sum += r
            above += 1
    return rank_sum, largest_negative


@kernel
def trim_and_fill(yi, vi, estimator, side, kind):
    """Trim and fill; the model of `estimator` centres, trims and pools what is filled.

    Duval & Tweedie 2000, doi:10.1111/j.0006-341X.2000.00455.x. estimator: code of
    `sims.names.ESTIMATORS`; side: 1.0 where studies are missing on the left, -1.0 on the right;
    kind: code of "trimfill" (L0 = (4 S - k (k + 1)) / (2 k - 1), S the rank sum of the positive
    centred effects) or "trimfill-r0" (R0 = length of the rightmost run of positive ones - 1).
    """
    k = len(yi)
    y, v = np.empty(k), np.empty(k)
    for i in range(k):  # sorted by insertion: the quickest for few studies
        j, here = i, side * yi[i]
        while j > 0 and y[j - 1] > here:
            y[j], v[j] = y[j - 1], v[j - 1]
            j -= 1
        y[j], v[j] = here, vi[i]
    missing, before, rounds, mu = 0, -1, 0, 0.0
    while missing != before:
        rounds += 1
        if rounds > _MAX_ROUNDS or k - missing < 1:
            return Trimmed(math.nan, math.nan, math.nan, math.nan, 0.0)
        before = missing
        mu = pool_studies(y[: k - missing], v[: k - missing], estimator).mu
        rank_sum, largest_negative = _ranks(y, mu)
        if kind == _R0:
            if largest_negative == 0:
                return Trimmed(math.nan, math.nan, math.nan, math.nan, 0.0)
            missing = max(0, k - largest_negative - 1)
        else:
            # round(): half to even, as R and Python round.
            missing = max(0, round((4.0 * rank_sum - k * (k + 1.0)) / (2.0 * k - 1.0)))
    filled_y, filled_v = np.empty(k + missing), np.empty(k + missing)
    for i in range(k):
        filled_y[i], filled_v[i] = y[i], v[i]
    for i in range(missing):
        filled_y[k + i] = 2.0 * mu - y[k - missing + i]
        filled_v[k + i] = v[k - missing + i]
    pooled = pool_studies(filled_y, filled_v, estimator)
    return Trimmed(side * pooled.mu, pooled.se, pooled.tau2, float(missing), pooled.ok)


# Regressions -------------------------------------------------------------------------------


@kernel
def precision_effect(yi, vi, truth, squared):
    """PET (squared False): intercept of yi on sqrt(v), weights 1/v; PEESE: on v.

    Stanley & Doucouliagos 2014, doi:10.1002/jrsm.1095, eqs. 2 and 5; t with k - 2 df.
    """
    line = weighted_line(yi, vi if squared else np.sqrt(vi), 1.0 / vi)
    return wald(line.intercept, line.se_intercept, truth, line.ok, math.nan, math.nan)


@kernel
def limit_effect(yi, vi, tau2, truth):
    """Expected effect of a study without sampling error, beta + tau alpha.

    Rücker et al. 2011, doi:10.1093/biostatistics/kxq046: y = beta + sqrt(v + tau^2) (alpha + e),
    so y / s is a straight line on 1 / s with intercept alpha and slope beta, residual variance 1.
    The package metasens calls this estimate beta0 (its default).
    """
    k = len(yi)
    xi, zi = np.empty(k), np.empty(k)
    for i in range(k):
        xi[i] = 1.0 / math.sqrt(vi[i] + tau2)
        zi[i] = yi[i] * xi[i]
    line = weighted_line(zi, xi, np.ones(k))
    mean, mean_square = xi.mean(), (xi * xi).mean()
    spread = k * (mean_square - mean * mean)
    tau = math.sqrt(tau2)
    variance = (1.0 + tau2 * mean_square - 2.0 * tau * mean) / spread
    estimate = line.slope + tau * line.intercept
    ok = line.ok if variance > 0.0 else 0.0
    return wald(estimate, math.sqrt(max(0.0, variance)), truth, ok, tau2, line.intercept)


# All ---------------------------------------------------------------------------------------


@kernel
def correct(yi, vi, correction, truth, estimator, side, switch):
    """One correction (code of `sims.smallstudy_names.CORRECTIONS`) of k studies.

    yi, vi: (k,) effects and sampling variances; truth: the mean effect that `stat_truth` is
    about; estimator: code of the model of "none", trim and fill and the limit meta-analysis;
    side: see `trim_and_fill`; switch: pet-peese is peese where PET's t exceeds it.
    """
    if correction == _NONE:
        pooled = pool_studies(yi, vi, estimator)
        return wald(pooled.mu, pooled.se, truth, pooled.ok, pooled.tau2, math.nan)
    if correction in (_L0, _R0):
        trimmed = trim_and_fill(yi, vi, estimator, side, correction)
        return wald(trimmed.mu, trimmed.se, truth, trimmed.ok, trimmed.tau2, trimmed.filled)
    if correction in (_PET, _PEESE):
        return precision_effect(yi, vi, truth, correction == _PEESE)
    if correction == _PET_PEESE:
        pet = precision_effect(yi, vi, truth, correction == _PEESE)
        shown = pet.ok == 1.0 and pet.stat > switch
        return precision_effect(yi, vi, truth, shown) if shown else pet
    if correction in (SEL3, _PUNI):
        return by_likelihood(yi, vi, truth, correction == SEL3)
    if correction == _LIMIT:
        tau2, _ = between_variance(yi, vi, estimator)
        return limit_effect(yi, vi, tau2, truth)
    return failed()


@entry
def correct_once(yi, vi, correction, estimator, side, switch):
    """`correct` for Python, about a truth of 0."""
    return correct(yi, vi, correction, 0.0, estimator, side, switch)
