"""The page of `planner store`."""

from __future__ import annotations

import time

from planner.reports.text import fitted, paragraph
from planner.results import Result


def store_page(result: Result) -> str:
    """The answer, and what is kept, the latest used first."""
    lines = paragraph(result.answer)
    rows = result.extra.get("kept", [])
    if rows:
        lines += ["", f"  {'kind':<12}{'of':<38}{'MB':>6}{'saves':>9}  last used"]
    for row in rows[:40]:
        day = time.strftime("%Y-%m-%d", time.localtime(row["used"]))
        name = fitted(row["name"].removeprefix("sims."), 36)
        size, saved = row["bytes"] / 2**20, row["seconds"]
        lines.append(f"  {row['kind']:<12}{name:<38}{size:6.1f}{saved:7.0f} s  {day}")
    if "folder" in result.extra:
        lines += ["", f"  {result.extra['folder']}"]
    if rows:
        lines += ["  Make room:  planner store prune --older-than 30"]
    return "\n".join(lines)
