"""The pages of `planner decay`: the answer first, at most 60 lines of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.reports.decay_measures import SHORT
from planner.reports.measures import percent
from planner.reports.terminal import repeat
from planner.reports.text import paragraph

if TYPE_CHECKING:
    from planner.results import Result

_NAMES = {"pooled": "average lab", "new-lab": "new lab", "assurance": "not knowing the average",
          "given": "as given", "discounted": "new lab, 1/4 smaller",
          "se-read-as-sd": "SEs read as SDs"}  # fmt: skip
_BRIEF = {"assurance": "average not known", "discounted": "new lab, 1/4 less"}
_SHOWN_DAYS = (1, 3, 7, 14, 21, 28, 42, 56)
_MOST_SIZES = 6
_CHANGES = {"rho": "rho", "covariance": "covariance", "dropout": "drop-out",
            "response_cv": "response cv", "layout": "animals", "reading": "reading"}  # fmt: skip


def decay_page(result: Result) -> str:
    """The page of `planner decay`, of whichever kind."""
    if result.scenario["show_truth"]:
        return truth_page(result)
    if result.scenario["optimize"]:
        from planner.reports.decay_search import search_page

        return search_page(result)
    return plan_page(result)


def plan_page(result: Result) -> str:
    """Chances by n, required n by question, by day and by assumption."""
    document = result.document()
    lines = [*paragraph(str(result.extra["headline"])), ""]
    lines += [*paragraph(result.answer, "ANSWER  "), ""]
    lines += _chances(document)
    lines += ["", *_required(document)]
    lines += _by_day(document)
    lines += _sensitivity(document)
    if len(_columns(document)) < 4:  # a page holds so much
        lines += _across(document)
    return "\n".join([*lines, *_warnings(document), *repeat(document)])


def _warnings(document: Mapping[str, Any]) -> list[str]:
    if not document["warnings"]:
        return []
    lines = ["BEFORE YOU USE THIS"]
    for warning in document["warnings"]:
        lines += paragraph(warning["text"], "! ")
    return lines


def _columns(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = document["performance"]
    return list(dict.fromkeys((row["question"], row["shape"]) for row in rows
                              if row["measure"] == "success"))  # fmt: skip


def _label(column: tuple[str, str]) -> str:
    return column[1] if column[0] == "shape" else SHORT[column[0]]


def _best(row: Mapping[str, Any]) -> float:
    return float(row["value"] if row["exact"] is None else row["exact"])


def _chances(document: Mapping[str, Any]) -> list[str]:
    """Chance of success by n, for two truths."""
    rows = [row for row in document["performance"] if row["measure"] == "success"]
    truths = list(dict.fromkeys(row["truth"] for row in rows))
    shown = [name for name in ("pooled", "new-lab", "given") if name in truths]
    columns = _columns(document)
    if len(columns) > 3:
        shown = [name for name in (document["scenario"]["plan_for"], "new-lab", "given")
                 if name in shown][:1]  # fmt: skip
    sizes = sorted({row["n"] for row in rows})
    marked = {row["n"] for row in document["required"]
              if row["target"] == document["scenario"]["target"][0]
              and row["truth"] in ("new-lab", "given") and row["shrink"] == 0.0}  # fmt: skip
    at = {(row["truth"], row["question"], row["shape"], row["n"]): row for row in rows}
    width = 10 * len(columns)
    top = "".join(f"{_NAMES[name]:>{width}}  " for name in shown)
    heads = "".join("".join(f"{_label(c)[:9]:>10}" for c in columns) + "  " for _ in shown)
    lines = [f"  per {top}".rstrip(), f"group {heads}".rstrip()]
    most = _MOST_SIZES
    if len(columns) > 3:
        most, marked = 4, set()
    for n in _thinned(sizes, marked | {document["recommended"]}, most):
        cells = ""
        for name in shown:
            for question, shape in columns:
                row = at.get((name, question, shape, n))
                cells += f"{'-' if row is None else percent(_best(row)):>10}"
            cells += "  "
        mark = ">" if n == document["recommended"] else " "
        lines.append(f"{mark}{n:>4} {cells}".rstrip())
    return lines


def _thinned(sizes: list[int], marked: set[int | None], most: int) -> list[int]:
    keep = {n for n in sizes if n in marked}
    others = [n for n in sizes if n not in keep and n <= 50]
    step = max(1, -(-len(others) // max(2, most - len(keep))))
    return sorted(keep | set(others[::step]))


def _size(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["n"] is None:
        return "never" if row.get("ceiling", 1.0) <= row["target"] else ">1000"
    return str(row["n"])


def _required(document: Mapping[str, Any]) -> list[str]:
    """Required n by question, truth and target; the new lab's at smaller effects."""
    rows = document["required"]
    columns = list(dict.fromkeys((row["question"], row["shape"]) for row in rows))
    targets = list(dict.fromkeys(row["target"] for row in rows))[: 2 if len(columns) < 4 else 1]
    heads = "".join(f"{_label(column)[:9]:>{6 * len(targets) + 1}}" for column in columns)
    if len(targets) == 1:
        # One narrow column each: room for six of them.
        heads = "".join(f"{_label(column)[:9]:>10}" for column in columns)
    size = 6 if len(targets) > 1 else 9
    goals = "".join(" " + "".join(f"{percent(goal):>{size}}" for goal in targets) for _ in columns)
    if len(targets) > 1:
        lines = [f"  Required per group{'':7}{heads}", f"{'':25}{goals}".rstrip()]
    else:
        lines = [f"  For {percent(targets[0]):<13}{heads}"]
    for name in dict.fromkeys(row["truth"] for row in rows):
        share = 0.25 if name == "discounted" else 0.0
        cells = ""
        for column in columns:
            cells += " "
            for goal in targets:
                row = next((row for row in rows if row["truth"] == name and row["target"] == goal
                            and row["shrink"] == share
                            and (row["question"], row["shape"]) == column), None)  # fmt: skip
                cells += f"{_size(row):>{size}}"
        label = _NAMES[name] if len(targets) > 1 else _BRIEF.get(name, _NAMES[name])
        lines.append(f"  {label:<{23 if len(targets) > 1 else 17}}{cells}".rstrip())
    return lines


def _by_day(document: Mapping[str, Any]) -> list[str]:
    rows = document["by_day"]
    if not rows:
        return []
    goal = percent(rows[0]["target"])
    if len({row["question"] for row in rows}) > 2:
        rows = [row for row in rows if row["truth"] != "pooled"]
    days = [day for day in _SHOWN_DAYS if any(row["day"] == day for row in rows)]
    complete = "" if document["scenario"]["dropout"] == 0.0 else " (complete)"
    lines = [
        "",
        f"  Per group for {goal}, by day{complete:<12}" + "".join(f"{day:>5}" for day in days),
    ]
    words = {"decay": "decay shown by", "residual": "effect left on", "gone": "gone on"}
    for question, name in dict.fromkeys((row["question"], row["truth"]) for row in rows):
        own = {row["day"]: row for row in rows
               if (row["question"], row["truth"]) == (question, name)}  # fmt: skip
        cells = "".join(f"{_short(own.get(day)):>5}" for day in days)
        lines.append(f"    {words[question] + ', ' + _NAMES[name]:<35}{cells}")
    return lines + _last_days(document)


def _last_days(document: Mapping[str, Any]) -> list[str]:
    """Until which day an effect can be shown, from which day that it is gone."""
    rows = [row for row in document["last_days"] if row["day"] is not None]
    n = document["recommended"] if document["recommended"] is not None else 50
    parts = []
    for question in dict.fromkeys(row["question"] for row in rows):
        own = [row for row in rows if row["question"] == question and row["n"] == n]
        verb = "is left until day" if question == "residual" else "is gone from day"
        days = ", ".join(f"{row['day']} ({_NAMES[row['truth']]})" for row in own)
        if own:
            parts.append(f"{verb} {days}")
    if not parts:
        return []
    return paragraph(f"{n} per group show that an effect {'; that it '.join(parts)}.", "    ")


def _short(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["n"] is None:
        return "-"
    return str(row["n"]) if row["n"] < 1000 else ">999"


def _sensitivity(document: Mapping[str, Any]) -> list[str]:
    rows = document["sensitivity"]
    if not rows:
        return []
    question, name = rows[0]["question"], rows[0]["truth"]
    text = (
        f"{SHORT[question].capitalize()}, {_NAMES[name]}, {percent(rows[0]['target'])}, "
        "if other things were assumed: "
    )
    parts = []
    for what in dict.fromkeys(row["what"] for row in rows):
        own = [row for row in rows if row["what"] == what]
        # Cohorts need their animals on every day: sizes alone would not compare.
        more = [
            f" ({row['animals']} animals)" if what == "layout" and row["n"] is not None else ""
            for row in own
        ]
        values = ", ".join(
            f"{row['value']} {_short(row)}{text}" for row, text in zip(own, more, strict=True)
        )
        parts.append(f"{_CHANGES[what]} {values}")
    return ["", *paragraph(text + "; ".join(parts) + ".", "  ")]


def _across(document: Mapping[str, Any]) -> list[str]:
    rows = [row for row in document["across_studies"] if row["truth"] in ("new-lab", "given")]
    if not rows:
        return []
    parts = [f"{row['k']} studies ({row['animals']} animals) {percent(row['value'])}"
             for row in rows]  # fmt: skip
    text = "The decay across studies instead, by meta-regression on the delay: "
    return paragraph(text + ", ".join(parts) + ".", "  ")


def truth_page(result: Result) -> str:
    """The page of --show-truth."""
    document = result.document()
    truth = document["truth"]
    scale = document["scenario"]["sd"] or 1.0
    unit = "SDs" if document["scenario"]["sd"] is None else document["scenario"]["unit"] or "units"
    lines = [*paragraph(str(result.extra["headline"])), ""]
    lines += [*paragraph(result.answer, "ANSWER  "), ""]
    if truth["readings"]:
        lines.append("  reading          delays (days)          half-life  95%            "
                     "I2 predicted")  # fmt: skip
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
            lines.append(f"{mark} {row['reading']:<16} {text:<22} {row['half_life']:>9.1f}  "
                         f"{span:<15}{predicted:>5}")  # fmt: skip
        if truth["I2_published"] is not None:
            lines.append(f"  {'published I2':<67}{truth['I2_published']:>4g}%")
        lines += ["", f"  {'share of draws':<17}{'half-life 0':>13}{'no decay':>12}"]
        for row in truth["readings"]:
            lines.append(f"  {row['reading']:<17}{100 * row['share_gone']:>12.1f}%"
                         f"{100 * row['share_no_decay']:>11.1f}%")  # fmt: skip
    lines += ["", *_curve(document["curve"], scale, unit)]
    for row in document["truth"]["human"]:
        name = row["name"].replace("_half_life", "").replace("_", " of ").replace("h", " hours")
        lines += paragraph(
            f"In humans, after an {name}: half-life {row['value']:g} {row['unit']} "
            f"({row['where']}); shown beside, not pooled.", "  ")  # fmt: skip
    return "\n".join([*lines, *_warnings(document), *repeat(document)])


def _curve(rows: Sequence[Mapping[str, float]], scale: float, unit: str) -> list[str]:
    """The curve of the average laboratory as bars, with what the article leaves open."""
    top = max(row["average"] for row in rows)
    last = rows[-1]["day"]
    shown = [row for row in rows if row["day"] % 7 == 0.0 and row["day"] <= min(last, 70.0)]
    lines = [f"  day  effect ({unit})  95% of labs       open            linear  plateau"]
    for row in shown:
        bar = "#" * max(0, math.floor(14 * row["average"] / top + 0.5))
        labs = f"{scale * row['lab_lb']:.1f} to {scale * row['lab_ub']:.1f}"
        left = f"{scale * row['open_lb']:.1f} to {scale * row['open_ub']:.1f}"
        lines.append(
            f"  {row['day']:>3g}  {scale * row['average']:>12.2f}  {labs:<16}  {left:<14}  "
            f"{scale * row['linear']:>6.2f}  {scale * row['plateau']:>7.2f}  {bar}"[:79]
        )
    lines.append("  95% of labs: at the matched truth; open: the average, not knowing it")
    return lines
