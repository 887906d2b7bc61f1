"""What a decay plan says to those who doubt the literature it rests on."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any


def discounted_words(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """What the discounted truth is, where the plan is for it or could not work out all of it."""
    own = facts["truth"].taken.discounted
    if own is None or (facts["asked"].plan_for != "discounted" and own.decay == "selection"):
        return []
    start = f"Discounted: {own.delta0:.2f} SDs"
    if own.decay == "selection":
        start += f" and {_days(own.half_life)}"
    if own.effect == "quarter":
        text = f"{start}, a quarter less: no truth under selection gives the published numbers"
    else:
        text = f"{start}, if only 1 in 5 studies without a significant benefit were published"
    if own.decay == "kept":
        text += f"; the half-life stays {own.half_life:.3g} days, {_why_kept(facts['truth'], own)}"
    return [("discounted", text + ".")]


def _why_kept(truth: Any, own: Any) -> str:
    if own.effect == "quarter":
        return "which the same share off both effects leaves as it is"
    if truth.taken.reading == "given":
        return "as set by hand"
    return "as selection is not worked out for studies with different delays"


def largest_words(movers: Sequence[Mapping[str, Any]]) -> list[tuple[str, str]]:
    """Which other assumptions would move n most, each kind once."""
    kinds: dict[str, Mapping[str, Any]] = {}
    for row in movers:
        kinds.setdefault(row["value"] if row["what"] == "truth" else row["what"], row)
    first, *others = [_moved(row) for row in list(kinds.values())[:3]] or [""]
    if not first:
        return []
    row = movers[0]
    text = f"The n of {row['planned']} ({row['question']}) moves most with {first}"
    return [("largest", f"{', then '.join([text, ', '.join(others)]) if others else text}.")]


def _moved(row: Mapping[str, Any]) -> str:
    value = row["value"]
    size = "no size found" if row["n"] is None else row["n"]
    if row["what"] == "truth":
        return f"{_TRUTHS[value]} ({size})"
    if row["what"] == "shrink":
        return f"effects {value:.0%} smaller ({size})"
    text = value if isinstance(value, str) else f"{value:.3g}"
    return f"{CHANGES[row['what']]} {text} ({size})"


_TRUTHS = {
    "pooled": "an average laboratory", "new-lab": "a new laboratory",
    "assurance": "an average that is not known", "discounted": "the literature discounted",
    "se-read-as-sd": "SEs read as SDs", "given": "the truth as given",
}  # fmt: skip
CHANGES = {"rho": "rho", "covariance": "covariance", "dropout": "drop-out",
           "response_cv": "response cv", "layout": "animals", "reading": "reading",
           "half_life": "half-life in days"}  # fmt: skip


def se_as_sd_words(facts: Mapping[str, Any], question: str) -> list[tuple[str, str]]:
    """What the question needs if published standard errors were read as SDs."""
    truth = facts["truth"]
    own = truth.taken.se_as_sd
    if own is None:
        return []
    n = next((row["n"] for row in facts["required"] if row["truth"] == "se-read-as-sd"
              and row["question"] == question), None)  # fmt: skip
    needs = "more than can be searched" if n is None else f"{n} per group"
    kept = " as in the plan" if own.decay == "kept" else ""
    return [(
        "se-as-sd",
        f"An effect size of {truth.during.g} often means that SEs were read as SDs; then an "
        f"average lab ({own.delta0:.1f} SDs, {_days(own.half_life)}{kept}) needs {needs}.",
    )]  # fmt: skip


def alone_words(truth: Any) -> list[tuple[str, str]]:
    """Readings whose half-lives reproduce less than all published numbers."""
    alone = [read.reading for read in truth.readings if read.known == ("g",)]
    if not alone:
        return []
    return [(
        "effect-alone",
        f"The half-life's interval under {', '.join(alone)} reproduces the published effect only: "
        f"too few simulations print {truth.after.name}'s {truth.after.heterogeneity_kind}, too.",
    )]  # fmt: skip


def _days(half_life: float) -> str:
    return "no decay" if math.isinf(half_life) else f"half-life {half_life:.3g} days"
