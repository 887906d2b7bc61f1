"""Runs in chunks: no cut of the work, number of workers or interruption changes a bit."""

from __future__ import annotations

import pickle
import subprocess
import sys
import threading
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from sims import engine, tally
from sims.chi import inverse_sd_tables
from sims.engine import keeping_pieces, map_ordered, run_tally
from sims.lanes.experiments import N_SUMS, tally_student, tally_welch
from sims.tally import KernelTally, OtherEngine, Progressed
from tests.sims.helpers import rows, student_design

CHUNK, PER_TASK = 64, 4
SHAPE = (2, 3)


def uneven(first: int, count: int, out: np.ndarray) -> None:
    """Sums whose last bits depend on the order in which they are added."""
    numbers = np.arange(first, first + count, dtype=float)
    for i, x in enumerate(out.ravel()):
        out.flat[i] = x + np.sum(np.sin(numbers + i) * 10.0 ** (numbers % 7.0))


def in_order(n_sim: int) -> np.ndarray:
    """The definition: chunks are added up to tasks, tasks to the total."""
    total = np.zeros(SHAPE)
    for start in range(0, n_sim, CHUNK * PER_TASK):
        task = np.zeros(SHAPE)
        for first in range(start, min(start + CHUNK * PER_TASK, n_sim), CHUNK):
            out = np.zeros(SHAPE)
            uneven(first, min(CHUNK, n_sim - first), out)
            task += out
        total += task
    return total


class Notebook:
    """A keeper that remembers every state and gives back one of them."""

    def __init__(self, given: Progressed | None = None) -> None:
        self.given, self.states = given, list[Progressed]()

    def get(self, n_sim: int) -> Progressed | None:
        assert self.given is None or self.given.done <= n_sim
        return self.given

    def put(self, state: Progressed, seconds: float) -> None:
        assert seconds >= 0.0
        self.states.append(state)


def run(n_sim: int, jobs: int = 1, keeper: Notebook | None = None) -> np.ndarray:
    return run_tally(uneven, n_sim, SHAPE, jobs, None, keeper, CHUNK, PER_TASK)


@pytest.fixture(params=[1e-9, 1.0, 1e9], ids=["chunks", "tasks", "all-at-once"])
def units(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "UNIT_SECONDS", 1e-4 * request.param)
    monkeypatch.setattr(engine, "_WORTH_STARTING", 0.0)
    monkeypatch.setattr(engine, "_WORTH_IMPORTING", 0.0)


@pytest.mark.parametrize("n_sim", [1, CHUNK, 3 * CHUNK + 5, 8 * CHUNK, 23 * CHUNK + 1])
@pytest.mark.parametrize("jobs", [1, 2])
def test_sums_are_those_of_the_definition(n_sim: int, jobs: int, units: None) -> None:
    assert np.array_equal(run(n_sim, jobs), in_order(n_sim))


@pytest.mark.usefixtures("units")
def test_a_run_goes_on_from_any_of_its_states() -> None:
    n_sim = 11 * CHUNK + 7
    first = Notebook()
    whole = run(n_sim, keeper=first)
    assert first.states
    for state in first.states:
        assert state.done % CHUNK == 0
        assert np.array_equal(run(n_sim, 2, Notebook(state)), whole)
        # A longer run goes on from the shorter one as well.
        assert np.array_equal(run(3 * n_sim, 1, Notebook(state)), in_order(3 * n_sim))
    assert first.states[-1].done == 11 * CHUNK


def test_a_state_of_other_sums_is_not_taken() -> None:
    wrong = Progressed(CHUNK, np.ones((2, 5)))
    assert np.array_equal(run(5 * CHUNK, keeper=Notebook(wrong)), in_order(5 * CHUNK))


def test_workers_are_used_where_work_is_worth_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine, "UNIT_SECONDS", 1e-9)
    seen: set[int] = set()

    def slow(first: int, count: int, out: np.ndarray) -> None:
        seen.add(threading.get_ident())
        threading.Event().wait(0.02)
        out += count

    assert run_tally(slow, 40, (1,), 2, None, None, 1, 4)[0] == 40
    assert len(seen) > 1


def test_progress_only_rises_and_ends_at_the_end() -> None:
    seen: list[int] = []
    run_tally(uneven, 23 * CHUNK + 1, SHAPE, 2, seen.append, None, CHUNK, PER_TASK)
    assert all(a < b for a, b in pairwise(seen))
    assert seen[-1] == 23 * CHUNK + 1


# Memory ---------------------------------------------------------------------------------------

MEMORY = """
import resource, sys
from sims.engine import keeping_pieces, map_ordered, run_tally
from tests.sims.test_engine import student
from sims.lanes.experiments import N_SUMS

for n_sim in map(int, sys.argv[1:]):
    run_tally(student(), n_sim, (1, N_SUMS), 2)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)
"""


def memory(*sizes: int) -> list[int]:
    """Largest memory (MB) of a program that has run so many replicates, one size after another."""
    run = subprocess.run(
        [sys.executable, "-c", MEMORY, *map(str, sizes)],
        cwd=Path(__file__).parents[2], capture_output=True, text=True, check=True,
    )  # fmt: skip
    return [int(line) for line in run.stdout.split()]


@pytest.mark.skipif(sys.platform != "linux", reason="memory as Linux counts it")
def test_memory_does_not_grow_with_replicates() -> None:
    small, large = memory(500_000, 5_000_000)
    assert large - small < 20


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory as Linux counts it")
def test_a_hundred_million_replicates_take_no_more_memory() -> None:
    small, large = memory(10_000, 100_000_000)
    assert large - small < 20


# A kernel with its arguments ------------------------------------------------------------------


def student(seed: int = 5, mu: float = 0.8) -> KernelTally:
    design = student_design(6, 6)
    tables = inverse_sd_tables(np.array([10.0]))
    return KernelTally(
        tally_student, seed, 7, np.array([mu]), np.array([0.2]), rows([design]), tables
    )


def test_a_tally_by_value_does_what_its_kernel_does() -> None:
    work = student()
    out, own = np.zeros((1, N_SUMS)), np.zeros((1, N_SUMS))
    work(3, 500, out)
    tally_student(np.uint64(5), np.uint64(7), 3, 500, *work.arguments, own)
    assert np.array_equal(out, own)
    sent = pickle.loads(pickle.dumps(work))
    assert sent.kernel is tally_student
    assert sent.digest() == work.digest()
    assert len(pickle.dumps(work)) < 20_000


def test_every_argument_is_in_the_digest() -> None:
    work = student()
    others = [student(seed=6), student(mu=0.8 + 1e-16 * 4)]
    a = work.arguments
    others.append(KernelTally(tally_welch, 5, 7, *a))
    others.append(KernelTally(tally_student, 5, 8, *a))
    others.append(KernelTally(tally_student, 5, 7, *a[:2], a[2].reshape(-1), a[3]))
    others.append(KernelTally(tally_student, 5, 7, a[0].astype(np.float32), *a[1:]))
    others.append(KernelTally(tally_student, 5, 7, (a[0], a[1]), *a[2:]))
    digests = [work.digest(), work.digest(1), work.digest(1, 2), *(x.digest() for x in others)]
    assert len(set(digests)) == len(digests)
    assert student().digest() == work.digest()
    with pytest.raises(TypeError, match="list has no digest"):
        KernelTally(tally_student, 5, 7, [1.0]).digest()


def test_a_worker_with_other_sources_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    sent = pickle.dumps(student())
    monkeypatch.setattr(tally, "sources_digest", lambda: "other")
    with pytest.raises(OtherEngine, match="another version"):
        pickle.loads(sent)


class Shelf:
    """Keeps pieces in memory."""

    def __init__(self, *kept: int) -> None:
        self.pieces = {number: 100 + number for number in kept}
        self.put_in: list[int] = []

    def get(self, number: int) -> int | None:
        return self.pieces.get(number)

    def put(self, number: int, result: int, seconds: float) -> None:
        assert seconds >= 0.0
        self.put_in.append(number)
        self.pieces[number] = result


@pytest.mark.parametrize("jobs", [1, 2])
def test_pieces_that_were_kept_are_not_calculated(jobs: int) -> None:
    calculated = []

    def piece(i: int) -> int:
        calculated.append(i)
        return 100 + i

    shelf = Shelf(0, 1, 2, 5, 8)  # 5 after a gap is of no use, 8 begins the second call
    with keeping_pieces(shelf):
        first = list(map_ordered(piece, range(8), jobs))
        second = list(map_ordered(piece, range(8, 11), jobs))
    assert first + second == list(range(100, 111))
    assert sorted(calculated) == shelf.put_in == [3, 4, 5, 6, 7, 9, 10]
    with keeping_pieces(None):
        assert list(map_ordered(piece, [0], jobs)) == [100]
    assert list(map_ordered(piece, [1], jobs)) == [101]
    assert calculated[-2:] == [0, 1]
    assert len(shelf.put_in) == 7  # nothing is kept outside
