"""Performance measures: their Monte Carlo standard errors, intervals and empty cases."""

import math

import numpy as np
import pytest
from scipy import stats

from sims.performance import bias, emp_se, mean, proportion, ratio_of_means, rmse
from sims.types import Performance
from tests.sims.helpers import named, student_design, student_sums, truth

N_SEEDS, N_SIM = 200, 2000
# Standard error of an SD from 200 values, relative to it: 5%.
SE_OF_SD = 1.0 / math.sqrt(2.0 * (N_SEEDS - 1))


def measures(sums: dict[str, float], n_sim: int) -> dict[str, Performance]:
    """All measures of one run."""
    significant = int(sums["benefit"] + sums["harm"])
    squares = (sums["abs_g"], sums["abs_g_sq"], sums["abs_theta"], sums["abs_theta_sq"])
    return {
        "success": proportion("success", sums["benefit"], n_sim),
        "power": proportion("power", significant, n_sim),
        "type_s": proportion("type_s", sums["wrong_sign"], significant),
        "type_m": ratio_of_means("type_m", *squares, sums["abs_product"], n_sim),
        "ci_width": mean("ci_width", sums["width"], sums["width_sq"], n_sim),
    }


# The Monte Carlo standard errors -----------------------------------------------------------


@pytest.mark.parametrize(("mu", "tau"), [(0.3, 0.9), (1.4, 0.9), (0.5, 0.0)])
def test_standard_errors_are_the_sds_of_estimates_over_runs(mu: float, tau: float) -> None:
    # Seeds 1000 to 1199, 2,000 replicates each, two groups of 4: the SD of the 200 estimates over
    # their mean MCSE is 1 within 4 of its own standard errors. Type S errors are asked where
    # they are common: 3% of the significant results at mu 0.3.
    design = student_design(4, 4)
    runs = [
        measures(named(student_sums(seed, N_SIM, *truth(mu, tau), [design])[0]), N_SIM)
        for seed in range(1000, 1000 + N_SEEDS)
    ]
    for measure in ("success", "power", "type_m", "ci_width") + (("type_s",) if mu == 0.3 else ()):
        estimates = np.array([run[measure].value for run in runs])
        mcses = np.array([run[measure].mcse for run in runs])
        ratio = float(np.std(estimates, ddof=1) / np.mean(mcses))
        assert abs(ratio - 1.0) < 4.0 * SE_OF_SD, measure


def test_intervals_hold_the_exact_value_as_often_as_they_say() -> None:
    # Seeds 1000 to 1199 again: of 200 intervals each, 95% hold the mean over all runs. Two-sided
    # binomial probability above 6e-5.
    design = student_design(4, 4)
    runs = [
        measures(named(student_sums(seed, N_SIM, *truth(1.4, 0.9), [design])[0]), N_SIM)
        for seed in range(1000, 1000 + N_SEEDS)
    ]
    for measure in ("success", "power", "type_m", "ci_width"):
        centre = float(np.mean([run[measure].value for run in runs]))
        held = sum(run[measure].ci_lb <= centre <= run[measure].ci_ub for run in runs)
        low, high = stats.binom.ppf([3e-5, 1.0 - 3e-5], N_SEEDS, 0.95)
        assert low <= held <= high, measure


# Proportions -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("hit", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611),
     (1, 29, 0.0061, 0.1718)],
)  # fmt: skip
def test_intervals_of_proportions_are_wilsons(hit: int, n: int, low: float, high: float) -> None:
    # Newcombe 1998, table I, method 3,
    # doi:10.1002/(SICI)1097-0258(19980430)17:8<857::AID-SIM777>3.0.CO;2-E.
    x = proportion("power", hit, n)
    assert (x.ci_lb, x.ci_ub) == pytest.approx((low, high), abs=5e-5)


@pytest.mark.parametrize(("hit", "n"), [(0, 1), (1, 1), (3, 7), (1000, 1000), (12_345, 10**8)])
def test_wilsons_limits_are_where_the_score_test_just_rejects(hit: int, n: int) -> None:
    x = proportion("power", hit, n)
    assert x.value == hit / n
    assert x.mcse == pytest.approx(math.sqrt(x.value * (1.0 - x.value) / n), rel=1e-12)
    assert (x.n_sim, x.n_hit, x.n_failed) == (n, hit, 0)
    assert 0.0 <= x.ci_lb <= x.value <= x.ci_ub <= 1.0
    for limit in (x.ci_lb, x.ci_ub):
        if limit not in (0.0, 1.0):
            score = abs(x.value - limit) / math.sqrt(limit * (1.0 - limit) / n)
            assert score == pytest.approx(stats.norm.isf(0.025), rel=1e-6)


def test_no_hits_and_nothing_but_hits_keep_an_interval() -> None:
    none, all_ = proportion("power", 0, 50), proportion("power", 50, 50)
    assert none.mcse == all_.mcse == 0.0
    assert (none.ci_lb, all_.ci_ub) == pytest.approx((0.0, 1.0), abs=1e-15)
    assert none.ci_ub == pytest.approx(0.0713476, abs=1e-7)
    assert all_.ci_lb == pytest.approx(1.0 - 0.0713476, abs=1e-7)


# Means and ratios --------------------------------------------------------------------------


def test_mean_and_its_standard_error_are_numpys() -> None:
    values = np.random.default_rng(61).gamma(2.0, 3.0, 500)
    x = mean("ci_width", float(values.sum()), float((values**2).sum()), 500, 3)
    assert x.value == pytest.approx(float(values.mean()), rel=1e-12)
    assert x.mcse == pytest.approx(float(stats.sem(values)), rel=1e-10)
    half = stats.norm.isf(0.025) * stats.sem(values)
    assert (x.ci_lb, x.ci_ub) == pytest.approx((x.value - half, x.value + half), rel=1e-10)
    assert (x.n_sim, x.n_failed, x.n_hit) == (500, 3, None)


def test_rounding_cannot_make_a_variance_negative() -> None:
    constant = mean("ci_width", 3.0 * 0.1, 3.0 * 0.1**2, 3)
    assert constant.mcse == pytest.approx(0.0, abs=1e-9)
    proportional = ratio_of_means("type_m", 0.3, 0.03, 0.1, 0.01 / 3.0, 0.01, 3)
    assert proportional.value == pytest.approx(3.0)
    assert proportional.mcse == pytest.approx(0.0, abs=1e-7)


def _ratio(y: np.ndarray, x: np.ndarray) -> Performance:
    sums = (y.sum(), (y**2).sum(), x.sum(), (x**2).sum(), (x * y).sum())
    return ratio_of_means("type_m", *(float(s) for s in sums), len(y))


def test_standard_error_of_a_ratio_is_that_of_the_bootstrap() -> None:
    # 400 pairs and 4,000 resamples (seed 62): the bootstrap's SD is known to 1.1%, bound 4 times
    # that; the delta method's own error, of order 1/n, is far below.
    generator = np.random.default_rng(62)
    x = generator.gamma(4.0, 1.0, 400)
    y = 1.5 * x + generator.normal(0.0, 1.0, 400) ** 2
    estimate = _ratio(y, x)
    assert estimate.value == pytest.approx(float(y.mean() / x.mean()), rel=1e-12)
    picked = generator.integers(0, 400, (4000, 400))
    bootstrap = float(np.std(y[picked].mean(axis=1) / x[picked].mean(axis=1), ddof=1))
    assert abs(estimate.mcse / bootstrap - 1.0) < 4.0 / math.sqrt(2.0 * 4000)


def test_standard_error_of_a_ratio_is_the_delta_methods() -> None:
    # By the covariance matrix, as textbooks write it.
    generator = np.random.default_rng(63)
    x, y = generator.gamma(4.0, 1.0, 50), generator.gamma(2.0, 1.0, 50)
    ratio = float(y.mean() / x.mean())
    gradient = np.array([1.0, -ratio]) / x.mean()
    variance = float(gradient @ np.cov(y, x) @ gradient) / 50
    assert _ratio(y, x).mcse == pytest.approx(math.sqrt(variance), rel=1e-10)


def test_replicates_without_a_significant_result_hardly_move_a_ratio() -> None:
    # Zeros beside the significant replicates: the same ratio, the same MCSE up to 1/n.
    generator = np.random.default_rng(64)
    x, y = generator.gamma(4.0, 1.0, 500), generator.gamma(2.0, 1.0, 500)
    short, long = _ratio(y, x), _ratio(np.append(y, np.zeros(1500)), np.append(x, np.zeros(1500)))
    assert long.value == pytest.approx(short.value, rel=1e-12)
    assert long.mcse == pytest.approx(short.mcse, rel=2e-3)


# Errors of estimates -----------------------------------------------------------------------


def _moments(e: np.ndarray) -> tuple[float, float, float, float]:
    return float(e.sum()), float((e**2).sum()), float((e**3).sum()), float((e**4).sum())


def test_bias_spread_and_squared_error_are_numpys() -> None:
    e = np.random.default_rng(65).gamma(2.0, 1.5, 700) - 2.0
    off, sd, root = (f("x", _moments(e), 700, 4) for f in (bias, emp_se, rmse))
    assert off[1:3] == pytest.approx((e.mean(), stats.sem(e)), rel=1e-10)
    assert sd.value == pytest.approx(e.std(ddof=1), rel=1e-12)
    assert root.value == pytest.approx(math.sqrt(np.mean(e**2)), rel=1e-12)
    # Of the SD: by the centred squares themselves; of the root: by the squares.
    centred, squares = (e - e.mean()) ** 2, e**2
    assert sd.mcse == pytest.approx(
        centred.std() / math.sqrt(700) / (2.0 * e.std(ddof=1)), rel=1e-10
    )
    assert root.mcse == pytest.approx(stats.sem(squares) / (2.0 * root.value), rel=1e-10)
    for x in (off, sd, root):
        half = stats.norm.isf(0.025) * x.mcse
        assert (x.ci_lb, x.ci_ub) == pytest.approx((x.value - half, x.value + half), rel=1e-10)
        assert (x.n_sim, x.n_failed) == (700, 4)


def test_standard_errors_of_bias_spread_and_squared_error_are_sds_over_runs() -> None:
    # d of two groups of 7 at a true effect of 2 is not normal: 2,000 runs of 2,000 estimates
    # (seed 66). The SD of the runs' values over their MCSE (root mean square) is 1 within 4
    # standard errors of an SD of 2,000 nearly normal values, 1.6% each. The formula for normal
    # estimates would be a fifth too low.
    generator = np.random.default_rng(66)
    n_runs, n_sim, df = 2000, 2000, 12.0
    difference = generator.normal(2.0, math.sqrt(2.0 / 7.0), (n_runs, n_sim))
    e = difference / np.sqrt(generator.chisquare(df, (n_runs, n_sim)) / df) - 2.0
    sums = np.stack([(e**p).sum(axis=1) for p in range(1, 5)], axis=1)
    for measure in (bias, emp_se, rmse):
        runs = [measure("x", tuple(row), n_sim) for row in sums.tolist()]
        spread = float(np.std([run.value for run in runs], ddof=1))
        ratio = spread / math.sqrt(float(np.mean([run.mcse**2 for run in runs])))
        assert abs(ratio - 1.0) < 4.0 / math.sqrt(2.0 * n_runs), measure.__name__
        if measure is emp_se:
            normal = float(np.mean([run.value for run in runs])) / math.sqrt(2.0 * (n_sim - 1))
            assert spread > 1.2 * normal


def test_estimates_that_are_all_the_same_have_no_spread() -> None:
    same = _moments(np.full(5, 0.5))
    assert emp_se("x", same, 5)[1:3] == (0.0, 0.0)
    assert rmse("x", same, 5)[1:3] == (0.5, 0.0)
    assert rmse("x", _moments(np.zeros(5)), 5)[1:3] == (0.0, 0.0)


# Nothing to measure ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "empty",
    [
        proportion("type_s", 0, 0, 4),
        mean("ci_width", 0.0, 0.0, 0, 4),
        mean("ci_width", 1.3, 1.69, 1, 4),
        ratio_of_means("type_m", 0.0, 0.0, 0.0, 0.0, 0.0, 0),
        ratio_of_means("type_m", 0.0, 0.0, 0.0, 0.0, 0.0, 1000),
        ratio_of_means("type_m", 1.0, 1.0, 1.0, 1.0, 1.0, 1),
        bias("bias", (0.0, 0.0, 0.0, 0.0), 0),
        emp_se("emp_se", (1.0, 1.0, 1.0, 1.0), 1),
        rmse("rmse", (0.0, 0.0, 0.0, 0.0), 0),
    ],
    ids=[
        "proportion",
        "mean",
        "mean of one",
        "ratio",
        "ratio without hits",
        "ratio of one",
        "bias",
        "emp_se of one",
        "rmse",
    ],
)
def test_an_empty_case_has_no_number(empty: Performance) -> None:
    for number in (empty.value, empty.mcse, empty.ci_lb, empty.ci_ub):
        assert math.isnan(number)


def test_what_failed_is_reported_beside_the_estimate() -> None:
    assert proportion("power", 5, 10, 2).n_failed == 2
    assert proportion("type_s", 0, 0, 2).n_failed == 2
    assert mean("ci_width", 0.0, 0.0, 0, 2).n_failed == 2
