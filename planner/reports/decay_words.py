"""Answers and warnings of `planner decay` in plain words, from numbers that are already there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from planner.decay_levels import NOTICED, nominal
from planner.decay_required import deciding_row
from planner.reports.decay_doubts import (
    alone_words,
    discounted_words,
    largest_words,
    se_as_sd_words,
)
from planner.reports.measures import percent
from planner.results import best

_DOES = {
    "decay": "show the decay by day {day:g}",
    "residual": "show that an effect{margin} is left on day {day:g}",
    "half-life": "measure the half-life within a factor of {factor:g}",
    "shape": "tell a {shape} decay from an exponential one",
    "gone": "show that the effect is gone (within {gone:g} SD) on day {day:g}",
}
_READINGS = {
    "text": "the stated median delay", "table-median": "the median of Table 1's delays",
    "table-average": "each comparison at its own delay", "given": "given by hand",
}  # fmt: skip


def does(row: Mapping[str, Any], design: Any) -> str:
    """What a design does if it answers a question, such as "show the decay by day 24"."""
    sesoi = design.arms.sesoi
    margin = "" if not sesoi else f" above {in_sds(sesoi)}"
    text = _DOES[row["question"]].format(
        day=design.times[-1], margin=margin, factor=design.factor, shape=row.get("shape"),
        gone=design.margin("gone"),
    )  # fmt: skip
    if row["question"] == "decay" and sesoi:
        text = f"show a loss of more than {in_sds(sesoi)} by day {design.times[-1]:g}"
    return text


def in_sds(effect: float) -> str:
    """An effect with its unit: "1 SD", "0.5 SDs"."""
    return f"{effect:g} SD" if effect == 1.0 else f"{effect:g} SDs"


def days_words(times: Sequence[float]) -> str:
    """Days in words: "days 0, 7, 14 and 24"."""
    texts = [f"{day:g}" for day in times]
    return f"day {texts[0]}" if len(texts) == 1 else f"days {', '.join(texts[:-1])} and {texts[-1]}"


def source_words(truth: Any) -> str:
    """Where effect and half-life come from."""
    read = truth.taken
    if truth.after is None:
        return (
            f"Given by hand: {in_sds(read.delta0)} at the end of treatment (SD between "
            f"laboratories {read.tau:g}), half-life {read.half_life:g} days."
        )
    start = (
        f"From {truth.after.review}, {truth.during.name} (effect size {truth.during.g}) and "
        f"{truth.after.name} ({truth.after.g}): {read.delta0:.2f} SDs at the end of treatment, "
    )
    if read.reading == "given":
        return start + f"half-life {read.half_life:g} days, given by hand."
    how = _READINGS.get(read.reading, f"every delay {read.reading} days")
    return start + f"half-life {read.half_life:.1f} days ({how})."


def decay_headline(facts: Mapping[str, Any]) -> str:
    """What the page is about."""
    design = facts["design"]
    if design.one_day(facts["asked"].questions):
        layout = f"animals measured on day {design.times[-1]:g}, which is all the question needs"
    elif design.layout == "cohorts":
        layout = f"separate animals on {days_words(design.times)}"
    else:
        layout = (
            f"the same animals on {days_words(design.times)}, their correlation over a week "
            f"assumed to be {design.rho:g} ({design.covariance})"
        )
    unit = _in_unit(facts)
    return (
        f"Decay after treatment: {layout}. "
        f"{source_words(facts['truth'])}{unit}{_turned(facts)}{_method(facts)}"
        f"{_planned_for(facts)}"
    )


def _method(facts: Mapping[str, Any]) -> str:
    """The analysis where animals are lost: what its p values rest on."""
    design, asked = facts["design"], facts["asked"]
    if design.dropout == 0.0:
        return ""
    named = {design.analysis_of(question) for question in asked.questions}
    text = f" Of the controls {percent(design.dropout)} are lost, {_LOST[design.dropout_by]}: REML"
    if named == {"reml"}:
        return f"{text}, Satterthwaite's df."
    return f"{text}; df of a contrast: animals on the last day - 2, an approximation."


_LOST = {"random": "at random", "response": "those with little relief first"}


def _planned_for(facts: Mapping[str, Any]) -> str:
    """Which truth a plan is for, and that a search takes another one."""
    name = facts["scenario"]["plan_for"]
    if name is None:
        return ""
    other = "" if name == "assurance" else "; --optimize plans for assurance"
    return f" For {_FOR[name]} ({name}){other}."


_FOR = {
    "new-lab": "a new laboratory at the matched truth", "pooled": "an average laboratory",
    "assurance": "a new laboratory that does not know the average",
    "discounted": "a new laboratory, the literature discounted",
}  # fmt: skip


def _turned(facts: Mapping[str, Any]) -> str:
    delta0 = facts["scenario"]["delta0"]
    if delta0 is None or delta0 > 0.0:
        return ""
    return f" An effect of {delta0:g} is planned for as {-delta0:g}: only its size matters."


def _in_unit(facts: Mapping[str, Any]) -> str:
    scenario = facts["scenario"]
    if scenario["sd"] is None:
        return ""
    unit = scenario["unit"] or "units of the outcome"
    rows = {row["day"]: row["average"] for row in facts["curve"]}
    last = max((day for day in rows if day <= facts["design"].times[-1]), default=0.0)
    first, left = (f"{scenario['sd'] * rows[day]:.3g}" for day in (0.0, last))
    return (
        f" With an SD of {scenario['sd']:g} {unit} that is {first} {unit} at the end and {left} on "
        f"day {last:g}."
    )


def decay_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know before using the answer; each ends in a command or a number."""
    truth, design, asked = facts["truth"], facts["design"], facts["asked"]
    found: list[tuple[str, str]] = []
    found += largest_words(facts["movers"])
    if truth.readings:
        found.append(("reading", _reading_words(truth, facts["sensitivity"])))
    if truth.after is not None:
        found.append(("confounded", confounded(truth)))
    if asked.plan_for == "assurance":  # no other n rests on the draws; --show-truth has them
        found += no_half_life(truth.taken)
    found += _error_rates(facts)
    found += shape_words(facts.get("shapes"))
    if design.arms.sesoi is None and "gone" in asked.questions:
        found.append(("margin", f"Gone means within {design.margin('gone'):g} SD here, an "
                      "assumption: set the margin that matters by --sesoi."))  # fmt: skip
    found += discounted_words(facts)
    found += se_as_sd_words(facts, _deciding(facts))
    return [{"code": code, "text": text} for code, text in found]


def shape_words(left: Mapping[str, float] | None) -> list[tuple[str, str]]:
    """What the shapes are, by what they leave on one day."""
    if left is None:
        return []
    return [(
        "shape",
        f"Shapes share the effect at the end and its half-life, not what is left: on day "
        f"{left['day']:g} {left['exponential']:.2f} SDs if exponential, {left['linear']:.2f} if "
        f"linear (0 at twice the half-life), {left['plateau']:.2f} if plateau "
        f"({percent(left['remains'])} stay).",
    )]  # fmt: skip


def _deciding(facts: Mapping[str, Any]) -> str:
    return str(deciding_row(facts["required"], facts["asked"])["question"])


def _reading_words(truth: Any, sensitivity: Sequence[Mapping[str, Any]]) -> str:
    parts = [f"{read.half_life:.1f} ({read.reading})" for read in truth.readings]
    if len(parts) == 1:
        return (
            f"The half-life rests on one delay for all studies: {truth.taken.delays[0]:g} days; "
            "another is set by --reading DAYS, or --half-life"
        )
    return (
        f"Delays can be read in {len(parts)} ways, half-life {', '.join(parts)} days"
        f"{_range_of(sensitivity)}: planner decay --show-truth"
    )


def _range_of(sensitivity: Sequence[Mapping[str, Any]]) -> str:
    """How far the readings of the delays move n."""
    rows = [row for row in sensitivity if row["what"] == "reading"]
    sizes = sorted(row["n"] for row in rows if row["n"] is not None)
    if not sizes or len(sizes) < len(rows):
        return ""
    span = f"{sizes[0]}" if sizes[0] == sizes[-1] else f"{sizes[0]} to {sizes[-1]}"
    return f", n then {span}"


def confounded(truth: Any) -> str:
    """The line on what else differs between the two analyses."""
    rows = (truth.during.comparisons, truth.after.comparisons)
    labs = [{row.get("lab") for row in comparisons} for comparisons in rows]
    if not all(labs) or None in labs[0] | labs[1]:
        return (
            "What else differs between both analyses, such as laboratory, form of the drug and "
            "route, is confounded with time: planner evidence show"
        )
    common = sorted(str(lab) for lab in labs[0] & labs[1] if lab)
    shared = f"only {', '.join(common).title()}'s laboratory" if common else "no laboratory"
    return (
        "Laboratory, enantiomer and route are confounded with time: of "
        f"{len(labs[0] | labs[1])} laboratories {shared} is in both analyses."
    )


def no_half_life(read: Any) -> list[tuple[str, str]]:
    """The shares of draws that have no half-life, where a page would not show 0.0%."""
    parts = [
        f"{100 * share:.1f}% {what}"
        for share, what in ((read.gone, "leave no effect after treatment (half-life 0)"),
                            (read.lasting, "show no decay"))
        if share >= 0.0005
    ]  # fmt: skip
    if not parts:
        return []
    kept = "both stay" if len(parts) == 2 else "they stay"
    return [("no-half-life", f"Of the joint draws {' and '.join(parts)}: {kept} in the quantiles.")]


def _error_rates(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where an error rate or a coverage is not what it should be, at its worst size."""
    design, planned = facts["design"], facts["asked"].plan_for
    level = design.arms.level
    chosen = None if facts["chosen"] is None else facts["chosen"]["n"]

    def excess(code: str, row: Mapping[str, Any]) -> float:
        if code == "coverage":
            return float(1.0 - level - best(row))
        return best(row) - nominal(design, row["question"])

    def text(code: str, row: Mapping[str, Any]) -> str:
        rate = f"{100 * best(row):.1f}%"
        if code == "coverage":
            return f"the half-life's interval covers {rate}, not {100 * (1 - level):.3g}%"
        allowed = 100 * nominal(design, row["question"])
        return (
            f"the test of {row['question']} is wrong in {rate} of experiments, not {allowed:.3g}%"
        )

    found = []
    for question in facts["asked"].questions:
        for code in ("type-i", "coverage"):
            noticed = 0.02 if code == "coverage" else NOTICED * nominal(design, question)
            rows = [row for row in facts["rows"]
                    if row["question"] == question and row["measure"] == code.replace("-", "_")
                    and (code == "type-i" or row["truth"] == planned)]  # fmt: skip
            off = [row for row in rows if excess(code, row) > max(noticed, 4.0 * _error(row))]
            if off:
                worst = max(off, key=partial(excess, code))
                at_plan = _at_plan(rows, worst, chosen)
                found.append((
                    code, f"With {worst['n']} per group {text(code, worst)}.{at_plan}"
                ))  # fmt: skip
    return found


def _at_plan(rows: Sequence[Mapping[str, Any]], worst: Mapping[str, Any], n: int | None) -> str:
    own = next((row for row in rows if row["n"] == n), None)
    return "" if own is None or own is worst else f" With {n}: {100 * best(own):.1f}%."


def _error(row: Mapping[str, Any]) -> float:
    return float(row["mcse"]) if row["exact"] is None else 0.0


# --show-truth -------------------------------------------------------------------------------


def truth_headline(truth: Any) -> str:
    """What the page of --show-truth is about."""
    return "What a decay plan rests on. " + source_words(truth)


def truth_answer(truth: Any) -> str:
    """The answer of --show-truth."""
    read = truth.taken
    _, low, high = read.interval("half_life")
    _, low0, high0 = read.interval("delta0")
    if truth.after is None or read.reading == "given":
        return f"{read.delta0:.2f} SDs at the end of treatment, half-life {read.half_life:g} days."
    end = "no decay at all" if math.isinf(high) else f"{high:.0f} days"
    return (
        f"The effect starts at {read.delta0:.2f} SDs [{low0:.1f}, {high0:.1f}] (SD between "
        f"laboratories {read.tau:.2f}) and halves every {read.half_life:.1f} days; the article "
        f"leaves open {low:.1f} days to {end} (95%)."
    )


def truth_warnings(truth: Any) -> list[dict[str, str]]:
    """What to know about the truth."""
    found = []
    if truth.after is not None:
        found.append(("confounded", confounded(truth)))
        found += no_half_life(truth.taken)
    published = None if truth.after is None else truth.after.heterogeneity
    off = [read for read in truth.readings if read.I2 is not None and published is not None
           and abs(read.I2[0] - published.number) > 10.0]  # fmt: skip
    if off:
        parts = [f"{read.I2[0]:.0f}% ({read.reading})" for read in off]
        found.append((
            "I2",
            f"The I2 that readings predict for {truth.after.name} differs from the published "
            f"{published}%: {', '.join(parts)}.",
        ))  # fmt: skip
    found += alone_words(truth)
    return [{"code": code, "text": text} for code, text in found]


def a_percent(p: float) -> str:
    """A chance with its article: "an 80%"."""
    text = percent(p)
    return f"{'an' if text.startswith(('8', '11%', '18%')) else 'a'} {text}"
