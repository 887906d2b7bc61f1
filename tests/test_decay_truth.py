"""Effect and half-life from two published analyses, under each reading of the delays."""

import math

import numpy as np
import pytest

from planner.decay_truth import (
    calibrated_truth,
    delays_of,
    find_analyses,
    given_truth,
)
from planner.errors import InputError
from planner.joint_half_lives import half_life_between


@pytest.fixture(scope="module")
def truth():
    during, after, review = find_analyses(None, None, None, {})
    return calibrated_truth(during, after, review)


def test_half_life_between_two_effects():
    assert float(half_life_between(24.0, 5.1, 1.3)) == pytest.approx(12.2, abs=0.05)
    assert float(half_life_between(24.0, 1.0, 0.3)) == pytest.approx(13.8, abs=0.05)
    ends = half_life_between(24.0, np.array([5.0, 5.0, 5.0]), np.array([-0.1, 5.0, 6.0]))
    assert ends.tolist() == [0.0, math.inf, math.inf]


def test_readings_of_the_delays(truth):
    days = {reading.reading: reading.delays for reading in truth.readings}
    assert days["text"] == (24.0,) * 6
    assert days["table-median"] == (14.5,) * 6
    assert days["table-average"] == (1.0, 14.0, 7.0, 15.0, 34.0, 28.0)
    found = {reading.reading: reading for reading in truth.readings}
    # orientation: 12.2, 7.4 and about 5.5 days; I2 near 83% where delays differ
    assert found["text"].half_life == pytest.approx(12.1, abs=0.2)
    assert found["table-median"].half_life == pytest.approx(7.3, abs=0.2)
    assert found["table-average"].half_life == pytest.approx(5.6, abs=0.3)
    assert found["table-average"].I2[0] == pytest.approx(83.0, abs=1.0)
    assert found["text"].I2[0] == pytest.approx(found["table-median"].I2[0], abs=0.5)
    assert found["text"].I2[0] < 66.0 < found["table-average"].I2[0]


def test_draws_without_a_half_life_stay_in_the_quantiles(truth):
    taken = truth.taken
    draws = taken.draws_half_life
    assert taken.gone == np.mean(draws == 0.0) > 0.0
    assert taken.lasting == np.mean(np.isinf(draws)) > 0.0
    median, low, high = taken.interval("half_life")
    assert low == pytest.approx(np.quantile(draws, 0.025, method="nearest"), rel=1e-3)
    assert low < median < high


def test_single_delay_solved_by_simulation_agrees_with_the_formula(truth):
    # The matched truths of both analyses, or one median of simulated syntheses: the spread
    # between laboratories decays in the one and is estimated in the other.
    from planner.calibration import calibrate, studies_like
    from sims.decay_syntheses import matched_half_life

    after, during = truth.after, truth.during
    early = calibrate(during)
    solved = matched_half_life(
        studies_like(after), early.mu, early.tau, after.g.number, (24.0,) * 6, 1 << 15, 1
    )
    assert solved == pytest.approx(truth.taken.half_life, rel=0.015)


def test_published_numbers_are_nothing_unusual_under_the_draws(truth):
    # Posterior predictive of 32,768 syntheses: the published g, SE and I2 within its 95%, though
    # the average over the table's delays hardly gives so little heterogeneity.
    from planner.calibration import studies_like
    from sims.decay_syntheses import simulate_decayed

    after = truth.after
    published = (after.g.number, after.se_number, after.heterogeneity.number)
    places = {}
    for reading in truth.readings:
        fine = np.isfinite(reading.draws_half_life) & (reading.draws_half_life > 0.0)
        rows = simulate_decayed(
            studies_like(after), reading.draws_delta0[fine], reading.draws_tau[fine],
            reading.draws_half_life[fine], reading.delays, 1 << 15, 3, "test",
        )  # fmt: skip
        places[reading.reading] = np.mean(rows[:, [0, 1, 4]] < published, axis=0)
        assert np.all(np.abs(places[reading.reading] - 0.5) < 0.475)
    assert places["text"][0] == pytest.approx(0.5, abs=0.05)
    assert places["table-average"][2] == pytest.approx(0.1, abs=0.05)


def test_subsets_have_their_own_delays():
    during, after, review = find_analyses("chronic-after/rat", None, None, {})
    assert during.name == "chronic-during/rat"
    assert delays_of("table-average", after, review) == (1.0, 14.0, 7.0, 28.0)
    assert delays_of("table-median", after, review) == (10.5,) * 4
    assert delays_of("text", after, review) == (24.0,) * 4


def test_truth_by_hand():
    truth = given_truth(3.0, 0.5, 10.0)
    assert truth.taken.interval("half_life") == (10.0, 10.0, 10.0)
    assert truth.fields()["source"] == "given"
    with pytest.raises(InputError, match="--half-life"):
        given_truth(3.0, 0.5, 0.0)


def test_what_no_decay_can_be_planned_from_is_refused():
    with pytest.raises(InputError, match="after treatment"):
        find_analyses("single-early", None, None, {})
    during, after, review = find_analyses(None, None, None, {})
    with pytest.raises(InputError, match="table-average"):
        calibrated_truth(during, after, review, reading="table-mean")
    with pytest.raises(InputError, match="no decay"):
        calibrated_truth(after, during, review, others=False)


def test_a_delay_in_days_is_a_reading():
    during, after, review = find_analyses(None, None, None, {})
    assert delays_of("21", after, review) == (21.0,) * 6
    truth = calibrated_truth(during, after, review, reading="24", others=False)
    text = calibrated_truth(during, after, review, others=False)
    assert truth.taken.half_life == text.taken.half_life
    for wrong in ("0", "-3", "nan", "5000"):
        with pytest.raises(InputError, match="--reading"):
            delays_of(wrong, after, review)
