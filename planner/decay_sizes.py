"""Required sizes by simulation: from few runs of many sizes, none much larger than it must be."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

# Simulated chances of success and their standard errors at sizes, ascending.
Chances = Callable[[Sequence[int]], list[tuple[float, float]]]
Found = tuple[int | None, int | None, int | None]

MOST = 1000  # per group
_CLEARLY = 4.0  # standard errors
_FIRST = ((4, 7, 11, 16), (23, 33, 48), (70, 100), (145, 210), (300, 440), (640, MOST))
_AROUND = (0.8, 0.87, 0.94, 1.0, 1.07, 1.15, 1.25)
_ABOVE, _BELOW = (1.12, 1.3), (0.6, 0.8)


class _Known:
    """Chances at the sizes that were run."""

    def __init__(self, chances: Chances, least: int) -> None:
        self._chances, self.least = chances, least
        self.share: dict[int, float] = {}
        self.error: dict[int, float] = {}

    def run(self, sizes: Sequence[float]) -> None:
        """Run the sizes that were not."""
        wanted = sorted({min(MOST, max(self.least, round(n))) for n in sizes} - set(self.share))
        if wanted:
            for n, (share, error) in zip(wanted, self._chances(wanted), strict=True):
                self.share[n], self.error[n] = share, error

    def reach(self, low: float, high: float, most: int = MOST) -> None:
        """Run further sizes until some lie below one chance, and some above another."""
        while max(self.share.values()) < high and max(self.share) < most:
            self.run([max(self.share) + max(i, max(self.share) * (by - 1.0))
                      for i, by in enumerate(_ABOVE, start=1)])  # fmt: skip
        while min(self.share) > self.least and self.share[min(self.share)] >= low:
            self.run([min(self.share) * by for by in _BELOW])

    def crossing(self, goal: float) -> int | None:
        """Smallest n that reaches the goal on the line between sizes; None beyond them."""
        sizes = sorted(self.share)
        for before, n in pairwise(sizes):
            if self.share[before] < goal <= self.share[n]:
                share = (goal - self.share[before]) / (self.share[n] - self.share[before])
                return math.ceil(before + share * (n - before) - 1e-9)
        return sizes[0] if self.share[sizes[0]] >= goal else None

    def smallest(self, goal: float) -> int | None:
        """Smallest n that reaches the goal, the one before it run as well."""
        while True:
            n = min((m for m, share in self.share.items() if share >= goal), default=None)
            if n is None or n == self.least:
                return n
            below = max((m for m in self.share if m < n), default=self.least - 1)
            if below == n - 1:
                return n
            if below < self.least:
                self.run([self.least])
                continue
            share = (goal - self.share[below]) / (self.share[n] - self.share[below])
            guess = math.ceil(below + share * (n - below))
            middle = [] if n - below < 8 else [(below + guess) / 2, (guess + n) / 2]
            inside = [m for m in (guess - 1, guess, guess + 1, *middle) if below < round(m) < n]
            self.run(inside or [(below + n) // 2])


def rough_size(chances: Chances, goal: float, least: int) -> int | None:
    """About where the goal is reached, from a coarse range of sizes; 1000 where it is close there.

    None: clearly not up to 1000.
    """
    known = _Known(chances, least)
    for sizes in _FIRST:
        known.run(sizes)
        if max(known.share.values()) >= goal:
            return known.crossing(goal)
    best = max(known.share, key=lambda n: known.share[n])
    return MOST if known.share[best] + _CLEARLY * known.error[best] >= goal else None


def simulated_size(
    chances: Chances, goal: float, least: int, near: int, half: Callable[[float], float],
    most: int = MOST,
) -> Found:  # fmt: skip
    """Smallest n whose simulated chance reaches the goal, and its 95% interval.

    near : a size not far from it, where the search begins
    half : half the width of the chance's interval at the goal, given the standard error there
    most : about how far the search goes
    """
    known = _Known(chances, least)
    known.run([near * by for by in _AROUND])

    def width() -> float:
        nearest = min(known.share, key=lambda n: abs(known.share[n] - goal))
        return half(known.error[nearest])

    known.reach(goal - width(), min(0.999, goal + width()), most)
    n = known.smallest(goal)
    if n is None:
        return None, None, None
    low = known.crossing(goal - width())
    return n, n if low is None else min(n, low), known.crossing(goal + width())


def sure_size(
    chances: Chances, goal: float, least: int, near: int, half: Callable[[float], float]
) -> int | None:
    """Smallest n whose simulated chance reaches the goal with 95% confidence.

    half : as for `simulated_size`: the chance's interval lies above the goal
    """

    def lowest(sizes: Sequence[int]) -> list[tuple[float, float]]:
        return [(share - half(error), error) for share, error in chances(sizes)]

    known = _Known(lowest, least)
    known.run([near, near * 1.04, near * 1.08, near * 1.12])
    known.reach(goal, goal)
    return known.smallest(goal)
