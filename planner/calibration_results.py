"""What `planner calibrate` prints, from calibrations that are already there."""

from __future__ import annotations

from typing import Any

import numpy as np

from planner.calibration import PRIORS, STATISTICS, Calibration
from planner.errors import unknown
from planner.published import Analysis
from planner.results import Result, provenance
from planner.small_study_check import small_study_check


def calibration_result(
    analysis: Analysis, truth: Calibration, others: list[Calibration], prior: str, seed: int
) -> Result:
    """What `planner calibrate` prints: the truths, the check, other clusters and prior."""
    from planner.reports.figures import calibration_check, joint_draws
    from planner.reports.wording import calibration_answer, calibration_warnings

    def summary(calibration: Calibration, prior: str) -> dict[str, Any]:
        mu_median, mu_lb, mu_ub = calibration.interval("mu", prior)
        tau_median, tau_lb, tau_ub = calibration.interval("tau", prior)
        effective = 1.0 / float(np.sum(calibration.prior_weights(prior) ** 2))
        return {
            "cluster": calibration.cluster, "share": calibration.share, "prior": prior,
            "mu": calibration.mu, "tau": calibration.tau, "status": calibration.status,
            "mu_median": mu_median, "mu_lb": mu_lb, "mu_ub": mu_ub,
            "tau_median": tau_median, "tau_lb": tau_lb, "tau_ub": tau_ub,
            "effective_draws": effective,
        }  # fmt: skip

    if prior not in PRIORS:
        raise unknown("--prior", prior, PRIORS)
    other_prior = PRIORS[1 - PRIORS.index(prior)]
    readings = [summary(truth, prior), summary(truth, other_prior)]
    readings += [summary(other, prior) for other in others]
    fields = truth.fields()
    for name in ("mu_lb", "mu_ub", "tau_lb", "tau_ub"):
        fields[name] = readings[0][name]
    own = {
        "matched": (np.array([truth.mu]), np.array([truth.tau])),
        "joint": (truth.draws_mu, truth.draws_tau),
    }
    sample = {name: truth.check_sample[:, i] for i, name in enumerate(STATISTICS)}
    return Result(
        command="calibrate",
        answer=calibration_answer(analysis, truth),
        warnings=calibration_warnings(analysis, truth),
        scenario={
            "analysis": analysis.name,
            "evidence": None,
            "reading": [],
            "cluster": truth.cluster,
            "share": truth.share,
            "prior": prior,
            "seed": seed,
        },
        truth=fields,
        provenance=provenance(seed, analysis),
        extra={
            "headline": f"{analysis.name}: {analysis.title}. From {analysis.review}.",
            "readings": readings,
            "check": [*truth.check, *small_study_check(analysis, own, truth, seed)],
            "naive_g": truth.naive_g,
            "draws": {"mu": truth.draws_mu, "tau": truth.draws_tau},
            "check_sample": sample,
        },
        figures={"check": calibration_check, "joint": joint_draws},
    )
