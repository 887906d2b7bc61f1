"""Calibration under selection: the page, its JSON, what is kept, and what is refused."""

import json
from dataclasses import replace
from types import SimpleNamespace

import pytest

import planner
from planner.cli import main
from planner.kept_calibrations import shipped_folder
from planner.mechanisms import Swept, swept
from planner.reports.selected import _hidden, selected_page
from planner.selected_calibration import (
    DISCOUNT_WEIGHT,
    SHIPPED,
    _key,
    calibrate_selected,
    discounted,
)
from planner.selected_joint import N_UNPUBLISHED, _simulated, completed, few_sets
from planner.selected_results import _row, selected_result
from planner.ship_calibrations import shipped

NAME = "chronic-after"


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_page_and_json(capsys):
    arguments = ["calibrate", "--analysis", NAME, "--mechanism", "step", "--weight", "0.2"]
    code, out, _ = run(capsys, *arguments)
    assert code == 0
    assert len(out.splitlines()) < 60
    assert max(len(line) for line in out.splitlines()) <= 80
    code, out, _ = run(capsys, *arguments, "--json")
    document = json.loads(out)
    truth = document["truth"]
    assert (truth["source"], truth["mechanism"], truth["weight"]) == ("selected", "step", 0.2)
    assert set(document["provenance"]["references"]) == {"step"}
    rows = document["selected"]
    assert [row["weight"] for row in rows] == [1.0, 0.5, 0.2, 0.05]
    mu = [row["mu"] for row in rows]
    assert mu == sorted(mu, reverse=True)
    assert rows[0]["unpublished"] == 0.0
    # Without selection it is the calibration that everything else uses.
    before = planner.calibrate(planner.analysis(NAME))
    assert rows[0]["mu"] == pytest.approx(before.mu, abs=0.03)
    assert rows[0]["mu_lb"] == pytest.approx(before.interval("mu")[1], abs=0.2)
    assert document["check"][0]["median"] == pytest.approx(1.3, abs=0.03)
    # The joint median and the matched truth are two answers to one question.
    assert rows[2]["mu_median"] == pytest.approx(rows[2]["mu"], abs=0.15)


def test_clusters_have_intervals_by_simulation(capsys, monkeypatch):
    monkeypatch.setattr("planner.selected_results.STRENGTHS", {"direction": (1.0,)})
    arguments = [
        "calibrate", "--analysis", NAME, "--cluster", "lab", "--mechanism", "direction",
        "--strength", "0.5",
    ]  # fmt: skip
    code, out, _ = run(capsys, *arguments, "--json")
    document = json.loads(out)
    assert code == 0
    assert {row["joint"] for row in document["selected"]} == {"simulated"}
    assert not any(warning["code"] == "no-joint" for warning in document["warnings"])
    # At strength 1 nothing is selected: that is the calibration by rejection.
    before = planner.calibrate(planner.analysis(NAME), cluster="lab")
    row = document["selected"][0]
    assert (row["strength"], row["unpublished"]) == (1.0, 0.0)
    for name in ("mu", "tau"):
        median, low, high = before.interval(name)
        near = 0.12 * (high - low)
        assert row[f"{name}_median"] == pytest.approx(median, abs=near)
        assert row[f"{name}_lb"] == pytest.approx(low, abs=near)
        assert row[f"{name}_ub"] == pytest.approx(high, abs=near)
    assert "Beaumont" in run(capsys, *arguments)[1]


@pytest.mark.usefixtures("few_syntheses")
def test_what_has_no_integral_is_simulated(monkeypatch, tmp_path):
    monkeypatch.setenv("PLANNER_CACHE_DIR", str(tmp_path))  # no answer from so few is to be kept
    monkeypatch.setattr("sims.conditioning_drawn.N_REFINE", 1 << 16)
    analysis = planner.analysis(NAME)
    calibration = planner.calibrate(analysis)
    (one,) = swept("step+peak=3", weight="0.2")
    one = one.only(0.2)
    (bare,) = calibrate_selected(analysis, calibration, one)
    (found,) = calibrate_selected(analysis, calibration, one, complete=True)
    assert bare.mu_lb is bare.unpublished is bare.joint is None
    assert (found.mu, found.tau, found.joint) == (bare.mu, bare.tau, "simulated")
    assert found.mu_lb < found.mu < found.mu_ub
    assert 0.1 < found.unpublished < 0.6


def test_the_simulated_share_unpublished_is_its_integral():
    analysis = planner.analysis(NAME)
    calibration = planner.calibrate(analysis)
    (one,) = swept("step", weight="0.2")
    (found,) = calibrate_selected(analysis, calibration, one.only(0.2))
    fields = _simulated(analysis, calibration, one.build(0.2), found, 1, 2)
    # 16,384 syntheses of 6 studies; runs for each place are geometric.
    places = 6.0 * N_UNPUBLISHED
    share = found.unpublished
    assert fields["unpublished"] == pytest.approx(share, abs=4.0 * share / (1.0 - share) ** 0.5
                                                  * (1.0 - share) / places**0.5)  # fmt: skip
    # And its interval is the one of the exact likelihood.
    for name in ("mu", "tau"):
        width = getattr(found, f"{name}_ub") - getattr(found, f"{name}_lb")
        for end in ("median", "lb", "ub"):
            exact = getattr(found, f"{name}_{end}")
            assert fields[f"{name}_{end}"] == pytest.approx(exact, abs=0.12 * width)


def test_intervals_that_rest_on_few_sets_are_simulated():
    analysis = planner.analysis(NAME)
    calibration = planner.calibrate(analysis)
    (one,) = swept("step", weight="0.2")
    (found,) = calibrate_selected(analysis, calibration, one.only(0.2))
    key = "for this test"
    whole = completed(analysis, calibration, one, 0.2, found, key, 1, 2)
    assert whole == replace(found, joint="study-sets")
    few = replace(found, effective=8.0)
    assert few_sets(few, analysis)
    again = completed(analysis, calibration, one, 0.2, few, key, 1, 2)
    assert (again.joint, again.unpublished) == ("simulated", found.unpublished)
    assert again.effective > 100.0
    assert not few_sets(again, analysis)


def test_the_answer_is_for_the_weight_asked_for_where_others_act(monkeypatch):
    # peak acts at weight 1, too: it is not a world without selection, but it was not asked for.
    analysis = planner.analysis(NAME)
    calibration = planner.calibrate(analysis)
    (plain,) = calibrate_selected(analysis, calibration, *swept("step", weight="1"))

    def found(analysis, calibration, varied, **_):
        (weight,) = varied.strengths
        return [replace(plain, mechanism=varied.label, weight=weight, mu=weight)]

    monkeypatch.setattr("planner.selected_results.calibrate_selected", found)
    for typed, expected in (("0.2", 0.2), ("0.05,0.2", 0.2), ("1", 1.0)):
        result = selected_result(analysis, calibration, "step+peak=3", weight=typed)
        assert result.truth["weight"] == result.truth["mu"] == expected
        assert f"at weight {expected:g} stood" in result.answer


def test_every_row_says_what_is_doubtful_about_its_interval(monkeypatch):
    # Not only the row that was asked for: rows of others, the table, the warnings, the figure.
    analysis = planner.analysis(NAME)
    calibration = planner.calibrate(analysis)
    low, _, _, top = calibration.prior
    fine = {"mu_lb": low + 2.0, "mu_median": low + 3.0, "mu_ub": low + 4.0,
            "tau_lb": 0.1, "tau_median": 0.5, "tau_ub": 0.9, "effective": 800.0}  # fmt: skip
    worlds = {
        1.0: fine, 0.5: {**fine, "effective": 40.0}, 0.2: fine,
        0.05: {**fine, "effective": 8.0, "mu_lb": low + 0.1, "mu_median": low + 2.0,
               "tau_ub": top - 0.01},
    }  # fmt: skip
    (plain,) = calibrate_selected(analysis, calibration, *swept("step", weight="1"))

    def found(analysis, calibration, varied, **_):
        (weight,) = varied.strengths
        return [replace(plain, weight=weight, mu=weight, **worlds[weight])]

    monkeypatch.setattr("planner.selected_results.calibrate_selected", found)
    result = selected_result(analysis, calibration, "step", weight="0.2")
    rows = result.document()["selected"]
    assert [row["few_sets"] for row in rows] == [False, True, False, True]
    assert [row["cut_off"] for row in rows] == [[], [], [], ["mu_low", "tau_high"]]
    texts = {warning["code"]: warning["text"] for warning in result.warnings}
    assert "weight 0.5 and 0.05" in texts["few-sets"]
    assert "40 and 8 sets" in texts["few-sets"]
    assert "at weight 0.05" in texts["prior-bound"]
    assert f"mu from {low:.2f} and tau up to {top:.2f}" in texts["prior-bound"]
    table = [line for line in selected_page(result).splitlines() if "   weight" in line]
    assert [line.split(" ")[-1] for line in table[1::2]] == ["*", "*|"]
    assert not any(line.endswith(("*", "|")) for line in table[::2])
    labels = [text.get_text() for text in result.plot("band")[0].figure.legends[0].get_texts()]
    assert {"rests on few sets of studies", "cut off by the prior"} < set(labels)
    # Real studies are one set, which is not few.
    assert _row(replace(plain, effective=1.0), calibration.prior, analysis)["few_sets"]
    real = SimpleNamespace(data=())
    assert not _row(replace(plain, effective=1.0), calibration.prior, real)["few_sets"]


def test_what_is_kept_is_the_same_again():
    analysis = planner.analysis(NAME)
    calibration = planner.calibrate(analysis)
    (one,) = swept("step", weight="1")
    first = calibrate_selected(analysis, calibration, one)
    assert calibrate_selected(analysis, calibration, one) == first


def test_discounted_truth():
    analysis = planner.analysis(NAME)
    calibration = planner.calibrate(analysis)
    mu, tau = discounted(analysis, calibration)
    assert 0.6 < mu < 0.75
    assert 0.9 < tau < 1.1
    large = planner.analysis("chronic-during")
    before = planner.calibrate(large)
    mu, tau = discounted(large, before)  # standard errors read as SDs
    assert mu == pytest.approx(before.mu / 7**0.5)
    assert tau == pytest.approx(before.tau / 7**0.5)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--weight", "0.2"], "--mechanism"),
        (["--mechanism", "stp"], "step"),
        (["--mechanism", "step,peak"], "together"),
        (["--mechanism", "step", "--prior", "half-normal"], "--prior"),
        (["--mechanism", "step", "--weight", "2"], "--weight"),
    ],
)
def test_bad_input(capsys, arguments, named):
    code, out, err = run(capsys, "calibrate", "--analysis", NAME, *arguments)
    assert (code, out) == (2, "")
    assert named in err
    assert len(err.strip().splitlines()) <= 2


def test_shipped_truths_are_those_of_this_engine():
    # Otherwise: make calibrations
    content = json.loads((shipped_folder() / SHIPPED).read_text(encoding="utf-8"))
    keys = set()
    varied = Swept(name="step", strengths=(DISCOUNT_WEIGHT,))
    for name, cluster in shipped():
        analysis = planner.analysis(name)
        calibration = planner.calibrate(analysis, cluster=cluster)
        keys.add(_key(analysis, calibration, varied, DISCOUNT_WEIGHT, 1))
    assert set(content) == keys


def test_small_study_numbers_of_the_article_are_checked(capsys):
    # P = 0.74 and no imputed study belong to the first meta-analysis alone.
    code, out, _ = run(capsys, "calibrate", "--analysis", "single-early", "--json")
    rows = {
        (row["truth"], row["statistic"]): row for row in json.loads(out)["check"] if "equal" in row
    }
    assert code == 0
    assert set(rows) == {
        (truth, name) for truth in ("matched", "joint") for name in ("small-study P", "imputed")
    }  # fmt: skip
    for truth in ("matched", "joint"):
        p, imputed = rows[truth, "small-study P"], rows[truth, "imputed"]
        assert (p["published"], imputed["published"]) == (0.74, 0.0)
        # egger-n is nominal, so P is about uniform: 1 - 0.74, within 4 MCSEs of 4000 syntheses.
        assert 1.0 - p["below"] == pytest.approx(0.26, abs=0.03)
        assert 0.1 < imputed["equal"] < 0.5
    _, out, _ = run(capsys, "calibrate", "--analysis", "chronic-after", "--json")
    assert not any("equal" in row for row in json.loads(out)["check"])


def test_python_gives_what_the_command_prints(capsys, tmp_path):
    analysis = planner.analysis(NAME)
    found = planner.calibrate(analysis, mechanism="step", weight=0.2)
    out = run(capsys, "calibrate", "--analysis", NAME, "--mechanism", "step", "--weight", "0.2",
              "--json")[1]  # fmt: skip
    assert json.loads(out) == found.document()
    assert list(found.frame["weight"]) == [1.0, 0.5, 0.2, 0.05]
    assert found.truth["mu"] == found.frame["mu"][2]
    assert "check" not in found.frame
    found.save(tmp_path / "out")
    again = tmp_path / "out" / "scenario.toml"
    assert json.loads(run(capsys, "calibrate", "--scenario", str(again), "--json")[1]) == (
        found.document()
    )
    assert len((tmp_path / "out" / "performance.csv").read_text().splitlines()) == 5
    # Without a mechanism it is the calibration that other functions take.
    assert planner.calibrate(analysis).mu == planner.power(
        analysis, n=[8], truth=planner.calibrate(analysis), reps=200
    ).truth["mu"]  # fmt: skip


@pytest.mark.parametrize("cuts", ["0.025,0.5", [0.025, 0.5]])
@pytest.mark.usefixtures("few_syntheses")
def test_cuts_of_step(monkeypatch, cuts):
    monkeypatch.setattr("planner.selected_results.STRENGTHS", {"step": ()})  # only what is asked
    analysis = planner.analysis(NAME)
    found = planner.calibrate(analysis, mechanism="step", weight=["0.8:0.8"], cuts=cuts)
    # One weight beyond both cuts is a step at the first.
    alone = planner.calibrate(analysis, mechanism="step", weight=0.8)
    assert found.truth["mu"] == pytest.approx(alone.truth["mu"], abs=1e-9)
    assert found.scenario["cuts"] == "0.025,0.5"
    assert "(beyond one-sided p of 0.025 and 0.5)" in found.answer
    assert "beyond one-sided" not in alone.answer
    assert "--cuts 0.025,0.5" in " ".join(selected_page(found).split())


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"weight": 0.2}, "--weight goes with --mechanism"),
        ({"strength": [2]}, "--strength goes with --mechanism"),
        ({"cuts": "0.025"}, "--cuts goes with --mechanism"),
        ({"mechanism": "peak", "cuts": 0.025}, "--cuts"),
        ({"mechanism": "step", "cuts": [0.5, 0.025]}, "rising"),
        ({"mechanism": "stp"}, "step"),
    ],
)
def test_python_refuses_what_the_command_refuses(options, named):
    with pytest.raises(planner.InputError, match=named):
        planner.calibrate(planner.analysis(NAME), **options)


def test_a_usual_strength_without_a_truth_is_named(monkeypatch):
    analysis = planner.analysis(NAME)
    calibration = planner.calibrate(analysis)
    (plain,) = calibrate_selected(analysis, calibration, *swept("step", weight="1"))

    def found(analysis, calibration, varied, **_):
        (weight,) = varied.strengths
        if weight in missing:
            raise planner.InputError(f"none at {weight:g}")
        return [replace(plain, weight=weight, mu=weight)]

    monkeypatch.setattr("planner.selected_results.calibrate_selected", found)
    missing = {0.05}
    for weight, asked in ((None, 0.5), ("0.2", 0.2)):
        result = selected_result(analysis, calibration, "step", weight=weight)
        assert result.truth["weight"] == result.truth["mu"] == asked
        assert [row["weight"] for row in result.extra["none_fits"]] == [0.05]
        text = next(w["text"] for w in result.warnings if w["code"] == "no-truth")
        assert text == "No truth gives the published numbers at weight 0.05."
    missing = {0.5}
    assert selected_result(analysis, calibration, "step").truth["weight"] == 0.2
    with pytest.raises(planner.InputError, match=r"none at 0\.5"):
        selected_result(analysis, calibration, "step", weight="0.5")
    missing = {1.0, 0.5, 0.2, 0.05}
    with pytest.raises(planner.InputError, match="none at 1"):
        selected_result(analysis, calibration, "step")


@pytest.mark.parametrize("options", [[], ["--prior", "half-normal"], ["--cluster", "lab"]])
def test_the_page_without_a_mechanism_fits_a_terminal(capsys, options):
    code, out, _ = run(capsys, "calibrate", "--analysis", NAME, *options)
    assert code == 0
    assert "by lab, share 1, " in out
    assert len(out.splitlines()) < 60
    assert max(len(line) for line in out.splitlines()) <= 80


def test_rounding_of_an_integral_hides_nothing() -> None:
    assert _hidden(2.2e-16) == "0%"
    assert _hidden(1e-4) == "<1%"
