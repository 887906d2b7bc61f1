"""The sentences of a plan: answer, paragraphs to paste, the form's fields."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.plan_parts import Parts
from planner.reports.measures import NEW_LAB, percent
from planner.reports.wording import article, origin_word, shown, test_words

# Each design in a word, and what it is for.
ROLES = {
    "recommended": ("recommended", "meets the target"),
    "budget": ("affordable", "what the budget buys"),
    "average-lab": ("smaller", "enough only if your laboratory is exactly average"),
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
        return parts.base.answer
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


def _limits(parts: Parts, lab: str) -> str:
    row = parts.chosen
    assert row is not None
    found = []
    average = [d["n"] for d in parts.designs if d["role"] == "average-lab"]
    if average:
        found.append(f"{average[0]} per group would do only if your laboratory is exactly average")
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


def _source(parts: Parts) -> str:
    a = parts.analysis
    ci = a.ci
    spread = f"95% CI {shown(ci.lower)} to {shown(ci.upper)}" if ci else f"SE {shown(a.se)}"
    kind = {"I2": "I²", "tau2": "tau²", "Q": "Q"}[a.heterogeneity_kind]
    unit = "%" if a.heterogeneity_kind == "I2" else ""
    title = a.title.rstrip(".")
    place = f" in {a.review}" if title not in a.review else ""
    return (
        f"the meta-analysis “{title}”{place}, which pooled {a.k} comparisons to an effect size of "
        f"{shown(a.g)} ({spread}; {kind} {shown(a.heterogeneity)}{unit})"
    )


def _spread(parts: Parts) -> str:
    c = parts.calibration
    if c.tau == 0.0:
        return (
            "laboratories are taken to be alike, as no more heterogeneity was published than "
            "chance gives"
        )
    return f"true effects differ between laboratories with an SD of {c.tau:.2f}"


def _short(parts: Parts) -> str:
    row, c = parts.chosen, parts.calibration
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
        f"unit] as primary outcome. Group size was planned by simulation from {_source(parts)}. "
        f"The mean true effect that gives these numbers is {parts.in_unit(c.mu)}, and "
        f"{_spread(parts)}. With {test_sentence(parts.design)}, the probability of a significant "
        f"benefit is {percent(row['success'])} in {_lab(parts)}.{spare}"
    )


def _lab(parts: Parts) -> str:
    return {
        "pooled": "a laboratory whose true effect is exactly average",
        "new-lab": "a laboratory whose true effect comes from this distribution",
        "assurance": "a laboratory from this distribution, averaged over what the review leaves "
                     "open about it",
        "discounted": "a laboratory from the distribution left when the literature is "
                      "discounted",
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
        f"The planned size has a probability of {percent(truths['pooled'])} of a significant "
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
        "The 95% interval of the difference will reach about "
        f"{parts.in_unit(row['half_width'])} to each side."
    )
    text.append(
        f"Chances are exact (noncentral t); {row['n_sim']:,} simulated experiments agree "
        f"({row['simulated']:.4f}, Monte Carlo standard error {row['mcse']:.4f}). Planned with "
        f"planner {parts.base.provenance['version']}, seed {parts.base.provenance['seed']}."
    )
    return " ".join(text)


def _no_plan_paragraph(parts: Parts) -> str:
    c = parts.calibration
    return (
        f"A group size was sought by simulation from {_source(parts)}. The mean true effect that "
        f"gives these numbers is {parts.in_unit(c.mu)}, and {_spread(parts)}. {parts.base.answer} "
        "We therefore do not justify a group size with this review."
    )


def form(parts: Parts) -> list[dict[str, Any]]:
    """The five inputs that ethics forms ask for."""
    c, design, row = parts.calibration, parts.design, parts.chosen
    _, mu_lb, mu_ub = c.interval("mu")
    _, tau_lb, tau_ub = c.interval("tau")
    within = "1 SD of the outcome, [SD of the outcome]"
    if parts.sd is not None:
        within = f"{parts.sd:g} {parts.unit or 'units'} within a group"
    effect = f"mean true difference {parts.in_unit(c.mu)}"
    if design.sesoi is not None:
        effect += f", tested against a smallest effect of interest of {parts.in_unit(design.sesoi)}"
    power = "no plan: see the answer"
    about = f"no size is recommended for a target of {percent(parts.targets[0])}"
    if row is not None:
        power = f"{percent(row['success'])} in {NEW_LAB[parts.plan_for].rstrip(',')}"
        truths = row["by_truth"]
        about = (
            f"chance of a significant benefit; {percent(truths['pooled'])} in an average "
            f"laboratory, {percent(truths['assurance'])} not knowing the average; target "
            f"{percent(parts.targets[0])}"
        )
    sides = {"two": "two-sided", "greater": "one-sided (greater)", "less": "one-sided (less)"}
    test = {"student": "Student t, two groups", "welch": "Welch t, two groups"}[design.test]
    treated = "" if design.treated == 1 else f", divided over {design.treated} comparisons"
    return [
        {"field": "effect", "value": effect,
         "about": f"calibrated from the {origin_word(parts.analysis)} {shown(parts.analysis.g)}; "
                  f"the publication leaves {mu_lb:.2f} to {mu_ub:.2f} SDs open (95%)"},
        {"field": "variability", "value": within,
         "about": f"between laboratories true effects vary with SD {c.tau:.2f} "
                  f"({tau_lb:.2f} to {tau_ub:.2f}, 95%)"},
        {"field": "alpha", "value": f"{design.alpha:g}", "about": f"{test}{treated}"},
        {"field": "power", "value": power, "about": about},
        {"field": "sidedness", "value": sides[design.sides], "about": sidedness(parts)},
    ]  # fmt: skip


def sidedness(parts: Parts) -> str:
    """What counts as success, given the sides of the test."""
    if parts.design.sides == "two":
        return "only a significant difference towards benefit is counted as success"
    return "no effect in the other direction can be shown"


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
