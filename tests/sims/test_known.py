"""Studies with known variances, and the exact laws that hold for them."""

import math
from functools import cache

import numpy as np
import pytest
from scipy import integrate, special, stats

from sims.exact import t_quantile
from sims.known import known_variances
from sims.lanes.meta import ESTIMATOR_SUMS, INTERVAL_SUMS, sums_shape, tally_syntheses
from sims.names import ESTIMATORS
from sims.performance import Z95, bias, proportion
from sims.streams import scenario_key
from sims.syntheses import make_studies
from sims.types import Studies
from tests.sims.helpers import MCSES, P_BINOMIAL, U, binomial_p, known
from tests.sims.test_lanes_meta import replicates

KEY = scenario_key("known")
FE_DL_REML = np.array([ESTIMATORS[name] for name in ("FE", "DL", "REML")])
FE, DL, REML = range(3)
N_SIM = 40_000


def simulated(
    studies: Studies, mu: float, tau: float, n_sim: int = N_SIM, seed: int = 11
) -> list[list[dict[str, float]]]:
    """Sums by name, of the estimators FE, DL, REML and their Wald and hk intervals."""
    t = float(t_quantile(0.025, len(studies.fixed) - 1.0))
    rows = np.array([[0, Z95, Z95], [1, t, t]])
    out = np.zeros(sums_shape(3, 2))
    truth = np.array([mu]), np.array([tau])
    tally_syntheses(U(seed), KEY, 0, n_sim, *truth, studies, FE_DL_REML, rows, out)
    own, each = len(ESTIMATOR_SUMS), len(INTERVAL_SUMS)
    return [
        [
            dict(zip(ESTIMATOR_SUMS, row[:own].tolist(), strict=True))
            | dict(zip(INTERVAL_SUMS, row[own + i * each :][:each].tolist(), strict=True))
            for i in range(2)
        ]
        for row in out
    ]


def tau_at(i2: float, v: float) -> float:
    """tau at which I^2 = tau^2 / (tau^2 + v)."""
    return math.sqrt(v * i2 / (1.0 - i2))


@cache
def wald_rejection(k: int, i2: float, shift: float = 0.0) -> float:
    """Probability that DerSimonian and Laird's Wald test rejects, equal known variances.

    With R = 1 + tau^2 / v, |Z sqrt(R) + shift| > z sqrt(max(1, R X / (k - 1))), X ~ chi2(k - 1),
    Z normal and independent; shift = mu / sqrt(v / k). One integral over X; Jackson & Turner 2017,
    doi:10.1002/jrsm.1240, calculate the same.
    """
    r = 1.0 / (1.0 - i2)
    flat = (k - 1.0) / r

    def rejected(x: float) -> float:
        limit = Z95 * math.sqrt(max(1.0, x / flat))
        upper, lower = ((side * shift - limit) / math.sqrt(r) for side in (1.0, -1.0))
        return float(special.ndtr(upper) + special.ndtr(lower))

    below = rejected(0.0) * float(stats.chi2.cdf(flat, k - 1))
    rest, _ = integrate.quad(
        lambda x: rejected(x) * stats.chi2.pdf(x, k - 1), flat, np.inf, epsabs=1e-10, limit=200
    )
    return below + float(rest)


# The studies -------------------------------------------------------------------------------


@pytest.mark.nojit
def test_variances_are_reported_as_given() -> None:
    vi = np.array([0.4, 0.1, 0.4, 2.0])
    x = replicates(known(vi), 40)
    np.testing.assert_allclose(x.vi, np.tile(vi, (40, 1)), rtol=1e-15)


def test_effects_are_normal_with_the_given_variance() -> None:
    # Seed 12, 20,000 replicates; each study's standardised effects against the normal
    # distribution (Kolmogorov-Smirnov), and no correlation beyond 4 standard errors.
    vi, mu, tau = np.array([0.4, 0.1, 2.0]), 1.2, 0.7
    truth = np.array([mu]), np.array([tau])
    yi = replicates(known(vi), 20_000, truths=truth, seed=12).yi
    z = (yi - mu) / np.sqrt(vi + tau**2)
    for study in z.T:
        assert stats.kstest(study, "norm").pvalue > P_BINOMIAL
    correlations = np.corrcoef(z.T)[np.triu_indices(3, 1)]
    assert abs(correlations).max() < MCSES / math.sqrt(20_000)


def test_clusters_share_their_part_of_tau2() -> None:
    # Seed 13: correlation share tau^2 / (tau^2 + v) within a cluster, none between.
    studies = known([0.2, 0.2, 0.2], cluster=[0, 0, 1], share=0.5)
    yi = replicates(studies, 20_000, truths=(np.zeros(1), np.ones(1)), seed=13).yi
    rho = np.corrcoef(yi.T)
    expected = 0.5 / 1.2
    assert abs(rho[0, 1] - expected) < MCSES * (1.0 - expected**2) / math.sqrt(20_000)
    assert abs(rho[0, 2]) < MCSES / math.sqrt(20_000)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_a_variance_that_is_none_is_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="positive and finite"):
        known_variances([0.3, bad])


# Exact laws: equal known variances ---------------------------------------------------------


@pytest.mark.parametrize("k", [2, 3, 6, 9, 19])
@pytest.mark.parametrize("i2", [0.0, 0.5, 0.9])
def test_hartung_and_knapp_keep_their_level(k: int, i2: float) -> None:
    # Seed 11, 40,000 replicates; exact at any tau^2 and for any estimator, as weights are equal.
    v, mu = 0.25, 1.3
    studies, tau = known(np.full(k, v)), tau_at(i2, 0.25)
    null, other = simulated(studies, 0.0, tau), simulated(studies, mu, tau)
    for estimator in (FE, DL, REML):
        x = null[estimator][1]
        assert x["n_ok"] == N_SIM
        for side in (x["benefit"], x["harm"]):
            assert binomial_p(side, N_SIM, 0.025) > P_BINOMIAL
        assert binomial_p(other[estimator][1]["cover"], N_SIM, 0.95) > P_BINOMIAL


@pytest.mark.parametrize("k", [2, 3, 6, 9, 19])
@pytest.mark.parametrize("i2", [0.0, 0.5, 0.9])
def test_wald_rejects_as_often_as_its_integral_says(k: int, i2: float) -> None:
    # Seed 11, 40,000 replicates; the same ones, so the same count, for an effect of zero and for
    # the coverage of another.
    v, mu = 0.25, 0.4
    studies, tau = known(np.full(k, v)), tau_at(i2, 0.25)
    null, other = simulated(studies, 0.0, tau)[DL][0], simulated(studies, mu, tau)[DL][0]
    p = wald_rejection(k, i2)
    assert binomial_p(null["benefit"] + null["harm"], N_SIM, p) > P_BINOMIAL
    assert binomial_p(other["cover"], N_SIM, 1.0 - p) > P_BINOMIAL
    power = wald_rejection(k, i2, mu / math.sqrt(v / k))
    assert binomial_p(other["benefit"] + other["harm"], N_SIM, power) > P_BINOMIAL


@pytest.mark.parametrize(
    ("k", "levels"),
    [
        (2, (0.0380, 0.1066, 0.1484)), (3, (0.0373, 0.0949, 0.1244)),
        (6, (0.0379, 0.0809, 0.0950)), (9, (0.0387, 0.0743, 0.0820)),
        (19, (0.0406, 0.0641, 0.0655)),
    ],
)  # fmt: skip
def test_the_integral_gives_the_known_levels(k: int, levels: tuple[float, ...]) -> None:
    # At I^2 of 0, 50 and 66 percent, four decimals.
    for i2, level in zip((0.0, 0.5, 0.66), levels, strict=True):
        assert wald_rejection(k, i2) == pytest.approx(level, abs=5.1e-5)


# Two groups of 10 in each of 10 studies, d = 0.3: the example in metapower's README.
_METAPOWER_V = 0.2 + 0.3**2 / 40.0


def test_the_integral_gives_metapowers_power() -> None:
    # Jackson & Turner 2017 at I^2 = 50%; and without heterogeneity.
    shift = 0.3 / math.sqrt(_METAPOWER_V / 10.0)
    assert wald_rejection(10, 0.5, shift) == pytest.approx(0.3454424, abs=5e-7)
    fixed = stats.norm.sf(Z95 - shift) + stats.norm.sf(Z95 + shift)
    assert fixed == pytest.approx(0.5594533, abs=5e-7)


def test_simulated_power_is_metapowers() -> None:
    # Seed 11, 100,000 replicates: MCSE 0.0016. Only mu / sqrt(v) counts: v is one for `known`.
    v, n_sim = 0.25, 100_000
    studies, mu = known(np.full(10, v)), 0.3 * math.sqrt(v / _METAPOWER_V)
    random = simulated(studies, mu, tau_at(0.5, v), n_sim)[DL][0]
    fixed = simulated(studies, mu, 0.0, n_sim)[FE][0]
    assert binomial_p(random["benefit"] + random["harm"], n_sim, 0.3454424) > P_BINOMIAL
    assert binomial_p(fixed["benefit"] + fixed["harm"], n_sim, 0.5594533) > P_BINOMIAL


def test_the_prediction_interval_of_many_studies_holds_95_percent() -> None:
    # Seed 11, 10,000 replicates of 400 studies: tau^2 and mu are known nearly, so Wald's
    # prediction interval covers 0.95 less what remains of their error, about (2 + 1) / 400.
    x = simulated(known(np.full(400, 0.25)), 1.0, 0.8, 10_000)[REML][0]
    assert abs(x["pi_cover"] / 10_000 - 0.95) < 0.01


# What small groups do ----------------------------------------------------------------------


def test_small_groups_alone_bias_the_pooled_effect_and_its_interval() -> None:
    # mu 1.6, tau 0.8, 19 studies of 5 to 10 animals per group, nobody selects anything: g's
    # estimated variance grows with g, so inverse-variance weights favour small effects. Seed 14,
    # 50,000 replicates, MCSE of the bias 0.0009, of the coverage 0.0015.
    n = np.arange(5, 11)
    studies = make_studies(n, np.full(len(n), 1.0 / len(n)), 19)
    x = simulated(studies, 1.6, 0.8, 50_000, seed=14)[DL][0]
    off = bias("bias", (x["e"], x["e2"], x["e3"], x["e4"]), 50_000)
    coverage = proportion("coverage", x["cover"], 50_000)
    assert off.mcse < 0.0012
    assert -0.08 < off.value / 1.6 < -0.06
    assert coverage.mcse < 0.0016
    assert 0.85 < coverage.value < 0.90
