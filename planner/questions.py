"""Exact answers about a two-arm design: required sizes, ceilings, the smallest effect found."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.results import performance_row

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.designs import Design
    from planner.published import Analysis
    from sims.exact import Student


DISCOUNT = 0.25  # what the literature may flatter by, where selection is not modelled
TRIVIAL_N = 3  # a test against zero that needs no more is no plan


@dataclass(frozen=True, eq=False)
class Truth:
    """Equally likely truths (mu, tau), benefit positive, under one name."""

    name: str
    mu: np.ndarray
    tau: np.ndarray

    @classmethod
    def point(cls, name: str, mu: float, tau: float) -> Truth:
        return cls(name, np.array([float(mu)]), np.array([float(tau)]))

    def shrunk(self, share: float) -> Truth:
        """The same with mean effects smaller by a share; laboratories differ as before."""
        return Truth(self.name, self.mu * (1.0 - share), self.tau)

    def success(self, test: Student) -> float:
        """Exact P(significant for benefit)."""
        return float(np.mean(test.benefit(self.mu, self.tau**2)))

    def harm(self, test: Student) -> float:
        """Exact P(significant against benefit)."""
        return float(np.mean(test.harm(self.mu, self.tau**2)))

    def draws_se(self, test: Student) -> float | None:
        """Standard error of `success` because the truths are a sample of draws."""
        if len(self.mu) == 1:
            return None
        return float(np.std(test.benefit(self.mu, self.tau**2)) / math.sqrt(len(self.mu)))

    def ceiling(self, design: Design, test: Student) -> float:
        """Limit of `success` as n grows: the chance that theta exceeds the margin."""
        from scipy.special import ndtr

        if math.isinf(test.design.upper):
            return 0.0
        beyond = self.mu - (design.sesoi or 0.0)
        with np.errstate(divide="ignore", invalid="ignore"):
            score = np.where(self.tau > 0.0, beyond / self.tau, np.sign(beyond) * np.inf)
        # At theta equal to the margin the test rejects at its own level.
        limit = np.where((self.tau == 0.0) & (beyond == 0.0), design.tail, ndtr(score))
        return float(np.mean(limit))


class Questions:
    """Exact answers about one design: required sizes, ceilings, the smallest effect found."""

    def __init__(
        self,
        design: Design,
        truths: list[Truth],
        calibration: Calibration | None,
        analysis: Analysis | None,
        discounted: Truth | None = None,
    ) -> None:
        self.design = design
        self.discounted = discounted  # what if the literature flatters?
        self.truths = {truth.name: truth for truth in truths}
        self.calibration, self.analysis = calibration, analysis
        self.exact = cache(design.exact)

    def required(
        self, targets: Sequence[float], shares: Sequence[float], plan_for: str
    ) -> list[dict[str, Any]]:
        """Rows of required n, for every truth, target and share of shrinkage."""
        rows = []
        for goal in targets:
            for truth in self.truths.values():
                for share in shares if truth.name != "discounted" else ():  # has a row below
                    if truth.name != "assurance" or share == 0.0 or plan_for == "assurance":
                        rows.append(self._required_row(goal, truth.shrunk(share), share))
            for named, truth in self._named_truths().items():
                rows.append(self._required_row(goal, truth, 0.0, named))
            if self.discounted is not None:
                rows.append(self._required_row(goal, self.discounted, 0.0))
        return rows

    def _named_truths(self) -> dict[str, Truth]:
        if self.analysis is None or self.calibration is None:
            return {}
        g = self.analysis.g.number
        named = {"as-printed": Truth.point("as-printed", g, 0.0)}
        if self.calibration.mu > 3.0:
            mu = self.calibration.mu / math.sqrt(self.analysis.sizes.median)
            named["se-read-as-sd"] = Truth.point("se-read-as-sd", mu, 0.0)
        return named

    def _required_row(
        self, goal: float, truth: Truth, share: float, name: str | None = None
    ) -> dict[str, Any]:
        n = self.smallest_n(truth, goal)
        low, high = self._interval(truth, goal, n)
        ceiling = truth.ceiling(self.design, self.exact(2))
        return {
            "target": goal, "truth": name or truth.name, "measure": "success", "shrink": share,
            "question": None, "n": n, "ci_lb": low, "ci_ub": high, "reached": n is not None,
            "ceiling": ceiling, "animals": None if n is None else self.design.animals(n),
            "ordered": None if n is None else self.design.ordered(n), "recommended": False,
        }  # fmt: skip

    def trivial(self, goal: float) -> bool:
        """Whether a test against zero needs so few animals that it tests nothing."""
        if self.design.sesoi is not None:
            return False
        mean = next(iter(self.truths.values())).mu
        n = self.smallest_n(Truth.point("mean", float(mean[0]), 0.0), max(goal, 0.8))
        return n is not None and n <= TRIVIAL_N

    def smallest_n(self, truth: Truth, goal: float, guess: int | None = None) -> int | None:
        """Smallest n per treated group whose exact chance of success reaches the goal."""
        from sims.search import smallest_n

        if goal >= truth.ceiling(self.design, self.exact(2)):
            return None
        if guess is None:
            guess = smallest_n(lambda n: self._rough_success(truth, n), goal, 2, 8)
        if guess is None:
            return None
        return smallest_n(lambda n: truth.success(self.exact(n)), goal, 2, guess)

    def _rough_success(self, truth: Truth, n: int) -> float:
        """Normal approximation, to start the exact search close to its end."""
        from scipy.special import ndtr

        row = self.exact(n).design
        df = row.n1 + row.n2 - 2.0
        sd = np.sqrt(row.se**2 * (1.0 + 2.0 / df) + truth.tau**2)
        critical = row.se * (2.0 if self.design.test == "welch" else row.upper)
        return float(np.mean(ndtr((truth.mu - row.margin - critical) / sd)))

    def _interval(self, truth: Truth, goal: float, n: int | None) -> tuple[int | None, int | None]:
        """95% interval of a required n that rests on a sample of draws."""
        if n is None or len(truth.mu) == 1:
            return None, None
        se = truth.draws_se(self.exact(n)) or 0.0
        low = self.smallest_n(truth, max(1e-9, goal - 1.96 * se), n)
        return low, self.smallest_n(truth, min(1.0 - 1e-9, goal + 1.96 * se), n)

    def mde(self, n: int, goal: float) -> dict[str, Any]:
        """Smallest true effect of the laboratory found with the goal's chance, in SDs."""
        from sims.search import solve_increasing

        test = self.exact(n)
        if math.isinf(test.design.upper):
            value = None
        else:
            value = solve_increasing(lambda delta: float(test.benefit(delta)), goal, 2.0)
        n1, n2 = self.design.groups(n)
        measure = {"measure": "mde", "value": value, "exact": value}
        return performance_row(measure, n=n, n1=n1, n2=n2, target=goal)
