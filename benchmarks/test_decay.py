"""What a decay trial costs against drawing only its normals, in one run.

Six animals per group on four days: each trial draws its laboratory and 12 animals of four
measurements, as `planner decay` does it. Ratios of medians of alternating repetitions, as in
`test_two_arm`. `make bench`.
"""

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.test_syntheses import alternating
from benchmarks.test_two_arm import KEY, SEED, draw_only
from planner.decay_designs import DecayDesign
from sims.chi import inverse_sd_tables
from sims.decay import curve
from sims.decay_trials import add_trials
from sims.lanes.decay import N_SUMS, Truths
from sims.lanes.decay_contrasts import tally_contrasts

REPLICATES = 20_000
N, TIMES, HALF_LIFE = 6, (0.0, 7.0, 14.0, 24.0), 12.0
ANIMALS = 2 * N * len(TIMES)
DELTA0, TAU = np.array([5.5]), np.array([2.4])


def trials(question: str, dropout: float) -> Callable[[], None]:
    """Trials of one question, animals drawn one by one."""
    design = DecayDesign(times=TIMES, dropout=dropout, curve=(5.5, HALF_LIFE))
    sizes = np.array([design.arms.groups(N)])
    trial, criticals = design.trial(question, sizes)
    half_life = np.array([HALF_LIFE])
    truths = Truths(DELTA0, TAU, half_life, np.ascontiguousarray(curve(TIMES, half_life)))

    def run() -> None:
        out = np.zeros((1, N_SUMS))
        add_trials(SEED, KEY, 0, REPLICATES, truths, trial, sizes, criticals, out)
        assert np.isfinite(out).all()
        assert out.any()

    return run


def normals(per_replicate: int, replicates: int) -> Callable[[], None]:
    def run() -> None:
        draw_only(SEED, KEY, replicates, per_replicate)

    return run


@pytest.mark.parametrize(
    ("question", "dropout", "limit"),
    [("half-life", 0.0, 60.0), ("shape", 0.0, 60.0), ("decay", 0.1, 60.0)],
)
def test_trials_against_the_normals_of_their_animals(
    question: str, dropout: float, limit: float
) -> None:
    work, alone = alternating(trials(question, dropout), normals(ANIMALS + 1, REPLICATES))
    print(
        f"{question}, {dropout:.0%} lost: {1e6 * work / REPLICATES:.1f} us per trial, "
        f"{1e6 * alone / REPLICATES:.2f} us for its {ANIMALS + 1} normals, ratio {work / alone:.1f}"
    )
    assert work / alone < limit


def test_a_contrast_alone_against_its_two_normals() -> None:
    many = 1_000_000
    test = DecayDesign(times=TIMES, curve=(5.5, HALF_LIFE)).contrast_test("decay", N)
    rows, tables = np.array([test], dtype=float), inverse_sd_tables(np.array([test.df]))
    gain = np.array([1.0 - 2.0 ** (-TIMES[-1] / HALF_LIFE)])

    def contrasts() -> None:
        out = np.zeros((1, 3))
        tally_contrasts(SEED, KEY, 0, many, DELTA0, TAU, gain, rows, tables, out)
        assert out.any()

    work, alone = alternating(contrasts, normals(2, many))
    print(
        f"contrast: {1e9 * work / many:.1f} ns per trial, {1e9 * alone / many:.1f} ns for its two "
        f"normals, ratio {work / alone:.2f}"
    )
    assert work / alone < 6.0
