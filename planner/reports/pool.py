"""The page of `planner pool`: the answer, the estimates, the studies, what one study changes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.reports.pool_words import INTERVAL_NAMES, number, p_words, unit
from planner.reports.text import paragraph

if TYPE_CHECKING:
    from planner.results import Result

MOST_LINES = 59
MOST_DRAWN = 25  # studies in the text forest plot
_LABEL, _PLOT = 22, 26  # columns of its parts


def pool_page(result: Result) -> str:
    """The page of `planner pool`."""
    document = result.document()
    lines = [*paragraph(document["headline"]), ""]
    lines += [*paragraph(document["answer"], "ANSWER  "), ""]
    lines += _table(document)
    lines += _heterogeneity(document)
    lines += _subgroups(document)
    lines += _left_out_one(document)
    end = []
    if document["warnings"]:
        end += ["", "BEFORE YOU USE THIS"]
        for warning in document["warnings"]:
            end += paragraph(warning["text"], "! ")
    end += _end(document)
    room = MOST_LINES - len(lines) - len(end)
    return "\n".join([*lines, *_forest(document, room), *end])


def _interval(row: Mapping[str, Any], low: str = "ci_lb", high: str = "ci_ub") -> str:
    if row[low] is None:
        return "-"
    return f"[{number(row[low])}, {number(row[high])}]"


def _table(document: Mapping[str, Any]) -> list[str]:
    rows = document["estimates"]
    intervals = list(dict.fromkeys(row["interval"] for row in rows))
    if "cr2" in intervals and len(intervals) > 3:  # four would not fit; JSON has them all
        intervals.remove("hk-wald" if "hk-wald" in intervals else intervals[1])
    level = f"{100.0 * (1.0 - document['scenario']['alpha']):.6g}% interval"
    lines = [f"  {'':6}{'average':>7}  {level}"]
    heads = "".join(f"{INTERVAL_NAMES[name]:<17}" for name in intervals)
    lines.append(f"  {'':6}{unit(document).strip() or 'effect':>7}  {heads}{'tau':>5}{'I2':>6}")
    for name in dict.fromkeys(row["estimator"] for row in rows):
        own = {row["interval"]: row for row in rows if row["estimator"] == name}
        first = next(iter(own.values()))
        cells = "".join(f"{_interval(own[interval]):<17}" for interval in intervals)
        tau = "-" if first["tau2"] is None or name == "FE" else number(first["tau2"] ** 0.5)
        share = "-" if first["I2"] is None else f"{first['I2']:.0f}%"
        lines.append(f"  {name:6}{number(first['estimate']):>7}  {cells}{tau:>5}{share:>6}")
    return lines


def _heterogeneity(document: Mapping[str, Any]) -> list[str]:
    main = document["estimates"][0]
    if document["k"] == 1:
        return []
    text = f"Heterogeneity ({main['estimator']}): "
    if main["estimator"] != "FE":
        text += f"tau {number(main['tau2'] ** 0.5)}{unit(document)}"
        if main["tau2_lb"] is not None:
            low, high = (number(main[name] ** 0.5) for name in ("tau2_lb", "tau2_ub"))
            text += f" ({low} to {high})"
        text += f", tau2 {number(main['tau2'])}, "
    text += f"I2 {main['I2']:.0f}%, H2 {number(main['H2'])}, Q {number(main['QE'])} on "
    text += f"{document['k'] - 1} df, {p_words(main['QEp'])}."
    lines = ["", *paragraph(text, "  ")]
    if main["pi_lb"] is not None:
        riley = f"; {_interval(main, 'riley_lb', 'riley_ub')} with t on k - 2 (Riley)"
        text = f"A new laboratory: {_interval(main, 'pi_lb', 'pi_ub')}"
        text += riley if main["riley_lb"] is not None else ""
        lines += paragraph(text + ".", "  ")
    return lines


def _subgroups(document: Mapping[str, Any]) -> list[str]:
    found = document["subgroups"]
    if not found:
        return []
    by = document["scenario"]["by"]
    lines = ["", f"  {'by ' + by:24}{'k':>4}  {'average':>8}  interval"]
    for row in found["groups"][:8]:
        cells = "too few to compare" if row["estimate"] is None else _interval(row)
        lines.append(
            f"  {_cut(row['group'], 24):24}{row['k']:>4}  {number(row['estimate']):>8}  {cells}"
        )
    if len(found["groups"]) > 8:
        lines.append(f"  and {len(found['groups']) - 8} more (--json)")
    if found["Q_between"] is None:
        return [*lines, "  No two subgroups have enough studies to be compared."]
    text = f"Between subgroups: Q {number(found['Q_between'])} on {found['df']} df, "
    text += f"{p_words(found['pval'])}."
    least = min(found["pairs"], key=lambda row: row["pval_bonferroni"], default=None)
    if least is not None and len(found["pairs"]) > 1:
        text += f" Largest of {len(found['pairs'])} differences: {least['group1']} - "
        text += f"{least['group2']} {number(least['estimate'])}, "
        text += f"{p_words(least['pval_bonferroni'])} (Bonferroni)."
    return [*lines, *paragraph(text, "  ")]


def _left_out_one(document: Mapping[str, Any]) -> list[str]:
    rows = document["leave_one_out"]
    if document["k"] < 3 or not rows:
        return []
    low, high = (f(rows, key=lambda row: row["estimate"]) for f in (min, max))
    text = f"Leaving one study out, the average runs from {number(low['estimate'])} (without "
    text += f"{_cut(low['study'], 30)}) to {number(high['estimate'])} (without "
    text += f"{_cut(high['study'], 30)})."
    side = _side(document["estimates"][0])
    other = [row for row in rows if _side(row) != side]
    if other:
        change = "no longer excludes" if side else "excludes"
        who = _cut(other[0]["study"], 30)
        text += f" The interval {change} no effect without {who}"
        text += f" or {len(other) - 1} others." if len(other) > 1 else "."
    return ["", *paragraph(text, "  ")]


def _side(row: Mapping[str, Any]) -> int:
    return int(row["ci_lb"] > 0.0) - int(row["ci_ub"] < 0.0)


def _forest(document: Mapping[str, Any], room: int) -> list[str]:
    """The studies as a text plot, where they fit on the page."""
    studies, main = document["studies"], document["estimates"][0]
    if len(studies) > MOST_DRAWN or room < len(studies) + 5:
        return ["", "  Forest and funnel plot:  --out DIR"]
    low, high = _range(studies, main)
    lines = ["", f"  {'study':{_LABEL}}{'':{_PLOT}}effect  interval        weight"]
    for row in studies:
        lines.append(_drawn(row["study"], row["yi"], row, low, high, f"{row['weight']:5.1f}%"))
    pooled = {"ci_lb": main["ci_lb"], "ci_ub": main["ci_ub"]}
    lines.append(_drawn("average", main["estimate"], pooled, low, high, "", "<>"))
    if main["pi_lb"] is not None:
        new = {"ci_lb": main["pi_lb"], "ci_ub": main["pi_ub"]}
        lines.append(_drawn("a new laboratory", None, new, low, high, "", ""))
    return lines


def _range(studies: Sequence[Mapping[str, Any]], main: Mapping[str, Any]) -> tuple[float, float]:
    """Ends of the plot: every effect and the prediction interval, with room for half intervals."""
    halves = sorted(row["ci_ub"] - row["yi"] for row in studies)
    half = halves[len(halves) // 2]
    low = min([0.0, *(row["yi"] for row in studies)]) - half
    high = max([0.0, *(row["yi"] for row in studies)]) + half
    if main["pi_lb"] is not None:
        low, high = min(low, main["pi_lb"]), max(high, main["pi_ub"])
    return low, high


def _drawn(
    label: str, effect: float | None, row: Mapping[str, Any], low: float, high: float,
    weight: str, marks: str = "",
) -> str:  # fmt: skip
    """One line of the plot: the interval, the effect, and the line of no effect."""

    def column(value: float) -> int:
        return round((value - low) / (high - low) * (_PLOT - 1)) if high > low else 0

    cells = [" "] * _PLOT
    cells[column(0.0)] = "|"
    if row["ci_lb"] is not None:
        first, last = column(row["ci_lb"]), column(row["ci_ub"])
        for i in range(max(0, first), min(_PLOT - 1, last) + 1):
            cells[i] = "-" if effect is not None and not marks else "="
        if first < 0:
            cells[0] = "<"
        if last > _PLOT - 1:
            cells[-1] = ">"
    if effect is not None:
        cells[min(_PLOT - 1, max(0, column(effect)))] = "#" if marks else "o"
    text = "" if effect is None else number(effect)
    return (
        f"  {_cut(label, _LABEL - 2):{_LABEL}}{''.join(cells)}{text:>6}  {_interval(row):15}"
        f"{weight:>6}"
    ).rstrip()


def _end(document: Mapping[str, Any]) -> list[str]:
    """What to do next, and how to get the page again."""
    studies = document["studies"]
    sizes = studies[0]["n1"] is not None and studies[0]["n2"] is not None
    lines = [""]
    if document["measure"] == "SMD" and document["k"] > 1:
        if sizes:
            command = command_line(document["scenario"], "--write-evidence", "review.toml")
            lines += paragraph(f"Plan:    {command}", "", "         ")
            lines.append("         planner power --evidence review.toml")
        else:
            lines += paragraph(
                "Plan:    columns n1 and n2 (animals treated and control), then --write-evidence "
                "review.toml", "", "         ",
            )  # fmt: skip
    made_by = f"({document['version']}, {document['provenance']['engine'][:6]})"
    repeat = f"Repeat:  {command_line(document['scenario'])}  {made_by}"
    return lines + paragraph(repeat, "", "         ")


_DEFAULTS = {"benefit": "higher", "vtype": "CMA", "measure": "SMD", "alpha": 0.05}
_DEFAULT_LISTS = {"estimator": ["DL", "FE", "PM", "REML"], "interval": ["wald", "hk", "hk-wald"]}


def command_line(scenario: Mapping[str, Any], *more: str) -> str:
    """The command that repeats a run: the file, and every option that is not at its default."""
    words = ["planner", "pool", str(scenario["file"])]
    for name, value in scenario.items():
        flag = "--" + name.replace("_", "-")
        if name == "file" or value is None or value == _DEFAULTS.get(name):
            continue
        if isinstance(value, bool):
            words += [flag] if value else []
        elif name == "where":
            words += [word for item in value for word in (flag, str(item))]
        elif isinstance(value, list):
            words += [] if value == _DEFAULT_LISTS.get(name) else [flag, ",".join(value)]
        else:
            words += [flag, str(value)]
    return " ".join(shlex.quote(word) for word in (*words, *more))


def _cut(text: str, width: int) -> str:
    clean = " ".join(str(text).split())
    return clean if len(clean) <= width else clean[: width - 3] + "..."
