"""Published numbers: digits, size laws, the catalogue, and files that people bring."""

from __future__ import annotations

import pickle
import subprocess
import sys
from collections import Counter
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.errors import InputError, unknown
from planner.published import (
    Quantity,
    Sizes,
    analysis,
    catalogue_review,
    read,
    read_review,
)

MINIMAL: dict[str, Any] = {
    "title": '"Stroke, drug A"',
    "source": '"A 2020"',
    "k": "12",
    "g": "0.85",
    "ci": "[0.40, 1.30]",
    "I2": "61",
    "group_sizes": "{ median = 8, range = [5, 14] }",
}


def _toml(**changes: str | None) -> str:
    values = {**MINIMAL, **changes}
    return "".join(f"{key} = {value}\n" for key, value in values.items() if value is not None)


def _write(folder: Path, text: str) -> Path:
    path = folder / "stroke.toml"
    path.write_text(text, encoding="utf-8")
    return path


# Quantities


@pytest.mark.parametrize(
    ("printed", "halfwidth", "lo", "hi"),
    [
        ("1.30", "0.005", 1.295, 1.305),
        ("66", "0.5", 65.5, 66.5),
        ("70.7", "0.05", 70.65, 70.75),
        ("-0.05", "0.005", -0.055, -0.045),
        ("0.010", "0.0005", 0.0095, 0.0105),
    ],
)
def test_rounding_interval(printed: str, halfwidth: str, lo: float, hi: float) -> None:
    quantity = Quantity(Decimal(printed))
    assert str(quantity) == printed
    assert quantity.halfwidth == Decimal(halfwidth)
    assert quantity.interval == (lo, hi)


# Size laws


def test_size_law_has_the_published_median_range_and_mean() -> None:
    law = Sizes.from_summary(7, (4, 12), mean=8.1)
    expected = [0.0873, 0.1087, 0.1354, 0.1686, 0.0615, 0.0766, 0.0954, 0.1187, 0.1478]
    assert law.p == pytest.approx(expected, abs=5e-5)
    assert law.mean == pytest.approx(8.1, abs=1e-10)
    assert law.p[law.n <= 7].sum() == pytest.approx(0.5, abs=1e-12)
    assert law.median == 7


@pytest.mark.parametrize("mean", [6.001, 7.0, 8.1, 9.499])
def test_size_law_is_the_one_of_largest_entropy(mean: float) -> None:
    law = Sizes.from_summary(7, (4, 12), mean)
    assert law.mean == pytest.approx(mean, abs=1e-9)
    if mean in (7.0, 8.1):  # a step that keeps total, median and mean lowers the entropy
        lower_step = np.array([1, -2, 1, 0, 0, 0, 0, 0, 0]) * 1e-3
        entropy = -(law.p * np.log(law.p)).sum()
        for step in (lower_step, -lower_step):
            other = law.p + step
            assert -(other * np.log(other)).sum() < entropy


def test_size_law_without_a_mean_is_uniform_in_each_half() -> None:
    law = Sizes.from_summary(7, (4, 12))
    assert law.p == pytest.approx([0.125] * 4 + [0.1] * 5)
    assert Sizes.from_summary(7.5, (4, 12)).p == pytest.approx(law.p)


@pytest.mark.parametrize(("median", "share_at_median"), [(12, 0.5), (4, 0.5)])
def test_median_at_an_end_of_the_range(median: int, share_at_median: float) -> None:
    law = Sizes.from_summary(median, (4, 12))
    assert law.p[law.n == median] == pytest.approx([share_at_median])


def test_other_laws() -> None:
    assert Sizes.fixed(8).n.tolist() == [8]
    assert Sizes.from_summary(8, (8, 8), mean=8).p.tolist() == [1.0]
    assert Sizes.uniform(4, 12).mean == pytest.approx(8)
    known = Sizes.of_studies([6, 6, 10])
    assert known.per_study is not None
    assert (known.n.tolist(), known.p.tolist()) == ([6, 10], [2 / 3, 1 / 3])
    assert known.median == 6
    assert known.mean == pytest.approx(22 / 3)


def test_size_law_of_a_wide_range() -> None:
    law = Sizes.from_summary(200, (2, 10_000), mean=205)
    assert law.mean == pytest.approx(205, rel=1e-9)
    assert np.isfinite(law.p).all()


@pytest.mark.parametrize(
    ("median", "ends", "mean", "says"),
    [
        (7, (4, 12), 9.6, "smallest possible is 6, the largest 9.5"),
        (7, (4, 12), 6.0, "smallest possible is 6"),
        (3, (4, 12), None, "outside its range 4 to 12"),
        (7, (12, 4), None, "reversed"),
        (7, (1, 12), None, "2 to 10000"),
        (7, (4, 10_001), None, "2 to 10000"),
    ],
)
def test_impossible_size_laws(
    median: float, ends: tuple[int, int], mean: float | None, says: str
) -> None:
    with pytest.raises(InputError, match=says):
        Sizes.from_summary(median, ends, mean)


def test_arrays_of_a_law_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="read-only"):
        Sizes.fixed(8).p[0] = 0.5


# The catalogue

ANALYSES = list(catalogue_review().analyses)


@pytest.mark.parametrize(
    ("name", "k", "studies", "rats"),
    [
        ("single-early", 19, 19, 15),
        ("single-late", 7, 7, 5),
        ("chronic-during", 9, 6, 8),
        ("chronic-after", 6, 5, 4),
    ],
)
def test_table_1_has_the_published_counts(name: str, k: int, studies: int, rats: int) -> None:
    found = analysis(name)
    rows = found.comparisons
    assert (found.k, len(rows)) == (k, k)
    assert (found.studies, len({row["study"] for row in rows})) == (studies, studies)
    assert Counter(row["species"] for row in rows) == {"rat": rats, "mouse": k - rats}


@pytest.mark.parametrize("name", [n for n in ANALYSES if n != "single-early/intraperitoneal"])
def test_rows_of_every_subset_are_as_many_as_its_k(name: str) -> None:
    found = analysis(name)
    assert len(found.comparisons) == found.k
    assert all(len(labels) == found.k for labels in found.clusters.values())


def test_a_count_that_table_1_does_not_have_leaves_clusters_unknown() -> None:
    found = analysis("single-early/intraperitoneal")
    assert (found.k, len(found.comparisons), found.clusters) == (10, 11, {})
    assert "11 such rows" in found.notes[-1]
    other = analysis("single-early/intraperitoneal", {"intraperitoneal-count": "table"})
    assert (other.k, set(other.clusters)) == (11, {"study", "lab"})


@pytest.mark.parametrize(
    ("name", "level", "sizes"),
    [
        ("chronic-during", "study", [4, 1, 1, 1, 1, 1]),
        ("chronic-during", "lab", [6, 1, 1, 1]),
        ("chronic-after", "study", [2, 1, 1, 1, 1]),
        ("chronic-after", "lab", [2, 1, 1, 1, 1]),
        ("single-early", "study", [1] * 19),
        ("chronic-after/rat", "lab", [1] * 4),
    ],
)
def test_clusters(name: str, level: str, sizes: list[int]) -> None:
    labels = analysis(name).clusters[level]
    assert sorted(np.bincount(labels), reverse=True) == sizes


def test_only_one_laboratory_is_in_both_chronic_analyses() -> None:
    labs = [
        {row["lab"] for row in analysis(name).comparisons}
        for name in ("chronic-during", "chronic-after")
    ]
    assert labs[0] & labs[1] == {"swartjes"}


def test_delays_are_those_of_the_analysis() -> None:
    assert analysis("chronic-after").delays == (1, 14, 7, 15, 34, 28)
    assert analysis("chronic-after/rat").delays == (1, 14, 7, 28)
    assert set(analysis("single-late").delays) == {24, 72}
    assert max(analysis("single-early").delays) == 2
    options = catalogue_review().reading("delays").options
    assert [float(v) for v in options["table-average"].values] == [1, 14, 7, 15, 34, 28]
    assert [float(v) for v in options["table-median"].values] == [14.5]
    assert [float(v) for v in options["text"].values] == [24]


def test_every_number_of_the_catalogue_has_a_place_and_a_reason() -> None:
    review = catalogue_review()
    quantities = [fact for facts in review.facts.values() for fact in facts.values()]
    for found in review.analyses.values():
        quantities += [found.printed_k, found.g, found.heterogeneity]
        quantities += [q for q in (found.se, found.ci, found.p) if q is not None]
        quantities += list(found.printed_sizes.values())
    assert all(quantity.where for quantity in quantities)
    assert all(quantity.note for quantity in quantities if quantity.status != "reported")


READINGS = [(r.topic, o) for r in catalogue_review().readings.values() for o in r.options]


@pytest.mark.parametrize(("topic", "option"), READINGS)
def test_every_reading_can_be_taken(topic: str, option: str) -> None:
    reading = catalogue_review().reading(topic)
    assert reading.default in reading.options
    assert analysis("chronic-after", {topic: option}).readings[topic] == option


def test_readings_that_change_numbers() -> None:
    during = analysis("chronic-during")
    other = analysis("chronic-during", {"chronic-during-ci": "abstract"})
    assert (str(during.ci), str(other.ci)) == ("3.6 to 6.5", "3.7 to 6.5")
    assert other.ci is not None
    assert other.ci.where == "Abstract"
    assert during.digest != other.digest
    after = analysis("chronic-after", {"group-size-mean": "animals"})
    assert after.sizes.mean == pytest.approx(9.2, abs=1e-10)
    assert analysis("chronic-after").sizes.mean == pytest.approx(8.1, abs=1e-10)
    assert analysis("single-early/mechanical", {"mechanical-count": "text"}).k == 18


def test_targets_are_closed_rounding_intervals() -> None:
    targets = analysis("chronic-during").targets()
    assert targets.g == (5.1, 5.05, 5.15)
    assert targets.se == (0.7, 0.65, 0.75)
    assert targets.ci_lb == (3.6, 3.55, 3.65)
    assert targets.ci_ub == (6.5, 6.45, 6.55)
    assert targets.heterogeneity == (82, 81.5, 82.5)
    assert analysis("single-late/24h").targets().heterogeneity == (0, 0, 0.5)


def test_standard_error_comes_from_the_interval(tmp_path: Path) -> None:
    assert analysis("chronic-after").se_number == pytest.approx(1.6 / (2 * 1.959964))
    without = read(_write(tmp_path, _toml(ci=None, se="0.23")))
    assert without.se_number == 0.23
    assert without.targets().ci_lb is None


def test_sign() -> None:
    assert analysis("single-late/72h").sign == -1
    assert analysis("single-late").sign == 1


def test_digest_is_of_what_determines_a_calibration(tmp_path: Path) -> None:
    def digest(**changes: str | None) -> str:
        return read(_write(tmp_path, _toml(**changes))).digest

    assert digest() == digest(title='"Other"', source='"B"')
    changes: list[dict[str, str | None]] = [
        {"g": "0.850"},
        {"I2": "61.0"},
        {"I2": None, "tau2": "61"},
        {"se": "0.23"},
        {"study": "[1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]"},
        {"group_sizes": "{ median = 9, range = [5, 14] }"},
        {"group_sizes": "[5, 6, 7, 8, 8, 8, 8, 9, 10, 11, 12, 14]"},
    ]
    assert len({digest(), *(digest(**change) for change in changes)}) == len(changes) + 1


def test_an_analysis_can_be_sent_to_a_worker() -> None:
    found = analysis("chronic-after")
    assert pickle.loads(pickle.dumps(found)).digest == found.digest


def test_unknown_names() -> None:
    with pytest.raises(InputError, match="did you mean chronic-after") as error:
        analysis("chronic-afer")
    assert "single-late, chronic-during" in str(error.value)
    with pytest.raises(InputError, match="single-late/72h"):
        analysis("single-late/48h")
    with pytest.raises(InputError, match="did you mean delays"):
        analysis("chronic-after", {"delay": "text"})
    with pytest.raises(InputError, match="table-median"):
        analysis("chronic-after", {"delays": "table-medium"})
    with pytest.raises(InputError, match=r"human\.infusion_2h_half_life"):
        catalogue_review().fact("human.infusion")
    assert "did you mean" not in str(unknown("analysis", "zzz", ["alpha"]))


def test_importing_is_light() -> None:
    code = (
        "import sys, planner.published, planner.commands.evidence;"
        "heavy = {'numba', 'scipy', 'pandas', 'matplotlib', 'pydantic'} & set(sys.modules);"
        "print(', '.join(sorted(heavy)))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == ""


# Files that people bring


def test_flat_file(tmp_path: Path) -> None:
    path = _write(tmp_path, _toml())
    found = read(path)
    assert (found.name, found.title, found.citation) == ("stroke", "Stroke, drug A", "A 2020")
    assert (found.k, str(found.g), str(found.ci)) == (12, "0.85", "0.40 to 1.30")
    assert found.g.status == "reported"
    assert found.sizes.median == 8
    assert (found.clusters, found.comparisons) == ({}, ())
    for name in ("stroke", "Stroke, drug A"):
        assert read(path, name).digest == found.digest


def test_file_with_analyses_in_tables(tmp_path: Path) -> None:
    head = _toml(k=None, g=None, ci=None, I2=None)
    text = f"{head}[analyses.acute]\nk = 5\ng = 1.20\nse = {{ value = 0.31, where = 'Table 2' }}\n"
    path = _write(tmp_path, text + "tau2 = 0.3\nlab = ['a', 'a', 'b', 'c', 'd']\n")
    found = read(path)
    assert (found.name, found.heterogeneity_kind) == ("acute", "tau2")
    assert found.se is not None
    assert found.se.where == "Table 2"
    assert found.clusters["lab"].tolist() == [0, 0, 1, 2, 3]
    assert "study" not in found.clusters
    both = text + "I2 = 50\n[analyses.late]\nk = 5\ng = 0.20\nci = [-0.1, 0.5]\nQ = 9.1\n"
    path = _write(tmp_path, both)
    assert list(read_review(path).analyses) == ["acute", "late"]
    with pytest.raises(InputError, match="names that exist: acute, late"):
        read(path)


def test_lower_is_benefit(tmp_path: Path) -> None:
    changes = {"g": "-0.85", "ci": "[-1.30, -0.40]"}
    found = read(_write(tmp_path, _toml(benefit='"lower"', **changes)))
    assert (str(found.g), str(found.ci)) == ("0.85", "0.40 to 1.30")
    assert found.digest == read(_write(tmp_path, _toml())).digest
    assert read(_write(tmp_path, _toml(**changes))).sign == -1


def test_file_with_readings(tmp_path: Path) -> None:
    reading = (
        "[[readings]]\ntopic = 'i2'\nquestion = 'Which?'\ndefault = 'a'\nreason = 'None.'\n"
        "[readings.options.a]\ntext = '61'\nwhere = 'Text'\n"
        "[readings.options.b]\ntext = '65'\nwhere = 'Figure 2'\n"
        "set = [{ path = 'PATH', value = 65 }]\n"
    )
    path = _write(tmp_path, _toml() + reading.replace("PATH", "I2"))
    assert str(read(path).heterogeneity) == "61"
    assert str(read(path, readings={"i2": "b"}).heterogeneity) == "65"
    with pytest.raises(InputError, match="no value at"):
        read(_write(tmp_path, _toml() + reading.replace("PATH", "analyses.x.I2")))


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"k": None}, "k: missing"),
        ({"title": None}, "title: missing"),
        ({"source": None}, "source: missing"),
        ({"group_sizes": None}, "group_sizes: missing"),
        ({"ci": None}, "ci: missing"),
        ({"I2": None}, "I2: missing; accepted: exactly one of I2"),
        ({"tau2": "0.3"}, "I2: found I2 and tau2; accepted: exactly one"),
        ({"weight": "3"}, "weight: unknown key; accepted: "),
        ({"grup_sizes": "3"}, "grup_sizes: unknown key; did you mean group_sizes?"),
        ({"g": "{ value = 0.85, wher = 'x' }"}, r"g\.wher: unknown key; did you mean where"),
        ({"g": "true"}, "g: found true; accepted: a number"),
        ({"g": '"0.85"'}, 'g: found "0.85"; accepted: a number without quotes'),
        ({"k": "true"}, "k: found true"),
        ({"title": "3"}, "title: found 3; accepted: text"),
        ({"g": "nan"}, "g: found NaN; accepted: a finite number"),
        ({"ci": "[-inf, 1.3]"}, "ci.*Infinity; accepted: a finite number"),
        ({"g": "1e12"}, "g: found 1E[+]12; accepted: a number as printed"),
        ({"g": "1e-40"}, "at most 30 decimals"),
        ({"k": "1"}, "k: found 1; accepted: a whole number from 2"),
        ({"k": "12.5"}, "k: found 12.5"),
        ({"k": "100000"}, "k: found 100000"),
        ({"I2": "101"}, "I2: found 101; accepted: percent, 0 to 100"),
        ({"I2": "-1"}, "I2: found -1"),
        ({"I2": None, "tau2": "-0.1"}, "tau2: found -0.1; accepted: a number of at least 0"),
        ({"I2": None, "Q": "-3"}, "Q: found -3"),
        ({"se": "-0.2"}, "se: found -0.2; accepted: a standard error above 0"),
        ({"se": "0"}, "se: found 0"),
        ({"ci": "[1.30, 0.40]"}, "ci: found .*lower end first"),
        ({"ci": "[0.40]"}, "ci: found .*two numbers"),
        ({"ci": "0.40"}, "ci: found 0.40; accepted: its 95% interval as printed, two numbers"),
        ({"group_sizes": "true"}, "group_sizes: found true; accepted: median and range, or one"),
        ({"group_sizes": "{ median = 8, range = [5, 14], k = 12 }"}, "k at the top, before any"),
        ({"analyses": "{ a = { k = 3 } }"}, "k: stands beside .analyses.; accepted: inside"),
        ({"ci": "[0.90, 1.30]"}, "ci: .*excludes g 0.85"),
        ({"ci": "[0.40, 1.40]"}, "ci: .*centre 0.90, but g is 0.85; accepted: a 95% Wald"),
        ({"se": "0.30"}, "ci: half-width 0.45 .*0.227 to 0.232, but se is 0.30.*95% Wald"),
        ({"studies": "13"}, "studies: found 13; accepted: 1 to k"),
        ({"study": "[1, 2]"}, "study: found 2 labels; accepted: one per comparison"),
        ({"lab": "[1.5]"}, "lab: found 1.5; accepted: labels"),
        ({"group_sizes": "[5, 6]"}, "group_sizes: found 2 sizes; accepted: one per"),
        ({"group_sizes": f"[1{', 8' * 11}]"}, "group_sizes: found 1; accepted: whole numbers"),
        ({"group_sizes": f"[8.5{', 8' * 11}]"}, "found 8.5; accepted: a whole number"),
        ({"group_sizes": "{ median = 8 }"}, "group_sizes: accepted: either median and range"),
        ({"group_sizes": "{ median = 20, range = [5, 14] }"}, "median: found 20; .*5 to 14"),
        ({"group_sizes": "{ median = 8, range = [1, 14] }"}, "range: found .1, 14.; .*2 to 10000"),
        ({"group_sizes": "{ median = 8, range = [14, 5] }"}, "range: .*smaller end first"),
        (
            {"group_sizes": "{ median = 8, range = [5, 14], mean = 12.5 }"},
            "group_sizes: .*smallest possible is 7, the largest 11",
        ),
        ({"measure": '"OR"'}, "only standardized mean differences are planned from"),
        ({"benefit": '"up"'}, "benefit: found .up.; accepted: 'higher' or 'lower'"),
        ({"schema": "2"}, "schema: found 2; accepted: schema = 1"),
        ({"schema": "true"}, "schema: found true"),
        ({"g": "{ value = 0.85, status = 'derived' }"}, "g: found .*note with the reason"),
        ({"comparisons": "{ enters = 'x' }"}, "comparisons: only the catalogue"),
        ({"analyses": "{}"}, "analyses: empty"),
        ({"analyses": "3"}, "analyses: found 3; accepted: a table"),
    ],
)
def test_what_is_wrong_with_a_file(
    tmp_path: Path, changes: dict[str, str | None], says: str
) -> None:
    path = _write(tmp_path, _toml(**changes))
    with pytest.raises(InputError, match=says) as error:
        read(path)
    lines = str(error.value).splitlines()
    assert len(lines) <= 2
    assert all(line.startswith(f"{path}: ") for line in lines)


@pytest.mark.parametrize(
    "changes",
    [
        {"g": "1.6", "se": "0.3", "ci": "[1.1, 2.1]"},  # half-width 0.45 to 0.55
        {"g": "5.1", "se": "0.7", "ci": "[3.6, 6.5]"},  # centre 5.05, g from 5.05
        {"g": "0", "ci": "[-0.4, 0.4]"},
        {"I2": "0"},
        {"I2": "100"},
        {"k": "2", "measure": '"smd"', "schema": "1"},
    ],
)
def test_what_rounding_allows(tmp_path: Path, changes: dict[str, str]) -> None:
    read(_write(tmp_path, _toml(**changes)))


def test_two_problems_are_told_at_once(tmp_path: Path) -> None:
    path = _write(tmp_path, _toml(k=None, g="true", ci='"x"', I2="nan"))
    with pytest.raises(InputError) as error:
        read(path)
    assert len(str(error.value).splitlines()) == 2


def test_files_that_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "stroke.toml"
    with pytest.raises(InputError, match="file not found"):
        read(path)
    with pytest.raises(InputError, match="is a folder"):
        read(tmp_path)
    with pytest.raises(InputError, match="cannot be read"):
        read("x" * 5000)
    with pytest.raises(InputError, match="not a regular file"):
        read("/dev/null")
    path.write_bytes(b'title = "\xff"')
    with pytest.raises(InputError, match="byte 9 is not UTF-8"):
        read(path)
    path.write_bytes(b"#" * 1_000_001)
    with pytest.raises(InputError, match="larger than 1 MB"):
        read(path)


@pytest.mark.parametrize(
    "text", ["yi,vi\n1,2\n", "x = [" * 5000, f"k = {'9' * 5000}", "k = 1\nk = 2"]
)
def test_files_that_are_not_toml(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="not TOML") as error:
        read(_write(tmp_path, text))
    assert len(str(error.value)) < 300 + len(str(tmp_path))


def test_a_table_instead_of_a_file_points_to_pool(tmp_path: Path) -> None:
    path = tmp_path / "studies.csv"
    path.write_text("yi,vi\n1,2\n")
    with pytest.raises(InputError, match="planner pool"):
        read(path)


def test_byte_order_mark_and_windows_lines(tmp_path: Path) -> None:
    path = tmp_path / "stroke.toml"
    path.write_bytes(b"\xef\xbb\xbf" + _toml().replace("\n", "\r\n").encode())
    assert read(path).k == 12
