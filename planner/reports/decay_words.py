"""Answers and warnings of `planner decay` in plain words, from numbers that are already there."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from planner.reports.measures import NEW_LAB, percent

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
    margin = "" if not sesoi else f" above {sesoi:g} SDs"
    text = _DOES[row["question"]].format(
        day=design.times[-1], margin=margin, factor=design.factor, shape=row.get("shape"),
        gone=design.margin("gone"),
    )  # fmt: skip
    if row["question"] == "decay" and sesoi:
        text = f"show a loss of more than {sesoi:g} SDs by day {design.times[-1]:g}"
    return text


def days_words(times: Sequence[float]) -> str:
    """Days in words: "days 0, 7, 14 and 24"."""
    texts = [f"{day:g}" for day in times]
    return f"day {texts[0]}" if len(texts) == 1 else f"days {', '.join(texts[:-1])} and {texts[-1]}"


def source_words(truth: Any) -> str:
    """Where effect and half-life come from."""
    read = truth.taken
    if truth.after is None:
        return (
            f"Given by hand: {read.delta0:g} SDs at the end of treatment (SD between laboratories "
            f"{read.tau:g}), half-life {read.half_life:g} days."
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
    how = {
        "contrast": f"the same animals on {days_words(design.times)}, correlation {design.rho:g} "
        f"over a week ({design.covariance})",
        "cohorts": f"separate animals on {days_words(design.times)}",
    }
    layout = how["cohorts" if design.layout == "cohorts" else "contrast"]
    unit = _in_unit(facts)
    return (
        f"Decay after treatment, treated against control: {layout}. "
        f"{source_words(facts['truth'])}{unit}"
    )


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


def decay_answer(facts: Mapping[str, Any]) -> str:
    """The answer of `planner decay`."""
    if facts["animals"] is not None:
        return _animals_answer(facts)
    design, asked, chosen = facts["design"], facts["asked"], facts["chosen"]
    goal, lab = asked.targets[0], NEW_LAB[asked.plan_for]
    wanted = _wanted(facts)
    sentences = []
    if chosen is not None:
        n1, n2 = design.arms.groups(chosen["n"])
        groups = f"{n1} animals per group" if n1 == n2 else f"{n1} treated and {n2} control animals"
        each = " and day" if design.layout == "cohorts" else ""
        bought = "" if chosen["ordered"] == chosen["animals"] else f"; buy {chosen['ordered']}"
        sentences.append(
            f"Plan {groups}{each} ({chosen['animals']} in all{bought}). {lab[0].upper()}{lab[1:]} "
            f"then has {_a(goal)} {percent(goal)} chance to {does(chosen, design)}."
        )
    for row in wanted:
        if row is chosen:
            continue
        sentences.append(_other(row, facts, chosen))
    return " ".join(sentences)


def _wanted(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    asked = facts["asked"]
    share = 0.25 if asked.plan_for == "discounted" else 0.0
    return [row for row in facts["required"]
            if row["target"] == asked.targets[0] and row["truth"] == asked.plan_for
            and row["shrink"] == share]  # fmt: skip


def _other(row: Mapping[str, Any], facts: Mapping[str, Any], chosen: Any) -> str:
    """A sentence about a question that does not decide the plan."""
    design, goal = facts["design"], facts["asked"].targets[0]
    what = does(row, design)
    if row["question"] == "decay" and facts["trivial"]:
        early = _early_decay(facts)
        return (
            f"To {what} takes {row['n']} per group, which is no plan: an effect this large shows "
            f"its loss in any experiment.{early}"
        )
    if row["n"] is None:
        if row["ceiling"] <= goal:
            text = (
                f"No number of animals gives {_a(goal)} {percent(goal)} chance to {what}: at most "
                f"{percent(row['ceiling'])}."
            )
        else:
            text = f"To {what} would take more animals than the search goes to."
        return text + _days_left(row, facts)
    if row["n"] > facts["largest"]:
        return (
            f"To {what} would take {row['n']} per group ({row['animals']} animals), which is not "
            f"sensible.{_days_left(row, facts)}"
        )
    only = "as few as " if chosen is not None and row["n"] < 0.6 * chosen["n"] else ""
    return f"To {what} takes {only}{row['n']} per group."


def _early_decay(facts: Mapping[str, Any]) -> str:
    rows = [row for row in facts["by_day"] if row["question"] == "decay"
            and row["truth"] in (facts["asked"].plan_for, "new-lab", "given")
            and row["n"] is not None]  # fmt: skip
    shown = [row for row in rows if row["n"] > 4 and row["day"] in (1, 3, 7)]
    if not shown:
        return ""
    parts = [f"by day {row['day']} it takes {row['n']}" for row in shown]
    text = ", ".join(parts)
    return f" {text[0].upper()}{text[1:]}."


def _days_left(row: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    name = facts["asked"].plan_for
    found = [one for one in facts["last_days"]
             if one["question"] == row["question"] and one["n"] == facts["largest"]
             and one["truth"] == (name if name in ("pooled", "given") else "new-lab")]  # fmt: skip
    if not found or found[0]["day"] is None:
        return ""
    if row["question"] == "residual":
        return f" With {facts['largest']} per group it can be shown until day {found[0]['day']}."
    return f" With {facts['largest']} per group it can be shown from day {found[0]['day']} on."


def _animals_answer(facts: Mapping[str, Any]) -> str:
    design, n = facts["design"], facts["shown"][0]
    n1, n2 = design.arms.groups(n)
    name = facts["asked"].plan_for
    name = "new-lab" if name == "discounted" else name
    lab = NEW_LAB[name]
    parts = []
    for row in facts["rows"]:
        if row["measure"] == "success" and row["truth"] == name:
            chance = row["value"] if row["exact"] is None else row["exact"]
            parts.append(f"{percent(chance)} to {does(row, design)}")
    groups = f"{n1} per group" if n1 == n2 else f"{n1} treated and {n2} control"
    found = [row for row in facts["rows"] if row["measure"] == "mde"]
    smallest = "".join(
        f" The smallest effect at the end of treatment whose {_NOUN[row['question']]} is found "
        f"with {percent(row['target'])} chance is {row['value']:.2f} SDs."
        for row in found if row["target"] == facts["asked"].targets[0]
    )  # fmt: skip
    return (
        f"With {facts['animals']} animals, {groups} can be analysed on "
        f"{days_words(design.times)}. The chances of {lab.rstrip(',')}: {'; '.join(parts)}."
        f"{smallest}"
    )


_NOUN = {"decay": "decay", "residual": "rest"}


def decay_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know before using the answer; each ends in a command or a number."""
    truth, design, asked = facts["truth"], facts["design"], facts["asked"]
    found: list[tuple[str, str]] = []
    if truth.readings:
        found.append(("reading", _reading_words(truth)))
    if truth.after is not None:
        found.append(("confounded", confounded(truth)))
    if truth.taken.gone + truth.taken.lasting > 0.0:
        found.append(("no-half-life", shares_words(truth.taken)))
    found += _error_rates(facts)
    if design.arms.sesoi is None and "gone" in asked.questions:
        found.append(("margin", f"Gone means within {design.margin('gone'):g} SD here, an "
                      "assumption: set the margin that matters by --sesoi."))  # fmt: skip
    found.append((
        "rho",
        f"The correlation of {design.rho:g} over a week is assumed, not from the article; see 0.3 "
        "to 0.7 above.",
    ))  # fmt: skip
    if truth.taken.delta0 > 3.0 and truth.during is not None:
        n = next((row["n"] for row in facts["required"] if row["truth"] == "se-read-as-sd"
                  and row["question"] == _deciding(facts)), None)  # fmt: skip
        needs = "more than can be searched" if n is None else f"{n} per group"
        found.append((
            "se-as-sd",
            f"An effect size of {truth.during.g} often means that SEs were read as SDs; "
            f"then an average lab needs {needs}.",
        ))  # fmt: skip
    return [{"code": code, "text": text} for code, text in found]


def _deciding(facts: Mapping[str, Any]) -> str:
    chosen = facts["chosen"]
    return str(chosen["question"] if chosen is not None else facts["asked"].questions[0])


def _reading_words(truth: Any) -> str:
    parts = [f"{read.half_life:.1f} ({read.reading})" for read in truth.readings]
    if len(parts) == 1:
        return (
            f"The half-life rests on one delay for all studies: {truth.taken.delays[0]:g} days; "
            "another is set by --reading DAYS, or --half-life"
        )
    return (
        f"The delays behind the half-life can be read in {len(parts)} ways: {', '.join(parts)} "
        "days. It is the largest uncertainty of this plan: planner decay --show-truth"
    )


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


def shares_words(read: Any) -> str:
    """The shares of draws that have no half-life."""
    return (
        f"{100 * read.gone:.1f}% of the joint draws leave no effect after treatment (half-life 0), "
        f"{100 * read.lasting:.1f}% no decay; both stay in the quantiles."
    )


def _error_rates(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Where a simulated error rate or coverage is not what it should be."""
    alpha = facts["design"].arms.level
    found = []
    for row in facts["rows"]:
        if row["measure"] == "type_i" and row["exact"] is None and row["n_sim"]:
            excess = row["value"] - alpha
            if row["question"] != "gone" and excess > max(0.2 * alpha, 4.0 * row["mcse"]):
                found.append((
                    "type-i",
                    f"With {row['n']} per group the test of {row['question']} is wrong in "
                    f"{100 * row['value']:.1f}% of experiments, not {100 * alpha:g}%.",
                ))  # fmt: skip
        if row["measure"] == "coverage" and row["n_sim"]:
            below = 1.0 - alpha - row["value"]
            if below > max(0.02, 4.0 * row["mcse"]):
                found.append((
                    "coverage",
                    f"With {row['n']} per group the half-life's interval covers "
                    f"{100 * row['value']:.1f}%, not {100 * (1 - alpha):g}% ({row['truth']}).",
                ))  # fmt: skip
    return found[:2]


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
        if truth.taken.gone + truth.taken.lasting > 0.0:
            found.append(("no-half-life", shares_words(truth.taken)))
    published = None if truth.after is None else truth.after.heterogeneity
    for read in truth.readings:
        if (
            read.I2 is not None
            and published is not None
            and abs(read.I2[0] - published.number) > 10.0
        ):
            found.append((
                "I2",
                f"Reading {read.reading} predicts an I2 of {read.I2[0]:.0f}% for "
                f"{truth.after.name}, against the published {published}%.",
            ))  # fmt: skip
    return [{"code": code, "text": text} for code, text in found]


def _a(p: float) -> str:
    return "an" if percent(p).lstrip(">").startswith(("8", "11%", "18%")) else "a"
