"""Subgroups at a common variance: against metafor's mixed-effects model, and by hand."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sims.inference import summarize
from sims.names import ESTIMATORS
from sims.subgroups import compare_subgroups

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "subgroups.json").read_text(encoding="utf-8")
)
TESTS = {"z": "wald", "knha": "hk", "adhoc": "hk-wald"}
YI = np.array([0.7, 2.0, 1.0, 1.4, 0.1, -0.3, 0.4, 3.0])
VI = np.array([0.2, 0.1, 0.2, 0.3, 0.1, 0.2, 0.15, 0.4])
LABELS = ["rat", "rat", "rat", "mouse", "mouse", "mouse", "mouse", "pig"]


@pytest.mark.parametrize("case", REFERENCE["sets"], ids=lambda case: case["source"])
def test_comparison_equals_metafor(case: dict[str, Any]) -> None:
    labels = [str(group) for group in case["group"]]
    for fit in case["fits"]:
        found = compare_subgroups(
            case["yi"], case["vi"], labels, fit["estimator"], TESTS[fit["test"]], min_studies=1
        )
        means = [
            [s.estimate, s.se, s.ci_lb, s.ci_ub, s.pval]
            for s in (group.summary for group in found.groups)
        ]
        pairs = [[p.difference, p.se, p.ci_lb, p.ci_ub, p.pval] for p in found.pairs]
        q = found.Q_between if fit["test"] == "z" else found.Q_between / found.df
        for here, expected in (
            (found.tau2, fit["tau2"]), (means, fit["means"]), (pairs, fit["pairs"]),
            (q, fit["QM"]), (found.pval, fit["QMp"]),
        ):  # fmt: skip
            np.testing.assert_allclose(here, expected, rtol=1e-8, atol=1e-11)
        if fit["confint"][0] is not None:
            bounds = [found.tau2_lb, found.tau2_ub]
            np.testing.assert_allclose(bounds, fit["confint"], rtol=1e-8, atol=1e-11)
        assert found.ok


def test_dersimonian_laird_pools_tau2_as_comprehensive_meta_analysis() -> None:
    found = compare_subgroups(YI[:7], VI[:7], LABELS[:7], "DL", "wald")
    q, df, c = 0.0, 0, 0.0
    for group in (slice(0, 3), slice(3, 7)):
        w, y = 1.0 / VI[group], YI[group]
        q += np.sum(w * (y - np.sum(w * y) / np.sum(w)) ** 2)
        df += len(y) - 1
        c += np.sum(w) - np.sum(w**2) / np.sum(w)
    assert found.tau2 == pytest.approx(max(0.0, (q - df) / c), rel=1e-12)
    # Two subgroups: Q between is the square of the difference's z, and there is one comparison.
    (pair,) = found.pairs
    assert found.Q_between == pytest.approx(pair.stat**2, rel=1e-10)
    assert found.pval == pytest.approx(pair.pval, rel=1e-10)
    assert pair.pval_adjusted == pair.pval


def test_bonferroni_multiplies_by_the_number_of_comparisons() -> None:
    labels = ["a", "a", "b", "b", "c", "c", "c", "a"]
    found = compare_subgroups(YI, VI, labels, "DL", "wald", min_studies=2)
    assert [(p.first, p.second) for p in found.pairs] == [("a", "b"), ("a", "c"), ("b", "c")]
    for pair in found.pairs:
        assert pair.pval_adjusted == min(1.0, 3.0 * pair.pval)
    same = compare_subgroups(np.ones(8), VI, labels, "DL", "wald", min_studies=2)
    assert [pair.pval_adjusted for pair in same.pairs] == [1.0] * 3


@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_small_subgroups_are_shown_but_not_compared(estimator: str) -> None:
    found = compare_subgroups(YI, VI, LABELS, estimator, "wald")
    without = compare_subgroups(YI[:7], VI[:7], LABELS[:7], estimator, "wald")
    assert found.left_out == ("pig",)
    assert found.min_studies == 3
    assert [(g.label, g.compared) for g in found.groups] == [
        ("rat", True), ("mouse", True), ("pig", False),
    ]  # fmt: skip
    assert found.pairs == without.pairs
    assert found[2:9] == pytest.approx(without[2:9], nan_ok=True)
    pig = found.groups[2].summary
    assert (pig.k, pig.estimate) == (1, pytest.approx(3.0))
    assert pig.se == pytest.approx(math.sqrt(0.4 + found.tau2))


def test_without_two_large_subgroups_nothing_is_compared() -> None:
    found = compare_subgroups(YI, VI, ["a"] * 4 + ["b", "b", "c", "c"], "DL", "hk")
    assert found.pairs == ()
    assert math.isnan(found.Q_between)
    assert math.isnan(found.pval)
    assert found.left_out == ("b", "c")
    assert not any(group.compared for group in found.groups)


def test_single_studies_have_no_common_variance() -> None:
    found = compare_subgroups(YI[:3], VI[:3], ["a", "b", "c"], "REML", "hk", min_studies=1)
    assert found.tau2 == 0.0
    assert found.df_error == math.inf
    assert math.isnan(found.tau2_ub)
    assert [g.summary.se for g in found.groups] == pytest.approx(np.sqrt(VI[:3]))


@pytest.mark.parametrize("interval", TESTS.values())
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_one_subgroup_is_the_whole_analysis(estimator: str, interval: str) -> None:
    (group,) = compare_subgroups(YI, VI, ["all"] * 8, estimator, interval).groups
    whole = summarize(YI, VI, estimator, interval)
    same = ("estimate", "se", "ci_lb", "ci_ub", "stat", "df", "pval", "tau2", "tau2_lb", "tau2_ub",
            "QE", "QEp", "pi_lb", "pi_ub", "riley_lb", "riley_ub")  # fmt: skip
    for name in same:
        found, expected = getattr(group.summary, name), getattr(whole, name)
        assert found == pytest.approx(expected, rel=1e-9, nan_ok=True), name


def test_wrong_input_is_refused() -> None:
    with pytest.raises(ValueError, match="one subgroup for each"):
        compare_subgroups(YI, VI, ["a"], "DL", "wald")
    with pytest.raises(KeyError):
        compare_subgroups(YI, VI, LABELS, "XX", "wald")
