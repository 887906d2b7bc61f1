"""Answers and warnings of `planner bias` in plain words, from numbers that are already there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.mechanisms import does_nothing
from planner.reports.measures import percent
from planner.reports.meta_wording import meta_headline, precise

CORRECTION_NAMES = {
    "none": "uncorrected", "trimfill": "trim and fill", "trimfill-r0": "trim and fill (R0)",
    "pet": "PET", "peese": "PEESE", "pet-peese": "PET-PEESE", "sel3": "selection model",
    "p-uniform-star": "p-uniform*", "limit": "limit meta-analysis",
}  # fmt: skip
DETECTOR_NAMES = {
    "egger-se": "Egger, standard error", "egger-n": "Egger, 1/sqrt(n), weights n",
    "egger-n-vi": "Egger, 1/sqrt(n), weights 1/v", "begg": "Begg-Mazumdar",
}  # fmt: skip
FAIR = 1.5  # a test that rejects this many times its level where nothing happens sees nothing
RUNAWAY = 4.0  # an rmse so many times the median error is made by a few estimates
Row = Mapping[str, Any]


def situation(row: Row) -> tuple[Any, ...]:
    """What tells one simulated situation from another."""
    return tuple(row[name] for name in ("mechanism", "weight", "strength", "k", "n"))


def groups(rows: Sequence[Row]) -> list[list[tuple[Any, ...]]]:
    """Situations by mechanism, k and n; within a group only the strength differs, neutral first."""
    found: dict[tuple[Any, ...], list[tuple[Any, ...]]] = {}
    for place in dict.fromkeys(situation(row) for row in rows):
        found.setdefault((place[0], place[3], place[4]), []).append(place)
    return list(found.values())


def pick(rows: Sequence[Row], place: tuple[Any, ...], measure: str, **names: Any) -> Row | None:
    """The row of a measure in a situation."""
    for row in rows:
        here = row["measure"] == measure and situation(row) == place
        if here and all(row[name] == value for name, value in names.items()):
            return row
    return None


def number(rows: Sequence[Row], place: tuple[Any, ...], measure: str, **names: Any) -> float | None:
    """Its value; None where it does not exist."""
    row = pick(rows, place, measure, **names)
    value = None if row is None else row["value"]
    return None if value is None or value != value else float(value)


def strength_words(place: tuple[Any, ...]) -> str:
    """A strength as the page names it."""
    mechanism, weight, strength = place[:3]
    text = strength_text(place)
    if weight is not None:
        return f"weight {text}"
    return text if mechanism == "none" or isinstance(strength, str) else f"strength {text}"


def strength_text(place: tuple[Any, ...]) -> str:
    """The bare strength, as it is typed; "none" where no mechanism acts."""
    mechanism, weight, strength = place[:3]
    value = strength if weight is None else weight
    if mechanism == "none":
        return "none"
    return value if isinstance(value, str) else f"{value:g}"


def without(rows: Sequence[Row], group: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The situation where nothing happens, with the k and n of a group; every run has it."""
    places = dict.fromkeys([*group, *(situation(row) for row in rows)])
    return next(place for place in places if does_nothing(*place[:3]) and place[3:] == group[0][3:])


def strongest(rows: Sequence[Row], group: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The situation that the answer is about: the last but one of several strengths."""
    return group[-2] if len(group) > 2 else group[-1]


def best_detector(
    rows: Sequence[Row], place: tuple[Any, ...], alpha: float
) -> tuple[str | None, float, float]:
    """The fair test that rejects most often, with its rejection and that with no mechanism.

    A test is fair if its rejection where nothing happens is shown, beyond simulation error, not
    to exceed FAIR times its level: the answer shall not name another test by another seed.
    """
    best: tuple[str | None, float, float] = (None, -1.0, -1.0)
    names = dict.fromkeys(row["detector"] for row in rows if row["detector"] is not None)
    for name in names:
        power = number(rows, place, "rejection", detector=name)
        at_neutral = pick(rows, place, "type_i", detector=name)
        false = None if at_neutral is None else at_neutral["value"]
        if power is None or at_neutral is None or false is None:
            continue
        if at_neutral["ci_ub"] > FAIR * alpha:
            continue
        if power > best[1]:
            best = (name, power, false)
    return best


def winner(rows: Sequence[Row], place: tuple[Any, ...]) -> tuple[str, float] | None:
    """The estimate with the smallest root mean squared error, and that error.

    A correction that exists in fewer than 9 of 10 syntheses is not compared: it fails where it is
    needed.
    """
    found = [
        (float(row["value"]), str(row["correction"]))
        for row in rows
        if row["measure"] == "rmse" and situation(row) == place and row["value"] is not None
        and row["n_sim"] >= 9 * (row["n_failed"] or 0)
    ]  # fmt: skip
    if not found:
        return None
    value, name = min(found)
    return name, value


def bias_headline(facts: Mapping[str, Any]) -> str:
    """What the page is about, and where its numbers come from."""
    if facts["calibration"] is None:
        return meta_headline(None, "Small-study effects", facts["mu"], facts["tau"])
    return (
        meta_headline(facts["analysis"], "Small-study effects")
        + f" Simulated at the truth that fits if nothing was selected: mean {facts['mu']:.2f}, "
        f"SD between laboratories {facts['tau']:.2f}."
    )


def bias_answer(facts: Mapping[str, Any]) -> str:
    """The answer of `planner bias`: what selection does, what sees it, what helps, what harms."""
    rows, alpha = facts["rows"], facts["scenario"]["alpha"]
    group = groups(rows)[0]
    place, neutral = strongest(rows, group), without(rows, group)
    off = number(rows, place, "bias", correction="none") or 0.0
    base = number(rows, neutral, "bias", correction="none") or 0.0
    hidden = number(rows, place, "unpublished") or 0.0
    text = (
        f"With {_mechanism(place)}, {percent(hidden)} of the studies run stay unpublished and the "
        f"pooled effect is {abs(off):.2f} SDs too {'high' if off > 0 else 'low'} "
        f"({base:+.2f} where nothing happens)."
    )
    text += all_bias_sentences(facts["all_bias"])
    name, power, false = best_detector(rows, place, alpha)
    if name is None and not _tested(rows, place):
        text += f" With {place[3]} studies of these sizes no test for it exists."
    elif name is None:
        text += " No test for it is shown to keep its level where nothing happens."
    else:
        text += (
            f" The best test ({DETECTOR_NAMES[name]}) sees it in {percent(power)} of syntheses; "
            f"where nothing happens it rejects in {precise(false)}."
        )
    best, still = winner(rows, place), winner(rows, neutral)
    if best is not None and still is not None:
        which = (
            f"where nothing happens, too ({still[1]:.2f})" if best[0] == still[0]
            else f"where nothing happens, {CORRECTION_NAMES[still[0]]} ({still[1]:.2f})"
        )  # fmt: skip
        text += (
            f" Of the estimates, {CORRECTION_NAMES[best[0]]} has the smallest error (rmse "
            f"{best[1]:.2f}); {which}."
        )
    worst = _worst(rows, neutral)
    if worst is not None and abs(worst[1] - base) > 0.05:
        text += (
            f" Where nothing is wrong, the correction {CORRECTION_NAMES[worst[0]]} still moves the "
            f"estimate by {worst[1] - base:+.2f}."
        )
    return text


def all_bias_sentences(found: Mapping[str, Any]) -> str:
    """Could it all be publication bias? From `planner.all_bias`, with a space before."""
    place = (found["mechanism"], found["weight"], found["strength"])
    chance = f"a significant benefit in {_with_error(found['benefit'])}"
    if found["as_large"] is not None:
        chance += (
            f" of such reviews and one as large as the published {found['published']:.3g} in "
            f"{_with_error(found['as_large'])}"
        )
    else:
        chance += " of such reviews"
    text = (
        f" Could it all be bias? With {_mechanism(place)}, a mean effect of zero (SD "
        f"{found['tau']:.2f}) gives {chance}"
    )
    truth = found["selected"]
    if truth is not None:
        text += (
            f"; the truth that gives the published numbers then has mean {truth['mu']:.2f} and "
            "the same SD"
        )
    elif found["why"] == "no-truth":
        text += "; no truth gives the published numbers then"
    return text + "."


def _with_error(row: Row) -> str:
    """A share with its simulation error in percentage points, where it would be seen."""
    error = 100.0 * row["mcse"]
    return precise(row["value"]) + (f" (+-{error:.1f})" if error >= 0.5 else "")


def _tested(rows: Sequence[Row], place: tuple[Any, ...]) -> bool:
    return any(
        row["measure"] == "rejection" and situation(row) == place and row["n_sim"] > 0
        for row in rows
    )


def _mechanism(place: tuple[Any, ...]) -> str:
    return f"{place[0]} at {strength_words(place)}"


def _worst(rows: Sequence[Row], neutral: tuple[Any, ...]) -> tuple[str, float] | None:
    """The correction with the largest bias where nothing happens."""
    found = [
        (abs(row["value"]), str(row["correction"]), float(row["value"]))
        for row in rows
        if row["measure"] == "bias" and situation(row) == neutral
        and row["correction"] != "none" and row["value"] is not None
    ]  # fmt: skip
    if not found:
        return None
    _, name, value = max(found)
    return name, value


def bias_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know before using a page of `planner bias`."""
    rows, scenario, analysis = facts["rows"], facts["scenario"], facts["analysis"]
    alpha = scenario["alpha"]
    group = groups(rows)[0]
    neutral = without(rows, group)
    found: list[tuple[str, str]] = []
    loud = [
        (number(rows, neutral, "type_i", detector=name) or 0.0, name) for name in DETECTOR_NAMES
    ]
    if max(loud)[0] > FAIR * alpha:
        false, name = max(loud)
        fair = number(rows, neutral, "type_i", detector="egger-n")
        instead = "" if fair is None else f"; Egger on 1/sqrt(n) with weights n: {precise(fair)}"
        found.append((
            "egger-se",
            f"{DETECTOR_NAMES[name]} rejects {percent(false)} with no selection at all: the "
            f"standard error of an effect size depends on the effect size itself{instead}.",
        ))  # fmt: skip
    base = number(rows, neutral, "bias", correction="none") or 0.0
    off = number(rows, neutral, "bias", correction="sel3")
    if off is not None and abs(off - base) > 0.05:
        found.append((
            "sel3",
            f"The selection model is {off:+.2f} off with no selection, however many studies: it "
            "takes sampling variances as known, and those of effect sizes are not.",
        ))  # fmt: skip
    silent = dict.fromkeys(
        row["detector"] for row in rows if row["measure"] == "rejection" and row["n_sim"] == 0
    )
    if silent:
        few = all(row["k"] < 3 for row in rows)
        found.append((
            "not-applicable",
            f"{', '.join(DETECTOR_NAMES[str(name)] for name in silent)}: not applicable "
            + ("to two studies." if few else "where all groups have the same size."),
        ))  # fmt: skip
    rare = [
        row for row in rows
        if row["measure"] == "convergence" and row["value"] is not None and row["value"] < 0.9
    ]  # fmt: skip
    if rare:
        worst = min(rare, key=lambda row: row["value"])
        found.append((
            "not-estimated",
            f"The {CORRECTION_NAMES[worst['correction']]} exists in only "
            f"{percent(worst['value'])} of syntheses at {strength_words(situation(worst))}, k "
            f"{worst['k']}: {_why_not(worst)}. Its numbers are about those.",
        ))  # fmt: skip
    found += _runaway(rows, strongest(rows, group))
    if analysis is not None:
        found.append((
            "truth",
            "All truths that fit under selection, with their range: planner calibrate "
            f"{analysis.option} --mechanism step",
        ))  # fmt: skip
    return [{"code": code, "text": text} for code, text in found]


def _why_not(row: Row) -> str:
    """Why a correction does not exist in some syntheses."""
    if row["k"] < 3 and row["correction"] not in ("sel3", "p-uniform-star"):
        return "it needs three studies"
    if row["correction"] == "sel3":
        return "it needs significant and other studies"
    return "elsewhere its equations have no solution"


def _runaway(rows: Sequence[Row], place: tuple[Any, ...]) -> list[tuple[str, str]]:
    """Corrections whose root mean squared error is made by a few estimates far out."""
    found = []
    for name in dict.fromkeys(row["correction"] for row in rows if row["correction"] is not None):
        total = number(rows, place, "rmse", correction=name)
        median = number(rows, place, "median_error", correction=name)
        if total is not None and median is not None and total > RUNAWAY * median:
            found.append(f"{CORRECTION_NAMES[name]} (median error {median:.2f})")
    if not found:
        return []
    return [("runaway", f"A few estimates far out make the rmse of {', '.join(found)}.")]
