"""What stands beside a decay plan: required n by day, sensitivity, the curve, other routes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.decay_answers import Answers
from planner.decay_designs import DecayDesign, Truths

if TYPE_CHECKING:
    from planner.decay_truth import DecayTruth, ReadTruth

DAYS = (1, 2, 3, 5, 7, 10, 14, 17, 21, 24, 28, 35, 42, 56)
STUDIES = (6, 12, 24)
FAST_REPS = 2000  # of simulated sensitivities; their n carries an interval
LONGEST = 200  # days; the last day on which something can be shown is looked for up to here


def truths_of(read: ReadTruth) -> dict[str, Truths]:
    """The truths that answers show side by side."""
    given = len(read.draws_delta0) == 1
    if given:
        return {"given": Truths.point("given", read.delta0, read.tau, read.half_life)}
    return {
        "pooled": Truths.point("pooled", read.delta0, 0.0, read.half_life),
        "new-lab": Truths.point("new-lab", read.delta0, read.tau, read.half_life),
        "assurance": Truths(name="assurance", delta0=read.draws_delta0, tau=read.draws_tau,
                            half_life=read.draws_half_life),
    }  # fmt: skip


def at_day(design: DecayDesign, question: str, day: float) -> DecayDesign:
    """The design that asks a question by, or at, another last day, of complete data."""
    times: tuple[float, ...] = (day,)
    if question == "decay":
        times = (*(t for t in design.times if t < day), day)
        if len(times) == 1:
            times = (min(design.times[0], day / 2.0), day)
    return replace(design, times=times, dropout=0.0)


def by_day(
    design: DecayDesign, questions: Sequence[str], truths: Sequence[Truths], goal: float
) -> list[dict[str, Any]]:
    """Required n against the day by which decay must show, or at which something is (not) left."""
    rows = []
    for question in questions:
        if question in ("half-life", "shape"):
            continue
        for day in DAYS:
            if question == "decay" and day <= design.times[0]:
                continue
            answers = Answers(at_day(design, question, float(day)), FAST_REPS, 1)
            for truth in truths:
                if not _known(answers, question, truth):
                    continue
                n, low, high = answers.required(question, truth, goal)
                rows.append({"question": question, "truth": truth.name, "day": day,
                             "target": goal, "n": n, "ci_lb": low, "ci_ub": high})  # fmt: skip
    return rows


def _known(answers: Answers, question: str, truth: Truths) -> bool:
    return answers.exact(question, truth, 4) is not None


def last_day(design: DecayDesign, question: str, truth: Truths, goal: float, n: int) -> int | None:
    """Last day (first, for `gone`) on which n per group answer a question with the goal's chance.

    None: not on any day up to 200.
    """

    def answered(day: int) -> bool:
        answers = Answers(at_day(design, question, float(day)), FAST_REPS, 1)
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


def sensitivity(
    design: DecayDesign,
    question: str,
    truth: Truths,
    readings: Sequence[ReadTruth],
    goal: float,
    seed: int,
    jobs: int,
) -> list[dict[str, Any]]:
    """Required n under other assumptions, one changed at a time.

    Each row says what is changed, to which value, and the n of a design planned for it.
    """
    rows = []
    kept: dict[Any, tuple[int | None, int | None, int | None]] = {}

    def add(what: str, value: Any, changed: DecayDesign, own: Truths) -> None:
        # The planned design stands in every group of rows: worked out once.
        key = (changed, own.delta0.tobytes(), own.tau.tobytes(), own.half_life.tobytes())
        if key not in kept:
            answers = Answers(changed, FAST_REPS, seed, jobs)
            shape = "linear" if question == "shape" else own.shape
            kept[key] = answers.required(question, own.shaped(shape), goal)
        n, low, high = kept[key]
        rows.append({"question": question, "truth": own.name, "target": goal, "what": what,
                     "value": value, "n": n, "ci_lb": low, "ci_ub": high,
                     "animals": None if n is None else changed.animals(n)})  # fmt: skip

    top = 1.0 - design.error if design.covariance == "ar1" else 1.0
    if design.layout == "repeated":
        for rho in (0.3, 0.5, 0.7):
            if rho < top:
                add("rho", rho, replace(design, rho=rho), truth)
        for kind in ("cs", "ar1"):
            error = design.error if kind == "ar1" else 0.0
            if 0.0 <= design.rho < 1.0 - error:
                add("covariance", kind, replace(design, covariance=kind, error=error), truth)
        if question in ("decay", "residual", "gone", "half-life"):
            for share, by in ((0.0, "random"), (0.2, "random"), (0.2, "response")):
                value = f"{share:g}" if share == 0.0 else f"{share:g} {by}"
                add("dropout", value, replace(design, dropout=share, dropout_by=by), truth)
    for cv in (0.0, 0.3, 0.5):
        add("response_cv", cv, replace(design, response_cv=cv), truth)
    if design.dropout == 0.0 and design.test == "contrast":
        for layout in ("repeated", "cohorts"):
            add("layout", layout, replace(design, layout=layout), truth)
    for read in readings:
        own = truths_of(read).get(truth.name)
        if own is not None and 0.0 < read.half_life < math.inf:
            curve = (read.delta0, read.half_life)
            add("reading", read.reading, replace(design, curve=curve), own)
    return rows


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
    only the mean and the spread of a truth matter.
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
            studies = make_studies(sizes.n, sizes.p, k)
            delays = np.resize(np.array(truth.after.delays, dtype=float), k)
            curves = curve(delays, own.half_life)
            counts = regression_counts(
                studies, own.delta0, own.tau, curves, delays, tail, reps, seed
            )
            m = proportion("success", float(counts[0]), reps)
            animals = round(2.0 * k * float(np.sum(sizes.n * sizes.p)))
            rows.append({"truth": own.name, "k": k, "animals": animals,
                         **m._asdict(), "rising": float(counts[1]) / reps})  # fmt: skip
    return rows
