"""One study in several laboratories: a fixed number of animals, spread over more or fewer labs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from planner.calibration import Calibration, truth_fields
from planner.errors import InputError, check_seed
from planner.group_sizes import Sizes
from planner.options import check_targets, replications
from planner.outer_draws import lower_end
from planner.precision import precise
from planner.progress import Work
from planner.results import Result, provenance
from planner.synthesis_designs import (
    FAIR,
    SynthesisDesign,
    check_counts,
    draw_plan,
)
from planner.synthesis_runs import (
    review_rows,
    review_sums,
    review_truths,
)

if TYPE_CHECKING:
    from planner.published import Analysis

DEFAULT_LABS = range(1, 9)
DEFAULT_ANIMALS = (48, 96)
DEFAULT_REPS = 50_000
SMALLEST_GROUP = 2


@precise
def labs(
    analysis: Analysis | None = None,
    *,
    labs: int | Iterable[int] = DEFAULT_LABS,
    animals: int | Iterable[int] = DEFAULT_ANIMALS,
    truth: Calibration | None = None,
    mu: float | None = None,
    tau: float | None = None,
    plan_for: str = "new-lab",
    target: float | Sequence[float] = (0.8, 0.9),
    estimator: str | Iterable[str] = ("DL",),
    interval: str | Iterable[str] = ("hk", "wald"),
    vtype: str | None = None,
    alpha: float = 0.05,
    reps: int | None = None,
    mcse: float | None = None,
    seed: int = 1,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Result:
    """The same animals in more laboratories: chance to show the mean effect over laboratories.

    Each of m laboratories runs floor(animals / (2 m)) animals per group; their effect sizes are
    pooled and the mean over laboratories is tested, with m - 1 degrees of freedom for `hk`. One
    laboratory alone says nothing about the mean over laboratories: its rows hold no value.

    Parameters
    ----------
    labs, animals : numbers of laboratories, and totals of animals
    plan_for : ``"new-lab"`` (laboratories around the calibrated mean), ``"assurance"``,
        ``"discounted"``
    the others : as in `planner.meta`

    Returns
    -------
    Result with rows success, power, type_i, coverage, ci_width, and `frontier` in the JSON: the
    designs that no other beats with as many or fewer animals and laboratories. A design whose
    type I error exceeds 1.2 alpha is never on it.

    Raises
    ------
    InputError : a value out of range.
    """
    check_seed(seed)
    reps = replications(reps, mcse, DEFAULT_REPS)
    counts = check_counts(labs, "--labs", 1, 200)
    totals = check_counts(animals, "--animals", 4, 100_000)
    targets = check_targets(target)
    design = SynthesisDesign.named(analysis, estimator, interval, alpha, vtype)
    calibration, truths = review_truths(
        analysis, truth, mu, tau, plan_for, "none", None, jobs, progress
    )
    cells = [(total, m) for total in totals for m in counts]
    rows: list[dict[str, Any]] = []
    cells = [(total, m) for total, m in cells if total // (2 * m) >= SMALLEST_GROUP]
    work = Work(progress)
    work.stage("laboratories", [m * reps for _, m in cells for _ in range(2 * len(truths))])
    for total, m in cells:
        n = total // (2 * m)
        columns = {"n": n, "labs": m, "animals": 2 * n * m, "k": m}
        for named in truths:
            rows += _rows(named, n, m, design, reps, seed, jobs, work, columns)
    if not rows:
        raise InputError(
            f"--animals {totals[-1]} in {counts[0]} laboratories leaves fewer than "
            f"{SMALLEST_GROUP} per group; accepted: more animals or fewer laboratories"
        )
    frontier = _frontier(rows, truths[0].name, design)
    required = _required(frontier, targets, truths[0].name)
    scenario = {
        "analysis": None if analysis is None else analysis.name, "evidence": None, "reading": [],
        "labs": counts, "animals": totals, "mu": mu, "tau": tau, "plan_for": plan_for,
        "target": list(targets), "estimator": ",".join(design.estimators),
        "interval": ",".join(design.intervals), "vtype": design.vtype, "alpha": alpha, "reps": reps,
        "seed": seed,
    }  # fmt: skip
    from planner.reports.meta_figures import labs_frontier
    from planner.reports.meta_wording import labs_answer, labs_warnings, meta_headline

    facts = {
        "analysis": analysis, "calibration": calibration, "design": design, "rows": rows,
        "frontier": frontier, "counts": counts, "totals": totals, "truths": truths,
        "targets": targets, "required": required, "mu": mu, "tau": tau,
    }  # fmt: skip
    return Result(
        command="meta",
        answer=labs_answer(facts),
        warnings=labs_warnings(facts),
        scenario=scenario,
        truth=truth_fields(calibration, mu, tau),
        performance=rows,
        required_rows=required,
        recommended=required[0]["n"],
        provenance=provenance(seed, analysis),
        extra={
            "headline": meta_headline(analysis, "One study in several laboratories", mu, tau),
            "frontier": frontier,
        },
        figures={"labs": labs_frontier},
    )


def _rows(
    truth: Any, n: int, m: int, design: SynthesisDesign, reps: int, seed: int, jobs: int | None,
    work: Work, columns: dict[str, Any],
) -> list[dict[str, Any]]:  # fmt: skip
    studies = draw_plan(Sizes.fixed(n), m, design.vtype)
    sums = review_sums(truth, studies, design, reps, seed, jobs, work.part())
    null = review_sums(truth, studies, design, reps, seed, jobs, work.part(), null=True)
    rows = review_rows(sums, null, design, truth, **columns)
    if m == 1:
        # One laboratory holds no information on how laboratories differ, nor on their mean.
        gone = ("value", "mcse", "ci_lb", "ci_ub", "n_hit", "exact")
        rows = [{**row, **dict.fromkeys(gone)} for row in rows]
    return rows


def _frontier(
    rows: list[dict[str, Any]], truth: str, design: SynthesisDesign
) -> list[dict[str, Any]]:
    """Designs with a fair test that none of as many or fewer animals and laboratories beats."""
    first = {"truth": truth, "estimator": design.estimators[0], "interval": design.intervals[0]}
    own = [row for row in rows if all(row[name] == value for name, value in first.items())]
    by_design: dict[tuple[int, int], dict[str, Any]] = {}
    for row in own:
        by_design.setdefault((row["animals"], row["labs"]), {})[row["measure"]] = row
    fair = []
    for (used, m), found in by_design.items():
        if found["success"]["value"] is None:
            continue
        if found["type_i"]["value"] <= FAIR * design.alpha:
            fair.append({
                "labs": m, "animals": used, "n": found["success"]["n"],
                "success": found["success"]["value"], "mcse": found["success"]["mcse"],
                "ci_lb": lower_end(found["success"]), "type_i": found["type_i"]["value"],
            })  # fmt: skip
    return [
        one for one in fair
        if not any(
            other is not one and other["animals"] <= one["animals"]
            and other["labs"] <= one["labs"] and other["success"] >= one["success"]
            for other in fair
        )
    ]  # fmt: skip


def _required(
    frontier: list[dict[str, Any]], targets: Sequence[float], truth: str
) -> list[dict[str, Any]]:
    """Fewest animals, then fewest laboratories, among the shown designs that reach a target.

    Reached with 95% confidence, by the lower end of the interval: the best of many simulated
    chances is often one that had luck.
    """
    rows = []
    for goal in targets:
        reached = [row for row in frontier if row["ci_lb"] >= goal]
        best = min(reached, key=lambda row: (row["animals"], row["labs"]), default={})
        animals = best.get("animals")
        rows.append({
            "target": goal, "truth": truth, "measure": "success", "shrink": 0.0, "question": None,
            "n": best.get("n"), "labs": best.get("labs"), "ci_lb": None, "ci_ub": None,
            "reached": bool(best), "ceiling": None, "animals": animals, "ordered": animals,
            "recommended": bool(best) and goal == targets[0],
        })  # fmt: skip
    return rows
