"""Syntheses over blocks of replicates, pooled by DerSimonian-Laird."""

import math

import numpy as np

from sims.kernels import entry, kernel
from sims.lanes import LANES
from sims.streams import draw_uniform, open_stream, stream_key
from sims.syntheses import draw_synthesis, effect

N_STATISTICS = 5  # columns of a result: mu, se, tau2, QE, I2, as in types.Synthesis
# A block's memory: rows of LANES. First these, then six rows for each study.
_SUM_W, _SUM_W2, _SUM_WY, _CENTRE, _Q, _TAU2, _MU, _U, _TAU, _MU_BEFORE, _MISS_BEFORE, _N_SLOTS = (
    range(12)
)
_DEVIATION, _FACTOR, _A, _B, _Y, _V, _N_ROWS = range(7)


@kernel
def _workspace(studies):
    k = studies.fixed.shape[0]
    # Lanes beyond the last replicate are pooled too: ones keep their arithmetic harmless.
    work = np.ones((_N_SLOTS + _N_ROWS * k) * LANES)
    effects = np.zeros(studies.cluster.max() + 1)
    return work, effects, np.zeros(2 * k), np.zeros(k, np.int64), np.zeros(N_STATISTICS * LANES)


@kernel
def _draw_block(key, first, lanes, box, studies, workspace):
    # Every stream starts with two uniforms for mu and tau, whether or not they are needed.
    work, effects, drawn, size, _ = workspace
    terms = studies.terms
    k = size.shape[0]
    deviation, factor = drawn[:k], drawn[k:]
    for lane in range(lanes):
        state = open_stream(key, np.uint64(first + lane))
        u, state = draw_uniform(state)
        u_tau, state = draw_uniform(state)
        tau = box[2] + u_tau * (box[3] - box[2])
        draw_synthesis(state, tau, studies, effects, deviation, factor, size)
        work[_U * LANES + lane], work[_TAU * LANES + lane] = u, tau
        work[_MU * LANES + lane] = box[0] + u * (box[1] - box[0])
        for i in range(k):
            at = (_N_SLOTS + _N_ROWS * i) * LANES + lane
            work[at + _DEVIATION * LANES], work[at + _FACTOR * LANES] = deviation[i], factor[i]
            work[at + _A * LANES], work[at + _B * LANES] = terms[size[i], 1], terms[size[i], 2]


@kernel
def _pool_block(k, work, out):
    # The formulas of sims.pooling.dersimonian_laird at work's mu; out: (N_STATISTICS * LANES).
    for slot in (_SUM_W, _SUM_W2, _SUM_WY, _Q):
        for lane in range(LANES):
            work[slot * LANES + lane] = 0.0
    for i in range(k):
        row = (_N_SLOTS + _N_ROWS * i) * LANES
        for lane in range(LANES):
            g, v = effect(
                work[_MU * LANES + lane],
                work[row + _DEVIATION * LANES + lane],
                work[row + _FACTOR * LANES + lane],
                work[row + _A * LANES + lane],
                work[row + _B * LANES + lane],
            )
            w = 1.0 / v
            work[row + _Y * LANES + lane], work[row + _V * LANES + lane] = g, v
            work[_SUM_W * LANES + lane] += w
            work[_SUM_W2 * LANES + lane] += w * w
            work[_SUM_WY * LANES + lane] += w * g
    for lane in range(LANES):
        work[_CENTRE * LANES + lane] = work[_SUM_WY * LANES + lane] / work[_SUM_W * LANES + lane]
    for i in range(k):
        row = (_N_SLOTS + _N_ROWS * i) * LANES
        for lane in range(LANES):
            away = work[row + _Y * LANES + lane] - work[_CENTRE * LANES + lane]
            work[_Q * LANES + lane] += away * away / work[row + _V * LANES + lane]
    for lane in range(LANES):
        sum_w = work[_SUM_W * LANES + lane]
        excess = max(0.0, work[_Q * LANES + lane] - (k - 1.0))
        work[_TAU2 * LANES + lane] = excess / (sum_w - work[_SUM_W2 * LANES + lane] / sum_w)
        work[_SUM_W * LANES + lane] = 0.0
        work[_SUM_WY * LANES + lane] = 0.0
    for i in range(k):
        row = (_N_SLOTS + _N_ROWS * i) * LANES
        for lane in range(LANES):
            w = 1.0 / (work[row + _V * LANES + lane] + work[_TAU2 * LANES + lane])
            work[_SUM_W * LANES + lane] += w
            work[_SUM_WY * LANES + lane] += w * work[row + _Y * LANES + lane]
    for lane in range(LANES):
        sum_w, q = work[_SUM_W * LANES + lane], work[_Q * LANES + lane]
        out[lane] = work[_SUM_WY * LANES + lane] / sum_w
        out[LANES + lane] = 1.0 / math.sqrt(sum_w)
        out[2 * LANES + lane] = work[_TAU2 * LANES + lane]
        out[3 * LANES + lane] = q
        out[4 * LANES + lane] = 100.0 * max(0.0, q - (k - 1.0)) / q


@kernel
def _place_mu(k, work, out, target, window):
    """Put mu near where the pooled effect is `target`, uniform within +-window of that place.

    Only there can a replicate reproduce the publication. The window has the same width for
    every replicate, so accepted mu are distributed as under a uniform prior. Secant steps.
    """
    for lane in range(LANES):
        work[_MU * LANES + lane] = target
    for step in range(4):
        _pool_block(k, work, out)
        for lane in range(LANES):
            mu, miss = work[_MU * LANES + lane], out[lane] - target
            slope = 1.0
            if step > 0:
                moved = mu - work[_MU_BEFORE * LANES + lane]
                rise = miss - work[_MISS_BEFORE * LANES + lane]
                slope = min(max(rise / moved, 0.3), 3.0) if moved != 0.0 else 1.0
            work[_MU_BEFORE * LANES + lane], work[_MISS_BEFORE * LANES + lane] = mu, miss
            work[_MU * LANES + lane] = mu - miss / slope
    for lane in range(LANES):
        work[_MU_BEFORE * LANES + lane] = work[_MU * LANES + lane]
        work[_MU * LANES + lane] += window * (2.0 * work[_U * LANES + lane] - 1.0)


@entry
def pool_syntheses(seed, scenario, first, box, studies, out):
    """Pooled numbers of replicates first, first + 1, ..., one row of `out` (count, 5) each.

    box = (mu_low, mu_high, tau_low, tau_high): mu and tau are uniform on it; a point is a box.
    """
    key = stream_key(seed, scenario)
    workspace = _workspace(studies)
    work, pooled = workspace[0], workspace[4]
    k = studies.fixed.shape[0]
    for start in range(0, out.shape[0], LANES):
        lanes = min(LANES, out.shape[0] - start)
        _draw_block(key, first + start, lanes, box, studies, workspace)
        _pool_block(k, work, pooled)
        for lane in range(lanes):
            for s in range(N_STATISTICS):
                out[start + lane, s] = pooled[s * LANES + lane]


@entry
def match_syntheses(
    seed, scenario, first, count, box, studies, target, window,
    low, high, critical, replicates, found,
):  # fmt: skip
    """Which of `count` replicates reproduce a publication; returns how many.

    mu is placed within `window` of where the pooled effect is `target`, and must lie in the box;
    tau is uniform on the box. A replicate matches if mu, se, tau2, QE, I2 and the interval's
    ends mu -+ critical * se, in this order, lie within low <= x <= high (7,). Numbers of the
    matching replicates go to `replicates`; their mu, tau and place in the window (-1 to 1) to
    `found` (count, 3).
    """
    key = stream_key(seed, scenario)
    workspace = _workspace(studies)
    work, pooled = workspace[0], workspace[4]
    k = studies.fixed.shape[0]
    n_matches = 0
    for start in range(0, count, LANES):
        lanes = min(LANES, count - start)
        _draw_block(key, first + start, lanes, box, studies, workspace)
        _place_mu(k, work, pooled, target, window)
        _pool_block(k, work, pooled)
        for lane in range(lanes):
            mu = work[_MU * LANES + lane]
            half = critical * pooled[LANES + lane]
            inside = box[0] <= mu <= box[1]
            inside = inside and low[5] <= pooled[lane] - half <= high[5]
            inside = inside and low[6] <= pooled[lane] + half <= high[6]
            for s in range(N_STATISTICS):
                inside = inside and low[s] <= pooled[s * LANES + lane] <= high[s]
            if inside:
                replicates[n_matches] = first + start + lane
                found[n_matches, 0], found[n_matches, 1] = mu, work[_TAU * LANES + lane]
                found[n_matches, 2] = (mu - work[_MU_BEFORE * LANES + lane]) / window
                n_matches += 1
    return n_matches


@entry
def studies_of_replicates(seed, scenario, replicates, mu, box, studies, yi, vi, ni):
    """Draw again the studies of single replicates at their mu: yi, vi, ni (n_replicates, k)."""
    key = stream_key(seed, scenario)
    workspace = _workspace(studies)
    work, size = workspace[0], workspace[3]
    n, terms = studies.n, studies.terms
    for r in range(replicates.shape[0]):
        _draw_block(key, replicates[r], 1, box, studies, workspace)
        for i in range(size.shape[0]):
            row = (_N_SLOTS + _N_ROWS * i) * LANES
            a, b = terms[size[i], 1], terms[size[i], 2]
            yi[r, i], vi[r, i] = effect(
                mu[r], work[row + _DEVIATION * LANES], work[row + _FACTOR * LANES], a, b
            )
            ni[r, i] = n[size[i]]
