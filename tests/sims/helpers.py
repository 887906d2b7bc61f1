"""Designs as rows of numbers, compiled loops over single draws, and bounds that are argued.

Monte Carlo bounds: a count is compared with its exact probability by two binomial tails, a mean
by its own Monte Carlo standard error (MCSE). One false alarm in 16,000 tests is accepted
(6e-5, or 4 MCSEs); seeds are fixed, so a test that passes keeps passing.
"""

import math
from collections.abc import Sequence

import numpy as np
from scipy import stats

from sims.chi import inverse_sd_tables
from sims.effects import correction_exact
from sims.exact import t_quantile, welch_quantile
from sims.experiments import raw_two_arm
from sims.kernels import entry
from sims.known import known_variances
from sims.lanes.experiments import (
    COUNTED,
    N_SUMS,
    SUMS,
    replicate_student,
    tally_student,
    tally_welch,
)
from sims.streams import (
    draw_normal,
    draw_uniform,
    mix64,
    next_word,
    open_stream,
    stream_key,
)
from sims.tables import fit_table
from sims.types import Studies, TwoArm

U = np.uint64
MCSES = 4.0
P_BINOMIAL = 6e-5
QUANTILE_INTERVALS = 64


# Designs -----------------------------------------------------------------------------------


def student_design(
    n1: int, n2: int, alpha: float = 0.05, margin: float = 0.0, one_sided: bool = False
) -> TwoArm:
    """Student's t-test at level alpha; one-sided: for benefit, at alpha itself."""
    df, se = n1 + n2 - 2.0, math.sqrt(1.0 / n1 + 1.0 / n2)
    two_sided = float(t_quantile(alpha / 2.0, df))
    upper = float(t_quantile(alpha, df)) if one_sided else two_sided
    lower = -math.inf if one_sided else -two_sided
    j = correction_exact(df)
    return TwoArm(float(n1), float(n2), se, margin, upper, lower, 2.0 * two_sided * se, j)


def welch_design(n1: int, n2: int, margin: float = 0.0, one_sided: bool = False) -> TwoArm:
    """Welch's t-test: critical values and width are multiples of the t quantile."""
    lower = -math.inf if one_sided else -1.0
    return student_design(n1, n2, 0.05, margin)._replace(upper=1.0, lower=lower, width=2.0)


def rows(designs: list[TwoArm]) -> np.ndarray:
    """Designs as the kernels take them, shape (n_designs, 8)."""
    return np.array(designs, dtype=float)


def pooled_tables(designs: list[TwoArm]) -> np.ndarray:
    """Tables of 1/s of the pooled SDs, one per design."""
    return inverse_sd_tables(np.array([d.n1 + d.n2 - 2.0 for d in designs]))


def group_tables(designs: list[TwoArm]) -> np.ndarray:
    """Tables of 1/s of each group's SD, two per design."""
    return inverse_sd_tables(np.array([n - 1.0 for d in designs for n in (d.n1, d.n2)]))


def quantile_tables(designs: list[TwoArm], test_level: float, interval_level: float) -> np.ndarray:
    """Tables of Welch's t quantile over the first group's share, two per design."""
    tables = [
        fit_table(lambda share, d=d, p=p: welch_quantile(share, d, p), 0.0, 1.0, QUANTILE_INTERVALS)
        for d in designs
        for p in (test_level, interval_level)
    ]
    return np.stack(tables)


def truth(mu: float, tau: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """One truth as the kernels take it: arrays of mu and tau2."""
    return np.array([mu]), np.array([tau * tau])


# Runs --------------------------------------------------------------------------------------


def student_sums(
    seed: int,
    n_sim: int,
    mu: np.ndarray,
    tau2: np.ndarray,
    designs: list[TwoArm],
    first: int = 0,
    scenario: int = 1,
) -> np.ndarray:
    """Sums over replicates first..first+n_sim-1, shape (n_designs, N_SUMS)."""
    out = np.zeros((len(designs), N_SUMS))
    tally_student(
        U(seed), U(scenario), first, n_sim, mu, tau2, rows(designs), pooled_tables(designs), out
    )
    return out


def welch_sums(
    seed: int,
    n_sim: int,
    mu: np.ndarray,
    tau2: np.ndarray,
    designs: list[TwoArm],
    test_level: float = 0.025,
    first: int = 0,
) -> np.ndarray:
    """As `student_sums`, for Welch's t-test at the upper-tail probability `test_level`."""
    out = np.zeros((len(designs), N_SUMS))
    quantiles = quantile_tables(designs, test_level, 0.025)
    tally_welch(
        U(seed), U(1), first, n_sim, mu, tau2,
        rows(designs), group_tables(designs), quantiles, out,
    )  # fmt: skip
    return out


def student_replicates(
    seed: int, n_sim: int, mu: np.ndarray, tau2: np.ndarray, designs: list[TwoArm], first: int = 0
) -> np.ndarray:
    """Single replicates, shape (n_sim, n_designs, 5): benefit, harm, g, theta, width."""
    out = np.zeros((n_sim, len(designs), 5))
    replicate_student(U(seed), U(1), first, mu, tau2, rows(designs), pooled_tables(designs), out)
    return out


def sums_of(replicates: np.ndarray) -> np.ndarray:
    """What a tally counts, from single replicates (n_sim, n_designs, 5), added up by numpy."""
    benefit, harm, g, theta, width = np.moveaxis(replicates, -1, 0)
    significant = (benefit + harm) > 0.0
    wrong = np.where(benefit > 0.0, theta < 0.0, theta > 0.0) & significant
    g, theta = np.where(significant, np.abs(g), 0.0), np.where(significant, np.abs(theta), 0.0)
    values = {
        "benefit": benefit, "harm": harm, "wrong_sign": wrong, "width": width,
        "width_sq": width**2, "abs_g": g, "abs_g_sq": g**2, "abs_theta": theta,
        "abs_theta_sq": theta**2, "abs_product": g * theta,
    }  # fmt: skip
    return np.stack([values[name].sum(axis=0) for name in COUNTED], axis=-1).astype(float)


def named(sums: np.ndarray) -> dict[str, float]:
    """One design's sums by name."""
    return dict(zip(SUMS, sums.tolist(), strict=True))


# Single draws, compiled --------------------------------------------------------------------


@entry
def fill_words(state, out):
    """The next words from a state (4,)."""
    s = (state[0], state[1], state[2], state[3])
    for i in range(out.shape[0]):
        out[i], s = next_word(s)


@entry
def mix_words(values, out):
    """mix64 of each value."""
    for i in range(values.shape[0]):
        out[i] = mix64(values[i])


@entry
def fill_states(seeds, scenarios, replicates, out):
    """State at the start of each stream, out: (n, 4)."""
    for i in range(seeds.shape[0]):
        s = open_stream(stream_key(seeds[i], scenarios[i]), replicates[i])
        out[i, 0], out[i, 1], out[i, 2], out[i, 3] = s


@entry
def first_words(seeds, scenarios, replicates, out):
    """First words of each stream, out: (n, n_words)."""
    for i in range(seeds.shape[0]):
        s = open_stream(stream_key(seeds[i], scenarios[i]), replicates[i])
        for j in range(out.shape[1]):
            out[i, j], s = next_word(s)


@entry
def first_normals(seed, scenario, first, out):
    """First normals of consecutive replicates, out: (n, n_normals)."""
    key = stream_key(seed, scenario)
    for r in range(out.shape[0]):
        s = open_stream(key, np.uint64(first + r))
        for j in range(out.shape[1]):
            out[r, j], s = draw_normal(s)


@entry
def count_normals(seed, n, per_unit, counts):
    """Count n normals of one stream in bins of 1 / per_unit about 0; the outer bins are open."""
    s = open_stream(stream_key(seed, np.uint64(0)), np.uint64(0))
    last = counts.shape[0] - 1
    for _ in range(n):
        z, s = draw_normal(s)
        place = math.floor(z * per_unit) + counts.shape[0] // 2
        counts[min(max(int(place), 0), last)] += 1


@entry
def normals_from(states, out):
    """First normal from each of the states (n, 4)."""
    for i in range(out.shape[0]):
        s = (states[i, 0], states[i, 1], states[i, 2], states[i, 3])
        out[i], s = draw_normal(s)


@entry
def normals_then_uniform(seed, scenario, first, normals, uniforms):
    """First normals (n, n_normals) of consecutive replicates, and the uniform (n,) after them."""
    key = stream_key(seed, scenario)
    for r in range(normals.shape[0]):
        s = open_stream(key, np.uint64(first + r))
        for j in range(normals.shape[1]):
            normals[r, j], s = draw_normal(s)
        uniforms[r], s = draw_uniform(s)


@entry
def first_uniforms(seed, scenario, first, out):
    """First uniforms of consecutive replicates, out: (n, n_uniforms)."""
    key = stream_key(seed, scenario)
    for r in range(out.shape[0]):
        s = open_stream(key, np.uint64(first + r))
        for j in range(out.shape[1]):
            out[r, j], s = draw_uniform(s)


@entry
def raw_experiments(seed, scenario, mu, tau2, n1, n2, out):
    """Raw-data experiments, out: (n_sim, 5) of mean1, sd1, mean2, sd2, theta."""
    key = stream_key(seed, scenario)
    for r in range(out.shape[0]):
        s = open_stream(key, np.uint64(r))
        x = raw_two_arm(s, mu, tau2, n1, n2)
        out[r, 0], out[r, 1], out[r, 2], out[r, 3], out[r, 4] = x[0], x[1], x[2], x[3], x[4]


# Bounds ------------------------------------------------------------------------------------


def binomial_p(count: float, n: float, p: float) -> float:
    """Two-sided binomial probability of a count at least as far out, twice the smaller tail."""
    assert count == int(count)
    assert n == int(n)
    p = min(max(p, 0.0), 1.0)
    lower, upper = stats.binom.cdf(count, n, p), stats.binom.sf(count - 1, n, p)
    return float(min(1.0, 2.0 * min(lower, upper)))


def mcses_off(values: np.ndarray, expected: float) -> float:
    """How far the mean of simulated values is from its expected value, in its MCSEs."""
    mcse = float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return abs(float(np.mean(values)) - expected) / mcse


def known(
    vi: Sequence[float] | np.ndarray, cluster: Sequence[int] | np.ndarray | None = None,
    share: float = 0.0,
) -> Studies:  # fmt: skip
    """`sims.known.known_variances` where n = 2 / vi is whole: no kernel is compiled anew for it."""
    studies = known_variances(np.asarray(vi), cluster, share)
    n = studies.n.astype(np.int64)
    assert np.array_equal(n, studies.n)
    return studies._replace(n=n)
