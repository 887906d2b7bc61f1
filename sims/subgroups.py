"""Subgroups of one meta-analysis compared at a common between-study variance.

What Comprehensive Meta-Analysis calls a mixed-effects analysis: random effects within
subgroups, tau^2 pooled over them, subgroups compared as fixed. It is the mixed-effects model
``rma(yi, vi, mods = ~ factor(group) - 1)``, and equal to it. Borenstein et al. 2009, Introduction
to Meta-Analysis, ch. 19, doi:10.1002/9780470743386.
"""

import math
from collections.abc import Sequence
from itertools import combinations
from typing import NamedTuple

import numpy as np
from scipy.special import chdtrc, fdtrc, gammaincinv

from sims.inference import Summary, checked, infer, prediction_interval
from sims.kernels import entry
from sims.names import INTERVALS
from sims.pooling import (
    MAX_STEPS,
    NOT_TRIED,
    ROUNDING,
    STEP,
    interval_se,
    newton,
    q_step,
    restricted_information,
    restricted_log_likelihood,
    restricted_score,
    weighted_sums,
)

# As van Velzen et al. 2021, doi:10.1097/j.pain.0000000000002231, restrict their comparisons.
MIN_STUDIES = 3


class Group(NamedTuple):
    """A subgroup: its label, its `Summary` at the common tau^2, and if it is compared.

    QE, QEp, I2 and H2 are the subgroup's own, from its Cochran's Q; intervals use the degrees of
    freedom of the common analysis.
    """

    label: str
    summary: Summary
    compared: bool


class Pair(NamedTuple):
    """Difference of two subgroups, first minus second; pval_adjusted is Bonferroni's."""

    first: str
    second: str
    difference: float
    se: float
    ci_lb: float
    ci_ub: float
    stat: float
    df: float
    pval: float
    pval_adjusted: float


class Subgroups(NamedTuple):
    """Subgroups and their comparison.

    tau2: common to the compared subgroups (to all, if fewer than two have enough studies), with
    its Q-profile interval; Q_between: weighted squares of the subgroups' deviations, chi-square
    on df under equality, or, if df_error is finite, F = Q_between / df on df and df_error; pval:
    its p, NaN if fewer than two subgroups are compared; left_out: labels of the subgroups with
    fewer than min_studies studies, which are shown but not compared; ok: the iteration converged.
    """

    groups: tuple[Group, ...]
    pairs: tuple[Pair, ...]
    tau2: float
    tau2_lb: float
    tau2_ub: float
    Q_between: float
    df: float
    df_error: float
    pval: float
    min_studies: int
    left_out: tuple[str, ...]
    ok: bool


class _GroupSums(NamedTuple):
    q1: float
    q2: float
    trace: float
    score: float
    observed: float
    expected: float
    log_likelihood: float


@entry
def grouped_sums(yi, vi, ends, tau2, out):
    """Sums over subgroups, which follow each other and end before ends (G,).

    The mixed-effects model's projection has one block for each subgroup, so everything about
    tau^2 adds up. out (7,): generalised Q and sum w^2 r^2, trace of P, restricted score,
    observed and expected information, restricted log-likelihood.
    """
    out[:] = 0.0
    start = 0
    for end in ends:
        y, v = yi[start:end], vi[start:end]
        x = weighted_sums(y, v, tau2)
        observed, expected = restricted_information(x.s1, x.s2, x.s3, x.q3, x.c2)
        out[0] += x.q1
        out[1] += x.q2
        out[2] += x.s1 - x.s2 / x.s1
        out[3] += restricted_score(x.s1, x.s2, x.q2)
        out[4] += observed
        out[5] += expected
        out[6] += restricted_log_likelihood(y, v, tau2)
        start = end


@entry
def group_means(yi, vi, ends, tau2, mu, se):
    """Fill mu and se (G,) with the subgroups' pooled effects and Wald standard errors."""
    start = 0
    for g in range(len(ends)):
        x = weighted_sums(yi[start : ends[g]], vi[start : ends[g]], tau2)
        mu[g], se[g] = x.mu, 1.0 / math.sqrt(x.s1)
        start = ends[g]


class _CommonVariance:
    """tau^2 of subgroups: the estimators of `sims.pooling` on sums over subgroups."""

    def __init__(self, yi: np.ndarray, vi: np.ndarray, ends: np.ndarray) -> None:
        self.yi, self.vi, self.ends = yi, vi, ends
        self.df = float(len(yi) - len(ends))

    def sums(self, tau2: float) -> _GroupSums:
        out = np.empty(7)
        grouped_sums(self.yi, self.vi, self.ends, float(tau2), out)
        return _GroupSums(*out.tolist())

    def estimate(self, estimator: str) -> tuple[float, bool]:
        """tau^2 and whether the iteration converged; 0 if every subgroup is one study."""
        if estimator == "FE" or self.df == 0.0:
            return 0.0, True
        if estimator == "DL":
            return self.moments(self.df), True
        if estimator == "PM":
            return self.at_q(self.df)
        if estimator == "REML":
            return self.reml()
        raise KeyError(estimator)

    def moments(self, target: float) -> float:
        """max(0, (sum Q_g - sum df_g) / sum C_g): Borenstein et al. 2009, eq. 19.38."""
        x = self.sums(0.0)
        return max(0.0, x.q1 - target) / x.trace

    def at_q(self, target: float) -> tuple[float, bool]:
        """tau^2 at which the generalised Q falls to the target, as `sims.pooling.tau2_at_q`."""
        if self.sums(0.0).q1 <= target:
            return 0.0, True
        tau2 = self.moments(target)
        for _ in range(MAX_STEPS):
            x = self.sums(tau2)
            new = max(0.0, tau2 + q_step(x.q1, x.q2, target))
            done = abs(new - tau2) <= STEP * new + ROUNDING * x.q1 / x.q2
            tau2 = new
            if done:
                return tau2, True
        return tau2, False

    def climb(self, tau2: float) -> tuple[float, bool]:
        low, high = NOT_TRIED, math.inf
        for _ in range(MAX_STEPS):
            x = self.sums(tau2)
            if tau2 == 0.0 and x.score <= 0.0:
                return 0.0, True
            information = (x.observed, x.expected)
            new, limit, low, high = newton(tau2, x.score, information, x.trace, low, high)
            done = abs(new - tau2) <= limit
            tau2 = new
            if done:
                return tau2, True
        return tau2, False

    def reml(self) -> tuple[float, bool]:
        """The highest maximum of the restricted likelihood, as `sims.pooling.reml`."""
        widest = max(float(self.vi.max()), float(np.ptp(self.yi)) ** 2)
        steps = math.ceil(math.log(4.0 * widest / float(self.vi.min()), 4.0))
        starts = [self.moments(self.df), 0.0, *(self.vi.min() / 4.0 * 4.0 ** np.arange(steps))]
        found = [self.climb(float(start)) for start in starts]
        return max(
            (one for one in found if one[1]),
            key=lambda one: self.sums(one[0]).log_likelihood,
            default=found[0],
        )

    def profile(self, alpha: float) -> tuple[float, float]:
        """Q-profile interval of tau^2."""
        if self.df == 0.0:
            return math.nan, math.nan
        low, high = (self.at_q(self._quantile(p))[0] for p in (1.0 - alpha / 2.0, alpha / 2.0))
        return low, high

    def _quantile(self, p: float) -> float:
        return 2.0 * float(gammaincinv(self.df / 2.0, p))


def compare_subgroups(
    yi: np.ndarray,
    vi: np.ndarray,
    labels: Sequence[str],
    estimator: str,
    interval: str,
    alpha: float = 0.05,
    min_studies: int = MIN_STUDIES,
) -> Subgroups:
    """`Subgroups`, in the order in which their labels first appear.

    Parameters
    ----------
    yi, vi : (k,) effects and sampling variances
    labels : (k,) the subgroup of each study
    estimator, interval : names of `sims.names`; with `hk` and `hk-wald` one factor is common to
        all subgroups, and t and F have the studies less the subgroups as degrees of freedom
    alpha : intervals have level 1 - alpha
    min_studies : subgroups with fewer are shown but neither compared nor used for tau^2

    Raises
    ------
    KeyError : an unknown name
    ValueError : as `sims.inference.summarize`, or labels of another length
    """
    yi, vi = checked(yi, vi)
    if len(labels) != len(yi):
        raise ValueError("labels must hold one subgroup for each effect")
    names = list(dict.fromkeys(str(label) for label in labels))
    own = {name: np.array([str(label) == name for label in labels]) for name in names}
    enough = [name for name in names if own[name].sum() >= min_studies]
    used = enough if len(enough) > 1 else names
    common = _common(yi, vi, [own[name] for name in used])
    tau2, ok = common.estimate(estimator)
    no_tau2 = estimator == "FE"
    bounds = (math.nan, math.nan) if no_tau2 else common.profile(alpha)
    code = INTERVALS["wald" if common.df == 0.0 else interval]
    df_error = math.inf if code == INTERVALS["wald"] else common.df
    hk = common.sums(tau2).q1 / common.df if common.df > 0.0 else math.nan
    scale = float(interval_se(1.0, hk, code))

    shown = _common(yi, vi, [own[name] for name in names])
    mu, se = np.empty(len(names)), np.empty(len(names))
    group_means(shown.yi, shown.vi, shown.ends, tau2, mu, se)
    se *= scale
    at = {name: i for i, name in enumerate(names)}

    def shown_group(name: str) -> Group:
        member, i = own[name], at[name]
        main = infer(float(mu[i]), float(se[i]), df_error, alpha)
        k, q = int(member.sum()), _common(yi, vi, [member]).sums(0.0).q1
        df = k - 1.0
        own_q = (
            100.0 * max(0.0, q - df) / q if q > 0.0 else 0.0,
            q / df if df > 0.0 else 1.0,
            q if df > 0.0 else 0.0,
            float(chdtrc(df, q)) if df > 0.0 else 1.0,
        )
        pi, riley = (math.nan, math.nan), (math.nan, math.nan)
        if not no_tau2 and common.df > 0.0:
            pi = prediction_interval(main, tau2, df_error, alpha)
            riley = prediction_interval(main, tau2, common.df - 1.0, alpha)
        summary = Summary(k, *main, tau2, *bounds, *own_q, *pi, *riley, ok)
        return Group(name, summary, len(enough) > 1 and name in enough)

    compared = enough if len(enough) > 1 else []
    q_between, p_between = math.nan, math.nan
    if compared:
        index = [at[name] for name in compared]
        q_between, p_between = _between(mu[index], se[index], df_error)
    n_pairs = len(compared) * (len(compared) - 1) // 2
    pairs = []
    for first, second in combinations(compared, 2):
        i, j = at[first], at[second]
        difference = infer(float(mu[i] - mu[j]), math.hypot(se[i], se[j]), df_error, alpha)
        pairs.append(Pair(first, second, *difference, min(1.0, n_pairs * difference.pval)))
    return Subgroups(
        tuple(shown_group(name) for name in names), tuple(pairs), tau2, *bounds,
        q_between, float(len(compared) - 1) if compared else math.nan, df_error, p_between,
        min_studies, tuple(name for name in names if name not in enough), ok,
    )  # fmt: skip


def _common(yi: np.ndarray, vi: np.ndarray, members: list[np.ndarray]) -> _CommonVariance:
    ends = np.cumsum([member.sum() for member in members])
    order = np.concatenate([np.flatnonzero(member) for member in members])
    return _CommonVariance(yi[order], vi[order], ends.astype(np.int64))


def _between(mu: np.ndarray, se: np.ndarray, df_error: float) -> tuple[float, float]:
    """Q between subgroups and its p: chi-square, or F if the standard errors are estimated."""
    weights, df = se**-2.0, len(mu) - 1.0
    centre = np.sum(weights * mu) / np.sum(weights)
    q = float(np.sum(weights * (mu - centre) ** 2))
    return q, float(chdtrc(df, q) if math.isinf(df_error) else fdtrc(df, df_error, q / df))
