"""The days that `planner decay --optimize` hands out, their sizes, and weekly days beside them."""

import math

import pytest

import planner
from planner.decay_answers import Answers
from planner.decay_confirmed import Sized, confirmed, sized, weekly_to
from planner.decay_designs import DecayDesign, Truths
from planner.decay_required import Asked
from planner.decay_sizes import rough_size, simulated_size, sure_size
from planner.reports.decay import decay_page
from planner.reports.decay_search import frontier_figure
from tests.test_decay_command import fits

LABORATORY = Truths.point("x", 4.0, 0.0, 9.0)


@pytest.fixture(scope="module")
def found():
    return planner.decay(delta0=4.0, half_life=9.0, question="half-life", optimize=True,
                         days=(0, 3, 10, 14, 21, 28), sessions=4, reps=1500)  # fmt: skip


def asked(reps, seed=1):
    return Asked(questions=("half-life",), targets=(0.8,), plan_for="given", shares=(0.0,),
                 reps=reps, trial_reps=reps, seed=seed, jobs=1)  # fmt: skip


# What is handed out -------------------------------------------------------------------------


def test_every_plan_handed_out_reaches_its_target_on_other_random_numbers(found):
    rows = found.extra["frontier"]
    assert [row["sessions"] for row in rows] == [2, 3, 4]
    design = DecayDesign(curve=(4.0, 9.0))
    for row in rows:
        assert row["confirmed"] >= 0.8
        assert row["needed"] <= row["n"]
        assert row["ci_lb"] <= row["needed"] <= row["ci_ub"]
        # seed 99, n_sim 20000, numbers that neither chose nor confirmed: within 4 MCSEs
        times = tuple(row["times"])
        own = Answers(DecayDesign(curve=design.curve, times=times), 20_000, 99, 1)
        value, mcse = own.chance("half-life", LABORATORY, row["n"])
        assert value > 0.8 - 4 * mcse
    marked = [row for row in rows if row["on_frontier"]]
    assert [row["animals"] for row in marked] == sorted((row["animals"] for row in marked),
                                                        reverse=True)  # fmt: skip
    assert found.recommended == marked[-1]["n"]


def test_a_plan_that_had_luck_goes_up_until_other_numbers_confirm_it():
    # seed 1, n_sim 400: 5 per group have a chance of some 20%, so that they are not confirmed
    design = DecayDesign(curve=(4.0, 9.0))
    lucky = Sized(5, 5, 5, design.times, 5)
    own = confirmed(design, "half-life", LABORATORY, lucky, 0.8, asked(400))
    assert own.n is not None
    assert own.n > 5
    assert own.rounds > 1
    assert own.chance >= 0.8
    needed = Answers(design, 20_000, 7, 1).required("half-life", LABORATORY, 0.8)[0]
    assert own.n >= needed
    # nothing confirms what no size reaches
    none = confirmed(design, "half-life", LABORATORY, Sized(5, 5, 5, design.times), 0.8, asked(400))
    assert none.n is None
    assert none.chance is None


def test_the_size_handed_out_is_above_the_target_by_its_simulation_error():
    own = Answers(DecayDesign(curve=(4.0, 9.0)), 1500, 3, 1)
    one = sized(own, "half-life", LABORATORY, 0.8)
    rows = own.rows("half-life", LABORATORY, [one.sure - 1, one.sure], 1500)
    before, at = (row for row in rows if row["measure"] == "success")
    assert at["ci_lb"] >= 0.8 > before["ci_lb"]
    # where the chance is known exactly there is nothing to be sure of
    exact = sized(own, "residual", LABORATORY, 0.8)
    assert exact.sure == exact.n


# Sizes --------------------------------------------------------------------------------------


@pytest.mark.parametrize("need", [2, 3, 17, 60, 333, 990])
@pytest.mark.parametrize("near", [2, 40, 1000])
def test_a_simulated_search_finds_the_smallest_size_from_wherever_it_begins(need, near):
    ran = []

    def chances(sizes):
        ran.extend(sizes)
        return [(1.0 - 0.2 * (need - 0.5) / n, 0.01) for n in sizes]

    n, low, high = simulated_size(chances, 0.8, 2, near, lambda error: 1.96 * error)
    assert n == need
    assert low <= n
    assert high is None if need == 990 else n <= high
    assert chances([n])[0][0] >= 0.8
    assert max(ran) <= 1000
    assert abs(low - 0.2 * need / 0.2196) < 2 + 0.04 * need  # at 0.8 - 1.96 x 0.01
    exact = math.ceil(0.2 * (need - 0.5) / (0.2 - 0.0196))
    assert sure_size(chances, 0.8, 2, near, lambda error: 1.96 * error) == (
        None if need == 990 else exact
    )


def test_all_of_a_few_replicates_show_no_chance_surely():
    # 20 of 20 leave 84% open, though their standard error is zero.
    own = Answers(DecayDesign(curve=(4.0, 9.0)), 20, 3, 1)
    assert own.chance("half-life", LABORATORY, 900) == (1.0, 0.0)
    assert own.required("half-life", LABORATORY, 0.9)[0] is not None
    assert own.surely("half-life", LABORATORY, 0.9, 30) is None
    assert own.surely("half-life", LABORATORY, 0.8, 30) is not None
    found = planner.decay(delta0=4.0, half_life=9.0, question="half-life", optimize=True,
                          days=(0, 10, 21), sessions=2, reps=20, target=0.9)  # fmt: skip
    assert found.recommended is None
    assert "is shown with 95% confidence" in found.answer
    assert "--reps" in found.answer


def test_a_search_says_where_no_size_is_enough():
    def chances(sizes):
        return [(0.7, 0.01) for _ in sizes]

    assert rough_size(chances, 0.8, 2) is None
    assert simulated_size(chances, 0.8, 2, 30, lambda error: error) == (None, None, None)
    assert sure_size(chances, 0.8, 2, 30, lambda error: error) is None


# Weekly days --------------------------------------------------------------------------------


def test_weekly_days_go_to_the_same_last_day():
    design = DecayDesign(times=(0.0, 5.0))
    assert weekly_to(design, 28.0, 2) == (0.0, 7.0, 14.0, 21.0, 28.0)
    assert weekly_to(design, 17.0, 2) == (0.0, 7.0, 14.0, 17.0)
    assert weekly_to(design, 7.0, 2) == (0.0, 7.0)
    assert weekly_to(design, 7.0, 3) is None  # shape needs three days
    assert weekly_to(design, 5.0, 2) is None
    assert weekly_to(design, 24.0, 1) is None  # one day is asked about
    assert weekly_to(design, 100.0, 2) is None  # 16 days
    assert weekly_to(DecayDesign(times=(0.0, 5.0), rho=-0.4), 28.0, 2) is None


def test_the_weekly_schedule_is_compared_by_its_spacing(found):
    for row in found.extra["frontier"]:
        last = row["times"][-1]
        assert row["weekly_times"][-1] == last
        assert row["weekly_sessions"] == len(row["weekly_times"])
        steps = {b - a for a, b in zip(row["weekly_times"], row["weekly_times"][1:], strict=False)}
        assert steps <= {7.0, last % 7.0}
        own = DecayDesign(curve=(4.0, 9.0), times=tuple(row["weekly_times"]))
        need = Answers(own, 20_000, 98, 1).chance("half-life", LABORATORY, row["weekly_n"])[0]
        assert need > 0.78  # seed 98, n_sim 20000: its n reaches the target as surely
    page = " ".join(decay_page(found).split())
    fits(decay_page(found))
    chosen = next(row for row in found.extra["frontier"] if row["n"] == found.recommended)
    same = chosen["weekly_times"] == chosen["times"]
    assert ("That is the plain weekly schedule" if same else "weekly schedule to the same day") in (
        found.answer
    )
    for row in found.extra["frontier"]:
        assert f"{row['n']} [{row['ci_lb']}, {row['ci_ub']}]" in page
        assert f"{row['weekly_n']} ({row['weekly_sessions']})" in page


def test_the_figure_shows_weekly_schedules_at_their_own_sessions(found):
    axes = frontier_figure(found).axes[0]
    labels = {text.get_text() for text in axes.texts}
    for row in found.extra["frontier"]:
        assert f"{row['weekly_times'][-1]:g}" in labels
    low, high = axes.get_xlim()
    assert low < 2
    assert high > max(row["weekly_sessions"] for row in found.extra["frontier"])


def test_a_search_of_one_day_is_exact():
    options = {"delta0": 3.0, "half_life": 9.0, "question": "residual", "target": 0.8}
    result = planner.decay(**options, times=(0, 14), optimize=True, reps=2000)
    row = result.extra["frontier"][0]
    assert row["times"] == [14.0]
    assert row["weekly_times"] is None
    assert row["exact"] >= 0.8
    assert row["n"] == row["needed"] == result.recommended
    design = DecayDesign(times=(14.0,), curve=(3.0, 9.0))
    truth = Truths.point("x", 3.0, 0.0, 9.0)
    assert row["n"] == Answers(design, 2, 1).required("residual", truth, 0.8)[0]
    assert f"simulated afresh: {100 * row['confirmed']:.0f}%" in result.answer


def test_more_animals_than_are_sensible_are_not_recommended():
    # seed 1: on day 24 a tenth of 3 SDs is left, which takes more than 50 per group
    result = planner.decay(delta0=3.0, half_life=9.0, question="residual", optimize=True,
                           reps=200)  # fmt: skip
    row = result.extra["frontier"][0]
    assert row["n"] > 50
    assert result.recommended is None
    assert not any(one["recommended"] for one in result.required_rows)
    assert f"{row['n']} per group" in result.answer
    assert "not sensible" in result.answer


def test_no_set_is_handed_out_whose_test_is_wrong_too_often():
    # seed 1, n_sim 2000: pooled over days although correlation falls with the lag
    result = planner.decay(delta0=3.0, half_life=9.0, question="decay", test="cs-pooled",
                           covariance="ar1", optimize=True, days=(0, 1, 5), reps=2000)  # fmt: skip
    two, three = result.extra["frontier"]
    assert two["level_kept"]
    assert two["type_i"] < 0.06
    assert not three["level_kept"]
    assert three["type_i"] > 0.06
    assert (three["n"], three["animals"], three["on_frontier"]) == (None, None, False)
    assert three["n_power"] is not None
    assert result.recommended == two["n"]
    assert f"wrong {100 * three['type_i']:.1f}%" in decay_page(result)


def test_where_every_test_is_wrong_too_often_there_is_no_plan():
    # seed 1, n_sim 500: responses differ, and losses follow them
    result = planner.decay(delta0=4.0, half_life=9.0, question="decay", optimize=True, dropout=0.5,
                           dropout_by="response", response_cv=1.0, days=(0, 3),
                           reps=500)  # fmt: skip
    row = result.extra["frontier"][0]
    assert row["type_i"] - 4 * row["type_i_mcse"] > 0.06
    assert row["n"] is None
    assert result.recommended is None
    assert result.answer.startswith("No plan")
    assert f"{100 * row['type_i']:.1f}% of experiments" in result.answer


def test_a_given_spread_between_laboratories_is_what_is_searched_for():
    # seed 1: a spread as large as the effect leaves 84% of laboratories with a benefit at all
    options = {"delta0": 4.0, "half_life": 9.0, "days": (0, 14), "optimize": True, "reps": 1000}
    alone = planner.decay(**options).extra["frontier"][0]
    spread = planner.decay(**options, tau=2.0)
    row = spread.extra["frontier"][0]
    assert row["n"] > alone["n"]
    assert row["n_pooled"] <= alone["n"]
    assert spread.required_rows[0]["truth"] == "given"
    assert row["ceiling"] < 0.98 < alone["ceiling"]
    assert planner.decay(**options, tau=8.0).recommended is None


def test_cohorts_count_the_animals_of_every_day_and_losses_what_to_buy():
    result = planner.decay(delta0=4.0, half_life=9.0, layout="cohorts", optimize=True,
                           days=(0, 7, 14, 17), sessions=3, attrition=0.2, reps=500)  # fmt: skip
    for row in result.extra["frontier"]:
        assert row["animals"] == 2 * row["n"] * row["sessions"]
        assert row["weekly_animals"] == 2 * row["weekly_n"] * row["weekly_sessions"]
    chosen = next(row for row in result.extra["frontier"] if row["n"] == result.recommended)
    assert f"({chosen['animals']} animals; buy {chosen['ordered']})" in result.answer
    bars = frontier_figure(result).axes[0].containers
    shown = {float(y) for bar in bars for y in bar.lines[0].get_ydata()}
    assert shown >= {float(row["animals"]) for row in result.extra["frontier"]}
    assert shown >= {float(row["weekly_animals"]) for row in result.extra["frontier"]}


def test_a_size_that_is_out_of_reach_is_not_searched_for_long():
    ran = []

    def chances(sizes):
        ran.extend(sizes)
        return [(0.8 * n / (n + 300.0), 0.01) for n in sizes]

    assert simulated_size(chances, 0.8, 2, 30, lambda error: error, 60) == (None, None, None)
    assert 60 <= max(ran) < 100
    assert rough_size(chances, 0.63, 2) == 1000  # 0.615 at 1000, within 4 standard errors
    assert rough_size(chances, 0.7, 2) is None
