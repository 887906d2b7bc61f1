"""What a committee asks of a plan: why not fewer, could it be bias, does the model hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.plan_parts import Parts
from planner.reports.measures import NEW_LAB, percent
from planner.reports.wording import per_group

STATISTICS = {
    "g": "pooled effect size", "se": "standard error of it", "I2": "heterogeneity I² (percent)",
    "tau2": "heterogeneity tau²", "QE": "heterogeneity Q",
}  # fmt: skip
_TIMES = {0.5: "once in two", 0.2: "once in five"}


def precisely(p: float) -> str:
    """A chance to a tenth of a percent, where sizes near each other would look the same."""
    return f"{100.0 * p:.1f}%" if 0.005 <= p < 0.995 else percent(p)


def why_not(parts: Parts) -> dict[str, str] | None:
    """Why not fewer animals, and why not more; None where nothing is planned."""
    row = parts.chosen
    if row is None:
        return None
    fewer = max((r for r in parts.neighbours if r["change"] < 0), key=_change, default=None)
    more = min((r for r in parts.neighbours if r["change"] > 0), key=_change, default=None)
    return {"fewer": _fewer(parts, row, fewer), "more": _more(parts, row, more)}


def _change(row: Mapping[str, Any]) -> int:
    return int(row["change"])


def _without(row: Mapping[str, Any]) -> str:
    return f"{100.0 * row['no_answer']:.0f}"


def _fewer(parts: Parts, row: Mapping[str, Any], fewer: Mapping[str, Any] | None) -> str:
    target = parts.targets[0]
    if fewer is None:
        return f"{per_group(parts.design, row['n'])} is the smallest size that can be tested."
    text = (
        f"{-fewer['change']} animals fewer ({per_group(parts.design, fewer['n'])}) lower the "
        f"chance of a significant benefit from {precisely(row['success'])} to "
        f"{precisely(fewer['success'])}"
    )
    if fewer["success"] < target <= row["success"]:
        text += f", below the target of {percent(target)}"
    return (
        f"{text}. Of 100 such experiments, {_without(fewer)} instead of {_without(row)} would end "
        "without an answer, and their animals would have been used all the same."
    )


def _more(parts: Parts, row: Mapping[str, Any], more: Mapping[str, Any] | None) -> str:
    if more is None:
        return f"More than {per_group(parts.design, row['n'])} was not looked at."
    text = (
        f"{more['change']} animals more ({per_group(parts.design, more['n'])}) raise it to "
        f"{precisely(more['success'])}, with {_without(more)} of 100 without an answer"
    )
    ceiling = parts.sensitivity[0]["ceiling"]
    if ceiling < 0.995:
        lab = NEW_LAB[parts.plan_for]
        text += f"; no number of animals gives {lab} more than {percent(ceiling)}"
    if parts.over_budget:
        text += "; the budget does not buy them"
    return f"{text}."


def bias_doubt(
    parts: Parts, n: int, rows: Sequence[Mapping[str, Any]], found: Mapping[str, Any]
) -> list[str]:
    """Could it be publication bias, in words for readers who do not know the methods.

    Parameters
    ----------
    n : animals per group that are planned
    rows : of `bias_rows`, the one without selection first
    found : `all_bias` of `planner bias`
    """
    none, *selected = rows
    said = []
    for row in selected:
        hidden, error = row["unpublished"]["value"], row["error"]["value"]
        said.append(
            f"{_once(row['weight'])}, {percent(hidden)} of the studies are missing and the pooled "
            f"effect is {_off(error)}"
        )
    text = [
        "The pooled numbers alone do not show how strongly studies were selected before "
        "publication. If a study without a significant benefit was published only "
        f"{'; if '.join(said)}. With no selection it is {_off(none['error']['value'])}. (All at "
        "the mean effect that fits if nothing was selected; at the smaller one that fits with "
        "selection, more is missing.)"
    ]
    text.append(_harm(parts) or _all_bias(found))
    strongest = selected[-1]
    seen, false = (row["detectors"]["egger-n"]["value"] for row in (strongest, none))
    if seen is not None and false is not None:
        text.append(
            f"Can a test tell? Egger's test on 1/√n gives an alarm in {percent(seen)} of reviews "
            f"under the strongest selection and in {percent(false)} of reviews without any."
        )
    text += _for_the_plan(parts, n)
    return [part for part in text if part]


def _harm(parts: Parts) -> str:
    """Selection of benefits says nothing about a harm."""
    if parts.analysis.sign > 0:
        return ""
    return (
        "Could it all be bias? The published effect is a harm. Selection of studies that show a "
        "benefit would hide a harm rather than make one; selection of studies that show a harm is "
        "not simulated here."
    )


def _off(error: float | None) -> str:
    if error is None:
        return "not known"
    if abs(error) < 0.005:
        return "right on average"
    return f"{abs(error):.2f} SDs too {'high' if error > 0 else 'low'}"


def _once(weight: float) -> str:
    return _TIMES.get(weight, f"with a chance of {percent(weight)}")


def _all_bias(found: Mapping[str, Any]) -> str:
    benefit = found["benefit"]["value"] if found["benefit"] else None
    if benefit is None:
        return ""
    text = (
        f"Could it all be bias? With a mean true effect of zero and such studies published "
        f"{_once(found['weight'])}, {percent(benefit)} of reviews would show a significant benefit"
    )
    large = found["as_large"]
    if large is not None and large["value"] is not None:
        share = precisely(large["value"]) if large["value"] else f"none of {large['n_sim']:,}"
        text += f", and {share} one as large as the published"
    error = max(row["mcse"] for row in (found["benefit"], large) if row is not None)
    return (
        f"{text} (simulated with an SD between laboratories of {found['tau']:.2f}; Monte Carlo "
        f"standard error {100.0 * error:.2g} points or less)."
    )


def _for_the_plan(parts: Parts, n: int) -> list[str]:
    said = []
    for row in parts.sensitivity:
        if row["discount"] != "selection":
            continue
        if parts.plan_for == "discounted":
            return [
                f"This plan takes it into account ({row['level']}): the mean true effect that it "
                f"uses is {row['mu']:.2f} SDs."
            ]
        needed = (
            f"no size reaches {percent(parts.targets[0])}" if row["n"] is None
            else f"a chance of {percent(parts.targets[0])} takes "
            f"{per_group(parts.design, row['n'])}"
        )  # fmt: skip
        said.append(
            f"For this plan, if published effects are too large ({row['level']}): the mean true "
            f"effect behind them is {row['mu']:.2f} SDs, {per_group(parts.design, n)} have a "
            f"chance of {percent(row['success'])}, and {needed}."
        )
    return said


def model_answer(check: Sequence[Mapping[str, Any]], analysis: Any = None) -> str:
    """Whether the model gives the published numbers back, in a sentence or two."""
    return _model_answer(check) + _error_from_interval(analysis)


def _error_from_interval(analysis: Any) -> str:
    """Why the standard error here has more digits than the printed one."""
    if analysis is None or analysis.ci is None or analysis.se is None:
        return ""
    if f"{analysis.se_number:.3g}" == f"{analysis.se.number:.3g}":
        return ""
    return (
        f" That standard error is from the printed interval: {analysis.se}, as printed beside it, "
        "has fewer digits."
    )


def _model_answer(check: Sequence[Mapping[str, Any]]) -> str:
    rows = [row for row in check if row["published"] is not None]
    outside = [row for row in rows if not row["lb"] <= row["published"] <= row["ub"]]
    error = next((r for r in rows if (r["statistic"], r["truth"]) == ("se", "matched")), None)
    if outside:
        names = list(dict.fromkeys(STATISTICS[row["statistic"]] for row in outside))
        return f"Not fully: outside the 95% range of simulated reviews: {', '.join(names)}."
    text = "Yes: every published number lies inside the 95% range of simulated reviews."
    if error is not None:
        text += (
            " The standard error, which was not used to find the truth, is "
            f"{error['published']:.3g}; the median simulated one is {error['median']:.3g}."
        )
    return text


def program_answer(program: Mapping[str, Any]) -> str:
    """What teaches most per animal, and what the differences between steps are worth."""
    first = program["rows"][0]
    text = (
        f"Per animal, this teaches most: {first['step']} ({first['animals']} animals, "
        f"{100.0 * first['per_ten']:.1f}% per ten animals)."
    )
    near = program["near"]
    if near:
        text += f" As good, within simulation error: {'; '.join(near)}."
    return text


def thin(coverage: Sequence[Mapping[str, Any]]) -> str:
    """Where a factor rests on one comparison, or was never varied."""
    alone, never = [], []
    for row in coverage:
        levels = row["levels"]
        if len(levels) == 1:
            never.append(f"{row['factor']} (only {levels[0]['level']})")
            continue
        single = [level["level"] for level in levels if level["comparisons"] == 1]
        if single:
            alone.append(f"{row['factor']} {', '.join(single)}")
    text = []
    if alone:
        text.append(f"Only one comparison: {'; '.join(alone)}.")
    if never:
        text.append(f"Never varied: {'; '.join(never)}.")
    return " ".join(text)


def not_kept(analysis: Any) -> str:
    """Why nothing can be said about factors of the comparisons."""
    kept = "species, route, sex, delay or laboratory of its comparisons"
    if analysis.data is not None:
        return (
            f"This evidence file keeps no {kept}, even where the table of studies behind it has "
            "them: planner pool --by compares subgroups of that table. Count them there before a "
            "next study is chosen: what stands in one comparison only is not known."
        )
    return (
        f"The evidence names no {kept}, so this cannot be said. Count them in the studies' own "
        "table before a next study is chosen: what stands in one comparison only is not known."
    )
