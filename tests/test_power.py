"""`planner power`: exact values, counts, required sizes, options."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import quad

import planner
from planner.designs import Design
from planner.errors import InputError
from planner.reports.measures import size_words
from planner.reports.terminal import power_page
from planner.selected_calibration import discounted

TAIL = 6e-5


def nct_power(delta: float, n: int, alpha: float) -> float:
    """Both tails of the noncentral t by adaptive integration over the chi density."""
    df, ncp = 2 * n - 2, delta * math.sqrt(n / 2)
    c = stats.t.isf(alpha / 2, df)

    def density(s: float) -> float:
        return float(stats.chi.pdf(s * math.sqrt(df), df) * math.sqrt(df))

    def rejects(s: float) -> float:
        return float(stats.norm.sf(c * s - ncp) + stats.norm.cdf(-c * s - ncp))

    spread = 12 / math.sqrt(2 * df)
    low, high = max(0.0, 1 - spread), 1 + spread + 3 / df
    points = sorted(
        {min(max(x, low), high) for x in (1.0, ncp / c, ncp / c + 3 / c, ncp / c - 3 / c)}
    )
    return quad(lambda s: density(s) * rejects(s), low, high, points=points, limit=400,
                epsabs=1e-13, epsrel=1e-13)[0]  # fmt: skip


@pytest.mark.parametrize("alpha", [0.05, 0.001])
@pytest.mark.parametrize(
    ("mu", "sizes"),
    [(1.1, range(4, 21, 2)), (5.0, range(3, 7)), (5.55, range(3, 7)), (1.3, (60, 84, 200, 1000))],
)
def test_exact_power_is_the_noncentral_t_and_counts_agree(mu, sizes, alpha):
    # seed 1, n_sim 20000; bound: two-sided binomial probability above 6e-5
    result = planner.power(mu=mu, tau=0.0, n=sizes, alpha=alpha, reps=20_000)
    rows = [row for row in result.performance if row["measure"] == "power"]
    assert [row["n"] for row in rows] == list(sizes)
    for row in rows:
        assert row["exact"] == pytest.approx(nct_power(mu, row["n"], alpha), abs=1e-10)
        p = min(max(row["exact"], 0.0), 1.0)
        assert stats.binomtest(row["n_hit"], row["n_sim"], p).pvalue > TAIL
    exact = [row["exact"] for row in rows]
    assert all(b >= a - 1e-14 for a, b in pairwise(exact))


@pytest.mark.parametrize("test", ["student", "welch"])
def test_new_lab_is_the_average_over_laboratories(test):
    # seed 1, n_sim 50000
    result = planner.power(mu=1.4, tau=0.9, n=(4, 8, 24), test=test, reps=50_000)
    alone = {}
    for row in result.performance:
        if row["measure"] != "success":
            continue
        n = row["n"]

        def success(theta: float, n: int = n) -> float:
            design = Design(test=test)
            return float(design.exact(n).benefit(theta))

        value, _ = quad(
            lambda x: success(x) * stats.norm.pdf(x, 1.4, 0.9), -6.0, 9.0, limit=400, epsabs=1e-11
        )
        assert row["exact"] == pytest.approx(value, abs=1e-8)
        assert stats.binomtest(row["n_hit"], row["n_sim"], row["exact"]).pvalue > TAIL
        alone[n] = row["value"]
    assert len(alone) == 3


def test_success_tends_to_its_ceiling():
    result = planner.power(mu=1.4, tau=0.92, n=(4,), reps=2, target=0.9)
    ceiling = stats.norm.cdf(1.4 / 0.92)
    assert result.required_rows[0]["ceiling"] == pytest.approx(ceiling, abs=1e-12)
    # what is missing at n shrinks like 1 / sqrt(n): the critical difference over the spread
    away = [ceiling - float(Design().exact(n).benefit(1.4, 0.92**2)) for n in (10**4, 10**6)]
    assert 0.0 < away[1] < 5e-4
    assert away[0] / away[1] == pytest.approx(10.0, rel=0.05)


def test_required_n_at_a_known_truth():
    # 24, 45 and 171 per group: an independent calculation at mu 1.40, tau 0.92
    result = planner.power(mu=1.40, tau=0.92, target=(0.8, 0.85, 0.9), reps=1000)
    found = [row["n"] for row in result.required_rows if row["shrink"] == 0.0]
    assert found == [24, 45, 171]
    # the next smaller size does not reach the target: by the noncentral t of scipy
    for n, goal in zip(found, (0.8, 0.85, 0.9), strict=True):
        for m, reached in ((n, True), (n - 1, False)):
            se2 = 2 / m
            sd = math.sqrt(0.92**2 + se2)
            c = stats.t.isf(0.025, 2 * m - 2) * math.sqrt(se2) / sd
            assert (stats.nct.sf(c, 2 * m - 2, 1.40 / sd) >= goal) is np.bool_(reached)


def test_pwr_example():
    # pwr.t.test(d = 1.2, power = .8): n = 11.9423
    result = planner.power(mu=1.2, tau=0.0, target=0.8, reps=1000)
    assert result.required_rows[0]["n"] == 12


@pytest.mark.parametrize(("margin", "expected"), [("raw", 0.657), ("standardized", 0.279)])
def test_smallest_effect_of_interest(margin, expected):
    result = planner.power(mu=4.0, tau=0.0, sesoi=2.0, margin=margin, n=(4,), reps=50_000)
    row = next(row for row in result.performance if row["measure"] == "success")
    assert row["exact"] == pytest.approx(expected, abs=5e-4)
    assert stats.binomtest(row["n_hit"], row["n_sim"], row["exact"]).pvalue > TAIL


def test_workers_and_length_change_nothing():
    kwargs = {"mu": 1.4, "tau": 0.9, "n": (4, 9), "seed": 5}
    one = planner.power(**kwargs, reps=1_000_000, jobs=1)
    two = planner.power(**kwargs, reps=1_000_000, jobs=2)
    assert one.performance == two.performance


def test_chronic_after_end_to_end():
    result = planner.power(planner.analysis("chronic-after"), reps=20_000)
    assert {row["truth"] for row in result.performance} == {"pooled", "new-lab", "assurance"}
    recommended = [row for row in result.required_rows if row["recommended"]]
    assert [row["n"] for row in recommended] == [result.recommended]
    assert f"Plan {result.recommended} animals per group" in result.answer
    for row in result.performance:
        if row["exact"] is not None and row["n_hit"] is not None and row["n_sim"]:
            p = min(max(row["exact"], 0.0), 1.0)
            assert stats.binomtest(row["n_hit"], row["n_sim"], p).pvalue > TAIL
    json.loads(result.json())


def test_chronic_during_is_refused():
    result = planner.power(planner.analysis("chronic-during"), reps=1000)
    assert result.recommended is None
    assert result.answer.startswith("No plan")
    assert "--sesoi" in result.answer
    assert any(warning["code"] == "se-as-sd" for warning in result.warnings)
    with_margin = planner.power(planner.analysis("chronic-during"), sesoi=2.0, reps=1000)
    assert with_margin.recommended is not None


def test_benefit_is_what_the_evidence_declares():
    # single-late/72h published -0.05, and higher is better: no size shows a benefit
    result = planner.power(planner.analysis("single-late/72h"), reps=1000)
    assert result.recommended is None
    rows = [row for row in result.required_rows if row["truth"] == "new-lab"]
    assert all(row["n"] is None and row["ceiling"] == 0.0 for row in rows)
    assert {"wrong-way", "no-effect"} <= {warning["code"] for warning in result.warnings}


def test_discounted_is_a_new_laboratory_at_the_truth_behind_selection():
    analysis = planner.analysis("single-early")
    result = planner.power(analysis, plan_for="discounted", reps=1000)
    mu, tau = discounted(analysis, planner.calibrate(analysis))
    assert mu < 0.75 * planner.calibrate(analysis).mu
    by_hand = planner.power(mu=mu, tau=tau, target=0.8, reps=1000)
    assert result.recommended == by_hand.recommended
    assert "discounted" in {row["truth"] for row in result.performance}


def test_every_answer_shows_the_discounted_truth():
    result = planner.power(planner.analysis("chronic-after"), reps=1000)
    rows = [row for row in result.required_rows if row["truth"] == "discounted"]
    assert [(row["target"], row["shrink"]) for row in rows] == [(0.8, 0.0), (0.9, 0.0)]
    assert all(row["ceiling"] < 0.8 for row in rows)
    assert "new lab, discounted" in power_page(result)


def test_animals_and_the_smallest_effect_found():
    result = planner.power(mu=1.4, tau=0.0, animals=24, attrition=0.2, reps=1000)
    # 24 bought, 12 per group, 9 analysed: ceil(9 / .8) = 12
    rows = [row for row in result.performance if row["measure"] == "mde"]
    assert {row["n"] for row in rows} == {9}
    for row in rows:
        assert nct_power(row["value"], 9, 0.05) == pytest.approx(row["target"], abs=1e-6)


def test_several_treated_groups_share_a_control():
    result = planner.power(mu=1.4, tau=0.0, treated=2, n=(6,), target=0.8, reps=1000)
    row = next(row for row in result.performance if row["measure"] == "power")
    assert row["exact"] == pytest.approx(nct_power(1.4, 6, 0.025), abs=1e-10)
    required = result.required_rows[0]
    assert required["animals"] == 3 * required["n"]


def test_a_negative_effect_mirrors_a_positive_one():
    up = planner.power(mu=1.1, tau=0.4, n=(6,), sides="greater", reps=2000)
    down = planner.power(mu=-1.1, tau=0.4, n=(6,), sides="less", reps=2000)
    assert up.performance == down.performance


def test_no_effect_has_no_wrong_direction():
    result = planner.power(mu=0.0, tau=0.0, n=(6,), reps=2000)
    rows = {row["measure"]: row for row in result.performance}
    assert rows["type_s"]["value"] is None
    assert rows["type_m"]["value"] is None
    assert rows["power"]["exact"] == pytest.approx(0.05, abs=1e-12)


@pytest.mark.parametrize(
    ("kwargs", "named"),
    [
        ({"mu": 1.0}, "--tau"),
        ({"mu": math.nan, "tau": 0.0}, "--mu"),
        ({"mu": 1.0, "tau": -0.1}, "--tau"),
        ({"mu": 1.0, "tau": 0.0, "n": (1,)}, "--n"),
        ({"mu": 1.0, "tau": 0.0, "alpha": 1.5}, "--alpha"),
        ({"mu": 1.0, "tau": 0.0, "target": 1.0}, "--target"),
        ({"mu": 1.0, "tau": 0.0, "animals": 3}, "--animals"),
        ({"mu": 1.0, "tau": 0.0, "reps": 1}, "--reps"),
        ({"mu": 1.0, "tau": 0.0, "test": "wilcoxon"}, "student"),
        ({"mu": 1.0, "tau": 0.0, "attrition": 1.0}, "--attrition"),
        ({"mu": 1.0, "tau": 0.0, "unit": "g"}, "--sd"),
        ({"mu": 1e308, "tau": 0.0}, "--mu"),
        ({"mu": 1.0, "tau": 1e300}, "--tau"),
        ({"mu": 1.0, "tau": 0.0, "alpha": 1e-300}, "--alpha"),
        ({"mu": 1.0, "tau": 0.0, "seed": 2**64}, "--seed"),
        ({"mu": 1.0, "tau": 0.0, "animals": 10**12}, "--animals"),
        ({"mu": 1.0, "tau": 0.0, "plan_for": "assurance"}, "--plan-for"),
        ({}, "--analysis"),
    ],
)
def test_bad_values_are_named(kwargs, named):
    with pytest.raises(InputError, match=named) as caught:
        planner.power(**kwargs)
    assert str(caught.value).count("\n") <= 1


def test_required_sizes_are_named_alike_on_the_page_and_in_the_figure():
    row = {"target": 0.8, "n": None, "ceiling": 0.8}
    assert size_words(row) == "never"
    assert size_words({**row, "ceiling": 0.81}) == ">10^6"
    assert size_words({**row, "n": 24}) == "24"
    # A laboratory that differs a lot: a ceiling just above the target.
    result = planner.power(mu=0.85, tau=1.0, n=(8,), reps=100)
    shown = [text.get_text() for text in result.plot("required").texts]
    first = [row for row in result.required_rows if row["target"] == 0.8]
    assert [size_words(row) for row in first] == [text.split(" (")[0].strip() for text in shown]
