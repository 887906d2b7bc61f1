"""`planner decay --optimize`: words, page and figure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.reports.decay_words import confounded, days_words, does, source_words
from planner.reports.measures import NEW_LAB, percent
from planner.reports.style import COLOURS, DASHES, new_figure
from planner.reports.terminal import repeat, warning_lines
from planner.reports.text import paragraph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from planner.results import Result


def search_headline(facts: Mapping[str, Any]) -> str:
    """What was searched."""
    design = facts["design"]
    of = f"Of {facts['sets']} sets of days. Correlation {design.rho:g} over a week"
    of = f"{of} ({design.covariance})."
    if facts["sets"] == 1:
        of = "One set of days answers the question."
    elif design.layout == "cohorts":
        of = f"Of {facts['sets']} sets of days, with animals for each."
    aim = ""
    if facts["robust"] == "assurance":
        aim = (
            " For a new laboratory that does not know the average (assurance); without --optimize "
            "a plan is for one at the matched truth (new-lab)."
        )
    return f"Which days, and how many animals? {of} {source_words(facts['truth'])}{aim}"


def search_answer(facts: Mapping[str, Any]) -> str:
    """The answer of --optimize."""
    chosen, goal = facts["chosen"], facts["asked"].targets[0]
    lab = NEW_LAB[facts["robust"]]
    refused = [row for row in facts["frontier"] if not row["level_kept"]]
    if chosen is None and refused:
        row, plain = refused[-1], facts["design"].test == "contrast"
        return (
            f"No plan: on every set of these days that has the chance of {percent(goal)} the test "
            f"is wrong too often, such as in {100 * row['type_i']:.1f}% of experiments with "
            f"{row['n_power']} per group on {days_words(row['times'])}, where there is nothing to "
            f"find. {'Prevent losses' if plain else 'Take --test contrast, or prevent losses'}."
        )
    close = next((row for row in facts["frontier"] if row["needed"] is not None), None)
    if chosen is None and close is not None:
        return (
            f"No set of these days is shown with 95% confidence to give {lab} a chance of "
            f"{percent(goal)} to answer the question, though by simulation {close['needed']} per "
            f"group have it on {days_words(close['times'])}: take more --reps, allow later days "
            "(--days) or more sessions (--sessions)."
        )
    if chosen is None:
        most = max((row["ceiling"] for row in facts["frontier"]), default=1.0)
        limit = f" No number of animals gives more than {percent(most)}." if most < 0.995 else ""
        return (
            f"No set of these days gives {lab} a chance of {percent(goal)} to answer the question: "
            f"allow later days (--days) or more sessions (--sessions).{limit}"
        )
    what = does({"question": facts["question"], "shape": "linear or plateau"}, facts["design"])
    what = what.replace(f"day {facts['design'].times[-1]:g}", f"day {chosen['times'][-1]:g}")
    sentences = [
        f"Measure on {days_words(chosen['times'])}, {chosen['n']} per group "
        f"({chosen['animals']} animals{_bought(chosen)}): {lab} then has a chance of "
        f"{_chance(chosen)} to {what}."
    ]
    if not facts["sensible"]:
        sentences = [
            f"More than {facts['largest']} per group are not sensible, and no set of days takes "
            f"fewer: on {days_words(chosen['times'])} {chosen['n']} per group "
            f"({chosen['animals']} animals{_bought(chosen)}) give {lab} a chance of "
            f"{_chance(chosen)} to {what}."
        ]
    sentences.append(_with_error(chosen, goal))
    fewer = [row for row in facts["frontier"] if row["on_frontier"] and row is not chosen]
    if fewer:
        row = fewer[-1]
        same = "" if chosen["distinguishable"] else ", no more than simulation error apart"
        sentences.append(
            f"With {row['sessions']} sessions ({days_words(row['times'])}) it takes "
            f"{size_words(row['n'], row['ci_lb'], row['ci_ub'])}{same}."
        )
    sentences.append(_weekly_words(chosen))
    return " ".join(sentence for sentence in sentences if sentence)


def _bought(row: Mapping[str, Any]) -> str:
    return "" if row["ordered"] == row["animals"] else f"; buy {row['ordered']}"


def _chance(row: Mapping[str, Any]) -> str:
    """The chance of a plan: exact where it is known, and as simulated afresh."""
    again = f"simulated afresh: {percent(row['confirmed'])}"
    if row["exact"] is None:
        return f"{percent(row['confirmed'])} (simulated afresh)"
    return f"{percent(row['exact'])} ({again})"


def size_words(n: int | None, low: int | None, high: int | None) -> str:
    """A required n with its simulation error: "30 per group [28, 32]"."""
    if n is None:
        return "more than any number per group"
    return f"{n} per group{_error(low, high)}"


def _error(low: int | None, high: int | None) -> str:
    return "" if low is None else f" [{low}, {'?' if high is None else high}]"


def _with_error(row: Mapping[str, Any], goal: float) -> str:
    close = [one for one in row["next_best"] if not one["distinguishable"]]
    error = ""
    if row["ci_lb"] is not None and row["exact"] is None:
        error = (
            f"By simulation {percent(goal)} takes {row['ci_lb']} to {row['ci_ub'] or 'more'} per "
            f"group; {row['n']} reach it with 95% confidence. "
        )
    elif row["ci_lb"] is not None:
        error = f"Simulation error of n: {row['ci_lb']} to {row['ci_ub'] or 'more'}. "
    if not close:
        return error.strip()
    days = " or ".join(",".join(f"{day:g}" for day in one["times"]) for one in close[:2])
    return f"{error}Days {days} are not distinguishable from these."


def _weekly_words(row: Mapping[str, Any]) -> str:
    """What weekly days to the same last day cost, or save: their spacing, not their length."""
    if row["weekly_times"] is None:
        return ""
    if row["weekly_times"] == row["times"]:
        return "That is the plain weekly schedule."
    plain = f"A plain weekly schedule to the same day ({days_words(row['weekly_times'])})"
    if row["weekly_n"] is None:
        return f"{plain} does not get there at all."
    more = row["weekly_sessions"] - row["sessions"]
    sessions = "as many sessions"
    if more:
        sessions = f"{abs(more)} {'more' if more > 0 else 'fewer'} session{'s' * (abs(more) > 1)}"
    size = size_words(row["weekly_n"], row["weekly_ci_lb"], row["weekly_ci_ub"])
    text = f"{plain} takes {sessions} and {size}"
    if not row["weekly_distinguishable"]:
        return f"{text}, no more than simulation error apart."
    lost = row["weekly_animals"] - row["animals"]
    return f"{text}: {abs(lost)} animals {'more' if lost > 0 else 'fewer'}."


def search_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know about the search."""
    found = []
    chosen = facts["chosen"]
    if chosen is not None and chosen["n"] <= 4:
        found.append((
            "trivial",
            "So few animals are no plan: an effect this large shows its loss in any experiment. "
            "Ask for an early decay: planner decay --question decay --optimize --days 0,1,2,3,5",
        ))  # fmt: skip
    if facts["robust"] == "assurance":
        found.append((
            "robust",
            "Sets of days are compared over all half-lives and effects that the articles leave "
            "open; the columns new lab and average say what single truths need.",
        ))  # fmt: skip
    design = facts["design"]
    if design.covariance == "cs" and design.layout == "repeated" and facts["sets"] > 1:
        found.append((
            "cs",
            "Under cs, days that lie close together tell as much as days far apart; they tell less "
            "if correlation falls with the lag: --covariance ar1",
        ))  # fmt: skip
    if facts["question"] == "shape":
        found.append((
            "shape",
            "The shapes, linear (0 at twice the half-life) and plateau (30% stay), share the "
            "half-life; those that leave as much on a late day take more: planner decay --question "
            "shape",
        ))  # fmt: skip
    if facts["truth"].after is not None:
        found.append(("confounded", confounded(facts["truth"])))
    return [{"code": code, "text": text} for code, text in found]


def search_page(result: Result) -> str:
    """The page of --optimize."""
    document = result.document()
    lines = [*paragraph(str(result.extra["headline"])), ""]
    lines += [*paragraph(result.answer, "ANSWER  "), ""]
    rows = document["frontier"]
    others = [name for name in ("n_new_lab", "n_pooled") if rows and name in rows[0]]
    width = max([13, *(len(_days(row["times"])) for row in rows)])
    others = others[: 2 if width <= 15 else 1 if width <= 22 else 0]  # a line has 80 columns
    heads = {"n_new_lab": "new lab", "n_pooled": "average"}
    head = "".join(f"{heads[name]:>8}" for name in others)
    lines.append(f" ses. {'days':<{width}} {'n [95%]':<13}animals afresh{head}  weekly (ses.)")
    for row in rows:
        mark = ("*" if row["distinguishable"] else "~") if row["on_frontier"] else " "
        again = "" if row["confirmed"] is None else percent(row["confirmed"])
        cells = "".join(f"{row[name] or 'never':>8}" for name in others)
        plain = ""
        if row["weekly_times"] is not None:
            alike = "" if row["weekly_distinguishable"] else " ~"
            plain = f"{row['weekly_n'] or 'never'} ({row['weekly_sessions']}){alike}"
        size = _interval(row["n"], row["ci_lb"], row["ci_ub"])
        if not row["level_kept"]:
            size = f"wrong {100 * row['type_i']:.1f}%"
        line = f"{mark}{row['sessions']:>3}  {_days(row['times']):<{width}} {size:<13}"
        lines.append(f"{line}{row['animals'] or '':>7}{again:>7}{cells}  {plain}".rstrip())
    lines += paragraph(
        "* fewest animals for so few sessions (ses.); ~ not distinguishable from the marked line "
        "above it, or, weekly, from the best days. n per group reaches the target with 95% "
        "confidence; in brackets its simulation error; wrong: how often its test is, which is "
        "no plan. afresh: its chance on other random numbers. weekly: n and sessions of days 0, 7, "
        "... up to the same last day.",
        "  ",
    )
    shown = [row for row in rows if row["on_frontier"]]
    close = [
        f"{_days(one['times'])} ({_interval(one['n'], one['ci_lb'], one['ci_ub'])}"
        f"{'' if one['distinguishable'] else ' ~'})"
        for row in shown for one in row["next_best"][:2]
    ]  # fmt: skip
    if close:
        text = (
            "Next best days (n in the search, on fewer replicates; ~ not distinguishable from the "
            f"best): {'; '.join(close)}."
        )
        lines += ["", *paragraph(text, "  ")]
    lines.append("")
    return "\n".join([*lines, *warning_lines(document), *repeat(document)])


def _days(times: Sequence[float]) -> str:
    return ",".join(f"{day:g}" for day in times)


def _interval(n: int | None, low: int | None, high: int | None) -> str:
    return "never" if n is None else f"{n}{_error(low, high)}"


def frontier_figure(result: Result) -> Figure:
    """Animals against sessions: the best days, and a plain weekly schedule."""
    rows = [row for row in result.extra["frontier"] if row["n"] is not None]
    figure: Figure
    figure, axes = new_figure()
    goal = result.scenario["target"][0]
    axes.set(xlabel="sessions (days with a measurement)",
             ylabel=f"animals in all for a {goal:.0%} chance")  # fmt: skip
    if not rows:
        axes.set_title("No set of days gets there.", fontsize=9, loc="left", color="#444444")
        return figure
    plain = [row for row in rows if row["weekly_n"] is not None]
    # Weekly schedules by their own sessions; a little aside, so that neither hides the other.
    schedules = {row["weekly_times"][-1]: row for row in plain}
    if plain:
        weekly = [schedules[last] for last in sorted(schedules)]
        counts = [row["weekly_sessions"] for row in weekly]
        places = [m + 0.08 + 0.16 * counts[:i].count(m) for i, m in enumerate(counts)]
        _errorbars(axes, places, weekly, "weekly_", fmt="s", linestyle="none",
                   color=COLOURS[1], label="weekly, to the day written above")  # fmt: skip
        for place, row in zip(places, weekly, strict=True):
            high = _per_n(row, "weekly_") * max(row["weekly_ci_ub"] or 0, row["weekly_n"])
            axes.annotate(f"{row['weekly_times'][-1]:g}", (place, high), xytext=(0, 3),
                          textcoords="offset points", fontsize=8, ha="center",
                          color=COLOURS[1])  # fmt: skip
    _errorbars(axes, [row["sessions"] - 0.06 for row in rows], rows, "", fmt="o",
               linestyle=DASHES[0], color=COLOURS[0],
               label="best days (written below)")  # fmt: skip
    top = max(_per_n(row, kind) * max(row[f"{kind}ci_ub"] or 0, row[f"{kind}n"])
              for row in rows for kind in ("", "weekly_") if row[f"{kind}n"])  # fmt: skip
    for i, row in enumerate(rows):
        low = _per_n(row, "") * min(row["ci_lb"] or row["n"], row["n"])
        axes.annotate(", ".join(f"{day:g}" for day in row["times"]), (row["sessions"], low),
                      xytext=(0, -8 - 13 * (i % 2)), textcoords="offset points", fontsize=8,
                      va="top", ha="center")  # fmt: skip
    axes.set_ylim(0.0, 1.3 * top)  # room for the legend
    sessions = {row["sessions"] for row in rows} | {row["weekly_sessions"] for row in plain}
    axes.set_xticks(range(min(sessions), max(sessions) + 1))
    axes.set_xlim(min(sessions) - 0.5, max(sessions) + 0.5)
    axes.set_title("Bars: 95% simulation error of n.",
                   fontsize=9, loc="left", color="#444444")  # fmt: skip
    axes.legend(fontsize=8, loc="upper right")
    return figure


def _per_n(row: Mapping[str, Any], kind: str) -> float:
    # Animals for each n per group: cohorts have as many again on every day.
    return float(row[f"{kind}animals"] / row[f"{kind}n"])


def _errorbars(
    axes: Any, x: Sequence[float], rows: Sequence[Mapping[str, Any]], kind: str, **look: Any
) -> None:
    """Animals with the simulation error of n."""
    n = [row[f"{kind}n"] for row in rows]
    each = [_per_n(row, kind) for row in rows]
    low = [by * max(0, m - (row[f"{kind}ci_lb"] or m))
           for by, m, row in zip(each, n, rows, strict=True)]  # fmt: skip
    high = [by * max(0, (row[f"{kind}ci_ub"] or m) - m)
            for by, m, row in zip(each, n, rows, strict=True)]  # fmt: skip
    axes.errorbar(x, [row[f"{kind}animals"] for row in rows], yerr=[low, high], markersize=5,
                  linewidth=1.3, capsize=3, **look)  # fmt: skip
