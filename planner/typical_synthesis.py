"""One simulated synthesis to look at: the typical one, with the studies that nobody sees."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.mechanisms import capped
from sims.names import ESTIMATORS
from sims.smallstudy_names import CORRECTIONS

if TYPE_CHECKING:
    from planner.small_study import Cell

N_TYPICAL = 400  # simulated syntheses of which the funnel plot shows the middle one


def typical(
    cell: Cell, mu: float, tau: float, vtype: str, estimator: str, seed: int
) -> dict[str, Any]:
    """One simulated synthesis: of N_TYPICAL, the one in the middle.

    yi, vi, ni: what was published; "unpublished": the same of what was not.
    """
    from sims.lanes.corrections import correct_many
    from sims.selection_tally import LEFT, draw_published
    from sims.unpublished import draw_run

    built = cell.swept.build(cell.strength, vtype)
    cap, _ = capped(built, cell.studies, mu, tau, cell.swept.typed(cell.strength))
    point = (np.array([mu]), np.array([tau]))
    yi, vi, ni, run, _ = draw_published(
        cell.studies, built, *point, cap, N_TYPICAL, seed, "typical"
    )
    pooled = np.empty((N_TYPICAL, 9))
    correct_many(
        yi, vi, CORRECTIONS["none"], np.zeros(N_TYPICAL), ESTIMATORS[estimator], LEFT, math.inf,
        pooled,
    )  # fmt: skip
    middle = _middle(run, pooled[:, 0])
    every = draw_run(
        cell.studies, built, mu, tau, max(0, int(run[middle])), middle, seed, "typical"
    )
    hidden = ~every.published
    return {
        "yi": yi[middle], "vi": vi[middle], "ni": ni[middle], "estimate": float(pooled[middle, 0]),
        "mu": mu, "run": float(run[middle]), "k": cell.k, "n": cell.n,
        "unpublished": {
            "yi": every.yi[hidden], "vi": every.vi[hidden], "ni": every.ni[hidden],
        },
        **cell.swept.columns(cell.strength),
    }  # fmt: skip


def _middle(run: np.ndarray, effect: np.ndarray) -> int:
    """The synthesis for which as many studies were run as usual and that says what is usual.

    Of those with the median number of studies run, the one whose effect is nearest to the median.
    """
    done = run > 0.0
    if not done.any():
        return 0
    usual = np.sort(run[done])[int(done.sum()) // 2]
    away = np.abs(effect - np.median(effect[done]))
    return int(np.argmin(np.where(run == usual, away, np.inf)))
