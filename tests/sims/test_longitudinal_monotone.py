"""The closed-form REML of monotone data: nlme, direct maximization, and complete data."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from sims.kernels import entry
from sims.longitudinal import contrast_t
from sims.longitudinal_monotone import fit_monotone, new_monotone_work
from sims.longitudinal_reml import moments_of

PINNED = json.loads((Path(__file__).parents[1] / "reference" / "decay_monotone.json").read_text())
CASES = PINNED["cases"]


@entry
def fit(moments, c, difference, covariance, known, work):
    return fit_monotone(moments, c, difference, covariance, known, work)


def data(case):
    y = np.array([[math.nan if v is None else v for v in row] for row in case["y"]], dtype=float)
    return y[: case["n1"]], y[case["n1"] :], np.array(case["c"], dtype=float)


def fitted(treated, control, c, known=False):
    m = len(c)
    difference, covariance = np.zeros(m), np.zeros((m, m))
    moments = moments_of(treated, control)
    found = fit(moments, c, difference, covariance, known, new_monotone_work(m))
    return found, difference, covariance


@pytest.mark.nojit
@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case['n1']}-{len(case['days'])}")
def test_it_is_reml_with_an_unstructured_covariance(case):
    treated, control, c = data(case)
    found, difference, covariance = fitted(treated, control, c, known=True)
    assert found.ok == 1.0
    direct = case["direct"]
    # gls stops within 1e-6 of the maximum; the direct one by Newton's steps
    for expected, tolerance in ((case["gls"], 1e-6), (direct, 1e-8)):
        assert found.estimate == pytest.approx(expected["estimate"], abs=tolerance)
        assert math.sqrt(found.variance) == pytest.approx(expected["se"], abs=tolerance)
    assert difference == pytest.approx(np.array(direct["difference"]), abs=1e-8)
    assert covariance == pytest.approx(np.array(direct["covariance"]), abs=1e-8)
    assert found.nu == np.isfinite(np.r_[treated, control][:, -1]).sum() - 2


@pytest.mark.nojit
def test_complete_data_are_the_contrast_of_each_animal():
    # also with fewer animals than a covariance of all days needs
    rng = np.random.default_rng(7)
    for n1, n2, m in ((6, 9, 4), (2, 2, 5), (3, 2, 2)):
        y = rng.normal(size=(n1 + n2, m)) @ rng.normal(size=(m, m))
        c = rng.normal(size=m)
        found, difference, covariance = fitted(y[:n1], y[n1:], c)
        expected = contrast_t(y[:n1], y[n1:], c)
        assert found.estimate == pytest.approx(expected.estimate, rel=1e-12)
        assert math.sqrt(found.variance) == pytest.approx(expected.se, rel=1e-12)
        assert found.nu == expected.df
        away = [group - group.mean(axis=0) for group in (y[:n1], y[n1:])]
        pooled = sum(a.T @ a for a in away) / (n1 + n2 - 2) * (1 / n1 + 1 / n2)
        assert covariance == pytest.approx(pooled, rel=1e-12)
        assert difference == pytest.approx(y[:n1].mean(axis=0) - y[n1:].mean(axis=0))


def regression_of(y, group, seen, days):
    """Least squares of the last of `days` on a mean for each group and the days before."""
    rows = np.column_stack([group == 0, group == 1, y[:, : days - 1]])[seen].astype(float)
    return rows, y[seen, days - 1]


@pytest.mark.nojit
@pytest.mark.parametrize("lost", [(2, 7, 9), (0, 1, 10, 11)])
def test_the_variance_has_the_error_of_the_slopes(lost):
    # Given the first days, the last day's difference is what its regression predicts where both
    # groups have the first days of all animals: ordinary least squares says with which error.
    rng = np.random.default_rng(11)
    group = np.repeat([0, 1], 6)
    y = rng.normal(size=(12, 3)) @ rng.normal(size=(3, 3))
    y[list(lost), 2] = math.nan
    seen = np.isfinite(y[:, 2])
    rows, outcome = regression_of(y, group, seen, 3)
    beta, rest = np.linalg.lstsq(rows, outcome, rcond=None)[:2]
    before = y[:6, :2].mean(axis=0) - y[6:, :2].mean(axis=0)
    at = np.r_[1.0, -1.0, before]
    own = rest[0] / (seen.sum() - 2) * (at @ np.linalg.inv(rows.T @ rows) @ at)
    first = [part - part.mean(axis=0) for part in (y[:6, :2], y[6:, :2])]
    matrix = sum(part.T @ part for part in first) / 10 * (1 / 6 + 1 / 6)
    found, difference, covariance = fitted(y[:6], y[6:], np.eye(3)[2])
    assert found.estimate == pytest.approx(at @ beta, rel=1e-9)
    assert difference[2] == found.estimate
    assert found.variance == pytest.approx(own + beta[2:] @ matrix @ beta[2:], rel=1e-9)
    assert covariance[2, 2] == found.variance
    assert covariance[:2, :2] == pytest.approx(matrix, rel=1e-9)
    assert found.variance > fitted(y[:6], y[6:], np.eye(3)[2], known=True)[0].variance
    assert found.nu == seen.sum() - 2


def test_one_lost_animal_moves_little():
    # The estimate of what is lost comes from the days before: exactly so if they determine it.
    rng = np.random.default_rng(8)
    y = rng.normal(size=(16, 3))
    y[:, 2] = 0.7 * y[:, 0] - 0.2 * y[:, 1] + 1e-6 * rng.normal(size=16)
    c = np.array([1.0, 0.0, -1.0])
    complete = fitted(y[:8], y[8:], c)[0]
    y[3, 2] = math.nan
    lost = fitted(y[:8], y[8:], c)[0]
    assert lost.estimate == pytest.approx(complete.estimate, abs=1e-5)
    assert lost.variance == pytest.approx(complete.variance, rel=1e-4)
    assert lost.nu == complete.nu - 1


def test_what_cannot_be_fitted_is_not_ok():
    y = np.random.default_rng(5).normal(size=(8, 3))
    gone = y.copy()
    gone[:4, 2] = math.nan  # no treated animal on the last day
    assert fitted(gone[:4], gone[4:], np.ones(3))[0].ok == 0.0
    few = y.copy()
    few[[0, 1, 4, 5], 1:] = math.nan
    few[2, 2] = math.nan  # three animals, one slope too many
    assert fitted(few[:4], few[4:], np.ones(3))[0].ok == 0.0
