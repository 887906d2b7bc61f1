"""Chances of success of a decay experiment, exact or simulated, and the sizes it needs."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.decay_designs import DecayDesign, Truths
from planner.long_runs import run_kept
from planner.results import performance_row

if TYPE_CHECKING:
    from sims.types import Performance

# What a question's success is called among the sums of a trial.
_SUCCESS = {"decay": "upper", "residual": "upper", "gone": "within", "half-life": "short",
            "shape": "unfit"}  # fmt: skip


# Sizes of a simulated search: a run of many sizes costs little more than its largest.
_COARSE = (
    (4, 7, 11, 16),
    (23, 33, 48),
    (70, 100, 145, 210),
    (300, 440, 640, 1000),
)


def _crossing(known: dict[int, float], goal: float) -> int | None:
    """Smallest n that reaches the goal on the line between simulated sizes; None beyond them."""
    sizes = sorted(known)
    for before, n in pairwise(sizes):
        if known[before] < goal <= known[n]:
            share = (goal - known[before]) / (known[n] - known[before])
            return math.ceil(before + share * (n - before) - 1e-9)
    return sizes[0] if known[sizes[0]] >= goal else None


class Answers:
    """What one design answers; simulated counts are kept, so that a search asks only once."""

    def __init__(self, design: DecayDesign, reps: int, seed: int, jobs: int = 1) -> None:
        self.design, self.reps, self.seed, self.jobs = design, reps, seed, jobs
        self._kept: dict[tuple[Any, ...], np.ndarray] = {}

    def gains(self, question: str, truth: Truths) -> np.ndarray:
        """Contrast (J,) of each truth's curve with delta0 = 1."""
        from sims.decay import curve

        curves = curve(self.design.times, truth.half_life, truth.shape)
        return np.asarray(curves @ self.design.weights(question))

    # Exact -----------------------------------------------------------------------------------

    def exact(self, question: str, truth: Truths, n: int) -> tuple[float, float] | None:
        """Chance of success, and of a significant result in the other direction; None: unknown.

        The other direction of `gone` does not exist: 0.
        """
        from sims.longitudinal import contrast_chances, equivalence_chance

        design = self.design
        if not design.exact(question) or (design.response_cv > 0.0 and len(truth.delta0) > 1):
            return None
        test = design.contrast_test(question, n)
        gains = self.gains(question, truth)
        if question == "gone":
            chance = equivalence_chance(test, truth.delta0, truth.tau, gains)
            return float(np.mean(chance)), 0.0
        upper, lower = contrast_chances(test, truth.delta0, truth.tau, gains)
        return float(np.mean(upper)), float(np.mean(lower))

    def ceiling(self, question: str, truth: Truths) -> float:
        """Limit of the chance of success as n grows."""
        from scipy.special import ndtr

        exists = (truth.half_life > 0.0) & np.isfinite(truth.half_life)
        if question == "half-life":
            return float(np.mean(exists))
        if question == "shape":
            return 1.0 if truth.shape != "exponential" else self.design.arms.level
        gains, margin = self.gains(question, truth), self.design.margin(question)
        mean, sd = truth.delta0 * gains, np.abs(truth.tau * gains)
        with np.errstate(divide="ignore", invalid="ignore"):
            above = np.where(sd > 0.0, (mean - margin) / sd, np.sign(mean - margin) * math.inf)
            below = np.where(sd > 0.0, (-margin - mean) / sd, np.sign(-margin - mean) * math.inf)
        if question == "gone":
            return float(np.mean(1.0 - ndtr(above) - ndtr(below)))
        if not self.design.tested_sides[0]:
            return 0.0
        tail = self.design.arms.tail
        at_margin = (sd == 0.0) & (mean == margin)
        return float(np.mean(np.where(at_margin, tail, ndtr(above))))

    # Simulated -------------------------------------------------------------------------------

    def counts(
        self, question: str, truth: Truths, sizes: Sequence[int], reps: int | None = None
    ) -> np.ndarray:
        """Sums (sizes, ...) over replicates, see `sums_of`."""
        reps = self.reps if reps is None else reps
        key = (question, truth.shape, truth.delta0.tobytes(), truth.tau.tobytes(),
               truth.half_life.tobytes(), reps)  # fmt: skip
        missing = [n for n in sizes if (*key, n) not in self._kept]
        if missing:
            run = self._contrasts if self._scalar(question) else self._trials
            for n, row in zip(missing, run(question, truth, missing, reps), strict=True):
                self._kept[*key, n] = row
        return np.array([self._kept[*key, n] for n in sizes])

    def _scalar(self, question: str) -> bool:
        """Whether a question's contrast alone is drawn."""
        return self.design.exact(question)

    def _contrasts(
        self, question: str, truth: Truths, sizes: Sequence[int], reps: int
    ) -> np.ndarray:
        from sims.chi import inverse_sd_tables
        from sims.lanes.decay import N_SUMS
        from sims.lanes.decay_contrasts import tally_contrasts
        from sims.streams import scenario_key
        from sims.tally import KernelTally

        tests = [self.design.contrast_test(question, n) for n in sizes]
        if self.design.response_cv > 0.0:
            dfs = [n - 1.0 for test in tests for n in (test.n1, test.n2)]
        else:
            dfs = [test.df for test in tests]
        rows, tables = np.array(tests, dtype=float), inverse_sd_tables(np.array(dfs))
        delta0, tau = np.array(truth.delta0, dtype=float), np.array(truth.tau, dtype=float)
        tally = KernelTally(
            tally_contrasts, self.seed, scenario_key("decay"), delta0, tau,
            self.gains(question, truth), rows, tables,
        )  # fmt: skip
        out = np.zeros((len(sizes), N_SUMS))
        out[:, :3] = run_kept(tally, reps, (len(sizes), 3), self.jobs)
        return out

    def _trials(self, question: str, truth: Truths, sizes: Sequence[int], reps: int) -> np.ndarray:
        from sims.decay import curve
        from sims.decay_trials import run_trials
        from sims.lanes.decay import Truths as Numbers

        groups = np.array([self.design.arms.groups(n) for n in sizes])
        order = np.argsort(groups[:, 0], kind="stable")
        trial, criticals = self.design.trial(question, groups[order])
        numbers = Numbers(
            truth.delta0, truth.tau, truth.half_life,
            curve(self.design.times, truth.half_life, truth.shape),
        )  # fmt: skip
        sums = run_trials(
            trial, numbers, groups[order], criticals, reps, self.seed, "decay", self.jobs, run_kept
        )
        return np.asarray(sums[np.argsort(order)])

    def chance(
        self, question: str, truth: Truths, n: int, reps: int | None = None
    ) -> tuple[float, float]:
        """Chance of success and its Monte Carlo standard error, 0 where it is exact."""
        exact = self.exact(question, truth, n)
        if exact is not None:
            return exact[0], 0.0
        from sims.lanes.decay import SUMS

        reps = self.reps if reps is None else reps
        share = self.counts(question, truth, [n], reps)[0][SUMS.index(_SUCCESS[question])] / reps
        return float(share), math.sqrt(share * (1.0 - share) / reps)

    # Required sizes --------------------------------------------------------------------------

    def required(
        self, question: str, truth: Truths, goal: float, reps: int | None = None
    ) -> tuple[int | None, int | None, int | None]:
        """Smallest n whose chance of success reaches the goal, and its 95% interval.

        The interval is None where n is exact. None beyond 1000 per group where it is simulated.
        """
        if goal >= self.ceiling(question, truth):
            return None, None, None
        least = self.design.least_n(question)
        if self.exact(question, truth, least) is None:
            return self._simulated_n(question, truth, goal, least, reps)
        return self._exact_n(question, truth, goal, least)

    def _exact_n(
        self, question: str, truth: Truths, goal: float, least: int
    ) -> tuple[int | None, int | None, int | None]:
        from sims.search import smallest_n

        def success(n: int) -> float:
            exact = self.exact(question, truth, n)
            assert exact is not None
            return exact[0]

        n = smallest_n(success, goal, least, 8)
        if n is None or len(truth.delta0) == 1:
            return n, None, None
        se = self._draws_se(question, truth, n)
        low = smallest_n(success, max(1e-9, goal - 1.96 * se), least, n)
        ceiling = self.ceiling(question, truth)
        above = goal + 1.96 * se
        return n, low, None if above >= ceiling else smallest_n(success, above, least, n)

    def _simulated_n(
        self, question: str, truth: Truths, goal: float, least: int, reps: int | None
    ) -> tuple[int | None, int | None, int | None]:
        """From runs of many sizes at once: first a coarse range of sizes, then all within a gap."""
        reps = self.reps if reps is None else reps
        half = 1.96 * math.sqrt(goal * (1.0 - goal) / reps)
        known: dict[int, float] = {}

        def run(sizes: Sequence[int]) -> None:
            shares = self._shares(question, truth, sizes, reps)
            known.update(zip(sizes, shares, strict=True))

        for coarse in _COARSE:
            run(sorted({max(n, least) for n in coarse}))
            if max(known.values()) >= min(0.999, goal + half):
                break
        if max(known.values()) < goal:
            return None, None, None
        while True:
            n = min(m for m, share in known.items() if share >= goal)
            below = max((m for m in known if m < n), default=n - 1)
            if below == n - 1 or n == least:
                break
            step = -(-(n - below) // 6)
            run(list(range(below + step, n, step)) or list(range(below + 1, n)))
        low = _crossing(known, goal - half)
        return n, n if low is None else min(n, low), _crossing(known, goal + half)

    def _shares(self, question: str, truth: Truths, sizes: Sequence[int], reps: int) -> list[float]:
        from sims.lanes.decay import SUMS

        sums = self.counts(question, truth, sizes, reps)
        return [float(x) / reps for x in sums[:, SUMS.index(_SUCCESS[question])]]

    def _draws_se(self, question: str, truth: Truths, n: int) -> float:
        """Standard error of an exact chance because the truths are a sample of draws."""
        from sims.longitudinal import contrast_chances, equivalence_chance

        test, gains = self.design.contrast_test(question, n), self.gains(question, truth)
        if question == "gone":
            chances = equivalence_chance(test, truth.delta0, truth.tau, gains)
        else:
            chances = contrast_chances(test, truth.delta0, truth.tau, gains)[0]
        return float(np.std(chances) / math.sqrt(len(chances)))

    # Rows ------------------------------------------------------------------------------------

    def rows(
        self, question: str, truth: Truths, sizes: Sequence[int], reps: int
    ) -> list[dict[str, Any]]:
        """Performance rows of one question and truth at every size."""
        from sims.lanes.decay import SUMS
        from sims.performance import mean, proportion

        sizes = [n for n in sizes if n >= self.design.least_n(question)]
        found = []
        for n, sums in zip(sizes, self.counts(question, truth, sizes, reps), strict=True):
            s = dict(zip(SUMS, (float(x) for x in sums), strict=True))
            failed = int(s["failed"])
            exact = self.exact(question, truth, n)
            hits = s[_SUCCESS[question]]
            measures: list[tuple[Performance, float | None]] = [
                (proportion("success", hits, reps, failed), None if exact is None else exact[0])
            ]
            if question in ("decay", "residual"):
                both = None if exact is None else exact[0] + exact[1]
                measures.append((proportion("power", hits + s["lower"], reps, failed), both))
            if question == "half-life":
                measures.append((proportion("coverage", s["covered"], reps, failed), None))
                measures.append((proportion("unbounded", s["unbounded"], reps, failed), None))
                estimable = int(s["estimable"])
                missing = reps - estimable
                measures.append(
                    (mean("bias", s["log_error"], s["log_error_sq"], estimable, missing), None)
                )
            found += [self._row(m, value, question, truth, n) for m, value in measures]
        return found

    def type_i(
        self, question: str, truth: Truths, sizes: Sequence[int], reps: int
    ) -> list[dict[str, Any]]:
        """Rows of the error rate where there is nothing to find, at the planned first effect.

        decay: nothing decays. residual, gone: the effect lies on the margin. shape: the decay is
        exponential. half-life has no null: its coverage stands beside success.
        """
        from sims.lanes.decay import SUMS
        from sims.performance import proportion

        if question == "half-life":
            return []
        delta0, half_life = float(truth.delta0[0]), float(truth.half_life[0])
        margin = self.design.margin(question)
        if question == "decay":
            null = Truths.point("null", delta0, 0.0, math.inf)
            if margin > 0.0:
                lost = 1.0 - 2.0 ** (-(self.design.times[-1] - self.design.times[0]) / half_life)
                start = 2.0 ** (-self.design.times[0] / half_life)
                null = Truths.point("null", margin / (lost * start), 0.0, half_life)
        elif question == "shape":
            null = Truths.point("null", delta0, 0.0, half_life)
        else:
            left = 2.0 ** (-self.design.times[-1] / half_life)
            null = Truths.point("null", margin / left, 0.0, half_life)
        sizes = [n for n in sizes if n >= self.design.least_n(question)]
        rows = []
        for n, sums in zip(sizes, self.counts(question, null, sizes, reps), strict=True):
            s = dict(zip(SUMS, (float(x) for x in sums), strict=True))
            exact = self.exact(question, null, n)
            hits = s[_SUCCESS[question]]
            hits += s["lower"] if question in ("decay", "residual") else 0.0
            m = proportion("type_i", hits, reps, int(s["failed"]))
            value = None if exact is None else exact[0] + exact[1]
            rows.append(self._row(m, value, question, truth, n))
        return rows

    def _row(
        self, measure: Performance, exact: float | None, question: str, truth: Truths, n: int
    ) -> dict[str, Any]:
        design = self.design
        n1, n2 = design.arms.groups(n)
        return performance_row(
            {**measure._asdict(), "exact": exact}, truth=truth.name, n=n, n1=n1, n2=n2,
            question=question, contrast=design.contrast if question == "decay" else None,
            times=list(design.times), rho=design.rho, shape=truth.shape,
        )  # fmt: skip
