"""The forest plot of a result that has studies; nothing is calculated but positions."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.reports.pool_words import number, unit
from planner.reports.style import COLOURS, new_figure
from planner.reports.text import fitted

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from planner.results import Result

MOST_NAMED = 120  # studies with a line of their own; more are drawn as a ranking
_GREY = "#555555"


def forest(result: Result) -> Figure:
    """Studies with intervals and weights, the average as a diamond, the prediction interval.

    Subgroups stand together, each with its own average. Very many studies are ranked by their
    effect and not named.
    """
    document = result.document()
    if document["k"] > MOST_NAMED:
        return _ranking(document)
    blocks = _blocks(document)
    n_lines = sum(len(rows) + (2 if name else 0) for name, rows in blocks) + 3
    figure: Figure
    figure, axes = new_figure(width=8.6, height=0.9 + 0.24 * n_lines)
    low, high = _limits(document)
    most = max(row["weight"] for row in document["studies"])
    y = 0.0
    ticks: list[tuple[float, str, bool]] = []
    for name, rows in blocks:
        if name:
            ticks.append((y, name, True))
            y += 1
        for row in rows:
            _study(axes, y, row, most, low, high)
            ticks.append((y, row["study"], False))
            y += 1
        own = _group_average(document, name)
        if own is not None:
            _diamond(axes, y, own, COLOURS[4])
            ticks.append((y, f"average of {name}", False))
            y += 1
    y += 0.5
    main = document["estimates"][0]
    _diamond(axes, y, main, COLOURS[1])
    ticks.append((y, f"average ({main['estimator']})", True))
    if main["pi_lb"] is not None:
        y += 1
        axes.plot([main["pi_lb"], main["pi_ub"]], [y, y], color=COLOURS[1], linewidth=5,
                  solid_capstyle="butt", alpha=0.45)  # fmt: skip
        ticks.append((y, "a new laboratory", True))
        _text(axes, y, f"[{number(main['pi_lb'])}, {number(main['pi_ub'])}]")
    _finish(axes, document, ticks, low, high, y)
    return figure


def _blocks(document: Mapping[str, Any]) -> list[tuple[str, list[Mapping[str, Any]]]]:
    """The studies of each subgroup, in the order in which they come; one block without."""
    studies = document["studies"]
    if studies[0]["group"] is None:
        return [("", list(studies))]
    names = dict.fromkeys(row["group"] for row in studies)
    return [(name, [row for row in studies if row["group"] == name]) for name in names]


def _group_average(document: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    if not name or not document["subgroups"]:
        return None
    rows: Sequence[Mapping[str, Any]] = document["subgroups"]["groups"]
    found = next((row for row in rows if row["group"] == name), None)
    return None if found is None or found["k"] == 1 else found


def _limits(document: Mapping[str, Any]) -> tuple[float, float]:
    """Ends of the axis: all effects; an interval far beyond them ends in an arrow."""
    studies, main = document["studies"], document["estimates"][0]
    effects = [0.0, *(row["yi"] for row in studies)]
    halves = sorted(row["ci_ub"] - row["yi"] for row in studies)
    pad = 1.5 * halves[len(halves) // 2]
    low, high = min(effects) - pad, max(effects) + pad
    low = max(low, min(0.0, *(row["ci_lb"] for row in studies)))
    high = min(high, max(0.0, *(row["ci_ub"] for row in studies)))
    ends = [main[name] for name in ("pi_lb", "pi_ub", "ci_lb", "ci_ub") if main[name] is not None]
    low, high = min([low, *ends]), max([high, *ends])
    margin = 0.03 * (high - low)
    return low - margin, high + margin


def _study(
    axes: Axes, y: float, row: Mapping[str, Any], most: float, low: float, high: float
) -> None:
    ends = [max(low, row["ci_lb"]), min(high, row["ci_ub"])]
    axes.plot(ends, [y, y], color=_GREY, linewidth=1.1, zorder=2)
    for end, own, marker in ((low, "ci_lb", "<"), (high, "ci_ub", ">")):
        if (row[own] < low) if own == "ci_lb" else (row[own] > high):
            axes.plot(end, y, marker=marker, color=_GREY, markersize=4, zorder=3, clip_on=False)
    size = 3.0 + 6.0 * math.sqrt(row["weight"] / most)
    axes.plot(row["yi"], y, "s", color=COLOURS[0], markersize=size, zorder=3, markeredgewidth=0)
    between = f"[{number(row['ci_lb'])}, {number(row['ci_ub'])}]"
    _text(axes, y, f"{number(row['yi'])} {between}", f"{row['weight']:.1f}%")


def _diamond(axes: Axes, y: float, row: Mapping[str, Any], colour: str) -> None:
    if row["ci_lb"] is not None:
        corners = [row["ci_lb"], row["estimate"], row["ci_ub"], row["estimate"]]
        axes.fill(corners, [y, y - 0.32, y, y + 0.32], color=colour, linewidth=0, zorder=3)
        between = f" [{number(row['ci_lb'])}, {number(row['ci_ub'])}]"
    else:
        axes.plot(row["estimate"], y, "D", color=colour, markersize=5, zorder=3)
        between = ""
    _text(axes, y, f"{number(row['estimate'])}{between}")


def _text(axes: Axes, y: float, effect: str, weight: str = "") -> None:
    at = axes.get_yaxis_transform()
    axes.text(1.02, y, effect, transform=at, va="center", fontsize=8.5)
    if weight:
        axes.text(1.42, y, weight, transform=at, va="center", ha="right", fontsize=8.5)


def _finish(
    axes: Axes, document: Mapping[str, Any], ticks: Sequence[tuple[float, str, bool]],
    low: float, high: float, last: float,
) -> None:  # fmt: skip
    axes.axvline(0.0, color="black", linewidth=0.8, zorder=1)
    axes.axvline(document["estimates"][0]["estimate"], color=COLOURS[1], linewidth=0.8,
                 linestyle=(0, (4, 3)), zorder=1)  # fmt: skip
    axes.set_xlim(low, high)
    axes.set_ylim(last + 0.8, -1.6)
    axes.set_yticks([y for y, _, _ in ticks], [_name(name) for _, name, _ in ticks], fontsize=8.5)
    for label, (_, _, bold) in zip(axes.get_yticklabels(), ticks, strict=True):
        label.set_fontweight("bold" if bold else "normal")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    level = f"{100.0 * (1.0 - document['scenario']['alpha']):.6g}%"
    _text(axes, -1.0, f"effect [{level} interval]", "weight")
    axes.set_xlabel(effect_label(document))


def effect_label(document: Mapping[str, Any]) -> str:
    """The axis of effects."""
    sds = unit(document).strip()
    name = "effect size (Hedges g, SDs)" if sds else str(document["measure"]).replace("$", r"\$")
    return f"{name}; positive is benefit"


def _name(text: str) -> str:
    return fitted(text, 38).replace("$", r"\$")  # no formula


def _ranking(document: Mapping[str, Any]) -> Figure:
    """Very many studies: ranked by effect, without names."""
    figure: Figure
    figure, axes = new_figure(width=7.0, height=6.0)
    rows = sorted(document["studies"], key=lambda row: float(row["yi"]))
    y = list(range(len(rows)))
    axes.hlines(y, [row["ci_lb"] for row in rows], [row["ci_ub"] for row in rows],
                color=COLOURS[5], linewidth=max(0.15, min(1.0, 250.0 / len(rows))),
                rasterized=True)  # fmt: skip
    axes.plot([row["yi"] for row in rows], y, ".", color=COLOURS[0], markersize=2, rasterized=True)
    main = document["estimates"][0]
    axes.axvline(0.0, color="black", linewidth=0.8)
    axes.axvspan(main["ci_lb"], main["ci_ub"], color=COLOURS[1], alpha=0.5, linewidth=0,
                 label="average, with its interval")  # fmt: skip
    if main["pi_lb"] is not None:
        axes.axvspan(main["pi_lb"], main["pi_ub"], color=COLOURS[4], alpha=0.2, linewidth=0,
                     label="a new laboratory")  # fmt: skip
    axes.set_xlim(*_limits(document))
    axes.set_yticks([])
    axes.set(xlabel=effect_label(document), ylabel=f"{len(rows)} studies, ranked by effect")
    axes.legend(loc="lower right", fontsize=9)
    return figure
