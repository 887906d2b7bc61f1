"""What stands beside a decay plan: required n by day, sensitivity, the curve, other routes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.decay_answers import Answers
from planner.decay_designs import ONE_DAY, DecayDesign, Truths
from planner.decay_levels import refuse_sizes
from planner.decay_required import required_row
from planner.errors import InputError
from planner.results import performance_row

if TYPE_CHECKING:
    from planner.decay_required import Asked
    from planner.decay_truth import DecayTruth, ReadTruth

DAYS = (1, 2, 3, 5, 7, 10, 14, 17, 21, 24, 28, 35, 42, 56)
DAY_REPS = 1000  # replicates behind each day's n where it is simulated
STUDIES = (6, 12, 24)
_ONE = (2, 1)  # replicates and seed of what is exact anyway
LONGEST = 200  # days; the last day on which something can be shown is looked for up to here


def truths_of(read: ReadTruth) -> dict[str, Truths]:
    """The truths that answers show side by side."""
    average = {"pooled": Truths.point("pooled", read.delta0, 0.0, read.half_life)}
    if len(read.draws_delta0) == 1:  # set by hand; with tau it is a new laboratory
        own = {"given": Truths.point("given", read.delta0, read.tau, read.half_life)}
        return own if read.tau == 0.0 else average | own
    return average | {
        "new-lab": Truths.point("new-lab", read.delta0, read.tau, read.half_life),
        "assurance": Truths(name="assurance", delta0=read.draws_delta0, tau=read.draws_tau,
                            half_life=read.draws_half_life),
    }  # fmt: skip


def planned_truth(read: ReadTruth, plan_for: str) -> Truths:
    """The truth that a plan is for; every number of its answer is of this one.

    Raises
    ------
    InputError : there is no discounted truth.
    """
    if plan_for != "discounted":
        return truths_of(read)[plan_for]
    if read.discounted is None:
        raise InputError("--plan-for discounted: no discounted truth is known for this evidence")
    return read.discounted.truths()


def at_day(design: DecayDesign, question: str, day: float) -> DecayDesign:
    """The design with its last day moved, later ones left out, of complete data.

    Never more days than the design has: a correlation that is possible on those may not be on more.
    """
    times: tuple[float, ...] = (day,)
    if question not in ONE_DAY:
        times = (*(t for t in design.times[:-1] if t < day), day)
        if len(times) == 1:
            times = (min(design.times[0], day / 2.0), day)
    return replace(design, times=times, dropout=0.0)


def by_day(
    design: DecayDesign, truths: Sequence[Truths], planned: Truths, goal: float, asked: Asked
) -> list[dict[str, Any]]:
    """Required n against the last day: by which decay must show, at which something is (not) left.

    For the half-life, the last day of those that measure it; simulated, so only for the truth
    planned for, and on fewer replicates but for the day asked about.
    """
    rows = []
    days = sorted({*map(float, DAYS), design.times[-1]})
    for question in asked.questions:
        simulated = question == "half-life"
        if question == "shape":
            continue
        if simulated:
            asked.work.searches("by day", sum(day > design.times[0] for day in days))
        for day in days:
            if question in ("decay", "half-life") and day <= design.times[0]:
                continue
            own = at_day(design, question, float(day))
            answers = Answers(own, *_ONE)
            if simulated:
                reps = asked.trial_reps if own == design else min(asked.trial_reps, DAY_REPS)
                answers = Answers(own, reps, asked.seed, asked.jobs, asked.work)
            for truth in [planned] if simulated else truths:
                if not simulated and not _known(answers, question, truth):
                    continue
                n, low, high = answers.required(question, truth, goal)
                rows.append({"question": question, "truth": truth.name,
                             "day": int(day) if day == int(day) else day,
                             "n": n, "ci_lb": low, "ci_ub": high, "target": goal})  # fmt: skip
            if simulated:
                asked.work.found()
    return rows


def _known(answers: Answers, question: str, truth: Truths) -> bool:
    return answers.exact(question, truth, 4) is not None


def last_day(design: DecayDesign, question: str, truth: Truths, goal: float, n: int) -> int | None:
    """Last day (first, for `gone`) on which n per group answer a question with the goal's chance.

    None: not on any day up to 200.
    """

    def answered(day: int) -> bool:
        answers = Answers(at_day(design, question, float(day)), *_ONE)
        exact = answers.exact(question, truth, n)
        return exact is not None and exact[0] >= goal

    rising = question == "gone"
    low, high = 1, LONGEST
    if rising:
        if not answered(high):
            return None
    elif not answered(low):
        return None
    elif answered(high):
        return high
    while high - low > 1:
        middle = (low + high) // 2
        if answered(middle) != rising:
            low = middle
        else:
            high = middle
    return high if rising else low


def last_days(
    design: DecayDesign, questions: Sequence[str], truths: Sequence[Truths], goal: float,
    sizes: Sequence[int],
) -> list[dict[str, Any]]:  # fmt: skip
    """Until which day an effect can be shown, or from which day that it is gone, by n."""
    return [
        {"question": question, "truth": truth.name, "n": n, "target": goal,
         "day": last_day(design, question, truth, goal, n)}
        for question in questions if question in ONE_DAY and design.exact(question)
        for truth in truths for n in sizes
    ]  # fmt: skip


def smallest_effects(
    answers: Answers, truth: Truths, questions: Sequence[str], targets: Sequence[float], n: int
) -> list[dict[str, Any]]:
    """Smallest effect at the end of treatment that n find, in SDs, where that is exact.

    It is a laboratory's own effect: the spread between laboratories plays no part.
    """
    from sims.search import solve_increasing

    rows = []
    for question in questions:
        if question not in ("decay", "residual") or not answers.design.exact(question):
            continue
        for goal in targets:

            def success(delta0: float, question: str = question) -> float:
                own = Truths.point("mde", delta0, 0.0, float(truth.half_life[0]))
                exact = answers.exact(question, own, n)
                return 0.0 if exact is None else exact[0]

            value = solve_increasing(success, goal, 1.0)
            n1, n2 = answers.design.arms.groups(n)
            measure = {"measure": "mde", "value": value, "exact": value}
            rows.append(performance_row(
                measure, truth=truth.name, n=n, n1=n1, n2=n2, target=goal, question=question,
                times=list(answers.design.times), rho=answers.design.rho,
            ))  # fmt: skip
    return rows


def sensitivity(
    design: DecayDesign, question: str, truth: Truths, source: DecayTruth, goal: float, asked: Asked
) -> list[dict[str, Any]]:
    """Required n under other assumptions, one changed at a time, from as many replicates.

    Each row says what is changed, to which value, and the n of a design planned for it; the value
    that was asked for stands among the others, with the n of the plan itself.
    """
    rows = []
    todo: list[tuple[str, Any, DecayDesign, Truths, bool]] = []
    kept: dict[Any, dict[str, Any]] = {}
    first = next(iter(truths_of(source.taken).values()))

    def add(what: str, value: Any, changed: DecayDesign, own: Truths, asked_for: bool) -> None:
        todo.append((what, value, changed, own, asked_for))

    def key_of(changed: DecayDesign, own: Truths) -> Any:
        return changed, own.delta0.tobytes(), own.tau.tobytes(), own.half_life.tobytes()

    def work_out(what: str, value: Any, changed: DecayDesign, own: Truths, asked_for: bool) -> None:
        # The planned design stands in every group of rows: worked out once.
        key = key_of(changed, own)
        if key not in kept:
            answers = Answers(changed, asked.trial_reps, asked.seed, asked.jobs, asked.work)
            row = required_row(answers, question, own.shaped(truth.shape), goal, 0.0)
            refuse_sizes([(row, own.shaped(truth.shape))], answers, first, asked.trial_reps)
            names = ("question", "shape", "truth", "target", "n", "n_power", "level_kept", "type_i",
                     "ci_lb", "ci_ub", "animals")  # fmt: skip
            kept[key] = {name: row[name] for name in names}
            asked.work.found()
        rows.append({**kept[key], "what": what, "value": value, "asked": asked_for})

    one_day = design.one_day([question])
    if design.layout == "repeated" and not one_day:
        top = 1.0 - design.error if design.covariance == "ar1" else 1.0
        for rho in sorted({0.3, 0.5, 0.7, design.rho}):
            if rho < top:
                add("rho", rho, replace(design, rho=rho), truth, rho == design.rho)
        for kind in ("cs", "ar1"):
            error = design.error if kind == "ar1" else 0.0
            if 0.0 <= design.rho < 1.0 - error:
                changed = replace(design, covariance=kind, error=error)
                add("covariance", kind, changed, truth, kind == design.covariance)
    if design.layout == "repeated" and len(design.times) > 1:
        given = (design.dropout, design.dropout_by)
        for share, by in sorted({(0.0, "random"), (0.2, "random"), (0.2, "response"), given}):
            value = f"{share:g}" if share == 0.0 else f"{share:g} {by}"
            changed = replace(design, dropout=share, dropout_by=by)
            add("dropout", value, changed, truth, (share, by) == given)
    # REML of one covariance is for groups that share it: there is nothing to vary.
    for cv in sorted({0.0, 0.3, 0.5, design.response_cv}) if design.test != "reml" else ():
        changed = replace(design, response_cv=cv)
        add("response_cv", cv, changed, truth, cv == design.response_cv)
    if design.dropout == 0.0 and design.test == "contrast" and not one_day:
        for layout in ("repeated", "cohorts"):
            changed = replace(design, layout=layout)
            add("layout", layout, changed, truth, layout == design.layout)
    for read in source.readings:
        if not 0.0 < read.half_life < math.inf:
            continue
        curve = (read.delta0, read.half_life)
        add("reading", read.reading, replace(design, curve=curve),
            planned_truth(read, truth.name), read is source.taken)  # fmt: skip
    for days in half_lives(source.taken, truth):
        fixed = replace(truth, half_life=np.full(len(truth.half_life), days))
        changed = replace(design, curve=(design.curve[0], days))
        add("half_life", days, changed, fixed, bool(np.all(truth.half_life == days)))
    asked.work.searches("other assumptions", len({key_of(*one[2:4]) for one in todo}))
    for one in todo:
        work_out(*one)
    return rows


def half_lives(read: ReadTruth, truth: Truths) -> list[float]:
    """Half-lives (days) to plan for one at a time: quartiles of the draws, and the truth's own.

    Half and twice the half-life where it was given by hand.
    """
    fine = read.draws_half_life[(read.draws_half_life > 0.0) & np.isfinite(read.draws_half_life)]
    own = float(truth.half_life[0]) if len(truth.half_life) == 1 else read.half_life
    low, high = (float(q) for q in np.quantile(fine, [0.25, 0.75]))
    if low == high:
        low, high = own / 2.0, own * 2.0
    return [days for days in sorted({low, own, high}) if 0.0 < days < math.inf]


def expected_curve(read: ReadTruth, last: float) -> list[dict[str, float]]:
    """The effect by day: average laboratory, other laboratories, and what the article leaves open.

    lab_*: 95% of laboratories at the matched truth; open_*: 95% of the average laboratory's curve
    over the joint draws; linear, plateau: the alternatives.
    """
    from sims.decay import curve

    days = np.unique(np.concatenate([np.linspace(0.0, last, 61), np.arange(0.0, last, 7.0)]))
    own = curve(days, read.half_life)
    joint = read.draws_delta0[:, None] * curve(days, read.draws_half_life)
    low, high = np.quantile(joint, [0.025, 0.975], axis=0)
    rows = {
        "day": days, "average": read.delta0 * own,
        "lab_lb": (read.delta0 - 1.96 * read.tau) * own,
        "lab_ub": (read.delta0 + 1.96 * read.tau) * own, "open_lb": low, "open_ub": high,
        "linear": read.delta0 * curve(days, read.half_life, "linear"),
        "plateau": read.delta0 * curve(days, read.half_life, "plateau"),
    }  # fmt: skip
    return [dict(zip(rows, map(float, values), strict=True))
            for values in zip(*rows.values(), strict=True)]  # fmt: skip


def across_studies(
    truth: DecayTruth, truths: Sequence[Truths], tail: float, reps: int, seed: int
) -> list[dict[str, Any]]:
    """Chance that a meta-regression of effect on delay finds the decay, by number of studies.

    Delays and group sizes like the published ones; laboratories differ within each review, so
    only the mean and the spread of a truth matter. type_i: of both directions, where the same
    effects do not decay.
    """
    from sims.decay import curve
    from sims.decay_regression import regression_counts
    from sims.performance import proportion
    from sims.syntheses import make_studies

    if truth.after is None or len(set(truth.after.delays)) < 3:
        return []
    sizes = truth.after.sizes
    rows = []
    for own in truths:
        if own.name == "pooled":
            continue  # a review is of many laboratories
        for k in STUDIES:
            studies = make_studies(sizes.fresh_n, sizes.p, k)
            delays = np.resize(np.array(truth.after.delays, dtype=float), k)
            curves = curve(delays, own.half_life)
            counts, wrong = (
                regression_counts(studies, own.delta0, own.tau, left, delays, tail, reps, seed)
                for left in (curves, np.ones_like(curves))
            )
            m = proportion("success", float(counts[0]), reps)
            error = proportion("type_i", float(np.sum(wrong)), reps)
            animals = round(2.0 * k * float(np.sum(sizes.n * sizes.p)))
            rows.append({"truth": own.name, "k": k, "animals": animals,
                         **m._asdict(), "rising": float(counts[1]) / reps,
                         "type_i": error.value, "type_i_mcse": error.mcse})  # fmt: skip
    return rows
