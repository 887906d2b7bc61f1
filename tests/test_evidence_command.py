"""`planner evidence`: what it prints and writes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import planner
from planner.commands.evidence import app
from planner.errors import InputError
from planner.published import catalogue_review
from planner.reports.text import printable

KEYS = [
    "schema",
    "command",
    "version",
    "answer",
    "warnings",
    "scenario",
    "truth",
    "performance",
    "required",
    "recommended",
    "provenance",
    "evidence",
]


@pytest.fixture(autouse=True)
def _version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(planner, "__version__", "0.0", raising=False)


def _run(*words: str) -> str:
    result = CliRunner().invoke(app, list(words))
    if isinstance(result.exception, InputError):
        raise result.exception
    assert result.exit_code == 0, result.output
    return result.stdout


def _json(*words: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(_run(*words, "--json"))
    assert list(document) == KEYS
    return document


def test_alone_lists() -> None:
    listed = _run()
    assert listed == _run("list")
    assert all(name in listed for name in catalogue_review().analyses)
    assert json.loads(_run("--json", "list")) == _json("list") == _json()


@pytest.mark.parametrize("words", [["list"], ["show"], ["show", "single-early"]])
def test_fits_a_terminal(words: list[str]) -> None:
    assert max(len(line) for line in _run(*words).splitlines()) <= 80


def test_show_has_numbers_places_rows_and_readings() -> None:
    text = _run("show", "chronic-after")
    for part in ("1.25 to 1.35", "Results 3.6", "derived", "salvat-2018b", "34 d"):
        assert part in text
    for part in ("Comparisons per cluster: by study 2, 1 x 4", "chronic-after/rat", "table-median"):
        assert part in text
    taken = _run("show", "chronic-during", "--reading", "chronic-during-ci=abstract")
    assert "> abstract: 3.7 to 6.5" in taken
    assert "3.65 to 3.75" in taken
    assert "standard errors read as SDs" in " ".join(taken.split())


def test_show_without_a_name_is_about_the_review() -> None:
    text = _run("show")
    assert "prospero" in text
    assert "10.1097/j.pain.0000000000002231" in text
    document = _json("show")
    assert document["evidence"]["facts"]["animals"]["treated"]["value"] == 331
    assert len(document["evidence"]["comparisons"]) == 36


def test_show_as_json() -> None:
    document = _json("show", "chronic-during")
    evidence = document["evidence"]
    assert evidence["g"] == {
        "value": 5.1,
        "printed": "5.1",
        "unit": "SD",
        "where": "Results 3.5",
        "status": "reported",
        "note": "",
    }
    assert evidence["targets"]["ci_lb"] == {"value": 3.6, "lo": 3.55, "hi": 3.65}
    assert sum(evidence["group_sizes"]["law"]["p"]) == pytest.approx(1)
    assert document["scenario"] == {"name": "chronic-during", "evidence": None, "reading": {}}
    assert [warning["code"] for warning in document["warnings"]] == ["large-effect"]


def test_wrong_input() -> None:
    with pytest.raises(InputError, match="did you mean chronic-after"):
        _run("show", "chronic-aftr")
    with pytest.raises(InputError, match="TOPIC=OPTION"):
        _run("show", "chronic-after", "--reading", "delays")
    with pytest.raises(InputError, match="did you mean delays"):
        _run("show", "--reading", "delay=text")


def test_template_is_understood(tmp_path: Path) -> None:
    path = tmp_path / "stroke.toml"
    assert str(path) in _run("init", str(path))
    assert [entry.name for entry in tmp_path.iterdir()] == ["stroke.toml"]
    text = _run("check", str(path))
    assert "0.845 to 0.855" in text
    assert "template" in text
    assert "by study" not in text
    document = _json("check", str(path))
    assert document["warnings"][0]["code"] == "template"
    assert document["evidence"]["analyses"][0]["k"] == 12
    assert "stroke" in _run("list", "--evidence", str(path))
    assert "0.845 to 0.855" in _run("show", "--evidence", str(path))
    # what the comments offer works too
    offered = path.read_text().replace("# study =", "study =").replace("# mean =", "mean =")
    path.write_text(offered.replace("# lab =", "lab ="))
    assert "by study 2, 1 x 10; by lab 3, 1 x 9" in _run("check", str(path))


def test_init_does_not_overwrite(tmp_path: Path) -> None:
    path = tmp_path / "stroke.toml"
    path.write_text("mine")
    with pytest.raises(InputError, match="--force"):
        _run("init", str(path))
    assert path.read_text() == "mine"
    _run("init", str(path), "--force")
    assert "REPLACE" in path.read_text()
    with pytest.raises(InputError, match="is a folder"):
        _run("init", str(tmp_path), "--force")
    with pytest.raises(InputError, match="cannot be written"):
        _run("init", str(tmp_path / "missing" / "stroke.toml"))


@pytest.mark.parametrize(
    ("g", "ci", "code"),
    [("-0.85", "[-1.30, -0.40]", "wrong-way"), ("1", "[0.4, 1.3]", "rounding")],
)
def test_warnings_of_check(tmp_path: Path, g: str, ci: str, code: str) -> None:
    path = tmp_path / "stroke.toml"
    path.write_text(
        f"title = 'A'\nsource = 'B'\nk = 12\ng = {g}\nci = {ci}\nI2 = 61\n"
        "group_sizes = { median = 8, range = [5, 14] }\n"
    )
    assert code in [warning["code"] for warning in _json("check", str(path))["warnings"]]


def test_help_starts_with_two_examples() -> None:
    for words in ([], ["list"], ["show"], ["init"], ["check"]):
        text = _run(*words, "--help")
        assert text.count("  planner evidence ") == 2
        assert text.index("Examples:") < text.index("Options:")


def test_plain_ascii_where_the_encoding_is_not_utf8() -> None:
    text = "100 \u00b5g \u00b1 2 \u2013 M\u00fcller\u001b[31m"
    assert printable(text, "cp1252") == "100 ug +/- 2 - Muller[31m"
    assert printable(text, None).isascii()
    assert "\u00b5" in printable(text, "UTF-8")
    assert "\u001b" not in printable(text, "utf-8")
