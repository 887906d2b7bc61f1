"""REML of two groups with an unstructured covariance where animals are lost for good, closed form.

With every group its own mean on every day, the residual likelihood of monotone data is a product
of regressions: of each block of days between two losses on the days before it, with one intercept
for each group, among the animals that were still seen (the factorization of Anderson 1957,
doi:10.1080/01621459.1957.10501379, Little & Rubin 2019, doi:10.1002/9781119482260, section 7.4;
the intercepts are integrated out, so that residual variances divide by n - 2). Nothing iterates.
It is the fit of nlme's `gls` with corSymm and varIdent, and on complete data the per-animal
contrast with Student's t on n1 + n2 - 2 degrees of freedom. A covariance that both groups share is
not needed for complete data of equal groups, whatever the responses of treated animals: their
pooled covariance is right for the difference of means. What is lost is filled in from the days
before by the regression of both groups together.
"""

from typing import NamedTuple

import numpy as np

from sims.kernels import kernel
from sims.longitudinal_reml import invert


class MonotoneWork(NamedTuple):
    """Scratch of a fit on m days, all (m, m) but `inverses` (m, m, m) and `w` (3, m).

    squares: within groups; slopes: [i, j] of day j on the earlier day i; residual: covariances of
    a block given the days before; inverses: [a] of `squares` of the days before a block that
    begins on day a.
    """

    squares: np.ndarray
    factor: np.ndarray
    inverse_factor: np.ndarray
    slopes: np.ndarray
    residual: np.ndarray
    inverses: np.ndarray
    w: np.ndarray


class MonotoneFit(NamedTuple):
    """ok (1.0 or 0.0), c'(difference of means), its variance, Satterthwaite's degrees of freedom,
    and the degrees of freedom of the last day's variance."""

    ok: float
    estimate: float
    variance: float
    df: float
    nu: float


def new_monotone_work(m: int) -> MonotoneWork:
    """Scratch for m days."""
    return MonotoneWork(
        np.zeros((m, m)), np.zeros((m, m)), np.zeros((m, m)), np.zeros((m, m)), np.zeros((m, m)),
        np.zeros((m, m, m)), np.zeros((3, m)),
    )  # fmt: skip


@kernel
def _block_end(n, start):
    # First day after `start` on which fewer animals are seen than on `start`, or the end.
    end = start + 1
    while end < n.shape[1] and n[0, end] == n[0, start] and n[1, end] == n[1, start]:
        end += 1
    return end


@kernel
def _within(moments, end, squares):
    # Sums of squares and products within groups, of the animals seen on day end - 1.
    last = end - 1
    for a in range(end):
        for b in range(a + 1):
            total = 0.0
            for group in range(2):
                sums = moments.sums[group, last]
                total += moments.squares[group, last, a, b]
                total -= sums[a] * sums[b] / moments.n[group, last]
            squares[a, b] = total
            squares[b, a] = total


@kernel
def _regress(squares, start, end, df, inverse, slopes, residual):
    # Slopes of the block's days on those before, and its residual covariance.
    for j in range(start, end):
        for i in range(start):
            total = 0.0
            for k in range(start):
                total += inverse[i, k] * squares[k, j]
            slopes[i, j] = total
    for j in range(start, end):
        for k in range(start, j + 1):
            total = squares[j, k]
            for i in range(start):
                total -= slopes[i, j] * squares[i, k]
            residual[j, k] = total / df
            residual[k, j] = residual[j, k]


@kernel
def _extend(moments, start, end, sizes, work, difference, covariance, away):
    # The block's differences of means and their covariance, from those of the days before.
    last, slopes = end - 1, work.slopes
    for j in range(end):
        own = moments.sums[0, last, j] / moments.n[0, last]
        own -= moments.sums[1, last, j] / moments.n[1, last]
        if j < start:
            away[j] = difference[j] - own
            continue
        for i in range(start):
            own += slopes[i, j] * away[i]
        difference[j] = own
    for j in range(start, end):
        for i in range(start):
            total = 0.0
            for k in range(start):
                total += covariance[i, k] * slopes[k, j]
            covariance[i, j] = total
            covariance[j, i] = total
    for j in range(start, end):
        for k in range(start, j + 1):
            total = work.residual[j, k] * sizes
            for i in range(start):
                total += slopes[i, j] * covariance[i, k]
            covariance[j, k] = total
            covariance[k, j] = total


@kernel
def fit_monotone(moments, c, difference, covariance, work):
    """REML fit; the difference of means (m,) and its covariance (m, m) are filled in.

    Degrees of freedom of c'difference: 2 v^2 / Var(v), v its variance (Fai & Cornelius 1996,
    doi:10.1080/00949659608811740). Not ok if a loss leaves too few animals for the regression on
    the days before it.
    """
    n = moments.n
    m = n.shape[1]
    nothing = MonotoneFit(0.0, np.nan, np.nan, np.nan, np.nan)
    if n[0, m - 1] < 1.0 or n[1, m - 1] < 1.0:
        return nothing
    start = 0
    while start < m:
        end = _block_end(n, start)
        df = n[0, start] + n[1, start] - 2.0
        if not df > start:
            return nothing
        _within(moments, end, work.squares)
        before = work.inverses[start][:start, :start]
        if not invert(work.squares[:start, :start], work.factor[:start, :start],
                      work.inverse_factor[:start, :start], before):  # fmt: skip
            return nothing
        _regress(work.squares, start, end, df, work.inverses[start], work.slopes, work.residual)
        sizes = 1.0 / n[0, start] + 1.0 / n[1, start]
        _extend(moments, start, end, sizes, work, difference, covariance, work.w[0])
        start = end
    estimate, variance = 0.0, 0.0
    for a in range(m):
        estimate += c[a] * difference[a]
        for b in range(m):
            variance += c[a] * c[b] * covariance[a, b]
    nu = n[0, m - 1] + n[1, m - 1] - 2.0
    if not variance > 0.0:
        return nothing
    df = 2.0 * variance * variance / _spread(n, c, covariance, work)
    return MonotoneFit(1.0, estimate, variance, min(max(df, 1.0), 1e6), nu)


@kernel
def _spread(n, c, covariance, work):
    """Variance of the contrast's estimated variance, from the last block back to the first.

    A block with residual variance r = w'R w of its weights w, n animals, 1/n1 + 1/n2 = k, has
    Var(r) = 2 r^2 / (n - 2); slopes have covariance r S^-1, and move the variance by twice
    v = C w of the days before, their weights w including what later blocks hand down.
    """
    w, moved = work.w[1], work.w[2]
    end = c.shape[0]
    for j in range(end):
        w[j] = c[j]
    spread = 0.0
    while end > 0:
        start = end - 1
        while start > 0 and n[0, start - 1] == n[0, end - 1] and n[1, start - 1] == n[1, end - 1]:
            start -= 1
        r = 0.0
        for j in range(start, end):
            for k in range(start, end):
                r += w[j] * work.residual[j, k] * w[k]
        for i in range(start):
            for j in range(start, end):
                w[i] += work.slopes[i, j] * w[j]
        sizes = 1.0 / n[0, start] + 1.0 / n[1, start]
        spread += 2.0 * (sizes * r) ** 2 / (n[0, start] + n[1, start] - 2.0)
        for i in range(start):
            moved[i] = 0.0
            for k in range(start):
                moved[i] += covariance[i, k] * w[k]
        for i in range(start):
            for k in range(start):
                spread += 4.0 * r * moved[i] * work.inverses[start, i, k] * moved[k]
        end = start
    return spread
