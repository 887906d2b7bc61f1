"""Where the climbs of the three-parameter selection model begin: a grid, over lanes."""

import math

from sims.kernels import inner
from sims.lanes import LANES
from sims.lanes.selection_block import (
    ABOVE,
    BELOW,
    BEST,
    COLUMN_WEIGHTS,
    EFFECT,
    FACTOR,
    FIXED,
    INVERSE_S,
    LIMIT,
    LOGS,
    MEAN,
    MOMENTS,
    MU,
    N_BELOW,
    QUADRATIC,
    SLOPE_MU,
    SLOPE_TAU2,
    SLOPE_WEIGHT,
    SPREAD,
    SUM_LOG_S,
    TAU2,
    VARIANCE,
    WEIGHT,
    WEIGHT_WEIGHT,
    clear,
    clear_logs,
    is_full,
    study_row,
    take_logs,
)
from sims.normal import normal_tails
from sims.pooling import moment_tau2
from sims.selection_step import (
    FIRST_STEPS,
    GRID_MU,
    GRID_TAU2,
    MOST_CLIMBS,
    NEXT_STEPS,
    weight_factor,
)


@inner
def _lay_grid(work, k):
    # Pooled effects at tau2 = 0 and at DL's, and the SD of the effects about the latter.
    clear(work, QUADRATIC, SLOPE_TAU2)
    for i in range(k):
        row = study_row(i)
        for lane in range(LANES):
            w = 1.0 / work[row + VARIANCE * LANES + lane]
            work[QUADRATIC * LANES + lane] += w
            work[SLOPE_MU * LANES + lane] += w * w
            work[SLOPE_TAU2 * LANES + lane] += w * work[row + EFFECT * LANES + lane]
    for lane in range(LANES):
        work[FIXED * LANES + lane] = (
            work[SLOPE_TAU2 * LANES + lane] / work[QUADRATIC * LANES + lane]
        )
        work[SLOPE_TAU2 * LANES + lane] = 0.0
    for i in range(k):
        row = study_row(i)
        for lane in range(LANES):
            r = work[row + EFFECT * LANES + lane] - work[FIXED * LANES + lane]
            work[SLOPE_TAU2 * LANES + lane] += r * r / work[row + VARIANCE * LANES + lane]
    for lane in range(LANES):
        work[MOMENTS * LANES + lane] = moment_tau2(
            work[SLOPE_TAU2 * LANES + lane],
            work[QUADRATIC * LANES + lane],
            work[SLOPE_MU * LANES + lane],
            k - 1.0,
        )
    clear(work, QUADRATIC, SLOPE_MU)
    for i in range(k):
        row = study_row(i)
        for lane in range(LANES):
            w = 1.0 / (work[row + VARIANCE * LANES + lane] + work[MOMENTS * LANES + lane])
            work[QUADRATIC * LANES + lane] += w
            work[SLOPE_MU * LANES + lane] += w * work[row + EFFECT * LANES + lane]
    for lane in range(LANES):
        work[MEAN * LANES + lane] = work[SLOPE_MU * LANES + lane] / work[QUADRATIC * LANES + lane]
        work[SLOPE_MU * LANES + lane], work[SLOPE_TAU2 * LANES + lane] = 0.0, math.inf
    for i in range(k):
        row = study_row(i)
        for lane in range(LANES):
            r = work[row + EFFECT * LANES + lane] - work[MEAN * LANES + lane]
            work[SLOPE_MU * LANES + lane] += r * r
            work[SLOPE_TAU2 * LANES + lane] = min(
                work[SLOPE_TAU2 * LANES + lane], work[row + VARIANCE * LANES + lane]
            )  # fmt: skip
    for lane in range(LANES):
        work[SPREAD * LANES + lane] = math.sqrt(
            max(work[SLOPE_MU * LANES + lane] / k, 0.25 * work[SLOPE_TAU2 * LANES + lane])
        )


@inner
def _at_tau2(work, k):
    # 1 / s of each study, and the sum of log s.
    clear_logs(work)
    for i in range(k):
        row = study_row(i)
        for lane in range(LANES):
            s2 = work[row + VARIANCE * LANES + lane] + work[TAU2 * LANES + lane]
            inverse = math.sqrt(1.0 / s2)
            work[row + INVERSE_S * LANES + lane] = inverse
            work[FACTOR * LANES + lane] *= s2 * inverse
        if is_full(i, k):
            take_logs(work)
    for lane in range(LANES):
        work[SUM_LOG_S * LANES + lane] = work[LOGS * LANES + lane]


@inner
def _at_mu(work, k):
    # S and B of each study, and the sum of (y - mu)^2 / s^2.
    clear(work, QUADRATIC, QUADRATIC)
    for i in range(k):
        row = study_row(i)
        for lane in range(LANES):
            mu, inverse = work[MU * LANES + lane], work[row + INVERSE_S * LANES + lane]
            r = (work[row + EFFECT * LANES + lane] - mu) * inverse
            above, below, _ = normal_tails((work[row + LIMIT * LANES + lane] - mu) * inverse)
            work[row + ABOVE * LANES + lane] = above
            work[row + BELOW * LANES + lane] = below
            work[QUADRATIC * LANES + lane] += r * r


@inner
def _better_weight(work, k):
    # One of Newton's steps towards the best weight.
    clear(work, SLOPE_WEIGHT, SLOPE_WEIGHT)
    clear(work, WEIGHT_WEIGHT, WEIGHT_WEIGHT)
    for i in range(k):
        row = study_row(i)
        for lane in range(LANES):
            published = work[WEIGHT * LANES + lane] * work[row + BELOW * LANES + lane]
            share = published / (work[row + ABOVE * LANES + lane] + published)
            work[SLOPE_WEIGHT * LANES + lane] += share
            work[WEIGHT_WEIGHT * LANES + lane] += share * (1.0 - share)
    for lane in range(LANES):
        curvature = work[WEIGHT_WEIGHT * LANES + lane]
        slope = work[N_BELOW * LANES + lane] - work[SLOPE_WEIGHT * LANES + lane]
        factor = weight_factor(slope / curvature)
        work[WEIGHT * LANES + lane] *= factor if curvature > 0.0 else 1.0


@inner
def _published(work, k):
    clear_logs(work)
    for i in range(k):
        row = study_row(i)
        for lane in range(LANES):
            below = work[WEIGHT * LANES + lane] * work[row + BELOW * LANES + lane]
            work[FACTOR * LANES + lane] *= work[row + ABOVE * LANES + lane] + below
        if is_full(i, k):
            take_logs(work)


@inner
def _keep_best(work):
    # As `sims.selection_step.keep_best`.
    for lane in range(LANES):
        weight = work[WEIGHT * LANES + lane]
        log_weight = math.log(weight)
        value = work[N_BELOW * LANES + lane] * log_weight - work[LOGS * LANES + lane]
        value -= 0.5 * work[QUADRATIC * LANES + lane] + work[SUM_LOG_S * LANES + lane]
        point = (value, work[MU * LANES + lane], work[TAU2 * LANES + lane], log_weight)
        for place in range(MOST_CLIMBS):
            # The better of the two stays, the other one goes on to the next place.
            at = (BEST + 4 * place) * LANES + lane
            held = (
                work[at], work[at + LANES], work[at + 2 * LANES], work[at + 3 * LANES]
            )  # fmt: skip
            better = point[0] > held[0]
            for which in range(4):
                work[at + which * LANES] = point[which] if better else held[which]
            point = held if better else point


@inner
def lay_out_starts(work, k):
    """Fill in each lane's best points of the grid."""
    _lay_grid(work, k)
    for lane in range(LANES):
        for place in range(MOST_CLIMBS):
            work[(BEST + 4 * place) * LANES + lane] = -math.inf
        work[WEIGHT * LANES + lane] = 1.0
    for row in range(len(GRID_TAU2)):
        for lane in range(LANES):
            spread = work[SPREAD * LANES + lane]
            work[TAU2 * LANES + lane] = GRID_TAU2[row] * spread * spread
        _at_tau2(work, k)
        for column in range(len(GRID_MU)):
            weights = ((COLUMN_WEIGHTS + column) * LANES) & 0x7FFFFFFF
            for lane in range(LANES):
                spread = work[SPREAD * LANES + lane]
                centre = work[(FIXED if row == 0 else MEAN) * LANES + lane]
                work[MU * LANES + lane] = centre + spread * GRID_MU[column]
                if row > 0:
                    work[WEIGHT * LANES + lane] = work[weights + lane]
            _at_mu(work, k)
            for _ in range(FIRST_STEPS if row == 0 and column == 0 else NEXT_STEPS):
                _better_weight(work, k)
            _published(work, k)
            for lane in range(LANES):
                work[weights + lane] = work[WEIGHT * LANES + lane]
            _keep_best(work)
