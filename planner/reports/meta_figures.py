"""Figures of `planner meta`: new reviews, updates, laboratories against animals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.reports.measures import INTERVAL_NAMES
from planner.reports.style import COLOURS, DASHES, new_figure

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from planner.results import Result


def _first(result: Result) -> tuple[str, str, list[str]]:
    """Truth and estimator that the answer is about, and the intervals in order."""
    scenario = result.scenario
    estimator = str(scenario["estimator"]).split(",")[0]
    intervals = str(scenario["interval"]).split(",")
    truth = next(row["truth"] for row in result.performance)
    return truth, estimator, intervals


def _rows(result: Result, measure: str, **wanted: Any) -> list[dict[str, Any]]:
    return [
        dict(row)
        for row in result.performance
        if row["measure"] == measure
        and row.get("cluster") is None
        and all(row[name] == value for name, value in wanted.items())
    ]


def _line(axes: Any, rows: list[dict[str, Any]], x: str, i: int, label: str) -> None:
    axes.errorbar(
        [row[x] for row in rows], [row["value"] for row in rows],
        yerr=[1.96 * (row["mcse"] or 0.0) for row in rows], color=COLOURS[i],
        linestyle=DASHES[i], marker="o", markersize=3.5, label=label,
    )  # fmt: skip


def _percent_axis(axes: Any, low: float = 0.0, high: float = 1.02) -> None:
    from matplotlib.ticker import PercentFormatter

    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.set_ylim(low, high)


def review_chances(result: Result) -> Figure:
    """Success, coverage and type I error of a new review against its number of studies."""
    truth, estimator, intervals = _first(result)
    figure: Figure
    figure, axes = new_figure(columns=3, width=10.5, height=3.8)
    titles = {
        "success": "chance of a significant benefit",
        "coverage": "95% interval covers the true mean",
        "type_i": "significant at a mean effect of zero",
    }
    level = 1.0 - result.scenario["alpha"]
    titles["coverage"] = f"{level:.3g}".replace("0.", "") + "% interval covers the true mean"
    n = next(row["n"] for row in result.performance)
    for panel, (measure, title) in zip(axes, titles.items(), strict=True):
        for i, interval in enumerate(intervals):
            own = _rows(result, measure, truth=truth, estimator=estimator, interval=interval, n=n)
            _line(panel, own, "k", i, INTERVAL_NAMES[interval])
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("studies in the review")
        panel.xaxis.get_major_locator().set_params(integer=True)
    _percent_axis(axes[0])
    _percent_axis(axes[1], None, 1.0)  # type: ignore[arg-type]
    _percent_axis(axes[2], 0.0, None)  # type: ignore[arg-type]
    axes[1].axhline(level, color="#666666", linewidth=0.8)
    axes[2].axhline(1.0 - level, color="#666666", linewidth=0.8)
    axes[0].legend(fontsize=8, loc="best")
    figure.suptitle(_what(estimator, n), fontsize=9, x=0.01, ha="left", color="#444444")
    return figure


def _what(estimator: str, n: int | None) -> str:
    sizes = "sizes like the published ones" if n is None else f"{n} animals per group"
    return f"{estimator}, {sizes}"


def review_bias(result: Result) -> Figure:
    """Bias of the pooled effect and of tau^2, one line per estimator."""
    truth, _, _ = _first(result)
    figure: Figure
    figure, axes = new_figure(columns=2, width=8.5, height=3.6)
    n = next(row["n"] for row in result.performance)
    names = ("bias", "bias_tau2")
    titles = ("bias of the pooled effect (SDs)", "bias of tau² (squared SDs)")
    for panel, measure, title in zip(axes, names, titles, strict=True):
        for i, estimator in enumerate(str(result.scenario["estimator"]).split(",")):
            own = _rows(result, measure, truth=truth, estimator=estimator, n=n)
            _line(panel, own, "k", i, estimator)
        panel.axhline(0.0, color="#666666", linewidth=0.8)
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("studies in the review")
        panel.xaxis.get_major_locator().set_params(integer=True)
    axes[1].legend(fontsize=8, loc="best")
    figure.suptitle(_what("", n).lstrip(", "), fontsize=9, x=0.01, ha="left", color="#444444")
    return figure


def _update_panels(result: Result, measures: dict[str, str]) -> tuple[Figure, Any]:
    _, estimator, intervals = _first(result)
    figure: Figure
    figure, axes = new_figure(columns=len(measures), width=4.2 * len(measures), height=3.7)
    for panel, (measure, title) in zip(axes, measures.items(), strict=True):
        for i, n in enumerate(result.scenario["n"]):
            # How far the pooled effect moves does not depend on the interval.
            interval = None if measure.startswith("shift") else intervals[0]
            own = _rows(result, measure, estimator=estimator, interval=interval, n=n)
            _line(panel, own, "new_studies", i, f"{n} per group")
        panel.set_title(title, fontsize=10)
        panel.set_xlabel("new studies added")
        panel.xaxis.get_major_locator().set_params(integer=True)
    return figure, axes


def update_chances(result: Result) -> Figure:
    """What new studies do to the conclusion."""
    figure, axes = _update_panels(result, {
        "success": "updated effect is a significant benefit",
        "changed": "the conclusion changes",
        "pi_excludes_zero": "prediction interval excludes zero",
    })  # fmt: skip
    for panel in axes:
        _percent_axis(panel)
    axes[0].legend(fontsize=8, loc="best")
    return figure


def update_widths(result: Result) -> Figure:
    """What new studies do to the interval and to the pooled effect."""
    figure, axes = _update_panels(result, {
        "ci_width": "width of the interval (SDs)",
        "shift_abs": "mean shift of the pooled effect, either way (SDs)",
    })  # fmt: skip
    for panel in axes:
        panel.set_ylim(bottom=0.0)
    axes[0].legend(fontsize=8)
    return figure


def labs_frontier(result: Result) -> Figure:
    """Success and type I error against laboratories, for each total of animals."""
    truth, estimator, intervals = _first(result)
    figure: Figure
    figure, axes = new_figure(columns=2, width=9.0, height=3.9)
    for i, total in enumerate(result.scenario["animals"]):
        for style, interval in enumerate(intervals[:2]):
            for panel, measure in zip(axes, ("success", "type_i"), strict=True):
                found = _rows(result, measure, truth=truth, estimator=estimator, interval=interval)
                # Of a total that the laboratories cannot share evenly some animals stay unused.
                own = [
                    row for row in found
                    if row["value"] is not None and row["n"] == total // (2 * row["labs"])
                ]  # fmt: skip
                panel.plot(
                    [row["labs"] for row in own], [row["value"] for row in own], color=COLOURS[i],
                    linestyle=DASHES[style], marker="o", markersize=3.5,
                    label=f"{total} animals, {INTERVAL_NAMES[interval]}",
                )  # fmt: skip
    best = result.extra["frontier"]
    axes[0].plot([row["labs"] for row in best], [row["success"] for row in best], "s",
                 markersize=9, fillstyle="none", color="black", label="frontier")  # fmt: skip
    axes[1].axhline(result.scenario["alpha"], color="#666666", linewidth=0.8)
    axes[0].set_title("chance to show the mean effect over laboratories", fontsize=10)
    axes[1].set_title("significant at a mean effect of zero", fontsize=10)
    for panel in axes:
        panel.set_xlabel("laboratories")
    _percent_axis(axes[0])
    _percent_axis(axes[1], 0.0, None)  # type: ignore[arg-type]
    axes[0].legend(fontsize=7.5, loc="lower right")
    return figure
