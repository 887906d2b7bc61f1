"""Could it all be publication bias? What a mean true effect of zero would publish.

Under a mechanism, in the world that gives the published heterogeneity under it; how far that moves
over the SDs that fit; and which mean effect, with how many studies unpublished, that world has.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.errors import InputError
from planner.mechanisms import Strength, Swept, capped
from planner.progress import Part, Work

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.published import Analysis
    from planner.selected_calibration import Selected
    from sims.selection_tally import BiasSums
    from sims.types import Studies

Progress = Callable[[str, int, int], None] | None


def published_benefit(analysis: Analysis | None) -> float:
    """The published effect that chances of one as large are about; NaN where it is no benefit."""
    effect = np.nan if analysis is None else analysis.g.number
    return effect if effect > 0.0 else np.nan


def nothing_but_selection(
    analysis: Analysis | None,
    calibration: Calibration | None,
    varied: Swept,
    strength: Strength,
    studies: Studies,
    tau: float,
    null: BiasSums,
    how: Mapping[str, Any],
    progress: Progress = None,
) -> dict[str, Any]:
    """Chances at a mean true effect of zero: a significant benefit, an effect as published.

    Parameters
    ----------
    varied, strength : the mechanism
    studies : sizes and clusters of the syntheses
    tau : SD of the true effects where the one under the mechanism is not known
    null : what was simulated at a mean of zero and this SD
    how : estimator, alpha, vtype, reps, seed, jobs of the simulation

    Returns
    -------
    mechanism, weight, strength, k; tau, the SD that was used; benefit and as_large, chances with
    mcse, ci_lb and ci_ub (as_large None without a published benefit); over_tau, the same at both
    ends of the 95% interval of the SD, and tau_from: "selected" where that interval allows for the
    mechanism, "calibrated" where it does not, None where tau was given by hand; selected, the truth
    that gives the published numbers under the mechanism, and unpublished, the share of the studies
    run that nobody would see then; or None and why: "by-hand", "no-truth" where there is none,
    "raw-data" where finding it takes minutes.
    """
    found, why = truth_under(
        analysis, calibration, varied, strength, how["jobs"], progress, complete=True
    )
    spread = tau if found is None else found.tau
    large = published_benefit(analysis)

    tau_from, ends = _interval(calibration, found)
    work = Work(progress)
    work.stage("no effect at all", [how["reps"]] * (len(ends) + (found is not None)))

    def at(sd: float) -> dict[str, Any]:
        part = work.part()
        return _chances(_simulated(varied, strength, studies, sd, large, how, part), large)

    over: list[dict[str, Any]] = []
    for sd in ends:
        try:
            over.append({"tau": sd, **at(sd)})
        except InputError:  # nearly nothing would be published at this end
            over.append({"tau": sd, "benefit": None, "as_large": None})
    return {
        **varied.columns(strength), "k": len(studies.fixed), "tau": spread,
        "published": None if analysis is None else analysis.g.number,
        **(_chances(null, large) if found is None else at(spread)),
        "over_tau": over, "tau_from": tau_from,
        "selected": None if found is None else {
            name: value for name, value in found.fields().items() if name != "check"
        },
        "unpublished": None if found is None else unpublished_at(
            varied, strength, studies, found.mu, found.tau
        ),
        "why": why,
    }  # fmt: skip


def truth_under(
    analysis: Analysis | None,
    calibration: Calibration | None,
    varied: Swept,
    strength: Strength,
    jobs: int | None,
    progress: Progress = None,
    *,
    complete: bool = False,
) -> tuple[Selected | None, str | None]:
    """The truth that gives the published numbers under the mechanism; else why it is not known.

    complete : with an interval that does not rest on a few sets of studies
    """
    from planner.selected_calibration import selected_truth
    from sims.selection_shares import by_integral

    if analysis is None or calibration is None:
        return None, "by-hand"
    if not by_integral(varied.build(strength)):
        return None, "raw-data"
    found = selected_truth(
        analysis, calibration, varied.only(strength), jobs, progress, complete=complete
    )
    return found, "no-truth" if found is None else None


def answered(
    analysis: Analysis | None,
    calibration: Calibration | None,
    varied: Swept,
    strength: Strength,
    studies: Studies,
    truth: tuple[float, float],
    jobs: int | None,
    progress: Progress = None,
) -> dict[str, Any]:
    """What stays unpublished in the situation that the answer is about, under other assumptions.

    Returns
    -------
    mechanism, weight, strength, k; sizes_vary, whether studies differ in size; new_sizes, the share
    unpublished at `truth` (mu, tau) if a study that is not published is followed by one of any
    size; selected, the truth mu, tau that gives the published numbers under the mechanism and the
    share unpublished there, or None.
    """
    found = None
    if not varied.neutral(strength):
        found, _ = truth_under(analysis, calibration, varied, strength, jobs, progress)
    several = len(set(studies.n[np.diff(studies.cdf, prepend=0.0) > 0.0])) > 1
    return {
        **varied.columns(strength), "k": len(studies.fixed), "sizes_vary": several,
        "new_sizes": unpublished_at(varied, strength, studies, *truth, new_sizes=True)
        if several else None,
        "selected": None if found is None else {
            "mu": found.mu, "tau": found.tau,
            "unpublished": unpublished_at(varied, strength, studies, found.mu, found.tau),
        },
    }  # fmt: skip


def unpublished_at(
    varied: Swept, strength: Strength, studies: Studies, mu: float, tau: float,
    *, new_sizes: bool = False,
) -> float | None:  # fmt: skip
    """Share of the studies run that nobody sees; None where it is no integral.

    new_sizes : an unpublished study is followed by one of any size, not of its own
    """
    from sims.selection_shares import by_integral, unpublished_share

    built = varied.build(strength)
    if not by_integral(built):
        return None
    return max(0.0, unpublished_share(built._replace(redraw=new_sizes), studies, mu, tau))


def _interval(
    calibration: Calibration | None, found: Selected | None
) -> tuple[str | None, tuple[float, ...]]:
    if found is not None and found.tau_lb is not None and found.tau_ub is not None:
        return "selected", (found.tau_lb, found.tau_ub)
    if calibration is None:
        return None, ()
    return "calibrated", calibration.interval("tau")[1:]


def _simulated(
    varied: Swept,
    strength: Strength,
    studies: Studies,
    tau: float,
    large: float,
    how: Mapping[str, Any],
    part: Part,
) -> BiasSums:
    from planner.long_runs import run_kept
    from sims.engine import default_jobs
    from sims.selection_tally import bias_sums, make_analyses

    built = varied.build(strength, how["vtype"])
    cap, _ = capped(built, studies, 0.0, tau, varied.typed(strength))
    return bias_sums(
        studies, built, np.zeros(1), np.array([tau]), cap,
        make_analyses(
            len(studies.fixed), (), ("none",), how["estimator"], how["alpha"], large
        ),
        how["reps"], how["seed"], "nothing but selection",
        default_jobs() if how["jobs"] is None else how["jobs"], partial(run_kept, part=part),
    )  # fmt: skip


def _chances(sums: BiasSums, large: float) -> dict[str, Any]:
    from sims.performance import proportion

    plain = sums.corrections["none"]
    n = int(plain["n_ok"])
    return {
        name: None if name == "as_large" and np.isnan(large) else proportion(
            name, plain[of], n
        )._asdict()
        for name, of in (("benefit", "benefit"), ("as_large", "large"))
    }  # fmt: skip
