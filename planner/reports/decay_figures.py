"""Figures of `planner decay`: they take a Result and draw."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from planner.decay_designs import parse_days
from planner.reports.decay_measures import human_words
from planner.reports.style import COLOURS, DASHES, new_figure
from planner.results import best
from planner.two_arm import LARGEST_RECOMMENDED

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from planner.results import Result

_NAMES = {
    "pooled": "average laboratory", "new-lab": "new laboratory",
    "assurance": "not knowing the average", "given": "truth given by hand",
    "discounted": "literature discounted",
}  # fmt: skip
_SAYS = {"decay": "decay shown by day", "residual": "effect left on day", "gone": "gone on day",
         "half-life": "half-life by day", "shape": "shape"}  # fmt: skip


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
                          label="laboratories, average known")  # fmt: skip
    if opened:
        for bound, label in (("open_lb", "average laboratory, not known"), ("open_ub", None)):
            axes.plot(day, [row[bound] for row in rows], color=COLOURS[6], linewidth=1.2,
                      linestyle=DASHES[3], label=label)  # fmt: skip
    axes.plot(day, [row["average"] for row in rows], color=COLOURS[0], linewidth=2.0,
              label="average laboratory")  # fmt: skip
    axes.plot(day, [row["linear"] for row in rows], color=COLOURS[1], linestyle=DASHES[1],
              linewidth=1.2, label="if linear: 0 at twice the half-life")  # fmt: skip
    axes.plot(day, [row["plateau"] for row in rows], color=COLOURS[2], linestyle=DASHES[2],
              linewidth=1.2, label="if a plateau: 30% stays")  # fmt: skip
    axes.axhline(0.0, color="#666666", linewidth=0.8)
    _draw_published(axes, result.extra.get("published_after"))
    if not result.scenario["show_truth"]:  # the truth alone has no days of measurement
        times = parse_days(str(result.scenario["times"]))
        axes.plot(times, [0.0] * len(times), linestyle="none", marker="^", color="black",
                  markersize=6, label="measured", clip_on=False)  # fmt: skip
    half_life = result.truth["half_life"]
    axes.set_title(f"Half-life {half_life:.1f} days. Bands and bars: 95%.", fontsize=9, loc="left",
                   color="#444444")  # fmt: skip
    axes.set(xlabel="days after the end of treatment", ylabel="effect (SDs)")
    axes.set_xlim(0.0, day[-1])
    axes.legend(fontsize=8, loc="upper right")
    return figure


def _draw_published(axes: Any, row: Any) -> None:
    """The published effect after treatment with its interval, over the days it is about."""
    if row is None:
        return
    days = f"{row['first_day']:g}"
    if row["last_day"] > row["first_day"]:
        days += f" to {row['last_day']:g}"
    axes.errorbar(
        row["day"], row["g"], yerr=[[row["g"] - row["lb"]], [row["ub"] - row["g"]]],
        xerr=[[row["day"] - row["first_day"]], [row["last_day"] - row["day"]]], fmt="D",
        color="black", markersize=5, linewidth=1.2, capsize=3, zorder=4,
        label=f"published {row['analysis']}, day {days}: {row['g']:g}",
    )  # fmt: skip


def day_figure(result: Result) -> Figure:
    """Required n against the day by which decay must show, or an effect must still show."""
    from matplotlib.ticker import ScalarFormatter

    planned = result.scenario["plan_for"] or "given"
    rows = [row for row in result.extra["by_day"]
            if row["n"] is not None and row["truth"] in ("pooled", planned)]  # fmt: skip
    figure: Figure
    figure, axes = new_figure()
    names = dict.fromkeys((row["question"], row["truth"]) for row in rows)
    questions = list(dict.fromkeys(question for question, _ in names))
    truths = list(dict.fromkeys(("pooled", planned)))  # the same dashes in every figure
    for question, truth in names:
        own = [row for row in rows if (row["question"], row["truth"]) == (question, truth)]
        i, j = questions.index(question), truths.index(truth)
        look = {"color": COLOURS[i], "linestyle": DASHES[j], "marker": "os^v"[i], "markersize": 4,
                "markerfacecolor": (COLOURS[i], "white")[j]}  # fmt: skip
        label = f"{_SAYS[question]}, {_NAMES[truth]}"
        low = [row["n"] - (row["ci_lb"] or row["n"]) for row in own]
        high = [(row["ci_ub"] or row["n"]) - row["n"] for row in own]
        x, n = [row["day"] for row in own], [row["n"] for row in own]
        if any(low) or any(high):
            label += " (bars: simulation error)"
            axes.errorbar(x, n, yerr=[low, high], fmt="none", ecolor=COLOURS[i], elinewidth=1,
                          capsize=2)  # fmt: skip
        axes.plot(x, n, label=label, **look)
    asked = parse_days(str(result.scenario["times"]))[-1]
    marked = [row for row in rows if row["truth"] == planned and row["day"] == asked]
    _mark_plan(axes, result, marked, asked)
    axes.set_yscale("log")
    axes.set_ylim(1.8, 1000)
    axes.set_yticks([2, 5, 10, 20, 50, 100, 200, 500, 1000])
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.minorticks_off()
    axes.axhline(LARGEST_RECOMMENDED, color="#666666", linewidth=0.8, linestyle=(0, (2, 3)))
    _beside(axes, LARGEST_RECOMMENDED, f"{LARGEST_RECOMMENDED}: beyond,\nnot sensible")
    goal = result.scenario["target"][0]
    kept = "" if result.scenario["dropout"] == 0.0 else ", if no animal is lost"
    axes.set(xlabel=f"last day measured, after the end of treatment{kept}",
             ylabel=f"animals per group for a {goal:.0%} chance")  # fmt: skip
    if names:
        # Below the axes: curves go everywhere above.
        figure.legend(*axes.get_legend_handles_labels(), fontsize=8, loc="outside lower center",
                      ncols=2)  # fmt: skip
    return figure


def _mark_plan(axes: Any, result: Result, rows: list[Any], asked: float) -> None:
    """The n of each question on the last day, and around the plan's a circle."""
    plan = result.recommended
    look = {"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8}
    texts = {row["n"]: str(row["n"]) for row in rows}
    if plan is not None:
        axes.plot(asked, plan, "o", markersize=11, markerfacecolor="none", color="black")
        texts[plan] = f"plan: {plan}"
    last = 0.0
    for n, text in sorted(texts.items()):
        near = n < 1.25 * last  # on the log scale of n: beside the line's other side
        place = (-8 if near else 8, 8 if n == plan else -11)
        axes.annotate(text, (asked, n), xytext=place, fontsize=9, textcoords="offset points",
                      zorder=5, ha="right" if near else "left", bbox=look)  # fmt: skip
        last = 0.0 if near else n
    axes.axvline(asked, color="black", linewidth=0.8)
    axes.annotate(f"day {asked:g}: as planned", (asked, 1.0), xycoords=("data", "axes fraction"),
                  xytext=(0, 3), textcoords="offset points", fontsize=8, ha="center")  # fmt: skip


def sizes_figure(result: Result) -> Figure:
    """Chance that each question is answered, against n per group."""
    from matplotlib.ticker import MaxNLocator, PercentFormatter

    rows = [row for row in result.performance if row["measure"] == "success" and row["n"] <= 60]
    names = list(dict.fromkeys((row["question"], row["shape"]) for row in rows))
    planned = result.scenario["plan_for"] or "given"
    truths = [name for name in dict.fromkeys(("pooled", planned))
              if any(row["truth"] == name for row in rows)]  # fmt: skip
    figure: Figure
    figure, axes = new_figure()
    for i, (question, shape) in enumerate(names):
        for j, truth in enumerate(truths):
            own = [row for row in rows if row["truth"] == truth
                   and (row["question"], row["shape"]) == (question, shape)]  # fmt: skip
            label = _SAYS[question] if question != "shape" else f"{shape} shape told apart"
            label = label.replace(" by day", "").replace(" on day", "")
            dash = DASHES[j]
            look = {"color": COLOURS[i % 7], "linestyle": dash}
            axes.plot([row["n"] for row in own], [best(row) for row in own], **look)
            face = (COLOURS[i % 7], "white")[j]  # told apart where there is one size only
            axes.plot([], [], marker="os^vDP"[i], markersize=4, label=f"{label}, {_NAMES[truth]}",
                      markerfacecolor=face, **look)  # fmt: skip
            axes.errorbar([row["n"] for row in own], [row["value"] for row in own],
                          yerr=[1.96 * row["mcse"] for row in own], fmt="os^vDP"[i], markersize=4,
                          color=COLOURS[i % 7], linewidth=1, markerfacecolor=face)  # fmt: skip
    for target in result.scenario["target"]:
        axes.axhline(target, color="#666666", linewidth=0.8, linestyle=(0, (2, 3)))
        _beside(axes, target, f"{target:.0%} wanted")
    axes.yaxis.set_major_formatter(PercentFormatter(1.0))
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    if result.recommended is not None:
        axes.axvline(result.recommended, color="black", linewidth=0.8)
        axes.annotate(f"plan: {result.recommended} per group", (result.recommended, 0.02),
                      xytext=(4, 0), textcoords="offset points", fontsize=9)  # fmt: skip
    axes.set(ylim=(0, 1.02), xlabel="animals per group", ylabel="chance of an answer")
    axes.set_title("Lines: exact where it is known. Points: simulated, with 95% simulation error.",
                   fontsize=9, loc="left", color="#444444")  # fmt: skip
    figure.legend(*axes.get_legend_handles_labels(), fontsize=8, loc="outside lower center",
                  ncols=2)  # fmt: skip
    return figure


def _beside(axes: Any, y: float, text: str) -> None:
    """Words at the right end of a dotted line, outside the curves."""
    axes.annotate(text, (1.0, y), xycoords=("axes fraction", "data"), xytext=(4, 0), fontsize=8,
                  textcoords="offset points", va="center", color="#444444")  # fmt: skip


def half_life_figure(result: Result) -> Figure:
    """The joint draws of effect and half-life, under the reading taken."""
    import math

    draws = result.extra["draws"]
    pairs = [(d, t) for d, t in zip(draws["delta0"], draws["half_life"], strict=True)
             if 0.0 < t < math.inf]  # fmt: skip
    figure: Figure
    figure, axes = new_figure(width=5.5, height=4.2)
    axes.scatter([d for d, _ in pairs], [t for _, t in pairs], s=4, color=COLOURS[0], alpha=0.25,
                 linewidth=0, rasterized=True,
                 label=f"joint draws, {result.truth['reading']}")  # fmt: skip
    for i, row in enumerate(result.truth["readings"] or [result.truth]):
        axes.plot(row["delta0"], row["half_life"], "Ps^Dv"[i % 5], color=COLOURS[1 + i % 3],
                  markersize=9, markeredgecolor="black", linestyle="none",
                  label=f"matched truth, {row['reading']}: {row['half_life']:.1f} d")  # fmt: skip
    axes.set_yscale("log")
    ticks = [0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 50, 100]
    lowest = min([1.0, *(0.7 * days for days in _draw_human(axes, result.truth["human"]))])
    ticks = [tick for tick in ticks if tick >= lowest]
    axes.set_ylim(lowest, 100.0)
    axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes.minorticks_off()
    axes.set(xlabel="effect at the end of treatment (SDs)", ylabel="half-life (days)")
    # Far below the draws there is room, if something else lies there.
    place = {"loc": "lower right", "bbox_to_anchor": (1.0, 0.08)} if lowest < 0.5 else {
        "loc": "upper right"}  # fmt: skip
    axes.legend(fontsize=8, frameon=True, framealpha=0.9, **place)
    return figure


def _draw_human(axes: Any, rows: Any) -> list[float]:
    """Half-lives in humans as lines, in days: quoted by the article, never pooled."""
    found = []
    for i, row in enumerate(rows):
        days = row["value"] / {"h": 24.0, "d": 1.0}[row["unit"]]
        label = f"humans, {human_words(row['name'])}: {row['value']:g} {row['unit']}"
        axes.axhline(days, color="#444444", linewidth=1.2, linestyle=DASHES[1 + i % 5],
                     label=label)  # fmt: skip
        found.append(days)
    return found
