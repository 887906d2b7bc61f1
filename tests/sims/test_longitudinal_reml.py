"""Fits of repeated measures: nlme on the same data."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sims.kernels import entry
from sims.longitudinal import contrast_t, pooled_contrast_t
from sims.longitudinal_reml import AR1, CS, fit_reml, invert, moments_of, new_workspace

PINNED = json.loads((Path(__file__).parents[1] / "reference" / "decay.json").read_text())
CASES = PINNED["cases"]


@entry
def fit(kind, error, times, moments, c, difference, covariance, work):
    return fit_reml(kind, error, times, moments, c, difference, covariance, work)


@entry
def inverse_of(matrix, factor, inverse_factor, out):
    return invert(matrix, factor, inverse_factor, out)


def data(case):
    y = np.array([[math.nan if v is None else v for v in row] for row in case["y"]], dtype=float)
    return y[: case["n1"]], y[case["n1"] :], np.array(case["c"], dtype=float)


def fitted(treated, control, c, times, kind, error=0.0):
    m = len(c)
    difference, covariance = np.zeros(m), np.zeros((m, m))
    times = np.array(times, dtype=float)
    moments = moments_of(treated, control)
    found = fit(kind, error, times, moments, c, difference, covariance, new_workspace(m))
    return found, difference, covariance


@pytest.mark.nojit
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['kind']}-{case['lost']}")
def test_reml_is_that_of_gls(case):
    treated, control, c = data(case)
    kind = CS if case["kind"] == "cs" else AR1
    found, difference, covariance = fitted(treated, control, c, case["days"], kind)
    expected = case["gls"]
    assert found.ok == 1.0
    assert found.estimate == pytest.approx(expected["estimate"], abs=1e-6)
    assert math.sqrt(found.variance) == pytest.approx(expected["se"], abs=1e-6)
    assert math.sqrt(found.sigma2) == pytest.approx(expected["sigma"], abs=1e-6)
    assert found.rho == pytest.approx(expected["rho"], abs=1e-6)
    # the Hessian is numerical on both sides
    assert found.df == pytest.approx(expected["df"], rel=1e-5)
    assert difference == pytest.approx(np.array(expected["difference"]), abs=1e-6)
    assert c @ covariance @ c == pytest.approx(found.variance, rel=1e-12)


@pytest.mark.parametrize("case", [case for case in CASES if case["lost"] == 0])
def test_contrasts_of_complete_data_are_those_of_gls_and_lme(case):
    treated, control, c = data(case)
    for found, expected in (
        (contrast_t(treated, control, c), case["unstructured"]),
        (pooled_contrast_t(treated, control, c), case["intercept"]),
    ):
        assert found.estimate == pytest.approx(expected["estimate"], abs=1e-8)
        assert found.se == pytest.approx(expected["se"], abs=1e-6)


def test_complete_data_under_compound_symmetry_need_no_iteration():
    rng = np.random.default_rng(3)
    common = rng.normal(size=(15, 1))
    y = common + rng.normal(size=(15, 4))
    c = np.array([0.5, 0.5, 0.0, -1.0])
    found, _, _ = fitted(y[:7], y[7:], c, (0, 7, 14, 24), CS)
    closed = pooled_contrast_t(y[:7], y[7:], c)
    assert found.estimate == pytest.approx(closed.estimate, abs=1e-12)
    assert math.sqrt(found.variance) == pytest.approx(closed.se, abs=1e-6)
    assert found.df == pytest.approx(closed.df, rel=1e-5)


def test_measurement_error_is_taken_into_account():
    # With a share e of error, R = (1 - e) AR1 + e I: the criterion is lower there than beside.
    rng = np.random.default_rng(4)
    times, error = np.array([0.0, 7.0, 14.0, 24.0]), 0.3
    y = rng.normal(size=(16, 4))
    y[:, 1:] += 0.7 * y[:, :-1]
    found, difference, covariance = fitted(y[:8], y[8:], np.eye(4)[3], times, AR1, error)
    lag = np.abs(times[:, None] - times[None, :]) / 7.0

    def criterion(rho):
        r = (1 - error) * (rho / (1 - error)) ** lag + error * np.eye(4)
        inverse = np.linalg.inv(r)
        rss = sum(
            float(np.sum((group - group.mean(axis=0)) @ inverse * (group - group.mean(axis=0))))
            for group in (y[:8], y[8:])
        )
        return 56 * math.log(rss) + 14 * np.linalg.slogdet(r)[1]

    grid = np.linspace(0.001, 0.699, 2000)
    best = grid[np.argmin([criterion(rho) for rho in grid])]
    assert found.rho == pytest.approx(best, abs=5e-4)
    r = (1 - error) * (found.rho / (1 - error)) ** lag + error * np.eye(4)
    assert covariance == pytest.approx(found.sigma2 * r / 4.0, abs=1e-7)
    assert difference == pytest.approx(y[:8].mean(axis=0) - y[8:].mean(axis=0), abs=1e-9)


def test_what_cannot_be_fitted_is_not_ok():
    y = np.random.default_rng(5).normal(size=(8, 3))
    y[:4, 2] = math.nan  # no treated animal on the last day
    assert fitted(y[:4], y[4:], np.ones(3), (0, 7, 14), CS)[0].ok == 0.0
    tiny = np.random.default_rng(5).normal(size=(2, 3))
    assert fitted(tiny[:1], tiny[1:], np.ones(3), (0, 7, 14), CS)[0].ok == 0.0


def test_inverse():
    a = np.random.default_rng(6).normal(size=(5, 4))
    matrix, out = a.T @ a, np.zeros((4, 4))
    assert inverse_of(matrix, np.zeros((4, 4)), np.zeros((4, 4)), out)
    assert out == pytest.approx(np.linalg.inv(matrix), rel=1e-9)
    assert not inverse_of(np.ones((4, 4)), np.zeros((4, 4)), np.zeros((4, 4)), out)
