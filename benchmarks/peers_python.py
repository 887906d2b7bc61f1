"""What `benchmarks.peers` times in Python: the planner's kernels, and the same work by others."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from functools import cache
from importlib.util import find_spec

import numpy as np
from scipy import special, stats

from planner.speed_cases import SEED, WORD

Run = Callable[[int], object]
K, N, MU, TAU = 9, 8, 1.4, 0.9
K_BATTERY, SIZES = 19, np.arange(4, 13)
N_T = 10  # mcpower takes no fewer than 20 in all
# Of a trial: animals per group and measurements of each, of which mcpower takes no fewer than 5;
# the SD between animals is that within them.
N_MIXED, M = 8, 5


# The planner's own -------------------------------------------------------------------------


def own_battery() -> Run:
    """DL, PM and REML with Hartung-Knapp; Egger, PET-PEESE, trim and fill, selection model."""
    from sims.lanes.corrections import correct_many
    from sims.lanes.meta import replicate_syntheses
    from sims.names import ESTIMATORS
    from sims.selection_tally import make_analyses
    from sims.smallstudy import detect_many, kendall_pvals
    from sims.smallstudy_names import CORRECTIONS, DETECTORS
    from sims.syntheses import make_studies

    studies = make_studies(SIZES, np.full(len(SIZES), 1.0 / len(SIZES)), K_BATTERY)
    codes = np.array([ESTIMATORS[name] for name in ("DL", "PM", "REML")])
    truth, exact = (np.array([MU]), np.array([TAU])), kendall_pvals(K_BATTERY)
    switch = make_analyses(K_BATTERY).switch
    block = 500

    def run(reps: int) -> None:
        mu = np.full(block, MU)
        drawn, pooled = np.empty((block, 4)), np.empty((block, len(codes), 5))
        yi, vi, ni = (np.ones((block, K_BATTERY)) for _ in range(3))
        for first in range(0, reps, block):
            replicate_syntheses(SEED, WORD, first, *truth, studies, codes, drawn, yi, vi, pooled)
            detect_many(yi, vi, ni, DETECTORS["egger-se"], exact, np.empty((block, 5)))
            for name in ("pet-peese", "trimfill", "sel3"):
                correct_many(
                    yi, vi, CORRECTIONS[name], mu, codes[0], 1.0, switch, np.empty((block, 9))
                )  # fmt: skip

    return run


def own_t() -> Run:
    """Student's t on one experiment."""
    from planner.designs import Design
    from sims.chi import inverse_sd_tables
    from sims.lanes.experiments import N_SUMS, tally_student

    test = Design().exact(N_T)
    rows, tables = np.array([test.design]), inverse_sd_tables(np.array([2 * N_T - 2]))
    out, truth = np.zeros((1, N_SUMS)), (np.array([MU]), np.array([0.0]))
    return lambda reps: tally_student(SEED, WORD, 0, reps, *truth, rows, tables, out)


def own_mixed() -> Run:
    """The animals' means, whose t is that of the balanced random-intercept model's group effect."""
    from sims.chi import inverse_sd_tables
    from sims.exact import t_quantile
    from sims.lanes.decay_contrasts import tally_contrasts
    from sims.longitudinal import ContrastTest

    df = 2.0 * N_MIXED - 2.0
    t = float(t_quantile(0.025, df))
    test = ContrastTest(1.0 + 1.0 / M, N_MIXED, N_MIXED, df, 0.0, t, -t, 1.0, 0.0)
    rows, tables = np.array([test], dtype=float), inverse_sd_tables(np.array([df]))
    out, truth = np.zeros((1, 3)), (np.array([MU]), np.array([0.0]), np.array([1.0]))
    return lambda reps: tally_contrasts(SEED, WORD, 0, reps, *truth, rows, tables, out)


def exact_power(mixed: bool) -> float:
    """What the experiment's, or the trial's, simulated power must be near."""
    from planner.designs import Design
    from sims.longitudinal import contrast_power

    if mixed:
        covariance = np.ones((M, M)) + np.eye(M)
        means = np.full(M, 1.0 / M)
        return sum(contrast_power(np.full(M, MU), covariance, means, N_MIXED, N_MIXED))
    test = Design().exact(N_T)
    return float(test.benefit(MU) + test.harm(MU))


def own_review(estimator: str) -> Run:
    """One estimator with its Hartung-Knapp interval; errors and sums of powers besides."""
    from sims.exact import t_quantile
    from sims.lanes.meta import sums_shape, tally_syntheses
    from sims.names import ESTIMATORS
    from sims.syntheses import make_studies

    codes, truth = np.array([ESTIMATORS[estimator]]), (np.array([MU]), np.array([TAU]))
    critical = np.array([[1, float(t_quantile(0.025, K - 1.0)), np.nan]])
    drawn = make_studies(np.array([N]), np.ones(1), K, fixed=np.full(K, N))
    out = np.zeros(sums_shape(1, 1))
    return lambda reps: tally_syntheses(SEED, WORD, 0, reps, *truth, drawn, codes, critical, out)


def own() -> dict[str, Run]:
    """The planner's kernel for each work."""
    return {
        "REML": own_review("REML"), "DL": own_review("DL"),
        "battery": own_battery(), "t": own_t(), "mixed": own_mixed(),
    }  # fmt: skip


# numpy and scipy, vectorised ---------------------------------------------------------------


def generator(seed: int = 1) -> np.random.Generator:
    """The quickest of numpy's bit generators."""
    return np.random.Generator(np.random.SFC64(seed))


def studies(rng: np.random.Generator, reps: int) -> tuple[np.ndarray, np.ndarray]:
    """Hedges g and its variance, (reps, K), two random numbers for each study.

    One study after the other lies in memory: numpy sums over studies in half the time.
    """
    df = 2 * N - 2
    factor = math.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2))
    d = rng.standard_normal((K, reps))
    d *= math.sqrt(TAU**2 + 2 / N)
    d += MU
    s = rng.standard_gamma(df / 2, (K, reps))  # half a chi-square
    np.sqrt(s, out=s)
    d *= factor
    d /= s
    v = d * d
    v *= 1 / (4 * N)
    v += 2 / N
    return d.T, v.T


# Of arrays (K, reps), columns of which are reviews: sums of products without an array in between.
_SUM_OF_2, _SUM_OF_3 = "kr,kr->r", "kr,kr,kr->r"


def dl_tau2(yi: np.ndarray, vi: np.ndarray) -> np.ndarray:
    y, w = yi.T, 1.0 / vi.T
    s1, s2, wy = w.sum(axis=0), np.einsum(_SUM_OF_2, w, w), np.einsum(_SUM_OF_2, w, y)
    q = np.einsum(_SUM_OF_3, w, y, y) - wy * wy / s1
    return np.maximum(0.0, (q - (K - 1)) / (s1 - s2 / s1))


def reml_tau2(yi: np.ndarray, vi: np.ndarray) -> np.ndarray:
    """Newton's steps over all reviews at once; those that have converged drop out."""
    tau2 = dl_tau2(yi, vi)
    now, left = tau2, np.arange(len(yi))
    y, v = yi.T, vi.T
    for _ in range(100):
        w = 1.0 / (v + now)
        s1 = w.sum(axis=0)
        w2, r = w * w, w * (y - np.einsum(_SUM_OF_2, w, y) / s1)
        s2, s3 = w2.sum(axis=0), np.einsum(_SUM_OF_2, w2, w)
        expected = s2 - 2 * s3 / s1 + (s2 / s1) ** 2
        wr = np.einsum(_SUM_OF_2, w, r)
        observed = 2 * (np.einsum(_SUM_OF_3, w, r, r) - wr * wr / s1) - expected
        score = np.einsum(_SUM_OF_2, r, r) - (s1 - s2 / s1)
        after = now + score / np.where(observed > 0.25 * expected, observed, expected)
        after = np.maximum(0.0, after)
        moved = np.abs(after - now) > 1e-6
        tau2[left] = after
        if not moved.any():
            break
        now, left = after[moved], left[moved]
        y, v = y[:, moved], v[:, moved]
    return tau2


T_975 = stats.t.ppf(0.975, K - 1)


def significant(yi: np.ndarray, vi: np.ndarray, tau2: np.ndarray) -> float:
    y, w = yi.T, 1.0 / (vi.T + tau2)
    s1 = w.sum(axis=0)
    mu = np.einsum(_SUM_OF_2, w, y) / s1
    q = np.einsum(_SUM_OF_3, w, y, y) - mu * mu * s1
    return float(np.mean(mu * mu * s1 * (K - 1) > T_975 * T_975 * q))


def numpy_review(tau2: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Run:
    def run(reps: int) -> None:
        rng = generator()
        for _ in range(reps // 2000):  # blocks that fit the cache: the quickest of 250 to 4000
            yi, vi = studies(rng, 2000)
            significant(yi, vi, tau2(yi, vi))

    return run


def numpy_t(reps: int) -> None:
    """Raw data, animals in rows."""
    rng = generator()
    critical2 = stats.t.ppf(0.975, 2 * N_T - 2) ** 2 / N_T / (N_T - 1)
    for _ in range(reps // 1000):
        a, b = rng.standard_normal((N_T, 1000)), rng.standard_normal((N_T, 1000))
        mean_a, mean_b = a.sum(axis=0) / N_T, b.sum(axis=0) / N_T
        ss = np.einsum("nr,nr->r", a, a) + np.einsum("nr,nr->r", b, b)
        ss -= N_T * (mean_a * mean_a + mean_b * mean_b)
        np.mean((mean_a - mean_b + MU) ** 2 > critical2 * ss)


def numpy_t_summary(reps: int) -> None:
    """The difference of the means and the variance, as the planner draws them."""
    rng, df = generator(), 2 * N_T - 2
    se, critical2 = math.sqrt(2 / N_T), stats.t.ppf(0.975, df) ** 2 * 2 / N_T * 2 / df
    for _ in range(reps // 4000):
        difference = rng.standard_normal(4000)
        difference *= se
        difference += MU
        difference *= difference
        np.mean(difference > critical2 * rng.standard_gamma(df / 2, 4000))


def scipy_t(reps: int) -> None:
    rng = generator()
    a, b = rng.normal(MU, 1.0, (reps, N_T)), rng.normal(0.0, 1.0, (reps, N_T))
    np.mean(stats.ttest_ind(a, b, axis=1).pvalue < 0.05)


# Packages ----------------------------------------------------------------------------------


def statsmodels_review(method: str) -> Run:
    from statsmodels.stats.meta_analysis import combine_effects

    def run(reps: int) -> None:
        yi, vi = studies(generator(), reps)
        for y, v in zip(yi, vi, strict=True):
            combine_effects(y, v, method_re=method, use_t=True)

    return run


def pymare_review(estimator: str) -> Run:
    from pymare import Dataset, estimators

    def run(reps: int) -> None:
        yi, vi = studies(generator(), reps)
        if estimator == "DL":  # over all reviews at once, one column each
            dataset = Dataset(yi.T, vi.T)
            estimators.DerSimonianLaird().fit_dataset(dataset).summary().get_fe_stats()
            return
        for y, v in zip(yi, vi, strict=True):
            fit = estimators.VarianceBasedLikelihoodEstimator(method="REML")
            fit.fit_dataset(Dataset(y, v)).summary().get_fe_stats()

    return run


@cache
def _on_one_thread() -> None:
    # mcpower takes the number of threads once, before it simulates anything.
    from mcpower import _engine

    _engine.set_n_threads(1)


def mcpower_model(mixed: bool) -> Callable[[int], float]:
    """Power by mcpower on one thread: raw data of groups of exactly equal sizes."""
    from mcpower import MCPower

    _on_one_thread()
    model = MCPower("y = g + (1|animal)", family="lme") if mixed else MCPower("y = g")
    model.set_variable_type("g=(factor,2)")
    model.set_effects(f"g[2]={MU}")
    if mixed:
        model.set_cluster(
            "animal", ICC=0.5, n_clusters=2 * N_MIXED, cluster_level_vars=["g"]
        )  # fmt: skip
    total = 2 * N_MIXED * M if mixed else 2 * N_T

    def run(reps: int) -> float:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # few measurements of each animal
            found = model.find_power(
                total, target_test="g[2]", n_sims=reps, seed=1, verbose=False,
                progress_callback=False,
            )  # fmt: skip
        return float(found["power_uncorrected"][0][0])

    return run


def opponents() -> list[tuple[str, str, int, Run]]:
    """Work, name, replicates of one round, and what runs them; the planner's own first."""
    # Every round of any of them takes a tenth of a second or so.
    reps = {"REML": 300_000, "DL": 400_000, "battery": 4_000, "t": 3_000_000, "mixed": 2_000_000}
    found = [(work, "planner", reps[work], run) for work, run in own().items()]
    found += [
        ("REML", "numpy, vectorised by hand", 20_000, numpy_review(reml_tau2)),
        ("DL", "numpy, vectorised by hand", 50_000, numpy_review(dl_tau2)),
        ("t", "numpy, the same two numbers", 1_000_000, numpy_t_summary),
        ("t", "numpy, raw data", 100_000, numpy_t),
        ("t", "scipy `ttest_ind`, raw data", 50_000, scipy_t),
    ]
    if find_spec("statsmodels"):
        found.append(("DL", "statsmodels `combine_effects`", 200, statsmodels_review("dl")))
    if find_spec("pymare"):
        found.append(("DL", "PyMARE, vectorised", 5_000, pymare_review("DL")))
        found.append(("REML", "PyMARE", 50, pymare_review("REML")))
    if find_spec("mcpower"):
        found.append(("t", "mcpower (Rust), raw data", 50_000, mcpower_model(False)))
        found.append(("mixed", "mcpower (Rust), raw data", 5_000, mcpower_model(True)))
    return found
