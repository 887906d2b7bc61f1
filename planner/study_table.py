"""Study-level data as numbers: which columns are used, what is wrong with a cell, where it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planner.errors import InputError
from planner.study_cells import FloatArray, Reader, check_marks, column_numbers, short
from planner.study_columns import Form, lay_out
from planner.study_files import Cells, Row
from planner.study_numbers import decimals, missing, read_number
from planner.study_rows import chosen_rows, column_place, complete_rows

LARGEST_RATIO = 1e10  # of two sampling variances
Z95 = 1.959963984540054  # normal quantile behind a 95% Wald interval


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
    rows = chosen_rows(cells, where)
    group = None if by is None else column_place(cells, by, "--by")
    reader = Reader(cells, layout)
    rows, incomplete = complete_rows(reader, rows, group, skip_incomplete)
    check_marks(reader, rows)
    for row, _ in incomplete:  # what is there must be right all the same
        for name in layout.used:
            if not missing(reader.text(row, name)):
                reader.value(row, name)
    left_out = [
        {"line": row.line, "study": reader.name(row), "column": cells.header[place]}
        for row, place in incomplete
    ]
    form = layout.form
    columns = {name: column_numbers(reader, rows, name) for name in layout.used}
    notes = [*layout.notes, *_reading_notes(cells, reader, rows, columns)]
    yi, vi, computed = _effects(columns, form, vtype)
    _check_spread(cells, rows, vi)
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


def _check_spread(cells: Cells, rows: Sequence[Row], vi: FloatArray) -> None:
    """Refuse sampling variances that cannot be weighed against each other in floating point."""
    low, high = int(np.argmin(vi)), int(np.argmax(vi))
    if vi[high] > LARGEST_RATIO * vi[low]:
        raise cells.refuse(
            f"sampling variances of {vi[low]:.3g} (line {rows[low].line}) and {vi[high]:.3g} "
            f"(line {rows[high].line}); accepted: all within a factor of {LARGEST_RATIO:.0e}"
        )


def _labels(reader: Reader, rows: Sequence[Row], name: str) -> tuple[str, ...] | None:
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
    cells: Cells, reader: Reader, rows: Sequence[Row], columns: Mapping[str, FloatArray]
) -> list[tuple[str, str]]:
    notes = []
    if cells.encoding == "cp1252":
        text = "The file is not UTF-8: it was read as Western European (Windows-1252). Look at "
        notes.append(("encoding", text + "the study labels."))
    if "ci_ub" in columns:
        skewed = [row for row in rows if _skewed(reader, row)]
        if skewed:
            names = ", ".join(short(reader.name(row)) for row in skewed[:3])
            text = f"{len(skewed)} of {len(rows)} intervals are not symmetric around yi ({names}"
            text += ", ..." if len(skewed) > 3 else ""
            text += "): no Wald intervals on this scale. Of ratios, give logarithms; if you have "
            notes.append(("asymmetric", text + "means and SDs, give those: n1,mean1,sd1,..."))
    return notes


def _skewed(reader: Reader, row: Row) -> bool:
    """Whether an interval's centre is further from yi than rounding explains."""
    yi, lb, ub = (
        read_number(reader.text(row, name), reader.cells.delimiter)
        for name in ("yi", "ci_lb", "ci_ub")
    )
    slack = sum(0.5 * 10.0 ** -decimals(x) * share for x, share in ((yi, 1), (lb, 0.5), (ub, 0.5)))
    away = abs(float(lb + ub) / 2.0 - float(yi))
    return away > slack * (1.0 + 1e-9) + 1e-9 * float(ub - lb)


def _other_forms(
    reader: Reader, rows: Sequence[Row], yi: FloatArray, vi: FloatArray, benefit: str, vtype: str
) -> list[tuple[str, str]]:
    """Which form is used where a file has several, and how far the others are from it."""
    notes = []
    for form in reader.layout.others:
        start = f"The file has both {reader.layout.form.name} and {form.name}: used are "
        start += reader.layout.form.name
        try:
            columns = {name: column_numbers(reader, rows, name) for name in form.columns}
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
