"""Syntheses of studies that were tested after different delays, and what they publish.

Study i has the effect theta_i = delta0_i f_i at its delay, f_i the share that is left and
delta0_i ~ N(mu, tau^2) its laboratory's effect at the end of treatment: both the mean and the
spread of the effects decay.
"""

import math

import numpy as np

from sims.chi import draw_inverse_sd
from sims.engine import map_ordered
from sims.kernels import entry, kernel
from sims.performance import Z95
from sims.pooling import dersimonian_laird
from sims.streams import draw_normal, draw_uniform, open_stream, scenario_key, stream_key
from sims.syntheses import draw_size, effect
from sims.types import Studies

_CHUNK = 8192
LONGEST = 1e5  # days; beyond it a half-life counts as infinite
_STEPS = 44
_PROPOSALS = 1 << 14  # of one call, of a joint distribution
_BATCH = 8  # calls at a time
_MOST_PROPOSALS = 1 << 23
_FEWER_STEPS = 14  # halvings of the axis of log half-lives: to a thousandth of a half-life


@kernel
def draw_studies(state, tau, studies, common, spread, noise, factor, size):
    """Fill, for each study (k,): its laboratory's deviation, sampling error, j / s, size.

    common: (n_clusters,) scratch. Hedges g at the share f is factor (f (mu + spread) + noise).
    """
    values, cdf, fixed, cluster = studies.n, studies.cdf, studies.fixed, studies.cluster
    share, terms, sd_tables = studies.share, studies.terms, studies.sd_tables
    for c in range(common.shape[0]):
        common[c], state = draw_normal(state)
    for i in range(fixed.shape[0]):
        which = fixed[i]
        if which < 0:
            which, state = draw_size(state, cdf)
        z, state = draw_normal(state)
        spread[i] = tau * (math.sqrt(share) * common[cluster[i]] + math.sqrt(1.0 - share) * z)
        z, state = draw_normal(state)
        noise[i] = math.sqrt(2.0 / values[which]) * z
        z, state = draw_normal(state)
        factor[i] = terms[which, 0] * draw_inverse_sd(sd_tables, which, z)
        size[i] = which
    return state


@kernel
def _pool(mu, shares, spread, noise, factor, size, terms, yi, vi):
    for i in range(shares.shape[0]):
        deviation = shares[i] * (mu + spread[i]) - mu + noise[i]
        yi[i], vi[i] = effect(mu, deviation, factor[i], terms[size[i], 1], terms[size[i], 2])
    return dersimonian_laird(yi, vi)


@kernel
def _shares(half_life, delays, shares):
    for i in range(delays.shape[0]):
        if half_life == 0.0:
            shares[i] = 1.0 if delays[i] == 0.0 else 0.0
        else:
            shares[i] = 2.0 ** (-delays[i] / half_life)


@entry
def pool_decayed(seed, scenario, first, mu, tau, half_life, delays, studies, memory, out):
    """Pooled mu, se, tau2, QE, I2 (count, 5) of replicates; replicate r has truth r modulo J.

    mu, tau, half_life: (J,); delays: (k,) days; memory: (6, k) and scratch for clusters.
    """
    key = stream_key(seed, scenario)
    rows, size, common = memory
    terms = studies.terms
    for r in range(out.shape[0]):
        j = (first + r) % mu.shape[0]
        draw_studies(open_stream(key, np.uint64(first + r)), tau[j], studies, common, rows[0],
                     rows[1], rows[2], size)  # fmt: skip
        _shares(half_life[j], delays, rows[3])
        x = _pool(mu[j], rows[3], rows[0], rows[1], rows[2], size, terms, rows[4], rows[5])
        out[r, 0], out[r, 1], out[r, 2], out[r, 3], out[r, 4] = x.mu, x.se, x.tau2, x.QE, x.I2


@entry
def match_half_lives(seed, scenario, mu, tau, low, high, delays, studies, memory, out):
    """Half-life (J,) at which each truth's simulated synthesis publishes its target.

    The target is uniform on the rounding interval low..high of the published effect; the pooled
    effect rises with the half-life on fixed random numbers. 0 where even a vanished effect
    publishes more, infinite where an undiminished one publishes less.
    """
    key = stream_key(seed, scenario)
    rows, size, common = memory
    terms = studies.terms
    for j in range(mu.shape[0]):
        u, state = draw_uniform(open_stream(key, np.uint64(j)))
        target = low + u * (high - low)
        draw_studies(state, tau[j], studies, common, rows[0], rows[1], rows[2], size)
        lower, upper = math.log(1e-3), math.log(LONGEST)
        for step in range(_STEPS + 2):
            # First both ends, then halves of what lies between.
            place = 0.5 * (lower + upper)
            if step < 2:
                place = lower if step == 0 else upper
            _shares(math.exp(place), delays, rows[3])
            x = _pool(mu[j], rows[3], rows[0], rows[1], rows[2], size, terms, rows[4], rows[5])
            if step == 0 and x.mu >= target:
                out[j] = 0.0
                break
            if step == 1 and x.mu <= target:
                out[j] = np.inf
                break
            if step > 1:
                if x.mu < target:
                    lower = place
                else:
                    upper = place
                out[j] = math.exp(0.5 * (lower + upper))


@kernel
def _as_published(x, low, high, z95):
    # Whether a synthesis prints what was printed, but for its mean: se, tau2, QE, I2, interval.
    return (
        low[1] <= x.se <= high[1] and low[2] <= x.tau2 <= high[2] and low[3] <= x.QE <= high[3]
        and low[4] <= x.I2 <= high[4] and low[5] <= x.mu - z95 * x.se <= high[5]
        and low[6] <= x.mu + z95 * x.se <= high[6]
    )  # fmt: skip


@entry
def match_published(
    seed, scenario, first, count, mu, tau, low, high, z95, delays, studies, memory, out
):
    """Proposals first..first+count-1 that print all that was printed: rows (truth, T, weight).

    Proposal r has truth r modulo J and a target, uniform on the rounding interval of the published
    mean, which its half-life T is solved for. Its weight is the density of T's prior over that of
    the proposal: for a mean effect over the delays that is uniform before, mu s(T), it is mu s'
    over the slope of the pooled effect, both in log T. low, high: (7,), as in
    `sims.conditioning.Published`. Returns how many rows of out (count, 3) are filled.
    """
    key = stream_key(seed, scenario)
    rows, size, common = memory
    terms, k = studies.terms, delays.shape[0]
    found = 0
    for r in range(first, first + count):
        j = r % mu.shape[0]
        if not mu[j] > 0.0:
            continue
        u, state = draw_uniform(open_stream(key, np.uint64(r)))
        target = low[0] + u * (high[0] - low[0])
        draw_studies(state, tau[j], studies, common, rows[0], rows[1], rows[2], size)
        lower, upper = math.log(1e-3), math.log(LONGEST)
        exists, at_lower, at_upper = True, 0.0, 0.0
        for step in range(_FEWER_STEPS + 2):
            place = 0.5 * (lower + upper)
            if step < 2:
                place = lower if step == 0 else upper
            _shares(math.exp(place), delays, rows[3])
            x = _pool(mu[j], rows[3], rows[0], rows[1], rows[2], size, terms, rows[4], rows[5])
            if (step == 0 and x.mu >= target) or (step == 1 and x.mu <= target):
                exists = False
                break
            if x.mu < target:
                lower, at_lower = place, x.mu
            else:
                upper, at_upper = place, x.mu
        if not exists or not _as_published(x, low, high, z95):
            continue
        place = lower + (upper - lower) * (target - at_lower) / (at_upper - at_lower)
        slope, effect_slope = 0.0, 0.0
        for side in range(2):
            sign = 2.0 * side - 1.0
            _shares(math.exp(place + sign * 0.02), delays, rows[3])
            x = _pool(mu[j], rows[3], rows[0], rows[1], rows[2], size, terms, rows[4], rows[5])
            slope += sign * x.mu
            for i in range(k):
                effect_slope += sign * mu[j] * rows[3][i] / k
        if slope > 0.0:
            out[found, 0], out[found, 1], out[found, 2] = j, math.exp(place), effect_slope / slope
            found += 1
    return found


def new_memory(studies: Studies) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scratch of one worker."""
    k = len(studies.fixed)
    return np.zeros((6, k)), np.zeros(k, np.int64), np.zeros(int(studies.cluster.max()) + 1)


def simulate_decayed(
    studies: Studies, mu, tau, half_life, delays, n_sim: int, seed: int, scenario: str,
    jobs: int = 1,
) -> np.ndarray:  # fmt: skip
    """Pooled numbers (n_sim, 5) of simulated syntheses, truths (J,) taken in turn."""
    mu, tau, half_life, delays = (
        np.atleast_1d(np.array(x, dtype=float)) for x in (mu, tau, half_life, delays)
    )
    out = np.empty((n_sim, 5))
    key = scenario_key(scenario)

    def run(first: int) -> None:
        pool_decayed(
            np.uint64(seed), key, first, mu, tau, half_life, delays, studies,
            new_memory(studies), out[first : first + _CHUNK],
        )  # fmt: skip

    for _ in map_ordered(run, range(0, n_sim, _CHUNK), jobs):
        pass
    return out


def matched_half_life(
    studies: Studies, mu: float, tau: float, target: float, delays, n_sim: int, seed: int,
    jobs: int = 1,
) -> float:  # fmt: skip
    """Half-life whose median simulated synthesis publishes `target`; 0 or infinite at the ends."""
    from scipy.optimize import brentq

    def excess(log_half_life: float) -> float:
        rows = simulate_decayed(studies, mu, tau, math.exp(log_half_life), delays, n_sim, seed,
                                "half-life", jobs)  # fmt: skip
        return float(np.median(rows[:, 0])) - target

    low, high = math.log(1e-3), math.log(LONGEST)
    if excess(low) >= 0.0:
        return 0.0
    if excess(high) <= 0.0:
        return math.inf
    return math.exp(float(brentq(excess, low, high, xtol=1e-6)))


def joint_half_lives(
    studies: Studies, mu: np.ndarray, tau: np.ndarray, low: float, high: float, delays, seed: int
) -> np.ndarray:
    """A half-life (J,) for each draw of (mu, tau), see `match_half_lives`."""
    out = np.zeros(len(mu))
    match_half_lives(
        np.uint64(seed), scenario_key("half-lives"), np.array(mu, float), np.array(tau, float),
        float(low), float(high), np.array(delays, float), studies, new_memory(studies), out,
    )  # fmt: skip
    return out


def joint_published(
    studies: Studies, low: np.ndarray, high: np.ndarray, mu: np.ndarray, tau: np.ndarray, delays,
    seed: int, jobs: int = 1,
) -> tuple[np.ndarray, np.ndarray] | None:  # fmt: skip
    """Truths and half-lives that reproduce a publication: places in mu and tau, and T, both (J,).

    Given equally likely (mu, tau) (J,) of the effect at the end of treatment, the half-life's
    posterior given all published numbers of the synthesis, to their rounding (as in
    `sims.conditioning.joint_draws`): proposals by `match_published`, drawn again by their weights.
    None: fewer than J of 8 million proposals print what was printed.
    """
    mu, tau, delays = (np.array(x, dtype=float) for x in (mu, tau, delays))
    key = scenario_key("published half-lives")

    def run(first: int) -> np.ndarray:
        out = np.empty((_PROPOSALS, 3))
        n = match_published(
            np.uint64(seed), key, first, _PROPOSALS, mu, tau, low, high, Z95, delays,
            studies, new_memory(studies), out,
        )  # fmt: skip
        return out[:n]

    rows: list[np.ndarray] = []
    n = 0
    batch = _BATCH * _PROPOSALS
    for start in range(0, _MOST_PROPOSALS, batch):
        rows += map_ordered(run, range(start, start + batch, _PROPOSALS), jobs)
        n = sum(len(found) for found in rows)
        if n >= len(mu):
            break
    if n < len(mu):
        return None
    own = np.concatenate(rows)
    # One uniform start, equal steps: each row as often as its weight says, or once more.
    cumulative = np.cumsum(own[:, 2]) / own[:, 2].sum()
    places = np.searchsorted(cumulative, (np.arange(len(mu)) + 0.5) / len(mu))
    return own[places, 0].astype(np.int64), own[places, 1]
