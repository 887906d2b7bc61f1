"""The likelihood of the three-parameter selection model for a block: one synthesis in each lane.

A block is one array of rows of LANES numbers, as in `sims.lanes.pooling`.
"""

import math

from sims.kernels import inner
from sims.lanes import LANES
from sims.normal import normal_tails
from sims.selection_step import CUT, GRID_MU, HALF_LOG_2PI, INV_SQRT_2PI, MOST_CLIMBS, Slopes

# Factors that go into one product before its logarithm: each is between 1e-30 and 1e30.
_PER_LOG = 10

# Rows of LANES numbers. The point that is looked at; sums over studies there.
MU, TAU2, LOG_WEIGHT, WEIGHT = range(4)
(
    QUADRATIC, SLOPE_MU, SLOPE_TAU2, SLOPE_WEIGHT, MU_MU, MU_TAU2, TAU2_TAU2, MU_WEIGHT,
    TAU2_WEIGHT, WEIGHT_WEIGHT, FACTOR, LOGS, N_BELOW, EFFECT_HERE, VARIANCE_HERE, LIMIT_HERE,
) = range(4, 20)  # fmt: skip
# What the grid is laid by, the best points of it (value, mu, tau2, log weight), the best first, and
# the best weight of each column.
FIXED, MEAN, MOMENTS, SPREAD, SUM_LOG_S = range(20, 25)
BEST = 25
COLUMN_WEIGHTS = BEST + 4 * MOST_CLIMBS
STUDIES = COLUMN_WEIGHTS + len(GRID_MU)
# Rows of each study: effect, variance, cut; 1 / s, S, B at a point.
EFFECT, VARIANCE, LIMIT, INVERSE_S, ABOVE, BELOW, N_ROWS = range(7)


@inner
def study_row(i):
    """Index of a study's first lane: not negative, said so that loops are vectorised."""
    return ((STUDIES + N_ROWS * i) * LANES) & 0x7FFFFFFF


@inner
def set_studies(work, lane, yi, vi, r):
    """Put the studies of row r of yi, vi (m, k) into a lane."""
    n_below = 0.0
    for i in range(yi.shape[1]):
        at, cut = study_row(i) + lane, CUT * math.sqrt(vi[r, i])
        work[at + EFFECT * LANES] = yi[r, i]
        work[at + VARIANCE * LANES] = vi[r, i]
        work[at + LIMIT * LANES] = cut
        n_below += 1.0 if yi[r, i] < cut else 0.0
    work[N_BELOW * LANES + lane] = n_below


@inner
def clear(work, first, last):
    """Set rows first..last to 0."""
    for at in range(first * LANES, (last + 1) * LANES):
        work[at] = 0.0


@inner
def take_logs(work):
    """Add the logarithm of the product of factors to the sum of logarithms."""
    for lane in range(LANES):
        work[LOGS * LANES + lane] += math.log(work[FACTOR * LANES + lane])
        work[FACTOR * LANES + lane] = 1.0


@inner
def clear_logs(work):
    """Begin a sum of logarithms."""
    for lane in range(LANES):
        work[LOGS * LANES + lane] = 0.0
        work[FACTOR * LANES + lane] = 1.0


@inner
def is_full(i, k):
    """Whether the product of factors ends with study i."""
    return i % _PER_LOG == _PER_LOG - 1 or i == k - 1


@inner
def _take_study(work, i):
    # A study's rows at a distance from the sums that the compiler knows: else it would have to
    # compare all their addresses, and does not vectorise.
    row = study_row(i)
    for lane in range(LANES):
        work[EFFECT_HERE * LANES + lane] = work[row + EFFECT * LANES + lane]
        work[VARIANCE_HERE * LANES + lane] = work[row + VARIANCE * LANES + lane]
        work[LIMIT_HERE * LANES + lane] = work[row + LIMIT * LANES + lane]


@inner
def look(work, k):
    """Sums of the likelihood and its derivatives at each lane's point: MU, TAU2, LOG_WEIGHT."""
    clear(work, QUADRATIC, WEIGHT_WEIGHT)
    clear_logs(work)
    for lane in range(LANES):
        work[WEIGHT * LANES + lane] = math.exp(work[LOG_WEIGHT * LANES + lane])
    for i in range(k):
        _take_study(work, i)
        for lane in range(LANES):
            weight, mu = work[WEIGHT * LANES + lane], work[MU * LANES + lane]
            a = 1.0 - weight
            s2 = work[VARIANCE_HERE * LANES + lane] + work[TAU2 * LANES + lane]
            q = 1.0 / s2
            inverse = math.sqrt(q)
            r = work[EFFECT_HERE * LANES + lane] - mu
            u = (work[LIMIT_HERE * LANES + lane] - mu) * inverse
            above, below, e = normal_tails(u)
            published = above + weight * below
            over = 1.0 / published
            p, pw = INV_SQRT_2PI * e * over, weight * below * over
            # Derivatives of log(published): of `published` over it, then less their products.
            ap = a * p
            pm, pt = ap * inverse, 0.5 * ap * u * q
            rq = r * r * q
            uu = u * u
            wp = weight * p
            work[QUADRATIC * LANES + lane] += rq
            work[SLOPE_MU * LANES + lane] += r * q - pm
            work[SLOPE_TAU2 * LANES + lane] += 0.5 * (rq - 1.0) * q - pt
            work[SLOPE_WEIGHT * LANES + lane] -= pw
            work[MU_MU * LANES + lane] += pm * pm - q - ap * u * q
            work[MU_TAU2 * LANES + lane] += pm * pt - (r * q + 0.5 * ap * (uu - 1.0) * inverse) * q
            work[TAU2_TAU2 * LANES + lane] += (
                pt * pt + (0.5 - rq - 0.25 * ap * u * (uu - 3.0)) * q * q
            )
            work[MU_WEIGHT * LANES + lane] += wp * inverse + pm * pw
            work[TAU2_WEIGHT * LANES + lane] += 0.5 * wp * u * q + pt * pw
            work[WEIGHT_WEIGHT * LANES + lane] += pw * pw - pw
            work[FACTOR * LANES + lane] *= s2 * inverse * published
        if is_full(i, k):
            take_logs(work)


@inner
def slopes(work, k, lane):
    """`sims.selection_step.step_slopes` of a lane, after `look`."""
    n_below = work[N_BELOW * LANES + lane]
    value = n_below * work[LOG_WEIGHT * LANES + lane] - HALF_LOG_2PI * k
    value -= 0.5 * work[QUADRATIC * LANES + lane] + work[LOGS * LANES + lane]
    return Slopes(
        value, work[SLOPE_MU * LANES + lane], work[SLOPE_TAU2 * LANES + lane],
        n_below + work[SLOPE_WEIGHT * LANES + lane], work[MU_MU * LANES + lane],
        work[MU_TAU2 * LANES + lane], work[TAU2_TAU2 * LANES + lane],
        work[MU_WEIGHT * LANES + lane], work[TAU2_WEIGHT * LANES + lane],
        work[WEIGHT_WEIGHT * LANES + lane],
    )  # fmt: skip
