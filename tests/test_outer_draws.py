"""Errors of averages over joint draws: against their spread when everything is drawn anew."""

import numpy as np

from planner.outer_draws import group_measures, lower_end
from planner.updates import between_sets
from sims.performance import mean, proportion
from tests.sims.helpers import MCSES

N_GROUPS, N_TRUTHS, REPS = 25, 500, 5000


def _one_run(rng):
    """Chances of 500 truths, 10 replicates each, in 25 groups: hits, sums and squares."""
    chance = rng.beta(2.0, 1.0, N_TRUTHS)
    hits = rng.binomial(REPS // N_TRUTHS, chance)
    values = chance + rng.normal(0.0, 0.1 / np.sqrt(REPS // N_TRUTHS), N_TRUTHS)
    total = values * (REPS // N_TRUTHS)
    square = values**2 * (REPS // N_TRUTHS)
    return np.stack([hits, total, square], axis=1).reshape(N_GROUPS, -1, 3).sum(axis=1)


def _measures(sums, reps):
    hits, total, square = sums
    return [(proportion("p", hits, reps), {}), (mean("m", total, square, reps), {})]


def test_the_error_holds_the_spread_of_truths_and_of_replicates() -> None:
    # Seed 1, 600 runs with truths and replicates of their own: the mean of the squared error is
    # the variance of the estimate, within 4 MCSE; the binomial error alone is far too small.
    rng = np.random.default_rng(1)
    counts = [REPS // N_GROUPS] * N_GROUPS
    runs = [group_measures(_measures, _one_run(rng), counts) for _ in range(600)]
    for which in (0, 1):
        values = np.array([run[which][0].value for run in runs])
        errors = np.array([run[which][0].mcse ** 2 for run in runs])
        away = (values - values.mean()) ** 2
        assert abs(errors.mean() - away.mean()) < MCSES * np.hypot(
            away.std(), errors.std()
        ) / np.sqrt(len(runs))
    binomial = np.array([run[0][0].value * (1.0 - run[0][0].value) / REPS for run in runs])
    assert errors.mean() > 0.0
    assert np.mean([run[0][0].mcse ** 2 for run in runs]) > 1.3 * binomial.mean()


def test_one_group_keeps_its_own_error() -> None:
    sums = np.array([[40.0, 60.0, 90.0]])
    [(share, _), _] = group_measures(_measures, sums, [100])
    assert share == proportion("p", 40, 100)


def test_groups_that_all_agree_are_not_certain() -> None:
    # 25 groups of 20 out of 20: no spread between them, and Wilson's interval of 500 of 500.
    sums = np.tile([20.0, 20.0, 20.0], (N_GROUPS, 1))
    [(share, _), _] = group_measures(_measures, sums, [20] * N_GROUPS)
    assert share == proportion("p", 500, 500)
    assert lower_end(share._asdict()) == share.ci_lb < 1.0
    # One that does not: neither end of the two intervals alone.
    sums[0, 0] = 19.0
    [(share, _), _] = group_measures(_measures, sums, [20] * N_GROUPS)
    assert lower_end(share._asdict()) == proportion("p", 499, 500).ci_lb < share.ci_lb
    # Groups that differ by more than chance: theirs.
    sums[:, 0] = np.where(np.arange(N_GROUPS) % 2, 20.0, 10.0)
    [(share, _), _] = group_measures(_measures, sums, [20] * N_GROUPS)
    assert lower_end(share._asdict()) == share.ci_lb < proportion("p", share.n_hit, 500).ci_lb


def test_variance_between_sets_is_without_bias() -> None:
    # Seed 2. Sets with chances c_s; 8 draws of each, whose own chances differ; replicates pick
    # draws with replacement. 400 runs: the mean estimate is var(c_s) within 4 MCSE, though draws
    # repeat and a plain analysis of variance would be three times too large.
    rng = np.random.default_rng(2)
    n_sets, n_draws, reps = 60, 8, 60 * 24
    found, true, naive = [], [], []
    for _ in range(400):
        centre = rng.uniform(0.4, 0.6, n_sets)
        # Each draw's chance is centre + noise of mean zero: the set's own chance is its centre.
        own = centre[:, None] + 0.3 * rng.choice([-1.0, 1.0], (n_sets, n_draws))
        draw = rng.integers(n_sets * n_draws, size=reps)
        hit = (rng.random(reps) < own.ravel()[draw]).astype(float)
        found.append(between_sets(draw // n_draws, draw, hit)[0])
        true.append(1.0 / 300.0)  # of a uniform of width 0.2
        n = np.bincount(draw // n_draws, minlength=n_sets)
        p = np.bincount(draw // n_draws, weights=hit, minlength=n_sets) / n
        naive.append(p.var() - np.mean(p * (1.0 - p) / (n - 1)))
    error = np.std(found) / np.sqrt(len(found))
    assert abs(np.mean(found) - np.mean(true)) < MCSES * error
    assert np.mean(naive) > 2.0 * np.mean(true)
