"""The answer of `planner decay` in plain words; every number in it is of the truth planned for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.decay_designs import ONE_DAY
from planner.decay_levels import exceeds, nominal
from planner.decay_required import wanted_rows
from planner.reports.decay_words import a_percent, days_words, does
from planner.reports.measures import NEW_LAB, at_most, percent
from planner.results import best

ROUGH = 0.3  # width of an interval, as a share of n


def decay_answer(facts: Mapping[str, Any]) -> str:
    """The answer of `planner decay`."""
    if facts["animals"] is not None:
        return _animals_answer(facts)
    design, asked, chosen = facts["design"], facts["asked"], facts["chosen"]
    goal, lab = asked.targets[0], NEW_LAB[asked.plan_for]
    wanted = wanted_rows(facts["required"], asked)
    sentences = []
    if chosen is not None:
        n1, n2 = design.arms.groups(chosen["n"])
        groups = f"{n1} animals per group" if n1 == n2 else f"{n1} treated and {n2} control animals"
        each = ""
        if design.layout == "cohorts":
            alone = chosen["animals"] == design.animals(chosen["n"], ["residual"])
            each = f" on day {design.times[-1]:g}" if alone else " and day"
        bought = "" if chosen["ordered"] == chosen["animals"] else f"; buy {chosen['ordered']}"
        about = "about " if rough(chosen) else ""
        sentences.append(
            f"Plan {about}{groups}{each} ({chosen['animals']} in all{bought}). "
            f"{lab[0].upper()}{lab[1:]} then has {a_percent(goal)} chance to "
            f"{does(chosen, design)}{error_words(chosen)}.{_raised(chosen)}"
        )
    for row in wanted:
        if row is chosen:
            continue
        sentences.append(_other(row, facts, chosen))
    sentences += _through(facts, wanted)
    return " ".join(sentences)


def rough(row: Mapping[str, Any]) -> bool:
    """Whether a size has so large a simulation error that it must not look like one number."""
    if row["n"] is None or row["ci_lb"] is None:
        return False
    return row["ci_ub"] is None or row["ci_ub"] - row["ci_lb"] > ROUGH * row["n"]


def size_in_words(row: Mapping[str, Any], design: Any = None) -> str:
    """A required size: "30 per group", or first its interval where that is wide."""
    each = "per group"
    if design is not None and design.layout == "cohorts" and row["question"] not in ONE_DAY:
        each = "per group and day"
    if not rough(row):
        return f"{row['n']} {each}"
    high = "or more" if row["ci_ub"] is None else f"to {row['ci_ub']}"
    return f"{row['ci_lb']} {high} {each} (about {row['n']})"


def error_words(row: Mapping[str, Any]) -> str:
    """The simulation error of a required n, in brackets, where it has one."""
    if row["ci_lb"] is None or row["ci_lb"] == row["ci_ub"]:
        return ""
    high = "more" if row["ci_ub"] is None else row["ci_ub"]
    return f" (simulation error of n: {row['ci_lb']} to {high})"


def _other(row: Mapping[str, Any], facts: Mapping[str, Any], chosen: Any) -> str:
    """A sentence about a question that does not decide the plan."""
    design, goal = facts["design"], facts["asked"].targets[0]
    what = does(row, design)
    if row["question"] == "decay" and facts["trivial"]:
        early = _early_decay(facts)
        return (
            f"To {what} takes {row['n']} per group, which is no plan: an effect this large shows "
            f"its loss in any experiment.{early}"
        )
    if row["n"] is None and row["n_power"] is not None:
        return (
            f"To {what}: {row['n_power']} per group - but this test then says so wrongly in "
            f"{100 * row['type_i']:.1f}% of experiments "
            f"({100 * nominal(design, row['question']):.3g}% allowed): "
            f"not a valid plan.{_days_left(row, facts)}"
        )
    if row["n"] is None:
        if row["ceiling"] <= goal:
            text = (
                f"No number of animals gives {a_percent(goal)} chance to {what}: at most "
                f"{at_most(row['ceiling'], goal)}."
            )
        else:
            text = f"To {what} would take more animals than the search goes to."
        return text + _days_left(row, facts)
    if row["n"] > facts["largest"]:
        return (
            f"To {what} would take {size_in_words(row, design)}, {row['animals']} animals, which "
            f"is not sensible.{_days_left(row, facts)}"
        )
    only = "as few as " if chosen is not None and row["n"] < 0.6 * chosen["n"] else ""
    return f"To {what} takes {only}{size_in_words(row, design)}.{_raised(row)}"


def _raised(row: Mapping[str, Any]) -> str:
    """Why a size is larger than its chance of success asks for."""
    if row["level_kept"]:
        return ""
    return (
        f" {row['n_power']} would have the chance, but be wrong too often ("
        f"{100 * row['type_i']:.1f}% where there is nothing to find)."
    )


def _through(facts: Mapping[str, Any], wanted: Sequence[Mapping[str, Any]]) -> list[str]:
    """What a shape takes that leaves as much as the exponential on the published effect's day."""
    said = []
    for row in facts.get("shapes_through", ()):
        own = next(one for one in wanted if (one["question"], one["shape"])
                   == ("shape", row["shape"]))  # fmt: skip
        if not row["exists"] or (own["n"] is None and row["n"] is None):
            continue
        takes = "more than can be searched"
        if row["n"] is not None:
            takes = size_in_words({**row, "question": "shape"}, facts["design"])
        optimistic = f"{own['n']} is optimistic: " if _more(own, row) else ""
        said.append(
            f"{optimistic}{'a' if optimistic else 'A'} {row['shape']} decay that also leaves "
            f"{row['effect']:.2f} SDs{_at(facts)} on day {row['day']:g} takes {takes}."
        )
    return said


def _at(facts: Mapping[str, Any]) -> str:
    """Whose effect a shape leaves: each truth's own, where a plan is for many."""
    return " (at the matched truth)" if facts["asked"].plan_for == "assurance" else ""


def _more(own: Mapping[str, Any], row: Mapping[str, Any]) -> bool:
    """Whether another shape takes more animals, by more than both simulation errors."""
    if own["n"] is None or row["n"] is None:
        return own["n"] is not None
    return bool((own["ci_ub"] or own["n"]) < (row["ci_lb"] or row["n"]))


def _early_decay(facts: Mapping[str, Any]) -> str:
    rows = [row for row in facts["by_day"] if row["question"] == "decay"
            and row["truth"] == facts["asked"].plan_for and row["n"] is not None]  # fmt: skip
    shown = [row for row in rows if row["n"] > 4 and row["day"] in (1, 3, 7)]
    if not shown:
        return ""
    parts = [f"by day {row['day']} it takes {row['n']}" for row in shown]
    text = ", ".join(parts)
    kept = "" if facts["design"].dropout == 0.0 else ", if no animal is lost"
    return f" {text[0].upper()}{text[1:]}{kept}."


def _days_left(row: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    found = [one for one in facts["last_days"]
             if one["question"] == row["question"] and one["n"] == facts["largest"]
             and one["truth"] == facts["asked"].plan_for]  # fmt: skip
    if not found or found[0]["day"] is None:
        return ""
    if row["question"] == "residual":
        return f" With {facts['largest']} per group it can be shown until day {found[0]['day']}."
    return f" With {facts['largest']} per group it can be shown from day {found[0]['day']} on."


def _animals_answer(facts: Mapping[str, Any]) -> str:
    design, n = facts["design"], facts["shown"][0]
    n1, n2 = design.arms.groups(n)
    name = facts["asked"].plan_for
    lab = NEW_LAB[name]
    parts = []
    for row in facts["rows"]:
        if row["measure"] == "success" and row["truth"] == name:
            parts.append(f"{percent(best(row))} to {does(row, design)}{_wrong(row, facts)}")
    groups = f"{n1} per group" if n1 == n2 else f"{n1} treated and {n2} control"
    found = [row for row in facts["rows"] if row["measure"] == "mde"]
    goal = facts["asked"].targets[0]
    smallest = ", ".join(
        f"{row['value']:.2f} SDs for the {_NOUN[row['question']]}"
        for row in found if row["target"] == goal
    )  # fmt: skip
    if smallest:
        smallest = (
            f" The smallest effect of its own at the end of treatment that is enough for "
            f"{a_percent(goal)} chance: {smallest}."
        )
    alone = design.one_day(facts["asked"].questions)
    days = f"day {design.times[-1]:g}" if alone else days_words(design.times)
    return (
        f"With {facts['animals']} animals, {groups} can be analysed on {days}. "
        f"The chances of {lab.rstrip(',')}: {'; '.join(parts)}."
        f"{smallest}"
    )


def _wrong(row: Mapping[str, Any], facts: Mapping[str, Any]) -> str:
    """That a chance is of a test that is wrong too often."""
    allowed = nominal(facts["design"], row["question"])
    found = [one for one in facts["rows"] if one["measure"] == "type_i"
             and (one["question"], one["n"]) == (row["question"], row["n"])
             and exceeds(one, allowed)]  # fmt: skip
    if not found:
        return ""
    rate = f"{100 * best(found[0]):.1f}% of experiments ({100 * allowed:.3g}% allowed)"
    return f" - but this test says so wrongly in {rate}"


_NOUN = {"decay": "decay", "residual": "rest"}
