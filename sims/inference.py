"""What a meta-analysis reports about one set of studies: intervals, tests, heterogeneity.

Equal to metafor's ``rma(yi, vi, method, test)`` with ``test`` "z" (`wald`), "knha" (`hk`) and
"adhoc" (`hk-wald`), ``predict`` and ``confint``; where a number does not exist it is NaN:

- One study: no tau^2, no prediction interval, and any interval is Wald's (metafor says so too,
  and then prints the confidence interval as prediction interval).
- Fixed effect: no tau^2, so no interval for it and no prediction interval, as in metafor.
- Riley's interval of two studies: t with 0 degrees of freedom (metafor takes 1 instead).
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc, gammaincinv, ndtr, ndtri, stdtr, stdtrit

from sims.names import ESTIMATORS, INTERVALS
from sims.pooling import interval_se, pool_for_inference
from sims.types import Pooled


class Summary(NamedTuple):
    """One meta-analysis.

    estimate, se, ci_lb, ci_ub: pooled effect; stat, df, pval: its test against 0 (df is inf for
    a normal statistic); tau2 with its Q-profile interval tau2_lb, tau2_ub; I2: percent; H2; QE,
    QEp: Cochran's Q and its p; pi_lb, pi_ub: prediction interval with the quantile of the
    confidence interval; riley_lb, riley_ub: with t on k - 2; ok: the iteration converged.
    """

    k: int
    estimate: float
    se: float
    ci_lb: float
    ci_ub: float
    stat: float
    df: float
    pval: float
    tau2: float
    tau2_lb: float
    tau2_ub: float
    I2: float
    H2: float
    QE: float
    QEp: float
    pi_lb: float
    pi_ub: float
    riley_lb: float
    riley_ub: float
    ok: bool


class Inferred(NamedTuple):
    """An estimate, its interval and its test against 0; df is inf for a normal statistic."""

    estimate: float
    se: float
    ci_lb: float
    ci_ub: float
    stat: float
    df: float
    pval: float


def critical_value(alpha: float, df: float) -> float:
    """Two-sided critical value of t, or of the normal if df is inf; NaN without df."""
    if df <= 0.0:
        return math.nan
    return float(-ndtri(alpha / 2.0) if math.isinf(df) else -stdtrit(df, alpha / 2.0))


def two_sided(stat: float, df: float) -> float:
    """Two-sided p of a t statistic, or of a normal one if df is inf; NaN without df."""
    if math.isinf(df):
        return 2.0 * float(ndtr(-abs(stat)))
    return 2.0 * float(stdtr(df, -abs(stat))) if df > 0.0 else math.nan


def infer(estimate: float, se: float, df: float, alpha: float = 0.05) -> Inferred:
    """Interval at level 1 - alpha and two-sided test against 0, t with df or normal."""
    half = critical_value(alpha, df) * se
    with np.errstate(divide="ignore", invalid="ignore"):
        stat = float(np.divide(estimate, se))
    ends = estimate - half, estimate + half
    return Inferred(estimate, se, *ends, stat, df, two_sided(stat, df))


def summarize(
    yi: np.ndarray, vi: np.ndarray, estimator: str, interval: str, alpha: float = 0.05
) -> Summary:
    """`Summary` of k studies.

    Parameters
    ----------
    yi, vi : (k,) effects and sampling variances, vi > 0
    estimator, interval : names of `sims.names`
    alpha : intervals have level 1 - alpha

    Raises
    ------
    KeyError : an unknown name
    ValueError : no studies, different lengths, or a value that is not finite or not positive
    """
    yi, vi = checked(yi, vi)
    k, code = len(yi), ESTIMATORS[estimator]
    pooled, q, typical, tau2_lb, tau2_ub = _numbers(yi, vi, code, alpha)
    main = pooled_test(pooled, k, interval, alpha)
    if k == 1:
        i2, h2, q_p = 0.0, 1.0, 1.0
    else:
        q_p = float(chdtrc(k - 1.0, q))
        if estimator == "FE":
            i2 = 100.0 * max(0.0, q - (k - 1.0)) / q if q > 0.0 else 0.0
            h2 = q / (k - 1.0)
        else:
            i2 = 100.0 * pooled.tau2 / (typical + pooled.tau2)
            h2 = pooled.tau2 / typical + 1.0
    pi, riley = (math.nan, math.nan), (math.nan, math.nan)
    if k == 1 or estimator == "FE":
        tau2_lb, tau2_ub = math.nan, math.nan
    else:
        pi = prediction_interval(main, pooled.tau2, main.df, alpha)
        riley = prediction_interval(main, pooled.tau2, k - 2.0, alpha)
    return Summary(
        k, *main, pooled.tau2, tau2_lb, tau2_ub, i2, h2, q, q_p, *pi, *riley, pooled.ok == 1.0
    )


def prediction_interval(
    main: Inferred, tau2: float, df: float, alpha: float = 0.05
) -> tuple[float, float]:
    """estimate +- critical value on df * sqrt(se^2 + tau^2).

    Higgins, Thompson & Spiegelhalter 2009, doi:10.1111/j.1467-985X.2008.00552.x; with k - 2
    degrees of freedom, Riley, Higgins & Deeks 2011, doi:10.1136/bmj.d549.
    """
    half = critical_value(alpha, df) * math.sqrt(main.se**2 + tau2)
    return main.estimate - half, main.estimate + half


def pooled_test(pooled: Pooled, k: int, interval: str, alpha: float = 0.05) -> Inferred:
    """Interval and test of a pooled effect; Wald's for one study, whatever the name."""
    code = INTERVALS["wald" if k == 1 else interval]
    df = math.inf if code == INTERVALS["wald"] else k - 1.0
    return infer(pooled.mu, float(interval_se(pooled.se, pooled.hk, code)), df, alpha)


def leave_one_out(
    yi: np.ndarray, vi: np.ndarray, estimator: str, interval: str, alpha: float = 0.05
) -> list[Summary]:
    """`Summary` without each study in turn; none if there is only one."""
    yi, vi = checked(yi, vi)
    if len(yi) < 2:
        return []
    return [
        summarize(np.delete(yi, i), np.delete(vi, i), estimator, interval, alpha)
        for i in range(len(yi))
    ]


def checked(yi: np.ndarray, vi: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Effects and sampling variances as the kernels take them."""
    yi, vi = np.array(yi, dtype=float), np.array(vi, dtype=float)
    if yi.ndim != 1 or yi.shape != vi.shape or len(yi) == 0:
        raise ValueError("yi and vi must hold one number for each of at least one study")
    if not (np.isfinite(yi).all() and np.isfinite(vi).all() and (vi > 0.0).all()):
        raise ValueError("effects must be finite, sampling variances finite and positive")
    return yi, vi


def _numbers(
    yi: np.ndarray, vi: np.ndarray, code: int, alpha: float
) -> tuple[Pooled, float, float, float, float]:
    """Pooled, Q, typical variance and the Q-profile bounds of tau^2.

    Viechtbauer 2007, doi:10.1002/sim.2514: the tau^2 at which the generalised Q is between the
    quantiles of chi-square with k - 1 df. The interval starts at 0 where Q is below the upper
    quantile at 0; it is [0, 0] (an empty set, metafor says "null") where Q is below the lower.
    """
    if len(yi) == 1:
        return Pooled(float(yi[0]), math.sqrt(vi[0]), 0.0, math.nan, 1.0), 0.0, 0.0, 0.0, 0.0
    half_df = (len(yi) - 1.0) / 2.0
    q_low, q_high = (2.0 * float(gammaincinv(half_df, p)) for p in (alpha / 2, 1 - alpha / 2))
    pooled, *rest = pool_for_inference(yi, vi, code, q_low, q_high)
    return Pooled(*pooled), *rest
