"""Calibrations: up to date, true to the article and to R, and honest about what they leave open.

Bounds: a median is compared by its Monte Carlo standard error (MCSE); a tail probability of a
test is at least 1e-3. Seeds are fixed, so a test that passes keeps passing.
"""

from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import stats

from planner.calibration import (
    NUMBERS,
    SEED,
    Calibration,
    calibrate,
    pseudo_studies,
    published_numbers,
    studies_like,
)
from planner.errors import InputError
from planner.finished_work import user_store
from planner.kept_calibrations import (
    calibration_key,
    keep,
    kept,
    shipped_folder,
    shipped_name,
    unpack,
)
from planner.published import Analysis, Interval, Quantity, analysis
from planner.ship_calibrations import shipped
from sims import conditioning
from sims.conditioning import (
    I2,
    MU,
    SE,
    Infeasible,
    Matched,
    joint_draws,
    matched_truth,
    simulate_pooled,
)
from sims.engine import default_jobs, map_ordered
from sims.lanes.syntheses import match_syntheses
from sims.performance import Z95
from sims.pooling import dersimonian_laird
from sims.streams import scenario_key
from sims.syntheses import make_studies
from sims.types import Studies

REFERENCE = json.loads(
    (Path(__file__).parent / "reference" / "matched_truths.json").read_text(encoding="utf-8")
)
MAIN = ("single-early", "single-late", "chronic-during", "chronic-after")
P_LEAST = 1e-3


@cache
def _shipped(name: str, cluster: str = "none") -> Calibration:
    """A shipped calibration; never one from somebody's cache folder, never a new one."""
    share = 0.0 if cluster == "none" else 1.0
    key = calibration_key(analysis(name), cluster, share, SEED, NUMBERS)
    found = unpack((shipped_folder() / shipped_name(name, cluster)).read_bytes(), key)
    assert found is not None, (
        f"the shipped calibration of {name}, cluster {cluster}, is out of date: "
        "run `make calibrations` and commit planner/catalogue/calibrations"
    )
    return Calibration(**found)


def _medians(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Medians of g, SE and I2, and their MCSEs from order statistics two SEs away."""
    x = np.sort(rows[:, [MU, SE, I2]], axis=0)
    half, spread = len(x) // 2, round(np.sqrt(len(x)))
    return np.median(x, axis=0), (x[half + spread] - x[half - spread]) / 4.0


@pytest.fixture
def short_rounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rejection in rounds of 131,072 syntheses; how long they are changes no draw."""
    monkeypatch.setattr(conditioning, "_CHUNK", 1024)


# What ships


@pytest.mark.parametrize(("name", "cluster"), shipped())
def test_shipped_calibration_is_up_to_date(name: str, cluster: str) -> None:
    calibration = _shipped(name, cluster)
    assert (calibration.analysis, calibration.cluster) == (name, cluster)
    assert len(calibration.draws_mu) == len(calibration.draws_tau) == NUMBERS[0]


def test_nothing_else_ships() -> None:
    files = {path.name for path in shipped_folder().glob("*.npz")}
    assert files == {shipped_name(name, cluster) for name, cluster in shipped()}


def test_a_shipped_calibration_is_what_calibrate_returns() -> None:
    calibration = calibrate(analysis("chronic-after"))
    assert np.array_equal(calibration.replicates, _shipped("chronic-after").replicates)


@pytest.mark.parametrize("length", [0, 4, 5000])
def test_a_damaged_file_counts_as_none(length: int) -> None:
    whole = (shipped_folder() / shipped_name("chronic-after", "none")).read_bytes()
    assert unpack(whole[:length], "any") is None


def test_a_calibration_under_another_key_counts_as_none(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLANNER_CACHE_DIR", str(tmp_path))
    whole = (shipped_folder() / shipped_name("chronic-after", "none")).read_bytes()
    assert unpack(whole, "another key") is None
    assert kept(analysis("chronic-after"), "none", "another key") is None


def test_a_calculated_calibration_is_kept_in_the_store(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLANNER_CACHE_DIR", str(tmp_path))
    truth = _shipped("chronic-after")
    keep(truth, "some key", 12.0)
    fields = kept(analysis("chronic-after"), "lab", "some key")
    assert fields is not None
    again = Calibration(**fields)
    assert np.array_equal(again.draws_mu, truth.draws_mu)
    assert again.fields() == truth.fields()
    user_store().close()


# The matched truth


@pytest.mark.parametrize("cluster", ["none", "lab"])
@pytest.mark.parametrize("name", MAIN)
def test_matched_truth_gives_the_article_back(name: str, cluster: str) -> None:
    # Seed 20, 65,536 syntheses: MCSEs of g 0.005 at most, of I2 0.12 points at most.
    if (name, cluster) not in shipped():
        pytest.skip("every comparison comes from a laboratory of its own")
    study, truth = analysis(name), _shipped(name, cluster)
    studies = studies_like(study, cluster, truth.share)
    rows = simulate_pooled(studies, truth.mu, truth.tau, 1 << 16, 20, "another run")
    (g, _, i2), mcse = _medians(rows)
    assert truth.status == "interior"
    assert abs(g - study.g.number) < (0.06 if name == "chronic-during" else 0.03)
    assert abs(i2 - study.heterogeneity.number) < 1.0
    if cluster == "none":
        # Sharper: five combined SEs, those of the calibration being as large as at N_MATCH.
        combined = mcse * np.sqrt(1.0 + len(rows) / NUMBERS[1])
        assert abs(g - study.g.number) < 5.0 * combined[0]
        assert abs(i2 - study.heterogeneity.number) < 5.0 * combined[2]


@pytest.mark.parametrize("name", MAIN)
def test_medians_agree_with_raw_data_in_r(name: str) -> None:
    # Seed 21, 131,072 syntheses against 100,000 from normal numbers of single animals.
    truth = REFERENCE["truths"][name]
    studies = make_studies(truth["n"], truth["p"], truth["k"])
    rows = simulate_pooled(studies, truth["mu"], truth["tau"], 1 << 17, 21, "against R")
    median, mcse = _medians(rows)
    expected = [truth["median"][statistic] for statistic in ("g", "se", "I2")]
    combined = np.hypot(mcse, [truth["mcse"][statistic] for statistic in ("g", "se", "I2")])
    assert (np.abs(median - expected) < 5.0 * combined).all()
    # The truth that R simulated is still the shipped one, to within what is left open by chance.
    shipped_truth = _shipped(name)
    assert shipped_truth.mu == pytest.approx(truth["mu"], abs=7.0 * shipped_truth.mu_mcse)
    assert shipped_truth.tau == pytest.approx(truth["tau"], abs=7.0 * shipped_truth.tau_mcse)


def test_mcse_of_the_matched_truth_is_its_spread_over_seeds() -> None:
    # Seeds 1 to 30, 2^12 syntheses each. The spread of 30 is known to 13%; the MCSE of each,
    # from a difference of two order statistics, less well: half to double is asked for.
    study = analysis("chronic-after")
    studies, published = studies_like(study), published_numbers(study)
    truths = [matched_truth(studies, published, 1 << 12, seed) for seed in range(1, 31)]
    for value, mcse in (("mu", "mu_mcse"), ("tau", "tau_mcse")):
        spread = np.std([getattr(truth, value) for truth in truths], ddof=1)
        stated = np.mean([getattr(truth, mcse) for truth in truths])
        assert 0.5 < stated / spread < 2.0


def test_no_heterogeneity_is_a_boundary_with_a_limit() -> None:
    study, truth = analysis("single-late/without-outlier"), _shipped("single-late/without-outlier")
    assert (truth.tau, truth.status, truth.tau_mcse) == (0.0, "boundary", 0.0)
    assert truth.tau_limit == pytest.approx(1.17, abs=0.02)
    # Seed 22, 131,072 syntheses: at the limit so little heterogeneity has probability 0.025,
    # MCSE 0.0004; the limit itself is known to 0.002, another 0.0003.
    rows = simulate_pooled(studies_like(study), truth.mu, truth.tau_limit, 1 << 17, 22, "limit")
    assert np.mean(rows[:, I2] <= 0.5) == pytest.approx(0.025, abs=0.0025)


@pytest.mark.parametrize("printed", ["99.9", "100"])
def test_more_heterogeneity_than_any_truth_gives_is_refused(
    printed: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("PLANNER_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr("planner.calibration.N_MATCH", 1 << 13)
    study = replace(analysis("chronic-after"), heterogeneity=Quantity(Decimal(printed)))
    with pytest.raises(InputError, match=rf"I2 {printed} is more than any between-study SD"):
        calibrate(study, fresh=True)
    assert not user_store().files()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        ({"cluster": "city"}, "unknown --cluster 'city'"),
        ({"cluster": "lab", "share": 1.5}, "accepted: 0 to 1"),
    ],
)
def test_impossible_clusters_are_refused(options: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError, match=says):
        calibrate(analysis("chronic-after"), **options)


# The joint distribution


@pytest.mark.parametrize(
    ("name", "cluster", "printed"),
    [
        ("chronic-after", "none", {"g": 1.3, "se": 0.4, "ci": (0.5, 2.1), "I2": 66.0}),
        ("chronic-during", "lab", {"g": 5.1, "se": 0.7, "ci": (3.6, 6.5), "I2": 82.0}),
    ],
)
def test_every_accepted_set_of_studies_reproduces_the_article(
    name: str, cluster: str, printed: dict[str, Any]
) -> None:
    study, truth = analysis(name), _shipped(name, cluster)
    yi, vi, ni = pseudo_studies(truth, study)
    assert yi.shape == vi.shape == ni.shape == (NUMBERS[0], study.k)
    assert np.isin(ni, study.sizes.n).all()
    rows = np.array([dersimonian_laird(y, v) for y, v in zip(yi, vi, strict=True)])
    g, se = rows[:, MU], rows[:, SE]
    numbers = np.column_stack([rows, g - Z95 * se, g + Z95 * se])
    published = published_numbers(study)
    assert (numbers >= published.low - 1e-9).all()
    assert (numbers <= published.high + 1e-9).all()
    for x, value, half in (
        (g, printed["g"], 0.05),
        (se, printed["se"], 0.05),
        (g - Z95 * se, printed["ci"][0], 0.05),
        (g + Z95 * se, printed["ci"][1], 0.05),
        (rows[:, I2], printed["I2"], 0.5),
    ):
        assert np.abs(x - value).max() <= half + 1e-9
        assert np.ptp(x) > 0.1 * half


@pytest.mark.parametrize("name", MAIN)
def test_draws_spread_inside_their_prior_around_the_matched_truth(name: str) -> None:
    truth = _shipped(name)
    mu_low, mu_high, tau_low, tau_high = truth.prior
    for values, matched, low, high in (
        (truth.draws_mu, truth.mu, mu_low, mu_high),
        (truth.draws_tau, truth.tau, tau_low, tau_high),
    ):
        lb, ub = np.quantile(values, [0.025, 0.975])
        assert low < lb < matched < ub < high
        assert len(np.unique(values)) == NUMBERS[0]
        assert ub - lb > 0.05 * (high - low)
    assert (np.diff(truth.replicates) > 0).all()
    assert truth.n_tried == truth.replicates[-1] + 1


@pytest.mark.parametrize("name", ["chronic-after", "single-late"])
def test_accepted_draws_stay_clear_of_the_ends_of_their_window(name: str) -> None:
    # The first 2000 accepted syntheses are matched once more, one by one. Were places near the
    # ends (-1 and 1) accepted, the window would cut the distribution off.
    study, truth = analysis(name), _shipped(name)
    studies, published = studies_like(study), published_numbers(study)
    window = 2.0 * (published.high[MU] - published.low[MU])
    number, found = np.empty(1, dtype=np.int64), np.empty((1, 3))
    places = []
    for i, replicate in enumerate(truth.replicates[:2000]):
        n = match_syntheses(
            np.uint64(SEED), scenario_key("joint"), int(replicate), 1, np.array(truth.prior),
            studies, published.value[MU], window, published.low, published.high, Z95,
            number, found,
        )  # fmt: skip
        assert (n, number[0]) == (1, replicate)
        # The last digit depends on the processor that solved for the tables of standard deviations.
        assert tuple(found[0, :2]) == pytest.approx(
            (truth.draws_mu[i], truth.draws_tau[i]), rel=1e-12
        )
        places.append(found[0, 2])
    assert np.abs(places).max() <= 0.9
    assert np.std(places) > 0.05


def test_the_window_changes_nothing(short_rounds: None) -> None:
    # Seeds 23 and 24, 300 and 600 draws: a window that always covers the prior is rejection from
    # the prior. The prior is narrower than the shipped one, for speed; both ends of mu count.
    study = analysis("chronic-after")
    studies, published = studies_like(study), published_numbers(study)
    prior = np.array([0.4, 2.6, 0.0, 2.0])
    numbers, plain = np.empty(1 << 20, dtype=np.int64), np.empty((1 << 20, 3))
    kept: list[np.ndarray] = []
    tried = 0
    while sum(map(len, kept)) < 300:
        n = match_syntheses(
            np.uint64(23), scenario_key("plain"), tried, 1 << 20, prior, studies,
            published.value[MU], 2.8, published.low, published.high, Z95, numbers, plain,
        )  # fmt: skip
        kept.append(plain[:n, :2].copy())
        tried += 1 << 20
    mu, tau = np.concatenate(kept).T
    joint = joint_draws(studies, published, prior, 600, seed=24)
    # Nothing is lost: acceptances per width of the window are as many, to 4 Poisson SEs (0.28).
    width = 2.0 * (published.high[MU] - published.low[MU])
    ratio = (len(joint.mu) / joint.n_sim * width) / (len(mu) / tried * 2.8)
    assert abs(np.log(ratio)) < 4.0 * np.sqrt(1.0 / len(mu) + 1.0 / len(joint.mu))
    assert stats.ks_2samp(mu, joint.mu).pvalue > P_LEAST
    assert stats.ks_2samp(tau, joint.tau).pvalue > P_LEAST
    assert mu.std() > 0.2


def test_workers_and_rounds_change_no_draw(monkeypatch: pytest.MonkeyPatch) -> None:
    study = analysis("chronic-after")
    studies, published = studies_like(study), published_numbers(study)
    prior = np.array(_shipped("chronic-after").prior)
    runs = []
    for jobs, chunk in ((1, 4096), (2, 4096), (1, 1000)):
        monkeypatch.setattr(conditioning, "_CHUNK", chunk)
        runs.append(joint_draws(studies, published, prior, 150, seed=SEED, jobs=jobs))
    # The shipped draws begin with the same ones.
    for run in runs:
        assert np.array_equal(run.replicates, _shipped("chronic-after").replicates[:150])
        shipped = _shipped("chronic-after")
        np.testing.assert_allclose(run.mu, shipped.draws_mu[:150], rtol=1e-12)
        np.testing.assert_allclose(run.tau, shipped.draws_tau[:150], rtol=1e-12)
        assert run.n_sim == run.replicates[-1] + 1


def test_too_few_acceptances_are_an_error(short_rounds: None) -> None:
    # SE 4 with a 95% interval of 0.5 to 2.1: no synthesis has both.
    study = analysis("chronic-after")
    published = published_numbers(replace(study, se=Quantity(Decimal("4.0"))))
    prior = np.array(_shipped("chronic-after").prior)
    with pytest.raises(Infeasible, match=r"^0 of "):
        joint_draws(studies_like(study), published, prior, 10, seed=1, max_sim=1_000_000)


@pytest.mark.parametrize("name", ["chronic-after", "single-late/without-outlier"])
def test_half_normal_prior_lowers_the_upper_end_of_tau(name: str) -> None:
    truth = _shipped(name)
    assert truth.prior_weights("uniform") == pytest.approx(np.full(NUMBERS[0], 1 / NUMBERS[0]))
    weight = truth.prior_weights("half-normal")
    assert weight.sum() == pytest.approx(1.0)
    density = stats.halfnorm.pdf(truth.draws_tau, scale=truth.prior_scale)
    assert weight == pytest.approx(density / density.sum())
    median, low, high = truth.interval("tau", "half-normal")
    assert median < truth.interval("tau")[0]
    assert high < truth.interval("tau")[2]
    assert low < median < high
    with pytest.raises(InputError, match="unknown prior"):
        truth.interval("tau", "cauchy")


# Both answers over many syntheses with a known truth


def _publish(row: np.ndarray, k: int) -> Analysis:
    """A simulated synthesis as it would be printed: g and CI to 0.1, I2 to whole percent."""
    g, se = row[MU], row[SE]
    ends = (Decimal(f"{end:.1f}") for end in (g - Z95 * se, g + Z95 * se))
    return replace(
        analysis("chronic-after"),
        k=k,
        g=Quantity(Decimal(f"{g:.1f}")),
        se=None,
        ci=Interval(*ends),
        heterogeneity=Quantity(Decimal(f"{row[I2]:.0f}")),
        clusters={},
    )


def _law_of_sizes(k: int) -> Studies:
    sizes = analysis("chronic-after").sizes
    return make_studies(sizes.n, sizes.p, k)


def _not_above_half(count: int, n: int) -> float:
    """P(X >= count) for a binomial X of n halves: small if an event has more than probability 1/2.

    An estimate is median-unbiased if it lies above the truth with probability 1/2 at most, and
    below it with 1/2 at most; ties (tau = 0 both) are neither.
    """
    return float(stats.binom.sf(count - 1, n, 0.5))


def _estimates(
    k: int, mu: float, tau: float, n: int, n_sim: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """Matched mu and tau of n rounded syntheses; NaN and infinite where no tau gives its I2."""
    studies = _law_of_sizes(k)
    rows = simulate_pooled(studies, mu, tau, n, seed, "to publish")

    def match(row: np.ndarray) -> Matched | None:
        published = published_numbers(_publish(row, k))
        try:
            return matched_truth(studies, published, n_sim, seed)
        except Infeasible:
            return None

    truths = list(map_ordered(match, rows, default_jobs()))
    return (
        np.array([np.nan if truth is None else truth.mu for truth in truths]),
        np.array([np.inf if truth is None else truth.tau for truth in truths]),
    )


def _assert_median_unbiased(estimates: np.ndarray, truth: float) -> None:
    n = len(estimates)
    assert _not_above_half(int(np.sum(estimates > truth)), n) > P_LEAST / 2
    assert _not_above_half(int(np.sum(estimates < truth)), n) > P_LEAST / 2


def test_matched_truths_of_20_syntheses_are_median_unbiased() -> None:
    # Seed 25, medians over 2^12 syntheses: a coarse check, 3 to 17 of 20 may lie above.
    mu, tau = _estimates(6, 1.4, 0.9, 20, 1 << 12, 25)
    _assert_median_unbiased(mu[np.isfinite(mu)], 1.4)
    _assert_median_unbiased(tau, 0.9)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("k", "mu", "tau", "seed"),
    [(6, 1.4, 0.9, 26), (9, 5.5, 2.4, 27), (19, 1.7, 1.0, 28), (6, 0.4, 0.0, 29)],
)
def test_matched_truths_are_median_unbiased(k: int, mu: float, tau: float, seed: int) -> None:
    # 200 syntheses, medians over 2^14: the error that all share moves a share by 0.01.
    # Binomial bounds at 200: 77 to 123 may lie above.
    matched_mu, matched_tau = _estimates(k, mu, tau, 200, 1 << 14, seed)
    feasible = np.isfinite(matched_mu)
    print(
        f"k {k}: mu above {np.mean(matched_mu[feasible] > mu):.3f}, tau above "
        f"{np.mean(matched_tau > tau):.3f}, tau = 0 {np.mean(matched_tau == 0.0):.3f}, "
        f"infeasible {np.mean(~feasible):.3f}"
    )
    assert feasible.mean() > 0.97
    _assert_median_unbiased(matched_mu[feasible], mu)
    _assert_median_unbiased(matched_tau, tau)


def _ranks(n: int, n_draws: int, box: list[float], seed: int) -> np.ndarray:
    """Ranks (n, 2) of the true mu and tau among `n_draws` joint draws: uniform on 0..n_draws.

    Truths come from the prior that the draws assume (Talts et al. 2018, arXiv:1804.06788).
    """
    k = 6
    studies = _law_of_sizes(k)
    prior = np.array(box)
    truths = np.random.default_rng(seed).uniform(prior[[0, 2]], prior[[1, 3]], (n, 2))

    def rank(i: int) -> tuple[int, int]:
        mu, tau = truths[i]
        row = simulate_pooled(studies, mu, tau, 1, seed, f"to publish {i}")[0]
        joint = joint_draws(studies, published_numbers(_publish(row, k)), prior, n_draws, seed)
        return int(np.sum(joint.mu < mu)), int(np.sum(joint.tau < tau))

    return np.array(list(map_ordered(rank, range(n), default_jobs())))


def _uniform_p(ranks: np.ndarray, n_draws: int, bins: int) -> list[float]:
    counts = [np.bincount(x * bins // (n_draws + 1), minlength=bins) for x in ranks.T]
    return [float(stats.chisquare(count).pvalue) for count in counts]


def test_joint_draws_of_20_syntheses_are_calibrated(short_rounds: None) -> None:
    # Seed 30: 20 truths in 5 equal classes of ranks among 9 draws.
    assert min(_uniform_p(_ranks(20, 9, [0.5, 2.5, 0.0, 1.5], 30), 9, 5)) > P_LEAST


@pytest.mark.slow
def test_joint_draws_are_calibrated(short_rounds: None) -> None:
    # Seed 31: 200 truths in 10 equal classes of ranks among 99 draws.
    ranks = _ranks(200, 99, [0.0, 3.0, 0.0, 2.0], 31)
    p_values = _uniform_p(ranks, 99, 10)
    print(f"P of uniform ranks: mu {p_values[0]:.3f}, tau {p_values[1]:.3f}")
    assert min(p_values) > P_LEAST
