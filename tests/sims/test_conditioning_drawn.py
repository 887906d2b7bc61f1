"""Truths given a publication by simulation: those of the exact methods, where these exist."""

import numpy as np
import pytest

from sims.conditioning import CI_LB, CI_UB, I2, MU, Infeasible, Published, joint_draws
from sims.conditioning_drawn import N_NEAREST, drawn_joint, drawn_quantiles
from sims.conditioning_selected import joint_quantiles, joint_selected, study_sets
from sims.selection import make_mechanism
from sims.syntheses import make_studies

STUDIES = make_studies(np.array([4, 7, 12]), np.array([0.3, 0.5, 0.2]), 6)
PRIOR = np.array([-2.0, 5.0, 0.0, 4.0])
PROBABILITIES = np.array([0.5, 0.025, 0.25, 0.75, 0.975])


def printed(g: float, lower: float, upper: float, i2: float) -> Published:
    """As an article prints them: one decimal of effects, I2 in whole percent."""
    value, low, high = np.full(7, np.nan), np.full(7, -np.inf), np.full(7, np.inf)
    for column, number, half in ((MU, g, 0.05), (CI_LB, lower, 0.05), (CI_UB, upper, 0.05),
                                 (I2, i2, 0.5)):  # fmt: skip
        value[column], low[column], high[column] = number, number - half, number + half
    return Published(value, low, high, I2)


PRINTED = printed(1.3, 0.5, 2.1, 66.0)


def bounds(quantiles: np.ndarray) -> np.ndarray:
    """What two estimates of a quantile may differ by: a share of the 95% interval.

    2.5% quantiles of 1,000 effective draws have MCSEs near 3% of a normal interval, more where a
    tail is long: tau's upper end.
    """
    width = (quantiles[:, 4] - quantiles[:, 1])[:, None]
    return width * np.array([[0.04, 0.08, 0.05, 0.05, 0.10], [0.04, 0.08, 0.05, 0.08, 0.14]])


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_selection_it_is_rejection_on_the_rounding(share):
    studies = STUDIES._replace(share=share, cluster=np.array([0, 0, 0, 1, 2, 3]))
    exact = joint_draws(studies, PRINTED, PRIOR, 2000, 1, jobs=2)
    expected = np.array([np.quantile(x, PROBABILITIES) for x in (exact.mu, exact.tau)])
    found = drawn_joint(studies, PRINTED, make_mechanism({}), PRIOR, 2, jobs=2)
    assert N_NEAREST / 2 < found.effective <= N_NEAREST + 1
    assert found.weight.sum() == pytest.approx(1.0)
    assert np.all(found.tau >= 0.0)
    assert np.all(np.abs(drawn_quantiles(found, PROBABILITIES) - expected) < bounds(expected))


def test_under_selection_by_p_it_is_the_likelihood():
    from sims.conditioning import pseudo_studies
    from sims.effects import correction_approximate

    step = make_mechanism({"step": 0.3})
    draws = joint_draws(STUDIES, PRINTED, PRIOR, 1500, 3, jobs=2)
    yi, _, ni = pseudo_studies(STUDIES, draws, 3)
    j = np.vectorize(correction_approximate)(2.0 * ni - 2.0)
    sets = study_sets(yi / j, ni, ni, PRIOR, 48, 2)
    expected = joint_quantiles(joint_selected(sets, step), PROBABILITIES)
    found = drawn_joint(STUDIES, PRINTED, step, PRIOR, 4, jobs=2)
    assert np.all(np.abs(drawn_quantiles(found, PROBABILITIES) - expected) < bounds(expected))
    neutral = drawn_joint(STUDIES, PRINTED, make_mechanism({}), PRIOR, 4, jobs=2)
    # Beyond what the comparison could miss: selection moves the mean by more than its bound.
    moved = drawn_quantiles(neutral, PROBABILITIES) - drawn_quantiles(found, PROBABILITIES)
    assert moved[0, 0] > 3.0 * bounds(expected)[0, 0]


def test_peaks_of_several_time_points_leave_a_smaller_effect(monkeypatch):
    # Seed 5, 65,536 syntheses: medians of 1,000 effective draws have an MCSE near 0.02.
    monkeypatch.setattr("sims.conditioning_drawn.N_REFINE", 1 << 16)
    one = drawn_joint(STUDIES, PRINTED, make_mechanism({"peak": 1}), PRIOR, 5, jobs=2)
    five = drawn_joint(STUDIES, PRINTED, make_mechanism({"peak": 5}), PRIOR, 5, jobs=2)
    median = [drawn_quantiles(x, np.array([0.5]))[0, 0] for x in (one, five)]
    assert median[1] < median[0] - 0.2


def test_the_number_of_threads_changes_nothing(monkeypatch):
    monkeypatch.setattr("sims.conditioning_drawn.N_REFINE", 1 << 15)
    found = [drawn_joint(STUDIES, PRINTED, make_mechanism({"peak": 2}), PRIOR, 6, jobs)
             for jobs in (1, 2)]  # fmt: skip
    assert np.array_equal(found[0].mu, found[1].mu)
    assert np.array_equal(found[0].weight, found[1].weight)


def test_truths_that_publish_nothing_are_refused(monkeypatch):
    monkeypatch.setattr("sims.conditioning_drawn.N_SEARCH", 1 << 10)
    never = make_mechanism({"step": 0.0})
    with pytest.raises(Infeasible):
        drawn_joint(STUDIES, PRINTED, never, np.array([-9.0, -8.0, 0.0, 0.1]), 7, jobs=2)
