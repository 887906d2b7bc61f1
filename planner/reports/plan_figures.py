"""Figures of a plan, from its JSON; the page shows them inline."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.reports.figures import _NAMES as NAMES
from planner.reports.style import COLOURS, DASHES, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from planner.results import Result

_TITLES = {"g": "pooled effect size (SDs)", "se": "its standard error", "I2": "I² (percent)",
           "tau2": "tau²", "QE": "Q"}  # fmt: skip


def plan_curve(result: Result) -> Figure:
    """Chance of a significant benefit at every size, one line per truth, exact."""
    from matplotlib.ticker import MaxNLocator, MultipleLocator, PercentFormatter

    rows = result.extra["curve"]
    figure: Figure
    figure, axes = new_figure(height=3.4)
    n = [row["n"] for row in rows]
    for i, truth in enumerate(rows[0]["success"]):
        axes.plot(n, [row["success"][truth] for row in rows], color=COLOURS[i], linewidth=1.8,
                  linestyle=DASHES[i], label=NAMES[truth])  # fmt: skip
    for target in result.scenario["target"]:
        axes.axhline(target, color="#666666", linewidth=0.8, linestyle=(0, (2, 3)))
    if result.extra["planned"]:
        planned = result.extra["planned_n"]
        axes.axvline(planned, color="#000000", linewidth=0.9)
        axes.annotate(f"plan: {planned} per group", (planned, 0.03), xytext=(5, 0),
                      textcoords="offset points", fontsize=9)  # fmt: skip
    axes.xaxis.set_major_locator(MultipleLocator(10) if n[-1] <= 100 else MaxNLocator(8))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set(ylim=(0, 1.02), xlim=(n[0], n[-1]), xlabel="animals per group",
             ylabel="chance of a significant benefit")  # fmt: skip
    axes.legend(loc="lower right", fontsize=9, bbox_to_anchor=(1.0, 0.08))
    return figure


def plan_tornado(result: Result) -> Figure:
    """How far one assumption at a time moves the chance of success at the planned size."""
    from matplotlib.ticker import PercentFormatter

    bars = result.extra["tornado"]
    figure: Figure
    figure, axes = new_figure(height=0.9 + 0.3 * len(bars))
    for i, bar in enumerate(bars):
        for end, colour, hatch in (("low", COLOURS[1], "///"), ("high", COLOURS[0], "")):
            width = bar[end] - bar["plan"]
            axes.barh(i, width, left=bar["plan"], height=0.62, color=colour, hatch=hatch,
                      edgecolor="white", linewidth=0.5)  # fmt: skip
    if bars:
        axes.axvline(bars[0]["plan"], color="black", linewidth=1.0)
    axes.set_yticks(range(len(bars)), [bar["factor"] for bar in bars])
    axes.invert_yaxis()
    axes.set_axisbelow(True)
    axes.grid(axis="y", visible=False)
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_xlim(0, 1)
    n = result.extra["planned_n"]
    axes.set_xlabel(f"chance of a significant benefit at {n} per group")
    return figure


def plan_check(result: Result) -> Figure:
    """What the calibrated model publishes against what was published."""
    rows = [row for row in result.extra["check"] if row["published"] is not None]
    names = list(dict.fromkeys(row["statistic"] for row in rows))
    figure: Figure
    figure, axes = new_figure(columns=len(names), width=7.0, height=1.7)
    for ax, name in zip(axes if len(names) > 1 else [axes], names, strict=True):
        own = [row for row in rows if row["statistic"] == name]
        for i, row in enumerate(own):
            ax.plot([row["lb"], row["ub"]], [i, i], color=COLOURS[0], linewidth=2.2)
            ax.plot(row["median"], i, "o", color=COLOURS[0], markersize=6)
        ax.axvline(own[0]["published"], color=COLOURS[1], linestyle="--", linewidth=1.6)
        ax.set_ylim(len(own) - 0.5, -0.5)
        ax.set_yticks(range(len(own)), ["matched truth", "all draws"][: len(own)])
        if ax is not (axes if len(names) == 1 else axes[0]):
            ax.set_yticklabels([])
        ax.set_xlabel(_TITLES[name])
    return figure


def _above(axes: Any, columns: int) -> None:
    """A legend above the axes, where no line can run behind it."""
    axes.legend(fontsize=7.5, ncols=columns, loc="lower center", bbox_to_anchor=(0.5, 1.0),
                frameon=False, columnspacing=1.0, handlelength=1.8, handletextpad=0.5)  # fmt: skip


def plan_bias(result: Result) -> Figure:
    """What selection adds to the pooled effect, uncorrected and corrected."""
    from matplotlib.ticker import FixedLocator, NullLocator, PercentFormatter

    rows = result.extra["bias"]["rows"]
    weights = [row["weight"] for row in rows]
    lines: dict[str, list[Any]] = {"uncorrected": [row["error"] for row in rows]}
    for name, label in (("trimfill", "trim and fill"), ("sel3", "selection model")):
        lines[label] = [row["corrections"][name] for row in rows]
    figure: Figure
    figure, (left, right) = new_figure(columns=2, height=2.7)
    for i, (label, points) in enumerate(lines.items()):
        kept = [(w, p) for w, p in zip(weights, points, strict=True) if p["value"] is not None]
        left.errorbar(
            [w for w, _ in kept], [p["value"] for _, p in kept],
            yerr=[1.96 * (p["mcse"] or 0.0) for _, p in kept], color=COLOURS[i],
            linestyle=DASHES[i], marker="o", markersize=3.5, label=label,
        )  # fmt: skip
    left.axhline(0.0, color="#666666", linewidth=0.8)
    left.set_ylabel("error of the mean (SDs)")
    _above(left, 3)
    for i, (name, label) in enumerate((("egger-n", "Egger, 1/√n"), ("egger-se", "Egger, SE"))):
        points = [row["detectors"][name] for row in rows]
        right.errorbar(
            weights, [p["value"] for p in points], yerr=[1.96 * p["mcse"] for p in points],
            color=COLOURS[i + 3], linestyle=DASHES[i], marker="o", markersize=3.5, label=label,
        )  # fmt: skip
    right.set_ylim(0, 1)
    right.set_ylabel("share of reviews it alarms")
    right.yaxis.set_major_formatter(PercentFormatter(1.0))
    _above(right, 2)
    for ax in (left, right):
        ax.set_xscale("log")
        ax.invert_xaxis()
        ax.xaxis.set_major_locator(FixedLocator(weights))
        ax.xaxis.set_minor_locator(NullLocator())
        ax.xaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        ax.set_xlabel("nonsignificant studies published")
    return figure


def plan_decay(result: Result) -> Figure:
    """Required n against the day by which a decay is shown, or on which an effect is left."""
    from matplotlib.ticker import FixedLocator, NullLocator, ScalarFormatter

    rows = result.extra["when"]["by_day"]
    figure: Figure
    figure, axes = new_figure(height=3.0)
    says = {"decay": "decay shown by the day", "residual": "effect left on the day"}
    for i, question in enumerate(says):
        for j, truth in enumerate(rows[0][question]):
            points = [(row["day"], row[question][truth]) for row in rows]
            kept = [(day, n) for day, n in points if n is not None]
            axes.plot([day for day, _ in kept], [n for _, n in kept], color=COLOURS[i],
                      linestyle=DASHES[j], marker="o", markersize=3.5,
                      label=f"{says[question]}, {NAMES[truth]}")  # fmt: skip
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(FixedLocator([2, 5, 10, 20, 50, 100, 200, 500, 1000]))
    axes.yaxis.set_minor_locator(NullLocator())
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.set(xlabel="days after the end of treatment", ylabel="animals per group")
    axes.legend(fontsize=8, loc="upper center")
    return figure


FIGURES = {
    "curve": plan_curve, "tornado": plan_tornado, "check": plan_check, "bias": plan_bias,
    "decay": plan_decay,
}  # fmt: skip
