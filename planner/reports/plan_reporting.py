"""ARRIVE 2.0 and ADEMP for a plan, filled in as far as the plan knows."""

from __future__ import annotations

from planner.plan_parts import Parts
from planner.reports.measures import percent
from planner.reports.plan_form import DISCOUNTS, sidedness
from planner.reports.plan_words import cited, groups_words, test_sentence

ARRIVE = "https://doi.org/10.1371/journal.pbio.3000410"  # Percie du Sert et al. 2020
ADEMP = "https://doi.org/10.1002/sim.8086"  # Morris, White & Crowther 2019


def cap(text: str) -> str:
    """The text with a capital first letter."""
    return text[0].upper() + text[1:]


def arrive(parts: Parts) -> list[dict[str, str]]:
    """Items 1 to 7 of ARRIVE 2.0; 3 and 5 are the laboratory's alone."""
    row, design = parts.chosen, parts.design
    sizes = "No size is given: this review does not justify one"
    decided = "No size was decided: it was sought by simulation"
    primary = ""
    if row is not None:
        primary = "; the group size is for it"
        decided = "Decided before the experiment, by simulation"
        if parts.over_budget:
            decided = (
                f"Set before the experiment by the budget of {parts.budget} animals; a chance of "
                f"{percent(parts.targets[0])} would take {parts.designs[1]['ordered']}, by "
                "simulation"
            )
        sizes = f"{groups_words(row)}, {row['animals']} in all"
        if row["spare"]:
            sizes += f"; {row['ordered']} are ordered, {row['spare']} of them as spare"
    treated = "one treated group" if design.treated == 1 else f"{design.treated} treated groups"
    return [
        {"item": "1", "title": "Study design",
         "text": f"a. {treated[0].upper()}{treated[1:]} ([treatment, dose and route]) and one "
                 "control group ([control treatment]); further controls, such as sham-operated "
                 "animals: [sham group]. "
                 "b. Experimental unit: [experimental unit]; group sizes count these units."},
        {"item": "2", "title": "Sample size",
         "text": f"a. {sizes}. b. {decided} from {cited(parts.analysis)}, analysis "
                 f"{parts.analysis.name}: the paragraph above says how."},
        {"item": "3", "title": "Inclusion and exclusion", "text": "a. [criteria of exclusion]."},
        {"item": "4", "title": "Randomization",
         "text": "a. Animals are allocated by [method of randomization]. b. Confounders: [order "
                 "and cages]."},
        {"item": "5", "title": "Blinding", "text": "Not knowing the group: [who is blinded]."},
        {"item": "6", "title": "Outcome measures",
         "text": "a. [outcome and its unit], measured at [time of the test]. b. Primary outcome: "
                 f"[outcome and its unit] at [time of the test]{primary}."},
        {"item": "7", "title": "Statistical methods",
         "text": f"a. {cap(test_sentence(design))}; {sidedness(parts)}; the difference with "
                 f"its {100 * (1 - design.alpha / design.treated):.3g}% interval; "
                 f"{design.treated + 1} groups. Software: [software]. "
                 f"b. {_assumptions(design.test)}"},
    ]  # fmt: skip


def _assumptions(test: str) -> str:
    checked = "How that is checked, and what follows if it fails: [checks of assumptions]"
    equal = " with equal spread" if test == "student" else ""
    name = {"student": "Student's", "welch": "Welch's"}[test]
    return f"{name} test assumes about normal outcomes{equal}. {checked}."


def ademp(parts: Parts, n_match: int) -> list[dict[str, str]]:
    """The simulation study behind the plan, in the order of Morris, White & Crowther."""
    c, a, base = parts.calibration, parts.analysis, parts.base
    reps = base.scenario["reps"]
    worst = max(r["mcse"] for r in base.performance if r["measure"] == "success")
    away = max(abs(r["value"] - r["exact"]) for r in base.performance
               if r["measure"] == "success" and r["exact"] is not None)  # fmt: skip
    treated = parts.design.treated
    groups = "two groups" if treated == 1 else f"{treated} treated groups and one control group"
    joint = f"{len(c.draws_mu):,} draws of (mu, tau)"
    joint += (
        f" whose simulated review printed the same numbers, out of {c.n_tried:,}"
        if c.n_tried else " given the studies themselves, by their exact likelihood"
    )  # fmt: skip
    return [
        {"part": "Aims", "text": "The number of animals per group of one new experiment with "
         f"{groups}, and what a significant result of it would be worth."},
        {"part": "Data-generating mechanisms", "text":
         f"Laboratories' true effects are N(mu, tau²) with mu {c.mu:.3f} and tau {c.tau:.3f} "
         f"(Monte Carlo standard errors {c.mu_mcse:.4f} and {c.tau_mcse:.4f}): the truth whose "
         f"median simulated review of {a.k} comparisons has the published effect size and "
         f"heterogeneity. Also: tau 0 (average laboratory), and {joint} (not knowing the average). "
         f"{_planned(parts)} Outcomes are normal with SD 1 in every group; all sizes share their "
         "random numbers."},
        {"part": "Estimands", "text": "The standardized mean difference of the new laboratory, and "
         "its sign."},
        {"part": "Methods", "text":
         f"{cap(test_sentence(parts.design))}, on exact sufficient statistics."},
        {"part": "Performance measures", "text":
         f"Chance of a significant benefit, of significance in either direction, share of "
         f"significant results in the wrong direction, overstatement, width of the interval; "
         f"{reps:,} replicates per size and truth. The largest Monte Carlo standard error of a "
         f"chance is {worst:.4f}; the largest distance from its exact value {away:.4f}. Targets: "
         f"{', '.join(percent(t) for t in parts.targets)}. Truths of other readings rest on "
         f"{n_match:,} simulated reviews each."},
    ]  # fmt: skip


def _planned(parts: Parts) -> str:
    """Which of these truths the plan is for."""
    mu, tau = float(parts.truth.mu[0]), float(parts.truth.tau[0])
    return {
        "new-lab": "The plan is for mu and tau (new laboratory).",
        "pooled": "The plan is for tau 0.",
        "assurance": "The plan is for the draws.",
        "discounted": f"The plan is for a discounted truth, mu {mu:.3f} and tau {tau:.3f}, "
        f"{DISCOUNTS[parts.discount]}.",
    }[parts.plan_for]
