"""The answer of `planner bias` in plain words, from numbers that are already there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.mechanisms import does_nothing
from planner.reports.bias_words import (
    CORRECTION_NAMES,
    DETECTOR_NAMES,
    Row,
    best_detector,
    groups,
    judged,
    most_moved,
    number,
    situation,
    strength_words,
    strongest,
    unpublished,
    winner,
    without,
)
from planner.reports.measures import percent
from planner.reports.meta_wording import meta_headline, precise

FAINT = 0.05  # a test that gains no more than this hardly sees it


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
    """The answer about one mechanism, k and n: what it does, what sees it, what helps, what harms.

    facts : rows, scenario, mu, tau; mechanism, k, n, and all_bias of them; answered (about the
        first of them)
    """
    rows, alpha = facts["rows"], facts["scenario"]["alpha"]
    group = _group(facts)
    place, neutral = strongest(rows, group), without(rows, group)
    text = _what_it_does(facts, place, neutral) + _all_bias(facts["all_bias"], facts["tau"])
    text += _seen(rows, place, alpha)
    text += _smallest_error(rows, place, neutral)
    moves = most_moved(rows, neutral)
    if moves is not None and abs(moves[1]) > 0.05:
        text += (
            f" Where nothing is wrong, the correction {CORRECTION_NAMES[moves[0]]} moves the "
            f"estimate by {moves[1]:+.2f}."
        )
    return text


def judgements(facts: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the answer calls best: at its strength, at the strongest, where nothing happens."""
    rows, alpha = facts["rows"], facts["scenario"]["alpha"]
    group = _group(facts)
    places = (strongest(rows, group), group[-1], without(rows, group))
    return [judged(rows, place, alpha) for place in dict.fromkeys(places)]


def _group(facts: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    wanted = (facts["mechanism"], facts["k"], facts["n"])
    found = groups(facts["rows"])
    return next(group for group in found if (group[0][0], *group[0][3:]) == wanted)


def _what_it_does(
    facts: Mapping[str, Any], place: tuple[Any, ...], neutral: tuple[Any, ...]
) -> str:
    rows = facts["rows"]
    off = number(rows, place, "bias", correction="none") or 0.0
    base = number(rows, neutral, "bias", correction="none") or 0.0
    wrong = f"{abs(off):.2f} SDs too {'high' if off > 0 else 'low'}"
    if does_nothing(*place[:3]):
        return f"Where nothing happens, the pooled effect is {wrong}."
    hidden = percent(unpublished(rows, place) or 0.0)
    at = f"at a mean effect of {facts['mu']:.2f}"
    found, other = facts["answered"], ""
    if situation(found | {"n": facts["n"]}) == place and found["selected"] is not None:
        truth = found["selected"]
        other = f" ({percent(truth['unpublished'])} at {truth['mu']:.2f}, which fits then)"
    only = ""
    if place[:2] == ("step", 0.0) and facts["scenario"]["cuts"] is None:
        only = " (only significant benefits are published)"
    return (
        f"With {_mechanism(place)}{only} and {facts['k']} studies, {hidden} of the studies run "
        f"stay unpublished {at}{other}; the pooled effect is {wrong} ({base:+.2f} where nothing "
        "happens)."
    )


def _all_bias(found: Mapping[str, Any], tau: float) -> str:
    """Could it all be publication bias? From `planner.all_bias`, with a space before."""
    place = (found["mechanism"], found["weight"], found["strength"])
    nothing = does_nothing(*place)
    truth = found["selected"]
    fits = (
        "as in the tables" if truth is None or nothing else f"fitted; tables: {tau:.2f}, either way"
    )
    what = "nothing at work" if nothing else _mechanism(place)
    text = (
        f" Could it all be bias? With {what}, a mean "
        f"effect of zero (SD {found['tau']:.2f}, {fits}) gives a significant benefit in "
        f"{_with_error(found['benefit'])} of reviews"
    )
    if found["as_large"] is not None:
        text += (
            f", one as large as the published {found['published']:.3g} in "
            f"{_with_error(found['as_large'])}"
        )
    text += f".{_over_tau(found)}"
    if truth is not None and not nothing:
        text += (
            f" The truth that gives the published numbers then has mean {truth['mu']:.2f}, the "
            f"same SD and {percent(found['unpublished'])} of the studies run unpublished."
        )
    elif found["why"] == "no-truth":
        text += " No truth gives the published numbers then."
    return text


def _over_tau(found: Mapping[str, Any]) -> str:
    """How the chances move over the interval of the SD."""
    ends = [row for row in found["over_tau"] if row["benefit"] is not None]
    if len(ends) < 2:
        return ""
    moves = [
        f"{row['tau']:.2f} gives "
        + " and ".join(precise(row[name]["value"]) for name in ("benefit", "as_large") if row[name])
        for row in ends
    ]
    fits = "" if found["tau_from"] == "selected" else " without selection"
    return f" At the ends of the SDs that fit{fits}, at any mean (95%): {moves[0]}, {moves[1]}."


def _with_error(row: Row) -> str:
    """A share with its simulation error in percentage points, where it would be seen."""
    error = 100.0 * row["mcse"]
    return precise(row["value"]) + (f" (+-{error:.1f})" if error >= 0.5 else "")


def _seen(rows: Sequence[Row], place: tuple[Any, ...], alpha: float) -> str:
    best = best_detector(rows, place, alpha)
    if best.name is None:
        if not any(row["detector"] for row in rows):
            return ""
        if not _tested(rows, place):
            return f" With {place[3]} studies of these sizes no test for it exists."
        return " No test for it is shown to keep its level where nothing happens."
    name = DETECTOR_NAMES[best.name]
    if does_nothing(*place[:3]):
        return f" {name} then rejects in {precise(best.false)} of syntheses."
    if best.sees and best.power - best.false > FAINT:
        return (
            f" The best test ({name}) sees it in {percent(best.power)} of syntheses; where nothing "
            f"happens it rejects in {precise(best.false)}."
        )
    start = "Tests hardly see it" if best.sees else "No test sees it"
    return (
        f" {start}: the best ({name}) rejects in {precise(best.power)} of syntheses, and in "
        f"{precise(best.false)} where nothing happens."
    )


def _tested(rows: Sequence[Row], place: tuple[Any, ...]) -> bool:
    return any(
        row["measure"] == "rejection" and situation(row) == place and row["n_sim"] > 0
        for row in rows
    )


def _smallest_error(rows: Sequence[Row], place: tuple[Any, ...], neutral: tuple[Any, ...]) -> str:
    """Which estimate has the smallest error, and whether that is a merit."""
    best, still = winner(rows, place), winner(rows, neutral)
    plain = number(rows, place, "rmse", correction="none")
    if best is None or still is None or plain is None or not _corrected(rows):
        return ""
    last = _among(still, rows, neutral)
    if best.name == "none" or not best.better:
        text = f" No correction has a smaller error (rmse) than the uncorrected {plain:.2f}"
        if best.name != "none":
            text += " beyond simulation error"
        return f"{text}; where nothing happens, {last} is best." if place != neutral else f"{text}."
    text = (
        f" Of the estimates, {CORRECTION_NAMES[best.name]} has the smallest error (rmse "
        f"{best.rmse:.2f}, uncorrected {plain:.2f})"
    )
    if place == neutral:
        return f"{text}."
    if best.whatever:
        text += (
            f", but it moves the estimate by {best.always:+.2f} where nothing happens, too (here "
            f"by {best.moved:+.2f}); there, {last} is best"
        )
        return f"{text}."
    return f"{text}; where nothing happens, {last} is best."


def _among(still: Any, rows: Sequence[Row], neutral: tuple[Any, ...]) -> str:
    """The estimate with the smallest error where nothing happens, with that error."""
    name = still.name if still.better else "none"
    error = number(rows, neutral, "rmse", correction=name) or 0.0
    return f"{CORRECTION_NAMES[name]} ({error:.2f})"


def _corrected(rows: Sequence[Row]) -> bool:
    return any(row["correction"] not in (None, "none") for row in rows)


def _mechanism(place: tuple[Any, ...]) -> str:
    return f"{place[0]} at {strength_words(place)}"
