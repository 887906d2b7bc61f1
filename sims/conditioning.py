"""Which truths give a published synthesis: the matched truth and the joint distribution.

Both simulate syntheses like the published one and compare what they would have printed with
what was printed. All numbers, no words: where the numbers come from is not known here.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sims.engine import Progress, map_ordered
from sims.lanes.syntheses import (
    N_STATISTICS,
    match_syntheses,
    pool_syntheses,
    studies_of_replicates,
)
from sims.performance import Z95
from sims.streams import scenario_key
from sims.types import Studies

MU, SE, TAU2, QE, I2, CI_LB, CI_UB = range(7)  # columns of what is compared
_CHUNK = 32768
_TAU_LIMIT = 1e4  # beyond any heterogeneity: I^2 no longer changes with tau


class Published(NamedTuple):
    """A published synthesis: a value, and the interval that rounds to it, of each statistic.

    value, low, high: (7,) over mu, se, tau2, QE, I2, ci_lb, ci_ub; -inf..inf where not printed.
    heterogeneity: which of TAU2, QE, I2 was printed.
    """

    value: np.ndarray
    low: np.ndarray
    high: np.ndarray
    heterogeneity: int


class Matched(NamedTuple):
    """The truth whose median simulated effect and heterogeneity are the published ones.

    status: "interior", or "boundary" where even tau = 0 gives more heterogeneity than was
    published; tau_limit: then the largest tau that is still compatible (it gives so little
    heterogeneity with probability 0.025), else NaN. mcse: of mu and tau.
    """

    mu: float
    tau: float
    status: str
    tau_limit: float
    mu_mcse: float
    tau_mcse: float
    n_sim: int


class Joint(NamedTuple):
    """Draws of (mu, tau) that reproduced the publication, and the replicates that did.

    replicates: (J,) numbers of the accepted replicates, ascending; mu, tau: (J,); prior: bounds
    (mu_low, mu_high, tau_low, tau_high) of the uniform prior; n_sim: replicates tried.
    """

    replicates: np.ndarray
    mu: np.ndarray
    tau: np.ndarray
    prior: np.ndarray
    n_sim: int


class Infeasible(ValueError):
    """No truth gives the published numbers; the message says which and why."""


def simulate_pooled(
    studies: Studies, mu: float, tau: float, n_sim: int, seed: int, scenario: str, jobs: int = 1
) -> np.ndarray:
    """Pooled numbers (n_sim, 5) of simulated syntheses: mu, se, tau2, QE, I2."""
    out = np.empty((n_sim, N_STATISTICS))
    box = np.array([mu, mu, tau, tau])
    key = scenario_key(scenario)

    def run(first: int) -> None:
        rows = out[first : first + _CHUNK]
        pool_syntheses(np.uint64(seed), key, first, box, studies, rows)

    for _ in map_ordered(run, range(0, n_sim, _CHUNK), jobs):
        pass
    return out


def matched_truth(
    studies: Studies, published: Published, n_sim: int, seed: int, jobs: int = 1
) -> Matched:
    """The (mu, tau) whose median simulated g and heterogeneity are the published values.

    The same random numbers serve every trial, so that both medians are smooth in mu and tau.

    Raises
    ------
    Infeasible : the published heterogeneity is more than any tau gives.
    """
    kind = published.heterogeneity
    target_mu, target = published.value[MU], published.value[kind]
    state = {"mu": target_mu}

    def trial(tau: float) -> np.ndarray:
        # mu is solved for first; the median is nearly linear in it, so the secant is quick.
        mu, slope = state["mu"], 1.0
        previous: tuple[float, float] | None = None
        for _ in range(20):
            rows = simulate_pooled(studies, mu, tau, n_sim, seed, "matched", jobs)
            miss = float(np.median(rows[:, MU])) - target_mu
            if abs(miss) < 2e-5 * (1.0 + abs(target_mu)):
                break
            if previous is not None and miss != previous[1]:
                slope = (miss - previous[1]) / (mu - previous[0])
            previous = (mu, miss)
            mu -= miss / slope
        state["mu"] = mu
        return rows

    rows = trial(0.0)
    if np.median(rows[:, kind]) >= target:
        mu = state["mu"]
        limit = _largest_tau(trial, kind, published.high[kind])
        mcse = _median_mcse(rows[:, MU])
        return Matched(mu, 0.0, "boundary", limit, mcse, 0.0, n_sim)
    from scipy.optimize import brentq

    def excess(tau: float) -> float:
        return float(np.median(trial(tau)[:, kind])) - target

    low, high = 0.0, 0.5 * (1.0 + abs(target_mu))
    while excess(high) < 0.0:
        low, high = high, 2.0 * high
        if high > _TAU_LIMIT:
            raise Infeasible(f"{excess(high) + target:.1f}")
    tau = float(brentq(excess, low, high, xtol=2e-5 * (1.0 + high)))
    step = 0.05 * tau
    slope = float(np.median(trial(tau + step)[:, kind]) - np.median(trial(tau - step)[:, kind]))
    rows = trial(tau)
    tau_mcse = _median_mcse(rows[:, kind]) * 2.0 * step / slope
    mu_mcse = _median_mcse(rows[:, MU])
    return Matched(float(state["mu"]), tau, "interior", np.nan, mu_mcse, float(tau_mcse), n_sim)


def _largest_tau(trial: Callable[[float], np.ndarray], kind: int, published_high: float) -> float:
    def compatible(tau: float) -> bool:
        return float(np.mean(trial(tau)[:, kind] <= published_high)) >= 0.025

    low, high = 0.0, 0.25
    while compatible(high):
        low, high = high, 2.0 * high
    while high - low > 1e-3 * (1.0 + high):
        middle = 0.5 * (low + high)
        low, high = (middle, high) if compatible(middle) else (low, middle)
    return 0.5 * (low + high)


def _median_mcse(x: np.ndarray) -> float:
    # From the order statistics two binomial standard errors away; no density to estimate.
    x = np.sort(x)
    spread = np.sqrt(len(x))
    centre = len(x) / 2.0
    return float(x[int(centre + spread)] - x[int(centre - spread)]) / 4.0


def joint_draws(
    studies: Studies,
    published: Published,
    prior: np.ndarray,
    n_draws: int,
    seed: int,
    jobs: int = 1,
    progress: Progress | None = None,
    max_sim: int = 1_000_000_000,
) -> Joint:
    """Draws of (mu, tau) given the publication, by rejection on its rounding intervals.

    mu and tau are uniform on prior = (mu_low, mu_high, tau_low, tau_high): approximate Bayesian
    computation (Beaumont 2019, doi:10.1146/annurev-statistics-030718-105212) without an
    approximation, as the publication is known only to its rounding. tau is drawn from its prior;
    mu only near the place where the drawn studies give the published effect, in a window of one
    width, which leaves the accepted draws as they are and makes them some twenty times as
    frequent. Every accepted replicate can be drawn again from its number.

    Raises
    ------
    Infeasible : fewer than `n_draws` acceptances in `max_sim` replicates.
    """
    # The pooled effect rises with mu at a slope of about 0.9; the window leaves ample room.
    window = 2.0 * (published.high[MU] - published.low[MU])
    key = scenario_key("joint")
    chunk = 8 * _CHUNK
    replicates: list[np.ndarray] = []
    truths: list[np.ndarray] = []
    found, n_sim = 0, 0

    def run(first: int) -> tuple[np.ndarray, np.ndarray]:
        numbers, rows = np.empty(chunk, dtype=np.int64), np.empty((chunk, 3))
        n = match_syntheses(
            np.uint64(seed), key, first, chunk, prior, studies, published.value[MU], window,
            published.low, published.high, Z95, numbers, rows,
        )  # fmt: skip
        return numbers[:n].copy(), rows[:n].copy()

    while found < n_draws:
        if n_sim >= max_sim or (n_sim >= max_sim // 20 and found == 0):
            raise Infeasible(f"{found} of {n_sim}")
        for numbers, rows in map_ordered(run, range(n_sim, n_sim + 16 * chunk, chunk), jobs):
            # What is accepted is settled by counting in order, not by which worker was first.
            n_sim += chunk
            if found < n_draws:
                replicates.append(numbers)
                truths.append(rows)
                found += len(numbers)
                if progress is not None:
                    progress(min(found, n_draws))
    numbers = np.concatenate(replicates)[:n_draws]
    rows = np.concatenate(truths)[:n_draws]
    return Joint(numbers, rows[:, 0].copy(), rows[:, 1].copy(), prior, int(numbers[-1]) + 1)


def pseudo_studies(
    studies: Studies, joint: Joint, seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The accepted syntheses, study by study: yi, vi and animals per group, each (J, k)."""
    shape = (len(joint.replicates), len(studies.fixed))
    yi, vi, ni = np.empty(shape), np.empty(shape), np.empty(shape)
    studies_of_replicates(
        np.uint64(seed), scenario_key("joint"), joint.replicates, joint.mu, joint.prior, studies,
        yi, vi, ni,
    )  # fmt: skip
    return yi, vi, ni
