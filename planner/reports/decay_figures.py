"""Figures of `planner decay`: they take a Result and draw."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from planner.reports.style import COLOURS, DASHES, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from planner.results import Result

_NAMES = {
    "pooled": "average laboratory", "new-lab": "new laboratory",
    "assurance": "not knowing the average", "given": "truth given by hand",
}  # fmt: skip
_SAYS = {"decay": "decay shown by day", "residual": "effect left on day", "gone": "gone on day",
         "half-life": "half-life", "shape": "shape"}  # fmt: skip


def curve_figure(result: Result) -> Figure:
    """The expected effect by day with its bands, and the alternatives."""
    rows = result.extra["curve"]
    day = [row["day"] for row in rows]
    figure: Figure
    figure, axes = new_figure()
    varies = any(row["lab_ub"] > row["lab_lb"] for row in rows)
    opened = any(row["open_ub"] > row["open_lb"] for row in rows)
    if varies:
        axes.fill_between(day, [row["lab_lb"] for row in rows], [row["lab_ub"] for row in rows],
                          color=COLOURS[5], alpha=0.25, linewidth=0,
                          label="95% of laboratories")  # fmt: skip
    if opened:
        for bound, label in (("open_lb", "average, not known: 95%"), ("open_ub", None)):
            axes.plot(day, [row[bound] for row in rows], color=COLOURS[4], linewidth=1.0,
                      linestyle=DASHES[3], label=label)  # fmt: skip
    axes.plot(day, [row["average"] for row in rows], color=COLOURS[0], linewidth=2.0,
              label="average laboratory")  # fmt: skip
    axes.plot(day, [row["linear"] for row in rows], color=COLOURS[1], linestyle=DASHES[1],
              linewidth=1.2, label="if linear")  # fmt: skip
    axes.plot(day, [row["plateau"] for row in rows], color=COLOURS[2], linestyle=DASHES[2],
              linewidth=1.2, label="if 30% remains")  # fmt: skip
    axes.axhline(0.0, color="#666666", linewidth=0.8)
    times = [float(text) for text in str(result.scenario["times"]).split(",")]
    axes.plot(times, [0.0] * len(times), linestyle="none", marker="^", color="black",
              markersize=6, label="measured", clip_on=False)  # fmt: skip
    half_life = result.truth["half_life"]
    axes.set_title(f"Half-life {half_life:.1f} days", fontsize=9, loc="left", color="#444444")
    axes.set(xlabel="days after the end of treatment", ylabel="effect (SDs)")
    axes.set_xlim(0.0, day[-1])
    axes.legend(fontsize=8, loc="upper right")
    return figure


def day_figure(result: Result) -> Figure:
    """Required n against the day by which decay must show, or an effect must still show."""
    from matplotlib.ticker import ScalarFormatter

    rows = [row for row in result.extra["by_day"] if row["n"] is not None]
    figure: Figure
    figure, axes = new_figure()
    names = dict.fromkeys((row["question"], row["truth"]) for row in rows)
    questions = list(dict.fromkeys(question for question, _ in names))
    for question, truth in names:
        own = [row for row in rows if (row["question"], row["truth"]) == (question, truth)]
        i = questions.index(question)
        dash = DASHES[0] if truth in ("pooled", "given") else DASHES[1]
        axes.plot([row["day"] for row in own], [row["n"] for row in own], color=COLOURS[i],
                  linestyle=dash, marker="o", markersize=3.5,
                  label=f"{_SAYS[question]}, {_NAMES[truth]}")  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(1.8, 1000)
    axes.set_yticks([2, 5, 10, 20, 50, 100, 200, 500, 1000])
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.axhline(50, color="#666666", linewidth=0.8, linestyle=(0, (2, 3)))
    goal = result.scenario["target"][0]
    axes.set(xlabel="day after the end of treatment",
             ylabel=f"animals per group for a {goal:.0%} chance")  # fmt: skip
    if names:
        axes.legend(fontsize=8, loc="upper center", ncols=1)
    return figure


def sizes_figure(result: Result) -> Figure:
    """Chance that each question is answered, against n per group."""
    from matplotlib.ticker import PercentFormatter

    rows = [row for row in result.performance if row["measure"] == "success" and row["n"] <= 60]
    names = list(dict.fromkeys((row["question"], row["shape"]) for row in rows))
    truths = [name for name in ("pooled", "new-lab", "given")
              if any(row["truth"] == name for row in rows)]  # fmt: skip
    figure: Figure
    figure, axes = new_figure()
    for i, (question, shape) in enumerate(names):
        for truth in truths:
            own = [row for row in rows if row["truth"] == truth
                   and (row["question"], row["shape"]) == (question, shape)]  # fmt: skip
            label = _SAYS[question] if question != "shape" else f"{shape} shape told apart"
            label = label.replace(" by day", "").replace(" on day", "")
            dash = DASHES[0] if truth in ("pooled", "given") else DASHES[1]
            axes.plot([row["n"] for row in own], [_best(row) for row in own],
                      color=COLOURS[i % 7], linestyle=dash,
                      label=f"{label}, {_NAMES[truth]}")  # fmt: skip
            axes.errorbar([row["n"] for row in own], [row["value"] for row in own],
                          yerr=[1.96 * row["mcse"] for row in own], fmt="o", markersize=3,
                          color=COLOURS[i % 7], linewidth=1)  # fmt: skip
    for target in result.scenario["target"]:
        axes.axhline(target, color="#666666", linewidth=0.8, linestyle=(0, (2, 3)))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set(ylim=(0, 1.02), xlabel="animals per group", ylabel="chance of an answer")
    axes.legend(fontsize=8, loc="lower right", frameon=True, framealpha=0.9)
    return figure


def _best(row: Mapping[str, Any]) -> float:
    return float(row["value"] if row["exact"] is None else row["exact"])


def half_life_figure(result: Result) -> Figure:
    """The joint draws of effect and half-life, under the reading taken."""
    import math

    draws = result.extra["draws"]
    pairs = [(d, t) for d, t in zip(draws["delta0"], draws["half_life"], strict=True)
             if 0.0 < t < math.inf]  # fmt: skip
    figure: Figure
    figure, axes = new_figure(width=5.5, height=4.2)
    axes.scatter([d for d, _ in pairs], [t for _, t in pairs], s=4, color=COLOURS[0], alpha=0.25,
                 linewidth=0, rasterized=True, label="joint draws")  # fmt: skip
    for i, row in enumerate(result.truth["readings"] or [result.truth]):
        axes.plot(row["delta0"], row["half_life"], "P", color=COLOURS[i + 1], markersize=9,
                  label=f"{row['reading']}: {row['half_life']:.1f} d")  # fmt: skip
    axes.set_yscale("log")
    axes.set_ylim(1.0, 100.0)
    axes.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
    axes.minorticks_off()
    axes.set(xlabel="effect at the end of treatment (SDs)", ylabel="half-life (days)")
    axes.legend(fontsize=8, loc="upper right", frameon=True, framealpha=0.9)
    return figure
