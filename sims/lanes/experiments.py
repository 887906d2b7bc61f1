"""Two-arm experiments over blocks of replicates: tallies of a chunk, for many designs at once.

All designs see the same normals (common random numbers), so that differences between group
sizes are far more precise than the proportions themselves.
"""

import math

import numpy as np

from sims.chi import draw_inverse_sd
from sims.experiments import student, theta_given_difference, welch
from sims.kernels import entry, inner
from sims.lanes import LANES
from sims.lanes.pooling import from_front
from sims.normal import normal_tails
from sims.streams import draw_normal, draw_uniform, open_stream, stream_key
from sims.types import TwoArm

# Sums kept for each design; those from abs_g on run over significant replicates only.
COUNTED = (
    "benefit", "harm", "wrong_sign", "width", "width_sq",
    "abs_g", "abs_g_sq", "abs_theta", "abs_theta_sq", "abs_product",
)  # fmt: skip
# Of several truths also, else 0: what wrong_sign and abs_theta are expected to be given the
# observed difference, which varies less. Of one truth both are known exactly (`sims.exact`).
EXPECTED = ("wrong_mean", "wrong_mean_sq", "theta_mean", "theta_mean_sq", "mean_product")
SUMS = COUNTED + EXPECTED
N_SUMS, _N_COUNTED = len(SUMS), len(COUNTED)

# Slots of a block's work array: four normals and the truth of each replicate; then of one design
# 1 / s, the side that is significant (1, -1 or 0) and |g|.
_DIFFERENCE, _SD, _THETA, _SD2, _MU, _TAU2, _INVERSE, _SIDE, _G, _N_SLOTS = range(10)

_LEAST_SD = 1e-150
_SQRT_2_OVER_PI = math.sqrt(2.0 / math.pi)


@inner
def _draw_block(key, first, count, n_normals, mu, tau2, work):
    # Draw the normals of `count` replicates. Where the truth is itself uncertain, each
    # replicate picks one of its equally likely draws, after its normals: a point truth and an
    # uncertain one share their normals.
    n_truths = mu.shape[0]
    for lane in range(count):
        state = open_stream(key, np.uint64(first + lane))
        for slot in range(n_normals):
            work[slot * LANES + lane], state = draw_normal(state)
        truth = 0
        if n_truths > 1:
            u, state = draw_uniform(state)
            truth = int(u * n_truths)
        work[_MU * LANES + lane] = mu[truth]
        work[_TAU2 * LANES + lane] = tau2[truth]


@inner
def _add(sums, offset, lane, x):
    significant = x.benefit + x.harm
    wrong = x.benefit * (1.0 if x.theta < 0.0 else 0.0) + x.harm * (1.0 if x.theta > 0.0 else 0.0)
    g, theta = abs(x.g) * significant, abs(x.theta) * significant
    at = offset + lane
    sums[at] += x.benefit
    sums[at + LANES] += x.harm
    sums[at + 2 * LANES] += wrong
    sums[at + 3 * LANES] += x.width
    sums[at + 4 * LANES] += x.width * x.width
    sums[at + 5 * LANES] += g
    sums[at + 6 * LANES] += g * g
    sums[at + 7 * LANES] += theta
    sums[at + 8 * LANES] += theta * theta
    sums[at + 9 * LANES] += g * theta


@inner
def _add_expected(work, se, lanes, sums, at):
    # What theta's normal would decide is known given the difference: conditional Monte Carlo
    # (Asmussen & Glynn 2007, section V.4, doi:10.1007/978-0-387-69033-9). A loop of its own:
    # within the one that counts it would keep that from being vectorised.
    lanes, at = from_front(lanes), from_front(at)
    for lane in range(lanes):
        mean, sd = theta_given_difference(
            work[lane], work[_MU * LANES + lane], work[_TAU2 * LANES + lane], se
        )
        # sd may be 0: then theta is its mean, which has no side where it is 0.
        above, below, e = normal_tails(-mean / max(sd, _LEAST_SD))
        side = work[_SIDE * LANES + lane] if abs(mean) + sd > 0.0 else 0.0
        opposite = below if side > 0.0 else above
        wrong = opposite if side != 0.0 else 0.0
        theta = (mean * (above - below) + sd * _SQRT_2_OVER_PI * e) * abs(side)
        sums[at + lane] += wrong
        sums[at + LANES + lane] += wrong * wrong
        sums[at + 2 * LANES + lane] += theta
        sums[at + 3 * LANES + lane] += theta * theta
        sums[at + 4 * LANES + lane] += work[_G * LANES + lane] * theta


@inner
def _total(sums, out):
    for design in range(out.shape[0]):
        for which in range(N_SUMS):
            total = 0.0
            for lane in range(LANES):
                total += sums[(design * N_SUMS + which) * LANES + lane]
            out[design, which] += total


@inner
def _design(designs, i):
    row = designs[i]
    return TwoArm(row[0], row[1], row[2], row[3], row[4], row[5], row[6], row[7])


@entry
def tally_student(seed, scenario, first, count, mu, tau2, designs, sd_tables, out):
    """Add the sums of replicates first..first+count-1 to `out`, for Student's t-test.

    mu, tau2: (J,) equally likely truths; designs: (n_designs, 8), rows of TwoArm; sd_tables:
    (n_designs, ...) of the pooled SD; out: (n_designs, N_SUMS).
    """
    key = stream_key(seed, scenario)
    # Looked-up SDs get a slot of their own: a table look-up in the loop that adds up would keep
    # the compiler from vectorising it.
    work = np.zeros(_N_SLOTS * LANES)
    sums = np.zeros(out.shape[0] * N_SUMS * LANES)
    n_normals, several = 3 if tau2.max() > 0.0 else 2, mu.shape[0] > 1
    for start in range(0, count, LANES):
        lanes = min(LANES, count - start)
        _draw_block(key, first + start, lanes, n_normals, mu, tau2, work)
        for i in range(out.shape[0]):
            design = _design(designs, i)
            for lane in range(LANES):
                work[_INVERSE * LANES + lane] = draw_inverse_sd(
                    sd_tables, i, work[_SD * LANES + lane]
                )
            for lane in range(lanes):
                x = student(
                    work[lane],
                    work[_INVERSE * LANES + lane],
                    work[_THETA * LANES + lane],
                    work[_MU * LANES + lane],
                    work[_TAU2 * LANES + lane],
                    design,
                )
                _add(sums, i * N_SUMS * LANES, lane, x)
                work[_SIDE * LANES + lane], work[_G * LANES + lane] = x.benefit - x.harm, abs(x.g)
            if several:
                _add_expected(work, design.se, lanes, sums, (i * N_SUMS + _N_COUNTED) * LANES)
    _total(sums, out)


@entry
def tally_welch(seed, scenario, first, count, mu, tau2, designs, sd_tables, quantiles, out):
    """As `tally_student`, for Welch's t-test.

    sd_tables: (2 n_designs, ...), each group's SD; quantiles: (2 n_designs, ...), of t, for the
    test and for the confidence interval.
    """
    key = stream_key(seed, scenario)
    work = np.zeros(_N_SLOTS * LANES)
    sums = np.zeros(out.shape[0] * N_SUMS * LANES)
    several = mu.shape[0] > 1
    for start in range(0, count, LANES):
        lanes = min(LANES, count - start)
        _draw_block(key, first + start, lanes, 4, mu, tau2, work)
        for i in range(out.shape[0]):
            design = _design(designs, i)
            for lane in range(lanes):
                x = welch(
                    work[lane],
                    draw_inverse_sd(sd_tables, 2 * i, work[_SD * LANES + lane]),
                    work[_THETA * LANES + lane],
                    draw_inverse_sd(sd_tables, 2 * i + 1, work[_SD2 * LANES + lane]),
                    work[_MU * LANES + lane],
                    work[_TAU2 * LANES + lane],
                    design,
                    quantiles,
                    i,
                )
                _add(sums, i * N_SUMS * LANES, lane, x)
                work[_SIDE * LANES + lane], work[_G * LANES + lane] = x.benefit - x.harm, abs(x.g)
            if several:
                _add_expected(work, design.se, lanes, sums, (i * N_SUMS + _N_COUNTED) * LANES)
    _total(sums, out)


@entry
def replicate_student(seed, scenario, first, mu, tau2, designs, sd_tables, out):
    """What happened in single replicates: the oracle of the tallies, one replicate at a time.

    out: (n_replicates, n_designs, 5), rows of Experiment.
    """
    key = stream_key(seed, scenario)
    work = np.zeros(_N_SLOTS * LANES)
    n_normals = 3 if tau2.max() > 0.0 else 2
    for r in range(out.shape[0]):
        _draw_block(key, first + r, 1, n_normals, mu, tau2, work)
        for i in range(out.shape[1]):
            inverse_sd = draw_inverse_sd(sd_tables, i, work[_SD * LANES])
            x = student(
                work[0], inverse_sd, work[_THETA * LANES], work[_MU * LANES],
                work[_TAU2 * LANES], _design(designs, i),
            )  # fmt: skip
            out[r, i, 0], out[r, i, 1], out[r, i, 2] = x.benefit, x.harm, x.g
            out[r, i, 3], out[r, i, 4] = x.theta, x.width
