"""Figures of results: they take a Result and draw, nothing more."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.reports.measures import percent, size_words
from planner.reports.style import COLOURS, DASHES, new_figure
from planner.results import best

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from planner.results import Result

_NAMES = {
    "pooled": "average laboratory", "new-lab": "new laboratory",
    "assurance": "new laboratory, not knowing the average", "given": "truth given by hand",
    "discounted": "new laboratory, literature discounted", "as-printed": "effect size as printed",
    "se-read-as-sd": "if SEs were read as SDs",
}  # fmt: skip


def power_curve(result: Result) -> Figure:
    """Chance of a significant benefit against n per group, one line per truth."""
    from matplotlib.ticker import PercentFormatter, ScalarFormatter

    figure: Figure
    figure, axes = new_figure()
    rows = [row for row in result.performance if row["measure"] == "success"]
    for i, truth in enumerate(dict.fromkeys(row["truth"] for row in rows)):
        own = [row for row in rows if row["truth"] == truth]
        n = [row["n"] for row in own]
        axes.plot(
            n,
            [best(row) for row in own],
            color=COLOURS[i],
            linestyle=DASHES[i],
            label=_NAMES[truth],
        )
        axes.errorbar(
            n, [row["value"] for row in own], yerr=[1.96 * row["mcse"] for row in own],
            fmt="o", markersize=3.5, color=COLOURS[i], linewidth=1,
        )  # fmt: skip
    for target in dict.fromkeys(row["target"] for row in result.required_rows):
        axes.axhline(target, color="#666666", linewidth=0.8, linestyle=(0, (2, 3)))
    if result.recommended is not None:
        axes.axvline(result.recommended, color="#000000", linewidth=0.8)
        axes.annotate(
            f"plan: {result.recommended} per group", (result.recommended, 0.36),
            xytext=(5, 0), textcoords="offset points", fontsize=9,
        )  # fmt: skip
    axes.set_xscale("log")
    ticks = _thinned(sorted({row["n"] for row in rows}))
    axes.set_xticks(ticks)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set(ylim=(0, 1.02), xlabel="animals per group", ylabel="chance of a significant benefit")
    axes.set_title("Lines: exact. Points: simulated, with 95% simulation error.", fontsize=9,
                   loc="left", color="#444444")  # fmt: skip
    axes.legend(loc="lower right", fontsize=9, frameon=False)
    return figure


def _thinned(values: list[int]) -> list[int]:
    # Ticks that would touch on the logarithmic axis are left out.
    kept: list[int] = []
    for value in values:
        if not kept or value >= 1.18 * kept[-1]:
            kept.append(value)
    return kept


def required_bars(result: Result) -> Figure:
    """Required n per group for the first target, under every truth and share of shrinkage."""
    from matplotlib.ticker import ScalarFormatter

    target = result.required_rows[0]["target"]
    rows = [row for row in result.required_rows if row["target"] == target]
    figure: Figure
    figure, axes = new_figure(height=0.6 + 0.36 * len(rows))
    largest = max((row["n"] for row in rows if row["n"] is not None), default=10)
    labels = []
    for i, row in enumerate(rows):
        shrink = f", effect {row['shrink']:.0%} smaller" if row["shrink"] else ""
        labels.append(_NAMES[row["truth"]] + shrink)
        reached = row["n"] is not None
        colour = COLOURS[0] if reached else "#cccccc"
        axes.barh(i, row["n"] if reached else 2 * largest, color=colour,
                  hatch="" if reached else "///", edgecolor="white")  # fmt: skip
        text = f" {size_words(row)}"
        if not reached:
            text += f" (ceiling {percent(row['ceiling'])})"
        axes.annotate(text, (row["n"] if reached else 2, i), va="center", fontsize=9)
    axes.set_xscale("log")
    axes.set_xlim(2, 4 * largest)
    axes.set_axisbelow(True)
    axes.xaxis.set_major_formatter(ScalarFormatter())
    axes.set_yticks(range(len(rows)), labels)
    axes.invert_yaxis()
    axes.set_xlabel(f"animals per group for {target:.0%} chance of a significant benefit")
    axes.grid(axis="y", visible=False)
    return figure


def calibration_check(result: Result) -> Figure:
    """Published numbers against the distribution simulated at the matched truth."""
    sample = result.extra["check_sample"]
    check = [row for row in result.extra["check"] if row["truth"] == "matched"]
    titles = {"g": "pooled effect size (SDs)", "se": "its standard error", "I2": "I2 (percent)"}
    figure: Figure
    figure, axes = new_figure(columns=3, width=9.0, height=3.0)
    for i, name in enumerate(titles):
        row: dict[str, Any] = next(row for row in check if row["statistic"] == name)
        axes[i].hist(sample[name], bins=40, color=COLOURS[5], density=True)
        axes[i].axvline(row["median"], color="black", linewidth=1.2, label="simulated median")
        if row["published"] is not None:
            axes[i].axvline(row["published"], color=COLOURS[1], linestyle="--", linewidth=1.6,
                            label="published")  # fmt: skip
        axes[i].set_xlabel(titles[name])
        axes[i].set_yticks([])
    axes[2].legend(fontsize=8, loc="upper left", bbox_to_anchor=(0.08, 1.0), frameon=False)
    return figure


def joint_draws(result: Result) -> Figure:
    """The truths that the publication leaves open, and the matched one."""
    figure: Figure
    figure, axes = new_figure(width=5.5, height=4.2)
    draws = result.extra["draws"]
    axes.scatter(draws["mu"], draws["tau"], s=4, color=COLOURS[0], alpha=0.25, linewidth=0,
                 rasterized=True,
                 label="reproduces the publication")  # fmt: skip
    axes.plot(result.truth["mu"], result.truth["tau"], "P", color=COLOURS[1], markersize=9,
              label="matched truth")  # fmt: skip
    axes.set(xlabel="mu, mean true effect (SDs)", ylabel="tau, SD between laboratories (SDs)")
    axes.legend(fontsize=9, loc="upper left", frameon=True, framealpha=0.9)
    return figure
