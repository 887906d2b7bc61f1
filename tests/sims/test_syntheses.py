"""Simulated syntheses and their pooling: against the scalar version and exact laws."""

import numpy as np
import pytest
from scipy import stats

from sims.conditioning import simulate_pooled
from sims.lanes import LANES
from sims.lanes.syntheses import N_STATISTICS, pool_syntheses, studies_of_replicates
from sims.pooling import dersimonian_laird
from sims.streams import scenario_key
from sims.syntheses import make_studies
from sims.types import Studies
from tests.sims.helpers import MCSES

N = np.array([4, 6, 9, 12])
P = np.array([0.4, 0.3, 0.2, 0.1])
KEY = scenario_key("test")
CASES = {
    "one pair": (make_studies(N, P, 2), 0.0, 0.0),
    "no heterogeneity": (make_studies(N, P, 6), 0.4, 0.0),
    "large effects": (make_studies(N, P, 9), 5.5, 2.4),
    "clusters": (make_studies(N, P, 6, cluster=[0, 0, 1, 2, 2, 2], share=0.7), 1.4, 0.9),
    "fixed sizes": (make_studies(N, P, 4, fixed=[12, 4, 4, 9]), -1.0, 0.5),
    "LS": (make_studies(N, P, 19, variance="LS"), 1.7, 1.0),
    "UB": (make_studies(N, P, 7, variance="UB"), 1.7, 1.0),
}


def _pooled(
    studies: Studies, mu: float, tau: float, n_sim: int, first: int = 0, seed: int = 1
) -> np.ndarray:
    out = np.empty((n_sim, N_STATISTICS))
    box = np.array([mu, mu, tau, tau])
    pool_syntheses(np.uint64(seed), KEY, first, box, studies, out)
    return out


def _studies(
    studies: Studies, mu: float, tau: float, n_sim: int, seed: int = 1
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    yi, vi, ni = (np.empty((n_sim, len(studies.fixed))) for _ in range(3))
    box = np.array([mu, mu, tau, tau])
    studies_of_replicates(
        np.uint64(seed), KEY, np.arange(n_sim), np.full(n_sim, mu), box, studies, yi, vi, ni
    )
    return yi, vi, ni


def _variance(x: np.ndarray) -> tuple[float, float]:
    """Variance and its Monte Carlo standard error, from the fourth moment."""
    away = (x - x.mean()) ** 2
    return float(away.mean()), float(away.std() / np.sqrt(len(x)))


# Pooling


@pytest.mark.nojit
@pytest.mark.parametrize("case", CASES)
def test_lanes_equal_the_scalar_pooling_of_the_same_studies(case: str) -> None:
    n_sim = 2 * LANES + 5  # the last block is not full
    pooled = _pooled(*CASES[case], n_sim)
    yi, vi, _ = _studies(*CASES[case], n_sim)
    scalar = [dersimonian_laird(yi[r], vi[r]) for r in range(n_sim)]
    np.testing.assert_allclose(pooled, np.array(scalar), rtol=1e-9, atol=1e-9)


# Replicates


@pytest.mark.nojit
@pytest.mark.parametrize("case", CASES)
def test_a_replicate_depends_only_on_its_number(case: str) -> None:
    whole = _pooled(*CASES[case], 3 * LANES)
    assert np.array_equal(_pooled(*CASES[case], LANES + 7), whole[: LANES + 7])
    assert np.array_equal(_pooled(*CASES[case], LANES + 7, first=11), whole[11 : LANES + 18])
    assert not np.array_equal(_pooled(*CASES[case], LANES, seed=2), whole[:LANES])


@pytest.mark.parametrize("n_sim", [1, 70_000])  # two chunks and a part of one
def test_workers_change_nothing(n_sim: int) -> None:
    studies, mu, tau = CASES["clusters"]
    one = simulate_pooled(studies, mu, tau, n_sim, seed=1, scenario="test", jobs=1)
    assert np.array_equal(one, simulate_pooled(studies, mu, tau, n_sim, 1, "test", jobs=2))
    assert np.array_equal(one, _pooled(studies, mu, tau, n_sim))


# Group sizes


def test_group_sizes_follow_their_law() -> None:
    # Seed 3, 20,000 syntheses of 6 studies: a chi-square test of 120,000 sizes.
    _, _, ni = _studies(make_studies(N, P, 6), 1.0, 0.5, 20_000, seed=3)
    counts = np.array([np.sum(ni == n) for n in N])
    assert counts.sum() == ni.size
    assert stats.chisquare(counts, P * ni.size).pvalue > 1e-4
    # Neighbouring studies draw theirs independently.
    table = stats.contingency.crosstab(ni[:, 0], ni[:, 1]).count
    assert stats.chi2_contingency(table).pvalue > 1e-4


@pytest.mark.nojit
def test_fixed_sizes_stay() -> None:
    _, _, ni = _studies(*CASES["fixed sizes"], 40)
    assert np.array_equal(ni, np.tile([12.0, 4.0, 4.0, 9.0], (40, 1)))


# Clusters: groups of 2000, so that g is the study's true effect but for 1/1000 of variance.

LARGE = np.array([2000])
TAU = 0.8
N_SIM = 50_000


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_one_cluster_has_its_share_of_tau2_in_common(share: float) -> None:
    # Seed 4. The mean of k = 5 effects has variance tau^2 (share + (1 - share) / k); weights are
    # nearly equal. Sampling adds (2 / n + (mu^2 + tau^2) / (4 n)) / k; E(1/s) - 1 and the
    # correlation of g with its weight come to 1/2000 of it all, 1/13 of an MCSE.
    k, mu = 5, 1.0
    studies = make_studies(LARGE, [1.0], k, cluster=np.zeros(k, dtype=int), share=share)
    pooled = _pooled(studies, mu, TAU, N_SIM, seed=4)[:, 0]
    variance, mcse = _variance(pooled)
    sampling = (2.0 + (mu**2 + TAU**2) / 4.0) / LARGE[0] / k
    expected = TAU**2 * (share + (1.0 - share) / k) + sampling
    assert abs(variance - expected) < MCSES * mcse
    assert mcse < 0.007 * expected


def test_effects_correlate_within_clusters_only() -> None:
    # Seed 5. Correlations of the observed effects: share tau^2 / (tau^2 + sampling) within a
    # cluster, 0 between; the standard error of a correlation is (1 - rho^2) / sqrt(N_SIM).
    share, labels, mu = 0.6, np.array([0, 1, 0, 2, 1]), 1.0
    studies = make_studies(LARGE, [1.0], 5, cluster=labels, share=share)
    yi, _, _ = _studies(studies, mu, TAU, N_SIM, seed=5)
    sampling = (2.0 + (mu**2 + TAU**2) / 4.0) / LARGE[0]
    together = labels[:, None] == labels
    rho = np.where(together, share * TAU**2 / (TAU**2 + sampling), 0.0)
    upper = np.triu_indices(5, 1)
    off = np.abs(np.corrcoef(yi.T) - rho)[upper] * np.sqrt(N_SIM) / (1.0 - rho[upper] ** 2)
    assert off.max() < MCSES
    # Clusters change no study by itself.
    for study in yi.T:
        variance, mcse = _variance(study)
        assert abs(variance - TAU**2 - sampling) < MCSES * mcse
