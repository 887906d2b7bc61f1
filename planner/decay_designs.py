"""An experiment on the decay of an effect: its days, its animals, its questions and their tests."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.designs import Design
from planner.errors import InputError, unknown

if TYPE_CHECKING:
    from sims.lanes.decay import Criticals, Trial
    from sims.longitudinal import ContrastTest

QUESTIONS = ("decay", "residual", "half-life", "shape", "gone")
ONE_DAY = ("residual", "gone")  # questions about the last day alone
CONTRASTS = ("first-last", "linear", "optimal")
COVARIANCES = ("cs", "ar1")
TESTS = ("contrast", "cs-pooled", "reml")
LAYOUTS = ("repeated", "cohorts")
LOSSES = ("random", "response")
GONE_MARGIN = 1.0  # SDs within which an effect counts as gone, unless --sesoi says otherwise
MOST_DAYS = 12
LAST_DAY = 1000.0


@dataclass(frozen=True, kw_only=True)
class Truths:
    """Equally likely truths under one name: delta0 ~ N(delta0, tau^2) and a half-life, (J,)."""

    name: str
    delta0: np.ndarray
    tau: np.ndarray
    half_life: np.ndarray
    shape: str = "exponential"

    @classmethod
    def point(cls, name: str, delta0: float, tau: float, half_life: float) -> Truths:
        return cls(name=name, delta0=np.array([delta0]), tau=np.array([tau]),
                   half_life=np.array([half_life]))  # fmt: skip

    def shrunk(self, share: float) -> Truths:
        """The same with mean effects smaller by a share; laboratories differ as before."""
        return Truths(name=self.name, delta0=self.delta0 * (1.0 - share), tau=self.tau,
                      half_life=self.half_life, shape=self.shape)  # fmt: skip

    def shaped(self, shape: str) -> Truths:
        """The same under another shape of decay, half left at the same day."""
        return Truths(name=self.name, delta0=self.delta0, tau=self.tau, half_life=self.half_life,
                      shape=shape)  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class DecayDesign:
    """Everything about a decay experiment but its size.

    Parameters
    ----------
    times : days after the end of treatment, ascending
    rho, covariance, error : correlation of two measurements of an animal seven days apart, how it
        falls with the lag, and the share of the variance that is measurement error (ar1)
    layout : the same animals on every day, or separate cohorts per day
    test : contrast (each animal's contrast of days, any covariance; with losses REML of an
        unstructured covariance), cs-pooled (for `decay`: a random intercept), or reml (of the
        named covariance, which both groups must share)
    contrast : of `decay`
    dropout, dropout_by : share of control animals lost by the last day, and what it depends on;
        a contrast's t then has the animals on its last day less 2 as degrees of freedom, which is
        exact where all are kept and an approximation otherwise: type I is shown
    response_cv : coefficient of variation of the individual effects
    factor : largest upper / lower of a half-life's interval that answers `half-life`
    curve : (delta0, half-life) for which the contrast is planned; it stays fixed when the truth
        varies
    arms : sides, levels, allocation, attrition, sesoi

    Raises
    ------
    InputError : a value out of range, or a combination that has no test.
    """

    times: tuple[float, ...] = (0.0, 7.0, 14.0, 24.0)
    rho: float = 0.5
    covariance: str = "cs"
    error: float = 0.0
    layout: str = "repeated"
    test: str = "contrast"
    contrast: str = "first-last"
    dropout: float = 0.0
    dropout_by: str = "random"
    response_cv: float = 0.0
    factor: float = 2.0
    curve: tuple[float, float] = (1.0, 12.0)
    arms: Design = field(default_factory=Design)

    def __post_init__(self) -> None:
        for kind, value, names in (
            ("--contrast", self.contrast, CONTRASTS),
            ("--covariance", self.covariance, COVARIANCES),
            ("--test", self.test, TESTS), ("--layout", self.layout, LAYOUTS),
            ("--dropout-by", self.dropout_by, LOSSES),
        ):  # fmt: skip
            if value not in names:
                raise unknown(kind, value, names)
        self._check_times()
        self._check_correlation()
        if not 0.0 <= self.dropout <= 0.9:
            raise InputError(f"--dropout {self.dropout:g}; accepted: 0 to 0.9")
        if not 0.0 <= self.response_cv <= 2.0:
            raise InputError(f"--response-cv {self.response_cv:g}; accepted: 0 to 2")
        if not 1.0 < self.factor <= 1000.0:
            raise InputError(f"--factor {self.factor:g}; accepted: above 1, such as 2")
        if self.layout == "cohorts" and (self.dropout > 0.0 or self.test != "contrast"):
            raise InputError(
                "--layout cohorts measures an animal once: no --dropout, --test contrast only"
            )
        if self.test == "reml" and self.response_cv > 0.0:
            raise InputError(
                "--test reml takes both groups to have the same covariance: no --response-cv"
            )
        if self.arms.margin != "raw":
            raise InputError("--margin standardized: decay has raw margins only")

    def _check_times(self) -> None:
        check_days(self.times)
        if len(self.times) > MOST_DAYS:
            raise InputError(f"--times has {len(self.times)} days; accepted: up to {MOST_DAYS}")

    def _check_correlation(self) -> None:
        if self.covariance == "cs":
            low = -1.0 / max(1, len(self.times) - 1)
            if not low < self.rho < 1.0:
                raise InputError(
                    f"--rho {self.rho:g}; accepted with {len(self.times)} days: above {low:.3g} "
                    "and below 1"
                )
            if self.error != 0.0:
                raise InputError("--error needs --covariance ar1")
            return
        if not 0.0 <= self.error < 1.0:
            raise InputError(f"--error {self.error:g}; accepted: 0 to below 1")
        if not 0.0 <= self.rho < 1.0 - self.error:
            raise InputError(
                f"--rho {self.rho:g}; accepted with ar1: 0 to below {1.0 - self.error:g}, which is "
                "1 less --error"
            )

    def check_question(self, question: str) -> None:
        """Whether these days can answer a question.

        Raises
        ------
        InputError : an unknown question, or too few days for it.
        """
        if question not in QUESTIONS:
            raise unknown("--question", question, QUESTIONS)
        least = {"decay": 2, "half-life": 2, "shape": 3}.get(question, 1)
        if len(self.times) < least:
            raise InputError(
                f"--question {question} needs {least} days or more; --times has {len(self.times)}"
            )
        if question == "decay" and self.arms.sesoi is not None and self.contrast != "first-last":
            raise InputError("--sesoi for decay is in SDs lost: use --contrast first-last")
        if question == "gone" and self.arms.sesoi == 0.0:
            raise InputError("--sesoi 0: gone needs a margin above 0")

    # What is measured ------------------------------------------------------------------------

    def analysis_of(self, question: str) -> str:
        """Name of the analysis of one question, see `sims.lanes.decay.ANALYSES`.

        One day is compared by the two-sample t of that day. Of separate cohorts, too: other
        days' animals say nothing about it, and would bring in their own variance where individual
        responses differ. Where animals are lost, each analysis becomes the REML fit that it is
        on complete data: what it says tends to the complete data's as losses tend to none.
        """
        if self.layout == "cohorts":
            return "contrast" if question in ONE_DAY else "cohorts"
        if self.test == "reml":
            return "reml"
        pooled = self.test == "cs-pooled" and question == "decay"
        if self.dropout > 0.0:
            return "reml" if pooled else "monotone"
        return "cs-pooled" if pooled else "contrast"

    @cached_property
    def sigma(self) -> np.ndarray:
        """Covariance of the measurements of one animal, or of one of each cohort."""
        from sims.longitudinal import covariance

        if self.layout == "cohorts":
            return np.eye(len(self.times))
        return np.asarray(covariance(self.times, self.rho, self.covariance, self.error))

    @cached_property
    def decay_weights(self) -> np.ndarray:
        """Contrast of the question `decay`, fixed at the planning curve."""
        from sims.decay import curve
        from sims.longitudinal import contrast

        delta0, half_life = self.curve
        planned = delta0 * curve(self.times, half_life)
        try:
            return np.asarray(contrast(self.contrast, self.times, planned, self.sigma))
        except ValueError as error:
            raise InputError(f"--contrast {self.contrast}: {error}") from None

    def weights(self, question: str) -> np.ndarray:
        """Weights of the days in a question's contrast: of `decay`, or the last day alone."""
        if question == "decay":
            return self.decay_weights
        return np.asarray(np.eye(len(self.times))[-1])

    def margin(self, question: str) -> float:
        """What a question's contrast is tested against, or within, in SDs."""
        if question == "gone":
            return GONE_MARGIN if self.arms.sesoi is None else self.arms.sesoi
        return (self.arms.sesoi or 0.0) if question in ("decay", "residual") else 0.0

    # Animals ---------------------------------------------------------------------------------

    def one_day(self, questions: Sequence[str]) -> bool:
        """Whether the last day alone answers the questions; earlier ones tell of animals lost."""
        return bool(questions) and set(questions) <= set(ONE_DAY) and self.dropout == 0.0

    def days_of_animals(self, questions: Sequence[str] = ()) -> int:
        """How many days have animals of their own; residual and gone need those of one day."""
        return len(self.times) if self.layout == "cohorts" and not self.one_day(questions) else 1

    def animals(self, n: int, questions: Sequence[str] = ()) -> int:
        """Animals analysed in all to answer the questions; n is per treated group (and cohort)."""
        return self.days_of_animals(questions) * self.arms.animals(n)

    def ordered(self, n: int, questions: Sequence[str] = ()) -> int:
        """Animals to buy, so that after attrition the groups have their size."""
        return self.days_of_animals(questions) * self.arms.ordered(n)

    def largest_n(self, animals: int, questions: Sequence[str] = ()) -> int:
        """Largest n that `animals` bought allow.

        Raises
        ------
        InputError : not even two animals per group and cohort.
        """
        days = self.days_of_animals(questions)
        if animals < self.ordered(2, questions):
            each = f" on each of {days} days" if days > 1 else ""
            raise InputError(
                f"--animals {animals} is too few: 2 per group{each} take "
                f"{self.ordered(2, questions)}"
            )
        return self.arms.largest_n(animals // days)

    def least_n(self, question: str) -> int:
        """Smallest n per group for which the question's test exists."""
        n = 2
        while True:
            nu = sum(self.arms.groups(n)) - 2
            if self.layout == "cohorts" or question in ("decay", "residual", "gone"):
                enough = n >= 3 or self.analysis_of(question) not in ("reml", "monotone")
            else:
                # The pooled covariance of the daily differences must be invertible.
                enough = nu >= len(self.times)
            if enough:
                return n
            n += 1

    # Tests -----------------------------------------------------------------------------------

    @property
    def tested_sides(self) -> tuple[bool, bool]:
        """Whether benefit, and whether harm, can be significant."""
        benefit = "greater" if self.arms.sign > 0 else "less"
        if self.arms.sides == "two":
            return True, self.arms.sesoi is None
        return self.arms.sides == benefit, self.arms.sides != benefit and self.arms.sesoi is None

    def exact(self, question: str) -> bool:
        """Whether the chance of success of a question at one truth is known in closed form."""
        analysis = self.analysis_of(question)
        if question in ("half-life", "shape") or analysis in ("reml", "monotone"):
            return False
        if analysis == "cs-pooled":
            return self.covariance == "cs" and self.response_cv == 0.0
        return analysis == "contrast" or self.response_cv == 0.0

    def contrast_test(self, question: str, n: int) -> ContrastTest:
        """The test of decay, residual or gone as numbers."""
        from sims.decay_trials import degrees_of_freedom
        from sims.exact import t_quantile
        from sims.longitudinal import ContrastTest

        n1, n2 = self.arms.groups(n)
        df = degrees_of_freedom(self.analysis_of(question), n1, n2, len(self.times))
        c = self.weights(question)
        upper, lower = math.inf, -math.inf
        if question == "gone":
            upper = float(t_quantile(self.arms.level, df))
        else:
            quantile = float(t_quantile(self.arms.tail, df))
            benefit_side, harm_side = self.tested_sides
            upper = quantile if benefit_side else math.inf
            lower = -quantile if harm_side else -math.inf
        return ContrastTest(
            float(c @ self.sigma @ c), float(n1), float(n2), df, self.margin(question), upper,
            lower, 1.0, self.response_cv,
        )  # fmt: skip

    def trial(self, question: str, sizes: np.ndarray) -> tuple[Trial, Criticals]:
        """The experiment as kernels take it, with critical values for sizes (treated, control)."""
        from sims.decay_trials import make_criticals, make_trial

        trial = make_trial(
            self.times, self.rho, self.weights(question), kind=self.covariance, error=self.error,
            fitted="cs" if self.test == "cs-pooled" else None,
            analysis=self.analysis_of(question),
            cv=self.response_cv, dropout=self.dropout, response=self.dropout_by == "response",
            margin=self.margin(question), widest=self.factor,
            curved=question in ("half-life", "shape"),
        )  # fmt: skip
        benefit_side, harm_side = self.tested_sides
        criticals = make_criticals(
            trial, sizes, upper=self.arms.tail if benefit_side else None,
            lower=self.arms.tail if harm_side else None, both=self.arms.level,
            level=self.arms.level,
        )  # fmt: skip
        return trial, criticals

    def options(self) -> dict[str, Any]:
        """The options of the command line that this design holds."""
        return {
            "times": ",".join(f"{day:g}" for day in self.times), "rho": self.rho,
            "covariance": self.covariance, "error": self.error, "layout": self.layout,
            "test": self.test, "contrast": self.contrast, "dropout": self.dropout,
            "dropout_by": self.dropout_by, "response_cv": self.response_cv, "factor": self.factor,
        }  # fmt: skip


def check_days(days: Sequence[float], option: str = "--times") -> None:
    """Refuse days that are not ascending, not 0 to 1000, or end before anything can decay.

    Raises
    ------
    InputError : names the option and the day.
    """
    text = ",".join(f"{day:g}" for day in days)
    if not days or not all(math.isfinite(day) for day in days):
        raise InputError(f"{option} {text!r}; accepted: days such as 0,7,14,24")
    for before, day in pairwise(days):
        if day == before:
            raise InputError(f"{option} {text}: day {day:g} stands there twice")
        if day < before:
            raise InputError(f"{option} {text}: {day:g} after {before:g}; accepted: ascending")
    if days[0] < 0.0 or days[-1] > LAST_DAY:
        raise InputError(f"{option} {text}; accepted: 0 to {LAST_DAY:g} days after treatment")
    if days[-1] == 0.0:
        raise InputError(f"{option} {text}: the last day is 0, before anything can decay")


def parse_days(text: str, option: str = "--times") -> list[float]:
    """``"0,7,14,24"`` or a range ``"0:28:7"`` (end included) as days, in the order typed.

    Raises
    ------
    InputError : not such a list.
    """
    accepted = f"accepted: a list such as {option} 0,7,14,24 or a range such as {option} 0:28:7"
    found: list[float] = []
    for part in text.split(","):
        try:
            bounds = [float(bound) for bound in part.split(":")]
        except ValueError:
            raise InputError(f"{option} {text!r} is not days; {accepted}") from None
        if len(bounds) == 1:
            found += bounds
            continue
        start, stop, step = (*bounds, 1.0)[:3]
        if len(bounds) > 3 or not step > 0.0 or not start <= stop <= LAST_DAY:
            raise InputError(f"{option} {text!r} is not a range of days; {accepted}")
        count = math.floor((stop - start) / step + 1e-9) + 1
        if count > 1000:
            raise InputError(f"{option} {text!r} has more than 1000 days; {accepted}")
        found += [start + i * step for i in range(count)]
    return found
