"""Cluster-robust standard errors: against clubSandwich, dense matrices, and simulation."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sims.pooling import moments
from sims.robust import cr2, robust_summary

REFERENCE = json.loads(
    (Path(__file__).parents[1] / "reference" / "robust.json").read_text(encoding="utf-8")
)
FIELDS = ("estimate", "se", "stat", "df", "pval", "ci_lb", "ci_ub")


def _arrays(case: dict[str, Any]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    return np.array(case["yi"]), np.array(case["vi"]), np.array(case["cluster"])


@pytest.mark.parametrize("case", REFERENCE["sets"], ids=lambda case: case["source"])
def test_robust_summary_equals_clubsandwich(case: dict[str, Any]) -> None:
    yi, vi, cluster = _arrays(case)
    found = robust_summary(yi, vi, case["tau2"], cluster)
    for name in FIELDS:
        assert getattr(found, name) == pytest.approx(case[name], rel=1e-8, abs=1e-12), name


@pytest.mark.nojit
@pytest.mark.parametrize("which", [5, 6, 7])
def test_cr2_equals_dense_matrices(which: int) -> None:
    yi, vi, cluster = _arrays(REFERENCE["sets"][which])
    tau2 = REFERENCE["sets"][which]["tau2"]
    se, df = cr2(yi, vi, tau2, cluster)
    phi = vi + tau2
    w, k = 1.0 / phi, len(yi)
    residual_maker = np.eye(k) - np.outer(np.ones(k), w) / w.sum()
    vectors = []
    for c in np.unique(cluster):
        own = np.flatnonzero(cluster == c)
        d = np.diag(np.sqrt(phi[own]))
        rows = residual_maker[own]
        values, q = np.linalg.eigh(d @ rows @ np.diag(phi) @ rows.T @ d)
        adjust = d @ q @ np.diag(values**-0.5) @ q.T @ d
        vectors.append(rows.T @ adjust @ w[own] / w.sum())
    g = np.array(vectors)
    p = g @ np.diag(phi) @ g.T
    assert se == pytest.approx(math.sqrt(np.sum((g @ yi) ** 2)), rel=1e-9)
    assert df == pytest.approx(np.trace(p) ** 2 / np.sum(p * p), rel=1e-9)
    # Unbiased under the working model.
    assert np.trace(p) == pytest.approx(1.0 / w.sum(), rel=1e-10)


def test_clusters_of_one_with_equal_variances_are_students_t() -> None:
    yi = np.array([0.3, 1.9, 0.8, -0.4, 1.1])
    se, df = cr2(yi, np.full(5, 0.2), 0.3, np.arange(5))
    assert (se, df) == (pytest.approx(yi.std(ddof=1) / math.sqrt(5)), pytest.approx(4.0))


def test_labels_may_be_words_in_any_order() -> None:
    yi, vi = np.array([0.3, 1.9, 0.8, -0.4, 1.1]), np.array([0.2, 0.1, 0.3, 0.2, 0.5])
    one = robust_summary(yi, vi, 0.1, np.array(["b", "a", "b", "c", "a"]))
    order = [4, 0, 3, 1, 2]
    other = robust_summary(yi[order], vi[order], 0.1, np.array([7, 2, 9, 7, 2]))
    np.testing.assert_allclose(one, other, rtol=1e-12)


def test_one_cluster_has_no_standard_error() -> None:
    found = robust_summary(np.array([0.3, 1.9]), np.array([0.2, 0.1]), 0.0, np.array([1, 1]))
    assert found.estimate == pytest.approx((0.3 / 0.2 + 1.9 / 0.1) / 15.0)
    assert all(math.isnan(x) for x in found[1:])


def test_wrong_labels_are_refused() -> None:
    with pytest.raises(ValueError, match="label"):
        robust_summary(np.array([0.3, 1.9]), np.array([0.2, 0.1]), 0.0, np.array([1]))


def test_coverage_of_dependent_comparisons() -> None:
    # Seed 8, 1500 syntheses of 12 clusters of 3 whose true effects are shared, v = 0.1, tau 1,
    # DL. By symmetry the balanced CR2 is a t with 11 df: coverage 95%, within 4 MCSEs of 0.56%.
    # Wald's covers 95% only if the three comparisons were independent.
    rng = np.random.default_rng(8)
    n, cluster = 1500, np.repeat(np.arange(12), 3)
    theta = rng.standard_normal((n, 12))[:, cluster]
    yi = theta + rng.standard_normal((n, 36)) * math.sqrt(0.1)
    vi = np.full(36, 0.1)
    robust, wald = 0, 0
    for y in yi:
        tau2, _ = moments(y, vi)
        found = robust_summary(y, vi, tau2, cluster)
        robust += found.ci_lb < 0.0 < found.ci_ub
        wald += abs(found.estimate) < 1.96 * math.sqrt((0.1 + tau2) / 36)
    assert abs(robust / n - 0.95) < 4.0 * math.sqrt(0.95 * 0.05 / n)
    assert wald / n < 0.80
