"""Figures of `planner bias`: bias by strength, a typical funnel, which correction wins where."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.mechanisms import does_nothing
from planner.reports.bias_words import (
    CORRECTION_NAMES,
    groups,
    number,
    pick,
    strength_text,
    strength_words,
    winner,
)
from planner.reports.funnel import ASYMMETRY, contours, frame, legend_below, note, studies
from planner.reports.style import COLOURS, DASHES, new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from planner.results import Result

_MOST_PANELS = 4
_MOST_COLUMNS = 26
# Of each correction its own: Okabe & Ito 2008 with Tol's wine and a grey; and markers for print.
_LOOKS = {
    "none": ("#000000", "o"), "trimfill": ("#0072B2", "s"), "trimfill-r0": ("#56B4E9", "D"),
    "pet": ("#D55E00", "^"), "peese": ("#E69F00", "v"), "pet-peese": ("#882255", "P"),
    "sel3": ("#009E73", "X"), "p-uniform-star": ("#CC79A7", "*"), "limit": ("#999999", "<"),
}  # fmt: skip
_APART = 0.035  # between corrections at one strength, which may coincide


def bias_by_strength(result: Result) -> Figure:
    """Bias of every correction over the strengths; one panel for each mechanism and k."""
    rows = result.document()["performance"]
    shown = _panels(rows)[:_MOST_PANELS]
    names = _existing(rows)
    figure: Figure
    figure, axes = new_figure(columns=len(shown), width=2.6 + 3.9 * len(shown), height=4.6)
    panels = [axes] if len(shown) == 1 else list(axes)
    for panel, places in zip(panels, shown, strict=True):
        panel.axhline(0.0, color="#444444", linewidth=0.8)
        for i, name in enumerate(names):
            found = [pick(rows, place, "bias", correction=name) for place in places]
            kept = [(x, row) for x, row in enumerate(found) if row and row["value"] is not None]
            colour, marker = _LOOKS[name]
            aside = _APART * (i - 0.5 * (len(names) - 1))
            panel.errorbar(
                [x + aside for x, _ in kept], [row["value"] for _, row in kept],
                yerr=[1.96 * row["mcse"] for _, row in kept], marker=marker, markersize=4.5,
                color=colour, linestyle=DASHES[i % len(DASHES)],
                linewidth=2.0 if name == "none" else 1.3,
                label=CORRECTION_NAMES[name],
            )  # fmt: skip
        panel.set_xticks(range(len(places)), [_tick(place) for place in places])
        place = places[-1]
        size = "" if place[4] is None else f", n {place[4]}"
        panel.set_title(f"{place[0]}, k {place[3]}{size}", fontsize=10)
        panel.set_xlabel("weight" if place[1] is not None else "strength")
    ends = [panel.get_ylim() for panel in panels]
    for panel in panels:
        panel.set_ylim(min(low for low, _ in ends), max(high for _, high in ends))
    panels[0].set_ylabel("bias of the mean effect (SDs)")
    figure.legend(*panels[0].get_legend_handles_labels(), loc="outside right upper", fontsize=8)
    return figure


def _existing(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Corrections that exist in some synthesis."""
    found = dict.fromkeys(
        row["correction"] for row in rows
        if row["measure"] == "rmse" and row["correction"] and row["value"] is not None
    )  # fmt: skip
    return list(found)


def _panels(rows: Sequence[Mapping[str, Any]]) -> list[list[tuple[Any, ...]]]:
    """Groups of situations, those of one k and n after the situation in which nothing happens.

    A group whose own neutral strength leaves another mechanism at work starts with it.
    """
    found = groups(rows)
    alone = {group[0][3:]: group[0] for group in found if group[0][0] == "none"}
    varied = [group for group in found if group[0][0] != "none"]
    if not varied:
        return found
    return [
        [alone[group[0][3:]], *group] if "+" in group[0][0] and group[0][3:] in alone else group
        for group in varied
    ]


def _tick(place: tuple[Any, ...]) -> str:
    """A strength, and whether nothing happens at it."""
    if place[0] == "none":
        return "nothing"
    return strength_text(place) + ("\n(nothing)" if does_nothing(*place[:3]) else "")


def typical_funnel(result: Result) -> Figure:
    """The simulated synthesis whose pooled effect is the median, with the studies nobody sees.

    Contours of significance; what stayed unpublished is open.
    """
    found = result.document()["typical"]
    hidden = found["unpublished"]
    figure: Figure
    figure, axes = new_figure(columns=2, width=9.8, height=4.7)
    width = 1.1 * max(*(abs(y) for y in (*found["yi"], *hidden["yi"])), abs(found["mu"]), 0.5)
    reach = 1.08 * math.sqrt(max(*found["vi"], *hidden["vi"]))
    contours(axes[0], reach, width)
    for panel, name, power in ((axes[0], "vi", 0.5), (axes[1], "ni", -0.5)):
        y, unseen = ([x**power for x in part[name]] for part in (found, hidden))
        studies(panel, found["yi"], y, "published studies")
        if unseen:
            studies(panel, hidden["yi"], unseen, "unpublished studies, which no one sees",
                    unseen=True)  # fmt: skip
        frame(panel, found["estimate"], width, max(*y, *unseen), "average of the published")
        panel.axvline(found["mu"], color=COLOURS[2], linewidth=1.4, label="true mean of all")
        panel.set_xlabel("effect size (SDs); positive is benefit")
    axes[0].set_ylabel("standard error")
    axes[1].set_ylabel("1 / sqrt(n), n animals in both groups")
    place = (found["mechanism"], found["weight"], found["strength"], found["k"], found["n"])
    note(axes[0], f"A typical synthesis under {place[0]}, {strength_words(place)}:\n"
                  f"{found['k']:g} of {found['run']:g} studies published.")  # fmt: skip
    note(axes[1], ASYMMETRY)
    legend_below(figure, axes, 4)
    return figure


def winners(result: Result) -> Figure:
    """Root mean squared error of every correction relative to none; the smallest has a frame."""
    rows = result.document()["performance"]
    shown = sorted(groups(rows), key=lambda group: group[0][0] != "none")
    if sum(len(group) for group in shown) > _MOST_COLUMNS:  # each at its strongest
        shown = [group[-1:] for group in shown]
    places = [place for group in shown for place in group]
    names = _existing(rows)
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
    figure, axes = new_figure(width=min(20.0, max(6.5, width)), height=1.6 + 0.42 * len(names))
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
            y = names.index(best.name)
            axes.plot([x - 0.47, x + 0.47, x + 0.47, x - 0.47, x - 0.47],
                      [y - 0.45, y - 0.45, y + 0.45, y + 0.45, y - 0.45], color="black",
                      linewidth=2)  # fmt: skip
    axes.set_yticks(range(len(names)), [CORRECTION_NAMES[name] for name in names])
    ticks = [_tick(place) for place in places]
    axes.set_xticks(range(len(places)), ticks, fontsize=7.5)
    _group_names(axes, shown)
    axes.grid(visible=False)
    bar = figure.colorbar(image, ax=axes, ticks=[-1, 0, 1], shrink=0.8)
    bar.ax.set_yticklabels(["half", "as uncorrected", "twice"], fontsize=8)
    axes.set_title("Root mean squared error (SDs); framed: the smallest. Corrections that exist in "
                   "fewer\nthan 9 of 10 syntheses are not framed.", fontsize=9, loc="left",
                   color="#444444")  # fmt: skip
    return figure


def _group_names(axes: Axes, shown: Sequence[Sequence[tuple[Any, ...]]]) -> None:
    """Mechanism, k and n under the strengths of each group, and a line between groups."""
    middles, names, start = [], [], 0
    for group in shown:
        mechanism, _, _, k, n = group[0]
        middles.append(start + 0.5 * (len(group) - 1))
        size = f"k {k}" if n is None else f"k {k}, n {n}"
        what = "weight" if group[0][1] is not None else "strength"
        words = [size] if mechanism == "none" else [mechanism, f"by {what}, {size}"]
        if len(group) < 3:  # narrow: one above the other
            words = [word.strip() for text in words for word in text.replace("+", "+,").split(",")]
        names.append("\n".join(words))
        start += len(group)
        if start > len(group):
            axes.axvline(start - len(group) - 0.5, color="black", linewidth=0.8)
    axes.xaxis.remove_overlapping_locs = False
    axes.set_xticks(middles, names, minor=True, fontsize=8)
    axes.tick_params(axis="x", which="minor", length=0, pad=30)
