"""The follow-up plan: its numbers, its words, and that the page has no others."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import planner
from planner.cli import main
from planner.plan_designs import required_n
from planner.plans import Plan
from planner.published import catalogue_review
from planner.reports.places import FORMATS
from tests.helpers import few_reviews
from tests.plan_numbers import at, read

REPS = 2000
ANALYSES = ("single-late", "chronic-during", "chronic-after")


@pytest.fixture(scope="module", autouse=True)
def _few_reviews() -> Any:
    with pytest.MonkeyPatch.context() as patch:
        few_reviews(patch)
        yield


@pytest.fixture(scope="module")
def plans(default_plan: Callable[[str], Plan]) -> dict[str, Plan]:
    return {name: default_plan(name) for name in ANALYSES}


@pytest.fixture(scope="module")
def after(plans: dict[str, Plan]) -> Plan:
    return plans["chronic-after"]


@pytest.mark.parametrize("name", ANALYSES)
def test_every_number_of_the_page_is_one_of_the_json(plans: dict[str, Plan], name: str) -> None:
    document = json.loads(plans[name].json())
    page = read(plans[name].html())
    assert len(page.numbers) > 150
    for path, value, form, shown in page.numbers:
        number = at(document, path)
        assert json.loads(value) == number, path
        assert shown == FORMATS[form](number), path
    for path, shown in page.texts:
        assert shown == at(document, path), path
    # What is left is fixed wording, such as names of standards.
    left = " ".join(page.rest)
    fixed = ("ARRIVE 2.0", "items 1 to 7", "95%", "1/√n", "I²", "P exceeds 0.025", "f 100")
    for known in fixed:
        left = left.replace(known, "")
    assert not re.findall(r"\d+", left), re.findall(r".{20}\d+.{20}", left)


def test_numbers_equal_those_of_the_commands_beside_it(
    after: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    document = json.loads(after.json())
    line = next(row["line"] for row in document["commands"] if row["line"].startswith("planner po"))
    assert main([*line.split()[1:], "--json"]) == 0
    power = json.loads(capsys.readouterr().out)
    for part in ("performance", "required", "truth", "recommended", "warnings"):
        assert document[part] == power[part], part
    success = {
        (row["truth"], row["n"]): row["exact"]
        for row in power["performance"] if row["measure"] == "success"
    }  # fmt: skip
    for row in document["curve"]:
        assert row["success"] == {truth: success[truth, row["n"]] for truth in row["success"]}
    line = next(
        row["line"] for row in document["commands"] if row["line"].startswith("planner cal")
    )
    assert main([*line.split()[1:], "--json"]) == 0
    calibrated = json.loads(capsys.readouterr().out)
    assert document["check"] == calibrated["check"]
    line = next(row["line"] for row in document["commands"] if row["line"].startswith("planner bi"))
    assert main([*line.split()[1:], "--json"]) == 0
    biased = json.loads(capsys.readouterr().out)
    assert document["bias"]["answer"] == biased["answer"]
    rows = {(row["measure"], row["weight"], row["detector"], row["correction"]): row["value"]
            for row in biased["performance"]}  # fmt: skip
    text = " ".join(document["bias"]["doubts"])
    benefit, large = (biased["all_bias"][name]["value"] for name in ("benefit", "as_large"))
    assert f"{100 * benefit:.0f}% of reviews would show a significant benefit" in text
    assert f"{100 * large:.1f}% one as large as the published" in text
    for row in document["bias"]["rows"]:
        assert row["error"]["value"] == rows["bias", row["weight"], None, "none"]
        for name, cell in row["detectors"].items():
            assert cell["value"] == rows["rejection", row["weight"], name, None]


def test_when_to_test_equals_the_command_beside_it(
    after: Plan, capsys: pytest.CaptureFixture[str]
) -> None:
    """Every number of the section, and of the design with a second day, is one of its JSON."""
    document = json.loads(after.json())
    line = next(row["line"] for row in document["commands"] if row["gives"] == "when to test")
    assert main([*line.split()[1:], "--json"]) == 0
    decayed = json.loads(capsys.readouterr().out)
    when, more = document["when"], document["more_days"]
    # Not a second plan: what another question takes.
    assert decayed["answer"].startswith("Plan 14 animals")
    assert when["answer"] == "It takes" + decayed["answer"].removeprefix("Plan")
    assert when["days"] == [float(day) for day in decayed["scenario"]["times"].split(",")]
    assert when["last"] == when["days"][-1] == 24.0
    assert when["target"] == decayed["scenario"]["target"][0]
    assert when["I2_published"] == decayed["truth"]["I2_published"]
    own: dict[str, list[Any]] = {row["what"]: [] for row in decayed["sensitivity"]}
    for row in decayed["sensitivity"]:
        if row["n"] is not None:
            own[row["what"]].append((row["value"], row["n"], row["asked"]))
    sizes = {value: n for value, n, _ in own.pop("reading")}
    assert len(when["readings"]) == 3
    for row, other in zip(when["readings"], decayed["truth"]["readings"], strict=True):
        assert row.pop("n") == sizes.get(other["reading"])
        assert row.pop("text") in {
            "the stated median delay, 24 days (range 1 to 36)",
            "the median of the six delays in Table 1",
            "each comparison at its own delay in Table 1, in the order of its rows",
        }
        assert row == {name: other[name] for name in row}
    assert [(row["what"], row["value"], row["n"], row["asked"]) for row in when["changes"]] == [
        (what, *values) for what, rows in own.items() for values in rows
    ]
    by_day = {(row["day"], row["question"], row["truth"]): row["n"] for row in decayed["by_day"]}
    shown = {
        (row["day"], question, truth): n
        for row in when["by_day"]
        for question in ("decay", "residual")
        for truth, n in row[question].items()
    }
    assert shown == by_day
    assert len(shown) > 30
    chosen = next(row for row in decayed["required"] if row["recommended"])
    for name in ("n", "animals", "ordered", "question"):
        assert more[name] == chosen[name]
    assert (more["days"], more["sessions"]) == ([0.0, 24.0], 2)
    rows = {row["truth"]: row for row in decayed["performance"]
            if (row["measure"], row["question"], row["n"]) == (
                "success", more["question"], more["n"])}  # fmt: skip
    assert more["by_truth"] == {truth: row["exact"] for truth, row in rows.items()}
    assert more["by_truth"]["new-lab"] >= when["target"]
    assert [more[name] for name in ("simulated", "mcse", "n_sim")] == [
        rows["new-lab"][name] for name in ("value", "mcse", "n_sim")
    ]


def test_why_no_day_can_be_recommended_is_said(plans: dict[str, Plan]) -> None:
    late = plans["single-late"]
    assert late.extra["when"] is late.extra["more_days"] is None
    assert "No other analysis of this review" in late.extra["no_when"]
    page = late.html()
    assert "<h2>When to test</h2>" in page
    assert "planner decay (--delta0" in page
    assert plans["chronic-after"].extra["no_when"] is None
    # What only some reviews have is not taken for granted.
    assert "lesion" not in " ".join(read(page).rest + [row["text"] for row in late.extra["arrive"]])


def test_the_plan_follows_power(after: Plan) -> None:
    best = after.extra["designs"][0]
    assert best["role"] == "recommended"
    assert best["n"] == after.recommended == 23
    assert best["animals"] == best["ordered"] == 46
    assert best["by_truth"]["new-lab"] == best["success"] >= 0.8
    smaller, larger = after.extra["designs"][1:]
    assert (smaller["role"], smaller["n"]) == ("average-lab", 10)
    assert (larger["role"], larger["n"]) == ("not-knowing", 44)
    changes = [row["change"] for row in after.extra["neighbours"]]
    assert changes == [-16, -8, 0, 8, 16]
    plan = after.extra["neighbours"][2]
    for row in after.extra["neighbours"]:
        assert row["gain"] == pytest.approx(row["success"] - plan["success"], abs=1e-12)
        # Benefit, harm and no answer are all there is.
        assert row["success"] + row["harm"] + row["no_answer"] == pytest.approx(1.0, abs=1e-12)


def test_sensitivity_is_exact(after: Plan) -> None:
    from planner.designs import Design
    from sims.exact import Student

    rows = {(row["factor"], row["level"]): row for row in after.extra["sensitivity"]}
    truth, n = after.truth, after.extra["planned_n"]
    test = Student(Design().two_arm(n))
    for level, share in (
        ("by a quarter of the published", 0.75),
        ("by half of the published", 0.5),
    ):
        row = rows["published effects too large", level]
        exact = float(test.benefit(share * truth["mu"], truth["tau"] ** 2))
        assert row["success"] == pytest.approx(exact, abs=1e-12)
    quarter = required_n(after, "new-lab", 0.8, 0.25)
    assert quarter is not None
    assert rows["published effects too large", "by a quarter of the published"]["n"] == quarter["n"]
    option = catalogue_review().readings["group-size-mean"].options["animals"]
    other = rows["other reading: group size mean", option.text]
    assert other["mu_mcse"] > 0.0
    # So many that nine tenths of them are enough.
    least = required_n(after, "new-lab", 0.8, 0.0)
    lost = rows["animals lost", "a tenth, without spare ones"]["n"]
    assert least is not None
    assert 9 * lost // 10 >= least["n"] > 9 * (lost - 1) // 10
    bars = after.extra["tornado"]
    assert [bar["high"] - bar["low"] for bar in bars] == sorted(
        (bar["high"] - bar["low"] for bar in bars), reverse=True
    )


@pytest.mark.parametrize(("name", "kind"), [("chronic-during", "sesoi"), ("single-late", "mde")])
def test_no_plan_is_said_and_what_helps(plans: dict[str, Plan], name: str, kind: str) -> None:
    plan = plans[name]
    assert plan.recommended is None
    assert plan.extra["designs"] == []
    assert plan.extra["instead"]["kind"] == kind
    assert "We therefore do not justify a group size" in plan.extra["paragraphs"]["short"]
    assert "What can be asked instead" in plan.html()
    text = " ".join(plan.extra["paragraphs"].values())
    assert "We will compare" not in text


def test_why_not_fewer_and_why_not_more(after: Plan, plans: dict[str, Plan]) -> None:
    why, (*_, fewer, plan, more, _) = after.extra["why"], after.extra["neighbours"]
    assert f"8 animals fewer ({fewer['n']} per group)" in why["fewer"]
    assert f"from {100 * plan['success']:.1f}% to {100 * fewer['success']:.1f}%" in why["fewer"]
    assert "below the target of 80%" in why["fewer"]
    said = f"{100 * fewer['no_answer']:.0f} instead of {100 * plan['no_answer']:.0f} would end"
    assert said in why["fewer"]
    assert f"raise it to {100 * more['success']:.1f}%" in why["more"]
    assert "gives a new laboratory more than 94%" in why["more"]
    assert plans["single-late"].extra["why"] is None


def test_what_selection_would_do_is_said_for_the_plan(plans: dict[str, Plan]) -> None:
    for name, why in (("chronic-after", "selection"), ("chronic-during", "se-read-as-sd")):
        extra = plans[name].extra
        row = next(row for row in extra["sensitivity"] if row["discount"] is not None)
        text = " ".join(extra["bias"]["doubts"])
        assert row["discount"] == why
        said = f"{row['mu']:.2f} SDs, {extra['planned_n']} per group have a chance of"
        # Standard errors that were read as SDs are no selection.
        assert (said in text) == (why == "selection")
        for share in extra["bias"]["rows"][1:]:
            assert f"{100 * share['unpublished']['value']:.0f}% of the studies are missing" in text


def test_whether_the_model_gives_the_numbers_back_is_read_off_the_table(after: Plan) -> None:
    from planner.reports.plan_doubts import model_answer

    check = [dict(row) for row in after.extra["check"]]
    assert model_answer(check).startswith("Yes: every published number lies inside")
    own = next(row for row in check if (row["statistic"], row["truth"]) == ("se", "matched"))
    said = f"{own['published']:.3g}; the median simulated one is {own['median']:.3g}"
    assert said in after.extra["check_answer"]
    own["published"] = own["ub"] + 0.01
    assert model_answer(check) == (
        "Not fully: outside the 95% range of simulated reviews: standard error of it."
    )


def test_what_can_be_asked_instead_equals_power(plans: dict[str, Plan]) -> None:
    analysis = planner.analysis("chronic-during")
    for row in plans["chronic-during"].extra["instead"]["rows"]:
        asked = planner.power(analysis, n=[4], sesoi=row["sesoi"], reps=2)
        required = required_n(asked, "new-lab", 0.8)
        assert required is not None
        assert (row["n"], row["ceiling"]) == (required["n"], required["ceiling"])
    late = planner.analysis("single-late")
    for row in plans["single-late"].extra["instead"]["rows"][:2]:
        found = planner.power(late, animals=row["animals"], reps=2)
        mde = next(r["value"] for r in found.performance if r["measure"] == "mde")
        assert row["mde"] == pytest.approx(mde, rel=1e-9)


def test_only_the_laboratory_knows(after: Plan) -> None:
    page = after.html()
    for name in ("species and strain", "sex", "outcome and its unit", "animals per cage",
                 "sham group", "time of the test"):  # fmt: skip
        assert f'<span class="fill" data-fill="{name}">[{name}]</span>' in page
    text = after.extra["paragraphs"]["long"]
    for invented in ("Sprague-Dawley", "male", "von Frey", "mice"):
        assert invented not in text


def test_budget_attrition_cages_and_unit() -> None:
    plan = planner.plan(
        planner.analysis("chronic-after"), budget=44, attrition=0.1, cage=4, sd=3.1, unit="gram",
        reps=REPS,
    )  # fmt: skip
    affordable, recommended = plan.extra["designs"][:2]
    assert (affordable["role"], recommended["role"]) == ("budget", "recommended")
    assert affordable["ordered"] <= 44 < recommended["ordered"] == 52
    # 52 animals for two groups of 26, in cages of four: seven cages each.
    assert (recommended["spare"], recommended["cages"]) == (6, 14)
    assert plan.answer.startswith("The budget of 44 animals buys 19 animals per group")
    assert "gram" in plan.extra["form"][0]["value"]
    enough = planner.plan(planner.analysis("chronic-after"), budget=46, reps=REPS)
    assert enough.extra["designs"][0]["role"] == "recommended"


def test_text_of_evidence_is_text(tmp_path: Path) -> None:
    evil = '<script>alert(1)</script> & \\"quotes\\" </title>'
    file = tmp_path / "evil.toml"
    file.write_text(
        f'title = "{evil}"\nsource = "</script><img src=x onerror=alert(2)>"\nk = 12\ng = 0.85\n'
        'ci = [0.40, 1.30]\nI2 = 61\n[group_sizes]\nmedian = 8\nrange = [5, 14]\n'
    )  # fmt: skip
    words = planner.read(file)
    # The numbers of the catalogue, whose calibration ships, under the file's words.
    analysis = replace(
        planner.analysis("chronic-after"), title=words.title, review=words.review,
        citation=words.citation, notes=(words.title,),
    )  # fmt: skip
    asked = {"evidence": str(file), "reading": []}
    page = planner.plan(analysis, reps=REPS, asked=asked).html()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<img" not in page
    assert page.count("<script") == page.count("</script>") == 2


def test_command_writes_the_page_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    folder = tmp_path / "plan"
    line = [
        "plan",
        "--analysis",
        "single-early/intrathecal",
        "--reps",
        "2000",
        "--out",
        str(folder),
        "--quiet",
    ]
    assert main(line) == 0
    shown = capsys.readouterr().out
    assert "ANSWER  Plan 10 animals per group" in shown
    assert len(shown.splitlines()) < 60
    assert max(map(len, shown.splitlines())) <= 80
    names = {path.name for path in folder.iterdir()}
    assert {"plan.html", "plan.json", "scenario.toml", "provenance.json", "curve.svg"} <= names
    before = (folder / "plan.html").read_bytes()
    assert main(line) == 2
    assert "plan.html exists; use --force" in capsys.readouterr().err
    again = ["plan", "--scenario", str(folder / "scenario.toml"), "--out", str(folder), "--force"]
    assert main([*again, "--quiet"]) == 0
    assert (folder / "plan.html").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--budget", "3"], "--budget 3; accepted: 4"),
        (["--cage", "0"], "--cage 0; accepted: 1"),
        (["--plan-for", "newlab"], "did you mean new-lab"),
        (["--attrition", "1"], "--attrition 1; accepted"),
    ],
)
def test_wrong_input_is_named(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    line = ["plan", "--analysis", "chronic-after", "--out", str(tmp_path), "--reps", "2", *options]
    assert main(line) == 2
    out, err = capsys.readouterr()
    assert not out
    assert said in err


def test_a_plan_without_evidence_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["plan"]) == 2
    assert "give --analysis NAME or --evidence FILE.toml" in capsys.readouterr().err


def test_program_of_studies_ranks_by_what_it_teaches(plans: dict[str, Plan]) -> None:
    program = plans["chronic-after"].extra["program"]
    rows = program["rows"]
    assert [row["per_ten"] for row in rows] == sorted((r["per_ten"] for r in rows), reverse=True)
    steps = {row["step"]: row for row in rows}
    one, days = steps["one more laboratory"], steps["one laboratory, three more days"]
    assert (one["animals"], one["days"], days["days"]) == (46, 1, 4)
    assert steps["one laboratory, each animal tested twice and averaged"]["days"] == 2
    # More days say nothing more about mu and tau, and more about the half-life.
    assert days["mu"] == one["mu"]
    assert days["half_life"]["value"] > one["half_life"]["value"]
    assert steps["two more laboratories"]["tau"]["value"] > one["tau"]["value"]
    for row in rows:
        gains = [row[name]["value"] for name in ("mu", "tau", "half_life")]
        assert row["per_ten"] == pytest.approx(10 * sum(gains) / 3 / row["animals"], rel=1e-12)
        errors = [row[name]["mcse"] for name in ("mu", "tau", "half_life")]
        assert row["per_ten_mcse"] == pytest.approx(
            10 * sum(e * e for e in errors) ** 0.5 / 3 / row["animals"], rel=1e-12
        )
    # What simulation cannot tell from the first is said, and nothing else.
    gap = [(r["step"], rows[0]["per_ten"] - r["per_ten"],
            1.96 * (rows[0]["per_ten_mcse"] ** 2 + r["per_ten_mcse"] ** 2) ** 0.5)
           for r in rows[1:]]  # fmt: skip
    assert program["near"] == [step for step, away, error in gap if away < error]
    assert all(step in program["answer"] for step in [rows[0]["step"], *program["near"]])
    late = plans["single-late"].extra["program"]
    assert late["day"] is None
    assert all(row["half_life"]["value"] is None for row in late["rows"])


def test_thin_evidence_is_counted_from_the_catalogue(after: Plan) -> None:
    counts = {row["factor"]: {level["level"]: level["comparisons"] for level in row["levels"]}
              for row in after.extra["coverage"]}  # fmt: skip
    # Table 1 of the article: Huang, Mak, Mao, Salvat (two), Swartjes.
    assert counts["species"] == {"rat": 4, "mouse": 2}
    assert counts["sex"] == {"male": 4, "female": 2}
    assert counts["route"] == {"i.p.": 3, "s.c.": 1, "i.t.": 1, "i.v.": 1}
    assert sum(counts["laboratory"].values()) == sum(counts["delay"].values()) == 6
    thin = after.extra["thin"]
    assert "Only one comparison: route s.c., i.t., i.v.; delay" in thin
    assert "sex" not in thin
    assert "<dt>i.p.</dt><dd>intraperitoneal" in after.html()


def test_every_choice_of_truth_and_design_gives_a_page() -> None:
    analysis = planner.analysis("single-early/intrathecal")
    choices: list[dict[str, Any]] = [
        {"plan_for": "assurance"}, {"plan_for": "pooled"},
        {"plan_for": "discounted", "treated": 2, "allocation": (2, 1)},
        {"sides": "less", "budget": 40},
    ]  # fmt: skip
    for choice in choices:
        plan = planner.plan(analysis, reps=100, **choice)
        text = " ".join([plan.answer, *plan.extra["paragraphs"].values()])
        assert "None" not in text
        assert "nan" not in text
        assert len(read(plan.html()).numbers) > 150
    # What the budget buys stands among the sizes that no plan recommends.
    assert {"n": 20, "animals": 40}.items() <= plan.extra["neighbours"][5].items()
