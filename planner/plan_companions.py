"""What other commands say about the evidence of a plan: could it be publication bias."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.published import Analysis
    from planner.results import Result

WEIGHTS = (0.5, 0.2)
DETECTORS = ("egger-n", "egger-se")
CORRECTIONS = ("trimfill", "pet-peese", "sel3")
REPS = 2000


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

    Errors are in SDs; corrections that could not be fitted count as `n_failed` in the result.
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
            "corrections": {name: find("bias", weight, correction=name) for name in CORRECTIONS},
        }
        for weight in weights
    ]  # fmt: skip
