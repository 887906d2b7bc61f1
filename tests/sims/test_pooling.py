"""Pooling of one set of studies: against metafor, closed forms, and its own symmetries."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sims.names import ESTIMATOR_REFERENCES, ESTIMATORS, INTERVAL_REFERENCES, INTERVALS
from sims.pooling import (
    climb,
    cochran_q,
    dersimonian_laird,
    interval_se,
    pool_studies,
    reml,
    restricted_information,
    restricted_log_likelihood,
    restricted_score,
    tau2_at_q,
    typical_variance,
    weighted_sums,
)

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "pooling.json").read_text(encoding="utf-8")
)
SETS = {case["source"]: case for case in REFERENCE["sets"]}
PACKAGED = [name for name in SETS if name.startswith("dat.")]
# What also runs without the compiler.
FEW = [*PACKAGED[:4], "one study", "two maxima", "higher at zero", "small 7", "wide 135"]


def _studies(name: str) -> tuple[np.ndarray, np.ndarray]:
    return np.array(SETS[name]["yi"]), np.array(SETS[name]["vi"])


def _check(name: str) -> None:
    yi, vi = _studies(name)
    for estimator, code in ESTIMATORS.items():
        fit = SETS[name]["fits"][estimator]
        pooled = pool_studies(yi, vi, code)
        assert pooled.ok == 1.0
        if name == "two maxima" and estimator == "REML":
            continue
        # metafor stops when tau2 moves by less than 1e-13.
        np.testing.assert_allclose(pooled.tau2, fit["tau2"], rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(pooled.mu, fit["b"], rtol=1e-9, atol=1e-11)
        se = [interval_se(pooled.se, pooled.hk, code) for code in INTERVALS.values()]
        expected = [fit[test][0] for test in ("z", "knha", "adhoc")]
        if len(yi) == 1:
            se = [se[0]] * 3  # metafor takes Wald's
        np.testing.assert_allclose(se, expected, rtol=1e-9, atol=1e-11)


@pytest.mark.nojit
@pytest.mark.parametrize("name", FEW)
def test_every_estimator_equals_metafor(name: str) -> None:
    _check(name)


def test_every_estimator_equals_metafor_on_all_sets() -> None:
    for name in SETS:
        _check(name)


@pytest.mark.nojit
@pytest.mark.parametrize("name", FEW)
def test_dersimonian_laird_equals_metafor(name: str) -> None:
    yi, vi = _studies(name)
    if len(yi) > 1:
        expected = [SETS[name][value] for value in ("b", "se", "tau2", "QE", "I2")]
        np.testing.assert_allclose(dersimonian_laird(yi, vi), expected, rtol=1e-10, atol=1e-10)


def test_reference_holds_what_it_should() -> None:
    zero = [case["tau2"] == 0.0 for case in SETS.values()]
    assert len(PACKAGED) == 11
    assert (len(zero), sum(zero)) == (216, 70)
    ranges = [max(case["vi"]) / min(case["vi"]) for case in SETS.values()]
    assert sum(ratio > 1e4 for ratio in ranges) > 20
    assert {len(case["yi"]) for case in SETS.values()} > set(range(1, 21))


def test_names_have_codes_in_order_and_references() -> None:
    assert list(ESTIMATORS.values()) == list(range(len(ESTIMATORS)))
    assert list(INTERVALS.values()) == list(range(len(INTERVALS)))
    assert ESTIMATOR_REFERENCES.keys() == ESTIMATORS.keys()
    assert INTERVAL_REFERENCES.keys() == INTERVALS.keys()


# REML ----------------------------------------------------------------------------------------


def test_restricted_likelihood_is_never_below_that_of_metafors_estimate() -> None:
    gains = {}
    for name, case in SETS.items():
        yi, vi = _studies(name)
        ours, ok = reml(yi, vi)
        theirs = case["fits"]["REML"]["tau2"]
        gain = restricted_log_likelihood(yi, vi, ours) - restricted_log_likelihood(yi, vi, theirs)
        assert ok == 1.0
        assert gain > -1e-9
        if gain > 1e-9:
            gains[name] = gain
    # Fisher scoring from Hedges' estimate ends in the lower of two maxima.
    assert gains == {"two maxima": pytest.approx(18.2295, abs=1e-3)}


@pytest.mark.nojit
def test_the_higher_of_two_maxima_is_found() -> None:
    yi, vi = _studies("two maxima")
    assert climb(yi, vi, 0.0) == (0.0, 1.0)
    assert reml(yi, vi)[0] == pytest.approx(0.1463252, abs=1e-6)
    yi, vi = _studies("higher at zero")
    assert climb(yi, vi, 1.5)[0] == pytest.approx(1.5626187, abs=1e-6)
    assert reml(yi, vi) == (0.0, 1.0)


def test_no_point_of_a_fine_grid_is_higher() -> None:
    # Sets made to be difficult: two kinds of variances, 10 to 1e6 apart. Seed 1.
    rng = np.random.default_rng(1)
    for _ in range(150):
        k = int(rng.integers(3, 10))
        vi = (10.0 ** rng.uniform(1.0, 6.0)) ** rng.integers(0, 2, k)
        yi = rng.standard_normal(k) * np.sqrt(vi) + 10.0 ** rng.uniform(-1, 2) * rng.standard_t(1)
        yi[rng.integers(0, 2, k) == 1] += rng.standard_normal()
        tau2, ok = reml(yi, vi)
        grid = np.concatenate(([0.0], np.geomspace(1e-3, 4 * np.ptp(yi) ** 2 + 10 * vi.max(), 200)))
        highest = max(restricted_log_likelihood(yi, vi, t) for t in grid)
        assert ok == 1.0
        assert restricted_log_likelihood(yi, vi, tau2) > highest - 1e-9


@pytest.mark.nojit
@pytest.mark.parametrize("tau2", [0.0, 0.05, 2.0])
def test_score_and_information_are_derivatives(tau2: float) -> None:
    yi, vi = _studies(PACKAGED[0])

    def score(at: float) -> float:
        x = weighted_sums(yi, vi, at)
        return restricted_score(x.s1, x.s2, x.q2)

    h = 1e-6
    x = weighted_sums(yi, vi, tau2 + h)
    above, below = (restricted_log_likelihood(yi, vi, tau2 + d) for d in (2 * h, 0.0))
    assert score(tau2 + h) == pytest.approx((above - below) / (2 * h), rel=1e-5)
    observed, expected = restricted_information(x.s1, x.s2, x.s3, x.q3, x.c2)
    assert observed == pytest.approx((score(tau2) - score(tau2 + 2 * h)) / (2 * h), rel=1e-5)
    # Twice the expected information is the variance of the score's quadratic form, tr(PP).
    w = 1.0 / (vi + tau2 + h)
    p = np.diag(w) - np.outer(w, w) / w.sum()
    assert expected == pytest.approx(0.5 * np.trace(p @ p), rel=1e-10)
    assert observed == pytest.approx(yi @ p @ p @ p @ yi - 0.5 * np.trace(p @ p), rel=1e-9)


# Closed forms --------------------------------------------------------------------------------


@pytest.mark.nojit
@pytest.mark.parametrize("v", [1e-6, 0.3, 1e4])
@pytest.mark.parametrize("spread", [0.1, 1.0, 1e3])
def test_equal_variances_have_one_answer(v: float, spread: float) -> None:
    # With v_i = v, DL, PM and REML are all max(0, s^2 - v).
    yi = np.array([0.0, 1.0, -2.0, 0.5]) * np.sqrt(v) * spread
    vi = np.full(4, v)
    for name in ("DL", "PM", "REML"):
        pooled = pool_studies(yi, vi, ESTIMATORS[name])
        expected = max(0.0, float(yi.var(ddof=1)) - v)
        assert pooled.tau2 == pytest.approx(expected, rel=1e-10, abs=1e-12 * v)
        assert pooled.mu == pytest.approx(float(yi.mean()), rel=1e-12)


@pytest.mark.nojit
def test_two_studies_have_a_restricted_likelihood_of_one_contrast() -> None:
    # y1 - y2 ~ N(0, v1 + v2 + 2 tau2).
    for yi, vi in (([0.7, 2.0], [0.2, 0.1]), ([0.7, 0.8], [0.2, 0.1]), ([1.0, 1.0], [1e-6, 1.0])):
        expected = max(0.0, ((yi[0] - yi[1]) ** 2 - sum(vi)) / 2.0)
        for name in ("PM", "REML"):
            pooled = pool_studies(np.array(yi), np.array(vi), ESTIMATORS[name])
            assert (pooled.tau2, pooled.ok) == (pytest.approx(expected, rel=1e-10), 1.0)


@pytest.mark.nojit
@pytest.mark.parametrize("code", ESTIMATORS.values(), ids=ESTIMATORS)
def test_one_study_is_returned_as_it_is(code: int) -> None:
    pooled = pool_studies(np.array([0.7]), np.array([0.2]), code)
    assert pooled[:3] == (pytest.approx(0.7), pytest.approx(np.sqrt(0.2)), 0.0)
    assert np.isnan(pooled.hk)
    assert pooled.ok == 1.0


@pytest.mark.nojit
def test_unknown_code_is_not_ok() -> None:
    pooled = pool_studies(np.array([0.7, 1.0]), np.array([0.2, 0.3]), 99)
    assert pooled.ok == 0.0
    assert np.isnan(pooled.mu)


# Symmetries ----------------------------------------------------------------------------------

# Multiples of 2^-10, so that a shifted effect is exact.
TENTH_BITS = st.integers(-20_000, 20_000).map(lambda i: i / 1024.0)
STUDIES = st.lists(
    st.tuples(TENTH_BITS, st.floats(-6.0, 1.0).map(lambda x: 10.0**x)), min_size=2, max_size=20
)
Rows = list[tuple[float, float]]


def _pool(studies: np.ndarray, code: int) -> np.ndarray:
    return np.array(pool_studies(studies[:, 0].copy(), studies[:, 1].copy(), code))


@pytest.mark.parametrize("code", ESTIMATORS.values(), ids=ESTIMATORS)
@settings(max_examples=50, deadline=None)
@given(rows=STUDIES, shift=TENTH_BITS, seed=st.integers(0, 99))
@example(rows=[(1.0, 0.1), (1.0, 0.1)], shift=3.0, seed=0)
def test_shift_and_order_move_only_the_estimate(
    code: int, rows: Rows, shift: float, seed: int
) -> None:
    studies = np.array(rows)
    order = np.random.default_rng(seed).permutation(len(studies))
    before = _pool(studies, code)
    after = _pool(studies[order] + [shift, 0.0], code)
    assert after[4] == before[4] == 1.0
    if code == ESTIMATORS["REML"]:
        # A flat maximum moves with rounding, and of two equally high ones it may take the
        # other: it is as high.
        yi, vi = studies.T.copy()
        heights = [restricted_log_likelihood(yi, vi, tau2) for tau2 in (before[2], after[2])]
        assert heights[0] == pytest.approx(heights[1], rel=1e-9, abs=1e-8)
        if _nearly_tied(studies):
            return
    rounding = 1e-6 if code == ESTIMATORS["REML"] else 1e-8
    sd = np.sqrt(before[2] + studies[:, 1].max())
    atol = rounding * np.array([sd, sd, sd * sd, 1.0 + before[3]])
    expected = before[:4] + np.array([shift, 0.0, 0.0, 0.0])
    assert (np.abs(after[:4] - expected) <= atol + rounding * np.abs(expected)).all()


@pytest.mark.parametrize("code", ESTIMATORS.values(), ids=ESTIMATORS)
@settings(max_examples=50, deadline=None)
@given(rows=STUDIES, power=st.integers(-8, 8))
def test_a_power_of_two_scales_every_bit(code: int, rows: Rows, power: int) -> None:
    studies, s = np.array(rows), 2.0**power
    before = _pool(studies, code)
    after = _pool(studies * [s, s * s], code)
    if code != ESTIMATORS["REML"] or not _nearly_tied(studies):
        assert np.array_equal(after / [s, s, s * s, 1.0, 1.0], before)


def _nearly_tied(studies: np.ndarray) -> bool:
    # Two maxima of the same height: rounding decides between them.
    yi, vi = studies[:, 0].copy(), studies[:, 1].copy()
    best, _ = reml(yi, vi)
    top = restricted_log_likelihood(yi, vi, best)
    starts = [0.0, *(vi.min() * 4.0 ** np.arange(-1, 16))]
    for other, _ok in (climb(yi, vi, float(start)) for start in starts):
        away = abs(other - best) > 1e-6 * (best + vi.min())
        if away and restricted_log_likelihood(yi, vi, other) > top - 1e-6:
            return True
    return False


# Q -------------------------------------------------------------------------------------------


@settings(max_examples=60, deadline=None)
@given(rows=STUDIES, target=st.floats(0.01, 60.0))
def test_tau2_at_q_solves_its_equation(rows: list[tuple[float, float]], target: float) -> None:
    yi, vi = np.array(rows).T.copy()
    tau2, ok = tau2_at_q(yi, vi, target)
    assert ok == 1.0
    if tau2 == 0.0:
        assert cochran_q(yi, vi) <= target * (1.0 + 1e-9)
    else:
        assert weighted_sums(yi, vi, tau2).q1 == pytest.approx(target, rel=1e-8)


@pytest.mark.nojit
def test_typical_variance_of_equal_variances_is_theirs() -> None:
    assert typical_variance(np.full(7, 0.3)) == pytest.approx(0.3, rel=1e-12)
