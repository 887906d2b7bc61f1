"""Files of study-level data: every form gives the same numbers, everything wrong is named."""

from __future__ import annotations

import json
import math
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.errors import InputError
from planner.study_columns import KNOWN
from planner.study_files import cells_of, read_cells
from planner.study_numbers import WrongNumber, find_marks, read_number, read_whole
from planner.study_table import StudyTable, read_studies
from sims.two_groups import hedges_g

MEANS = ("n1", "mean1", "sd1", "n2", "mean2", "sd2")
GROUPS = [
    ("Smith, 2010", 10, 5.25, 1.5, 9, 4.125, 1.25),
    ("Müller \"B\"", 8, 3.5, 0.75, 8, 3.625, 1.125),
    ("Chen", 12, 17.0, 4.5, 6, 11.25, 3.0),
]  # fmt: skip


def read(text: str | bytes, **options: object) -> StudyTable:
    data = text if isinstance(text, bytes) else text.encode()
    return read_studies(cells_of(data, "f.csv", KNOWN), **options)  # type: ignore[arg-type]


def table(
    header: list[str], rows: list[list[object]], delimiter: str = ",", comma: bool = False
) -> str:
    def cell(value: object) -> str:
        text = value if isinstance(value, str) else repr(value)
        if comma and not isinstance(value, str):
            text = text.replace(".", ",")
        quote = delimiter in text or '"' in text
        return '"' + text.replace('"', '""') + '"' if quote else text

    lines = [delimiter.join(header), *(delimiter.join(map(cell, row)) for row in rows)]
    return "\n".join(lines) + "\n"


PLAIN = table(["study", *MEANS], [list(row) for row in GROUPS])


def same(found: StudyTable, plain: StudyTable) -> None:
    np.testing.assert_allclose(found.yi, plain.yi, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.vi, plain.vi, rtol=1e-12)
    assert found.labels == plain.labels


# Every form equals the plain file


def test_plain_means() -> None:
    found = read(PLAIN)
    columns = [np.array([row[i] for row in GROUPS], dtype=float) for i in range(1, 7)]
    yi, vi = hedges_g(*columns)
    np.testing.assert_array_equal(found.yi, yi)
    np.testing.assert_array_equal(found.vi, vi)
    assert found.labels == ("Smith, 2010", 'Müller "B"', "Chen")
    assert found.lines == (2, 3, 4)
    assert (found.computed, found.notes) == (True, ())
    assert found.n1 is not None
    assert found.n1.tolist() == [10, 8, 12]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("comma", [False, True])
@pytest.mark.parametrize("bom", [b"", b"\xef\xbb\xbf"])
@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
def test_delimiters_decimal_commas_marks_and_newlines(
    delimiter: str, comma: bool, bom: bytes, newline: str
) -> None:
    if comma and delimiter == ",":
        return
    text = table(["study", *MEANS], [list(row) for row in GROUPS], delimiter, comma)
    text += f"\n{delimiter * 6}\n\n"  # empty lines, as spreadsheets leave them
    same(read(bom + text.replace("\n", newline).encode()), read(PLAIN))


@pytest.mark.parametrize("encoding", ["utf-16", "cp1252"])
def test_other_encodings(encoding: str) -> None:
    found = read(PLAIN.encode(encoding))
    same(found, read(PLAIN))
    assert [code for code, _ in found.notes] == (["encoding"] if encoding == "cp1252" else [])


def test_standard_errors_of_means() -> None:
    rows: list[list[object]] = [
        [label, n1, m1, s1 / math.sqrt(n1), n2, m2, s2 / math.sqrt(n2)]
        for label, n1, m1, s1, n2, m2, s2 in GROUPS
    ]
    same(read(table(["study", "n1", "mean1", "sem1", "n2", "mean2", "sem2"], rows)), read(PLAIN))


@pytest.mark.parametrize(
    "header",
    [
        ["slab", "n1i", "m1i", "sd1i", "n2i", "m2i", "sd2i"],
        ["Study", "N1", "Mean.1", "SD_1", "N2", "MEAN 2", "sd-2"],
        [" study ", "n1i", "mean1", "SD1I", "n2", "m2i", "sd2"],
    ],
)
def test_metafors_names_and_any_case(header: list[str]) -> None:
    same(read(table(header, [list(row) for row in GROUPS])), read(PLAIN))


@pytest.mark.parametrize(
    "header", [["study", "yi", "ci_lb", "ci_ub"], ["study", "Yi", "ci.lb", "CI.UB"]]
)
def test_effects_with_intervals_errors_or_variances(header: list[str]) -> None:
    plain = read(PLAIN)
    z = 1.959963984540054
    effects = list(zip(plain.labels, plain.yi.tolist(), plain.vi.tolist(), strict=True))
    same(read(table(["study", "yi", "vi"], [list(row) for row in effects])), plain)
    with_se: list[list[object]] = [[label, y, math.sqrt(v)] for label, y, v in effects]
    same(read(table(["study", "yi", "sei"], with_se)), plain)
    half = [(label, y, z * math.sqrt(v)) for label, y, v in effects]
    with_ci: list[list[object]] = [[label, y, y - h, y + h] for label, y, h in half]
    found = read(table(header, with_ci))
    same(found, plain)
    assert found.notes == ()


def test_benefit_lower_turns_signs() -> None:
    higher, lower = read(PLAIN), read(PLAIN, benefit="lower")
    np.testing.assert_array_equal(lower.yi, -higher.yi)
    np.testing.assert_array_equal(lower.vi, higher.vi)
    assert not np.signbit(read("yi,vi\n0,1\n", benefit="lower").yi[0])


def test_variances_are_those_of_metafor() -> None:
    pinned = json.loads((Path(__file__).parent / "reference" / "escalc.json").read_text())
    for row in pinned["rows"]:
        text = f"n1,mean1,sd1,n2,mean2,sd2\n{row['n1']},{row['d']},1,{row['n2']},0,1\n"
        for vtype, yi in (("CMA", "g_CMA"), ("LS", "g"), ("UB", "g")):
            found = read(text, vtype=vtype)
            assert found.yi[0] == pytest.approx(row[yi], abs=1e-12)
            assert found.vi[0] == pytest.approx(row[vtype], abs=1e-11)


@given(
    st.lists(
        st.tuples(
            st.integers(2, 99), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3),
            st.integers(2, 99), st.floats(-1e3, 1e3), st.floats(1e-3, 1e3),
        ),
        min_size=1, max_size=6,
    ),
    st.floats(1e-6, 1e6),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_effects_do_not_depend_on_the_unit(
    rows: list[tuple[int, float, float, int, float, float]], unit: float
) -> None:
    columns = [np.array(column, dtype=float) for column in zip(*rows, strict=True)]
    n1, mean1, sd1, n2, mean2, sd2 = columns
    for variance in ("CMA", "LS", "UB"):
        yi, vi = hedges_g(*columns, variance)
        scaled = hedges_g(n1, mean1 * unit, sd1 * unit, n2, mean2 * unit, sd2 * unit, variance)
        swapped = hedges_g(n2, mean2, sd2, n1, mean1, sd1, variance)
        np.testing.assert_allclose(scaled[0], yi, rtol=1e-9, atol=1e-9)
        np.testing.assert_allclose(scaled[1], vi, rtol=1e-9)
        np.testing.assert_allclose(swapped[0], -yi, rtol=1e-12)
        np.testing.assert_allclose(swapped[1], vi, rtol=1e-12)


def test_of_several_forms_the_effects_are_used() -> None:
    plain = read(PLAIN)
    header = ["study", *MEANS, "yi", "vi", "sei"]
    rows: list[list[object]] = [
        [*row, y, v, math.sqrt(v)]
        for row, y, v in zip(GROUPS, plain.yi.tolist(), plain.vi.tolist(), strict=True)
    ]
    found = read(table(header, rows))
    same(found, plain)
    assert found.form == "yi, vi"
    assert found.n2 is not None
    assert [text.count("say the same") for _, text in found.notes] == [1, 1]
    rows[0][-3] = 3.0
    notes = dict(read(table(header, rows)).notes[1:])
    assert "in 1 of 3 rows" in notes["two-forms"]
    rows[1][2] = "not given"
    assert "incomplete or wrong" in dict(read(table(header, rows)).notes[1:])["two-forms"]


def test_intervals_that_are_not_symmetric_are_told() -> None:
    rows = "A,0.5,0.1,0.9\nB,0.5,0.1,1.2\nC,0.52,0.1,0.9\nD,0.57,0.1,0.9\n"
    ((code, text),) = read("study,yi,ci_lb,ci_ub\n" + rows).notes
    assert code == "asymmetric"
    assert text.startswith("2 of 4 intervals are not symmetric around yi (B, D)")


def test_rows_and_columns_of_others() -> None:
    text = '"","study","yi","vi","species",""\n"1","A",1,2,rat,\n"2","B",3,4,mouse,\n'
    found = read(text, where=[("SPECIES", "mouse")], by="species")
    assert (found.labels, found.lines, found.group) == (("B",), (3,), ("mouse",))
    text = "sep=;\n\nstudy;yi;vi;cluster;control\n\nA;1;2;x;\n;3;4;;2\n"
    found = read(text)
    assert found.labels == ("A", "line 6")
    assert (found.cluster, found.control) == (("x", "line 6"), ("line 5", "2"))


def test_a_label_over_two_lines() -> None:
    found = read('study,yi,vi\n"A\nand B",1,2\nC,1,2\n')
    assert found.lines == (2, 4)
    assert found.labels == ("A and B", "C")


def test_incomplete_rows_are_left_out_only_if_asked() -> None:
    text = "study,yi,vi,n1,n2\nA,1,2,5,5\nB,,2,5,5\nC,1,NA,5,5\nD,3,4,5,.\nE,5,6,5,5\n"
    found = read(text, skip_incomplete=True)
    assert found.labels == ("A", "E")
    assert [(row["line"], row["study"], row["column"]) for row in found.left_out] == [
        (3, "B", "yi"), (4, "C", "vi"), (5, "D", "n2"),
    ]  # fmt: skip
    with pytest.raises(InputError, match=r"line 4 \(C\), vi: found '-1'"):
        read(text.replace("C,1,NA", "C,,-1"), skip_incomplete=True)
    with pytest.raises(InputError, match="every row"):
        read("yi,vi\n1,\n", skip_incomplete=True)
    # Rows that --where leaves out need not be complete.
    assert read("yi,vi,s\n1,,a\n1,2,b\n", where=[("s", "b")]).k == 1


# Everything wrong is named


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("study,yi,vi\nA,1,0\n", ["line 2 (A), vi", "'0'", "above 0"]),
        ("study,yi,vi\nA,1,-0.1\n", ["'-0.1'", "above 0"]),
        ("study,yi,sei\nA,1,0\n", ["sei", "standard error above 0"]),
        ("study,yi,vi\nA,1,1\nB,x,1\n", ["line 3 (B), yi", "'x'", "a number"]),
        ("study,yi,vi\nA,1,1\nB,,1\n", ["line 3 (B), yi", "nothing", "--skip-incomplete"]),
        ("study,yi,vi\nA,1,NA\n", ["line 2 (A), vi", "'NA'", "--skip-incomplete"]),
        ("study,yi,vi\nA,nan,1\n", ["'nan'", "finite"]),
        ("study,yi,vi\nA,1,-Inf\n", ["'-Inf'", "finite"]),
        ("study,yi,vi\nA,1e99,1\n", ["'1e99'", "1e30"]),
        ("study,yi,vi\nA,50%,1\n", ["'50%'", "a number"]),
        ("yi,vi\n1,1e-8\n1,1e8\n", ["line 2", "line 3", "factor"]),
        ("study,yi,vi,yi\nA,1,1,1\n", ["'yi'", "twice"]),
        ("study,yi,vi,YI\nA,1,1,1\n", ["'yi'", "'YI'", "one of them"]),
        ("study,n1,n1i,yi,vi\nA,1,1,1,1\n", ["'n1'", "'n1i'"]),
        ("study,yi,vi,x,x\nA,1,1,1,1\n", ["'x'", "twice"]),
        ("study,yi,vi,\nA,1,1,7\n", ["line 2", "'7'", "no name"]),
        ("study,yi,vi\nA,1\n", ["line 2 (A)", "2 cells", "header has 3"]),
        ("study,yi,vi\nA,1,1\nB,0,5,0,2\n", ["line 3 (B)", "5 cells", "semicolons"]),
        ("study,yi,vi\n", ["no rows"]),
        ("\n\n", ["empty"]),
        ("", ["empty"]),
        ("study,yi,variance\nA,1,1\n", ["missing beside yi", "accepted: yi,vi"]),
        ("study,n1,mean1,sd1,n2,mean2\nA,1,1,1,1,1\n", ["missing", "sd2", "accepted"]),
        ("study,n1,mean1,sd1,n2,mean2,std2\nA,1,1,1,1,1,1\n", ["did you mean sd2 for std2"]),
        ("a,b\n1,2\n", ["columns a, b", "accepted: yi,vi"]),
        (PLAIN.replace(",10,", ",1,"), ["n1", "'1'", "2 to 1000000"]),
        (PLAIN.replace(",10,", ",10.5,"), ["n1", "'10.5'", "whole"]),
        (PLAIN.replace(",10,", ',"1.200",'), ["n1", "'1.200'", "thousands"]),
        (PLAIN.replace(",10,", ",0,"), ["n1", "'0'"]),
        (PLAIN.replace("1.125", "0"), ["line 3", "sd2", "'0'", "standard deviation above 0"]),
        (PLAIN.replace("1.125", "-1"), ["sd2", "'-1'"]),
        ("yi,ci_lb,ci_ub\n1,2,3\n", ["yi", "'1'", "2 to 3"]),
        ("yi,ci_lb,ci_ub\n1,3,2\n", ["ci_ub", "'2'", "above the lower"]),
        ("yi,ci_lb,ci_ub\n1,1,1\n", ["ci_ub", "above the lower"]),
        ('yi,vi\n"1,5",1\n', ["'1,5'", "decimal point"]),
        ('yi,vi\n"1,234.5",1\n', ["'1,234.5'", "thousands"]),
        ("yi;vi\n1.234,5;1\n", ["'1.234,5'", "thousands"]),
        ("yi;vi\n1,5;1.5\n", ["one decimal mark"]),
        ("yi;vi\n1.234;2.345\n", ["'1.234'", "1.2340"]),
        ("yi\tvi\n1,234\t2\n", ["'1,234'", "1.2340"]),
        ('study,yi,vi\n"A,1,1\n', ["line 2", "double quotes"]),
        ('study,yi,vi\n"A"x,1,1\n', ["line 2", "double quotes"]),
    ],
)
def test_refusals(text: str, named: list[str]) -> None:
    with pytest.raises(InputError) as error:
        read(text)
    message = str(error.value)
    for part in ["f.csv", *named]:
        assert part in message
    assert len(message.splitlines()) <= 2
    assert all(len(line) < 250 for line in message.splitlines())


@pytest.mark.parametrize(
    ("data", "named"),
    [
        (b"PK\x03\x04rest", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0rest", "spreadsheet"),
        (b"study,yi,vi\nA\x00,1,1\n", "not text"),
        (b"study,yi,vi\n\x81,1,1\n", "not text"),
        (b"\xff\xfea", "not text"),
        (b"x" * 200_000, "cells that are whole"),
    ],
)
def test_refused_bytes(data: bytes, named: str) -> None:
    with pytest.raises(InputError, match=named):
        read(data)


def test_refused_places(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "nowhere.csv"):
        with pytest.raises(InputError, match="accepted"):
            read_cells(path, KNOWN)
    many = "yi,vi\n" + "1,1\n" * 10_001
    with pytest.raises(InputError, match="at most 10000"):
        read(many)


# Numbers


@given(st.decimals(min_value=-(10**9), max_value=10**9, allow_nan=False, places=5))
def test_numbers_are_read_back(value: Decimal) -> None:
    for text in (f"{value:f}", f"{value:e}", f"{value:E}", f"+{abs(value):f}"):
        expected = abs(value) if text.startswith("+") else value
        assert read_number(text, ",") == expected
        assert read_number(text.replace(".", ","), ";") == expected


@given(st.text(max_size=12))
def test_what_is_no_number_is_refused(text: str) -> None:
    for delimiter in ",;\t":
        try:
            value = float(read_number(text, delimiter))
        except WrongNumber:
            continue
        assert math.isfinite(value)
        # Python agrees, apart from the decimal comma.
        assert value == float(text.replace(",", ".").replace("\u2212", "-").replace("\u00a0", ""))


def test_whole_numbers() -> None:
    assert [read_whole(text, ";") for text in ("12", "12.0", "12,00", "+7")] == [12, 12, 12, 7]
    for text in ("12.5", "1.200", "1,000", "1e3", "1 200", ""):
        with pytest.raises(WrongNumber):
            read_whole(text, ";")


def test_marks() -> None:
    assert find_marks(["1.5", "2"], ",").mark == "."
    assert find_marks(["1,500", "2"], ";").thousands == ""
    assert find_marks(["1,500", "2"], "\t").thousands == "1,500"
    assert find_marks(["1,500", "0,2"], "\t") == find_marks(["0,2", "1,500"], "\t")
    assert find_marks(["1,5", "0.2"], "\t").mixed == ("0.2", "1,5")


_CELLS = st.sampled_from(
    ["", "1", "-0.5", "0", "1,5", "1.234", "NA", "nan", "x", '"', "a;b", "12", "1e400", "\u0661"]
)


@given(
    st.lists(st.sampled_from([*sorted(KNOWN), "species", "yi", "vi", ""]), max_size=8),
    st.lists(st.lists(_CELLS, max_size=8), max_size=5),
    st.sampled_from([",", ";", "\t"]),
)
@settings(max_examples=150, deadline=None)
def test_any_table_is_read_or_refused_in_words(
    header: list[str], rows: list[list[str]], delimiter: str
) -> None:
    text = "\n".join(delimiter.join(row) for row in [["yi", "vi", *header], *rows])
    lines = []
    for skip in (False, True):
        try:
            found = read(text, skip_incomplete=skip)
        except InputError as error:
            lines.append(str(error).splitlines())
        else:
            assert np.isfinite(found.yi).all()
            assert (found.vi > 0).all()
    assert all(len(message) <= 2 for message in lines)


@given(st.binary(max_size=60))
@settings(max_examples=150, deadline=None)
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    lines = []
    for start in (b"", b"yi,vi\n", b"\xff\xfe", b"\xef\xbb\xbfyi;vi\n1;1\n"):
        try:
            read(start + data)
        except InputError as error:
            lines.append(str(error).splitlines())
    assert all(len(message) <= 2 for message in lines)
