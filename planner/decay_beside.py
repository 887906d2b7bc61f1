"""What is put together beside a decay plan, and which other assumption would move its n most."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.decay_pictures import (
    across_studies,
    by_day,
    expected_curve,
    last_days,
    sensitivity,
)
from planner.decay_required import deciding_row, recommend
from planner.decay_shapes import published_after, shapes_asked
from planner.two_arm import LARGEST_RECOMMENDED

if TYPE_CHECKING:
    from planner.decay_answers import Answers
    from planner.decay_designs import Truths
    from planner.decay_required import Asked
    from planner.decay_truth import DecayTruth


def beside(
    answers: Answers, truth: DecayTruth, truths: Mapping[str, Truths], planned: Truths,
    required: Sequence[dict[str, Any]], asked: Asked,
) -> dict[str, Any]:  # fmt: skip
    """Parts of the JSON that only a decay plan has."""
    design, goal, chosen = answers.design, asked.targets[0], recommend(required, asked)
    pictured = [one for name, one in truths.items() if name != "assurance" or one is planned]
    deciding = deciding_row(required, asked)
    limits = {LARGEST_RECOMMENDED} | ({chosen["n"]} if chosen is not None else set())
    varied = sensitivity(
        design, deciding["question"], planned.shaped(deciding["shape"]), truth, goal, asked
    )
    return {
        "by_day": by_day(design, pictured, planned, goal, asked),
        "last_days": last_days(design, asked.questions, pictured, goal, sorted(limits)),
        "sensitivity": varied,
        "movers": movers(required, varied, deciding, asked),
        "across_studies": across_studies(
            truth, list(truths.values()), design.arms.tail, asked.trial_reps, asked.seed
        ) if "decay" in asked.questions else [],
        "curve": expected_curve(truth.taken, max(42.0, 1.5 * design.times[-1])),
        "published_after": published_after(truth),
        **shapes_asked(answers, planned, truth, asked),
    }  # fmt: skip


def movers(
    required: Sequence[Mapping[str, Any]], varied: Sequence[Mapping[str, Any]],
    deciding: Mapping[str, Any], asked: Asked,
) -> list[dict[str, Any]]:  # fmt: skip
    """Required n of the deciding question under every other assumption, furthest from the plan's.

    `factor` is how many times n changes, up or down; null where no size is found. Nothing, where
    the plan itself has no size.
    """
    planned = deciding["n"] or deciding["n_power"]
    if planned is None:
        return []
    found: list[tuple[float, dict[str, Any]]] = []

    def add(what: str, value: Any, row: Mapping[str, Any]) -> None:
        n = row["n"] or row["n_power"]
        factor = math.inf if n is None else max(n / planned, planned / n)
        if factor > 1.0:
            found.append((factor, {"what": what, "value": value, "n": n, "planned": planned,
                                   "question": row["question"],
                                   "factor": None if n is None else factor}))  # fmt: skip

    for row in required:
        same = all(row[name] == deciding[name] for name in ("question", "shape", "target"))
        if same and row["truth"] != asked.plan_for and row["shrink"] == 0.0:
            add("truth", row["truth"], row)
        elif same and row["truth"] == asked.plan_for and row["shrink"] > 0.0:
            add("shrink", row["shrink"], row)
    for row in varied:
        if not row["asked"]:
            add(row["what"], row["value"], row)
    found.sort(key=lambda one: -one[0])
    return [row for _, row in found]
