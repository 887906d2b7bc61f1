"""Running simulated syntheses: sums from the kernels, performance rows from the sums."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.calibration import Calibration, calibrate
from planner.errors import InputError, unknown
from planner.options import check_truth
from planner.outer_draws import Found, group_measures, group_rows, run_groups
from planner.questions import Truth
from planner.selected_calibration import discounted
from sims.names import INTERVALS

if TYPE_CHECKING:
    from planner.progress import Part
    from planner.published import Analysis
    from planner.synthesis_designs import SynthesisDesign
    from sims.types import Performance, Studies

Sums = tuple[np.ndarray, list[int]]  # by group of truths, and replicates of each group
PLAN_FOR = ("new-lab", "assurance", "discounted")


def check_source(analysis: Analysis | None, mu: float | None, tau: float | None) -> None:
    """Refuse a run without any truth to start from."""
    check_truth(mu, tau)
    if mu is None and analysis is None:
        raise InputError("nothing to plan from: give --analysis NAME, or --mu and --tau")


def review_truths(
    analysis: Analysis | None,
    truth: Calibration | None,
    mu: float | None,
    tau: float | None,
    plan_for: str,
    cluster: str,
    share: float | None,
    jobs: int | None,
    progress: Callable[[str, int, int], None] | None,
) -> tuple[Calibration | None, list[Truth]]:
    """The calibration, if there is one, and the truths, the one planned for first."""
    check_source(analysis, mu, tau)
    if mu is not None and tau is not None:
        if plan_for != "new-lab":
            raise InputError(
                f"--plan-for {plan_for} needs --analysis: --mu and --tau are the truth"
            )
        if cluster != "none":
            raise InputError(f"--cluster {cluster} needs --analysis, which says how they cluster")
        return None, [Truth.point("given", mu, tau)]
    assert analysis is not None
    if plan_for not in PLAN_FOR:
        if plan_for == "pooled":
            raise InputError(
                "--plan-for pooled: a synthesis has several laboratories, each with its own "
                f"effect; accepted: {', '.join(PLAN_FOR)}"
            )
        raise unknown("--plan-for", plan_for, PLAN_FOR)
    found = truth or calibrate(analysis, cluster=cluster, share=share, jobs=jobs, progress=progress)
    truths = [
        Truth.point("new-lab", found.mu, found.tau),
        Truth("assurance", found.draws_mu, found.draws_tau),
    ]
    if plan_for == "discounted":
        truths.append(Truth.point("discounted", *discounted(analysis, found, jobs, progress)))
    return found, sorted(truths, key=lambda one: one.name != plan_for)


def review_sums(
    truth: Truth,
    studies: Studies,
    design: SynthesisDesign,
    reps: int,
    seed: int,
    jobs: int | None,
    part: Part | None = None,
    *,
    null: bool = False,
) -> Sums:
    """Sums over simulated syntheses by group of truths; with `null` at a mean effect of zero.

    Every run uses the same random numbers, so that numbers of studies, sizes and truths differ
    by what they are and not by chance.
    """
    from sims.lanes.meta import sums_shape, tally_syntheses
    from sims.streams import scenario_key
    from sims.tally import KernelTally

    mu = np.zeros_like(truth.mu) if null else truth.mu
    critical, codes = design.critical(len(studies.fixed)), design.codes
    if null:
        critical[:, 2] = np.nan  # no prediction interval is asked about there

    def tally(own: np.ndarray, words: tuple[object, ...]) -> KernelTally:
        key = scenario_key("synthesis", *words)
        arguments = (mu[own], truth.tau[own], studies, codes, critical)
        return KernelTally(tally_syntheses, seed, key, *arguments)

    return run_groups(tally, len(mu), reps, sums_shape(len(codes), len(critical)), jobs, part)


def success_chances(sums: Sums, design: SynthesisDesign) -> np.ndarray:
    """Chance of a significant benefit and its MCSE, (2, estimators, intervals)."""
    from sims.performance import proportion

    def measures_of(own: np.ndarray, n_sim: int) -> Found:
        _, each = _named(own, design)
        return [(proportion("success", s["benefit"], n_sim), {}) for row in each for s in row]

    found = [measure for measure, _ in group_measures(measures_of, *sums)]
    shape = (len(design.estimators), len(design.intervals))
    return np.array([[x.value for x in found], [x.mcse for x in found]]).reshape(2, *shape)


def _named(
    sums: np.ndarray, design: SynthesisDesign, updates: bool = False
) -> tuple[list[dict[str, float]], list[list[dict[str, float]]]]:
    """Sums by name: of each estimator, and of each of its intervals."""
    from sims.lanes import meta

    own = meta.ESTIMATOR_SUMS + (meta.UPDATE_SUMS if updates else ())
    each = meta.INTERVAL_SUMS + (meta.UPDATE_INTERVAL_SUMS if updates else ())
    estimators, intervals = [], []
    for row in sums:
        values = [float(x) for x in row]
        estimators.append(dict(zip(own, values[: len(own)], strict=True)))
        rest = values[len(own) :]
        intervals.append([
            dict(zip(each, rest[i * len(each) : (i + 1) * len(each)], strict=True))
            for i in range(len(design.intervals))
        ])  # fmt: skip
    return estimators, intervals


def update_sums(
    sets: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    design: SynthesisDesign,
    n: int,
    m: int,
    reps: int,
    seed: int,
    jobs: int | None,
    part: Part | None = None,
) -> Sums:
    """Sums over updates, by group of sets: m new studies of n per group join a published set.

    sets: yi, vi (J, k), and mu, tau (J,) of the new studies.
    """
    from sims.lanes.meta import sums_shape, tally_updates
    from sims.streams import scenario_key
    from sims.syntheses import make_studies
    from sims.tally import KernelTally

    k = sets[0].shape[1]
    studies = make_studies(np.array([n]), np.array([1.0]), m, variance=design.vtype)
    critical = np.column_stack([design.critical(k + m), design.critical(k)[:, 1]])
    codes = design.codes

    def tally(own: np.ndarray, words: tuple[object, ...]) -> KernelTally:
        arguments = (*(part[own] for part in sets), studies, codes, critical)
        return KernelTally(tally_updates, seed, scenario_key("update", *words), *arguments)

    shape = sums_shape(len(codes), len(critical), True)
    return run_groups(tally, len(sets[0]), reps, shape, jobs, part)


def update_replicates(
    sets: tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray],
    design: SynthesisDesign,
    n: int,
    m: int,
    reps: int,
    seed: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Which set each of `reps` updates picked, and whether it shows a benefit (0 or 1).

    Under the first estimator and interval of the design; the rest as in `update_sums`.
    """
    from sims.lanes.draws import PICKED
    from sims.lanes.meta import replicate_updates
    from sims.lanes.pooling import HK, MU, N_RESULTS, OK, SE
    from sims.pooling import interval_ses
    from sims.streams import scenario_key
    from sims.syntheses import make_studies

    yi, vi, mu, tau = sets
    k = yi.shape[1] + m
    studies = make_studies(np.array([n]), np.array([1.0]), m, variance=design.vtype)
    truth, pooled = np.empty((reps, PICKED + 1)), np.empty((reps, 1, N_RESULTS))
    y, v = np.empty((reps, k)), np.empty((reps, k))
    replicate_updates(
        np.uint64(seed), scenario_key("update"), 0, yi, vi, mu, tau, studies, design.codes[:1],
        truth, y, v, pooled,
    )  # fmt: skip
    found, se = pooled[:, 0], np.empty(reps)
    interval_ses(found[:, SE], found[:, HK], INTERVALS[design.intervals[0]], se)
    benefit = (found[:, MU] - design.critical(k)[0, 1] * se > 0.0) & (found[:, OK] > 0.0)
    return truth[:, PICKED].astype(np.int64), benefit.astype(float)


def _estimator_measures(s: dict[str, float], truth: Truth | None, reps: int) -> list[Performance]:
    from sims.performance import bias, emp_se, proportion, rmse

    n = int(s["n_ok"])
    failed = reps - n
    e = (s["e"], s["e2"], s["e3"], s["e4"])
    error = bias("bias", e, n, failed)
    found = [error, emp_se("emp_se", e, n, failed), rmse("rmse", e, n, failed)]
    if truth is not None and len(truth.mu) == 1:
        mu = float(truth.mu[0])
        found.insert(0, error._replace(
            measure="estimate", value=error.value + mu, ci_lb=error.ci_lb + mu,
            ci_ub=error.ci_ub + mu,
        ))  # fmt: skip
    d = (s["d"], s["d2"], s["d3"], s["d4"])
    found.append(bias("bias_tau2", d, n, failed))
    found.append(proportion("convergence", s["n_ok"], reps, failed))
    return found


def _interval_measures(
    s: dict[str, float], n_ok: int, reps: int, estimator: str
) -> list[Performance]:
    from sims.performance import mean, mean_chance, proportion

    # A failed fit shows nothing: it is not significant, and covers nothing.
    failed = reps - n_ok
    found = [
        proportion("success", s["benefit"], reps, failed),
        proportion("power", s["benefit"] + s["harm"], reps, failed),
        proportion("coverage", s["cover"], reps, failed),
        mean("ci_width", s["width"], s["width_sq"], n_ok, failed),
    ]
    if estimator != "FE":  # a common effect has no further laboratory to predict
        found.append(mean_chance("pi_coverage", s["pi_cover"], s["pi_cover_sq"], reps, failed))
    return found


def review_rows(
    sums: Sums,
    null: Sums,
    design: SynthesisDesign,
    truth: Truth,
    **columns: Any,
) -> list[dict[str, Any]]:
    """Performance rows of one number and size of studies: each estimator, each interval."""
    # At a mean effect of zero the same groups of truths and replicates were run.
    width = sums[0].shape[2]
    both = np.concatenate([sums[0], null[0]], axis=2)

    def measures_of(own: np.ndarray, reps: int) -> Found:
        return _review_measures(own[:, :width], own[:, width:], design, truth, reps, columns)

    return group_rows(measures_of, both, sums[1])


def _review_measures(
    sums: np.ndarray,
    null: np.ndarray,
    design: SynthesisDesign,
    truth: Truth,
    reps: int,
    columns: dict[str, Any],
) -> Found:
    from sims.performance import proportion

    found: Found = []
    own, each = _named(sums, design)
    own_at_zero, at_zero = _named(null, design)
    for e, estimator in enumerate(design.estimators):
        names = {**columns, "truth": truth.name, "estimator": estimator}
        found += [(measure, names) for measure in _estimator_measures(own[e], truth, reps)]
        failed = reps - int(own_at_zero[e]["n_ok"])
        for i, interval in enumerate(design.intervals):
            measures = _interval_measures(each[e][i], int(own[e]["n_ok"]), reps, estimator)
            zero = at_zero[e][i]
            measures.append(proportion("type_i", zero["benefit"] + zero["harm"], reps, failed))
            found += [(measure, {**names, "interval": interval}) for measure in measures]
    return found


def update_rows(sums: Sums, design: SynthesisDesign, **columns: Any) -> list[dict[str, Any]]:
    """Performance rows of one update: each estimator, each interval; success is the first."""
    return group_rows(lambda own, reps: _update_measures(own, design, reps, columns), *sums)


def _update_measures(
    sums: np.ndarray, design: SynthesisDesign, reps: int, columns: dict[str, Any]
) -> Found:
    from sims.performance import mean, proportion

    found: Found = []
    own, each = _named(sums, design, updates=True)
    for e, estimator in enumerate(design.estimators):
        s, n_ok = own[e], int(own[e]["n_ok"])
        failed = reps - n_ok
        for i, interval in enumerate(design.intervals):
            measures = _interval_measures(each[e][i], n_ok, reps, estimator)
            names = ("changed",) if estimator == "FE" else ("changed", "pi_excludes_zero")
            measures += [proportion(name, each[e][i][name], reps, failed) for name in names]
            own_columns = {**columns, "estimator": estimator, "interval": interval}
            found += [(measure, own_columns) for measure in measures]
        shifts = [
            mean("shift", s["shift"], s["shift_sq"], n_ok, failed),
            mean("shift_abs", s["shift_abs"], s["shift_sq"], n_ok, failed),
        ]
        found += [(measure, {**columns, "estimator": estimator}) for measure in shifts]
    return found
