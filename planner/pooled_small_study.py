"""Small-study effects in study-level data: rows of every detector and correction."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.errors import unknown

if TYPE_CHECKING:
    from planner.study_table import StudyTable

FILL_SIDES = ("auto", "left", "right")


def small_study_rows(
    table: StudyTable, estimator: str, alpha: float, fill_side: str = "auto"
) -> dict[str, list[dict[str, Any]]]:
    """The parts "detectors", "corrections" and "filled" of the JSON output; NaN where none exists.

    "filled" are the studies that trim and fill (L0) adds, each with the study that it mirrors.

    estimator : model that trim and fill and the limit meta-analysis use
    fill_side : side that trim and fill fills; positive effects are benefit

    Raises
    ------
    InputError : a side that does not exist.
    """
    from sims.smallstudy_inference import corrections, detections

    if fill_side not in FILL_SIDES:
        raise unknown("--fill-side", fill_side, FILL_SIDES)
    if table.k < 3:
        return {"detectors": [], "corrections": [], "filled": []}
    ni = None if table.n1 is None or table.n2 is None else table.n1 + table.n2
    found = detections(table.yi, table.vi, ni)
    detectors = [
        {"detector": name, "estimate": x.estimate, "se": x.se, "stat": x.stat, "pval": x.pval,
         "applicable": bool(x.ok)}
        for name, x in found.items()
    ]  # fmt: skip
    rows = []
    for x in corrections(table.yi, table.vi, estimator, fill_side, alpha):
        fields = x._asdict()
        converged = fields.pop("ok")
        fields |= {name: fields[name] or None for name in ("side", "used")}
        rows.append({**fields, "estimator": estimator, "converged": converged})
    return {"detectors": detectors, "corrections": rows, "filled": _filled(table, rows)}


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
