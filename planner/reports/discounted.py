"""What the truth called "discounted" is, in words: selection, SEs read as SDs, or a quarter off."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def discounted_words(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The warning of a page that plans with it, or shows it where no truth fits under selection."""
    from planner.selected_calibration import DISCOUNT_WEIGHT, discount_reason

    planned = next((one for one in facts["truths"] if one.name == "discounted"), None)
    truth = planned or facts.get("sceptical")
    if truth is None:
        return []
    mu, tau = float(truth.mu[0]), float(truth.tau[0])
    start = f"Discounted: a mean effect size of {mu:.2f} (SD between laboratories {tau:.2f})"
    reason = discount_reason(facts["calibration"], mu, tau)
    if reason == "share":
        return [(
            "discounted",
            f"{start}, a quarter smaller: no truth gives the published numbers under selection of "
            f"weight {DISCOUNT_WEIGHT:g}.",
        )]  # fmt: skip
    if planned is None:  # help says what it is
        return []
    if reason == "se-read-as-sd":
        return [("discounted", f"{start}, as if SEs were read as SDs.")]
    return [(
        "discounted",
        f"{start}, if studies without a significant benefit were published only once in five "
        f"times (planner calibrate {facts['analysis'].option} --mechanism step).",
    )]  # fmt: skip
