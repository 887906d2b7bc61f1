"""Tests for small-study effects, one synthesis at a time: the versions to read.

A new detector is a kernel that returns `Detected`, its branch in `detect`, and its name, words
and reference in `sims.smallstudy_names`.
"""

import math
from functools import cache
from typing import NamedTuple

import numpy as np

from sims.kernels import entry, kernel
from sims.smallstudy_names import DETECTORS
from sims.student import student_upper

_EGGER_SE, _EGGER_N, _EGGER_N_VI, _BEGG = (
    DETECTORS[name] for name in ("egger-se", "egger-n", "egger-n-vi", "begg")
)
# A predictor whose range is below this share of its size is taken not to vary.
_VARIES = 1e-10
MOST_EXACT = 300  # studies up to which Kendall's tau is tested exactly


class Detected(NamedTuple):
    """A test for small-study effects.

    estimate, se: slope and its standard error (SDs of effect per unit of the predictor), or
    Kendall's tau (no se); stat: t with k - 2 df, or z; pval: two-sided; ok: 1.0, or 0.0 where the
    test is not applicable (then the rest is NaN): fewer than 3 studies, or a predictor that does
    not vary.
    """

    estimate: float
    se: float
    stat: float
    pval: float
    ok: float


class Line(NamedTuple):
    """A weighted straight line: intercept, slope, their standard errors; ok as in `Detected`."""

    intercept: float
    slope: float
    se_intercept: float
    se_slope: float
    ok: float


class Corrected(NamedTuple):
    """A corrected mean effect.

    estimate, se: SDs (p-uniform* has no se); stat, stat_truth: statistic of the tests that the
    mean is 0, or is `truth`: t with k - 2 df (PET, PEESE) or standard normal (a signed likelihood
    root for p-uniform*); ok: 1.0, or 0.0 where nothing was estimated (then the rest is NaN); tau2:
    between-study variance of the model, if it has one; extra: studies filled (trim and fill),
    publication weight of p > .025 (sel3), bias alpha (limit), else NaN; extra_se: of the weight;
    loglik: of the model.
    """

    estimate: float
    se: float
    stat: float
    stat_truth: float
    ok: float
    tau2: float
    extra: float
    extra_se: float
    loglik: float


@kernel
def failed():
    """What a correction returns where it estimates nothing."""
    nan = math.nan
    return Corrected(nan, nan, nan, nan, 0.0, nan, nan, nan, nan)


@kernel
def wald(estimate, se, truth, ok, tau2, extra):
    """A correction that is tested by estimate / se."""
    if ok == 0.0 or not se > 0.0:
        return failed()
    nan = math.nan
    away = estimate - truth
    return Corrected(estimate, se, estimate / se, away / se, 1.0, tau2, extra, nan, nan)


@kernel
def not_applicable():
    """What a detector returns where it cannot be applied."""
    return Detected(math.nan, math.nan, math.nan, math.nan, 0.0)


@kernel
def weighted_line(yi, xi, wi):
    """Weighted least squares of yi on xi with weights wi, all (k,); residual variance estimated.

    Residual variance sum w r^2 / (k - 2), as R's lm(yi ~ xi, weights = wi).
    """
    k = len(yi)
    low, high = xi.min(), xi.max()
    if k < 3 or not high - low > _VARIES * max(abs(low), abs(high)):
        return Line(math.nan, math.nan, math.nan, math.nan, 0.0)
    sum_w, x_mean, y_mean = 0.0, 0.0, 0.0
    for i in range(k):
        sum_w += wi[i]
        x_mean += wi[i] * xi[i]
        y_mean += wi[i] * yi[i]
    x_mean /= sum_w
    y_mean /= sum_w
    sxx, sxy = 0.0, 0.0
    for i in range(k):
        away = xi[i] - x_mean
        sxx += wi[i] * away * away
        sxy += wi[i] * away * (yi[i] - y_mean)
    slope = sxy / sxx
    rss = 0.0
    for i in range(k):
        residual = yi[i] - y_mean - slope * (xi[i] - x_mean)
        rss += wi[i] * residual * residual
    variance = rss / (k - 2.0)
    se_intercept = math.sqrt(variance * (1.0 / sum_w + x_mean * x_mean / sxx))
    return Line(y_mean - slope * x_mean, slope, se_intercept, math.sqrt(variance / sxx), 1.0)


@kernel
def egger(yi, xi, wi):
    """Egger's regression test: t of the slope of yi on the predictor xi, weights wi.

    Egger et al. 1997, doi:10.1136/bmj.315.7109.629 (predictor sqrt(v), weights 1/v: metafor's
    regtest(model = "lm")); Zwetsloot et al. 2017, doi:10.7554/eLife.24260 (1/sqrt(n), weights n).
    """
    line = weighted_line(yi, xi, wi)
    if line.ok == 0.0:
        return not_applicable()
    t = line.slope / line.se_slope
    pval = 2.0 * student_upper(abs(t), len(yi) - 2)
    return Detected(line.slope, line.se_slope, t, pval, 1.0)


@kernel
def begg(yi, vi, exact):
    """Rank correlation of standardized effects and their variances.

    Begg & Mazumdar 1994, doi:10.2307/2533446: Kendall's tau between (y - mean) / sqrt(v - 1/sum w)
    and v. exact: two-sided p by number of concordant pairs, from `kendall_pvals(k)`; with ties,
    or without it, the normal approximation (variance for ties of Kendall 1970, as R's cor.test).
    """
    k = len(yi)
    if k < 3 or not vi.max() - vi.min() > _VARIES * vi.max():
        return not_applicable()
    sum_w, mean = 0.0, 0.0
    for i in range(k):
        sum_w += 1.0 / vi[i]
        mean += yi[i] / vi[i]
    mean /= sum_w
    score = np.empty(k)
    for i in range(k):
        score[i] = (yi[i] - mean) / math.sqrt(vi[i] - 1.0 / sum_w)
    concordant, discordant = 0, 0
    ties = np.zeros((2, 3))  # sums of t(t-1)(2t+5), t(t-1), t(t-1)(t-2) over groups of t ties
    tied_pairs = np.zeros(2)
    for i in range(k):
        same = np.zeros(2)
        for j in range(k):
            product = (score[i] - score[j]) * (vi[i] - vi[j])
            if j < i:
                if product > 0.0:
                    concordant += 1
                elif product < 0.0:
                    discordant += 1
            if score[i] == score[j]:
                same[0] += 1.0
            if vi[i] == vi[j]:
                same[1] += 1.0
        for side in range(2):
            t = same[side]  # each of t tied values adds 1 / t of its group's term
            ties[side, 0] += (t - 1.0) * (2.0 * t + 5.0)
            ties[side, 1] += t - 1.0
            ties[side, 2] += (t - 1.0) * (t - 2.0)
            tied_pairs[side] += 0.5 * (t - 1.0)
    pairs = 0.5 * k * (k - 1.0)
    s = float(concordant - discordant)
    tau = s / math.sqrt((pairs - tied_pairs[0]) * (pairs - tied_pairs[1]))
    variance = (k * (k - 1.0) * (2.0 * k + 5.0) - ties[0, 0] - ties[1, 0]) / 18.0
    variance += ties[0, 1] * ties[1, 1] / (2.0 * k * (k - 1.0))
    variance += ties[0, 2] * ties[1, 2] / (9.0 * k * (k - 1.0) * (k - 2.0))
    z = s / math.sqrt(variance)
    if tied_pairs[0] + tied_pairs[1] == 0.0 and len(exact) > 0:
        pval = exact[concordant]
    else:
        pval = math.erfc(abs(z) / math.sqrt(2.0))
    return Detected(tau, math.nan, z, pval, 1.0)


@cache
def kendall_pvals(k: int) -> np.ndarray:
    """Exact two-sided p of Kendall's tau without ties by the number of concordant pairs.

    Shape (k (k - 1) / 2 + 1,), empty beyond MOST_EXACT. The i-th value adds 0 to i - 1 concordant
    pairs, equally likely (Kendall 1938, doi:10.1093/biomet/30.1-2.81); twice the smaller tail, at
    most 1.
    """
    if k > MOST_EXACT:
        return np.empty(0)
    p = np.ones(1)
    for i in range(2, k + 1):
        # The moving sum of i neighbours over i: a convolution with equal chances.
        total = np.concatenate([np.zeros(i), np.cumsum(p), np.full(i - 1, 1.0)])
        p = (total[i:] - total[:-i]) / i
    lower = np.cumsum(p)
    upper = np.cumsum(p[::-1])[::-1]
    pvals = np.minimum(1.0, 2.0 * np.minimum(lower, upper))
    pvals.setflags(write=False)
    return pvals


@kernel
def detect(yi, vi, ni, detector, exact):
    """One detector (code of `sims.smallstudy_names.DETECTORS`) on k studies.

    yi, vi: (k,) effects and sampling variances; ni: (k,) animals in both groups together;
    exact: `kendall_pvals(k)`.
    """
    if detector == _BEGG:
        return begg(yi, vi, exact)
    k = len(yi)
    xi, wi = np.empty(k), np.empty(k)
    for i in range(k):
        xi[i] = math.sqrt(vi[i]) if detector == _EGGER_SE else 1.0 / math.sqrt(ni[i])
        wi[i] = ni[i] if detector == _EGGER_N else 1.0 / vi[i]
    return egger(yi, xi, wi)


@entry
def detect_many(yi, vi, ni, detector, exact, out):
    """`detect` on each row of yi, vi, ni (m, k); out: (m, 5) fields of `Detected`."""
    for r in range(yi.shape[0]):
        x = detect(yi[r], vi[r], ni[r], detector, exact)
        out[r, 0], out[r, 1], out[r, 2], out[r, 3], out[r, 4] = x
