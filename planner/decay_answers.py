"""Chances of success of a decay experiment, exact or simulated, and the sizes it needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.decay_designs import DecayDesign, Truths
from planner.decay_sizes import MOST, Found, rough_size, simulated_size, sure_size
from planner.outer_draws import N_GROUPS, group_measures, half_width, run_groups
from planner.outer_draws import Found as Measures
from planner.progress import Work
from planner.results import performance_row

if TYPE_CHECKING:
    from sims.tally import KernelTally
    from sims.types import Performance

# What a question's success is called among the sums of a trial.
_SUCCESS = {"decay": "upper", "residual": "upper", "gone": "within", "half-life": "short",
            "shape": "unfit"}  # fmt: skip
# Replicates from which on it matters that truths are a sample: they are simulated in groups of
# draws, see `planner.outer_draws`. Fewer replicates have the larger error by themselves.
_GROUPED = 2000
# Replicates of a first, rough search for a size, as a share; its random numbers are the same.
_PILOT, _LEAST_PILOT = 0.1, 200

# A tally of some of the truths with its random numbers' names, its sums, how a run is cut.
_Work = tuple[Callable[[np.ndarray, tuple[object, ...]], "KernelTally"], int, dict[str, int]]


class Answers:
    """What one design answers; simulated counts are kept, so that a search asks only once."""

    def __init__(
        self, design: DecayDesign, reps: int, seed: int, jobs: int = 1, work: Work | None = None
    ) -> None:
        self.design, self.reps, self.seed, self.jobs = design, reps, seed, jobs
        self.work = work or Work()
        self._kept: dict[tuple[Any, ...], tuple[np.ndarray, list[int]]] = {}

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
            # Of a benefit: not where the laboratory's effect is reversed.
            with np.errstate(divide="ignore", invalid="ignore"):
                score = np.where(truth.tau > 0.0, truth.delta0 / truth.tau,
                                 np.sign(truth.delta0) * math.inf)  # fmt: skip
            return float(np.mean(exists * ndtr(score)))
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
        """Sums (sizes, ...) over replicates, see `sims.lanes.decay.SUMS`."""
        return np.array([own.sum(axis=0) for own, _ in self._groups(question, truth, sizes, reps)])

    def _groups(
        self, question: str, truth: Truths, sizes: Sequence[int], reps: int | None = None
    ) -> list[tuple[np.ndarray, list[int]]]:
        """For each size the sums (groups, ...) of groups of draws, and each group's replicates."""
        reps = self.reps if reps is None else reps
        key = (question, truth.shape, truth.delta0.tobytes(), truth.tau.tobytes(),
               truth.half_life.tobytes(), reps)  # fmt: skip
        missing = sorted({n for n in sizes if (*key, n) not in self._kept})
        if missing:
            sums, counts = self._run(question, truth, missing, reps)
            for i, n in enumerate(missing):
                self._kept[*key, n] = sums[:, i], counts
        return [self._kept[*key, n] for n in sizes]

    def _run(
        self, question: str, truth: Truths, sizes: Sequence[int], reps: int
    ) -> tuple[np.ndarray, list[int]]:
        from sims.lanes.decay import N_SUMS

        scalar = self.design.exact(question)  # its contrast alone is drawn
        tally, n_sums, cut = (self._contrasts if scalar else self._trials)(question, truth, sizes)
        n_truths = len(truth.delta0)
        if reps < _GROUPED:
            tally_all = tally(np.arange(n_truths), ())
            tally, n_truths = lambda own, words: tally_all, 1
        if n_truths > 1 and cut:
            cut = {**cut, "chunk": max(1, cut["chunk"] // N_GROUPS)}
        shape = (len(sizes), n_sums)
        sums, counts = run_groups(tally, n_truths, reps, shape, self.jobs, self.work.part(), **cut)
        out = np.zeros((len(counts), len(sizes), N_SUMS))
        out[..., :n_sums] = sums
        return out, counts

    def _contrasts(self, question: str, truth: Truths, sizes: Sequence[int]) -> _Work:
        from sims.chi import inverse_sd_tables
        from sims.lanes.decay_contrasts import CONTRAST_SUMS, tally_contrasts
        from sims.streams import scenario_key
        from sims.tally import KernelTally

        tests = [self.design.contrast_test(question, n) for n in sizes]
        if self.design.response_cv > 0.0:
            dfs = [n - 1.0 for test in tests for n in (test.n1, test.n2)]
        else:
            dfs = [test.df for test in tests]
        rows, tables = np.array(tests, dtype=float), inverse_sd_tables(np.array(dfs))
        numbers = [np.array(x, dtype=float)
                   for x in (truth.delta0, truth.tau, self.gains(question, truth))]  # fmt: skip

        def tally(own: np.ndarray, words: tuple[object, ...]) -> KernelTally:
            key = scenario_key("decay", *words)
            return KernelTally(
                tally_contrasts, self.seed, key, *(x[own] for x in numbers), rows, tables
            )

        return tally, len(CONTRAST_SUMS), {}

    def _trials(self, question: str, truth: Truths, sizes: Sequence[int]) -> _Work:
        from sims.decay import curve
        from sims.decay_trials import CUT, trial_tally
        from sims.lanes.decay import N_SUMS
        from sims.lanes.decay import Truths as Numbers

        groups = np.array([self.design.arms.groups(n) for n in sizes])
        trial, criticals = self.design.trial(question, groups)
        curves = curve(self.design.times, truth.half_life, truth.shape)
        numbers = (truth.delta0, truth.tau, truth.half_life, curves)

        def tally(own: np.ndarray, words: tuple[object, ...]) -> KernelTally:
            some = Numbers(*(x[own] for x in numbers))
            return trial_tally(trial, some, groups, criticals, self.seed, "decay", *words)

        return tally, N_SUMS, CUT

    def chance(
        self, question: str, truth: Truths, n: int, reps: int | None = None
    ) -> tuple[float, float]:
        """Chance of success and its Monte Carlo standard error, 0 where it is exact."""
        exact = self.exact(question, truth, n)
        if exact is not None:
            return exact[0], 0.0
        return self._simulated(question, truth, [n], self.reps if reps is None else reps)[0]

    def _simulated(
        self, question: str, truth: Truths, sizes: Sequence[int], reps: int
    ) -> list[tuple[float, float]]:
        """Simulated chance of success and its standard error, draws included, at each size."""
        from sims.lanes.decay import SUMS
        from sims.performance import proportion

        place = SUMS.index(_SUCCESS[question])

        def measures_of(sums: np.ndarray, count: int) -> Measures:
            return [(proportion("success", float(sums[place]), count), {})]

        found = []
        for sums, counts in self._groups(question, truth, sizes, reps):
            measure, _ = group_measures(measures_of, sums, counts)[0]
            found.append((measure.value, measure.mcse))
        return found

    # Required sizes --------------------------------------------------------------------------

    def required(
        self, question: str, truth: Truths, goal: float, near: int | None = None,
        most: int = MOST,
    ) -> Found:  # fmt: skip
        """Smallest n whose chance of success reaches the goal, and its 95% interval.

        The interval is None where n is exact. None beyond 1000 per group where it is simulated.

        near : a size not far from it, if one is known, where a simulated search begins
        most : about how far a simulated search goes
        """
        if goal >= self.ceiling(question, truth):
            return None, None, None
        least = self.design.least_n(question)
        if self.exact(question, truth, least) is None:
            return self._simulated_n(question, truth, goal, least, near, most)
        return self._exact_n(question, truth, goal, least)

    def surely(self, question: str, truth: Truths, goal: float, near: int) -> int | None:
        """Smallest n whose simulated chance reaches the goal with 95% confidence."""
        chances = partial(self._simulated, question, truth, reps=self.reps)
        half = partial(self._half, truth, goal)
        return sure_size(chances, goal, self.design.least_n(question), near, half)

    def _half(self, truth: Truths, goal: float, error: float) -> float:
        # Truths that are draws add to the error of replicates.
        return half_width(goal, self.reps, None if len(truth.delta0) == 1 else error)

    def _exact_n(self, question: str, truth: Truths, goal: float, least: int) -> Found:
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
        self, question: str, truth: Truths, goal: float, least: int, near: int | None, most: int
    ) -> Found:
        if near is None:
            pilot = min(self.reps, max(_LEAST_PILOT, int(_PILOT * self.reps)))
            chances = partial(self._simulated, question, truth, reps=pilot)
            near = rough_size(chances, goal, least)
            if near is None:
                return None, None, None
        chances = partial(self._simulated, question, truth, reps=self.reps)
        return simulated_size(chances, goal, least, near, partial(self._half, truth, goal), most)

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
        sizes = [n for n in sizes if n >= self.design.least_n(question)]
        found = []
        for n, (sums, counts) in zip(
            sizes, self._groups(question, truth, sizes, reps), strict=True
        ):
            measures_of = partial(self._measures, question, self.exact(question, truth, n))
            for measure, columns in group_measures(measures_of, sums, counts):
                found.append(self._row(measure, columns.get("exact"), question, truth, n))
        return found

    def _measures(
        self, question: str, exact: tuple[float, float] | None, sums: np.ndarray, reps: int
    ) -> Measures:
        from sims.lanes.decay import SUMS
        from sims.performance import mean, proportion

        s = dict(zip(SUMS, (float(x) for x in sums), strict=True))
        failed = int(s["failed"])
        hits = s[_SUCCESS[question]]
        found: Measures = [(proportion("success", hits, reps, failed), {})]
        if question in ("decay", "residual"):
            found.append((proportion("power", hits + s["lower"], reps, failed), {}))
        if question == "half-life":
            found.append((proportion("coverage", s["covered"], reps, failed), {}))
            found.append((proportion("unbounded", s["unbounded"], reps, failed), {}))
            estimable = int(s["estimable"])
            error = mean("bias", s["log_error"], s["log_error_sq"], estimable, reps - estimable)
            found.append((error, {}))
        if exact is not None:
            found[0][1]["exact"] = exact[0]
            if len(found) > 1:
                found[1][1]["exact"] = exact[0] + exact[1]
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
