"""Ctrl-C ends a run at once and loses nothing; folders are written whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planner.files import write_folder
from sims.kernels import compiled_folder

# Tells from where simulating begins, and when a piece of it is kept.
PROGRAM = """
import sys
from planner import cli, finished_work, long_runs

long_runs.PIECE_SECONDS = 0.1
get, keep = long_runs.RunKeeper.get, finished_work.Store.keep

def found(self, n_sim):
    state = get(self, n_sim)
    print("from", 0 if state is None else state.done, file=sys.stderr, flush=True)
    return state

def told(self, rows, *patience):
    written = keep(self, rows, *patience)
    print("kept", file=sys.stderr, flush=True)
    return written

long_runs.RunKeeper.get, finished_work.Store.keep = found, told
sys.exit(cli.main(sys.argv[1:]))
"""
LONG = ["power", "--mu", "1", "--tau", "0.5", "--n", "8", "--reps", "9000000000", "--json"]


@pytest.mark.skipif(os.name != "posix", reason="signals as on Unix")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_run_ends_at_once_and_goes_on_later(jobs: str, tmp_path: Path) -> None:
    compiled = compiled_folder()
    if compiled is not None:
        (tmp_path / "compiled").mkdir()
        (tmp_path / "compiled" / compiled.name).symlink_to(compiled)
    starts = []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *LONG, "--jobs", jobs],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[1], env={**os.environ, "PLANNER_CACHE_DIR": str(tmp_path)},
        )  # fmt: skip
        assert process.stderr is not None
        starts.append(int(process.stderr.readline().split()[1]))
        assert process.stderr.readline() == "kept\n"
        process.send_signal(signal.SIGINT)
        interrupted = time.monotonic()
        out, err = process.communicate(timeout=60)
        # A second when the machine is ours; tests share it.
        assert time.monotonic() - interrupted < 3.0
        assert (process.returncode, out) == (130, "")
        assert err.replace("kept\n", "") == "planner: interrupted\n"
    assert starts[0] == 0
    assert starts[1] > 0


# Runs before the planner does, as any file of this name.
INTERRUPTING = """
import planner.reports.text  # nothing is imported after the interruption
from planner import cli

def load():
    exec("raise KeyboardInterrupt")  # libraries make named tuples and such of text

cli.check_engine = load
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as on Unix")
def test_an_interruption_within_an_import_has_the_same_code(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(INTERRUPTING)
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "planner"], capture_output=True, text=True, check=False,
        cwd=root, env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), root))},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "planner: interrupted\n")


CONTENTS = {"a.csv": b"1,2\n", "b.json": b"{}\n", "c.svg": b"<svg/>\n"}


def _inside(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_is_written_and_replaced(tmp_path: Path) -> None:
    folder = tmp_path / "deep" / "out"
    write_folder(folder, CONTENTS)
    assert _inside(folder) == CONTENTS
    (folder / "mine.txt").write_bytes(b"stays")
    write_folder(folder, {"a.csv": b"3,4\n"})
    assert _inside(folder) == {**CONTENTS, "a.csv": b"3,4\n", "mine.txt": b"stays"}
    assert [path.name for path in folder.parent.iterdir()] == ["out"]


@pytest.mark.parametrize("exists", [False, True])
def test_a_full_disk_leaves_what_was_there(
    exists: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    if exists:
        write_folder(folder, CONTENTS)
    before = _inside(folder) if exists else None
    opened = Path.open

    def full(self: Path, *arguments: object, **more: object) -> object:
        if "c.svg" in self.name:
            raise OSError(errno.ENOSPC, "No space left on device")
        return opened(self, *arguments, **more)  # type: ignore[call-overload]

    monkeypatch.setattr(Path, "open", full)
    with pytest.raises(OSError, match="No space"):
        write_folder(folder, dict.fromkeys(CONTENTS, b"new"))
    monkeypatch.undo()
    assert (_inside(folder) if exists else None) == before
    assert [path.name for path in tmp_path.iterdir()] == (["out"] if exists else [])
