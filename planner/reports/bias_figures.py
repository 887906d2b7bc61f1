"""Figures of `planner bias`: bias by strength, a typical funnel, which correction wins where."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from planner.reports.bias_words import (
    CORRECTION_NAMES,
    groups,
    number,
    pick,
    strength_words,
    winner,
)
from planner.reports.funnel import contours, scatter
from planner.reports.style import COLOURS, DASHES, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from planner.results import Result

_MOST_GROUPS = 4
_MARKERS = "osD^vPX*<"


def bias_by_strength(result: Result) -> Figure:
    """Bias of every correction over the strengths; one panel for each mechanism and k."""
    rows = result.document()["performance"]
    shown = groups(rows)[:_MOST_GROUPS]
    names = list(dict.fromkeys(row["correction"] for row in rows if row["correction"]))
    figure: Figure
    figure, axes = new_figure(columns=len(shown), width=2.6 + 3.9 * len(shown), height=4.4)
    panels = [axes] if len(shown) == 1 else list(axes)
    for panel, group in zip(panels, shown, strict=True):
        panel.axhline(0.0, color="#444444", linewidth=0.8)
        for i, name in enumerate(names):
            found = [pick(rows, place, "bias", correction=name) for place in group]
            kept = [(x, row) for x, row in enumerate(found) if row and row["value"] is not None]
            panel.errorbar(
                [x for x, _ in kept], [row["value"] for _, row in kept],
                yerr=[1.96 * row["mcse"] for _, row in kept], marker=_MARKERS[i], markersize=4.5,
                color=COLOURS[i % len(COLOURS)], linestyle=DASHES[i % len(DASHES)], linewidth=1.3,
                label=CORRECTION_NAMES[name],
            )  # fmt: skip
        panel.set_xticks(range(len(group)), [_tick(place, x) for x, place in enumerate(group)])
        size = "" if group[0][4] is None else f", n {group[0][4]}"
        panel.set_title(f"{group[0][0]}, k {group[0][3]}{size}", fontsize=10)
        panel.set_xlabel(strength_words(group[0]).split(" ")[0])
    panels[0].set_ylabel("bias of the mean effect (SDs)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    return figure


def _tick(place: tuple[Any, ...], x: int) -> str:
    value = place[1] if place[1] is not None else place[2]
    text = value if isinstance(value, str) or value is None else f"{value:g}"
    return f"{text}\n(nothing)" if x == 0 else str(text)


def typical_funnel(result: Result) -> Figure:
    """The simulated synthesis whose pooled effect is the median, with contours of significance."""
    found = result.document()["typical"]
    figure: Figure
    figure, axes = new_figure(columns=2, width=9.4, height=4.4)
    se = [math.sqrt(v) for v in found["vi"]]
    root = [1.0 / math.sqrt(n) for n in found["ni"]]
    width = 1.15 * max(*(abs(y) for y in found["yi"]), abs(found["mu"]), 0.5)
    contours(axes[0], 1.08 * max(se), width)
    scatter(axes[0], found["yi"], se, found["estimate"], found["mu"])
    scatter(axes[1], found["yi"], root, found["estimate"], found["mu"])
    axes[1].set_xlim(axes[0].get_xlim())
    axes[0].set_ylabel("standard error")
    axes[1].set_ylabel("1 / sqrt(n), n animals in both groups")
    place = (found["mechanism"], found["weight"], found["strength"], found["k"], found["n"])
    axes[0].set_title(
        f"A typical synthesis under {place[0]}, {strength_words(place)}:\n{found['k']:g} of "
        f"{found['run']:g} studies published.", fontsize=9, loc="left", color="#444444",
    )  # fmt: skip
    axes[1].set_title("The standard error depends on the effect itself:\njudge asymmetry here.",
                      fontsize=9, loc="left", color="#444444")  # fmt: skip
    figure.legend(*axes[0].get_legend_handles_labels(), loc="outside lower center", ncols=6,
                  fontsize=8)  # fmt: skip
    return figure


def winners(result: Result) -> Figure:
    """Root mean squared error of every correction relative to none; the smallest has a frame."""
    rows = result.document()["performance"]
    places = [place for group in groups(rows) for place in group]
    names = list(dict.fromkeys(row["correction"] for row in rows if row["correction"]))
    values = []
    for name in names:
        line = []
        for place in places:
            own = number(rows, place, "rmse", correction=name)
            plain = number(rows, place, "rmse", correction="none")
            line.append(math.nan if own is None or not plain else math.log2(own / plain))
        values.append(line)
    figure: Figure
    width = 3.4 + 0.75 * len(places)
    figure, axes = new_figure(width=min(16.0, max(6.5, width)), height=1.6 + 0.42 * len(names))
    image = axes.imshow(values, cmap="PuOr_r", vmin=-1.5, vmax=1.5, aspect="auto")
    for y, name in enumerate(names):
        for x, place in enumerate(places):
            own = number(rows, place, "rmse", correction=name)
            dark = abs(values[y][x]) > 0.9
            axes.text(x, y, "-" if own is None else f"{own:.2f}", ha="center", va="center",
                      fontsize=8, color="white" if dark else "black")  # fmt: skip
    for x, place in enumerate(places):
        best = winner(rows, place)
        if best is not None:
            y = names.index(best[0])
            axes.plot([x - 0.47, x + 0.47, x + 0.47, x - 0.47, x - 0.47],
                      [y - 0.45, y - 0.45, y + 0.45, y + 0.45, y - 0.45], color="black",
                      linewidth=2)  # fmt: skip
    axes.set_yticks(range(len(names)), [CORRECTION_NAMES[name] for name in names])
    axes.set_xticks(range(len(places)), [_column(place) for place in places], fontsize=8)
    axes.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, ticks=[-1, 0, 1], shrink=0.8)
    bar.ax.set_yticklabels(["half", "as uncorrected", "twice"], fontsize=8)
    axes.set_title("Root mean squared error (SDs); framed: the smallest. Corrections that exist in "
                   "fewer\nthan 9 of 10 syntheses are not framed.", fontsize=9, loc="left",
                   color="#444444")  # fmt: skip
    return figure


def _column(place: tuple[Any, ...]) -> str:
    value = place[1] if place[1] is not None else place[2]
    text = value if isinstance(value, str) or value is None else f"{value:g}"
    size = "" if place[4] is None else f"\nn {place[4]}"
    return f"{place[0]}\n{text}\nk {place[3]}{size}"
