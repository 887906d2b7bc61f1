"""Calibration: which truths (mu, tau) give the published numbers of a meta-analysis.

Two answers. The matched truth is the one whose median simulated effect and heterogeneity are the
published ones. The joint distribution is what the rounded publication leaves open, given a flat
prior. Results are kept on disk; those of the catalogue ship with the package.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.errors import InputError, check_seed, unknown
from planner.kept_calibrations import calibration_key, keep, kept
from planner.kept_pieces import Pieces

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import pandas as pd

    from planner.published import Analysis
    from sims.conditioning import Joint, Published
    from sims.types import Studies

N_DRAWS = 4000
N_MATCH = 1 << 18  # simulated syntheses behind each median of the matched truth
N_CHECK = 1 << 18
N_CELLS, N_CELLS_CLUSTERED = 256, 64  # of the grid of mu and of tau, given study-level data
NUMBERS = (N_DRAWS, N_MATCH, N_CHECK)
SEED = 1
CLUSTERS = ("none", "study", "lab")
PRIORS = ("uniform", "half-normal")
STATISTICS = ("g", "se", "I2")


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibration:
    """Truths that give the published numbers of one meta-analysis; effects in SDs.

    Parameters
    ----------
    analysis, cluster, share : what was calibrated, and how comparisons depend on each other:
        `share` of tau^2 lies between clusters
    mu, tau : the matched truth; status ``"interior"`` or ``"boundary"`` (tau = 0, and
        `tau_limit` the largest that is still compatible, else None); mcse of both
    draws_mu, draws_tau : (J,) equally likely draws given the publication, uniform prior
    replicates : (J,) the simulated syntheses that were accepted, by number
    prior : (mu_low, mu_high, tau_low, tau_high) of the uniform prior
    n_tried : simulated syntheses behind the draws
    check : published against simulated median and 95% interval, at the matched truth and over
        the draws, by statistic
    naive_g : median published g if the true mean were the published g
    """

    analysis: str
    cluster: str
    share: float
    mu: float
    tau: float
    status: str
    tau_limit: float | None
    mu_mcse: float
    tau_mcse: float
    draws_mu: np.ndarray
    draws_tau: np.ndarray
    replicates: np.ndarray
    prior: tuple[float, ...]
    prior_scale: float
    n_tried: int
    check: tuple[dict[str, Any], ...]
    check_sample: np.ndarray
    naive_g: float
    source: str = "calibrated"
    seed: int = SEED

    @cached_property
    def draws(self) -> pd.DataFrame:
        """The joint draws as a table of mu and tau."""
        import pandas as pd

        return pd.DataFrame({"mu": self.draws_mu, "tau": self.draws_tau})

    def interval(self, name: str, prior: str = "uniform") -> tuple[float, float, float]:
        """Median and 95% interval of ``"mu"`` or ``"tau"`` under either prior."""
        values = self.draws_mu if name == "mu" else self.draws_tau
        order = np.argsort(values)
        weight = np.cumsum(self.prior_weights(prior)[order])
        at = np.searchsorted(weight, np.array([0.5, 0.025, 0.975]) * weight[-1])
        median, low, high = values[order][np.minimum(at, len(values) - 1)]
        return float(median), float(low), float(high)

    def prior_weights(self, prior: str) -> np.ndarray:
        """Weights that turn the uniform prior on tau into another one, with sum 1."""
        if prior not in PRIORS:
            raise unknown("prior", prior, PRIORS)
        weight = np.ones(len(self.draws_tau))
        if prior == "half-normal":
            weight = np.exp(-0.5 * (self.draws_tau / self.prior_scale) ** 2)
        return np.asarray(weight / weight.sum())

    def fields(self) -> dict[str, Any]:
        """The `truth` of the JSON output."""
        _, mu_lb, mu_ub = self.interval("mu")
        _, tau_lb, tau_ub = self.interval("tau")
        return {
            "source": self.source, "analysis": self.analysis, "cluster": self.cluster,
            "cluster_share": self.share, "mu": self.mu, "tau": self.tau, "status": self.status,
            "tau_limit": self.tau_limit, "mu_mcse": self.mu_mcse, "tau_mcse": self.tau_mcse,
            "mu_lb": mu_lb, "mu_ub": mu_ub, "tau_lb": tau_lb, "tau_ub": tau_ub,
            "n_draws": len(self.draws_mu), "n_tried": self.n_tried,
            "prior": dict(zip(("mu_low", "mu_high", "tau_low", "tau_high"), self.prior,
                              strict=True)),
        }  # fmt: skip


def truth_fields(
    calibration: Calibration | None, mu: float | None, tau: float | None
) -> Mapping[str, Any]:
    """The `truth` of the JSON output."""
    if calibration is not None:
        return calibration.fields()
    return {"source": "given", "mu": mu, "tau": tau, "mu_lb": None, "mu_ub": None,
            "tau_lb": None, "tau_ub": None}  # fmt: skip


def calibrate(
    analysis: Analysis,
    *,
    cluster: str = "none",
    share: float | None = None,
    seed: int = SEED,
    jobs: int | None = None,
    progress: Callable[[str, int, int], None] | None = None,
    fresh: bool = False,
) -> Calibration:
    """Truths that give the published numbers of an analysis.

    Parameters
    ----------
    cluster : how comparisons depend on each other: ``"none"``, ``"study"`` or ``"lab"``
    share : share of tau^2 that lies between clusters, 0 to 1; default 1, or 0 without clusters
    seed : of the simulation
    jobs : threads; default all processors; changes no number
    progress : called with (stage, done, total)
    fresh : calculate even if the result is kept on disk

    Raises
    ------
    InputError
        for clusters the evidence does not name, and for numbers that no truth gives
    """
    from planner.published import check_analysis

    check_seed(seed)
    check_analysis(analysis)
    if cluster not in CLUSTERS:
        raise unknown("--cluster", cluster, CLUSTERS)
    if cluster != "none" and cluster not in analysis.clusters:
        raise InputError(
            f"{analysis.name} does not say which comparisons share a {cluster}; "
            "accepted: --cluster none"
        )
    if cluster == "none" and share:
        raise InputError(f"--share {share:g} goes with --cluster study or --cluster lab")
    share = (0.0 if cluster == "none" else 1.0) if share is None else share
    if not 0.0 <= share <= 1.0:
        raise InputError(f"--share {share:g}; accepted: 0 to 1, of tau^2 between clusters")
    key = calibration_key(analysis, cluster, share, seed, NUMBERS)
    found = None if fresh else kept(analysis, cluster, key)
    if found is not None:
        return Calibration(**found)
    start = time.perf_counter()
    pieces = None if fresh else _pieces(analysis, cluster, share, seed)
    result = _calculate(analysis, cluster, share, seed, jobs, progress, pieces)
    keep(result, key, time.perf_counter() - start)
    if pieces is not None:
        pieces.forget()
    return result


def studies_like(analysis: Analysis, cluster: str = "none", share: float = 0.0) -> Studies:
    """What kernels need to draw the published synthesis again: sizes, clusters, variance."""
    from sims.syntheses import make_studies

    sizes = analysis.sizes
    labels = None if cluster == "none" else analysis.clusters[cluster]
    vtype = "CMA" if analysis.data is None else analysis.data.vtype
    return make_studies(sizes.fresh_n, sizes.p, analysis.k, sizes.per_study, labels, share, vtype)


def published_numbers(analysis: Analysis) -> Published:
    """The published numbers with the intervals that round to them, as kernels take them.

    Numbers printed with very many digits would never be reproduced: standard errors and
    interval ends count as equal within half a percent of the standard error, I^2 within 0.05
    points, tau^2 and Q within half a percent.
    """
    from sims.conditioning import CI_LB, CI_UB, I2, MU, QE, SE, TAU2, Published

    targets = analysis.targets()
    kind = {"I2": I2, "tau2": TAU2, "Q": QE}[analysis.heterogeneity_kind]
    tolerance = 0.005 * analysis.se_number
    heterogeneity = targets.heterogeneity.value
    rows = [
        (MU, targets.g, 0.2 * tolerance),
        (SE, targets.se, tolerance),
        (CI_LB, targets.ci_lb, tolerance),
        (CI_UB, targets.ci_ub, tolerance),
        (kind, targets.heterogeneity, 0.05 if kind == I2 else 0.005 * heterogeneity),
    ]
    value, low, high = np.full(7, np.nan), np.full(7, -np.inf), np.full(7, np.inf)
    for column, target, least in rows:
        if target is not None:
            value[column] = target.value
            low[column] = min(target.lo, target.value - least)
            high[column] = max(target.hi, target.value + least)
    return Published(value, low, high, kind)


def _prior_scale(analysis: Analysis) -> float:
    return float(analysis.se_number * np.sqrt(analysis.k))


def _prior(analysis: Analysis) -> np.ndarray:
    """Bounds of the uniform prior: mu_low, mu_high, tau_low, tau_high."""
    g, reach = analysis.g.number, 8.0 * analysis.se_number
    return np.array([g - reach, g + reach, 0.0, 4.0 * _prior_scale(analysis)])


def _pieces(analysis: Analysis, cluster: str, share: float, seed: int) -> Pieces:
    """Where the work on this calibration is kept until it is finished."""
    studies, published = studies_like(analysis, cluster, share), published_numbers(analysis)
    numbers = (seed, N_MATCH, N_DRAWS)
    return Pieces(analysis.name, studies, published, _prior(analysis), numbers)


def _calculate(
    analysis: Analysis,
    cluster: str,
    share: float,
    seed: int,
    jobs: int | None,
    progress: Callable[[str, int, int], None] | None,
    pieces: Pieces | None,
) -> Calibration:
    from sims.conditioning import Infeasible, Matched, joint_draws, matched_truth, simulate_pooled
    from sims.engine import default_jobs, keeping_pieces

    jobs = default_jobs() if jobs is None else jobs
    studies = studies_like(analysis, cluster, share)
    published = published_numbers(analysis)
    kind = analysis.heterogeneity_kind
    if progress is not None:
        progress("matched truth", 0, 1)

    def match() -> Matched:
        return matched_truth(studies, published, N_MATCH, seed, jobs)

    try:
        matched = match() if pieces is None else Matched(*pieces.value("matched", match))
    except Infeasible as most:
        raise InputError(
            f"{analysis.name}: {kind} {analysis.heterogeneity} is more than any between-study SD "
            f"gives\nwith {analysis.k} studies of this size (median at most {most})"
        ) from None
    if progress is not None:
        progress("matched truth", 1, 1)
    g, scale, prior = analysis.g.number, _prior_scale(analysis), _prior(analysis)

    def report(done: int) -> None:
        if progress is not None:
            progress("joint distribution", done, N_DRAWS)

    if analysis.data is not None:
        joint = _given_studies(analysis, cluster, share, prior, seed)
    else:
        try:
            with keeping_pieces(pieces):
                joint = joint_draws(studies, published, prior, N_DRAWS, seed, jobs, report)
        except Infeasible as count:
            raise InputError(
                f"{analysis.name}: these numbers are almost never published together: {count} "
                f"simulated\nsyntheses match them; check k, g, SE, CI, {kind} and the group sizes"
            ) from None
    rows = simulate_pooled(studies, matched.mu, matched.tau, N_CHECK, seed, "check", jobs)
    naive = simulate_pooled(studies, g, matched.tau, N_CHECK, seed, "check", jobs)
    return Calibration(
        analysis=analysis.name, cluster=cluster, share=share,
        mu=matched.mu, tau=matched.tau, status=matched.status,
        tau_limit=None if np.isnan(matched.tau_limit) else float(matched.tau_limit),
        mu_mcse=matched.mu_mcse, tau_mcse=matched.tau_mcse,
        draws_mu=joint.mu, draws_tau=joint.tau, replicates=joint.replicates,
        prior=tuple(float(bound) for bound in prior), prior_scale=float(scale),
        n_tried=joint.n_sim,
        check=tuple(_check_rows(analysis, rows, _over_draws(studies, joint, seed))),
        check_sample=rows[:2000, [0, 1, 4]].astype(np.float32),
        naive_g=float(np.median(naive[:, 0])),
        seed=seed,
    )  # fmt: skip


def _given_studies(
    analysis: Analysis, cluster: str, share: float, prior: np.ndarray, seed: int
) -> Joint:
    """Joint draws where the evidence keeps its studies: from their exact likelihood."""
    from sims.conditioning import Joint
    from sims.effects import VARIANCES, sampling_variance
    from sims.posterior import posterior_draws

    data = analysis.data
    assert data is not None
    code = VARIANCES[data.vtype]
    j = np.array([sampling_variance(float(a), float(b), code)[0]
                  for a, b in zip(data.n1, data.n2, strict=True)])  # fmt: skip
    labels = None if cluster == "none" else analysis.clusters[cluster]
    mu, tau = posterior_draws(
        (data.yi / j)[None], data.n1[None], data.n2[None], prior, N_DRAWS, seed,
        N_CELLS if share == 0.0 else N_CELLS_CLUSTERED, labels, share,
    )  # fmt: skip
    return Joint(np.arange(0), mu[0], tau[0], prior, 0)


def _over_draws(studies: Studies, joint: Joint, seed: int) -> np.ndarray:
    """One simulated synthesis for each draw: the posterior predictive distribution."""
    from sims.conditioning import simulate_pooled

    rows = np.empty((len(joint.mu), 5))
    for i, (mu, tau) in enumerate(zip(joint.mu, joint.tau, strict=True)):
        rows[i] = simulate_pooled(studies, mu, tau, 1, seed, f"predictive {i}")[0]
    return rows


def _check_rows(
    analysis: Analysis, at_matched: np.ndarray, over: np.ndarray
) -> list[dict[str, Any]]:
    published = {
        "g": analysis.g.number,
        "se": analysis.se_number,
        "I2": analysis.heterogeneity.number if analysis.heterogeneity_kind == "I2" else None,
        "tau2": analysis.heterogeneity.number if analysis.heterogeneity_kind == "tau2" else None,
        "QE": analysis.heterogeneity.number if analysis.heterogeneity_kind == "Q" else None,
    }
    columns = {"g": 0, "se": 1, "tau2": 2, "QE": 3, "I2": 4}
    rows = []
    for truth, simulated in (("matched", at_matched), ("joint", over)):
        for name, value in published.items():
            if value is None and name != "I2":
                continue
            x = simulated[:, columns[name]]
            low, median, high = np.quantile(x, [0.025, 0.5, 0.975])
            below = None if value is None else float(np.mean(x < value))
            rows.append({
                "truth": truth, "statistic": name, "published": value,
                "median": float(median), "lb": float(low), "ub": float(high), "below": below,
                "n_sim": len(x),
            })  # fmt: skip
    return rows


def pseudo_studies(
    calibration: Calibration, analysis: Analysis
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The accepted syntheses study by study: yi, vi and animals per group, each (J, k).

    Each of the J sets reproduces the published numbers to their rounding. They are drawn again
    from their numbers, which is exact and immediate.
    """
    from sims.conditioning import Joint
    from sims.conditioning import pseudo_studies as draw_again

    joint = Joint(
        calibration.replicates, calibration.draws_mu, calibration.draws_tau,
        np.array(calibration.prior), calibration.n_tried,
    )  # fmt: skip
    studies = studies_like(analysis, calibration.cluster, calibration.share)
    return draw_again(studies, joint, calibration.seed)


def published_studies(
    calibration: Calibration, analysis: Analysis
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The published studies of each draw: yi, vi, animals per group, each (J, k).

    The real ones, the same for every draw, where the evidence keeps them; else pseudo-studies.
    """
    if analysis.data is None:
        return pseudo_studies(calibration, analysis)
    data, shape = analysis.data, (len(calibration.draws_mu), analysis.k)
    harmonic = 2.0 * data.n1 * data.n2 / (data.n1 + data.n2)
    yi, vi, ni = (np.broadcast_to(part, shape).copy() for part in (data.yi, data.vi, harmonic))
    return yi, vi, ni
