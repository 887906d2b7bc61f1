"""Does the model give back what a publication says about its own small-study effects?

The article tested its first meta-analysis only: P = 0.74 of a regression test, and no study
imputed by trim and fill. Both are simulated like the pooled numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from planner.quantities import Quantity

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.published import Analysis
    from sims.selection import Mechanism

TOPIC = "small-study-predictor"
# What the test regressed on is not stated: readings of the catalogue, and our detectors.
DETECTORS = {"sample-size": "egger-n", "standard-error": "egger-se"}
N_SIM = 4000


class Printed(NamedTuple):
    """What was printed about small-study effects, and the detector that is taken for its test."""

    p: float
    imputed: float
    detector: str


def printed_check(analysis: Analysis) -> Printed | None:
    """The printed small-study numbers of a catalogue analysis; None where there are none."""
    from planner.errors import InputError
    from planner.published import catalogue_review

    review = catalogue_review()
    if TOPIC not in analysis.readings or TOPIC not in review.readings:
        return None
    if analysis.name not in review.reading(TOPIC).concerns:
        return None
    try:
        p, imputed = (review.fact(f"small_study.{name}") for name in ("p", "imputed"))
    except InputError:
        return None
    assert isinstance(p, Quantity)
    assert isinstance(imputed, Quantity)
    return Printed(p.number, imputed.number, DETECTORS[analysis.readings[TOPIC]])


def small_study_check(
    analysis: Analysis,
    truths: dict[str, tuple[np.ndarray, np.ndarray]],
    calibration: Calibration,
    seed: int,
    mechanism: Mechanism | None = None,
) -> list[dict[str, Any]]:
    """Rows of the check: printed beside simulated, for each named truth (arrays of mu and tau).

    "below" is the share of simulated values under the printed one, "equal" of those equal to it.
    """
    printed = printed_check(analysis)
    if printed is None:
        return []
    from planner.calibration import studies_like
    from sims.lanes.corrections import correct_many
    from sims.names import ESTIMATORS
    from sims.selection import make_mechanism
    from sims.selection_shares import attempts_cap
    from sims.selection_tally import LEFT, draw_published
    from sims.smallstudy import detect_many, kendall_pvals
    from sims.smallstudy_names import CORRECTIONS
    from sims.smallstudy_names import DETECTORS as CODES

    studies = studies_like(analysis, calibration.cluster, calibration.share)
    built = make_mechanism({}) if mechanism is None else mechanism
    rows = []
    for truth, (mu, tau) in truths.items():
        cap = attempts_cap(built, studies, float(mu.min()), float(tau.min()))
        yi, vi, ni, run, _ = draw_published(
            studies, built, mu, tau, cap, N_SIM, seed, "small-study check"
        )
        done = run > 0.0
        yi, vi, ni = (np.ascontiguousarray(x[done]) for x in (yi, vi, ni))
        found, filled = np.empty((len(yi), 5)), np.empty((len(yi), 9))
        detect_many(yi, vi, ni, CODES[printed.detector], kendall_pvals(analysis.k), found)
        correct_many(
            yi, vi, CORRECTIONS["trimfill"], np.zeros(len(yi)), ESTIMATORS["DL"], LEFT, np.inf,
            filled,
        )  # fmt: skip
        for name, number, x in (
            ("small-study P", printed.p, found[:, 3]), ("imputed", printed.imputed, filled[:, 6]),
        ):  # fmt: skip
            x = x[np.isfinite(x)]
            low, median, high = np.quantile(x, [0.025, 0.5, 0.975])
            rows.append({
                "truth": truth, "statistic": name, "published": number, "median": float(median),
                "lb": float(low), "ub": float(high), "below": float(np.mean(x < number)),
                "equal": float(np.mean(x == number)), "n_sim": len(x),
            })  # fmt: skip
    return rows
