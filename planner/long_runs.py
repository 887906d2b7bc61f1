"""Runs that lose nothing: sums go to the user's store every few seconds and are taken up again."""

from __future__ import annotations

import atexit
import time
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from planner.finished_work import BUSY_SECONDS, Kept, Store, user_store
from planner.notes import note
from planner.progress import WORTH_SAYING as WORTH_SAYING
from planner.progress import Part

if TYPE_CHECKING:
    from sims.tally import KernelTally, Progressed

PIECE_SECONDS = 2.0  # of work: what is lost at most
GOING_ON = "going on from finished work (planner store shows what is kept)"
LEAST_SECONDS = 0.002  # a run of less is not worth a row


class Unwritten:
    """States that wait to be written: together they are a piece of work of a few seconds.

    Commands that take less than a piece write nothing. Longer ones may be one long run or many
    short ones.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[tuple[str, str], Kept] = {}
        self._since = 0.0  # seconds of work since the last piece was written
        self.any_piece = False

    def add(self, row: Kept, seconds: float) -> None:
        """Take a row that replaces earlier ones of its key, after so many seconds of work."""
        with self._lock:
            self._rows[row.kind, row.key] = row
            self._since += seconds
            if self._since >= PIECE_SECONDS:
                self._write(BUSY_SECONDS)

    def end(self) -> None:
        """Write the rest of work that was long enough for a piece; a second at most."""
        with self._lock:
            if self.any_piece:
                self._write(0.5)

    def _write(self, patience: float) -> None:
        rows, self._rows = list(self._rows.values()), {}
        self._since, self.any_piece = 0.0, True
        if rows:
            user_store().keep(rows, patience)


_unwritten = Unwritten()
atexit.register(_unwritten.end)


def anything_kept() -> bool:
    """Whether the same command would go on from work of this one."""
    return _unwritten.any_piece


class RunKeeper:
    """Keeps the sums of one run (`sims.engine.Keeper`): raw little-endian numbers.

    chunk : replicates of one; a state that does not end with a whole one is of a run's end, and
        of use to a run of as many replicates only
    part : of the work of the command, told what was found finished
    """

    def __init__(
        self, store: Store, key: str, name: str, shape: tuple[int, ...], chunk: int,
        part: Part | None = None,
    ) -> None:  # fmt: skip
        self.store, self.key, self.name, self.shape = store, key, name, (2, *shape)
        self.chunk, self.part = chunk, part
        self.seconds, self.done = 0.0, 0
        self.added = 0.0  # of the seconds, those of this program

    def get(self, n_sim: int) -> Progressed | None:
        from sims.tally import Progressed

        most, kept = n_sim, self.store.furthest("run", self.key, n_sim)
        while kept is not None and kept.done != n_sim and kept.done % self.chunk:
            most = kept.done - 1
            kept = self.store.furthest("run", self.key, most)
        if kept is None or len(kept.data) != 8 * int(np.prod(self.shape)):
            if self.part is not None:
                self.part.kept(0.0, 0.0)
            return None
        self.seconds, self.done = kept.seconds, kept.done
        if self.part is not None:
            self.part.kept(kept.done / n_sim, kept.seconds)
        elif kept.seconds >= WORTH_SAYING:
            note(GOING_ON)
        sums = np.frombuffer(kept.data, dtype="<f8").reshape(self.shape).astype(float)
        return Progressed(kept.done, sums)

    def put(self, state: Progressed, seconds: float) -> None:
        self.seconds += seconds
        self.added += seconds
        if self.seconds < LEAST_SECONDS:
            return
        self.done = state.done
        row = Kept(
            kind="run", key=self.key, name=self.name, done=state.done, seconds=self.seconds,
            data=state.sums.astype("<f8").tobytes(),
        )  # fmt: skip
        _unwritten.add(row, seconds)

    def end(self, n_sim: int, total: np.ndarray, seconds: float) -> None:
        """Take note of the sums of the whole run, where its last state is not that.

        seconds : since the run began or went on, as far as they are not those of its states
        """
        from sims.tally import Progressed

        if self.done < n_sim:
            self.put(Progressed(n_sim, np.stack([total, np.zeros_like(total)])), seconds)


def run_kept(
    tally: KernelTally,
    n_sim: int,
    shape: tuple[int, ...],
    jobs: int | None = None,
    part: Part | None = None,
    **cut: int,
) -> np.ndarray:
    """`sims.engine.run_tally`, going on from what an earlier run has finished.

    The numbers are those of a run that was never interrupted, to the last bit. jobs: threads,
    default all processors; part: of the work of the command, told how far the run has come; cut:
    `chunk` and `chunks_per_task` of `run_tally`.
    """
    from sims.engine import CHUNK, CHUNKS_PER_TASK, default_jobs, run_tally

    def report(done: int) -> None:
        if part is not None:
            part.at(done / n_sim)

    cut = {"chunk": CHUNK, "chunks_per_task": CHUNKS_PER_TASK, **cut}
    key = tally.digest(*cut.values(), *shape)
    keeper = RunKeeper(user_store(), key, tally.name, shape, cut["chunk"], part)
    start = time.perf_counter()
    sums = run_tally(tally, n_sim, shape, jobs or default_jobs(), report, keeper, **cut)
    keeper.end(n_sim, sums, time.perf_counter() - start - keeper.added)
    report(n_sim)
    return sums
