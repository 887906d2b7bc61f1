"""Curves of decay and the half-life's profile interval, against scipy."""

import math

import numpy as np
import pytest
from scipy import stats
from scipy.optimize import brentq, minimize_scalar

from sims.decay import GRID, curve, fit_half_life, half_life_grid
from sims.kernels import entry


@entry
def fit(times, difference, inverse, shrink, quantile, grid, curves, scratch):
    return fit_half_life(times, difference, inverse, shrink, quantile, grid, curves, scratch)


def fitted(times, difference, inverse, shrink, quantile):
    grid, curves = half_life_grid(times)
    scratch = np.zeros((3, max(GRID + 2, len(times))))
    return fit(np.asarray(times, float), difference, inverse, shrink, quantile, grid, curves,
               scratch)  # fmt: skip


# Curves -------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["exponential", "linear", "plateau"])
def test_half_is_left_at_the_half_life(shape):
    assert curve((0.0, 12.2), 12.2, shape) == pytest.approx([1.0, 0.5], abs=1e-14)
    assert curve((0.0, 5.0), np.array([5.0, 9.0]), shape).shape == (2, 2)


def test_curves_far_out():
    assert curve((24.4, 40.0), 12.2, "linear").tolist() == [0.0, 0.0]
    assert curve((1e4,), 12.2, "plateau") == pytest.approx([0.3])
    assert curve((24.0,), 12.0) == pytest.approx([0.25])
    assert curve((0.0, 1.0, 9.0), 0.0).tolist() == [1.0, 0.0, 0.0]
    assert curve((0.0, 1.0, 9.0), math.inf).tolist() == [1.0, 1.0, 1.0]
    with pytest.raises(ValueError):
        curve((0.0,), 1.0, "step")


# Profile ------------------------------------------------------------------------------------


def reference(times, difference, inverse, shrink, quantile):
    """Estimate, lower, upper and misfit by dense search and root finding."""
    t = np.asarray(times, float) - times[0]

    def misfit(x):
        f = np.exp(-math.log(2.0) * np.exp(-np.atleast_1d(x))[:, None] * t)
        top = (f @ inverse @ difference) ** 2
        return difference @ inverse @ difference - top / np.einsum("ij,jk,ik->i", f, inverse, f)

    x = np.linspace(math.log(1e-2), math.log(1e7), 4000)
    q = misfit(x)
    i = int(np.argmin(q))
    if 0 < i < len(x) - 1:
        found = minimize_scalar(lambda x: float(misfit(x)[0]), bounds=(x[i - 1], x[i + 1]),
                                method="bounded", options={"xatol": 1e-12})  # fmt: skip
        least, place = min(found.fun, q[i]), found.x
    else:
        least, place = q[i], x[i]
    level = least + (1.0 + shrink * least) * quantile
    inside = np.flatnonzero(q <= level)
    lower, upper = 0.0, math.inf
    if not len(inside):
        lower = math.exp(brentq(lambda z: float(misfit(z)[0]) - level, x[i - 1], place))
        upper = math.exp(brentq(lambda z: float(misfit(z)[0]) - level, place, x[i + 1]))
        return math.exp(place), lower, upper, least
    if inside[0] > 0:
        ends = x[inside[0] - 1], x[inside[0]]
        lower = math.exp(brentq(lambda z: float(misfit(z)[0]) - level, *ends))
    if inside[-1] < len(x) - 1:
        ends = x[inside[-1]], x[inside[-1] + 1]
        upper = math.exp(brentq(lambda z: float(misfit(z)[0]) - level, *ends))
    return math.exp(place), lower, upper, least


@pytest.mark.parametrize("times", [(0.0, 7.0, 14.0, 24.0), (3.0, 5.0, 20.0), (0.0, 24.0)])
def test_profile_interval_is_that_of_a_dense_search(times):
    rng = np.random.default_rng(11)
    m = len(times)
    factor = np.linalg.cholesky(0.5 + 0.5 * np.eye(m))
    unbounded = narrow = 0
    for _ in range(150):
        n = int(rng.integers(5, 15))
        size = rng.choice([0.3, 1.0, 5.0, 60.0])
        nu = 2 * n - 2.0
        y = rng.normal(size=(int(nu), m)) @ factor.T
        covariance = y.T @ y / nu * 2 / n
        truth = size * curve(np.array(times) - times[0], rng.choice([2.0, 8.0, 30.0]))
        difference = truth + factor @ rng.normal(size=m) * math.sqrt(2 / n)
        quantile = nu / (nu - m + 2) * stats.f.isf(0.05, 1, nu - m + 2)
        inverse = np.linalg.inv(covariance)
        found = fitted(times, difference, inverse, 1 / nu, quantile)
        expected = reference(times, difference, inverse, 1 / nu, quantile)
        unbounded += math.isinf(found.upper)
        narrow += found.upper < 1.1 * found.lower
        # towards either end the profile is flat: the ends themselves are compared loosely
        if 0.0 < found.estimate < 1e4 and found.estimate > 0.2:
            assert found.misfit == pytest.approx(expected[3], abs=1e-7 * (1 + expected[3]))
            assert found.lower == pytest.approx(expected[1], rel=1e-6, abs=0.02)
            if math.isfinite(expected[2]) or math.isfinite(found.upper):
                assert found.upper == pytest.approx(expected[2], rel=1e-6)
    assert unbounded > 5
    if m > 2:
        assert narrow > 5


def test_ends():
    inverse = np.eye(3)
    times = (0.0, 7.0, 14.0)
    flat = fitted(times, np.array([2.0, 2.0, 2.1]), inverse, 0.0, 3.84)
    assert math.isinf(flat.estimate)
    assert math.isinf(flat.upper)
    gone = fitted(times, np.array([5.0, -0.5, 0.0]), inverse, 0.0, 3.84)
    assert gone.estimate == 0.0
    assert gone.lower == 0.0
    exact = fitted(times, 8.0 * curve(times, 7.0), 1e6 * inverse, 0.0, 3.84)
    assert exact.estimate == pytest.approx(7.0, rel=1e-7)
    assert exact.lower < 7.0 < exact.upper < 1.01 * exact.lower
    assert exact.effect == pytest.approx(8.0, rel=1e-9)
    assert flat.effect == pytest.approx(6.1 / 3.0)
    assert gone.effect == 5.0
    reversed_ = fitted(times, -8.0 * curve(times, 7.0), 1e6 * inverse, 0.0, 3.84)
    assert reversed_[:3] == pytest.approx(exact[:3])
    assert reversed_.effect == pytest.approx(-8.0, rel=1e-9)
