"""Tallies of decay experiments: exact chances, single replicates analysed by numpy, prefixes."""

import math

import numpy as np
import pytest
from scipy import stats

from sims.chi import inverse_sd_tables
from sims.decay import GRID, curve, fit_half_life, half_life_grid
from sims.decay_trials import FITTED, make_criticals, make_trial, run_trials
from sims.exact import t_quantile
from sims.kernels import entry
from sims.lanes.decay import SUMS, Truths, draw_trial
from sims.lanes.decay_contrasts import tally_contrasts
from sims.longitudinal import (
    ContrastTest,
    contrast,
    contrast_chances,
    contrast_power,
    contrast_t,
    covariance,
    equivalence_chance,
    pooled_contrast_t,
)
from sims.longitudinal_monotone import fit_monotone, new_monotone_work
from sims.longitudinal_reml import fit_reml, moments_of, new_workspace
from sims.streams import scenario_key
from tests.sims.helpers import P_BINOMIAL, U, binomial_p

DAYS = (0.0, 7.0, 14.0, 24.0)
SIZES = np.array([(4, 4), (7, 9)])


@entry
def profile(times, difference, inverse, shrink, quantile, grid, curves, scratch):
    return fit_half_life(times, difference, inverse, shrink, quantile, grid, curves, scratch)


@entry
def reml(kind, times, moments, c, difference, matrix, work):
    return fit_reml(kind, 0.0, times, moments, c, difference, matrix, work)


@entry
def monotone(moments, c, difference, matrix, work):
    return fit_monotone(moments, c, difference, matrix, False, work)


def truths(delta0, tau=0.0, half_life=12.1, shape="exponential"):
    half_life = np.array([half_life])
    curves = curve(DAYS, half_life, shape)
    return Truths(np.array([delta0]), np.array([tau]), half_life, curves)


def criticals(trial, sizes=SIZES):
    return make_criticals(trial, sizes, upper=0.025, lower=0.025, both=0.05, level=0.05)


def profile_criticals(nu):
    """Of the half-life's profile and of the lack of fit on four days, nu degrees of freedom."""
    quantile = nu / (nu - 2) * stats.f.isf(0.05, 1, nu - 2)
    return quantile, 2 * nu / (nu - 1) * stats.f.isf(0.05, 2, nu - 1)


def named(row):
    return dict(zip(SUMS, row.tolist(), strict=True))


# Sufficient statistics ----------------------------------------------------------------------


@pytest.mark.parametrize("cv", [0.0, 0.4])
def test_counts_of_contrasts_are_their_exact_chances(cv):
    # seed 3, n_sim 40000; bound: two-sided binomial probability above 6e-5
    f, n_sim = curve(DAYS, 12.1), 40_000
    tests, dfs = [], []
    for n1, n2, margin, c in (
        (4, 4, 0.0, np.array([1.0, 0.0, 0.0, -1.0])), (7, 9, 0.3, np.array([0.0, 0.0, 0.0, 1.0])),
        (20, 20, 1.0, np.array([0.0, 0.0, 0.0, 1.0])),
    ):  # fmt: skip
        critical = float(t_quantile(0.025, n1 + n2 - 2.0))
        variance = float(c @ covariance(DAYS, 0.5) @ c)
        tests.append(ContrastTest(variance, n1, n2, n1 + n2 - 2.0, margin, critical, -critical,
                                  float(c @ f), cv))  # fmt: skip
        dfs += [n1 + n2 - 2] if cv == 0.0 else [n1 - 1, n2 - 1]
    out = np.zeros((3, 3))
    tables = inverse_sd_tables(np.array(dfs))
    per_test = len(dfs) // 3
    for i, test in enumerate(tests):
        own = np.ascontiguousarray(tables[per_test * i : per_test * (i + 1)])
        tally_contrasts(
            U(3), U(1), 0, n_sim, np.array([1.4]), np.array([0.5]), np.array([test.gain]),
            np.array([test], dtype=float), own, out[i : i + 1],
        )  # fmt: skip
    for row, test in zip(out, tests, strict=True):
        upper, lower = contrast_chances(test, 1.4, 0.5)
        assert binomial_p(row[0], n_sim, float(upper)) > P_BINOMIAL
        assert binomial_p(row[1], n_sim, float(lower)) > P_BINOMIAL
        if test.margin > 0.0:
            within = float(equivalence_chance(test, 1.4, 0.5))
            assert binomial_p(row[2], n_sim, within) > P_BINOMIAL


# Animals ------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["first-last", "optimal"])
@pytest.mark.parametrize("tau", [0.0, 0.5])
def test_counts_of_trials_are_the_noncentral_t(kind, tau):
    # seed 1, n_sim 8000
    sigma, f, n_sim = covariance(DAYS, 0.5), curve(DAYS, 12.1), 8000
    c = contrast(kind, DAYS, f, sigma)
    for analysis, times in (("contrast", 1.0), ("cs-pooled", 3.0)):
        trial = make_trial(DAYS, 0.5, c, analysis=analysis)
        sums = run_trials(trial, truths(1.0, tau), SIZES, criticals(trial), n_sim, 1, "test")
        for (n1, n2), row in zip(SIZES, sums, strict=True):
            exact = contrast_power(f, sigma, c, n1, n2, spread=tau * f, df=(n1 + n2 - 2.0) * times)
            assert binomial_p(row[0], n_sim, exact.upper) > P_BINOMIAL
            assert binomial_p(row[1], n_sim, exact.lower) > P_BINOMIAL


def test_separate_cohorts_have_one_variance():
    # seed 1, n_sim 8000: independent days, df m (n1 + n2 - 2)
    f, c, n_sim = curve(DAYS, 12.1), np.array([1.0, 0.0, 0.0, -1.0]), 8000
    trial = make_trial(DAYS, 0.5, c, analysis="cohorts", curved=True)
    sums = run_trials(trial, truths(1.0), SIZES, criticals(trial), n_sim, 1, "test")
    for (n1, n2), row in zip(SIZES, sums, strict=True):
        exact = contrast_power(f, np.eye(4), c, n1, n2, df=4.0 * (n1 + n2 - 2))
        assert binomial_p(row[0], n_sim, exact.upper) > P_BINOMIAL
        assert 0.93 < row[SUMS.index("covered")] / n_sim < 0.98


@pytest.mark.parametrize("analysis", ["contrast", "cs-pooled", "reml", "monotone"])
@pytest.mark.parametrize(("response", "cv"), [(False, 0.3), (True, 0.3), (False, 0.0)])
def test_tallies_are_single_replicates_analysed_by_numpy(analysis, response, cv):
    n_sim, c = 60, np.array([1.0, 0.0, 0.0, -1.0])
    dropout = 0.3 if analysis in FITTED else 0.0
    trial = make_trial(DAYS, 0.5, c, analysis=analysis, cv=cv, dropout=dropout,
                       response=response, curved=True)  # fmt: skip
    truth = truths(2.0, 0.7)
    limits = criticals(trial)
    sums = run_trials(trial, truth, SIZES, limits, n_sim, 7, "numpy")
    grid, curves = half_life_grid(DAYS)
    for (n1, n2), row in zip(SIZES, sums, strict=True):
        expected = dict.fromkeys(SUMS, 0.0)
        for r in range(n_sim):
            treated, control = np.zeros((n1, 4)), np.zeros((n2, 4))
            _, half_life = draw_trial(U(7), scenario_key("numpy"), r, truth, trial, treated,
                                      control)  # fmt: skip
            difference, matrix = np.zeros(4), np.zeros((4, 4))
            nu = n1 + n2 - 2
            if analysis == "reml":
                moments = moments_of(treated, control)
                fit = reml(0, np.array(DAYS), moments, c, difference, matrix, new_workspace(4))
                if fit.ok == 0.0:
                    expected["failed"] += 1.0
                    continue
                t = fit.estimate / math.sqrt(fit.variance)
                df, shrink = fit.df, 0.0
                quantile, unfit = stats.f.isf(0.05, 1, df), 2 * stats.f.isf(0.05, 2, df)
            elif analysis == "monotone":
                moments = moments_of(treated, control)
                fit = monotone(moments, c, difference, matrix, new_monotone_work(4))
                if fit.ok == 0.0 or fit.nu < 4:
                    expected["failed"] += 1.0
                    continue
                t, df, nu = fit.estimate / math.sqrt(fit.variance), fit.nu, fit.nu
                shrink, (quantile, unfit) = 1 / nu, profile_criticals(nu)
            else:
                test = contrast_t if analysis == "contrast" else pooled_contrast_t
                estimated = test(treated, control, c)
                t, df = estimated.estimate / estimated.se, estimated.df
                difference = treated.mean(axis=0) - control.mean(axis=0)
                away = [y - y.mean(axis=0) for y in (treated, control)]
                matrix = sum(a.T @ a for a in away) / nu * (1 / n1 + 1 / n2)
                shrink, (quantile, unfit) = 1 / nu, profile_criticals(nu)
            expected["upper"] += t > stats.t.isf(0.025, df)
            expected["lower"] += t < -stats.t.isf(0.025, df)
            x = profile(np.array(DAYS), difference, np.linalg.inv(matrix), shrink, quantile, grid,
                        curves, np.zeros((3, GRID + 2)))  # fmt: skip
            bounded = x.lower > 0.0 and math.isfinite(x.upper)
            expected["short"] += bounded and x.upper < 2.0 * x.lower and x.effect > 0.0
            expected["covered"] += x.lower <= half_life <= x.upper
            expected["unbounded"] += not bounded
            expected["unfit"] += x.misfit > unfit
            if 0.0 < x.estimate < math.inf:
                expected["estimable"] += 1.0
                expected["log_error"] += math.log2(x.estimate / half_life)
                expected["log_error_sq"] += math.log2(x.estimate / half_life) ** 2
        found = named(row)
        for name in SUMS:
            if name != "within":
                assert found[name] == pytest.approx(expected[name], rel=1e-6), name


@pytest.mark.parametrize("rho", [0.0, 0.5, 0.9])
def test_losses_are_those_asked_for(rho):
    # seed 2; 40000 controls; shares within 4 binomial SEs of what a constant rate loses
    c = np.array([1.0, 0.0, 0.0, -1.0])
    for response in (False, True):
        trial = make_trial(DAYS, rho, c, analysis="reml", dropout=0.3, response=response)
        treated, control = np.zeros((1, 4)), np.zeros((40_000, 4))
        draw_trial(U(2), U(9), 0, truths(5.0), trial, treated, control)
        lost = np.isnan(control).mean(axis=0)
        assert lost[0] == 0.0
        expected = 1.0 - 0.7 ** (np.array(DAYS) / 24.0)
        mcse = np.sqrt(expected * (1.0 - expected) / 40_000)
        assert np.all(np.abs(lost - expected) <= 4 * mcse)
        # those with less relief are lost sooner, or nobody is told apart
        first, gone = control[:, 0], np.isnan(control[:, 1])
        away = first[gone].mean() - first[~gone].mean()
        assert (away < -0.5) if response else (abs(away) < 0.1)


def test_more_replicates_and_more_sizes_begin_alike():
    c = np.array([1.0, 0.0, 0.0, -1.0])
    trial = make_trial(DAYS, 0.5, c, curved=True)
    many = np.array([(3, 3), (4, 4), (7, 9), (12, 12)])
    both = run_trials(trial, truths(2.0, 0.5), many, criticals(trial, many), 5000, 1, "p")
    some = run_trials(trial, truths(2.0, 0.5), SIZES, criticals(trial), 5000, 1, "p", jobs=2)
    assert both[1:3].tolist() == some.tolist()


PINNED = {
    "contrast": [
        [3, 0, 0, 1, 3, 1, 4, 0.4257563305252, 0.465003381518, 0, 0],
        [4, 0, 0, 1, 3, 0, 4, 0.2462587814295, 0.4408134903395, 0, 0],
    ],
    "cs-pooled": [
        [4, 0, 0, 1, 3, 1, 4, 0.4257563305252, 0.465003381518, 0, 0],
        [4, 0, 0, 1, 3, 0, 4, 0.2462587814295, 0.4408134903395, 0, 0],
    ],
    "cohorts": [
        [4, 0, 0, 0, 4, 0, 4, -0.3103406203399, 0.9798277006311, 1, 0],
        [4, 0, 0, 0, 3, 0, 4, 0.5827685544654, 1.238163786187, 2, 0],
    ],
    "reml": [
        [3, 0, 0, 0, 3, 0, 4, 2.134436319939, 1.652083094989, 0, 0],
        [4, 0, 0, 0, 3, 0, 4, 2.406298193746, 1.593428200572, 0, 0],
    ],
    "monotone": [
        [2, 0, 0, 0, 3, 2, 4, 2.945686087456, 4.261326969662, 0, 0],
        [4, 0, 0, 0, 3, 0, 4, 3.129925123512, 2.751965406604, 0, 0],
    ],
}

PINNED_CONTRASTS = {0.0: [5.0, 3.0, 1.0], 0.4: [5.0, 2.0, 1.0]}
PINNED_ANIMALS = [
    3.3128903267968144, 3.487184883233734, 2.7027353083387804, -99.0, -99.0, 1.2364351799449333,
    2.616681793509456, -99.0, -99.0, -0.5203861895027654, -0.7551451143237319, -99.0, -99.0,
    -2.077243589441435, -0.11229968362772491, 0.34624931391393976, -99.0,
]  # fmt: skip


@pytest.mark.nojit
@pytest.mark.parametrize("analysis", ["contrast", "cs-pooled", "cohorts", *FITTED])
def test_compiled_and_plain_trials_have_the_same_sums(analysis):
    # Seed 5, 4 replicates: made by the compiled kernels; this test also runs without compiler.
    lost = {"dropout": 0.2, "response": True} if analysis in FITTED else {}
    trial = make_trial(DAYS, 0.5, np.array([1.0, 0.0, 0.0, -1.0]), analysis=analysis, cv=0.3,
                       margin=0.5, curved=True, **lost)  # fmt: skip
    sizes = np.array([(5, 5), (6, 8)])
    sums = run_trials(trial, truths(4.0, 0.7), sizes, criticals(trial, sizes), 4, 5, "pin")
    assert sums == pytest.approx(np.array(PINNED[analysis]), rel=1e-9)


@pytest.mark.nojit
@pytest.mark.parametrize("cv", [0.0, 0.4])
def test_compiled_and_plain_contrasts_have_the_same_counts(cv):
    # Seed 5, 60 replicates: made by the compiled kernel; this test also runs without compiler.
    critical = float(t_quantile(0.025, 8.0))
    test = ContrastTest(1.0, 5.0, 5.0, 8.0, 1.0, critical, -critical, 0.5, cv)
    tables = inverse_sd_tables(np.array([8.0] if cv == 0.0 else [4.0, 4.0]))
    out = np.zeros((1, 3))
    truth = np.array([2.0, 6.0]), np.array([0.5, 1.0]), np.array([0.5, 0.2])
    tally_contrasts(U(5), U(1), 0, 60, *truth, np.array([test], dtype=float), tables, out)
    assert out.tolist() == [PINNED_CONTRASTS[cv]]


@pytest.mark.nojit
def test_compiled_and_plain_animals_are_the_same():
    # Seed 5: the first replicate's animals, by the compiled kernel.
    trial = make_trial(DAYS, 0.5, np.ones(4), analysis="monotone", cv=0.3, dropout=0.5)
    treated, control = np.zeros((2, 4)), np.zeros((2, 4))
    delta0, _ = draw_trial(U(5), U(2), 0, truths(4.0, 0.7), trial, treated, control)
    found = [delta0, *np.nan_to_num(treated.ravel(), nan=-99.0)]
    found += list(np.nan_to_num(control.ravel(), nan=-99.0))
    assert found == pytest.approx(PINNED_ANIMALS, rel=1e-12)


def test_impossible_trials_are_refused():
    with pytest.raises(ValueError, match="losses"):
        make_trial(DAYS, 0.5, np.ones(4), dropout=0.1)
    with pytest.raises(ValueError, match="rho"):
        make_trial(DAYS, 1.0, np.ones(4))
