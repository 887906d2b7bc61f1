"""Comparisons that depend on each other: shared control groups, and robust intervals for them.

Comparisons of one cluster share a part of tau^2 (`sims.syntheses`) and may share their control
group as well. Every interval is taken on the same syntheses, beside the one that is robust to
such dependence (CR2 with Satterthwaite's degrees of freedom).
"""

import math
from typing import NamedTuple

import numpy as np

from sims.chi import draw_inverse_sd, inverse_sd_tables
from sims.kernels import entry, kernel
from sims.pooling import interval_se, pool_studies
from sims.robust import cr2
from sims.streams import draw_normal, draw_uniform, open_stream, stream_key
from sims.syntheses import draw_size, draw_synthesis, effect
from sims.tables import evaluate, fit_table
from sims.types import Studies

# Sums of each interval; intervals in the order wald, hk, hk-wald, cr2.
SUMS = ("n_ok", "cover", "benefit", "harm", "width", "width_sq")
N_SUMS, N_INTERVALS = len(SUMS), 4
QUANTILE_INTERVALS = 64


class Arms(NamedTuple):
    """Each arm by itself, where comparisons share their controls.

    shared: 1 if comparisons of a cluster share one control group, else 0; sd_tables: tables of
    1/s of one group of each size, (m, ...).
    """

    shared: int
    sd_tables: np.ndarray


def make_arms(studies: Studies, shared: bool) -> Arms:
    """Arms of studies whose clusters share their controls, or do not."""
    return Arms(int(shared), inverse_sd_tables(studies.n - 1))


def quantile_table(alpha: float) -> np.ndarray:
    """Two-sided critical values of t over 1/df = 0..1, (1, intervals, degree + 1)."""
    from scipy.special import ndtri, stdtrit

    def critical(x: np.ndarray) -> np.ndarray:
        x = np.maximum(x, 0.0)
        with np.errstate(divide="ignore"):
            df = 1.0 / x
        normal = np.full(x.shape, -ndtri(alpha / 2.0))
        return np.where(x > 1e-9, -stdtrit(np.minimum(df, 1e9), alpha / 2.0), normal)

    return fit_table(critical, 0.0, 1.0, QUANTILE_INTERVALS)[None]


@kernel
def draw_shared(state, mu, tau, studies, arms, effects, control, inverse, yi, vi):
    """Fill yi, vi (k,) with comparisons whose clusters share one control group.

    The control group's mean and SD are drawn once per cluster; d = (theta + treated mean -
    control mean) / s with s^2 the mean of both groups' variances. A cluster has one group size.
    effects, control, inverse: (n_clusters,) scratch.
    """
    tau_within = tau * math.sqrt(1.0 - studies.share)
    common = tau * math.sqrt(studies.share)
    size = np.zeros(effects.shape[0], np.int64)
    for c in range(effects.shape[0]):
        effects[c], state = draw_normal(state)
        size[c] = -1
    for i in range(yi.shape[0]):
        c = studies.cluster[i]
        if size[c] < 0:
            which = studies.fixed[i]
            if which < 0:
                which, state = draw_size(state, studies.cdf)
            size[c] = which
            z, state = draw_normal(state)
            control[c] = z / math.sqrt(studies.n[which])
            z, state = draw_normal(state)
            inverse[c] = draw_inverse_sd(arms.sd_tables, which, z)
        which = size[c]
        z, state = draw_normal(state)
        theta = mu + common * effects[c] + tau_within * z
        z, state = draw_normal(state)
        difference = theta + z / math.sqrt(studies.n[which]) - control[c]
        z, state = draw_normal(state)
        treated = draw_inverse_sd(arms.sd_tables, which, z)
        variance = 0.5 * (1.0 / (treated * treated) + 1.0 / (inverse[c] * inverse[c]))
        g = studies.terms[which, 0] * difference / math.sqrt(variance)
        yi[i] = g
        vi[i] = studies.terms[which, 1] + studies.terms[which, 2] * g * g


@kernel
def draw_comparisons(state, mu, tau, studies, arms, scratch, size, yi, vi):
    """Fill yi, vi (k,): one synthesis, with or without shared controls.

    scratch: (3, max(k, n_clusters)); size: (k,) whole numbers.
    """
    k = yi.shape[0]
    n_clusters = 0
    for c in studies.cluster:
        n_clusters = max(n_clusters, c + 1)
    if arms.shared == 1:
        draw_shared(
            state, mu, tau, studies, arms, scratch[0, :n_clusters], scratch[1], scratch[2], yi, vi
        )
        return
    draw_synthesis(
        state, tau, studies, scratch[0, :n_clusters], scratch[1, :k], scratch[2, :k], size
    )
    for i in range(k):
        a, b = studies.terms[size[i], 1], studies.terms[size[i], 2]
        yi[i], vi[i] = effect(mu, scratch[1, i], scratch[2, i], a, b)


@entry
def tally_clustered(
    seed, scenario, first, count, mu, tau, studies, arms, estimator, critical, quantiles, out
):  # fmt: skip
    """Add the sums of replicates first..first+count-1 to out (N_INTERVALS, N_SUMS).

    mu, tau: (J,) equally likely truths; estimator: code; critical: (3,) of wald, hk, hk-wald;
    quantiles: table of `quantile_table` for CR2.
    """
    key = stream_key(seed, scenario)
    k = studies.fixed.shape[0]
    n_clusters = studies.cluster.max() + 1
    scratch = np.zeros((3, max(k, n_clusters)))
    yi, vi, size = np.zeros(k), np.ones(k), np.zeros(k, np.int64)
    for r in range(count):
        state = open_stream(key, np.uint64(first + r))
        u, state = draw_uniform(state)
        truth = int(u * mu.shape[0])
        draw_comparisons(state, mu[truth], tau[truth], studies, arms, scratch, size, yi, vi)
        pooled = pool_studies(yi, vi, estimator)
        robust_se, df = cr2(yi, vi, pooled.tau2, studies.cluster)
        for i in range(N_INTERVALS):
            if i < 3:
                half = critical[i] * interval_se(pooled.se, pooled.hk, i)
            else:
                position = min(1.0 / max(df, 1.0), 1.0 - 2.0**-53) * quantiles.shape[1]
                half = evaluate(quantiles, 0, position) * robust_se
            if pooled.ok == 1.0 and half == half:
                low, high = pooled.mu - half, pooled.mu + half
                out[i, 0] += 1.0
                out[i, 1] += 1.0 if low <= mu[truth] <= high else 0.0
                out[i, 2] += 1.0 if low > 0.0 else 0.0
                out[i, 3] += 1.0 if high < 0.0 else 0.0
                out[i, 4] += 2.0 * half
                out[i, 5] += 4.0 * half * half
