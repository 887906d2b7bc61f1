"""Simulated two-arm experiments: against raw data, numpy, exact values, and each other."""

import math
from itertools import pairwise

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
    mcses_off,
    named,
    normals_then_uniform,
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
WELCH = [
    welch_design(4, 4),
    welch_design(4, 9),
    welch_design(9, 4, margin=1.0),
    welch_design(8, 8, one_sided=True),
]
TRUTH_LISTS = {
    "point": truth(0.8),
    "new laboratory": truth(0.8, 0.9),
    "many": (np.array([0.2, 1.4, -0.3]), np.array([0.0, 0.81, 0.25])),
}


def assert_same_sums(actual: np.ndarray, expected: np.ndarray, rtol: float = 1e-12) -> None:
    """Counts exactly, sums to rounding; of what is counted, if that is all that is expected."""
    actual = actual[:, : expected.shape[1]]
    assert actual[:, COUNTS].tolist() == expected[:, COUNTS].tolist()
    np.testing.assert_allclose(actual, expected, rtol=rtol)


# The same steps by numpy, with scipy's quantiles -------------------------------------------


def draws(
    seed: int, n_sim: int, mu: np.ndarray, tau2: np.ndarray, n_normals: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Normals (n_sim, n_normals) of each replicate, and mu and tau2 of the truth it picked."""
    z, u = np.zeros((n_sim, n_normals)), np.zeros(n_sim)
    normals_then_uniform(U(seed), U(1), 0, z, u)
    picked = (u * len(mu)).astype(int)
    return z, mu[picked], tau2[picked]


def differences(
    z: np.ndarray, mu: np.ndarray, tau2: np.ndarray, se: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean differences and theta: a bivariate normal by the Cholesky factor of its covariance."""
    scale = np.sqrt(tau2 + se * se)
    slope = tau2 / scale
    theta = mu + slope * z[:, 0]
    if z.shape[1] > 2:
        theta = theta + np.sqrt(tau2 - slope**2) * z[:, 2]
    return mu + scale * z[:, 0], theta


def sd_of(z: np.ndarray, df: float) -> np.ndarray:
    """SD at a normal score by scipy's chi-square quantiles."""
    below, above = stats.chi2.ppf(special.ndtr(z), df), stats.chi2.isf(special.ndtr(-z), df)
    return np.asarray(np.sqrt(np.where(z < 0.0, below, above) / df))


def student_by_numpy(
    seed: int, n_sim: int, mu: np.ndarray, tau2: np.ndarray, designs: list[TwoArm]
) -> np.ndarray:
    """Replicates as `student_replicates` gives them."""
    z, mu, tau2 = draws(seed, n_sim, mu, tau2, 3 if tau2.max() > 0.0 else 2)
    out = np.zeros((n_sim, len(designs), 5))
    for i, d in enumerate(designs):
        difference, theta = differences(z, mu, tau2, d.se)
        s = sd_of(z[:, 1], d.n1 + d.n2 - 2.0)
        t = (difference - d.margin) / (s * d.se)
        columns = (t > d.upper, t < d.lower, d.j * difference / s, theta, d.width * s)
        out[:, i] = np.stack(columns, axis=-1)
    return out


def welch_by_numpy(
    seed: int, n_sim: int, mu: np.ndarray, tau2: np.ndarray, designs: list[TwoArm],
    test_level: float = 0.025,
) -> np.ndarray:  # fmt: skip
    """The same for Welch's test, by its p values, from the formulas as Welch gave them."""
    z, mu, tau2 = draws(seed, n_sim, mu, tau2, 4)
    out = np.zeros((n_sim, len(designs), 5))
    for i, d in enumerate(designs):
        difference, theta = differences(z, mu, tau2, d.se)
        s1, s2 = sd_of(z[:, 1], d.n1 - 1.0), sd_of(z[:, 3], d.n2 - 1.0)
        v1, v2 = s1**2 / d.n1, s2**2 / d.n2
        df = (v1 + v2) ** 2 / (v1**2 / (d.n1 - 1.0) + v2**2 / (d.n2 - 1.0))
        t = (difference - d.margin) / np.sqrt(v1 + v2)
        harm = stats.t.cdf(t, df) < test_level if math.isfinite(d.lower) else np.zeros(n_sim)
        pooled = ((d.n1 - 1.0) * s1**2 + (d.n2 - 1.0) * s2**2) / (d.n1 + d.n2 - 2.0)
        width = 2.0 * stats.t.isf(0.025, df) * np.sqrt(v1 + v2)
        columns = (
            stats.t.sf(t, df) < test_level, harm, d.j * difference / np.sqrt(pooled), theta, width
        )  # fmt: skip
        out[:, i] = np.stack(columns, axis=-1)
    return out


# Pinned, with and without the compiler -----------------------------------------------------

PINNED_REPLICATES = (
    (0, 0, 0.07519453222841858, -0.9720890369525477, 2.306844910720448),
    (0, 0, 0.6065100254599468, 0.6313894201198955, 1.5200968693513937),
    (0, 0, -0.07781657560943203, -0.5672358629510813, 1.4460678568344196),
    (0, 0, 0.6836776277679784, 0.9445150601273757, 3.5278890148645585),
    (0, 0, -0.7163392424778707, -0.012639900068354498, 2.2430771708812833),
    (1, 0, 1.6533612992266304, 1.3834040909622383, 3.1145380638772946),
    (0, 0, 0.8860910312854697, 1.1840314961951515, 4.929764554077989),
    (0, 0, 1.0363797599758033, 1.2621949786834639, 2.824664074753009),
    (0, 0, -0.3112410443834569, 0.6488258034067289, 2.29833735369541),
    (1, 0, 1.7452654713374682, 2.0422242375168467, 5.107568989229618),
    (1, 0, 1.5095775461098477, 0.5396822242283991, 2.173237180079922),
    (0, 0, 0.4540645589239081, 0.5380337135234292, 2.9927890800183765),
    (0, 0, 0.15510154228162518, 0.21892627027688713, 3.7397869412633735),
    (0, 0, 1.341422658856637, 0.7221283249964725, 2.836495995911464),
    (0, 0, 1.3261309386869709, 1.8094936011613831, 3.674151448712172),
    (0, 1, -1.6744097207269322, 0.14392512873002117, 1.9979552051878975),
    (0, 1, -2.0893387292989747, -1.126194531718059, 2.427557320684995),
    (0, 0, 0.6139785724569767, -0.23176810647694668, 4.792633009454433),
    (0, 0, -0.0006197871889413113, 0.200077725975839, 2.721414478839328),
    (0, 0, -0.3937330097617234, 0.20696960395802572, 4.319239024270679),
    (0, 0, -0.6432945962456523, -0.5466784875651434, 2.9047217009266832),
    (0, 0, 1.398122941351703, 0.99916351390836, 2.257615073746619),
    (1, 0, 2.1789913453360765, 2.1530862912540085, 2.4475071196488916),
    (0, 0, 0.9528679215420461, 0.9532980800060371, 3.98888601204119),
    (0, 0, 0.9186717680393381, 1.4146150543962808, 4.022564874412864),
    (0, 0, 0.8675716368278565, 0.926962422803141, 3.1041377442414038),
    (1, 0, 1.916286095686439, 1.0351799305426823, 2.7434215669301825),
    (0, 0, -0.9432497585552836, -0.6429695502092944, 2.6215706913342296),
    (1, 0, 3.0264243430773052, 1.3401963880109766, 2.7596797968970095),
    (0, 0, -0.16708861299153735, 0.036714448076109636, 3.2415357862800653),
)
PINNED_SUMS = (
    (
        6, 2, 1, 91.0857489091672, 302.4537868267367, 15.793654550799674,
        32.80676374549729, 9.763892822963232, 15.16827660891401, 19.991434160848428,
    ),
    (
        9, 2, 0, 62.49084480711576, 134.36817866319439, 18.006464560657538,
        31.647199951524822, 13.912356463427802, 21.577078968898935, 24.481931033319043,
    ),
)  # fmt: skip


def _pinned_run() -> np.ndarray:
    designs = [student_design(4, 4), student_design(5, 13)]
    return student_replicates(2024, 30, *truth(0.3, 0.9), designs)


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
    sums = student_sums(2024, 30, *truth(0.3, 0.9), designs)
    assert_same_sums(sums, np.array(PINNED_SUMS))
    assert_same_sums(sums, sums_of(_pinned_run()))


@pytest.mark.nojit
def test_welch_runs_without_the_compiler() -> None:
    # 40 replicates: more than one block, fewer than two.
    mu, tau2 = TRUTH_LISTS["many"]
    sums = welch_sums(2024, LANES + 8, mu, tau2, [welch_design(4, 9)])
    expected = welch_by_numpy(2024, LANES + 8, mu, tau2, [welch_design(4, 9)])
    assert_same_sums(sums, sums_of(expected), rtol=1e-9)


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
        pieces = list(pairwise(cuts))
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


# Against numpy -----------------------------------------------------------------------------


@pytest.mark.parametrize("truths", TRUTH_LISTS)
def test_student_does_what_numpy_does(truths: str) -> None:
    # Seed 6, 3,000 replicates of each design.
    mu, tau2 = TRUTH_LISTS[truths]
    run = student_replicates(6, 3000, mu, tau2, MIXED)
    expected = student_by_numpy(6, 3000, mu, tau2, MIXED)
    assert run[:, :, :2].tolist() == expected[:, :, :2].tolist()
    np.testing.assert_allclose(run, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("test_level", [0.025, 0.05])
@pytest.mark.parametrize("truths", TRUTH_LISTS)
def test_welch_does_what_numpy_does(truths: str, test_level: float) -> None:
    # Seed 6, 3,000 replicates of each design; the interval stays at 95% whatever the test.
    mu, tau2 = TRUTH_LISTS[truths]
    sums = welch_sums(6, 3000, mu, tau2, WELCH, test_level)
    expected = sums_of(welch_by_numpy(6, 3000, mu, tau2, WELCH, test_level))
    assert_same_sums(sums, expected, rtol=1e-9)


# Against raw data --------------------------------------------------------------------------


@pytest.mark.parametrize(("n1", "n2"), [(4, 4), (7, 7), (4, 9)])
@pytest.mark.parametrize(("mu", "tau"), [(0.0, 0.0), (1.4, 0.0), (5.5, 0.0), (1.4, 0.9)])
def test_sufficient_statistics_have_the_law_of_raw_data(
    n1: int, n2: int, mu: float, tau: float
) -> None:
    # Seeds 41 and 42, 20,000 experiments each. Both against the noncentral t and against each
    # other by Kolmogorov-Smirnov, p above 1e-4; means of g, theta, g theta in MCSEs.
    n_sim, design = 20_000, student_design(n1, n2)
    raw = np.zeros((n_sim, 5))
    raw_experiments(U(41), U(1), mu, tau * tau, n1, n2, raw)
    mean1, sd1, mean2, sd2, theta = raw.T
    df = n1 + n2 - 2
    d_raw = (mean1 - mean2) / np.sqrt(((n1 - 1) * sd1**2 + (n2 - 1) * sd2**2) / df)
    run = student_replicates(42, n_sim, *truth(mu, tau), [design])[:, 0]
    d_run = run[:, 2] / design.j

    sd = math.sqrt(design.se**2 + tau**2)
    law = stats.nct(df, mu / sd)
    for d in (d_raw, d_run):
        assert stats.kstest(d / sd, law.cdf).pvalue > 1e-4
    assert stats.ks_2samp(d_raw, d_run).pvalue > 1e-4
    if tau > 0.0:
        assert stats.ks_2samp(theta, run[:, 3]).pvalue > 1e-4
        # What is left of d when theta is known: shrinkage and its noise.
        assert stats.ks_2samp(d_raw - theta, d_run - run[:, 3]).pvalue > 1e-4
        mean = float(law.mean()) * sd * mu + float(law.mean()) * sd / mu * tau**2
        for product in (d_raw * theta, d_run * run[:, 3]):
            assert mcses_off(product, mean) < MCSES
    else:
        assert np.all(theta == mu)
        assert np.all(run[:, 3] == mu)


def test_groups_of_raw_data_are_independent_and_have_sd_one() -> None:
    # Seed 43, 20,000 experiments of 4 and 9 animals.
    raw = np.zeros((20_000, 5))
    raw_experiments(U(43), U(1), 1.4, 0.0, 4, 9, raw)
    mean1, sd1, mean2, sd2, _ = raw.T
    for sd, n in ((sd1, 4), (sd2, 9)):
        assert stats.kstest((n - 1) * sd**2, stats.chi2(n - 1).cdf).pvalue > 1e-4
    assert stats.kstest((mean1 - 1.4) * 2.0, stats.norm.cdf).pvalue > 1e-4
    assert stats.kstest(mean2 * 3.0, stats.norm.cdf).pvalue > 1e-4
    r = np.corrcoef(raw[:, :4], rowvar=False)[np.triu_indices(4, 1)]
    assert np.max(np.abs(r)) * math.sqrt(20_000) < 4.5


# Against exact values ----------------------------------------------------------------------

N_EXACT = 100_000


def assert_matches_exact(sums: np.ndarray, exact: Student, mu: float, tau2: float) -> None:
    """Counts by binomial tails; ratio and mean within 4 MCSEs of the exact values."""
    x = named(sums)
    benefit, harm = float(exact.benefit(mu, tau2)), float(exact.harm(mu, tau2))
    assert binomial_p(x["benefit"], N_EXACT, benefit) > P_BINOMIAL
    assert binomial_p(x["harm"], N_EXACT, harm) > P_BINOMIAL
    significant = x["benefit"] + x["harm"]
    assert binomial_p(significant, N_EXACT, benefit + harm) > P_BINOMIAL

    type_s = exact.type_s(mu, tau2)
    if type_s is None:
        assert x["wrong_sign"] == 0
    else:
        assert binomial_p(x["wrong_sign"], significant, type_s) > P_BINOMIAL
    type_m = exact.type_m(mu, tau2)
    if type_m is None:
        assert x["abs_theta"] == 0.0
    else:
        ratio = x["abs_g"] / x["abs_theta"]
        squares = x["abs_g_sq"] - 2.0 * type_m * x["abs_product"] + type_m**2 * x["abs_theta_sq"]
        assert abs(ratio - type_m) < MCSES * math.sqrt(squares) / x["abs_theta"]

    width = x["width"] / N_EXACT
    variance = x["width_sq"] / N_EXACT - width**2
    assert abs(width - exact.ci_width()) < MCSES * math.sqrt(variance / N_EXACT)


EXACT_DESIGNS = [
    student_design(3, 3),
    student_design(4, 4),
    student_design(12, 12),
    student_design(4, 9),
    student_design(60, 60, 0.001),
    student_design(8, 8, margin=1.0),
    student_design(8, 8, one_sided=True),
]
EXACT_TRUTHS = [(0.0, 0.0), (0.3, 0.0), (1.4, 0.0), (5.5, 0.0), (0.0, 0.9), (1.4, 0.9), (5.5, 2.4)]


@pytest.mark.parametrize(("mu", "tau"), EXACT_TRUTHS)
def test_simulated_student_is_the_exact_one(mu: float, tau: float) -> None:
    # Seed 51, 100,000 replicates of each design.
    sums = student_sums(51, N_EXACT, *truth(mu, tau), EXACT_DESIGNS)
    for design, row in zip(EXACT_DESIGNS, sums, strict=True):
        assert_matches_exact(row, Student(design), mu, tau**2)


@pytest.mark.parametrize(("mu", "tau"), [(0.0, 0.0), (1.4, 0.0), (1.4, 0.9)])
@pytest.mark.parametrize("test_level", [0.025, 0.05])
def test_simulated_welch_is_the_exact_one(mu: float, tau: float, test_level: float) -> None:
    # Seed 52, 100,000 replicates of each design.
    sums = welch_sums(52, N_EXACT, *truth(mu, tau), WELCH, test_level)
    for design, row in zip(WELCH, sums, strict=True):
        assert_matches_exact(row, Welch(design, test_level, 0.025), mu, tau**2)


def test_many_truths_average_what_each_would_do() -> None:
    # Seed 53, 100,000 replicates. Equally likely truths: probabilities are averages.
    generator = np.random.default_rng(53)
    mu, tau2 = generator.normal(1.4, 0.6, 50), generator.uniform(0.0, 2.0, 50)
    sums = student_sums(53, N_EXACT, mu, tau2, EXACT_DESIGNS)
    for design, row in zip(EXACT_DESIGNS, sums, strict=True):
        exact, x = Student(design), named(row)
        for name, probability in (("benefit", exact.benefit), ("harm", exact.harm)):
            assert binomial_p(x[name], N_EXACT, float(np.mean(probability(mu, tau2)))) > P_BINOMIAL
        wrong = [
            exact.type_s(m, t) * float(exact.benefit(m, t) + exact.harm(m, t))
            for m, t in zip(mu, tau2, strict=True)
        ]
        assert binomial_p(x["wrong_sign"], N_EXACT, float(np.mean(wrong))) > P_BINOMIAL


def test_common_random_numbers_couple_group_sizes() -> None:
    # Seed 54, 20,000 replicates: the difference in success of n = 10 and 12 has less than half
    # of the variance it would have in independent runs.
    designs = [student_design(10, 10), student_design(12, 12)]
    success = student_replicates(54, 20_000, *truth(1.0), designs)[:, :, 0]
    apart = float(np.sum(np.var(success, axis=0)))
    assert float(np.var(success[:, 1] - success[:, 0])) < 0.5 * apart
