"""The words of a plan: the truth used, no plan, budgets, unequal groups, harm."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

import planner
from planner.plan_designs import Sizes, beyond, recommended, required_n
from planner.plan_parts import Parts
from planner.questions import Questions
from planner.reports.plan_doubts import bias_doubt, why_not
from planner.reports.plan_form import form
from planner.reports.plan_reporting import ademp, arrive
from planner.reports.plan_words import paragraphs, plan_answer


@pytest.fixture(scope="module")
def made() -> Iterator[Callable[..., Parts]]:
    """What a plan found, without the companions that only its page shows."""
    analysis = planner.analysis("chronic-after")
    truth, kept = planner.calibrate(analysis), {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("planner.plans._result", lambda parts, *_: parts)
        patch.setattr("planner.plan_sensitivity.matched", lambda *_: None)

        def make(**options: Any) -> Parts:
            own = options.pop("analysis", analysis)
            name = repr(sorted(options.items())) + own.digest
            if name not in kept:
                kept[name] = planner.plan(own, truth=truth, reps=50, **options)
            found: Parts = kept[name]
            return found

        yield make


def fields(parts: Parts) -> dict[str, dict[str, str]]:
    return {row["field"]: row for row in form(parts)}


def items(parts: Parts) -> dict[str, str]:
    return {row["item"]: row["text"] for row in arrive(parts)}


def parts_of(parts: Parts) -> dict[str, str]:
    return {row["part"]: row["text"] for row in ademp(parts, 1)}


def test_the_truth_that_is_used_is_stated(made: Callable[..., Parts]) -> None:
    parts = made(plan_for="discounted", target=0.6)
    mu, tau = float(parts.truth.mu[0]), float(parts.truth.tau[0])
    assert mu < 0.6 * parts.calibration.mu
    used = f"a mean of {mu:.2f} SDs (SD between laboratories {tau:.2f})"
    assert used in paragraphs(parts)["short"]
    assert fields(parts)["effect"]["value"] == f"mean true difference {mu:.2f} SDs"
    assert f"vary with SD {tau:.2f};" in fields(parts)["variability"]["about"]
    assert f"mu {mu:.3f} and tau {tau:.3f}" in parts_of(parts)["Data-generating mechanisms"]
    assert "if the literature" not in plan_answer(parts)
    assert "the literature needs no discount" in plan_answer(parts)
    own = fields(made())["effect"]
    assert own["value"] == f"mean true difference {parts.calibration.mu:.2f} SDs"
    assert "The plan is for mu and tau" in parts_of(made())["Data-generating mechanisms"]


def test_an_average_laboratory_is_told_what_a_new_one_has(made: Callable[..., Parts]) -> None:
    parts = made(plan_for="pooled")
    assert parts.chosen is not None
    new = f"{100 * parts.chosen['by_truth']['new-lab']:.0f}%"
    assert plan_answer(parts).endswith(
        f"A new laboratory, whose true effect may differ, has a chance of {new}."
    )
    assert f"{new} in a new laboratory" in fields(parts)["power"]["about"]
    assert "in an average laboratory" not in fields(parts)["power"]["about"]
    assert "exactly average" in paragraphs(parts)["short"]


def test_no_plan_decides_and_instructs_nothing(made: Callable[..., Parts]) -> None:
    parts = made(target=0.99)
    assert parts.chosen is None
    found = items(parts)
    assert "Decided" not in found["2"]
    assert "No size was decided" in found["2"]
    assert "the group size" not in found["6"]
    assert "the group size is for it" in items(made())["6"]
    text = paragraphs(parts)["short"]
    ceiling = required_n(parts.base, "new-lab", 0.99)
    assert ceiling is not None
    assert f"the most is {100 * ceiling['ceiling']:.0f}%" in text
    for instruction in ("Ask for", "--", "check the studies"):
        assert instruction not in text


def test_a_trivial_question_is_said_without_instructions(made: Callable[..., Parts]) -> None:
    during = planner.analysis("chronic-during")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("planner.plans._result", lambda parts, *_: parts)
        patch.setattr("planner.plan_sensitivity.matched", lambda *_: None)
        parts: Any = planner.plan(during, reps=50)
    assert parts.trivial
    text = paragraphs(parts)["short"]
    assert "animals per group are enough for a significant difference from zero" in text
    for instruction in ("Ask for", "--sesoi", "check the studies"):
        assert instruction in parts.base.answer
        assert instruction not in text


def test_unequal_and_several_groups_are_counted(made: Callable[..., Parts]) -> None:
    parts = made(allocation=(2, 1), treated=2)
    average = next(row for row in parts.designs if row["role"] == "average-lab")
    assert average["n1"] > average["n2"]
    size = f"{average['n1']} in each treated group and {average['n2']} control would do only if"
    assert size in plan_answer(parts)
    assert "each of 2 treated groups against the control" in fields(parts)["alpha"]["about"]
    assert "two groups" not in fields(parts)["alpha"]["about"]
    found = parts_of(parts)
    assert "2 treated groups and one control group" in found["Aims"]
    assert "two-group" not in " ".join(found.values())
    assert "both groups" not in " ".join([*found.values(), *items(parts).values()])
    assert "two groups" in fields(made())["alpha"]["about"]
    why = why_not(parts)
    assert why is not None
    assert "control) lower the chance" in why["fewer"]


def test_a_budget_that_is_too_small_is_said_everywhere(made: Callable[..., Parts]) -> None:
    parts = made(budget=30)
    affordable, wanted, average = parts.designs
    assert [row["role"] for row in parts.designs] == ["budget", "recommended", "average-lab"]
    assert (affordable["over_budget"], average["over_budget"]) == (0, 0)
    assert wanted["over_budget"] == wanted["ordered"] - 30 > 0
    text = paragraphs(parts)["short"]
    assert "Group size was planned" not in text
    assert "what the budget of 30 animals allows; a probability of 80% would take 23" in text
    assert "Set before the experiment by the budget of 30 animals" in items(parts)["2"]
    assert "which the budget of 30 animals does not buy" in fields(parts)["power"]["about"]
    assert all(row["over_budget"] is None for row in made().designs)
    with pytest.raises(planner.InputError, match="--budget 4 is too few: 6 are needed"):
        made(budget=4, treated=2)


def test_a_budget_plans_more_animals_than_power_calls_sensible(
    made: Callable[..., Parts]
) -> None:  # fmt: skip
    refused, planned = made(target=0.9), made(target=0.9, budget=300)
    needed = required_n(refused.base, "new-lab", 0.9)
    assert needed is not None
    assert needed["n"] > 50
    assert refused.chosen is None
    assert f"--budget {needed['ordered']} plans with them" in plan_answer(refused)
    assert planned.chosen is not None
    assert (planned.chosen["n"], planned.chosen["role"]) == (needed["n"], "recommended")
    assert planned.chosen["success"] >= 0.9
    # A budget that does not reach it, or a question that has no answer, changes nothing.
    assert made(target=0.9, budget=needed["ordered"] - 1).chosen is None
    sizes = Sizes(refused.base, refused.design, "new-lab", None)
    assert recommended(sizes, 0.9, None) is None


def test_sizes_beyond_the_curve_are_those_of_power(made: Callable[..., Parts]) -> None:
    parts = made()
    sizes = Sizes(parts.base, parts.design, "new-lab", None)
    rows = beyond(sizes, Questions(parts.design, [parts.truth], None, None), parts.truth)
    found = {row["percent"]: row["n"] for row in rows}
    goal = required_n(parts.base, "new-lab", 0.9)
    assert goal is not None
    assert found[90] == goal["n"]
    assert found[95] is None  # the ceiling is 94%
    most = sizes.sure("success", "new-lab", sizes.n[-1])
    assert min(found) / 100 > most >= (min(found) - 1) / 100


def test_an_alternative_is_more_than_one_animal_away(made: Callable[..., Parts]) -> None:
    for target in (0.5, 0.65, 0.75, 0.8):
        parts = made(target=(target, target + 0.01))
        assert parts.chosen is not None
        n = parts.chosen["n"]
        larger = [row["n"] for row in parts.designs if row["n"] > n]
        assert larger
        assert min(larger) >= n + max(2, n // 4)


def test_a_harm_is_called_a_harm(made: Callable[..., Parts]) -> None:
    own = planner.analysis("chronic-after")
    assert own.ci is not None
    turned = replace(
        own, g=replace(own.g, value=-own.g.value),
        ci=replace(own.ci, lb=-own.ci.ub, ub=-own.ci.lb),
    )  # fmt: skip
    assert turned.g.value == Decimal("-1.3")
    with pytest.MonkeyPatch.context() as patch:  # how exact its discounted truth is: not asked
        patch.setattr("planner.selected_calibration.N_SETS", 50)
        parts = made(analysis=turned)
    # The calibration is the benefit's here: what is asked is what is said of the publication.
    rows = [{"weight": w, "unpublished": {"value": 0.2}, "error": {"value": 0.1},
             "detectors": {"egger-n": {"value": 0.1}}} for w in (1.0, 0.5)]  # fmt: skip
    found = {"benefit": {"value": 0.29, "mcse": 0.01}, "as_large": None, "weight": 0.2, "tau": 1.0}
    said = " ".join(bias_doubt(parts, 8, rows, found))
    assert "The published effect is a harm" in said
    assert "29%" not in said
    assert "29%" in " ".join(bias_doubt(made(), 8, rows, found))
    no_plan = replace(parts, designs=(), targets=(0.99,), base=made(target=0.99).base)
    assert "-1.3 is a harm: there is no benefit to plan for" in paragraphs(no_plan)["short"]


def test_the_source_is_cited(made: Callable[..., Parts]) -> None:
    cited = "Smith 2020, J Pain 3:4"
    own = replace(planner.analysis("chronic-after"), citation=cited, review="A review")
    parts = made(analysis=own, target=0.75)
    assert f"in A review ({cited})" in paragraphs(parts)["short"]
    assert f"({cited})" in items(parts)["2"]


def test_nothing_is_promised_for_the_laboratory(made: Callable[..., Parts]) -> None:
    text = " ".join(items(made()).values())
    for promise in ("plots of all groups are shown", "reported beside", "as randomized",
                    "before the first dose"):  # fmt: skip
        assert promise not in text
    assert "[checks of assumptions]" in text


def test_from_python_what_is_no_analysis_is_refused() -> None:
    with pytest.raises(planner.InputError, match="is no analysis; accepted: planner"):
        planner.plan("chronic-after")
    analysis = planner.analysis("chronic-after")
    with pytest.raises(planner.InputError, match="at least 2 animals"):
        planner.power(analysis, n=0)
    one = planner.power(analysis, n=12, reps=50)
    assert {row["n"] for row in one.performance} == {12}


def test_a_chance_below_a_goal_looks_so(made: Callable[..., Parts]) -> None:
    from planner.reports.measures import at_most

    assert at_most(0.94, 0.99) == "94%"
    assert at_most(0.988, 0.99) == "98.8%"
    assert at_most(0.7996, 0.8) == "79.96%"
    assert at_most(0.9996, 0.9999) == "99.96%"
    ceiling = required_n(made().base, "new-lab", 0.8)
    assert ceiling is not None
    goal = ceiling["ceiling"] + 0.0005
    parts = made(target=goal)
    below = at_most(ceiling["ceiling"], goal)
    assert below != f"{100 * goal:.0f}%"
    for text in (parts.base.answer, paragraphs(parts)["short"]):
        assert f"the most is {below}" in text


def test_a_standard_error_with_more_digits_says_where_from() -> None:
    from planner.reports.plan_doubts import model_answer

    analysis = planner.analysis("chronic-after")
    assert analysis.se is not None
    check = planner.calibrate(analysis).check
    assert f"from the printed interval: {analysis.se}, as printed" in model_answer(check, analysis)
    assert "interval" not in model_answer(check, replace(analysis, se=None))
