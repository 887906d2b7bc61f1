"""A required size whose test is wrong too often is not handed out, and the page says why."""

from types import SimpleNamespace

import pytest

import planner
from planner.decay_answers import Answers
from planner.decay_designs import DecayDesign, Truths
from planner.decay_levels import exceeds, refuse_sizes
from planner.decay_required import required_row
from planner.reports.decay import decay_page

TRUTH = Truths.point("given", 3.0, 0.0, 9.0)
# Pooled over days although correlation falls with the lag: too many positives at any size.
LOOSE = {"test": "cs-pooled", "covariance": "ar1", "rho": 0.5, "times": (0.0, 2.0, 28.0)}


def rate(value, mcse=0.0, exact=None):
    return {"value": value, "mcse": mcse, "exact": exact}


@pytest.mark.parametrize(
    ("row", "too_high"),
    [
        (rate(0.0, exact=0.0601), True), (rate(0.9, 0.1, exact=0.0599), False),
        (rate(0.062, 0.001), True), (rate(0.062, 0.0031), False), (rate(0.01, 0.001), False),
    ],
)  # fmt: skip
def test_a_rate_is_too_high_by_a_fifth_and_four_errors(row, too_high):
    assert exceeds(row, 0.05) is too_high


@pytest.mark.usefixtures("no_sensitivity")
def test_a_size_of_a_test_off_its_level_is_not_a_plan():
    result = planner.decay(delta0=1.3, half_life=9.0, question="decay", reps=1500,
                           **LOOSE)  # fmt: skip
    row = next(row for row in result.required_rows if row["target"] == 0.8 and row["shrink"] == 0)
    assert (row["n"], row["reached"], row["level_kept"], row["animals"]) == (
        None,
        False,
        False,
        None,
    )
    own = Answers(DecayDesign(**LOOSE, curve=(1.3, 9.0)), 1500, 1)
    assert row["n_power"] == own.required("decay", Truths.point("given", 1.3, 0.0, 9.0), 0.8)[0]
    assert row["type_i"] > 0.06
    assert result.recommended is None
    rates = next(one for one in result.performance
                 if (one["measure"], one["n"]) == ("type_i", row["n_power"]))  # fmt: skip
    assert row["type_i"] == rates["value"]
    said = f"{row['n_power']} per group - but this test then says so wrongly in"
    assert f"{said} {100 * row['type_i']:.1f}% of experiments (5% allowed): not a valid plan" in (
        result.answer
    )
    page = decay_page(result)
    assert f"{row['n_power']}!" in page
    assert "! no valid plan" in page


def test_tests_that_keep_their_level_keep_their_size():
    own = Answers(DecayDesign(curve=(3.0, 9.0)), 500, 1)
    row = required_row(own, "residual", TRUTH, 0.8, 0.0)
    before = dict(row)
    refuse_sizes([(row, TRUTH)], own, TRUTH, 500)
    assert {name: row[name] for name in before} == before
    assert (row["n_power"], row["level_kept"]) == (row["n"], True)
    assert row["type_i"] == pytest.approx(0.05)


@pytest.mark.parametrize(("chance", "n"), [(0.9, 9), (0.7, None)])
def test_a_larger_size_that_keeps_the_level_is_taken_if_it_has_the_chance(chance, n):
    design = DecayDesign(curve=(3.0, 9.0), dropout=0.2)

    def type_i(question, truth, sizes, reps):
        return [{"n": m, "value": 0.10 if m < 9 else 0.05, "mcse": 0.001, "exact": None}
                for m in sizes]  # fmt: skip

    own = SimpleNamespace(design=design, type_i=type_i, chance=lambda *_: (chance, 0.0))
    row = {"question": "residual", "n": 5, "target": 0.8}
    refuse_sizes([(row, TRUTH)], own, TRUTH, 100)
    assert (row["n"], row["n_power"], row["type_i"], row["level_kept"]) == (n, 5, 0.10, False)
    assert row["animals"] == (None if n is None else 2 * n)


@pytest.mark.usefixtures("no_sensitivity")
def test_chances_of_given_animals_say_that_their_test_is_wrong_too_often():
    options = {"delta0": 1.3, "half_life": 9.0, "question": "decay", "animals": 40, "reps": 1000}
    result = planner.decay(**options, **LOOSE)
    row = next(one for one in result.performance if one["measure"] == "type_i")
    said = f"- but this test says so wrongly in {100 * row['value']:.1f}% of experiments"
    assert f"{said} (5% allowed)" in result.answer
    assert "wrongly" not in planner.decay(**options).answer
