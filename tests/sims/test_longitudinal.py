"""Contrasts of days: exact power against other integrations and published tables."""

import math

import mpmath
import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

from sims.exact import t_quantile
from sims.longitudinal import (
    ContrastTest,
    contrast,
    contrast_chances,
    contrast_power,
    covariance,
    equivalence_chance,
)

DAYS = (0.0, 7.0, 14.0, 24.0)
CURVE = 2.0 ** (-np.array(DAYS) / 12.2)


def nct_sf(c: float, df: float, ncp: float) -> float:
    """P(T > c) by mpmath: the normal tail over the chi density."""
    mpmath.mp.dps = 30
    half = mpmath.mpf(df) / 2

    def inside(s):
        density = 2 * half**half / mpmath.gamma(half) * s ** (df - 1) * mpmath.exp(-half * s * s)
        return density * mpmath.ncdf(ncp - c * s)

    centre = ncp / c if c else 1.0
    cuts = sorted({0.0, 0.5, 1.0, 2.0, 5.0, max(0.0, min(5.0, centre))})
    return float(mpmath.quad(inside, cuts))


def student_contrast(variance, n1, n2, gain, *, cv=0.0, margin=0.0, alpha=0.05):
    df = n1 + n2 - 2.0
    c = float(t_quantile(alpha / 2.0, df))
    return ContrastTest(variance, n1, n2, df, margin, c, -c, gain, cv)


def over_two_variances(function, df1, df2):
    """E function(x1, x2), x1 ~ chi2(df1), x2 ~ chi2(df2), on a grid over their roots."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    root = 4.5 * (nodes + 1.0)
    w1 = 4.5 * weights * 2.0 * root * stats.chi2.pdf(root**2, df1)
    w2 = 4.5 * weights * 2.0 * root * stats.chi2.pdf(root**2, df2)
    return float(w1 @ function(root[:, None] ** 2, root[None, :] ** 2) @ w2)


# Covariances and contrasts ------------------------------------------------------------------


def test_rho_is_the_correlation_seven_days_apart():
    for kind, error in (("cs", 0.0), ("ar1", 0.0), ("ar1", 0.2)):
        sigma = covariance((0, 7, 21), 0.5, kind, error)
        assert sigma[0, 1] == pytest.approx(0.5, abs=1e-15)
        assert np.diag(sigma) == pytest.approx(1.0, abs=1e-15)
        assert np.linalg.eigvalsh(sigma).min() > 0.0
    assert covariance((0, 14), 0.5, "ar1")[0, 1] == pytest.approx(0.25)
    assert covariance((0, 14), 0.5, "ar1", 0.2)[0, 1] == pytest.approx(0.8 * (0.5 / 0.8) ** 2)


@pytest.mark.parametrize(
    ("rho", "kind", "error"),
    [(1.0, "cs", 0), (-0.5, "cs", 0), (0.8, "ar1", 0.2), (-0.1, "ar1", 0), (0.3, "ar1", 1.0),
     (0.3, "cs", 0.1), (0.3, "toeplitz", 0)],
)  # fmt: skip
def test_correlations_that_do_not_exist_are_refused(rho, kind, error):
    with pytest.raises(ValueError):
        covariance((0, 7, 14), rho, kind, error)


def test_contrasts():
    sigma = covariance(DAYS, 0.5)
    assert contrast("first-last", DAYS, CURVE, sigma).tolist() == [1.0, 0.0, 0.0, -1.0]
    linear = contrast("linear", DAYS, CURVE, sigma)
    assert linear.sum() == pytest.approx(0.0, abs=1e-15)
    assert np.diff(linear) / np.diff(DAYS) == pytest.approx((linear[1] - linear[0]) / 7.0)
    with pytest.raises(ValueError):
        contrast("optimal", DAYS, np.ones(4), sigma)
    with pytest.raises(ValueError):
        contrast("first-last", (0.0,), np.ones(1), np.eye(1))


@pytest.mark.parametrize(("kind", "error"), [("cs", 0.0), ("ar1", 0.1)])
def test_optimal_contrast_is_best_and_has_its_closed_form(kind, error):
    sigma = covariance(DAYS, 0.6, kind, error)
    delta = 2.0 * CURVE

    def noncentrality(c):
        return (c @ delta) ** 2 / (c @ sigma @ c)

    best = contrast("optimal", DAYS, delta, sigma)
    assert best.sum() == pytest.approx(0.0, abs=1e-12)
    inverse = np.linalg.inv(sigma)
    level = inverse.sum(axis=0) @ delta / inverse.sum()
    closed = (delta - level) @ inverse @ (delta - level)
    assert noncentrality(best) == pytest.approx(closed, rel=1e-12)
    if kind == "cs":
        assert closed == pytest.approx(np.sum((delta - delta.mean()) ** 2) / 0.4, rel=1e-12)
    others = np.random.default_rng(1).normal(size=(200, 4))
    others -= others.mean(axis=1, keepdims=True)
    assert max(noncentrality(c) for c in others) < closed


# Exact power --------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["first-last", "optimal", "linear"])
@pytest.mark.parametrize(("n1", "n2"), [(3, 3), (4, 8), (12, 12)])
def test_power_under_compound_symmetry_is_the_noncentral_t(kind, n1, n2):
    sigma, delta = covariance(DAYS, 0.5), 5.5 * CURVE
    c = contrast(kind, DAYS, delta, sigma)
    df = n1 + n2 - 2
    ncp = (c @ delta) / math.sqrt(0.5 * (c @ c) * (1 / n1 + 1 / n2))
    critical = stats.t.isf(0.025, df)
    found = contrast_power(delta, sigma, c, n1, n2)
    assert found.upper == pytest.approx(nct_sf(critical, df, ncp), abs=1e-10)
    assert found.lower == pytest.approx(nct_sf(critical, df, -ncp), abs=1e-10)


def test_new_laboratory_is_the_average_over_laboratories():
    sigma = covariance(DAYS, 0.4, "ar1", 0.1)
    c = contrast("optimal", DAYS, CURVE, sigma)
    mu, tau, n = 5.53, 2.39, 6
    found = contrast_power(mu * CURVE, sigma, c, n, n, spread=tau * CURVE)

    def inside(delta0, tail):
        power = contrast_power(delta0 * CURVE, sigma, c, n, n)
        return power[tail] * stats.norm.pdf(delta0, mu, tau)

    for tail in (0, 1):
        value = quad(inside, mu - 9 * tau, mu + 9 * tau, args=(tail,), epsabs=1e-12, limit=400,
                     points=(-1.5, 0.0, 1.5))[0]  # fmt: skip
        assert found[tail] == pytest.approx(value, abs=1e-10)


def test_chances_of_many_truths_are_those_of_each():
    sigma = covariance(DAYS, 0.5)
    c = contrast("first-last", DAYS, CURVE, sigma)
    test = student_contrast(float(c @ sigma @ c), 5, 7, float(c @ CURVE), margin=0.5)
    delta0, tau = np.linspace(-1.0, 9.0, 101), np.linspace(0.0, 3.0, 101)
    upper, lower = contrast_chances(test, delta0, tau)
    for i in (0, 30, 100):
        one = contrast_power(delta0[i] * CURVE, sigma, c, 5, 7, spread=tau[i] * CURVE, margin=0.5)
        assert (upper[i], lower[i]) == pytest.approx(tuple(one), abs=1e-12)


def test_individual_responses_by_integration_over_both_variances():
    test = student_contrast(1.0, 5, 6, 0.75, cv=0.4)
    delta0 = 2.0
    v1 = 1.0 + (0.4 * delta0 * 0.75) ** 2
    sd = math.sqrt(v1 / 5 + 1 / 6)

    def rejects(x1, x2):
        s = np.sqrt((v1 * x1 + x2) / 9 * (1 / 5 + 1 / 6))
        return stats.norm.sf((test.upper * s - delta0 * 0.75) / sd)

    value = over_two_variances(rejects, 4, 5)
    assert contrast_chances(test, delta0, 0.0)[0] == pytest.approx(value, abs=1e-10)
    nothing = contrast_chances(test, 0.0, 0.0)
    assert float(nothing[0] + nothing[1]) == pytest.approx(0.05, abs=1e-12)


def test_individual_responses_in_a_new_laboratory():
    test = student_contrast(1.0, 8, 8, 0.25, cv=0.3)

    def inside(delta0):
        return float(contrast_chances(test, delta0, 0.0)[0]) * stats.norm.pdf(delta0, 5.5, 2.4)

    value = quad(inside, -15, 26, limit=400, epsabs=1e-11, points=(0.0, 5.5))[0]
    assert contrast_chances(test, 5.5, 2.4)[0] == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("cv", [0.0, 0.3])
def test_equivalence_by_integration_over_the_variance(cv):
    df, n = 14, 8
    c = stats.t.isf(0.05, df)
    test = ContrastTest(1.0, n, n, df, 1.0, c, -c, 0.1, cv)
    v1 = 1.0 + (cv * 3.0 * 0.1) ** 2
    sd = math.sqrt((v1 + 1.0) / n)

    def within(x1, x2):
        half = np.maximum(0.0, 1.0 - c * np.sqrt((v1 * x1 + x2) / df * 2 / n))
        return stats.norm.cdf((half - 0.3) / sd) - stats.norm.cdf((-half - 0.3) / sd)

    value = over_two_variances(within, n - 1, n - 1)  # the corner leaves an error of 1e-6
    assert float(equivalence_chance(test, 3.0, 0.0)) == pytest.approx(value, abs=5e-6)


# Published ----------------------------------------------------------------------------------


def smallest(target, power):
    n = 2
    while power(n) < target:
        n += 1
    return n


@pytest.mark.parametrize(
    ("rho", "published"),
    [(0.2, [145, 65, 37, 24]), (0.5, [207, 92, 52, 33]), (0.8, [268, 120, 67, 43])],
)
def test_diggle_table_of_time_averages(rho, published):
    # Diggle, Heagerty, Liang & Zeger 2002, p. 30: one-sided 5%, power .8, known variance
    sigma, mean = covariance(range(3), rho), np.ones(3) / 3
    for delta, n in zip((0.2, 0.3, 0.4, 0.5), published, strict=True):

        def power(n, delta=delta):
            return contrast_power(delta * np.ones(3), sigma, mean, n, n, sides="greater",
                                  df=math.inf).upper  # fmt: skip

        assert smallest(0.8, power) == n


@pytest.mark.parametrize(("rho", "total"), [(0.0, 43), (0.3, 80), (0.5, 106), (0.8, 143)])
def test_liu_and_liang_table_1(rho, total):
    # Liu & Liang 1997, doi:10.2307/2533554: total N, 4 measures, 0.5 SD, power .9
    sigma, mean = covariance(range(4), rho), np.ones(4) / 4

    def power(n):
        return contrast_power(np.full(4, 0.5), sigma, mean, n / 2, n / 2, df=math.inf).upper

    assert smallest(0.9, power) == total


def test_longpower_adas_cog_example():
    t = np.arange(7) * 0.25
    z = np.column_stack([np.ones(7), t])
    off = 0.8 * math.sqrt(55 * 24)
    sigma = z @ np.array([[55, off], [off, 24]]) @ z.T + 10 * np.eye(7)
    slope = (t - t.mean()) / np.sum((t - t.mean()) ** 2)
    n = 207.310093300903
    power = contrast_power(1.5 * t, sigma, slope, n, n, df=math.inf)
    assert power.upper == pytest.approx(0.8, abs=1e-12)


@pytest.mark.parametrize(("n1", "n2", "published"), [(30, 30, 0.3622166), (10, 50, 0.2237726)])
def test_powerlmm_two_level_example(n1, n2, published):
    # 11 times, half of the pretest variance between animals, slopes 0.019 of the residual variance
    t = np.arange(11.0)
    z = np.column_stack([np.ones(11), t])
    sigma = z @ np.diag([50.0, 0.95]) @ z.T + 50.0 * np.eye(11)
    slope = (t - t.mean()) / np.sum((t - t.mean()) ** 2)
    # half an SD (10) at the last time
    assert sum(contrast_power(0.5 * t, sigma, slope, n1, n2)) == pytest.approx(published, abs=5e-8)
