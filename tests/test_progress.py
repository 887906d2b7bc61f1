"""Progress: long work says so on a terminal, also where a stage takes long to say anything."""

from __future__ import annotations

import io
import sys
import time
from pathlib import Path

import pytest

import planner
from planner import notes
from planner.cli import COMMANDS, main
from planner.commands.common import Progress

DATA = Path(__file__).parent / "data"


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


def shown(monkeypatch: pytest.MonkeyPatch, quiet: bool, seconds: float, after: float) -> str:
    """What a terminal gets from a stage that reports its beginning only."""
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    monkeypatch.setattr(notes, "_silent", False)
    monkeypatch.setattr(Progress, "AFTER", after)
    with Progress(quiet) as progress:
        progress("done before", 1, 1)
        progress("matched truth", 0, 1)
        until = time.monotonic() + seconds
        while time.monotonic() < until and "matched truth" not in terminal.getvalue():
            time.sleep(0.02)
    return terminal.getvalue()


def test_a_stage_that_only_began_is_shown_with_the_time_left(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = shown(monkeypatch, False, 10.0, 0.05)
    assert "matched truth" in text
    assert "-:--:--" in text  # the time left, not known yet
    assert "done before" not in text


@pytest.mark.parametrize(("quiet", "after"), [(True, 0.0), (False, 30.0)])
def test_short_or_quiet_work_shows_nothing(
    monkeypatch: pytest.MonkeyPatch, quiet: bool, after: float
) -> None:
    assert shown(monkeypatch, quiet, 0.2, after) == ""


@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("quiet", [False, True])
def test_a_log_gets_one_line_of_what_takes_long(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quiet: bool, late: bool
) -> None:
    monkeypatch.setattr(notes, "_silent", False)
    monkeypatch.setattr(notes, "_said", set())
    monkeypatch.setattr(Progress, "SAID_AFTER", 0.05)
    with Progress(quiet) as progress:
        progress("done before", 1, 1)
        if not late:
            progress("selection", 0, 4)
        if not quiet:
            progress.timer.join(10.0)
        for done in range(4):
            progress("selection", done, 4)
    err = capsys.readouterr().err
    said = "planner: at work on: selection (on a terminal a bar shows the time left)\n"
    assert err == ("" if quiet else said)


@pytest.mark.parametrize("silent", [True, False])
def test_quiet_is_of_one_command(monkeypatch: pytest.MonkeyPatch, silent: bool) -> None:
    # What the same process does afterwards, such as a notebook, is heard as before.
    monkeypatch.setattr(notes, "_silent", silent)
    for words in (["evidence", "list", "--quiet"], ["evidence", "list"], ["store", "--quiet"]):
        assert main(words) == 0
        assert notes._silent is silent


def test_new_evidence_reports_every_long_stage(monkeypatch: pytest.MonkeyPatch) -> None:
    """What a first `planner power` waits for: the truth, and the one under selection.

    With fewer simulated reviews; which stages report, and to which end, is the same.
    """
    for name in ("calibration.N_MATCH", "selected_calibration.N_MATCH"):
        monkeypatch.setattr(f"planner.{name}", 1 << 10)
    monkeypatch.setattr("planner.selected_calibration.N_SETS", 20)
    for place in ("calibration.kept", "calibration.keep", "selected_calibration._kept",
                  "selected_calibration._keep"):  # fmt: skip
        monkeypatch.setattr(f"planner.{place}", lambda *_: None)
    pool = planner.pool(DATA / "marbles.csv", benefit="lower", where=["sex=female"])
    said: list[tuple[str, int, int]] = []
    planner.power(pool.analysis("new"), n=[8], reps=100, progress=lambda *call: said.append(call))
    stages = {stage: (done, total) for stage, done, total in said}
    for stage in ("matched truth", "truths under selection"):
        assert (stage, 0, stages[stage][1]) in said
        assert stages[stage][0] == stages[stage][1]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_examples_and_can_be_quiet(
    command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([command, "--help"]) == 0
    text = capsys.readouterr().out
    assert text.count(f"  planner {command}") >= 2
    assert "--quiet" in text


@pytest.mark.parametrize("line", [["evidence", "show", "chronic-after"], ["store"]])
def test_quiet_leaves_the_answer(line: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*line, "--quiet"]) == 0
    out, err = capsys.readouterr()
    assert len(out) > 100
    assert not err


def test_the_shell_completes(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Commands, and names of analyses, as bash asks for them."""
    monkeypatch.setenv("_PLANNER_COMPLETE", "complete_bash")
    for words, found in (
        ("planner dec", ["decay"]),
        ("planner power --analysis chronic-a", ["chronic-after", "chronic-after/"]),
        ("planner evidence show single-l", ["single-late"]),
    ):
        monkeypatch.setenv("COMP_WORDS", words)
        monkeypatch.setenv("COMP_CWORD", str(len(words.split()) - 1))
        with pytest.raises(SystemExit):
            main([])
        lines = capsys.readouterr().out.split()
        assert lines
        assert all(line.startswith(found[-1]) or line in found for line in lines)
        assert found[0] in lines
