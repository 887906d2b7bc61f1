"""The pages of `planner decay`: the answer first, at most 60 lines of 80 columns."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.decay_designs import parse_days
from planner.reports.decay_measures import SHORT
from planner.reports.measures import percent
from planner.reports.terminal import repeat, warning_lines
from planner.reports.text import paragraph
from planner.results import best

if TYPE_CHECKING:
    from planner.results import Result

_NAMES = {"pooled": "average lab", "new-lab": "new lab", "assurance": "not knowing the average",
          "given": "as given", "discounted": "discounted",
          "se-read-as-sd": "SEs read as SDs"}  # fmt: skip
_BRIEF = {**_NAMES, "assurance": "average not known"}
_BY_DAY = {"pooled": "average", "new-lab": "new lab", "assurance": "not known", "given": "given",
           "discounted": "discounted"}  # fmt: skip
_MOST_LINES = 59
_MOST_DAYS = 14
_SPARE_DAYS = (2, 35, 17, 5, 10)  # left out first where a page has no room for all
_CHANGES = {"rho": "rho", "covariance": "covariance", "dropout": "drop-out",
            "response_cv": "response cv", "layout": "animals", "reading": "reading",
            "half_life": "half-life in days"}  # fmt: skip


def decay_page(result: Result) -> str:
    """The page of `planner decay`, of whichever kind."""
    if result.scenario["show_truth"]:
        return truth_page(result)
    if result.scenario["optimize"]:
        from planner.reports.decay_search import search_page

        return search_page(result)
    return plan_page(result)


def plan_page(result: Result) -> str:
    """Chances by n, required n by question, by day and by assumption.

    What a page has no room for is left out, the least telling first; --json has it all.
    """
    document = result.document()
    head = [*paragraph(str(result.extra["headline"])), ""]
    head += [*paragraph(result.answer, "ANSWER  "), ""]
    tail = [*warning_lines(document), *repeat(document)]
    for left_out in range(6):
        sizes = (6, 4, 4, 4, 4, 3)[left_out]
        across = [] if left_out > 2 else _across(document)
        lines = [
            *head, *_chances(document, sizes), "", *_required(document, left_out < 4),
            *_by_day(document, left_out), *_checks(document),
            *_sensitivity(document, left_out < 4), *across, *tail,
        ]  # fmt: skip
        if len(lines) <= _MOST_LINES:
            break
    return "\n".join(lines)


def _columns(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = document["performance"]
    return list(dict.fromkeys((row["question"], row["shape"]) for row in rows
                              if row["measure"] == "success"))  # fmt: skip


def _label(column: tuple[str, str]) -> str:
    return column[1] if column[0] == "shape" else SHORT[column[0]]


def _planned(document: Mapping[str, Any]) -> str:
    return str(document["scenario"]["plan_for"] or "given")


def _chances(document: Mapping[str, Any], most: int) -> list[str]:
    """Chance of success by n, in the average laboratory and under the truth planned for."""
    rows = [row for row in document["performance"] if row["measure"] == "success"]
    planned, columns = _planned(document), _columns(document)
    other = {"pooled": "new-lab", "given": "given"}.get(planned, "pooled")
    shown = list(dict.fromkeys([planned] if len(columns) > 3 else [other, planned]))
    sizes = sorted({row["n"] for row in rows})
    marked = {row["n"] for row in document["required"]
              if row["target"] == document["scenario"]["target"][0]
              and row["truth"] == planned and row["shrink"] == 0.0}  # fmt: skip
    at = {(row["truth"], row["question"], row["shape"], row["n"]): row for row in rows}
    width = 10 * len(columns)
    top = "".join(f"{_NAMES[name]:>{width}}  " for name in shown)
    heads = "".join("".join(f"{_label(c)[:9]:>10}" for c in columns) + "  " for _ in shown)
    lines = [f"  per {top}".rstrip(), f"group {heads}".rstrip()]
    if len(columns) > 3:
        most, marked = min(most, 4), set()
    for n in _thinned(sizes, marked, document["recommended"], most):
        cells = ""
        for name in shown:
            for question, shape in columns:
                row = at.get((name, question, shape, n))
                cells += f"{'-' if row is None else percent(best(row)):>10}"
            cells += "  "
        mark = ">" if n == document["recommended"] else " "
        lines.append(f"{mark}{n:>4} {cells}".rstrip())
    return lines


def _thinned(sizes: list[int], marked: set[int], recommended: int | None, most: int) -> list[int]:
    """At most `most` sizes: the recommended one, required ones, an even choice of the others."""
    keep = {n for n in sizes if n == recommended}
    keep |= set(sorted(set(sizes) & marked - keep)[: most - len(keep)])
    others = [n for n in sizes if n not in keep and n <= 50]
    room = most - len(keep)
    if room > 0 and others:
        keep |= set(others[:: -(-len(others) // room)])
    return sorted(keep)


def _size(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["n"] is None and row.get("n_power") is not None:
        return f"{row['n_power']}!"
    if row["n"] is None:
        return "never" if row.get("ceiling", 1.0) <= row["target"] else ">1000"
    return str(row["n"]) if row["n"] < 10_000 else ">9999"


def _required(document: Mapping[str, Any], smaller: bool) -> list[str]:
    """Required n by question, truth and target; that of the planned truth at smaller effects."""
    rows = document["required"]
    columns = list(dict.fromkeys((row["question"], row["shape"]) for row in rows))
    wide = len(columns) < 4
    targets = list(dict.fromkeys(row["target"] for row in rows))[: 2 if wide else 1]
    size, names = (6, _NAMES) if wide else (9, _BRIEF)
    heads = "".join(f"{_label(column)[:9]:>{size * len(targets) + 1}}" for column in columns)
    goals = "".join(" " + "".join(f"{percent(goal):>{size}}" for goal in targets) for _ in columns)
    if wide:
        lines = [f"  {'Required per group':<26}{heads}", f"{'':28}{goals}".rstrip()]
    else:
        lines = [f"  For {percent(targets[0]):<13}{heads}"]
    for name, share, label in _required_labels(document, names, smaller):
        cells = ""
        for column in columns:
            cells += " "
            for goal in targets:
                row = next((row for row in rows if row["truth"] == name and row["target"] == goal
                            and row["shrink"] == share
                            and (row["question"], row["shape"]) == column), None)  # fmt: skip
                cells += f"{_size(row):>{size}}"
        mark = ">" if (name, share) == (_planned(document), 0.0) else " "
        lines.append(f"{mark} {label:<{26 if wide else 17}}{cells}".rstrip())
    wrong = [row["type_i"] for row in rows if row["n"] is None and row["n_power"] is not None]
    if wrong:
        level = document["scenario"]["alpha"] / document["scenario"]["treated"]
        lines += paragraph(
            f"! no valid plan: where there is nothing to find this test is wrong in "
            f"up to {100 * max(wrong):.1f}% of experiments, not {100 * level:.3g}%", "  ",
        )  # fmt: skip
    return lines


def _required_labels(
    document: Mapping[str, Any], names: Mapping[str, str], smaller: bool
) -> list[tuple[str, float, str]]:
    """Truth, share of shrinkage and label of each line of required sizes."""
    rows, planned = document["required"], _planned(document)
    shares = sorted({row["shrink"] for row in rows if row["truth"] == planned} - {0.0})
    if not smaller:
        shares = [share for share in shares if share in document["scenario"]["shrink"]]
    found = []
    for name in dict.fromkeys(row["truth"] for row in rows):
        found.append((name, 0.0, names[name]))
        if name == planned:
            found += [(name, share, f"{_BY_DAY[name]} x {1 - share:g}") for share in shares]
    return found


def _by_day(document: Mapping[str, Any], left_out: int) -> list[str]:
    rows = document["by_day"]
    if not rows:
        return []
    planned = _planned(document)
    names = {planned, "pooled"} if left_out < 2 else {planned}
    if len({row["question"] for row in rows}) > 2:
        names = {planned}
    names &= {row["truth"] for row in rows}
    rows = [row for row in rows if row["truth"] in names] or rows
    asked = parse_days(document["scenario"]["times"])[-1]
    days = sorted({row["day"] for row in rows})
    for day in _SPARE_DAYS:
        if len(days) > _MOST_DAYS and day != asked and day in days:
            days.remove(day)
    start = "n for" if document["scenario"]["dropout"] == 0.0 else "all kept,"
    head = f"  {start} {percent(rows[0]['target'])}, day"
    lines = ["", f"{head:<23}" + "".join(f"{_day(day, asked):>4}" for day in days)]
    words = {"decay": "decay by", "residual": "left on", "gone": "gone on"}
    for question, name in dict.fromkeys((row["question"], row["truth"]) for row in rows):
        own = {row["day"]: row for row in rows
               if (row["question"], row["truth"]) == (question, name)}  # fmt: skip
        cells = "".join(f"{_short(own.get(day)):>4}" for day in days)
        label = f"  {words[question]}, {_BY_DAY[name]}"
        lines.append(f"{label:<23}{cells}".rstrip())
    return lines + (_last_days(document, names) if left_out < 5 else [])


def _day(day: float, asked: float) -> str:
    return f">{day:g}" if day == asked else f"{day:g}"


def _last_days(document: Mapping[str, Any], names: set[str]) -> list[str]:
    """Until which day an effect can be shown, from which day that it is gone."""
    n = document["recommended"] if document["recommended"] is not None else 50
    rows = [row for row in document["last_days"]
            if row["day"] is not None and row["n"] == n and row["truth"] in names]  # fmt: skip
    parts = []
    for question in dict.fromkeys(row["question"] for row in rows):
        own = [row for row in rows if row["question"] == question]
        verb = "is left until day" if question == "residual" else "is gone from day"
        days = ", ".join(f"{row['day']} ({_NAMES[row['truth']]})" for row in own)
        parts.append(f"{verb} {days}")
    if not parts:
        return []
    return paragraph(f"{n} per group show that an effect {'; that it '.join(parts)}.", "    ")


def _short(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["n"] is None:
        return "-"
    return str(row["n"]) if row["n"] < 1000 else ">1k"


def _checks(document: Mapping[str, Any]) -> list[str]:
    """How often the planned tests are wrong, and the interval right, at the recommended n."""
    rows = [row for row in document["performance"]
            if row["measure"] == "type_i"
            or (row["measure"] == "coverage" and row["truth"] == _planned(document))]  # fmt: skip
    if not rows:
        return []
    sizes = sorted({row["n"] for row in rows})
    n = sizes[-1]
    if document["recommended"] in sizes and document["scenario"]["animals"] is None:
        n = document["recommended"]
    own = [row for row in rows if row["n"] == n]
    level = document["scenario"]["alpha"] / document["scenario"]["treated"]
    wrong = [f"{SHORT[row['question']]} {100 * best(row):.1f}%" for row in own
             if row["measure"] == "type_i"]  # fmt: skip
    parts = []
    if wrong:
        parts.append(f"wrong where there is nothing to find {', '.join(wrong)} "
                     f"({100 * level:.3g}% allowed)")  # fmt: skip
    parts += [
        f"the half-life's {100 * (1 - level):.3g}% interval holds the true one in "
        f"{100 * best(row):.1f}%"
        for row in own if row["measure"] == "coverage"
    ]  # fmt: skip
    return ["", *paragraph(f"With {n} per group: {'; '.join(parts)}.", "  ")]


def _sensitivity(document: Mapping[str, Any], every: bool) -> list[str]:
    rows = document["sensitivity"]
    if not rows:
        return []
    question, name = rows[0]["question"], rows[0]["truth"]
    if not every:
        rows = [row for row in rows if row["what"] in ("rho", "dropout", "reading", "half_life")]
    about = f"{SHORT[question]} ({rows[0]['shape']})" if question == "shape" else SHORT[question]
    text = (
        f"Per group ({about}, {_NAMES[name]}, {percent(rows[0]['target'])}) if other things were "
        "assumed, * as planned: "
    )
    parts = []
    for what in dict.fromkeys(row["what"] for row in rows):
        own = [row for row in rows if row["what"] == what]
        values = ", ".join(
            f"{_value(row['value'])}: {_needed(row)}{_more(row)}" for row in own
        )
        parts.append(f"{_CHANGES[what]} {values}")
    return paragraph(text + "; ".join(parts) + ".", "  ")


def _needed(row: Mapping[str, Any]) -> str:
    if row["n"] is None and row["n_power"] is not None:
        return f"{row['n_power']}!"
    return str(row["n"] or "none")


def _value(value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{value:.3g}"


def _more(row: Mapping[str, Any]) -> str:
    mark = "*" if row["asked"] else ""
    # Cohorts need their animals on every day: sizes alone would not compare.
    if row["what"] != "layout" or row["n"] is None:
        return mark
    return f"{mark} ({row['animals']} animals)"


def _across(document: Mapping[str, Any]) -> list[str]:
    """What comparing different studies would take, beside the same animals."""
    planned = _planned(document)
    rows = document["across_studies"]
    truths = {row["truth"] for row in rows}
    planned = planned if planned in truths else "new-lab"
    rows = [row for row in rows if row["truth"] == planned]
    goal = document["scenario"]["target"][0]
    need = next((row for row in document["required"]
                 if row["question"] == "decay" and row["target"] == goal
                 and row["truth"] == _planned(document) and row["shrink"] == 0.0),
                None)  # fmt: skip
    if not rows:
        return []
    inside = ""
    if need is not None and need["n"] is not None:
        day = parse_days(document["scenario"]["times"])[-1]
        inside = (
            f"Within one experiment {need['animals']} animals show the decay by day {day:g} "
            f"({percent(goal)}). "
        )
    parts = [f"{row['k']} studies ({row['animals']} animals) {percent(row['value'])}"
             for row in rows]  # fmt: skip
    text = f"{inside}Across studies, by meta-regression of effect on delay ({_NAMES[planned]}): "
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
    lines += ["", *_curve(document["curve"], scale, unit, document["shapes"]["remains"])]
    for row in document["truth"]["human"]:
        name = row["name"].replace("_half_life", "").replace("_", " of ").replace("h", " hours")
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
