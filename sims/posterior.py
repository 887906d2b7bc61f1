"""What study-level data say about the mean true effect and the spread between laboratories.

The density of a study's d is exact: theta ~ N(mu, tau^2) and normal outcomes make it a scaled
noncentral t. With a flat prior on a box, the posterior of (mu, tau) is its likelihood there; it
is held on a grid of cells, which is all that two dimensions need.
"""

import math

import numpy as np

from sims.kernels import entry, kernel
from sims.streams import draw_uniform, open_stream, scenario_key, stream_key

POINTS = 201  # of the integral over a cluster's common deviation
_SQRT_HALF = math.sqrt(0.5)
_LOG_SQRT_2PI = 0.5 * math.log(2.0 * math.pi)


@kernel
def log_moment_integral(n, x):
    """log of I_n(x), the integral of u^n exp(-(u - x)^2 / 2) over u > 0; n a whole number >= 1.

    I_n = x I_(n-1) + (n - 1) I_(n-2). The ratio of neighbours runs upward where I_n grows
    (x not far below 0) and downward from far above where it is the smaller solution (Gautschi
    1967, doi:10.1137/1009002): with |x| sqrt(n) <= 6 upward loses at most five digits of sixteen.
    """
    if x >= -6.0 / math.sqrt(n):
        log_start = _LOG_SQRT_2PI + math.log(0.5 * math.erfc(-x * _SQRT_HALF))
        ratio = x + math.exp(-0.5 * x * x - log_start)
        total = log_start + math.log(ratio)
        for m in range(2, n + 1):
            ratio = x + (m - 1.0) / ratio
            total += math.log(ratio)
        return total
    top = int((math.sqrt(n) + 17.0 / -x) ** 2) + 2
    ratio = 0.5 * (x + math.sqrt(x * x + 4.0 * top))
    total = 0.0
    for m in range(top, 1, -1):
        # From I_m / I_(m-1) to I_(m-1) / I_(m-2).
        ratio = (m - 1.0) / (ratio - x)
        if m - 1 <= n:
            total += math.log(ratio)
    # I_0 underflows far below 0: there from I_1 = x I_0 + exp(-x^2 / 2) and the ratio of both.
    return total - 0.5 * x * x - math.log(ratio - x)


@kernel
def log_density(d, df, se2, mu, tau2):
    """log density of d = (mean difference) / (pooled SD) of a study of a random laboratory.

    The difference is N(mu, sd^2) with sd^2 = tau2 + se2, se2 = 1/n1 + 1/n2, and df s^2 is
    chi-square: integrating over s gives I_df (Johnson, Kotz & Balakrishnan 1995, ch. 31).
    df: whole number; mu, d: SDs.
    """
    variance = tau2 + se2
    a = df + d * d / variance
    x = d * mu / (variance * math.sqrt(a))
    return (
        math.log(2.0) + 0.5 * df * math.log(0.5 * df) - math.lgamma(0.5 * df)
        - _LOG_SQRT_2PI - 0.5 * math.log(variance)
        - 0.5 * (df + 1.0) * math.log(a)
        + 0.5 * (x * x - mu * mu / variance)
        + log_moment_integral(df, x)
    )  # fmt: skip


@kernel
def clustered_log_likelihood(d, df, se2, cluster, share, mu, tau, work):
    """log likelihood of one set of studies whose clusters have share of tau^2 in common.

    Given a cluster's common deviation its studies are independent; the deviation is integrated
    out by the trapezoidal rule over +-6 of its SDs. With 201 points the step is .06 tau: against
    the narrowest cluster allowed for, an SD of tau / 24, the rule's error is below 1e-4.

    d, df, se2, cluster: (k,), cluster 0-based; share > 0; work: (n_clusters, points) scratch.
    """
    points = work.shape[1]
    common, within = tau * math.sqrt(share), tau * tau * (1.0 - share)
    step = 12.0 / (points - 1.0)
    for node in range(points):
        z = -6.0 + node * step
        for c in range(work.shape[0]):
            work[c, node] = math.log(step) - _LOG_SQRT_2PI - 0.5 * z * z
        for i in range(d.shape[0]):
            work[cluster[i], node] += log_density(d[i], df[i], se2[i], mu + common * z, within)
    total = 0.0
    for c in range(work.shape[0]):
        largest = work[c].max()
        total += largest + math.log(np.exp(work[c] - largest).sum())
    return total


@entry
def clustered_grid(d, df, se2, cluster, share, mu, tau, points, out):
    """As `log_likelihood_grid` for one set of clustered studies, out (M, T)."""
    work = np.empty((cluster.max() + 1, points))
    for i in range(mu.shape[0]):
        for j in range(tau.shape[0]):
            out[i, j] = clustered_log_likelihood(d, df, se2, cluster, share, mu[i], tau[j], work)


@entry
def log_likelihood_grid(d, df, se2, mu, tau, out):
    """Fill out (sets, M, T) with the log likelihood of each set of studies at mu (M,), tau (T,).

    d, df, se2: (sets, k), df whole numbers.
    """
    for s in range(d.shape[0]):
        for i in range(mu.shape[0]):
            for j in range(tau.shape[0]):
                total = 0.0
                for study in range(d.shape[1]):
                    total += log_density(
                        d[s, study], df[s, study], se2[s, study], mu[i], tau[j] * tau[j]
                    )
                out[s, i, j] = total


@entry
def draw_cells(seed, scenario, cumulative, n_tau, box, out_mu, out_tau):
    """Draws (sets, n) from the cells of a grid on the box, uniform within a cell.

    cumulative: (sets, cells), unnormalised; cell i has row i // n_tau of mu, column i % n_tau of
    tau; box: (mu_low, mu_high, tau_low, tau_high).
    """
    key = stream_key(seed, scenario)
    n_mu = cumulative.shape[1] // n_tau
    for s in range(out_mu.shape[0]):
        for r in range(out_mu.shape[1]):
            state = open_stream(key, np.uint64(s * out_mu.shape[1] + r))
            u, state = draw_uniform(state)
            cell = int(np.searchsorted(cumulative[s], u * cumulative[s, -1], side="right"))
            u, state = draw_uniform(state)
            out_mu[s, r] = box[0] + (cell // n_tau + u) / n_mu * (box[1] - box[0])
            u, state = draw_uniform(state)
            out_tau[s, r] = box[2] + (cell % n_tau + u) / n_tau * (box[3] - box[2])


def posterior_draws(
    d: np.ndarray,
    n1: np.ndarray,
    n2: np.ndarray,
    prior: np.ndarray,
    n_draws: int,
    seed: int,
    cells: int,
    cluster: np.ndarray | None = None,
    share: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Draws of (mu, tau), each (sets, n_draws), given the studies of each set.

    Parameters
    ----------
    d : (sets, k) mean differences over pooled SDs
    n1, n2 : (sets, k) animals per group
    prior : (mu_low, mu_high, tau_low, tau_high), bounds of the uniform prior
    n_draws, seed : draws of each set, and their seed
    cells : cells of the grid along mu and along tau
    cluster, share : (k,) labels, 0-based, and the share of tau^2 that a cluster has in common
    """
    middle = (np.arange(cells) + 0.5) / cells
    mu = prior[0] + middle * (prior[1] - prior[0])
    tau = prior[2] + middle * (prior[3] - prior[2])
    df = np.rint(n1 + n2 - 2.0).astype(np.int64)
    draws_mu, draws_tau = np.empty((len(d), n_draws)), np.empty((len(d), n_draws))
    # A few sets at a time: a grid of each is held.
    for start in range(0, len(d), 64):
        own = slice(start, start + 64)
        grid = np.empty((len(d[own]), cells, cells))
        se2 = (1.0 / n1 + 1.0 / n2)[own]
        if cluster is None or share == 0.0:
            log_likelihood_grid(d[own], df[own], se2, mu, tau, grid)
        else:
            for s in range(len(grid)):
                clustered_grid(
                    d[own][s], df[own][s], se2[s], cluster, share, mu, tau, POINTS, grid[s]
                )
        density = np.exp(grid - grid.max(axis=(1, 2), keepdims=True)).reshape(len(grid), -1)
        cumulative = np.cumsum(density, axis=1)
        key = scenario_key("posterior", start)
        draw_cells(np.uint64(seed), key, cumulative, cells, prior, draws_mu[own], draws_tau[own])
    return draws_mu, draws_tau
