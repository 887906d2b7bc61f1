"""Summaries of one set of studies: equal to metafor's rma, predict and confint."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sims.inference import Summary, leave_one_out, summarize
from sims.names import ESTIMATORS, INTERVALS
from sims.pooling import weighted_sums

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "pooling.json").read_text(encoding="utf-8")
)
SETS = {case["source"]: case for case in REFERENCE["sets"]}
TESTS = {"wald": "z", "hk": "knha", "hk-wald": "adhoc"}
BCG = "dat.bcg, log risk ratio"
YI, VI = np.array([0.7, 2.0, 1.0, 1.4]), np.array([0.2, 0.1, 0.2, 0.3])


def _summary(case: dict[str, Any], estimator: str, interval: str) -> Summary:
    return summarize(np.array(case["yi"]), np.array(case["vi"]), estimator, interval)


@pytest.mark.parametrize("interval", INTERVALS)
@pytest.mark.parametrize("estimator", ESTIMATORS)
def test_summary_equals_metafor_on_all_sets(estimator: str, interval: str) -> None:
    compared = 0
    for name, case in SETS.items():
        fit = case["fits"][estimator]
        if name in ("two maxima", "two equal studies") and estimator == "REML":
            continue  # see test_pooling; and below
        if name == "two equal studies":
            continue
        found = _summary(case, estimator, interval)
        expected = dict(zip(REFERENCE["columns"], fit[TESTS[interval]], strict=True))
        expected |= {"estimate": fit["b"], "tau2": fit["tau2"], "I2": fit["I2"], "H2": fit["H2"]}
        expected |= {"QE": case["QE"], "QEp": case["QEp"]}
        k = len(case["yi"])
        if k == 1:
            expected |= dict.fromkeys(("pi_lb", "pi_ub", "riley_lb", "riley_ub"))
        if k == 2:  # metafor takes 1 degree of freedom where there is none
            expected |= dict.fromkeys(("riley_lb", "riley_ub"))
        lb, ub = (None, None) if estimator == "FE" else case["confint"]
        expected |= {"tau2_lb": lb, "tau2_ub": ub}
        for column, value in expected.items():
            here = getattr(found, column)
            if value is None:
                assert math.isnan(here), (name, column)
            else:
                # metafor's matrices lose digits of Q and tau2 where weights differ most.
                assert here == pytest.approx(value, rel=1e-8, abs=1e-10), (name, column)
            compared += 1
        assert found.k == k
        assert found.ok
    assert compared > 3000


def test_bcg_is_as_published() -> None:
    # metafor 3.8-1 with threshold 1e-12, dat.bcg, log risk ratio.
    reml = _summary(SETS[BCG], "REML", "hk")
    assert reml.tau2 == pytest.approx(0.3132433, abs=5e-8)
    assert reml.estimate == pytest.approx(-0.7145323, abs=5e-8)
    assert reml.ci_lb == pytest.approx(-1.108444, abs=5e-7)
    assert reml.ci_ub == pytest.approx(-0.320621, abs=5e-7)
    dl = _summary(SETS[BCG], "DL", "wald")
    assert (dl.tau2, dl.estimate, dl.se) == tuple(
        pytest.approx(value, abs=5e-8) for value in (0.3087603, -0.7141172, 0.1787421)
    )
    assert _summary(SETS[BCG], "PM", "wald").tau2 == pytest.approx(0.3180685, abs=5e-8)


@pytest.mark.parametrize("estimator", ["DL", "PM", "REML"])
def test_equal_effects_leave_no_heterogeneity(estimator: str) -> None:
    found = summarize(np.array([0.7, 0.7]), np.array([0.2, 0.1]), estimator, "hk")
    assert (found.tau2, found.tau2_lb, found.tau2_ub) == (0.0, 0.0, 0.0)
    assert (pytest.approx(0.0, abs=1e-20), 0.0) == (found.QE, found.I2)
    # Hartung-Knapp's interval of effects that do not differ has no width.
    assert found.ci_ub - found.ci_lb == pytest.approx(0.0, abs=1e-12)


def test_fixed_effect_and_one_study_predict_nothing() -> None:
    for found in (summarize(YI, VI, "FE", "hk"), summarize(YI[:1], VI[:1], "REML", "hk")):
        assert all(math.isnan(x) for x in (found.pi_lb, found.riley_ub, found.tau2_lb))
    one = summarize(YI[:1], VI[:1], "REML", "hk")
    assert one.df == math.inf
    assert (one.QE, one.QEp, one.I2, one.H2) == (0.0, 1.0, 0.0, 1.0)


def test_q_profile_solves_its_equations() -> None:
    from scipy import stats

    yi, vi = np.array(SETS[BCG]["yi"]), np.array(SETS[BCG]["vi"])
    for alpha in (0.05, 0.2):
        found = summarize(yi, vi, "REML", "wald", alpha)
        for tau2, p in ((found.tau2_lb, 1 - alpha / 2), (found.tau2_ub, alpha / 2)):
            q = weighted_sums(yi, vi, tau2).q1
            assert q == pytest.approx(stats.chi2.ppf(p, len(yi) - 1), rel=1e-9)


def test_alpha_sets_every_interval() -> None:
    wide, narrow = (summarize(YI, VI, "DL", "hk", alpha) for alpha in (0.01, 0.2))
    for lb, ub in (("ci_lb", "ci_ub"), ("pi_lb", "pi_ub"), ("riley_lb", "riley_ub")):
        assert getattr(wide, lb) < getattr(narrow, lb) < getattr(narrow, ub) < getattr(wide, ub)
    assert wide.tau2_ub > narrow.tau2_ub
    # The interval at level 1 - pval ends at 0.
    at_p = summarize(YI, VI, "DL", "hk", wide.pval)
    assert at_p.ci_lb == pytest.approx(0.0, abs=1e-9)


def test_leave_one_out_leaves_each_out_in_turn() -> None:
    found = leave_one_out(YI, VI, "REML", "hk")
    kept = [[1, 2, 3], [0, 2, 3], [0, 1, 3], [0, 1, 2]]
    assert found == [summarize(YI[keep], VI[keep], "REML", "hk") for keep in kept]
    assert leave_one_out(YI[:1], VI[:1], "REML", "hk") == []


@pytest.mark.parametrize(
    ("yi", "vi"),
    [([], []), ([1.0], [1.0, 2.0]), ([np.nan], [1.0]), ([1.0, 2.0], [0.0, 1.0]), ([1.0], [np.inf])],
)
def test_impossible_studies_are_refused(yi: list[float], vi: list[float]) -> None:
    with pytest.raises(ValueError, match="must"):
        summarize(np.array(yi), np.array(vi), "DL", "wald")


def test_unknown_names_are_refused() -> None:
    with pytest.raises(KeyError):
        summarize(YI, VI, "XX", "wald")
    with pytest.raises(KeyError):
        summarize(YI, VI, "DL", "xx")
