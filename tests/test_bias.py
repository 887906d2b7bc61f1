"""`planner bias`: numbers, neutral strengths, pages, files, and what it refuses."""

import json

import numpy as np
import pytest
from scipy import stats

import planner
from planner.cli import main
from planner.errors import InputError
from planner.mechanisms import swept
from planner.reports.bias_measures import (
    BIAS_DEFAULTS,
    CORRECTION_WORDS,
    DETECTOR_WORDS,
    MECHANISM_WORDS,
)
from planner.reports.bias_words import CORRECTION_NAMES, DETECTOR_NAMES, best_detector
from planner.small_study import DEFAULT_REPS
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
    # Seed 1, 600 syntheses of 6. The two-sided errors at a mean of zero come from other draws;
    # under selection for benefit they are benefits but for a few: within 4 MCSE and a point.
    result = planner.bias(**FAST)
    found = result.extra["all_bias"]
    strongest = min(row["weight"] for row in result.performance if row["weight"] is not None)
    assert found["weight"] == strongest
    assert found["as_large"] is None
    error = value(result, "type_i", weight=strongest, correction="none")
    sd = np.hypot(error["mcse"], found["benefit"]["mcse"])
    assert abs(found["benefit"]["value"] - error["value"]) < 4.0 * sd + 0.01
    assert "Could it all be bias?" in result.answer


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
    def row(detector, measure, value, ci_ub):
        found = {"mechanism": "step", "weight": 0.2, "strength": None, "k": 6, "n": None}
        return {**found, "detector": detector, "measure": measure, "value": value, "ci_ub": ci_ub}

    place = ("step", 0.2, None, 6, None)
    rows = [row("begg", "rejection", 0.12, 0.14), row("begg", "type_i", 0.07, 0.09)]
    assert best_detector(rows, place, 0.05)[0] is None
    rows += [row("egger-n", "rejection", 0.06, 0.07), row("egger-n", "type_i", 0.05, 0.06)]
    assert best_detector(rows, place, 0.05) == ("egger-n", 0.06, 0.05)
