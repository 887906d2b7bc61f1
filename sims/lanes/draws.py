"""Studies of a block of replicates: `sims.syntheses.draw_synthesis`, over lanes.

Random numbers are drawn replicate by replicate, with the generator's state in registers; what is
calculated from them then runs over lanes. Streams and results are those of `draw_synthesis`, to
the last bit, after what `draw_block` draws first.
"""

import math

import numpy as np

from sims.kernels import inner, kernel
from sims.lanes import LANES
from sims.lanes.lookups import place, value_at
from sims.lanes.pooling import EFFECT, VARIANCE, WEIGHT, from_front, study_row
from sims.streams import draw_normal, draw_uniform, open_stream
from sims.syntheses import effect

# Rows of a block's truths: mu, tau^2, the true effect of a further laboratory, the number of the
# truth; then scratch: the clusters' and the studies' part of tau^2; one study's size and what
# follows from it: the SD of its deviation, its correction, the terms of its sampling variance.
(
    TRUE_MU, TRUE_TAU2, THETA_NEW, PICKED, _COMMON, _WITHIN, _SIZE, _SPREAD, _J, _A, _B, N_TRUTH,
) = range(12)  # fmt: skip


@kernel
def truth_workspace(studies):
    """Truths of a block, followed by the common deviation of every cluster."""
    n_clusters = 0
    for c in studies.cluster:
        n_clusters = max(n_clusters, c + 1)
    return np.zeros((N_TRUTH + n_clusters) * LANES)


@kernel
def draw_block(key, first, lanes, mu, tau, studies, truths, n_given, work):
    """Put the studies of replicates first..first+lanes-1 behind n_given others of a block.

    A stream starts with one uniform, which picks among the equally likely truths mu, tau (J,),
    and one normal, for the effect theta ~ N(mu, tau^2) of a further laboratory.
    """
    # Arrays are taken out of the tuple once: each access in a loop would count references.
    n, cdf, fixed, cluster = studies.n, studies.cdf, studies.fixed, studies.cluster
    share, terms, tables = studies.share, studies.terms, studies.sd_tables.reshape(-1)
    places = np.empty(LANES, np.int64)
    n_studies, n_truths = fixed.shape[0], mu.shape[0]
    n_common = truths.shape[0] // LANES - N_TRUTH if share > 0.0 else 0
    for lane in range(lanes):
        state = open_stream(key, np.uint64(first + lane))
        u, state = draw_uniform(state)
        z, state = draw_normal(state)
        which = int(u * n_truths)
        truths[TRUE_MU * LANES + lane] = mu[which]
        truths[TRUE_TAU2 * LANES + lane] = tau[which] * tau[which]
        truths[THETA_NEW * LANES + lane] = mu[which] + tau[which] * z
        truths[PICKED * LANES + lane] = which
        truths[_COMMON * LANES + lane] = tau[which] * math.sqrt(share)
        truths[_WITHIN * LANES + lane] = tau[which] * tau[which] * (1.0 - share)
        for c in range(n_common):
            truths[(N_TRUTH + c) * LANES + lane], state = draw_normal(state)
        for i in range(n_studies):
            at = study_row(n_given + i) + lane
            if fixed[i] < 0:
                work[at + WEIGHT * LANES], state = draw_uniform(state)
            work[at + EFFECT * LANES], state = draw_normal(state)
            work[at + VARIANCE * LANES], state = draw_normal(state)
    for i in range(n_studies):
        at = study_row(n_given + i)
        if i == 0 or fixed[i] < 0 or fixed[i] != fixed[i - 1]:  # else it is all there
            _sizes(cdf, fixed[i], lanes, truths, work, at)
            _follow(n, terms, lanes, truths)
        _look_up(tables, lanes, truths, work, at, places)
        _effects((N_TRUTH + cluster[i]) * LANES, lanes, truths, work, at)


@inner
def _sizes(cdf, fixed, lanes, truths, work, at):
    lanes, at = from_front(lanes), from_front(at)
    for lane in range(lanes):
        truths[_SIZE * LANES + lane] = max(0.0, fixed)
    if fixed < 0:
        for probability in cdf:
            for lane in range(lanes):
                passed = work[at + WEIGHT * LANES + lane] >= probability
                truths[_SIZE * LANES + lane] += 1.0 if passed else 0.0


@inner
def _follow(n, terms, lanes, truths):
    lanes = from_front(lanes)
    for lane in range(lanes):
        which = int(truths[_SIZE * LANES + lane])
        truths[_SPREAD * LANES + lane] = 2.0 / n[which]
        truths[_J * LANES + lane] = terms[which, 0]
        truths[_A * LANES + lane], truths[_B * LANES + lane] = terms[which, 1], terms[which, 2]
    for lane in range(lanes):
        variance = truths[_WITHIN * LANES + lane] + truths[_SPREAD * LANES + lane]
        truths[_SPREAD * LANES + lane] = math.sqrt(variance)


@inner
def _look_up(tables, lanes, truths, work, at, places):
    # 1/s, by itself: so the loops before and after it are vectorised.
    lanes, at = from_front(lanes), from_front(at)
    for lane in range(lanes):
        which = np.int32(truths[_SIZE * LANES + lane])
        start, beyond = place(which, work[at + VARIANCE * LANES + lane])
        places[lane], work[at + VARIANCE * LANES + lane] = start, beyond
    for lane in range(lanes):
        beyond = work[at + VARIANCE * LANES + lane]
        work[at + WEIGHT * LANES + lane] = value_at(tables, places[lane], beyond)


@inner
def _effects(common, lanes, truths, work, at):
    common, lanes, at = from_front(common), from_front(lanes), from_front(at)
    for lane in range(lanes):
        deviation = (
            truths[_COMMON * LANES + lane] * truths[common + lane]
            + truths[_SPREAD * LANES + lane] * work[at + EFFECT * LANES + lane]
        )
        factor = truths[_J * LANES + lane] * work[at + WEIGHT * LANES + lane]
        work[at + EFFECT * LANES + lane], work[at + VARIANCE * LANES + lane] = effect(
            truths[TRUE_MU * LANES + lane], deviation, factor,
            truths[_A * LANES + lane], truths[_B * LANES + lane],
        )  # fmt: skip
