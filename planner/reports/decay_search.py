"""`planner decay --optimize`: words, page and figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from planner.reports.decay_words import confounded, days_words, does, source_words
from planner.reports.measures import NEW_LAB, percent
from planner.reports.style import COLOURS, new_figure
from planner.reports.terminal import repeat
from planner.reports.text import paragraph

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from planner.results import Result


def search_headline(facts: Mapping[str, Any]) -> str:
    """What was searched."""
    design = facts["design"]
    return (
        f"Which days, and how many animals? Of {facts['sets']} sets of days. Correlation "
        f"{design.rho:g} over a week ({design.covariance}). {source_words(facts['truth'])}"
    )


def search_answer(facts: Mapping[str, Any]) -> str:
    """The answer of --optimize."""
    chosen, goal = facts["chosen"], facts["asked"].targets[0]
    lab = NEW_LAB[facts["robust"]]
    if chosen is None:
        return (
            f"No set of these days gives {lab} a chance of {percent(goal)} to answer the question: "
            "allow later days (--days) or more sessions (--sessions)."
        )
    what = does({"question": facts["question"], "shape": "linear or plateau"}, facts["design"])
    what = what.replace(f"day {facts['design'].times[-1]:g}", f"day {chosen['times'][-1]:g}")
    sentences = [
        f"Measure on {days_words(chosen['times'])}, {chosen['n']} per group "
        f"({chosen['animals']} animals): {lab} then has a chance of "
        f"{percent(chosen['confirmed'])} (simulated afresh) to {what}."
    ]
    fewer = [row for row in facts["frontier"] if row["on_frontier"] and row is not chosen]
    if fewer:
        row = fewer[-1]
        sentences.append(
            f"With {row['sessions']} sessions ({days_words(row['times'])}) it takes {row['n']} "
            "per group."
        )
    if chosen["weekly_n"] is not None:
        lost = chosen["weekly_n"] - chosen["n"]
        plain = days_words(chosen["weekly_times"])
        sentences.append(
            f"A plain weekly schedule ({plain}) takes {chosen['weekly_n']}: "
            + (f"{lost} more per group." if lost > 0 else "no more.")
        )
    elif chosen["weekly_times"]:
        sentences.append("A plain weekly schedule of as many sessions does not get there at all.")
    return " ".join(sentences)


def search_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know about the search."""
    found = []
    chosen, goal = facts["chosen"], facts["asked"].targets[0]
    if chosen is not None and chosen["n"] <= 4:
        found.append((
            "trivial",
            "So few animals are no plan: an effect this large shows its loss in any experiment. "
            "Ask for an early decay: planner decay --question decay --optimize --days 0,1,2,3,5",
        ))  # fmt: skip
    if chosen is not None and chosen["confirmed"] + 3.0 * chosen["confirmed_mcse"] < goal:
        found.append((
            "not-confirmed",
            f"Simulated afresh the best design reaches only {percent(chosen['confirmed'])}.",
        ))  # fmt: skip
    if facts["robust"] == "assurance":
        found.append((
            "robust",
            "Sets of days are compared over all half-lives and effects that the articles leave "
            "open; columns beside it say what single truths need.",
        ))  # fmt: skip
    design = facts["design"]
    if design.covariance == "cs" and design.layout == "repeated":
        found.append((
            "cs",
            "Under cs, days that lie close together tell as much as days far apart; they tell less "
            "if correlation falls with the lag: --covariance ar1",
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
    heads = {"n_new_lab": "new lab", "n_pooled": "average"}
    head = "".join(f"{heads[name]:>8}" for name in others)
    lines.append(f"  ses.  {'days':<18}  n [95%]      animals afresh{head} weekly")
    for row in rows:
        days = ",".join(f"{day:g}" for day in row["times"])
        mark = "*" if row["on_frontier"] else " "
        interval = "" if row["ci_lb"] is None else f" [{row['ci_lb']}, {row['ci_ub'] or '?'}]"
        size = "never" if row["n"] is None else f"{row['n']}{interval}"
        again = "" if row["confirmed"] is None else percent(row["confirmed"])
        cells = "".join(f"{row[name] or 'never':>8}" for name in others)
        plain = row["weekly_n"] if row["weekly_n"] is not None else "never"
        plain = "" if row["weekly_times"] is None else plain
        line = f"{mark} {row['sessions']:>4}  {days:<18}  {size:<12}{row['animals'] or '':>8}"
        lines.append(f"{line}{again:>7}{cells}{plain:>7}".rstrip())
    lines.append("  * fewest animals for so few sessions (ses.); n per group; weekly: 0, 7, ...")
    close = [row for row in rows if row["next_best"]]
    if close:
        texts = []
        for row in close:
            best = row["next_best"][0]
            texts.append(f"{', '.join(f'{day:g}' for day in best['times'])} ({best['n']})")
        lines += ["", *paragraph("Next best days (n in the search): " + "; ".join(texts) + ".",
                                 "  ")]  # fmt: skip
    lines.append("")
    if document["warnings"]:
        lines.append("BEFORE YOU USE THIS")
        for warning in document["warnings"]:
            lines += paragraph(warning["text"], "! ")
    return "\n".join([*lines, *repeat(document)])


def frontier_figure(result: Result) -> Figure:
    """Animals against sessions: the best days, and a plain weekly schedule."""
    rows = [row for row in result.extra["frontier"] if row["n"] is not None]
    figure: Figure
    figure, axes = new_figure()
    if rows:
        per_n = rows[0]["animals"] / rows[0]["n"]
        sessions = [row["sessions"] for row in rows]
        errors = [
            [max(0.0, row["animals"] - per_n * (row["ci_lb"] or row["n"])) for row in rows],
            [max(0.0, per_n * (row["ci_ub"] or row["n"]) - row["animals"]) for row in rows],
        ]
        axes.errorbar(sessions, [row["animals"] for row in rows], yerr=errors, fmt="o-",
                      color=COLOURS[0], markersize=6, linewidth=1.4,
                      label="best days, with 95% simulation error")  # fmt: skip
        plain = [(row["sessions"], per_n * row["weekly_n"]) for row in rows
                 if row["weekly_n"] is not None]  # fmt: skip
        if plain:
            axes.plot([x for x, _ in plain], [y for _, y in plain], "s--", color=COLOURS[1],
                      markersize=5, linewidth=1.2, label="weekly: 0, 7, 14, ...")  # fmt: skip
        for row in rows:
            text = ", ".join(f"{day:g}" for day in row["times"])
            axes.annotate(f"days {text}", (row["sessions"], row["animals"]), xytext=(6, -14),
                          textcoords="offset points", fontsize=8)  # fmt: skip
        top = max([row["animals"] for row in rows] + [y for _, y in plain])
        axes.set_ylim(0.0, 1.15 * top)
        axes.set_xticks(sorted(set(sessions)))
        axes.set_xlim(min(sessions) - 0.4, max(sessions) + 1.0)
        axes.legend(fontsize=8, loc="upper right")
    goal = result.scenario["target"][0]
    axes.set(xlabel="sessions (days with a measurement)",
             ylabel=f"animals in all for a {goal:.0%} chance")  # fmt: skip
    return figure
