"""The decay of an effect: curves, the profile interval of the half-life, and lack of fit.

The differences D (m,) of two groups' daily means are fitted by A 2^(-t/T). With their estimated
covariance C, Q(T) is the least (D - A f_T)' C^-1 (D - A f_T) over A, f_T = 2^(-t/T); T runs from
0 (all gone after the first day) to infinity (no decay), both ends included.
"""

import math
from typing import NamedTuple

import numpy as np

from sims.kernels import kernel
from sims.longitudinal_reml import invert

SHAPES = ("exponential", "linear", "plateau")
REMAINS = 0.3  # of the plateau
GRID = 64  # half-lives of the first scan
_SECTIONS = 34
_BEYOND = 4.0  # of the scan's ends, in log half-lives


def curve(times, half_life, shape: str = "exponential") -> np.ndarray:
    """Share of the effect that is left at each time, half of it at the half-life.

    exponential: 2^(-t/T). linear: falls to 0 at 2 T. plateau: 0.3 + 0.7 2^(-t/T') with T' such
    that half is left at T. T = 0: nothing after day 0; T infinite: no decay.

    half_life : one number or (J,); returns (m,) or (J, m).

    Raises
    ------
    ValueError : an unknown shape.
    """
    t = np.asarray(times, dtype=float)
    half_life = np.asarray(half_life, dtype=float)[..., None]
    with np.errstate(divide="ignore", invalid="ignore"):
        halvings = np.where(t == 0.0, 0.0, t / half_life)
    if shape == "exponential":
        return np.exp2(-halvings)
    if shape == "linear":
        return np.maximum(0.0, 1.0 - 0.5 * halvings)
    if shape == "plateau":
        faster = math.log2((1.0 - REMAINS) / (0.5 - REMAINS))
        return REMAINS + (1.0 - REMAINS) * np.exp2(-faster * halvings)
    raise ValueError(f"unknown shape {shape!r}")


class HalfLife(NamedTuple):
    """A fitted half-life.

    estimate: 0 or infinite at an end; lower, upper: of the profile interval, 0 and infinite where
    it is unbounded; misfit: Q at the estimate.
    """

    estimate: float
    lower: float
    upper: float
    misfit: float


def half_life_grid(times) -> tuple[np.ndarray, np.ndarray]:
    """Log half-lives of the first scan, and curves (GRID + 2, m) with T = 0 and infinity.

    From an eighth of the shortest gap to sixty times the whole span; curves start at 1.
    """
    t = np.asarray(times, dtype=float)
    span = t[-1] - t[0]
    half_lives = np.geomspace(np.diff(t).min() / 8.0, 60.0 * span, GRID)
    curves = np.empty((GRID + 2, len(t)))
    curves[0] = np.arange(len(t)) == 0
    curves[1:-1] = np.exp2(-(t - t[0]) / half_lives[:, None])
    curves[-1] = 1.0
    return np.log(half_lives), curves


@kernel
def _explained(f, weighted, inverse):
    # (f'C^-1 D)^2 / f'C^-1 f: what the curve f takes off Q.
    m = f.shape[0]
    top, bottom = 0.0, 0.0
    for a in range(m):
        top += f[a] * weighted[a]
        row = 0.5 * inverse[a, a] * f[a]
        for b in range(a):
            row += inverse[a, b] * f[b]
        bottom += 2.0 * f[a] * row
    return top * top / bottom


@kernel
def _misfit(log_half_life, times, total, weighted, inverse, f):
    rate = -math.log(2.0) * math.exp(-log_half_life)
    for a in range(times.shape[0]):
        f[a] = math.exp(rate * (times[a] - times[0]))
    return total - _explained(f, weighted, inverse)


@kernel
def _crossing(inside, outside, level, times, total, weighted, inverse, f):
    # log half-life between `inside`, where Q <= level, and `outside`, where it is above.
    for _ in range(_SECTIONS):
        middle = 0.5 * (inside + outside)
        if _misfit(middle, times, total, weighted, inverse, f) <= level:
            inside = middle
        else:
            outside = middle
    return 0.5 * (inside + outside)


@kernel
def _point(g, log_half_lives):
    # Place of a curve of the scan on the axis of log half-lives; the ends stand far out.
    if g == 0:
        return log_half_lives[0] - _BEYOND
    if g == log_half_lives.shape[0] + 1:
        return log_half_lives[-1] + _BEYOND
    return log_half_lives[g - 1]


@kernel
def fit_half_life(times, difference, inverse, shrink, quantile, log_half_lives, curves, scratch):
    """Profile interval of the half-life from daily differences and the inverse of C.

    {T : Q(T) - min Q <= (1 + shrink min Q) quantile}, its outermost bounds. Where C comes from a
    pooled unstructured covariance with nu degrees of freedom, shrink = 1 / nu and quantile =
    nu / (nu - m + 2) F(1, nu - m + 2): exact for a curve that is linear in T (Rao 1959,
    doi:10.1093/biomet/46.1-2.49); the curvature makes it approximate. Otherwise shrink = 0.

    log_half_lives, curves: of `half_life_grid`; scratch: (3, at least GRID + 2 and m).
    """
    m = times.shape[0]
    weighted, f, profile = scratch[0], scratch[1, :m], scratch[2]
    total = 0.0
    for a in range(m):
        weighted[a] = 0.0
        for b in range(m):
            weighted[a] += inverse[a, b] * difference[b]
        total += weighted[a] * difference[a]
    best, last = 0, curves.shape[0] - 1
    for g in range(last + 1):
        profile[g] = total - _explained(curves[g], weighted, inverse)
        if profile[g] < profile[best]:
            best = g
    place, misfit = _point(best, log_half_lives), profile[best]
    if 0 < best < last:
        left, right = _point(best - 1, log_half_lives), _point(best + 1, log_half_lives)
        place = _lowest(left, right, times, total, weighted, inverse, f)
        misfit = min(misfit, _misfit(place, times, total, weighted, inverse, f))
    misfit = max(misfit, 0.0)
    level = misfit + (1.0 + shrink * misfit) * quantile
    # The first and the last curve of the scan that lie in the interval, if any does.
    first, final = 0, last
    while first <= last and profile[first] > level:
        first += 1
    while final >= 0 and profile[final] > level:
        final -= 1
    lower, upper = 0.0, np.inf
    for side in range(2):
        # The bound lies between a place inside the interval and its neighbour outside.
        edge, step = (first, -1) if side == 0 else (final, 1)
        if first > last:
            # Narrower than the scan: it lies between two neighbours.
            left = best if place >= _point(best, log_half_lives) else best - 1
            inside, outside = place, _point(left + side, log_half_lives)
        elif 0 < edge < last or (edge == 0 and side == 1) or (edge == last and side == 0):
            inside = _point(edge, log_half_lives)
            outside = _point(edge + step, log_half_lives)
        else:
            continue
        bound = math.exp(_crossing(inside, outside, level, times, total, weighted, inverse, f))
        if side == 0:
            lower = bound
        else:
            upper = bound
    estimate = math.exp(place)
    if best == 0:
        estimate = 0.0
    elif best == last:
        estimate = np.inf
    return HalfLife(estimate, lower, upper, misfit)


@kernel
def _lowest(left, right, times, total, weighted, inverse, f):
    # Golden sections; Q has one valley between neighbours of the best grid point.
    golden = 0.6180339887498949
    inner = left + golden * (right - left)
    at_inner = np.inf
    for step in range(_SECTIONS):
        # The new point mirrors the inner one, which the first step has yet to evaluate.
        point = inner if step == 0 else left + right - inner
        value = _misfit(point, times, total, weighted, inverse, f)
        if step == 0:
            at_inner = value
        elif value < at_inner:
            if point < inner:
                right = inner
            else:
                left = inner
            inner, at_inner = point, value
        elif point < inner:
            left = point
        else:
            right = point
    return inner


@kernel
def invert_covariance(covariance, work, out):
    """Inverse of a covariance of daily differences; False if it is singular."""
    return invert(covariance, work.factor, work.inverse, out)
