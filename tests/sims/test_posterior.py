"""The exact likelihood of study-level data: against mpmath and scipy, and calibrated by ranks."""

import mpmath
import numpy as np
import pytest
from scipy import integrate, stats

import planner
from planner.calibration import pseudo_studies
from sims.effects import correction_approximate
from sims.posterior import (
    clustered_log_likelihood,
    log_density,
    log_moment_integral,
    posterior_draws,
)


@pytest.mark.nojit
@pytest.mark.parametrize("n", [1, 2, 6, 14, 22, 198])
def test_moment_integral_is_a_parabolic_cylinder_function(n: int) -> None:
    # I_n(x) = n! exp(-x^2 / 4) D_(-n-1)(-x), DLMF 12.5.1.
    with mpmath.workdps(40):
        for x in (-40.0, -12.0, -5.0, -1.4, -1.2, -0.5, -0.05, 0.0, 0.3, 2.0, 9.0, 30.0):
            exact = mpmath.log(
                mpmath.factorial(n)
                * mpmath.exp(-(mpmath.mpf(x) ** 2) / 4)
                * mpmath.pcfd(-n - 1, -x)
            )
            found = log_moment_integral(n, x)
            assert found == pytest.approx(float(exact), rel=1e-10, abs=1e-10), (n, x)


@pytest.mark.nojit
@pytest.mark.parametrize(
    ("d", "n1", "n2", "mu", "tau"),
    [(1.0, 4, 4, 1.4, 0.9), (6.0, 8, 8, 5.5, 2.4), (0.5, 100, 100, 1.0, 0.0), (-1.0, 12, 12, 4, 1)],
)
def test_density_is_a_scaled_noncentral_t(d, n1, n2, mu, tau) -> None:
    se2 = 1.0 / n1 + 1.0 / n2
    sd, df = np.sqrt(tau**2 + se2), n1 + n2 - 2
    exact = stats.nct.logpdf(d / sd, df, mu / sd) - np.log(sd)
    assert log_density(d, df, se2, mu, tau**2) == pytest.approx(exact, rel=1e-9)


def test_posterior_of_one_precise_study_is_normal() -> None:
    # Groups of 5000 and tau pinned to 0: mu given d is N(d, 2/n (1 + d^2/8)), flat prior.
    # Seed 1, 20,000 draws: the mean within 4 MCSE, the SD within 4 of its own (normal) MCSE.
    # A box of five SDs on each side, in cells of a tenth of one.
    n, d = 5000.0, np.array([[0.7]])
    prior = np.array([0.6, 0.8, 0.0, 1e-6])
    mu, _ = posterior_draws(d, np.full((1, 1), n), np.full((1, 1), n), prior, 20_000, 1, 100)
    sd = np.sqrt(2.0 / n * (1.0 + 0.7**2 / 8.0))
    assert abs(mu.mean() - 0.7) < 4.0 * sd / np.sqrt(mu.size)
    assert abs(mu.std() / sd - 1.0) < 4.0 / np.sqrt(2.0 * mu.size) + 0.002


def test_ranks_of_the_truth_among_the_draws_are_uniform() -> None:
    """Given all of a pseudo-study set, its own truth is one more draw from the posterior.

    An independent check of the rejection sampler as well: it never evaluates a likelihood.
    """
    analysis = planner.analysis("chronic-after")
    found = planner.calibrate(analysis)
    yi, _, n = pseudo_studies(found, analysis)
    sets = slice(0, 200)
    d = yi[sets] / correction_approximate(2.0 * n[sets] - 2.0)
    mu, tau = posterior_draws(d, n[sets], n[sets], np.array(found.prior), 200, 1, 48)
    for draws, truth in ((mu, found.draws_mu), (tau, found.draws_tau)):
        rank = (draws < truth[sets, None]).mean(axis=1)
        assert stats.kstest(rank, "uniform").pvalue > 1e-3


@pytest.mark.nojit
def test_draws_depend_on_the_seed_alone_and_stay_in_the_box() -> None:
    d, n = np.array([[1.0, 2.0, 0.4]]), np.array([[6.0, 8.0, 5.0]])
    prior = np.array([-1.0, 3.0, 0.0, 2.0])
    one, again = (posterior_draws(d, n, n, prior, 50, 7, 12) for _ in range(2))
    assert np.array_equal(one, again)
    assert not np.array_equal(one[0], posterior_draws(d, n, n, prior, 50, 8, 12)[0])
    assert one[0].min() >= -1.0
    assert one[0].max() <= 3.0
    assert one[1].min() >= 0.0
    assert one[1].max() <= 2.0


@pytest.mark.nojit
@pytest.mark.parametrize("share", [0.3, 1.0])
def test_clustered_likelihood_integrates_the_common_deviation(share: float) -> None:
    d, df, se2 = np.array([1.0, 2.2, 0.4]), np.array([10, 14, 6]), np.array([0.33, 0.25, 0.5])
    cluster, mu, tau = np.array([0, 0, 1]), 1.1, 0.9
    found = clustered_log_likelihood(d, df, se2, cluster, share, mu, tau, np.empty((2, 201)))

    def density(i: int, b: float) -> float:
        sd = np.sqrt(tau**2 * (1.0 - share) + se2[i])
        return float(stats.nct.pdf(d[i] / sd, df[i], (mu + b) / sd) / sd)

    scale = tau * np.sqrt(share)
    exact = 1.0
    for members in ([0, 1], [2]):
        exact *= integrate.quad(
            lambda b, m=members: stats.norm.pdf(b, 0, scale) * np.prod([density(i, b) for i in m]),
            -8 * scale, 8 * scale,
        )[0]  # fmt: skip
    assert found == pytest.approx(np.log(exact), rel=1e-7)
