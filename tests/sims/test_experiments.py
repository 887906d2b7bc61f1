"""Simulated two-arm experiments: against raw data, numpy, exact values, and each other."""

import math

import numpy as np
import pytest
from scipy import special, stats

from sims.engine import CHUNK, CHUNKS_PER_TASK, run_tally
from sims.exact import Student, Welch
from sims.lanes import LANES
from sims.lanes.experiments import N_SUMS, SUMS, tally_student
from sims.types import TwoArm
from tests.sims.helpers import (
    MCSES,
    P_BINOMIAL,
    U,
    binomial_p,
    first_normals,
    first_uniforms,
    mcses_off,
    named,
    pooled_tables,
    raw_experiments,
    rows,
    student_design,
    student_replicates,
    student_sums,
    sums_of,
    truth,
    welch_design,
    welch_sums,
)

COUNTS = [SUMS.index(name) for name in ("benefit", "harm", "wrong_sign")]
MIXED = [
    student_design(4, 4),
    student_design(5, 13),
    student_design(8, 8, margin=1.0),
    student_design(8, 8, one_sided=True),
    student_design(24, 24, 0.001),
]
TRUTH_LISTS = {
    "point": truth(0.8),
    "new laboratory": truth(0.8, 0.9),
    "many": (np.array([0.2, 1.4, -0.3]), np.array([0.0, 0.81, 0.25])),
}


def assert_same_sums(actual: np.ndarray, expected: np.ndarray) -> None:
    """Counts exactly, sums to rounding."""
    assert actual[:, COUNTS].tolist() == expected[:, COUNTS].tolist()
    np.testing.assert_allclose(actual, expected, rtol=1e-12)


# Pinned, with and without the compiler -----------------------------------------------------

PINNED_REPLICATES = ()
PINNED_SUMS = ()


def _pinned_run() -> np.ndarray:
    designs = [student_design(4, 4), student_design(5, 13)]
    return student_replicates(2024, 30, *truth(1.0, 0.9), designs)


@pytest.mark.nojit
def test_replicates_are_what_they_always_were() -> None:
    # Benefit, harm, g, theta and width of the first design in 30 replicates.
    run = _pinned_run()[:, 0]
    pinned = np.array(PINNED_REPLICATES)
    assert pinned.shape == (30, 5)
    assert run[:, :2].tolist() == pinned[:, :2].tolist()
    np.testing.assert_allclose(run[:, 2:], pinned[:, 2:], rtol=1e-12)


@pytest.mark.nojit
def test_sums_over_thirty_replicates_are_what_they_always_were() -> None:
    designs = [student_design(4, 4), student_design(5, 13)]
    sums = student_sums(2024, 30, *truth(1.0, 0.9), designs)
    assert_same_sums(sums, np.array(PINNED_SUMS))
    assert_same_sums(sums, sums_of(_pinned_run()))


@pytest.mark.nojit
def test_welch_runs_without_the_compiler() -> None:
    # 40 replicates: more than one block, fewer than two.
    mu, tau2 = TRUTH_LISTS["many"]
    sums = welch_sums(2024, LANES + 8, mu, tau2, [welch_design(4, 9)])
    assert_same_sums(sums, sums_of(welch_by_numpy(2024, LANES + 8, mu, tau2, [welch_design(4, 9)])))


# Tallies -----------------------------------------------------------------------------------


@pytest.mark.parametrize("truths", TRUTH_LISTS)
@pytest.mark.parametrize("n_sim", [1, LANES - 1, LANES, 1000])
def test_a_tally_is_the_sum_of_its_replicates(truths: str, n_sim: int) -> None:
    mu, tau2 = TRUTH_LISTS[truths]
    sums = student_sums(1, n_sim, mu, tau2, MIXED, first=77)
    assert_same_sums(sums, sums_of(student_replicates(1, n_sim, mu, tau2, MIXED, first=77)))


@pytest.mark.parametrize("truths", TRUTH_LISTS)
def test_chunks_change_nothing(truths: str) -> None:
    # 1,000 replicates whole and in pieces that cut the blocks of 32 anywhere.
    mu, tau2 = TRUTH_LISTS[truths]
    whole = student_sums(1, 1000, mu, tau2, MIXED)
    welch = welch_sums(1, 1000, mu, tau2, WELCH)
    for cuts in ((0, 500, 1000), (0, 1, 33, 64, 65, 777, 1000), tuple(range(0, 1001, 125))):
        pieces = list(zip(cuts[:-1], cuts[1:], strict=True))
        parts = [student_sums(1, b - a, mu, tau2, MIXED, first=a) for a, b in pieces]
        assert_same_sums(np.sum(parts, axis=0), whole)
        parts = [welch_sums(1, b - a, mu, tau2, WELCH, first=a) for a, b in pieces]
        assert_same_sums(np.sum(parts, axis=0), welch)


@pytest.mark.parametrize("truths", TRUTH_LISTS)
def test_a_replicate_alone_is_the_one_inside_a_run(truths: str) -> None:
    mu, tau2 = TRUTH_LISTS[truths]
    run = student_replicates(1, 200, mu, tau2, MIXED)
    longer = student_replicates(1, 300, mu, tau2, MIXED)
    assert np.array_equal(longer[:200], run)
    for r in (0, 31, 32, 199):
        assert np.array_equal(student_replicates(1, 1, mu, tau2, MIXED, first=r)[0], run[r])


def test_a_design_is_simulated_as_if_it_were_alone() -> None:
    mu, tau2 = TRUTH_LISTS["many"]
    together = student_sums(1, 1000, mu, tau2, MIXED)
    for i, design in enumerate(MIXED):
        assert np.array_equal(student_sums(1, 1000, mu, tau2, [design])[0], together[i])


def test_sums_are_added_to_what_is_there() -> None:
    mu, tau2 = truth(1.0)
    once, twice = np.zeros((2, 1, N_SUMS))
    design = MIXED[:1]
    for out, times in ((once, 1), (twice, 2)):
        for _ in range(times):
            tally_student(U(1), U(1), 0, 96, mu, tau2, rows(design), pooled_tables(design), out)
    assert np.array_equal(twice, 2.0 * once)


def test_numbers_far_into_a_run_are_other_numbers() -> None:
    # Beyond 2^32 replicates, where a 32-bit counter would begin again.
    mu, tau2 = truth(1.0, 0.9)
    near = student_replicates(1, 50, mu, tau2, MIXED[:1])
    far = student_replicates(1, 50, mu, tau2, MIXED[:1], first=1 << 32)
    assert not np.any(near[:, :, 3] == far[:, :, 3])


def test_the_number_of_workers_changes_no_bit() -> None:
    # Nine tasks and a rest: enough that two threads are used.
    n_sim = 9 * CHUNK * CHUNKS_PER_TASK + 4321
    mu, tau2 = truth(1.4, 0.9)
    designs = MIXED[:1]
    numbers, tables = rows(designs), pooled_tables(designs)

    def tally(first: int, count: int, out: np.ndarray) -> None:
        tally_student(U(8), U(1), first, count, mu, tau2, numbers, tables, out)

    seen: list[int] = []
    one = run_tally(tally, n_sim, (1, N_SUMS), jobs=1)
    two = run_tally(tally, n_sim, (1, N_SUMS), jobs=2, progress=seen.append)
    assert np.array_equal(one, two)
    assert seen == sorted(seen)
    assert len(seen) == 10
    assert seen[-1] == n_sim
    assert_same_sums(one, student_sums(8, n_sim, mu, tau2, designs))


def test_a_longer_run_begins_with_the_shorter_one() -> None:
    mu, tau2 = truth(1.4, 0.9)
    chunks: dict[int, list[tuple[int, int]]] = {}
    for n_sim in (CHUNK * 3 + 5, CHUNK * 20):
        seen: list[tuple[int, int]] = []

        def tally(first: int, count: int, out: np.ndarray, seen: list = seen) -> None:
            seen.append((first, count))
            out += student_sums(8, count, mu, tau2, MIXED[:1], first=first)

        run_tally(tally, n_sim, (1, N_SUMS))
        chunks[n_sim] = seen
        assert sum(count for _, count in seen) == n_sim
    short, long = chunks.values()
    assert long[:3] == short[:3]
    assert short[3] == (long[3][0], 5)


# The same steps by numpy, with scipy's quantiles -------------------------------------------

WELCH = [welch_design(4, 4), welch_design(4, 9), welch_design(9, 4, margin=1.0)]


def normals_and_truths(
    seed: int, n_sim: int, mu: np.ndarray, tau2: np.ndarray, n_normals: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The normals of each replicate and the truth it picked."""
    z = np.zeros((n_sim, n_normals))
    first_normals(U(seed), U(1), 0, z)
    return z, mu, tau2


def differences(
    z: np.ndarray, z_theta: np.ndarray, mu: float, tau2: float, se: float
) -> tuple[np.ndarray, np.ndarray]:
    """Differences and theta by another route: a bivariate normal by its Cholesky factor."""
    covariance = np.array([[tau2 + se * se, tau2], [tau2, tau2]])
    scale = math.sqrt(covariance[0, 0])
    slope = covariance[0, 1] / scale
    rest = math.sqrt(max(0.0, covariance[1, 1] - slope * slope))
    return mu + scale * z, mu + slope * z + rest * z_theta


def sd_of(z: np.ndarray, df: float) -> np.ndarray:
    """SD at a normal score by scipy's quantile function of chi-square."""
    below, above = stats.chi2.ppf(special.ndtr(z), df), stats.chi2.isf(special.ndtr(-z), df)
    return np.asarray(np.sqrt(np.where(z < 0.0, below, above) / df))
