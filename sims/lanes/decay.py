"""Tallies of trials of decay, animal by animal, for many sizes on the same random numbers.

For everything that needs all daily differences and their covariance, loses animals, or pools a
variance over days; `sims.lanes.decay_contrasts` is the fast way to a single contrast.
"""

import math
from typing import NamedTuple

import numpy as np

from sims.decay import fit_half_life, invert_covariance
from sims.kernels import entry, kernel
from sims.lanes.decay_complete import summarize
from sims.longitudinal_monotone import MonotoneWork, fit_monotone, new_monotone_work
from sims.longitudinal_reml import (
    Moments,
    Workspace,
    add_animal,
    add_complete,
    clear,
    fit_reml,
    new_moments,
    new_workspace,
)
from sims.streams import draw_normal, draw_uniform, mix64, open_stream, stream_key
from sims.tables import evaluate

# Analyses of a trial: unstructured covariance of complete data; the random-intercept model's
# residual variance; separate animals each day, one variance; REML of the named covariance; REML of
# an unstructured covariance where animals are lost.
ANALYSES = {"contrast": 0, "cs-pooled": 1, "cohorts": 2, "reml": 3, "monotone": 4}
_MONOTONE = ANALYSES["monotone"]
SUMS = (
    "upper", "lower", "within", "short", "covered", "unbounded", "estimable", "log_error",
    "log_error_sq", "unfit", "failed",
)  # fmt: skip
N_SUMS = len(SUMS)
TABLE_INTERVALS = 64  # of critical values over 1 / df, for degrees of freedom that are estimated
_SQRT_HALF = math.sqrt(0.5)


class Truths(NamedTuple):
    """Equally likely truths: the laboratory's delta0 ~ N(delta0, tau^2), effects delta0 * curve.

    delta0, tau, half_life: (J,); curves: (J, m).
    """

    delta0: np.ndarray
    tau: np.ndarray
    half_life: np.ndarray
    curves: np.ndarray


class Trial(NamedTuple):
    """How animals are measured and lost, and what is asked of them.

    times: (m,) days; factor: (m, m) lower factor of an animal's covariance; cv: of individual
    responses; separate: 1 if each day has animals of its own; hazard: (m,) chance of being lost
    before day j; score: (m,) the same as a place on the scale of the last measurement, see
    `lost`, used if response is 1; analysis: see ANALYSES; kind, error: of `fit_reml`;
    contrast: (m,) weights of the days; margin: what it is tested against, or within; widest:
    upper / lower of a half-life's interval that still counts as short; curved: 1 if half-life and
    lack of fit are asked for; log_half_lives, scan: of `half_life_grid`.
    """

    times: np.ndarray
    factor: np.ndarray
    cv: float
    separate: int
    hazard: np.ndarray
    score: np.ndarray
    response: int
    analysis: int
    kind: int
    error: float
    contrast: np.ndarray
    margin: float
    widest: float
    curved: int
    log_half_lives: np.ndarray
    scan: np.ndarray


class Criticals(NamedTuple):
    """Critical values of the tests of one trial.

    values: (sizes, 6) of each size: upper and lower critical t; critical t of both equivalence
    tests; shrink and quantile of the half-life's profile; the misfit from which the lack of fit
    is significant; of the analysis "monotone" (1 + most df, 6), a row for each number of degrees
    of freedom of the last day. tables: (5, TABLE_INTERVALS, ...)
    of all but shrink over 1 / df, for degrees of freedom that are estimated.
    """

    values: np.ndarray
    tables: np.ndarray


class Memory(NamedTuple):
    """Scratch of a tally: made in Python, where making arrays takes no compiling."""

    moments: Moments
    work: Workspace
    difference: np.ndarray
    covariance: np.ndarray
    z: np.ndarray
    y: np.ndarray
    scratch: np.ndarray
    monotone: MonotoneWork


def new_memory(trial: Trial) -> Memory:
    """Scratch for one worker."""
    m = len(trial.times)
    scratch = np.zeros((3, max(m, len(trial.scan))))
    return Memory(new_moments(m), new_workspace(m), np.zeros(m), np.zeros((m, m)), np.zeros(m),
                  np.zeros(m), scratch, new_monotone_work(m))  # fmt: skip


@kernel
def lost(u, hazard, score, response, last):
    """Whether an animal is lost, from a uniform u: at random, or the sooner the less relief.

    With response 1 the chance is Phi(score - last); the scores of `sims.decay_trials` give the
    controls that are left the chance h on average.
    """
    if response == 1:
        return u < 0.5 * math.erfc((last - score) * _SQRT_HALF)
    return u < hazard


@kernel
def _draw_animal(state, trial, curve, delta0, z, y):
    # One animal's measurements y, by delta0 = 0 a control's; how many days it is seen.
    m = y.shape[0]
    cv, factor = trial.cv, trial.factor
    response = 0.0
    if cv > 0.0:
        response, state = draw_normal(state)
    for a in range(m):
        z[a], state = draw_normal(state)
    for a in range(m):
        if cv > 0.0 and trial.separate == 1 and a > 0:
            response, state = draw_normal(state)
        value = delta0 * curve[a] * (1.0 + cv * response)
        for b in range(a + 1):
            value += factor[a, b] * z[b]
        y[a] = value
    seen = m
    if trial.hazard[m - 1] > 0.0:
        for a in range(1, m):
            u, state = draw_uniform(state)
            if seen == m and lost(u, trial.hazard[a], trial.score[a], trial.response, y[a - 1]):
                seen = a
    return seen, state


@kernel
def _answer(trial, critical, variance, half_life, difference, covariance, work, scratch, out):
    # Add one replicate's answers at one size to `out`, in the order of SUMS.
    m = difference.shape[0]
    upper, lower, both, shrink, quantile, unfit = critical
    effect, se = 0.0, math.sqrt(variance)
    for a in range(m):
        effect += trial.contrast[a] * difference[a]
    t = (effect - trial.margin) / se
    out[0] += 1.0 if t > upper else 0.0
    out[1] += 1.0 if t < lower else 0.0
    out[2] += 1.0 if abs(effect) < trial.margin - both * se else 0.0
    if trial.curved == 0:
        return
    if not invert_covariance(covariance, work, work.information[0]):
        out[10] += 1.0
        return
    x = fit_half_life(
        trial.times, difference, work.information[0], shrink, quantile, trial.log_half_lives,
        trial.scan, scratch,
    )  # fmt: skip
    bounded = x.lower > 0.0 and x.upper < np.inf
    # Of a benefit: a laboratory in which the effect is reversed does not answer the question.
    short = bounded and x.upper < trial.widest * x.lower and x.effect > 0.0
    out[3] += 1.0 if short else 0.0
    out[4] += 1.0 if x.lower <= half_life <= x.upper else 0.0
    out[5] += 0.0 if bounded else 1.0
    if 0.0 < x.estimate < np.inf and 0.0 < half_life < np.inf:
        error = math.log2(x.estimate / half_life)
        out[6] += 1.0
        out[7] += error
        out[8] += error * error
    out[9] += 1.0 if x.misfit > unfit else 0.0


@kernel
def _start(key, key_control, replicate, truths, moments):
    # Streams of the treated and the control animals, and the laboratory: (delta0, truth).
    state = open_stream(key, np.uint64(replicate))
    control = open_stream(key_control, np.uint64(replicate))
    u, state = draw_uniform(state)
    z, state = draw_normal(state)
    j = int(u * truths.delta0.shape[0])
    clear(moments)
    return state, control, truths.delta0[j] + truths.tau[j] * z, j


@kernel
def _add_animals(state, trial, curve, delta0, group, before, after, z, y, moments):
    for _ in range(before, after):
        seen, state = _draw_animal(state, trial, curve, delta0, z, y)
        add_animal(moments, group, y, seen)
    return state


@kernel
def _add_complete(state, trial, curve, delta0, group, before, after, z, y, moments):
    # Where responses do not vary, an animal is added by its normals: see `_from_normals`.
    m = z.shape[0]
    for _ in range(before, after):
        if trial.cv == 0.0:
            for a in range(m):
                z[a], state = draw_normal(state)
            add_complete(moments, group, z)
        else:
            _, state = _draw_animal(state, trial, curve, delta0, z, y)
            add_complete(moments, group, y)
    return state


@kernel
def _critical(values):
    return values[0], values[1], values[2], values[3], values[4], values[5]


@kernel
def _critical_at(df, tables):
    # No `shrink`: the covariance is that of a model.
    place = min(1.0 / df, 1.0 - 1e-12) * TABLE_INTERVALS
    return (
        evaluate(tables, 0, place), evaluate(tables, 1, place), evaluate(tables, 2, place), 0.0,
        evaluate(tables, 3, place), evaluate(tables, 4, place),
    )  # fmt: skip


@entry
def tally_trials(seed, scenario, first, count, truths, trial, sizes, criticals, memory, out):
    """Add the sums of replicates first..first+count-1 to `out` (sizes, N_SUMS): complete data.

    sizes: (sizes, 2) treated and control animals, both ascending. A larger trial begins with the
    animals of the smaller ones; treated and control animals have streams of their own. memory:
    scratch of `new_memory`.
    """
    key, key_control = stream_key(seed, scenario), stream_key(seed, mix64(scenario))
    moments, work, difference, covariance, z, y, scratch, _ = memory
    for r in range(count):
        state, control, delta0, j = _start(key, key_control, first + r, truths, moments)
        n1, n2 = 0, 0
        for i in range(sizes.shape[0]):
            curve = truths.curves[j]
            state = _add_complete(state, trial, curve, delta0, 0, n1, sizes[i, 0], z, y, moments)
            control = _add_complete(control, trial, curve, 0.0, 1, n2, sizes[i, 1], z, y, moments)
            n1, n2 = sizes[i, 0], sizes[i, 1]
            half = work.information[1]
            variance = summarize(trial, moments, curve, delta0, difference, covariance, half)
            if not variance > 0.0:
                out[i, 10] += 1.0
                continue
            _answer(
                trial, _critical(criticals.values[i]), variance, truths.half_life[j], difference,
                covariance, work, scratch, out[i],
            )  # fmt: skip


@entry
def tally_fitted_trials(seed, scenario, first, count, truths, trial, sizes, criticals, memory, out):
    """As `tally_trials`, by REML: animals may be lost."""
    key, key_control = stream_key(seed, scenario), stream_key(seed, mix64(scenario))
    moments, work, difference, covariance, z, y, scratch, monotone = memory
    for r in range(count):
        state, control, delta0, j = _start(key, key_control, first + r, truths, moments)
        n1, n2 = 0, 0
        for i in range(sizes.shape[0]):
            curve = truths.curves[j]
            state = _add_animals(state, trial, curve, delta0, 0, n1, sizes[i, 0], z, y, moments)
            control = _add_animals(control, trial, curve, 0.0, 1, n2, sizes[i, 1], z, y, moments)
            n1, n2 = sizes[i, 0], sizes[i, 1]
            if trial.analysis == _MONOTONE:
                closed = fit_monotone(
                    moments, trial.contrast, difference, covariance, False, monotone
                )
                ok, variance, nu = closed.ok, closed.variance, closed.nu
                if trial.curved == 1 and nu < trial.times.shape[0]:
                    ok = 0.0  # no covariance of all days to weigh them by
            else:
                fit = fit_reml(
                    trial.kind, trial.error, trial.times, moments, trial.contrast, difference,
                    covariance, work,
                )  # fmt: skip
                ok, variance, nu = fit.ok, fit.variance, fit.df
            if ok == 0.0:
                out[i, 10] += 1.0
                continue
            if trial.analysis == _MONOTONE:
                critical = _critical(criticals.values[int(nu)])
            else:
                critical = _critical_at(nu, criticals.tables)
            _answer(
                trial, critical, variance, truths.half_life[j], difference, covariance, work,
                scratch, out[i],
            )  # fmt: skip


@entry
def draw_trial(seed, scenario, replicate, truths, trial, treated, control):
    """The animals of one replicate: treated (n1, m) and control (n2, m), NaN once lost.

    Returns the laboratory's delta0 and half-life.
    """
    state = open_stream(stream_key(seed, scenario), np.uint64(replicate))
    u, state = draw_uniform(state)
    z_lab, state = draw_normal(state)
    j = int(u * truths.delta0.shape[0])
    delta0 = truths.delta0[j] + truths.tau[j] * z_lab
    z, y = np.zeros(trial.times.shape[0]), np.zeros(trial.times.shape[0])
    for i in range(treated.shape[0]):
        seen, state = _draw_animal(state, trial, truths.curves[j], delta0, z, y)
        treated[i] = y
        treated[i, seen:] = np.nan
    state = open_stream(stream_key(seed, mix64(scenario)), np.uint64(replicate))
    for i in range(control.shape[0]):
        seen, state = _draw_animal(state, trial, truths.curves[j], 0.0, z, y)
        control[i] = y
        control[i, seen:] = np.nan
    return delta0, truths.half_life[j]
