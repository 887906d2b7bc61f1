"""Results are those of the committed scenarios: a small part is derived again and compared."""

from __future__ import annotations

import json
import re
import shutil
import tomllib
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import typer

from planner.cli import main
from planner.errors import InputError
from planner.reproduction import KINDS, differences, reproduce, scenarios
from planner.results import DESIGN_COLUMNS

RESULTS = Path(__file__).parent.parent / "results"
DATA = Path(__file__).parent / "data"


def test_every_kind_has_its_scenarios() -> None:
    found = scenarios()
    assert {one.kind for one in found} == set(KINDS)
    for kind in ("calibrate", "power", "meta", "update", "labs", "bias", "plan"):
        names = {one.name.partition("-")[2] for one in found if one.kind == kind}
        assert {"single-early", "single-late", "chronic-during", "chronic-after"} <= names


@pytest.mark.parametrize("one", scenarios(), ids=lambda one: one.name)
def test_each_scenario_has_its_result(one) -> None:  # type: ignore[no-untyped-def]
    folder = RESULTS / one.name
    document = json.loads((folder / one.result_file).read_text())
    assert document["command"] == one.command
    page = (folder / "page.txt").read_text(encoding="utf-8")
    assert len(page) > 500
    assert not re.search(r"(?<!\S)/\w", page), "a place on the machine where it was made"
    assert one.name in (RESULTS / "README.md").read_text()
    assert {path.name for path in RESULTS.iterdir() if path.is_dir()} >= {one.name}


def test_no_result_is_without_a_scenario() -> None:
    folders = {path.name for path in RESULTS.iterdir() if path.is_dir()}
    assert folders - {"validation", "speed"} <= {one.name for one in scenarios()}


@pytest.mark.parametrize(
    "name", ["power-single-late", "power-chronic-during-sesoi", "labs-single-late"]
)
def test_results_are_derived_again(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Counts exactly, other numbers to 1e-9."""
    found = reproduce([name], out=RESULTS, check=True)
    assert found.rows[0]["differences"] == []
    assert "agree" in found.document()["answer"]


PARTS = {
    # a scenario, with options that leave a few seconds of its work
    "bias-single-late": "--weight 0.5 --detector egger-n,begg --correction none,pet",
    "meta-chronic-after": "--k 6 --estimator DL",
    "decay-chronic-after": "--question residual --n 14",
    "plan-chronic-after": "--n 23",
}


def derived_again(name: str, kept: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> int:
    """Rows of a scenario at some of its strengths, sizes or methods that the kept result has too.

    All the others of the same row must be equal: what is left out changes no random number.
    """
    one = scenarios([name])[0]
    command = one.command
    line = [command, "--scenario", str(one.file), *PARTS[name].split()]
    if command == "plan":  # its chances are those of `planner power`
        line = ["power", "--analysis", str(kept["scenario"]["analysis"]), *PARTS[name].split()]
    assert main([*line, "--json", "--quiet"]) == 0
    new = json.loads(capsys.readouterr().out)
    columns = ("measure", *DESIGN_COLUMNS)

    def place(row: dict[str, Any]) -> str:
        return json.dumps([row.get(column) for column in columns])

    rows: dict[str, list[Any]] = {}
    for row in kept["performance"]:
        rows.setdefault(place(row), []).append(row)
    same = [row for row in new["performance"] if len(rows.get(place(row), ())) == 1]
    for row in same:
        assert differences(rows[place(row)][0], row, place(row)) == []
    assert differences(kept["truth"], new["truth"]) == []
    return len(same)


@pytest.mark.parametrize(("name", "least"), [
    ("bias-single-late", 40), ("meta-chronic-after", 60), ("decay-chronic-after", 6),
    ("plan-chronic-after", 15),
])  # fmt: skip
def test_a_part_of_the_dear_ones_is_derived_again(
    name: str, least: int, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = json.loads((RESULTS / name / scenarios([name])[0].result_file).read_text())
    assert derived_again(name, kept, capsys) >= least
    hits = [row for row in kept["performance"] if row["n_hit"] is not None]
    for row in hits:
        row["n_hit"] += 1  # a single replicate more would be seen
    with pytest.raises(AssertionError):
        derived_again(name, kept, capsys)


def test_the_index_shows_the_figure_of_each_question() -> None:
    from planner.reports.results_index import index

    page = index(RESULTS, scenarios(), KINDS)
    for picture in ("plan-chronic-after/curve", "decay-frontier/frontier", "labs-single-late/labs",
                    "bias-single-late/bias", "calibrate-single-early/check"):  # fmt: skip
        assert f'<img src="{picture}.svg"' in page
    assert page.count("<img") == len(scenarios())


def test_differences_are_found() -> None:
    kept = {"n_hit": 10, "value": 0.5, "text": "lab", "rows": [1.0, None, True], "a": 1}
    assert differences(kept, kept) == []
    assert differences(kept, {**kept, "value": 0.5 + 5e-10, "added": 1}) == []
    assert differences(kept, {**kept, "text": "new-lab"}) == ["/text is 'new-lab', kept 'lab'"]
    assert differences({"answer": "Plan 9."}, {"answer": "Plan nine."}) == []
    assert differences(kept, {**kept, "value": 0.5 + 5e-9}) != []
    assert differences(kept, {**kept, "n_hit": 11}) == ["/n_hit is 11, kept 10"]
    assert differences(kept, {**kept, "rows": [1.0, None, 1]}) != []
    assert differences(kept, {**kept, "rows": [1.0, None]}) == ["/rows has 2 entries, kept 3"]
    assert differences(kept, {"n_hit": 10}) != []
    assert differences({"value": 1e12}, {"value": 1e12 + 100}) == []
    assert differences({"provenance": {"numpy": "1"}}, {"provenance": {"numpy": "2"}}) == []


def test_a_changed_number_is_reported(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:  # fmt: skip
    name = "power-single-late"
    shutil.copytree(RESULTS / name, tmp_path / name)
    file = tmp_path / name / "result.json"
    document = json.loads(file.read_text())
    document["performance"][0]["n_hit"] += 1
    file.write_text(json.dumps(document))
    assert main(["reproduce", name, "--check", "--out", str(tmp_path), "--quiet"]) == 1
    shown = capsys.readouterr().out
    assert "1 of 1 scenarios differ" in shown
    assert "/performance/0/n_hit" in shown
    assert main(["reproduce", name, "--out", str(tmp_path)]) == 2
    assert "use --force" in capsys.readouterr().err


def test_names_are_known(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["reproduce", "--list"]) == 0
    assert "  power-chronic-after\n" in capsys.readouterr().out
    assert main(["reproduce", "power-chronic-aftr"]) == 2
    assert "did you mean power-chronic-after" in capsys.readouterr().err
    assert main(["reproduce", "power", "--check", "--out", "nowhere"]) == 2
    assert "nothing to compare with" in capsys.readouterr().err


def test_every_scenario_file_is_what_its_command_takes() -> None:
    from planner.options import read_scenario

    for one in scenarios():
        command = typer.main.get_command(import_module(f"planner.commands.{one.command}").app)
        options = [parameter.name for parameter in command.params]
        assert read_scenario(one.file, one.command, dict.fromkeys(options))


def test_scenarios_with_data_run_from_anywhere_or_say_what_they_need(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = reproduce(["pool-marbles"], out="kept")
    assert (tmp_path / "kept" / "pool-marbles" / "result.json").exists()
    assert found.rows[0]["answer"]
    # Installed, without the repository beside it.
    away = tmp_path / "installed" / "planner" / "reproduction.py"
    monkeypatch.setattr("planner.reproduction.__file__", str(away))
    for name, data in (("pool-marbles", "marbles.csv"), ("plan-marbles", "marbles.toml")):
        with pytest.raises(InputError, match=f"{name} needs tests/data/{data}, which is in the"):
            reproduce([name], out="other")
    assert not (tmp_path / "other").exists()


def test_the_worked_example_plans_from_its_table(tmp_path: Path) -> None:
    """The shipped evidence is what pool makes of the table."""
    kept = DATA / "marbles.toml"
    source = tomllib.loads(kept.read_text())["source"]
    line = ["pool", str(DATA / "marbles.csv"), "--benefit", "lower", "--title",
            "Citalopram in marble burying", "--source", source, "--write-evidence"]  # fmt: skip
    assert main([*line, str(tmp_path / "marbles.toml"), "--quiet"]) == 0
    assert (tmp_path / "marbles.toml").read_text() == kept.read_text()
