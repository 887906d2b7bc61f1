"""Trials of decay as kernels take them: covariance, losses, contrast and critical values."""

import numpy as np
from scipy.special import fdtri, ndtr, ndtri, stdtrit

from sims.decay import half_life_grid
from sims.engine import Runner, run_tally
from sims.lanes.decay import (
    ANALYSES,
    N_SUMS,
    TABLE_INTERVALS,
    Criticals,
    Trial,
    Truths,
    new_memory,
    tally_fitted_trials,
    tally_trials,
)
from sims.longitudinal import covariance
from sims.longitudinal_reml import AR1, CS
from sims.streams import scenario_key
from sims.tables import fit_table
from sims.tally import KernelTally

FITTED = ("reml", "monotone")  # analyses that animals may be lost from
# A replicate takes a thousand times as long as drawing two normals: chunks are small.
CUT = {"chunk": 500, "chunks_per_task": 1}
_LATTICE, _NEWTON = 1 << 14, 8  # points, and steps, of the places of losses by response
_SCORES: dict[tuple[bytes, bytes], np.ndarray] = {}  # of designs that were run
_MOST_SCORES = 1000
_LARGEST_F = 1e12  # in place of a critical value that does not exist


def f_quantile(p: float, df1: float, df2):
    """Upper quantile of F: P(F > quantile) = p. Broadcasts over df2."""
    return fdtri(df1, df2, 1.0 - p)


def make_trial(
    times,
    rho: float,
    contrast,
    *,
    kind: str = "cs",
    error: float = 0.0,
    fitted: str | None = None,
    analysis: str = "contrast",
    cv: float = 0.0,
    dropout: float = 0.0,
    response: bool = False,
    margin: float = 0.0,
    widest: float = 2.0,
    curved: bool = False,
) -> Trial:
    """A trial on the days `times`, for kernels.

    dropout: share of control animals lost by the last day, at a constant rate; response: whether
    the loss depends on the last measurement; fitted: the covariance that REML assumes, `kind` if
    None; the others: see `sims.lanes.decay.Trial`.

    Raises
    ------
    ValueError : a correlation out of range, or losses that `analysis` has no use for.
    """
    t = np.asarray(times, dtype=float)
    cohorts = analysis == "cohorts"
    sigma = np.eye(len(t)) if cohorts else covariance(t, rho, kind, error)
    if dropout > 0.0 and analysis not in FITTED:
        raise ValueError(f"losses need one of the analyses {', '.join(FITTED)}")
    hazard = np.zeros(len(t))
    if len(t) > 1:
        share = np.diff(t) / (t[-1] - t[0])
        hazard[1:] = 1.0 - (1.0 - dropout) ** share
        log_half_lives, scan = half_life_grid(t)
    else:
        log_half_lives, scan = np.zeros(1), np.ones((3, 1))
    factor = np.linalg.cholesky(sigma)
    return Trial(
        times=t, factor=factor, cv=float(cv), separate=int(cohorts),
        hazard=hazard, score=_kept_scores(hazard, factor) if response else np.zeros(len(t)),
        response=int(response), analysis=ANALYSES[analysis],
        kind=CS if (fitted or kind) == "cs" else AR1, error=float(error),
        contrast=np.asarray(contrast, dtype=float), margin=float(margin), widest=float(widest),
        curved=int(curved), log_half_lives=log_half_lives, scan=scan,
    )  # fmt: skip


def _kept_scores(hazard: np.ndarray, factor: np.ndarray) -> np.ndarray:
    # A design is run many times, and its scores take longer than many a run.
    key = (hazard.tobytes(), factor.tobytes())
    if key not in _SCORES:
        if len(_SCORES) >= _MOST_SCORES:
            _SCORES.clear()
        _SCORES[key] = _scores(hazard, factor)
    return _SCORES[key]


def _scores(hazard: np.ndarray, factor: np.ndarray) -> np.ndarray:
    """Places (m,) on the scale of the last measurement by which controls are lost at `hazard`.

    An animal is lost before day j with the chance Phi(score_j - y_{j-1}). Controls that are still
    there have more relief than those that were lost, so each score is solved for among them: on
    a lattice of 2^14 points of the normal measurements (Niederreiter 1992,
    doi:10.1137/1.9781611970081, ch. 5, additive recurrence), weighted by the chance to be left.
    """
    m = len(hazard)
    score = np.full(m, -np.inf)
    if m < 2 or not hazard.max() > 0.0:
        return score
    golden = 1.5
    for _ in range(60):  # the root of x^m = x + 1: its powers spread best in m - 1 dimensions
        golden = (1.0 + golden) ** (1.0 / m)
    steps = golden ** -np.arange(1.0, m)
    places = (0.5 + np.arange(1, _LATTICE + 1)[:, None] * steps) % 1.0
    y = ndtri(places) @ factor[: m - 1, : m - 1].T
    left = np.ones(_LATTICE)
    for j in range(1, m):
        own = np.sqrt(2.0) * float(ndtri(hazard[j]))  # exact on the second day
        for _ in range(_NEWTON):
            away = own - y[:, j - 1]
            excess = float(left @ ndtr(away)) / left.sum() - hazard[j]
            slope = float(left @ np.exp(-0.5 * away * away)) / left.sum() / np.sqrt(2.0 * np.pi)
            own -= excess / slope
        score[j] = own
        left *= ndtr(y[:, j - 1] - own)
    return score


def degrees_of_freedom(analysis: str, n1: int, n2: int, m: int) -> float:
    """Of the contrast's t on complete data."""
    per_day = n1 + n2 - 2.0
    return {"contrast": per_day, "cs-pooled": per_day * (m - 1), "cohorts": per_day * m}[analysis]


def make_criticals(
    trial: Trial,
    sizes: np.ndarray,
    *,
    upper: float | None,
    lower: float | None,
    both: float,
    level: float,
) -> Criticals:
    """Critical values of a trial's tests, for each size (treated, control) and number of df.

    upper, lower, both: upper-tail probabilities of the critical t, None: that side is not tested;
    level: of the half-life's interval (two-sided) and of the lack of fit.
    """
    m = len(trial.times)
    analysis = next(name for name, code in ANALYSES.items() if code == trial.analysis)

    def tails(df):
        yield np.full(np.shape(df), np.inf) if upper is None else -stdtrit(df, upper)
        yield np.full(np.shape(df), -np.inf) if lower is None else stdtrit(df, lower)
        yield -stdtrit(df, both)

    def misfit(df):
        if m < 3:
            return np.full(np.shape(df), _LARGEST_F)
        return np.minimum((m - 2) * f_quantile(level, m - 2, df), _LARGEST_F)

    def profile(nu):
        # Shrink and quantile of the half-life's profile, and the misfit that is significant,
        # where the covariance of all days has nu degrees of freedom.
        if nu < m:
            return np.nan, np.nan, np.nan
        quantile = nu / (nu - m + 2.0) * f_quantile(level, 1.0, nu - m + 2.0)
        return 1.0 / nu, quantile, nu / (nu - m + 3.0) * misfit(nu - m + 3.0)

    values = np.full((len(sizes), 6), np.nan)
    if analysis not in FITTED:
        for i, (n1, n2) in enumerate(sizes):
            df = degrees_of_freedom(analysis, n1, n2, m)
            values[i, :3] = list(tails(df))
            if analysis == "cohorts":
                values[i, 3:] = 0.0, f_quantile(level, 1.0, df), misfit(df)
            else:
                values[i, 3:] = profile(n1 + n2 - 2.0)
        return Criticals(values, np.zeros((5, 1, 1)))
    if analysis == "monotone":
        values = np.full((int(np.sum(sizes, axis=1).max()) - 1, 6), np.nan)
        for nu in range(len(values)):
            values[nu, :3] = list(tails(float(nu))) if nu > 0 else np.nan
            values[nu, 3:] = profile(float(nu))
        return Criticals(values, np.zeros((5, 1, 1)))
    functions = [
        *(lambda x, k=k: np.asarray(list(tails(1.0 / x))[k]) for k in range(3)),
        lambda x: f_quantile(level, 1.0, 1.0 / x),
        lambda x: misfit(1.0 / x),
    ]
    tables = [_table(function) for function in functions]
    return Criticals(values, np.stack(tables))


def _table(function) -> np.ndarray:
    if not np.isfinite(function(np.array([0.5]))).all():
        # A side that is not tested: the same infinity everywhere.
        table = np.zeros((TABLE_INTERVALS, 7))
        table[:, 0] = function(np.array([0.5]))[0]
        return table
    return fit_table(function, 0.0, 1.0, TABLE_INTERVALS)


def add_trials(
    seed, scenario, first, count, truths, trial, sizes, criticals, out
) -> None:  # fmt: skip
    """Add the sums of replicates first..first+count-1 to `out`, by the kernel that trials need."""
    fitted = trial.analysis in [ANALYSES[name] for name in FITTED]
    kernel = tally_fitted_trials if fitted else tally_trials
    kernel(seed, scenario, first, count, truths, trial, sizes, criticals, new_memory(trial), out)


def trial_tally(
    trial: Trial,
    truths: Truths,
    sizes: np.ndarray,
    criticals: Criticals,
    seed: int,
    *words: object,
) -> KernelTally:
    """The tally of a trial, its random numbers named by `words`; sums are (sizes, N_SUMS)."""
    sizes = np.ascontiguousarray(sizes, dtype=np.int64)
    # One layout of every array, so that kernels are compiled once.
    truths = Truths(*(np.array(x, dtype=float, order="C") for x in truths))
    return KernelTally(add_trials, seed, scenario_key(*words), truths, trial, sizes, criticals)


def run_trials(
    trial: Trial,
    truths: Truths,
    sizes: np.ndarray,
    criticals: Criticals,
    n_sim: int,
    seed: int,
    scenario: str,
    jobs: int = 1,
    run: Runner = run_tally,
) -> np.ndarray:
    """Sums (sizes, N_SUMS) over n_sim replicates, see `sims.lanes.decay.SUMS`."""
    tally = trial_tally(trial, truths, sizes, criticals, seed, scenario)
    return run(tally, n_sim, (len(sizes), N_SUMS), jobs, **CUT)
