"""How simulated syntheses are made and pooled: studies, sizes, clusters, estimators, intervals."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from planner.errors import InputError, unknown
from planner.group_sizes import Sizes
from sims.names import ESTIMATORS, INTERVALS

if TYPE_CHECKING:
    from planner.published import Analysis
    from sims.types import Studies

VTYPES = ("CMA", "LS", "UB")
MOST_STUDIES = 1000
FAIR = 1.2  # a test may reject a true null hypothesis this many times alpha and count as fair


def chosen(kind: str, names: str | Iterable[str], known: Iterable[str]) -> tuple[str, ...]:
    """Names as typed, in that order, each known and once.

    Raises
    ------
    InputError : a name that does not exist, or none.
    """
    parts = names.split(",") if isinstance(names, str) else list(names)
    by_lower = {name.lower(): name for name in known}
    found = []
    for part in (str(part).strip() for part in parts):
        if part.lower() not in by_lower:
            raise unknown(kind, part, known)
        found.append(by_lower[part.lower()])
    if not found:
        raise InputError(f"no {kind} given; names that exist: {', '.join(known)}")
    return tuple(dict.fromkeys(found))


@dataclass(frozen=True, kw_only=True)
class SynthesisDesign:
    """How studies are pooled and tested.

    Parameters
    ----------
    estimators, intervals : by name, the first of each is the one that answers are about
    alpha : two-sided level of the test and of the intervals
    vtype : sampling variance of g, ``"CMA"``, ``"LS"`` or ``"UB"``

    Raises
    ------
    InputError : a value out of range or a name that does not exist.
    """

    estimators: tuple[str, ...] = ("DL", "REML")
    intervals: tuple[str, ...] = tuple(INTERVALS)
    alpha: float = 0.05
    vtype: str = "CMA"

    def __post_init__(self) -> None:
        if not 1e-9 <= self.alpha < 0.5:
            raise InputError(f"--alpha {self.alpha:g}; accepted: 0.000000001 to below 0.5")
        if self.vtype not in VTYPES:
            raise unknown("--vtype", self.vtype, VTYPES)

    @classmethod
    def named(
        cls,
        analysis: Analysis | None,
        estimator: str | Iterable[str],
        interval: str | Iterable[str],
        alpha: float,
        vtype: str | None,
    ) -> SynthesisDesign:
        """From names as typed; without `vtype` the sampling variance is the evidence's."""
        from planner.published import check_analysis

        if analysis is not None:
            check_analysis(analysis)
        return cls(
            estimators=chosen("--estimator", estimator, ESTIMATORS),
            intervals=chosen("--interval", interval, INTERVALS),
            alpha=alpha,
            vtype=vtype_of(analysis, vtype),
        )

    @property
    def codes(self) -> np.ndarray:
        """Codes of the estimators, for kernels."""
        return np.array([ESTIMATORS[name] for name in self.estimators])

    def critical(self, k: int) -> np.ndarray:
        """Rows (interval code, critical value of the interval, of the prediction interval)."""
        from scipy.special import ndtri, stdtrit

        z = float(-ndtri(self.alpha / 2.0))
        t = float(-stdtrit(k - 1.0, self.alpha / 2.0)) if k > 1 else np.nan
        rows = [(INTERVALS[name], value, value) for name in self.intervals
                for value in (z if name == "wald" else t,)]  # fmt: skip
        return np.array(rows, dtype=float)


def vtype_of(analysis: Analysis | None, vtype: str | None) -> str:
    """The sampling variance asked for, else that of the evidence's own studies, else CMA's."""
    if vtype is not None:
        return vtype
    return "CMA" if analysis is None or analysis.data is None else analysis.data.vtype


def sizes_named(text: str, analysis: Analysis | None) -> Sizes:
    """Group sizes from ``"published"`` or a range such as ``"4:12"`` (uniform).

    Raises
    ------
    InputError : not such a text, or published sizes without an analysis.
    """
    if text == "published":
        if analysis is None:
            raise InputError(
                "--mu and --tau come without group sizes; accepted: --n 8 or --sizes 4:12"
            )
        return analysis.sizes
    try:
        low, high = (int(end) for end in text.split(":"))
    except ValueError:
        raise InputError(
            f"--sizes {text!r}; accepted: published, or a range such as 4:12"
        ) from None
    try:
        return Sizes.uniform(low, high)
    except InputError as error:
        raise InputError(f"--sizes {text}: {error}") from None


def draw_plan(
    sizes: Sizes, k: int, vtype: str, labels: np.ndarray | None = None, share: float = 0.0
) -> Studies:
    """What kernels need to draw k studies of these sizes.

    Known sizes of the published studies are used as they are for a synthesis of the same k, and
    as a law for any other. Clusters beyond the published ones repeat their pattern.
    """
    from sims.syntheses import make_studies

    fixed = sizes.per_study if sizes.per_study is not None and len(sizes.per_study) == k else None
    if labels is not None:
        turn, place = np.divmod(np.arange(k), len(labels))
        labels = turn * (labels.max() + 1) + labels[place]
    return make_studies(sizes.fresh_n, sizes.p, k, fixed, labels, share, vtype)


def check_counts(values: int | Iterable[int], option: str, low: int, high: int) -> list[int]:
    """Whole numbers, sorted, each within low..high.

    Raises
    ------
    InputError : none, or one outside.
    """
    found = sorted({int(value) for value in ([values] if isinstance(values, int) else values)})
    if not found:
        raise InputError(f"{option} is empty; accepted: whole numbers {low} to {high}")
    for value in found:
        if not low <= value <= high:
            raise InputError(f"{option} {value}; accepted: {low} to {high}")
    return found
