"""What the pages of `planner decay` say, and what the command refuses."""

import json
import re

import numpy as np
import pytest

import planner
from planner.decay_answers import Answers
from planner.decay_confirmed import Sized, required_n
from planner.decay_designs import DecayDesign, Truths
from planner.decay_search import best_sets, candidate_sets, distinguishable
from planner.errors import InputError
from planner.reports.decay import decay_page
from planner.reports.decay_figures import day_figure, half_life_figure
from planner.reports.style import COLOURS, DASHES
from tests.test_decay_command import GIVEN, fits, run

CATALOGUE = {"question": ("decay", "residual"), "reps": 200}


@pytest.fixture(scope="module")
def plans():
    return {name: planner.decay(plan_for=name, shrink=(0.4,), **CATALOGUE)
            for name in ("assurance", "discounted")}  # fmt: skip


# One truth ----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["assurance", "discounted"])
def test_every_number_of_the_answer_is_of_the_truth_planned_for(plans, name):
    result = plans[name]
    by_day = {(row["question"], row["day"]): row["n"] for row in result.extra["by_day"]
              if row["truth"] == name}  # fmt: skip
    required = {row["question"]: row["n"] for row in result.required_rows
                if (row["truth"], row["target"], row["shrink"]) == (name, 0.8, 0.0)}  # fmt: skip
    assert by_day["decay", 24] == required["decay"]
    assert by_day["residual", 24] == required["residual"]
    other = {(row["question"], row["day"]): row["n"] for row in result.extra["by_day"]
             if row["truth"] == "new-lab"}  # fmt: skip
    assert other["decay", 1] != by_day["decay", 1]
    early = dict(re.findall(r"by day (\d+) it takes (\d+)", result.answer.replace("By", "by")))
    assert early
    for day, n in early.items():
        assert int(n) == by_day["decay", int(day)]
    until = re.search(r"With 50 per group it can be shown until day (\d+)", result.answer)
    last = {row["day"] for row in result.extra["last_days"]
            if (row["truth"], row["n"]) == (name, 50)}  # fmt: skip
    assert until is None or {int(until[1])} == last
    assert {row["truth"] for row in result.extra["sensitivity"]} == {name}
    assert name in {row["truth"] for row in result.performance if row["measure"] == "success"}


def test_the_page_shows_the_planned_truth_and_what_shrink_asks(plans):
    words = {"assurance": ("not knowing the average", "not known x 0.6"),
             "discounted": ("discounted", "discounted x 0.6")}  # fmt: skip
    for name, (label, smaller) in words.items():
        page = decay_page(plans[name])
        fits(page)
        lines = page.splitlines()
        marked = [line for line in lines if line.startswith(f"> {label}")]
        assert len(marked) == 1
        row = next(line for line in lines if line.strip().startswith(smaller))
        found = {row["question"]: row["n"] for row in plans[name].required_rows
                 if (row["truth"], row["target"], row["shrink"]) == (name, 0.8, 0.4)}  # fmt: skip
        for n in found.values():
            assert str(n) in row.split()
        table = next(line for line in lines if line.startswith("  per "))
        assert label in table


def test_a_reading_moves_a_discounted_plan_to_its_own_truth(request):
    result = planner.decay(plan_for="discounted", question="residual", reps=200)
    rows = {row["value"]: row["n"] for row in result.extra["sensitivity"]
            if row["what"] == "reading"}  # fmt: skip
    request.getfixturevalue("no_sensitivity")
    other = planner.decay(plan_for="discounted", question="residual", reps=200,
                          reading="table-median")  # fmt: skip
    need = next(row for row in other.required_rows
                if (row["truth"], row["target"], row["shrink"])
                == ("discounted", 0.8, 0.0))  # fmt: skip
    assert rows["table-median"] == need["n"]


# Sensitivity --------------------------------------------------------------------------------


def test_the_asked_value_stands_among_the_others_with_the_plans_n():
    result = planner.decay(delta0=4.0, half_life=9.0, question="half-life", rho=0.6, dropout=0.1,
                           response_cv=0.2, reps=400)  # fmt: skip
    need = next(row["n"] for row in result.required_rows
                if row["target"] == 0.8 and row["shrink"] == 0.0)  # fmt: skip
    rows = result.extra["sensitivity"]
    asked = {row["what"]: row for row in rows if row["asked"]}
    values = {"rho": 0.6, "covariance": "cs", "dropout": "0.1 random", "response_cv": 0.2,
              "half_life": 9.0}  # fmt: skip
    assert {what: row["value"] for what, row in asked.items()} == values
    assert {row["n"] for row in asked.values()} == {need}
    page = decay_page(result)
    assert re.search(rf"0\.1\s+random:\s+{need}\*", page)
    # a longer half-life is measured with more animals, or fewer: both beside the plan's
    assert [row["value"] for row in rows if row["what"] == "half_life"] == [4.5, 9.0, 18.0]


def test_shape_says_which_alternative_it_is_about():
    result = planner.decay(delta0=6.0, half_life=9.0, question="shape", reps=400)
    chosen = next(row for row in result.required_rows if row["recommended"])
    assert f"(shape ({chosen['shape']})" in " ".join(decay_page(result).split())
    assert {row["shape"] for row in result.extra["sensitivity"]} == {chosen["shape"]}
    base = next(row for row in result.extra["sensitivity"]
                if row["what"] == "rho" and row["asked"])  # fmt: skip
    assert base["n"] == chosen["n"]


@pytest.mark.usefixtures("no_sensitivity")
def test_one_day_needs_animals_of_one_day():
    result = planner.decay(delta0=3.0, half_life=9.0, layout="cohorts", question="residual",
                           times=(0, 7, 14), reps=200)  # fmt: skip
    chosen = next(row for row in result.required_rows if row["recommended"])
    assert chosen["animals"] == 2 * chosen["n"]
    assert (
        f"{chosen['n']} animals per group on day 14 ({chosen['animals']} in all)" in result.answer
    )
    both = planner.decay(delta0=3.0, half_life=9.0, layout="cohorts", times=(0, 7, 14), reps=200,
                         question=("residual", "decay"), tau=1.0)  # fmt: skip
    chosen = next(row for row in both.required_rows if row["recommended"])
    assert chosen["animals"] == 3 * 2 * chosen["n"]


@pytest.mark.usefixtures("no_sensitivity")
def test_a_page_says_what_the_tests_do_where_nothing_is_to_be_found():
    result = planner.decay(delta0=6.0, half_life=9.0, question=("decay", "shape", "half-life"),
                           reps=400)  # fmt: skip
    page = " ".join(decay_page(result).split())
    n = result.recommended
    for question in ("decay", "shape"):
        row = next(row for row in result.performance
                   if (row["measure"], row["question"], row["n"])
                   == ("type_i", question, n))  # fmt: skip
        value = row["value"] if row["exact"] is None else row["exact"]
        assert f"{question} {100 * value:.1f}%" in page
    covered = next(row["value"] for row in result.performance
                   if row["measure"] == "coverage" and row["n"] == n)  # fmt: skip
    assert f"holds the true one in {100 * covered:.1f}%" in page


@pytest.mark.usefixtures("no_sensitivity")
def test_a_test_off_its_level_is_a_warning():
    # pooled over days although correlation falls with the lag: too many positives
    result = planner.decay(delta0=3.0, half_life=9.0, question="decay", test="cs-pooled",
                           covariance="ar1", rho=0.5, times=(0, 2, 28), n=(8, 12),
                           reps=4000)  # fmt: skip
    rates = [row["value"] if row["exact"] is None else row["exact"] for row in result.performance
             if row["measure"] == "type_i"]  # fmt: skip
    assert max(rates) > 0.06
    text = next(one["text"] for one in result.warnings if one["code"] == "type-i")
    assert f"{100 * max(rates):.1f}%" in text


def test_irrelevant_warnings_are_gone():
    page = " ".join(planner.decay(reading="table-average", question="residual", reps=200)
                    .answer.split())  # fmt: skip
    assert "0.0%" not in page
    shown = planner.decay(reading="table-average", show_truth=True)
    assert "no-half-life" not in {one["code"] for one in shown.warnings}


# The search ---------------------------------------------------------------------------------


def test_sizes_within_their_simulation_error_are_not_told_apart():
    assert not distinguishable(Sized(17, 15, 19), Sized(18, 16, 20))
    assert distinguishable(Sized(17, 16, 18), Sized(25, 23, 28))
    assert distinguishable(Sized(17, None, None), Sized(18, None, None))  # both exact
    assert not distinguishable(Sized(17, 15, None), Sized(60, 50, 80))
    assert distinguishable(Sized(17, 15, 19), Sized(None, None, None))
    assert not distinguishable(Sized(None, None, None), Sized(None, None, None))


@pytest.mark.parametrize("question", ["decay", "shape"])
def test_other_questions_find_what_an_exhaustive_search_does(question):
    design = DecayDesign(curve=(4.0, 9.0), contrast="optimal")
    truth = Truths(name="assurance", delta0=np.full(3, 6.0), tau=np.zeros(3),
                   half_life=np.array([7.0, 9.0, 12.0]))  # fmt: skip
    sets = candidate_sets(question, (0.0, 4.0, 8.0, 16.0, 30.0), 3, 30.0)
    best = best_sets(design, question, truth, sets, 0.8, 5, 1, simulated=5, reps=400)
    for m, found in best.items():
        every = [required_n(Answers(DecayDesign(curve=(4.0, 9.0), contrast="optimal", times=times),
                                    400, 5), question, truth, 0.8)[0]
                 for times in sets if len(times) == m]  # fmt: skip
        assert found[0].n == min(n for n in every if n is not None)


# Refusals -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--contrast", "linear", "--question", "gone"], "--contrast"),
        (["--test", "cs-pooled", "--question", "residual"], "--test"),
        (["--dropout-by", "response"], "--dropout-by"),
        (["--layout", "cohorts", "--rho", "0.3"], "--rho"),
        (["--question", "residual", "--rho", "0.3"], "--rho"),
        (["--question", "residual", "--factor", "3"], "--factor"),
        (["--question", "half-life", "--sesoi", "1"], "--sesoi"),
        (["--question", "gone", "--sides", "greater"], "--sides"),
        (["--sides", "less"], "two, greater"),
        (["--delta0", "-3", "--half-life", "9", "--sides", "greater"], "two, less"),
        ([*GIVEN, "--reading", "table-median"], "--reading"),
        ([*GIVEN, "--cluster", "lab"], "--cluster"),
        ([*GIVEN, "--plan-for", "new-lab"], "--plan-for"),
        (["--half-life", "9", "--reading", "21"], "--reading"),
        (["--days", "0,7"], "--days"),
        (["--sessions", "3"], "--sessions"),
        (["--optimize", "--n", "4"], "--n"),
        (["--optimize", "--shrink", "0.3"], "--shrink"),
        (["--optimize", "--times", "0,7"], "--times"),
        (["--optimize", "--question", "decay,shape"], "one --question"),
        (["--optimize", "--plan-for", "new-lab"], "assurance"),
        (["--show-truth", "--optimize"], "--optimize"),
        (["--show-truth", "--rho", "0.3"], "--rho"),
        (["--times", "a"], "--times"),
        (["--n", "4:2"], "--n"),
        (["--n", "2", "--question", "half-life"], "from 3"),
        (["--analysis", "single-early"], "chronic-after"),
        (["--optimize", "--days", "7"], "--days"),
        (["--question", ""], "--question"),
        (["--animals", "9", "--layout", "cohorts"], "--animals"),
    ],
)
def test_idle_options_and_bad_input_take_two_lines_of_80_columns(capsys, arguments, named):
    code, out, err = run(capsys, "decay", *arguments)
    assert (code, out) == (2, "")
    assert named in err
    lines = err.strip().splitlines()
    assert len(lines) <= 2
    assert max(map(len, lines)) <= 80


def test_questions_may_be_repeated_and_a_full_folder_is_refused_first(capsys, tmp_path):
    options = [*GIVEN, "--n", "4,8", "--reps", "100"]
    code, commas, _ = run(capsys, "decay", *options, "--question", "decay,residual", "--json")
    code, repeated, _ = run(capsys, "decay", *options, "--question", "decay", "--question",
                            "residual", "--json", "--out", str(tmp_path / "new"))  # fmt: skip
    assert code == 0
    assert json.loads(commas) == json.loads(repeated)
    # Refused before anything is calibrated: even a question that is wrong is not looked at.
    code, out, err = run(capsys, "decay", "--question", "decai", "--out", str(tmp_path / "new"))
    assert (code, out) == (2, "")
    assert "--force" in err


def test_a_negative_effect_is_said_to_be_planned_by_its_size(capsys):
    code, page, _ = run(capsys, "decay", "--delta0", "-3", "--half-life", "9", "--question",
                        "decay", "--reps", "100")  # fmt: skip
    assert code == 0
    assert "-3 is planned for as 3" in " ".join(page.split())


def test_within_animals_stands_beside_across_studies():
    result = planner.decay(**CATALOGUE)
    page = " ".join(decay_page(result).split())
    need = next(row for row in result.required_rows if row["question"] == "decay"
                and (row["truth"], row["target"], row["shrink"])
                == ("new-lab", 0.8, 0.0))  # fmt: skip
    assert f"Within one experiment {need['animals']} animals show the decay by day 24" in page
    for row in result.extra["across_studies"]:
        if row["truth"] == "new-lab":
            assert f"{row['k']} studies ({row['animals']} animals)" in page


# Figures ------------------------------------------------------------------------------------


def test_figures_say_what_they_show(plans):
    axes = day_figure(plans["assurance"]).axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert "day 24: as planned" in texts
    assert any(text.startswith("50: beyond") for text in texts)
    need = next(row["n"] for row in plans["assurance"].extra["by_day"]
                if (row["truth"], row["question"], row["day"])
                == ("assurance", "residual", 24))  # fmt: skip
    assert f"plan: {need}" in texts
    looks = {(line.get_color(), str(line.get_linestyle()), line.get_marker())
             for line in axes.lines if line.get_label()[0] != "_"}  # fmt: skip
    assert len(looks) == 4  # told apart without colour too
    assert len({look[1:] for look in looks}) == 4
    assert len(set(COLOURS)) == 7
    assert len(DASHES) > 2
    shown = planner.decay(show_truth=True)
    labels = [text.get_text() for text in half_life_figure(shown).axes[0].get_legend().get_texts()]
    assert "joint draws, text" in labels
    assert sum("matched truth" in label for label in labels) == 3


def test_no_truth_of_evidence_without_one():
    with pytest.raises(InputError, match="needs evidence"):
        planner.decay(delta0=3.0, half_life=9.0, plan_for="discounted")
