"""The selection model over lanes against the one study by study, and its grid of starts."""

import math

import numpy as np
import pytest
from scipy import optimize, stats

from sims.corrections import _ranks
from sims.kernels import entry
from sims.lanes import LANES
from sims.lanes import selection_block as block
from sims.lanes.corrections import correct_many
from sims.selection_models import by_likelihood
from sims.selection_step import step_slopes
from sims.smallstudy_names import CORRECTIONS

LOGLIK = 8  # of the fields of `Corrected`


@entry
def _look(yi, vi, points, out):
    # One synthesis and one point for each lane; out (LANES, 10).
    k = yi.shape[1]
    work = np.ones((block.STUDIES + block.N_ROWS * k) * LANES)
    for lane in range(LANES):
        block.set_studies(work, lane, yi, vi, lane)
        work[block.MU * LANES + lane] = points[lane, 0]
        work[block.TAU2 * LANES + lane] = points[lane, 1]
        work[block.LOG_WEIGHT * LANES + lane] = points[lane, 2]
    block.look(work, k)
    for lane in range(LANES):
        x = block.slopes(work, k, lane)
        for i in range(10):
            out[lane, i] = x[i]


@entry
def _one_by_one(yi, vi, points, out):
    for r in range(len(yi)):
        x = step_slopes(yi[r], vi[r], points[r, 0], points[r, 1], points[r, 2])
        for i in range(10):
            out[r, i] = x[i]


@entry
def _by_likelihood(yi, vi, truth, out):
    for r in range(len(yi)):
        x = by_likelihood(yi[r], vi[r], truth[r], True)
        for i in range(9):
            out[r, i] = x[i]


@entry
def _rank_sums(y, mu, out):
    for r in range(len(y)):
        out[r, 0], out[r, 1] = _ranks(y[r], mu[r])


def _sets(k: int, m: int, mu: float, tau: float, weight: float) -> tuple[np.ndarray, np.ndarray]:
    """Studies (m, k) of which results that are not significant are published with `weight`."""
    rng = np.random.default_rng(k)
    run = k if weight == 1.0 else 12 * k
    n = rng.integers(4, 13, (m, run))
    yi = rng.normal(mu, np.sqrt(tau**2 + 2.0 / n))
    vi = 2.0 / n + yi**2 / (4.0 * n)
    kept = (yi > 1.96 * np.sqrt(vi)) | (rng.random((m, run)) < weight)
    first = np.argsort(~kept, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(yi, first, 1), np.take_along_axis(vi, first, 1)


def _lanes(yi: np.ndarray, vi: np.ndarray, truth: np.ndarray) -> np.ndarray:
    out = np.empty((len(yi), 9))
    correct_many(yi, vi, CORRECTIONS["sel3"], truth, 1, 1.0, math.inf, out)
    return out


@pytest.mark.nojit
@pytest.mark.parametrize("k", [1, 7, 19, 40])
def test_the_likelihood_over_lanes_is_that_of_study_by_study(k: int) -> None:
    # Also far from the data, at tau2 = 0, and where hardly anything, or everything, is published.
    rng = np.random.default_rng(k)
    vi = rng.uniform(0.05, 1.0, (LANES, k))
    yi = rng.normal(0.5, np.sqrt(0.3 + vi))
    some = [[0.5, 0.3, -1.0], [-3.0, 0.0, -12.0], [2.0, 5.0, 8.0], [0.4, 0.01, 0.0]]
    points = np.array([some[lane % 4] for lane in range(LANES)])
    found, expected = np.empty((LANES, 10)), np.empty((LANES, 10))
    _look(yi, vi, points, found)
    _one_by_one(yi, vi, points, expected)
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-10 * k)


@pytest.mark.parametrize(
    ("k", "mu", "tau", "weight"),
    [(3, 1.4, 0.9, 1.0), (5, 0.3, 0.9, 0.2), (9, 0.6, 0.9, 0.2), (9, 0.6, 0.0, 1.0),
     (19, 1.4, 0.9, 1.0), (40, 0.3, 0.2, 0.1)],
)  # fmt: skip
def test_maxima_over_lanes_are_those_of_study_by_study(
    k: int, mu: float, tau: float, weight: float
) -> None:
    yi, vi = _sets(k, 500, mu, tau, weight)
    yi[7], vi[7] = 9.0, 0.1  # all significant: not estimated
    truth = np.full(len(yi), mu)
    expected = np.empty((len(yi), 9))
    _by_likelihood(yi, vi, truth, expected)
    found = _lanes(yi, vi, truth)
    ok = expected[:, 4] == 1.0
    assert 50 < ok.sum() < 500
    same = ok & (np.abs(found[:, LOGLIK] - expected[:, LOGLIK]) < 1e-9)
    np.testing.assert_allclose(found[same][:, [0, 5, 6]], expected[same][:, [0, 5, 6]], atol=1e-9)
    # Standard errors are taken where the last step begins.
    np.testing.assert_allclose(found[same], expected[same], rtol=1e-5, atol=1e-9)
    np.testing.assert_array_equal(found[~ok, 4], 0.0)
    # The finer grid finds what is never lower, and rarely higher: in 2 of 10,000 such sets.
    assert np.all(found[ok & ~same, LOGLIK] < expected[ok & ~same, LOGLIK])
    assert np.sum(ok & ~same) <= 2


@pytest.mark.parametrize(
    ("yi", "vi", "loglik", "mu"),
    [
        # A study that is much more precise than the others, as metafor's selmodel finds it;
        ((-1.878772, 1.536336, 4.365707), (3.005547, 0.001553265, 3.428294), -3.037, 1.53),
        # and two maxima, nearly as high, of which its search ends in the lower one.
        ((-0.8412, -0.5985, 0.812, 0.1377, 2.8021), (0.20115, 0.17641, 0.3115, 0.20209, 0.8688),
         -7.787, -0.30),
    ],
)  # fmt: skip
def test_the_higher_maximum_is_found(
    yi: tuple[float, ...], vi: tuple[float, ...], loglik: float, mu: float
) -> None:
    one = np.empty((1, 9))
    _by_likelihood(np.array([yi]), np.array([vi]), np.zeros(1), one)
    for found in (one, _lanes(np.array([yi]), np.array([vi]), np.zeros(1))):
        assert found[0, LOGLIK] == pytest.approx(loglik, abs=1e-3)
        assert found[0, 0] == pytest.approx(mu, abs=0.01)


@pytest.mark.nojit
def test_what_a_lane_finds_depends_on_no_other() -> None:
    yi, vi = _sets(6, 2 * LANES + 3, 0.5, 0.8, 0.3)
    truth = np.linspace(0.0, 1.0, len(yi))
    together = _lanes(yi, vi, truth)
    for some in (slice(0, 1), slice(LANES - 1, LANES + 1), slice(60, 67)):
        alone = _lanes(yi[some].copy(), vi[some].copy(), truth[some].copy())
        np.testing.assert_array_equal(alone, together[some])


def test_nothing_higher_is_found_from_a_finer_grid() -> None:
    # scipy climbs from 12 points of each of 15 sets (seed 5).
    yi, vi = _sets(5, 15, 0.3, 0.9, 0.2)
    found = _lanes(yi, vi, np.zeros(len(yi)))
    point, slopes = np.empty((1, 3)), np.empty((1, 10))
    tried = 0
    for r in np.flatnonzero(found[:, 4] == 1.0):
        y, v = yi[r : r + 1].copy(), vi[r : r + 1].copy()

        def minus(x: np.ndarray, y: np.ndarray = y, v: np.ndarray = v) -> tuple[float, np.ndarray]:
            point[0] = x
            _one_by_one(y, v, point, slopes)
            return -slopes[0, 0], -slopes[0, 1:4]

        for mu in np.linspace(y.mean() - 3.0, y.mean() + 0.5, 4):
            for tau2 in (0.0, 0.5, 3.0):
                got = optimize.minimize(
                    minus, [mu, tau2, -1.0], jac=True, method="L-BFGS-B",
                    bounds=[(-20, 20), (0, 50), (-30, 30)],
                )  # fmt: skip
                inside = abs(got.x[2]) < 29.0 and abs(got.x[0]) < 19.0 and got.x[1] < 49.0
                if inside:
                    tried += 1
                    assert -got.fun <= found[r, LOGLIK] + 1e-6
    assert tried > 100


@pytest.mark.nojit
def test_ranks_of_trim_and_fill_are_those_of_sorted_distances() -> None:
    # A grid of values makes ties and distances of 0.
    rng = np.random.default_rng(3)
    y = np.sort(rng.integers(-4, 5, (200, 7)) / 2.0, axis=1)
    mu = rng.integers(-4, 5, 200) / 2.0
    found = np.empty((200, 2))
    _rank_sums(y, mu, found)
    for r in range(200):
        away = y[r] - mu[r]
        rank = stats.rankdata(np.abs(away), method="ordinal")  # of ties the first one first
        assert found[r, 0] == rank[away > 0].sum()
        assert found[r, 1] == max(rank[away < 0], default=0)
