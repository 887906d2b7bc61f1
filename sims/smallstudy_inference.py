"""Detectors and corrections of one synthesis, with intervals and p values, for Python.

The kernels do the work; here are quantiles, the side that trim and fill fills, and names.
"""

import math
from typing import NamedTuple

import numpy as np
from scipy.special import chdtri

from sims.corrections import T_BASED, correct_once
from sims.inference import critical_value, infer, two_sided
from sims.kernels import entry
from sims.names import ESTIMATORS
from sims.pooling import pool_studies
from sims.selection_models import maximise, signed_root
from sims.smallstudy import Corrected, Detected, detect_many, kendall_pvals
from sims.smallstudy_names import CORRECTIONS, DETECTORS

SIDES = {"left": 1.0, "right": -1.0}
PET_SWITCH = 0.05  # one-sided level at which pet-peese takes peese


class Correction(NamedTuple):
    """A corrected mean effect with its 95% interval (or another level); NaN where there is none.

    estimate, se, ci_lb, ci_ub: SDs; stat, df: t or (df infinite) normal; pval: two-sided; ok:
    whether anything was estimated; tau2; filled, side: of trim and fill; weight, weight_se: the
    relative publication probability of one-sided p > .025 (sel3); loglik: of the model; used:
    for pet-peese the regression that was taken.
    """

    correction: str
    estimate: float
    se: float
    ci_lb: float
    ci_ub: float
    stat: float
    df: float
    pval: float
    ok: bool
    tau2: float = math.nan
    filled: float = math.nan
    side: str = ""
    weight: float = math.nan
    weight_se: float = math.nan
    loglik: float = math.nan
    used: str = ""


def detect_one(
    yi: np.ndarray, vi: np.ndarray, ni: np.ndarray, detector: int, exact: np.ndarray
) -> Detected:
    """`sims.smallstudy.detect`, called from Python."""
    out = np.empty((1, 5))
    detect_many(yi[None], vi[None], ni[None], detector, exact, out)
    return Detected(*out[0].tolist())


def correct_one(
    yi: np.ndarray, vi: np.ndarray, correction: int, estimator: int, side: float, switch: float
) -> Corrected:
    """`sims.corrections.correct`, called from Python; about a truth of 0."""
    return Corrected(*correct_once(yi, vi, correction, estimator, side, switch))


@entry
def uniform_ends(yi, vi, root):
    """Ends of p-uniform*'s likelihood interval, at signed roots of +-`root`; NaN if endless."""
    found = maximise(yi, vi, False)
    ends = np.full(2, math.nan)
    if found.ok == 0.0:
        return ends
    for side in range(2):
        sign = -1.0 if side == 0 else 1.0
        inner, step = found.mu, 0.25 * math.sqrt(vi.mean())
        outer = inner + sign * step
        n_doubled = 0
        while abs(signed_root(yi, vi, found, outer)) < root and n_doubled < 12:
            step *= 2.0
            inner, outer = outer, found.mu + sign * step
            n_doubled += 1
        if n_doubled == 12:
            continue
        for _ in range(60):
            middle = 0.5 * (inner + outer)
            if abs(signed_root(yi, vi, found, middle)) < root:
                inner = middle
            else:
                outer = middle
        ends[side] = 0.5 * (inner + outer)
    return ends


def detections(yi: np.ndarray, vi: np.ndarray, ni: np.ndarray | None) -> dict[str, Detected]:
    """Every detector by name; those on group sizes only where these are known.

    yi, vi: (k,) effects and sampling variances; ni: (k,) animals in both groups together.
    """
    yi, vi = np.ascontiguousarray(yi, dtype=float), np.ascontiguousarray(vi, dtype=float)
    exact = kendall_pvals(len(yi))
    found = {}
    for name, code in DETECTORS.items():
        if ni is None and name in ("egger-n", "egger-n-vi"):
            continue
        sizes = np.ones(len(yi)) if ni is None else np.asarray(ni, dtype=float)
        found[name] = detect_one(yi, vi, sizes, code, exact)
    return found


def filled_side(yi: np.ndarray, vi: np.ndarray, estimator: str) -> str:
    """The side on which studies seem to be missing: left where effects rise with sqrt(v).

    The sign of the slope of a random-effects regression on sqrt(v), tau^2 by `estimator`, as
    metafor's trimfill decides.
    """
    x = np.column_stack([np.ones(len(yi)), np.sqrt(vi)])
    if np.linalg.matrix_rank(x) < 2:  # equal variances say nothing
        return "left"
    tau2 = _residual_variance(np.asarray(yi), np.asarray(vi), x, estimator)
    w = 1.0 / (vi + tau2)
    slope = np.linalg.lstsq(x * np.sqrt(w)[:, None], yi * np.sqrt(w), rcond=None)[0][1]
    return "right" if slope < 0.0 else "left"


def _residual_variance(yi: np.ndarray, vi: np.ndarray, x: np.ndarray, estimator: str) -> float:
    """tau^2 of a regression on x; only the sign of a slope rests on it."""
    from scipy.optimize import brentq, minimize_scalar

    k, p = x.shape
    if estimator == "FE" or k <= p:
        return 0.0

    def pieces(tau2: float) -> tuple[float, float, np.ndarray]:
        w = 1.0 / (vi + tau2)
        a = x.T @ (x * w[:, None])
        beta = np.linalg.solve(a, x.T @ (w * yi))
        residual = yi - x @ beta
        return float(w @ residual**2), float(np.linalg.slogdet(a)[1]), a

    q, _, a = pieces(0.0)
    if estimator == "DL":
        w = 1.0 / vi
        trace = w.sum() - np.trace(np.linalg.solve(a, x.T @ (x * (w**2)[:, None])))
        return max(0.0, (q - (k - p)) / float(trace))
    largest = 10.0 * float(np.ptp(yi)) ** 2 + float(vi.max())
    if estimator == "PM":
        if q <= k - p:
            return 0.0
        return float(brentq(lambda t: pieces(t)[0] - (k - p), 0.0, largest))

    def minus(log_tau2: float) -> float:
        t = math.exp(log_tau2)
        q, log_det, _ = pieces(t)
        return float(np.log(vi + t).sum()) + log_det + q

    low = math.log(1e-8 * float(vi.min()))
    best = minimize_scalar(minus, bounds=(low, math.log(largest)), method="bounded")
    return float(math.exp(best.x))


def mirrored(
    yi: np.ndarray, vi: np.ndarray, estimator: str, side: str, filled: int
) -> tuple[np.ndarray, np.ndarray]:
    """Effects of the studies that trim and fill adds, and which study each is the image of.

    The `filled` studies furthest out on the other side, about the pooled effect of the rest: the
    last step of `sims.corrections.trim_and_fill`.
    """
    sign = SIDES[side]
    order = np.argsort(sign * yi, kind="mergesort")
    rest, furthest = order[: len(yi) - filled], order[len(yi) - filled :]
    centre = pool_studies(yi[rest], vi[rest], ESTIMATORS[estimator]).mu
    return 2.0 * centre - yi[furthest], furthest


def corrections(
    yi: np.ndarray,
    vi: np.ndarray,
    estimator: str = "DL",
    side: str = "auto",
    alpha: float = 0.05,
) -> list[Correction]:
    """Every correction of k studies in which positive is benefit.

    estimator: model that trim and fill and the limit meta-analysis use, and of "none"; side:
    where trim and fill fills, "left", "right" or "auto".
    """
    yi, vi = np.ascontiguousarray(yi, dtype=float), np.ascontiguousarray(vi, dtype=float)
    k, code = len(yi), ESTIMATORS[estimator]
    chosen = side if side in SIDES else (filled_side(yi, vi, estimator) if k > 2 else "left")
    switch = math.inf if k < 3 else critical_value(2.0 * PET_SWITCH, k - 2.0)
    found: list[Correction] = []
    for name, number in CORRECTIONS.items():
        x = correct_one(yi, vi, number, code, SIDES[chosen], switch)
        df = k - 2.0 if name in T_BASED else math.inf
        fitted = infer(x.estimate, x.se, df, alpha)
        row = Correction(
            name, *fitted[:4], x.stat, df, two_sided(x.stat, df), bool(x.ok),
            tau2=x.tau2, loglik=x.loglik,
        )  # fmt: skip
        if name.startswith("trimfill"):
            row = row._replace(filled=x.extra, side=chosen)
        if name == "sel3" and x.ok:
            row = row._replace(weight=x.extra, weight_se=x.extra_se)
        if name == "pet-peese" and x.ok:
            pet = next(other for other in found if other.correction == "pet")
            row = row._replace(used="peese" if pet.stat > switch else "pet")
        if name == "p-uniform-star" and x.ok:
            low, high = uniform_ends(yi, vi, math.sqrt(float(chdtri(1.0, alpha))))
            row = row._replace(ci_lb=float(low), ci_ub=float(high))
        found.append(row)
    return found
