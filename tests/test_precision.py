"""Fewer replicates for the same precision: unbiased, and by how much fewer.

Every bound below is in Monte Carlo standard errors of the comparison itself (MCSES of them).
"""

from __future__ import annotations

import json
import math
from functools import cache
from typing import Any

import numpy as np
import pytest

import planner
from planner.cli import main
from planner.designs import Design
from planner.options import replications
from planner.precision import LONGEST, PILOT_REPS, chances, enough, precise
from planner.results import Result
from sims.chi import inverse_sd_tables
from sims.exact import t_quantile
from sims.lanes.experiments import EXPECTED, N_SUMS, tally_student
from sims.lanes.meta import (
    ESTIMATOR_SUMS,
    INTERVAL_SUMS,
    replicate_syntheses,
    sums_shape,
    tally_syntheses,
)
from sims.names import ESTIMATORS
from sims.performance import Z95
from sims.syntheses import make_studies
from sims.types import Studies
from tests.sims.helpers import (
    MCSES,
    U,
    named,
    student_design,
    student_sums,
    welch_design,
    welch_sums,
)

# Stopping at --mcse -----------------------------------------------------------------------------


@pytest.mark.parametrize("coarsest", [True, False])
def test_an_error_is_accepted_up_to_a_half_and_named_as_it_was_typed(
    coarsest: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    line = ["bias", "--mu", "1", "--tau", "0.5", "--k", "5", "--n", "8", "--weight", "0.5"]
    line += ["--detector", "egger-se", "--correction", "none", "--json", "--quiet"]
    code = main([*line, "--mcse", "0.5" if coarsest else "0.6"])
    out, err = capsys.readouterr()
    if coarsest:
        assert (code, err) == (0, "")
        assert json.loads(out)["scenario"]["reps"] >= 2
    else:
        assert (code, out) == (2, "")
        assert err == "planner: --mcse 0.6; accepted: 0.00001 to 0.5\n"


@pytest.mark.parametrize("mcse", [0.5, 1e-5])
def test_no_error_asks_for_replicates_that_nobody_may_ask_for(mcse: float) -> None:
    asked = replications(None, mcse, 0)
    assert replications(asked, None, 0) == asked


@precise
def coin(p: float, *, reps: int | None = None, mcse: float | None = None, seed: int = 1) -> Result:
    """A command whose one chance is p."""
    n = reps or math.ceil(0.25 / (mcse or 1.0) ** 2)
    hits = int(np.random.default_rng(seed).binomial(n, p))
    row = {"measure": "success", "value": hits / n, "n_sim": n, "n_hit": hits, "exact": None}
    row["mcse"] = math.sqrt(hits / n * (1.0 - hits / n) / n)
    return Result(command="coin", answer="", scenario={"reps": n}, performance=[row])


@pytest.mark.parametrize("p", [0.0, 0.001, 0.03, 0.3, 0.5, 0.9, 1.0])
def test_stopping_is_unbiased_and_reaches_the_wanted_error(p: float) -> None:
    # 400 runs with seeds 0 to 399: their mean has its own standard error.
    mcse = 0.002
    rows = [coin(p, mcse=mcse, seed=seed).performance[0] for seed in range(400)]
    values = np.array([row["value"] for row in rows])
    lengths = np.array([row["n_sim"] for row in rows])
    own = np.sqrt(p * (1.0 - p) / lengths)
    assert abs(values.mean() - p) <= MCSES * np.sqrt((own**2).sum()) / len(own)
    assert np.mean(own <= mcse * (1.0 + 1e-9)) > 0.98
    assert lengths.max() <= math.ceil(0.25 / mcse**2)
    # The gain over the length that would do for any chance.
    gain = 0.25 / mcse**2 / lengths.mean()
    ideal = min(0.25 / (p * (1.0 - p) + 1e-9), 0.25 / mcse**2 / PILOT_REPS)
    assert ideal / 1.7 < gain <= ideal * 1.001


def test_a_command_stops_when_it_is_precise_enough() -> None:
    options: dict[str, Any] = {"mu": 1.5, "tau": 0.2, "n": (14,), "target": (0.9,)}
    result = planner.power(mcse=0.001, **options)
    (row,) = (row for row in result.performance if row["measure"] == "success")
    assert row["n_sim"] == result.scenario["reps"] < 0.25 / 0.001**2 / 3.0
    assert row["mcse"] <= 0.001
    assert abs(row["value"] - row["exact"]) < MCSES * row["mcse"]
    # The length is in the scenario: the same run again, without a pilot.
    again = planner.power(reps=result.scenario["reps"], **options)
    assert again.performance == result.performance


def test_what_is_no_chance_asks_for_nothing() -> None:
    rows = [
        {"n_sim": PILOT_REPS, "n_hit": None, "value": 0.5},
        {"n_sim": 0, "n_hit": 0, "value": None},
        {"n_sim": PILOT_REPS, "n_hit": PILOT_REPS, "value": 1.0},
        {"n_sim": PILOT_REPS, "n_hit": 2000, "value": 0.5, "mcse": 0.0},  # exact
    ]
    assert enough(rows, 0.001, PILOT_REPS) == PILOT_REPS
    assert enough(rows[:2], 0.001, PILOT_REPS) == 250_000


# Chances of what exists in a part of the replicates ---------------------------------------------


def part(p: float, share: float, reps: int, seed: int) -> list[dict[str, Any]]:
    """Rows of a chance p of what exists in a share of the replicates, and of one of all."""
    rng = np.random.default_rng(seed)
    n = int(rng.binomial(reps, share))
    rows = []
    for measure, n_sim in (("coverage", n), ("success", reps)):
        value = rng.binomial(n_sim, p) / n_sim if n_sim else None
        error = math.sqrt(value * (1.0 - value) / n_sim) if value is not None else None
        row = {"measure": measure, "value": value, "mcse": error, "n_sim": n_sim, "n_hit": 0}
        rows.append({**row, "exact": None, "correction": "sel3" if n_sim == n else "none"})
    return rows


@precise
def of_some(
    p: float, share: float, *, reps: int | None = None, mcse: float | None = None, seed: int = 1
) -> Result:
    """A command with such rows."""
    assert reps is not None
    found = part(p, share, reps, seed)
    return Result(command="some", answer="", scenario={"reps": reps}, performance=found)


@pytest.mark.parametrize(("p", "share"), [(0.5, 0.4), (0.92, 0.03), (0.05, 0.1), (0.5, 0.03)])
def test_a_chance_of_what_exists_in_few_replicates_is_as_precise(p: float, share: float) -> None:
    # Seeds 0 to 99. Without the share the error would be 1 / sqrt(share) times what is asked for.
    mcse = 0.004
    runs = [of_some(p, share, mcse=mcse, seed=seed) for seed in range(100)]
    lengths = np.array([run.scenario["reps"] for run in runs])
    reached = [max(row["mcse"] for row in run.performance) <= mcse for run in runs]
    assert np.mean(reached) > 0.97
    assert [bool(run.warnings) for run in runs] == [not one for one in reached]
    # Little more than it takes, as a pilot of 4,000 leaves open what is in a tenth of them.
    assert lengths.mean() < 2.3 * p * (1.0 - p) / mcse**2 / share
    values = np.array([run.performance[0]["value"] for run in runs])
    assert abs(values.mean() - p) < MCSES * mcse / math.sqrt(len(runs))


def test_where_it_would_take_too_many_replicates_the_warning_names_what_was_reached() -> None:
    mcse = 0.004
    found = of_some(0.5, 0.005, mcse=mcse)
    rare, all_of_them = found.performance
    # It is not tried: the run is as long as the others need.
    assert found.scenario["reps"] == math.ceil(0.25 / mcse**2) == all_of_them["n_sim"]
    assert rare["mcse"] > mcse >= all_of_them["mcse"]
    (warning,) = found.warnings
    assert warning["code"] == "mcse"
    assert f"coverage (correction sel3) {rare['mcse']:.2g}" in warning["text"]
    assert f"{rare['n_sim']:,} of 15,625 replicates" in warning["text"]
    assert "success" not in warning["text"]
    assert "one truth" not in warning["text"]


def test_no_run_is_longer_than_the_longest() -> None:
    rows = [{"measure": "coverage", "value": 0.5, "n_sim": n, "n_hit": 0} for n in (4000, 40)]
    assert enough(rows, 0.004, PILOT_REPS) == 15_625
    rows[1]["n_sim"] = 200
    assert 20 * 15_625 < enough(rows, 0.004, PILOT_REPS) <= LONGEST * 15_625


def test_corrections_that_seldom_exist_are_as_precise_as_the_rest() -> None:
    # sel3 needs studies that are not significant: at this truth 3% of the syntheses have any.
    found = planner.bias(mu=2.5, tau=0, k=5, sizes="4:12", weight="0.2", mcse=0.02,
                         correction=("none", "sel3"), detector=("egger-n",))  # fmt: skip
    rows = chances(found)
    rare = [row for row in rows if row.get("correction") == "sel3" and row["measure"] == "coverage"]
    assert min(row["n_sim"] / found.scenario["reps"] for row in rare) < 0.1
    assert found.scenario["reps"] > 10 * 625
    assert max(row["mcse"] for row in rows) <= 0.02
    assert not [one for one in found.warnings if one["code"] == "mcse"]


def test_clustered_reviews_are_as_precise_as_the_rest() -> None:
    found = planner.meta(planner.analysis("chronic-after"), k=(6,), mcse=0.01, estimator="DL")
    clustered = [row for row in chances(found) if row["cluster"] is not None]
    assert {row["n_sim"] for row in clustered} == {found.scenario["reps"] * 2 // 5}
    assert len(clustered) > 50
    assert max(row["mcse"] for row in clustered) <= 0.01
    # By the length alone: the same run again.
    again = planner.meta(planner.analysis("chronic-after"), k=(6,), estimator="DL",
                         reps=found.scenario["reps"])  # fmt: skip
    assert again.performance == found.performance


def test_chances_that_stand_beside_the_tables_count() -> None:
    inside = {"measure": "benefit", "value": 0.5, "mcse": 0.01, "n_sim": 100, "n_hit": 50}
    extra = {
        "all_bias": {"benefit": inside, "as_large": None}, "draws": np.ones(3),
        "frontier": [{"type_i": 0.05, "type_i_mcse": 0.002}, {"type_i": None, "type_i_mcse": None}],
        "rmse": {"value": 0.3, "mcse": 0.1, "n_sim": 100, "n_hit": None},
    }  # fmt: skip
    result = Result(command="x", answer="", scenario={}, extra=extra)
    assert [row["value"] for row in chances(result)] == [0.5, 0.05]
    assert chances(result)[0] is inside


@precise
def of_draws(*, reps: int | None = None, mcse: float | None = None, seed: int = 1) -> Result:
    """A command whose chance of one half is an average over draws, with an error of 0.01."""
    row = {"measure": "success", "value": 0.5, "n_sim": reps, "n_hit": 0, "exact": None}
    return Result(command="draws", answer="", scenario={}, performance=[{**row, "mcse": 0.01}])


def test_what_joint_draws_leave_is_said() -> None:
    (warning,) = of_draws(mcse=0.002).warnings
    assert warning["code"] == "mcse"
    assert "0.002" in warning["text"]
    assert "0.01 here" in warning["text"]
    assert "exact" not in warning["text"]
    assert of_draws(mcse=0.01).warnings == ()
    # A value that is exact for the draws has their error all the same.
    how: dict[str, Any] = {"n": (8,), "target": 0.8}
    (warning,) = (
        one for one in planner.power(planner.analysis("chronic-after"), mcse=0.001, **how).warnings
        if one["code"] == "mcse"
    )  # fmt: skip
    assert "exact ones too, have the error of the draws" in warning["text"]
    assert of_draws(reps=1000).warnings == ()
    assert coin(0.5, mcse=0.002).warnings == ()


@pytest.mark.usefixtures("no_sensitivity")
def test_fitted_trials_stop_as_well() -> None:
    # A half-life that is nearly always found: far fewer than 0.25 / 0.003^2 trials.
    options: dict[str, Any] = {"delta0": 4.0, "half_life": 8.0, "question": "half-life"}
    options |= {"times": "0,7,24", "n": 16, "target": 0.9}
    result = planner.decay(mcse=0.003, **options)
    chances = [row for row in result.performance if row["n_hit"] is not None]
    assert {row["n_sim"] for row in chances} == {result.scenario["reps"]}
    assert result.scenario["reps"] < 0.25 / 0.003**2 / 1.5
    assert max(row["mcse"] for row in chances) <= 0.003


@pytest.mark.parametrize("wrong", [{"mcse": 0.01, "reps": 100}, {"mcse": 0.6}])
def test_wrong_wishes_are_refused_as_before(wrong: dict[str, float]) -> None:
    with pytest.raises(planner.InputError, match="--mcse"):
        planner.power(mu=1.0, tau=0.2, n=(8,), **wrong)


# Common random numbers --------------------------------------------------------------------------


def paired_gain(hits: np.ndarray) -> float:
    """How many times less variance the difference of two counted columns has than if apart."""
    return float(hits.var(axis=0).sum() / (hits[:, 1] - hits[:, 0]).var())


@cache
def of_sizes(sizes: tuple[int, ...]) -> tuple[np.ndarray, np.ndarray]:
    rows = np.array([Design().exact(n).design for n in sizes])
    return rows, inverse_sd_tables(2.0 * np.array(sizes) - 2.0)


def success_by_size(sizes: tuple[int, ...], seed: int, reps: int, first: int = 0) -> np.ndarray:
    """Chance of a significant benefit at each size, from the same random numbers."""
    (rows, tables), out = of_sizes(sizes), np.zeros((len(sizes), N_SUMS))
    mu, tau2 = np.array([1.0]), np.array([0.16])
    tally_student(U(seed), U(3), first, reps, mu, tau2, rows, tables, out)
    return out[:, 0] / reps


def test_common_random_numbers_over_n_gain_and_do_not_bias() -> None:
    # Seeds 1 to 600, 4,000 replicates each: 10 against 12 per group.
    sizes, reps, runs = (10, 12), 4000, 300
    common = np.array([success_by_size(sizes, seed, reps) for seed in range(1, runs + 1)])
    apart = np.array([success_by_size(sizes, seed, reps) for seed in range(runs + 1, 2 * runs + 1)])
    mu, tau2 = np.array([1.0]), np.array([0.16])
    exact = [float(Design().exact(n).benefit(mu, tau2)[0]) for n in sizes]
    paired, unpaired = common[:, 1] - common[:, 0], common[:, 1] - apart[:, 0]
    for difference in (paired, unpaired):
        error = difference.std(ddof=1) / np.sqrt(runs)
        assert abs(difference.mean() - (exact[1] - exact[0])) < MCSES * error
    # The ratio of two variances of 300 runs has a relative SE of 0.12.
    assert unpaired.var(ddof=1) / paired.var(ddof=1) > 5.0
    # One by one, seed 1, 20,000 replicates: 8.27 with 2 million, where the SE was 0.02.
    hits = np.array([success_by_size(sizes, 1, 1, i) for i in range(5 * reps)])
    assert hits[:reps].mean(axis=0) == pytest.approx(common[0])
    assert paired_gain(hits) == pytest.approx(8.27, abs=MCSES * 0.02 * math.sqrt(2e6 / len(hits)))


def success_of_review(k: int, seed: int, reps: int, first: int = 0) -> float:
    studies = make_studies(np.array([8]), np.ones(1), k, fixed=np.full(k, 8))
    codes, critical = np.array([ESTIMATORS["DL"]]), np.array([[0, Z95, Z95]])
    out, truth = np.zeros(sums_shape(1, 1)), (np.array([0.6]), np.array([0.6]))
    tally_syntheses(U(seed), U(5), first, reps, *truth, studies, codes, critical, out)
    return float(out[0, 9]) / reps


def test_common_random_numbers_over_k_gain_and_do_not_bias() -> None:
    # Seeds 1 to 600, 2,000 reviews each: 9 studies are the first 9 of 11.
    reps, runs = 2000, 300
    nine, eleven = (
        np.array([success_of_review(k, seed, reps) for seed in range(1, runs + 1)]) for k in (9, 11)
    )
    other = np.array([success_of_review(9, seed, reps) for seed in range(runs + 1, 2 * runs + 1)])
    paired, unpaired = eleven - nine, eleven - other
    error = np.hypot(paired.std(ddof=1), unpaired.std(ddof=1)) / np.sqrt(runs)
    assert abs(paired.mean() - unpaired.mean()) < MCSES * error
    assert unpaired.var(ddof=1) / paired.var(ddof=1) > 1.8
    # One by one, seed 1, 10,000 reviews: 3.05 with 400,000, where the SE was 0.01.
    hits = np.array([[success_of_review(k, 1, 1, i) for k in (9, 11)] for i in range(5 * reps)])
    assert paired_gain(hits) == pytest.approx(3.05, abs=MCSES * 0.01 * math.sqrt(4e5 / len(hits)))


# The last step in closed form ---------------------------------------------------------------------

REML_HK = np.array([ESTIMATORS["REML"]])


def eights(k: int) -> Studies:
    return make_studies(np.array([8]), np.ones(1), k, fixed=np.full(k, 8))


def prediction_chances(
    k: int, truth: tuple[np.ndarray, np.ndarray], seed: int, reps: int
) -> tuple[float, float]:
    """Sums, over reviews of k, of the chance that the prediction interval holds a new laboratory,
    and of its square; REML, Hartung-Knapp."""
    t = float(t_quantile(0.025, k - 1.0))
    out = np.zeros(sums_shape(1, 1))
    rows = np.array([[1, t, t]])
    tally_syntheses(U(seed), U(5), 0, reps, *truth, eights(k), REML_HK, rows, out)
    sums = dict(zip(ESTIMATOR_SUMS + INTERVAL_SUMS, out[0].tolist(), strict=True))
    return sums["pi_cover"], sums["pi_cover_sq"]


def new_laboratory_inside(
    k: int, truth: tuple[np.ndarray, np.ndarray], seed: int, reps: int
) -> np.ndarray:
    """The same by plain simulation: whether it holds the one that each replicate draws."""
    t = float(t_quantile(0.025, k - 1.0))
    drawn, pooled = np.empty((reps, 4)), np.empty((reps, 1, 5))
    yi, vi = np.empty((reps, k)), np.empty((reps, k))
    replicate_syntheses(U(seed), U(5), 0, *truth, eights(k), REML_HK, drawn, yi, vi, pooled)
    mu, se, tau2, hk, _ = pooled[:, 0].T
    return np.asarray(np.abs(drawn[:, 2] - mu) <= t * np.sqrt(se**2 * hk + tau2))


# One truth; a smaller one; several, of which one has no spread: there it is what is counted.
TRUTHS = [((1.4,), (0.9,)), ((0.4,), (0.3,)), ((1.4, 0.2, 5.0), (0.9, 0.0, 2.4))]


@pytest.mark.parametrize("truth", TRUTHS)
@pytest.mark.parametrize("k", [3, 9])
def test_the_chance_of_a_new_laboratory_is_unbiased(
    k: int, truth: tuple[tuple[float, ...], tuple[float, ...]]
) -> None:
    # Seed 21, 200,000 reviews, against as many of plain simulation with seed 22.
    reps, values = 200_000, (np.array(truth[0]), np.array(truth[1]))
    total, total_sq = prediction_chances(k, values, 21, reps)
    plain = new_laboratory_inside(k, values, 22, reps)
    variance = total_sq / reps - (total / reps) ** 2
    error = math.sqrt((variance + plain.var()) / reps)
    assert abs(total / reps - plain.mean()) < MCSES * error


def test_without_spread_the_chance_is_what_is_counted() -> None:
    truth = np.array([0.6]), np.array([0.0])
    total, total_sq = prediction_chances(6, truth, 23, 5000)
    inside = new_laboratory_inside(6, truth, 23, 5000)
    assert total == total_sq == inside.sum() < 5000


@pytest.mark.parametrize(("k", "gain"), [(6, 2.81), (9, 3.62), (19, 8.42)])
def test_the_chance_of_a_new_laboratory_gains(k: int, gain: float) -> None:
    # Seed 24, 40,000 reviews at mu 1.4, tau 0.9; its own cost is in `benchmarks`. The relative SE
    # of a variance of 40,000 such values is at most 0.02.
    truth, reps = (np.array([1.4]), np.array([0.9])), 40_000
    total, total_sq = prediction_chances(k, truth, 24, reps)
    p = total / reps
    assert p * (1.0 - p) / (total_sq / reps - p**2) == pytest.approx(gain, rel=MCSES * 0.02)


def test_a_command_takes_it_with_the_error_of_a_mean() -> None:
    # 60 runs of seeds 1 to 60, 2,000 reviews of 6: the spread of their values is the MCSE said.
    how: dict[str, Any] = {"mu": 1.4, "tau": 0.9, "k": 6, "n": 8, "target": 0.5}
    how |= {"estimator": "REML", "interval": "hk", "reps": 2000}
    runs = [planner.meta(**how, seed=seed).performance for seed in range(1, 61)]
    found = [row for rows in runs for row in rows if row["measure"] == "pi_coverage"]
    values = np.array([row["value"] for row in found])
    said = np.array([row["mcse"] for row in found])
    assert values.std(ddof=1) == pytest.approx(said.mean(), rel=MCSES / math.sqrt(2.0 * 59.0))
    binomial = math.sqrt(values.mean() * (1.0 - values.mean()) / 2000.0)
    assert 0.5 < said.mean() / binomial < 0.7
    assert all(row["n_hit"] is None and row["ci_ub"] <= 1.0 for row in found)


def test_a_pilot_asks_for_enough_where_chances_are_means() -> None:
    row = {"measure": "pi_coverage", "value": 0.5, "n_sim": PILOT_REPS, "n_hit": None}
    assert enough([row], 0.001, PILOT_REPS) == 250_000
    assert enough([{**row, "value": 0.999}], 0.001, PILOT_REPS) < 10_000


# Errors of sign and size over several truths -----------------------------------------------------


def sign_and_size(kernel: str, seed: int, reps: int, several: bool = True) -> dict[str, float]:
    """Sums of experiments of 8 per group under forty truths, or under one of them."""
    rng = np.random.default_rng(3)
    mu, tau2 = rng.normal(0.8, 0.4, 40), np.append(rng.uniform(0.1, 1.5, 38), [0.0, 0.0])
    mu[-1] = 0.0  # neither sign is wrong there
    if not several:
        mu, tau2 = mu[:1], tau2[:1]
    if kernel == "student":
        return named(student_sums(seed, reps, mu, tau2, [student_design(8, 8)])[0])
    return named(welch_sums(seed, reps, mu, tau2, [welch_design(8, 8)])[0])


@pytest.mark.parametrize("kernel", ["student", "welch"])
def test_errors_of_sign_and_size_are_unbiased_and_gain(kernel: str) -> None:
    # Seed 31 expected given the difference, seed 32 counted; 400,000 experiments each.
    reps = 400_000
    one, other = sign_and_size(kernel, 31, reps), sign_and_size(kernel, 32, reps)
    gains = {}
    for name, counted in (("wrong_mean", "wrong_sign"), ("theta_mean", "abs_theta")):
        mean, plain = one[name] / reps, other[counted] / reps
        variance = one[f"{name}_sq"] / reps - mean**2
        square = other["wrong_sign" if counted == "wrong_sign" else "abs_theta_sq"]
        variance_plain = square / reps - plain**2
        assert abs(mean - plain) < MCSES * math.sqrt((variance + variance_plain) / reps)
        gains[name] = variance_plain / variance
    assert gains["wrong_mean"] > 3.0
    assert gains["theta_mean"] > 1.0
    # The ratio |g| to |theta|: residuals of both.
    ratio = one["abs_g"] / one["theta_mean"]
    squares = one["abs_g_sq"] - 2.0 * ratio * one["mean_product"] + ratio**2 * one["theta_mean_sq"]
    counted_squares = (
        other["abs_g_sq"] - 2.0 * ratio * other["abs_product"] + ratio**2 * other["abs_theta_sq"]
    )
    assert counted_squares / squares > 1.3
    plain_ratio = other["abs_g"] / other["abs_theta"]
    error = math.hypot(
        math.sqrt(squares) / one["theta_mean"], math.sqrt(counted_squares) / other["abs_theta"]
    )
    assert abs(ratio - plain_ratio) < MCSES * error


@pytest.mark.nojit
@pytest.mark.parametrize("kernel", ["student", "welch"])
def test_of_one_truth_only_what_happens_is_counted(kernel: str) -> None:
    sums = sign_and_size(kernel, 33, 40, several=False)
    assert all(sums[name] == 0.0 for name in EXPECTED)
    sums = sign_and_size(kernel, 33, 40)
    assert all(sums[name] > 0.0 for name in EXPECTED)
