"""Numbers in a page that say where in the JSON they stand.

A template walks a document through `Place`; what it prints becomes an element with the number's
path, its value and its format. So a number on the page is a number of the JSON, and a test can
hold every one against it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from markupsafe import Markup, escape

from planner.plan_parts import FILLS
from planner.reports.measures import percent


def _signed_points(x: float) -> str:
    return f"{100.0 * x:+.0f}" if abs(x) >= 0.0005 else "0"


# How numbers are printed, by the name that stands beside them in the page.
FORMATS: dict[str, Callable[[Any], str]] = {
    "plain": lambda x: f"{x:g}" if isinstance(x, float) else str(x),
    "pct": percent,
    "pct1": lambda x: f"{100.0 * x:.1f}%",
    "of100": lambda x: f"{100.0 * x:.0f}",
    "points": _signed_points,
    "excess": lambda x: f"{max(0.0, 100.0 * (x - 1.0)):.0f}%",
    "mcse": lambda x: f"{100.0 * x:.2g} points",
    "signed": lambda x: f"{x:+d}" if x else "0",
    "d1": lambda x: f"{x:.1f}",
    "d2": lambda x: f"{x:.2f}",
    "sd2": lambda x: f"{x:+.2f}" if abs(x) >= 0.005 else "0.00",
    "d4": lambda x: f"{x:.4f}",
    "g3": lambda x: f"{x:.3g}",
    "count": lambda x: f"{x:,}",
}
_FILL = re.compile("|".join(re.escape(f"[{name}]") for name in FILLS))


class Place:
    """A value inside a document, and its path there."""

    __slots__ = ("_path", "_value")

    def __init__(self, value: Any, path: str = "") -> None:
        self._value, self._path = value, path

    def _child(self, key: Any) -> Place:
        return Place(self._value[key], f"{self._path}/{key}")

    def __getitem__(self, key: Any) -> Place:
        return self._child(key)

    def __getattr__(self, name: str) -> Place:
        if isinstance(self._value, Mapping) and name in self._value:
            return self._child(name)
        raise AttributeError(f"{self._path}/{name}")

    def __iter__(self) -> Iterator[Place]:
        keys = self._value if isinstance(self._value, Mapping) else range(len(self._value))
        return (self._child(key) for key in keys)

    def __len__(self) -> int:
        return len(self._value)

    def __bool__(self) -> bool:
        return bool(self._value)

    def __eq__(self, other: object) -> bool:
        return bool(self._value == (other._value if isinstance(other, Place) else other))

    def __hash__(self) -> int:
        return hash(self._path)

    def __html__(self) -> Markup:
        if isinstance(self._value, str):
            return words(self)
        return number(self)


def number(place: Place, form: str = "plain", absent: str = "–") -> Markup:
    """A number with its path, value and format; `absent` where there is none."""
    value = place._value
    if value is None:
        return Markup(escape(absent))
    return Markup('<data value="{}" data-path="{}" data-format="{}">{}</data>').format(
        json.dumps(value), place._path, form, FORMATS[form](value)
    )


def words(place: Place) -> Markup:
    """A text of the document, with what only the laboratory knows marked for filling in."""
    return Markup('<span data-text="{}">{}</span>').format(place._path, fillable(str(place._value)))


def fillable(text: str) -> Markup:
    """Escaped text whose [fields] of the laboratory are marked."""
    parts, last = [], 0
    for match in _FILL.finditer(text):
        parts.append(escape(text[last : match.start()]))
        name = match[0][1:-1]
        parts.append(Markup('<span class="fill" data-fill="{}">{}</span>').format(name, match[0]))
        last = match.end()
    return Markup("").join([*parts, escape(text[last:])])


def value(place: Place) -> Any:
    """The bare value, for a template's conditions."""
    return place._value


def key(place: Place) -> str:
    """The name under which a value stands."""
    return place._path.rsplit("/", 1)[1]
