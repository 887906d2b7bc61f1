"""Meta-analyses over blocks of replicates: new syntheses, and updates of given sets of studies.

The stream of a replicate starts with one uniform, which picks among equally likely truths, and
one normal, for the true effect of a further laboratory; then come the studies, one after the
other, as `sims.syntheses.draw_synthesis` draws them. What is drawn never depends on values, and
k studies are the first k of more (unless clusters share a part of tau^2: their common
deviations come first).
"""

import math

import numpy as np

from sims.kernels import entry, inner
from sims.lanes import LANES
from sims.lanes.draws import PICKED, TRUE_MU, TRUE_TAU2, draw_block, truth_workspace
from sims.lanes.pooling import (
    BETWEEN,
    HK,
    MU,
    N_RESULTS,
    OK,
    SE,
    from_front,
    pool_block,
    pooling_workspace,
    result_at,
    set_study,
    study,
)
from sims.normal import normal_below
from sims.pooling import interval_se
from sims.streams import stream_key

# Sums over replicates whose estimate converged. For each estimator: e = estimate - mu,
# d = estimated tau^2 - tau^2, with the truth of the replicate.
ESTIMATOR_SUMS = ("n_ok", "e", "e2", "e3", "e4", "d", "d2", "d3", "d4")
# In updates also, after them: the estimate minus that of the given set alone.
UPDATE_SUMS = ("shift", "shift_sq", "shift_abs")
# Then for each interval of each estimator. benefit, harm: it lies above 0, below 0; cover: it
# holds mu; pi_cover, pi_cover_sq: the chance that the prediction interval holds the effect of a
# further laboratory, and its square; pi_excludes_zero: it lies on one side of 0.
INTERVAL_SUMS = (
    "benefit", "harm", "cover", "width", "width_sq", "pi_cover", "pi_cover_sq", "pi_excludes_zero",
)  # fmt: skip
# In updates also: benefit, harm or neither is not what the given set alone says.
UPDATE_INTERVAL_SUMS = ("changed",)
_N_ESTIMATOR, _N_INTERVAL = len(ESTIMATOR_SUMS), len(INTERVAL_SUMS)
_N_UPDATE_ESTIMATOR = _N_ESTIMATOR + len(UPDATE_SUMS)
_N_UPDATE_INTERVAL = _N_INTERVAL + len(UPDATE_INTERVAL_SUMS)


def sums_shape(n_estimators: int, n_intervals: int, updates: bool = False) -> tuple[int, int]:
    """Shape of the sums of `tally_syntheses`, or of `tally_updates`."""
    own = _N_UPDATE_ESTIMATOR if updates else _N_ESTIMATOR
    each = _N_UPDATE_INTERVAL if updates else _N_INTERVAL
    return n_estimators, own + n_intervals * each


@inner
def _give_sets(lanes, set_y, set_v, truths, work):
    # The given studies of the set that each lane has picked, into the first places.
    for lane in range(lanes):
        which = int(truths[PICKED * LANES + lane])
        for i in range(set_y.shape[1]):
            set_study(work, i, lane, set_y[which, i], set_v[which, i])


@inner
def _add_estimates(work, estimator, lanes, truths, sums, at):
    lanes, at = from_front(lanes), from_front(at)
    mu, between, ok = (
        result_at(estimator, MU), result_at(estimator, BETWEEN), result_at(estimator, OK),
    )  # fmt: skip
    for lane in range(lanes):
        counts = work[ok + lane] > 0.0
        e = work[mu + lane] - truths[TRUE_MU * LANES + lane] if counts else 0.0
        d = work[between + lane] - truths[TRUE_TAU2 * LANES + lane] if counts else 0.0
        e2, d2 = e * e, d * d
        sums[at + lane] += 1.0 if counts else 0.0
        sums[at + LANES + lane] += e
        sums[at + 2 * LANES + lane] += e2
        sums[at + 3 * LANES + lane] += e2 * e
        sums[at + 4 * LANES + lane] += e2 * e2
        sums[at + 5 * LANES + lane] += d
        sums[at + 6 * LANES + lane] += d2
        sums[at + 7 * LANES + lane] += d2 * d
        sums[at + 8 * LANES + lane] += d2 * d2


@inner
def _add_intervals(work, estimator, interval, critical, critical_pi, lanes, truths, sums, at):
    # Comparisons with a bound that does not exist (NaN: hk of one study) are false.
    mu, ok = result_at(estimator, MU), result_at(estimator, OK)
    se, hk = result_at(estimator, SE), result_at(estimator, HK)
    lanes, at = from_front(lanes), from_front(at)
    for lane in range(lanes):
        counts = 1.0 if work[ok + lane] > 0.0 else 0.0
        centre = work[mu + lane]
        half = critical * interval_se(work[se + lane], work[hk + lane], interval)
        width = 2.0 * half if counts > 0.0 else 0.0
        away = abs(centre - truths[TRUE_MU * LANES + lane])
        sums[at + lane] += counts if centre - half > 0.0 else 0.0
        sums[at + LANES + lane] += counts if centre + half < 0.0 else 0.0
        sums[at + 2 * LANES + lane] += counts if away <= half else 0.0
        sums[at + 3 * LANES + lane] += width
        sums[at + 4 * LANES + lane] += width * width
    if critical_pi == critical_pi:
        _add_predictions(work, estimator, interval, critical_pi, lanes, truths, sums, at)


@inner
def _add_predictions(work, estimator, interval, critical, lanes, truths, sums, at):
    # A further laboratory's effect is N(mu, tau^2) and independent of the interval: the chance
    # that it lies inside is summed, instead of whether one that is drawn does (conditional Monte
    # Carlo: Asmussen & Glynn 2007, section V.4, doi:10.1007/978-0-387-69033-9).
    mu, between, ok = (
        result_at(estimator, MU), result_at(estimator, BETWEEN), result_at(estimator, OK),
    )  # fmt: skip
    se, hk = result_at(estimator, SE), result_at(estimator, HK)
    lanes, at = from_front(lanes), from_front(at)
    for lane in range(lanes):
        counts = 1.0 if work[ok + lane] > 0.0 else 0.0
        own_se = interval_se(work[se + lane], work[hk + lane], interval)
        half = critical * math.sqrt(own_se * own_se + work[between + lane])
        tau2 = truths[TRUE_TAU2 * LANES + lane]
        off = work[mu + lane] - truths[TRUE_MU * LANES + lane]
        per_sd = 1.0 / math.sqrt(tau2) if tau2 > 0.0 else 0.0
        inside = normal_below((off + half) * per_sd) - normal_below((off - half) * per_sd)
        certain = 1.0 if abs(off) <= half else 0.0
        inside = inside if tau2 > 0.0 else certain
        inside = inside * counts if half >= 0.0 else 0.0
        sums[at + 5 * LANES + lane] += inside
        sums[at + 6 * LANES + lane] += inside * inside
        sums[at + 7 * LANES + lane] += counts if abs(work[mu + lane]) > half else 0.0


@inner
def _keep_own(work, estimators, own):
    # Results of the given sets alone, before new studies join them.
    for estimator in estimators:
        at = result_at(estimator, MU)
        for i in range(N_RESULTS * LANES):
            own[at + i] = work[at + i]


@inner
def _side(centre, half):
    return (1.0 if centre - half > 0.0 else 0.0) - (1.0 if centre + half < 0.0 else 0.0)


@inner
def _add_shifts(work, own, estimator, lanes, sums, at):
    mu, ok = result_at(estimator, MU), result_at(estimator, OK)
    lanes, at = from_front(lanes), from_front(at)
    for lane in range(lanes):
        shift = work[mu + lane] - own[mu + lane] if work[ok + lane] > 0.0 else 0.0
        sums[at + lane] += shift
        sums[at + LANES + lane] += shift * shift
        sums[at + 2 * LANES + lane] += abs(shift)


@inner
def _add_changes(work, own, estimator, interval, critical, own_critical, lanes, sums, at):
    mu, se = result_at(estimator, MU), result_at(estimator, SE)
    hk, ok = result_at(estimator, HK), result_at(estimator, OK)
    lanes, at = from_front(lanes), from_front(at)
    for lane in range(lanes):
        half = critical * interval_se(work[se + lane], work[hk + lane], interval)
        own_half = own_critical * interval_se(own[se + lane], own[hk + lane], interval)
        same = _side(work[mu + lane], half) == _side(own[mu + lane], own_half)
        sums[at + lane] += 0.0 if same or work[ok + lane] == 0.0 else 1.0


@inner
def _total(sums, out):
    for e in range(out.shape[0]):
        for which in range(out.shape[1]):
            total = 0.0
            for lane in range(LANES):
                total += sums[(e * out.shape[1] + which) * LANES + lane]
            out[e, which] += total


@entry
def tally_syntheses(
    seed, scenario, first, count, mu, tau, studies, estimators, critical, out
):  # fmt: skip
    """Add the sums of replicates first..first+count-1 to `out`.

    mu, tau: (J,) equally likely truths; studies: `sims.types.Studies`; estimators: (E,) codes;
    critical: (I, 3), rows of an interval's code, its critical value and that of the prediction
    interval, estimate -+ critical * sqrt(se^2 + tau^2) with the interval's se (NaN: its sums are
    not wanted and stay 0); out: `sums_shape`, columns ESTIMATOR_SUMS, then INTERVAL_SUMS of each
    interval.
    """
    key = stream_key(seed, scenario)
    k, width = studies.fixed.shape[0], out.shape[1]
    work, truths = pooling_workspace(k), truth_workspace(studies)
    yi, vi = np.zeros(k), np.zeros(k)
    sums = np.zeros(out.size * LANES)
    for start in range(0, count, LANES):
        lanes = min(LANES, count - start)
        draw_block(key, first + start, lanes, mu, tau, studies, truths, 0, work)
        pool_block(work, k, estimators, yi, vi)
        for e in range(estimators.shape[0]):
            at = e * width * LANES
            _add_estimates(work, estimators[e], lanes, truths, sums, at)
            at += _N_ESTIMATOR * LANES
            for i in range(critical.shape[0]):
                _add_intervals(
                    work, estimators[e], int(critical[i, 0]), critical[i, 1], critical[i, 2],
                    lanes, truths, sums, at,
                )  # fmt: skip
                at += _N_INTERVAL * LANES
    _total(sums, out)


@entry
def tally_updates(
    seed, scenario, first, count, set_y, set_v, mu, tau, studies, estimators, critical, out
):
    """As `tally_syntheses`, for given sets of studies to which those of `studies` are added.

    set_y, set_v: (J, k), one of which each replicate picks; mu, tau: (J,) the truth of the new
    studies of each set; studies: m >= 0 new ones; critical: (I, 4), the fourth column the
    critical value of the interval of the k given studies alone; out: `sums_shape`, columns
    ESTIMATOR_SUMS, UPDATE_SUMS, then INTERVAL_SUMS and UPDATE_INTERVAL_SUMS of each interval.
    """
    key = stream_key(seed, scenario)
    n_given, width = set_y.shape[1], out.shape[1]
    k = n_given + studies.fixed.shape[0]
    work, truths = pooling_workspace(k), truth_workspace(studies)
    yi, vi = np.zeros(k), np.zeros(k)
    own = np.zeros(work.shape[0])
    sums = np.zeros(out.size * LANES)
    for start in range(0, count, LANES):
        lanes = min(LANES, count - start)
        draw_block(key, first + start, lanes, mu, tau, studies, truths, n_given, work)
        _give_sets(lanes, set_y, set_v, truths, work)
        pool_block(work, n_given, estimators, yi[:n_given], vi[:n_given])
        _keep_own(work, estimators, own)
        pool_block(work, k, estimators, yi, vi)
        for e in range(estimators.shape[0]):
            at = e * width * LANES
            _add_estimates(work, estimators[e], lanes, truths, sums, at)
            _add_shifts(work, own, estimators[e], lanes, sums, at + _N_ESTIMATOR * LANES)
            at += _N_UPDATE_ESTIMATOR * LANES
            for i in range(critical.shape[0]):
                code = int(critical[i, 0])
                _add_intervals(
                    work, estimators[e], code, critical[i, 1], critical[i, 2], lanes, truths,
                    sums, at,
                )  # fmt: skip
                _add_changes(
                    work, own, estimators[e], code, critical[i, 1], critical[i, 3], lanes, sums,
                    at + _N_INTERVAL * LANES,
                )  # fmt: skip
                at += _N_UPDATE_INTERVAL * LANES
    _total(sums, out)


@inner
def _keep_replicates(work, k, estimators, lanes, truths, row, truth, yi, vi, pooled):
    for lane in range(lanes):
        for which in range(truth.shape[1]):
            truth[row + lane, which] = truths[which * LANES + lane]
        for i in range(k):
            yi[row + lane, i], vi[row + lane, i] = study(work, i, lane)
        for e in range(estimators.shape[0]):
            for which in range(N_RESULTS):
                pooled[row + lane, e, which] = work[result_at(estimators[e], which) + lane]


@entry
def replicate_syntheses(
    seed, scenario, first, mu, tau, studies, estimators, truth, yi, vi, pooled
):  # fmt: skip
    """What happened in single replicates first, first + 1, ...: the oracle of the tallies.

    truth: (R, 4), mu, tau^2, the effect of a further laboratory and the number of the truth
    picked; yi, vi: (R, k); pooled: (R, E, N_RESULTS), rows of `sims.types.Pooled`.
    """
    key = stream_key(seed, scenario)
    k = studies.fixed.shape[0]
    work, truths = pooling_workspace(k), truth_workspace(studies)
    y, v = np.zeros(k), np.zeros(k)
    for start in range(0, yi.shape[0], LANES):
        lanes = min(LANES, yi.shape[0] - start)
        draw_block(key, first + start, lanes, mu, tau, studies, truths, 0, work)
        pool_block(work, k, estimators, y, v)
        _keep_replicates(work, k, estimators, lanes, truths, start, truth, yi, vi, pooled)


@entry
def replicate_updates(
    seed, scenario, first, set_y, set_v, mu, tau, studies, estimators, truth, yi, vi, pooled
):
    """As `replicate_syntheses`, for updates: yi, vi (R, k + m), the given studies first."""
    key = stream_key(seed, scenario)
    n_given = set_y.shape[1]
    k = n_given + studies.fixed.shape[0]
    work, truths = pooling_workspace(k), truth_workspace(studies)
    y, v = np.zeros(k), np.zeros(k)
    for start in range(0, yi.shape[0], LANES):
        lanes = min(LANES, yi.shape[0] - start)
        draw_block(key, first + start, lanes, mu, tau, studies, truths, n_given, work)
        _give_sets(lanes, set_y, set_v, truths, work)
        pool_block(work, k, estimators, y, v)
        _keep_replicates(work, k, estimators, lanes, truths, start, truth, yi, vi, pooled)
