"""What a decay plan's page says beside its sizes: what moves n, what fails, what is only about."""

import math
import re

import pytest

import planner
from planner.decay_beside import movers
from planner.decay_required import Asked
from planner.reports.decay import decay_page
from planner.reports.decay_answer import rough, size_in_words
from planner.reports.decay_figures import day_figure, half_life_figure
from tests.test_decay_command import fits

BY_HAND = {"delta0": 5.0, "tau": 1.0, "half_life": 9.0, "reps": 300}


@pytest.fixture(scope="module")
def plan():
    return planner.decay(reps=300)


def flat(result):
    return " ".join(decay_page(result).split())


# What moves n most --------------------------------------------------------------------------


def row(n, truth="new-lab", shrink=0.0, **more):
    return {"question": "half-life", "shape": "exponential", "target": 0.8, "truth": truth,
            "shrink": shrink, "n": n, "n_power": n, **more}  # fmt: skip


def test_what_moves_n_most_comes_first_up_or_down_and_no_size_before_all():
    asked = Asked(questions=("half-life",), targets=(0.8, 0.9), plan_for="new-lab", shares=(0.0,),
                  reps=1, trial_reps=1, seed=1, jobs=1)  # fmt: skip
    required = [row(20), row(5, "pooled"), row(50, "assurance"), row(None, "discounted"),
                row(30, shrink=0.25), row(999, target=0.9)]  # fmt: skip
    varied = [{**row(20), "what": "rho", "value": 0.5, "asked": True},
              {**row(22), "what": "rho", "value": 0.3, "asked": False}]  # fmt: skip
    found = movers(required, varied, required[0], asked)
    assert [one["value"] for one in found] == ["discounted", "pooled", "assurance", 0.25, 0.3]
    assert [one["factor"] for one in found] == [None, 4.0, 2.5, 1.5, 1.1]
    assert movers(required, varied, row(None), asked) == []


def test_the_page_names_what_moves_n_most_and_not_the_readings_by_default(plan):
    kinds = {}
    for one in plan.extra["movers"]:
        kinds.setdefault(one["what"], one)
    most = plan.extra["movers"][0]
    assert most["factor"] > kinds["reading"]["factor"]
    text = next(one["text"] for one in plan.warnings if one["code"] == "largest")
    assert text.startswith(f"The n of {plan.recommended} (half-life) moves most with")
    assert f"({most['n']})" in text.split(",")[0]
    sizes = [one["n"] for one in plan.extra["sensitivity"] if one["what"] == "reading"]
    reading = next(one["text"] for one in plan.warnings if one["code"] == "reading")
    assert f"n then {min(sizes)} to {max(sizes)}" in reading
    assert "largest uncertainty" not in reading


# The page -----------------------------------------------------------------------------------


def test_failures_misses_and_animals_stand_on_the_page(plan):
    fits(decay_page(plan))
    page, n = flat(plan), plan.recommended
    own = ("half-life", "new-lab", n)
    rows = {one["measure"]: one for one in plan.performance
            if (one["question"], one["truth"], one["n"]) == own}  # fmt: skip
    assert f"{100 * rows['unbounded']['value']:.1f}% of them are open at an end" in page
    assert rows["success"]["n_failed"] == 0
    assert "none of 300 fits failed" in page
    line = next(line for line in decay_page(plan).splitlines() if "animals in all" in line)
    sizes = {(one["question"], one["target"]): one["animals"] for one in plan.required_rows
             if (one["truth"], one["shrink"]) == ("new-lab", 0.0)}  # fmt: skip
    asked = [sizes[question, goal] for question in ("decay", "residual", "half-life")
             for goal in (0.8, 0.9)]  # fmt: skip
    assert [int(number) for number in re.findall(r"\d+", line)] == asked


def test_both_pages_say_which_truth_they_are_for(plan):
    assert "(new-lab); --optimize plans for assurance" in flat(plan)
    searched = planner.decay(optimize=True, question="residual", times=14, reps=300)
    assert "(assurance); without --optimize a plan is for" in flat(searched)


def test_a_meta_regressions_error_rate_stands_beside_its_chance(plan):
    for one in plan.extra["across_studies"]:
        # seed 1, n_sim 300: nominal 5% within 4 MCSEs and two points
        assert abs(one["type_i"] - 0.05) < 0.02 + 4 * one["type_i_mcse"]


def test_the_size_that_is_checked_is_the_one_asked_for():
    result = planner.decay(delta0=1.6, half_life=9.0, question="half-life", reps=300)
    wanted = next(one["n"] for one in result.required_rows
                  if one["target"] == 0.8 and one["shrink"] == 0.0)  # fmt: skip
    assert result.recommended is None
    assert wanted > 50
    assert result.extra["checked_n"] == wanted
    page = flat(result)
    assert f"With {wanted} per group: the half-life's" in page
    none = planner.decay(delta0=3.0, half_life=9.0, question="gone", times=3, reps=300)
    checked = none.extra["checked_n"]
    assert f"With {checked} per group, the largest size simulated: " in flat(none)


def test_losses_name_their_degrees_of_freedom_and_the_rate_they_lead_to():
    result = planner.decay(**BY_HAND, question="residual", dropout=0.2, n=(8,))
    page = flat(result)
    assert "df of a contrast: animals on the last day - 2, an approximation" in page
    found = next(one for one in result.performance if one["measure"] == "type_i"
                 and one["n"] == result.extra["checked_n"])  # fmt: skip
    assert f"residual {100 * found['value']:.1f}%" in page


def test_error_rates_are_held_against_what_their_test_allows():
    result = planner.decay(**BY_HAND, question=("residual", "gone"), sesoi=0.5, times=14)
    assert result.extra["type_i_allowed"] == {"residual": 0.025, "gone": 0.05}
    gone = next(one["exact"] for one in result.performance if one["measure"] == "type_i"
                and (one["question"], one["n"]) == ("gone", result.extra["checked_n"]))  # fmt: skip
    assert gone < 0.05
    said = f"residual 2.5% (2.5% allowed), gone {100 * gone:.1f}% (5% allowed)"
    assert said in flat(result)


@pytest.mark.parametrize(
    ("sizes", "wide", "words"),
    [
        ((20, 19, 22), False, "20 per group"), ((20, None, None), False, "20 per group"),
        ((200, 150, 260), True, "150 to 260 per group (about 200)"),
        ((200, 150, None), True, "150 or more per group (about 200)"),
    ],
)  # fmt: skip
def test_a_size_with_a_wide_error_is_an_interval_first(sizes, wide, words):
    one = dict(zip(("n", "ci_lb", "ci_ub"), sizes, strict=True))
    assert rough(one) is wide
    assert size_in_words(one) == words


def test_sizes_not_simulated_and_wide_ones_are_marked(plan):
    page = decay_page(plan)
    line = next(line for line in page.splitlines() if "x 0.5" in line)
    assert line.split()[-1] == "."
    assert ". simulated for the first --target only" in page
    wide = [one for one in plan.required_rows if rough(one)]
    assert wide
    assert "~ about" in page


def test_half_lives_are_matched_and_median_on_the_truths_page():
    shown = planner.decay(show_truth=True)
    fits(decay_page(shown))
    for one in shown.truth["readings"]:
        line = next(line for line in decay_page(shown).splitlines()
                    if line[2:].startswith(f"{one['reading']} ") and " to " in line)  # fmt: skip
        assert f"{one['half_life']:.1f}" in line.split()
        assert f"{one['half_life_median']:.1f}" in line.split()
    axes = half_life_figure(shown).axes[0]
    lines = {str(line.get_label()): line.get_ydata()[0] for line in axes.lines}
    assert lines["humans, infusion of 2 hours: 2 h"] == pytest.approx(2 / 24)
    assert lines["humans, infusion of 100 hours: 11 d"] == 11.0
    assert axes.get_ylim()[0] < 2 / 24


# The figure of days -------------------------------------------------------------------------


def test_the_half_life_is_among_the_days_and_the_circle_is_the_plans(plan):
    own = {one["day"]: one for one in plan.extra["by_day"] if one["question"] == "half-life"}
    assert own[24]["n"] == plan.recommended
    assert {one["truth"] for one in own.values()} == {"new-lab"}
    assert own[3]["n"] > own[7]["n"] > own[24]["n"]
    axes = day_figure(plan).axes[0]
    circle = [line for line in axes.lines if line.get_markersize() == 11]
    assert [list(line.get_ydata()) for line in circle] == [[plan.recommended]]
    texts = {text.get_text() for text in axes.texts}
    assert {"day 24: as planned", f"plan: {plan.recommended}"} <= texts
    labels = axes.get_legend_handles_labels()[1]
    assert any(label.startswith("half-life by day, new laboratory") for label in labels)


def test_without_a_question_of_days_there_is_no_such_figure():
    result = planner.decay(**BY_HAND, question="shape")
    assert "days" not in result.figures
    assert math.isfinite(result.extra["shapes"]["linear"])


def test_days_with_fractions_stand_apart():
    page = decay_page(planner.decay(**BY_HAND, question="decay", times=(0.5, 1.25)))
    fits(page)
    line = next(line for line in page.splitlines() if "n for 80%, day" in line)
    assert ">1.25" in line.split()
