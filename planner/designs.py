"""A two-arm experiment: its groups, its animals and its test."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf, sqrt
from typing import TYPE_CHECKING

from planner.errors import InputError, unknown

if TYPE_CHECKING:
    from sims.exact import Student
    from sims.types import TwoArm

TESTS = ("student", "welch")
SIDES = ("two", "greater", "less")
MARGINS = ("raw", "standardized")
MOST_ANIMALS = 100_000


@dataclass(frozen=True, kw_only=True)
class Design:
    """Everything about a two-arm experiment but its size.

    Parameters
    ----------
    test, alpha, sides : the test; `greater` and `less` are about treated minus control
    allocation : parts of treated and control animals, (1, 1) for equal groups
    treated : treated groups against one control group; alpha is divided by it (Bonferroni)
    attrition : share of animals lost before analysis
    sesoi, margin : smallest effect of interest in SDs, tested against instead of zero, as a raw
        difference fixed beforehand or as a standardized effect
    sign : +1 or -1, the sign of the effects that are a benefit

    Raises
    ------
    InputError : a value out of range, or a combination that has no test.
    """

    test: str = "student"
    alpha: float = 0.05
    sides: str = "two"
    allocation: tuple[int, int] = (1, 1)
    treated: int = 1
    attrition: float = 0.0
    sesoi: float | None = None
    margin: str = "raw"
    sign: int = 1

    def __post_init__(self) -> None:
        for kind, value, names in (
            ("test", self.test, TESTS), ("sides", self.sides, SIDES),
            ("margin", self.margin, MARGINS),
        ):  # fmt: skip
            if value not in names:
                raise unknown(kind, value, names)
        if not 1e-9 <= self.alpha < 0.5:
            raise InputError(f"--alpha {self.alpha:g}; accepted: 0.000000001 to below 0.5")
        if not 0.0 <= self.attrition < 1.0:
            raise InputError(f"--attrition {self.attrition:g}; accepted: 0 to below 1")
        if not 1 <= self.treated <= 20:
            raise InputError(f"--treated {self.treated}; accepted: 1 to 20 groups")
        if min(self.allocation) < 1 or max(self.allocation) > 20:
            raise InputError(
                "--allocation takes two whole numbers from 1 to 20, such as 1:1 or 2:1"
            )
        if self.sesoi is not None and not 0.0 <= self.sesoi < 100.0:
            raise InputError(f"--sesoi {self.sesoi:g}; accepted: 0 to below 100, in SDs")
        if self.sesoi is not None and self.test == "welch" and self.margin == "standardized":
            raise InputError("--margin standardized has no Welch test; use --test student")

    @property
    def level(self) -> float:
        """Significance level of one comparison."""
        return self.alpha / self.treated

    @property
    def tail(self) -> float:
        """Level of one side of the test. A margin is tested on the side of benefit only."""
        return self.level / 2.0 if self.sides == "two" else self.level

    def groups(self, n: int) -> tuple[int, int]:
        """Analysed animals of a treated and of the control group; n is the treated group's."""
        treated, control = self.allocation
        return n, max(2, ceil(n * control / treated - 1e-9))

    def animals(self, n: int) -> int:
        """Animals analysed in the whole experiment; the control group counts once."""
        n1, n2 = self.groups(n)
        return self.treated * n1 + n2

    def ordered(self, n: int) -> int:
        """Animals to buy so that after attrition the groups have their size, per group."""
        n1, n2 = self.bought(n)
        return self.treated * n1 + n2

    def bought(self, n: int) -> tuple[int, int]:
        """Animals to buy for a treated and for the control group."""
        n1, n2 = (ceil(m / (1.0 - self.attrition) - 1e-9) for m in self.groups(n))
        return n1, n2

    def largest_n(self, animals: int) -> int:
        """Largest n that `animals` bought allow.

        Raises
        ------
        InputError : not even two animals per group.
        """
        if animals > MOST_ANIMALS:
            raise InputError(f"--animals {animals}; accepted: up to {MOST_ANIMALS}")
        n = 1
        while self.ordered(n + 1) <= animals:
            n += 1
        if n < 2:
            raise InputError(
                f"--animals {animals} is too few: {self.ordered(2)} are needed for 2 per group"
            )
        return n

    def two_arm(self, n: int) -> TwoArm:
        """The experiment as numbers, with benefit positive, for kernels and exact values."""
        from sims.effects import exact_correction
        from sims.exact import t_quantile
        from sims.types import TwoArm

        n1, n2 = self.groups(n)
        df, se = n1 + n2 - 2, sqrt(1.0 / n1 + 1.0 / n2)
        j = exact_correction(float(df))
        margin = self.sesoi or 0.0
        benefit_side, harm_side = self._sides()
        if self.test == "welch":
            upper, quantile, width = 1.0, 1.0, 2.0
        else:
            quantile = float(t_quantile(self.tail, df))
            upper, width = quantile, 2.0 * float(t_quantile(self.level / 2.0, df)) * se
            if self.sesoi is not None and self.margin == "standardized":
                upper, margin = _noncentral_quantile(self.tail, df, margin / se), 0.0
        return TwoArm(
            float(n1), float(n2), se, margin,
            upper if benefit_side else inf, -quantile if harm_side else -inf, width, j,
        )  # fmt: skip

    def _sides(self) -> tuple[bool, bool]:
        benefit = "greater" if self.sign > 0 else "less"
        if self.sides == "two":
            return True, self.sesoi is None
        return self.sides == benefit, self.sides != benefit and self.sesoi is None

    def exact(self, n: int) -> Student:
        """Exact properties of the experiment."""
        from sims.exact import Student, Welch

        if self.test == "welch":
            return Welch(self.two_arm(n), self.tail, self.level / 2.0)
        return Student(self.two_arm(n))


def _noncentral_quantile(tail: float, df: int, ncp: float) -> float:
    from sims.exact import t_tail
    from sims.search import solve_increasing

    return solve_increasing(lambda c: -float(t_tail(c, df, ncp)), -tail, ncp + 5.0)
