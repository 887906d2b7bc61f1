"""Runs kernels over replicates in chunks, on threads or a cluster; sums are the same for either.

A chunk's sums depend only on the numbers of its replicates. They are added up in the order of
their numbers, task by task, so that neither workers, nor how work is cut for them, nor an
interruption changes a bit of the total.
"""

import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, Protocol

import numpy as np

from sims.tally import KernelTally, Progressed

CHUNK = 4096
CHUNKS_PER_TASK = 16
# Of work handed to a worker at a time: far more than handing it over costs, to a thread or to
# another machine.
UNIT_SECONDS, FAR_UNIT_SECONDS = 0.05, 0.5
# What starting threads may cost before they pay: with joblib still to be imported, and without.
_WORTH_IMPORTING, _WORTH_STARTING = 0.4, 0.1

# Adds the sums of replicates first..first+count-1 to an array: (first, count, out) -> None.
Tally = Callable[[int, int, np.ndarray], None]
Progress = Callable[[int], None]
# Runs a tally as `run_tally` does: (tally, n_sim, shape, jobs, **cut) -> sums.
Runner = Callable[..., np.ndarray]


class Keeper(Protocol):
    """Keeps sums of one run between programs; what it does must not fail."""

    def get(self, n_sim: int) -> Progressed | None:
        """The furthest kept state of at most `n_sim` replicates, at the end of a chunk."""

    def put(self, state: Progressed, seconds: float) -> None:
        """Take note of a state at the end of a chunk that took so many more seconds."""


def default_jobs() -> int:
    """Processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def run_tally(
    tally: Tally,
    n_sim: int,
    shape: tuple[int, ...],
    jobs: int = 1,
    progress: Progress | None = None,
    keeper: Keeper | None = None,
    chunk: int = CHUNK,
    chunks_per_task: int = CHUNKS_PER_TASK,
) -> np.ndarray:
    """Sums of `tally` over replicates 0..n_sim-1, in memory that does not grow with n_sim.

    jobs : threads; without meaning where joblib was told to use a cluster
    progress : called with the replicates done
    keeper : where to go on from, and what is told how far the run has come
    chunk, chunks_per_task : replicates of one call of `tally` and calls of one task; they decide
        the order of summation, and with it the last bits
    """
    sums = _Sums(shape, n_sim, chunk, chunk * chunks_per_task, progress, keeper)
    each = np.inf
    for _ in range(2):
        # The first chunks say how long one takes; the very first may still be compiled.
        if sums.done < n_sim:
            start = time.perf_counter()
            unit = sums.done, min(chunk, n_sim - sums.done)
            sums.add(_chunk_sums(tally, unit, shape, chunk), end_of_unit=False)
            each = min(each, time.perf_counter() - start)
    sums.since = time.perf_counter()
    rest = each * -((sums.done - n_sim) // chunk)
    worth = _WORTH_STARTING if "joblib" in sys.modules else _WORTH_IMPORTING
    # Only a tally that knows its kernel by name may leave this process.
    far = rest > worth and isinstance(tally, KernelTally) and _elsewhere()
    size = (FAR_UNIT_SECONDS if far else UNIT_SECONDS) / max(each, 1e-6)
    units = _units(sums.done, n_sim, chunk, sums.task, size)
    if far or (jobs > 1 and rest > worth):
        results = _on_workers(tally, units, shape, chunk, jobs, far)
    else:
        results = (_chunk_sums(tally, unit, shape, chunk) for unit in units)
    for rows in results:
        sums.add(rows)
    return sums.total()


class _Sums:
    # Sums from left to right: of whole tasks, and of the chunks of the one that is not whole yet.

    def __init__(
        self, shape: tuple[int, ...], n_sim: int, chunk: int, task: int,
        progress: Progress | None, keeper: Keeper | None,
    ) -> None:  # fmt: skip
        self.n_sim, self.chunk, self.task = n_sim, chunk, task
        self.progress, self.keeper = progress, keeper
        self.done, self.sums = 0, np.zeros((2, *shape))
        kept = None if keeper is None else keeper.get(n_sim)
        if kept is not None and kept.sums.shape == self.sums.shape:
            self.done, self.sums = kept.done, kept.sums.copy()
        self.since = time.perf_counter()

    def add(self, rows: np.ndarray, end_of_unit: bool = True) -> None:
        """Add the sums of the chunks that follow."""
        whole, part = self.sums
        for row in rows:
            if end_of_unit and self.done + self.chunk > self.n_sim:
                self._keep()  # the last chunk is not a whole one: a longer run has another
            part += row
            self.done = min(self.done + self.chunk, self.n_sim)
            if self.done % self.task == 0:
                whole += part
                part[:] = 0.0
                self._report(self.done)
        if self.done % self.task != 0 and (end_of_unit or self.done == self.n_sim):
            self._report(self.done)
        if end_of_unit and self.done % self.chunk == 0:
            self._keep()

    def _keep(self) -> None:
        if self.keeper is not None:
            now = time.perf_counter()
            self.keeper.put(Progressed(self.done, self.sums.copy()), now - self.since)
            self.since = now

    def _report(self, done: int) -> None:
        if self.progress is not None:
            self.progress(done)

    def total(self) -> np.ndarray:
        return np.asarray(self.sums[0] + self.sums[1])


def _units(
    done: int, n_sim: int, chunk: int, task: int, chunks: float
) -> Iterator[tuple[int, int]]:
    """The rest of a run as (first, count): whole tasks, or parts of one where these are slow."""
    size = chunk * max(1, int(chunks))
    if size >= task:
        size -= size % task
    while done < n_sim:
        # The first unit ends the task that has been begun.
        end = min(done - done % task + max(size, task), n_sim)
        if size < task:
            end = min(done + size, end)
        yield done, end - done
        done = end


def _chunk_sums(
    tally: Tally, unit: tuple[int, int], shape: tuple[int, ...], chunk: int
) -> np.ndarray:
    """Sums of each chunk of a unit, (chunks, ...)."""
    first, count = unit
    rows = np.zeros((-(-count // chunk), *shape))
    for i, row in enumerate(rows):
        start = first + i * chunk
        tally(start, min(chunk, first + count - start), row)
    return rows


def _on_workers(
    tally: Tally, units: Iterator[tuple[int, int]], shape: tuple[int, ...], chunk: int, jobs: int,
    far: bool,
) -> Iterable[np.ndarray]:  # fmt: skip
    from joblib import Parallel, delayed

    where = {"prefer": "threads"} if far else {"require": "sharedmem"}
    parallel = Parallel(n_jobs=jobs, return_as="generator", **where)
    return parallel(delayed(_chunk_sums)(tally, unit, shape, chunk) for unit in units)


def _elsewhere() -> bool:
    """Whether joblib was told to run work outside this process (`joblib.parallel_config`)."""
    if "joblib" not in sys.modules:
        return False
    from joblib.parallel import get_active_backend

    return not getattr(get_active_backend(prefer="threads")[0], "supports_sharedmem", False)


class PieceKeeper(Protocol):
    """Keeps results of `map_ordered` between programs, by their number; it must not fail."""

    def get(self, number: int) -> Any | None:
        """The kept result of this number."""

    def put(self, number: int, result: Any, seconds: float) -> None:
        """Take note of the next result, which took so many seconds."""


_keeping: ContextVar[tuple[PieceKeeper, Iterator[int]] | None] = ContextVar(
    "_keeping", default=None
)


@contextmanager
def keeping_pieces(keeper: PieceKeeper | None) -> Iterator[None]:
    """Inside, `map_ordered` takes results that were kept and hands over the others.

    For functions that return all they find and depend on nothing but their argument. What is
    calculated inside must be the same in each program, as results are known by their number.
    """
    token = _keeping.set(None if keeper is None else (keeper, count()))
    try:
        yield
    finally:
        _keeping.reset(token)


def map_ordered(function: Callable, arguments, jobs: int):
    """Results of function(argument), in the order of the arguments, as they become ready."""
    arguments = list(arguments)
    keeping = _keeping.get()
    if keeping is None:
        return _mapped(function, arguments, jobs)
    return _kept_or_mapped(function, arguments, jobs, *keeping)


def _kept_or_mapped(
    function: Callable, arguments: list, jobs: int, keeper: PieceKeeper, numbers: Iterator[int]
):
    mine = [next(numbers) for _ in arguments]
    kept = 0
    for number in mine:
        result = keeper.get(number)
        if result is None:
            break
        kept += 1
        yield result
    since = time.perf_counter()
    results = _mapped(function, arguments[kept:], jobs)
    for number, result in zip(mine[kept:], results, strict=True):
        now = time.perf_counter()
        keeper.put(number, result, now - since)
        yield result
        since = now


def _mapped(function: Callable, arguments: list, jobs: int):
    if jobs <= 1 or len(arguments) <= 1:
        return map(function, arguments)
    # Imported here: a short run on one worker need not wait for it. Functions may write to arrays
    # that they share, so they never leave this process.
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=jobs, require="sharedmem", return_as="generator")
    return parallel(delayed(function)(argument) for argument in arguments)
