"""The store of finished work: whatever happens to it, no number changes and no run fails."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner import finished_work, long_runs, notes, store_file
from planner.cli import main
from planner.finished_work import Kept, Store
from sims.chi import inverse_sd_tables
from sims.engine import run_tally
from sims.lanes.experiments import N_SUMS, tally_student
from sims.tally import KernelTally
from tests.helpers import own_store, without_privileges
from tests.sims.helpers import rows, student_design

SHAPE = (1, N_SUMS)
N_SIM = 12_000_000  # about half a second
DRIVER = """
import sys
from planner import finished_work, long_runs
from tests.test_store import SHAPE, student

long_runs.PIECE_SECONDS = 0.01
keep, get = finished_work.Store.keep, long_runs.RunKeeper.get

def told(self, rows, *patience):
    written = keep(self, rows, *patience)
    print("kept" if written else "lost", max(row.done for row in rows), flush=True)
    return written

def found(self, n_sim):
    state = get(self, n_sim)
    print("from", 0 if state is None else state.done, flush=True)
    return state

finished_work.Store.keep, long_runs.RunKeeper.get = told, found
sums = long_runs.run_kept(student(), int(sys.argv[1]), SHAPE, int(sys.argv[2]))
print("sums", sums.tobytes().hex(), flush=True)
"""


def student(seed: int = 3) -> KernelTally:
    """A tally of one design, which takes some 10 ns a replicate."""
    tables = inverse_sd_tables(np.array([10.0]))
    truth = np.array([0.8]), np.array([0.3])
    return KernelTally(tally_student, seed, 11, *truth, rows([student_design(6, 6)]), tables)


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setattr(long_runs, "PIECE_SECONDS", 0.0)
    monkeypatch.setattr(long_runs, "LEAST_SECONDS", 0.0)
    monkeypatch.setattr(long_runs, "_unwritten", long_runs.Unwritten())
    yield from own_store(tmp_path, monkeypatch)


def row(i: int, key: str = "a", size: int = 100) -> Kept:
    return Kept(kind="run", key=key, name="test", done=i, data=random.Random(i).randbytes(size))


def finished(n_sim: int = 300_000, seed: int = 3) -> np.ndarray:
    return long_runs.run_kept(student(seed), n_sim, SHAPE, 1)


def plain(n_sim: int = 300_000, seed: int = 3) -> np.ndarray:
    return run_tally(student(seed), n_sim, SHAPE, 1)


def fill(store: Store, n: int = 400) -> None:
    """Rows of many runs: enough that the file has a hundred pages."""
    assert store.keep([row(i, key=f"run {i}", size=2000) for i in range(n)])
    store.close()


def readable(store: Store, n: int = 400) -> int:
    found = [store.furthest("run", f"run {i}") for i in range(n)]
    for i, kept in enumerate(found):
        assert kept is None or kept.data == row(i, size=2000).data
    return sum(kept is not None for kept in found)


# What is kept -----------------------------------------------------------------------------------


def test_a_run_is_taken_up_and_extended_to_the_last_bit(store: Store) -> None:
    assert np.array_equal(finished(), plain())
    kept = store.furthest("run", next(iter(_keys(store))))
    assert kept is not None
    assert 0 <= 300_000 - kept.done < 4096
    assert np.array_equal(finished(), plain())
    assert np.array_equal(finished(3_000_000), plain(3_000_000))
    assert np.array_equal(finished(200_000), plain(200_000))  # shorter than what is there
    assert len(_keys(store)) == 1
    assert np.array_equal(finished(seed=4), plain(seed=4))
    assert len(_keys(store)) == 2


def test_ten_times_the_replicates_cost_nine_times_the_work(store: Store) -> None:
    class Counting(KernelTally):
        def __call__(self, first: int, count: int, out: np.ndarray) -> None:
            calculated.append((first, count))
            super().__call__(first, count, out)

    def counted(n_sim: int) -> int:
        calculated.clear()
        design = student()
        tally = Counting(design.kernel, design.seed, design.scenario, *design.arguments)
        assert np.array_equal(long_runs.run_kept(tally, n_sim, SHAPE, 1), plain(n_sim))
        return sum(count for _, count in calculated)

    calculated: list[tuple[int, int]] = []
    assert counted(300_000) == 300_000
    assert counted(300_000) == 0  # its last, incomplete chunk is kept as well
    assert counted(5000) == 5000
    assert counted(5000) == 0
    kept = 300_000 - 300_000 % 4096
    assert counted(3_000_000) == 3_000_000 - kept
    assert min(first for first, _ in calculated) == kept


def _keys(store: Store) -> set[str]:
    with sqlite3.connect(store.path) as connection:
        found = {key for (key,) in connection.execute("SELECT key FROM kept")}
    connection.close()
    return found


def test_what_is_kept_is_used(store: Store) -> None:
    finished()
    (key,) = _keys(store)
    kept = store.furthest("run", key)
    assert kept is not None
    other = Kept(kind="run", key=key, name=kept.name, done=kept.done, data=bytes(len(kept.data)))
    assert store.keep([other])
    assert finished()[0, 0] < 3_000  # nothing but the last 300,000 mod 4,096


def test_long_work_that_is_used_again_is_said_once(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(long_runs, "WORTH_SAYING", 0.0)
    for _ in range(3):
        finished()
    assert capsys.readouterr().err.splitlines() == [
        "planner: going on from finished work (planner store shows what is kept)"
    ]
    notes.silence(True)
    monkeypatch.setattr(notes, "_said", set())
    finished()
    notes.silence(False)
    assert capsys.readouterr().err == ""


def test_short_work_is_not_kept(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_runs, "PIECE_SECONDS", 1e9)
    assert np.array_equal(finished(), plain())
    long_runs._unwritten.end()
    assert not store.files()


def test_many_short_runs_are_one_piece(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(long_runs, "PIECE_SECONDS", 1e-4)
    for seed in range(20):
        finished(70_000, seed=seed)
    long_runs._unwritten.end()
    assert len(_keys(store)) == 20


def test_the_last_states_of_a_run_are_kept(store: Store) -> None:
    for i in range(1, 9):
        assert store.keep([row(i)])
    assert [_done(store, most) for most in (9, 8, 7, 6, 5)] == [8, 8, 7, 6, None]
    assert store.keep([row(2)])  # a shorter run, later
    assert [_done(store, most) for most in (9, 5, 2)] == [8, 2, 2]


def _done(store: Store, most: int) -> int | None:
    kept = store.furthest("run", "a", most)
    return None if kept is None else kept.done


def test_the_oldest_make_room(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(finished_work, "LARGEST_SIZE", 100_000)
    for i in range(200):
        assert store.keep([row(i, key=f"run {i}", size=2000)])
    left = [i for i in range(200) if store.furthest("run", f"run {i}") is not None]
    assert left == list(range(left[0], 200))
    assert 35 <= len(left) <= 50
    store.close()
    assert store.path.stat().st_size < 300_000


def test_pruning(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(store, 50)
    assert store.prune(unused_for=3600.0) == 0
    assert [(name, n) for _, name, n, *_ in store.contents()] == [("test", 50)]
    assert store.prune() == 50
    assert store.contents() == []
    store.close()
    assert store.path.stat().st_size < 60_000
    assert Store(store.folder / "nowhere").prune() == 0


# Damage -----------------------------------------------------------------------------------------


def test_a_damaged_row_costs_its_own_work_only(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    finished()
    finished(3_000_000)
    store.close()
    with sqlite3.connect(store.path) as connection:
        connection.execute(
            "UPDATE kept SET data = zeroblob(length(data)) "
            "WHERE done = (SELECT max(done) FROM kept)"
        )
    connection.close()
    assert np.array_equal(finished(3_000_000), plain(3_000_000))
    assert capsys.readouterr().err.count("was damaged: that part is calculated again") == 1


PAGES = {"header": 0, "map": 1, "root": 2, "middle": 150, "end": -1}


@pytest.mark.parametrize("where", PAGES)
def test_damaged_pages_cost_what_was_on_them(
    store: Store, where: str, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(store)
    content = bytearray(store.path.read_bytes())
    at = 4096 * (PAGES[where] % (len(content) // 4096))
    content[at : at + 4096] = random.Random(1).randbytes(4096)
    store.path.write_bytes(content)
    left = readable(store)
    assert (left > 150) == (where not in ("header", "root"))
    assert np.array_equal(finished(), plain())
    assert np.array_equal(finished(), plain())
    assert store.furthest("run", student().digest(4096, 16, *SHAPE)) is not None
    assert len(store.files()) == 1
    assert ("damaged" in capsys.readouterr().err) == (left < 400)


def test_no_damage_loses_work_without_a_word(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    n, choose = 40, random.Random(7)
    assert store.keep([row(i, key=f"run {i}", size=300) for i in range(n)])
    store.close()
    whole = store.path.read_bytes()
    lost = 0
    for page in range(len(whole) // 4096):
        for _ in range(12):
            content = bytearray(whole)
            content[4096 * page + choose.randrange(4096)] ^= 1 << choose.randrange(8)
            store.path.write_bytes(content)
            monkeypatch.setattr(notes, "_said", set())
            found = [store.furthest("run", f"run {i}") for i in range(n)]
            assert all(kept is None or kept.data == row(i, size=300).data
                       for i, kept in enumerate(found))  # fmt: skip
            lost += None in found
            assert None not in found or "damaged" in capsys.readouterr().err
            assert store.keep([row(1, key="after")])
            assert store.furthest("run", "after") is not None
            store.close()
            for path in store.folder.iterdir():
                path.unlink()
    assert lost > 20


@pytest.mark.parametrize("share", [0.0, 0.001, 0.01, 0.3, 0.7, 0.999])
def test_a_truncated_store_is_taken_for_what_it_is(
    store: Store, share: float, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(store)
    os.truncate(store.path, int(share * store.path.stat().st_size))
    assert readable(store) < 400
    assert np.array_equal(finished(), plain())
    assert store.furthest("run", student().digest(4096, 16, *SHAPE)) is not None
    assert len(store.files()) == 1
    assert "damaged" in capsys.readouterr().err


def _drop(path: Path, *statements: str) -> None:
    with sqlite3.connect(path) as connection:
        for statement in ("DROP TABLE kept", *statements):
            connection.execute(statement)
    connection.close()


EMPTIED = {
    "of no length": lambda path: path.write_bytes(b""),
    "without its table": _drop,
    "without a header of ours": lambda path: _drop(path, "PRAGMA application_id = 0"),
    "with another table": lambda path: _drop(path, "CREATE TABLE kept (id INTEGER PRIMARY KEY)"),
    "without its table while in use": _drop,
}


@pytest.mark.parametrize("emptied", EMPTIED)
def test_a_store_that_was_emptied_says_so_once(
    emptied: str, store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    # While a file is in use SQLite has read its header and logged its pages.
    in_use = emptied.endswith("while in use")
    assert np.array_equal(finished(), plain())
    if not in_use:
        store.close()
    EMPTIED[emptied](store.path)
    assert capsys.readouterr().err == ""
    assert np.array_equal(finished(), plain())
    (said,) = capsys.readouterr().err.splitlines()
    assert said.startswith("planner: the store of finished work was damaged (")
    assert said.endswith("): its work is calculated again")
    assert len(_keys(store)) == 1
    store.close()
    assert np.array_equal(finished(), plain())
    assert capsys.readouterr().err == ""  # the one that took its place is whole


RUN = ["power", "--mu", "1", "--tau", "0.5", "--n", "8", "--reps", "200000", "--json"]


def test_a_command_says_on_stderr_that_the_store_was_emptied(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert main(RUN) == 0
    whole = capsys.readouterr()
    assert whole.err == ""  # also while the store is made
    assert len(store.files()) == 1
    for quiet in ([], ["--quiet"]):
        monkeypatch.setattr(notes, "_said", set())
        store.close()
        store.path.write_bytes(b"")
        assert main([*RUN, *quiet]) == 0
        damaged = capsys.readouterr()
        assert json.loads(damaged.out) == json.loads(whole.out)
        lines = damaged.err.splitlines()
        assert len(lines) == (0 if quiet else 1)  # notes are kept back by --quiet
        assert all("was damaged (it is empty)" in line for line in lines)


def test_a_store_that_was_being_made_is_no_damage(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    class Killed(BaseException):
        pass

    def killed(*arguments: object) -> None:
        raise Killed

    with monkeypatch.context() as patched:
        patched.setattr(store_file, "write_rows", killed)
        patched.setattr(store_file, "remove_store", killed)
        with pytest.raises(Killed):
            store.keep([row(1)])
    (draft,) = store.folder.iterdir()
    other = draft.rename(draft.with_name(f"{draft.name}0"))  # of another process
    assert store.furthest("run", "a") is None
    assert store.keep([row(1)])
    assert (store.furthest("run", "a"), other.exists()) == (row(1), True)
    store.prune()
    store.close()
    store.path.unlink()
    os.utime(other, (0.0, 0.0))
    assert store.keep([row(1)])
    assert not other.exists()  # nobody works at it any more
    assert capsys.readouterr().err == ""


def test_a_damaged_store_stays_until_another_takes_its_place(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(store)
    content = bytearray(store.path.read_bytes())
    content[4096 * 150 : 4096 * 151] = random.Random(1).randbytes(4096)
    store.path.write_bytes(content)

    def full(*arguments: object) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    write = store_file.write_rows
    monkeypatch.setattr(store_file, "write_rows", full)
    assert readable(store) < 400
    monkeypatch.setattr(store_file, "write_rows", write)
    assert [path.name for path in store.folder.iterdir()] == ["finished-0001.sqlite3"]
    said = capsys.readouterr().err
    assert ("damaged" in said, "full" in said) == (True, True)
    assert readable(Store(store.folder)) > 150


def test_a_foreign_database_is_left_alone(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    store.folder.mkdir(mode=0o700)
    foreign = store.path
    with sqlite3.connect(foreign) as connection:
        connection.execute("CREATE TABLE letters (text)")
        connection.execute("INSERT INTO letters VALUES ('dear reader')")
    connection.close()
    before = foreign.read_bytes()
    assert np.array_equal(finished(), plain())
    assert foreign.read_bytes() == before
    assert "left alone" in capsys.readouterr().err
    store.close()
    assert store.path != foreign
    assert len(_keys(store)) == 1


# Places that cannot be used ---------------------------------------------------------------------


def test_a_file_where_the_folder_should_be(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "store").write_text("in the way")
    assert np.array_equal(finished(), plain())
    assert capsys.readouterr().err.count("cannot be kept") == 1


def test_a_folder_that_others_can_write_to(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    fill(store)
    store.folder.chmod(0o777)
    assert readable(store) == 0
    assert np.array_equal(finished(), plain())
    assert capsys.readouterr().err.count("others can write") == 1


@pytest.mark.skipif(os.name != "posix", reason="permissions as POSIX has them")
def test_a_read_only_store_changes_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    # Not in pytest's folder, which is closed to other users.
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        store = Store(folder / "store")
        fill(store)
        folder.chmod(0o755)
        with without_privileges(folder):
            monkeypatch.setattr(finished_work, "user_store", lambda: store)
            monkeypatch.setattr(long_runs, "user_store", lambda: store)
            store.folder.chmod(0o555)
            assert np.array_equal(finished(), plain())
            assert "cannot be kept" in capsys.readouterr().err
            store.folder.chmod(0o755)
        store.close()
        assert readable(Store(store.folder)) in (0, 400)


def test_a_full_disk(
    store: Store, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    connect = store_file.connect

    def small(path: Path, make: bool = False) -> sqlite3.Connection:
        connection = connect(path, make)
        connection.execute("PRAGMA max_page_count = 12")
        return connection

    for module in (finished_work, store_file):
        monkeypatch.setattr(module, "connect", small)
    written = [store.keep([row(i, key=f"run {i}", size=4000)]) for i in range(40)]
    assert written[0]
    assert not any(written[-5:])
    assert np.array_equal(finished(), plain())
    assert "full" in capsys.readouterr().err
    assert store.furthest("run", "run 0") is not None


# Kills and company ------------------------------------------------------------------------------


def start(n_sim: int, jobs: int = 1) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", DRIVER, str(n_sim), str(jobs)],
        cwd=Path(__file__).parents[1], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip


def said(output: str, word: str) -> list[str]:
    return [line.split()[1] for line in output.splitlines() if line.startswith(word + " ")]


def kill_and_resume(kills: int, seed: int, n_sim: int) -> None:
    """Kill a run at random moments, each time after it has got further; then let it end."""
    moments = random.Random(seed)
    kept = 0
    for _ in range(kills):
        child = start(n_sim, jobs=moments.choice((1, 2)))
        assert child.stdout is not None
        assert int(child.stdout.readline().split()[1]) >= kept
        # Mostly once something is kept, now and then before.
        line = child.stdout.readline() if moments.random() < 0.8 else ""
        try:
            child.wait(moments.expovariate(30.0))
        except subprocess.TimeoutExpired:
            child.kill()
        output, error = child.communicate()
        assert error == ""
        # What was written and not only begun survives; it may be more than what was told.
        kept = max([kept, *(int(done) for done in said(line + output, "kept"))])
    child = start(n_sim)
    output, error = child.communicate()
    assert (child.returncode, error) == (0, "")
    assert int(said(output, "from")[0]) >= kept > 0
    assert said(output, "sums") == [plain(n_sim).tobytes().hex()]


def test_kills_lose_no_finished_piece() -> None:
    kill_and_resume(2, seed=1, n_sim=N_SIM)


@pytest.mark.slow
def test_fifty_kills_lose_no_finished_piece() -> None:
    for seed in range(5):
        kill_and_resume(10, seed=100 + seed, n_sim=20 * N_SIM + seed)
        finished_work.user_store().prune()


def test_two_processes_on_one_store(store: Store) -> None:
    children = [start(N_SIM), start(N_SIM)]
    expected = plain(N_SIM).tobytes().hex()
    for child in children:
        output, error = child.communicate()
        assert (child.returncode, error) == (0, "")
        assert said(output, "sums") == [expected]
        assert said(output, "lost") == []
    assert len(_keys(store)) == 1


# The command ------------------------------------------------------------------------------------


def test_the_store_is_shown_and_pruned(
    store: Store, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store"]) == 0
    assert "No finished work is kept" in capsys.readouterr().out
    finished()
    assert store.keep([replace(row(1), kind="calibration", name="chronic-after")])
    assert main(["store"]) == 0
    page = capsys.readouterr().out
    assert "lanes.experiments.tally_student" in page
    assert "chronic-after" in page
    assert max(len(line) for line in page.splitlines()) <= 80
    assert main(["store", "--json"]) == 0
    document = json.loads(capsys.readouterr().out)
    assert {kept["kind"] for kept in document["kept"]} == {"run", "calibration"}
    assert main(["store", "prune"]) == 0
    assert store.contents()  # used just now
    capsys.readouterr()
    assert main(["store", "prune", "--all", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["deleted"] >= 2
    assert store.contents() == []


@pytest.mark.parametrize("wrong", [["--all", "--older-than", "3"], ["--older-than", "-1"]])
def test_pruning_needs_one_clear_wish(wrong: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["store", "prune", *wrong]) == 2
    assert "--older-than" in capsys.readouterr().err


def test_at_the_end_of_a_program_all_rows_stand_in_the_file(tmp_path: Path) -> None:
    # Those in a log beside it would be lost with it, and nobody would notice.
    program = (
        "from planner import long_runs; long_runs.PIECE_SECONDS = 0.01; "
        "from planner.__main__ import program; program()"
    )
    command = [sys.executable, "-c", program, "power", "--mu", "1", "--tau", "0.5", "--n", "8"]
    subprocess.run(
        [*command, "--reps", "9000000"], check=True, capture_output=True,
        cwd=Path(__file__).parents[1], env={**os.environ, "PLANNER_CACHE_DIR": str(tmp_path)},
    )  # fmt: skip
    assert [path.name for path in (tmp_path / "store").glob("*-wal")] == []
    database = sqlite3.connect(f"file:{finished_work.user_store().path}?mode=ro", uri=True)
    with closing(database):
        assert database.execute("SELECT count(*) FROM kept").fetchone()[0] > 0
