"""Speed of the kernels against drawing their random numbers only, in one run."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from functools import partial
from statistics import median
from typing import Any

from planner.errors import InputError, unknown
from planner.results import Result, provenance
from planner.speed_cases import SEED, WORD, Case, Run, cases

REPETITIONS = 9
LEAST_SECONDS = 0.03  # of one repetition of either
WITHIN = 4_000_000  # replicates of one repetition at most


def benchmark(
    kernels: Iterable[str] = (),
    *,
    repetitions: int = REPETITIONS,
    progress: Callable[[str, int, int], None] | None = None,
) -> Result:
    """Nanoseconds per replicate of each kernel, and the ratio to its random numbers alone.

    Absolute times differ between machines and minutes; a ratio within one run hardly does: of
    processor time on one thread, of medians of alternating repetitions that take equally long.

    Parameters
    ----------
    kernels : parts of names; default all
    repetitions : of which the median is taken

    Raises
    ------
    InputError : no such kernel, or no repetition.
    """
    if not 1 <= repetitions <= 1000:
        raise InputError(f"--repetitions {repetitions}; accepted: 1 to 1000")
    every = cases()
    wanted = list(kernels)
    for part in wanted:
        if not any(part in case.name for case in every):
            raise unknown("--kernel", part, [case.name for case in every])
    chosen = [case for case in every if not wanted or any(part in case.name for part in wanted)]
    rows = []
    for i, case in enumerate(chosen):
        rows.append(_measure(case, repetitions))
        if progress is not None:
            progress("kernels", i + 1, len(chosen))
    slowest = max(rows, key=lambda row: row["ns_per_rep"])
    first = rows[0]
    answer = (
        f"{first['kernel']}: {first['reps_per_s'] / 1e6:.1f} million replicates a second on one "
        f"thread, {first['ratio_to_limit']:.1f} times what its random numbers alone take. "
    )
    if slowest is not first:
        answer += f"Slowest: {slowest['kernel']}, {slowest['ns_per_rep'] / 1000.0:.1f} us."
    return Result(
        command="benchmark",
        answer=answer.strip(),
        scenario={"kernel": wanted, "repetitions": repetitions},
        performance=rows,
        provenance=provenance(int(SEED)),
    )


def _measure(case: Case, repetitions: int) -> dict[str, Any]:
    from sims.random_limit import draw_only

    run = case.prepare()

    def draw(reps: int) -> None:
        draw_only(SEED, WORD, reps, case.normals, case.uniforms)

    run(32)  # compiled before anything is timed
    draw(32)
    count, limit = _replicates(run), _replicates(draw)
    pairs = [
        (processor_seconds(lambda: run(count)), processor_seconds(lambda: draw(limit)))
        for _ in range(repetitions)
    ]
    work = 1e9 * median(own for own, _ in pairs) / count
    least = 1e9 * median(drawn for _, drawn in pairs) / limit
    return {
        "kernel": case.name, "words": case.words, "ns_per_rep": work, "reps_per_s": 1e9 / work,
        "ns_rng_limit": least, "ratio_to_limit": work / least, "n_sim": count,
    }  # fmt: skip


def _replicates(run: Run) -> int:
    """How many replicates take long enough to be timed."""
    count = 256
    while count < WITHIN and processor_seconds(partial(run, count)) < LEAST_SECONDS:
        count *= 2
    return count


def processor_seconds(work: Callable[[], object]) -> float:
    """How much of a processor a piece of work takes on this thread, whatever else runs."""
    start = time.thread_time()
    work()
    return time.thread_time() - start
