"""The truth that a plan is for in words, and the fields that ethics forms ask for."""

from __future__ import annotations

from typing import Any

from planner.plan_parts import Parts
from planner.reports.measures import NEW_LAB, percent
from planner.reports.wording import origin_word, shown

# Why a discounted truth is what it is.
DISCOUNTS = {
    "selection": "the one that would publish these numbers if studies without a significant "
                 "benefit were published only once in five times",
    "se-read-as-sd": "as if standard errors had been read as SDs",
    "share": "a quarter smaller, as no truth gives these numbers under selection",
}  # fmt: skip
_OTHERS = {
    "pooled": "in an average laboratory", "new-lab": "in a new laboratory",
    "assurance": "not knowing the average", "discounted": "with the literature discounted",
}  # fmt: skip


def spread_words(parts: Parts) -> str:
    """How true effects differ between laboratories."""
    c = parts.calibration
    if c.tau == 0.0:
        return (
            "laboratories are taken to be alike, as no more heterogeneity was published than "
            "chance gives"
        )
    return f"true effects differ between laboratories with an SD of {c.tau:.2f}"


def truth_words(parts: Parts) -> str:
    """The truth that gives the published numbers, and the one that is planned for."""
    c = parts.calibration
    text = (
        f"The mean true effect that gives these numbers is {parts.in_unit(c.mu)}, and "
        f"{spread_words(parts)}."
    )
    used = {
        "new-lab": "",
        "pooled": " The plan takes our laboratory to be exactly average.",
        "assurance": " The plan averages over every mean and SD that the publication leaves open.",
        "discounted": f" Published effects may be too large: the plan uses a mean of "
        f"{parts.in_unit(float(parts.truth.mu[0]))} (SD between laboratories "
        f"{float(parts.truth.tau[0]):.2f}), {DISCOUNTS[parts.discount]}.",
    }
    return text + used[parts.plan_for]


def other_chances(parts: Parts) -> str:
    """The chance of the planned size under every truth that it is not planned for."""
    row = parts.chosen
    assert row is not None
    return ", ".join(
        f"{percent(row['by_truth'][name])} {words}"
        for name, words in _OTHERS.items()
        if name != parts.plan_for and name in row["by_truth"]
    )


def form(parts: Parts) -> list[dict[str, Any]]:
    """The five inputs that ethics forms ask for."""
    design, row = parts.design, parts.chosen
    within = "1 SD of the outcome, [SD of the outcome]"
    if parts.sd is not None:
        within = f"{parts.sd:g} {parts.unit or 'units'} within a group"
    effect, effect_from, spread = _truth_fields(parts)
    if design.sesoi is not None:
        effect += f", tested against a smallest effect of interest of {parts.in_unit(design.sesoi)}"
    power = "no plan: see the answer"
    about = f"no size is recommended for a target of {percent(parts.targets[0])}"
    if row is not None:
        power = f"{percent(row['success'])} in {NEW_LAB[parts.plan_for].rstrip(',')}"
        about = (
            f"chance of a significant benefit; {other_chances(parts)}; target "
            f"{percent(parts.targets[0])}"
        )
        if parts.over_budget:
            about += f", which the budget of {parts.budget} animals does not buy"
    sides = {"two": "two-sided", "greater": "one-sided (greater)", "less": "one-sided (less)"}
    test = {"student": "Student t", "welch": "Welch t"}[design.test]
    about_test = f"{test}, two groups"
    if design.treated > 1:
        about_test = (
            f"{test}, each of {design.treated} treated groups against the control; divided over "
            f"{design.treated} comparisons"
        )
    return [
        {"field": "effect", "value": effect, "about": effect_from},
        {"field": "variability", "value": within, "about": spread},
        {"field": "alpha", "value": f"{design.alpha:g}", "about": about_test},
        {"field": "power", "value": power, "about": about},
        {"field": "sidedness", "value": sides[design.sides], "about": sidedness(parts)},
    ]  # fmt: skip


def _truth_fields(parts: Parts) -> tuple[str, str, str]:
    """The effect, where it comes from, and the SD between laboratories, of the planned truth."""
    c, truth = parts.calibration, parts.truth
    _, mu_lb, mu_ub = c.interval("mu")
    _, tau_lb, tau_ub = c.interval("tau")
    mean, spread = c.mu, f"between laboratories true effects vary with SD {c.tau:.2f}"
    about = (
        f"calibrated from the {origin_word(parts.analysis)} {shown(parts.analysis.g)}; the "
        f"publication leaves {mu_lb:.2f} to {mu_ub:.2f} SDs open (95%)"
    )
    spread_open = f" ({tau_lb:.2f} to {tau_ub:.2f}, 95%)"
    match parts.plan_for:
        case "discounted":
            mean, tau = float(truth.mu[0]), float(truth.tau[0])
            about = f"discounted: {DISCOUNTS[parts.discount]}; {c.mu:.2f} without the discount"
            spread = f"between laboratories true effects vary with SD {tau:.2f}"
            spread_open = f"; {c.tau:.2f} without the discount"
        case "pooled":
            spread_open += "; the plan is for one that is exactly average"
        case "assurance":
            spread_open += "; the plan averages over all of it"
    return f"mean true difference {parts.in_unit(mean)}", about, spread + spread_open


def sidedness(parts: Parts) -> str:
    """What counts as success, given the sides of the test."""
    if parts.design.sides == "two":
        return "only a significant difference towards benefit is counted as success"
    return "no effect in the other direction can be shown"
