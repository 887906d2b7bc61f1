"""What is known without simulation, against independent integration and published values."""

import math
from collections.abc import Callable, Iterable
from itertools import pairwise

import mpmath
import numpy as np
import pytest
from scipy import integrate, special, stats

from sims.exact import (
    Student,
    Welch,
    _integrated_t_tail,
    mean_abs_between,
    mean_sd,
    sd_quadrature,
    t_quantile,
    t_tail,
    welch_quantile,
)
from sims.types import TwoArm
from tests.sims.helpers import student_design, welch_design

INF = math.inf


def integral(
    f: Callable[[float], float], low: float, high: float, cuts: Iterable[float] = ()
) -> float:
    """Adaptive integral, cut at the given places."""
    points = [low, *sorted({float(c) for c in cuts if low < c < high}), high]
    return sum(
        integrate.quad(f, a, b, epsabs=1e-13, epsrel=1e-11, limit=400)[0]
        for a, b in pairwise(points)
    )


def normal_density(x: float, mean: float, sd: float) -> float:
    return math.exp(-0.5 * ((x - mean) / sd) ** 2) / (sd * math.sqrt(2.0 * math.pi))


def sd_density(s: float, df: float) -> float:
    """Density of a sample SD when the true one is 1, by scipy's chi distribution."""
    return float(stats.chi.pdf(s * math.sqrt(df), df)) * math.sqrt(df)


# The noncentral t --------------------------------------------------------------------------

# Shorthand for a grid over both tails, from no to hopeless noncentrality.
C_OVER_NCP = (-2.0, -0.3, 0.0, 0.3, 0.9, 1.0, 1.2, 2.0)


def reference_t_tail(c: float, df: int, ncp: float) -> float:
    """P(T > c) by integrating the normal tail over the law of the SD, in 25 digits."""
    with mpmath.workdps(25):
        half, c_, ncp_ = mpmath.mpf(df) / 2, mpmath.mpf(c), mpmath.mpf(ncp)
        log_norm = mpmath.log(2) + half * mpmath.log(half) - mpmath.loggamma(half)

        def f(s: mpmath.mpf) -> mpmath.mpf:
            if s == 0:
                return mpmath.ncdf(ncp_) * (mpmath.exp(log_norm) if df == 1 else 0)
            density = mpmath.exp(log_norm - half * s * s + (df - 1) * mpmath.log(s))
            return mpmath.ncdf(ncp_ - c_ * s) * density

        spread = 1.0 / math.sqrt(2.0 * df)
        low, high = max(0.0, 1.0 - 12.0 * spread), 1.0 + 12.0 * spread
        cuts = {low, high, 1.0, 1.0 - 3.0 * spread, 1.0 + 3.0 * spread, 1.0 + 6.0 * spread}
        if c != 0.0:
            cuts |= {ncp / c + k / abs(c) for k in (-8.0, -2.0, 0.0, 2.0, 8.0)}
        points = sorted(x for x in cuts if low <= x <= high)
        # Each piece is smooth: this many nodes leave nothing of the first 25 digits.
        total = mpmath.quad(f, points, maxdegree=4, method="gauss-legendre")
        return float(total)


@pytest.mark.parametrize("df", [1, 2, 6, 14, 46, 330, 2000])
def test_t_tail_is_the_integral_over_the_sd(df: int) -> None:
    # Noncentralities as of 3 to 1000 animals per group at effects up to 5.5 SDs.
    ncps = {1: (0.0, 4.0), 2: (-2.0, 6.7), 6: (-7.8, 0.5, 12.0), 14: (0.0, 11.0, -30.0)}
    for ncp in ncps.get(df, (2.8, 35.6)):
        scale = ncp if abs(ncp) > 1.0 else 2.2
        c = np.array([ratio * scale for ratio in C_OVER_NCP])
        expected = [reference_t_tail(float(x), df, ncp) for x in c]
        np.testing.assert_allclose(t_tail(c, df, ncp), expected, rtol=0.0, atol=2e-12)
        fallback = [_integrated_t_tail(float(x), df, ncp) for x in c]
        np.testing.assert_allclose(fallback, expected, rtol=0.0, atol=1e-11)


def test_t_tail_is_a_falling_probability_everywhere() -> None:
    # Also where scipy's function is NaN: far tails, hopeless noncentralities, infinite c.
    c = np.concatenate([[-INF, -1e6], np.linspace(-300.0, 300.0, 121), [1e6, INF]])
    ncp = np.array([-2000.0, -200.0, -38.0, -5.0, 0.0, 1e-300, 1.2, 8.0, 35.6, 123.0, 2000.0])
    for df in (1.0, 2.0, 6.0, 166.0, 2000.0):
        tail = t_tail(c[:, None], df, ncp[None, :])
        assert np.all(np.isfinite(tail))
        assert np.all((tail >= 0.0) & (tail <= 1.0))
        assert np.max(np.diff(tail, axis=0)) < 1e-12
        assert np.min(np.diff(tail, axis=1)) > -1e-12
        assert np.all(tail[0] == 1.0)
        assert np.all(tail[-1] == 0.0)


def test_t_tail_takes_numbers_and_arrays() -> None:
    single = t_tail(2.1, 6.0, 1.5)
    assert np.ndim(single) == 0
    grid = t_tail(np.array([[2.1], [0.0]]), 6.0, np.array([1.5, 0.0, -1.0]))
    assert grid.shape == (2, 3)
    assert grid[0, 0] == single
    assert grid[1, 1] == pytest.approx(0.5, abs=1e-15)


def test_t_quantile_is_the_upper_one() -> None:
    assert t_quantile(0.025, 6.0) == pytest.approx(2.446911851144970, rel=1e-12)
    np.testing.assert_allclose(
        t_quantile(np.array([0.05, 0.5, 0.975]), 10.0),
        stats.t.isf([0.05, 0.5, 0.975], 10),
        atol=1e-12,
    )


@pytest.mark.parametrize("alpha", [0.05, 0.001])
def test_power_does_not_fall_in_n(alpha: float) -> None:
    for delta, sizes in ((5.5, range(3, 201)), (1.3, range(60, 1001))):
        power = [float(Student(student_design(n, n, alpha)).benefit(delta)) for n in sizes]
        assert np.min(np.diff(power)) > -1e-14
        assert power[-1] == pytest.approx(1.0, abs=1e-12)


# Student -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("n", "delta", "power"), [(6, 1.0, 0.347354), (10, 0.8, 0.395069), (12, 1.5, 0.939389)]
)
def test_power_is_that_of_pwr(n: int, delta: float, power: float) -> None:
    # R's pwr.t.test counts both directions, two-sided .05.
    exact = Student(student_design(n, n))
    assert float(exact.benefit(delta) + exact.harm(delta)) == pytest.approx(power, abs=6e-7)


def test_a_raw_margin_is_another_test_than_a_standardized_one() -> None:
    # H0: delta <= 2 with n = 4 at delta 4, one-sided .025: .657 raw, .279 by the noncentral t.
    raw = student_design(4, 4, 0.025, margin=2.0, one_sided=True)
    assert float(Student(raw).benefit(4.0)) == pytest.approx(0.657, abs=5e-4)
    critical = float(stats.nct.isf(0.025, 6, 2.0 / raw.se))
    standardized = raw._replace(margin=0.0, upper=critical)
    assert float(Student(standardized).benefit(4.0)) == pytest.approx(0.279, abs=5e-4)


def test_type_one_errors_are_alpha() -> None:
    for design in (
        student_design(3, 8),
        student_design(4, 4, 0.001),
        student_design(9, 9, margin=1.5),
    ):
        exact, level = Student(design), float(stats.t.sf(design.upper, design.n1 + design.n2 - 2))
        assert float(exact.benefit(design.margin)) == pytest.approx(level, rel=1e-9)
        assert float(exact.harm(design.margin)) == pytest.approx(level, rel=1e-9)


DESIGNS = [
    student_design(4, 4),
    student_design(5, 13),
    student_design(24, 24, 0.001),
    student_design(8, 8, margin=1.0),
    student_design(8, 8, 0.025, margin=1.0, one_sided=True),
]
TRUTHS = [(1.4, 0.9), (0.0, 0.9), (5.5, 2.4), (-0.5, 0.9)]


@pytest.mark.parametrize(("mu", "tau"), TRUTHS)
def test_new_laboratory_is_the_average_over_theta(mu: float, tau: float) -> None:
    for design in DESIGNS:
        exact = Student(design)
        for probability in (exact.benefit, exact.harm):

            def f(theta: float, p: Callable = probability) -> float:
                return float(p(theta)) * normal_density(theta, mu, tau)

            average = integral(f, mu - 9 * tau, mu + 9 * tau, (0.0, design.margin, mu))
            assert float(probability(mu, tau**2)) == pytest.approx(average, abs=1e-8)


def test_success_tends_to_its_ceiling() -> None:
    for mu, tau in ((1.4, 0.92), (0.43, 0.95), (5.54, 2.4)):
        success = [float(Student(student_design(n, n)).benefit(mu, tau**2)) for n in (10**3, 10**5)]
        ceiling = float(special.ndtr(mu / tau))
        assert success[0] < success[1] < ceiling
        # The test loses effects below about 2 standard errors of 0: 2 se/tau times a density.
        assert ceiling - success[1] < 2.0 * math.sqrt(2e-5) / tau * normal_density(0.0, mu / tau, 1)


def test_probabilities_broadcast_over_truths() -> None:
    exact = Student(student_design(6, 6))
    mu, tau2 = np.array([0.0, 1.4, 5.5]), np.array([[0.0], [0.81]])
    for probability in (exact.benefit, exact.harm):
        grid = probability(mu, tau2)
        assert grid.shape == (2, 3)
        for i in range(2):
            for j in range(3):
                single = float(probability(mu[j], tau2[i, 0]))
                assert grid[i, j] == pytest.approx(single, abs=1e-15)


def test_a_side_that_is_not_tested_is_never_significant() -> None:
    one_sided = student_design(5, 5, one_sided=True)
    for exact in (Student(one_sided), Welch(welch_design(5, 5, one_sided=True), 0.05, 0.025)):
        assert float(exact.harm(-3.0)) == 0.0
        assert np.array_equal(exact.harm(np.array([0.0, -9.0]), 0.81), [0.0, 0.0])
        assert exact.type_s(1.4, 0.0) == 0.0
        assert float(exact.benefit(1.4)) > float(Student(student_design(5, 5)).benefit(1.4))


# What is significant -----------------------------------------------------------------------


def reference_significant_g(design: TwoArm, df: float, mu: float, tau: float) -> float:
    """E(|g|; significant), integrated over the SD and within it over the difference."""
    sd = math.sqrt(design.se**2 + tau**2)

    def given_sd(s: float) -> float:
        def f(x: float) -> float:
            return abs(x) / s * normal_density(x, mu, sd)

        above, below = (design.margin + q * design.se * s for q in (design.upper, design.lower))
        top, bottom, cuts = mu + 10 * sd, mu - 10 * sd, (0.0, mu)
        total = integral(f, max(above, bottom), top, cuts) if above < top else 0.0
        return total + (integral(f, bottom, min(below, top), cuts) if below > bottom else 0.0)

    spread = 1.0 / math.sqrt(2.0 * df)
    return design.j * integral(
        lambda s: given_sd(s) * sd_density(s, df) if s > 0.0 else 0.0,
        max(0.0, 1.0 - 9.0 * spread), 1.0 + 11.0 * spread, (0.1, 0.5, 1.0, 1.5, 1.0 + 5.0 * spread),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("design", "mu", "tau"),
    [
        (student_design(4, 4), 1.4, 0.9),
        (student_design(4, 4), 0.5, 0.0),
        (student_design(5, 13), 5.5, 2.4),
        (student_design(8, 8, margin=1.0), -0.5, 0.9),
        (student_design(8, 8, 0.025, margin=1.0, one_sided=True), 1.4, 0.9),
        (student_design(3, 3, 0.001), 5.5, 0.0),
    ],
)
def test_significant_g_is_the_double_integral(design: TwoArm, mu: float, tau: float) -> None:
    df = design.n1 + design.n2 - 2.0
    expected = reference_significant_g(design, df, mu, tau)
    # With a margin |g| has a corner within the law of the SD.
    bound = 1e-10 if design.margin == 0.0 else 5e-6
    assert Student(design).significant_g(mu, tau**2) == pytest.approx(expected, rel=bound)


def reference_errors(exact: Student, mu: float, tau: float, step: float) -> tuple[float, float]:
    """Type S error, and E(|theta|; significant), by adaptive integration over theta.

    step: how far from 0 and the margin the tests' power moves from almost 0 to almost 1.
    """
    margin = exact.design.margin
    cuts = {mu, 0.0} | {margin + k * step for k in (-2.0, -1.0, 0.0, 1.0, 2.0)}

    def wrong(theta: float) -> float:
        p = exact.harm(theta) if theta > 0.0 else exact.benefit(theta)
        return float(p) * normal_density(theta, mu, tau)

    def true(theta: float) -> float:
        p = float(exact.benefit(theta)) + float(exact.harm(theta))
        return abs(theta) * p * normal_density(theta, mu, tau)

    low, high = mu - 9 * tau, mu + 9 * tau
    significant = float(exact.benefit(mu, tau**2)) + float(exact.harm(mu, tau**2))
    return integral(wrong, low, high, cuts) / significant, integral(true, low, high, cuts)


@pytest.mark.parametrize(
    ("design", "mu", "tau"),
    [
        (student_design(4, 4), 1.4, 0.9),
        (student_design(4, 4), 0.0, 0.9),
        (student_design(5, 13), 5.5, 2.4),
        (student_design(171, 171), 1.4, 0.92),
        (student_design(1000, 1000), 0.43, 0.95),
        (student_design(8, 8, margin=1.0), 1.4, 0.9),
        (student_design(50, 50, margin=2.0), 5.5, 2.4),
        (student_design(400, 400, margin=2.0), 5.5, 2.4),
        (student_design(50, 50, 0.025, margin=2.0, one_sided=True), 5.5, 2.4),
    ],
)
def test_errors_of_sign_and_size_are_integrals_over_theta(
    design: TwoArm, mu: float, tau: float
) -> None:
    exact = Student(design)
    type_s, true = reference_errors(exact, mu, tau, 2.0 * design.se)
    assert exact.type_s(mu, tau**2) == pytest.approx(type_s, rel=1e-6, abs=1e-9)
    type_m = exact.significant_g(mu, tau**2) / true
    assert exact.type_m(mu, tau**2) == pytest.approx(type_m, rel=1e-6)


def test_errors_of_sign_and_size_in_one_laboratory() -> None:
    exact = Student(student_design(4, 4))
    benefit, harm = float(exact.benefit(0.5)), float(exact.harm(0.5))
    assert exact.type_s(0.5, 0.0) == pytest.approx(harm / (benefit + harm), rel=1e-12)
    assert exact.type_s(-0.5, 0.0) == pytest.approx(harm / (benefit + harm), rel=1e-9)
    expected = exact.significant_g(0.5, 0.0) / (0.5 * (benefit + harm))
    assert exact.type_m(0.5, 0.0) == pytest.approx(expected, rel=1e-12)
    assert exact.type_m(-0.5, 0.0) == pytest.approx(expected, rel=1e-9)
    # With no true effect there is no sign to miss and no size to exaggerate.
    assert exact.type_s(0.0, 0.0) is None
    assert exact.type_m(0.0, 0.0) is None


@pytest.mark.parametrize("mu", [1.4, -1.4])
def test_errors_are_continuous_where_heterogeneity_vanishes(mu: float) -> None:
    exact = Student(student_design(4, 4))
    for measure in (exact.type_s, exact.type_m):
        assert measure(mu, 1e-10) == pytest.approx(measure(mu, 0.0), rel=1e-6)


def test_mean_abs_between_is_an_integral() -> None:
    for low, high in ((-INF, 0.3), (-2.0, -1.0), (-1.0, 2.0), (0.5, INF), (-INF, INF)):
        a, b = max(low, -12.0), min(high, 12.0)
        expected = integral(lambda x: abs(x) * normal_density(x, 0.7, 1.1), a, b, (0.0, 0.7))
        assert float(mean_abs_between(low, high, 0.7, 1.1)) == pytest.approx(expected, abs=1e-11)


@pytest.mark.parametrize("df", [1, 2, 6, 46, 2000])
def test_law_of_the_sd(df: int) -> None:
    expected = float(stats.chi.mean(df)) / math.sqrt(df)
    assert mean_sd(df) == pytest.approx(expected, rel=1e-11)
    s, weight = sd_quadrature(df)
    assert float(np.sum(weight)) == pytest.approx(1.0, abs=1e-14)
    assert float(np.sum(weight * s)) == pytest.approx(expected, rel=1e-11)
    assert float(np.sum(weight * s**2)) == pytest.approx(1.0, rel=1e-11)
    assert float(np.sum(weight * s**4)) == pytest.approx(1.0 + 2.0 / df, rel=1e-10)


def test_width_is_that_of_the_students_interval() -> None:
    # E of 2 t(.975, 6) S sqrt(1/4 + 1/4), by scipy's mean of a chi.
    expected = 2.0 * stats.t.isf(0.025, 6) * math.sqrt(0.5) * stats.chi.mean(6) / math.sqrt(6)
    assert Student(student_design(4, 4)).ci_width() == pytest.approx(float(expected), rel=1e-11)


# Welch -------------------------------------------------------------------------------------


class WelchByHand:
    """Welch's t-test integrated over the two SDs themselves, each on 120 Gauss-Legendre nodes."""

    def __init__(self, n1: int, n2: int, level: float) -> None:
        (s1, w1), (s2, w2) = self._group(n1 - 1), self._group(n2 - 1)
        s1, s2 = s1[:, None], s2[None, :]
        self.weight = w1[:, None] * w2[None, :]
        v1, v2 = s1**2 / n1, s2**2 / n2
        df = (v1 + v2) ** 2 / (v1**2 / (n1 - 1) + v2**2 / (n2 - 1))
        self.half_width = stats.t.isf(level, df) * np.sqrt(v1 + v2)
        self.pooled = np.sqrt(((n1 - 1) * s1**2 + (n2 - 1) * s2**2) / (n1 + n2 - 2))
        self.se2 = 1.0 / n1 + 1.0 / n2

    @staticmethod
    def _group(df: int) -> tuple[np.ndarray, np.ndarray]:
        spread = 1.0 / math.sqrt(2.0 * df)
        low, high = max(0.0, 1.0 - 9.0 * spread), 1.0 + 10.0 * spread
        x, w = np.polynomial.legendre.leggauss(120)
        s = low + (high - low) * (x + 1.0) / 2.0
        density = stats.chi.pdf(s * math.sqrt(df), df) * math.sqrt(df)
        return s, w * (high - low) / 2.0 * density

    def mean(self, values: np.ndarray) -> float:
        return float(np.sum(self.weight * values))

    def benefit(self, mu: float, tau: float, margin: float) -> float:
        sd = math.sqrt(self.se2 + tau**2)
        return self.mean(special.ndtr((mu - margin - self.half_width) / sd))

    def harm(self, mu: float, tau: float, margin: float) -> float:
        sd = math.sqrt(self.se2 + tau**2)
        return self.mean(special.ndtr((margin - self.half_width - mu) / sd))

    def significant_d(self, mu: float, tau: float, margin: float) -> float:
        """E(|difference| / pooled SD; significant)."""
        sd = math.sqrt(self.se2 + tau**2)
        outside = mean_abs_between(margin + self.half_width, INF, mu, sd)
        outside = outside + mean_abs_between(-INF, margin - self.half_width, mu, sd)
        return self.mean(outside / self.pooled)


@pytest.mark.parametrize(("n1", "n2"), [(4, 4), (3, 9), (9, 3), (5, 13), (24, 24), (6, 60)])
@pytest.mark.parametrize(("test_level", "interval_level"), [(0.025, 0.025), (0.05, 0.025)])
def test_welch_is_the_double_integral_over_both_sds(
    n1: int, n2: int, test_level: float, interval_level: float
) -> None:
    hand, interval = WelchByHand(n1, n2, test_level), WelchByHand(n1, n2, interval_level)
    for margin in (0.0, 1.0):
        exact = Welch(welch_design(n1, n2, margin), test_level, interval_level)
        for mu, tau in ((0.0, 0.0), (1.4, 0.0), (1.4, 0.9), (5.5, 2.4)):
            at = (mu, tau, margin)
            assert float(exact.benefit(mu, tau**2)) == pytest.approx(hand.benefit(*at), abs=1e-7)
            assert float(exact.harm(mu, tau**2)) == pytest.approx(hand.harm(*at), abs=1e-7)
            significant = exact.design.j * hand.significant_d(*at)
            # With a margin |g| has a corner within the law of the SDs.
            bound = 1e-7 if margin == 0.0 else 5e-5
            assert exact.significant_g(mu, tau**2) == pytest.approx(significant, rel=bound)
        width = interval.mean(2.0 * interval.half_width)
        assert exact.ci_width() == pytest.approx(width, rel=1e-7)


def test_errors_of_welch_are_integrals_over_theta() -> None:
    exact = Welch(welch_design(5, 13), 0.025, 0.025)
    type_s, true = reference_errors(exact, 1.4, 0.9, 2.0 * exact.design.se)
    assert exact.type_s(1.4, 0.81) == pytest.approx(type_s, rel=1e-6)
    type_m = exact.significant_g(1.4, 0.81) / true
    assert exact.type_m(1.4, 0.81) == pytest.approx(type_m, rel=1e-6)


@pytest.mark.parametrize("n", [300, 1000])
def test_welch_tends_to_student(n: int) -> None:
    # With equal groups t is the same and only the degrees of freedom differ.
    mu = 2.8 * math.sqrt(2.0 / n)
    welch = Welch(welch_design(n, n), 0.025, 0.025)
    hand = WelchByHand(n, n, 0.025)
    assert float(welch.benefit(mu)) == pytest.approx(hand.benefit(mu, 0.0, 0.0), abs=1e-7)
    student = float(Student(student_design(n, n)).benefit(mu))
    assert 0.0 < student - float(welch.benefit(mu)) < 0.1 / n


def test_welch_quantile_uses_welchs_degrees_of_freedom() -> None:
    design = welch_design(4, 9)
    for s1, s2 in ((1.0, 1.0), (0.4, 1.9), (2.0, 0.3)):
        v1, v2 = s1**2 / 4, s2**2 / 9
        df = (v1 + v2) ** 2 / (v1**2 / 3 + v2**2 / 8)
        quantile = float(welch_quantile(v1 / (v1 + v2), design, 0.025))
        assert quantile == pytest.approx(float(stats.t.isf(0.025, df)), rel=1e-10)
    assert float(welch_quantile(1.0, design, 0.025)) == pytest.approx(3.182446305284263)
    assert float(welch_quantile(0.0, design, 0.025)) == pytest.approx(2.306004135033371)
