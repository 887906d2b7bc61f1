"""The pages of `planner decay`: the answer first, at most 60 lines of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.decay_designs import parse_days
from planner.reports.decay_answer import rough
from planner.reports.decay_doubts import CHANGES
from planner.reports.decay_measures import SHORT
from planner.reports.measures import percent
from planner.reports.terminal import repeat, warning_lines
from planner.reports.text import WIDTH, paragraph
from planner.results import best

if TYPE_CHECKING:
    from planner.results import Result

_NAMES = {"pooled": "average lab", "new-lab": "new lab", "assurance": "not knowing the average",
          "given": "as given", "discounted": "discounted",
          "se-read-as-sd": "SEs read as SDs"}  # fmt: skip
_BRIEF = {**_NAMES, "assurance": "average not known"}
_BY_DAY = {"pooled": "average", "new-lab": "new lab", "assurance": "not known", "given": "given",
           "discounted": "discounted"}  # fmt: skip
_MOST_LINES = 59
_MOST_DAYS = 14
# Left out first where a page has no room for all.
_SPARE_DAYS = (2, 35, 17, 5, 10, 21, 42, 3, 14, 28)


def decay_page(result: Result) -> str:
    """The page of `planner decay`, of whichever kind."""
    if result.scenario["show_truth"]:
        from planner.reports.decay_truth import truth_page

        return truth_page(result)
    if result.scenario["optimize"]:
        from planner.reports.decay_search import search_page

        return search_page(result)
    return plan_page(result)


def plan_page(result: Result) -> str:
    """Chances by n, required n by question, by day and by assumption.

    What a page has no room for is left out, the least telling first; --json has it all.
    """
    document = result.document()
    head = [*paragraph(str(result.extra["headline"])), ""]
    head += [*paragraph(result.answer, "ANSWER  "), ""]
    tail = [*warning_lines(document), *repeat(document)]
    for left_out in range(10):
        sizes = (6, 4, 4, 4, 3, 3, 3, 3, 3, 3)[left_out]
        across = [] if left_out > 4 else _across(document)
        lines = [
            *head, *_chances(document, sizes), "", *_required(document, left_out < 6),
            *(_by_day(document, left_out) if left_out < 9 else []), *_checks(document),
            *(_sensitivity(document, left_out < 3) if left_out < 8 else []), *across, *tail,
        ]  # fmt: skip
        if len(lines) <= _MOST_LINES:
            break
    return "\n".join(lines)


def _columns(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    rows = document["performance"]
    return list(dict.fromkeys((row["question"], row["shape"]) for row in rows
                              if row["measure"] == "success"))  # fmt: skip


def _label(column: tuple[str, str]) -> str:
    return column[1] if column[0] == "shape" else SHORT[column[0]]


def _planned(document: Mapping[str, Any]) -> str:
    return str(document["scenario"]["plan_for"] or "given")


def _chances(document: Mapping[str, Any], most: int) -> list[str]:
    """Chance of success by n, in the average laboratory and under the truth planned for."""
    rows = [row for row in document["performance"] if row["measure"] == "success"]
    planned, columns = _planned(document), _columns(document)
    other = {"pooled": "new-lab", "given": "given"}.get(planned, "pooled")
    shown = list(dict.fromkeys([planned] if len(columns) > 3 else [other, planned]))
    sizes = sorted({row["n"] for row in rows})
    marked = {row["n"] for row in document["required"]
              if row["target"] == document["scenario"]["target"][0]
              and row["truth"] == planned and row["shrink"] == 0.0}  # fmt: skip
    at = {(row["truth"], row["question"], row["shape"], row["n"]): row for row in rows}
    width = 10 * len(columns)
    top = "".join(f"{_NAMES[name]:>{width}}  " for name in shown)
    heads = "".join("".join(f"{_label(c)[:9]:>10}" for c in columns) + "  " for _ in shown)
    lines = [f"  per {top}".rstrip(), f"group {heads}".rstrip()]
    if len(columns) > 3:
        most, marked = min(most, 4), set()
    for n in _thinned(sizes, marked, document["recommended"], most):
        cells = ""
        for name in shown:
            for question, shape in columns:
                row = at.get((name, question, shape, n))
                cells += f"{'-' if row is None else percent(best(row)):>10}"
            cells += "  "
        mark = ">" if n == document["recommended"] else " "
        lines.append(f"{mark}{n:>4} {cells}".rstrip())
    return lines


def _thinned(sizes: list[int], marked: set[int], recommended: int | None, most: int) -> list[int]:
    """At most `most` sizes: the recommended one, required ones, an even choice of the others."""
    keep = {n for n in sizes if n == recommended}
    keep |= set(sorted(set(sizes) & marked - keep)[: most - len(keep)])
    others = [n for n in sizes if n not in keep and n <= 50]
    room = most - len(keep)
    if room > 0 and others:
        keep |= set(others[:: -(-len(others) // room)])
    return sorted(keep)


def _size(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return "."
    if row["n"] is None and row.get("n_power") is not None:
        return f"{row['n_power']}!"
    if row["n"] is None:
        return "never" if row.get("ceiling", 1.0) <= row["target"] else ">1000"
    return f"{'~' if rough(row) else ''}{row['n']}" if row["n"] < 10_000 else ">9999"


def _required(document: Mapping[str, Any], smaller: bool) -> list[str]:
    """Required n by question, truth and target; that of the planned truth at smaller effects."""
    rows = document["required"]
    columns = list(dict.fromkeys((row["question"], row["shape"]) for row in rows))
    wide = len(columns) < 4
    targets = list(dict.fromkeys(row["target"] for row in rows))[: 2 if wide else 1]
    size, names = (6, _NAMES) if wide else (9, _BRIEF)
    heads = "".join(f"{_label(column)[:9]:>{size * len(targets) + 1}}" for column in columns)
    goals = "".join(" " + "".join(f"{percent(goal):>{size}}" for goal in targets) for _ in columns)
    if wide:
        lines = [f"  {'Required per group':<26}{heads}", f"{'':28}{goals}".rstrip()]
    else:
        lines = [f"  For {percent(targets[0]):<13}{heads}"]
    shown: list[Mapping[str, Any] | None] = []
    for name, share, label in _required_labels(document, names, smaller):
        cells, own = "", []
        for column in columns:
            cells += " "
            for goal in targets:
                row = next((row for row in rows if row["truth"] == name and row["target"] == goal
                            and row["shrink"] == share
                            and (row["question"], row["shape"]) == column), None)  # fmt: skip
                cells += f"{_size(row):>{size}}"
                own.append(row)
        planned = (name, share) == (_planned(document), 0.0)
        lines.append(f"{'>' if planned else ' '} {label:<{26 if wide else 17}}{cells}".rstrip())
        if planned and any(row is not None and row["animals"] is not None for row in own):
            lines.append(_animals_line(own, size, len(targets), 26 if wide else 17))
        shown += own
    lines += _marks_of(shown)
    wrong = [row for row in rows if row["n"] is None and row["n_power"] is not None]
    if wrong:
        row = max(wrong, key=lambda one: one["type_i"])
        lines += paragraph(
            f"! no valid plan: where there is nothing to find this test is wrong in up to "
            f"{100 * row['type_i']:.1f}% of experiments, not "
            f"{100 * document['type_i_allowed'][row['question']]:.3g}%", "  ",
        )  # fmt: skip
    return lines


def _animals_line(
    rows: Sequence[Mapping[str, Any] | None], size: int, targets: int, width: int
) -> str:
    """Animals in all behind the sizes of one line."""
    cells = ""
    for i, row in enumerate(rows):
        number = "" if row is None or row["animals"] is None else str(row["animals"])
        cells += f"{' ' if i % targets == 0 else ''}{number:>{size}}"
    return f"    {'animals in all':<{width - 2}}{cells}".rstrip()


def _marks_of(rows: Sequence[Mapping[str, Any] | None]) -> list[str]:
    """What marks in the table of required sizes mean, where there are any."""
    parts = []
    if any(row is not None and row["n"] is not None and rough(row) for row in rows):
        parts.append("~ about (--json has the interval)")
    if None in rows:
        parts.append(". simulated for the first --target only")
    return paragraph("; ".join(parts), "  ") if parts else []


def _required_labels(
    document: Mapping[str, Any], names: Mapping[str, str], smaller: bool
) -> list[tuple[str, float, str]]:
    """Truth, share of shrinkage and label of each line of required sizes."""
    rows, planned = document["required"], _planned(document)
    shares = sorted({row["shrink"] for row in rows if row["truth"] == planned} - {0.0})
    if not smaller:
        shares = [share for share in shares if share in document["scenario"]["shrink"]]
    found = []
    for name in dict.fromkeys(row["truth"] for row in rows):
        found.append((name, 0.0, names[name]))
        if name == planned:
            found += [(name, share, f"{_BY_DAY[name]} x {1 - share:g}") for share in shares]
    return found


def _by_day(document: Mapping[str, Any], left_out: int) -> list[str]:
    rows = document["by_day"]
    if not rows:
        return []
    planned = _planned(document)
    names = {planned, "pooled"} if left_out < 2 else {planned}
    if len({row["question"] for row in rows}) > 2:
        names = {planned}
    names &= {row["truth"] for row in rows}
    rows = [row for row in rows if row["truth"] in names] or rows
    asked = parse_days(document["scenario"]["times"])[-1]
    days = sorted({row["day"] for row in rows})
    width = max(4, 1 + max(len(_day(day, asked)) for day in days))
    most = min(_MOST_DAYS, (WIDTH - 23) // width)
    for day in _SPARE_DAYS:
        if len(days) > most and day != asked and day in days:
            days.remove(day)
    start = "n for" if document["scenario"]["dropout"] == 0.0 else "all kept,"
    head = f"  {start} {percent(rows[0]['target'])}, day"
    lines = ["", f"{head:<23}" + "".join(f"{_day(day, asked):>{width}}" for day in days)]
    words = {"decay": "decay by", "residual": "left on", "gone": "gone on",
             "half-life": "half-life"}  # fmt: skip
    for question, name in dict.fromkeys((row["question"], row["truth"]) for row in rows):
        own = {row["day"]: row for row in rows
               if (row["question"], row["truth"]) == (question, name)}  # fmt: skip
        cells = "".join(f"{_short(own.get(day)):>{width}}" for day in days)
        label = f"  {words[question]}, {_BY_DAY[name]}"
        lines.append(f"{label:<23}{cells}".rstrip())
    found = [*(_last_days(document, names) if left_out < 7 else []),
             *(["-: none found"] if any(row["n"] is None for row in rows) else [])]  # fmt: skip
    return lines + (paragraph("; ".join(found) + ".", "    ") if found else [])


def _day(day: float, asked: float) -> str:
    return f">{day:g}" if day == asked else f"{day:g}"


def _last_days(document: Mapping[str, Any], names: set[str]) -> list[str]:
    """Until which day an effect can be shown, from which day that it is gone."""
    n = document["recommended"] if document["recommended"] is not None else 50
    rows = [row for row in document["last_days"]
            if row["day"] is not None and row["n"] == n and row["truth"] in names]  # fmt: skip
    parts = []
    for question in dict.fromkeys(row["question"] for row in rows):
        own = [row for row in rows if row["question"] == question]
        verb = "shows until day" if question == "residual" else "shows to be gone from day"
        days = ", ".join(f"{row['day']} ({_NAMES[row['truth']]})" for row in own)
        parts.append(f"{verb} {days}")
    if not parts:
        return []
    return [f"{n} per group: an effect {'; '.join(parts)}"]


def _short(row: Mapping[str, Any] | None) -> str:
    if row is None:
        return ""
    if row["n"] is None:
        return "-"
    return str(row["n"]) if row["n"] < 1000 else ">1k"


def _checks(document: Mapping[str, Any]) -> list[str]:
    """How often tests are wrong and the interval right, at the n planned; failures and misses."""
    n, planned = document["checked_n"], _planned(document)
    rows = [row for row in document["performance"] if row["n"] == n and (
            row["measure"] == "type_i" or row["truth"] == planned)]  # fmt: skip
    level = document["scenario"]["alpha"] / document["scenario"]["treated"]
    wrong = [row for row in rows if row["measure"] == "type_i"]
    parts = []
    if wrong:
        allowed = document["type_i_allowed"]
        one = len({allowed[row["question"]] for row in wrong}) == 1
        limits = {name: f"{100 * share:.3g}% allowed" for name, share in allowed.items()}
        rates = ", ".join(
            f"{SHORT[row['question']]} {100 * best(row):.1f}%"
            + ("" if one else f" ({limits[row['question']]})")
            for row in wrong
        )
        both = limits[wrong[0]["question"]] if one else ""
        more = "; ".join(text for text in (both, _worst(document, n)) if text)
        brackets = f" ({more})" if more else ""
        parts.append(f"wrong if there is nothing to find {rates}{brackets}")
    for row in rows:
        if row["measure"] == "coverage":
            parts.append(f"the half-life's {100 * (1 - level):.3g}% interval holds the true one in "
                         f"{100 * best(row):.1f}%")  # fmt: skip
        if row["measure"] == "unbounded":
            parts.append(f"{100 * best(row):.1f}% of them are open at an end, which is a miss")
    parts += _failures(rows)
    return ["", *paragraph(f"With {n} per group{_which(document)}: {'; '.join(parts)}.", "  ")]


def _which(document: Mapping[str, Any]) -> str:
    """What a size is that nobody asked for."""
    n = document["checked_n"]
    asked = document["scenario"]["animals"] is not None or document["scenario"]["n"] is not None
    wanted = {row[name] for row in document["required"] for name in ("n", "n_power")
              if row["truth"] == _planned(document) and row["shrink"] == 0.0
              and row["target"] == document["scenario"]["target"][0]}  # fmt: skip
    return "" if n in wanted or asked else ", the largest size simulated"


def _worst(document: Mapping[str, Any], n: int) -> str:
    """The highest error rate at other sizes, where it is another."""
    rows = [row for row in document["performance"] if row["measure"] == "type_i"]
    row = max(rows, key=best)
    if f"{100 * best(row):.1f}" == f"{max(100 * best(own) for own in rows if own['n'] == n):.1f}":
        return ""
    return f"at worst {100 * best(row):.1f}%, {SHORT[row['question']]} with {row['n']}"


def _failures(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """Fits that failed, of questions that are simulated."""
    fits = [row for row in rows if row["measure"] in ("success", "coverage", "type_i")
            and row["exact"] is None]  # fmt: skip
    if not fits:
        return []
    failed = max(row["n_failed"] for row in fits)
    return [f"{failed or 'none'} of {fits[0]['n_sim']:,} fits failed"]


def _sensitivity(document: Mapping[str, Any], every: bool) -> list[str]:
    rows = document["sensitivity"]
    if not rows:
        return []
    question, name = rows[0]["question"], rows[0]["truth"]
    if not every:
        rows = [row for row in rows if row["what"] in ("rho", "dropout", "response_cv", "reading")]
    about = f"{SHORT[question]} ({rows[0]['shape']})" if question == "shape" else SHORT[question]
    text = (
        f"Per group ({about}, {_NAMES[name]}, {percent(rows[0]['target'])}) if assumed otherwise, "
        "* planned: "
    )
    parts = []
    for what in dict.fromkeys(row["what"] for row in rows):
        own = [row for row in rows if row["what"] == what]
        values = ", ".join(f"{_value(row['value'])}: {_needed(row)}{_more(row)}" for row in own)
        parts.append(f"{CHANGES[what]} {values}")
    return paragraph(text + "; ".join(parts) + ".", "  ")


def _needed(row: Mapping[str, Any]) -> str:
    if row["n"] is None and row["n_power"] is not None:
        return f"{row['n_power']}!"
    return str(row["n"] or "none")


def _value(value: Any) -> str:
    return str(value) if isinstance(value, str) else f"{value:.3g}"


def _more(row: Mapping[str, Any]) -> str:
    mark = "*" if row["asked"] else ""
    # Cohorts need their animals on every day: sizes alone would not compare.
    if row["what"] != "layout" or row["n"] is None:
        return mark
    return f"{mark} ({row['animals']} animals)"


def _across(document: Mapping[str, Any]) -> list[str]:
    """What comparing different studies would take, beside the same animals."""
    planned = _planned(document)
    rows = document["across_studies"]
    truths = {row["truth"] for row in rows}
    planned = planned if planned in truths else "new-lab"
    rows = [row for row in rows if row["truth"] == planned]
    goal = document["scenario"]["target"][0]
    need = next((row for row in document["required"]
                 if row["question"] == "decay" and row["target"] == goal
                 and row["truth"] == _planned(document) and row["shrink"] == 0.0),
                None)  # fmt: skip
    if not rows:
        return []
    inside = ""
    if need is not None and need["n"] is not None:
        day = parse_days(document["scenario"]["times"])[-1]
        inside = (
            f"Within one experiment {need['animals']} animals show the decay by day {day:g} "
            f"({percent(goal)}). "
        )
    parts = [f"{row['k']} studies ({row['animals']} animals) {percent(row['value'])}"
             for row in rows]  # fmt: skip
    wrong = ", ".join(f"{100 * row['type_i']:.1f}%" for row in rows)
    text = f"{inside}Across studies, meta-regression on delay ({_NAMES[planned]}): "
    return paragraph(f"{text}{', '.join(parts)}; wrong if nothing decays {wrong}.", "  ")
