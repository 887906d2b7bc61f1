"""Study-level data as numbers: which columns are used, what is wrong with a cell, where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError, nearest
from planner.study_columns import FORMS, KNOWN, Form, Layout, lay_out
from planner.study_files import Cells, Row, read_cells
from planner.study_numbers import (
    Marks,
    WrongNumber,
    decimals,
    find_marks,
    missing,
    read_number,
    read_whole,
)

__all__ = ["FORMS", "KNOWN", "StudyTable", "read_cells", "read_studies"]

Z95 = 1.959963984540054  # normal quantile behind a 95% Wald interval
MOST_ANIMALS = 1_000_000
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, kw_only=True, eq=False)
class StudyTable:
    """The studies of a file, in its order; positive effects are benefit.

    Parameters
    ----------
    file : where they come from
    form : which columns hold the effects
    labels, lines : (k) what each study is called, and its line in the file
    yi, vi : (k,) effects and sampling variances
    n1, n2 : (k,) animals treated and control, or None
    cluster, control, group : (k) labels of what depends, of control groups, of subgroups; or None
    computed : the effects are standardized mean differences calculated here
    notes : what to know about how the file was read: (code, text)
    left_out : rows that are incomplete: line, study, column
    """

    file: str
    form: str
    labels: tuple[str, ...]
    lines: tuple[int, ...]
    yi: FloatArray
    vi: FloatArray
    n1: FloatArray | None = None
    n2: FloatArray | None = None
    cluster: tuple[str, ...] | None = None
    control: tuple[str, ...] | None = None
    group: tuple[str, ...] | None = None
    computed: bool = False
    notes: tuple[tuple[str, str], ...] = ()
    left_out: tuple[Mapping[str, object], ...] = ()

    def __post_init__(self) -> None:
        for values in (self.yi, self.vi, self.n1, self.n2):
            if values is not None:
                values.setflags(write=False)

    @property
    def k(self) -> int:
        """Number of studies."""
        return len(self.yi)


@dataclass(frozen=True)
class _Reader:
    """One file being read: where a cell stands is known here, and said in every refusal."""

    cells: Cells
    layout: Layout
    marks: Marks = field(default_factory=Marks)

    def text(self, row: Row, column: str) -> str:
        return row.cells[self.layout.place[column]]

    def name(self, row: Row) -> str:
        label = self.text(row, "study") if "study" in self.layout.place else ""
        return label or f"line {row.line}"

    def refuse(self, row: Row, column: str, found: str, accepted: str) -> NoReturn:
        label = self.text(row, "study") if "study" in self.layout.place else ""
        who = f" ({_short(label)})" if label else ""
        header = self.cells.header[self.layout.place[column]]
        raise InputError(
            f"{self.cells.file}, line {row.line}{who}, {header}: found {_short(found)!r}; "
            f"accepted: {accepted}"
        )

    def number(self, row: Row, column: str) -> float:
        text = self.text(row, column)
        try:
            return float(read_number(text, self.cells.delimiter))
        except WrongNumber as wrong:
            self.refuse(row, column, text, str(wrong))

    def positive(self, row: Row, column: str, what: str) -> float:
        value = self.number(row, column)
        if value <= 0.0:
            self.refuse(row, column, self.text(row, column), f"{what} above 0")
        return value

    def animals(self, row: Row, column: str) -> float:
        text = self.text(row, column)
        accepted = f"animals in the group, a whole number from 2 to {MOST_ANIMALS}"
        try:
            value = read_whole(text, self.cells.delimiter)
        except WrongNumber as wrong:
            self.refuse(row, column, text, f"{accepted} ({wrong})")
        if not 2 <= value <= MOST_ANIMALS:
            self.refuse(row, column, text, accepted)
        return float(value)


def read_studies(
    cells: Cells,
    *,
    benefit: str = "higher",
    vtype: str = "CMA",
    where: Sequence[tuple[str, str]] = (),
    by: str | None = None,
    skip_incomplete: bool = False,
) -> StudyTable:
    """The studies of a file as numbers.

    Parameters
    ----------
    benefit : ``"higher"``, or ``"lower"`` to turn signs so that positive is benefit
    vtype : sampling variance of effects that are calculated from means: CMA, LS or UB
    where : (column, value): only rows that have them all
    by : column that names each study's subgroup
    skip_incomplete : leave rows with missing cells out instead of refusing them

    Raises
    ------
    InputError : columns or cells that are missing, wrong or ambiguous, named with their line.
    """
    layout = lay_out(cells)
    rows = _chosen(cells, where)
    group = None if by is None else _column(cells, by, "--by")
    reader = _Reader(cells, layout)
    rows, left_out = _complete(reader, rows, group, skip_incomplete)
    reader = _Reader(cells, layout, _marks(reader, rows))
    form = layout.form
    columns = {name: _numbers(reader, rows, name, form) for name in layout.used}
    notes = [*layout.notes, *_reading_notes(cells, reader, rows, columns)]
    yi, vi, computed = _effects(columns, form, vtype)
    if benefit == "lower":
        yi = -yi
    notes += _other_forms(reader, rows, yi, vi, benefit, vtype)
    return StudyTable(
        file=cells.file, form=form.name,
        labels=tuple(reader.name(row) for row in rows), lines=tuple(row.line for row in rows),
        yi=yi + 0.0, vi=vi, n1=columns.get("n1"), n2=columns.get("n2"),
        cluster=_labels(reader, rows, "cluster"), control=_labels(reader, rows, "control"),
        group=None if group is None else tuple(row.cells[group] for row in rows),
        computed=computed, notes=tuple(notes), left_out=tuple(left_out),
    )  # fmt: skip


def _short(text: str) -> str:
    clean = " ".join(text.split())
    return clean if len(clean) <= 40 else clean[:37] + "..."


def _column(cells: Cells, name: str, option: str) -> int:
    """Position of a column by its name, in any case if that is unique."""
    if name in cells.header:
        return cells.header.index(name)
    alike = [i for i, head in enumerate(cells.header) if head.lower() == name.lower()]
    if len(alike) == 1:
        return alike[0]
    names = [head for head in cells.header if head]
    close = nearest(name, names)
    hint = f"; did you mean {close}?" if close else ""
    raise InputError(
        f"{option}: {cells.file} has no column {_short(name)!r}{hint}\n"
        f"columns that exist: {_listed(names)}"
    )


def _listed(names: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(_short(name) for name in names[:most])
    return f"{shown}, and {len(names) - most} more" if len(names) > most else shown


def _chosen(cells: Cells, where: Sequence[tuple[str, str]]) -> list[Row]:
    rows = list(cells.rows)
    for name, value in where:
        place = _column(cells, name, "--where")
        values = list(dict.fromkeys(row.cells[place] for row in cells.rows))
        if value not in values:
            close = nearest(value, values)
            hint = f"; did you mean {close}?" if close else ""
            raise InputError(
                f"--where: column {_short(name)} has no value {_short(value)!r}{hint}\n"
                f"values that exist: {_listed(values)}"
            )
        rows = [row for row in rows if row.cells[place] == value]
    if not rows:
        pairs = " and ".join(f"{name}={value}" for name, value in where)
        raise InputError(f"--where: no row of {cells.file} has {pairs}; accepted: fewer of them")
    return rows


def _complete(
    reader: _Reader, rows: Sequence[Row], group: int | None, skip: bool
) -> tuple[list[Row], list[dict[str, object]]]:
    """The rows without a missing cell, and the others."""
    header = reader.cells.header
    needed = [reader.layout.place[name] for name in reader.layout.used]
    needed += [] if group is None else [group]
    complete, left_out = [], []
    for row in rows:
        empty = next((place for place in needed if missing(row.cells[place])), None)
        if empty is None:
            complete.append(row)
        elif skip:
            left_out.append({"line": row.line, "study": reader.name(row), "column": header[empty]})
        else:
            name = reader.name(row)
            who = f" ({_short(name)})" if name != f"line {row.line}" else ""
            found = "nothing" if not row.cells[empty] else repr(row.cells[empty])
            raise InputError(
                f"{reader.cells.file}, line {row.line}{who}, {header[empty]}: found {found}; "
                "accepted: a value\nor --skip-incomplete, which leaves such rows out and lists them"
            )
    if not complete:
        raise reader.cells.refuse("every row is incomplete; accepted: a row with every value")
    return complete, left_out


def _marks(reader: _Reader, rows: Sequence[Row]) -> Marks:
    """The decimal mark; refuses two of them, and numbers that could be thousands."""
    texts = [reader.text(row, name) for row in rows for name in reader.layout.used]
    marks = find_marks(texts, reader.cells.delimiter)
    doubt = marks.mixed[1] if marks.mixed else marks.thousands
    if not doubt or (marks.mixed and reader.cells.delimiter == ","):
        return marks
    row, column = next(
        (row, name)
        for row in rows
        for name in reader.layout.used
        if reader.text(row, name) == doubt
    )
    if marks.mixed:
        other = marks.mixed[0]
        reader.refuse(
            row, column, doubt, f"one decimal mark in the whole file (elsewhere {_short(other)!r})"
        )
    reader.refuse(
        row, column, doubt,
        "1234, or 1.2340: this may be either, and no cell of the file tells which",
    )  # fmt: skip


def _numbers(reader: _Reader, rows: Sequence[Row], name: str, form: Form) -> FloatArray:
    """A column of numbers, each checked for what it is."""
    match name:
        case "n1" | "n2":
            values = [reader.animals(row, name) for row in rows]
        case "vi":
            values = [reader.positive(row, name, "a sampling variance") for row in rows]
        case "sei" | "sem1" | "sem2":
            values = [reader.positive(row, name, "a standard error") for row in rows]
        case "sd1" | "sd2":
            values = [reader.positive(row, name, "a standard deviation") for row in rows]
        case _:
            values = [reader.number(row, name) for row in rows]
    if name == "ci_ub":
        for row, ub in zip(rows, values, strict=True):
            yi, lb = reader.number(row, "yi"), reader.number(row, "ci_lb")
            if lb >= ub:
                reader.refuse(
                    row, name, reader.text(row, name), f"an upper end above the lower, {lb:g}"
                )
            if not lb <= yi <= ub:
                reader.refuse(
                    row, "yi", reader.text(row, "yi"),
                    f"an effect within its interval, {lb:g} to {ub:g}",
                )  # fmt: skip
    return np.array(values, dtype=float)


def _labels(reader: _Reader, rows: Sequence[Row], name: str) -> tuple[str, ...] | None:
    """Labels of a column; a study without one is on its own."""
    if name not in reader.layout.place:
        return None
    found = [reader.text(row, name) for row in rows]
    return tuple(
        f"line {row.line}" if missing(text) else text for row, text in zip(rows, found, strict=True)
    )


def _effects(
    columns: Mapping[str, FloatArray], form: Form, vtype: str
) -> tuple[FloatArray, FloatArray, bool]:
    """yi, vi, and whether they were calculated from means."""
    if form.name == "yi, vi":
        return columns["yi"], columns["vi"], False
    if form.name == "yi, sei":
        return columns["yi"], columns["sei"] ** 2, False
    if form.name == "yi, ci_lb, ci_ub":
        return columns["yi"], ((columns["ci_ub"] - columns["ci_lb"]) / (2.0 * Z95)) ** 2, False
    from sims.two_groups import hedges_g

    n1, n2 = columns["n1"], columns["n2"]
    if "sem1" in form.columns:
        sd1, sd2 = columns["sem1"] * np.sqrt(n1), columns["sem2"] * np.sqrt(n2)
    else:
        sd1, sd2 = columns["sd1"], columns["sd2"]
    yi, vi = hedges_g(n1, columns["mean1"], sd1, n2, columns["mean2"], sd2, vtype)
    return yi, vi, True


def _reading_notes(
    cells: Cells, reader: _Reader, rows: Sequence[Row], columns: Mapping[str, FloatArray]
) -> list[tuple[str, str]]:
    notes = []
    if cells.encoding == "cp1252":
        text = "The file is not UTF-8: it was read as Western European (Windows-1252). Look at "
        notes.append(("encoding", text + "the study labels."))
    if "ci_ub" in columns:
        skewed = [row for row in rows if _skewed(reader, row)]
        if skewed:
            names = ", ".join(_short(reader.name(row)) for row in skewed[:3])
            text = f"{len(skewed)} of {len(rows)} intervals are not symmetric around yi ({names}"
            text += ", ..." if len(skewed) > 3 else ""
            text += "): no Wald intervals on this scale. Of ratios, give logarithms; if you have "
            notes.append(("asymmetric", text + "means and SDs, give those: n1,mean1,sd1,..."))
    return notes


def _skewed(reader: _Reader, row: Row) -> bool:
    """Whether an interval's centre is further from yi than rounding explains."""
    yi, lb, ub = (
        read_number(reader.text(row, name), reader.cells.delimiter)
        for name in ("yi", "ci_lb", "ci_ub")
    )
    slack = sum(0.5 * 10.0 ** -decimals(x) * share for x, share in ((yi, 1), (lb, 0.5), (ub, 0.5)))
    away = abs(float(lb + ub) / 2.0 - float(yi))
    return away > slack * (1.0 + 1e-9) + 1e-9 * float(ub - lb)


def _other_forms(
    reader: _Reader, rows: Sequence[Row], yi: FloatArray, vi: FloatArray, benefit: str, vtype: str
) -> list[tuple[str, str]]:
    """Which form is used where a file has several, and how far the others are from it."""
    notes = []
    for form in reader.layout.others:
        start = f"The file has both {reader.layout.form.name} and {form.name}: used are "
        start += reader.layout.form.name
        try:
            columns = {name: _numbers(reader, rows, name, form) for name in form.columns}
        except InputError:
            notes.append(("two-forms", f"{start}; the others are incomplete or wrong."))
            continue
        other_yi, other_vi, _ = _effects(columns, form, vtype)
        away = np.abs((-other_yi if benefit == "lower" else other_yi) - yi) / np.sqrt(vi)
        apart = int(np.sum((away > 0.05) | (np.abs(other_vi / vi - 1.0) > 0.1)))
        agree = "the others say the same" if not apart else (
            f"in {apart} of {len(rows)} rows the others say something else: leave out the columns "
            "that are wrong"
        )  # fmt: skip
        notes.append(("two-forms", f"{start}; {agree}."))
    return notes
