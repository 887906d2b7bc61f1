"""The sentences of a plan: answer, paragraphs to paste."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from planner.plan_designs import MOST, required_n
from planner.plan_parts import Parts
from planner.reports.measures import NEW_LAB, at_most, percent
from planner.reports.plan_form import truth_words
from planner.reports.wording import article, harm_words, origin_word, per_group, shown, test_words

# Each design in a word, and what it is for.
ROLES = {
    "recommended": ("recommended", "meets the target"),
    "budget": ("affordable", "what the budget buys"),
    "average-lab": ("if average", "enough only if your laboratory is exactly average"),
    "fewer": ("smaller", "a quarter fewer per group"),
    "not-knowing": ("larger", "meets the target without knowing the average"),
    "higher-target": ("larger", "meets the next target"),
    "quarter-smaller": ("larger", "meets the target if effects are a quarter smaller"),
    "more": ("larger", "a quarter more per group"),
}


def groups_words(row: Mapping[str, Any]) -> str:
    """The groups of a design."""
    if row["n1"] == row["n2"]:
        return f"{row['n1']} animals per group"
    treated = "treated" if row["groups"] == 2 else "in each treated group"
    return f"{row['n1']} {treated} and {row['n2']} control animals"


def _total(row: Mapping[str, Any]) -> str:
    buy = "" if row["spare"] == 0 else f"; buy {row['ordered']}"
    return f"{row['animals']} in all{buy}"


def plan_answer(parts: Parts) -> str:
    """The answer in three sentences; that of `planner power` where no size answers."""
    row = parts.chosen
    if row is None:
        return parts.base.answer + _if_it_can_be_bought(parts)
    lab = NEW_LAB[parts.plan_for]
    first = f"Plan {groups_words(row)} ({_total(row)})."
    if parts.over_budget:
        wanted = parts.designs[1]
        first = (
            f"The budget of {parts.budget} animals buys {groups_words(row)} ({_total(row)}), less "
            f"than the {wanted['ordered']} that a chance of {percent(parts.targets[0])} takes."
        )
    second = (
        f"{lab[0].upper()}{lab[1:]} then has {article(row['success'])} {percent(row['success'])} "
        f"chance of a significant benefit ({test_words(parts.design)})."
    )
    return f"{first} {second} {_limits(parts, lab)}"


def _if_it_can_be_bought(parts: Parts) -> str:
    """How to plan with more animals than are recommended."""
    wanted = required_n(parts.base, parts.plan_for, parts.targets[0])
    if parts.trivial or wanted is None or wanted["n"] is None or wanted["n"] > MOST:
        return ""
    return f" If they can be bought, --budget {wanted['ordered']} plans with them."


def _limits(parts: Parts, lab: str) -> str:
    row = parts.chosen
    assert row is not None
    found = []
    average = [d["n"] for d in parts.designs if d["role"] == "average-lab"]
    if average:
        size = per_group(parts.design, average[0])
        only = f"{size} would do only if your laboratory is exactly average"
        if parts.plan_for == "discounted":
            only += " and the literature needs no discount"
        found.append(only)
    if parts.plan_for == "pooled" and parts.calibration.tau > 0.0:
        new = percent(row["by_truth"]["new-lab"])
        found.append(f"a new laboratory, whose true effect may differ, has a chance of {new}")
    ceiling = parts.sensitivity[0]["ceiling"]
    if ceiling < 0.995:
        found.append(f"no group size gives {lab} more than {percent(ceiling)}")
    if not found:
        quarter = next(
            r for r in parts.sensitivity if r["level"] == "by a quarter of the published"
        )
        found.append(
            "if the published effects are too large by a quarter, the chance is "
            f"{percent(quarter['success'])}"
        )
    text = ", and ".join(found)
    return f"{text[0].upper()}{text[1:]}."


def paragraphs(parts: Parts) -> dict[str, str]:
    """The paragraph to paste into an application, short and long."""
    if parts.chosen is None:
        return {"short": _no_plan_paragraph(parts), "long": _no_plan_paragraph(parts)}
    return {"short": _short(parts), "long": _long(parts)}


def test_sentence(design: Any) -> str:
    """The test inside a sentence."""
    name = {"student": "Student t test", "welch": "Welch t test"}[design.test]
    sides = {"two": "two-sided ", "greater": "one-sided ", "less": "one-sided "}[design.sides]
    text = f"a {sides}{name} at alpha {design.alpha:g}"
    if design.treated > 1:
        text += f" (divided over {design.treated} comparisons)"
    if design.sesoi is not None:
        kind = "" if design.margin == "raw" else "standardized "
        text += f" against a smallest {kind}effect of interest of {design.sesoi:g} SDs"
    return text


def cited(analysis: Any) -> str:
    """The title of an analysis, the review it is in, and where that was published."""
    title, review, source = analysis.title.rstrip("."), analysis.review, analysis.citation
    source = source.rstrip(".")
    if not source or source in review:
        return f"“{title}”" + (f" in {review}" if title not in review else "")
    review = re.sub(r" *\([^()]*\b\d{4}\)$", "", review)  # the short form of the citation
    return f"“{title}”" + (f" in {review}" if title not in review else "") + f" ({source})"


def _source(parts: Parts) -> str:
    a, ci = parts.analysis, parts.analysis.ci
    spread = f"95% CI {shown(ci.lower)} to {shown(ci.upper)}" if ci else f"SE {shown(a.se)}"
    kind = {"I2": "I²", "tau2": "tau²", "Q": "Q"}[a.heterogeneity_kind]
    unit = "%" if a.heterogeneity_kind == "I2" else ""
    return (
        f"the meta-analysis {cited(a)}, which pooled {a.k} comparisons to an effect size of "
        f"{shown(a.g)} ({spread}; {kind} {shown(a.heterogeneity)}{unit})"
    )


def _short(parts: Parts) -> str:
    row = parts.chosen
    assert row is not None
    spare = ""
    if row["spare"]:
        spare = (
            f" {row['ordered']} animals are ordered, so that {row['animals']} remain if "
            f"{percent(parts.design.attrition)} are lost."
        )
    return (
        f"We will compare [treatment, dose and route] with [control treatment] in [species and "
        f"strain] ([sex]), {groups_words(row)} ({row['animals']} in all), with [outcome and its "
        f"unit] as primary outcome. {_size_from(parts)} {_source(parts)}. {truth_words(parts)} "
        f"With {test_sentence(parts.design)}, the probability of a significant benefit is "
        f"{percent(row['success'])} in {_lab(parts)}.{spare}"
    )


def _size_from(parts: Parts) -> str:
    """How the group size came about, up to where its numbers are from."""
    if not parts.over_budget:
        return "Group size was planned by simulation from"
    wanted = parts.designs[1]
    return (
        f"Group size is what the budget of {parts.budget} animals allows; a probability of "
        f"{percent(parts.targets[0])} would take {groups_words(wanted)} ({_total(wanted)}). "
        "Probabilities were worked out by simulation from"
    )


def _lab(parts: Parts) -> str:
    return {
        "pooled": "a laboratory whose true effect is exactly average",
        "new-lab": "a laboratory whose true effect comes from this distribution",
        "assurance": "a laboratory from this distribution, averaged over what the review leaves "
                     "open about it",
        "discounted": "a laboratory from this smaller distribution",
    }[parts.plan_for]  # fmt: skip


def _long(parts: Parts) -> str:
    row, c = parts.chosen, parts.calibration
    assert row is not None
    _, mu_lb, mu_ub = c.interval("mu")
    truths = row["by_truth"]
    text = [
        _short(parts),
        f"The {origin_word(parts.analysis)} effect size of {shown(parts.analysis.g)} is not used "
        "as the true effect: pooling small groups pulls the average down and inflates "
        "heterogeneity, so the truth was sought whose median simulated review is the published one "
        f"(mean {c.mu:.2f}; the publication leaves {mu_lb:.2f} to {mu_ub:.2f} open, 95%).",
        f"{_size(parts)} has a probability of {percent(truths['pooled'])} of a significant "
        f"benefit if our laboratory is exactly average, {percent(truths['new-lab'])} as a new "
        f"laboratory, and {percent(truths['assurance'])} when the average is not taken as known.",
    ]
    fewer = next((r for r in parts.neighbours if r["change"] is not None and r["change"] < 0
                  and r["change"] >= -10), None)  # fmt: skip
    if fewer is not None:
        text.append(
            f"{-fewer['change']} animals fewer would lower the probability to "
            f"{percent(fewer['success'])}; of 100 such experiments, "
            f"{round(100 * fewer['no_answer'])} instead of {round(100 * row['no_answer'])} would "
            "end without an answer."
        )
    half = next(r for r in parts.sensitivity if r["level"] == "by half of the published")
    quarter = next(r for r in parts.sensitivity if r["level"] == "by a quarter of the published")
    text.append(
        "Published animal effects may be too large: with a mean effect smaller by a quarter or a "
        f"half the probability is {percent(quarter['success'])} or {percent(half['success'])}. "
        f"The {100.0 * (1.0 - parts.design.alpha):.6g}% interval of the difference will reach "
        "about "
        f"{parts.in_unit(row['half_width'])} to each side."
    )
    text.append(
        f"Chances are exact (noncentral t); {row['n_sim']:,} simulated experiments agree "
        f"({row['simulated']:.4f}, Monte Carlo standard error {row['mcse']:.4f}). Planned with "
        f"planner {parts.base.provenance['version']}, seed {parts.base.provenance['seed']}."
    )
    return " ".join(text)


def _size(parts: Parts) -> str:
    if parts.plan_for == "discounted":
        return "Without the discount, the planned size"
    return "The affordable size" if parts.over_budget else "The planned size"


def _no_plan_paragraph(parts: Parts) -> str:
    return (
        f"A group size was sought by simulation from {_source(parts)}. {truth_words(parts)} "
        f"{_why_no_plan(parts)} We therefore do not justify a group size with this review."
    )


def _why_no_plan(parts: Parts) -> str:
    """Why no size is planned, as a laboratory says it to its committee."""
    target, design = parts.targets[0], parts.design
    chance = f"{article(target)} {percent(target)} probability of a significant benefit"
    lab = NEW_LAB[parts.plan_for]
    wanted = required_n(parts.base, parts.plan_for, target)
    if parts.trivial:
        average = required_n(parts.base, "pooled", target) or wanted
        few = "few" if average is None else str(average["n"])
        return (
            f"With an effect this large {few} animals per group are enough for a significant "
            "difference from zero, which would show nothing that is not known."
        )
    if wanted is None or wanted["ceiling"] <= target:
        ceiling = 0.0 if wanted is None else wanted["ceiling"]
        if design.sides != "two" and ceiling == 0.0:
            return "A one-sided test in this direction cannot show a benefit."
        return (
            f"{harm_words(parts.analysis)}No group size gives {lab} {chance} with "
            f"{test_sentence(design)}: the most is {at_most(ceiling, target)}, as true effects of "
            "other laboratories are too small or reversed."
        )
    if wanted["n"] is None:
        return f"More than a million animals per group would be needed for {chance}."
    return (
        f"{harm_words(parts.analysis)}For {lab} to have {chance} with {test_sentence(design)}, "
        f"{per_group(design, wanted['n'])} would be needed ({wanted['animals']} animals in all), "
        "more than one experiment should use."
    )


def no_when(analysis: Any) -> str:
    """Why a plan cannot say when to test, and what to do about it."""
    rows = [row for row in analysis.comparisons if row.get("delay")]
    if analysis.data is not None:
        why = "The studies behind this plan are kept without the day on which they tested"
    elif rows:
        why = (
            "No other analysis of this review tests the same treatment at another time, so that "
            "nothing says how the effect changes"
        )
    else:
        why = "The evidence behind this plan is one pooled effect; it does not say when was tested"
    return (
        f"{why}. The plan holds for the mixture of days that was pooled: take the day that most of "
        "the studies took. To plan for a certain day, give the effect that you expect at the end "
        "of treatment and its half-life to planner decay (--delta0, --tau, --half-life), or test "
        "the same animals on a second day in the first batch: it takes no further animals and "
        "shows the half-life."
    )


_COVARIANCES = {"cs": "the same at every lag", "ar1": "falling with the time between"}
_LOST = {"random": "at random", "response": "those with little effect first"}


def change_words(what: str, value: Any) -> str:
    """What an assumption about the animals is set to, in words."""
    if what == "dropout":
        share, _, how = str(value).partition(" ")
        return f"{percent(float(share))} lost{f', {_LOST[how]}' if how else ''}"
    if what == "covariance":
        return _COVARIANCES.get(str(value), str(value))
    if what == "half_life":
        return f"{value:.3g} days"
    return value if isinstance(value, str) else f"{value:g}"
