"""The shapes a decay is told apart from: what they leave, and those that leave the same."""

import math

import numpy as np
import pytest

import planner
from planner.decay_answers import Answers
from planner.decay_designs import DecayDesign, Truths
from planner.decay_shapes import left_by_shape, published_after, through
from planner.decay_truth import given_truth
from planner.reports.decay import decay_page
from planner.reports.decay_figures import curve_figure
from sims.decay import curve

TRUTH = Truths(name="new-lab", delta0=np.array([5.0, 4.0]), tau=np.array([1.0, 0.0]),
               half_life=np.array([12.0, 30.0]))  # fmt: skip


@pytest.mark.parametrize("day", [5.0, 20.0])
@pytest.mark.parametrize("shape", ["linear", "plateau"])
def test_a_shape_through_the_day_starts_and_leaves_as_the_exponential(day, shape):
    own = through(TRUTH, shape, day)
    assert own.shape == shape
    left = curve((0.0, day), own.half_life, shape)
    assert left == pytest.approx(curve((0.0, day), TRUTH.half_life), abs=1e-12)


def test_no_plateau_goes_below_what_stays():
    assert through(TRUTH, "plateau", 24.0) is None  # 5 x 2^-2 is less than 30% of 5
    assert through(TRUTH, "linear", 24.0) is not None


@pytest.mark.parametrize("half_life", [0.0, math.inf])
def test_ends_of_the_half_life_keep_their_shapes(half_life):
    one = Truths.point("one", 3.0, 0.0, half_life)
    own = through(one, "linear", 24.0)
    found = curve((24.0,), own.half_life, "linear")[0]
    assert found == pytest.approx(curve((24.0,), half_life))


def test_what_is_left_follows_the_definitions_and_a_truth_by_hand_has_its_last_day():
    left = left_by_shape(given_truth(8.0, 0.0, 10.0), (0.0, 5.0, 15.0))
    assert left["day"] == 15.0
    assert left["exponential"] == pytest.approx(8.0 * 2**-1.5)
    assert left["linear"] == pytest.approx(8.0 * (1.0 - 15.0 / 20.0))
    stays = 0.3 + 0.7 * (0.2 / 0.7) ** 1.5
    assert left["plateau"] == pytest.approx(8.0 * stays)
    assert published_after(given_truth(8.0, 0.0, 10.0)) is None


def test_the_answer_says_what_a_shape_with_the_same_rest_takes():
    result = planner.decay(delta0=6.0, half_life=9.0, question="shape", times=(0, 6, 12, 18),
                           reps=1000)  # fmt: skip
    row = next(row for row in result.extra["shapes_through"] if row["shape"] == "linear")
    own = Answers(DecayDesign(times=(0.0, 6.0, 12.0, 18.0), curve=(6.0, 9.0)), 1000, 1)
    zero = 18.0 / (1.0 - 2**-2)  # through (0, 6) and (18, 1.5)
    truth = Truths(name="given", delta0=np.array([6.0]), tau=np.zeros(1),
                   half_life=np.array([zero / 2.0]), shape="linear")  # fmt: skip
    assert (row["n"], row["ci_lb"], row["ci_ub"]) == own.required("shape", truth, 0.8)
    plain = next(one["n"] for one in result.required_rows
                 if (one["shape"], one["target"], one["shrink"]) == ("linear", 0.8, 0.0)
                 and one["truth"] == "given")  # fmt: skip
    assert row["n"] > plain
    said = f"{plain} is optimistic: a linear decay that also leaves 1.50 SDs on day 18 takes"
    assert f"{said} {row['n']} per group" in result.answer
    page = " ".join(decay_page(result).split())
    assert "on day 18 1.50 SDs if exponential, 0.00 if linear" in page


def test_the_curve_shows_the_published_effect_on_its_days():
    shown = planner.decay(show_truth=True, reading="table-average")
    row = shown.extra["published_after"]
    assert (row["g"], row["first_day"], row["last_day"]) == (1.3, 1.0, 34.0)
    assert row["lb"] == pytest.approx(0.5, abs=0.02)  # as printed
    labels = [text.get_text() for text in curve_figure(shown).axes[0].get_legend().get_texts()]
    assert "published chronic-after, day 1 to 34: 1.3" in labels
    assert {"if linear: 0 at twice the half-life", "if a plateau: 30% stays"} <= set(labels)
