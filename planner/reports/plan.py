"""A plan in a terminal: the answer, the designs, and where the page is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.reports.measures import percent
from planner.reports.plan_words import ROLES
from planner.reports.terminal import repeat, warning_lines
from planner.reports.text import paragraph
from planner.results import Result


def plan_page(result: Result) -> str:
    """The page of `planner plan` for a terminal."""
    document = result.document()
    lines = [*paragraph(str(document["headline"])), ""]
    lines += [*paragraph(result.answer, "ANSWER  "), ""]
    lines += _designs(document) if document["designs"] else _instead(document)
    lines += ["", *_neighbours(document), ""]
    n = document["planned_n"]
    lines += [f"  What moves the chance at {n} per group most, one assumption at a time"]
    for bar in document["tornado"][:4]:
        span = f"{percent(bar['low'])} to {percent(bar['high'])}"
        lines.append(f"    {bar['factor']:<40}{span}")
    return "\n".join([*lines, "", *warning_lines(document), *repeat(document)])


def _designs(document: Mapping[str, Any]) -> list[str]:
    lines = ["               per  total  to order  chance  of 100 without an answer"]
    for row in document["designs"]:
        name = ROLES[row["role"]][0]
        lines.append(
            f"  {name:<13}{row['n']:>3}{row['animals']:>7}{row['ordered']:>10}"
            f"{percent(row['success']):>8}{100 * row['no_answer']:>8.0f}"
            + (f"   {row['over_budget']} over the budget" if row["over_budget"] else "")
        )
    return lines


def _instead(document: Mapping[str, Any]) -> list[str]:
    rows = document["instead"]["rows"]
    if document["instead"]["kind"] == "sesoi":
        lines = ["  Instead: --sesoi   per group   total   chance no size exceeds"]
        return lines + [
            f"  {row['sesoi']:>16g}{row['n'] or 'never':>12}{row['animals'] or '':>8}"
            f"{percent(row['ceiling']):>10}"
            for row in rows
        ]
    lines = ["  per group   total   smallest true effect found (SDs)"]
    return lines + [f"  {row['n']:>9}{row['animals']:>8}{row['mde']:>10.2f}" for row in rows]


def _neighbours(document: Mapping[str, Any]) -> list[str]:
    lines = ["  animals   per group   chance   of 100 without an answer   overstated by"]
    for row in document["neighbours"]:
        change = row["animals"] if row["change"] is None else f"{row['change']:+d}"
        change = "plan" if row["change"] == 0 else change
        over = "" if row["type_m"] is None else f"{max(0.0, 100 * (row['type_m'] - 1)):.0f}%"
        lines.append(
            f"  {change:>7}{row['n']:>12}{percent(row['success']):>9}"
            f"{100 * row['no_answer']:>15.0f}{over:>24}"
        )
    return lines
