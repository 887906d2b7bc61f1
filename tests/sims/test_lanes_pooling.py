"""Pooling over lanes: equal to the scalar version, whatever stands in the other lanes."""

import numpy as np
import pytest

from sims.kernels import entry
from sims.lanes import LANES
from sims.lanes.pooling import N_RESULTS, OK, pool_block, pooling_workspace, result_at, set_study
from sims.names import ESTIMATORS
from sims.pooling import pool_studies, restricted_log_likelihood

ALL = np.array(list(ESTIMATORS.values()))
DL, PM, REML = (ESTIMATORS[name] for name in ("DL", "PM", "REML"))


@entry
def pool_lanes(yi, vi, estimators, out):
    """Pool sets of studies (n, k) in blocks, out: (n, E, N_RESULTS)."""
    k = yi.shape[1]
    work = pooling_workspace(k)
    y, v = np.empty(k), np.empty(k)
    for start in range(0, yi.shape[0], LANES):
        lanes = min(LANES, yi.shape[0] - start)
        for lane in range(lanes):
            for i in range(k):
                set_study(work, i, lane, yi[start + lane, i], vi[start + lane, i])
        pool_block(work, k, estimators, y, v)
        for lane in range(lanes):
            for e in range(estimators.shape[0]):
                for which in range(N_RESULTS):
                    out[start + lane, e, which] = work[result_at(estimators[e], which) + lane]


@entry
def pool_one_by_one(yi, vi, estimators, out):
    """As `pool_lanes`, by the scalar version."""
    for r in range(yi.shape[0]):
        for e in range(estimators.shape[0]):
            x = pool_studies(yi[r], vi[r], estimators[e])
            out[r, e, 0], out[r, e, 1], out[r, e, 2] = x.mu, x.se, x.tau2
            out[r, e, 3], out[r, e, 4] = x.hk, x.ok


def pooled(yi: np.ndarray, vi: np.ndarray, estimators: np.ndarray = ALL) -> np.ndarray:
    """Results of lanes, (n, E, N_RESULTS)."""
    out = np.empty((len(yi), len(estimators), N_RESULTS))
    pool_lanes(yi, vi, estimators, out)
    return out


def one_by_one(yi: np.ndarray, vi: np.ndarray, estimators: np.ndarray = ALL) -> np.ndarray:
    """Results of the scalar version, (n, E, N_RESULTS)."""
    out = np.empty((len(yi), len(estimators), N_RESULTS))
    pool_one_by_one(yi, vi, estimators, out)
    return out


def sets(n: int, k: int, tau: float, spread: float, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """n sets of k studies; variances lie within a factor of `spread` of 0.3."""
    generator = np.random.default_rng(seed)
    vi = 0.3 * spread ** generator.uniform(-1.0, 1.0, (n, k))
    return generator.normal(1.0, np.sqrt(vi + tau**2)), vi


def _equal(yi: np.ndarray, vi: np.ndarray) -> None:
    np.testing.assert_allclose(pooled(yi, vi), one_by_one(yi, vi), rtol=1e-9, atol=1e-9)


@pytest.mark.parametrize("k", [1, 2, 3, 6, 9, 14, 20])
@pytest.mark.parametrize("tau", [0.0, 0.5, 3.0, 1e3])
@pytest.mark.parametrize("spread", [1.0, 2.0, 8.0, 300.0])
def test_lanes_equal_the_scalar_version(k: int, tau: float, spread: float) -> None:
    # The last of 10 blocks is not full. About half of the sets at tau 0 have tau^2 = 0.
    _equal(*sets(9 * LANES + 5, k, tau, spread))


@pytest.mark.nojit
@pytest.mark.parametrize(("k", "tau"), [(1, 0.0), (2, 0.5), (5, 0.0), (9, 2.0)])
def test_lanes_equal_the_scalar_version_as_plain_python(k: int, tau: float) -> None:
    _equal(*sets(LANES + 3, k, tau, 8.0))


def test_studies_that_agree_or_are_the_same_have_no_heterogeneity() -> None:
    _, vi = sets(LANES, 6, 0.0, 4.0)
    same = np.full_like(vi, 1.25)
    _equal(same, vi)
    _equal(same, np.full_like(vi, 0.5))
    assert (pooled(same, vi)[:, 1:, 2] == 0.0).all()


@pytest.mark.nojit
@pytest.mark.parametrize("estimators", [[DL], [PM], [REML], [REML, DL], [0, PM]])
def test_estimators_do_not_depend_on_what_is_pooled_beside_them(estimators: list[int]) -> None:
    yi, vi = sets(2 * LANES, 7, 0.6, 4.0)
    alone = pooled(yi, vi, np.array(estimators))
    assert np.array_equal(alone, pooled(yi, vi)[:, estimators])


@pytest.mark.nojit
def test_lanes_do_not_depend_on_each_other() -> None:
    # Sets that take long beside sets that do not: order and company change no bit.
    (easy, easy_v), (hard, hard_v) = sets(LANES, 5, 0.0, 1.0), sets(LANES, 5, 2.0, 300.0)
    mixed = pooled(
        np.stack([easy, hard], axis=1).reshape(-1, 5),
        np.stack([easy_v, hard_v], axis=1).reshape(-1, 5),
    )
    assert np.array_equal(mixed[0::2], pooled(easy, easy_v))
    assert np.array_equal(mixed[1::2], pooled(hard, hard_v))


@pytest.mark.nojit
def test_a_hard_set_is_given_to_the_scalar_version() -> None:
    # One climb may go to and fro between the ends of its bracket here.
    yi = np.array([[0.6440795261644857, 0.9813532963279858, 1.9045156332100506,
                    1.1597547775632422, 3.382172120564493, 0.19288922077158432]])  # fmt: skip
    vi = np.array([[1.0079500080184263, 0.08048196772030372, 1.0882719630905227,
                    0.18371143019670363, 1.1263169138537412, 0.24929226744887145]])  # fmt: skip
    _equal(yi, vi)
    assert (pooled(yi, vi)[..., OK] == 1.0).all()


# Two maxima of the restricted likelihood each; the iteration from DL finds the lower one.
TWO_MAXIMA = [
    ([1.34094485, 0.9867509, 4.7150032], [0.16113792, 0.05482938, 2.34630737]),
    ([-2.79284354, 0.58119039, 0.31227211], [1.91557489, 0.04395095, 0.168498]),
    ([3.66154854, -0.56287545, -0.36857021], [2.25907665, 0.04360954, 0.04055929]),
]


@pytest.mark.nojit
def test_reml_is_the_highest_of_two_maxima() -> None:
    yi, vi = (np.array(part) for part in zip(*TWO_MAXIMA, strict=True))
    _equal(yi, vi)
    grid = np.linspace(0.0, 5.0, 501)
    for y, v, tau2 in zip(yi, vi, pooled(yi, vi)[:, REML, 2], strict=True):
        heights = [restricted_log_likelihood(y, v, t) for t in grid]
        turns = np.diff(np.sign(np.diff(heights)))
        assert (turns < 0).sum() + (heights[0] > heights[1]) == 2
        assert restricted_log_likelihood(y, v, tau2) >= max(heights)


def test_a_lane_that_fails_is_marked_and_leaves_the_others_alone() -> None:
    # An effect that is no number: nothing can converge.
    yi, vi = sets(LANES, 4, 1.0, 2.0)
    whole = pooled(yi, vi)
    yi[7, 2] = np.nan
    failed = pooled(yi, vi)
    others = np.arange(LANES) != 7
    assert np.array_equal(failed[others], whole[others])
    assert failed[7, [PM, REML], OK].tolist() == [0.0, 0.0]
    assert (whole[..., OK] == 1.0).all()
