"""How far a command has come: by finished work, over all the runs of a stage together."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from planner.notes import note

Report = Callable[[str, int, int], None]  # (stage, done, total)

WORTH_SAYING = 10.0  # seconds of work that was found finished
_GOING = 0.25  # seconds until a run that is not finished counts as what the work goes on with
_SEARCH = 10_000  # parts that each search of a stage is shown in


class Work:
    """The work of a command, in stages; each run asks for its part and says how far it has come.

    report : called with (stage, done, total) whenever `done` is another whole number
    """

    def __init__(self, report: Report | None = None) -> None:
        self._report = report
        self._sizes: list[int] = []
        self._begin("", 0)

    def stage(self, name: str, sizes: Sequence[int]) -> None:
        """Begin a stage of runs that follow one another, with the work of each in any unit."""
        self._begin(name, sum(sizes))
        self._sizes += sizes

    def searches(self, name: str, number: int, runs: float = 4.0) -> None:
        """Begin a stage of searches, each of nobody knows how many runs: about so many.

        A run is taken for its share of what is left of its search.
        """
        self._begin(name, number * _SEARCH)
        self._share, self._end = min(0.9, 1.0 / runs), float(_SEARCH)

    def found(self) -> None:
        """The search at work is over."""
        self._start = min(self._end, float(self._total))
        self._end = self._start + _SEARCH
        self._at(self._start)

    def part(self) -> Part:
        """The part of the next run."""
        size = (self._end - self._start) * self._share
        if self._sizes:
            size = float(self._sizes.pop(0))
        start, self._start = self._start, self._start + size
        self._at(start)
        return Part(self, start, size)

    def _begin(self, name: str, total: int) -> None:
        self._name, self._total, self._shown = name, total, -1
        self._sizes.clear()
        self._start = self._end = self._share = 0.0
        # Seconds of work that was found finished; where, and since when, other work goes on.
        self._saved, self._from, self._since, self._said = 0.0, 0.0, 0.0, False
        self._at(0.0)

    def _at(self, place: float) -> None:
        done = min(self._total, int(place + 1e-6))
        if self._report is not None and self._total and done != self._shown:
            self._shown = done
            self._report(self._name, done, self._total)
        if self._saved < WORTH_SAYING or self._said or not self._total:
            return
        going = self._since > 0.0 and time.monotonic() - self._since > _GOING
        if going or done == self._total:
            self._said = True
            share = int(100.0 * (self._from if self._since else place) / self._total + 1e-9)
            note(
                f"going on from {f'{share}%' if share else 'less than 1%'} that is finished: "
                f"{self._name} (planner store shows what is kept)"
            )

    def _kept(self, place: float, seconds: float, whole: bool) -> None:
        self._saved += seconds
        if whole:
            self._since = 0.0
        elif not self._since:
            self._from, self._since = place, time.monotonic()


@dataclass(frozen=True)
class Part:
    """The part of one run, or of several, in the work of a stage."""

    work: Work
    start: float
    size: float

    def at(self, share: float) -> None:
        """Such a share of this part is done."""
        self.work._at(self.start + share * self.size)

    def kept(self, share: float, seconds: float) -> None:
        """Such a share was found finished and saves so many seconds; the rest begins now."""
        self.work._kept(self.start + share * self.size, seconds, share >= 1.0)
        self.at(share)

    def cut(self, first: int, count: int, total: int) -> Part:
        """The part of `count` of its `total` replicates, after the first ones."""
        return Part(self.work, self.start + self.size * first / total, self.size * count / total)
