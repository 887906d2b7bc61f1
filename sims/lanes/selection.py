"""The three-parameter selection model of many syntheses: `sims.selection_models` over lanes.

Nearly all time goes to values of the likelihood. The grid of starts is looked at for a block of
syntheses at once. Climbs take as many steps as they need: each lane holds one climb of one
synthesis, all lanes take a step together, and a lane whose climb has ended takes the next one.
What a lane does depends on no other.
"""

import math

import numpy as np

from sims.kernels import inner, kernel
from sims.lanes import LANES
from sims.lanes.selection_block import (
    BEST,
    LOG_WEIGHT,
    MEAN,
    MU,
    N_ROWS,
    SPREAD,
    STUDIES,
    TAU2,
    look,
    set_studies,
    slopes,
)
from sims.lanes.selection_starts import lay_out_starts
from sims.selection_climbs import (
    ARRIVED,
    Climb,
    advance,
    begin,
    found_by,
    near_data,
    on_the_hill,
)
from sims.selection_models import step_estimate
from sims.selection_step import CUT, Slopes, n_climbs

_N_CLIMB = 21  # numbers of a `Climb`


@inner
def _stored(climbs, lane):
    x = climbs[lane]
    at = Slopes(x[3], x[4], x[5], x[6], x[7], x[8], x[9], x[10], x[11], x[12])
    return Climb(
        x[0], x[1], x[2], at, x[13], x[14], x[15], x[16], x[17], x[18], x[19], x[20]
    )  # fmt: skip


@inner
def _store(climbs, lane, climb):
    x, at = climbs[lane], climb.at
    x[0], x[1], x[2] = climb.mu, climb.tau2, climb.log_weight
    x[3], x[4], x[5], x[6], x[7], x[8], x[9], x[10], x[11], x[12] = at
    x[13], x[14], x[15] = climb.next_mu, climb.next_tau2, climb.next_log_weight
    x[16], x[17], x[18] = climb.gain, climb.damping, climb.steps
    x[19], x[20] = climb.halvings, climb.status


@inner
def _climb_all(work, yi, vi, rows, starts, climbs, before, ended):
    # One climb for each of `rows`. starts: (n, 3) mu, tau2, log weight; before, ended: (n,
    # _N_CLIMB), the best climbs before, and those that end here.
    k, n = yi.shape[1], len(starts)
    taken, going = 0, 0
    jobs = climbs[LANES]  # whose climb each lane holds; -1: none
    for lane in range(LANES):
        jobs[lane] = -1.0
    while True:
        for lane in range(LANES):
            if jobs[lane] < 0.0 and taken < n:
                start = starts[taken]
                set_studies(work, lane, yi, vi, rows[taken])
                _store(climbs, lane, begin(start[0], start[1], start[2]))
                work[MU * LANES + lane], work[TAU2 * LANES + lane] = start[0], start[1]
                work[LOG_WEIGHT * LANES + lane] = start[2]
                jobs[lane] = taken
                taken += 1
                going += 1
        if going == 0:
            return
        look(work, k)
        for lane in range(LANES):
            if jobs[lane] < 0.0:
                continue
            job = int(jobs[lane])
            climb = advance(_stored(climbs, lane), slopes(work, k, lane), True, True)
            if on_the_hill(climb, found_by(_stored(before, job))):
                climb = _stored(before, job)
            if climb.status < ARRIVED:
                _store(climbs, lane, climb)
                work[MU * LANES + lane] = climb.next_mu
                work[TAU2 * LANES + lane] = climb.next_tau2
                work[LOG_WEIGHT * LANES + lane] = climb.next_log_weight
            else:
                _store(ended, job, climb)
                jobs[lane] = -1.0
                going -= 1


@kernel
def step_models(yi, vi, truth, out):
    """`sims.selection_models.by_likelihood` of the three-parameter model for each row of yi, vi.

    yi, vi: (m, k); truth: (m,); out: (m, 9) fields of `Corrected`, whatever the other rows are.
    From a coarser grid and by fewer climbs: see `sims.selection_step` for how rarely a higher
    maximum is missed. A maximum that both find is the same to 1e-11 of the log-likelihood.
    """
    m, k = yi.shape
    out[:] = math.nan
    rows, n = np.empty(m, dtype=np.int64), 0
    for r in range(m):
        out[r, 4] = 0.0
        n_below = 0
        for i in range(k):
            n_below += yi[r, i] < CUT * math.sqrt(vi[r, i])
        # Not estimated unless both sides of the cut have studies.
        if k >= 3 and 0 < n_below < k:
            rows[n] = r
            n += 1
    work = np.ones((STUDIES + N_ROWS * k) * LANES)
    climbs_each = n_climbs(k)
    starts, grids = np.empty((climbs_each, n, 3)), np.empty((n, 2))
    for first in range(0, n, LANES):
        last = min(n, first + LANES)
        for lane in range(LANES):
            set_studies(work, lane, yi, vi, rows[min(first + lane, last - 1)])
        lay_out_starts(work, k)
        for j in range(first, last):
            lane = j - first
            grids[j, 0] = work[MEAN * LANES + lane]
            grids[j, 1] = work[SPREAD * LANES + lane]
            for which in range(climbs_each):
                for x in range(3):
                    starts[which, j, x] = work[(BEST + 4 * which + 1 + x) * LANES + lane]
    best, ended = np.full((n, _N_CLIMB), math.nan), np.empty((n, _N_CLIMB))
    climbs = np.empty((LANES + 1, max(_N_CLIMB, LANES)))
    for which in range(climbs_each):
        _climb_all(work, yi, vi, rows, starts[which], climbs, best, ended)
        for j in range(n):
            one, other = found_by(_stored(best, j)), found_by(_stored(ended, j))
            if one.ok == 0.0 or (other.ok == 1.0 and other.value > one.value):
                best[j] = ended[j]
    for j in range(n):
        found = near_data(found_by(_stored(best, j)), grids[j, 0], grids[j, 1])
        estimate = step_estimate(found, truth[rows[j]])
        row = out[rows[j]]
        row[0], row[1], row[2], row[3], row[4] = estimate[:5]
        row[5], row[6], row[7], row[8] = estimate[5:]
