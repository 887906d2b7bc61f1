"""The page of `planner pool`: the answer, the estimates, the studies, what one study changes."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from planner.reports.bias_words import CORRECTION_NAMES
from planner.reports.measures import INTERVAL_NAMES
from planner.reports.pool_words import SHOWS, number, p_words, unit
from planner.reports.terminal import warning_lines
from planner.reports.text import fitted, paragraph

if TYPE_CHECKING:
    from pathlib import Path

    from planner.results import Result

MOST_LINES = 59
MOST_GROUPS = 8  # subgroups in the table
MOST_DRAWN = 25  # studies in the text forest plot
_TESTS = {
    "egger-se": "Egger on SE", "egger-n": "Egger on 1/sqrt(n)",
    "egger-n-vi": "the same with weights 1/v", "begg": "Begg",
}  # fmt: skip
_NAMES = {**CORRECTION_NAMES, **_TESTS, "egger-n-vi": "Egger on 1/sqrt(n) with weights 1/v"}
_HEADS = {**INTERVAL_NAMES, "hk-wald": "HK, never < Wald"}  # columns
_LABEL, _PLOT = 22, 25  # columns of its parts


def pool_page(result: Result, saved: Path | None = None) -> str:
    """The page of `planner pool`; saved: the folder that holds its figures, if they are written."""
    document = result.document()
    lines = [*paragraph(document["headline"]), ""]
    lines += [*paragraph(document["answer"], "ANSWER  "), ""]
    lines += _table(document)
    lines += _heterogeneity(document)
    lines += _subgroups(document)
    lines += _left_out_one(document)
    lines += _small_study(document)
    end = ["", *warning_lines(document)] if document["warnings"] else []
    end += _end(document)
    room = MOST_LINES - len(lines) - len(end)
    return "\n".join([*lines, *_forest(document, room, saved), *end])


def _interval(row: Mapping[str, Any], low: str = "ci_lb", high: str = "ci_ub") -> str:
    if row[low] is None:
        return "-"
    return f"[{number(row[low])}, {number(row[high])}]"


def _table(document: Mapping[str, Any]) -> list[str]:
    rows = document["estimates"]
    intervals = list(dict.fromkeys(row["interval"] for row in rows))
    if "cr2" in intervals and len(intervals) > 3:  # four would not fit; JSON has them all
        intervals.remove("hk-wald" if "hk-wald" in intervals else intervals[1])
    width = max(17, *(len(_interval(row)) + 1 for row in rows))
    intervals = intervals[: 51 // width]
    level = f"{100.0 * (1.0 - document['scenario']['alpha']):.6g}% interval"
    lines = [f"  {'':6}{'average':>7}  {level}"]
    heads = "".join(f"{_HEADS[name]:<{width}}" for name in intervals)
    lines.append(f"  {'':6}{unit(document).strip() or 'effect':>7}  {heads}{'tau':>5}{'I2':>6}")
    for name in dict.fromkeys(row["estimator"] for row in rows):
        own = {row["interval"]: row for row in rows if row["estimator"] == name}
        first = next(iter(own.values()))
        cells = "".join(f"{_interval(own[interval]):<{width}}" for interval in intervals)
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
    main = document["estimates"][0]
    how = f"{main['estimator']}, {INTERVAL_NAMES[main['interval']]}, common tau"
    lines = ["", f"  {fitted('by ' + found['by'], 28):28}{'k':>4}  average  interval ({how})"]
    for row in found["groups"][:MOST_GROUPS]:
        note = "" if row["compared"] or not found["pairs"] else "  (too few to compare)"
        lines.append(
            f"  {fitted(row['group'], 27):28}{row['k']:>4}{number(row['estimate']):>9}  "
            f"{_interval(row)}{note}"
        )
    if len(found["groups"]) > MOST_GROUPS:
        lines.append(f"  and {len(found['groups']) - MOST_GROUPS} more (--json)")
    if not found["pairs"]:
        text = f"Not compared: fewer than two subgroups have {found['min_studies']} studies."
        return [*lines, *paragraph(text, "  ")]
    text = f"Between subgroups: Q {number(found['Q_between'])} on {found['df']:g} df, "
    text += f"{p_words(found['pval'])}."
    least = min(found["pairs"], key=lambda row: row["pval"])
    pairs = len(found["pairs"])
    text += " Difference" if pairs == 1 else f" Clearest of {pairs} differences"
    text += f" ({fitted(least['group1'], 20)} less {fitted(least['group2'], 20)}): "
    text += f"{number(least['estimate'])} {_interval(least)}"
    if pairs > 1:
        text += f", {p_words(least['pval_bonferroni'])} after Bonferroni"
    return [*lines, *paragraph(text + ".", "  ")]


def _left_out_one(document: Mapping[str, Any]) -> list[str]:
    rows = document["leave_one_out"]
    if document["k"] < 3 or not rows:
        return []
    low, high = (f(rows, key=lambda row: row["estimate"]) for f in (min, max))
    if low["estimate"] == high["estimate"]:
        return ["", "  Leaving one study out does not move the average."]
    text = f"Leaving one study out, the average runs from {number(low['estimate'])} (without "
    text += f"{fitted(low['study'], 30)}) to {number(high['estimate'])} (without "
    text += f"{fitted(high['study'], 30)})."
    side = _side(document["estimates"][0])
    other = [row for row in rows if _side(row) != side]
    if other:
        change = "no longer excludes" if side else "excludes"
        who = fitted(other[0]["study"], 30)
        text += f" The interval {change} no effect without {who}"
        text += f" or {len(other) - 1} others." if len(other) > 1 else "."
    return ["", *paragraph(text, "  ")]


def _small_study(document: Mapping[str, Any]) -> list[str]:
    """Tests for small-study effects, what the corrections say, and what cannot be applied."""
    if not document["detectors"]:
        return []
    tests = [row for row in document["detectors"] if row["applicable"]]
    parts = [f"{_TESTS[row['detector']]} {_direction(row)}" for row in tests]
    what = "; ".join(parts) if parts else "no test is applicable"
    lines = ["", *paragraph(f"Small-study effects: {what}.", "  ")]
    parts = [
        _corrected(row)
        for row in document["corrections"]
        if row["converged"] and row["correction"] not in ("none", "trimfill-r0", "pet", "peese")
    ]
    lines += paragraph(f"Corrected: {'; '.join(parts)}.", "  ") if parts else []
    for (kind, why), names in _reasons(document).items():
        lines += paragraph(f"{kind}: {', '.join(names)} ({why}).", "  ")
    return lines


def _corrected(row: Mapping[str, Any]) -> str:
    more = ""
    if row["filled"] is not None:
        more = f" ({row['filled']:g} filled, {row['side']})"
    if row["weight"] is not None:
        known = ", tau 0 as known" if row["tau2"] == 0.0 else ""
        more = f" (weight {number(row['weight'])}{known})"
    if row["used"] is not None:
        more = f" ({row['used'].upper()})"
    name = CORRECTION_NAMES[row["correction"]]
    return f"{name} {number(row['estimate'])} {_ends(row)}{more}"


def _ends(row: Mapping[str, Any]) -> str:
    """An interval of which an end may be endless, as likelihood intervals of few studies are."""
    low, high = row["ci_lb"], row["ci_ub"]
    if low is None or high is None:
        ends = [f"{word} {number(x)}" for word, x in (("above", low), ("below", high))
                if x is not None]  # fmt: skip
        return f"(interval: {ends[0]})" if ends else "(interval endless)"
    return _interval(row)


def _reasons(document: Mapping[str, Any]) -> dict[tuple[str, str], list[str]]:
    """Names of tests and corrections without a number, by the reason."""
    found: dict[tuple[str, str], list[str]] = {}
    for row in (*document["detectors"], *document["corrections"]):
        if row["why"] is None or row.get("correction") == "trimfill-r0":
            continue
        name = row.get("detector") or row["correction"]
        kind = "Not estimated" if row["applicable"] else "Not applicable"
        found.setdefault((kind, row["why"]), []).append(_NAMES[name])
    return found


def _direction(row: Mapping[str, Any]) -> str:
    """P of a test, and what small studies show where it is small."""
    if row["pval"] >= SHOWS:
        return p_words(row["pval"])
    size = "larger" if row["estimate"] > 0.0 else "smaller"
    return f"{p_words(row['pval'])} (small studies show {size} effects)"


def _side(row: Mapping[str, Any]) -> int:
    return 0 if row["ci_lb"] is None else int(row["ci_lb"] > 0.0) - int(row["ci_ub"] < 0.0)


def _forest(document: Mapping[str, Any], room: int, saved: Path | None) -> list[str]:
    """The studies as a text plot, where they fit on the page."""
    studies, main = document["studies"], document["estimates"][0]
    if len(studies) > MOST_DRAWN or room < len(studies) + 5:
        where = "--out DIR" if saved is None else str(saved / "forest.png")
        return ["", *paragraph(f"Forest and funnel plot:  {where}", "  ")]
    drawing = _Drawing.of(studies, main)
    lines = ["", drawing.head()]
    lines += [drawing.line(row["study"], row, row["yi"], row["weight"]) for row in studies]
    lines.append(drawing.line("average", main, main["estimate"], fill="=", mark="#"))
    if main["pi_lb"] is not None:
        new = {"ci_lb": main["pi_lb"], "ci_ub": main["pi_ub"]}
        lines.append(drawing.line("a new laboratory", new, fill="="))
    return lines


@dataclass(frozen=True)
class _Drawing:
    """A forest plot in text: the range of effects, and the columns of its parts."""

    low: float
    high: float
    plot: int
    interval: int

    @classmethod
    def of(cls, studies: Sequence[Mapping[str, Any]], main: Mapping[str, Any]) -> _Drawing:
        halves = sorted(row["ci_ub"] - row["yi"] for row in studies)
        half = halves[len(halves) // 2]
        low = min([0.0, *(row["yi"] for row in studies)]) - half
        high = max([0.0, *(row["yi"] for row in studies)]) + half
        if main["pi_lb"] is not None:
            low, high = min(low, main["pi_lb"]), max(high, main["pi_ub"])
        longest = max([15, len(_interval(main)), *(len(_interval(row)) for row in studies)])
        return cls(low, high, _PLOT + 15 - longest, longest)

    def head(self) -> str:
        return (
            f"  {'study':{_LABEL}}{'':{self.plot}}{'effect':>8}  {'interval':{self.interval}}weight"
        )

    def line(
        self, label: str, row: Mapping[str, Any], effect: float | None = None,
        weight: float | None = None, fill: str = "-", mark: str = "o",
    ) -> str:  # fmt: skip
        """An interval, its effect, and the line of no effect."""
        cells = [" "] * self.plot
        last = self.plot - 1
        cells[self._column(0.0)] = "|"
        if row["ci_lb"] is not None:
            ends = self._column(row["ci_lb"]), self._column(row["ci_ub"])
            for i in range(max(0, ends[0]), min(last, ends[1]) + 1):
                cells[i] = fill
            if ends[0] < 0:
                cells[0] = "<"
            if ends[1] > last:
                cells[-1] = ">"
        if effect is not None:
            cells[min(last, max(0, self._column(effect)))] = mark
        share = "" if weight is None else f"{weight:5.1f}%"
        return (
            f"  {fitted(label, _LABEL - 2):{_LABEL}}{''.join(cells)}{number(effect):>8}  "
            f"{_interval(row):{self.interval}}{share}"
        ).rstrip()

    def _column(self, value: float) -> int:
        if self.high <= self.low:
            return 0
        return round((value - self.low) / (self.high - self.low) * (self.plot - 1))


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


_DEFAULTS = {
    "benefit": "higher", "vtype": "CMA", "measure": "SMD", "alpha": 0.05, "fill_side": "auto",
}  # fmt: skip
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
