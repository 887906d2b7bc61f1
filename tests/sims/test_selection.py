"""Small-study mechanisms: neutral ones change nothing, shares are integrals, raw data agree."""

import math
from itertools import pairwise

import numpy as np
import pytest
from scipy import integrate, stats

from sims.exact import t_quantile
from sims.kernels import entry
from sims.pooling import dersimonian_laird
from sims.selection import CARTER, make_mechanism, publication_probability
from sims.selection_shares import (
    Unpublishable,
    attempts_cap,
    by_integral,
    publication,
    share_published,
    unpublished_share,
)
from sims.selection_tally import bias_sums, draw_published, make_analyses
from sims.smallstudy_names import MECHANISMS, NEUTRAL, STRENGTHS
from sims.streams import draw_uniform, open_stream, scenario_key, stream_key
from sims.syntheses import draw_synthesis, effect, make_studies
from tests.sims.helpers import P_BINOMIAL, binomial_p, mcses_off

U = np.uint64
KEY = scenario_key("test")
N, P = np.array([4, 7, 12]), np.array([0.3, 0.5, 0.2])
STUDIES = make_studies(N, P, 6)
CLUSTERED = make_studies(N, P, 5, cluster=np.array([0, 0, 1, 2, 2]), share=0.6)
NONE = make_mechanism({})
BIG = 1_000_000


@entry
def _chances(p, mechanism, out):
    for i in range(len(p)):
        out[i] = publication_probability(p[i], mechanism.cuts, mechanism.weights, mechanism.carter)


@entry
def _plain(seed, scenario, mu, tau, studies, yi, vi, ni):
    """The studies of `draw_synthesis`, after one uniform."""
    key = stream_key(seed, scenario)
    k = studies.fixed.shape[0]
    effects, deviation, factor = np.zeros(studies.cluster.max() + 1), np.empty(k), np.empty(k)
    size = np.empty(k, np.int64)
    for r in range(yi.shape[0]):
        _, state = draw_uniform(open_stream(key, np.uint64(r)))
        draw_synthesis(state, tau, studies, effects, deviation, factor, size)
        for i in range(k):
            a, b = studies.terms[size[i], 1], studies.terms[size[i], 2]
            yi[r, i], vi[r, i] = effect(mu, deviation[i], factor[i], a, b)
            ni[r, i] = 2.0 * studies.n[size[i]]


def _drawn(mechanism, n_sim, mu=0.6, tau=0.5, studies=STUDIES, seed=1, cap=BIG):
    mus, taus = np.array([mu]), np.array([tau])
    return draw_published(studies, mechanism, mus, taus, cap, n_sim, seed, "test")[:4]


def _one_sided_p(yi, vi, ni):
    """Student's p of studies with two groups of the same size, from g."""
    j = 1.0 - 3.0 / (4.0 * (ni - 2.0) - 1.0)
    return stats.t.sf(yi / j * np.sqrt(ni / 4.0), ni - 2.0)


# Neutral


@pytest.mark.nojit
@pytest.mark.parametrize("studies", [STUDIES, CLUSTERED], ids=["independent", "clusters"])
def test_neutral_strengths_draw_the_same_studies(studies):
    n_sim, k = 40, len(studies.fixed)
    plain = [np.empty((n_sim, k)) for _ in range(3)]
    _plain(U(1), KEY, 0.6, 0.5, studies, *plain)
    for name in MECHANISMS:
        *found, run = _drawn(make_mechanism({name: NEUTRAL[name]}), n_sim, studies=studies)
        assert np.array_equal(run, np.full(n_sim, float(k)))
        assert np.array_equal(found[2], plain[2])
        assert np.array_equal(found[0], plain[0])
        assert np.array_equal(found[1], plain[1])
    every = make_mechanism(NEUTRAL)
    assert np.array_equal(_drawn(every, n_sim, studies=studies)[0], plain[0])


def test_any_other_strength_changes_studies():
    yi = _drawn(NONE, 50, mu=0.2)[0]
    for name in MECHANISMS[1:]:
        other = _drawn(make_mechanism({name: STRENGTHS[name][-1]}), 50, mu=0.2)[0]
        assert not np.array_equal(other, yi), name


# Publication


@pytest.mark.nojit
def test_step_weights_by_p():
    mechanism = make_mechanism({"step": 1.0}, cuts=(0.025, 0.5), weights=(1.0, 0.6, 0.1))
    p, out = np.array([0.0, 0.025, 0.0251, 0.5, 0.51, 1.0]), np.empty(6)
    _chances(p, mechanism, out)
    assert out.tolist() == [1.0, 1.0, 0.6, 0.6, 0.1, 0.1]
    both = make_mechanism({"step": 0.4, "direction": 0.25})
    _chances(p, both, out)
    np.testing.assert_allclose(out, [1.0, 1.0, 0.4, 0.4, 0.1, 0.1], rtol=1e-15)


@pytest.mark.nojit
@pytest.mark.parametrize("strength", [1, 2])
def test_carter_censoring_is_the_published_function(strength):
    # Carter et al. 2019, two-sided p: levels at the ends of each stretch, steepest at its start.
    first, second, third = CARTER[strength]
    out = np.empty(7)
    p = np.array([0.024, 0.05, 0.3, 0.6, 0.994, 0.9996, 0.9999])
    _chances(p, make_mechanism({"carter": strength}), out)
    np.testing.assert_allclose(out, [1.0, first, first, second, second, third, third], rtol=1e-12)
    middle = np.array([0.0375])  # half way between .05 and .1: 1 - 2^-5 of the way down
    _chances(middle, make_mechanism({"carter": strength}), out[:1])
    assert out[0] == pytest.approx(1.0 + (first - 1.0) * (1.0 - 2.0**-5), rel=1e-12)


def test_publication_probability_is_the_same_in_python():
    p = np.linspace(0.0, 1.0, 2001)
    out = np.empty(len(p))
    for mechanism in (
        make_mechanism({"carter": 1, "step": 0.3}),
        make_mechanism({"direction": 0.2}),
    ):
        _chances(p, mechanism, out)
        np.testing.assert_allclose(out, publication(p, mechanism), rtol=1e-14)


# Share published


@pytest.mark.parametrize(("mu", "tau"), [(0.0, 0.0), (0.6, 0.5), (2.0, 1.0)])
def test_share_of_a_step_is_the_power_of_the_test(mu, tau):
    # With weight 0 beyond .025: P(T > t), one scaled noncentral t.
    n = 7
    se = math.sqrt(2.0 / n)
    sd = math.hypot(tau, se)
    power = stats.nct.sf(float(t_quantile(0.025, 12)) * se / sd, 12, mu / sd)
    for weight in (0.0, 0.2, 1.0):
        share = share_published(make_mechanism({"step": weight}), n, mu, tau)
        assert share == pytest.approx(power + weight * (1.0 - power), rel=1e-9)


@pytest.mark.parametrize("strength", [1, 2])
def test_share_of_censoring_is_its_integral(strength):
    mechanism, n, mu = make_mechanism({"carter": strength}), 9, 0.5
    ncp, df = mu / math.sqrt(2.0 / n), 16

    def integrand(t):
        p = np.array([stats.t.sf(t, df)])
        return stats.nct.pdf(t, df, ncp) * publication(p, mechanism)[0]

    breaks = [-30.0, *(-stats.t.isf(q, df) * -1 for q in (0.9995, 0.995, 0.5, 0.05, 0.025)), 30.0]
    expected = sum(integrate.quad(integrand, a, b, epsabs=1e-12)[0] for a, b in pairwise(breaks))
    assert share_published(mechanism, n, mu, 0.0) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("redraw", [True, False])
@pytest.mark.parametrize("name", ["step", "direction", "carter"])
def test_simulated_share_is_the_integral(name, redraw):
    # Seed 2, 20,000 syntheses of 6 studies. Studies run for one place are geometric.
    mechanism = make_mechanism({name: STRENGTHS[name][-1]}, redraw=redraw)
    *_, run = _drawn(mechanism, 20_000, mu=0.3, seed=2)
    share = 1.0 - unpublished_share(mechanism, STUDIES, 0.3, 0.5)
    assert mcses_off(run, 6.0 / share) < 4.0


def test_clusters_of_one_study_are_selected_as_independent_studies_are():
    # All of tau^2 between six clusters of one study each: seed 1, 20,000 syntheses. Studies run
    # are those of the integral over independent studies, and published effects are the same.
    mechanism, mu, tau = make_mechanism({"step": 0.2}), 0.3, 1.2
    single = make_studies(N, P, 6, cluster=np.arange(6), share=1.0)
    alone, own = (_drawn(mechanism, 20_000, mu, tau, studies=s) for s in (STUDIES, single))
    assert mcses_off(own[3], 6.0 / (1.0 - unpublished_share(mechanism, STUDIES, mu, tau))) < 4.0
    assert mcses_off(own[0].mean(axis=1), alone[0].mean()) < 4.0 * np.sqrt(2.0)


def test_what_would_never_end_is_refused():
    mechanism = make_mechanism({"step": 0.0})
    with pytest.raises(Unpublishable):
        attempts_cap(mechanism, STUDIES, -2.0, 0.0)
    assert attempts_cap(NONE, STUDIES, -2.0, 0.0) in (41, 42)
    # Given up, counted, and the rest goes on.
    *_, run = _drawn(mechanism, 200, mu=0.0, tau=0.0, cap=10)
    assert 0 < np.sum(run < 0.0) <= 200
    assert not by_integral(make_mechanism({"peak": 3.0}))


@pytest.mark.parametrize(
    ("name", "strength"),
    [("step", 1.5), ("peak", 2.5), ("carter", 3), ("outliers", -0.1), ("nonsense", 1.0)],
)
def test_strengths_out_of_range(name, strength):
    with pytest.raises(ValueError):
        make_mechanism({name: strength})


def test_published_studies_follow_the_selected_law():
    # Seed 3: the share of significant studies among those published, sizes kept.
    weight, mu, tau = 0.2, 0.5, 0.4
    yi, vi, ni, _ = _drawn(make_mechanism({"step": weight}), 20_000, mu, tau, seed=3)
    for n in N:
        own = ni == 2 * n
        significant = int((_one_sided_p(yi, vi, ni)[own] <= 0.025).sum())
        power = share_published(make_mechanism({"step": 0.0}), int(n), mu, tau)
        share = share_published(make_mechanism({"step": weight}), int(n), mu, tau)
        assert binomial_p(significant, own.sum(), power / share) > P_BINOMIAL
    # Sizes of what is published are the law's.
    assert stats.chisquare([np.sum(ni == 2 * n) for n in N], P * ni.size).pvalue > 1e-4


# Single animals: against raw data by numpy.


def _raw(rng, n, size, theta):
    treated, control = rng.normal(size=(size, n)) + theta[:, None], rng.normal(size=(size, n))
    return treated, control


def _t_test(treated, control):
    difference = treated.mean(axis=1) - control.mean(axis=1)
    n1, n2 = treated.shape[1], control.shape[1]
    variance = (treated.var(axis=1, ddof=1) * (n1 - 1) + control.var(axis=1, ddof=1) * (n2 - 1)) / (
        n1 + n2 - 2
    )
    t = difference / np.sqrt(variance * (1 / n1 + 1 / n2))
    j = 1.0 - 3.0 / (4.0 * (n1 + n2 - 2) - 1.0)
    return j * difference / np.sqrt(variance), stats.t.sf(t, n1 + n2 - 2)


ONE = make_studies(np.array([6]), np.array([1.0]), 1)
SIZE = 40_000


def test_the_largest_of_several_time_points():
    # Seed 4. Mean and mean square of the reported g, against raw data of three time points.
    yi, *_ = _drawn(make_mechanism({"peak": 3}), SIZE, 0.4, 0.5, ONE, seed=4)
    rng = np.random.default_rng(4)
    theta = rng.normal(0.4, 0.5, SIZE)
    common = [rng.normal(size=(SIZE, 6)) for _ in range(2)]
    g = []
    for _ in range(3):
        groups = [math.sqrt(0.5) * (c + rng.normal(size=c.shape)) for c in common]
        g.append(_t_test(groups[0] + theta[:, None], groups[1])[0])
    largest = np.max(g, axis=0)
    for power in (1, 2):
        a, b = yi[:, 0] ** power, largest**power
        mcse = math.hypot(a.std(), b.std()) / math.sqrt(SIZE)
        assert abs(a.mean() - b.mean()) < 4.0 * mcse


def test_optional_stopping():
    # Seed 5. How often it ends significant, and the animals used, without any true effect.
    looks = 3
    *_, ni, _ = found = _drawn(make_mechanism({"stopping": looks}), SIZE, 0.0, 0.0, ONE, seed=5)
    significant = _one_sided_p(found[0], found[1], ni) < 0.025
    rng = np.random.default_rng(5)
    treated, control = _raw(rng, 6 + 2 * looks, SIZE, np.zeros(SIZE))
    stopped = np.zeros(SIZE, dtype=bool)
    used = np.full(SIZE, 6 + 2 * looks)
    for look in range(looks + 1):
        n = 6 + 2 * look
        now = (_t_test(treated[:, :n], control[:, :n])[1] < 0.025) & ~stopped
        used[now] = n
        stopped |= now
    table = np.array(
        [[significant.sum(), stopped.sum()], [SIZE - significant.sum(), SIZE - stopped.sum()]]
    )
    assert stats.chi2_contingency(table).pvalue > P_BINOMIAL
    counts = np.array([[np.sum(ni == 2 * n), np.sum(used == n)] for n in range(6, 13, 2)])
    assert stats.chi2_contingency(counts).pvalue > P_BINOMIAL
    assert significant.mean() > 0.035  # more than the nominal 2.5% by far


def test_dropping_outliers():
    # Seed 6. Share significant and animals left, when every laboratory tries it.
    *_, ni, _ = found = _drawn(make_mechanism({"outliers": 1.0}), SIZE, 0.5, 0.0, ONE, seed=6)
    rng = np.random.default_rng(6)
    treated, control = _raw(rng, 6, SIZE, np.full(SIZE, 0.5))
    _, p = _t_test(treated, control)
    total, significant = np.full(SIZE, 12), p < 0.025
    for i in np.flatnonzero(~significant):
        groups = [x[np.abs(x - x.mean()) <= 2.0 * x.std(ddof=1)] for x in (treated[i], control[i])]
        if len(groups[0]) + len(groups[1]) == 12:
            continue
        left = stats.ttest_ind(groups[0], groups[1], alternative="greater").pvalue
        if left < 0.025:
            total[i], significant[i] = len(groups[0]) + len(groups[1]), True
    rates = [(ni[:, 0] < 12).sum(), (total < 12).sum()]
    table = np.array([rates, [SIZE - rates[0], SIZE - rates[1]]])
    assert rates[1] > 40
    assert stats.chi2_contingency(table).pvalue > P_BINOMIAL
    assert found[0].shape == (SIZE, 1)


def test_inflation_moves_small_studies_most():
    yi = _drawn(NONE, 20_000, 0.5, 0.3, seed=7)[0]
    more, _, ni, _ = _drawn(make_mechanism({"inflation": 2.0}), 20_000, 0.5, 0.3, seed=7)
    # The same draws: the difference is J / s times 2 / sqrt(n); E(1/s) = 1 / (exact J).
    shift = (more - yi) * np.sqrt(ni)
    assert mcses_off(shift[ni == 24], 2.0) < 5.0
    assert np.all(more > yi)


# Tally


def test_sums_add_up_and_workers_change_nothing():
    mechanism = make_mechanism({"step": 0.2, "peak": 2})
    mu, tau = np.array([0.5, 0.9]), np.array([0.3, 0.0])
    analyses = make_analyses(6)

    def sums(n_sim, jobs):
        return bias_sums(STUDIES, mechanism, mu, tau, 500, analyses, n_sim, 9, "test", jobs)

    one = sums(1100, 1)
    two = sums(1100, 2)
    assert one[:3] == two[:3]
    for name, counts in one.sizes.items():
        np.testing.assert_array_equal(counts, two.sizes[name])
        assert counts.sum() == one.corrections[name]["n_ok"]
    yi, vi, _, run, truth = draw_published(STUDIES, mechanism, mu, tau, 500, 1100, 9, "test")
    assert one.general["done"] == 1100
    assert one.general["run"] == run.sum() > 6 * 1100
    assert set(truth) == {0.5, 0.9}
    pooled = np.array([dersimonian_laird(y, v)[0] for y, v in zip(yi, vi, strict=True)])
    plain = one.corrections["none"]
    assert plain["n_ok"] == plain["n_both"] == 1100
    assert plain["e"] == pytest.approx((pooled - truth).sum(), rel=1e-10)
    assert plain["e2"] == pytest.approx(((pooled - truth) ** 2).sum(), rel=1e-10)
    assert plain["excess"] == 0.0
    assert one.detectors["egger-n"]["applied"] > 1000
