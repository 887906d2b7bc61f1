"""Comparisons that depend on each other: what that does to a review's interval of the mean."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.long_runs import run_kept
from planner.results import performance_row
from planner.synthesis_designs import draw_plan

if TYPE_CHECKING:
    from planner.group_sizes import Sizes
    from planner.progress import Part, Work
    from planner.published import Analysis
    from planner.questions import Truth
    from planner.synthesis_designs import SynthesisDesign
    from sims.types import Performance

CLUSTER_SHARES = (0.5, 1.0)


def clustered_rows(
    analysis: Analysis,
    truth: Truth,
    design: SynthesisDesign,
    sizes: Sizes,
    reps: int,
    seed: int,
    jobs: int | None,
    work: Work,
) -> list[dict[str, Any]]:
    """What dependent comparisons do at the published cluster sizes, with the robust interval.

    The truth planned for throughout, so that only the dependence differs: a share of tau^2 in
    common within clusters, each comparison with controls of its own, or one control group per
    cluster.
    """
    cells: list[tuple[str, float, str]] = []
    for level in ("study", "lab"):
        if level in analysis.clusters and analysis.clustered(level):
            cells += [(level, share, "own") for share in CLUSTER_SHARES]
            cells += [(level, share, "shared") for share in (0.0, CLUSTER_SHARES[-1])]
    if not cells:
        return []
    rows = []
    cells.insert(0, ("none", 0.0, "own"))
    work.stage("clustered syntheses", [reps] * len(cells))
    for level, share, controls in cells:
        labels = np.arange(analysis.k) if level == "none" else analysis.clusters[level]
        sums = _clustered_sums(
            labels, share, controls == "shared", truth, design, sizes, reps, seed, jobs,
            work.part(),
        )  # fmt: skip
        for interval, own in sums.items():
            for measure in _clustered_measures(own, reps):
                rows.append(performance_row(
                    measure._asdict(), truth=truth.name, k=analysis.k, interval=interval,
                    estimator=design.estimators[0], cluster=level, share=share, controls=controls,
                ))  # fmt: skip
    return rows


def _clustered_sums(
    labels: np.ndarray,
    share: float,
    shared: bool,
    truth: Truth,
    design: SynthesisDesign,
    sizes: Sizes,
    reps: int,
    seed: int,
    jobs: int | None,
    part: Part,
) -> dict[str, dict[str, float]]:
    from sims.clustered import N_INTERVALS, N_SUMS, SUMS, make_arms, quantile_table, tally_clustered
    from sims.streams import scenario_key
    from sims.tally import KernelTally

    studies = draw_plan(sizes, len(labels), design.vtype, labels, share)
    every = replace(design, intervals=("wald", "hk", "hk-wald"))
    critical, arms = every.critical(len(labels))[:, 1].copy(), make_arms(studies, shared)
    table = quantile_table(design.alpha)
    tally = KernelTally(
        tally_clustered, seed, scenario_key("clustered"), truth.mu, truth.tau, studies, arms,
        int(design.codes[0]), critical, table,
    )  # fmt: skip
    sums = run_kept(tally, reps, (N_INTERVALS, N_SUMS), jobs, part)
    names = (*every.intervals, "cr2")
    kept = (*design.intervals, "cr2")
    return {
        name: dict(zip(SUMS, (float(x) for x in row), strict=True))
        for name, row in zip(names, sums, strict=True)
        if name in kept
    }


def _clustered_measures(s: dict[str, float], reps: int) -> list[Performance]:
    from sims.performance import mean, proportion

    n_ok = int(s["n_ok"])
    failed = reps - n_ok
    return [
        proportion("coverage", s["cover"], reps, failed),
        proportion("success", s["benefit"], reps, failed),
        proportion("power", s["benefit"] + s["harm"], reps, failed),
        mean("ci_width", s["width"], s["width_sq"], n_ok, failed),
    ]
