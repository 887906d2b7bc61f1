"""`planner decay`: exact values, counts, required sizes, the search for days, options, pages."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

import planner
from planner.cli import main
from planner.decay_answers import Answers
from planner.decay_confirmed import required_n
from planner.decay_designs import DecayDesign, Truths, parse_days
from planner.decay_search import best_sets, candidate_sets
from planner.designs import Design
from planner.errors import InputError

TAIL = 6e-5
GIVEN = ["--delta0", "3", "--half-life", "9"]
FAST = ["decay", *GIVEN, "--question", "decay,residual", "--n", "4,8", "--reps", "2000"]


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def fits(page: str) -> None:
    lines = page.splitlines()
    assert len(lines) < 60
    assert max(len(line) for line in lines) <= 80
    assert page.isascii()


def answers(reps=4000, seed=1, **options):
    arms = options.pop("arms", Design())
    return Answers(DecayDesign(curve=(3.0, 9.0), arms=arms, **options), reps, seed)


# Numbers ------------------------------------------------------------------------------------


@pytest.mark.usefixtures("no_sensitivity")
def test_first_last_and_optimal_are_the_noncentral_t_and_counts_agree():
    # seed 1, n_sim 20000; bound: two-sided binomial probability above 6e-5
    times, rho, half_life = (0.0, 7.0, 14.0, 24.0), 0.5, 12.0
    delta = 1.5 * 2.0 ** (-np.array(times) / half_life)
    squared = {
        "first-last": (delta[0] - delta[-1]) ** 2 / (2 * (1 - rho)),
        "optimal": np.sum((delta - delta.mean()) ** 2) / (1 - rho),
    }
    for contrast, per_animal in squared.items():
        result = planner.decay(delta0=1.5, half_life=half_life, question="decay", rho=rho,
                               contrast=contrast, n=(4, 7, 12), reps=20_000)  # fmt: skip
        rows = [row for row in result.performance if row["measure"] == "success"]
        assert [row["n"] for row in rows] == [4, 7, 12]
        for row in rows:
            n = row["n"]
            c = stats.t.isf(0.025, 2 * n - 2)
            exact = stats.nct.sf(c, 2 * n - 2, math.sqrt(n / 2 * per_animal))
            assert row["exact"] == pytest.approx(exact, abs=1e-10)
            assert stats.binomtest(row["n_hit"], row["n_sim"], row["exact"]).pvalue > TAIL
        nulls = [row for row in result.performance if row["measure"] == "type_i"]
        for row in nulls:
            assert row["exact"] == pytest.approx(0.05, abs=1e-12)
            assert stats.binomtest(row["n_hit"], row["n_sim"], 0.05).pvalue > TAIL


@pytest.mark.usefixtures("no_sensitivity")
def test_new_laboratory_is_its_scaled_noncentral_t():
    result = planner.decay(delta0=5.5, tau=2.4, half_life=12.0, question="residual", n=(6, 14),
                           reps=20_000)  # fmt: skip
    left = 2.0 ** (-24.0 / 12.0)
    rows = [row for row in result.performance if row["measure"] == "success"]
    assert {row["truth"] for row in rows} == {"pooled", "given"}
    for row in rows:
        n, se2 = row["n"], 2 / row["n"]
        tau = 2.4 if row["truth"] == "given" else 0.0
        sd = math.sqrt(se2 + (tau * left) ** 2)
        c = stats.t.isf(0.025, 2 * n - 2) * math.sqrt(se2) / sd
        assert row["exact"] == pytest.approx(stats.nct.sf(c, 2 * n - 2, 5.5 * left / sd), abs=1e-10)
        assert stats.binomtest(row["n_hit"], row["n_sim"], row["exact"]).pvalue > TAIL


def test_the_contrast_stays_when_the_truth_varies():
    own = answers(contrast="optimal", times=(0.0, 3.0, 12.0))
    weights = own.design.weights("decay")
    truth = Truths(name="assurance", delta0=np.array([3.0, 1.0]), tau=np.array([0.5, 0.0]),
                   half_life=np.array([9.0, 40.0]))  # fmt: skip
    alone = [own.exact("decay", Truths.point("x", d, t, h), 6)[0]
             for d, t, h in zip(truth.delta0, truth.tau, truth.half_life, strict=True)]  # fmt: skip
    assert own.exact("decay", truth, 6)[0] == pytest.approx(np.mean(alone), abs=1e-12)
    assert own.design.weights("decay") is weights


def test_residual_needs_more_animals_the_later_and_by_reading():
    # orientation: 9, 48, 200, 450 per group at half-lives of 12.2, 7.4, 5.6, 4.9 days
    found = []
    for half_life in (12.2, 7.4, 5.6, 4.9):
        own = answers()
        found.append(own.required("residual", Truths.point("x", 5.5, 0.0, half_life), 0.8)[0])
    assert found == pytest.approx([9.5, 48, 200, 450], rel=0.12)


def test_individual_responses_and_cohorts_by_counts():
    # seed 1, n_sim 20000
    for options in ({"response_cv": 0.5}, {"layout": "cohorts"}):
        own = answers(reps=20_000, **options)
        truth = Truths.point("x", 3.0, 0.8, 9.0)
        for question in ("decay", "residual"):
            exact = own.exact(question, truth, 5)
            hits = own.counts(question, truth, [5])[0][0]
            assert stats.binomtest(int(hits), 20_000, exact[0]).pvalue > TAIL


def test_gone_is_an_equivalence_test():
    own = answers(reps=20_000, arms=Design(sesoi=0.8))
    truth = Truths.point("x", 3.0, 0.0, 5.0)
    exact = own.exact("gone", truth, 20)[0]
    hits = own.counts("gone", truth, [20])[0][2]
    assert stats.binomtest(int(hits), 20_000, exact).pvalue > TAIL
    rows = own.type_i("gone", truth, (4, 12), 2000)
    assert all(0.0 <= row["exact"] <= 0.05 for row in rows)
    assert own.ceiling("gone", truth) == 1.0
    assert own.ceiling("gone", Truths.point("x", 3.0, 0.0, 50.0)) == 0.0


@pytest.mark.parametrize("n", [4, 8, 12])
def test_error_rates_and_coverage(n):
    # seed 1, n_sim 4000: lack of fit and interval are approximate; within 4 MCSEs of 0.065, 0.93
    own = answers(times=(0.0, 7.0, 14.0, 24.0))
    truth = Truths.point("x", 3.0, 0.0, 9.0)
    mcse = math.sqrt(0.05 * 0.95 / 4000)
    shape = own.type_i("shape", truth, [n], 4000)[0]
    assert shape["value"] < 0.065 + 4 * mcse
    coverage = next(row for row in own.rows("half-life", truth, [n], 4000)
                    if row["measure"] == "coverage")  # fmt: skip
    assert 0.93 - 4 * mcse < coverage["value"] < 0.99


def test_losses_keep_their_level():
    # seed 1, n_sim 4000, within 0.7% and 4 MCSEs; by the last response: what is seen decides, so
    # REML is valid. With the variance of `gls` and Satterthwaite's df, 6 per group had 6.5%.
    bound = 4 * math.sqrt(0.05 * 0.95 / 4000)
    for by, share in (("random", 0.3), ("response", 0.3), ("random", 0.1)):
        own = answers(reps=4000, dropout=share, dropout_by=by)
        for question in ("decay", "residual"):
            rows = own.type_i(question, Truths.point("x", 3.0, 0.0, 9.0), [6, 12], 4000)
            for row in rows:
                assert abs(row["value"] - 0.05) < 0.007 + bound
                assert row["exact"] is None


def test_simulated_sizes_reach_their_target():
    own = answers(reps=3000)
    truth = Truths.point("x", 4.0, 0.0, 9.0)
    n, low, high = own.required("half-life", truth, 0.8)
    assert low <= n <= high
    assert own.chance("half-life", truth, n)[0] >= 0.8 > own.chance("half-life", truth, n - 1)[0]


@pytest.mark.usefixtures("no_sensitivity")
def test_same_numbers_for_any_number_of_workers():
    options = {"delta0": 6.0, "half_life": 9.0, "question": "half-life", "n": (6, 60),
               "reps": 1200}  # fmt: skip
    one, two = (planner.decay(**options, jobs=jobs) for jobs in (1, 2))
    assert one.performance == two.performance
    assert one.required_rows == two.required_rows


# The search for days ------------------------------------------------------------------------


def test_the_search_finds_what_an_exhaustive_one_does():
    design = DecayDesign(curve=(4.0, 9.0))
    truth = Truths(name="assurance", delta0=np.full(3, 4.0), tau=np.zeros(3),
                   half_life=np.array([6.0, 9.0, 14.0]))  # fmt: skip
    days = (0.0, 5.0, 10.0, 20.0)
    sets = candidate_sets("half-life", days, 3, 21.0)
    assert len(sets) == 6 + 4
    best = best_sets(design, "half-life", truth, sets, 0.8, 5, 1, simulated=3, reps=400)
    for m in (2, 3):
        every = {
            times: required_n(Answers(replace(design, times=times), 400, 5), "half-life", truth,
                              0.8)[0]
            for times in sets if len(times) == m
        }  # fmt: skip
        reached = {times: n for times, n in every.items() if n is not None}
        assert best[m][0].n == min(reached.values())
        assert best[m][0].times in [t for t, n in reached.items() if n == min(reached.values())]


# The command --------------------------------------------------------------------------------


def test_page_and_json_of_the_catalogue(capsys):
    options = ["--question", "decay,residual", "--reps", "2000", "--quiet"]
    code, page, err = run(capsys, "decay", *options)
    assert (code, err) == (0, "")
    fits(page)
    assert "ANSWER" in page
    assert "confounded" in page
    code, out, _ = run(capsys, "decay", *options, "--json")
    document = json.loads(out)
    assert document["truth"]["half_life"] == pytest.approx(12.1, abs=0.2)
    assert document["truth"]["reading"] == "text"
    assert document["truth"]["half_life_lb"] < 12.1 < document["truth"]["half_life_ub"]
    row = next(row for row in document["performance"] if row["measure"] == "success")
    assert row["times"] == [0.0, 7.0, 14.0, 24.0]
    assert (row["question"], row["contrast"], row["rho"]) == ("decay", "first-last", 0.5)
    assert {row["truth"] for row in document["required"]} >= {
        "pooled", "new-lab", "assurance", "discounted", "se-read-as-sd",
    }  # fmt: skip
    # the later the day, the cheaper the decay and the dearer what is left
    for truth in ("pooled", "new-lab"):
        sizes = {
            question: [row["n"] for row in document["by_day"]
                       if (row["question"], row["truth"]) == (question, truth)]
            for question in ("decay", "residual")
        }  # fmt: skip
        assert sizes["decay"] == sorted(sizes["decay"], reverse=True)
        assert sizes["residual"] == sorted(sizes["residual"])
    studies = [row["value"] for row in document["across_studies"] if row["truth"] == "new-lab"]
    assert len(studies) == 3
    assert studies == sorted(studies)


def test_a_page_holds_every_question(capsys):
    code, page, _ = run(capsys, "decay", "--question", "decay,residual,half-life,shape,gone",
                        "--reps", "200")  # fmt: skip
    assert code == 0
    fits(page)


@pytest.mark.usefixtures("no_sensitivity")
def test_decay_alone_is_no_plan_and_residual_is(capsys):
    code, out, _ = run(capsys, "decay", "--question", "decay", "--reps", "500", "--json")
    assert json.loads(out)["recommended"] is None
    assert "no plan" in json.loads(out)["answer"]
    code, out, _ = run(capsys, "decay", "--question", "residual", "--times", "0,14", "--reps",
                       "500", "--json")  # fmt: skip
    assert code == 0
    assert json.loads(out)["recommended"] == 6


def test_show_truth(capsys):
    code, page, _ = run(capsys, "decay", "--show-truth")
    assert code == 0
    fits(page)
    for words in ("table-average", "83%", "confounded with time", "not pooled"):
        assert words in page


def test_by_hand_and_repeated_from_a_scenario(capsys, tmp_path):
    folder = tmp_path / "out"
    code, out, _ = run(capsys, *FAST, "--json", "--out", str(folder), "--quiet")
    assert code == 0
    assert {path.name for path in folder.iterdir()} >= {
        "scenario.toml", "performance.csv", "curve.svg", "days.png", "sizes.svg",
    }  # fmt: skip
    code, again, _ = run(capsys, "decay", "--scenario", str(folder / "scenario.toml"), "--json")
    assert code == 0
    assert json.loads(again) == json.loads(out)


@pytest.mark.usefixtures("no_sensitivity")
def test_options_of_the_design(capsys):
    code, out, _ = run(capsys, *FAST, "--allocation", "1:2", "--attrition", "0.1", "--treated",
                       "2", "--sd", "3", "--unit", "gram", "--json")  # fmt: skip
    document = json.loads(out)
    assert code == 0
    row = next(row for row in document["performance"] if row["n"] == 4)
    assert (row["n1"], row["n2"]) == (4, 8)
    need = next(row for row in document["required"] if row["n"] is not None)
    assert need["animals"] == 2 * need["n"] + 2 * need["n"]
    assert need["ordered"] > need["animals"]
    code, page, _ = run(capsys, *FAST[:-4], "--animals", "24", "--reps", "500")
    assert code == 0
    assert "12 per group" in page
    assert "smallest effect" in page


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--rho", "1"], "--rho"),
        (["--rho", "-0.4"], "--rho"),
        (["--covariance", "ar1", "--rho", "0.8", "--error", "0.3"], "--rho"),
        (["--times", "0,14,7"], "ascending"),
        (["--times", "0,7,7"], "twice"),
        (["--times", "0"], "last day is 0"),
        (["--times", "7"], "2 days"),
        (["--n", "1"], "--n"),
        (["--question", "half-life", "--n", "2"], "accepted: from 3"),
        (["--question", "decai"], "decay"),
        (["--question", "shape", "--times", "0,7"], "3 days"),
        (["--reading", "txt"], "table-average"),
        (["--delta0", "3"], "--half-life"),
        (["--half-life", "0"], "--half-life"),
        (["--layout", "cohorts", "--dropout", "0.1"], "--dropout"),
        (["--analysis", "single-early"], "chronic-after"),
        (["--contrast", "optimal", "--sesoi", "1"], "--sesoi"),
        (["--optimize", "--sessions", "1"], "--sessions"),
        (["--optimize", "--days", "7"], "--days"),
        (["--margin", "standardized"], "--margin"),
        (["--times", "a"], "--times"),
    ],
)
def test_bad_input_is_named(capsys, arguments, named):
    for more in ([], ["--json"]):
        code, out, err = run(capsys, "decay", *arguments, *more)
        assert (code, out) == (2, "")
        assert named in err
        assert len(err.strip().splitlines()) <= 2


def test_days_as_people_type_them():
    assert parse_days("0:28:7") == [0.0, 7.0, 14.0, 21.0, 28.0]
    assert parse_days("0, 3.5,7") == [0.0, 3.5, 7.0]
    with pytest.raises(InputError):
        parse_days("28:0:7")
