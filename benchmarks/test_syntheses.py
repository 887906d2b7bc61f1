"""What a meta-analysis of nine studies costs against drawing only its normals, in one run.

Three estimators with two intervals each, tallied as `planner meta` does it. Ratios of medians of
alternating repetitions, as in `test_two_arm`. `make bench`.
"""

import threading
from collections.abc import Callable
from statistics import median

import numpy as np
import pytest

from benchmarks.test_two_arm import KEY, REPETITIONS, SEED, draw_only, seconds
from sims.exact import t_quantile
from sims.kernels import entry
from sims.lanes import LANES
from sims.lanes.draws import draw_block, truth_workspace
from sims.lanes.meta import sums_shape, tally_syntheses
from sims.lanes.pooling import pooling_workspace
from sims.names import ESTIMATORS
from sims.performance import Z95
from sims.streams import stream_key
from sims.syntheses import make_studies

REPLICATES = 200_000
K = 9
T = float(t_quantile(0.025, K - 1.0))
CRITICAL = np.array([[0, Z95, Z95], [1, T, T]])
THREE = ("DL", "PM", "REML")


def tally(
    names: tuple[str, ...],
    mu: float,
    tau: float,
    fixed: bool = True,
    critical: np.ndarray = CRITICAL,
) -> Callable[[], None]:
    """Tallies of syntheses of 8 animals per group, or of 4 to 12."""
    n, codes = np.arange(4, 13), np.array([ESTIMATORS[name] for name in names])
    sizes = np.full(K, 8) if fixed else None
    studies = make_studies(n, np.full(len(n), 1.0 / len(n)), K, fixed=sizes)
    truth = np.array([mu]), np.array([tau])

    def run() -> None:
        out = np.zeros(sums_shape(len(codes), len(critical)))
        tally_syntheses(SEED, KEY, 0, REPLICATES, *truth, studies, codes, critical, out)
        assert (out[:, 0] == REPLICATES).all()  # nothing failed

    return run


@entry
def draw_studies(seed, scenario, count, mu, tau, studies):
    key = stream_key(seed, scenario)
    work, truths = pooling_workspace(studies.fixed.shape[0]), truth_workspace(studies)
    for start in range(0, count, LANES):
        lanes = min(LANES, count - start)
        draw_block(key, start, lanes, mu, tau, studies, truths, 0, work)


def normals() -> None:
    draw_only(SEED, KEY, REPLICATES, 2 * K)


def alternating(*works: Callable[[], None]) -> list[float]:
    """Median seconds of each."""
    for work in works:
        work()  # compiled before anything is timed
    rounds = [[seconds(work) for work in works] for _ in range(REPETITIONS)]
    return [median(times) for times in zip(*rounds, strict=True)]


@pytest.mark.parametrize(
    ("mu", "tau", "fixed", "most"),
    [
        (1.4, 0.9, True, 10.0),
        (0.4, 0.0, True, 10.0),
        (1.4, 0.9, False, 10.0),
        # Effects of 2 to 10 and groups of 4 to 12: variances differ more than sixteenfold, and
        # REML is looked at in seven more places for a second maximum.
        (5.5, 2.4, False, 14.0),
    ],
)
def test_three_estimators_against_their_eighteen_normals(
    mu: float, tau: float, fixed: bool, most: float
) -> None:
    work, limit = alternating(tally(THREE, mu, tau, fixed), normals)
    print(
        f"mu {mu:g}, tau {tau:g}, {'8' if fixed else '4 to 12'} per group: "
        f"{1e9 * work / REPLICATES:.0f} ns per synthesis, {1e9 * limit / REPLICATES:.0f} ns for "
        f"its normals, ratio {work / limit:.2f}"
    )
    assert work / limit < most


def test_where_the_time_goes() -> None:
    studies = make_studies(np.array([8]), np.ones(1), K, fixed=np.full(K, 8))

    def drawn() -> None:
        draw_studies(SEED, KEY, REPLICATES, np.array([1.4]), np.array([0.9]), studies)

    sets = [("FE",), ("DL",), ("PM",), ("REML",), THREE]
    alone, *times, limit = alternating(drawn, *(tally(names, 1.4, 0.9) for names in sets), normals)
    print(f"studies alone {alone / limit:.2f} times the normals")
    for names, time in zip(sets, times, strict=True):
        print(f"{'+'.join(names):<14}{time / limit:.2f} times the normals")
    assert alone < max(times)


def test_the_chance_of_a_new_laboratory_costs_less_than_it_gains() -> None:
    # It divides the variance by 3.7 for nine studies, see `tests/test_precision.py`.
    without = CRITICAL.copy()
    without[:, 2] = np.nan
    asked, not_asked = alternating(
        tally(("REML",), 1.4, 0.9), tally(("REML",), 1.4, 0.9, critical=without)
    )
    print(f"prediction intervals take {asked / not_asked - 1.0:.0%} more time")
    assert asked / not_asked < 2.0


def test_two_threads_against_one() -> None:
    work = tally(THREE, 1.4, 0.9)

    def both() -> None:
        threads = [threading.Thread(target=work) for _ in range(2)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    one, two = alternating(work, both)
    print(f"two threads do {2.0 * one / two:.2f} times the work of one")
    # Near 2 on two idle cores; other work on the machine takes its part.
    assert 2.0 * one / two > 0.8
