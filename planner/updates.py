"""Updating a published meta-analysis: what m new studies of n animals per group would change.

The published studies are the real ones where the evidence keeps them, else the pseudo-studies
that reproduce the publication; the new studies come from the truth that goes with each set.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.calibration import Calibration, calibrate, published_studies, truth_fields
from planner.errors import InputError, check_seed
from planner.options import check_truth, replications
from planner.precision import precise
from planner.progress import Work
from planner.results import Result, performance_row, provenance
from planner.synthesis_designs import (
    SynthesisDesign,
    check_counts,
)
from planner.synthesis_runs import (
    update_replicates,
    update_rows,
    update_sums,
)
from sims.names import INTERVALS

if TYPE_CHECKING:
    from planner.published import Analysis

DEFAULT_N = (8, 12, 16)
DEFAULT_REPS = 50_000
N_SETS, N_DRAWS, SET_REPS = 400, 512, 768  # behind the part of an answer that the data would settle


@precise
def update(
    analysis: Analysis | None = None,
    *,
    new_studies: int | Iterable[int] = range(7),
    n: int | Iterable[int] = DEFAULT_N,
    truth: Calibration | None = None,
    mu: float | None = None,
    tau: float | None = None,
    estimator: str | Iterable[str] = ("DL", "REML"),
    interval: str | Iterable[str] = tuple(INTERVALS),
    cluster: str = "none",
    share: float | None = None,
    vtype: str | None = None,
    alpha: float = 0.05,
    reps: int | None = None,
    mcse: float | None = None,
    seed: int = 1,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Result:
    """What the published meta-analysis would say with m new studies of n animals per group.

    Parameters
    ----------
    analysis : published meta-analysis to update
    new_studies, n : numbers of new studies, and of animals per group in each
    truth : a calibration to use instead of calculating one
    mu, tau : truth of the new studies by hand; default the draws that go with the published ones
    estimator, interval : names; the first of each is the one that the answer is about
    cluster, share : how the published comparisons depend; new studies are independent
    vtype, alpha : of the pooling; reps, mcse, seed, jobs : of the simulation

    Returns
    -------
    Result with rows success, power, changed, pi_excludes_zero, ci_width, shift, data_sd.

    Raises
    ------
    InputError : a value that is out of range, or no analysis.
    """
    if analysis is None:
        raise InputError("nothing to update: give --analysis NAME or --evidence FILE.toml")
    check_truth(mu, tau)
    check_seed(seed)
    reps = replications(reps, mcse, DEFAULT_REPS)
    counts = check_counts(new_studies, "--new-studies", 0, 100)
    sizes = check_counts(n, "--n", 2, 10_000)
    design = SynthesisDesign.named(analysis, estimator, interval, alpha, vtype)
    calibration = truth or calibrate(
        analysis, cluster=cluster, share=share, jobs=jobs, progress=progress
    )
    yi, vi, ni = published_studies(calibration, analysis)
    draws_mu, draws_tau = calibration.draws_mu, calibration.draws_tau
    if mu is not None and tau is not None:
        draws_mu, draws_tau = (np.full(len(yi), value) for value in (mu, tau))
    name = "assurance" if mu is None else "given"
    cells = [(size, m) for size in sizes for m in counts]
    work = Work(progress)
    work.stage("updates", [(analysis.k + m) * reps for _, m in cells])
    settled = None
    if mu is None and analysis.data is None and calibration.share == 0.0:
        settled = _posterior(calibration, (yi, vi, ni), seed) if counts[-1] > 0 else None
    rows = []
    for size, m in cells:
        sums = update_sums(
            (yi, vi, draws_mu, draws_tau), design, size, m, reps, seed, jobs, work.part()
        )
        rows += update_rows(sums, design, truth=name, n=size, k=analysis.k + m, new_studies=m)
        if settled is not None and m > 0:
            found = _data_part(settled, design, size, m, seed)
            rows.append(performance_row(
                found, truth=name, n=size, k=analysis.k + m, new_studies=m,
                estimator=design.estimators[0], interval=design.intervals[0],
            ))  # fmt: skip
    scenario = {
        "analysis": analysis.name, "evidence": None, "reading": [], "update": True,
        "new_studies": counts, "n": sizes, "mu": mu, "tau": tau,
        "estimator": ",".join(design.estimators), "interval": ",".join(design.intervals),
        "cluster": calibration.cluster, "share": calibration.share, "vtype": design.vtype,
        "alpha": alpha, "reps": reps, "seed": seed,
    }  # fmt: skip
    from planner.reports.meta_figures import update_chances, update_widths
    from planner.reports.meta_wording import meta_headline, update_answer, update_warnings

    facts = {
        "analysis": analysis, "calibration": calibration, "design": design, "rows": rows,
        "sizes": sizes, "counts": counts, "truth": name,
    }  # fmt: skip
    return Result(
        command="meta",
        answer=update_answer(facts),
        warnings=update_warnings(facts),
        scenario=scenario,
        truth=truth_fields(calibration if mu is None else None, mu, tau),
        performance=rows,
        provenance=provenance(seed, analysis),
        extra={"headline": meta_headline(analysis, "Updating")},
        figures={"update": update_chances, "width": update_widths},
    )


def _posterior(
    calibration: Calibration, studies: tuple[np.ndarray, np.ndarray, np.ndarray], seed: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Some sets of studies, and draws of (mu, tau) given each: yi, vi (S, k); mu, tau (S, D)."""
    from sims.effects import sampling_variance
    from sims.posterior import posterior_draws

    yi, vi, ni = (part[:N_SETS] for part in studies)
    j = np.vectorize(lambda size: sampling_variance(size, size, 0)[0])(ni)
    prior = np.array(calibration.prior)
    return yi, vi, *posterior_draws(yi / j, ni, ni, prior, N_DRAWS, seed, 64)


def _data_part(
    settled: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    design: SynthesisDesign,
    n: int,
    m: int,
    seed: int,
) -> dict[str, Any]:
    """SD, over the published studies that may lie behind the summary, of the chance of success.

    With the studies in hand the chance would be that of one set, given its own posterior of (mu,
    tau); the SD over sets is what not having them leaves open. The MCSE is that of the variance,
    by the delta method.
    """
    yi, vi, draws_mu, draws_tau = settled
    sets = (
        np.repeat(yi, N_DRAWS, axis=0), np.repeat(vi, N_DRAWS, axis=0),
        draws_mu.ravel(), draws_tau.ravel(),
    )  # fmt: skip
    one = replace(design, estimators=design.estimators[:1], intervals=design.intervals[:1])
    picked, benefit = update_replicates(sets, one, n, m, len(yi) * SET_REPS, seed)
    variance, error = between_sets(picked // N_DRAWS, picked, benefit)
    sd = math.sqrt(max(0.0, variance))
    return {
        "measure": "data_sd", "value": sd, "mcse": error / (2.0 * sd) if sd > 0.0 else 0.0,
        "n_sim": len(picked),
    }  # fmt: skip


def between_sets(of_set: np.ndarray, draw: np.ndarray, hit: np.ndarray) -> tuple[float, float]:
    """Variance over sets of the chance given the set, and its standard error.

    Without bias: replicates of one set that have different draws of (mu, tau) are independent
    given the set, so the mean of their products is the square of its chance; products between
    sets give the square of the mean. The error is that of the mean over sets of each set's share.

    of_set : (R,) set of each replicate; draw : (R,) its draw, numbered over all sets; hit : 0 or 1
    """
    n_set, n_draw = np.bincount(of_set), np.bincount(draw)
    s_set, s_draw = np.bincount(of_set, weights=hit), np.bincount(draw, weights=hit)
    set_of = np.zeros(len(n_draw), dtype=np.int64)
    set_of[draw] = of_set
    same = np.bincount(set_of, weights=s_draw**2), np.bincount(set_of, weights=n_draw**2.0)
    square = (s_set**2 - same[0]) / (n_set**2.0 - same[1])
    chance = s_set / n_set
    sets = len(chance)
    mean_square = (chance.sum() ** 2 - (chance**2).sum()) / (sets * (sets - 1))
    share = square - 2.0 * chance * chance.mean()
    return float(square.mean() - mean_square), float(share.std() / math.sqrt(sets))
