"""Small-study effects in `planner pool`: what can be applied, and what is said where not."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import planner
from planner.cli import main
from planner.mechanisms import swept
from planner.references import MECHANISM_SOURCES, TEST_SOURCES, references
from planner.reports.pool import _ends, pool_page
from sims.effects import VARIANCES, sampling_variance
from sims.smallstudy_names import CORRECTIONS, DETECTORS, MECHANISMS

EFFECTS = (2.43, -0.79, 1.29, 0.60, 0.68, 0.85, -0.41, 0.84, 0.39, 3.33, 1.16, 0.75)
ON_SE = {"egger-se", "begg", "pet", "peese", "pet-peese", "limit"}
ON_SIZES = {"egger-n", "egger-n-vi"}


def studies(folder: Path, n: list[tuple[int, int]] | None, vi: list[float]) -> Path:
    lines = ["yi,vi" if n is None else "yi,vi,n1,n2"]
    for i, (y, v) in enumerate(zip(EFFECTS, vi, strict=True)):
        sizes = "" if n is None else f",{n[i][0]},{n[i][1]}"
        lines.append(f"{y},{v:.17g}{sizes}")
    file = folder / "studies.csv"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return file


def of_hedges_g(n: list[tuple[int, int]]) -> list[float]:
    """Sampling variances that effect sizes of such groups have."""
    found = []
    for y, (a, b) in zip(EFFECTS, n, strict=True):
        _, fixed, of_square = sampling_variance(float(a), float(b), VARIANCES["CMA"])
        found.append(fixed + of_square * y * y)
    return found


def judged(result: Any) -> dict[str, Any]:
    document = result.document()
    rows = [*document["detectors"], *document["corrections"]]
    return {row.get("detector") or row["correction"]: row for row in rows}


EQUAL, UNEQUAL = [(8, 8)] * 12, [(6 + i % 5, 6 + i % 4) for i in range(12)]
# The same number of animals, shared out in another way: standard errors differ.
SHARED = [(8, 8), (6, 10)] * 6


@pytest.mark.parametrize(
    ("n", "measure", "constant", "without"),
    [
        (EQUAL, "SMD", False, ON_SE | ON_SIZES),  # SEs differ through the effects only
        (EQUAL, "MD", False, ON_SIZES),  # SDs differ
        (EQUAL, "SMD", True, ON_SE | ON_SIZES),
        (UNEQUAL, "SMD", True, ON_SE),
        (UNEQUAL, "SMD", False, set()),
        (SHARED, "SMD", False, ON_SIZES),
        (None, "SMD", True, ON_SE | ON_SIZES),
        (None, "SMD", False, ON_SIZES),
    ],
)
def test_a_predictor_that_does_not_vary_is_not_applicable(
    tmp_path: Path, n: Any, measure: str, constant: bool, without: set[str]
) -> None:
    vi = [0.25] * 12 if constant else of_hedges_g(UNEQUAL if n is None else n)
    result = planner.pool(studies(tmp_path, n, vi), measure=measure)
    found = judged(result)
    assert {name for name, row in found.items() if not row["applicable"]} == without
    for name, row in found.items():
        assert (row["why"] is None) == (name not in without)
        assert (row["estimate"] is None) == (row["pval"] is None) == (name in without)
        assert name not in without or row.get("converged") in (None, False)
    page = pool_page(result)
    assert ("Not applicable: " in page) == bool(without)
    lines = page[: page.index("Repeat:")].splitlines()  # it names the file, which may be long
    assert len(lines) < 58
    assert max(len(line) for line in lines if str(tmp_path) not in line) <= 80
    assert ("no test is applicable" in page) == (without == ON_SE | ON_SIZES)
    assert ("regress effects on themselves" in " ".join(page.split())) == (
        n is EQUAL and measure == "SMD" and not constant
    )
    if n is not None:
        title = result.figures["funnel"](result).axes[1].get_title(loc="left")
        assert ("no asymmetry can be seen" in title) == ("egger-n" in without)


def test_a_model_that_is_not_estimated_says_why(tmp_path: Path) -> None:
    file = tmp_path / "all.csv"
    file.write_text("yi,vi\n2.0,0.1\n2.2,0.12\n2.5,0.15\n1.9,0.11\n", encoding="utf-8")
    result = planner.pool(file)
    row = judged(result)["sel3"]
    assert (row["applicable"], row["converged"]) == (True, False)
    assert "Not estimated: selection model (it needs significant" in pool_page(result)


def test_tests_on_the_standard_error_of_effect_sizes_are_doubted(tmp_path: Path) -> None:
    # Effects alone drive the standard errors here, but for a study of nine.
    n = [*EQUAL[:-1], (9, 9)]
    file = studies(tmp_path, n, of_hedges_g(n))
    result = planner.pool(file)
    found = judged(result)
    assert found["egger-se"]["pval"] < 0.05 < found["egger-n"]["pval"]
    text = next(w["text"] for w in result.warnings if w["code"] == "test-on-se")
    assert "Egger on SE and Begg reject too often" in text
    assert "Egger on 1/sqrt(n): P = " in text
    other = planner.pool(file, measure="MD")
    assert judged(other)["egger-se"]["pval"] == found["egger-se"]["pval"]
    assert not any(w["code"] == "test-on-se" for w in other.warnings)


@pytest.mark.parametrize("many", [False, True])
def test_a_page_beside_saved_figures_says_where_they_are(
    capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, many: bool
) -> None:
    monkeypatch.chdir(tmp_path)
    file = studies(tmp_path, UNEQUAL, of_hedges_g(UNEQUAL))
    head, *rows = file.read_text(encoding="utf-8").splitlines()
    rows = rows * 3 if many else rows[:8]
    file.write_text("\n".join([head, *rows]) + "\n", encoding="utf-8")
    out = Path("out")
    assert main(["pool", file.name, "--quiet", "--out", str(out)]) == 0
    page = capsys.readouterr().out
    assert "--out DIR" not in page
    assert ("Forest and funnel plot:" in page) == many
    assert (str(out / "forest.png") in page) == many
    assert (out / "forest.png").exists()
    assert main(["pool", file.name]) == 0
    assert ("--out DIR" in capsys.readouterr().out) == many


def test_what_does_not_vary_is_judged_without_rounding(tmp_path: Path) -> None:
    vi = list(np.full(12, 0.25) * (1.0 + 1e-14 * np.arange(12)))
    assert not judged(planner.pool(studies(tmp_path, None, vi)))["pet"]["applicable"]


@pytest.mark.parametrize("command", ["bias", "pool", "calibrate"])
def test_help_says_where_methods_come_from(capsys: Any, command: str) -> None:
    assert main([command, "--help"]) == 0
    out = capsys.readouterr().out
    assert max(len(line) for line in out.splitlines()) <= 80
    assert "Examples:" in out
    before, after = out.split("References:")[1].split("Words:")
    assert after.strip()
    named = {line.split()[0] for line in before.splitlines() if line.startswith("    ")}
    mechanisms, tests = set(MECHANISM_SOURCES), set(TEST_SOURCES)
    expected = {"bias": mechanisms | tests, "pool": tests, "calibrate": mechanisms}[command]
    assert named >= expected
    text = " ".join(before.split())
    for name in expected:
        assert {**MECHANISM_SOURCES, **TEST_SOURCES}[name] in text


def test_every_method_has_a_reference_that_can_be_looked_up() -> None:
    assert set(MECHANISM_SOURCES) == set(MECHANISMS) - {"none"}
    assert set(TEST_SOURCES) == set(DETECTORS) | set(CORRECTIONS)
    for text in (*MECHANISM_SOURCES.values(), *TEST_SOURCES.values()):
        assert re.search(r"\d{4}, doi:10\.\d{4,}/\S+", text), text


def test_json_holds_the_references_of_what_was_used(tmp_path: Path) -> None:
    result = planner.pool(studies(tmp_path, UNEQUAL, of_hedges_g(UNEQUAL)))
    assert result.document()["provenance"]["references"] == TEST_SOURCES
    (one,) = swept("step+peak=3", weight="0.5")
    names = {name: MECHANISM_SOURCES[name] for name in ("step", "peak")}
    assert references([one]) == names
    assert references([one, *swept("none")], ["begg"], ["sel3"]) == {
        **names, "begg": TEST_SOURCES["begg"], "sel3": TEST_SOURCES["sel3"],
    }  # fmt: skip


def test_identical_studies_say_nothing_silly(tmp_path: Path) -> None:
    file = tmp_path / "same.csv"
    file.write_text("yi,vi,n1,n2\n" + "1,0.2,8,8\n" * 3, encoding="utf-8")
    result = planner.pool(file)
    page = " ".join(pool_page(result).split())
    row = judged(result)["p-uniform-star"]
    assert row["ci_lb"] is None
    assert f"p-uniform* {row['estimate']:.2f} (interval: below {row['ci_ub']:.2f})" in page
    assert "does not move the average" in page
    assert "Only 3 studies: tests for small-study effects need 10." in page


def test_an_interval_with_one_endless_end() -> None:
    assert _ends({"ci_lb": 0.5, "ci_ub": None}) == "(interval: above 0.50)"
    assert _ends({"ci_lb": None, "ci_ub": 2.0}) == "(interval: below 2.00)"
    assert _ends({"ci_lb": None, "ci_ub": None}) == "(interval endless)"
    assert _ends({"ci_lb": 0.5, "ci_ub": 2.0}) == "[0.50, 2.00]"
