"""Shapes of a decay: what each leaves, and what it takes to tell them apart.

The alternatives share effect and half-life with the exponential, and so not what is left on the
day of the published effect. Of those that leave the same on that day as well, more is asked.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.decay_truth import SHAPES

if TYPE_CHECKING:
    from planner.decay_answers import Answers
    from planner.decay_designs import Truths
    from planner.decay_required import Asked
    from planner.decay_truth import DecayTruth

ALTERNATIVES = SHAPES[1:]


def shapes_day(truth: DecayTruth, times: Sequence[float]) -> float:
    """The day of the published effect after treatment; of a truth by hand, the last of `times`."""
    delays = truth.taken.delays
    return float(np.median(delays)) if delays else float(times[-1])


def left_by_shape(truth: DecayTruth, times: Sequence[float]) -> dict[str, float]:
    """What each shape leaves of the average laboratory's effect on the day of `shapes_day`, SDs."""
    from sims.decay import REMAINS, curve

    day = shapes_day(truth, times)
    read = truth.taken
    left = {shape: float(read.delta0 * curve((day,), read.half_life, shape)[0]) for shape in SHAPES}
    return {"day": day, **left, "remains": REMAINS}


def through(truth: Truths, shape: str, day: float) -> Truths | None:
    """Another shape that leaves on `day` what the exponential does, and starts where it does.

    None: such a plateau does not exist, as the exponential leaves less than stays for good.
    """
    from sims.decay import REMAINS, curve

    left = curve((day,), truth.half_life)[:, 0]
    with np.errstate(divide="ignore"):
        if shape == "linear":  # 0 is reached at twice the half-life
            half_life = 0.5 * day / (1.0 - left)
        elif np.all(left > REMAINS):
            faster = math.log2((1.0 - REMAINS) / (0.5 - REMAINS))
            half_life = -faster * day / np.log2((left - REMAINS) / (1.0 - REMAINS))
        else:
            return None
    return replace(truth, half_life=half_life, shape=shape)


def through_rows(
    answers: Answers, truth: Truths, goal: float, day: float, effect: float
) -> list[dict[str, Any]]:
    """Required n of `shape` where the alternative also leaves `effect` SDs on `day`.

    effect : of the average laboratory, to be shown; None for n where no such shape exists.
    """
    rows = []
    answers.work.searches("shapes", len(ALTERNATIVES))
    for shape in ALTERNATIVES:
        own = through(truth, shape, day)
        n, low, high = (None,) * 3 if own is None else answers.required("shape", own, goal)
        rows.append({
            "shape": shape, "day": day, "effect": effect, "truth": truth.name, "target": goal,
            "exists": own is not None, "n": n, "ci_lb": low, "ci_ub": high,
            "half_life": None if own is None or len(own.half_life) > 1 else own.half_life[0],
            "animals": None if n is None else answers.design.animals(n, ["shape"]),
        })  # fmt: skip
        answers.work.found()
    return rows


def shapes_asked(
    answers: Answers, planned: Truths, truth: DecayTruth, asked: Asked
) -> dict[str, Any]:
    """What the shapes leave, and the n of those that leave the same, where shape is asked."""
    if "shape" not in asked.questions:
        return {}
    left = left_by_shape(truth, answers.design.times)
    rows = through_rows(answers, planned, asked.targets[0], left["day"], left["exponential"])
    return {"shapes": left, "shapes_through": rows}


def published_after(truth: DecayTruth) -> dict[str, Any] | None:
    """The published effect after treatment with its 95% interval and the days it is about.

    None where a truth is by hand, or a half-life by hand leaves the days open.
    """
    from planner.published import Z95

    after, delays = truth.after, truth.taken.delays
    if after is None or not delays:
        return None
    half = Z95 * after.se_number
    return {"analysis": after.name, "g": after.g.number, "lb": after.g.number - half,
            "ub": after.g.number + half, "day": float(np.median(delays)),
            "first_day": min(delays), "last_day": max(delays)}  # fmt: skip
