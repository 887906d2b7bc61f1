"""Where the numbers of a plan come from: as printed, where, and how else they can be read."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

from planner.quantities import Interval, Quantity
from planner.reports.wording import shown

if TYPE_CHECKING:
    from planner.published import Analysis, Reading, Review
    from planner.quantities import Fact

_FACTORS = {
    "species": "species",
    "route": "route",
    "sex": "sex",
    "delay": "delay",
    "lab": "laboratory",
}

_KINDS = {"I2": "I²", "tau2": "tau²", "Q": "Q"}


def printed_numbers(analysis: Analysis) -> list[dict[str, Any]]:
    """Every published number of the analysis with its place and status."""
    facts: list[tuple[str, Fact | None]] = [
        ("comparisons k", analysis.printed_k),
        ("effect size g", analysis.g),
        ("standard error of g", analysis.se),
        ("95% interval of g", analysis.ci),
        (f"heterogeneity {_KINDS[analysis.heterogeneity_kind]}", analysis.heterogeneity),
        ("P", analysis.p),
        *((f"animals per group, {name}", fact) for name, fact in analysis.printed_sizes.items()),
    ]
    return [
        {"name": name, "printed": _shown(fact), "unit": fact.unit,
         "where": "the studies' table" if fact.where == "study_data" else fact.where,
         "status": fact.status, "note": fact.note}
        for name, fact in facts if fact is not None
    ]  # fmt: skip


def _shown(fact: Fact) -> str:
    """As printed; what was worked out from a table of studies, rounded for reading."""
    if isinstance(fact, Quantity):
        return shown(fact)
    if isinstance(fact, Interval):
        return f"{shown(fact.lower)} to {shown(fact.upper)}"
    return str(fact)


def contradictions(analysis: Analysis, review: Review | None) -> list[dict[str, Any]]:
    """Where the source contradicts itself or leaves a gap that bears on this analysis."""
    if review is None:
        return []
    return [
        _contradiction(reading, analysis)
        for reading in review.readings.values()
        if reading.touches(analysis.name) and not reading.documentation
    ]


def _contradiction(reading: Reading, analysis: Analysis) -> dict[str, Any]:
    taken = analysis.readings.get(reading.topic, reading.default)
    return {
        "topic": reading.topic, "question": reading.question, "taken": taken,
        "reason": reading.reason,
        "options": [
            {"name": name, "text": option.text, "where": option.where, "status": option.status,
             "note": option.note, "taken": name == taken}
            for name, option in reading.options.items()
        ],
    }  # fmt: skip


def coverage(analysis: Analysis) -> list[dict[str, Any]]:
    """Comparisons by species, route, sex, delay and laboratory: where the evidence is thin."""
    found = []
    for column, factor in _FACTORS.items():
        counts = Counter(_level(row, column) for row in analysis.comparisons)
        if not counts:
            continue
        levels = [{"level": level, "comparisons": count} for level, count in counts.most_common()]
        found.append({"factor": factor, "levels": levels})
    return found


def _level(row: Any, column: str) -> str:
    value = str(row.get(column, "")) or "not stated"
    unit = row.get("delay_unit", "") if column == "delay" else ""
    return f"{value} {unit}".rstrip()
