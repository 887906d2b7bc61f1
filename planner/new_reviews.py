"""A new meta-analysis of k such studies: what it would conclude, and how often wrongly."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.calibration import Calibration, truth_fields
from planner.clustered_reviews import clustered_rows
from planner.errors import InputError, check_seed
from planner.group_sizes import Sizes
from planner.options import check_targets, replications
from planner.outer_draws import half_width
from planner.precision import precise
from planner.progress import Work
from planner.results import Result, provenance
from planner.synthesis_designs import (
    MOST_STUDIES,
    SynthesisDesign,
    check_counts,
    draw_plan,
    sizes_named,
)
from planner.synthesis_runs import (
    Sums,
    check_source,
    review_rows,
    review_sums,
    review_truths,
    success_chances,
)
from sims.names import INTERVALS

if TYPE_CHECKING:
    from planner.published import Analysis
    from planner.questions import Truth

DEFAULT_K = (3, 6, 9, 12, 20)
DEFAULT_REPS = 50_000
CLUSTER_SHARE = 2, 5  # of the replicates: clustered reviews take twenty times as long


@precise
def meta(
    analysis: Analysis | None = None,
    *,
    k: int | Iterable[int] | None = None,
    n: int | Iterable[int] | None = None,
    sizes: str = "published",
    target: float | Sequence[float] = (0.8, 0.9),
    truth: Calibration | None = None,
    mu: float | None = None,
    tau: float | None = None,
    plan_for: str = "new-lab",
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
    """What a new meta-analysis of k studies like the published ones concludes.

    Parameters
    ----------
    analysis : published meta-analysis; or give `mu` and `tau`
    k : numbers of studies; default a few and the published number
    n : animals per group, the same in every study; default sizes like the published ones
    sizes : ``"published"`` or a range such as ``"4:12"`` (uniform), without `n`
    target : chances of success for which the number of studies is sought
    truth : a calibration to use instead of calculating one
    mu, tau : the truth by hand: effects of studies are N(mu, tau^2), in SDs
    plan_for : ``"new-lab"`` (the matched truth), ``"assurance"`` (all truths the publication
        leaves open) or ``"discounted"``
    estimator, interval : names; the first of each is the one that the answer is about
    cluster, share : comparisons that depend, and the share of tau^2 between clusters
    vtype : sampling variance of g, ``"CMA"``, ``"LS"`` or ``"UB"``; default that of the evidence
    alpha : two-sided level; reps or mcse, seed, jobs : of the simulation

    Returns
    -------
    Result with rows for success, power, type_i, estimate, bias, emp_se, rmse, bias_tau2,
    convergence, coverage, ci_width, pi_coverage; type_i is at mu = 0 and the same tau.

    Raises
    ------
    InputError : a value that is out of range or contradicts another.
    """
    check_seed(seed)
    check_source(analysis, mu, tau)
    reps = replications(reps, mcse, DEFAULT_REPS)
    targets = check_targets(target)
    design = SynthesisDesign.named(analysis, estimator, interval, alpha, vtype)
    laws = _size_laws(analysis, n, sizes)
    calibration, truths = review_truths(
        analysis, truth, mu, tau, plan_for, cluster, share, jobs, progress
    )
    published_k = () if analysis is None else (analysis.k,)
    counts = check_counts({*DEFAULT_K, *published_k} if k is None else k, "--k", 2, MOST_STUDIES)
    labels = None
    if analysis is not None and calibration is not None and calibration.cluster != "none":
        labels = analysis.clusters[calibration.cluster]
    common = 0.0 if calibration is None else calibration.share

    @cache
    def studies_of(law: int, count: int) -> Any:
        return draw_plan(laws[law][1], count, design.vtype, labels, common)

    @cache
    def sums_of(named: Truth, law: int, count: int) -> Sums:
        studies = studies_of(law, count)
        return review_sums(named, studies, design, reps, seed, jobs, work.part())

    rows: list[dict[str, Any]] = []
    cells = [
        (law, count, named) for law in range(len(laws)) for count in counts for named in truths
    ]
    work = Work(progress)
    work.stage("syntheses", [count * reps for _, count, _ in cells for _ in range(2)])
    for law, count, named in cells:
        sums, studies = sums_of(named, law, count), studies_of(law, count)
        null = review_sums(named, studies, design, reps, seed, jobs, work.part(), null=True)
        rows += review_rows(sums, null, design, named, k=count, n=laws[law][0])
    work.searches("studies required", len(truths))
    required = _required(
        truths, design, targets, lambda named, count: sums_of(named, 0, count), reps, work
    )
    recommended = _recommend(required, rows, design, truths[0].name, targets[0])
    if analysis is not None and calibration is not None:
        part, whole = CLUSTER_SHARE
        own_reps = max(1, reps * part // whole)
        rows += clustered_rows(analysis, truths[0], design, laws[0][1], own_reps, seed, jobs, work)
    scenario = {
        "analysis": None if analysis is None else analysis.name, "evidence": None, "reading": [],
        "k": None if k is None else counts, "n": None if n is None else [law[0] for law in laws],
        "sizes": sizes, "target": list(targets), "mu": mu, "tau": tau,
        "plan_for": None if mu is not None else plan_for,
        "estimator": ",".join(design.estimators), "interval": ",".join(design.intervals),
        "cluster": cluster, "share": share, "vtype": design.vtype, "alpha": alpha, "reps": reps,
        "seed": seed,
    }  # fmt: skip
    from planner.reports.meta_figures import review_bias, review_chances
    from planner.reports.meta_wording import meta_answer, meta_headline, meta_warnings

    facts = {
        "analysis": analysis, "calibration": calibration, "design": design, "rows": rows,
        "truths": truths, "targets": targets, "required": required, "recommended": recommended,
        "counts": counts, "laws": laws, "mu": mu, "tau": tau, "plan_for": plan_for,
    }  # fmt: skip
    return Result(
        command="meta",
        answer=meta_answer(facts),
        warnings=meta_warnings(facts),
        scenario=scenario,
        truth=truth_fields(calibration, mu, tau),
        performance=rows,
        required_rows=required,
        recommended=None if recommended is None else recommended["k"],
        provenance=provenance(seed, analysis),
        extra={"headline": meta_headline(analysis, "New meta-analyses", mu, tau)},
        figures={"meta": review_chances, "bias": review_bias},
    )


def _size_laws(
    analysis: Analysis | None, n: int | Iterable[int] | None, sizes: str
) -> list[tuple[int | None, Sizes]]:
    """Group sizes to simulate: fixed ones with their n, or one law without."""
    if n is None:
        return [(None, sizes_named(sizes, analysis))]
    if sizes != "published":
        raise InputError("--n and --sizes both say how large groups are: give one of them")
    return [(m, Sizes.fixed(m)) for m in check_counts(n, "--n", 2, 10_000)]


def _required(
    truths: Sequence[Truth],
    design: SynthesisDesign,
    targets: Sequence[float],
    sums_of: Callable[[Truth, int], Sums],
    reps: int,
    work: Work,
) -> list[dict[str, Any]]:
    """Fewest studies whose simulated chance of success reaches a target, for every interval."""
    rows = []
    for truth in truths:

        @cache
        def chances(k: int, truth: Truth = truth) -> np.ndarray:
            return success_chances(sums_of(truth, k), design)

        ceiling = float(np.mean(truth.mu > 0.0))
        for e, estimator in enumerate(design.estimators):
            for i, interval in enumerate(design.intervals):
                for goal in targets:
                    found, low, high = _smallest_k(
                        partial(_at, chances, e, i), goal, ceiling,
                        partial(_slack, goal, reps, len(truth.mu) > 1),
                    )  # fmt: skip
                    rows.append({
                        "target": goal, "truth": truth.name, "measure": "success", "shrink": 0.0,
                        "question": None, "n": None, "k": found, "estimator": estimator,
                        "interval": interval, "ci_lb": low, "ci_ub": high,
                        "reached": found is not None, "ceiling": ceiling, "animals": None,
                        "ordered": None, "recommended": False,
                    })  # fmt: skip
        work.found()
    return rows


def _at(chances: Callable[[int], np.ndarray], e: int, i: int, k: int) -> tuple[float, float]:
    chance, mcse = chances(min(k, MOST_STUDIES))[:, e, i]
    return float(chance), float(mcse)


def _slack(goal: float, reps: int, averaged: bool, mcse: float) -> float:
    return half_width(goal, reps, mcse if averaged else None)


def _smallest_k(
    success: Callable[[int], tuple[float, float]],
    goal: float,
    ceiling: float,
    slack_of: Callable[[float], float],
) -> tuple[int | None, int | None, int | None]:
    """Fewest studies that reach a goal, and from where on a chance's 95% interval holds it.

    success: chance and its MCSE at k, the same random numbers for every k; slack_of: the interval's
    half width at the goal, from the MCSE there.
    """
    from sims.search import smallest_n

    def smallest(level: float, guess: int) -> int | None:
        if level >= ceiling:
            return None
        return smallest_n(lambda k: success(k)[0], level, 2, guess)

    found = smallest(goal, 8)
    if found is None:
        return None, None, None
    slack = slack_of(success(found)[1])
    return found, smallest(max(1e-9, goal - slack), found), smallest(goal + slack, found)


def _recommend(
    required: list[dict[str, Any]],
    rows: Sequence[dict[str, Any]],
    design: SynthesisDesign,
    truth: str,
    goal: float,
) -> dict[str, Any] | None:
    """The required k of the first estimator with `hk` (fair at any k), else the first interval."""
    wanted = "hk" if "hk" in design.intervals else design.intervals[0]
    for row in required:
        names = (row["truth"], row["target"], row["estimator"], row["interval"])
        if names == (truth, goal, design.estimators[0], wanted) and row["reached"]:
            row["recommended"] = True
            return row
    return None
