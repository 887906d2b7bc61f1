"""From pooled studies to evidence that keeps them, and back."""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tomli_w
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

import planner
from planner.cli import main
from planner.errors import InputError
from planner.evidence_files import review_from_text
from planner.pooled_evidence import evidence_text
from planner.pooling_data import Pool
from planner.published import Analysis, catalogue_review

MARBLES = Path(__file__).parent / "data" / "marbles.csv"


def run(capsys: Any, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture(scope="module")
def marbles() -> Pool:
    return planner.pool(MARBLES, benefit="lower")


def same_studies(analysis: Analysis, pool: Pool) -> None:
    data, table = analysis.data, pool.studies
    assert data is not None
    assert data.labels == table.labels
    np.testing.assert_array_equal(data.yi, table.yi)
    np.testing.assert_array_equal(data.vi, table.vi)
    np.testing.assert_array_equal(data.n1, table.n1)
    np.testing.assert_array_equal(data.n2, table.n2)
    assert (data.cluster, data.control) == (table.cluster, table.control)


def test_analysis_keeps_its_studies(marbles: Pool) -> None:
    analysis = marbles.analysis("marbles")
    same_studies(analysis, marbles)
    main_row = marbles.extra["estimates"][0]
    assert analysis.name == "marbles"
    assert analysis.k == 28
    assert analysis.g.number == pytest.approx(main_row["estimate"], abs=5e-5)
    assert analysis.se_number == pytest.approx(main_row["se"], abs=5e-5)
    assert analysis.heterogeneity.number == pytest.approx(main_row["I2"], abs=0.01)
    assert analysis.g.status == "derived"
    harmonic = [2 * 9 * 9 / 18, 2 * 9 * 67 / 76]  # 9, 15.9: rounded
    sizes = analysis.sizes.per_study
    assert sizes is not None
    assert [sizes[0], sizes[7]] == [round(size) for size in harmonic]
    assert len(set(analysis.clusters["study"].tolist())) == 9
    assert analysis.clustered("study")
    assert any("signs were turned" in note for note in analysis.notes)
    assert any("harmonic mean" in note for note in analysis.notes)
    assert json.dumps(analysis.fields())


def test_file_from_the_command_line(
    capsys: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, marbles: Pool
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("review.toml")
    words = ["pool", str(MARBLES), "--benefit", "lower", "--write-evidence", str(path)]
    code, out, err = run(capsys, *words, "--json")
    assert (code, err) == (0, f"Written to {path}\n")
    assert json.loads(out)["k"] == 28
    same_studies(planner.read(path), marbles)
    assert [entry.name for entry in tmp_path.iterdir()] == ["review.toml"]
    before = path.read_bytes()
    code, out, err = run(capsys, *words)
    assert (code, out) == (2, "")
    assert "--force" in err
    assert run(capsys, *words, "--force", "--quiet")[::2] == (0, "")
    assert path.read_bytes() == before
    for command in (["check", str(path)], ["show", "--evidence", str(path)]):
        code, out, err = run(capsys, "evidence", *command)
        assert (code, err) == (0, "")
        assert "Kobayashi 2008, 7.5 mg/kg" in out
        assert "Studies, kept one by one" in out
        assert max(len(line) for line in out.splitlines()) <= 80


def test_nothing_is_written_by_halves(capsys: Any, tmp_path: Path) -> None:
    data = tmp_path / "f.csv"
    data.write_text("yi,vi,n1,n2\n1,1,5,5\n2,1,5,5\n")
    out, toml = tmp_path / "out", tmp_path / "review.toml"
    words = ["pool", str(data), "--out", str(out), "--write-evidence"]
    code, printed, err = run(capsys, *words, str(data), "--force")
    assert (code, printed) == (2, "")
    assert "holds the studies" in err
    assert not out.exists()
    out.mkdir()
    (out / "result.json").write_text("mine")
    code, printed, err = run(capsys, *words, str(toml))
    assert (code, printed) == (2, "")
    assert not toml.exists()


def test_names_titles_and_sources(capsys: Any, tmp_path: Path) -> None:
    path = tmp_path / "review.toml"
    code, _, _ = run(
        capsys, "pool", str(MARBLES), "--write-evidence", str(path), "--name", "bury/all",
        "--title", 'Marbles "buried"', "--source", "Heesbeen 2024", "--quiet",
    )  # fmt: skip
    assert code == 0
    analysis = planner.read(path)
    assert (analysis.name, analysis.review) == ("bury/all", 'Marbles "buried"')
    assert analysis.citation == "Heesbeen 2024"
    assert '[analyses."bury/all".study_data]' in path.read_text()


def test_effects_with_sizes_find_their_variance(tmp_path: Path) -> None:
    means = planner.pool(MARBLES, benefit="lower", vtype="UB")
    rows = means.document()["studies"]
    lines = [f"{row['yi']!r},{row['vi']!r},{row['n1']:.0f},{row['n2']:.0f}" for row in rows]
    path = tmp_path / "effects.csv"
    path.write_text("yi,vi,n1,n2\n" + "\n".join(lines))
    data = planner.pool(path).analysis("effects").data
    assert data is not None
    assert data.vtype == "UB"
    path.write_text("yi,vi,n1,n2\n1,0.5,9,9\n2,0.1,9,9\n")
    analysis = planner.pool(path).analysis("effects")
    assert any("follow no formula" in note for note in analysis.notes)


@pytest.mark.parametrize(
    ("text", "options", "named"),
    [
        ("yi,vi\n1,1\n2,1\n", [], "n1 and n2"),
        ("yi,vi,n1\n1,1,5\n2,1,5\n", [], "n1 and n2"),
        ("yi,vi,n1,n2\n1,1,5,5\n", [], "at least 2 studies"),
        (
            "yi,vi,n1,n2\n1,1,5,5\n2,1,5,5\n",
            ["--measure", "ROM"],
            "Only standardized mean differences are planned from",
        ),
        ("yi,vi,n1,n2\n1,1,5,5\n2,1,5,20000\n", [], "10000"),
    ],
)
def test_what_cannot_be_planned_from(
    capsys: Any, tmp_path: Path, text: str, options: list[str], named: str
) -> None:
    (tmp_path / "f.csv").write_text(text)
    target = tmp_path / "review.toml"
    code, out, err = run(
        capsys, "pool", str(tmp_path / "f.csv"), "--write-evidence", str(target), *options
    )
    assert (code, out) == (2, "")
    assert named in err
    assert len(err.splitlines()) <= 2
    assert not target.exists()


def test_places_that_cannot_be_written(capsys: Any, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_text("")
    for target in (tmp_path, file / "review.toml"):
        code, out, err = run(capsys, "pool", str(MARBLES), "--write-evidence", str(target))
        assert (code, out) == (2, "")
        assert "--write-evidence" in err


@given(
    st.lists(
        st.tuples(
            st.text(max_size=12), st.floats(-50, 50), st.floats(1e-6, 1e3),
            st.integers(2, 300), st.integers(2, 300),
        ),
        min_size=2, max_size=8,
    ),
)  # fmt: skip
@example(  # the interval's end lies beside the middle of two printed numbers
    [
        ("", 29.15600139420802, 728.4271376154334, 2, 2),
        ("", 39.58971230244606, 939.0946272233446, 2, 2),
        ("", -2.0, 739.3121838122339, 2, 2),
        ("", -46.26222481238948, 1.9, 2, 2),
    ]
)
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_round_trip(tmp_path: Path, rows: list[tuple[str, float, float, int, int]]) -> None:
    import csv

    path = tmp_path / "any.csv"
    with path.open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(["study", "yi", "vi", "n1", "n2"])
        # What a spreadsheet would not let through: cells that hold control characters alone.
        writer.writerows(
            [["".join(filter(str.isprintable, r[0])), *map(repr, r[1:])] for r in rows]
        )
    pool = planner.pool(path)
    analysis = pool.analysis("any")
    data = analysis.data
    assert data is not None
    # All digits, at most 30 after the point.
    np.testing.assert_allclose(data.yi, pool.studies.yi, rtol=0, atol=1e-30)
    np.testing.assert_array_equal(data.vi, pool.studies.vi)
    assert data.labels == tuple(" ".join(label.split()) for label in pool.studies.labels)


# What is refused in a file


def changed(pool: Pool, *path: str, **values: Any) -> str:
    data = tomllib.loads(evidence_text(pool), parse_float=Decimal)
    part = data
    for key in path:
        part = part[key]
    for key, value in values.items():
        if value is None:
            part.pop(key)
        else:
            part[key] = value
    return tomli_w.dumps(data)


@pytest.mark.parametrize(
    ("path", "values", "named"),
    [
        ((), {"g": Decimal("1.73")}, "g is 1.73"),
        ((), {"ci": [Decimal("1.2"), Decimal("2.2")]}, "ci: "),
        ((), {"I2": 50}, "I2: found 50, but the studies give 78.5657"),
        ((), {"k": 27}, "one per study, k is 27"),
        ((), {"group_sizes": [8] * 28}, "group_sizes: stands beside study_data"),
        (("study_data",), {"yi": None}, "study_data.yi: missing"),
        (("study_data",), {"n1": None}, "study_data.n1: missing"),
        (("study_data",), {"yi": [Decimal("1.0")]}, "study_data.yi: found 1 values"),
        (("study_data",), {"vi": [0] * 28}, "study_data.vi.0: found 0"),
        (("study_data",), {"n2": [1] * 28}, "study_data.n2.0: found 1"),
        (("study_data",), {"n2": [Decimal("4.5")] * 28}, "study_data.n2.0: found 4.5"),
        (("study_data",), {"vtype": "XX"}, "study_data.vtype"),
        (("study_data",), {"estimator": "REML"}, "study_data.estimator"),
        (("study_data",), {"weights": [1]}, "study_data.weights: unknown key"),
        (("study_data",), {"cluster": ["a"]}, "study_data.cluster: found 1"),
    ],
)
def test_contradictions(
    marbles: Pool, path: tuple[str, ...], values: dict[str, Any], named: str
) -> None:
    with pytest.raises(InputError) as error:
        review_from_text(changed(marbles, *path, **values), "file.toml")
    assert named in str(error.value)


def test_printed_digits_decide(marbles: Pool) -> None:
    # 1.7236 is printed 1.7 as well, with the interval and I2 that go with it.
    text = changed(marbles, g=Decimal("1.7"), ci=[Decimal("1.3"), Decimal("2.2")], I2=79)
    assert review_from_text(text, "file.toml").analysis().g.number == 1.7
    for kind, name in (("tau2", "tau2"), ("Q", "QE")):
        value = Decimal(repr(marbles.extra["estimates"][0][name])).quantize(Decimal("0.001"))
        text = changed(marbles, I2=None, **{kind: value})
        assert review_from_text(text, "file.toml").analysis().heterogeneity_kind == kind


def test_lower_is_benefit_in_a_file_too(marbles: Pool) -> None:
    data = tomllib.loads(evidence_text(planner.pool(MARBLES)), parse_float=Decimal)
    assert data["g"]["value"] < 0
    data["benefit"] = "lower"
    analysis = review_from_text(tomli_w.dumps(data), "file.toml").analysis()
    assert analysis.data is not None
    np.testing.assert_array_equal(analysis.data.yi, marbles.studies.yi)
    assert analysis.g.number > 0


def test_digest_covers_the_studies_and_only_them(marbles: Pool) -> None:
    digests = {marbles.analysis("a").digest}
    for column, value in (("yi", 0.5), ("vi", 0.5), ("n1", 5), ("n2", 5)):
        values = getattr(marbles.studies, column).copy()
        values[0] = value
        data = {"study": marbles.studies.labels, **{
            name: getattr(marbles.studies, name) for name in ("yi", "vi", "n1", "n2")
        }, column: values}  # fmt: skip
        digests.add(_pooled(data).analysis("a").digest)
    assert len(digests) == 5
    assert all(analysis.data is None for analysis in catalogue_review().analyses.values())


def _pooled(columns: dict[str, Any]) -> Pool:
    import tempfile

    header = ",".join(columns)
    rows = "\n".join(
        ",".join(f'"{x}"' if isinstance(x, str) else repr(float(x)) for x in row)
        for row in zip(*columns.values(), strict=True)
    )
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "f.csv"
        path.write_text(f"{header}\n{rows}\n")
        return planner.pool(path)


def test_template_points_to_study_level_data() -> None:
    from planner.evidence_text import TEMPLATE

    assert "planner pool FILE.csv" in TEMPLATE
