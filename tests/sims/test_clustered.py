"""Dependent comparisons: against raw animals, exact moments, and the robust interval of one set."""

import numpy as np
import pytest
from scipy import stats

from sims.clustered import (
    N_INTERVALS,
    N_SUMS,
    SUMS,
    draw_comparisons,
    make_arms,
    quantile_table,
    tally_clustered,
)
from sims.effects import exact_moments, sampling_variance
from sims.kernels import entry
from sims.names import ESTIMATORS
from sims.pooling import pool_studies
from sims.robust import robust_summary
from sims.streams import draw_uniform, open_stream, scenario_key, stream_key
from sims.syntheses import make_studies
from sims.tables import evaluate
from tests.sims.helpers import MCSES, known

KEY = scenario_key("test")
LABELS = np.array([0, 0, 0, 1, 2])


@entry
def fill_comparisons(seed, scenario, mu, tau, studies, arms, yi, vi):
    """Comparisons of replicates 0, 1, ... as the tally draws them, yi and vi (R, k)."""
    key = stream_key(seed, scenario)
    k = yi.shape[1]
    scratch, size = np.zeros((3, max(k, studies.cluster.max() + 1))), np.zeros(k, np.int64)
    for r in range(yi.shape[0]):
        state = open_stream(key, np.uint64(r))
        _, state = draw_uniform(state)
        draw_comparisons(state, mu, tau, studies, arms, scratch, size, yi[r], vi[r])


def _comparisons(n_sim, n, mu, tau, share, shared, seed=1):
    studies = make_studies([n], [1.0], len(LABELS), cluster=LABELS, share=share)
    yi, vi = np.empty((n_sim, len(LABELS))), np.empty((n_sim, len(LABELS)))
    arms = make_arms(studies, shared)
    fill_comparisons(np.uint64(seed), KEY, mu, tau, studies, arms, yi, vi)
    return yi, vi, studies, arms


def _raw(n_sim, n, mu, tau, share, seed):
    """Hedges g of animals drawn one by one by numpy; comparisons of a cluster share controls."""
    rng = np.random.default_rng(seed)
    g = np.empty((n_sim, len(LABELS)))
    j = 1.0 - 3.0 / (4.0 * (2 * n - 2) - 1.0)
    for c in range(LABELS.max() + 1):
        control = rng.normal(size=(n_sim, n))
        common = tau * np.sqrt(share) * rng.normal(size=n_sim)
        for i in np.flatnonzero(c == LABELS):
            theta = mu + common + tau * np.sqrt(1.0 - share) * rng.normal(size=n_sim)
            treated = theta[:, None] + rng.normal(size=(n_sim, n))
            variance = (treated.var(axis=1, ddof=1) + control.var(axis=1, ddof=1)) / 2.0
            g[:, i] = j * (treated.mean(axis=1) - control.mean(axis=1)) / np.sqrt(variance)
    return g


def _products(g):
    """Mean, and the products whose means are variances and covariances, with their errors."""
    away = g - g.mean(axis=0)
    pairs = [(0, 0), (0, 1), (1, 2), (3, 3), (0, 3), (3, 4)]
    columns = [g[:, 0], *(away[:, a] * away[:, b] for a, b in pairs)]
    means = np.array([x.mean() for x in columns])
    return means, np.array([x.std() / np.sqrt(len(x)) for x in columns])


def test_shared_controls_equal_animals_drawn_one_by_one() -> None:
    # Seeds 1 and 2, 40,000 syntheses each: seven moments, each within 4 MCSE of its difference.
    n_sim, n, mu, tau, share = 40_000, 6, 1.4, 0.9, 0.5
    ours, our_error = _products(_comparisons(n_sim, n, mu, tau, share, True)[0])
    raw, raw_error = _products(_raw(n_sim, n, mu, tau, share, seed=2))
    assert np.all(np.abs(ours - raw) < MCSES * np.hypot(our_error, raw_error))
    # Sharing shows: comparisons 0 and 1 covary, 0 and 3 do not.
    assert ours[2] > 20 * our_error[2]
    assert abs(ours[5]) < MCSES * our_error[5]


@pytest.mark.parametrize("shared", [False, True])
def test_each_comparison_by_itself_has_the_exact_moments_of_g(shared: bool) -> None:
    # Seed 3, 40,000 syntheses, tau 0: Hedges's mean and variance of g, whoever shares controls.
    n, mu = 7, 1.1
    yi = _comparisons(40_000, n, mu, 0.0, 0.0, shared, seed=3)[0]
    j = sampling_variance(float(n), float(n), 0)[0]
    mean, variance = exact_moments(mu, n, n, j)
    for g in yi.T:
        assert abs(g.mean() - mean) < MCSES * g.std() / np.sqrt(len(g))
        away = (g - mean) ** 2
        assert abs(away.mean() - variance) < MCSES * away.std() / np.sqrt(len(g))


def _tally(studies, arms, mu, tau, n_sim, estimator="DL", first=0, alpha=0.05):
    k = len(studies.fixed)
    t = stats.t.isf(alpha / 2, k - 1)
    critical = np.array([stats.norm.isf(alpha / 2), t, t])
    out = np.zeros((N_INTERVALS, N_SUMS))
    tally_clustered(
        np.uint64(1), KEY, first, n_sim, np.array([mu]), np.array([tau]), studies, arms,
        ESTIMATORS[estimator], critical, quantile_table(alpha), out,
    )  # fmt: skip
    return out


@pytest.mark.nojit
@pytest.mark.parametrize("shared", [False, True])
def test_the_tally_counts_what_the_robust_interval_of_each_set_says(shared: bool) -> None:
    n_sim, mu, tau = 30, 1.4, 0.9
    yi, vi, studies, arms = _comparisons(n_sim, 6, mu, tau, 0.6, shared)
    out = _tally(studies, arms, mu, tau, n_sim)
    counted = dict(zip(SUMS, out[3], strict=True))
    cover = benefit = 0
    width = 0.0
    for y, v in zip(yi, vi, strict=True):
        tau2 = pool_studies(y, v, ESTIMATORS["DL"]).tau2
        found = robust_summary(y, v, tau2, LABELS, alpha=0.05)
        cover += found.ci_lb <= mu <= found.ci_ub
        benefit += found.ci_lb > 0.0
        width += found.ci_ub - found.ci_lb
    assert (counted["n_ok"], counted["cover"], counted["benefit"]) == (n_sim, cover, benefit)
    assert counted["width"] == pytest.approx(width, rel=1e-8)


@pytest.mark.nojit
def test_chunks_add_up() -> None:
    _, _, studies, arms = _comparisons(1, 6, 1.4, 0.9, 0.6, True)
    whole = _tally(studies, arms, 1.4, 0.9, 24)
    parts = _tally(studies, arms, 1.4, 0.9, 10) + _tally(studies, arms, 1.4, 0.9, 14, first=10)
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_the_table_of_t_quantiles() -> None:
    for alpha in (0.05, 0.001):
        table = quantile_table(alpha)
        for df in (1.0, 1.3, 2.0, 3.7, 8.0, 30.0, 5000.0):
            found = evaluate(table, 0, min(1.0 / df, 1.0 - 2.0**-53) * table.shape[1])
            assert found == pytest.approx(stats.t.isf(alpha / 2, df), rel=1e-6), (alpha, df)


def test_intervals_where_laboratories_share_everything_have_exact_coverage() -> None:
    """Four laboratories of three comparisons each, tau^2 wholly between them, known variances.

    Then mean / (S / 2) is t with 3 df, S the SD of the laboratories' effects. CR2 with equal
    clusters is that t-test: 95%. hk takes S sqrt(3 / 44) for the standard error, as does Wald
    with DL but for v, so they cover P(|t_3| < q sqrt(12 / 44)) with q from t_11 or the normal.
    Seed 1, 20,000 syntheses; 4 MCSE, and 0.002 because v = 0.001 is not 0.
    """
    n_sim = 20_000
    labels = np.repeat(np.arange(4), 3)
    studies = known(np.full(12, 0.001), labels, 1.0)
    out = _tally(studies, make_arms(studies, False), 0.0, 1.0, n_sim)
    covers = out[:, SUMS.index("cover")] / n_sim
    shrink = np.sqrt(12 / 44)
    for found, quantile in (
        (covers[0], stats.norm.isf(0.025) * shrink),
        (covers[1], stats.t.isf(0.025, 11) * shrink),
        (covers[3], stats.t.isf(0.025, 3)),
    ):
        exact = 1.0 - 2.0 * stats.t.sf(quantile, 3)
        assert abs(found - exact) < MCSES * np.sqrt(exact * (1.0 - exact) / n_sim) + 0.002
