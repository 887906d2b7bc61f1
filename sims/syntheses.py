"""One simulated synthesis of k two-arm studies: the version to read.

Study i has the true effect theta_i ~ N(mu, tau^2); studies of one cluster share a part of tau^2.
Its observed mean difference is mu plus a deviation, one normal; its pooled SD follows from
another. So Hedges g = factor * (mu + deviation), and the same draws serve any mu.
"""

import math

import numpy as np

from sims.chi import draw_inverse_sd, inverse_sd_tables
from sims.effects import VARIANCES, sampling_variance
from sims.kernels import kernel
from sims.streams import draw_normal, draw_uniform
from sims.types import Studies


@kernel
def draw_size(state, cdf):
    """Index of a group size drawn from its cumulative probabilities."""
    u, state = draw_uniform(state)
    size = 0
    for probability in cdf:
        size += u >= probability
    return size, state


@kernel
def draw_synthesis(state, tau, studies, effects, deviation, factor, size):
    """Fill deviation, factor and size (k,) with the studies of one synthesis.

    effects: (n_clusters,) scratch for the clusters' common deviations; size: index into
    studies.n.
    """
    # Arrays are taken out of the tuple once: each access in the loop would count references.
    values, cdf, fixed, cluster = studies.n, studies.cdf, studies.fixed, studies.cluster
    share, terms, sd_tables = studies.share, studies.terms, studies.sd_tables
    tau2 = tau * tau * (1.0 - share)
    common = tau * math.sqrt(share)
    if share > 0.0:
        for c in range(effects.shape[0]):
            effects[c], state = draw_normal(state)
    for i in range(fixed.shape[0]):
        which = fixed[i]
        if which < 0:
            which, state = draw_size(state, cdf)
        z, state = draw_normal(state)
        spread = math.sqrt(tau2 + 2.0 / values[which])
        deviation[i] = common * effects[cluster[i]] + spread * z
        z, state = draw_normal(state)
        factor[i] = terms[which, 0] * draw_inverse_sd(sd_tables, which, z)
        size[i] = which


@kernel
def effect(mu, deviation, factor, a, b):
    """Hedges g of a study and its estimated sampling variance."""
    g = factor * (mu + deviation)
    return g, a + b * g * g


def make_studies(
    n: np.ndarray,
    p: np.ndarray,
    k: int,
    fixed: np.ndarray | None = None,
    cluster: np.ndarray | None = None,
    share: float = 0.0,
    variance: str = "CMA",
) -> Studies:
    """Everything kernels need to draw k studies, with the tables for every group size.

    n, p: (m,) animals per group and their probabilities; fixed: (k,) group size of each study,
    drawn if None; cluster: (k,) labels, 0-based; share: part of tau^2 within clusters.
    """
    n = np.asarray(n, dtype=np.int64)
    cdf = np.cumsum(np.asarray(p, dtype=float))
    cdf[-1] = 1.0
    indices = np.full(k, -1) if fixed is None else np.searchsorted(n, fixed)
    labels = np.arange(k) if cluster is None else np.asarray(cluster)
    terms = [sampling_variance(float(m), float(m), VARIANCES[variance]) for m in n]
    return Studies(
        n, cdf, indices.astype(np.int64), labels.astype(np.int64), float(share),
        np.array(terms), inverse_sd_tables(2 * n - 2),
    )  # fmt: skip
