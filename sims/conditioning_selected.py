"""Which truths give a published synthesis if studies were selected before they were published.

As `sims.conditioning`, with a mechanism between studies and publication. The matched truth is
found by simulation; the joint distribution is that without selection, weighted: published studies
have the density f(y) w(p) / A, and A, the share published, depends on the truth.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from sims.conditioning import I2, MU, QE, TAU2, Infeasible, Published
from sims.engine import map_ordered
from sims.posterior import log_likelihood_grid
from sims.selection import Mechanism
from sims.selection_pooling import simulate_selected
from sims.selection_shares import Unpublishable, publication, share_published
from sims.types import Studies

_MAX_ROUNDS = 40
_EXACT_STEPS = 8
_MU_TOLERANCE = 3e-4  # of the median effect, in SDs times 1 + |g|
_TAU_LIMIT = 60.0


class SelectedMatch(NamedTuple):
    """The truth whose median published effect and heterogeneity, selected, are the printed ones.

    status: "interior", or "boundary" where tau = 0 gives more heterogeneity than was printed; mcse
    of mu and tau; n_sim: simulated syntheses behind each median.
    """

    mu: float
    tau: float
    status: str
    mu_mcse: float
    tau_mcse: float
    n_sim: int


def match_selected(
    studies: Studies,
    published: Published,
    mechanism: Mechanism,
    start: tuple[float, float],
    n_sim: int,
    seed: int,
    jobs: int = 1,
) -> SelectedMatch:
    """The (mu, tau) whose median published g and heterogeneity are the printed ones.

    Newton's method on the two medians, the same random numbers at every trial; slopes from
    differences. start: a truth near it, such as the one without selection.

    Raises
    ------
    Infeasible : no truth gives the numbers under this mechanism; the message says why.
    """
    kind = {TAU2: TAU2, QE: QE, I2: I2}[published.heterogeneity]
    target = np.array([published.value[MU], published.value[kind]])
    tolerance = np.array([_MU_TOLERANCE * (1.0 + abs(target[0])), 2e-3 * (1.0 + abs(target[1]))])

    def medians(mu: float, tau: float) -> tuple[np.ndarray, np.ndarray]:
        try:
            rows = simulate_selected(
                studies, mechanism, mu, tau, n_sim, seed, "matched, selected", jobs
            )
        except Unpublishable as share:
            raise Infeasible(f"a share of {share} would be published") from None
        rows = rows[np.isfinite(rows[:, 0])]
        return np.median(rows[:, [MU, kind]], axis=0), rows

    mu, tau = start
    at_zero, rows = medians(mu, 0.0)
    mu = _solve_mu(lambda m: medians(m, 0.0), mu, target[0], tolerance[0])
    at_zero, rows = medians(mu, 0.0)
    if at_zero[1] >= target[1]:
        slope = _slope(lambda m: medians(m, 0.0)[0][0], mu, 0.1)
        return SelectedMatch(mu, 0.0, "boundary", _median_mcse(rows[:, MU]) / slope, 0.0, n_sim)
    mu, tau = start[0], max(start[1], 0.1)
    slopes = np.eye(2)
    for turn in range(_MAX_ROUNDS):
        here, rows = medians(mu, tau)
        miss = target - here
        errors = np.array([_median_mcse(rows[:, MU]), _median_mcse(rows[:, kind])])
        # Medians jump a little where a study is published at one trial and not at the next;
        # after some steps half of their simulation error is close enough.
        near = tolerance if turn < _EXACT_STEPS else np.maximum(tolerance, 0.5 * errors)
        if np.all(np.abs(miss) <= near):
            slopes = _jacobian(medians, mu, tau, here)
            mcse = np.sqrt((np.linalg.inv(slopes) ** 2) @ errors**2)
            return SelectedMatch(mu, tau, "interior", float(mcse[0]), float(mcse[1]), n_sim)
        if turn % 2 == 0:
            slopes = _jacobian(medians, mu, tau, here)
        step = np.linalg.solve(slopes, miss)
        largest = np.array([1.0 + 0.3 * abs(mu), 0.3 + 0.5 * tau])
        shrink = min(1.0, float(np.min(largest / np.maximum(np.abs(step), 1e-12))))
        mu += shrink * float(step[0])
        tau = max(0.2 * tau, tau + shrink * float(step[1]))
        if tau > _TAU_LIMIT or abs(mu) > _TAU_LIMIT:
            break
    raise Infeasible("no truth was found that gives these numbers")


def _solve_mu(
    medians: Callable[[float], tuple[np.ndarray, np.ndarray]],
    mu: float,
    target: float,
    tolerance: float,
) -> float:
    """mu at which the median effect is the target, tau = 0: secant steps."""
    before: tuple[float, float] | None = None
    slope = 0.9
    for _ in range(_MAX_ROUNDS):
        miss = target - float(medians(mu)[0][0])
        if abs(miss) <= tolerance:
            return mu
        if before is not None and mu != before[0]:
            slope = max(0.1, (before[1] - miss) / (mu - before[0]))
        before = (mu, miss)
        mu += max(-1.0, min(1.0, miss / slope))
    raise Infeasible("no mean effect was found that gives this one")


def _slope(function: Callable[[float], float], at: float, step: float) -> float:
    return float((function(at + step) - function(at - step)) / (2.0 * step))


def _jacobian(
    medians: Callable[[float, float], tuple[np.ndarray, np.ndarray]],
    mu: float,
    tau: float,
    here: np.ndarray,
) -> np.ndarray:
    dm, dt = 0.05 * (1.0 + abs(mu)), 0.05 + 0.1 * tau
    by_mu = (medians(mu + dm, tau)[0] - here) / dm
    by_tau = (medians(mu, tau + dt)[0] - here) / dt
    return np.column_stack([by_mu, by_tau])


def _median_mcse(x: np.ndarray) -> float:
    x = np.sort(x)
    spread, centre = np.sqrt(len(x)), len(x) / 2.0
    return float(x[int(centre + spread)] - x[int(centre - spread)]) / 4.0


class SelectedJoint(NamedTuple):
    """Truths given the publication under a mechanism, on a grid of cells over the prior's box.

    density: (M, T) posterior of the cells, sum 1; mu, tau: (M,), (T,) their middles; effective:
    effective number of the sets of studies behind it.
    """

    density: np.ndarray
    mu: np.ndarray
    tau: np.ndarray
    effective: float


class StudySets(NamedTuple):
    """Sets of studies that reproduce a publication, and their likelihood on a grid of truths.

    n1, n2: (sets, k) animals per group; p: (sets, k) one-sided Student p; log_likelihood:
    (sets, M, T), the largest of each set 0; mu, tau: middles of the cells.
    """

    n1: np.ndarray
    n2: np.ndarray
    p: np.ndarray
    log_likelihood: np.ndarray
    mu: np.ndarray
    tau: np.ndarray


def study_sets(
    d: np.ndarray, n1: np.ndarray, n2: np.ndarray, prior: np.ndarray, cells: int, jobs: int = 1
) -> StudySets:
    """Sets of studies with their exact likelihood (`sims.posterior`) on the prior's box.

    d: (sets, k) mean differences over pooled SDs; prior: (mu_low, mu_high, tau_low, tau_high).
    """
    from scipy.special import stdtr

    middle = (np.arange(cells) + 0.5) / cells
    mu = prior[0] + middle * (prior[1] - prior[0])
    tau = prior[2] + middle * (prior[3] - prior[2])
    se2, df = 1.0 / n1 + 1.0 / n2, np.rint(n1 + n2 - 2.0).astype(np.int64)
    out = np.empty((len(d), cells, cells))

    def run(first: int) -> None:
        own = slice(first, first + 50)
        log_likelihood_grid(d[own], df[own], se2[own], mu, tau, out[own])

    for _ in map_ordered(run, range(0, len(d), 50), jobs):
        pass
    out -= out.max(axis=(1, 2), keepdims=True)
    p = stdtr(n1 + n2 - 2.0, -d / np.sqrt(se2))
    return StudySets(n1, n2, p, out, mu, tau)


def joint_selected(sets: StudySets, mechanism: Mechanism) -> SelectedJoint:
    """Truths given the publication, if studies were selected by their own p.

    Without selection the sets of studies that reproduce a publication (see
    `sims.conditioning.joint_draws`) occur in proportion to their marginal likelihood M0, the sum
    of L over the prior. Under it the likelihood of a set is L prod w(p_i) / A_i(mu, tau), so its
    marginal one M1 prod w: sets are weighted by prod w M1 / M0, and each brings its own posterior.
    The prior is the same. Studies must be independent given (mu, tau).
    """
    mu, tau = np.meshgrid(sets.mu, sets.tau, indexing="ij")
    selected = sets.log_likelihood.copy()
    pairs = np.unique(np.stack([sets.n1.ravel(), sets.n2.ravel()], axis=1), axis=0)
    for n1, n2 in pairs:
        share = share_published(mechanism, n1, mu, tau, panels=8, n2=n2)
        often = np.sum((sets.n1 == n1) & (sets.n2 == n2), axis=1)
        selected -= often[:, None, None] * np.log(np.maximum(share, 1e-300))
    highest = selected.max(axis=(1, 2), keepdims=True)
    selected = np.exp(selected - highest)
    marginal = selected.sum(axis=(1, 2))
    before = np.exp(sets.log_likelihood).sum(axis=(1, 2))
    log_weight = np.log(np.maximum(publication(sets.p, mechanism), 1e-300)).sum(axis=1)
    log_weight += highest[:, 0, 0] + np.log(marginal) - np.log(before)
    weight = np.exp(log_weight - log_weight.max())
    weight /= weight.sum()
    density = np.einsum("s,sij->ij", weight / marginal, selected)
    return SelectedJoint(density, sets.mu, sets.tau, float(1.0 / np.sum(weight**2)))


def joint_quantiles(joint: SelectedJoint, probabilities: np.ndarray) -> np.ndarray:
    """Quantiles (2, Q) of mu and tau; within a cell truths are equally likely."""
    found = []
    for axis, middles in ((1, joint.mu), (0, joint.tau)):
        half = 0.5 * (middles[1] - middles[0])
        edges = np.concatenate([[middles[0] - half], middles + half])
        mass = np.concatenate([[0.0], np.cumsum(joint.density.sum(axis=axis))])
        found.append(np.interp(probabilities, mass / mass[-1], edges))
    return np.array(found)
