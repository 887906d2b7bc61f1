"""Which rows of a file enter: those that --where asks for, complete or left out."""

from __future__ import annotations

from collections.abc import Sequence

from planner.errors import InputError, nearest
from planner.study_cells import Reader, short
from planner.study_files import Cells, Row
from planner.study_numbers import missing


def column_place(cells: Cells, name: str, option: str) -> int:
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
        f"{option}: {cells.file} has no column {short(name)!r}{hint}\n"
        f"columns that exist: {_listed(names)}"
    )


def _listed(names: Sequence[str], most: int = 20) -> str:
    shown = ", ".join(short(name) for name in names[:most])
    return f"{shown}, and {len(names) - most} more" if len(names) > most else shown


def chosen_rows(cells: Cells, where: Sequence[tuple[str, str]]) -> list[Row]:
    rows = list(cells.rows)
    for name, value in where:
        place = column_place(cells, name, "--where")
        values = list(dict.fromkeys(row.cells[place] for row in cells.rows))
        if value not in values:
            close = nearest(value, values)
            hint = f"; did you mean {close}?" if close else ""
            raise InputError(
                f"--where: column {short(name)} has no value {short(value)!r}{hint}\n"
                f"values that exist: {_listed(values)}"
            )
        rows = [row for row in rows if row.cells[place] == value]
    if not rows:
        pairs = " and ".join(f"{name}={value}" for name, value in where)
        raise InputError(f"--where: no row of {cells.file} has {pairs}; accepted: fewer of them")
    return rows


def complete_rows(
    reader: Reader, rows: Sequence[Row], group: int | None, skip: bool
) -> tuple[list[Row], list[tuple[Row, int]]]:
    """The rows without a missing cell, and the others with the column of the first."""
    header = reader.cells.header
    needed = [reader.layout.place[name] for name in reader.layout.used]
    needed += [] if group is None else [group]
    complete, left_out = [], []
    for row in rows:
        empty = next((place for place in needed if missing(row.cells[place])), None)
        if empty is None:
            complete.append(row)
        elif skip:
            left_out.append((row, empty))
        else:
            name = reader.name(row)
            who = f" ({short(name)})" if name != f"line {row.line}" else ""
            found = "nothing" if not row.cells[empty] else repr(row.cells[empty])
            raise InputError(
                f"{reader.cells.file}, line {row.line}{who}, {header[empty]}: found {found}; "
                "accepted: a value\nor --skip-incomplete, which leaves such rows out and lists them"
            )
    if not complete:
        raise reader.cells.refuse("every row is incomplete; accepted: a row with every value")
    return complete, left_out
