"""Both processors, start-up, and memory: ratios in one run. `make bench`."""

import subprocess
import sys
from statistics import median

import joblib  # noqa: F401 - see the two threads
import numpy as np

from benchmarks.test_two_arm import seconds
from sims.engine import run_tally
from sims.exact import t_quantile
from sims.lanes.meta import sums_shape, tally_syntheses
from sims.names import ESTIMATORS
from sims.performance import Z95
from sims.syntheses import make_studies
from sims.tally import KernelTally

REPETITIONS = 7
N_SIM = 6_000_000
K = 9


def reviews() -> tuple[KernelTally, tuple[int, ...]]:
    codes = np.array([ESTIMATORS[name] for name in ("DL", "PM", "REML")])
    t = float(t_quantile(0.025, K - 1.0))
    critical = np.array([[0, Z95, Z95], [1, t, t]])
    studies = make_studies(np.array([8]), np.ones(1), K, fixed=np.full(K, 8))
    truth = np.array([1.4]), np.array([0.9])
    tally = KernelTally(tally_syntheses, 1, 7, *truth, studies, codes, critical)
    return tally, sums_shape(len(codes), len(critical))


def test_two_threads_against_one() -> None:
    tally, shape = reviews()
    # Compiled first. joblib is imported above: threads start only where they repay its import.
    run_tally(tally, 200_000, shape, 2)
    pairs = [
        [seconds(lambda jobs=jobs: run_tally(tally, N_SIM, shape, jobs)) for jobs in (1, 2)]
        for _ in range(REPETITIONS)
    ]
    one, two = (median(times) for times in zip(*pairs, strict=True))
    print(f"two threads: {one / two:.2f} times as fast ({1e9 * two / N_SIM:.0f} ns per review)")
    assert one / two > 1.6


def starting(*arguments: str) -> float:
    return seconds(lambda: subprocess.run(arguments, check=True, capture_output=True))


def test_start_up_against_what_it_is_made_of() -> None:
    python, planner = (sys.executable, "-c"), (sys.executable, "-m", "planner")
    works = {
        "import typer": (*python, "import typer"),
        "planner --help": (*planner, "--help"),
        "import numba": (*python, "import numba"),
        "planner power": (*planner, "power", "--analysis", "chronic-after"),
    }
    for work in works.values():
        starting(*work)  # the kernels' code is on the disk, files are in memory
    rounds = [[starting(*work) for work in works.values()] for _ in range(REPETITIONS)]
    typer, help_, numba, power = (median(times) for times in zip(*rounds, strict=True))
    print(f"--help: {help_:.2f} s, {help_ / typer:.1f} times `import typer`")
    print(f"first answer: {power:.2f} s, {power / numba:.1f} times `import numba`")
    assert help_ / typer < 3.0
    assert power / numba < 3.0
