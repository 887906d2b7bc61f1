"""Fewer replicates for the same precision: unbiased, and by how much fewer.

Every bound below is in Monte Carlo standard errors of the comparison itself (MCSES of them).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

import planner
from planner.designs import Design
from planner.precision import PILOT_REPS, enough, precise
from planner.results import Result
from sims.chi import inverse_sd_tables
from sims.lanes.experiments import N_SUMS, tally_student
from sims.lanes.meta import sums_shape, tally_syntheses
from sims.names import ESTIMATORS
from sims.performance import Z95
from sims.syntheses import make_studies
from tests.sims.helpers import MCSES, U

# Stopping at --mcse -----------------------------------------------------------------------------


@precise
def coin(p: float, *, reps: int | None = None, mcse: float | None = None, seed: int = 1) -> Result:
    """A command whose one chance is p."""
    n = reps or math.ceil(0.25 / (mcse or 1.0) ** 2)
    hits = int(np.random.default_rng(seed).binomial(n, p))
    row = {"measure": "success", "value": hits / n, "n_sim": n, "n_hit": hits}
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


def test_what_is_no_chance_of_all_replicates_asks_for_nothing() -> None:
    rows = [
        {"n_sim": PILOT_REPS, "n_hit": None},
        {"n_sim": 100, "n_hit": 50},
        {"n_sim": PILOT_REPS, "n_hit": PILOT_REPS},
    ]
    assert enough(rows, 0.001) == PILOT_REPS
    assert enough(rows[:2], 0.001) == 250_000


@pytest.mark.parametrize("wrong", [{"mcse": 0.01, "reps": 100}, {"mcse": 0.6}])
def test_wrong_wishes_are_refused_as_before(wrong: dict[str, float]) -> None:
    with pytest.raises(planner.InputError, match="--mcse"):
        planner.power(mu=1.0, tau=0.2, n=(8,), **wrong)


# Common random numbers --------------------------------------------------------------------------


def success_by_size(sizes: tuple[int, ...], seed: int, reps: int) -> np.ndarray:
    """Chance of a significant benefit at each size, from the same random numbers."""
    tests = [Design().exact(n) for n in sizes]
    rows = np.array([test.design for test in tests])
    tables, out = inverse_sd_tables(2.0 * np.array(sizes) - 2.0), np.zeros((len(sizes), N_SUMS))
    mu, tau2 = np.array([1.0]), np.array([0.16])
    tally_student(U(seed), U(3), 0, reps, mu, tau2, rows, tables, out)
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
    # Measured 10; the ratio of two variances of 300 runs has a relative SE of 0.12.
    assert unpaired.var(ddof=1) / paired.var(ddof=1) > 5.0


def success_of_review(k: int, seed: int, reps: int) -> float:
    studies = make_studies(np.array([8]), np.ones(1), k, fixed=np.full(k, 8))
    codes, critical = np.array([ESTIMATORS["DL"]]), np.array([[0, Z95, Z95]])
    out, truth = np.zeros(sums_shape(1, 1)), (np.array([0.6]), np.array([0.6]))
    tally_syntheses(U(seed), U(5), 0, reps, *truth, studies, codes, critical, out)
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
    # Measured 3.
    assert unpaired.var(ddof=1) / paired.var(ddof=1) > 1.8
