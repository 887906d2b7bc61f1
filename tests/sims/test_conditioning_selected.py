"""Truths under selection: the matched one inverts simulation, the joint one equals rejection."""

import numpy as np
import pytest

from sims.conditioning import I2, MU, Infeasible, Published, matched_truth
from sims.conditioning_selected import (
    joint_quantiles,
    joint_selected,
    match_selected,
    study_sets,
)
from sims.pooling import dersimonian_laird
from sims.selection import make_mechanism
from sims.selection_pooling import simulate_selected
from sims.selection_shares import attempts_cap
from sims.selection_tally import draw_published
from sims.syntheses import make_studies

STUDIES = make_studies(np.array([4, 7, 12]), np.array([0.3, 0.5, 0.2]), 6)
NONE, STEP = make_mechanism({}), make_mechanism({"step": 0.2})
N_SIM = 1 << 13


def _published(g: float, i2: float) -> Published:
    value, low, high = np.full(7, np.nan), np.full(7, -np.inf), np.full(7, np.inf)
    value[MU], value[I2] = g, i2
    return Published(value, low, high, I2)


def test_without_selection_it_is_the_matched_truth():
    published = _published(1.3, 66.0)
    before = matched_truth(STUDIES, published, 1 << 15, 1)
    found = match_selected(STUDIES, published, NONE, (1.2, 0.7), N_SIM, 2)
    assert found.status == "interior"
    assert abs(found.mu - before.mu) < 4.0 * np.hypot(found.mu_mcse, before.mu_mcse)
    assert abs(found.tau - before.tau) < 4.0 * np.hypot(found.tau_mcse, before.tau_mcse)


@pytest.mark.parametrize(
    "studies", [STUDIES, STUDIES._replace(share=0.5, cluster=np.arange(6) // 2)]
)
def test_the_matched_truth_publishes_the_numbers(studies):
    # Seed 3 finds it, seed 4 checks it: medians within 4 of their MCSEs.
    published = _published(1.3, 60.0)
    found = match_selected(studies, published, STEP, (1.3, 0.8), N_SIM, 3)
    rows = simulate_selected(studies, STEP, found.mu, found.tau, N_SIM, 4, "check", jobs=2)
    for column, printed in ((0, 1.3), (4, 60.0)):
        below = np.mean(rows[:, column] < printed)
        assert abs(below - 0.5) < 4.0 * 0.5 * np.sqrt(2.0 / N_SIM)
    assert found.mu < 1.1


def test_no_heterogeneity_is_a_boundary():
    found = match_selected(STUDIES, _published(0.8, 0.0), STEP, (0.8, 0.3), N_SIM, 5)
    assert (found.status, found.tau) == ("boundary", 0.0)
    with pytest.raises(Infeasible, match="published"):
        # Only significant benefits are published: none of them averages a harm.
        match_selected(STUDIES, _published(-1.5, 0.0), make_mechanism({"step": 0.0}),
                       (-1.5, 0.3), N_SIM, 5)  # fmt: skip


def _accepted(mechanism, prior, seed):
    """Sets of 3 studies that publish g between 0.9 and 1.1, and their true means: by rejection."""
    studies = make_studies(np.array([6, 9]), np.array([0.5, 0.5]), 3)
    grid = (np.arange(150) + 0.5) / 150
    mu = np.repeat(prior[0] + grid * (prior[1] - prior[0]), 40)
    tau = np.tile(prior[2] + (np.arange(40) + 0.5) / 40 * (prior[3] - prior[2]), 150)
    cap = attempts_cap(mechanism, studies, float(prior[0]), 0.0)
    yi, vi, ni, run, true = draw_published(studies, mechanism, mu, tau, cap, 120_000, seed, "abc")
    pooled = np.array([dersimonian_laird(y, v)[0] for y, v in zip(yi, vi, strict=True)])
    inside = (np.abs(pooled - 1.0) < 0.1) & (run > 0)
    return yi[inside], ni[inside] / 2.0, true[inside]


def test_the_joint_distribution_equals_rejection_under_selection():
    # Seeds 6 and 7, some 6000 and 5000 accepted sets. The posterior mean of mu from sets without
    # selection, weighted, against plain rejection under selection; bound 4 MCSEs of the latter
    # and of the effective number of sets.
    prior = np.array([-1.5, 3.0, 0.0, 1.5])
    yi, n, before = _accepted(NONE, prior, 6)
    _, _, expected = _accepted(STEP, prior, 7)
    j = 1.0 - 3.0 / (4.0 * (2.0 * n - 2.0) - 1.0)
    sets = study_sets((yi / j)[:2000], n[:2000], n[:2000], prior, 24, jobs=2)
    same = joint_selected(sets, NONE)
    assert same.effective == pytest.approx(len(sets.p))
    assert same.density.sum() == pytest.approx(1.0)
    sd = before.std()
    mean = float(same.density.sum(axis=1) @ same.mu)
    assert abs(mean - before.mean()) < 4.0 * sd / np.sqrt(2000)
    found = joint_selected(sets, STEP)
    mean = float(found.density.sum(axis=1) @ found.mu)
    bound = 4.0 * np.hypot(expected.std() / np.sqrt(len(expected)), sd / np.sqrt(found.effective))
    assert abs(mean - expected.mean()) < bound
    assert before.mean() - mean > 3.0 * bound / 4.0
    quantiles = joint_quantiles(found, np.array([0.25, 0.5, 0.75]))
    share = np.mean(expected[:, None] < quantiles[0], axis=0)
    np.testing.assert_allclose(share, [0.25, 0.5, 0.75], atol=0.06)
