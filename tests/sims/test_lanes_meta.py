"""Tallies of meta-analyses: equal to single replicates, whose studies are the scalar version's."""

from typing import NamedTuple

import numpy as np
import pytest
from scipy.special import ndtr

from sims.engine import run_tally
from sims.exact import t_quantile
from sims.kernels import entry
from sims.lanes import LANES
from sims.lanes.meta import (
    ESTIMATOR_SUMS,
    INTERVAL_SUMS,
    UPDATE_INTERVAL_SUMS,
    UPDATE_SUMS,
    replicate_syntheses,
    replicate_updates,
    sums_shape,
    tally_syntheses,
    tally_updates,
)
from sims.performance import Z95
from sims.pooling import interval_se
from sims.streams import draw_normal, draw_uniform, open_stream, scenario_key, stream_key
from sims.syntheses import draw_synthesis, effect, make_studies
from sims.types import Studies
from tests.sims.helpers import U, known
from tests.sims.test_lanes_pooling import ALL, one_by_one

KEY = scenario_key("test")
N, P = np.array([4, 6, 9, 12]), np.array([0.4, 0.3, 0.2, 0.1])
POINT = np.array([1.4]), np.array([0.9])
TRUTHS = np.array([0.2, 1.4, 5.0]), np.array([0.0, 0.9, 2.4])
CASES = {
    "one study": make_studies(N, P, 1),
    "drawn sizes": make_studies(N, P, 9),
    "fixed sizes": make_studies(N, P, 4, fixed=[12, 4, 4, 9]),
    "clusters": make_studies(N, P, 6, cluster=[0, 0, 1, 2, 2, 2], share=0.7),
    "known": known([0.4, 0.1, 0.4, 2.0]),
}  # fmt: skip


class Replicates(NamedTuple):
    """Single replicates: truth (R, 4), yi and vi (R, k), pooled (R, E, 5)."""

    truth: np.ndarray
    yi: np.ndarray
    vi: np.ndarray
    pooled: np.ndarray


def critical(k: int, given: int | None = None) -> np.ndarray:
    """Rows (code, critical value, of the prediction interval[, of the given studies alone])."""

    def row(code: int) -> list[float]:
        values = [
            Z95 if code == 0 else float(t_quantile(0.025, n - 1.0)) if n > 1 else np.nan
            for n in (k, k if given is None else given)
        ]
        return [code, values[0], values[0]] + ([] if given is None else [values[1]])

    return np.array([row(code) for code in range(3)])


def replicates(
    studies: Studies, n: int, truths: tuple[np.ndarray, np.ndarray] = TRUTHS,
    first: int = 0, seed: int = 1, estimators: np.ndarray = ALL,
) -> Replicates:  # fmt: skip
    """Replicates of new syntheses."""
    k = len(studies.fixed)
    out = Replicates(
        np.empty((n, 4)), np.empty((n, k)), np.empty((n, k)), np.empty((n, len(estimators), 5))
    )
    replicate_syntheses(U(seed), KEY, first, *truths, studies, estimators, *out)
    return out


def sums(
    studies: Studies, n: int, truths: tuple[np.ndarray, np.ndarray] = TRUTHS,
    first: int = 0, seed: int = 1, estimators: np.ndarray = ALL,
) -> np.ndarray:  # fmt: skip
    """Sums of new syntheses."""
    rows = critical(len(studies.fixed))
    out = np.zeros(sums_shape(len(estimators), len(rows)))
    tally_syntheses(U(seed), KEY, first, n, *truths, studies, estimators, rows, out)
    return out


def sums_of(x: Replicates, rows: np.ndarray, own: np.ndarray | None = None) -> np.ndarray:
    """The sums of a tally from single replicates, added up by numpy."""
    mu, tau2 = x.truth[:, 0], x.truth[:, 1]
    out = []
    for e in range(x.pooled.shape[1]):
        estimate, between, ok = x.pooled[:, e, 0], x.pooled[:, e, 2], x.pooled[:, e, 4]
        errors, errors_tau2 = estimate - mu, between - tau2
        values = [ok, *(errors**p for p in range(1, 5)), *(errors_tau2**p for p in range(1, 5))]
        if own is not None:
            shift = estimate - own[:, e, 0]
            values += [shift, shift**2, abs(shift)]
        for code, value, value_pi, *value_own in rows:
            se, low, high = _interval(x.pooled[:, e], int(code), value)
            half_pi = value_pi * np.sqrt(se**2 + between)
            inside = chance_inside(estimate, half_pi, mu, tau2)
            values += [
                low > 0.0, high < 0.0, (low <= mu) & (mu <= high), high - low, (high - low) ** 2,
                inside, inside**2, abs(estimate) > half_pi,
            ]  # fmt: skip
            if own is not None:
                _, own_low, own_high = _interval(own[:, e], int(code), value_own[0])
                side = 1 * (low > 0.0) - (high < 0.0)
                values.append(side != 1 * (own_low > 0.0) - (own_high < 0.0))
        out.append([np.sum(value * ok) for value in values])
    return np.array(out, dtype=float)


def chance_inside(
    estimate: np.ndarray, half: np.ndarray, mu: np.ndarray, tau2: np.ndarray
) -> np.ndarray:
    """Chance that the effect of a further laboratory, N(mu, tau2), lies in estimate -+ half."""
    with np.errstate(divide="ignore", invalid="ignore"):
        low, high = ((estimate + sign * half - mu) / np.sqrt(tau2) for sign in (-1.0, 1.0))
        chance = np.where(tau2 > 0.0, ndtr(high) - ndtr(low), abs(estimate - mu) <= half)
    return np.where(np.isnan(half), 0.0, chance)


def _interval(pooled: np.ndarray, code: int, value: float) -> tuple[np.ndarray, ...]:
    se = np.array([interval_se(row[1], row[3], code) for row in pooled])
    return se, pooled[:, 0] - value * se, pooled[:, 0] + value * se


@entry
def draw_one_by_one(seed, scenario, first, mu, tau, studies, yi, vi):
    """Studies (n, k) of consecutive replicates by the scalar version of the draws."""
    key = stream_key(seed, scenario)
    k = yi.shape[1]
    effects = np.zeros(k)  # as many clusters as studies at most
    deviation, factor, size = np.zeros(k), np.zeros(k), np.zeros(k, np.int64)
    effects = effects[: studies.cluster.max() + 1]
    for r in range(yi.shape[0]):
        state = open_stream(key, np.uint64(first + r))
        u, state = draw_uniform(state)
        _, state = draw_normal(state)
        j = int(u * mu.shape[0])
        draw_synthesis(state, tau[j], studies, effects, deviation, factor, size)
        for i in range(k):
            a, b = studies.terms[size[i], 1], studies.terms[size[i], 2]
            yi[r, i], vi[r, i] = effect(mu[j], deviation[i], factor[i], a, b)


# New syntheses -----------------------------------------------------------------------------


@pytest.mark.nojit
@pytest.mark.parametrize("case", CASES)
def test_studies_are_those_of_the_scalar_version_to_the_last_bit(case: str) -> None:
    x = replicates(CASES[case], 2 * LANES + 5, first=9)
    yi, vi = np.empty_like(x.yi), np.empty_like(x.vi)
    draw_one_by_one(U(1), KEY, 9, *TRUTHS, CASES[case], yi, vi)
    assert np.array_equal(x.yi, yi)
    assert np.array_equal(x.vi, vi)


@pytest.mark.nojit
@pytest.mark.parametrize("case", CASES)
def test_replicates_are_pooled_as_by_the_scalar_version(case: str) -> None:
    x = replicates(CASES[case], 2 * LANES + 5)
    np.testing.assert_allclose(x.pooled, one_by_one(x.yi, x.vi), rtol=1e-9, atol=1e-9)


@pytest.mark.nojit
@pytest.mark.parametrize("case", CASES)
@pytest.mark.parametrize("n_sim", [1, 3 * LANES + 7])
def test_sums_are_those_of_the_replicates(case: str, n_sim: int) -> None:
    studies = CASES[case]
    expected = sums_of(replicates(studies, n_sim), critical(len(studies.fixed)))
    assert expected.shape == sums_shape(len(ALL), 3)
    np.testing.assert_allclose(sums(studies, n_sim), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.nojit
def test_what_is_not_asked_of_the_prediction_interval_is_not_summed() -> None:
    studies, rows = CASES["drawn sizes"], critical(9)
    rows[1, 2] = np.nan
    out, n_own = np.zeros(sums_shape(len(ALL), len(rows))), len(ESTIMATOR_SUMS)
    tally_syntheses(U(1), KEY, 0, LANES + 3, *TRUTHS, studies, ALL, rows, out)
    expected = sums(studies, LANES + 3)
    places = [n_own + len(INTERVAL_SUMS) + INTERVAL_SUMS.index(name)
              for name in ("pi_cover", "pi_cover_sq", "pi_excludes_zero")]  # fmt: skip
    assert (expected[:, places] > 0.0).any()
    expected[:, places] = 0.0
    assert np.array_equal(out, expected)


def test_equally_likely_truths_are_picked_equally_often() -> None:
    # Seed 2, 30,000 replicates, 3 truths: each picked within 4 standard errors of a third; the
    # further laboratory's effect is N(mu, tau^2) and independent of the pick.
    x = replicates(CASES["one study"], 30_000, seed=2)
    mu, tau2, theta_new, picked = x.truth.T
    assert np.array_equal(mu, TRUTHS[0][picked.astype(int)])
    assert np.array_equal(tau2, TRUTHS[1][picked.astype(int)] ** 2)
    counts = np.bincount(picked.astype(int))
    assert (abs(counts - 10_000) < 4.0 * np.sqrt(30_000 * 2 / 9)).all()
    assert np.array_equal(theta_new[tau2 == 0.0], mu[tau2 == 0.0])
    z = (theta_new - mu)[tau2 > 0.0] / np.sqrt(tau2[tau2 > 0.0])
    assert abs(z.mean()) < 4.0 / np.sqrt(len(z))
    assert abs(np.mean(z**2) - 1.0) < 4.0 * np.sqrt(2.0 / len(z))


# Streams -----------------------------------------------------------------------------------


@pytest.mark.nojit
def test_k_studies_are_the_first_of_more_and_meet_the_same_further_laboratory() -> None:
    nine, six = (replicates(make_studies(N, P, k), LANES + 3) for k in (9, 6))
    assert np.array_equal(nine.yi[:, :6], six.yi)
    assert np.array_equal(nine.vi[:, :6], six.vi)
    assert np.array_equal(nine.truth, six.truth)


@pytest.mark.nojit
def test_a_replicate_depends_only_on_its_number_and_the_seed() -> None:
    studies = CASES["drawn sizes"]
    whole, part = replicates(studies, 2 * LANES + 9), replicates(studies, LANES, first=11)
    for one, other in zip(part, whole, strict=True):
        assert np.array_equal(one, other[11 : 11 + LANES])
    assert not np.array_equal(replicates(studies, LANES, seed=2).yi, whole.yi[:LANES])


@pytest.mark.nojit
def test_a_point_truth_and_one_of_several_share_their_random_numbers() -> None:
    several = replicates(CASES["known"], 3 * LANES)
    alone = replicates(CASES["known"], 3 * LANES, truths=POINT)
    same = several.truth[:, 3] == 1.0
    assert np.array_equal(several.yi[same], alone.yi[same])


def test_sums_of_parts_add_up_to_the_whole() -> None:
    studies = CASES["drawn sizes"]
    whole = sums(studies, 1000)
    parts = sums(studies, 613) + sums(studies, 387, first=613)
    np.testing.assert_allclose(parts, whole, rtol=1e-12)


def test_workers_change_nothing() -> None:
    # Nine tasks: the fewest that start a pool of threads, at the price of two thousand more.
    studies, rows, estimators = make_studies(N, P, 2), critical(2), np.array([1])

    def tally(first: int, count: int, out: np.ndarray) -> None:
        tally_syntheses(U(1), KEY, first, count, *POINT, studies, estimators, rows, out)

    n_sim, shape = 8 * 65_536 + 2_000, sums_shape(1, 3)
    one = run_tally(tally, n_sim, shape, jobs=1)
    assert np.array_equal(one, run_tally(tally, n_sim, shape, jobs=2))
    assert one[0, 0] == n_sim


# Updates -----------------------------------------------------------------------------------

SETS = CASES["drawn sizes"]


def _sets(n_sets: int, k: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """Given sets of studies, (J, k)."""
    x = replicates(make_studies(N, P, k), n_sets, first=1000)
    return x.yi, x.vi


def _truths(n_sets: int) -> tuple[np.ndarray, np.ndarray]:
    return np.linspace(0.0, 3.0, n_sets), np.linspace(0.0, 1.5, n_sets)


def _updated(n: int, m: int, n_sets: int = 5, k: int = 6, seed: int = 1) -> Replicates:
    out = Replicates(
        np.empty((n, 4)), np.empty((n, k + m)), np.empty((n, k + m)), np.empty((n, len(ALL), 5))
    )
    new = make_studies(N, P, m)
    replicate_updates(
        U(seed), KEY, 0, *_sets(n_sets, k), *_truths(n_sets), new, ALL, *out
    )  # fmt: skip
    return out


def _update_sums(n: int, m: int, n_sets: int = 5, k: int = 6, seed: int = 1) -> np.ndarray:
    rows = critical(k + m, given=k)
    out = np.zeros(sums_shape(len(ALL), len(rows), updates=True))
    new = make_studies(N, P, m)
    tally_updates(
        U(seed), KEY, 0, n, *_sets(n_sets, k), *_truths(n_sets), new, ALL, rows, out
    )  # fmt: skip
    return out


@pytest.mark.nojit
def test_an_update_holds_a_given_set_and_new_studies_of_its_truth() -> None:
    x, (set_y, set_v) = _updated(LANES + 3, 3), _sets(5)
    picked = x.truth[:, 3].astype(int)
    assert set(picked) == set(range(5))
    assert np.array_equal(x.yi[:, :6], set_y[picked])
    assert np.array_equal(x.vi[:, :6], set_v[picked])
    new = replicates(make_studies(N, P, 3), LANES + 3, truths=_truths(5))
    assert np.array_equal(x.yi[:, 6:], new.yi)
    assert np.array_equal(x.vi[:, 6:], new.vi)
    assert np.array_equal(x.truth, new.truth)
    np.testing.assert_allclose(x.pooled, one_by_one(x.yi, x.vi), rtol=1e-9, atol=1e-9)


@pytest.mark.nojit
@pytest.mark.parametrize("m", [0, 1, 4])
@pytest.mark.parametrize("k", [1, 6])
def test_sums_of_updates_are_those_of_the_replicates(m: int, k: int) -> None:
    n_sim = 2 * LANES + 7
    x, (set_y, set_v) = _updated(n_sim, m, k=k), _sets(5, k)
    own = one_by_one(set_y, set_v)[x.truth[:, 3].astype(int)]
    expected = sums_of(x, critical(k + m, given=k), own)
    assert expected.shape == sums_shape(len(ALL), 3, updates=True)
    np.testing.assert_allclose(_update_sums(n_sim, m, k=k), expected, rtol=1e-9, atol=1e-9)


@pytest.mark.nojit
def test_no_new_studies_leave_a_set_exactly_as_it_is() -> None:
    # Whatever the seed: the same bits as the set pooled alone, no shift, no change.
    x, (set_y, set_v) = _updated(LANES + 3, 0, seed=8), _sets(5)
    picked = x.truth[:, 3].astype(int)
    alone = _updated(LANES, 0, seed=9)
    for j in range(5):
        first = alone.pooled[alone.truth[:, 3] == j][0]
        assert (x.pooled[picked == j] == first).all()
    np.testing.assert_allclose(x.pooled, one_by_one(set_y, set_v)[picked], rtol=1e-9, atol=1e-9)
    own = len(ESTIMATOR_SUMS) + len(UPDATE_SUMS)
    each = len(INTERVAL_SUMS) + len(UPDATE_INTERVAL_SUMS)
    for row in _update_sums(LANES + 3, 0, seed=8):
        assert (row[len(ESTIMATOR_SUMS) : own] == 0.0).all()
        assert (row[own + each - 1 :: each] == 0.0).all()
