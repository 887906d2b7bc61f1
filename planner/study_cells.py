"""Cells of study-level data as numbers: each checked for what it is, and named if it is wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError
from planner.study_columns import Layout
from planner.study_files import Cells, Row
from planner.study_numbers import WrongNumber, find_marks, missing, read_number, read_whole

MOST_ANIMALS = 1_000_000
SMALLEST = 1e-30  # of what is divided by
POSITIVE = {
    "vi": "a sampling variance", "sei": "a standard error", "sem1": "a standard error",
    "sem2": "a standard error", "sd1": "a standard deviation", "sd2": "a standard deviation",
}  # fmt: skip
FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Reader:
    """One file being read: where a cell stands is known here, and said in every refusal."""

    cells: Cells
    layout: Layout

    def text(self, row: Row, column: str) -> str:
        return row.cells[self.layout.place[column]]

    def name(self, row: Row) -> str:
        label = self.text(row, "study") if "study" in self.layout.place else ""
        return f"line {row.line}" if missing(label) else label

    def refuse(self, row: Row, column: str, found: str, accepted: str) -> NoReturn:
        label = self.text(row, "study") if "study" in self.layout.place else ""
        who = f" ({short(label)})" if label else ""
        header = self.cells.header[self.layout.place[column]]
        raise InputError(
            f"{self.cells.file}, line {row.line}{who}, {header}: found {short(found)!r}; "
            f"accepted: {accepted}"
        )

    def value(self, row: Row, column: str) -> float:
        """The cell of a column that holds numbers."""
        if column in ("n1", "n2"):
            return self.animals(row, column)
        if column in POSITIVE:
            return self.positive(row, column, POSITIVE[column])
        return self.number(row, column)

    def number(self, row: Row, column: str) -> float:
        text = self.text(row, column)
        try:
            return float(read_number(text, self.cells.delimiter))
        except WrongNumber as wrong:
            self.refuse(row, column, text, str(wrong))

    def positive(self, row: Row, column: str, what: str) -> float:
        value = self.number(row, column)
        if value < SMALLEST:
            least = "0" if value <= 0.0 else f"{SMALLEST:g}"
            self.refuse(row, column, self.text(row, column), f"{what} above {least}")
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


def short(text: str) -> str:
    clean = " ".join(text.split())
    return clean if len(clean) <= 40 else clean[:37] + "..."


def column_numbers(reader: Reader, rows: Sequence[Row], name: str) -> FloatArray:
    """A column of numbers, each checked for what it is."""
    if name == "ci_ub":
        for row in rows:
            _check_interval(reader, row)
    return np.array([reader.value(row, name) for row in rows], dtype=float)


def _check_interval(reader: Reader, row: Row) -> None:
    yi, lb, ub = (reader.value(row, name) for name in ("yi", "ci_lb", "ci_ub"))
    if lb >= ub:
        text = reader.text(row, "ci_ub")
        reader.refuse(row, "ci_ub", text, f"an upper end above the lower, {lb:g}")
    if not lb <= yi <= ub:
        accepted = f"an effect within its interval, {lb:g} to {ub:g}"
        reader.refuse(row, "yi", reader.text(row, "yi"), accepted)


def check_marks(reader: Reader, rows: Sequence[Row]) -> None:
    """Refuse two decimal marks in a file, and numbers that could be in thousands."""
    texts = [reader.text(row, name) for row in rows for name in reader.layout.used]
    marks = find_marks(texts, reader.cells.delimiter)
    doubt = marks.mixed[1] if marks.mixed else marks.thousands
    if not doubt or (marks.mixed and reader.cells.delimiter == ","):
        return
    row, column = next(
        (row, name)
        for row in rows
        for name in reader.layout.used
        if reader.text(row, name) == doubt
    )
    if marks.mixed:
        other = marks.mixed[0]
        reader.refuse(
            row, column, doubt, f"one decimal mark in the whole file (elsewhere {short(other)!r})"
        )
    reader.refuse(
        row, column, doubt,
        "1234, or 1.2340: this may be either, and no cell of the file tells which",
    )  # fmt: skip
