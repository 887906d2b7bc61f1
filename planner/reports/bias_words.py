"""Answers and warnings of `planner bias` in plain words, from numbers that are already there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

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
    if weight is not None:
        return f"weight {weight}" if isinstance(weight, str) else f"weight {weight:g}"
    if strength is None or mechanism == "none":
        return str(mechanism)
    return strength if isinstance(strength, str) else f"strength {strength:g}"


def strongest(rows: Sequence[Row], group: Sequence[tuple[Any, ...]]) -> tuple[Any, ...]:
    """The situation that the answer is about: the last but one of several strengths."""
    return group[-2] if len(group) > 2 else group[-1]


def best_detector(
    rows: Sequence[Row], place: tuple[Any, ...], alpha: float
) -> tuple[str | None, float, float]:
    """The fair test that rejects most often, with its rejection and that with no mechanism."""
    best: tuple[str | None, float, float] = (None, -1.0, -1.0)
    names = dict.fromkeys(row["detector"] for row in rows if row["detector"] is not None)
    for name in names:
        power = number(rows, place, "rejection", detector=name)
        false = number(rows, place, "type_i", detector=name)
        if power is None or false is None or false > FAIR * alpha:
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
        + f" Simulated at its matched truth: mean {facts['mu']:.2f}, SD between laboratories "
        f"{facts['tau']:.2f}."
    )


def bias_answer(facts: Mapping[str, Any]) -> str:
    """The answer of `planner bias`: what selection does, what sees it, what helps, what harms."""
    rows, alpha = facts["rows"], facts["scenario"]["alpha"]
    group = groups(rows)[0]
    place, neutral = strongest(rows, group), group[0]
    off = number(rows, place, "bias", correction="none") or 0.0
    base = number(rows, neutral, "bias", correction="none") or 0.0
    hidden = number(rows, place, "unpublished") or 0.0
    text = (
        f"With {_mechanism(place)}, {percent(hidden)} of the studies run stay unpublished and the "
        f"pooled effect is {abs(off):.2f} SDs too {'high' if off > 0 else 'low'} "
        f"({base:+.2f} with none)."
    )
    name, power, false = best_detector(rows, place, alpha)
    if name is None:
        text += " No test for it rejects at its own level where nothing happens."
    else:
        text += (
            f" The best test ({DETECTOR_NAMES[name]}) sees it in {percent(power)} of syntheses; "
            f"where nothing happens it rejects in {precise(false)}."
        )
    best, still = winner(rows, place), winner(rows, neutral)
    if best is not None and still is not None:
        same = " too" if best[0] == still[0] else ""
        text += (
            f" The smallest error has the estimate {CORRECTION_NAMES[best[0]]} (rmse "
            f"{best[1]:.2f}); with no selection {CORRECTION_NAMES[still[0]]}{same} "
            f"({still[1]:.2f})."
        )
    worst = _worst(rows, neutral)
    if worst is not None and abs(worst[1] - base) > 0.05:
        text += (
            f" Where nothing is wrong, the correction {CORRECTION_NAMES[worst[0]]} still moves the "
            f"estimate by {worst[1] - base:+.2f}."
        )
    return text


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
    neutral = group[0]
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
            f"The selection model is {off:+.2f} off with no selection, and more studies do not "
            "help: it takes sampling variances as known, and those of effect sizes are not.",
        ))  # fmt: skip
    silent = dict.fromkeys(
        row["detector"] for row in rows if row["measure"] == "rejection" and row["n_sim"] == 0
    )
    if silent:
        found.append((
            "not-applicable",
            f"{', '.join(DETECTOR_NAMES[str(name)] for name in silent)}: not applicable where all "
            "groups have the same size.",
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
            f"{worst['k']}: it needs significant and other studies. Its numbers are about those.",
        ))  # fmt: skip
    if analysis is not None:
        found.append((
            "truth",
            "The mean effect of all studies run is the one calibrated without selection. Which "
            "truth gives the published numbers under selection: planner calibrate "
            f"{analysis.option} --mechanism step --weight 0.2",
        ))  # fmt: skip
    return [{"code": code, "text": text} for code, text in found]
