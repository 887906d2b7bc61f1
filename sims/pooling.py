"""Random-effects pooling of one set of studies: the versions to read.

`sims.lanes` runs the same formulas over blocks of replicates. With w = 1 / (v + tau^2),
mu = sum w y / sum w and r = y - mu, every estimator needs only the sums of `weighted_sums`; the
formulas are functions of those sums, for one data set and for many side by side.

A new estimator is a kernel (yi, vi) -> (tau2, ok) here, its branch in `between_variance`, and
its name and reference in `sims.names`; for subgroups, a branch in `sims.subgroups` too.
"""

import math

from sims.kernels import entry, kernel
from sims.names import ESTIMATORS
from sims.types import Pooled, Sums, Synthesis

_FE, _DL, _PM, _REML = (ESTIMATORS[name] for name in ("FE", "DL", "PM", "REML"))
# Iterations stop at a relative step this small, or where a step is the sums' rounding error;
# they converge quadratically, so what is left is rounding.
STEP = 1e-10
ROUNDING = 2e-15
MAX_STEPS = 200
NOT_TRIED = -1.0


# Formulas ----------------------------------------------------------------------------------


@kernel
def moment_tau2(q, s1, s2, df):
    """tau^2 by DerSimonian & Laird's eq. 10, from Q and the sums of w and w^2 at tau^2 = 0."""
    return max(0.0, q - df) / (s1 - s2 / s1)


@kernel
def q_step(q1, q2, target):
    """Step of tau^2 towards Q(tau^2) = target: Newton on 1 / Q instead of Q.

    In the space of contrasts Q = sum u_j^2 / (lambda_j + tau^2), so 1 / Q is a weighted harmonic
    mean of straight lines: concave and increasing. A step from anywhere ends at or before the
    root, and from there the steps only rise to it: no safeguard is needed.
    """
    return q1 / target * (q1 - target) / q2


@kernel
def restricted_score(s1, s2, q2):
    """Derivative of the restricted log-likelihood with respect to tau^2.

    (y'PPy - tr P) / 2; Viechtbauer 2005, doi:10.3102/10769986030003261, eq. 13.
    """
    return 0.5 * (q2 - s1 + s2 / s1)


@kernel
def restricted_information(s1, s2, s3, q3, c2):
    """Observed and expected information about tau^2 in the restricted likelihood.

    Observed y'PPPy - tr(PP) / 2, expected tr(PP) / 2, with P = W - W11'W / sum w.
    """
    ratio = s2 / s1
    expected = 0.5 * (s2 - 2.0 * s3 / s1 + ratio * ratio)
    return q3 - c2 * c2 / s1 - expected, expected


@kernel
def newton(tau2, score, information, s1, low, high):
    """One step up the restricted likelihood: (new tau2, smallest step that matters, low, high).

    Newton's step with the observed information; where that is not positive, Fisher's, with the
    expected one. low and high bracket the maximum: the score is positive at low, not at high. A
    step that leaves the bracket is replaced by its middle, but 0 is tried before the bracket has
    a lower end (low = NOT_TRIED).
    """
    if score > 0.0:
        low = tau2
    else:
        high = tau2
    observed, expected = information
    slope = observed if observed > 0.0 else expected
    new = max(0.0, tau2 + score / slope)
    # An end of the bracket has been visited: stepping onto it could go round for ever.
    if new != tau2 and (new <= low or new >= high):
        new = 0.5 * (low + high)
    return new, STEP * new + ROUNDING * s1 / slope, low, high


@kernel
def interval_se(se, hk, interval):
    """Standard error of an interval (code of `sims.names.INTERVALS`) from Wald's and hk."""
    if interval == 0:
        return se
    if interval == 1:
        return se * math.sqrt(hk)
    return se * math.sqrt(max(1.0, hk))


@entry
def interval_ses(se, hk, interval, out):
    """`interval_se` of many poolings: se, hk, out (m,)."""
    for r in range(len(se)):
        out[r] = interval_se(se[r], hk[r], interval)


# Sums over studies -------------------------------------------------------------------------


@kernel
def weighted_sums(yi, vi, tau2):
    """`Sums` of one set of studies at a between-study variance."""
    s1, s2, s3, wy = 0.0, 0.0, 0.0, 0.0
    for i in range(len(yi)):
        w = 1.0 / (vi[i] + tau2)
        s1 += w
        s2 += w * w
        s3 += w * w * w
        wy += w * yi[i]
    mu = wy / s1
    q1, q2, q3, c2 = 0.0, 0.0, 0.0, 0.0
    for i in range(len(yi)):
        w = 1.0 / (vi[i] + tau2)
        r = w * (yi[i] - mu)
        q1 += r * (yi[i] - mu)
        q2 += r * r
        q3 += w * r * r
        c2 += w * r
    return Sums(s1, s2, s3, mu, q1, q2, q3, c2)


@kernel
def restricted_log_likelihood(yi, vi, tau2):
    """Restricted log-likelihood of tau^2, without its constant -(k - 1) / 2 log(2 pi)."""
    log_variances = 0.0
    for i in range(len(yi)):
        log_variances += math.log(vi[i] + tau2)
    x = weighted_sums(yi, vi, tau2)
    return -0.5 * (log_variances + math.log(x.s1) + x.q1)


@kernel
def cochran_q(yi, vi):
    """Cochran's Q, sum w (y - mu)^2 with w = 1 / v. Cochran 1954, doi:10.2307/3001666."""
    return weighted_sums(yi, vi, 0.0).q1


@kernel
def typical_variance(vi):
    """The "typical" sampling variance of I^2, (k - 1) / (sum w - sum w^2 / sum w), k > 1.

    Higgins & Thompson 2002, doi:10.1002/sim.1186, eq. 9; metafor's vt.
    """
    s1, s2 = 0.0, 0.0
    for v in vi:
        s1 += 1.0 / v
        s2 += 1.0 / (v * v)
    return (len(vi) - 1.0) / (s1 - s2 / s1)


# Estimators of tau^2 -----------------------------------------------------------------------


@kernel
def moments(yi, vi):
    """tau^2 of DerSimonian & Laird 1986, doi:10.1016/0197-2456(86)90046-2."""
    x = weighted_sums(yi, vi, 0.0)
    return moment_tau2(x.q1, x.s1, x.s2, len(yi) - 1.0), 1.0


@kernel
def tau2_at_q(yi, vi, q):
    """tau^2 >= 0 at which the generalised Q, sum w (y - mu)^2, falls to q > 0; and 1.0 if found.

    0 where Q is below q already at 0. Q = k - 1 defines Paule and Mandel's estimate, quantiles
    of chi-square the Q-profile interval.
    """
    x = weighted_sums(yi, vi, 0.0)
    if x.q1 <= q:
        return 0.0, 1.0
    tau2 = moment_tau2(x.q1, x.s1, x.s2, q)
    for _ in range(MAX_STEPS):
        x = weighted_sums(yi, vi, tau2)
        step = q_step(x.q1, x.q2, q)
        new = max(0.0, tau2 + step)
        done = abs(new - tau2) <= STEP * new + ROUNDING * x.q1 / x.q2
        tau2 = new
        if done:
            return tau2, 1.0
    return tau2, 0.0


@kernel
def paule_mandel(yi, vi):
    """tau^2 at which Q is its expectation, k - 1. Paule & Mandel 1982, doi:10.6028/jres.087.022."""
    return tau2_at_q(yi, vi, len(yi) - 1.0)


@kernel
def climb(yi, vi, tau2):
    """The local maximum of the restricted likelihood that `newton` finds from tau2; (tau2, ok)."""
    low, high = NOT_TRIED, math.inf
    for _ in range(MAX_STEPS):
        x = weighted_sums(yi, vi, tau2)
        score = restricted_score(x.s1, x.s2, x.q2)
        if tau2 == 0.0 and score <= 0.0:
            return 0.0, 1.0
        information = restricted_information(x.s1, x.s2, x.s3, x.q3, x.c2)
        new, limit, low, high = newton(tau2, score, information, x.s1, low, high)
        done = abs(new - tau2) <= limit
        tau2 = new
        if done:
            return tau2, 1.0
    return tau2, 0.0


@kernel
def reml(yi, vi):
    """tau^2 of the highest maximum of the restricted likelihood, at 0 or above.

    Viechtbauer 2005, doi:10.3102/10769986030003261. The likelihood can have several maxima where
    sampling variances differ, and which one an iteration finds depends on its start (metafor's
    Fisher scoring starts at Hedges' estimate, and then compares with 0 only). So it is climbed
    from DerSimonian & Laird's estimate and from starts a factor of 4 apart, from the smallest
    variance to the largest or to the effects' range, and 0 is looked at.
    """
    x = weighted_sums(yi, vi, 0.0)
    tau2, ok = climb(yi, vi, moment_tau2(x.q1, x.s1, x.s2, len(yi) - 1.0))
    best = restricted_log_likelihood(yi, vi, tau2)
    # Only a likelihood that is higher beyond rounding replaces what the first climb found.
    margin = 1e-12 * (1.0 + abs(best))
    value = restricted_log_likelihood(yi, vi, 0.0)
    if value > best + margin:
        tau2, ok, best = 0.0, 1.0, value
    smallest, largest = vi.min(), max(vi.max(), (yi.max() - yi.min()) ** 2)
    start = 0.25 * smallest
    # All variances the same: a single maximum.
    while start < largest and vi.max() > smallest:
        other, other_ok = climb(yi, vi, start)
        value = restricted_log_likelihood(yi, vi, other)
        if value > best + margin and other_ok == 1.0:
            tau2, ok, best = other, other_ok, value
        start *= 4.0
    return tau2, ok


# Pooling -----------------------------------------------------------------------------------


@kernel
def between_variance(yi, vi, estimator):
    """tau^2 by an estimator (code of `sims.names.ESTIMATORS`), and 1.0 if it converged."""
    if estimator == _FE or len(yi) < 2:
        return 0.0, 1.0
    if estimator == _DL:
        return moments(yi, vi)
    if estimator == _PM:
        return paule_mandel(yi, vi)
    if estimator == _REML:
        return reml(yi, vi)
    return math.nan, 0.0


@entry
def pool_studies(yi, vi, estimator):
    """`Pooled` effect of k studies; one study is returned as it is, with tau^2 = 0.

    yi, vi: (k,) effects and sampling variances; estimator: code of `sims.names.ESTIMATORS`.
    """
    tau2, ok = between_variance(yi, vi, estimator)
    x = weighted_sums(yi, vi, tau2)
    df = len(yi) - 1.0
    hk = x.q1 / df if df > 0.0 else math.nan
    return Pooled(x.mu, 1.0 / math.sqrt(x.s1), tau2, hk, ok)


@entry
def pool_for_inference(yi, vi, estimator, q_low, q_high):
    """All that inference about one set needs: Pooled, Q, typical variance, Q-profile bounds.

    q_low, q_high: quantiles of chi-square with k - 1 df, k > 1. The bounds of tau^2 are where
    the generalised Q passes q_high and q_low.
    """
    low, _ = tau2_at_q(yi, vi, q_high)
    high, _ = tau2_at_q(yi, vi, q_low)
    return pool_studies(yi, vi, estimator), cochran_q(yi, vi), typical_variance(vi), low, high


@kernel
def dersimonian_laird(yi, vi):
    """DerSimonian & Laird 1986, doi:10.1016/0197-2456(86)90046-2, with Wald standard error.

    yi, vi: (k,) effects and sampling variances. With w = 1 / v: Q = sum w (y - y_w)^2 (eq. 8),
    tau^2 = max(0, (Q - (k - 1)) / (sum w - sum w^2 / sum w)) (eq. 10),
    mu = sum w* y / sum w* with w* = 1 / (v + tau^2), se = 1 / sqrt(sum w*).
    I^2 = 100 max(0, (Q - (k - 1)) / Q), Higgins & Thompson 2002, doi:10.1002/sim.1186.
    """
    k = len(yi)
    sum_w, sum_w2, sum_wy = 0.0, 0.0, 0.0
    for i in range(k):
        w = 1.0 / vi[i]
        sum_w += w
        sum_w2 += w * w
        sum_wy += w * yi[i]
    fixed = sum_wy / sum_w
    q = 0.0
    for i in range(k):
        q += (yi[i] - fixed) ** 2 / vi[i]
    excess = max(0.0, q - (k - 1.0))
    tau2 = excess / (sum_w - sum_w2 / sum_w)
    sum_w, sum_wy = 0.0, 0.0
    for i in range(k):
        w = 1.0 / (vi[i] + tau2)
        sum_w += w
        sum_wy += w * yi[i]
    i2 = 100.0 * excess / q if q > 0.0 else 0.0
    return Synthesis(sum_wy / sum_w, 1.0 / math.sqrt(sum_w), tau2, q, i2)
