"""The noncentral t of many values at once equals that of each alone."""

import numpy as np
import pytest

from sims.exact import t_tail


@pytest.mark.parametrize("df", [2, 3, 4, 6, 14, 46, 284, 20_000])
def test_many_values_at_once_equal_each_alone(df: int) -> None:
    rng = np.random.default_rng(df)
    c, ncp = rng.uniform(-3.0, 4.5, 500), rng.uniform(-4.0, 9.0, 500)
    many = t_tail(c, df, ncp)
    alone = np.array([float(t_tail(a, df, b)) for a, b in zip(c, ncp, strict=True)])
    np.testing.assert_allclose(many, alone, rtol=0.0, atol=1e-12)


def test_steep_critical_values_are_not_integrated_over_too_few_nodes() -> None:
    c, ncp = np.full(100, 300.0), np.linspace(0.0, 50.0, 100)
    alone = np.array([float(t_tail(300.0, 2, b)) for b in ncp])
    np.testing.assert_allclose(t_tail(c, 2, ncp), alone, rtol=0.0, atol=1e-12)
