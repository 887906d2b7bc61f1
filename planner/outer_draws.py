"""Averages over joint draws: simulated in groups of draws, whose spread is the simulation error.

A chance averaged over J equally likely truths has two errors: replicates are a sample, and so
are the truths. Groups of truths that are simulated independently differ by both, so that the
spread of their values gives the standard error of the average (batch means, with the truths as
the outer level: Morris, White & Crowther 2019, doi:10.1002/sim.8086, section 5.3).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.long_runs import run_kept
from planner.results import performance_row
from sims.performance import MEAN_CHANCES, Z95, proportion

if TYPE_CHECKING:
    from planner.progress import Part
    from sims.tally import KernelTally
    from sims.types import Performance

N_GROUPS = 25
# A measure with the columns of its row, and all of a run's from its sums and replicates.
Found = list[tuple["Performance", dict[str, Any]]]
MeasuresOf = Callable[[np.ndarray, int], Found]


def run_groups(
    tally: Callable[[np.ndarray, tuple[object, ...]], KernelTally],
    n_truths: int,
    reps: int,
    shape: tuple[int, ...],
    jobs: int | None,
    part: Part | None = None,
    **cut: int,
) -> tuple[np.ndarray, list[int]]:
    """Sums of each group of truths, (groups, *shape), and the replicates of each.

    tally : of the truths with these indices, and of streams named by these further words. A
        single truth has no groups and no further words.
    part : of the work of the command, told how far they have come
    cut : `chunk` and `chunks_per_task` of `sims.engine.run_tally`
    """
    n_groups = min(N_GROUPS, n_truths, reps // 2)
    if n_groups <= 1:
        whole = run_kept(tally(np.arange(n_truths), ()), reps, shape, jobs, part, **cut)
        return whole[None], [reps]
    counts = [reps // n_groups + (g < reps % n_groups) for g in range(n_groups)]
    sums = np.empty((n_groups, *shape))
    done = 0
    for g, count in enumerate(counts):
        own = np.arange(g, n_truths, n_groups)
        own_part = None if part is None else part.cut(done, count, reps)
        sums[g] = run_kept(tally(own, (g,)), count, shape, jobs, own_part, **cut)
        done += count
    return sums, counts


def group_measures(measures_of: MeasuresOf, sums: np.ndarray, counts: Sequence[int]) -> Found:
    """Measures of all groups together, with the standard error that their spread gives.

    var = sum w^2 (v_g - v)^2 G / (G - 1) / (sum w)^2 with w the replicates of group g: the
    variance of a ratio over clusters (Cochran 1977, eq. 2.39).
    """
    found = measures_of(sums.sum(axis=0), sum(counts))
    n_groups = len(counts)
    if n_groups == 1:
        return found
    each = [measures_of(own, count) for own, count in zip(sums, counts, strict=True)]
    values = np.array([[measure.value for measure, _ in own] for own in each])
    weight = np.array(counts, dtype=float)
    away = weight[:, None] * (values - np.array([measure.value for measure, _ in found]))
    mcse = np.sqrt((away**2).sum(axis=0) * n_groups / (n_groups - 1)) / weight.sum()
    return [
        (_with_error(measure, float(error)), columns)
        for (measure, columns), error in zip(found, mcse, strict=True)
    ]


def _with_error(measure: Performance, mcse: float) -> Performance:
    if math.isnan(mcse):  # a group in which it does not exist
        return measure
    if mcse == 0.0 and measure.n_hit is not None:
        return measure  # groups that all agree show no spread: their replicates are no more
    low, high = measure.value - Z95 * mcse, measure.value + Z95 * mcse
    if measure.n_hit is not None or measure.measure in MEAN_CHANCES:
        low, high = max(0.0, low), min(1.0, high)
    return measure._replace(mcse=mcse, ci_lb=low, ci_ub=high)


def lower_end(row: Mapping[str, Any]) -> float:
    """Lower end of the 95% interval of a chance that was counted: what it is shown to reach.

    Wilson's, and of an average over draws also that of its groups. A chance less some standard
    errors of its own would not do: of replicates that all succeed the standard error is zero.
    """
    wilson = proportion(str(row["measure"]), row["n_hit"], row["n_sim"])
    return min(float(row["ci_lb"]), wilson.ci_lb)


def half_width(goal: float, n_sim: int, error: float | None) -> float:
    """By how much a simulated chance must exceed a goal for its 95% interval to lie above.

    Wilson's lower end is the goal where the chance exceeds it by 1.96 standard errors at the goal.

    error : standard error of an average over draws; None for a single truth
    """
    return Z95 * max(math.sqrt(goal * (1.0 - goal) / n_sim), error or 0.0)


def group_rows(
    measures_of: MeasuresOf, sums: np.ndarray, counts: Sequence[int]
) -> list[dict[str, Any]]:
    """Performance rows of `group_measures`; a column `exact` is the measure's exact value."""
    return [
        performance_row({**measure._asdict(), "exact": columns.get("exact")}, **columns)
        for measure, columns in group_measures(measures_of, sums, counts)
    ]
