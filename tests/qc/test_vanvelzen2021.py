"""The catalogue against its second typing: every number and every row, in both directions."""

from __future__ import annotations

import csv
import io
import tomllib
from collections import Counter
from importlib import resources
from typing import Any

import pytest

from .vanvelzen2021 import NUMBERS, ROWS

FOLDER = resources.files("planner.catalogue")
PRINTED = ("k", "g", "se", "ci", "I2", "p")
# Derived, so that there is nothing to type a second time: 16 rows of Table 1.
NOT_PRINTED = {"analyses.single-early/mechanical.k"}


def _printed(value: Any) -> str:
    return " ".join(str(end) for end in value) if isinstance(value, list) else str(value)


def _catalogue() -> dict[str, str]:
    text = FOLDER.joinpath("vanvelzen2021.toml").read_text(encoding="utf-8")
    data = tomllib.loads(text, parse_float=str)  # str: the digits as they stand in the file
    numbers = {}
    for name, analysis in data["analyses"].items():
        for key in PRINTED:
            numbers[f"analyses.{name}.{key}"] = analysis[key]
    for key, quantity in data["group_sizes"].items():
        numbers[f"group_sizes.{key}"] = quantity
    for group, facts in data["facts"].items():
        for name, fact in facts.items():
            numbers[f"facts.{group}.{name}"] = fact
    return {
        path: _printed(quantity["value"])
        for path, quantity in numbers.items()
        if path not in NOT_PRINTED
    }


def _table() -> list[dict[str, str]]:
    text = FOLDER.joinpath("vanvelzen2021.csv").read_text(encoding="utf-8")
    return list(csv.DictReader(io.StringIO(text)))


COLUMNS = tuple(name for name in ROWS[0] if name != "study_author")


def _key(row: dict[str, str]) -> tuple[str, ...]:
    return tuple(row[name] for name in COLUMNS)


CATALOGUE = _catalogue()
TABLE = _table()
TYPED = Counter(_key(row) for row in ROWS)


@pytest.mark.parametrize("path", sorted(CATALOGUE | NUMBERS))
def test_number_is_typed_twice_alike(path: str) -> None:
    assert CATALOGUE.get(path) == NUMBERS.get(path)


@pytest.mark.parametrize("row", TABLE, ids=[row["comparison"] for row in TABLE])
def test_row_of_the_catalogue_is_in_the_second_typing(row: dict[str, str]) -> None:
    same = [other for other in TABLE if _key(other) == _key(row)]
    assert TYPED[_key(row)] == len(same)
    authors = {typed["study_author"] for typed in ROWS if _key(typed) == _key(row)}
    assert any(row["comparison"].startswith(f"{author}-{row['year']}") for author in authors)


@pytest.mark.parametrize("number", range(len(ROWS)))
def test_row_of_the_second_typing_is_in_the_catalogue(number: int) -> None:
    assert _key(ROWS[number]) in {_key(row) for row in TABLE}
