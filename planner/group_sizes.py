"""The law of group sizes: how many animals per group the published studies had."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from planner.errors import InputError

SMALLEST, LARGEST = 2, 10_000

IntArray = NDArray[np.int64]
FloatArray = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Sizes:
    """Law of the number of animals per group.

    Parameters
    ----------
    n : sizes that can occur, ascending, animals per group
    p : their probabilities, sum 1
    per_study : the size of each study, length k, when it is known; None for a law
    """

    n: IntArray
    p: FloatArray
    per_study: IntArray | None = None

    def __post_init__(self) -> None:
        for values in (self.n, self.p, self.per_study):
            if values is not None:
                values.setflags(write=False)

    @property
    def fresh_n(self) -> IntArray:
        """A copy of `n` that may be written: for one that may not, kernels are compiled anew."""
        return self.n.copy()

    @property
    def mean(self) -> float:
        """Mean number of animals per group."""
        return float(self.n @ self.p)

    @property
    def median(self) -> float:
        """Median number of animals per group: the smallest n with P(size <= n) >= 1/2."""
        if self.per_study is not None:
            return float(np.median(self.per_study))
        # 1e-9: half the probability is a sum of rounded terms
        return float(self.n[np.searchsorted(np.cumsum(self.p), 0.5 - 1e-9)])

    @property
    def range(self) -> tuple[int, int]:
        """Smallest and largest number of animals per group."""
        return int(self.n[0]), int(self.n[-1])

    def __str__(self) -> str:
        lo, hi = self.range
        if lo == hi:
            return f"{lo} per group"
        kind = "one size per study" if self.per_study is not None else "a law on"
        return f"{kind} {lo} to {hi} per group, median {self.median:g}, mean {self.mean:.3g}"

    @classmethod
    def fixed(cls, n: int) -> Sizes:
        """Every group has `n` animals."""
        return cls.uniform(n, n)

    @classmethod
    def uniform(cls, lo: int, hi: int) -> Sizes:
        """Every size from `lo` to `hi` (both included) is equally likely.

        Raises
        ------
        InputError
            for a reversed range or sizes outside 2 to 10000
        """
        n = _integers(lo, hi)
        return cls(n, np.full(len(n), 1.0 / len(n)))

    @classmethod
    def of_studies(cls, sizes: Sequence[int]) -> Sizes:
        """The known size of each study, one per study."""
        per_study = np.array([_size(size) for size in sizes], dtype=np.int64)
        n, count = np.unique(per_study, return_counts=True)
        return cls(n, count / len(per_study), per_study)

    @classmethod
    def from_summary(
        cls, median: float, range: tuple[int, int], mean: float | None = None
    ) -> Sizes:
        """Maximum-entropy law with the published median, range and, if given, mean.

        Integers n of the range with P(n <= median) = 1/2; p proportional to exp(a n) within
        each half, a from the mean (0 without one). A median at the top of the range leaves
        nothing above it, so there P(n < median) = 1/2.

        Raises
        ------
        InputError
            for a median outside the range, or a mean that no such law has (the text names
            the smallest and largest possible)
        """
        lo, hi = range
        n = _integers(lo, hi)
        if not lo <= median <= hi:
            raise InputError(
                f"median group size {median:g} lies outside its range {lo} to {hi}; "
                "accepted: a median within the range"
            )
        if lo == hi:
            lower = n < lo
            smallest = largest = float(lo)
        else:
            lower = n <= min(floor(median), hi - 1)
            smallest = (n[lower][0] + n[~lower][0]) / 2
            largest = (n[lower][-1] + n[~lower][-1]) / 2
        if mean is None or smallest == largest == mean:
            return cls(n, _halves(n, lower, 0.0))
        if not smallest < mean < largest:
            raise InputError(
                f"no group sizes in {lo} to {hi} with median {median:g} have mean {mean:g}; "
                f"the smallest possible is {smallest:g}, the largest {largest:g} (or leave it out)"
            )
        return cls(n, _halves(n, lower, _tilt(n, lower, mean)))


def _size(n: int) -> int:
    if not SMALLEST <= n <= LARGEST:
        raise InputError(
            f"group size {n} is not possible; accepted: whole numbers {SMALLEST} to {LARGEST}"
        )
    return n


def _integers(lo: int, hi: int) -> IntArray:
    if lo > hi:
        raise InputError(f"range of group sizes {lo} to {hi} is reversed; smaller end first")
    return np.arange(_size(lo), _size(hi) + 1, dtype=np.int64)


def _halves(n: IntArray, lower: NDArray[np.bool_], a: float) -> FloatArray:
    """Probabilities proportional to exp(a n) within each half, each half summing to 1/2."""
    p = np.zeros(len(n))
    halves = [half for half in (lower, ~lower) if half.any()]
    for half in halves:
        exponent = a * n[half]
        weight = np.exp(exponent - exponent.max())
        p[half] = weight / weight.sum() / len(halves)
    return p


def _tilt(n: IntArray, lower: NDArray[np.bool_], mean: float) -> float:
    """The a at which the law of `_halves` has this mean; Newton kept inside a bracket."""
    below, above, a = -60.0, 60.0, 0.0  # exp(-60): all on one end of each half
    for _ in range(200):
        p = _halves(n, lower, a)
        excess = float(n @ p) - mean
        if abs(excess) < 1e-13 * mean:
            break
        below, above = (a, above) if excess < 0 else (below, a)
        slope = sum(_spread(n[half], p[half]) for half in (lower, ~lower))
        step = a - excess / slope if slope > 0 else below
        a = step if below < step < above else (below + above) / 2
    return a


def _spread(n: IntArray, p: FloatArray) -> float:
    """Variance of one half times its probability: its share of d mean / d a."""
    centre = float(n @ p) / float(p.sum())
    return float((n - centre) ** 2 @ p)
