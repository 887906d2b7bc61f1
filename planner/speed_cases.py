"""What `planner benchmark` runs: every kernel on one typical design, and what it draws.

Sizes are those of the article where it has some: 8 animals per group, reviews of 9 studies.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from planner.designs import Design

SEED, WORD = np.uint64(1), np.uint64(7)
N, K = 8, 9
MU, TAU = np.array([1.4]), np.array([0.9])
TIMES = (0.0, 7.0, 14.0, 24.0)

# Runs so many replicates.
Run = Callable[[int], None]


@dataclass(frozen=True)
class Case:
    """A kernel by name, what it does, and the random numbers that it draws for a replicate.

    prepare : makes the arguments, and returns what runs the kernel
    """

    name: str
    words: str
    normals: int
    uniforms: int
    prepare: Callable[[], Run]


def _two_arm(test: str, sizes: tuple[int, ...] = (N,)) -> Run:
    from planner.two_arm import _quantile_tables
    from sims.chi import inverse_sd_tables
    from sims.lanes.experiments import N_SUMS, tally_student, tally_welch

    design = Design(test=test)
    tests = [design.exact(n) for n in sizes]
    rows = np.array([one.design for one in tests])
    out = np.zeros((len(sizes), N_SUMS))
    if test == "student":
        tables = inverse_sd_tables(rows[:, 0] + rows[:, 1] - 2.0)
        return lambda count: tally_student(
            SEED, WORD, 0, count, MU, TAU**2, rows, tables, out
        )  # fmt: skip
    tables = inverse_sd_tables((rows[:, :2] - 1.0).ravel())
    quantiles = _quantile_tables(design, tests)
    return lambda count: tally_welch(
        SEED, WORD, 0, count, MU, TAU**2, rows, tables, quantiles, out
    )  # fmt: skip


def _syntheses(*estimators: str) -> Run:
    from sims.exact import t_quantile
    from sims.lanes.meta import sums_shape, tally_syntheses
    from sims.names import ESTIMATORS
    from sims.performance import Z95
    from sims.syntheses import make_studies

    t = float(t_quantile(0.025, K - 1.0))
    critical = np.array([[0, Z95, Z95], [1, t, t]])
    codes = np.array([ESTIMATORS[name] for name in estimators])
    studies = make_studies(np.array([N]), np.ones(1), K, fixed=np.full(K, N))
    out = np.zeros(sums_shape(len(codes), len(critical)))
    return lambda count: tally_syntheses(
        SEED, WORD, 0, count, MU, TAU, studies, codes, critical, out
    )  # fmt: skip


def _updates() -> Run:
    from sims.exact import t_quantile
    from sims.lanes.meta import sums_shape, tally_updates
    from sims.names import ESTIMATORS
    from sims.syntheses import make_studies

    m = 3
    t, own = float(t_quantile(0.025, K + m - 1.0)), float(t_quantile(0.025, K - 1.0))
    critical = np.array([[1, t, t, own]])
    rng = np.random.default_rng(1)
    vi = rng.uniform(0.2, 0.6, (50, K))
    yi = 1.4 + np.sqrt(0.81 + vi) * rng.standard_normal((50, K))
    mu, tau = np.full(50, 1.4), np.full(50, 0.9)
    codes = np.array([ESTIMATORS["DL"], ESTIMATORS["REML"]])
    studies = make_studies(np.array([N]), np.ones(1), m)
    out = np.zeros(sums_shape(2, 1, True))
    return lambda count: tally_updates(
        SEED, WORD, 0, count, yi, vi, mu, tau, studies, codes, critical, out
    )  # fmt: skip


def _clustered() -> Run:
    from sims.clustered import N_INTERVALS, N_SUMS, make_arms, quantile_table, tally_clustered
    from sims.exact import t_quantile
    from sims.names import ESTIMATORS
    from sims.performance import Z95
    from sims.syntheses import make_studies

    labels = np.arange(K) // 2
    studies = make_studies(np.array([N]), np.ones(1), K, np.full(K, N), labels, 1.0)
    t = float(t_quantile(0.025, K - 1.0))
    critical, table = np.array([Z95, t, t]), quantile_table(0.05)
    arms, out = make_arms(studies, False), np.zeros((N_INTERVALS, N_SUMS))
    code = ESTIMATORS["REML"]
    return lambda count: tally_clustered(
        SEED, WORD, 0, count, MU, TAU, studies, arms, code, critical, table, out
    )  # fmt: skip


def _matching() -> Run:
    from sims.lanes.syntheses import match_syntheses
    from sims.performance import Z95
    from sims.syntheses import make_studies

    studies = make_studies(np.array([N]), np.ones(1), K, fixed=np.full(K, N))
    box = np.array([0.0, 3.0, 0.0, 2.0])
    low, high = np.full(7, -np.inf), np.full(7, np.inf)
    low[0], high[0] = 1.25, 1.35
    low[1], high[1] = 0.35, 0.45

    def run(count: int) -> None:
        numbers, found = np.empty(count, dtype=np.int64), np.empty((count, 3))
        match_syntheses(
            SEED, WORD, 0, count, box, studies, 1.3, 0.2, low, high, Z95, numbers, found
        )  # fmt: skip

    return run


def _published(mechanism: str, strength: float) -> Run:
    from sims.selection import make_mechanism, published_syntheses
    from sims.syntheses import make_studies

    studies = make_studies(np.array([N]), np.ones(1), K, fixed=np.full(K, N))
    how = make_mechanism({mechanism: strength})

    def run(count: int) -> None:
        yi, vi, ni = (np.ones((count, K)) for _ in range(3))
        published_syntheses(
            SEED, WORD, 0, MU, TAU, studies, how, 1000, yi, vi, ni, np.empty((count, 2))
        )  # fmt: skip

    return run


def _drawn(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(2)
    vi = rng.uniform(0.2, 0.6, (count, K))
    yi = 1.4 + np.sqrt(0.81 + vi) * rng.standard_normal((count, K))
    return yi, vi, np.full((count, K), 2.0 * N)


def _detector(name: str) -> Run:
    from sims.smallstudy import detect_many, kendall_pvals
    from sims.smallstudy_names import DETECTORS

    sets, exact = _drawn(2000), kendall_pvals(K)

    def run(count: int) -> None:
        for start in range(0, count, len(sets[0])):
            part = [x[: min(len(x), count - start)] for x in sets]
            detect_many(*part, DETECTORS[name], exact, np.empty((len(part[0]), 5)))

    return run


def _correction(name: str) -> Run:
    from sims.lanes.corrections import correct_many
    from sims.names import ESTIMATORS
    from sims.selection_tally import make_analyses
    from sims.smallstudy_names import CORRECTIONS

    sets, switch = _drawn(2000), make_analyses(K).switch

    def run(count: int) -> None:
        for start in range(0, count, len(sets[0])):
            yi, vi, _ = (x[: min(len(x), count - start)] for x in sets)
            correct_many(
                yi, vi, CORRECTIONS[name], np.full(len(yi), 1.4), ESTIMATORS["DL"], 1.0, switch,
                np.empty((len(yi), 9)),
            )  # fmt: skip

    return run


def _decay_contrast() -> Run:
    from planner.decay_designs import DecayDesign
    from sims.chi import inverse_sd_tables
    from sims.lanes.decay_contrasts import tally_contrasts

    test = DecayDesign(times=TIMES).contrast_test("decay", N)
    tables, out = inverse_sd_tables(np.array([test.df])), np.zeros((1, 3))
    rows, gain = np.array([test], dtype=float), np.array([0.7])
    return lambda count: tally_contrasts(
        SEED, WORD, 0, count, MU, TAU, gain, rows, tables, out
    )  # fmt: skip


def _decay_trial(question: str, dropout: float, test: str = "contrast") -> Run:
    from planner.decay_designs import DecayDesign
    from sims.decay import curve
    from sims.lanes.decay import N_SUMS, Truths, new_memory, tally_fitted_trials, tally_trials

    sizes = np.array([[N, N]])
    trial, criticals = DecayDesign(times=TIMES, dropout=dropout, test=test).trial(question, sizes)
    half_life = np.array([10.0])
    curves = np.array(curve(TIMES, half_life, "exponential"), dtype=float, order="C")
    truths, out = Truths(MU, TAU, half_life, curves), np.zeros((1, N_SUMS))
    kernel = tally_fitted_trials if dropout > 0.0 else tally_trials
    return lambda count: kernel(
        SEED, WORD, 0, count, truths, trial, sizes, criticals, new_memory(trial), out
    )  # fmt: skip


def cases() -> list[Case]:
    """Every kernel that simulates, the quickest kinds first."""
    from sims.smallstudy_names import CORRECTIONS, DETECTORS

    study = 2 * K  # two normals for each study
    animals = 2 * N * len(TIMES)
    found = [
        Case("two-arm student", "t-test, 8 per group", 3, 0, lambda: _two_arm("student")),
        Case("two-arm student x9", "at 9 sizes at once", 3, 0,
             lambda: _two_arm("student", (4, 6, 8, 10, 12, 16, 20, 24, 32))),
        Case("two-arm welch", "Welch, 8 per group", 4, 0, lambda: _two_arm("welch")),
        *(Case(f"synthesis {name}", "9 studies, Wald and HK", study + 1, 1,
               lambda name=name: _syntheses(name)) for name in ("FE", "DL", "PM", "REML")),  # type: ignore[misc]
        Case("synthesis DL+PM+REML", "9 studies, Wald and HK", study + 1, 1,
             lambda: _syntheses("DL", "PM", "REML")),
        Case("update", "3 studies join 9", 7, 1, _updates),
        Case("clustered CR2", "9 studies, 5 clusters", study + 6, 1,
             _clustered),
        Case("matching", "joint draws, 9 studies", study, 2, _matching),
        Case("published step", "9 published, w = 0.2", study, 1,
             lambda: _published("step", 0.2)),
        *(Case(f"detector {name}", "9 studies", study, 0, lambda name=name: _detector(name))  # type: ignore[misc]
          for name in DETECTORS),
        *(Case(f"correction {name}", "9 studies", study, 0, lambda name=name: _correction(name))  # type: ignore[misc]
          for name in CORRECTIONS if name != "none"),
        Case("decay contrast", "first against last day", 3, 0, _decay_contrast),
        Case("decay half-life", "8 per group, 4 days", animals + 1, 1,
             lambda: _decay_trial("half-life", 0.0)),
        Case("decay losses", "the same, 10% lost", animals + 1, 1,
             lambda: _decay_trial("half-life", 0.1)),
        Case("decay REML", "the same, cs", animals + 1, 1,
             lambda: _decay_trial("decay", 0.1, "reml")),
    ]  # fmt: skip
    return found
