"""`planner bias`: numbers, neutral strengths, pages, files, and what it refuses."""

import json
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats

import planner
from planner.cli import main
from planner.errors import InputError
from planner.mechanisms import swept
from planner.reports.bias import bias_page
from planner.reports.bias_measures import (
    BIAS_DEFAULTS,
    CORRECTION_WORDS,
    DETECTOR_WORDS,
    MECHANISM_WORDS,
)
from planner.reports.bias_words import (
    CORRECTION_NAMES,
    DETECTOR_NAMES,
    best_detector,
    winner,
)
from planner.small_study import DEFAULT_REPS, to_calibrate
from sims.selection_errors import binned, median_size
from sims.smallstudy_names import CORRECTIONS, DETECTORS, MECHANISMS, NEUTRAL, STRENGTHS

FAST = {"mu": 0.8, "tau": 0.4, "k": (6,), "sizes": "4:12", "reps": 600}
TYPED = ["--mu", "0.8", "--tau", "0.4", "--k", "6", "--sizes", "4:12", "--reps", "200"]


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def value(result, measure, **names):
    return next(
        row for row in result.performance
        if row["measure"] == measure and all(row[key] == x for key, x in names.items())
    )  # fmt: skip


@pytest.fixture(scope="module")
def step():
    return planner.bias(**FAST, weight=(1, 0.2))


def test_every_name_has_words():
    assert set(DETECTOR_WORDS) == set(DETECTOR_NAMES) == set(DETECTORS)
    assert set(CORRECTION_WORDS) == set(CORRECTION_NAMES) == set(CORRECTIONS)
    assert set(MECHANISM_WORDS) == set(MECHANISMS)
    assert BIAS_DEFAULTS["reps"] == DEFAULT_REPS


def test_rows_have_measures_of_everything(step):
    rows = step.performance
    assert {row["weight"] for row in rows} == {1.0, 0.2}
    assert {row["mechanism"] for row in rows} == {"step"}
    assert {row["truth"] for row in rows} == {"given"}
    for name in CORRECTIONS:
        own = {row["measure"] for row in rows if row["correction"] == name}
        assert own >= {"bias", "rmse", "coverage", "type_i", "power", "success", "convergence"}
    for name in DETECTORS:
        assert {row["measure"] for row in rows if row["detector"] == name} == {
            "rejection", "type_i",
        }  # fmt: skip


def test_selection_flatters_and_the_share_is_its_integral(step):
    none = value(step, "bias", weight=1.0, correction="none")
    some = value(step, "bias", weight=0.2, correction="none")
    assert some["value"] > none["value"] + 0.2
    hidden = value(step, "unpublished", weight=0.2)
    assert abs(hidden["value"] - hidden["exact"]) < 4.0 * hidden["mcse"]
    assert value(step, "unpublished", weight=1.0)["value"] == 0.0
    beside = value(step, "type_i", weight=0.2, detector="egger-n")
    assert beside["n_hit"] == value(step, "rejection", weight=1.0, detector="egger-n")["n_hit"]


def test_neutral_strengths_give_the_same_rows(step):
    # Same draws: each mechanism at its neutral strength has the counts of step at weight 1.
    others = planner.bias(**FAST, mechanism="peak,stopping", strength=(1,)).performance
    expected = [
        (row["measure"], row["detector"], row["correction"], row["value"], row["n_hit"])
        for row in step.performance
        if row["weight"] == 1.0
    ]
    found = [
        (row["measure"], row["detector"], row["correction"], row["value"], row["n_hit"])
        for row in others
        if row["mechanism"] == "peak" and row["strength"] == NEUTRAL["peak"]
    ]
    assert found == expected


def test_egger_on_group_sizes_is_nominal_and_on_the_standard_error_is_not():
    # Seed 1, 2000 syntheses of 19 studies at single-early's truth; bound: binomial tails at 6e-5.
    result = planner.bias(
        mu=1.73, tau=1.03, k=(19,), sizes="4:12", reps=2000, mechanism="none",
        correction="none", detector="egger-se,egger-n",
    )  # fmt: skip
    fair = value(result, "rejection", detector="egger-n")
    assert stats.binom.sf(fair["n_hit"] - 1, fair["n_sim"], 0.05) > 6e-5
    assert fair["value"] > 0.03
    assert value(result, "rejection", detector="egger-se")["value"] > 0.85
    warning = next(w["text"] for w in result.warnings if w["code"] == "egger-se")
    assert "no selection" in warning


def test_workers_change_nothing_and_one_size_is_not_applicable():
    fixed = {"mu": 0.8, "tau": 0.4, "k": (5,), "n": (6,), "reps": 700, "mechanism": "none"}
    one = planner.bias(**fixed, jobs=1)
    assert one.performance == planner.bias(**fixed, jobs=2).performance
    row = value(one, "rejection", detector="egger-n")
    assert (row["value"], row["n_sim"], row["n_failed"]) == (None, 0, 700)
    assert any(w["code"] == "not-applicable" for w in one.warnings)


def test_mechanisms_as_typed():
    (one,) = swept("step+peak=3", weight="0.5,0.1")
    assert (one.name, one.strengths, one.fixed) == ("step", (1.0, 0.5, 0.1), (("peak", 3.0),))
    assert one.label == "step+peak=3"
    (two,) = swept("step", weight="0.5:0.2,0.1:0.05", cuts="0.025,0.5")
    assert two.strengths == (1.0, (0.5, 0.2), (0.1, 0.05))
    columns = {"mechanism": "step", "weight": "0.5:0.2", "strength": None}
    assert two.columns((0.5, 0.2)) == columns
    assert two.build((0.5, 0.2)).weights.tolist() == [1.0, 0.5, 0.2]
    assert two.build(1.0).weights.tolist() == [1.0, 1.0, 1.0]
    (three,) = swept("carter", strength="strong")
    assert [three.columns(x)["strength"] for x in three.strengths] == ["none", "strong"]
    for name in MECHANISMS:
        assert swept(name)[0].strengths == STRENGTHS[name]


def test_pages_fit_a_terminal(capsys):
    for more in ([], ["--mechanism", "carter,inflation,peak+step=0.2"], ["--n", "5,8"]):
        arguments = ["bias", *TYPED, *more]
        if "--n" in more:
            arguments = [word for word in arguments if word not in ("--sizes", "4:12")]
        code, out, err = run(capsys, *arguments)
        assert (code, err) == (0, "")
        assert len(out.splitlines()) < 60
        assert max(len(line) for line in out.splitlines()) <= 80
        assert out.isascii()


def test_files_repeat_the_run(capsys, tmp_path):
    folder = tmp_path / "out"
    code, out, _ = run(
        capsys, "bias", *TYPED, "--mechanism", "carter", "--strength", "strong", "--json",
        "--out", str(folder), "--quiet",
    )  # fmt: skip
    assert code == 0
    assert {path.name for path in folder.iterdir()} == {
        "scenario.toml", "result.json", "performance.csv", "provenance.json",
        *(f"{name}.{kind}" for name in ("bias", "funnel", "winners") for kind in ("svg", "png")),
    }  # fmt: skip
    code, again, _ = run(capsys, "bias", "--scenario", str(folder / "scenario.toml"), "--json")
    assert code == 0
    assert json.loads(again) == json.loads(out)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--mechanism", "stepp"], "step"),
        (["--mechanism", "step+peak"], "peak"),
        (["--weight", "1.5"], "--weight"),
        (["--weight", "0"], "for ever"),
        (["--mechanism", "peak", "--weight", "0.5"], "--strength"),
        (["--mechanism", "peak", "--strength", "2.5"], "whole"),
        (["--mechanism", "carter", "--strength", "weak"], "medium"),
        (["--weight", "0.5:0.2"], "cuts"),
        (["--cuts", "0.5,0.1"], "--cuts"),
        (["--detector", "eggr"], "egger"),
        (["--correction", "trimfil"], "trimfill"),
        (["--estimator", "XX"], "DL"),
        (["--alpha", "0.6"], "--alpha"),
        (["--k", "1"], "--k"),
        (["--cluster", "lab"], "--analysis"),
    ],
)
def test_bad_input_is_two_lines_and_exit_code_2(capsys, arguments, named):
    typed = ["--mu", "-1", "--tau", "0", "--k", "6", "--sizes", "4:8", "--reps", "50"]
    code, out, err = run(capsys, "bias", *typed, *arguments, "--json")
    assert (code, out) == (2, "")
    assert named in err
    assert len(err.strip().splitlines()) <= 2
    assert "Traceback" not in err


def test_what_cannot_be_simulated():
    with pytest.raises(InputError, match="nothing to simulate"):
        planner.bias()
    with pytest.raises(InputError, match="number of studies"):
        planner.bias(mu=1.0, tau=0.0, sizes="4:8")


def test_pool_has_them_all(tmp_path):
    # The published studies' own detectors and corrections; values against metafor are in
    # tests/sims/test_smallstudy.py.
    path = tmp_path / "few.csv"
    rows = ["0.4,0.2,8,8", "1.4,0.3,6,6", "2.2,0.5,4,5", "0.9,0.25,7,7", "0.3,0.2,9,8"]
    path.write_text("yi,vi,n1,n2\n" + "\n".join(rows) + "\n")
    document = planner.pool(path, fill_side="left").document()
    assert [row["detector"] for row in document["detectors"]] == list(DETECTORS)
    assert [row["correction"] for row in document["corrections"]] == list(CORRECTIONS)
    by_name = {row["correction"]: row for row in document["corrections"]}
    assert by_name["none"]["estimate"] == pytest.approx(document["estimates"][0]["estimate"])
    assert by_name["trimfill"]["side"] == "left"
    assert by_name["pet-peese"]["used"] in ("pet", "peese")
    path.write_text("yi,vi\n0.4,0.2\n1.4,0.2\n0.9,0.2\n")
    few = planner.pool(path).document()
    assert [row["applicable"] for row in few["detectors"]] == [False] * len(DETECTORS)
    with pytest.raises(InputError, match="fill-side"):
        planner.pool(path, fill_side="lft")


def test_where_nothing_happens_is_the_column_where_nothing_happens(capsys):
    # peak acts at every weight of step+peak=3: the first column is a run with no mechanism.
    code, out, _ = run(capsys, "bias", *TYPED, "--mechanism", "step+peak=3", "--weight", "1,0.5")
    assert code == 0
    assert "none*" in out
    assert "1*" not in out
    together = planner.bias(**FAST, mechanism="step+peak=3", weight=(1.0, 0.5))
    alone = planner.bias(**FAST, mechanism="none")
    base = value(alone, "bias", correction="none")["value"]
    assert f"({base:+.2f} where nothing happens)" in together.answer
    acting = value(together, "bias", mechanism="step+peak=3", weight=1.0, correction="none")
    assert acting["value"] > base + 0.1


def test_could_it_all_be_bias_is_what_a_mean_of_zero_gives():
    # Where no truth under selection is known, the same draws as a run with a mean of zero.
    result = planner.bias(**FAST)
    found = result.extra["all_bias"]
    strongest = min(row["weight"] for row in result.performance if row["weight"] is not None)
    assert found["weight"] == strongest
    assert (found["as_large"], found["over_tau"], found["why"]) == (None, [], "by-hand")
    zero = planner.bias(**{**FAST, "mu": 0.0}, correction="none", detector="egger-n")
    success = value(zero, "success", weight=strongest, correction="none")
    assert found["benefit"]["n_hit"] == success["n_hit"] > 0
    error = value(result, "type_i", weight=strongest, correction="none")
    assert found["benefit"]["n_hit"] <= error["n_hit"]
    assert "Could it all be bias?" in result.answer


ONE = {"correction": "trimfill", "detector": "egger-n", "reps": 500, "sizes": "4:12"}


@pytest.fixture(scope="module")
def chronic():
    return planner.bias(planner.analysis("chronic-after"), weight=(1, 0.2), **ONE)


def test_shares_unpublished_are_said_with_the_mean_they_hold_at(chronic):
    found, shown = chronic.extra["all_bias"], chronic.extra["answered"]
    hidden = value(chronic, "unpublished", weight=0.2)["exact"]
    under = shown["selected"]
    assert under["mu"] == found["selected"]["mu"] < chronic.truth["mu"]
    assert under["unpublished"] == found["unpublished"] > hidden + 0.1
    said = f"{100 * hidden:.0f}% of the studies run stay unpublished at a mean effect of "
    assert f"{said}{chronic.truth['mu']:.2f} ({100 * under['unpublished']:.0f}% at " in (
        chronic.answer
    )
    assert f"and {100 * found['unpublished']:.0f}% of the studies run unpublished" in chronic.answer
    # Sizes that are drawn anew bring more large studies, which are published more often.
    assert hidden - 0.05 < shown["new_sizes"] < hidden
    note = next(w["text"] for w in chronic.warnings if w["code"] == "sizes")
    assert f"{100 * shown['new_sizes']:.0f}%, not {100 * hidden:.0f}%" in note


def test_chances_at_a_mean_of_zero_move_over_the_sds_that_fit(chronic):
    found = chronic.extra["all_bias"]
    truth = found["selected"]
    assert found["tau_from"] == "selected"
    assert [row["tau"] for row in found["over_tau"]] == [truth["tau_lb"], truth["tau_ub"]]
    for row in found["over_tau"]:
        by_hand = planner.bias(mu=0.0, tau=row["tau"], k=(6,), weight=(1, 0.2), **ONE)
        other = value(by_hand, "success", weight=0.2, correction="none")
        sd = np.hypot(other["mcse"], row["benefit"]["mcse"])
        assert abs(other["value"] - row["benefit"]["value"]) < 4.0 * sd + 0.005
    assert f"at any mean (95%): {truth['tau_lb']:.2f} gives " in chronic.answer
    # The table counts either direction, at another SD: the page says both.
    page = bias_page(chronic)
    assert f"(SD {truth['tau']:.2f}, fitted; tables: {chronic.truth['tau']:.2f}, either way)" in (
        " ".join(page.split())
    )
    assert "either" in page.split("covers")[0]
    assert f"direction: mean 0, SD {chronic.truth['tau']:.2f}" in page


def test_what_does_not_exist_is_said_with_its_reason():
    # An effect of 100 SDs is significant in every study; the intervals are those of --alpha.
    result = planner.bias(
        mu=100.0, tau=0.0, k=(3,), sizes="2:30", reps=50, weight=(0.2,), alpha=0.2,
        correction="sel3", detector="egger-n",
    )  # fmt: skip
    texts = {w["code"]: w["text"] for w in result.warnings}
    assert "exists in no synthesis" in texts["not-estimated"]
    assert "it needs significant and other studies" in texts["not-estimated"]
    assert {"not-applicable", "sizes"}.isdisjoint(texts)
    assert "80% interval covers" in bias_page(result)


def test_groups_of_one_size_leave_nothing_to_compare(capsys):
    one = planner.bias(mu=0.8, tau=0.4, k=(5,), n=(6,), reps=200, weight=(1, 0.2))
    for name in DETECTORS:
        assert value(one, "rejection", detector=name, weight=0.2)["value"] is None
    gone = {name for name in CORRECTIONS if value(one, "rmse", correction=name)["value"] is None}
    assert gone == {"pet", "peese", "pet-peese", "limit"}
    page = bias_page(one)
    assert not any(line.startswith(("   PET", "   limit", "    Egger")) for line in (
        page.splitlines()
    ))  # fmt: skip
    assert "Not applicable: every test; PET; PEESE; PET-PEESE; limit" in page
    assert "own size" not in page
    # Animals that are added until something is significant make sizes differ.
    looks = planner.bias(
        mu=0.8, tau=0.4, k=(5,), n=(6,), reps=200, mechanism="stopping", strength=(3,)
    )
    row = value(looks, "rejection", detector="egger-n", strength=3.0)
    assert 0 < row["n_sim"] < 200
    assert value(looks, "rmse", correction="pet", strength=3.0)["n_sim"] == row["n_sim"]


def test_every_mechanism_k_and_n_has_its_answer(capsys):
    asked = {"mechanism": "carter,peak", "strength": None, "k": (6, 9), "reps": 200}
    result = planner.bias(mu=0.8, tau=0.4, sizes="4:12", **asked)
    others = result.extra["others"]
    assert [(x["mechanism"], x["k"]) for x in others] == [("carter", 9), ("peak", 6), ("peak", 9)]
    page = bias_page(result)
    assert len(page.splitlines()) < 60
    for line in ("k 9: nothing happens", "k 9: carter strong", "k 6: peak 5", "k 9: peak 5"):
        assert page.count(line) == 1
    for other in others:
        alone = planner.bias(
            mu=0.8, tau=0.4, sizes="4:12",
            **{**asked, "mechanism": other["mechanism"], "k": (other["k"],)},
        )  # fmt: skip
        assert alone.answer == other["answer"]
        assert alone.extra["all_bias"] == other["all_bias"]


def test_what_the_answer_calls_best_is_in_the_json(step):
    found = json.loads(step.json())["judged"]
    assert [row["weight"] for row in found] == [0.2, 1.0]
    for row in found:
        errors = {
            name: value(step, "rmse", weight=row["weight"], correction=name)["value"]
            for name in CORRECTIONS
        }
        assert row["winner"]["rmse"] == errors[row["winner"]["name"]]
        none = value(step, "bias", weight=row["weight"], correction="none")["value"]
        off = {n: value(step, "bias", weight=row["weight"], correction=n)["value"] for n in errors}
        name = max(set(off) - {"pet", "peese"}, key=lambda n: abs(off[n] - none))
        assert row["most_moved"] == {"name": name, "moved": pytest.approx(off[name] - none)}
    assert f"moves the estimate by {found[1]['most_moved']['moved']:+.2f}" in step.answer


def test_single_numbers_from_python(step):
    one = planner.bias(
        mu=0.8, tau=0.4, k=6, n=5, weight=0.2, reps=20, correction="none", detector="begg"
    )
    assert {row["weight"] for row in one.performance} == {1.0, 0.2}
    assert (one.scenario["weight"], one.scenario["k"], one.scenario["n"]) == ("0.2", [6], [5])


def test_a_weight_of_zero_is_said_in_words():
    asked = {**FAST, "reps": 20, "correction": "none", "detector": "begg", "weight": (0,)}
    words = "With step at weight 0 (only significant benefits are published) and "
    assert planner.bias(**asked).answer.startswith(words)
    # Beyond a cut at 0.5 others than significant benefits are published.
    assert "only significant" not in planner.bias(**asked, cuts=(0.5,)).answer


def test_the_published_k_is_answered_first_and_nothing_comes_last():
    result = planner.bias(
        planner.analysis("chronic-after"), mechanism="none,step", weight=(0.2,), k=(3, 6), **ONE
    )
    assert result.performance[0]["k"] == 6
    assert result.scenario["k"] == [3, 6]
    assert result.answer.startswith("With step at weight 0.2")
    assert [(x["mechanism"], x["k"]) for x in result.extra["others"]] == [("step", 3)]
    assert [one.name for one in swept("none,step,step", weight="0.5,0.2")] == ["step", "none"]
    assert swept("peak=3,peak=5")[0].strengths == (3.0, 5.0)


@pytest.mark.parametrize(
    ("asked", "why", "follows"),
    [
        (("step", "0.5,0.2"), None, " --mechanism step --weight 0.2"),
        (("step", "0.5,0"), "no-truth", " --mechanism step --weight 0.5"),
        (("step", "0"), "no-truth", None),
        (("step", "0.5:0.2", None, "0.025,0.5"), None,
         " --mechanism step --weight 0.5:0.2 --cuts 0.025,0.5"),
        (("direction", None, "0.3"), None, " --mechanism direction --strength 0.3"),
        (("peak=3",), "raw-data", " --mechanism peak --strength 3"),
        (("step+peak=3", "0.5"), "raw-data", " --mechanism step+peak=3 --weight 0.5"),
        (("carter", None, "strong"), None, " --mechanism carter --strength strong"),
        (("none",), None, ""),
    ],
)  # fmt: skip
def test_the_command_that_follows_is_about_what_was_asked(asked, why, follows):
    (one,) = swept(*asked)
    assert to_calibrate(one, why) == follows
    if follows:  # and asks for the same mechanism at the same strength
        words = dict(pairwise(follows.split()))
        names = ("--mechanism", "--weight", "--strength", "--cuts")
        (again,) = swept(*(words.get(name) for name in names))
        strength = again.strengths[-1]
        assert again.columns(strength) == one.columns(strength)
        assert again.cuts == one.cuts


def test_what_was_typed_by_reading_and_cluster_is_in_the_command_that_follows(capsys):
    # The default reading, typed: its calibration ships.
    code, out, _ = run(
        capsys, "bias", "--analysis", "chronic-after", "--reading", "group-size-mean=comparisons",
        "--cluster", "lab", "--mechanism", "none", "--reps", "20", "--json", "--correction",
        "none", "--detector", "egger-n",
    )  # fmt: skip
    assert code == 0
    text = next(w["text"] for w in json.loads(out)["warnings"] if w["code"] == "truth")
    assert text.endswith(
        "planner calibrate --analysis chronic-after --cluster lab "
        "--reading group-size-mean=comparisons"
    )


def test_the_median_error_is_not_moved_by_runaways():
    rng = np.random.default_rng(1)
    errors = rng.normal(size=100_000)
    errors[:100] = 1e6
    row = median_size("median_error", binned(errors))
    assert abs(row.value - stats.norm.ppf(0.75)) < 4.0 * row.mcse + 0.002
    exact = np.sqrt(0.25 / 100_000) / (2.0 * stats.norm.pdf(stats.norm.ppf(0.75)))
    assert row.mcse == pytest.approx(exact, rel=0.1)


def test_only_a_test_shown_to_keep_its_level_is_called_the_best():
    # Begg-Mazumdar rejects 8% at chronic-after's truth with no selection: its estimate from few
    # syntheses is sometimes below 7.5%, and then nothing is shown.
    rows = [test("begg", "rejection", 0.12, 0.14), test("begg", "type_i", 0.07, 0.09)]
    assert best_detector(rows, PLACE, 0.05).name is None
    rows += [test("egger-n", "rejection", 0.08, 0.09), test("egger-n", "type_i", 0.05, 0.06)]
    assert best_detector(rows, PLACE, 0.05) == ("egger-n", 0.08, 0.05, True)


PLACE, NOTHING = ("step", 0.2, None, 6, None), ("step", 1.0, None, 6, None)


def made(place, measure, value, **more):
    found = dict(zip(("mechanism", "weight", "strength", "k", "n"), place, strict=True))
    empty = {"detector": None, "correction": None, "n_sim": 1000, "n_failed": 0, "n_hit": None}
    return {**found, **empty, "measure": measure, "value": value, **more}


def test(detector, measure, value, ci_ub):
    return made(PLACE, measure, value, detector=detector, ci_ub=ci_ub, mcse=0.005)


test.__test__ = False  # a row of a test for small-study effects, not a test


def test_a_test_that_gains_no_more_than_simulation_error_sees_nothing():
    rows = [test("egger-n", "rejection", 0.06, 0.07), test("egger-n", "type_i", 0.05, 0.06)]
    assert not best_detector(rows, PLACE, 0.05).sees
    rows += [test("begg", "rejection", 0.055, 0.06), test("begg", "type_i", 0.03, 0.04)]
    assert best_detector(rows, PLACE, 0.05)[::3] == ("begg", True)


def test_a_correction_that_moves_estimates_with_nothing_there_is_no_winner_by_merit():
    def rows(always, change):
        found = []
        for place, moved, plain in ((PLACE, -0.3, 0.26), (NOTHING, always, -0.1)):
            for name, off, rmse in (("none", plain, 0.4), ("trimfill", plain + moved, 0.3)):
                found += [made(place, "bias", off, correction=name),
                          made(place, "rmse", rmse, correction=name)]  # fmt: skip
            found.append(made(place, "mse_change", change, correction="trimfill", mcse=0.01))
        return found

    best = winner(rows(-0.25, -0.07), PLACE)
    assert (best.name, best.better, best.whatever) == ("trimfill", True, True)
    assert best.moved == pytest.approx(-0.3)
    assert best.always == pytest.approx(-0.25)
    assert not winner(rows(-0.01, -0.07), PLACE).whatever
    assert not winner(rows(-0.25, -0.015), PLACE).better


def test_an_unknown_analysis_is_two_short_lines(capsys):
    for name in ("nonsense", "chronic-aftr", "single-early/rt", "chronic-after/rt"):
        code, _, err = run(capsys, "bias", "--analysis", name)
        lines = err.strip().splitlines()
        assert (code, len(lines)) == (2, 2)
        assert name in lines[0]
        assert len(err) < 300
    assert "did you mean chronic-after/rat?" in err
