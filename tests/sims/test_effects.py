"""Hedges g: its correction, its sampling variances and its exact moments."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import mpmath
import numpy as np
import pytest
from scipy import integrate, special, stats

from sims.effects import (
    VARIANCES,
    correction_approximate,
    correction_exact,
    exact_moments,
    sampling_variance,
)
from tests.sims.helpers import MCSES, mcses_off, student_design, student_replicates, truth

ESCALC = json.loads((Path(__file__).parents[1] / "reference" / "escalc.json").read_text())["rows"]

# Hedges 1981, doi:10.3102/10769986006002107, from the exact formulas to the digits shown.
PUBLISHED_J = {6: .8686266878, 10: .9227456081, 14: .9452877293, 18: .9576464270,
               22: .9654506588}  # fmt: skip
PUBLISHED_VARIANCE = {
    4: {0.0: 0.565884, 1.0: 0.697653, 2.0: 1.092958},
    8: {0.0: 0.260624, 1.0: 0.303121, 2.0: 0.430612},
}


# The correction ----------------------------------------------------------------------------


@pytest.mark.parametrize("df", PUBLISHED_J)
def test_exact_correction_is_the_published_one(df: int) -> None:
    assert correction_exact(float(df)) == pytest.approx(PUBLISHED_J[df], abs=5e-11)


@pytest.mark.parametrize("df", [2, 3, 4, 11, 46, 998, 20_000])
def test_exact_correction_holds_for_few_and_many_animals(df: int) -> None:
    # The difference of two logarithms of gamma functions loses digits as df grows.
    with mpmath.workdps(30):
        half = mpmath.mpf(df) / 2
        j = mpmath.gamma(half) / mpmath.gamma(half - 0.5) / mpmath.sqrt(half)
    assert correction_exact(float(df)) == pytest.approx(float(j), rel=1e-10)


def test_approximate_correction_is_above_the_exact_one_by_little() -> None:
    # 0.11% for 4 animals per group, 9 in a million for 31.
    assert correction_approximate(6.0) == 1.0 - 3.0 / 23.0
    excess = [correction_approximate(df) / correction_exact(df) - 1.0 for df in (6.0, 60.0)]
    assert excess == pytest.approx([1.0805e-3, 8.898e-6], rel=1e-3)


# Sampling variances ------------------------------------------------------------------------


@pytest.mark.parametrize("variance", VARIANCES)
def test_sampling_variances_are_those_of_metafor(variance: str) -> None:
    # One cell for each d of -0.7, 0, 1.4, 5.5 and each pair of group sizes, unequal ones too.
    for row in ESCALC:
        j, a, b = sampling_variance(float(row["n1"]), float(row["n2"]), VARIANCES[variance])
        g = j * row["d"]
        expected = row["g_CMA"] if variance == "CMA" else row["g"]
        assert g == pytest.approx(expected, rel=1e-12, abs=1e-15)
        assert a + b * g * g == pytest.approx(row[variance], rel=1e-12)


def test_metafor_was_asked_about_every_cell() -> None:
    assert len({(row["n1"], row["n2"], row["d"]) for row in ESCALC}) == 64


def _mean_g2(delta: float, n1: int, n2: int, j: float) -> float:
    """E g^2 by quadrature: E D^2 times E 1/S^2 by adaptive integration of the chi law."""
    df = n1 + n2 - 2
    density = stats.chi(df).pdf
    inverse, _ = integrate.quad(
        lambda x: df / x**2 * density(x), 0.0, math.inf, epsabs=0.0, epsrel=1e-11, limit=200
    )
    return j * j * inverse * (delta * delta + 1.0 / n1 + 1.0 / n2)


@pytest.mark.parametrize(("n1", "n2"), [(3, 3), (4, 4), (4, 9), (12, 12)])
@pytest.mark.parametrize("delta", [0.0, 1.4, 5.5])
def test_ub_is_unbiased(delta: float, n1: int, n2: int) -> None:
    j, a, b = sampling_variance(float(n1), float(n2), VARIANCES["UB"])
    mean = a + b * _mean_g2(delta, n1, n2, j)
    assert mean == pytest.approx(exact_moments(delta, n1, n2)[1], rel=1e-9)


@pytest.mark.parametrize(
    ("variance", "low"), [("LS", (0.05, 0.13, 0.25)), ("CMA", (0.27, 0.31, 0.36))]
)
def test_other_variances_are_too_low_at_four_animals_by_known_shares(
    variance: str, low: tuple[float, ...]
) -> None:
    j, a, b = sampling_variance(4.0, 4.0, VARIANCES[variance])
    for delta, share in zip((0.0, 1.0, 2.0), low, strict=True):
        # Against the variance of the published, exactly corrected g.
        mean = a + b * _mean_g2(delta, 4, 4, j)
        assert 1.0 - mean / exact_moments(delta, 4, 4)[1] == pytest.approx(share, abs=0.005)


# Exact moments -----------------------------------------------------------------------------


@pytest.mark.parametrize("n", PUBLISHED_VARIANCE)
def test_variance_of_g_is_the_published_one(n: int) -> None:
    for delta, expected in PUBLISHED_VARIANCE[n].items():
        mean, variance = exact_moments(delta, n, n)
        assert mean == delta
        assert variance == pytest.approx(expected, abs=5e-7)


@pytest.mark.parametrize(("n1", "n2"), [(2, 3), (4, 4), (4, 9), (12, 12)])
@pytest.mark.parametrize("j", [None, 0.8])
def test_moments_are_those_of_the_noncentral_t(n1: int, n2: int, j: float | None) -> None:
    size = math.sqrt(n1 * n2 / (n1 + n2))
    df, delta = n1 + n2 - 2, 1.4
    factor = (correction_exact(float(df)) if j is None else j) / size
    t = stats.nct(df, delta * size)
    mean, variance = exact_moments(delta, n1, n2, j)
    assert mean == pytest.approx(factor * float(t.mean()), rel=1e-9)
    assert variance == pytest.approx(factor**2 * float(t.var()), rel=1e-9)


def test_no_variance_where_it_does_not_exist() -> None:
    with pytest.raises(ValueError, match="5 animals"):
        exact_moments(1.0, 2, 2)


def _fourth_central_moment(delta: float, n: int, j: float) -> float:
    """E (g - E g)^4, from the moments of the normal difference and of 1/S."""
    df, v = 2.0 * n - 2.0, 2.0 / n
    difference = (1.0, delta, delta**2 + v, delta**3 + 3 * delta * v,
                  delta**4 + 6 * delta**2 * v + 3 * v * v)  # fmt: skip
    raw = [
        (j * math.sqrt(df / 2.0)) ** k
        * math.exp(special.gammaln((df - k) / 2.0) - special.gammaln(df / 2.0))
        * difference[k]
        for k in range(5)
    ]
    mean = raw[1]
    return raw[4] - 4 * mean * raw[3] + 6 * mean**2 * raw[2] - 3 * mean**4


@pytest.mark.parametrize("correction", [correction_exact, correction_approximate])
def test_simulated_g_has_the_exact_mean_and_variance(
    correction: Callable[[float], float],
) -> None:
    # Seed 31, 100,000 replicates; the MCSE of the variance by the exact fourth moment.
    n_sim, sizes = 100_000, (4, 7, 12)
    designs = [student_design(n, n)._replace(j=correction(2.0 * n - 2.0)) for n in sizes]
    for delta in (0.0, 1.4, 5.5):
        g = student_replicates(31, n_sim, *truth(delta), designs)[:, :, 2]
        for i, n in enumerate(sizes):
            mean, variance = exact_moments(delta, n, n, designs[i].j)
            assert mcses_off(g[:, i], mean) < MCSES
            fourth = _fourth_central_moment(delta, n, designs[i].j)
            mcse = math.sqrt((fourth - variance**2) / n_sim)
            assert abs(float(np.var(g[:, i], ddof=1)) - variance) < MCSES * mcse
