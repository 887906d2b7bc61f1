"""Small-study effects in study-level data: rows of every detector and correction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from planner.errors import unknown

if TYPE_CHECKING:
    from planner.study_table import StudyTable

FILL_SIDES = ("auto", "left", "right")


# What regresses on the standard error, or ranks by it, with the corrections by size; and what
# regresses on 1/sqrt(n).
_TESTS_ON_SE = ("egger-se", "begg")
_ON_SIZES = ("egger-n", "egger-n-vi")
_VARIES = 1e-10  # a predictor whose range is below this share of its size is taken not to vary
_NUMBERS = (
    "estimate", "se", "stat", "pval", "ci_lb", "ci_ub", "df", "tau2", "weight", "weight_se", "used",
)  # fmt: skip


def small_study_rows(
    table: StudyTable, estimator: str, alpha: float, fill_side: str = "auto",
    standardized: bool = True,
) -> dict[str, list[dict[str, Any]]]:  # fmt: skip
    """The parts "detectors", "corrections" and "filled" of the JSON output; NaN where none exists.

    A row whose predictor does not vary is not applicable and has no numbers; "why" says the
    reason. "filled" are the studies that trim and fill (L0) adds, each with the study that it
    mirrors.

    estimator : model that trim and fill and the limit meta-analysis use
    fill_side : side that trim and fill fills; positive effects are benefit
    standardized : whether effects are standardized mean differences

    Raises
    ------
    InputError : a side that does not exist.
    """
    from sims.smallstudy_inference import corrections, detections
    from sims.smallstudy_names import DETECTORS

    if fill_side not in FILL_SIDES:
        raise unknown("--fill-side", fill_side, FILL_SIDES)
    if table.k < 3:
        return {"detectors": [], "corrections": [], "filled": []}
    why = _not_applicable(table, standardized)
    # Copies: for arrays that may not be written, as a table's, kernels are compiled anew.
    yi, vi = table.yi.copy(), table.vi.copy()
    found = detections(yi, vi, _animals(table))
    detectors = []
    for name in DETECTORS:
        x = found.get(name)
        numbers = {field: None if x is None else getattr(x, field) for field in _NUMBERS[:4]}
        detectors.append({"detector": name, **_judged(numbers, why.get(name), None)})
    rows = []
    for y in corrections(yi, vi, estimator, fill_side, alpha):
        fields = y._asdict()
        converged = fields.pop("ok")
        fields |= {name: fields[name] or None for name in ("side", "used")}
        fields = _judged(
            fields, why.get(y.correction), None if converged else _failed(y.correction)
        )
        rows.append(
            {**fields, "estimator": estimator, "converged": converged and fields["applicable"]}
        )
    return {"detectors": detectors, "corrections": rows, "filled": _filled(table, rows)}


def _judged(fields: dict[str, Any], why_not: str | None, failed: str | None) -> dict[str, Any]:
    """A row with "applicable" and "why"; what is not applicable has no numbers."""
    if why_not is not None:
        fields = {name: None if name in _NUMBERS else value for name, value in fields.items()}
    return {**fields, "applicable": why_not is None, "why": why_not or failed}


def _failed(correction: str) -> str:
    if correction == "sel3":
        return "it needs significant benefits (one-sided p < .025) and other studies"
    return "its equations have no solution"


def _animals(table: StudyTable) -> np.ndarray | None:
    return None if table.n1 is None or table.n2 is None else table.n1 + table.n2


def _not_applicable(table: StudyTable, standardized: bool) -> dict[str, str]:
    """Tests and corrections whose predictor does not vary, each with the reason."""
    from sims.corrections import BY_SIZE

    found: dict[str, str] = {}
    on_se = (*_TESTS_ON_SE, *BY_SIZE)
    sizes, same = _animals(table), False
    if sizes is None:
        found |= dict.fromkeys(_ON_SIZES, "the animals (n1, n2) are not given")
    elif _constant(sizes):
        found |= dict.fromkeys(_ON_SIZES, "all studies have the same number of animals")
        assert table.n1 is not None
        assert table.n2 is not None
        same = _constant(1.0 / table.n1 + 1.0 / table.n2)
    if _constant(table.vi):
        found |= dict.fromkeys(on_se, "all studies have the same standard error")
    elif standardized and same:
        # The sampling variance of an effect size is a function of its group sizes and of itself.
        found |= dict.fromkeys(
            on_se,
            "all studies have the same number of animals, so that standard errors differ only "
            "because effect sizes do: it would regress effects on themselves",
        )
    return found


def _constant(x: np.ndarray) -> bool:
    return not float(np.ptp(x)) > _VARIES * float(np.abs(x).max())


def _filled(table: StudyTable, rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    from sims.smallstudy_inference import mirrored

    own = next(row for row in rows if row["correction"] == "trimfill")
    if not own["converged"] or not own["filled"]:
        return []
    effects, of = mirrored(table.yi, table.vi, own["estimator"], own["side"], int(own["filled"]))
    return [
        {
            "mirrors": table.labels[i], "line": table.lines[i], "yi": yi, "vi": table.vi[i],
            "n1": None if table.n1 is None else table.n1[i],
            "n2": None if table.n2 is None else table.n2[i],
        }
        for yi, i in zip(effects, of, strict=True)
    ]  # fmt: skip
