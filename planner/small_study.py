"""Small-study effects: what they do to a meta-analysis, what sees them, what corrects for them."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.all_bias import answered, nothing_but_selection, published_benefit
from planner.calibration import Calibration, calibrate, truth_fields
from planner.errors import InputError, check_seed, unknown
from planner.group_sizes import Sizes
from planner.mechanisms import Strength, Swept, capped, swept
from planner.options import check_truth, replications
from planner.precision import precise
from planner.progress import Work
from planner.references import references
from planner.results import Result, performance_row, provenance
from planner.synthesis_designs import VTYPES, check_counts, chosen, draw_plan, sizes_named
from planner.typical_synthesis import typical
from sims.names import ESTIMATORS
from sims.smallstudy_names import CORRECTIONS, DETECTORS

if TYPE_CHECKING:
    from planner.published import Analysis
    from sims.selection_tally import Analyses, BiasSums
    from sims.types import Performance, Studies

DEFAULT_REPS = 4_000
MOST_K = 200


@dataclass(frozen=True, kw_only=True)
class Cell:
    """One simulated situation: a mechanism at a strength, so many studies, of such sizes."""

    swept: Swept
    strength: Strength
    k: int
    n: int | None
    studies: Studies


@precise
def bias(
    analysis: Analysis | None = None,
    *,
    mechanism: str | Sequence[str] = "step",
    weight: Iterable[Any] | str | float | None = None,
    strength: Iterable[Any] | str | float | None = None,
    cuts: Iterable[float] | str | float | None = None,
    k: Iterable[int] | int | None = None,
    n: Iterable[int] | int | None = None,
    sizes: str = "published",
    detector: str | Sequence[str] = tuple(DETECTORS),
    correction: str | Sequence[str] = tuple(CORRECTIONS),
    estimator: str = "DL",
    truth: Calibration | None = None,
    mu: float | None = None,
    tau: float | None = None,
    cluster: str = "none",
    share: float | None = None,
    vtype: str = "CMA",
    alpha: float = 0.05,
    reps: int | None = None,
    mcse: float | None = None,
    seed: int = 1,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Result:
    """What small-study effects do to a meta-analysis, which tests see it, which corrections help.

    Parameters
    ----------
    analysis : published meta-analysis; or give `mu` and `tau`
    mechanism : names of `sims.smallstudy_names.MECHANISMS`, several acting together joined by +
    weight, strength, cuts : see `planner.mechanisms.swept`; the neutral strength is always run
    k, n : numbers of studies, and animals per group; default the published ones
    sizes : ``"published"`` or a range such as ``"4:12"``, without `n`
    detector, correction : names; ``"none"`` is the uncorrected estimate and always first
    estimator : model of the uncorrected estimate, trim and fill and the limit meta-analysis
    truth, mu, tau, cluster, share, vtype : as for `planner.meta`; mu is the mean true effect of
        all studies that are run
    alpha : two-sided level of every test
    reps or mcse, seed, jobs : of the simulation

    Returns
    -------
    Result with rows bias, rmse, median_error, emp_se, coverage, success, power, type_i,
    convergence, mse_change for corrections, rejection and type_i for detectors, unpublished and
    run_per_published; `extra["all_bias"]` says what a mean true effect of zero would publish
    (`planner.all_bias`). The answer is about the first mechanism, k (the published one, if it is
    among them) and n; `extra["others"]` has those about the others.

    Raises
    ------
    InputError : a value out of range, or a mechanism under which nothing is published.
    """
    from planner.published import check_analysis

    if analysis is not None:
        check_analysis(analysis)
    check_seed(seed)
    check_truth(mu, tau)
    reps = replications(reps, mcse, DEFAULT_REPS)
    varied = swept(mechanism, weight, strength, cuts)
    if not all(one.neutral(one.strengths[0]) for one in varied):
        varied += swept("none")  # what every test is compared with
    detectors = chosen("detector", detector, tuple(DETECTORS))
    corrections = ("none", *(name for name in chosen("correction", correction, tuple(CORRECTIONS))
                             if name != "none"))  # fmt: skip
    if estimator.upper() not in ESTIMATORS:
        raise unknown("--estimator", estimator, ESTIMATORS)
    if vtype not in VTYPES:
        raise unknown("--vtype", vtype, VTYPES)
    if not 1e-9 <= alpha < 0.5:
        raise InputError(f"--alpha {alpha:g}; accepted: 0.000000001 to below 0.5")
    if cluster == "none" and share:
        raise InputError(f"--share {share:g} goes with --cluster study or --cluster lab")
    calibration: Calibration | None = None
    if mu is None or tau is None:
        if analysis is None:
            raise InputError("nothing to simulate: give --analysis NAME, or --mu and --tau")
        calibration = truth or calibrate(
            analysis, cluster=cluster, share=share, jobs=jobs, progress=progress
        )
        mean, spread, name = calibration.mu, calibration.tau, "new-lab"
    else:
        if cluster != "none":
            raise InputError(f"--cluster {cluster} needs --analysis, which says how they cluster")
        mean, spread, name = mu, tau, "given"
    laws = _laws(analysis, n, sizes)
    if analysis is None and k is None:
        raise InputError("--mu and --tau come without a number of studies: give --k, such as --k 9")
    counts = check_counts([analysis.k] if k is None and analysis else k or [], "--k", 2, MOST_K)
    if analysis is not None:
        counts.sort(key=lambda count: (count != analysis.k, count))
    cells = _cells(varied, counts, laws, analysis, calibration, vtype)
    large = published_benefit(analysis)
    found = _simulate(
        cells, mean, spread, (detectors, corrections, estimator.upper(), alpha, large), vtype, reps,
        seed, jobs, progress,
    )  # fmt: skip
    rows = _rows(found, name, detectors, corrections, estimator.upper())
    scenario = {
        "analysis": None if analysis is None else analysis.name, "evidence": None, "reading": [],
        "mechanism": _typed(mechanism),
        "weight": _typed(weight), "strength": _typed(strength), "cuts": _typed(cuts),
        "k": None if k is None else sorted(counts),
        "n": None if n is None else [law[0] for law in laws],
        "sizes": sizes, "detector": ",".join(detectors), "correction": ",".join(corrections),
        "estimator": estimator.upper(), "mu": mu, "tau": tau, "cluster": cluster, "share": share,
        "vtype": vtype, "alpha": alpha, "reps": reps, "seed": seed,
    }  # fmt: skip
    from planner.reports.bias_answer import bias_answer, bias_headline, judgements
    from planner.reports.bias_figures import bias_by_strength, typical_funnel, winners
    from planner.reports.bias_warnings import bias_warnings

    how = {
        "estimator": estimator.upper(), "alpha": alpha, "vtype": vtype, "reps": reps,
        "seed": seed, "jobs": jobs,
    }  # fmt: skip
    shown = _shown_cell(cells)
    facts: dict[str, Any] = {
        "analysis": analysis, "calibration": calibration, "rows": rows, "mu": mean, "tau": spread,
        "scenario": scenario,
        "answered": answered(
            analysis, calibration, shown.swept, shown.strength, shown.studies, (mean, spread), jobs,
            progress,
        ),
    }  # fmt: skip
    answers: list[dict[str, Any]] = []
    for cell, null in _strongest(found):
        chances = nothing_but_selection(
            analysis, calibration, cell.swept, cell.strength, cell.studies, spread, null, how,
            progress,
        )  # fmt: skip
        group = {"mechanism": cell.swept.label, "k": cell.k, "n": cell.n}
        text = bias_answer({**facts, **group, "all_bias": chances})
        best = judgements({**facts, **group})
        answers.append({**group, "answer": text, "all_bias": chances, "judged": best})
    first = answers[0]
    facts |= {**first, "calibrate": to_calibrate(shown.swept, first["all_bias"]["why"])}
    return Result(
        command="bias",
        answer=first["answer"],
        warnings=bias_warnings(facts),
        scenario=scenario,
        truth=truth_fields(calibration, mu, tau),
        performance=rows,
        provenance={
            **provenance(seed, analysis),
            "references": references(varied, detectors, corrections),
        },
        extra={
            "headline": bias_headline(facts),
            "all_bias": first["all_bias"],
            "answered": facts["answered"],
            "judged": first["judged"],
            "others": answers[1:],
            "typical": typical(shown, mean, spread, vtype, estimator.upper(), seed),
        },
        figures={"bias": bias_by_strength, "funnel": typical_funnel, "winners": winners},
    )


def to_calibrate(varied: Swept, why: str | None) -> str | None:
    """Options, with a space before, with which `planner calibrate` finds what belongs to this."""
    active = [x for x in varied.strengths if not varied.neutral(x)]
    if not active:
        return ""
    if why != "no-truth":
        return f" {varied.typed(active[-1])}"
    return f" {varied.typed(active[0])}" if len(active) > 1 else None


def _typed(values: Any) -> str | None:
    if values is None or isinstance(values, str):
        return values
    if isinstance(values, (int, float)):
        return str(values)
    return ",".join(str(value) for value in values)


def _laws(
    analysis: Analysis | None, n: Iterable[int] | int | None, sizes: str
) -> list[tuple[int | None, Sizes]]:
    if n is None:
        return [(None, sizes_named(sizes, analysis))]
    if sizes != "published":
        raise InputError("--n and --sizes both say how large groups are: give one of them")
    return [(m, Sizes.fixed(m)) for m in check_counts(n, "--n", 2, 10_000)]


def _cells(
    varied: list[Swept],
    counts: list[int],
    laws: list[tuple[int | None, Sizes]],
    analysis: Analysis | None,
    calibration: Calibration | None,
    vtype: str,
) -> list[Cell]:
    labels, share = None, 0.0
    if analysis is not None and calibration is not None and calibration.cluster != "none":
        labels, share = analysis.clusters[calibration.cluster], calibration.share
    plans = {(k, n): draw_plan(law, k, vtype, labels, share) for k in counts for n, law in laws}
    return [
        Cell(swept=one, strength=value, k=k, n=n, studies=plans[k, n])
        for one in varied
        for k, n in plans
        for value in one.strengths
    ]


def _strongest(
    found: Sequence[tuple[Cell, BiasSums, BiasSums, float | None]],
) -> list[tuple[Cell, BiasSums]]:
    """Of each mechanism, k and n the strongest situation, with its sums at a mean of zero.

    Without what was added only to compare with: no mechanism, where others are asked for.
    """
    last = {(cell.swept, cell.k, cell.n): (cell, null) for cell, _, null, _ in found}
    first = found[0][0].swept
    return [pair for (one, *_), pair in last.items() if one is first or one.name != "none"]


def _shown_cell(cells: Sequence[Cell]) -> Cell:
    """The situation whose typical funnel is drawn: the first mechanism, second strongest."""
    own = [cell for cell in cells if (cell.swept, cell.k, cell.n) ==
           (cells[0].swept, cells[0].k, cells[0].n)]  # fmt: skip
    return own[max(0, len(own) - 2)] if len(own) > 2 else own[-1]


def _simulate(
    cells: list[Cell],
    mu: float,
    tau: float,
    how: tuple[Any, ...],
    vtype: str,
    reps: int,
    seed: int,
    jobs: int | None,
    progress: Callable[[str, int, int], None] | None,
) -> list[tuple[Cell, BiasSums, BiasSums, float | None]]:
    """For each cell sums at the truth, sums at mu = 0, and the exact share unpublished.

    Every run has the same random numbers: strengths differ by what they are, not by chance.
    """
    from planner.long_runs import run_kept
    from sims.engine import default_jobs
    from sims.selection_tally import bias_sums, make_analyses

    jobs = default_jobs() if jobs is None else jobs
    detectors, corrections, estimator, alpha, large = how
    found = []
    work = Work(progress)
    work.stage("syntheses", [cell.k * reps for cell in cells for _ in range(2)])
    for cell in cells:
        built = cell.swept.build(cell.strength, vtype)
        analyses: Analyses = make_analyses(cell.k, detectors, corrections, estimator, alpha, large)
        sums, exact = [], None
        for mean in (mu, 0.0):
            cap, share = capped(built, cell.studies, mean, tau, cell.swept.typed(cell.strength))
            exact = share if mean == mu else exact
            sums.append(bias_sums(
                cell.studies, built, np.array([mean]), np.array([tau]), cap, analyses, reps, seed,
                "small-study", jobs, partial(run_kept, part=work.part()),
            ))  # fmt: skip
        found.append((cell, sums[0], sums[1], exact))
    return found


def _rows(
    found: list[tuple[Cell, BiasSums, BiasSums, float | None]],
    truth: str,
    detectors: Sequence[str],
    corrections: Sequence[str],
    estimator: str,
) -> list[dict[str, Any]]:
    from sims.performance import proportion

    rows = []
    # Rejection of each detector where nothing happens, at the same truth, k and sizes.
    neutral = {
        (cell.k, cell.n): sums for cell, sums, _, _ in found if cell.swept.neutral(cell.strength)
    }
    for cell, sums, null, exact in found:
        columns = {"truth": truth, "k": cell.k, "n": cell.n, **cell.swept.columns(cell.strength)}
        rows += [performance_row(numbers, **columns) for numbers in _general(sums, exact)]
        for name in detectors:
            for label, those in (("rejection", sums), ("type_i", neutral[cell.k, cell.n])):
                s, done = those.detectors[name], int(those.general["done"])
                n = int(s["applied"])
                row = proportion(label, s["rejected"], n, done - n)._asdict()
                rows.append(performance_row(row, **columns, detector=name))
        for name in corrections:
            for measure in _corrected(sums, null, name):
                rows.append(performance_row(
                    measure._asdict(), **columns, correction=name, estimator=estimator
                ))  # fmt: skip
    return rows


def _general(sums: BiasSums, exact: float | None) -> list[dict[str, Any]]:
    """Share of studies unpublished and studies run for each one published.

    Delta method: of the ratio of the studies run to those published, the latter fixed.
    """
    g = sums.general
    done = g["done"]
    if done < 2:
        return []
    per = g["run"] / g["published"]
    variance = max(0.0, g["run_sq"] - g["run"] ** 2 / done) / (done - 1.0)
    error = math.sqrt(variance / done) * done / g["published"]
    share = 1.0 - 1.0 / per
    found = []
    for measure, value, mcse, known in (
        ("unpublished", share, error / per**2, exact),
        ("run_per_published", per, error, None if exact is None else 1.0 / (1.0 - exact)),
    ):
        found.append({
            "measure": measure, "value": value, "mcse": mcse, "ci_lb": value - 1.96 * mcse,
            "ci_ub": value + 1.96 * mcse, "n_sim": int(done), "n_failed": int(g["given_up"]),
            "exact": known,
        })  # fmt: skip
    return found


def _corrected(sums: BiasSums, null: BiasSums, name: str) -> list[Performance]:
    """Measures of one correction; proportions are among the syntheses where it exists."""
    from sims.performance import bias as mean_error
    from sims.performance import emp_se, mean, proportion, rmse
    from sims.selection_errors import median_size

    s, zero = sums.corrections[name], null.corrections[name]
    n, n_zero = int(s["n_ok"]), int(zero["n_ok"])
    done, done_zero = int(sums.general["done"]), int(null.general["done"])
    failed = done - n
    e = (s["e"], s["e2"], s["e3"], s["e4"])
    found = [
        mean_error("bias", e, n, failed),
        emp_se("emp_se", e, n, failed),
        rmse("rmse", e, n, failed),
        median_size("median_error", sums.sizes[name], failed),
        proportion("coverage", s["cover"], n, failed),
        proportion("success", s["benefit"], n, failed),
        proportion("power", s["benefit"] + s["harm"], n, failed),
        proportion("type_i", zero["benefit"] + zero["harm"], n_zero, done_zero - n_zero),
        proportion("convergence", s["n_ok"], done, failed),
    ]
    if name != "none":
        both = int(s["n_both"])
        found.append(mean("mse_change", s["excess"], s["excess_sq"], both, done - both))
    return found
