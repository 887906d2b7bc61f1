"""The normal distribution function of the kernels, against mpmath and scipy."""

import mpmath
import numpy as np
import pytest
from scipy.special import ndtr

from sims.kernels import entry
from sims.normal import normal_below


@entry
def fill_below(x, out):
    """normal_below of each value."""
    for i in range(x.shape[0]):
        out[i] = normal_below(x[i])


def below(x: np.ndarray) -> np.ndarray:
    out = np.empty(len(x))
    fill_below(x, out)
    return out


@pytest.mark.nojit
def test_it_is_the_normal_distribution_function() -> None:
    x = np.linspace(-8.5, 8.5, 3401)
    np.testing.assert_allclose(below(x), ndtr(x), rtol=0.0, atol=2e-14)
    low = x[x <= 0.0]
    np.testing.assert_allclose(below(low), ndtr(low), rtol=6e-13)


def test_it_is_mpmaths() -> None:
    with mpmath.workdps(40):
        for x in (-8.0, -5.0, -2.5, -1.0, -1e-8, 0.0, 0.3, 1.96, 4.0):
            assert below(np.array([x]))[0] == pytest.approx(
                float(mpmath.ncdf(x)), rel=6e-13, abs=0.0
            )


@pytest.mark.nojit
def test_beyond_its_range_it_is_0_or_1() -> None:
    far = below(np.array([-np.inf, -1e300, -9.0, 9.0, 1e300, np.inf]))
    assert (far[:3] < 1e-16).all()
    assert (far[3:] == 1.0).all()


def test_it_rises() -> None:
    x = np.linspace(-8.5, 8.5, 200_001)
    assert (np.diff(below(x)) >= -1e-15).all()
