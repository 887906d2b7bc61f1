"""1/s of a sample SD by table, against the chi-square quantile and its law."""

import mpmath
import numpy as np
import pytest
from scipy import special, stats

from sims.chi import draw_inverse_sd, inverse_sd, inverse_sd_table, inverse_sd_tables
from sims.kernels import entry
from sims.lanes.lookups import place, value_at
from sims.streams import Z_MAX
from tests.sims.helpers import U, first_normals

DFS = (2, 3, 4, 5, 6, 8, 10, 14, 22, 46, 100, 398, 1998)


@entry
def look_up(tables, which, z, out):
    for i in range(z.shape[0]):
        out[i] = draw_inverse_sd(tables, which, z[i])


@entry
def look_up_in_two_steps(tables, which, z, out):
    flat = tables.reshape(-1)
    for i in range(z.shape[0]):
        start, beyond = place(which, z[i])
        out[i] = value_at(flat, start, beyond)


def table_values(df: int, z: np.ndarray) -> np.ndarray:
    out = np.zeros(len(z))
    look_up(inverse_sd_tables(np.array([df])), 0, z, out)
    return out


def _bound(df: int) -> float:
    """Largest relative error of 1/s; it is found in the last interval, at z below -8."""
    return {2: 7e-10, 3: 5e-11}.get(df, 7e-12)


@pytest.mark.parametrize("df", DFS)
def test_table_is_within_its_stated_relative_error_of_the_quantile(df: int) -> None:
    # Through scipy's distribution functions: quantile of the smaller tail, on a grid finer than
    # the table's by 29 and out of step with it.
    z = np.linspace(-Z_MAX, Z_MAX, 4001)[1:-1]
    below = stats.chi2.ppf(special.ndtr(np.minimum(z, 0.0)), df)
    above = stats.chi2.isf(special.ndtr(-np.maximum(z, 0.0)), df)
    expected = np.sqrt(df / np.where(z < 0.0, below, above))
    error = table_values(df, z) / expected - 1.0
    assert np.max(np.abs(error)) < _bound(df)
    np.testing.assert_allclose(inverse_sd(z, df), expected, rtol=1e-12)


@pytest.mark.parametrize("df", [2, 4, 6, 14, 398])
def test_table_inverts_the_chi_square_distribution_to_30_digits(df: int) -> None:
    # P(chi2 < df s^2) is Phi(z). A miss of the probability divided by the density is one of s^2.
    z = np.array([-8.4, -6.3, -4.1, -2.2, -0.9, -0.01, 0.4, 1.7, 3.3, 5.2, 8.4])
    with mpmath.workdps(30):
        for score, inverse in zip(z, table_values(df, z), strict=True):
            q, half = df / mpmath.mpf(float(inverse)) ** 2, mpmath.mpf(df) / 2
            if score < 0.0:
                miss = mpmath.gammainc(half, 0, q / 2, regularized=True) - mpmath.ncdf(score)
            else:
                miss = mpmath.ncdf(-score) - mpmath.gammainc(half, q / 2, regularized=True)
            density = mpmath.exp(-q / 2) * q ** (half - 1) / 2**half / mpmath.gamma(half)
            assert abs(miss / (density * 2 * q)) < _bound(df)


@pytest.mark.parametrize("df", DFS)
def test_inverse_sd_falls_in_the_normal(df: int) -> None:
    values = table_values(df, np.linspace(-Z_MAX, Z_MAX, 50_001)[:-1])
    assert np.all(np.isfinite(values))
    assert np.all(np.diff(values) < 0.0)


@pytest.mark.parametrize("df", [2, 6])
def test_normals_beyond_the_table_get_its_ends(df: int) -> None:
    # Two tables, so that a look-up beyond the first one's end would read the second.
    tables, out = inverse_sd_tables(np.array([df, 100])), np.zeros(6)
    look_up(tables, 0, np.array([Z_MAX, 9.0, 40.0, -Z_MAX, -9.0, -40.0]), out)
    ends = inverse_sd(np.array([Z_MAX, -Z_MAX]), df)
    np.testing.assert_allclose(out, np.repeat(ends, 3), rtol=1e-7)


@pytest.mark.parametrize("df", [2, 6, 22, 198])
def test_squared_sds_are_chi_square(df: int) -> None:
    # Seed 5, 50,000 normals: Kolmogorov-Smirnov on df s^2, p above 1e-4.
    z, out = np.zeros((50_000, 1)), np.zeros(50_000)
    first_normals(U(5), U(df), 0, z)
    look_up(inverse_sd_tables(np.array([df])), 0, z[:, 0], out)
    assert stats.kstest(df / out**2, stats.chi2(df).cdf).pvalue > 1e-4


def test_tables_are_shared_and_cannot_be_written() -> None:
    table = inverse_sd_table(6)
    assert inverse_sd_table(6) is table
    with pytest.raises(ValueError, match="read-only"):
        table[0, 0] = 1.0


def test_tables_of_several_degrees_of_freedom_stand_side_by_side() -> None:
    tables = inverse_sd_tables(np.array([4, 9, 4]))
    assert np.array_equal(tables[1], inverse_sd_table(9))
    assert np.array_equal(tables[0], tables[2])


@pytest.mark.nojit
def test_the_look_up_over_lanes_has_the_same_bits() -> None:
    tables = inverse_sd_tables(np.array([4, 14, 22]))
    ends = [-np.inf, -9.0, -Z_MAX, Z_MAX - 2.0**-40, Z_MAX, 9.0, np.inf, 0.0, -0.125, 0.125]
    z = np.array([*ends, *np.linspace(-8.6, 8.6, 997)])
    one, two = np.zeros(len(z)), np.zeros(len(z))
    for which in range(len(tables)):
        look_up(tables, which, z, one)
        look_up_in_two_steps(tables, which, z, two)
        np.testing.assert_array_equal(one, two)
