"""Ctrl-C ends a run at once and loses nothing; folders are written whole or not at all."""

from __future__ import annotations

import errno
import os
import signal
import subprocess
import sys
import time
from ctypes import CFUNCTYPE
from pathlib import Path

import pytest

from planner.files import write_folder
from planner.interruptions import interruptions_heard
from sims.kernels import compiled_folder

# Tells from where simulating begins, and when a piece of it is kept.
PROGRAM = """
import sys
from planner import finished_work, long_runs
from planner.__main__ import program

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
program()
"""
LONG = ["power", "--mu", "1", "--tau", "0.5", "--n", "8", "--reps", "9000000000", "--json"]


@pytest.mark.skipif(os.name != "posix", reason="signals as on Unix")
@pytest.mark.parametrize("jobs", ["1", "2"])
def test_an_interrupted_run_ends_at_once_and_goes_on_later(jobs: str, tmp_path: Path) -> None:
    compiled = compiled_folder()
    if compiled is not None:
        (tmp_path / "compiled").mkdir()
        (tmp_path / "compiled" / compiled.name).symlink_to(compiled)
    starts, waits = [], []
    for _ in range(2):
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, *LONG, "--jobs", jobs],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            cwd=Path(__file__).parents[1], env={**os.environ, "PLANNER_CACHE_DIR": str(tmp_path)},
        )  # fmt: skip
        try:
            assert process.stderr is not None
            starts.append(int(process.stderr.readline().split()[1]))
            assert process.stderr.readline() == "kept\n"
            process.send_signal(signal.SIGINT)
            interrupted = time.monotonic()
            out, err = process.communicate(timeout=60)
            waits.append(time.monotonic() - interrupted)
        finally:
            process.kill()  # one that missed the signal would run on for hours
        assert (process.returncode, out) == (130, "")
        assert err.replace("kept\n", "") == (
            "planner: interrupted; what was finished is kept: the same command goes on\n"
        )
    # Tests share the machine: one of the two may have had to wait for it.
    assert min(waits) < 1.0
    assert max(waits) < 3.0
    assert starts[0] == 0
    assert starts[1] > 0


# Runs before the planner does, as any file of this name.
INTERRUPTING = """
import atexit
import ctypes
import os
import signal
import sys
import time
from planner.reports import text  # nothing is imported after the interruption
from planner import cli

def within_text():
    exec("raise KeyboardInterrupt")  # libraries make named tuples and such of text

@ctypes.CFUNCTYPE(None)
def pressed():
    signal.raise_signal(signal.SIGINT)

def within_a_callback():
    pressed()  # as LLVM calls Python while it compiles: no exception comes back from it
    time.sleep(60)
    raise AssertionError("the interruption was lost")

class HalfMade:
    def __init__(self, last):
        signal.raise_signal(signal.SIGINT)
        self.last = last

    def __del__(self):
        print(self.last)

def within_something_half_made():
    HalfMade("of a library")

class Crashes:
    def __del__(self):
        os.kill(os.getpid(), signal.SIGKILL)

def before_a_crash():
    sys.left = Crashes()  # as what an interrupted compiler leaves may, when it is taken apart
    atexit.register(print, "done at the end")
    raise KeyboardInterrupt

def twice_at_the_end():
    atexit.register(signal.raise_signal, signal.SIGINT)
    raise KeyboardInterrupt

def twice_at_once():
    text.two_lines = pressed_in_python
    raise KeyboardInterrupt

def pressed_in_python(said):
    raise KeyboardInterrupt

cli.check_engine = {}
"""
PLACES = (
    "within_text", "within_a_callback", "within_something_half_made", "before_a_crash",
    "twice_at_the_end", "twice_at_once", "loading",
)  # fmt: skip
WHILE_LOADING = """
import sys
from importlib.abc import MetaPathFinder

class Interrupts(MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts())
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as on Unix")
@pytest.mark.parametrize("place", PLACES)
def test_an_interruption_out_of_reach_has_the_same_code(place: str, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        WHILE_LOADING if place == "loading" else INTERRUPTING.format(place)
    )
    root = str(Path(__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "planner"], capture_output=True, text=True, check=False,
        cwd=root, env={**os.environ, "PYTHONPATH": os.pathsep.join((str(tmp_path), root))},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (130, "planner: interrupted\n")
    assert done.stdout == ("done at the end\n" if place == "before_a_crash" else "")


def test_other_errors_out_of_reach_are_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    told = []
    monkeypatch.setattr(sys, "unraisablehook", told.append)
    before = sys.unraisablehook

    @CFUNCTYPE(None)
    def fails() -> None:
        raise ValueError("of a library")

    with interruptions_heard():
        fails()
    assert [error.exc_type for error in told] == [ValueError]
    assert sys.unraisablehook is before


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
