"""REML of two groups measured on several days, some animals lost on the way.

Saturated means (every group on every day its own), covariance sigma^2 R(rho) of compound symmetry
or a continuous-time first-order autoregression, fitted as nlme's `gls` does. Animals are lost for
good (monotone), so with L L' = R the rows of L^-1 turn an animal's measurements into independent
innovations, the j-th of which needs only its first j measurements: an animal lost after day j
simply has no further ones. Sums over the animals seen on each day are all that the fit needs.
"""

import math
from typing import NamedTuple

import numpy as np

from sims.kernels import kernel

CS, AR1 = 0, 1
_SCAN = 8
_GOLDEN = 0.3819660112501051
_TOLERANCE = 2e-7
_MOST_STEPS = 60


class Moments(NamedTuple):
    """Sums over the animals of each group (0 treated, 1 control) that were seen on each day j.

    n: (2, m) their number; sums: (2, m, m) of their measurements on days 0..j; squares:
    (2, m, m, m) of the products of two of them.
    """

    n: np.ndarray
    sums: np.ndarray
    squares: np.ndarray


class Workspace(NamedTuple):
    """Scratch of a fit: factor, its inverse, both groups' information, means and inverses."""

    factor: np.ndarray
    inverse: np.ndarray
    information: np.ndarray
    means: np.ndarray
    covariance: np.ndarray
    solved: np.ndarray


class Fit(NamedTuple):
    """A REML fit: ok (1.0 or 0.0), correlation, variance, c'(difference of means), its variance
    and Satterthwaite's degrees of freedom."""

    ok: float
    rho: float
    sigma2: float
    estimate: float
    variance: float
    df: float


def new_moments(m: int) -> Moments:
    """Moments of no animals yet."""
    return Moments(np.zeros((2, m)), np.zeros((2, m, m)), np.zeros((2, m, m, m)))


def new_workspace(m: int) -> Workspace:
    """Scratch for m days."""
    return Workspace(
        np.zeros((m, m)), np.zeros((m, m)), np.zeros((2, m, m)), np.zeros((2, m)),
        np.zeros((m, m)), np.zeros((2, m, m)),
    )  # fmt: skip


def moments_of(treated: np.ndarray, control: np.ndarray) -> Moments:
    """Moments of data (n, m), NaN from the day on which an animal was lost."""
    moments = new_moments(treated.shape[1])
    for group, y in enumerate((treated, control)):
        for animal in np.asarray(y, dtype=float):
            seen = int(np.isfinite(animal).sum())
            add_animal(moments, group, animal, seen)
    return moments


@kernel
def clear(moments):
    """No animals again."""
    n, sums, squares = moments.n, moments.sums, moments.squares
    for group in range(2):
        for j in range(n.shape[1]):
            n[group, j] = 0.0
            for a in range(j + 1):
                sums[group, j, a] = 0.0
                for b in range(a + 1):
                    squares[group, j, a, b] = 0.0


@kernel
def add_complete(moments, group, y):
    """Add an animal seen to the end to the last day's sums, all that complete data need."""
    m = y.shape[0]
    sums, squares = moments.sums[group, m - 1], moments.squares[group, m - 1]
    moments.n[group, m - 1] += 1.0
    for a in range(m):
        sums[a] += y[a]
        for b in range(a + 1):
            squares[a, b] += y[a] * y[b]


@kernel
def add_animal(moments, group, y, seen):
    """Add an animal whose first `seen` measurements y exist."""
    n, sums, squares = moments.n, moments.sums, moments.squares
    for j in range(seen):
        n[group, j] += 1.0
        for a in range(j + 1):
            sums[group, j, a] += y[a]
            for b in range(a + 1):
                squares[group, j, a, b] += y[a] * y[b]


@kernel
def cholesky(matrix, factor):
    """Lower factor of a symmetric matrix; False if it is not positive definite."""
    m = factor.shape[0]
    for i in range(m):
        for j in range(i + 1):
            total = matrix[i, j]
            for k in range(j):
                total -= factor[i, k] * factor[j, k]
            if i == j:
                if not total > 1e-14 * abs(matrix[i, i]):
                    return False
                factor[i, i] = math.sqrt(total)
            else:
                factor[i, j] = total / factor[j, j]
    return True


@kernel
def invert_factor(factor, inverse):
    """Inverse of a lower factor."""
    m = factor.shape[0]
    for j in range(m):
        inverse[j, j] = 1.0 / factor[j, j]
        for i in range(j + 1, m):
            total = 0.0
            for k in range(j, i):
                total -= factor[i, k] * inverse[k, j]
            inverse[i, j] = total / factor[i, i]


@kernel
def invert(matrix, factor, inverse_factor, out):
    """Inverse of a positive definite matrix into `out`; False if it is none."""
    if not cholesky(matrix, factor):
        return False
    invert_factor(factor, inverse_factor)
    m = out.shape[0]
    for i in range(m):
        for j in range(i + 1):
            total = 0.0
            for k in range(i, m):
                total += inverse_factor[k, i] * inverse_factor[k, j]
            out[i, j] = total
            out[j, i] = total
    return True


@kernel
def correlation(kind, rho, error, weeks):
    """Correlation of two measurements `weeks` apart, not the same one."""
    if kind == CS:
        return rho
    return (1.0 - error) * (rho / (1.0 - error)) ** weeks


@kernel
def _profile(rho, kind, error, times, moments, work):
    # (ok, weighted residual sum of squares, log determinants of R and of X'R^-1 X) at rho; means
    # and inverse informations of both groups are left in work.
    m = times.shape[0]
    factor, inverse, means = work.factor, work.inverse, work.means
    information, solved = work.information, work.solved
    n, sums, squares = moments.n, moments.sums, moments.squares
    r = work.covariance
    for i in range(m):
        for j in range(i):
            r[i, j] = correlation(kind, rho, error, abs(times[i] - times[j]) / 7.0)
        r[i, i] = 1.0
    if not cholesky(r, factor):
        return False, 0.0, 0.0
    invert_factor(factor, inverse)
    rss, log_det = 0.0, 0.0
    for j in range(m):
        log_det += 2.0 * math.log(factor[j, j]) * (n[0, j] + n[1, j])
    for group in range(2):
        for a in range(m):
            means[group, a] = 0.0
            for b in range(m):
                information[group, a, b] = 0.0
        for j in range(m):
            innovation = 0.0
            for a in range(j + 1):
                innovation += inverse[j, a] * sums[group, j, a]
                own = squares[group, j, a, a] * inverse[j, a]
                for b in range(a):
                    own += 2.0 * squares[group, j, a, b] * inverse[j, b]
                rss += inverse[j, a] * own
                for b in range(a + 1):
                    information[group, a, b] += n[group, j] * inverse[j, a] * inverse[j, b]
            for a in range(j + 1):
                means[group, a] += inverse[j, a] * innovation
    for group in range(2):
        if not cholesky(information[group], factor):
            return False, 0.0, 0.0
        for a in range(m):
            log_det += 2.0 * math.log(factor[a, a])
        invert_factor(factor, inverse)
        # Normal equations: the means, and what they take off the sum of squares.
        for a in range(m):
            work.covariance[0, a] = 0.0
            for b in range(a + 1):
                work.covariance[0, a] += inverse[a, b] * means[group, b]
            rss -= work.covariance[0, a] * work.covariance[0, a]
        for a in range(m):
            total = 0.0
            for k in range(a, m):
                total += inverse[k, a] * work.covariance[0, k]
            means[group, a] = total
            for b in range(a + 1):
                total = 0.0
                for k in range(a, m):
                    total += inverse[k, a] * inverse[k, b]
                solved[group, a, b] = total
                solved[group, b, a] = total
    return True, rss, log_det


@kernel
def _deviance(rho, residual_df, kind, error, times, moments, work):
    ok, rss, log_det = _profile(rho, kind, error, times, moments, work)
    return residual_df * math.log(rss) + log_det if ok and rss > 0.0 else np.inf


@kernel
def _unit_variance(c, work):
    total = 0.0
    for a in range(c.shape[0]):
        for b in range(c.shape[0]):
            total += c[a] * c[b] * (work.solved[0, a, b] + work.solved[1, a, b])
    return total


@kernel
def fit_reml(kind, error, times, moments, c, difference, covariance, work):
    """REML fit; the difference of means (m,) and its covariance (m, m) are filled in.

    kind: CS (rho from -1 / (m - 1), as corCompSymm) or AR1 (rho from 0, as corCAR1; `error`, the
    share of measurement error, is taken as known). Degrees of freedom of c'difference:
    2 v^2 / (g' A g), g the gradient of its variance v in (log sigma^2, rho), A twice the inverse
    Hessian of the deviance (Fai & Cornelius 1996, doi:10.1080/00949659608811740).
    """
    m = times.shape[0]
    total = 0.0
    for j in range(m):
        if moments.n[0, j] < 1.0 or moments.n[1, j] < 1.0:
            return Fit(0.0, np.nan, np.nan, np.nan, np.nan, np.nan)
        total += moments.n[0, j] + moments.n[1, j]
    residual_df = total - 2.0 * m
    if residual_df < 2.0:
        return Fit(0.0, np.nan, np.nan, np.nan, np.nan, np.nan)
    low = -1.0 / (m - 1.0) + 1e-7 if kind == CS else 1e-9
    high = (1.0 - error) * (1.0 - 1e-7)
    rho = _minimize(low, high, residual_df, kind, error, times, moments, work)
    edge = min(rho - low, high - rho)
    weight = 0.0
    curvature, slope_rss, slope_v = 0.0, 0.0, 0.0
    if edge > 1e-5:
        step = min(1e-4, 0.5 * edge)
        ok_up, rss_up, det_up = _profile(rho + step, kind, error, times, moments, work)
        v_up = _unit_variance(c, work)
        ok_down, rss_down, det_down = _profile(rho - step, kind, error, times, moments, work)
        v_down = _unit_variance(c, work)
        weight = 1.0 if ok_up and ok_down else 0.0
        slope_rss = (rss_up - rss_down) / (2.0 * step)
        slope_v = (v_up - v_down) / (2.0 * step)
    ok, rss, log_det = _profile(rho, kind, error, times, moments, work)
    if not ok or not rss > 0.0:
        return Fit(0.0, np.nan, np.nan, np.nan, np.nan, np.nan)
    sigma2 = rss / residual_df
    unit = _unit_variance(c, work)
    estimate = 0.0
    for a in range(m):
        difference[a] = work.means[0, a] - work.means[1, a]
        estimate += c[a] * difference[a]
        for b in range(m):
            covariance[a, b] = sigma2 * (work.solved[0, a, b] + work.solved[1, a, b])
    variance = sigma2 * unit
    # Hessian of the deviance in (log sigma^2, rho), where its slope is zero.
    df = residual_df
    if weight > 0.0:
        curvature = (rss_up - 2.0 * rss + rss_down) / sigma2 + det_up - 2.0 * log_det + det_down
        curvature /= step * step
        cross = -slope_rss / sigma2
        determinant = residual_df * curvature - cross * cross
        if determinant > 0.0:
            slope = sigma2 * slope_v
            spread = curvature * variance * variance - 2.0 * cross * variance * slope
            spread += residual_df * slope * slope
            df = variance * variance * determinant / spread
    return Fit(1.0, rho, sigma2, estimate, variance, min(max(df, 1.0), 1e6))


@kernel
def _minimize(low, high, residual_df, kind, error, times, moments, work):
    """The rho of least deviance: a scan finds the valley, Brent's parabolas its ground.

    Brent 1973, Algorithms for Minimization without Derivatives, ch. 5.
    """
    best, at = np.inf, 0
    width = (high - low) / _SCAN
    for i in range(_SCAN + 1):
        value = _deviance(low + i * width, residual_df, kind, error, times, moments, work)
        if value < best:
            best, at = value, i
    a, b = low + max(0, at - 1) * width, low + min(_SCAN, at + 1) * width
    x = low + at * width if 0 < at < _SCAN else a + _GOLDEN * (b - a)
    fx = best
    if not 0 < at < _SCAN:
        fx = _deviance(x, residual_df, kind, error, times, moments, work)
    w, v, fw, fv = x, x, fx, fx
    step, before = 0.0, 0.0
    for _ in range(_MOST_STEPS):
        middle = 0.5 * (a + b)
        if abs(x - middle) <= 2.0 * _TOLERANCE - 0.5 * (b - a):
            break
        golden = True
        if abs(before) > _TOLERANCE:
            # A parabola through x, w and v.
            r, q = (x - w) * (fx - fv), (x - v) * (fx - fw)
            p = (x - v) * q - (x - w) * r
            q = 2.0 * (q - r)
            p = -p if q > 0.0 else p
            q = abs(q)
            last, before = before, step
            if abs(p) < abs(0.5 * q * last) and q * (a - x) < p < q * (b - x):
                step = p / q
                u = x + step
                if u - a < 2.0 * _TOLERANCE or b - u < 2.0 * _TOLERANCE:
                    step = _TOLERANCE if x < middle else -_TOLERANCE
                golden = False
        if golden:
            before = (b - x) if x < middle else (a - x)
            step = _GOLDEN * before
        move = step
        if abs(step) < _TOLERANCE:
            move = _TOLERANCE if step > 0.0 else -_TOLERANCE
        u = x + move
        fu = _deviance(u, residual_df, kind, error, times, moments, work)
        if fu <= fx:
            if u < x:
                b = x
            else:
                a = x
            v, fv, w, fw, x, fx = w, fw, x, fx, u, fu
        else:
            if u < x:
                a = u
            else:
                b = u
            if fu <= fw or w == x:
                v, fv, w, fw = w, fw, u, fu
            elif fu <= fv or v in (x, w):
                v, fv = u, fu
    return x
