"""Contour-enhanced funnel plots: effects against their standard error, and against 1/sqrt(n).

Peters et al. 2008, doi:10.1016/j.jclinepi.2007.11.010.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from planner.reports.style import COLOURS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

# Two-sided p of the normal test, its quantile, and the grey between it and the next.
LEVELS = ((0.10, 1.644854, "#ffffff"), (0.05, 1.959964, "#e9e9e9"), (0.01, 2.575829, "#d4d4d4"))


def contours(axes: Axes, reach: float, width: float) -> None:
    """Regions of p around zero for standard errors 0 to `reach`, effects within +-width."""
    axes.fill([-width, width, width, -width], [0.0, 0.0, reach, reach], color="#bfbfbf",
              linewidth=0, label="p < .01", zorder=0)  # fmt: skip
    labels = ["p > .10", ".05 < p < .10", ".01 < p < .05"]
    for (_, z, grey), label in reversed(list(zip(LEVELS, labels, strict=True))):
        axes.fill([0.0, z * reach, -z * reach], [0.0, reach, reach], facecolor=grey,
                  edgecolor="#999999", linewidth=0.3, label=label, zorder=0)  # fmt: skip
    axes.set_xlim(-width, width)


def scatter(
    axes: Axes, yi: Sequence[float], y: Sequence[float], estimate: float, mu: float | None
) -> None:
    """Studies, the pooled effect and, if it is known, the true mean."""
    axes.plot(list(yi), list(y), "o", color=COLOURS[0], markersize=5, markeredgecolor="white",
              zorder=3, label="studies")  # fmt: skip
    axes.axvline(estimate, color=COLOURS[0], linestyle="--", linewidth=1.2, label="pooled")
    if mu is not None:
        axes.axvline(mu, color=COLOURS[1], linewidth=1.4, label="true mean")
    axes.set_ylim(1.08 * max(y), 0.0)
    axes.set_xlabel("effect size (SDs)")
