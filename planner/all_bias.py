"""Could it all be publication bias? What a mean true effect of zero would publish.

Under the strongest mechanism that was asked for, in the world that gives the published
heterogeneity under it; and which mean effect that world has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.mechanisms import Strength, Swept, capped

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.published import Analysis
    from planner.selected_calibration import Selected
    from sims.types import Studies


def nothing_but_selection(
    analysis: Analysis | None,
    calibration: Calibration | None,
    varied: Swept,
    strength: Strength,
    studies: Studies,
    tau: float,
    how: Mapping[str, Any],
    progress: Callable[[str, int, int], None] | None = None,
) -> dict[str, Any]:
    """Chances at a mean true effect of zero: a significant benefit, an effect as published.

    Parameters
    ----------
    varied, strength : the mechanism
    studies : sizes and clusters of the syntheses
    tau : SD of the true effects where the one under the mechanism is not known
    how : estimator, alpha, vtype, reps, seed, jobs of the simulation

    Returns
    -------
    mechanism, weight, strength, k; tau, the SD that was used; benefit and as_large, chances with
    mcse, ci_lb and ci_ub (as_large None without a published benefit); selected, the truth that
    gives the published numbers under the mechanism, or None and why: "by-hand", "no-truth" where
    there is none, "raw-data" where finding it takes minutes.
    """
    from sims.engine import default_jobs
    from sims.performance import proportion
    from sims.selection_tally import bias_sums, make_analyses

    found, why = _selected(analysis, calibration, varied, strength, how, progress)
    spread = tau if found is None else found.tau
    published = None if analysis is None else analysis.g.number
    large = published if published is not None and published > 0.0 else np.nan
    k = len(studies.fixed)
    jobs = default_jobs() if how["jobs"] is None else how["jobs"]
    built = varied.build(strength, how["vtype"])
    cap, _ = capped(built, studies, 0.0, spread, varied.label)
    sums = bias_sums(
        studies, built, np.zeros(1), np.array([spread]), cap,
        make_analyses(k, (), ("none",), how["estimator"], how["alpha"], large), how["reps"],
        how["seed"], "nothing but selection", jobs,
    )  # fmt: skip
    plain = sums.corrections["none"]
    n = int(plain["n_ok"])
    chances = {
        name: proportion(name, plain[of], n)._asdict()
        for name, of in (("benefit", "benefit"), ("as_large", "large"))
    }
    return {
        **varied.columns(strength), "k": k, "tau": spread, "published": published,
        "benefit": chances["benefit"],
        "as_large": None if np.isnan(large) else chances["as_large"],
        "selected": None if found is None else {
            name: value for name, value in found.fields().items() if name != "check"
        },
        "why": why,
    }  # fmt: skip


def _selected(
    analysis: Analysis | None,
    calibration: Calibration | None,
    varied: Swept,
    strength: Strength,
    how: Mapping[str, Any],
    progress: Callable[[str, int, int], None] | None,
) -> tuple[Selected | None, str | None]:
    """The truth that gives the published numbers under the mechanism; else why it is not known."""
    from planner.selected_calibration import selected_truth
    from sims.selection_shares import by_integral

    if analysis is None or calibration is None:
        return None, "by-hand"
    if not by_integral(varied.build(strength)):
        return None, "raw-data"
    found = selected_truth(analysis, calibration, varied.only(strength), how["jobs"], progress)
    return found, "no-truth" if found is None else None
