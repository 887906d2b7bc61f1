"""What other commands say about a plan: could it be publication bias, and when to test."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from planner.decay_designs import parse_days
from planner.results import best

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.plan_designs import Sizes
    from planner.published import Analysis
    from planner.results import Result

WEIGHTS = (0.5, 0.2)
DETECTORS = ("egger-n", "egger-se")
CORRECTIONS = ("trimfill", "pet-peese", "sel3")
REPS = 2000
DECAY_QUESTIONS = ("decay", "residual")
DECAY_REPS = 5000  # where a chance of the decay has no exact value


def bias_result(
    analysis: Analysis, calibration: Calibration, seed: int, jobs: int | None,
    progress: Callable[[str, int, int], None] | None,
) -> Result:  # fmt: skip
    """`planner bias` for selection of nonsignificant studies, in the review as it was published."""
    from planner.small_study import bias

    return bias(
        analysis, weight=WEIGHTS, detector=DETECTORS, correction=CORRECTIONS, truth=calibration,
        cluster=calibration.cluster, reps=REPS, seed=seed, jobs=jobs, progress=progress,
    )  # fmt: skip


def bias_rows(result: Result) -> list[dict[str, Any]]:
    """One row for each weight: the share unpublished, the error of the pooled effect, the tests.

    Errors are in SDs, of the reviews in which a correction exists; `exists` is their share.
    """
    rows = result.performance
    weights = sorted({row["weight"] for row in rows if row["weight"] is not None}, reverse=True)

    def find(measure: str, weight: float, **columns: Any) -> dict[str, Any]:
        for row in rows:
            if (row["measure"], row["weight"]) == (measure, weight) and all(
                row[name] == value for name, value in columns.items()
            ):
                return {"value": row["value"], "mcse": row["mcse"]}
        return {"value": None, "mcse": None}

    return [
        {
            "weight": weight,
            "unpublished": find("unpublished", weight),
            "error": find("bias", weight, correction="none"),
            "detectors": {name: find("rejection", weight, detector=name) for name in DETECTORS},
            "corrections": {
                name: {**find("bias", weight, correction=name),
                       "exists": find("convergence", weight, correction=name)["value"]}
                for name in CORRECTIONS
            },
        }
        for weight in weights
    ]  # fmt: skip


def decay_result(
    analysis: Analysis, asked: Mapping[str, Any], options: Mapping[str, Any],
    progress: Callable[[str, int, int], None] | None,
) -> Result | None:  # fmt: skip
    """`planner decay` where the catalogue has effects both during and after treatment.

    Parameters
    ----------
    asked : file and readings of the evidence
    options : of `planner.decay`, as the plan has them
    """
    from inspect import signature

    from planner.decay_plans import decay
    from planner.decay_truth import AFTER, DURING
    from planner.published import catalogue_review

    base, slash, subset = analysis.name.partition("/")
    own = catalogue_review().analyses
    if asked["evidence"] is not None or base not in (AFTER, DURING) or analysis.data is not None:
        return None
    after, during = AFTER + slash + subset, DURING + slash + subset
    if analysis.name not in own or own[analysis.name].title != analysis.title:
        return None
    if after not in own or during not in own:
        return None
    days = signature(decay).parameters["times"].default
    return decay(
        # Both questions are answered by the first and the last day: no animal is tested for less.
        after, question=DECAY_QUESTIONS, times=(days[0], days[-1]),
        reading=list(asked["reading"]) or "text",
        reps=DECAY_REPS, progress=progress, **options,
    )  # fmt: skip


def more_days(result: Result | None, sizes: Sizes) -> dict[str, Any] | None:
    """The design that tests the same animals on a second day, and the question that decides it.

    None where nothing decays, or no size is recommended for it.
    """
    if result is None or result.recommended is None:
        return None
    n, chosen = result.recommended, next(r for r in result.required_rows if r["recommended"])
    question = chosen["question"]
    success = {
        row["truth"]: row for row in result.performance
        if (row["measure"], row["question"], row["n"]) == ("success", question, n)
    }  # fmt: skip
    own = success[sizes.plan_for]
    days = parse_days(str(result.scenario["times"]))
    return {
        "n": n, **sizes.animals(n), "days": days, "sessions": len(days), "question": question,
        "last": days[-1],
        "by_truth": {
            name: best(row)
            for name, row in success.items()
        },
        "simulated": own["value"], "mcse": own["mcse"], "n_sim": own["n_sim"],
    }  # fmt: skip


def program_parts(
    analysis: Analysis, calibration: Calibration, decay: Result | None, n: int,
    asked: Mapping[str, Any], seed: int, jobs: int | None,
    progress: Callable[[str, int, int], None] | None,
) -> dict[str, Any]:  # fmt: skip
    """What could be studied next, and what each step would teach."""
    from planner.decay_truth import calibrated_truth, find_analyses
    from planner.options import parse_readings
    from planner.program_of_studies import program

    taken = None
    if decay is not None:
        topics = parse_readings(list(asked["reading"]))
        early, late, review = find_analyses(str(decay.truth["analysis"]), None, None, topics)
        taken = calibrated_truth(
            early, late, review, cluster=calibration.cluster, others=False, jobs=jobs
        ).taken
    return program(calibration, n, taken, seed, progress)


def decay_parts(result: Result | None) -> dict[str, Any] | None:
    """What a plan shows of `planner decay`: half-lives by reading, and sizes by day."""
    from planner.reports.plan_words import change_words

    if result is None:
        return None
    truth, rows = result.truth, result.extra["by_day"]
    days = sorted({row["day"] for row in rows})
    needed = {(row["question"], row["truth"], row["day"]): row["n"] for row in rows}
    truths = list(dict.fromkeys(row["truth"] for row in rows))
    kept = ("reading", "half_life", "half_life_lb", "half_life_ub", "share_gone",
            "share_no_decay", "I2_predicted")  # fmt: skip
    changes = [row for row in result.extra["sensitivity"] if row["n"] is not None]
    by_reading = {row["value"]: row["n"] for row in changes if row["what"] == "reading"}
    measured = parse_days(str(result.scenario["times"]))
    texts = _reading_texts()
    return {
        # Not a second plan: what this other question takes.
        "answer": re.sub(r"^Plan ", "It takes ", result.answer),
        "target": rows[0]["target"] if rows else None,
        "days": measured, "last": measured[-1],
        "question": changes[0]["question"] if changes else None,
        "I2_published": truth["I2_published"],
        "readings": [
            {**{name: row[name] for name in kept}, "text": texts.get(row["reading"], ""),
             "n": by_reading.get(row["reading"])}
            for row in truth["readings"]
        ],
        "by_day": [
            {"day": day, **{question: {one: needed.get((question, one, day)) for one in truths}
                            for question in DECAY_QUESTIONS}}
            for day in days
        ],
        "changes": [{**{name: row[name] for name in ("what", "value", "n", "asked")},
                     "set_to": change_words(row["what"], row["value"])}
                    for row in changes if row["what"] != "reading"],
    }  # fmt: skip


def _reading_texts() -> dict[str, str]:
    """What each reading of the days of the published tests says."""
    from planner.published import catalogue_review

    return {name: option.text
            for name, option in catalogue_review().readings["delays"].options.items()}  # fmt: skip
