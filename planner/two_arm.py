"""One new two-arm experiment: its chance of success by group size, and the size it needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.calibration import Calibration, calibrate, truth_fields
from planner.designs import Design
from planner.errors import InputError, check_seed, unknown
from planner.options import check_targets, check_truth, replications
from planner.outer_draws import Found, group_rows, run_groups
from planner.precision import precise
from planner.progress import Work
from planner.questions import Questions, Truth
from planner.results import Result, provenance
from planner.selected_calibration import discounted

if TYPE_CHECKING:
    from planner.published import Analysis
    from sims.exact import Student

DEFAULT_N = (4, 6, 8, 10, 12, 16, 20, 24, 32)
DEFAULT_TARGETS = (0.8, 0.9)
DEFAULT_REPS = 100_000
SHRINK = (0.0, 0.25, 0.5)
PLAN_FOR = ("new-lab", "pooled", "assurance", "discounted")
LARGEST_RECOMMENDED = 50  # per group; beyond it something else helps more than animals
LARGEST_TABLE_N = 2000  # required sizes above it are not simulated unless asked for


@precise
def power(
    analysis: Analysis | None = None,
    *,
    n: int | Iterable[int] | None = None,
    target: float | Sequence[float] = DEFAULT_TARGETS,
    truth: Calibration | None = None,
    mu: float | None = None,
    tau: float | None = None,
    plan_for: str = "new-lab",
    test: str = "student",
    alpha: float = 0.05,
    sides: str = "two",
    allocation: tuple[int, int] = (1, 1),
    treated: int = 1,
    attrition: float = 0.0,
    sesoi: float | None = None,
    margin: str = "raw",
    shrink: Sequence[float] = (),
    animals: int | None = None,
    sd: float | None = None,
    unit: str | None = None,
    cluster: str = "none",
    reps: int | None = None,
    mcse: float | None = None,
    seed: int = 1,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Result:
    """Chance of success of one new two-arm experiment over n per group, and the n it needs.

    Parameters
    ----------
    analysis : published meta-analysis to plan from; or give `mu` and `tau` instead
    n : group sizes to show (of a treated group)
    target : target chances of success
    truth : a calibration to use instead of calculating one
    mu, tau : the truth by hand: the laboratory's effect is N(mu, tau^2), in SDs
    plan_for : which truth the recommended n is for
    shrink : further shares by which the true effect may be smaller than calibrated
    animals : number of animals in all (bought, if some are lost), instead of `n`
    sd, unit : the outcome's SD and unit, to show differences in them
    reps, mcse : replicates per group size, or the largest Monte Carlo SE wanted
    seed, jobs : of the simulation; jobs changes no number
    the others : see `planner.designs.Design`

    Returns
    -------
    Result, with rows for the measures success, power, type_s, type_m, ci_width, mde.

    Raises
    ------
    InputError : a value that is out of range or contradicts another.
    """
    targets = check_targets(target)
    check_truth(mu, tau)
    from planner.published import check_analysis

    if analysis is not None:
        check_analysis(analysis)
    n = [n] if isinstance(n, int) else n
    _check(shrink, mu, analysis, plan_for, animals, n, sd, unit)
    reps = replications(reps, mcse, DEFAULT_REPS)
    check_seed(seed)
    by_hand = mu is not None
    # In evidence positive is benefit; by hand the effect aimed at is the benefit.
    sign = -1 if mu is not None and mu < 0.0 else 1
    design = Design(
        test=test, alpha=alpha, sides=sides, allocation=allocation, treated=treated,
        attrition=attrition, sesoi=sesoi, margin=margin, sign=sign,
    )  # fmt: skip
    calibration: Calibration | None = None
    sceptical: Truth | None = None
    if by_hand:
        truths = [Truth.point("given", abs(float(mu or 0.0)), float(tau or 0.0))]
        plan_for = "given"
    else:
        assert analysis is not None
        calibration = truth or calibrate(analysis, cluster=cluster, jobs=jobs, progress=progress)
        sceptical = Truth.point("discounted", *discounted(analysis, calibration, jobs, progress))
        truths = _truths(calibration, plan_for, sceptical)
    questions = Questions(design, truths, calibration, analysis, sceptical)
    shares = tuple(dict.fromkeys((*SHRINK, *shrink)))
    required = questions.required(targets, shares, plan_for)
    recommended = _recommend(required, questions, targets[0], plan_for)
    for row in required:
        row["recommended"] = row is recommended
    sizes = _sizes(n, animals, design, required)
    rows = simulate(design, truths, sizes, reps, seed, jobs, progress)
    if animals is not None:
        rows += [questions.mde(sizes[0], goal) for goal in targets]
    scenario = {
        "analysis": None if by_hand or analysis is None else analysis.name,
        "evidence": None, "reading": [], "n": list(sizes) if n is not None else None,
        "target": list(targets), "plan_for": None if by_hand else plan_for,
        "cluster": cluster, "test": test, "alpha": alpha, "sides": sides,
        "allocation": f"{allocation[0]}:{allocation[1]}", "treated": treated,
        "attrition": attrition, "sesoi": sesoi, "margin": margin, "shrink": list(shrink),
        "animals": animals, "sd": sd, "unit": unit, "mu": mu, "tau": tau,
        "reps": reps, "seed": seed,
    }  # fmt: skip
    from planner.reports.figures import power_curve, required_bars
    from planner.reports.wording import power_answer, power_headline, power_warnings

    facts = {
        "design": design, "analysis": analysis, "calibration": calibration, "targets": targets,
        "plan_for": plan_for, "required": required, "recommended": recommended,
        "sizes": sizes, "rows": rows, "animals": animals, "sd": sd, "unit": unit,
        "largest": LARGEST_RECOMMENDED,
        "trivial": questions.trivial(targets[0]), "command_scenario": scenario,
        "truths": truths, "sceptical": sceptical,
    }  # fmt: skip
    return Result(
        command="power",
        answer=power_answer(facts),
        warnings=power_warnings(facts),
        scenario=scenario,
        truth=truth_fields(calibration, mu, tau),
        performance=rows,
        required_rows=required,
        recommended=None if recommended is None else recommended["n"],
        provenance=provenance(seed, analysis),
        extra={"headline": power_headline(facts)},
        figures={"power": power_curve, "required": required_bars},
    )


def _check(
    shrink: Sequence[float],
    mu: float | None,
    analysis: Analysis | None,
    plan_for: str,
    animals: int | None,
    n: Iterable[int] | None,
    sd: float | None,
    unit: str | None,
) -> None:
    for share in shrink:
        if not 0.0 <= share < 1.0:
            raise InputError(f"--shrink {share:g}; accepted: 0 to below 1, such as 0.25")
    if mu is None and analysis is None:
        raise InputError("nothing to plan from: give --analysis NAME, or --mu and --tau")
    if mu is not None and plan_for in PLAN_FOR[1:]:
        raise InputError(f"--plan-for {plan_for} needs --analysis: --mu and --tau are the truth")
    if plan_for not in PLAN_FOR:
        raise unknown("--plan-for", plan_for, PLAN_FOR)
    if animals is not None and n is not None:
        raise InputError("--animals and --n answer different questions: give one of them")
    if sd is not None and not 0.0 < sd < math.inf:
        raise InputError(f"--sd {sd}; accepted: above 0, in the outcome's unit")
    if unit is not None and sd is None:
        raise InputError("--unit needs --sd: the outcome's SD in that unit")


def _truths(calibration: Calibration, plan_for: str, sceptical: Truth) -> list[Truth]:
    mu, tau = calibration.mu, calibration.tau
    truths = [
        Truth.point("pooled", mu, 0.0),
        Truth.point("new-lab", mu, tau),
        Truth("assurance", calibration.draws_mu, calibration.draws_tau),
    ]
    if plan_for == "discounted":
        truths.append(sceptical)
    return truths


def _sizes(
    n: Iterable[int] | None, animals: int | None, design: Design, required: list[dict[str, Any]]
) -> list[int]:
    if animals is not None:
        return [design.largest_n(animals)]
    if n is not None:
        sizes = sorted({int(m) for m in n})
        if not sizes or sizes[0] < 2:
            raise InputError("--n: a group needs at least 2 animals, such as --n 4:20:2")
        return sizes
    shown = (*PLAN_FOR, "given", "as-printed")
    found = [
        row["n"]
        for row in required
        if row["n"] is not None and row["shrink"] == 0.0 and row["truth"] in shown
    ]
    return sorted({*DEFAULT_N, *(m for m in found if m <= LARGEST_TABLE_N)})


def _recommend(
    required: list[dict[str, Any]], questions: Questions, goal: float, plan_for: str
) -> dict[str, Any] | None:
    """The row to follow; None where no sensible group size answers the question."""
    if questions.trivial(goal):
        return None
    for row in required:
        wanted = row["shrink"] == 0.0
        if row["target"] == goal and row["truth"] == plan_for and wanted:
            fits = row["n"] is not None and row["n"] <= LARGEST_RECOMMENDED
            return row if fits else None
    return None


def simulate(
    design: Design,
    truths: Sequence[Truth],
    sizes: Sequence[int],
    reps: int,
    seed: int,
    jobs: int | None,
    progress: Callable[[str, int, int], None] | None = None,
) -> list[dict[str, Any]]:
    """Performance rows of every truth and size; all share their random numbers."""
    from sims.chi import inverse_sd_tables
    from sims.lanes.experiments import N_SUMS, tally_student, tally_welch
    from sims.streams import scenario_key
    from sims.tally import KernelTally

    tests = [design.exact(n) for n in sizes]
    designs = np.array([test.design for test in tests])
    rows = []
    work = Work(progress)
    work.stage("simulating", [reps] * len(truths))
    for truth in truths:
        mu, tau2 = truth.mu, truth.tau**2
        if design.test == "welch":
            sd_tables = inverse_sd_tables((designs[:, :2] - 1.0).ravel())
            kernel: Any = tally_welch
            tables: tuple[np.ndarray, ...] = (sd_tables, _quantile_tables(design, tests))
        else:
            sd_tables = inverse_sd_tables(designs[:, 0] + designs[:, 1] - 2.0)
            kernel, tables = tally_student, (sd_tables,)

        def tally(
            own: np.ndarray,
            words: tuple[object, ...],
            arguments: tuple[Any, ...] = (kernel, mu, tau2, designs, *tables),
        ) -> KernelTally:
            kernel, mu, tau2, *rest = arguments
            key = scenario_key("two-arm", *words)
            return KernelTally(kernel, seed, key, mu[own], tau2[own], *rest)

        shape = (len(sizes), N_SUMS)
        sums, counts = run_groups(tally, len(mu), reps, shape, jobs, work.part())
        for i, (n, exact) in enumerate(zip(sizes, tests, strict=True)):
            # Once: every group of draws is compared with the same exact values.
            measures_of = partial(_measures, design, truth, n, _exact_values(truth, exact))
            rows += group_rows(measures_of, sums[:, i], counts)
    return rows


def _quantile_tables(design: Design, tests: Sequence[Student]) -> np.ndarray:
    """Tables of Welch's t quantile over the share of group 1: the test's, the interval's, ..."""
    from sims.exact import welch_quantile
    from sims.tables import fit_table

    def table(test: Student, level: float) -> np.ndarray:
        return fit_table(lambda share: welch_quantile(share, test.design, level), 0.0, 1.0, 64)

    levels = (design.tail, design.level / 2.0)
    return np.stack([table(test, level) for test in tests for level in levels])


def _exact_values(truth: Truth, exact: Student) -> dict[str, float | None]:
    """The measures' exact values, None where none is known."""
    point = len(truth.mu) == 1
    mu, tau2 = float(truth.mu[0]), float(truth.tau[0] ** 2)
    success = truth.success(exact)
    return {
        "success": success, "power": success + truth.harm(exact),
        "type_s": exact.type_s(mu, tau2) if point else None,
        "type_m": exact.type_m(mu, tau2) if point else None, "ci_width": exact.ci_width(),
    }  # fmt: skip


def _measures(
    design: Design, truth: Truth, n: int, exact: Mapping[str, float | None], sums: np.ndarray,
    reps: int,
) -> Found:  # fmt: skip
    from sims.lanes.experiments import SUMS
    from sims.performance import mean, mean_chance, nothing, proportion, ratio_of_means

    s = dict(zip(SUMS, (float(x) for x in sums), strict=True))
    significant = s["benefit"] + s["harm"]
    n_significant = int(significant)
    no_effect = len(truth.mu) == 1 and not truth.mu[0] and not truth.tau[0]
    theta = (s["abs_theta"], s["abs_theta_sq"], s["abs_product"])
    if len(truth.mu) == 1:
        type_s = proportion("type_s", s["wrong_sign"], n_significant)
    else:  # nothing exact is known: what is expected given the difference varies less
        type_s = mean_chance("type_s", s["wrong_mean"], s["wrong_mean_sq"], n_significant)
        theta = (s["theta_mean"], s["theta_mean_sq"], s["mean_product"])
    type_m = ratio_of_means("type_m", s["abs_g"], s["abs_g_sq"], *theta, n_significant)
    if no_effect:
        # Neither a wrong direction nor an overstatement exists where there is no effect.
        type_s, type_m = (nothing(name, n_significant) for name in ("type_s", "type_m"))
    measures = [
        proportion("success", s["benefit"], reps), proportion("power", significant, reps), type_s,
        type_m, mean("ci_width", s["width"], s["width_sq"], reps),
    ]  # fmt: skip
    n1, n2 = design.groups(n)
    columns = {"truth": truth.name, "n": n, "n1": n1, "n2": n2}
    return [(measure, {**columns, "exact": exact[measure.measure]}) for measure in measures]
