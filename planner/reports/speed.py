"""The page of `planner benchmark`."""

from __future__ import annotations

from planner.reports.text import fitted, paragraph
from planner.results import Result


def speed_page(result: Result) -> str:
    """The answer and one line for each kernel."""
    lines = [*paragraph(result.answer, "SPEED   ", " " * 8), ""]
    lines.append(f"  {'':<26}{'ns per':>10}{'ns of its':>11}")
    lines.append(f"  {'kernel':<26}{'replicate':>10}{'numbers':>11}{'ratio':>7}  design")
    for row in result.performance:
        times = f"{row['ns_per_rep']:10,.0f}{row['ns_rng_limit']:11,.0f}"
        name, words = fitted(row["kernel"], 25), fitted(row["words"], 22)
        lines.append(f"  {name:<26}{times}{row['ratio_to_limit']:7.1f}  {words}")
    lines += ["", *paragraph(
        "Processor time of one thread, medians of alternating repetitions. Ratios hold on other "
        "machines within a third or so, times do not. Its numbers: the normals and uniforms that "
        "the kernel draws for a replicate; under selection, for what is published."
    )]  # fmt: skip
    return "\n".join(lines)
