"""The same work by other software, side by side in one run: writes the README's table.

    .venv/bin/python -m benchmarks.peers            # prints it
    .venv/bin/python -m benchmarks.peers --write    # and puts it into README.md

Whatever is installed takes part: `pip install ".[peers]"` for statsmodels and PyMARE, Rscript with
metafor for R. Every opponent draws its studies and analyses them, on one thread; medians of
alternating rounds. The numbers are microseconds per replicate: one simulated review of 9 studies
with 8 animals per group, or one such experiment.
"""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import time
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from statistics import median

import numpy as np
from scipy import special, stats

from planner.speed_cases import cases
from sims.pooling import pool_studies

K, N, MU, TAU = 9, 8, 1.4, 0.9
ROUNDS = 7
START, END = "<!-- speed: made by benchmarks/peers.py -->", "<!-- end of speed -->"
README = Path(__file__).parents[1] / "README.md"
WORK = {
    "REML": "review of 9, REML and Hartung-Knapp",
    "DL": "review of 9, DerSimonian-Laird and Hartung-Knapp",
    "t": "experiment of 8 per group, Student's t",
}
# What the planner runs for each; its kernels do more (Wald intervals, errors, sums of powers).
OURS = {"REML": "synthesis REML", "DL": "synthesis DL", "t": "two-arm student"}


def studies(rng: np.random.Generator, reps: int) -> tuple[np.ndarray, np.ndarray]:
    """Hedges g and its variance, (reps, K), two random numbers for each study."""
    df = 2 * N - 2
    factor = math.exp(special.gammaln(df / 2) - special.gammaln((df - 1) / 2)) / math.sqrt(df / 2)
    d = rng.normal(MU, math.sqrt(TAU**2 + 2 / N), (reps, K))
    g = factor * d / np.sqrt(rng.chisquare(df, (reps, K)) / df)
    return g, 2 / N + g**2 / (4 * N)


def weighted(yi: np.ndarray, vi: np.ndarray, tau2: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weights, their sums, pooled effects and residuals."""
    w = 1.0 / (vi + tau2[:, None])
    total = w.sum(axis=1)
    mu = (w * yi).sum(axis=1) / total
    return w, total, mu, yi - mu[:, None]


def dl_tau2(yi: np.ndarray, vi: np.ndarray) -> np.ndarray:
    w, total, _, e = weighted(yi, vi, np.zeros(len(yi)))
    q = (w * e**2).sum(axis=1)
    return np.maximum(0.0, (q - (K - 1)) / (total - (w**2).sum(axis=1) / total))


def reml_tau2(yi: np.ndarray, vi: np.ndarray) -> np.ndarray:
    """Fisher scoring over all reviews at once; those that have converged drop out."""
    tau2 = dl_tau2(yi, vi)
    left = np.arange(len(yi))
    for _ in range(100):
        w, total, _, e = weighted(yi[left], vi[left], tau2[left])
        w2 = w**2
        trace_pp = w2.sum(1) - 2 * (w2 * w).sum(1) / total + (w2.sum(1) / total) ** 2
        score = (w2 * e**2).sum(1) - (total - w2.sum(1) / total)
        after = np.maximum(0.0, tau2[left] + score / trace_pp)
        moved = np.abs(after - tau2[left]) > 1e-6
        tau2[left] = after
        left = left[moved]
        if not len(left):
            break
    return tau2


def significant(yi: np.ndarray, vi: np.ndarray, tau2: np.ndarray) -> float:
    w, total, mu, e = weighted(yi, vi, tau2)
    se = np.sqrt((w * e**2).sum(axis=1) / (K - 1) / total)
    return float(np.mean(np.abs(mu) > stats.t.ppf(0.975, K - 1) * se))


def numpy_review(tau2: Callable[[np.ndarray, np.ndarray], np.ndarray]) -> Callable[[int], object]:
    def run(reps: int) -> None:
        rng = np.random.default_rng(1)
        for _ in range(reps // 1000):  # blocks that fit the cache
            yi, vi = studies(rng, 1000)
            significant(yi, vi, tau2(yi, vi))

    return run


def numpy_t(reps: int) -> None:
    rng = np.random.default_rng(1)
    critical = stats.t.ppf(0.975, 2 * N - 2)
    for _ in range(reps // 1000):
        a, b = rng.normal(MU, 1.0, (1000, N)), rng.normal(0.0, 1.0, (1000, N))
        s2 = (a.var(axis=1, ddof=1) + b.var(axis=1, ddof=1)) / 2.0
        np.mean(np.abs(a.mean(1) - b.mean(1)) > critical * np.sqrt(s2 * 2 / N))


def scipy_t(reps: int) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.normal(MU, 1.0, (reps, N)), rng.normal(0.0, 1.0, (reps, N))
    np.mean(stats.ttest_ind(a, b, axis=1).pvalue < 0.05)


def statsmodels_review(method: str) -> Callable[[int], object]:
    from statsmodels.stats.meta_analysis import combine_effects

    def run(reps: int) -> None:
        yi, vi = studies(np.random.default_rng(1), reps)
        for y, v in zip(yi, vi, strict=True):
            combine_effects(y, v, method_re=method, use_t=True)

    return run


def pymare_review(estimator: str) -> Callable[[int], object]:
    from pymare import Dataset, estimators

    def run(reps: int) -> None:
        yi, vi = studies(np.random.default_rng(1), reps)
        if estimator == "DL":  # over all reviews at once, one column each
            dataset = Dataset(yi.T, vi.T)
            estimators.DerSimonianLaird().fit_dataset(dataset).summary().get_fe_stats()
            return
        for y, v in zip(yi, vi, strict=True):
            fit = estimators.VarianceBasedLikelihoodEstimator(method="REML")
            fit.fit_dataset(Dataset(y, v)).summary().get_fe_stats()

    return run


def opponents() -> list[tuple[str, str, int, Callable[[int], object]]]:
    """Work, name, replicates of one round, and what runs them; the planner's own among them."""
    own = {case.name: case for case in cases()}
    # Every round of any of them takes a tenth of a second or so.
    reps = {"REML": 300_000, "DL": 400_000, "t": 3_000_000}
    found = [(work, "planner", reps[work], own[name].prepare()) for work, name in OURS.items()]
    found += [
        ("REML", "numpy, vectorised by hand", 20_000, numpy_review(reml_tau2)),
        ("DL", "numpy, vectorised by hand", 50_000, numpy_review(dl_tau2)),
        ("t", "numpy, vectorised by hand", 100_000, numpy_t),
        ("t", "scipy `ttest_ind`, vectorised", 50_000, scipy_t),
    ]
    if find_spec("statsmodels"):
        found.append(("DL", "statsmodels `combine_effects`", 200, statsmodels_review("dl")))
    if find_spec("pymare"):
        found.append(("DL", "PyMARE, vectorised", 5_000, pymare_review("DL")))
        found.append(("REML", "PyMARE", 50, pymare_review("REML")))
    return found


R_NAMES = {
    "REML metafor": ("REML", "R, metafor `rma` in a loop"),
    "DL metafor": ("DL", "R, metafor `rma` in a loop"),
    "DL R matrices": ("DL", "R, vectorised by hand"),
    "t R matrices": ("t", "R, vectorised by hand"),
    "t R t.test": ("t", "R, `t.test` in a loop"),
}


def r_times() -> dict[tuple[str, str], float]:
    """Seconds per replicate of R's versions; none without R."""
    if shutil.which("Rscript") is None:
        return {}
    script = Path(__file__).with_suffix(".R")
    run = subprocess.run(["Rscript", str(script)], capture_output=True, text=True, check=False)
    if run.returncode:
        print(f"R takes no part: {run.stderr.strip().splitlines()[-1:]}", file=sys.stderr)
        return {}
    lines = [line.split("\t") for line in run.stdout.splitlines()]
    return {R_NAMES[name]: float(seconds) for name, seconds in lines}


def measured() -> dict[tuple[str, str], float]:
    """Median microseconds per replicate by work and name."""
    rounds: dict[tuple[str, str], list[float]] = {}
    every = opponents()
    for _, _, reps, run in every:
        run(min(reps, 1000))  # compiled and imported before anything is timed
    for _ in range(ROUNDS):
        for work, name, reps, run in every:
            start = time.perf_counter()
            run(reps)
            rounds.setdefault((work, name), []).append((time.perf_counter() - start) / reps)
        for key, seconds in r_times().items():
            rounds.setdefault(key, []).append(seconds)
    return {key: 1e6 * median(times) for key, times in rounds.items()}


def table(times: dict[tuple[str, str], float]) -> str:
    """A table in Markdown, the quickest opponent of each kind of work first."""
    lines = ["| work | by | us per replicate | times the planner's |", "|---|---|---:|---:|"]
    for work, words in WORK.items():
        own = times[work, "planner"]
        rows = sorted((t, name) for (kind, name), t in times.items() if kind == work)
        for t, name in rows:
            ratio = (
                "1"
                if name == "planner"
                else f"{t / own:,.0f}"
                if t > 9.5 * own
                else f"{t / own:.1f}"
            )
            lines.append(f"| {words} | {name} | {t:,.3g} | {ratio} |" if t < 1000 else
                         f"| {words} | {name} | {t:,.0f} | {ratio} |")  # fmt: skip
    return "\n".join(lines)


def check_same_numbers() -> None:
    """The opponents written here must do the same work: estimates equal the planner's."""
    yi, vi = studies(np.random.default_rng(3), 200)
    for code, tau2 in ((1, dl_tau2(yi, vi)), (3, reml_tau2(yi, vi))):
        own = np.array([pool_studies(y, v, code).tau2 for y, v in zip(yi, vi, strict=True)])
        # REML may have two maxima; scoring from DerSimonian-Laird then finds the nearer one.
        assert np.mean(np.abs(own - tau2) < 1e-4 * (1.0 + own)) > 0.98


def main() -> None:
    warnings.simplefilter("ignore")
    check_same_numbers()
    text = table(measured())
    print(text)
    if "--write" in sys.argv[1:]:
        before, _, rest = README.read_text(encoding="utf-8").partition(START)
        _, found, after = rest.partition(END)
        if not found:
            sys.exit(f"README.md has no place for the table: {START} ... {END}")
        README.write_text(f"{before}{START}\n{text}\n{END}{after}", encoding="utf-8")


if __name__ == "__main__":
    main()
