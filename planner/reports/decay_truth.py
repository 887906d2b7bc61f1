"""The page of `planner decay --show-truth`: what a plan would rest on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from planner.reports.decay_measures import human_words
from planner.reports.measures import percent
from planner.reports.terminal import repeat, warning_lines
from planner.reports.text import paragraph

if TYPE_CHECKING:
    from planner.results import Result


def truth_page(result: Result) -> str:
    """The page of --show-truth."""
    document = result.document()
    truth = document["truth"]
    scale = document["scenario"]["sd"] or 1.0
    unit = "SDs" if document["scenario"]["sd"] is None else document["scenario"]["unit"] or "units"
    lines = [*paragraph(str(result.extra["headline"])), ""]
    lines += [*paragraph(result.answer, "ANSWER  "), ""]
    if truth["readings"]:
        lines += [f"  {'':39}half-life in days{'':14}I2",
                  f"  {'reading':<15}{'delays (days)':<22}{'matched':>7}{'median':>8}  "
                  f"{'95% of draws':<15}predicted"]  # fmt: skip
        for row in truth["readings"]:
            mark = ">" if row["reading"] == truth["reading"] else " "
            delays = row["delays"]
            text = (
                f"{delays[0]:g}" if len(set(delays)) == 1 else ", ".join(f"{d:g}" for d in delays)
            )
            high = "no decay" if row["half_life_ub"] is None else f"{row['half_life_ub']:.1f}"
            span = f"{row['half_life_lb']:.1f} to {high}"
            predicted = ""
            if row["I2_predicted"] is not None:
                predicted = f"{row['I2_predicted']:.0f}%"
            middle = row["half_life_median"]
            middle = "-" if middle is None else f"{middle:.1f}"
            lines.append(f"{mark} {row['reading']:<15}{text:<22}{row['half_life']:>7.1f}"
                         f"{middle:>8}  {span:<15}{predicted:>5}")  # fmt: skip
        if truth["I2_published"] is not None:
            lines.append(f"  {'published I2':<69}{truth['I2_published']:>4g}%")
        lines += paragraph(
            "matched: gives the published effect in the median simulated review, what plans take "
            "as the truth; median and 95%: of the joint draws, all that the articles leave open "
            "(assurance).", "  ",
        )  # fmt: skip
        lines += ["", f"  {'share of draws':<17}{'half-life 0':>13}{'no decay':>12}"]
        for row in truth["readings"]:
            lines.append(f"  {row['reading']:<17}{100 * row['share_gone']:>12.1f}%"
                         f"{100 * row['share_no_decay']:>11.1f}%")  # fmt: skip
        lines.append("")
    lines += [*_curve(document["curve"], scale, unit, document["shapes"]["remains"])]
    for row in document["truth"]["human"]:
        name = human_words(row["name"])
        lines += paragraph(
            f"In humans, after an {name}: half-life {row['value']:g} {row['unit']} "
            f"({row['where']}); shown beside, not pooled.", "  ")  # fmt: skip
    return "\n".join([*lines, *warning_lines(document), *repeat(document)])


def _curve(
    rows: Sequence[Mapping[str, float]], scale: float, unit: str, remains: float
) -> list[str]:
    """The curve of the average laboratory as bars, with what the article leaves open."""
    top = max(row["average"] for row in rows)
    last = rows[-1]["day"]
    shown = [row for row in rows if row["day"] % 7 == 0.0 and row["day"] <= min(last, 70.0)]
    lines = [f"  day  effect ({unit})  95% of labs       open            linear  plateau"]
    for row in shown:
        bar = "#" * max(0, math.floor(7 * row["average"] / top + 0.5))
        labs = f"{scale * row['lab_lb']:.1f} to {scale * row['lab_ub']:.1f}"
        left = f"{scale * row['open_lb']:.1f} to {scale * row['open_ub']:.1f}"
        lines.append(
            f"  {row['day']:>3g}  {scale * row['average']:>12.2f}  {labs:<16}  {left:<14}  "
            f"{scale * row['linear']:>6.2f}  {scale * row['plateau']:>7.2f}  {bar}"[:79].rstrip()
        )
    lines += paragraph(
        "95% of labs: at the matched truth; open: the average, not knowing it; linear: 0 at twice "
        f"the half-life; plateau: {percent(remains)} stay; half is left at the half-life in all.",
        "  ",
    )
    return lines
