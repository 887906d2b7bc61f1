"""Drop-out in decay experiments: as little of it as one likes changes little; what is covered."""

import math

import numpy as np
import pytest
from scipy import stats

import planner
from planner.decay_answers import Answers
from planner.decay_designs import DecayDesign, Truths
from planner.errors import InputError

LABORATORY = Truths.point("x", 5.5, 0.0, 12.1)
TAIL = 6e-5


def answers(reps=4000, seed=1, **options):
    return Answers(DecayDesign(curve=(5.5, 12.1), **options), reps, seed)


def measures(own, n, question="half-life", truth=LABORATORY):
    rows = own.rows(question, truth, [n], own.reps)
    return {row["measure"]: row for row in rows}


@pytest.mark.parametrize("cv", [0.0, 0.3])
def test_a_trace_of_losses_changes_neither_size_nor_coverage_of_the_half_life(cv):
    # seed 1, n_sim 4000: the 95% intervals of both sizes overlap, coverage within 4 MCSEs
    complete, lossy = (answers(response_cv=cv, dropout=share) for share in (0.0, 0.001))
    n, low, high = complete.required("half-life", LABORATORY, 0.8)
    other, other_low, other_high = lossy.required("half-life", LABORATORY, 0.8)
    assert other_low <= high
    assert low <= other_high
    assert abs(other - n) <= 1
    before, after = measures(complete, n), measures(lossy, n)
    for measure in ("success", "coverage", "unbounded"):
        a, b = before[measure], after[measure]
        mcse = math.hypot(a["mcse"], b["mcse"]) + 0.0005
        assert abs(a["value"] - b["value"]) < 4 * mcse, measure


@pytest.mark.parametrize("question", ["decay", "residual", "gone"])
@pytest.mark.parametrize("cv", [0.0, 0.5])
def test_a_trace_of_losses_leaves_the_exact_chance(question, cv):
    # seed 1, n_sim 4000, one control in 10,000 lost: the binomial tails of the complete data
    truth = Truths.point("x", 1.5, 0.0, 9.0)
    exact = answers(response_cv=cv).exact(question, truth, 12)[0]
    row = measures(answers(response_cv=cv, dropout=1e-4), 12, question, truth)["success"]
    assert stats.binomtest(row["n_hit"], row["n_sim"], exact).pvalue > TAIL


@pytest.mark.parametrize(
    ("cv", "dropout", "by"),
    [(0.0, 0.2, "random"), (0.3, 0.1, "random"), (0.3, 0.3, "random"), (0.5, 0.2, "response")],
)
def test_half_lives_are_covered_at_the_size_required(cv, dropout, by):
    # seed 1, n_sim 4000; nominal within 1% and 4 MCSEs
    own = answers(response_cv=cv, dropout=dropout, dropout_by=by)
    n = own.required("half-life", LABORATORY, 0.8)[0]
    coverage = measures(own, n)["coverage"]["value"]
    assert abs(coverage - 0.95) < 0.01 + 4 * math.sqrt(0.05 * 0.95 / 4000)
    # losses take information: never fewer animals than without them
    assert n >= answers(response_cv=cv).required("half-life", LABORATORY, 0.8)[1]


@pytest.mark.parametrize("n", [6, 12])
def test_error_rates_with_losses_and_individual_responses(n):
    # seed 1, n_sim 4000: approximate degrees of freedom; within 1.5% of nominal and 4 MCSEs
    own = answers(response_cv=0.3, dropout=0.2)
    for question in ("decay", "residual", "gone", "shape"):
        row = own.type_i(question, Truths.point("x", 3.0, 0.0, 9.0), [n], 4000)[0]
        assert row["value"] < 0.065 + 4 * math.sqrt(0.05 * 0.95 / 4000), question
        assert row["n_failed"] < 0.02 * row["n_sim"]


def test_reml_of_a_named_covariance_is_for_groups_that_share_it():
    with pytest.raises(InputError, match="--response-cv"):
        DecayDesign(test="reml", response_cv=0.3)
    # seed 1, n_sim 4000: on complete data it is the random intercept's test of the decay
    truth = Truths.point("x", 1.5, 0.0, 9.0)
    exact = answers(test="cs-pooled").exact("decay", truth, 5)[0]
    row = measures(answers(test="reml"), 5, "decay", truth)["success"]
    assert stats.binomtest(row["n_hit"], row["n_sim"], exact).pvalue > TAIL
    assert answers(test="cs-pooled", dropout=0.1).design.analysis_of("decay") == "reml"
    assert answers(test="cs-pooled", dropout=0.1).design.analysis_of("residual") == "monotone"


@pytest.mark.parametrize(
    ("question", "n", "reps"), [("residual", 12, 20_000), ("half-life", 10, 2000)]
)
def test_simulation_error_of_assurance_knows_that_truths_are_a_sample(question, n, reps):
    # 30 independent sets of 500 truths, seeds 1 to 30: the SD of 30 values is within 4 of its
    # standard errors, 0.53, of the standard error claimed
    rng = np.random.default_rng(3)
    found = []
    for seed in range(1, 31):
        truth = Truths(
            name="assurance", delta0=rng.normal(5.5, 0.8, 500), tau=rng.uniform(1.5, 3.5, 500),
            half_life=rng.lognormal(2.4, 0.5, 500),
        )  # fmt: skip
        row = measures(answers(reps=reps, seed=seed), n, question, truth)["success"]
        found.append((row["value"], row["mcse"]))
        if question == "residual":
            assert row["exact"] is not None
    values, errors = np.array(found).T
    assert abs(np.std(values, ddof=1) / errors.mean() - 1.0) < 4 / math.sqrt(2 * 29)
    if question == "residual":  # the replicates alone would claim less than half of it
        assert np.sqrt(values * (1 - values) / reps).mean() < 0.5 * errors.mean()


def test_reml_plans_every_question():
    result = planner.decay(delta0=3, half_life=9, tau=1, test="reml", dropout=0.1, n=6, reps=100)
    assert {row["question"] for row in result.performance} == {"decay", "residual", "half-life"}
    assert not any(row["what"] == "response_cv" for row in result.extra["sensitivity"])
    # a laboratory of a given spread has the average laboratory beside it
    assert {row["truth"] for row in result.required_rows} == {"pooled", "given"}


@pytest.mark.usefixtures("no_sensitivity")
def test_python_takes_what_is_typed_and_refuses_the_rest_clearly():
    given = {"delta0": 3, "half_life": 9, "question": "residual", "reps": 200}
    one = planner.decay(**given, times="0,7", n="4:6:2")
    two = planner.decay(**given, times=(0, 7), n=[6, 4])
    assert one.performance == two.performance
    assert planner.decay(**given, times=7, n=4).scenario["times"] == "7"
    for wrong in ({"times": ("a",)}, {"times": None}, {"n": 4.5}, {"n": ("x",)}, {"n": "a"}):
        with pytest.raises(InputError, match="accepted"):
            planner.decay(**given, **wrong)


def test_a_half_life_of_a_reversed_effect_answers_nothing():
    # seed 1, n_sim 4000; a third of the laboratories have an effect below 0
    own = answers()
    truth = Truths.point("x", 6.0, 6.0 / 0.4307, 12.1)
    assert own.ceiling("half-life", truth) == pytest.approx(2 / 3, abs=1e-4)
    found = measures(own, 40, truth=truth)
    assert 0.5 < found["success"]["value"] < 2 / 3
    assert found["coverage"]["value"] == pytest.approx(0.95, abs=0.02)
