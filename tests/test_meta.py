"""`planner meta`: new reviews, updates, several laboratories, against other ways to the numbers."""

import json
from functools import cache

import numpy as np
import pytest
from scipy import stats

import planner
from planner.calibration import published_studies
from planner.cli import main
from planner.errors import InputError
from planner.multi_lab import _frontier
from planner.reports.meta import labs_page, meta_page, update_page
from planner.synthesis_designs import FAIR, SynthesisDesign, chosen, draw_plan, sizes_named
from sims.posterior import posterior_draws
from tests.sims.helpers import MCSES, P_BINOMIAL

REPS = 20_000


def rows(result, measure, **wanted):
    found = [
        row
        for row in result.document()["performance"]
        if row["measure"] == measure
        and all(row[name] == value for name, value in {"cluster": None, **wanted}.items())
    ]
    assert found, (measure, wanted)
    return found


@cache
def review():
    return planner.meta(planner.analysis("chronic-after"), k=(3, 6), reps=REPS)


@cache
def updated():
    return planner.update(
        planner.analysis("chronic-after"), new_studies=(0, 2), n=(8, 12), reps=REPS
    )


@cache
def laboratories():
    return planner.labs(planner.analysis("chronic-after"), labs=range(1, 6), animals=(40, 60))


STUDIES = """study,n1,mean1,sd1,n2,mean2,sd2
A,8,3.1,1.0,8,1.2,1.1
B,6,2.2,0.9,7,1.9,1.0
C,10,4.0,1.4,10,1.0,1.3
D,7,2.6,1.2,7,1.4,0.8
"""


@pytest.fixture(scope="module")
def four(tmp_path_factory):
    """A file of four studies, and the calibration of its evidence."""
    path = tmp_path_factory.mktemp("studies") / "four.csv"
    path.write_text(STUDIES)
    return path, planner.calibrate(planner.pool(path).analysis("four"))


# New reviews --------------------------------------------------------------------------------


def _raw_reviews(mu, tau, k, n, n_sim, seed):
    """DL-Wald and hk of reviews made of animals that numpy draws: low and high ends."""
    rng = np.random.default_rng(seed)
    theta = rng.normal(mu, tau, (n_sim, k))
    treated = theta[..., None] + rng.normal(size=(n_sim, k, n))
    control = rng.normal(size=(n_sim, k, n))
    s = np.sqrt((treated.var(axis=2, ddof=1) + control.var(axis=2, ddof=1)) / 2.0)
    d = (treated.mean(axis=2) - control.mean(axis=2)) / s
    j = 1.0 - 3.0 / (4.0 * (2 * n - 2) - 1.0)
    y, v = j * d, j**2 * (2.0 / n + d**2 / (4.0 * n))
    w = 1.0 / v
    centre = (w * y).sum(axis=1, keepdims=True) / w.sum(axis=1, keepdims=True)
    q = (w * (y - centre) ** 2).sum(axis=1)
    scale = w.sum(axis=1) - (w**2).sum(axis=1) / w.sum(axis=1)
    tau2 = np.maximum(0.0, (q - (k - 1)) / scale)
    w = 1.0 / (v + tau2[:, None])
    mean = (w * y).sum(axis=1) / w.sum(axis=1)
    se = 1.0 / np.sqrt(w.sum(axis=1))
    hk = se * np.sqrt((w * (y - mean[:, None]) ** 2).sum(axis=1) / (k - 1))
    return mean, tau2, {
        "wald": stats.norm.isf(0.025) * se, "hk": stats.t.isf(0.025, k - 1) * hk
    }  # fmt: skip


def test_a_review_of_raw_animals_says_the_same() -> None:
    # Seed 1 against numpy's seed 5, 20,000 reviews each: within 4 MCSE of the difference.
    mu, tau, k, n = 1.4, 0.9, 6, 8
    found = planner.meta(mu=mu, tau=tau, k=(k,), n=(n,), estimator="DL", reps=REPS)
    mean, tau2, halves = _raw_reviews(mu, tau, k, n, REPS, seed=5)
    zero, _, zero_halves = _raw_reviews(0.0, tau, k, n, REPS, seed=6)
    for interval, half in halves.items():
        expected = {
            "success": mean - half > 0.0, "coverage": np.abs(mean - mu) <= half,
            "type_i": np.abs(zero) > zero_halves[interval], "ci_width": 2.0 * half,
        }  # fmt: skip
        for measure, own in expected.items():
            row = rows(found, measure, interval=interval)[0]
            error = np.hypot(row["mcse"], own.std() / np.sqrt(REPS))
            assert abs(row["value"] - own.mean()) < MCSES * error, (interval, measure)
    for measure, own in (("bias", mean - mu), ("bias_tau2", tau2 - tau**2), ("estimate", mean)):
        row = rows(found, measure)[0]
        error = np.hypot(row["mcse"], own.std() / np.sqrt(REPS))
        assert abs(row["value"] - own.mean()) < MCSES * error, measure
    sd = rows(found, "emp_se")[0]
    assert abs(sd["value"] - mean.std()) < MCSES * np.sqrt(2.0) * sd["mcse"]


def test_required_studies_are_those_of_the_t_test_on_large_studies() -> None:
    # Groups of 3000: every study shows its theta, hk is a t-test of k of them. Exact k from the
    # noncentral t; simulated with seed 1, 20,000 reviews, the interval of k holds it.
    mu, tau, n = 1.0, 1.0, 3000
    found = planner.meta(
        mu=mu, tau=tau, k=(5,), n=(n,), estimator="DL", interval="hk", reps=REPS,
        target=(0.5, 0.8, 0.95),
    )  # fmt: skip
    sd = np.sqrt(tau**2 + 2.0 / n)
    for row in found.required_rows:
        exact = next(
            k for k in range(2, 100)
            if stats.nct.sf(stats.t.isf(0.025, k - 1), k - 1, mu * np.sqrt(k) / sd) >= row["target"]
        )  # fmt: skip
        assert row["ci_lb"] <= exact <= row["ci_ub"]
        assert row["ci_ub"] - row["ci_lb"] <= 1


def test_a_longer_list_of_k_changes_no_row() -> None:
    one = planner.meta(planner.analysis("chronic-after"), k=(6,), reps=REPS)
    for row in rows(one, "success"):
        same = {name: row[name] for name in ("k", "truth", "estimator", "interval")}
        assert rows(review(), "success", **same)[0]["n_hit"] == row["n_hit"]


def test_workers_change_nothing_and_seeds_do() -> None:
    arguments = {"mu": 1.0, "tau": 0.5, "k": (4,), "n": (6,), "reps": 600_000, "estimator": "DL",
                 "interval": "wald"}  # fmt: skip
    one, two = (planner.meta(**arguments, jobs=jobs) for jobs in (1, 2))
    assert one.json() == two.json()
    other = planner.meta(**{**arguments, "reps": REPS}, seed=2)
    assert rows(other, "success")[0]["n_hit"] != rows(one, "success")[0]["n_hit"]


def test_clusters_are_tabled_at_the_published_sizes() -> None:
    found = planner.meta(planner.analysis("chronic-during"), k=(9,), reps=REPS)
    cells = {
        (row["cluster"], row["share"], row["controls"])
        for row in found.performance if row["cluster"] is not None
    }  # fmt: skip
    assert len(cells) == 9
    wald = rows(found, "coverage", cluster="lab", share=1.0, controls="own", interval="wald")[0]
    # Known: Wald covers 53% if tau^2 lies between laboratories of 6, 1, 1, 1.
    assert abs(wald["value"] - 0.53) < 0.015
    robust = rows(found, "coverage", cluster="lab", share=1.0, controls="own", interval="cr2")[0]
    assert robust["value"] > 0.9


def test_clusters_beyond_the_published_ones_repeat_their_pattern() -> None:
    labels = np.array([0, 0, 1])
    studies = draw_plan(sizes_named("4:6", None), 7, "CMA", labels, 0.5)
    assert studies.cluster.tolist() == [0, 0, 1, 2, 2, 3, 4]


def test_the_variance_of_g_is_that_of_the_evidence(four) -> None:
    path, truth = four
    analysis = planner.pool(path, vtype="UB").analysis("four")
    own = planner.meta(analysis, truth=truth, k=(4,), reps=2000)
    said = planner.meta(analysis, truth=truth, k=(4,), reps=2000, vtype="UB")
    assert own.json() == said.json()
    assert own.scenario["vtype"] == "UB"


# Updates ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["chronic-after", "single-late", "chronic-during", "single-early"])
def test_without_new_studies_an_update_is_the_publication(name: str) -> None:
    analysis = planner.analysis(name)
    found = planner.update(analysis, new_studies=(0,), n=(8,), estimator="DL", reps=2000)
    significant = 0.0 if analysis.ci.lb <= 0 <= analysis.ci.ub else 1.0
    first = {"interval": "wald", "new_studies": 0}
    assert rows(found, "success", **first)[0]["value"] == significant
    assert rows(found, "changed", **first)[0]["value"] == 0.0
    width = rows(found, "ci_width", **first)[0]["value"]
    low, high = analysis.ci.lower.interval, analysis.ci.upper.interval
    assert high[0] - low[1] <= width <= high[1] - low[0]
    assert rows(found, "shift_abs", new_studies=0)[0]["value"] == 0.0


def test_an_update_of_evidence_with_studies_contains_exactly_those(four) -> None:
    path, truth = four
    pooled = planner.pool(path)
    analysis = pooled.analysis("four")
    yi, vi, _ = published_studies(truth, analysis)
    own = [(row["yi"], row["vi"]) for row in pooled.document()["studies"]]
    for set_y, set_v in zip(yi[::500], vi[::500], strict=True):
        np.testing.assert_allclose(np.transpose([set_y, set_v]), own, rtol=1e-12)
    found = planner.update(analysis, truth=truth, new_studies=(0,), n=(8,), reps=500)
    for row in pooled.document()["estimates"]:
        if row["estimator"] in ("DL", "REML"):
            same = {"estimator": row["estimator"], "interval": row["interval"]}
            width = rows(found, "ci_width", **same)[0]["value"]
            assert width == pytest.approx(row["ci_ub"] - row["ci_lb"], rel=1e-9)
    # All that is known of (mu, tau) is in the draws: the pooled effect lies well within them.
    assert (
        np.quantile(truth.draws_mu, 0.025) < analysis.g.number < np.quantile(truth.draws_mu, 0.975)
    )
    assert "pseudo-studies" not in {warning["code"] for warning in found.warnings}


def _update_by_hand(analysis, m, n, n_sim, seed):
    """Updates of randomly picked sets, with new studies that numpy draws."""
    truth = planner.calibrate(analysis)
    yi, vi, _ = published_studies(truth, analysis)
    rng = np.random.default_rng(seed)
    sets = rng.integers(len(yi), size=n_sim)
    draws = (truth.draws_mu[sets], truth.draws_tau[sets])
    return _update_with(yi[sets], vi[sets], *draws, m, n, rng)


def _update_with(yi, vi, mu, tau, m, n, rng):
    """Sets of studies and m new ones of each, pooled by DL with Wald intervals."""
    n_sim = len(yi)
    theta = rng.normal(mu[:, None], tau[:, None], (n_sim, m))
    s = np.sqrt(rng.chisquare(2 * n - 2, (n_sim, m)) / (2 * n - 2))
    d = (theta + rng.normal(0.0, np.sqrt(2.0 / n), (n_sim, m))) / s
    j = 1.0 - 3.0 / (4.0 * (2 * n - 2) - 1.0)
    y = np.hstack([yi, j * d])
    v = np.hstack([vi, j**2 * (2.0 / n + d**2 / (4.0 * n))])

    def pool(y, v):
        k, w = y.shape[1], 1.0 / v
        total = w.sum(axis=1)
        centre = (w * y).sum(axis=1) / total
        q = (w * (y - centre[:, None]) ** 2).sum(axis=1)
        tau2 = np.maximum(0.0, (q - (k - 1)) / (total - (w**2).sum(axis=1) / total))
        w = 1.0 / (v + tau2[:, None])
        return (w * y).sum(axis=1) / w.sum(axis=1), 1.0 / np.sqrt(w.sum(axis=1)), tau2

    mean, se, tau2 = pool(y, v)
    before, _, _ = pool(yi, vi)
    z = stats.norm.isf(0.025)
    return {
        "success": mean - z * se > 0.0, "ci_width": 2.0 * z * se, "shift": mean - before,
        "shift_abs": np.abs(mean - before),
        "pi_excludes_zero": np.abs(mean) > z * np.sqrt(se**2 + tau2),
        "changed": ~(mean - z * se > 0.0),
    }  # fmt: skip


def test_updates_equal_updates_by_hand() -> None:
    # Seed 1 against numpy's seed 7, 20,000 updates each: within 4 MCSE of the difference.
    own = _update_by_hand(planner.analysis("chronic-after"), 2, 12, REPS, seed=7)
    for measure, values in own.items():
        interval = None if measure.startswith("shift") else "wald"
        row = rows(updated(), measure, n=12, new_studies=2, estimator="DL", interval=interval)[0]
        error = np.hypot(row["mcse"], values.std() / np.sqrt(REPS))
        assert abs(row["value"] - values.mean()) < MCSES * error, measure


def test_what_knowing_the_studies_would_settle_equals_updates_by_hand() -> None:
    # The first 400 sets, 1,000 draws of (mu, tau) given each, one new study by numpy for each:
    # the variance of the sets' chances less its binomial part. Within 4 combined MCSE.
    analysis, n, n_draws = planner.analysis("single-late"), 16, 1000
    found = planner.update(analysis, new_studies=(0, 2), n=(n,), reps=500, estimator="DL")
    truth = planner.calibrate(analysis)
    yi, vi, ni = (part[:400] for part in published_studies(truth, analysis))
    j = 1.0 - 3.0 / (4.0 * (2 * ni - 2) - 1.0)
    mu, tau = posterior_draws(yi / j, ni, ni, np.array(truth.prior), n_draws, 9, 64)
    rng = np.random.default_rng(9)
    chance = np.empty(len(yi))
    for s in range(len(yi)):
        sets = (np.repeat(part[s : s + 1], n_draws, axis=0) for part in (yi, vi))
        chance[s] = _update_with(*sets, mu[s], tau[s], 2, n, rng)["success"].mean()
    away = (chance - chance.mean()) ** 2 - chance * (1.0 - chance) / (n_draws - 1)
    sd = np.sqrt(away.mean())
    error = away.std() / np.sqrt(len(away)) / (2.0 * sd)
    row = rows(found, "data_sd", new_studies=2)[0]
    assert abs(row["value"] - sd) < MCSES * np.hypot(error, row["mcse"])
    assert sd > 10.0 * error
    # Nothing new leaves nothing open.
    assert {row["new_studies"] for row in found.performance if row["measure"] == "data_sd"} == {2}


# Several laboratories -----------------------------------------------------------------------


def test_one_laboratory_says_nothing_about_the_mean() -> None:
    for row in laboratories().performance:
        assert (row["value"] is None) == (row["labs"] == 1)
        assert row["animals"] == 2 * row["labs"] * row["n"]


def test_frontier_is_what_no_fair_design_beats() -> None:
    found = laboratories().document()
    fair = []
    for row in rows(laboratories(), "success", truth="new-lab", interval="hk"):
        same = {name: row[name] for name in ("labs", "animals", "truth", "interval")}
        type_i = rows(laboratories(), "type_i", **same)[0]
        if row["value"] is not None and type_i["value"] <= FAIR * 0.05:
            fair.append((row["animals"], row["labs"], row["value"]))
    best = {
        (a, m) for a, m, p in fair
        if all((a2, m2, p2) == (a, m, p) or a2 > a or m2 > m or p2 < p for a2, m2, p2 in fair)
    }  # fmt: skip
    assert {(row["animals"], row["labs"]) for row in found["frontier"]} == best


def test_all_of_a_few_replicates_do_not_show_that_a_target_is_reached() -> None:
    # 20 of 20 have a standard error of zero, and leave 84% open (Wilson).
    how = {"mu": 2.5, "tau": 0.3, "labs": (2, 3, 4), "animals": (24, 48, 96), "reps": 20}
    found = planner.labs(**how, target=0.9)
    best = max(found.extra["frontier"], key=lambda row: row["success"])
    assert (best["success"], best["mcse"]) == (1.0, 0.0)
    assert best["ci_lb"] == pytest.approx(20.0 / (20.0 + stats.norm.isf(0.025) ** 2))
    assert [row["reached"] for row in found.required_rows] == [False]
    assert "not shown with 95% confidence" in found.answer
    assert planner.labs(**how, target=0.8).required_rows[0]["reached"]
    # With 200 of 200 the interval lies above 0.9.
    assert planner.labs(**{**how, "reps": 200}, target=0.9).required_rows[0]["reached"]


@pytest.mark.parametrize("target", [0.3, 0.8, 0.9])
def test_the_interval_of_required_studies_is_where_that_of_the_chance_holds_the_target(
    target: float,
) -> None:
    # Seed 1, 20 reviews: all 20 succeed from some k on, with a standard error of zero.
    how = {"mu": 1.0, "tau": 0.2, "n": (6,), "estimator": "DL", "interval": "hk", "reps": 20}
    (row,) = planner.meta(**how, k=(4,), target=target).required_rows
    shown = {
        one["k"]: one for one in rows(planner.meta(**how, k=range(2, 16), target=target), "success")
    }
    for name, end in (("k", "value"), ("ci_lb", "ci_ub"), ("ci_ub", "ci_lb")):
        k = row[name]
        if k is None:
            assert (name, target) == ("ci_ub", 0.9)
            assert max(one["ci_lb"] for one in shown.values()) < 0.9
        else:
            assert shown[k][end] >= target
            assert k == 2 or shown[k - 1][end] < target


def test_no_unfair_design_is_on_the_frontier() -> None:
    found = planner.labs(
        planner.analysis("chronic-after"), labs=(2, 3), animals=(48,), interval="wald", reps=REPS
    )
    assert found.extra["frontier"] == []
    assert "No design with a fair test" in found.answer
    rows_ = [dict(row) for row in found.performance]
    for row in rows_:
        if row["measure"] == "type_i":
            row["value"] = 0.05
    assert len(
        _frontier(rows_, "new-lab", SynthesisDesign(estimators=("DL",), intervals=("wald",)))
    )


def test_type_i_of_a_few_large_laboratories_is_exact() -> None:
    # Groups of 3000, tau 0.9, mu 0: hk is the t-test of m effects, exactly alpha; DL-Wald takes
    # the same standard error with the normal quantile. Seed 1, 20,000 studies, binomial tails.
    found = planner.labs(mu=0.5, tau=0.9, labs=(2, 4), animals=(12_000, 24_000), reps=REPS)
    for m in (2, 4):
        for interval, exact in (
            ("hk", 0.05), ("wald", 2.0 * stats.t.sf(stats.norm.isf(0.025), m - 1))
        ):  # fmt: skip
            row = rows(found, "type_i", labs=m, n=3000, interval=interval)[0]
            assert stats.binomtest(row["n_hit"], row["n_sim"], exact).pvalue > P_BINOMIAL


# Pages, JSON, bad input ---------------------------------------------------------------------


def test_pages_fit_a_terminal() -> None:
    for page in (meta_page(review()), update_page(updated()), labs_page(laboratories())):
        assert max(len(line) for line in page.splitlines()) <= 80
        assert len(page.splitlines()) < 60
        assert page.isascii()


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    "arguments",
    [
        ["--k", "4,6", "--n", "8"],
        ["--update", "--new-studies", "0:1", "--n", "8"],
        ["--labs", "2:3", "--animals", "48"],
    ],
)
def test_a_scenario_repeats_a_run(capsys, tmp_path, monkeypatch, arguments) -> None:
    for name, number in {"N_SETS": 40, "N_DRAWS": 64, "SET_REPS": 16}.items():
        monkeypatch.setattr(f"planner.updates.{name}", number)
    folder = tmp_path / "out"
    code, out, _ = run(
        capsys, "meta", "--analysis", "chronic-after", "--reps", "500", *arguments,
        "--interval", "hk", "--json", "--out", str(folder),
    )  # fmt: skip
    assert code == 0
    again = run(capsys, "meta", "--scenario", str(folder / "scenario.toml"), "--json")
    assert again[:2] == (0, out)
    assert json.loads(out)["schema"] == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--analysis"),
        (["--analysis", "chronic-after", "--k", "1"], "--k"),
        (["--analysis", "chronic-after", "--estimator", "DLL"], "DL"),
        (["--analysis", "chronic-after", "--interval", "t"], "wald"),
        (["--analysis", "chronic-after", "--vtype", "XX"], "CMA"),
        (["--analysis", "chronic-after", "--plan-for", "pooled"], "new-lab"),
        (["--analysis", "chronic-after", "--n", "8", "--sizes", "4:12"], "--sizes"),
        (["--analysis", "chronic-after", "--sizes", "big"], "--sizes"),
        (["--analysis", "chronic-after", "--new-studies", "0:2"], "--update"),
        (["--analysis", "chronic-after", "--animals", "48"], "--labs"),
        (["--analysis", "chronic-after", "--update", "--labs", "1:3"], "--update"),
        (["--analysis", "chronic-after", "--update", "--k", "6"], "--k"),
        (["--analysis", "chronic-after", "--labs", "2:4", "--n", "8"], "--n"),
        (["--analysis", "chronic-after", "--labs", "0:4"], "--labs"),
        (["--analysis", "chronic-after", "--labs", "20", "--animals", "48"], "--animals"),
        (["--update"], "--analysis"),
        (["--mu", "1", "--tau", "0.5"], "--n"),
        (["--mu", "1"], "--tau"),
        (["--mu", "1", "--tau", "0.5", "--n", "8", "--cluster", "lab"], "--cluster"),
    ],
)
def test_bad_input_is_two_lines_and_exit_code_2(capsys, arguments, named) -> None:
    for extra in ([], ["--json"]):
        code, out, err = run(capsys, "meta", *arguments, *extra)
        assert (code, out) == (2, "")
        assert named in err
        assert 1 <= len(err.strip().splitlines()) <= 2


def test_names_are_found_in_any_case_and_once() -> None:
    assert chosen("estimator", "reml, dl,DL", ("FE", "DL", "REML")) == ("REML", "DL")
    with pytest.raises(InputError, match="did you mean REML"):
        chosen("estimator", "RML", ("FE", "DL", "REML"))
