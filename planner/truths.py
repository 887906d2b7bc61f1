"""Which truths give the published numbers, for Python: without selection, or under a mechanism."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, overload

from planner import calibration
from planner.calibration import SEED, Calibration
from planner.errors import InputError

if TYPE_CHECKING:
    from planner.published import Analysis
    from planner.results import Result

Progress = Callable[[str, int, int], None]
Values = Iterable[Any] | str | float


@overload
def calibrate(
    analysis: Analysis,
    *,
    cluster: str = ...,
    share: float | None = ...,
    mechanism: None = ...,
    seed: int = ...,
    jobs: int | None = ...,
    progress: Progress | None = ...,
    fresh: bool = ...,
) -> Calibration: ...
@overload
def calibrate(
    analysis: Analysis,
    *,
    cluster: str = ...,
    share: float | None = ...,
    mechanism: str,
    weight: Values | None = ...,
    strength: Values | None = ...,
    cuts: Values | None = ...,
    seed: int = ...,
    jobs: int | None = ...,
    progress: Progress | None = ...,
    fresh: bool = ...,
) -> Result: ...
def calibrate(
    analysis: Analysis,
    *,
    cluster: str = "none",
    share: float | None = None,
    mechanism: str | None = None,
    weight: Values | None = None,
    strength: Values | None = None,
    cuts: Values | None = None,
    seed: int = SEED,
    jobs: int | None = None,
    progress: Progress | None = None,
    fresh: bool = False,
) -> Calibration | Result:
    """Truths that give the published numbers of an analysis.

    Parameters
    ----------
    cluster : how comparisons depend on each other: ``"none"``, ``"study"`` or ``"lab"``
    share : share of tau^2 that lies between clusters, 0 to 1; default 1, or 0 without clusters
    mechanism : what stood between studies and publication, such as ``"step"`` or
        ``"step+peak=3"`` (names: `planner.bias`); default nothing
    weight : of step: chance of a study beyond the cut, others being published, such as 0.2 or
        ``[1, 0.5, 0.2]``; with several cuts ``"0.5:0.2"``, one for each
    strength : strengths of another mechanism
    cuts : of step, rising one-sided p; default 0.025
    seed : of the simulation
    jobs : threads; default all processors; changes no number
    progress : called with (stage, done, total)
    fresh : calculate the truths without selection even if they are kept on disk

    Returns
    -------
    Calibration : the matched truth and joint draws
    Result : with a mechanism: what ``planner calibrate --mechanism`` prints, one row for each
        strength in ``frame``, the one asked for in ``truth``. To plan from it:
        ``planner.power(mu=found.truth["mu"], tau=found.truth["tau"])``

    Raises
    ------
    InputError
        for clusters the evidence does not name, a mechanism or strength that does not exist, and
        for numbers that no truth gives
    """
    for name, value in (("--weight", weight), ("--strength", strength), ("--cuts", cuts)):
        if mechanism is None and value is not None:
            raise InputError(f"{name} goes with --mechanism, such as --mechanism step")
    found = calibration.calibrate(
        analysis, cluster=cluster, share=share, seed=seed, jobs=jobs, progress=progress,
        fresh=fresh,
    )  # fmt: skip
    if mechanism is None:
        return found
    from planner.selected_results import selected_result

    return selected_result(
        analysis, found, mechanism, _listed(weight), _listed(strength), _listed(cuts), seed=seed,
        jobs=jobs, progress=progress,
    )  # fmt: skip


def _listed(values: Values | None) -> Iterable[Any] | str | None:
    return [values] if isinstance(values, (int, float)) else values
