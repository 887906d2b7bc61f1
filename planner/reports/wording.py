"""Answers and warnings in plain words, from numbers that are already there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.reports.discounted import discounted_words
from planner.reports.measures import NEW_LAB, at_most, percent


def test_words(design: Any) -> str:
    """The test in a few words."""
    name = {"student": "Student t", "welch": "Welch t"}[design.test]
    sides = "two-sided" if design.sides == "two" else f"one-sided ({design.sides})"
    alpha = f"alpha {design.alpha:g}"
    if design.treated > 1:
        alpha += f" over {design.treated} comparisons"
    margin = ""
    if design.sesoi is not None:
        margin = f", against a smallest effect of interest of {design.sesoi:g} SDs"
        margin += "" if design.margin == "raw" else " (standardized)"
    return f"{name}, {sides}, {alpha}{margin}"


def shown(fact: Any) -> str:
    """A published number as printed; one worked out from a table of studies, rounded for reading.

    fact : a `planner.quantities.Quantity`
    """
    most = 1 if fact.unit == "%" else 2
    if fact.status != "derived" or fact.decimals <= most:
        return str(fact)
    return f"{fact.number:.{most}f}"


def evidence_words(analysis: Any) -> str:
    """Which evidence numbers come from, and what it says."""
    ci, title = analysis.ci, analysis.title.rstrip(".")
    spread = f"[{shown(ci.lower)}, {shown(ci.upper)}]" if ci else f"SE {shown(analysis.se)}"
    place = "" if analysis.review.rstrip(".") == title else f". From {analysis.review}"
    return (
        f"{title}{place}: {analysis.k} comparisons, effect size {shown(analysis.g)} {spread}, "
        f"{analysis.heterogeneity_kind} {shown(analysis.heterogeneity)}."
    )


def origin_word(analysis: Any) -> str:
    """Whether an effect was printed, or pooled from a table of studies."""
    return "printed" if analysis.data is None else "pooled"


def power_headline(facts: Mapping[str, Any]) -> str:
    """What the page is about, and where its numbers come from."""
    analysis = facts["analysis"]
    start = "One new experiment, treatment against control"
    if facts["calibration"] is None:
        scenario = facts["command_scenario"]
        return (
            f"{start}. True effect given by hand: mu {scenario['mu']:g}, tau {scenario['tau']:g}."
        )
    return f"{start}: {evidence_words(analysis)}"


def power_answer(facts: Mapping[str, Any]) -> str:
    """The answer of `planner power`, in up to four sentences."""
    if facts["animals"] is not None:
        return _animals_answer(facts)
    row, target = facts["recommended"], facts["targets"][0]
    lab = NEW_LAB[facts["plan_for"]]
    if row is None:
        return _no_plan_answer(facts, lab)
    design = facts["design"]
    n, n2 = design.groups(row["n"])
    chance = _chance(facts, row["n"], target)
    sentences = [
        f"Plan {_groups(n, n2)} ({row['animals']} in all{_ordered(row)}). "
        f"{_capital(lab)} then has {article(chance)} {percent(chance)} chance of a significant "
        f"benefit ({test_words(design)})."
    ]
    average = _row(facts, "pooled", target)
    if average and average["n"] is not None and average["n"] < row["n"]:
        size = per_group(design, average["n"])
        sentences.append(f"{size} would do only if your laboratory is exactly average.")
    if row["ceiling"] < 0.995:
        sentences.append(f"No group size gives {lab} more than {percent(row['ceiling'])}.")
    return " ".join(sentences)


def _no_plan_answer(facts: Mapping[str, Any], lab: str) -> str:
    target, design = facts["targets"][0], facts["design"]
    analysis, calibration = facts["analysis"], facts["calibration"]
    wanted = _row(facts, facts["plan_for"], target)
    if facts["trivial"]:
        average = _row(facts, "pooled", target) or wanted or {"n": "few"}
        g = analysis.g.number if analysis else abs(facts["command_scenario"]["mu"])
        return (
            f"No plan: with an effect size of {g:g}, {average['n']} animals per group are enough "
            "for a significant result, which tests nothing worth knowing. Ask for an effect that "
            "would matter (--sesoi 2), or when the effect is gone. An effect size above 3 often "
            "means that standard errors were read as SDs: check the studies first."
        )
    ceiling = wanted["ceiling"] if wanted else 0.0
    if design.sides != "two" and ceiling == 0.0:
        return (
            f"No plan: a one-sided test ({design.sides}) cannot show a benefit here, which lies "
            "on the other side."
        )
    tau = calibration.tau if calibration else facts["command_scenario"]["tau"]
    doubt = "" if analysis is None else harm_words(analysis)
    if wanted is None or ceiling <= target:
        if tau == 0.0 and facts["plan_for"] != "assurance":
            cause = "the assumed true effect is no larger than what is tested against"
        else:
            cause = (
                "in the other laboratories the true effect is too small or reversed. More animals "
                "or finer measurements do not change that; a study in several laboratories "
                "answers another question, about their average"
            )
        return (
            f"{doubt}No group size gives {lab} {article(target)} {percent(target)} chance of a "
            f"significant benefit: the most is {_exact_percent(ceiling, target)}, because {cause}."
        )
    if wanted["n"] is None:
        return f"{doubt}No plan: more than a million animals per group would be needed."
    helps = "A larger effect, a more precise outcome or repeated measures help more than animals."
    return (
        f"{doubt}No sensible group size (more than {facts['largest']}): {wanted['n']} per group "
        f"({wanted['animals']} animals) would be needed for {lab} to have {article(target)} "
        f"{percent(target)} chance of a significant benefit. {helps}"
    )


def harm_words(analysis: Any) -> str:
    """That a publication shows no benefit, or a harm; empty where it shows a benefit."""
    if _includes_no_effect(analysis):
        return "The published interval includes no effect: there is no benefit to plan for. "
    if analysis.sign < 0:
        return (
            f"The published effect size of {shown(analysis.g)} is a harm: there is no benefit to "
            "plan for. "
        )
    return ""


def _animals_answer(facts: Mapping[str, Any]) -> str:
    design, n = facts["design"], facts["sizes"][0]
    truth = facts["plan_for"]
    lab = NEW_LAB[truth]
    success = next(
        row for row in facts["rows"] if row["measure"] == "success" and row["truth"] == truth
    )
    chance = success["exact"] if success["exact"] is not None else success["value"]
    n1, n2 = design.groups(n)
    sentence = (
        f"With {facts['animals']} animals, {_groups(n1, n2)} can be analysed: {lab} has "
        f"{article(chance)} {percent(chance)} chance of a significant benefit "
        f"({test_words(design)})."
    )
    found = [row for row in facts["rows"] if row["measure"] == "mde" and row["value"] is not None]
    parts = [f"{row['value']:.2f} SDs{_in_unit(row['value'], facts)} with {percent(row['target'])}"
             for row in found]  # fmt: skip
    if parts:
        sentence += f" The smallest true effect it finds is {', '.join(parts)} chance."
    return sentence


def power_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know before using the answer; each ends in a command or a number."""
    analysis, calibration = facts["analysis"], facts["calibration"]
    found: list[tuple[str, str]] = []
    if facts["trivial"] and facts["animals"] is not None:
        found.append((
            "trivial",
            "With an effect this large a test against zero tests nothing worth knowing: ask for "
            "one that would matter, such as --sesoi 2.",
        ))  # fmt: skip
    if facts["design"].sign < 0:
        found.append((
            "negative",
            "The effect given by hand is negative: benefit here means a negative effect.",
        ))  # fmt: skip
    if calibration is None:
        return [{"code": code, "text": text} for code, text in found]
    name = _option(facts)
    target = facts["targets"][0]
    printed, average = _row(facts, "as-printed", target), _row(facts, "pooled", target)
    mu = calibration.mu
    found += discounted_words(facts)
    if analysis.sign < 0:
        found.append((
            "wrong-way",
            f"The published effect size is {analysis.g}: it points to harm, not to benefit.",
        ))  # fmt: skip
    if _includes_no_effect(analysis):
        found.append((
            "no-effect",
            f"The published 95% interval of the effect size {analysis.g} includes no effect: the "
            "literature does not show a benefit that could be planned for.",
        ))  # fmt: skip
    if calibration.status == "boundary":
        found.append((
            "boundary",
            "The published heterogeneity is no more than chance gives: laboratories are taken "
            f"to be alike, but a between-laboratory SD up to {calibration.tau_limit:.2f} would "
            "also fit.",
        ))  # fmt: skip
    if (
        facts["plan_for"] != "discounted"
        and printed
        and average
        and None not in (printed["n"], average["n"])
        and (printed["n"] != average["n"] and f"{mu:.2f}" != f"{analysis.g.number:.2f}")
    ):
        found.append((
            "calibrated",
            f"The plan uses a mean effect size of {mu:.2f}, not the "
            f"{origin_word(analysis)} {shown(analysis.g)}: pooling small groups pulls the average "
            f"down. As {origin_word(analysis)}, an average lab needs {printed['n']} per group "
            f"instead of {average['n']}.",
        ))  # fmt: skip
    days = sorted({float(row["delay"]) for row in analysis.comparisons
                   if row.get("delay_unit") == "d"})  # fmt: skip
    if len(days) > 1:
        found.append((
            "mixed-days",
            f"The evidence mixes test days {days[0]:g} to {days[-1]:g} after treatment; the plan "
            "is for an average of them, not for one day.",
        ))  # fmt: skip
    if any(row["truth"] == "se-read-as-sd" for row in facts["required"]):
        wrong = _row(facts, "se-read-as-sd", target)
        needs = "more than any number" if wrong is None or wrong["n"] is None else str(wrong["n"])
        found.append((
            "se-as-sd",
            "An effect size this large often means that standard errors were read as SDs; an "
            f"average lab would then need {needs} per group.",
        ))  # fmt: skip
    found += [("note", note) for note in analysis.notes]
    if calibration.cluster != "none":
        found.append((
            "clusters",
            f"Comparisons of one {calibration.cluster} are taken to share {calibration.share:.0%} "
            "of the variance between true effects.",
        ))  # fmt: skip
    else:
        for level in ("lab", "study"):
            if analysis.clustered(level):
                found.append((
                    "clusters",
                    f"{analysis.k} comparisons come from {max(analysis.clusters[level]) + 1} "
                    f"{ {'lab': 'laboratories', 'study': 'studies'}[level]}; they are taken as "
                    f"independent here. The other extreme: {name} --cluster {level}",
                ))  # fmt: skip
                break
    return [{"code": code, "text": text} for code, text in found]


def _option(facts: Mapping[str, Any]) -> str:
    return f"planner power {facts['analysis'].option}"


def _includes_no_effect(analysis: Any) -> bool:
    return bool(abs(analysis.g.number) < 1.959964 * analysis.se_number)


def _chance(facts: Mapping[str, Any], n: int, target: float) -> float:
    """Chance of success at n under the truth that is planned for; the target if not shown."""
    for row in facts["rows"]:
        if (row["measure"], row["truth"], row["n"]) == ("success", facts["plan_for"], n):
            return float(row["exact"])
    return target


def _exact_percent(p: float, goal: float) -> str:
    return f"{100.0 * p:.3g}%" if p < 0.1 else at_most(p, goal)


def _row(facts: Mapping[str, Any], truth: str, target: float) -> Mapping[str, Any] | None:
    for row in facts["required"]:
        if row["truth"] == truth and row["target"] == target and row["shrink"] == 0.0:
            return dict(row)
    return None


def _groups(n1: int, n2: int) -> str:
    return f"{n1} animals per group" if n1 == n2 else f"{n1} treated and {n2} control animals"


def per_group(design: Any, n: int) -> str:
    """A group size in words, whose control group may be another."""
    n1, n2 = design.groups(n)
    if n1 == n2:
        return f"{n1} per group"
    return f"{n1} {'treated' if design.treated == 1 else 'in each treated group'} and {n2} control"


def _ordered(row: Mapping[str, Any]) -> str:
    return "" if row["ordered"] == row["animals"] else f"; buy {row['ordered']}"


def _in_unit(value: float, facts: Mapping[str, Any]) -> str:
    if facts["sd"] is None:
        return ""
    return f" ({value * facts['sd']:.3g} {facts['unit'] or 'units'})"


def article(p: float) -> str:
    """The article before a chance in percent."""
    return "an" if percent(p).lstrip(">").startswith(("8", "11%", "18%")) else "a"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def calibration_answer(analysis: Any, calibration: Any) -> str:
    """The answer of `planner calibrate`."""
    _, mu_lb, mu_ub = calibration.interval("mu")
    _, tau_lb, tau_ub = calibration.interval("tau")
    if calibration.status == "boundary":
        spread = (
            f"laboratories alike (tau 0; up to {calibration.tau_limit:.2f} would be compatible)"
        )
    else:
        spread = f"laboratories varying around it with SD {calibration.tau:.2f}"
    return (
        f"A mean true effect of {calibration.mu:.2f} SDs, {spread}, publishes "
        f"{analysis.g} in the median. {_source(analysis)} open {mu_lb:.2f} to {mu_ub:.2f} for the "
        f"mean and {tau_lb:.2f} to {tau_ub:.2f} for the SD (95%, flat prior)."
    )


def _source(analysis: Any) -> str:
    return "The article leaves" if analysis.data is None else "The studies leave"


def calibration_warnings(analysis: Any, calibration: Any) -> list[dict[str, str]]:
    """What to know about a calibration."""
    found = []
    if f"{calibration.naive_g:.2f}" != f"{analysis.g.number:.2f}":
        found.append((
            "not-g",
            f"The published {analysis.g} is not the true mean: if it were, the median review "
            f"would publish {calibration.naive_g:.2f}.",
        ))  # fmt: skip
    for row in calibration.check:
        away = row["published"] is not None and not row["lb"] <= row["published"] <= row["ub"]
        if away and row["truth"] == "matched":
            found.append((
                "check",
                f"The model does not give back {row['statistic']}: published "
                f"{row['published']:.3g}, simulated {row['lb']:.3g} to {row['ub']:.3g} (95%).",
            ))  # fmt: skip
    for values, top, name in (
        (calibration.draws_tau, calibration.prior[3], "tau"),
        (abs(calibration.draws_mu - analysis.g.number),
         calibration.prior[1] - analysis.g.number, "mu"),
    ):  # fmt: skip
        near = float((values > 0.95 * top).mean())
        if near > 0.01:
            found.append((
                "prior-bound",
                f"The prior's bounds cut the joint draws off: {near:.0%} of them have {name} "
                "within 5% of the largest allowed. Much less is known than the intervals say.",
            ))  # fmt: skip
    found += [("note", note) for note in analysis.notes]
    return [{"code": code, "text": text} for code, text in found]
