"""Runs kernels over replicates in chunks, on threads; sums come out the same for any number.

A chunk's sums depend only on the numbers of its replicates, and chunks are added up in the order
of their numbers, so the number of workers changes nothing.
"""

import os
from collections.abc import Callable

import numpy as np

CHUNK = 4096
CHUNKS_PER_TASK = 16
_FEW_TASKS = 8  # done before a pool of threads would have started

# Adds the sums of replicates first..first+count-1 to an array: (first, count, out) -> None.
Tally = Callable[[int, int, np.ndarray], None]
Progress = Callable[[int], None]


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
) -> np.ndarray:
    """Sums of `tally` over replicates 0..n_sim-1, in memory that does not grow with n_sim."""
    starts = range(0, n_sim, CHUNK * CHUNKS_PER_TASK)
    jobs = 1 if len(starts) < _FEW_TASKS else jobs
    total = np.zeros(shape)
    for start, sums in zip(
        starts, map_ordered(_task(tally, n_sim, shape), starts, jobs), strict=True
    ):
        total += sums
        if progress is not None:
            progress(min(start + CHUNK * CHUNKS_PER_TASK, n_sim))
    return total


def _task(tally: Tally, n_sim: int, shape: tuple[int, ...]) -> Callable[[int], np.ndarray]:
    def run(start: int) -> np.ndarray:
        total = np.zeros(shape)
        for first in range(start, min(start + CHUNK * CHUNKS_PER_TASK, n_sim), CHUNK):
            out = np.zeros(shape)
            tally(first, min(CHUNK, n_sim - first), out)
            total += out
        return total

    return run


def map_ordered(function: Callable, arguments, jobs: int):
    """Results of function(argument), in the order of the arguments, as they become ready."""
    arguments = list(arguments)
    if jobs <= 1 or len(arguments) <= 1:
        return map(function, arguments)
    # Imported here: a short run on one worker need not wait for it.
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=jobs, prefer="threads", return_as="generator")
    return parallel(delayed(function)(argument) for argument in arguments)
