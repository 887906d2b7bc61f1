"""Plain text for a terminal of 80 columns: paragraphs, a text curve, nothing statistical."""

from __future__ import annotations

import textwrap
import unicodedata
from collections.abc import Mapping, Sequence

WIDTH = 79

_ASCII = str.maketrans(
    {
        "±": "+/-",
        "µ": "u",
        "μ": "u",
        "\u2013": "-",
        "—": "-",
        "\u2212": "-",
        "≤": "<=",
        "≥": ">=",
        "\u00d7": "x",
        "\u2018": "'",
        "\u2019": "'",
        "“": '"',
        "”": '"',
    }
)


def printable(text: str, encoding: str | None) -> str:
    """The text without control characters, in plain ASCII where the encoding is not UTF-8."""
    clean = "".join(c for c in text if c == "\n" or unicodedata.category(c)[0] != "C")
    if (encoding or "").lower().replace("-", "").replace("_", "") in ("utf8", "utf8sig"):
        return clean
    plain = unicodedata.normalize("NFKD", clean.translate(_ASCII))
    bare = "".join(c for c in plain if not unicodedata.combining(c))
    return bare.encode("ascii", "replace").decode("ascii")


def fitted(text: str, width: int) -> str:
    """The text on one line of at most `width` characters; what is in the middle gives way."""
    clean = " ".join(str(text).split())
    if len(clean) <= width:
        return clean
    end = (width - 3) * 2 // 5
    return f"{clean[: width - 3 - end]}...{clean[len(clean) - end :]}"


def two_lines(text: str, width: int = WIDTH) -> str:
    """A single line too long for a terminal, broken where a clause ends; other texts unchanged."""
    if "\n" in text or len(text) <= width:
        return text
    for end in ("; accepted", "; ", ": ", ", "):
        place = text.rfind(end, 0, width)
        if place > len(text) - 2 - width:
            return f"{text[: place + 1].rstrip(';')}\n{text[place + 2 :]}"
    return text


def paragraph(text: str, first: str = "", rest: str | None = None, width: int = WIDTH) -> list[str]:
    """Wrapped lines with a hanging indent."""
    rest = " " * len(first) if rest is None else rest
    return textwrap.wrap(
        text, width, initial_indent=first, subsequent_indent=rest, break_on_hyphens=False,
        break_long_words=False,
    )  # fmt: skip


def curve(
    x: Sequence[float], lines: Mapping[str, Sequence[float]], height: int = 8, width: int = 60
) -> list[str]:
    """Curves of chances (0 to 1) over x, x evenly spaced; each drawn with its own letter."""
    grid = [[" "] * width for _ in range(height + 1)]
    columns = [round(i * (width - 1) / max(1, len(x) - 1)) for i in range(len(x))]
    for mark, y in lines.items():
        for column in range(width):
            at = next((i for i in range(len(x) - 1) if columns[i + 1] >= column), 0)
            span = columns[at + 1] - columns[at] if len(x) > 1 else 1
            share = (column - columns[at]) / span if span else 0.0
            value = y[at] + share * (y[min(at + 1, len(x) - 1)] - y[at])
            row = height - round(height * min(1.0, max(0.0, value)))
            if grid[row][column] == " ":
                grid[row][column] = mark
    out = []
    for row, cells in enumerate(grid):
        label = f"{100 * (height - row) // height:3d}%" if row % 2 == 0 else "    "
        out.append(f"  {label} |{''.join(cells)}".rstrip())
    out.append("       +" + "-" * width)
    ticks = [" "] * (width + 6)
    for i, value in enumerate(x):
        text = str(value)
        start = columns[i]
        if all(cell == " " for cell in ticks[max(0, start - 1) : start + len(text) + 1]):
            ticks[start : start + len(text)] = text
    out.append("        " + "".join(ticks).rstrip())
    out.append("        animals per group")
    return out
