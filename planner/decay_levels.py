"""Whether the test behind a required size keeps its level: a size whose test does not is no plan.

An error rate above its level buys chances of success: losses that depend on the response, for
instance, can make a test say "gone" more often, rightly and wrongly.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.results import best

if TYPE_CHECKING:
    from planner.decay_answers import Answers
    from planner.decay_designs import DecayDesign, Truths

NOTICED = 0.2  # share of the level by which an error rate may exceed it
_NEAR = 12  # sizes looked at one by one above one that is refused
_FAR = (16, 23, 33, 48, 70, 100, 145, 210, 300, 440, 640, 1000)
_EXACT = 2  # replicates where the exact rate is taken


def nominal(design: DecayDesign, question: str) -> float:
    """The type I error that a question's test allows: half of alpha if one side of two is tested.

    Against a --sesoi a two-sided test has its upper side only.
    """
    if question not in ("decay", "residual"):
        return float(design.arms.level)
    return float(design.arms.tail * sum(design.tested_sides))


def exceeds(row: Mapping[str, Any], level: float) -> bool:
    """Whether a row's error rate is too high: by a fifth of the level, and four simulation SEs."""
    error = row["mcse"] if row["exact"] is None else 0.0
    return best(row) - level > max(NOTICED * level, 4.0 * error)


def error_rates(
    answers: Answers, question: str, truth: Truths, sizes: Sequence[int], reps: int
) -> dict[int, Mapping[str, Any]]:
    """Row of the type I error of a question at each size; none for the half-life, which has none.

    truth : the null keeps its first effect
    """
    own = _EXACT if answers.design.exact(question) else reps
    rows = answers.type_i(question, truth, sorted(set(sizes)), own)
    return {row["n"]: row for row in rows}


def refuse_sizes(
    found: Sequence[tuple[dict[str, Any], Truths]], answers: Answers, first: Truths, reps: int
) -> None:
    """Take back required sizes whose test is wrong too often: rows, each with its truth, in place.

    `n_power` keeps the smallest size with the chance, `type_i` the error rate there. Where larger
    sizes keep the level, n is the smallest from which on all that were looked at do; else None.
    """
    for question in dict.fromkeys(row["question"] for row, _ in found):
        level = nominal(answers.design, question)
        own = [(row, truth) for row, truth in found if row["question"] == question]
        sizes = {row["n"] for row, _ in own if row["n"] is not None}
        rates = error_rates(answers, question, first, sorted(sizes), reps)
        refused = {n for n in sizes if n in rates and exceeds(rates[n], level)}
        if refused:
            least = min(refused)
            more = [*range(least + 1, least + 1 + _NEAR), *(n for n in _FAR if n > least)]
            rates |= error_rates(answers, question, first, more, reps)
        last = max((n for n, rate in rates.items() if exceeds(rate, level)), default=0)
        kept = sorted(n for n in rates if n > last)
        for row, truth in own:
            n = row["n"]
            row |= {"n_power": n, "type_i": None, "type_i_mcse": None, "level_kept": True}
            if n not in rates:
                continue
            exact = rates[n]["exact"] is not None
            row |= {"type_i": best(rates[n]), "type_i_mcse": 0.0 if exact else rates[n]["mcse"]}
            if n in refused:
                _raise(row, next((m for m in kept if m > n), None), answers, truth)


def _raise(row: dict[str, Any], n: int | None, answers: Answers, truth: Truths) -> None:
    """Another size instead, if it has the chance as well; or none."""
    design, question = answers.design, row["question"]
    if n is not None and answers.chance(question, truth, n)[0] < row["target"]:
        n = None  # a larger experiment may be less likely to be wrong the helpful way
    row |= {
        "n": n, "reached": n is not None, "level_kept": False, "ci_lb": None, "ci_ub": None,
        "animals": None if n is None else design.animals(n, [question]),
        "ordered": None if n is None else design.ordered(n, [question]),
    }  # fmt: skip
