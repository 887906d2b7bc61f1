"""Numbers as people type them into tables: decimal points or commas, never guessed at.

A mark before exactly three digits can separate thousands. Such a number is read only where the
rest of the file shows which mark is the decimal one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

_PLAIN = re.compile(r"[+-]?(\d+([.,]\d*)?|[.,]\d+)([eE][+-]?\d{1,3})?")
_THOUSANDS = re.compile(r"[+-]?[1-9]\d{0,2}[.,]\d{3}")
_WHOLE = re.compile(r"[+-]?\d+([.,]0+)?")
_NOT_FINITE = re.compile(r"[+-]?(nan|inf|infinity)", re.IGNORECASE)
_MISSING = {"", "na", "n/a", "null", "none", "-", "--", "."}
LARGEST = 1e30


class WrongNumber(ValueError):
    """A cell that is no number; the message says what is accepted."""


def missing(text: str) -> bool:
    """Whether a cell says that there is no value."""
    return text.lower() in _MISSING


@dataclass(frozen=True)
class Marks:
    """Which decimal mark a file uses: ``"."``, ``","``, or unknown where it has none.

    `thousands` is a cell that could as well be a number in thousands, if nothing in the file
    decides; `mixed` are two cells with different marks.
    """

    mark: str = ""
    thousands: str = ""
    mixed: tuple[str, str] | None = None


def find_marks(texts: Iterable[str], delimiter: str) -> Marks:
    """The decimal mark of a file from all its cells of numbers.

    Commas between cells leave the point; a semicolon between cells is there because the comma
    is a decimal mark.
    """
    seen: dict[str, str] = {}
    decided = {",": delimiter == ";", ".": delimiter == ","}
    doubtful: dict[str, str] = {}
    for text in texts:
        cell = _clean(text)
        if not _PLAIN.fullmatch(cell):
            continue  # said where the cell is read
        for mark in ".,":
            if mark in cell:
                seen.setdefault(mark, text)
                if _THOUSANDS.fullmatch(cell):
                    doubtful.setdefault(mark, text)
                else:
                    decided[mark] = True
    if len(seen) == 2:
        return Marks(mixed=(seen["."], seen[","]))
    mark = next(iter(seen), "")
    doubt = "" if not mark or decided[mark] else doubtful.get(mark, "")
    return Marks(mark, doubt)


def read_number(text: str, delimiter: str) -> Decimal:
    """A cell as the number that is printed there, with its digits.

    Raises
    ------
    WrongNumber : text, percent, two marks, not finite, or above 1e30.
    """
    cell = _clean(text)
    if _NOT_FINITE.fullmatch(cell):
        raise WrongNumber("a finite number")
    if not _PLAIN.fullmatch(cell):
        if ("," in cell and "." in cell) or cell.count(",") > 1 or cell.count(".") > 1:
            raise WrongNumber("a number without separators of thousands")
        raise WrongNumber("a number")
    if "," in cell and delimiter == ",":
        raise WrongNumber("a number with a decimal point (commas separate the cells)")
    value = Decimal(cell.replace(",", "."))
    if abs(value) > LARGEST:
        raise WrongNumber("a number of at most 1e30 in size")
    return value


def read_whole(text: str, delimiter: str) -> int:
    """A cell as a whole number; ``12.0`` is 12, ``12.000`` could be twelve thousand.

    Raises
    ------
    WrongNumber : anything else.
    """
    cell = _clean(text)
    value = read_number(text, delimiter)
    if not _WHOLE.fullmatch(cell) or _THOUSANDS.fullmatch(cell):
        raise WrongNumber("a whole number without separators of thousands")
    return int(value)


def decimals(value: Decimal) -> int:
    """Digits printed after the point."""
    exponent = value.as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0


def _clean(text: str) -> str:
    # A minus sign and the spaces that word processors put in.
    return text.replace("\u2212", "-").replace("\u00a0", "").strip()
