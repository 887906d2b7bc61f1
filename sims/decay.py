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
_MOST_STEPS = 60
_TOLERANCE = 1e-11
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
    it is unbounded; misfit: Q at the estimate; effect: A there, on the first day.
    """

    estimate: float
    lower: float
    upper: float
    misfit: float
    effect: float


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
def _false_position(a, b, at_a, at_b):
    # Where the line between two points of opposite signs crosses zero, kept off both ends.
    x = b - at_b * (b - a) / (at_b - at_a)
    margin = 1e-3 * abs(b - a)
    return min(max(x, min(a, b) + margin), max(a, b) - margin)


@kernel
def _crossing(inside, outside, level, times, total, weighted, inverse, f):
    """log half-life between `inside`, where Q <= level, and `outside`, where it is above.

    False position, halving the value at an end that stays (the Illinois rule: Dowell & Jarratt
    1971, doi:10.1007/BF01934364).
    """
    at_inside = _misfit(inside, times, total, weighted, inverse, f) - level
    at_outside = _misfit(outside, times, total, weighted, inverse, f) - level
    stayed = 0
    for _ in range(_MOST_STEPS):
        if not at_outside > 0.0 or abs(outside - inside) < _TOLERANCE:
            break
        x = _false_position(inside, outside, min(at_inside, 0.0), at_outside)
        value = _misfit(x, times, total, weighted, inverse, f) - level
        if abs(value) < 1e-12 * (1.0 + level):
            return x
        if value <= 0.0:
            inside, at_inside = x, value
            at_outside *= 0.5 if stayed == 1 else 1.0
            stayed = 1
        else:
            outside, at_outside = x, value
            at_inside *= 0.5 if stayed == 2 else 1.0
            stayed = 2
    return inside


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
        place = _lowest(left, place, right, times, weighted, inverse, f)
        deepest = _misfit(place, times, total, weighted, inverse, f)
        if deepest > misfit:
            # No valley between the neighbours: the curve of the scan is the best there is.
            place = _point(best, log_half_lives)
        misfit = min(misfit, deepest)
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
    fitted = curves[best]
    if 0 < best < last:
        _misfit(place, times, total, weighted, inverse, f)  # leaves the curve in f
        fitted = f
    top, bottom = 0.0, 0.0
    for a in range(m):
        top += fitted[a] * weighted[a]
        for b in range(m):
            bottom += fitted[a] * inverse[a, b] * fitted[b]
    estimate = math.exp(place)
    if best == 0:
        estimate = 0.0
    elif best == last:
        estimate = np.inf
    return HalfLife(estimate, lower, upper, misfit, top / bottom)


@kernel
def _steepness(log_half_life, times, weighted, inverse, f):
    # Slope of what the curve explains, in the log half-life; f and its derivative f rate t.
    m = times.shape[0]
    rate = math.log(2.0) * math.exp(-log_half_life)
    for a in range(m):
        f[a] = math.exp(-rate * (times[a] - times[0]))
    top, top_slope, bottom, bottom_slope = 0.0, 0.0, 0.0, 0.0
    for a in range(m):
        slope = rate * (times[a] - times[0]) * f[a]
        top += f[a] * weighted[a]
        top_slope += slope * weighted[a]
        row = 0.0
        for b in range(m):
            row += inverse[a, b] * f[b]
        bottom += f[a] * row
        bottom_slope += 2.0 * slope * row
    return top / bottom * (2.0 * top_slope - top / bottom * bottom_slope)


@kernel
def _lowest(left, centre, right, times, weighted, inverse, f):
    # Where the slope of Q changes its sign between the neighbours of the best curve. Far out the
    # slope underflows: there the bracket is drawn in.
    at_left = _steepness(left, times, weighted, inverse, f)
    at_right = _steepness(right, times, weighted, inverse, f)
    for _ in range(12):
        if not at_left > 0.0:
            left = 0.5 * (left + centre)
            at_left = _steepness(left, times, weighted, inverse, f)
        if not at_right < 0.0:
            right = 0.5 * (right + centre)
            at_right = _steepness(right, times, weighted, inverse, f)
    stayed, x = 0, centre
    for step in range(_MOST_STEPS):
        if not at_left > 0.0 or not at_right < 0.0 or right - left < _TOLERANCE:
            break
        before = x
        # Every third step halves the bracket: one end's slope may be many powers smaller.
        x = _false_position(left, right, at_left, at_right)
        if step % 3 == 2:
            x = 0.5 * (left + right)
        value = _steepness(x, times, weighted, inverse, f)
        if value == 0.0 or (step > 2 and abs(x - before) < _TOLERANCE):
            break
        if value > 0.0:
            left, at_left = x, value
            at_right *= 0.5 if stayed == 1 else 1.0
            stayed = 1
        else:
            right, at_right = x, value
            at_left *= 0.5 if stayed == 2 else 1.0
            stayed = 2
    return x


@kernel
def invert_covariance(covariance, work, out):
    """Inverse of a covariance of daily differences; False if it is singular."""
    return invert(covariance, work.factor, work.inverse, out)
