"""Contour-enhanced funnel plots: effects against their standard error, and against 1/sqrt(n).

Peters et al. 2008, doi:10.1016/j.jclinepi.2007.11.010.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.reports.forest import effect_label
from planner.reports.style import COLOURS, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from planner.results import Result

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


def studies(
    axes: Axes, yi: Sequence[float], y: Sequence[float], label: str, unseen: bool = False
) -> None:
    """Studies as points; those that nobody sees, or that are imputed, are open."""
    many = len(yi) > 300
    face = "none" if unseen else COLOURS[0]
    edge = COLOURS[6] if unseen else "white"
    axes.plot(
        list(yi), list(y), "o", markerfacecolor=face, markeredgecolor=edge, linestyle="none",
        markersize=3 if many else 5, markeredgewidth=0.9 if unseen else 0.4,
        zorder=2.5 if unseen else 3, rasterized=many, label=label,
    )  # fmt: skip


def frame(axes: Axes, centre: float, width: float, deepest: float, label: str) -> None:
    """The pooled effect, and axes on which the most precise study is on top."""
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.axvline(centre, color=COLOURS[1], linewidth=1.2, linestyle=(0, (4, 3)), label=label)
    axes.set_ylim(1.08 * deepest, 0.0)
    axes.set_xlim(-width, width)


def legend_below(figure: Figure, axes: Sequence[Axes], columns: int) -> None:
    """One legend of everything that any panel shows, each name once."""
    found: dict[str, Any] = {}
    for panel in axes:
        for handle, label in zip(*panel.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    figure.legend(list(found.values()), list(found), loc="outside lower center", ncols=columns,
                  fontsize=8, frameon=False)  # fmt: skip


def note(axes: Axes, text: str) -> None:
    """A remark above a panel."""
    axes.set_title(text, fontsize=8.5, loc="left", color="#444444")


ASYMMETRY = ("The standard error of a standardized difference depends on\n"
             "the difference itself: judge asymmetry here.")  # fmt: skip
SAME_SIZES = "All studies have the same number of animals:\nno asymmetry can be seen."


def funnel(result: Result) -> Figure:
    """Effects against their standard errors and, where sizes are known, against 1/sqrt(n).

    The studies that trim and fill adds are open.
    """
    document = result.document()
    rows, added, main = document["studies"], document["filled"], document["estimates"][0]
    sizes = rows[0]["n1"] is not None and rows[0]["n2"] is not None
    panels = 2 if sizes else 1
    figure: Figure
    figure, axes = new_figure(columns=panels, width=4.9 * panels, height=4.7)
    drawn = list(axes) if sizes else [axes]
    reach = 1.08 * max(math.sqrt(row["vi"]) for row in rows)
    width = 1.08 * max(*(abs(row["yi"]) for row in (*rows, *added)), 1.96 * reach)
    contours(drawn[0], reach, width)
    scales = (("standard error", _error), ("1 / sqrt(n), n animals in both groups", _root))
    effects = [row["yi"] for row in rows]
    for panel, (label, scale) in zip(drawn, scales, strict=False):
        y = [scale(row) for row in rows]
        studies(panel, effects, y, "studies")
        if added:
            studies(panel, [row["yi"] for row in added], [scale(row) for row in added],
                    _filled_words(document), unseen=True)  # fmt: skip
        frame(panel, main["estimate"], width, max(y), f"average ({main['estimator']})")
        panel.set(xlabel=effect_label(document), ylabel=label)
    centre = main["estimate"]
    drawn[0].plot([centre - 1.96 * reach, centre, centre + 1.96 * reach], [reach, 0.0, reach],
                  color="#555555", linewidth=0.9, linestyle="--",
                  label="95% of studies without heterogeneity")  # fmt: skip
    note(drawn[0], "" if added else _none_filled(document))
    if sizes:
        same = any(row["detector"] == "egger-n" and not row["applicable"]
                   for row in document["detectors"])  # fmt: skip
        note(drawn[1], SAME_SIZES if same else ASYMMETRY)
    legend_below(figure, drawn, 4 if sizes else 2)
    return figure


def _error(row: Mapping[str, Any]) -> float:
    return math.sqrt(row["vi"])


def _root(row: Mapping[str, Any]) -> float:
    return 1.0 / math.sqrt(row["n1"] + row["n2"])


def _trimfill(document: Mapping[str, Any]) -> Mapping[str, Any] | None:
    rows = document["corrections"]
    return next((row for row in rows if row["correction"] == "trimfill"), None)


def _filled_words(document: Mapping[str, Any]) -> str:
    own = _trimfill(document)
    side = "" if own is None else f" on the {own['side']}"
    return f"filled by trim and fill{side}"


def _none_filled(document: Mapping[str, Any]) -> str:
    own = _trimfill(document)
    if own is None or not own["converged"]:
        return ""
    return f"Trim and fill: no study to fill on the {own['side']}."
