"""What a study would teach, against conjugate normal theory and multivariate densities."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtri
from scipy.stats import multivariate_normal

from sims.preposterior import (
    decay_log_likelihoods,
    effects_learned,
    fill_normals,
    half_life_learned,
    learned,
)
from sims.streams import scenario_key
from tests.sims.helpers import MCSES

GRID = ndtri((np.arange(400) + 0.5) / 400)  # equally likely draws of a standard normal


@pytest.mark.parametrize(("labs", "factor"), [(1, 1.0), (4, 1.0), (1, 0.5)])
def test_mean_effect_equals_the_conjugate_posterior(labs: int, factor: float) -> None:
    """N(0, 1) prior, tau 0.7 known: variance 1 / (1 + labs / (tau^2 + 2 factor / n)).

    n 20: the estimated SD adds theta^2 / (2 df) to the variance of d, 0.02 at the mean of
    theta^2. Seed 3, 300 data sets, MCSES Monte Carlo standard errors.
    """
    n, tau = 20, 0.7
    found, spread = effects_learned(GRID, np.full(400, tau), labs, n, 300, 3, factor)
    assert found.before == pytest.approx(1.0, abs=0.005)
    noise = tau**2 + 2.0 * factor / n + (1.0 + tau**2) / (2.0 * (2 * n - 2))
    expected = (1.0 / (1.0 + labs / noise)) ** 0.5
    assert found.after == pytest.approx(expected, abs=MCSES * found.mcse + 0.005)
    assert spread == pytest.approx((0.0, 0.0, 0.0), abs=1e-7)


def test_decay_likelihood_is_the_multivariate_normal_density() -> None:
    days, rho, n = np.array([0.0, 7.0, 24.0]), 0.4, 9
    delta0, tau, half_life = np.array([5.0, 2.0]), np.array([1.0, 0.0]), np.array([8.0, 30.0])
    g = np.exp2(-days / half_life[:, None])
    covariance = 2.0 / n * (np.full((3, 3), rho) + (1 - rho) * np.eye(3))
    observed = np.array([[4.0, 2.5, 0.4], [1.0, 1.9, 1.2]])
    found = decay_log_likelihoods(observed, g, delta0, tau, covariance)
    for j in range(2):
        law = multivariate_normal(delta0[j] * g[j], tau[j] ** 2 * np.outer(g[j], g[j]) + covariance)
        expected = law.logpdf(observed)
        # Up to a constant that is the same for all draws.
        assert found[0, j] - found[1, j] == pytest.approx(expected[0] - expected[1], rel=1e-10)
        if j == 1:
            first = multivariate_normal(
                delta0[0] * g[0], tau[0] ** 2 * np.outer(g[0], g[0]) + covariance
            ).logpdf(observed[0])
            assert found[0, 1] - found[0, 0] == pytest.approx(expected[0] - first, rel=1e-10)


def test_more_days_and_more_laboratories_teach_more_about_the_half_life() -> None:
    """Seed 1, 300 data sets: common laboratories are not shared, so MCSES of each."""
    half_life = np.exp2(3.5 + 0.7 * GRID)
    half_life[0], half_life[-1] = 0.0, np.inf
    delta0, tau = np.full(400, 5.0), np.full(400, 2.0)
    arguments = (delta0, tau, half_life)
    one = half_life_learned(*arguments, (24.0,), 1, 12, 0.5, 300, 1)
    two = half_life_learned(*arguments, (0.0, 24.0), 1, 12, 0.5, 300, 1)
    four = half_life_learned(*arguments, (24.0,), 4, 12, 0.5, 300, 1)
    for more in (two, four):
        assert more.after < one.after - MCSES * np.hypot(one.mcse, more.mcse)
    assert one.after < one.before


@pytest.mark.nojit
def test_normals_of_a_row_are_its_own() -> None:
    few, more = np.empty((3, 4)), np.empty((5, 6))
    key = scenario_key("preposterior")
    fill_normals(np.uint64(1), key, few)
    fill_normals(np.uint64(1), key, more)
    np.testing.assert_array_equal(few, more[:3, :4])


def test_nothing_is_learned_from_data_that_say_nothing() -> None:
    found = learned(GRID, np.zeros((5, 400)))
    assert found.after == pytest.approx(found.before, rel=1e-12)
