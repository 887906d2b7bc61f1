"""Truths of a decay for those who doubt the literature: selected studies, SEs read as SDs.

Both published effects move, and with them the half-life between them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from planner.decay_designs import Truths
from planner.joint_half_lives import half_life_between, matched_half_life
from planner.questions import DISCOUNT
from planner.selected_calibration import DISCOUNTED, reads_se_as_sd, selected_truth

if TYPE_CHECKING:
    from planner.calibration import Calibration
    from planner.published import Analysis


@dataclass(frozen=True, kw_only=True)
class Sceptical:
    """Another truth than the calibrated one: effects in SDs, the half-life in days.

    Parameters
    ----------
    name : ``"discounted"`` or ``"se-read-as-sd"``
    delta0, tau, half_life : effect at the end of treatment N(delta0, tau^2); an infinite
        half-life: nothing decays from so small an effect
    effect : where delta0 comes from: ``"selection"`` of weight 0.2; ``"quarter"`` smaller, where
        no truth gives the published numbers under that selection; ``"se-read-as-sd"``
    decay : where the half-life comes from: ``"selection"``, of both effects under it;
        ``"effects"``, of the smaller delta0 and the effect after treatment; ``"kept"``, the
        plan's, where it was set by hand or there is none of these
    """

    name: str
    delta0: float
    tau: float
    half_life: float
    effect: str
    decay: str

    def truths(self) -> Truths:
        """As answers take it."""
        return Truths.point(self.name, self.delta0, self.tau, self.half_life)

    def fields(self) -> dict[str, Any]:
        """Plain values."""
        return asdict(self)


def discounted_effects(
    analyses: Sequence[tuple[Analysis, Calibration]],
    jobs: int | None,
    progress: Callable[[str, int, int], None] | None,
) -> list[tuple[float, float] | None]:
    """(mu, tau) of each analysis under step selection of weight 0.2; None: no truth gives it."""
    found = [selected_truth(*one, DISCOUNTED, jobs, progress) for one in analyses]
    return [None if one is None else (one.mu, one.tau) for one in found]


def discounted_truth(
    early: Calibration,
    half_life: float,
    delays: Sequence[float],
    effects: Sequence[tuple[float, float] | None],
) -> Sceptical:
    """The truth if studies without a significant benefit were published once in five times.

    half_life, delays : of the plan; no delays: the half-life was set by hand
    effects : of `discounted_effects`, before and, unless set by hand, after treatment
    """
    before, after = effects[0], effects[1] if len(effects) > 1 else None
    if before is None or before[0] <= 0.0:
        return Sceptical(
            name="discounted", delta0=(1.0 - DISCOUNT) * early.mu, tau=early.tau,
            half_life=half_life, effect="quarter", decay="kept",
        )  # fmt: skip
    decay = "kept"
    if after is not None and len(set(delays)) == 1:
        half_life, decay = float(half_life_between(delays[0], before[0], after[0])), "selection"
    return Sceptical(
        name="discounted", delta0=before[0], tau=before[1], half_life=half_life,
        effect="selection", decay=decay,
    )  # fmt: skip


def se_as_sd_truth(
    during: Analysis,
    early: Calibration,
    half_life: float,
    delays: Sequence[float],
    after: Analysis,
    late: Calibration | None,
    jobs: int,
) -> Sceptical | None:
    """The average laboratory if SEs during treatment were read as SDs; None for usual effects.

    Effects after treatment are of a usual size and stay, so that the half-life is longer.
    """
    if not reads_se_as_sd(early.mu):
        return None
    root = math.sqrt(during.sizes.median)
    smaller, decay = early.mu / root, "kept"
    if late is not None and delays:
        decay = "effects"
        half_life = matched_half_life(smaller, early.tau / root, late, after, delays, jobs)
    return Sceptical(
        name="se-read-as-sd", delta0=smaller, tau=0.0, half_life=half_life,
        effect="se-read-as-sd", decay=decay,
    )  # fmt: skip
