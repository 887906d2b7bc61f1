"""Calibrations that go on where they were stopped: finished pieces wait in the store."""

from __future__ import annotations

import json
from collections.abc import Callable
from io import BytesIO
from time import perf_counter
from typing import Any

import numpy as np

from planner import long_runs
from planner.finished_work import Kept, user_store
from planner.notes import note

KIND = "begun"
Arrays = tuple[np.ndarray, ...]


class Pieces:
    """Pieces of one calibration in the user's store (`sims.engine.PieceKeeper`).

    A row holds the results of a few seconds, its key the number of the first of them.

    Parameters
    ----------
    name : for people
    depends_on : all that the results depend on besides the engine: arrays, numbers, text, tuples
    """

    def __init__(self, name: str, *depends_on: Any) -> None:
        from sims.tally import work_digest

        self.name, self.key = name, work_digest(*depends_on)
        self._found: dict[int, Arrays] = {}
        self._waiting: list[Arrays] = []  # to be kept, from the number `_first` on
        self._first, self._seconds = 0, 0.0
        self._used = 0.0

    def get(self, number: int) -> Arrays | None:
        if number not in self._found:
            kept = user_store().furthest(KIND, f"{self.key} {number}")
            if kept is None:
                return None
            self._say(kept.seconds)
            self._found = dict(enumerate(_unpacked(kept.data), start=number))
        return self._found.get(number)

    def put(self, number: int, result: Arrays, seconds: float) -> None:
        if number != self._first + len(self._waiting):
            self._write()  # those between were kept already
        if not self._waiting:
            self._first = number
        self._waiting.append(result)
        self._seconds += seconds
        if self._seconds >= long_runs.PIECE_SECONDS:
            self._write()

    def _write(self) -> None:
        if self._waiting:
            self._keep(str(self._first), _packed(self._waiting), self._seconds)
        self._waiting, self._seconds = [], 0.0

    def value(self, part: str, calculate: Callable[[], tuple[Any, ...]]) -> list[Any]:
        """The numbers and words of a part that is one piece as a whole."""
        kept = user_store().furthest(KIND, f"{self.key} {part}")
        if kept is not None:
            self._say(kept.seconds)
            return list(json.loads(kept.data))
        start = perf_counter()
        found = list(calculate())
        seconds = perf_counter() - start
        if seconds >= long_runs.PIECE_SECONDS:
            self._keep(part, json.dumps(found).encode(), seconds)
        return found

    def forget(self) -> None:
        """Delete the pieces: the whole is finished."""
        user_store().forget(KIND, self.key)

    def _keep(self, part: str, data: bytes, seconds: float) -> None:
        row = Kept(kind=KIND, key=f"{self.key} {part}", name=self.name, data=data, seconds=seconds)
        user_store().keep([row])

    def _say(self, seconds: float) -> None:
        self._used += seconds
        if self._used >= long_runs.WORTH_SAYING:
            note(long_runs.GOING_ON)


def _packed(results: list[Arrays]) -> bytes:
    content = BytesIO()
    np.save(content, np.array([len(result) for result in results]))
    for result in results:
        for array in result:
            np.save(content, array, allow_pickle=False)
    return content.getvalue()


def _unpacked(data: bytes) -> list[Arrays]:
    content = BytesIO(data)
    lengths = np.load(content, allow_pickle=False)
    return [
        tuple(np.load(content, allow_pickle=False) for _ in range(length)) for length in lengths
    ]
