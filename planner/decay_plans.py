"""Planning the experiment that shows the decay: sizes, days, and what they rest on."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.decay_answers import Answers
from planner.decay_beside import beside
from planner.decay_checks import (
    DEFAULT_QUESTIONS,
    as_allocation,
    as_days,
    as_names,
    as_numbers,
    as_sizes,
    check_numbers,
    refuse_harm_only,
    refuse_unused,
    searched_question,
)
from planner.decay_designs import QUESTIONS, DecayDesign
from planner.decay_levels import nominal
from planner.decay_pictures import expected_curve, planned_truth, smallest_effects, truths_of
from planner.decay_required import (
    Asked,
    checked_size,
    recommend,
    required_rows,
    shapes_of,
    trivial,
    wanted_rows,
)
from planner.decay_shapes import left_by_shape, published_after
from planner.decay_truth import (
    READINGS,
    DecayTruth,
    calibrated_truth,
    find_analyses,
    given_truth,
)
from planner.designs import Design
from planner.errors import InputError, check_seed, unknown
from planner.options import check_targets, parse_readings, replications
from planner.precision import precise
from planner.progress import Work
from planner.results import Result, provenance
from planner.two_arm import DEFAULT_N, DEFAULT_TARGETS, LARGEST_RECOMMENDED, PLAN_FOR, SHRINK

if TYPE_CHECKING:
    from planner.published import Analysis

CONTRAST_REPS, TRIAL_REPS = 100_000, 5000
LARGEST_TABLE_N = 200


@precise
def decay(
    analysis: Analysis | str | None = None,
    *,
    during: str | None = None,
    evidence: str | Path | None = None,
    reading: str | Sequence[str] = "text",
    delta0: float | None = None,
    tau: float | None = None,
    half_life: float | None = None,
    question: str | Sequence[str] = DEFAULT_QUESTIONS,
    times: str | float | Sequence[float] = (0, 7, 14, 24),
    rho: float = 0.5,
    covariance: str = "cs",
    error: float = 0.0,
    layout: str = "repeated",
    test: str = "contrast",
    contrast: str = "first-last",
    dropout: float = 0.0,
    dropout_by: str = "random",
    response_cv: float = 0.0,
    factor: float = 2.0,
    n: str | int | Iterable[int] | None = None,
    animals: int | None = None,
    target: float | Sequence[float] = DEFAULT_TARGETS,
    plan_for: str | None = None,
    shrink: Sequence[float] = (),
    sesoi: float | None = None,
    margin: str = "raw",
    alpha: float = 0.05,
    sides: str = "two",
    allocation: str | tuple[int, int] = (1, 1),
    treated: int = 1,
    attrition: float = 0.0,
    sd: float | None = None,
    unit: str | None = None,
    cluster: str = "none",
    optimize: bool = False,
    days: str | Sequence[float] | None = None,
    sessions: int = 5,
    show_truth: bool = False,
    reps: int | None = None,
    mcse: float | None = None,
    seed: int = 1,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
) -> Result:
    """Group sizes and measurement days that show the decay, what is left of it, its half-life.

    Parameters
    ----------
    analysis, during : the analyses after and during treatment (default: those of the catalogue)
    evidence : a file with both
    reading : of the delays after treatment, text, table-median or table-average; also other
        readings of the review, as TOPIC=OPTION
    delta0, tau, half_life : the truth by hand: effect at the end of treatment N(delta0, tau^2),
        in SDs, and the half-life in days, which may be set alone
    question : one or several of decay, residual, half-life, shape, gone
    times, rho, covariance, error, layout, test, contrast, dropout, dropout_by, response_cv,
    factor : see `planner.decay_designs.DecayDesign`
    n, animals, target, shrink : sizes to show, or animals in all; what is wanted
    plan_for : the truth that the answer is for: new-lab, pooled, assurance or discounted;
        None: new-lab, and assurance for a search of days
    sesoi, alpha, sides, allocation, treated, attrition : see `planner.designs.Design`
    sd, unit : the outcome's SD and unit, to show effects in them
    optimize, days, sessions : look for the best days among `days`, up to so many of them
    show_truth : only what the plan would rest on
    reps, mcse : replicates, or the largest Monte Carlo SE wanted
    seed, jobs : of the simulation; jobs changes no number

    Raises
    ------
    InputError : a value that is out of range or contradicts another.
    """
    from sims.engine import default_jobs

    check_numbers({
        "delta0": delta0, "tau": tau, "half_life": half_life, "rho": rho, "error": error,
        "dropout": dropout, "response_cv": response_cv, "factor": factor, "animals": animals,
        "sesoi": sesoi, "alpha": alpha, "treated": treated, "attrition": attrition, "sd": sd,
        "sessions": sessions, "reps": reps, "mcse": mcse, "seed": seed, "jobs": jobs,
    })  # fmt: skip
    targets = check_targets(as_numbers(target, "--target"))
    check_seed(seed)
    times = as_days(times)
    days = None if days is None else as_days(days, "--days")
    questions, readings = as_names(question, "--question"), as_names(reading, "--reading")
    shrink = as_numbers(shrink, "--shrink")
    allocation = as_allocation(allocation)
    if animals is not None and n is not None:
        raise InputError("--animals and --n answer different questions: give one of them")
    if unit is not None and sd is None:
        raise InputError("--unit needs --sd: the outcome's SD in that unit")
    if sd is not None and not 0.0 < sd < float("inf"):
        raise InputError(f"--sd {sd}; accepted: above 0, in the outcome's unit")
    for share in shrink:
        if not 0.0 <= share < 1.0:
            raise InputError(f"--shrink {share:g}; accepted: 0 to below 1, such as 0.25")
    by_hand = delta0 is not None
    if plan_for is not None and plan_for not in PLAN_FOR:
        raise unknown("--plan-for", plan_for, PLAN_FOR)
    if by_hand and plan_for is not None:
        raise InputError(f"--plan-for {plan_for} needs evidence: --delta0 is the truth")
    if not questions:
        raise InputError(f"--question is empty; accepted: {', '.join(QUESTIONS)}")
    refuse_unused(
        {"n": n, "animals": animals, "shrink": shrink, "sesoi": sesoi, "sides": sides,
         "allocation": tuple(allocation), "treated": treated, "attrition": attrition, "rho": rho,
         "covariance": covariance, "error": error, "layout": layout, "test": test,
         "contrast": contrast, "dropout": dropout, "dropout_by": dropout_by,
         "response_cv": response_cv, "factor": factor, "optimize": optimize, "days": days,
         "sessions": sessions, "show_truth": show_truth, "times": times, "delta0": delta0,
         "during": during, "cluster": cluster},
        _defaults(), questions,
    )  # fmt: skip
    if optimize:
        questions = searched_question(questions)
        if plan_for not in (None, "assurance"):
            raise InputError(
                f"--plan-for {plan_for} does not go with --optimize, which searches\n"
                "over all joint draws; accepted: assurance"
            )
    plan_for = plan_for or ("assurance" if optimize else "new-lab")
    if reps is None and mcse is None:
        counts = (CONTRAST_REPS, TRIAL_REPS)
    else:
        counts = (replications(reps, mcse, CONTRAST_REPS),) * 2
    sign = -1 if delta0 is not None and delta0 < 0.0 else 1
    arms = Design(alpha=alpha, sides=sides, allocation=allocation, treated=treated,
                  attrition=attrition, sesoi=sesoi, margin=margin, sign=sign)  # fmt: skip
    options: dict[str, Any] = {
        "times": times, "rho": rho, "covariance": covariance,
        "error": error, "layout": layout, "test": test, "contrast": contrast, "dropout": dropout,
        "dropout_by": dropout_by, "response_cv": response_cv, "factor": factor, "arms": arms,
    }  # fmt: skip
    sets: list[tuple[float, ...]] = []
    if optimize:
        from planner.decay_search import candidate_sets

        sets = candidate_sets(questions[0], days, sessions, times[-1])
        options["times"] = max(sets, key=len)  # the longest: rho must be possible on as many days
    probe = DecayDesign(**options)  # refused before anything is calculated
    for one in questions:
        probe.check_question(one)
    refuse_harm_only(probe, questions)
    if animals is not None:
        probe.largest_n(animals, questions)
    sizes = None if n is None else as_sizes(n)
    _check_sizes(sizes, questions, probe)
    name = analysis if isinstance(analysis, str) or analysis is None else analysis.name
    truth = _truth(name, during, evidence, readings, delta0, tau, half_life, cluster, jobs,
                   progress, by_hand)  # fmt: skip
    taken = truth.taken
    design = DecayDesign(**options, curve=(taken.delta0, taken.half_life))
    asked = Asked(
        questions=questions, targets=targets, plan_for="given" if by_hand else plan_for,
        shares=tuple(dict.fromkeys((*SHRINK, *shrink))), reps=counts[0], trial_reps=counts[1],
        seed=seed, jobs=jobs or default_jobs(), work=Work(progress),
    )  # fmt: skip
    scenario = {
        "analysis": name, "during": during, "evidence": None if evidence is None else str(evidence),
        "reading": [item for item in readings if item != "text"], "delta0": delta0, "tau": tau,
        "half_life": half_life, "question": ",".join(questions), **design.options(),
        "times": ",".join(f"{day:g}" for day in times), "n": sizes, "animals": animals,
        "target": list(targets), "plan_for": None if by_hand else plan_for, "shrink": list(shrink),
        "sesoi": sesoi, "margin": margin, "alpha": alpha, "sides": sides,
        "allocation": f"{allocation[0]}:{allocation[1]}", "treated": treated,
        "attrition": attrition, "sd": sd, "unit": unit, "cluster": cluster, "optimize": optimize,
        "days": None if days is None else ",".join(f"{day:g}" for day in days),
        "sessions": sessions, "show_truth": show_truth, "reps": reps, "mcse": mcse, "seed": seed,
    }  # fmt: skip
    if show_truth:
        return truth_result(truth, design, scenario)
    if optimize:
        from planner.decay_search import search_result

        return search_result(truth, design, asked, scenario, sets)
    return _plan(truth, design, asked, scenario, sizes, animals)


def _defaults() -> dict[str, Any]:
    from inspect import signature

    return {name: one.default for name, one in signature(decay).parameters.items()}


def _check_sizes(sizes: list[int] | None, questions: Sequence[str], design: DecayDesign) -> None:
    for question in questions if sizes is not None else ():
        least = design.least_n(question)
        if not sizes or sizes[0] < least:
            found = "is empty" if not sizes else f"{sizes[0]} is too small for"
            raise InputError(
                f"--n {found} --question {question} on {len(design.times)} days; "
                f"accepted: from {least} per group"
            )


def _truth(
    name: str | None, during: str | None, evidence: str | Path | None, readings: Sequence[str],
    delta0: float | None, tau: float | None, half_life: float | None, cluster: str,
    jobs: int | None, progress: Callable[[str, int, int], None] | None, by_hand: bool,
) -> DecayTruth:  # fmt: skip
    if by_hand:
        assert delta0 is not None
        if name is not None or evidence is not None:
            raise InputError("--delta0 sets the truth by hand: leave out --analysis, --evidence")
        if any(item != "text" for item in readings):
            raise InputError(f"--reading {readings[0]} changes nothing with --delta0")
        if half_life is None:
            raise InputError("--delta0 needs --half-life, in days")
        if not 0.0 < abs(delta0) <= 100.0:
            raise InputError(f"--delta0 {delta0:g}; accepted: -100 to 100 SDs, not 0")
        if tau is not None and not 0.0 <= tau <= 100.0:
            raise InputError(f"--tau {tau:g}; accepted: 0 to 100, in SDs")
        return given_truth(abs(delta0), tau or 0.0, half_life)
    if tau is not None:
        raise InputError("--tau needs --delta0: laboratories differ in the effect at the end")
    file = None if evidence is None else Path(evidence)
    topics = parse_readings([item for item in readings if "=" in item])
    delays = [item for item in readings if "=" not in item]
    if half_life is not None and delays not in ([], ["text"]):
        raise InputError(f"--reading {delays[0]} changes nothing with --half-life")
    if len(delays) > 1:
        raise InputError(f"--reading {' '.join(delays)}: one of {', '.join(READINGS)}")
    early, late, review = find_analyses(name, during, file, topics)
    return calibrated_truth(
        early, late, review, reading=delays[0] if delays else "text", half_life=half_life,
        cluster=cluster, jobs=jobs, progress=progress,
    )  # fmt: skip


def _plan(
    truth: DecayTruth,
    design: DecayDesign,
    asked: Asked,
    scenario: dict[str, Any],
    sizes: list[int] | None,
    animals: int | None,
) -> Result:
    from planner.reports.decay_answer import decay_answer
    from planner.reports.decay_figures import curve_figure, day_figure, sizes_figure
    from planner.reports.decay_words import decay_headline, decay_warnings

    truths = truths_of(truth.taken)
    work = asked.work
    answers = Answers(design, asked.trial_reps, asked.seed, asked.jobs, work)
    required = required_rows(answers, truths, truth, asked)
    planned = planned_truth(truth.taken, asked.plan_for)
    truths = {**truths, planned.name: planned}
    chosen = recommend(required, asked)
    for row in required:
        row["recommended"] = row is chosen
    if chosen is not None:  # of the whole plan: the other questions may need more days
        answered = [row["question"] for row in wanted_rows(required, asked)
                    if row["n"] is not None and row["n"] <= chosen["n"]]  # fmt: skip
        chosen["animals"] = design.animals(chosen["n"], answered)
        chosen["ordered"] = design.ordered(chosen["n"], answered)
    if animals is not None:
        shown = [design.largest_n(animals, asked.questions)]
        _check_sizes(shown, asked.questions, design)
    elif sizes is not None:
        shown = sizes
    else:
        found = {row[name] for row in required for name in ("n", "n_power") if row["shrink"] == 0.0}
        shown = sorted({*DEFAULT_N, *(m for m in found if m is not None and m <= LARGEST_TABLE_N)})
    rows: list[dict[str, Any]] = []
    first = next(iter(truths.values()))
    # Whether its tests and interval keep their level is always shown of the plan itself.
    checked = shown[-1] if animals is not None else checked_size(required, asked) or shown[-1]
    each = [len(truths) * len(shapes_of(question)) + 1 for question in asked.questions]
    work.searches("simulating", sum(each), 1.0)
    for question in asked.questions:
        reps = asked.reps if design.exact(question) else asked.trial_reps
        for one in truths.values():
            for shape in shapes_of(question):
                rows += answers.rows(question, one.shaped(shape), shown, reps)
                work.found()
        least = [m for m in shown if m <= 12] or shown
        if checked not in shown and question == "half-life":
            rows += [row for row in answers.rows(question, planned, [checked], reps)
                     if row["measure"] in ("coverage", "unbounded")]  # fmt: skip
        rows += answers.type_i(question, first, sorted({*least, checked}), reps)
        work.found()
    if animals is not None:
        rows += smallest_effects(answers, first, asked.questions, asked.targets, shown[0])
    extra = beside(answers, truth, truths, planned, required, asked)
    facts = {
        "truth": truth, "design": design, "asked": asked, "required": required, "chosen": chosen,
        "rows": rows, "shown": shown, "animals": animals, "scenario": scenario,
        "trivial": trivial(required, asked), "largest": LARGEST_RECOMMENDED, **extra,
    }  # fmt: skip
    evidence = {} if truth.after is None or truth.during is None else {
        "evidence": truth.after.digest, "during": truth.during.digest,
    }  # fmt: skip
    return Result(
        command="decay", answer=decay_answer(facts), warnings=decay_warnings(facts),
        scenario=scenario, truth=truth.fields(), performance=rows, required_rows=required,
        recommended=None if chosen is None else chosen["n"],
        provenance=provenance(asked.seed, **evidence),
        extra={"headline": decay_headline(facts), "checked_n": checked, **extra,
               "type_i_allowed": {name: nominal(design, name) for name in asked.questions}},
        figures={"curve": curve_figure, **({"days": day_figure} if extra["by_day"] else {}),
                 "sizes": sizes_figure},
    )  # fmt: skip


def truth_result(truth: DecayTruth, design: DecayDesign, scenario: dict[str, Any]) -> Result:
    """What `planner decay --show-truth` prints."""
    from planner.reports.decay_figures import curve_figure, half_life_figure
    from planner.reports.decay_words import truth_answer, truth_headline, truth_warnings

    draws = {"delta0": truth.taken.draws_delta0, "tau": truth.taken.draws_tau,
             "half_life": truth.taken.draws_half_life}  # fmt: skip
    return Result(
        command="decay", answer=truth_answer(truth), warnings=truth_warnings(truth),
        scenario=scenario, truth=truth.fields(), provenance=provenance(scenario["seed"]),
        extra={
            "headline": truth_headline(truth), "draws": draws,
            "curve": expected_curve(truth.taken, max(42.0, 1.5 * design.times[-1])),
            "published_after": published_after(truth),
            "shapes": left_by_shape(truth, design.times),
        },
        figures={"curve": curve_figure, "half-life": half_life_figure},
    )  # fmt: skip
