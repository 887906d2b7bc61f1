"""A set of days with the size to hand out: its chance is shown with confidence, and confirmed.

The size is the smallest whose simulated chance reaches the target with 95% confidence. It is then
simulated afresh, on random numbers that chose nothing; where that falls short of the target, n
goes up and is confirmed again on others.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

from planner.decay_answers import Answers
from planner.decay_designs import DecayDesign, Truths
from planner.decay_required import Asked, shapes_of
from planner.decay_sizes import MOST, Found
from planner.errors import InputError

MOST_ROUNDS = 10  # of confirming; what is not confirmed by then lies where no size gets
_WEEK = 7.0


class Sized(NamedTuple):
    """n per group of a set of days, its interval, and the n that reaches the target surely.

    low, high: None where n is exact, or has no end. sure: None: no size does.
    """

    n: int | None
    low: int | None
    high: int | None
    times: tuple[float, ...] = ()
    sure: int | None = None


class Confirmed(NamedTuple):
    """A size to hand out, None: none was confirmed; its chance simulated afresh, and the rounds."""

    n: int | None
    chance: float | None
    mcse: float | None
    rounds: int
    rows: list[dict[str, Any]]
    answers: Answers | None = None  # that confirmed it


def required_n(
    answers: Answers, question: str, truth: Truths, goal: float, near: int | None = None,
    most: int = MOST,
) -> Found:  # fmt: skip
    """n that answers a question whatever the shape it is asked about, and its interval."""
    found = [answers.required(question, truth.shaped(shape), goal, near, most)
             for shape in shapes_of(question)]  # fmt: skip
    if any(n is None for n, _, _ in found):
        return None, None, None
    return max(found, key=lambda row: row[0] or 0)


def sized(
    answers: Answers, question: str, truth: Truths, goal: float, near: int | None = None
) -> Sized:
    """Required n of a design, and the n that reaches the target with 95% confidence."""
    n, low, high = required_n(answers, question, truth, goal, near)
    times = answers.design.times
    if n is None or answers.design.exact(question):
        return Sized(n, low, high, times, n)
    sure: int | None = n
    for shape in shapes_of(question):
        if sure is not None:
            sure = answers.surely(question, truth.shaped(shape), goal, sure)
    return Sized(n, low, high, times, sure)


def fresh(design: DecayDesign, times: tuple[float, ...], asked: Asked, later: int) -> Answers:
    """Answers on random numbers that the search has not seen."""
    seed = (asked.seed + 7919 * later) % 2**64
    return Answers(replace(design, times=times), asked.trial_reps, seed, asked.jobs, asked.work)


def confirmed(
    design: DecayDesign, question: str, truth: Truths, one: Sized, goal: float, asked: Asked
) -> Confirmed:
    """The size to hand out for a set of days, from `one.sure` up.

    A chance that is known exactly is confirmed by its value; simulation shows it all the same.
    """
    n = one.sure
    for later in range(2, 2 + MOST_ROUNDS):
        if n is None:
            break
        again = fresh(design, one.times, asked, later)
        rows: list[dict[str, Any]] = []
        for shape in shapes_of(question):
            rows += again.rows(question, truth.shaped(shape), [n], asked.trial_reps)
        worst = min((row for row in rows if row["measure"] == "success"),
                    key=lambda row: row["value"])  # fmt: skip
        if worst["exact"] is not None or worst["value"] >= goal:
            return Confirmed(n, worst["value"], worst["mcse"], later - 1, rows, again)
        n = _more(again, question, truth, goal, n + 1)
    return Confirmed(None, None, None, 0, [])


def _more(answers: Answers, question: str, truth: Truths, goal: float, n: int) -> int | None:
    more: int | None = n
    for shape in shapes_of(question):
        if more is not None:
            sure = answers.surely(question, truth.shaped(shape), goal, more)
            more = None if sure is None else max(more, sure)
    return more


def weekly_to(design: DecayDesign, last: float, least: int) -> tuple[float, ...] | None:
    """Days 0, 7, 14, ... up to a last day, which is measured as well.

    None for a question about one day, where that leaves no week between two days, and where it
    has fewer days than `least`, or more than a design may have.
    """
    times = (*(_WEEK * i for i in range(int(-(-last // _WEEK)))), last)
    if least == 1 or last < _WEEK or len(times) < least:
        return None
    try:
        return replace(design, times=times).times
    except InputError:  # too many days for a design, or for rho
        return None
