"""What the joint half-lives reproduce, and the truths of those who doubt the literature."""

import math
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from planner.calibration import calibrate, published_numbers, studies_like
from planner.decay_answers import Answers
from planner.decay_designs import DecayDesign
from planner.decay_required import Asked, required_rows, wanted_rows
from planner.decay_sceptical import discounted_truth, se_as_sd_truth
from planner.decay_truth import calibrated_truth, find_analyses
from planner.joint_half_lives import half_life_between, joint_half_lives
from planner.mechanisms import Swept
from planner.reports.decay_doubts import alone_words, discounted_words, se_as_sd_words
from planner.selected_calibration import calibrate_selected
from sims.decay_syntheses import joint_published, simulate_decayed


@pytest.fixture(scope="module")
def found():
    during, after, review = find_analyses(None, None, None, {})
    return during, after, calibrated_truth(during, after, review), calibrate(during)


# Half-lives under different delays -----------------------------------------------------------


def test_joint_half_lives_are_those_of_plain_rejection(found):
    # 3 million replicates of seed 4 with log T uniform on 1.5..80 days, weighted to a mean effect
    # that is uniform: about 130 reproduce g, SE, I2 and interval to their rounding
    _, after, truth, early = found
    reading = truth.readings[2]
    assert reading.known == ("g", "se", "I2")
    delays = np.array(reading.delays)
    rng = np.random.default_rng(4)
    picked = rng.integers(len(early.draws_mu), size=3_000_000)
    mu, tau = early.draws_mu[picked], early.draws_tau[picked]
    half_life = np.exp(rng.uniform(math.log(1.5), math.log(80.0), len(mu)))
    rows = simulate_decayed(studies_like(after), mu, tau, half_life, delays, len(mu), 4, "plain")
    published = published_numbers(after)
    ends = [rows[:, 0] - 1.959964 * rows[:, 1], rows[:, 0] + 1.959964 * rows[:, 1]]
    kept = np.ones(len(mu), dtype=bool)
    for column, low, high in zip([*rows.T, *ends], published.low, published.high, strict=True):
        kept &= (column >= low) & (column <= high)
    own = half_life[kept]
    assert len(own) > 100
    # d(mean effect) / d log T, the weight that turns the prior into the other
    halvings = delays / own[:, None]
    weight = mu[kept] * np.mean(2.0**-halvings * math.log(2.0) * halvings, axis=1)
    weight /= weight.sum()
    logs = np.log(own)
    for low in (5.0, 7.5, 12.0):
        # the weighted share below, within 4 of its standard errors
        below = own < low
        share = weight[below].sum()
        se = math.sqrt(np.sum(weight**2 * (below - share) ** 2))
        assert np.mean(reading.draws_half_life < low) == pytest.approx(share, abs=4 * se + 0.01)
    assert np.median(np.log(reading.draws_half_life)) == pytest.approx(
        float(weight @ logs), abs=0.25
    )


def test_published_heterogeneity_narrows_the_half_life(found):
    *_, truth, early = found
    reading = truth.readings[2]
    median, low, high = reading.interval("half_life")
    # orientation: an independent rejection gave 7.3 [3.3, 20.9] days
    assert 7.0 < median < 8.4
    assert 3.3 < low < 4.3
    assert 16.0 < high < 23.0
    assert reading.gone == reading.lasting == 0.0
    # laboratories that differ less go better with the published I2
    assert np.median(reading.draws_tau) < np.median(early.draws_tau)


def test_joint_half_lives_are_the_same_for_any_number_of_workers(found):
    _, after, truth, early = found
    few = early.draws_mu[:200], early.draws_tau[:200]
    published = published_numbers(after)
    rounding = published.low, published.high
    given = studies_like(after), *rounding, *few, truth.readings[2].delays, 3
    one, two = (joint_published(*given, jobs) for jobs in (1, 2))
    assert one[0].tolist() == two[0].tolist()
    assert one[1].tolist() == two[1].tolist()


def test_many_printed_digits_leave_the_effect_alone(found, monkeypatch):
    _, after, truth, early = found
    import sims.decay_syntheses

    monkeypatch.setattr(sims.decay_syntheses, "_MOST_PROPOSALS", 1)
    monkeypatch.setattr("planner.joint_half_lives.user_store", lambda: Nothing())
    late = calibrate(after)
    alone = joint_half_lives(early, late, after, truth.readings[2].delays, 1)
    assert alone.known == ("g",)
    assert len(alone.half_life) == len(early.draws_mu)


class Nothing:
    """A store that keeps nothing."""

    def furthest(self, kind, key):
        return None


# Doubted literature --------------------------------------------------------------------------


def test_discounted_is_the_pair_under_selection(found):
    during, after, truth, _ = found
    varied = Swept(name="step", strengths=(0.2,))
    before, later = (calibrate_selected(one, calibrate(one), varied)[0] for one in (during, after))
    for reading, delay in (("text", 24.0), ("table-median", 14.5)):
        own = next(one for one in truth.readings if one.reading == reading).discounted
        assert (own.effect, own.decay) == ("selection", "selection")
        assert (own.delta0, own.tau) == (before.mu, before.tau)
        expected = delay * math.log(2.0) / math.log(before.mu / later.mu)
        assert own.half_life == pytest.approx(expected, rel=1e-12)
    average = truth.readings[2]
    assert average.discounted.decay == "kept"
    assert average.discounted.half_life == average.half_life


def test_what_selection_cannot_explain_is_a_quarter_smaller(found):
    *_, early = found
    own = discounted_truth(early, 12.0, (24.0,), [None, (0.5, 1.0)])
    assert (own.effect, own.decay, own.half_life) == ("quarter", "kept", 12.0)
    assert own.delta0 == 0.75 * early.mu
    by_hand = discounted_truth(early, 12.0, (), [(5.0, 2.0)])
    assert (by_hand.effect, by_hand.decay, by_hand.half_life) == ("selection", "kept", 12.0)


def test_standard_errors_read_as_sds_lengthen_the_half_life(found):
    _, after, truth, early = found
    late = calibrate(after)
    for one in truth.readings[:2]:
        own = one.se_as_sd
        assert own.delta0 == pytest.approx(early.mu / math.sqrt(7.0))
        expected = float(half_life_between(one.delays[0], own.delta0, late.mu))
        assert own.half_life == expected > one.half_life
        assert own.decay == "effects"
    assert truth.readings[2].se_as_sd.half_life > truth.readings[2].half_life
    assert se_as_sd_truth(after, late, 12.0, (24.0,), after, late, 1) is None


def test_required_sizes_of_a_discounted_plan(found):
    *_, truth, _ = found
    taken = truth.taken
    own = Answers(DecayDesign(curve=(taken.delta0, taken.half_life)), 2000, 1)
    asked = Asked(questions=("residual",), targets=(0.8,), plan_for="discounted",
                  shares=(0.0, 0.1), reps=2000, trial_reps=2000, seed=1, jobs=1)  # fmt: skip
    rows = required_rows(own, {}, truth, asked)
    discounted = [row for row in rows if row["truth"] == "discounted"]
    assert [row["shrink"] for row in discounted] == [0.0, 0.1]
    assert discounted[1]["delta0"] == pytest.approx(0.9 * discounted[0]["delta0"])
    assert {row["half_life"] for row in discounted} == {taken.discounted.half_life}
    assert wanted_rows(rows, asked) == discounted[:1]
    doubted = next(row for row in rows if row["truth"] == "se-read-as-sd")
    assert doubted["half_life"] == taken.se_as_sd.half_life
    assert doubted["n"] is not None


def test_the_page_says_what_is_doubted_and_what_is_kept(found):
    *_, truth, _ = found
    required = [{"truth": "se-read-as-sd", "question": "residual", "n": 10}]
    for reading, plan_for, part in (
        (truth.readings[0], "discounted", "half-life 8.12 days, if only 1 in 5"),
        (truth.readings[2], "discounted", "the half-life stays 5.74 days, as selection is not"),
        (truth.readings[0], "new-lab", None),
    ):
        own = replace(truth, taken=reading)
        facts = {"truth": own, "asked": SimpleNamespace(plan_for=plan_for), "required": required}
        texts = [text for _, text in discounted_words(facts)]
        assert any(part in text for text in texts) if part else not texts
    (_, text), = se_as_sd_words({**facts, "truth": truth}, "residual")  # fmt: skip
    assert "(2.1 SDs, half-life 41.4 days) needs 10 per group" in text
    assert alone_words(truth) == []
    alone = replace(truth.readings[2], known=("g",))
    assert "table-average" in alone_words(replace(truth, readings=(alone,)))[0][1]
