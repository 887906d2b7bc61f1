"""What a two-arm experiment costs against drawing only its normals, in one run.

Absolute times vary between machines and minutes: the ratio of medians of alternating
repetitions does not. `make bench`.
"""

import time
from statistics import median

import numpy as np
import pytest

from planner.designs import Design
from sims.chi import inverse_sd_tables
from sims.kernels import entry
from sims.lanes.experiments import N_SUMS, tally_student
from sims.streams import draw_normal, open_stream, scenario_key, stream_key

REPLICATES = 1_000_000
REPETITIONS = 9
SEED, KEY = np.uint64(1), scenario_key("benchmark")


@entry
def draw_only(seed, scenario, count, n_normals):
    key = stream_key(seed, scenario)
    total = 0.0
    for r in range(count):
        state = open_stream(key, np.uint64(r))
        for _ in range(n_normals):
            z, state = draw_normal(state)
            total += z
    return total


def seconds(function) -> float:
    start = time.perf_counter()
    function()
    return time.perf_counter() - start


@pytest.mark.parametrize(("tau", "limit"), [(0.0, 4.0), (0.9, 4.0)])
def test_two_arm_against_its_two_normals(tau: float, limit: float) -> None:
    designs = np.array([Design().two_arm(8)])
    tables = inverse_sd_tables(np.array([14]))
    mu, tau2, out = np.array([1.4]), np.array([tau**2]), np.zeros((1, N_SUMS))

    def experiments() -> None:
        tally_student(SEED, KEY, 0, REPLICATES, mu, tau2, designs, tables, out)

    def normals() -> None:
        draw_only(SEED, KEY, REPLICATES, 2)

    experiments(), normals()  # compiled before anything is timed
    pairs = [(seconds(experiments), seconds(normals)) for _ in range(REPETITIONS)]
    work, limit_time = median(a for a, _ in pairs), median(b for _, b in pairs)
    ratio = work / limit_time
    print(
        f"tau {tau:g}: {1e9 * work / REPLICATES:.1f} ns per experiment, "
        f"{1e9 * limit_time / REPLICATES:.1f} ns for its two normals, ratio {ratio:.2f}"
    )
    assert ratio < limit
