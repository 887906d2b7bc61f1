"""Progress: long work says so on a terminal, also where a stage takes long to say anything."""

from __future__ import annotations

import io
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import planner
from planner import notes
from planner.cli import COMMANDS, main
from planner.commands.common import Progress
from planner.progress import Work
from sims import engine

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


BY_HAND: dict[str, Any] = {"mu": 1.0, "tau": 0.5}
LONG: dict[str, tuple[Callable[..., Any], dict[str, Any], str, int]] = {
    "power": (planner.power, {**BY_HAND, "n": 8}, "simulating", 1),
    "bias": (
        planner.bias,
        {**BY_HAND, "k": 5, "n": 8, "weight": 0.5, "correction": "none", "detector": "egger-se"},
        "syntheses", 4,
    ),
    "meta": (planner.meta, {**BY_HAND, "k": 3, "n": 8, "estimator": "DL"}, "syntheses", 2),
    "labs": (planner.labs, {**BY_HAND, "labs": 2, "animals": 24}, "laboratories", 2),
    "update": (
        planner.update, {**BY_HAND, "n": 8, "new_studies": 1, "estimator": "DL"}, "updates", 1,
    ),
    "decay": (
        planner.decay,
        {"delta0": 5.0, "half_life": 8.0, "question": "half-life", "target": 0.8},
        "required sizes", 6,
    ),
}  # fmt: skip


@pytest.mark.usefixtures("no_sensitivity")
@pytest.mark.parametrize("name", LONG)
def test_long_runs_advance_by_their_replicates(
    name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Within each of the stage's runs, not only at its end; a bar then knows the time left."""
    monkeypatch.setenv("PLANNER_CACHE_DIR", str(tmp_path))
    monkeypatch.setattr(engine, "UNIT_SECONDS", 0.0)
    command, options, stage, runs = LONG[name]
    if name == "update":
        options = {**options, "analysis": planner.analysis("chronic-after")}
    seen: list[tuple[int, int]] = []

    def progress(said: str, done: int, total: int) -> None:
        if said == stage:
            seen.append((done, total))

    command(reps=3000 if name in ("bias", "decay") else 40_000, progress=progress, **options)
    (total,) = {total for _, total in seen}
    done = [one for one, _ in seen]
    assert done == sorted(set(done))
    assert (done[0], done[-1]) == (0, total)
    assert len(done) > 2 * runs
    assert max(after - before for before, after in pairwise(done)) < 0.7 * total / min(runs, 2)


@pytest.mark.parametrize(("kept", "share"), [(1, "50%"), (2, "100%"), (0, None)])
def test_how_much_is_finished_is_said_once(
    kept: int, share: str | None, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    monkeypatch.setattr(notes, "_silent", False)
    monkeypatch.setattr(notes, "_said", set())
    monkeypatch.setattr("planner.progress._GOING", -1.0)
    work = Work()
    work.stage("syntheses", [30, 30])
    for run in range(2):
        part = work.part()
        part.kept(float(run < kept), 20.0 * (run < kept))
        for third in (1, 2, 3):
            part.at(third / 3)
    text = f"planner: going on from {share} that is finished: syntheses (planner store shows what "
    assert capsys.readouterr().err == ("" if share is None else f"{text}is kept)\n")


def test_searches_advance_whatever_they_take() -> None:
    seen: list[int] = []
    work = Work(lambda _stage, done, _total: seen.append(done))
    work.searches("required sizes", 3)
    for runs in (0, 1, 20):
        for _ in range(runs):
            work.part().cut(1, 1, 2).at(0.5)
        work.found()
    assert seen == sorted(seen)
    assert len(seen) > 20
    assert seen[-1] == 3 * seen[1] > 0


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
