"""What a study would teach, before it is done: expected spread of what stays unknown.

Prior: J equally likely draws of what is unknown (the joint draws given a publication). A study's
data are drawn from one of them; given the data each draw weighs its likelihood; the variance that
is then left, averaged over data, never exceeds the variance before (preposterior analysis: Raiffa
& Schlaifer 1961; law of total variance). Exact but for the numbers of draws and of data sets.
"""

from typing import NamedTuple

import numpy as np

from sims.chi import inverse_sd
from sims.kernels import entry
from sims.posterior import log_density
from sims.streams import draw_normal, open_stream, scenario_key, stream_key

LOG2_DAYS = (0.0, 6.0)  # half-lives below a day and above 64 days count as a day and 64 days


class Spread(NamedTuple):
    """SD of an unknown: before, expected after (root of the mean variance), its Monte Carlo SE."""

    before: float
    after: float
    mcse: float


@entry
def fill_normals(seed, scenario, out):
    """Fill out (R, K) with standard normals, a stream for each row."""
    key = stream_key(seed, scenario)
    for r in range(out.shape[0]):
        state = open_stream(key, np.uint64(r))
        for k in range(out.shape[1]):
            out[r, k], state = draw_normal(state)


@entry
def effect_log_likelihoods(d, df, se2, mu, tau, out):
    """Fill out (R, J): log likelihood of the studies' d (R, m) at each draw mu, tau (J,).

    df: whole number, se2: of the mean difference in SDs squared; the same for all studies.
    """
    for r in range(d.shape[0]):
        for j in range(mu.shape[0]):
            total = 0.0
            for i in range(d.shape[1]):
                total += log_density(d[r, i], df, se2, mu[j], tau[j] * tau[j])
            out[r, j] = total


def learned(values: np.ndarray, log_weights: np.ndarray) -> Spread:
    """What data sets with these log likelihoods (R, J) teach about an unknown with draws (J,).

    MCSE of the root of a mean by the delta method.
    """
    weights = np.exp(log_weights - log_weights.max(axis=1, keepdims=True))
    weights /= weights.sum(axis=1, keepdims=True)
    centred = values - values.mean()
    variance = weights @ centred**2 - (weights @ centred) ** 2
    after = float(np.sqrt(variance.mean()))
    error = float(variance.std(ddof=1) / np.sqrt(len(variance)))
    return Spread(float(centred.std()), after, error / (2.0 * after) if after > 0.0 else 0.0)


def effects_learned(
    mu: np.ndarray, tau: np.ndarray, labs: int, n: int, reps: int, seed: int, factor: float = 1.0
) -> tuple[Spread, Spread]:
    """What `labs` new laboratories with n animals per group teach about mu and tau (J,).

    factor : variance of an animal's outcome relative to one measurement; below 1 where several
        are averaged. The observed d has the exact law of `sims.posterior.log_density`.
    """
    truth = np.arange(reps) * len(mu) // reps
    z = np.empty((reps, 3 * labs))
    fill_normals(np.uint64(seed), scenario_key("preposterior", labs, n), z)
    # In units of the SD of what is analysed.
    scaled_mu, scaled_tau = mu / np.sqrt(factor), tau / np.sqrt(factor)
    theta = scaled_mu[truth, None] + scaled_tau[truth, None] * z[:, :labs]
    se2, df = 2.0 / n, 2 * n - 2
    difference = theta + np.sqrt(se2) * z[:, labs : 2 * labs]
    d = difference * inverse_sd(z[:, 2 * labs :], float(df))
    weights = np.empty((reps, len(mu)))
    effect_log_likelihoods(d, df, se2, scaled_mu, scaled_tau, weights)
    return learned(mu, weights), learned(tau, weights)


def half_life_learned(
    delta0: np.ndarray,
    tau: np.ndarray,
    half_life: np.ndarray,
    days: tuple[float, ...],
    labs: int,
    n: int,
    rho: float,
    reps: int,
    seed: int,
) -> Spread:
    """What new laboratories that measure the same animals on these days teach about a half-life.

    Differences D (m days) of a laboratory are N(delta0 g, tau^2 g g' + 2/n R), g = 2^(-t / T),
    with the outcome's SD (1) and the correlation rho between days taken as known. The SD is in
    log2 days: a factor of two is 1.

    delta0, tau, half_life : (J,) joint draws; a half-life may be 0 (all gone) or infinite
    """
    t = np.asarray(days, dtype=float)
    with np.errstate(divide="ignore", invalid="ignore"):
        g = np.where(t == 0.0, 1.0, np.exp2(-t / half_life[:, None]))
        days_log2 = np.clip(np.log2(half_life), *LOG2_DAYS)
    truth = np.arange(reps) * len(delta0) // reps
    m = len(t)
    correlation = np.full((m, m), rho) + (1.0 - rho) * np.eye(m)
    covariance = 2.0 / n * correlation
    root = np.linalg.cholesky(covariance)
    z = np.empty((reps, labs * (m + 1)))
    fill_normals(np.uint64(seed), scenario_key("preposterior", "decay", labs, n, *days), z)
    weights = np.zeros((reps, len(delta0)))
    for lab in range(labs):
        own = z[:, lab * (m + 1) : (lab + 1) * (m + 1)]
        theta = delta0[truth] + tau[truth] * own[:, 0]
        observed = theta[:, None] * g[truth] + own[:, 1:] @ root.T
        weights += decay_log_likelihoods(observed, g, delta0, tau, covariance)
    return learned(days_log2, weights)


def decay_log_likelihoods(
    observed: np.ndarray, g: np.ndarray, delta0: np.ndarray, tau: np.ndarray, covariance: np.ndarray
) -> np.ndarray:
    """log likelihood (R, J) of differences on m days (R, m) at each draw, up to a constant.

    observed ~ N(delta0 g, tau^2 g g' + covariance), g (J, m); its inverse and determinant from
    those of the covariance (Sherman & Morrison 1950, doi:10.1214/aoms/1177729893).
    """
    inverse = np.linalg.inv(covariance)
    at = observed @ inverse
    size = np.einsum("jm,mk,jk->j", g, inverse, g)
    spread = 1.0 + tau**2 * size
    along = at @ g.T
    straight = np.einsum("rm,rm->r", at, observed)[:, None] - 2.0 * delta0 * along
    straight += delta0**2 * size
    cross = along - delta0 * size
    return np.asarray(-0.5 * (straight - tau**2 * cross**2 / spread + np.log(spread)))
