"""Files of study-level data: from bytes to a header and rows of cells, nothing interpreted."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from planner.errors import InputError

LARGEST_FILE = 50_000_000  # bytes
MOST_ROWS = 10_000
MOST_COLUMNS = 1_000
DELIMITERS = (",", ";", "\t")
NAMES = {",": "commas", ";": "semicolons", "\t": "tabs"}
ACCEPTED = "accepted: a CSV file, one row per study"
# Control characters become spaces: they mean nothing in a cell, and something to a terminal.
_CONTROL = dict.fromkeys((*range(32), *range(127, 160)), " ")


@dataclass(frozen=True)
class Row:
    """One row: the line of the file it starts on, and its cells, spaces single and none around."""

    line: int
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Cells:
    """A file cut into cells.

    Parameters
    ----------
    file : its name in messages
    delimiter : ``","``, ``";"`` or a tab
    header, rows : every row has as many cells as the header
    encoding : how the bytes were read
    """

    file: str
    delimiter: str
    header: tuple[str, ...]
    rows: tuple[Row, ...]
    encoding: str = "utf-8"

    def refuse(self, text: str) -> InputError:
        """The error with the name of the file before its text."""
        return InputError(f"{self.file}: {text}")


def read_cells(path: Path, known: frozenset[str]) -> Cells:
    """The cells of a file.

    Parameters
    ----------
    path : the file
    known : normalized column names that tell the delimiter, see `normalized`

    Raises
    ------
    InputError : the file cannot be read, is no table, or has rows of another length.
    """
    return cells_of(_bytes_of(path), str(path), known)


def cells_of(data: bytes, file: str, known: frozenset[str]) -> Cells:
    """The cells of a file's bytes; `read_cells` says how."""
    text, encoding = _decoded(data, file)
    lines = list(_records(text, file, known))
    if not lines:
        raise InputError(f"{file}: is empty; {ACCEPTED}")
    delimiter, header, rows = lines[0][0], lines[0][1], [row for _, row in lines[1:]]
    names = header.cells
    for row in rows:
        if len(row.cells) != len(names):
            hint = ""
            if delimiter == "," and len(row.cells) > len(names):
                hint = " (decimal commas need semicolons between cells)"
            raise InputError(
                f"{file}, line {row.line} ({_short(row.cells[0])}): found {len(row.cells)} cells, "
                f"the header has {len(names)}; accepted: one cell per column{hint}"
            )
    if not rows:
        raise InputError(f"{file}: has a header and no rows; {ACCEPTED}")
    if len(rows) > MOST_ROWS:
        raise InputError(f"{file}: has {len(rows)} rows; accepted: at most {MOST_ROWS}")
    return Cells(file, delimiter, names, tuple(rows), encoding)


def normalized(name: str) -> str:
    """A column's name without case, dots, underscores, hyphens and spaces: ``ci.lb`` is `cilb`."""
    return "".join(c for c in name.lower() if c not in "._- ")


def _short(text: str) -> str:
    clean = " ".join(text.split())
    return clean if len(clean) <= 40 else clean[:37] + "..."


def _bytes_of(path: Path) -> bytes:
    try:
        if path.is_dir():
            raise InputError(f"{path}: is a folder; {ACCEPTED}")
        if not path.exists():
            raise InputError(f"{path}: file not found; {ACCEPTED}")
        with path.open("rb") as file:  # also a pipe, such as /dev/stdin
            data = file.read(LARGEST_FILE + 1)
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror}); {ACCEPTED}") from None
    if len(data) > LARGEST_FILE:
        raise InputError(f"{path}: larger than 50 MB; {ACCEPTED}")
    return data


def _decoded(data: bytes, file: str) -> tuple[str, str]:
    """The text, and the encoding: UTF-8, UTF-16 with its mark, or else Western European."""
    if data.startswith((b"PK\x03\x04", b"\xd0\xcf\x11\xe0")):
        raise InputError(f"{file}: is a spreadsheet; accepted: the sheet saved as CSV")
    marks = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16"}
    encodings = ["utf-8-sig", "cp1252"]
    if data[:2] in marks:
        encodings = ["utf-16"]
    for encoding in encodings:
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError:
            continue
        if "\x00" in text:
            break
        return text, "utf-8" if encoding == "utf-8-sig" else encoding
    raise InputError(f"{file}: is not text; accepted: a CSV file in UTF-8")


def _records(text: str, file: str, known: frozenset[str]) -> Iterator[tuple[str, Row]]:
    """Header and rows that hold anything, each with the file's delimiter."""
    start = io.StringIO(text, newline="")
    skipped = 0
    delimiter = ""
    while not delimiter:
        place = start.tell()
        line = start.readline()
        if not line:
            return
        if line.strip().lower().startswith("sep=") and len(line.strip()) == 5:
            skipped += 1  # a line by which spreadsheets say what separates cells
        elif line.strip(' \r\n\t;,"'):
            delimiter = _delimiter(text, place, known)
            start.seek(place)
        else:
            skipped += 1
    reader = csv.reader(start, delimiter=delimiter, skipinitialspace=True, strict=True)
    before = 0
    try:
        for cells in reader:
            line_number, before = skipped + before + 1, reader.line_num
            cut = tuple(" ".join(cell.translate(_CONTROL).split()) for cell in cells)
            if any(cut):
                if len(cut) > MOST_COLUMNS:
                    raise InputError(
                        f"{file}, line {line_number}: more than {MOST_COLUMNS} cells; {ACCEPTED}"
                    )
                yield delimiter, Row(line_number, cut)
    except csv.Error as error:
        raise InputError(
            f"{file}, line {skipped + before + 1}: {error}; accepted: cells that are whole, or "
            'in double quotes with "" for a quote inside'
        ) from None


def _delimiter(text: str, place: int, known: frozenset[str]) -> str:
    """What separates the header's cells: what gives the most known names, then most cells."""
    line = io.StringIO(text, newline="")
    line.seek(place)

    def score(delimiter: str) -> tuple[int, int]:
        line.seek(place)
        try:
            names = next(csv.reader(line, delimiter=delimiter, skipinitialspace=True))
        except csv.Error:
            return 0, 0
        return sum(normalized(name) in known for name in names), len(names)

    return max(DELIMITERS, key=score)
