"""Syntheses under a mechanism, with detectors and corrections: sums over replicates.

Whatever is registered in `sims.smallstudy_names` runs here. Kernels fill a block of replicates,
numpy adds it up.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sims.corrections import BY_SIZE, T_BASED
from sims.engine import Runner, run_tally
from sims.lanes.corrections import correct_many
from sims.names import ESTIMATORS
from sims.selection import Mechanism, published_syntheses
from sims.selection_errors import EDGES, binned
from sims.smallstudy import detect_many, kendall_pvals
from sims.smallstudy_names import CORRECTIONS, DETECTORS
from sims.streams import scenario_key
from sims.tally import KernelTally
from sims.types import Studies

BLOCK = 500
PET_SWITCH = 0.05  # one-sided level at which pet-peese takes peese
LEFT = 1.0  # the side away from benefit is where simulations fill

GENERAL = ("done", "given_up", "run", "run_sq", "published")
PER_DETECTOR = ("applied", "rejected")
# e: estimate - mu; excess: e^2 less that of the first correction, where both exist; large: how
# many estimates are as large as a published one.
PER_CORRECTION = (
    "n_ok", "e", "e2", "e3", "e4", "cover", "benefit", "harm", "n_both", "excess", "excess_sq",
    "large",
)  # fmt: skip


class Analyses(NamedTuple):
    """What is done with each synthesis: names, the model behind, two-sided level, quantiles.

    t, switch: quantiles of t with k - 2 df (alpha two-sided; PET_SWITCH one-sided); z: normal;
    large: the published effect that estimates are compared with, or NaN.
    """

    detectors: tuple[str, ...]
    corrections: tuple[str, ...]
    estimator: str
    alpha: float
    t: float
    switch: float
    z: float
    large: float


class BiasSums(NamedTuple):
    """Sums over replicates by name: general, by detector, by correction (see the tuples above).

    sizes: by correction, how many errors are in which bin of `sims.selection_errors`.
    """

    general: dict[str, float]
    detectors: dict[str, dict[str, float]]
    corrections: dict[str, dict[str, float]]
    sizes: dict[str, np.ndarray]


def make_analyses(
    k: int,
    detectors: Sequence[str] = tuple(DETECTORS),
    corrections: Sequence[str] = tuple(CORRECTIONS),
    estimator: str = "DL",
    alpha: float = 0.05,
    large: float = np.nan,
) -> Analyses:
    """Analyses of k studies; the first correction is what the others are compared with."""
    from sims.inference import critical_value

    t, switch = np.nan, np.inf
    if k > 2:
        t, switch = critical_value(alpha, k - 2.0), critical_value(2.0 * PET_SWITCH, k - 2.0)
    z = critical_value(alpha, np.inf)
    return Analyses(tuple(detectors), tuple(corrections), estimator, alpha, t, switch, z, large)


def draw_published(
    studies: Studies,
    mechanism: Mechanism,
    mu: np.ndarray,
    tau: np.ndarray,
    cap: int,
    n_sim: int,
    seed: int,
    scenario: str,
    first: int = 0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Replicates first..first+n_sim-1: yi, vi, ni (n_sim, k); studies run, mean truth (n_sim,).

    Studies run are negative where a synthesis was given up; its studies mean nothing.
    """
    key = scenario_key(scenario)
    return _drawn(studies, mechanism, mu, tau, cap, n_sim, np.uint64(seed), key, first)


def _drawn(studies, mechanism, mu, tau, cap, n_sim, seed, scenario, first):
    shape = (n_sim, len(studies.fixed))
    yi, vi, ni, run = np.ones(shape), np.ones(shape), np.ones(shape), np.empty((n_sim, 2))
    published_syntheses(
        seed, scenario, first, mu, tau, studies, mechanism, cap, yi, vi, ni, run
    )  # fmt: skip
    return yi, vi, ni, run[:, 0], mu[run[:, 1].astype(int)]


def bias_sums(
    studies: Studies,
    mechanism: Mechanism,
    mu: np.ndarray,
    tau: np.ndarray,
    cap: int,
    analyses: Analyses,
    n_sim: int,
    seed: int,
    scenario: str,
    jobs: int = 1,
    run: Runner = run_tally,
) -> BiasSums:
    """Sums of n_sim replicates; (J,) truths mu, tau are equally likely. jobs changes nothing."""
    tally = KernelTally(
        add_syntheses, seed, scenario_key(scenario), studies, mechanism, mu, tau, cap, analyses
    )
    total = run(tally, n_sim, (n_sums(analyses),), jobs, chunk=BLOCK, chunks_per_task=1)
    return _named(total, analyses)


def add_syntheses(
    seed, scenario, first, count, studies, mechanism, mu, tau, cap, analyses, out
) -> None:  # fmt: skip
    """Add the sums of replicates first..first+count-1 to `out`."""
    out += _add_up(_drawn(studies, mechanism, mu, tau, cap, count, seed, scenario, first), analyses)


def n_sums(analyses: Analyses) -> int:
    """Length of a block's sums."""
    per_correction = len(PER_CORRECTION) + len(EDGES) - 1
    detectors = len(PER_DETECTOR) * len(analyses.detectors)
    return len(GENERAL) + detectors + per_correction * len(analyses.corrections)


def _add_up(drawn: tuple[np.ndarray, ...], analyses: Analyses) -> np.ndarray:
    yi, vi, ni, run, truth = drawn
    done = run > 0.0
    yi, vi, ni, run, truth = (np.ascontiguousarray(x[done]) for x in drawn)
    k = yi.shape[1]
    varied = np.ptp(ni, axis=1) > 0.0  # else no test, and no correction by size, is applicable
    sums = [len(run), np.sum(~done), run.sum(), np.sum(run**2), len(run) * k]
    exact = kendall_pvals(k)
    for name in analyses.detectors:
        found = np.empty((len(yi), 5))
        detect_many(yi, vi, ni, DETECTORS[name], exact, found)
        applied = varied & (found[:, 4] == 1.0)
        sums += [applied.sum(), np.sum(applied & (found[:, 3] < analyses.alpha))]
    plain: np.ndarray | None = None
    sizes = []
    for name in analyses.corrections:
        x = np.empty((len(yi), 9))
        correct_many(
            yi, vi, CORRECTIONS[name], truth, ESTIMATORS[analyses.estimator], LEFT,
            analyses.switch, x,
        )  # fmt: skip
        critical = analyses.t if name in T_BASED else analyses.z
        ok, e = x[:, 4] == 1.0, x[:, 0] - truth
        if name in BY_SIZE:
            ok &= varied
        plain = e if plain is None else plain
        both = ok & np.isfinite(plain)
        excess = (e**2 - plain**2)[both]
        stat, about = x[ok, 2], x[ok, 3]
        sums += [ok.sum(), *(np.sum(e[ok] ** power) for power in (1, 2, 3, 4))]
        sums += [np.sum(np.abs(about) <= critical), np.sum(stat > critical)]
        sums += [np.sum(stat < -critical), both.sum(), excess.sum(), np.sum(excess**2)]
        sums += [np.sum(x[ok, 0] >= analyses.large)]
        sizes.append(binned(e[ok]))
    return np.concatenate([np.array(sums, dtype=float), *sizes])


def _named(total: np.ndarray, analyses: Analyses) -> BiasSums:
    values = iter(total.tolist())

    def take(names: tuple[str, ...]) -> dict[str, float]:
        return {name: next(values) for name in names}

    general = take(GENERAL)
    detectors = {name: take(PER_DETECTOR) for name in analyses.detectors}
    corrections = {name: take(PER_CORRECTION) for name in analyses.corrections}
    rest = np.array(list(values)).reshape(len(analyses.corrections), len(EDGES) - 1)
    return BiasSums(
        general, detectors, corrections, dict(zip(analyses.corrections, rest, strict=True))
    )
