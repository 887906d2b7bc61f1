"""The page of `planner bias`: the answer first, at most 60 lines of 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.mechanisms import does_nothing
from planner.reports.bias_words import (
    CORRECTION_NAMES,
    DETECTOR_NAMES,
    best_detector,
    groups,
    number,
    pick,
    strength_text,
    strength_words,
    unpublished,
    winner,
    without,
)
from planner.reports.measures import percent
from planner.reports.meta_wording import precise
from planner.reports.terminal import repeat, warning_lines
from planner.reports.text import fitted, paragraph

if TYPE_CHECKING:
    from planner.results import Result

WIDTH = 28  # of the columns of one measure
LINES = 60
SLIM = ("pet", "peese", "egger-n-vi")  # close to PET-PEESE and egger-n
SHORT = {"trimfill-r0": "trim, fill (R0)", "limit": "limit meta-an."}
NOTES = (
    "  seen: by the best fair test, no: no more than where nothing happens; mean 0:",
    "  a benefit at a mean effect of 0; !: moves estimates with nothing there, too.",
)
# Of a table: a measure, the lines over it, how a number is written.
Column = tuple[str, tuple[str, ...], Callable[[float | None], str]]


def bias_page(result: Result) -> str:
    """The page of `planner bias`; what does not fit is left to --json, and said."""
    page = ""
    for level in range(4 if result.extra["others"] else 2):
        page = _page(result, level)
        if page.count("\n") < LINES - 1:
            break
    return page


def _page(result: Result, level: int) -> str:
    """The page.

    level : 0 all; 1 without what says little beside the others; 2 one line for each other
        mechanism, k and n rather than the second table; 3 one line for each and no tables
    """
    document = result.document()
    rows = document["performance"]
    all_groups = groups(rows)
    neutral = without(rows, all_groups[0])
    shown = _thinned(all_groups[0], neutral)
    never = _never(rows, shown)
    left_out = {"trimfill-r0", *(SLIM if level else ()), *never}
    lines = [*paragraph(str(result.extra["headline"])), ""]
    lines += [*paragraph(result.answer, "ANSWER  "), ""]
    if level < 3:
        lines += _tables(document, shown, level, left_out, never)
    end = [*warning_lines(document), *repeat(document)]
    others = _others(document, all_groups, level)
    room = LINES - 1 - len(lines) - len(end)
    if level == 3 and len(others) > room:
        most = max(1, room - 3 - len(NOTES))  # of mechanisms, k and n
        more = f"    and {len(others) - 2 - len(NOTES) - most} more: --json or --out has them all"
        others = [*others[: most + 1], more, *NOTES, ""]
    return "\n".join([*lines, *others, *end])


def _tables(
    document: Mapping[str, Any],
    shown: Sequence[tuple[Any, ...]],
    level: int,
    left_out: Collection[str],
    never: Collection[str],
) -> list[str]:
    """Tables of corrections and tests of the first mechanism, k and n."""
    rows = document["performance"]
    first = (("bias", ("bias (SDs)",), _signed), ("rmse", ("rmse (SDs)",), _signed))
    lines = _corrections(rows, shown, first, left_out)
    if level < 2:
        lines = lines[:-1] if level else lines
        heads = ("significant, either", f"direction: mean 0, SD {document['truth']['tau']:.2f}")
        level_of = f"{100.0 * (1.0 - document['scenario']['alpha']):.6g}%"
        second = (("coverage", ("", f"{level_of} interval covers"), _share),
                  ("type_i", heads, _share))  # fmt: skip
        lines += _corrections(rows, shown, second, left_out)
    return lines + _detectors(rows, shown, level, left_out, never)


def _never(rows: Sequence[Mapping[str, Any]], shown: Sequence[tuple[Any, ...]]) -> set[str]:
    """Tests and corrections that are not applicable in any of the situations."""
    names = {row["correction"] or row["detector"] for row in rows} - {None}
    return {
        name for name in names
        if all(
            number(rows, place, "rejection", detector=name) is None
            and number(rows, place, "rmse", correction=name) is None for place in shown
        )
    }  # fmt: skip


def _thinned(group: list[tuple[Any, ...]], neutral: tuple[Any, ...]) -> list[tuple[Any, ...]]:
    """Where nothing happens, then the strongest of the others that fit."""
    others = [place for place in group if place != neutral]
    most = WIDTH // _width([neutral, *others]) - 1
    return [neutral, *others[-most:]]


def _label(place: tuple[Any, ...]) -> str:
    return f"{strength_text(place)}{'*' if does_nothing(*place[:3]) else ''}"[:13]


def _width(shown: Sequence[tuple[Any, ...]]) -> int:
    """Of a column: its strength stays apart from the next."""
    return max(7, *(len(_label(place)) + 1 for place in shown))


def _marks(shown: Sequence[tuple[Any, ...]]) -> str:
    width = _width(shown)
    return "".join(f"{_label(place):>{width}}" for place in shown)


def _head(
    shown: Sequence[tuple[Any, ...]], heads: tuple[tuple[str, ...], tuple[str, ...]]
) -> list[str]:
    """Two columns with a line or two about each; k, n and the mechanism before them."""
    marks = _marks(shown)
    k, n = shown[0][3], shown[0][4]
    first = f"  k {k}" + ("" if n is None else f", n {n}")
    last = shown[-1]
    words = strength_words(last).split(" ")
    kind = f"  {last[0]}, {words[0]}" if len(words) > 1 else f"  {last[0]}"
    lines = []
    widths = [max(len(marks), *(len(line) for line in head)) for head in heads]
    for i, (left, right) in enumerate(zip(*heads, strict=True)):
        start = f"{first if i == 0 else '':<22}"
        lines.append(f"{start}{left:>{widths[0]}}  {right:>{widths[1]}}".rstrip())
    return [*lines, f"{kind[:21]:<22}{marks:>{widths[0]}}  {marks:>{widths[1]}}"]


def _corrections(
    rows: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[Any, ...]],
    columns: tuple[Column, Column],
    left_out: Collection[str],
) -> list[str]:
    names = dict.fromkeys(row["correction"] for row in rows if row["correction"] is not None)
    heads = [head for _, head, _ in columns]
    most = max(len(head) for head in heads)
    left, right = (("",) * (most - len(head)) + head for head in heads)
    lines, width = _head(shown, (left, right)), _width(shown)
    wide = [max(width * len(shown), *(len(line) for line in head)) for head in (left, right)]
    for name in names:
        if name in left_out:  # next to the others they say little; JSON has them
            continue
        cells = [
            "".join(f"{form(number(rows, place, m, correction=name)):>{width}}" for place in shown)
            for m, _, form in columns
        ]
        numbers = "  ".join(f"{cell:>{w}}" for cell, w in zip(cells, wide, strict=True))
        lines.append(f"   {CORRECTION_NAMES[name]:<19}{numbers}")
    return [*lines, ""]


def _signed(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) < 1000 else ">999"


def _share(value: float | None) -> str:
    return "-" if value is None else precise(value)


def _detectors(
    rows: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[Any, ...]],
    level: int,
    left_out: Collection[str],
    never: Collection[str],
) -> list[str]:
    names = dict.fromkeys(row["detector"] for row in rows if row["detector"] is not None)
    marks, width = _marks(shown), _width(shown)
    lines = [f"{'  tests: small-study effects':<34}{marks}"]
    for name in names:
        if name in left_out:
            continue
        cells = "".join(
            f"{_share(number(rows, place, 'rejection', detector=name)):>{width}}" for place in shown
        )
        lines.append(f"    {DETECTOR_NAMES[name]:<30}{cells}")
    hidden = "".join(f"{_percent(unpublished(rows, place)):>{width}}" for place in shown)
    ran = "".join(
        f"{_signed(unpublished(rows, place, 'run_per_published')):>{width}}" for place in shown
    )
    lines += [
        f"    {'studies unpublished':<30}{hidden}",
        f"    {'studies run for each published':<30}{ran}",
    ]
    first = pick(rows, shown[0], "bias", correction="none")
    reps = 0 if first is None else first["n_sim"]
    model = "" if first is None else first["estimator"]
    note = (
        f"  * nothing happens here. {reps:,} syntheses each, {model}: SE of shares "
        f"<= {50.0 / max(1, reps) ** 0.5:.1f} points."
    )
    gone = [
        name for key, name in {**CORRECTION_NAMES, "egger-n-vi": "Egger with weights 1/v"}.items()
        if key in SLIM and key not in never
        and any(key in (row["correction"], row["detector"]) for row in rows)
    ]  # fmt: skip
    gone += ["coverage and significance"] if level > 1 else []
    more = paragraph(f"{', '.join(gone)}: --json or --out", "    ") if level and gone else []
    return [line.rstrip() for line in [*lines, note, *more, ""]]


def _percent(value: float | None) -> str:
    return "-" if value is None else percent(value)


def _others(
    document: Mapping[str, Any], all_groups: Sequence[list[tuple[Any, ...]]], level: int
) -> list[str]:
    """One line for each further mechanism, k and n, at its strongest; and where nothing happens.

    Where tables have no room, the first is among them.
    """
    if not document["others"]:
        return []
    rows, alpha = document["performance"], document["scenario"]["alpha"]
    what = "also simulated, the strongest" if level < 3 else "each at the strongest"
    lines = [f"  {what:<31}{'hidden':>6}{'bias':>6}  {'smallest rmse':<20}{'seen':>6}{'mean 0':>7}"]
    first = all_groups[0][0]
    sizes = {first[3:]} if level < 3 else set()
    by_group = {(group[0][0], *group[0][3:]): group for group in all_groups}
    entries = list(document["others"])
    if level == 3:
        own = {"mechanism": first[0], "k": first[3], "n": first[4]}
        entries.insert(0, {**own, "all_bias": document["all_bias"]})
    for other in entries:
        group = by_group[other["mechanism"], other["k"], other["n"]]
        if group[0][3:] not in sizes:
            sizes.add(group[0][3:])
            lines.append(_other(rows, without(rows, group), alpha, "-"))
        chance = precise(other["all_bias"]["benefit"]["value"])
        lines.append(_other(rows, group[-1], alpha, chance))
    return [*lines, *NOTES, ""]


def _other(
    rows: Sequence[Mapping[str, Any]], place: tuple[Any, ...], alpha: float, chance: str
) -> str:
    nothing = does_nothing(*place[:3])
    name = f"k {place[3]}" + ("" if place[4] is None else f", n {place[4]}")
    name += ": nothing happens" if nothing else f": {place[0]} {strength_text(place)}"
    best, test = winner(rows, place), best_detector(rows, place, alpha)
    chosen = "-"
    if best is not None:
        kept = best.name if best.better else "none"
        error = number(rows, place, "rmse", correction=kept) or 0.0
        mark = "!" if best.whatever and best.better else ""
        chosen = f"{SHORT.get(kept, CORRECTION_NAMES[kept])} {error:.2f}{mark}"
    seen = "-" if test.name is None else "no"
    if test.name is not None and (test.sees or nothing):
        seen = precise(test.power)
    hidden = _percent(unpublished(rows, place))
    off = _signed(number(rows, place, "bias", correction="none"))
    return f"   {fitted(name, 29):<30}{hidden:>6}{off:>6}  {chosen:<20}{seen:>6}{chance:>7}"
