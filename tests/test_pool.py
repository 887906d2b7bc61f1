"""Pooling study-level data: the numbers, the page, the figures, JSON, and what edge cases give."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import planner
from planner.cli import main
from planner.errors import InputError
from sims.inference import summarize

HERE = Path(__file__).parent
MARBLES = HERE / "data" / "marbles.csv"
PINNED = json.loads((HERE / "reference" / "pool.json").read_text())

ESTIMATE = {"estimator", "interval", "estimate", "se", "ci_lb", "ci_ub", "pval", "tau2", "I2",
            "QE", "pi_lb", "pi_ub"}  # fmt: skip


def run(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    code = main(["pool", *arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def write(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_bytes(text.encode(encoding))
    return path


@pytest.fixture
def stroke(tmp_path: Path) -> Path:
    rows = PINNED["stroke"]["data"]
    lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
    return write(tmp_path / "stroke.csv", "\n".join(lines) + "\n")


def same(found: Any, pinned: Any, tolerance: float) -> bool:
    if pinned is None or found is None:
        return found is None and pinned is None
    return math.isclose(found, pinned, rel_tol=tolerance, abs_tol=tolerance)


@pytest.mark.parametrize("name", ["stroke", "marbles"])
def test_equals_metafor_and_clubsandwich(name: str, stroke: Path) -> None:
    pinned = PINNED[name]
    path = stroke if name == "stroke" else MARBLES
    result = planner.pool(path, benefit="lower", vtype="LS")
    document = result.document()
    assert [row["yi"] for row in document["studies"]] == pytest.approx(pinned["yi"], abs=1e-12)
    assert [row["vi"] for row in document["studies"]] == pytest.approx(pinned["vi"], abs=1e-12)
    found = {(row["estimator"], row["interval"]): row for row in document["estimates"]}
    assert len(found) == len(pinned["estimates"])
    for row in pinned["estimates"]:
        own = found[row["estimator"], row["interval"]]
        for key, value in row.items():
            if isinstance(value, str) or (key.startswith("pi") and value is None):
                continue
            # Q-profile bounds stop at metafor's tolerance for them.
            tolerance = 1e-6 if key.startswith("tau2_") else 1e-8
            assert same(own[key], value, tolerance), (row["estimator"], row["interval"], key)


def test_all_are_in_json_default_first(capsys: Any) -> None:
    code, out, err = run(capsys, str(MARBLES), "--benefit", "lower", "--json")
    assert (code, err) == (0, "")
    document = json.loads(out)
    assert document["k"] == 28
    pairs = [(row["estimator"], row["interval"]) for row in document["estimates"]]
    assert pairs[0] == ("DL", "wald")
    assert len(set(pairs)) == len(pairs) == 4 * 4
    assert set(document["estimates"][0]) >= ESTIMATE
    assert {row["detector"] for row in document["detectors"]} >= {"egger-se", "begg"}
    assert {row["correction"] for row in document["corrections"]} >= {"trimfill", "sel3"}
    assert set(document) >= {
        "schema", "command", "version", "answer", "warnings", "scenario", "truth", "performance",
        "required", "recommended", "provenance", "studies", "leave_one_out", "subgroups",
        "left_out",
    }  # fmt: skip
    assert len(document["leave_one_out"]) == 28
    assert sum(row["weight"] for row in document["studies"]) == pytest.approx(100.0)
    codes = [warning["code"] for warning in document["warnings"]]
    assert codes[:2] == ["shared-control", "clusters"]


def test_options_restrict_and_order() -> None:
    result = planner.pool(MARBLES, benefit="lower", estimator="reml,dl", interval=["hk"])
    pairs = [(row["estimator"], row["interval"]) for row in result.extra["estimates"]]
    assert pairs == [("REML", "hk"), ("REML", "cr2"), ("DL", "hk"), ("DL", "cr2")]
    assert "REML, Hartung-Knapp" in result.answer
    assert list(result.frame["estimator"]) == ["REML", "REML", "DL", "DL"]


def test_page_fits_a_terminal(capsys: Any, stroke: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for path, arguments in (
        (MARBLES, []),
        (MARBLES, ["--where", "dosing=acute", "--by", "sex"]),
        (stroke, []),
    ):
        # By its name alone: a long folder cannot be broken into lines.
        monkeypatch.chdir(path.parent)
        code, out, _ = run(capsys, path.name, "--benefit", "lower", *arguments)
        assert code == 0
        assert len(out.splitlines()) < 60
        assert max(len(line) for line in out.splitlines()) <= 80
        assert out.isascii()
        assert "ANSWER" in out
        assert "A new laboratory's true effect lies between" in " ".join(out.split())
        assert "SDs" in out
    assert "a new laboratory" in out  # the plot of the nine studies


def test_shared_controls_are_counted() -> None:
    result = planner.pool(MARBLES, benefit="lower")
    text = next(w["text"] for w in result.warnings if w["code"] == "shared-control")
    # Bruins Slot, Kobayashi, Millan, Nicolas, Njung'e, Takeuchi.
    extra = 2 * 9 + 3 * 67 + 3 * 5 + 4 * 7 + 3 * 6 + 2 * 10
    assert f"{extra} control animals" in text
    assert "6 control groups are compared 3 to 5 times" in text


def test_subgroups() -> None:
    document = planner.pool(MARBLES, benefit="lower", by="sex").document()
    groups = {row["group"]: row["k"] for row in document["subgroups"]["groups"]}
    assert groups == {"male": 22, "female": 6}
    assert document["subgroups"]["df"] == 1
    (pair,) = document["subgroups"]["pairs"]
    assert pair["pval_bonferroni"] == pytest.approx(document["subgroups"]["pval"])
    # Common tau^2: one factor of weights within subgroups, checked against pooling by hand.
    tau2 = document["subgroups"]["tau2"]
    for row in document["subgroups"]["groups"]:
        own = [s for s in document["studies"] if s["group"] == row["group"]]
        w = np.array([1.0 / (s["vi"] + tau2) for s in own])
        assert row["estimate"] == pytest.approx(w @ [s["yi"] for s in own] / w.sum())
    assert planner.pool(MARBLES).document()["subgroups"] == {}
    three = planner.pool(MARBLES, by="dosing").document()["subgroups"]
    assert three["left_out"] == ["chronic", "subchronic"]
    assert three["pairs"] == []


def test_out_writes_files_that_repeat_the_run(capsys: Any, tmp_path: Path) -> None:
    folder = tmp_path / "out"
    options = ["--benefit", "lower", "--where", "dosing=acute", "--where", "sex=male", "--by",
               "sex", "--estimator", "PM,DL", "--interval", "hk-wald,wald", "--alpha", "0.1",
               "--vtype", "UB", "--skip-incomplete"]  # fmt: skip
    code, out, err = run(capsys, str(MARBLES), *options, "--json", "--out", str(folder))
    assert code == 0
    assert err == f"Written to {folder}\n"
    assert {path.name for path in folder.iterdir()} == {
        "scenario.toml", "result.json", "performance.csv", "studies.csv", "provenance.json",
        "forest.svg", "forest.png", "funnel.svg", "funnel.png",
    }  # fmt: skip
    code, again, _ = run(capsys, "--scenario", str(folder / "scenario.toml"), "--json")
    assert code == 0
    assert json.loads(again) == json.loads(out)
    code, other, _ = run(
        capsys, "--scenario", str(folder / "result.json"), "--estimator", "FE", "--json"
    )
    assert {row["estimator"] for row in json.loads(other)["estimates"]} == {"FE"}
    few = str(write(tmp_path / "few.csv", "yi,vi\n1,1\n2,1\n"))
    code, out, err = run(capsys, few, "--out", str(folder))
    assert (code, out) == (2, "")
    assert "--force" in err
    assert run(capsys, few, "--out", str(folder), "--force", "--quiet")[::2] == (0, "")


def test_figures_are_the_same_bytes_again() -> None:
    from io import BytesIO

    from planner.reports.style import render_figure

    drawn = []
    for _ in range(2):
        target = BytesIO()
        result = planner.pool(MARBLES, benefit="lower", by="sex")
        render_figure(result.figures["forest"](result), target, "svg", "forest")
        drawn.append(target.getvalue())
    assert drawn[0] == drawn[1]
    assert b"Njung'e 1991, 20 mg/kg" in drawn[0]
    assert b"a new laboratory" in drawn[0]


@pytest.mark.parametrize(
    ("rows", "k"),
    [
        ("A,0.5,0.2\n", 1),
        ("A,0.5,0.2\nB,0.5,0.2\n", 2),
        ("A,0,1e-9\nB,1000000,1e-9\n", 2),
        ("A,0,0.2\nB,0,0.2\nC,0,0.2\n", 3),
        ("A,-1e-7,1e-5\nB,1e-7,1e4\n", 2),
        ("A,-2,0.1\nB,-2.1,0.1\nC,-1.9,0.3\n", 3),
    ],
)
def test_extremes_give_a_page_and_json(
    capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rows: str, k: int
) -> None:
    monkeypatch.chdir(tmp_path)
    path = write(tmp_path / "few.csv", "study,yi,vi\n" + rows).name
    code, out, err = run(capsys, path, "--json", "--out", "out", "--quiet")
    assert (code, err) == (0, "")
    document = json.loads(out, parse_constant=lambda text: pytest.fail(text))
    assert document["k"] == k
    code, page, _ = run(capsys, path)
    assert code == 0
    assert "nan" not in page
    assert "None" not in page
    assert max(len(line) for line in page.splitlines()) <= 80


def test_one_study_has_no_heterogeneity(tmp_path: Path) -> None:
    path = write(tmp_path / "one.csv", "yi,vi\n0.5,0.04\n")
    document = planner.pool(path).document()
    for row in document["estimates"]:
        assert row["estimate"] == 0.5
        assert row["tau2"] is row["I2"] is row["QE"] is row["pi_lb"] is None
        if row["interval"] == "wald":
            assert row["ci_ub"] == pytest.approx(0.5 + 1.959963984540054 * 0.2, abs=1e-12)
        else:
            assert row["se"] is row["ci_lb"] is row["pval"] is None
    assert document["leave_one_out"] == []


def test_one_study_with_another_interval(capsys: Any, tmp_path: Path) -> None:
    path = str(write(tmp_path / "one.csv", "study,yi,vi,cluster\nA,0.5,0.04,x\n"))
    code, page, _ = run(capsys, path, "--interval", "hk", "--out", str(tmp_path / "out"))
    assert code == 0
    assert "its effect is 0.50 SDs. How much" in " ".join(page.split())
    two = str(write(tmp_path / "two.csv", "study,yi,vi\nA,0.5,0.04\nB,0.6,0.04\n"))
    left = planner.pool(two, interval="hk").document()["leave_one_out"]
    assert [row["ci_lb"] for row in left] == [None, None]


def test_names_in_any_script(capsys: Any, tmp_path: Path) -> None:
    text = "study,yi,vi\n\u738b 2010,0.5,0.2\n\u0418\u0432\u0430\u043d\u043e\u0432 $2$,1,0.2\n"
    path = str(write(tmp_path / "names.csv", text))
    code, _, err = run(capsys, path, "--out", str(tmp_path / "out"), "--quiet")
    assert (code, err) == (0, "")
    assert "\u738b 2010".encode() in (tmp_path / "out" / "forest.svg").read_bytes()


def test_leave_one_out_is_pooling_the_others(tmp_path: Path) -> None:
    lines = ["study,yi,vi", "A,0.5,0.2", "B,1.5,0.1", "C,-0.3,0.3", "D,0.9,0.25"]
    whole = planner.pool(write(tmp_path / "all.csv", "\n".join(lines))).document()
    for i, row in enumerate(whole["leave_one_out"]):
        others = "\n".join(line for j, line in enumerate(lines) if j != i + 1)
        one = planner.pool(write(tmp_path / "others.csv", others)).document()["estimates"][0]
        assert row["estimate"] == one["estimate"]
        assert row["ci_lb"] == one["ci_lb"]


def test_ten_thousand_studies(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    yi, vi = rng.normal(0.5, 0.7, 10_000), rng.uniform(0.1, 0.5, 10_000)
    text = "yi,vi\n" + "".join(f"{y},{v}\n" for y, v in zip(yi, vi, strict=True))
    result = planner.pool(write(tmp_path / "large.csv", text), estimator="DL")
    assert result.extra["k"] == 10_000
    assert result.extra["leave_one_out"] == []
    assert result.forest().get_xlabel()
    w = 1.0 / (vi + result.extra["estimates"][0]["tau2"])
    assert result.extra["estimates"][0]["estimate"] == pytest.approx(float(w @ yi / w.sum()))


def test_another_measure_is_not_called_sds(capsys: Any, tmp_path: Path) -> None:
    path = str(write(tmp_path / "ratio.csv", "yi,vi\n0.5,0.2\n0.2,0.1\n"))
    code, page, _ = run(capsys, path, "--measure", "log odds ratio")
    assert code == 0
    assert "SDs" not in page
    assert "log odds ratio" in page
    assert "--write-evidence" not in page
    assert "measure-assumed" in [w["code"] for w in planner.pool(path).warnings]
    assert "measure-assumed" not in [w["code"] for w in planner.pool(MARBLES).warnings]


def test_harm_names_the_option() -> None:
    codes = {w["code"]: w["text"] for w in planner.pool(MARBLES).warnings}
    assert codes["wrong-way"].endswith("--benefit lower")
    assert "wrong-way" not in {w["code"] for w in planner.pool(MARBLES, benefit="lower").warnings}


def test_result_is_as_in_the_interface() -> None:
    result = planner.pool(MARBLES, benefit="lower", where={"sex": "male"}, alpha=0.1)
    assert len(result.frame) == 16
    assert result.forest().get_xlabel()
    assert len(result.funnel()) == 2
    with pytest.raises(InputError, match="forest, funnel"):
        result.plot("tunnel")
    with pytest.raises(AttributeError):
        result.answer = ""  # type: ignore[misc]
    assert "<table" in result._repr_html_()


@pytest.mark.parametrize(
    ("options", "named"),
    [
        (["--benefit", "more"], "higher, lower"),
        (["--vtype", "XX"], "CMA, LS, UB"),
        (["--estimator", "DL,REMI"], "did you mean REML"),
        (["--interval", "walt"], "did you mean wald"),
        (["--alpha", "0"], "--alpha"),
        (["--alpha", "nan"], "--alpha"),
        (["--where", "sex"], "COLUMN=VALUE"),
        (["--where", "sexe=male"], "did you mean sex"),
        (["--where", "sex=mal"], "did you mean male"),
        (["--where", "sex=male", "--where", "sex=female"], "no row"),
        (["--by", "dose"], "dosing"),
        (["--measure", ""], "--measure"),
        (["--measure", "MD"], "--measure"),
        (["--name", "x"], "--write-evidence"),
        (["--no-such-option"], "--no-such-option"),
    ],
)
def test_wrong_options(capsys: Any, options: list[str], named: str) -> None:
    for extra in ([], ["--json"]):
        code, out, err = run(capsys, str(MARBLES), *options, *extra)
        assert (code, out) == (2, "")
        assert named in err
        assert len(err.splitlines()) <= 2


def test_no_file_and_no_such_file(capsys: Any, tmp_path: Path) -> None:
    for arguments in ([], [str(tmp_path)], [str(tmp_path / "nowhere.csv")]):
        code, out, err = run(capsys, *arguments)
        assert (code, out) == (2, "")
        assert "accepted" in err or "columns" in err


def test_help_starts_with_examples_and_ends_with_words(capsys: Any) -> None:
    code, out, _ = run(capsys, "--help")
    assert code == 0
    assert out.count("  planner pool ") == 2
    assert out.index("Examples:") < out.index("Options:") < out.index("Words:")
    assert "left_out" in out.strip().splitlines()[-1]
    assert max(len(line) for line in out.splitlines()) <= 80


@pytest.mark.parametrize(("side", "filled"), [("auto", 3), ("left", 3), ("right", 0)])
def test_funnel_shows_what_trim_and_fill_adds(side: str, filled: int) -> None:
    result = planner.pool(MARBLES, benefit="lower", fill_side=side)
    document = result.document()
    added = document["filled"]
    own = next(row for row in document["corrections"] if row["correction"] == "trimfill")
    assert len(added) == own["filled"] == filled
    # Pooled with the real ones they give its estimate.
    yi = np.array([row["yi"] for row in (*document["studies"], *added)])
    vi = np.array([row["vi"] for row in (*document["studies"], *added)])
    assert summarize(yi, vi, "DL", "wald").estimate == pytest.approx(own["estimate"], abs=1e-12)
    figure = result.figures["funnel"](result)
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert "average (DL)" in labels
    assert ("filled by trim and fill on the left" in labels) == (filled > 0)
    for panel in figure.axes:
        open_points = [
            line for line in panel.lines if line.get_marker() == "o"
            and line.get_markerfacecolor() == "none"
        ]  # fmt: skip
        assert [len(line.get_xdata()) for line in open_points] == ([filled] if filled else [])
    if not filled:
        assert "no study to fill on the right" in figure.axes[0].get_title(loc="left")


def test_page_says_that_the_selection_model_takes_tau_0_as_known(
    capsys: Any, tmp_path: Path
) -> None:
    rows = "0.1,0.2\n1.0,0.3\n1.2,0.3\n0.9,0.25\n0.5,0.2\n"
    path = write(tmp_path / "alike.csv", "yi,vi\n" + rows)
    _, out, _ = run(capsys, str(path))
    assert "tau 0 as known" in " ".join(out.split())
    _, out, _ = run(capsys, str(MARBLES), "--benefit", "lower")
    assert "as known" not in out
