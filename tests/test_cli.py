"""The program as people start it: answers, exit codes, streams, files."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from planner.cli import main

FAST = ["--mu", "1.1", "--tau", "0.5", "--n", "4,8", "--reps", "2000"]


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(list(arguments))
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def start(*arguments: str, folder: Path | None = None, **env: str) -> subprocess.CompletedProcess:
    root = str(Path(__file__).parent.parent)
    environment = {**os.environ, "PYTHONPATH": root, **env}
    return subprocess.run(
        [sys.executable, "-m", "planner", *arguments],
        capture_output=True, cwd=folder, env=environment, timeout=300, check=False,
    )  # fmt: skip


@pytest.mark.parametrize(
    "analysis", ["single-early", "single-late", "chronic-during", "chronic-after"]
)
def test_page_fits_a_terminal(capsys, analysis):
    code, out, err = run(capsys, "power", "--analysis", analysis, "--reps", "2000")
    lines = out.splitlines()
    assert code == 0
    assert err == ""
    assert len(lines) < 60
    assert max(len(line) for line in lines) <= 80
    assert out.isascii()


def test_json_is_alone_on_stdout_and_complete(capsys):
    code, out, _ = run(capsys, "power", *FAST, "--json")
    document = json.loads(out)
    assert code == 0
    assert document["schema"] == 1
    assert set(document) >= {
        "schema", "command", "version", "answer", "warnings", "scenario", "truth", "performance",
        "required", "recommended", "provenance",
    }  # fmt: skip
    row = document["performance"][0]
    assert set(row) >= {
        "measure", "value", "mcse", "ci_lb", "ci_ub", "n_sim", "n_failed", "n_hit", "exact",
        "truth", "n", "k", "labs", "estimator", "interval", "mechanism", "weight", "strength",
        "detector", "correction", "question", "contrast", "times", "rho",
    }  # fmt: skip
    assert {row["truth"] for row in document["performance"]} == {"given"}
    assert set(document["required"][0]) >= {
        "target", "truth", "measure", "shrink", "question", "n", "ci_lb", "ci_ub", "reached",
        "ceiling", "animals", "ordered", "recommended",
    }  # fmt: skip


def test_out_writes_files_that_repeat_the_run(capsys, tmp_path):
    folder = tmp_path / "out"
    code, out, _ = run(capsys, "power", *FAST, "--json", "--out", str(folder), "--quiet")
    assert code == 0
    assert {path.name for path in folder.iterdir()} == {
        "scenario.toml", "result.json", "performance.csv", "provenance.json",
        "power.svg", "power.png", "required.svg", "required.png",
    }  # fmt: skip
    scenario = str(folder / "scenario.toml")
    code, again, _ = run(capsys, "power", "--scenario", scenario, "--json")
    assert code == 0
    assert json.loads(again) == json.loads(out)
    code, other, _ = run(capsys, "power", "--scenario", scenario, "--seed", "2", "--json")
    assert json.loads(other)["performance"] != json.loads(out)["performance"]
    code, out, err = run(capsys, "power", *FAST, "--out", str(folder))
    assert (code, out) == (2, "")
    assert "--force" in err
    assert run(capsys, "power", *FAST, "--out", str(folder), "--force")[0] == 0


def test_every_help_starts_with_examples(capsys):
    for command in ("power", "evidence", "calibrate"):
        code, out, _ = run(capsys, command, "--help")
        assert code == 0
        assert out.count(f"planner {command}") >= 2


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["power", "--analysis", "chronic-aftr"], "chronic-after"),
        (["power", *FAST[:4], "--n", "1"], "--n"),
        (["power", *FAST[:4], "--n", "10:4"], "backwards"),
        (["power", *FAST[:4], "--n", "four"], "--n"),
        (["power", "--mu", "1", "--tau", "-0.1"], "--tau"),
        (["power", "--mu", "nan", "--tau", "0"], "--mu"),
        (["power", "--mu", "1", "--tau", "0", "--alpha", "x"], "--alpha"),
        (["power", "--mu", "1", "--tau", "0", "--analysis", "chronic-after"], "--analysis"),
        (["power", "--analysis", "chronic-after", "--cluster", "labs"], "lab"),
        (["power", "--analysis", "chronic-after", "--reading", "delays"], "--reading"),
        (["power", "--analysis", "chronic-after", "--plan-for", "old-lab"], "new-lab"),
        (["power", "--no-such-option"], "--no-such-option"),
        (["power", "--scenario", "nowhere.toml"], "nowhere.toml"),
        (["power", "--evidence", "nowhere.toml"], "nowhere.toml"),
        (["power"], "--analysis"),
        (["calibrate"], "--analysis"),
        (["calibrate", "--analysis", "single-late", "--prior", "flat"], "uniform"),
        (["powr"], "power"),
    ],
)
def test_bad_input_is_two_lines_and_exit_code_2(capsys, tmp_path, arguments, named):
    for extra in ([], ["--json"]):
        code, out, err = run(capsys, *arguments, *extra)
        assert (code, out) == (2, "")
        assert named in err
        assert 1 <= len(err.strip().splitlines()) <= 2
        assert "Traceback" not in err


def test_scenario_with_an_unknown_or_wrong_value(capsys, tmp_path):
    path = tmp_path / "scenario.toml"
    for text, named in (("alfa = 0.1", "alpha"), ('alpha = "x"', "alpha"), ("a = [", "scenario")):
        path.write_text(text)
        code, out, err = run(capsys, "power", "--scenario", str(path))
        assert (code, out) == (2, "")
        assert named in err


@pytest.mark.usefixtures("few_syntheses")
def test_a_review_of_ones_own(capsys, tmp_path):
    path = str(tmp_path / "mine.toml")
    assert run(capsys, "evidence", "init", path)[0] == 0
    assert run(capsys, "evidence", "check", path)[0] == 0
    text = Path(path).read_text()
    assert run(capsys, "power", "--evidence", path, "--reps", "2000")[0] == 0
    Path(path).write_text("".join(line for line in text.splitlines(True) if line[:2] != "k "))
    code, out, err = run(capsys, "power", "--evidence", path)
    assert (code, out) == (2, "")
    assert "k" in err


def test_ascii_output_and_foreign_engine(tmp_path):
    calibrate = ["calibrate", "--analysis", "chronic-after"]
    for arguments in (["evidence", "show", "single-early"], ["evidence", "show"], calibrate,
                      ["power", *FAST], ["--help"]):  # fmt: skip
        done = start(*arguments, folder=tmp_path, PYTHONIOENCODING="ascii")
        assert done.returncode == 0, done.stderr
        assert done.stdout.isascii()
    (tmp_path / "sims.py").write_text("print('foreign')\n")
    done = start("power", *FAST, folder=tmp_path)
    assert done.returncode == 2
    assert done.stdout == b""
    assert b"sims.py" in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("planner p", ["power", "plan", "pool"]),
        ("planner power --analysis chronic-a", ["chronic-after", "chronic-after/rat"]),
        ("planner plan --bud", ["--budget"]),
        ("planner plan --plan-for p", ["pooled"]),
        ("planner power --sides g", ["greater"]),
        ("planner calibrate --cluster s", ["study"]),
        ("planner reproduce decay-f", ["decay-frontier"]),
    ],
)
def test_the_shell_completes(typed: str, offered: list[str]) -> None:
    environment = {**os.environ, "COMP_WORDS": typed, "_PLANNER_COMPLETE": "complete_bash",
                   "COMP_CWORD": str(len(typed.split()) - 1)}  # fmt: skip
    line = [sys.executable, "-c", "from planner.cli import main; main()"]
    found = subprocess.run(line, env=environment, capture_output=True, text=True)
    assert found.stdout.split() == offered


@pytest.mark.parametrize("command", ["power", "plan", "calibrate", "meta", "bias", "decay"])
def test_a_folder_that_cannot_be_written_is_said_at_once(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:  # fmt: skip
    def nothing(*_: object, **__: object) -> None:
        raise AssertionError("work was done before --out was looked at")

    for place in ("planner.calibration.calibrate", "planner.decay_plans.decay"):
        monkeypatch.setattr(place, nothing)
    monkeypatch.setattr("planner.commands.common.os.access", lambda *_: False)
    out = tmp_path / "new" / "folder"
    assert main([command, "--analysis", "chronic-after", "--out", str(out)]) == 2
    assert f"--out {out}: {tmp_path} cannot be written" in " ".join(capsys.readouterr().err.split())
    monkeypatch.undo()
    (tmp_path / "file").write_text("")
    assert main([command, "--analysis", "chronic-after", "--out", str(tmp_path / "file/x")]) == 2
    assert "is a file; accepted: a folder" in " ".join(capsys.readouterr().err.split())
