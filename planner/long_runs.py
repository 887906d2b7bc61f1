"""Runs that lose nothing: sums go to the user's store every few seconds and are taken up again."""

from __future__ import annotations

import atexit
from collections.abc import Callable
from threading import Lock
from typing import TYPE_CHECKING

import numpy as np

from planner.finished_work import BUSY_SECONDS, Kept, Store, user_store
from planner.notes import note

if TYPE_CHECKING:
    from sims.tally import KernelTally, Progressed

PIECE_SECONDS = 2.0  # of work: what is lost at most
WORTH_SAYING = 10.0
GOING_ON = "going on from finished work (planner store shows what is kept)"
LEAST_SECONDS = 0.02  # a run of less is not worth a row


class Unwritten:
    """States that wait to be written: together they are a piece of work of a few seconds.

    Commands that take less than a piece write nothing. Longer ones may be one long run or many
    short ones.
    """

    def __init__(self) -> None:
        self._lock = Lock()
        self._rows: dict[tuple[str, str], Kept] = {}
        self._since = 0.0  # seconds of work since the last piece was written
        self._any_piece = False

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
            if self._any_piece:
                self._write(0.5)

    def _write(self, patience: float) -> None:
        rows, self._rows = list(self._rows.values()), {}
        self._since, self._any_piece = 0.0, True
        if rows:
            user_store().keep(rows, patience)


_unwritten = Unwritten()
atexit.register(_unwritten.end)


class RunKeeper:
    """Keeps the sums of one run (`sims.engine.Keeper`): raw little-endian numbers."""

    def __init__(self, store: Store, key: str, name: str, shape: tuple[int, ...]) -> None:
        self.store, self.key, self.name, self.shape = store, key, name, (2, *shape)
        self.seconds = 0.0

    def get(self, n_sim: int) -> Progressed | None:
        from sims.tally import Progressed

        kept = self.store.furthest("run", self.key, n_sim)
        if kept is None or len(kept.data) != 8 * int(np.prod(self.shape)):
            return None
        self.seconds = kept.seconds
        if kept.seconds >= WORTH_SAYING:
            note(GOING_ON)
        sums = np.frombuffer(kept.data, dtype="<f8").reshape(self.shape).astype(float)
        return Progressed(kept.done, sums)

    def put(self, state: Progressed, seconds: float) -> None:
        self.seconds += seconds
        if self.seconds < LEAST_SECONDS:
            return
        row = Kept(
            kind="run", key=self.key, name=self.name, done=state.done, seconds=self.seconds,
            data=state.sums.astype("<f8").tobytes(),
        )  # fmt: skip
        _unwritten.add(row, seconds)


def run_kept(
    tally: KernelTally,
    n_sim: int,
    shape: tuple[int, ...],
    jobs: int | None = None,
    progress: Callable[[int], None] | None = None,
    **cut: int,
) -> np.ndarray:
    """`sims.engine.run_tally`, going on from what an earlier run has finished.

    The numbers are those of a run that was never interrupted, to the last bit. jobs: threads,
    default all processors; cut: `chunk` and `chunks_per_task` of `run_tally`.
    """
    from sims.engine import CHUNK, CHUNKS_PER_TASK, default_jobs, run_tally

    cut = {"chunk": CHUNK, "chunks_per_task": CHUNKS_PER_TASK, **cut}
    keeper = RunKeeper(user_store(), tally.digest(*cut.values(), *shape), tally.name, shape)
    return run_tally(tally, n_sim, shape, jobs or default_jobs(), progress, keeper, **cut)
