"""The page of `planner bias`: the answer first, at most 60 lines of 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    strongest,
    winner,
    without,
)
from planner.reports.measures import percent
from planner.reports.meta_wording import precise
from planner.reports.terminal import repeat, warning_lines
from planner.reports.text import paragraph

if TYPE_CHECKING:
    from planner.results import Result

WIDTH = 28  # of the columns of one measure
LINES = 60
SLIM = ("pet", "peese", "egger-n-vi")  # close to PET-PEESE and egger-n


def bias_page(result: Result) -> str:
    """The page of `planner bias`; what does not fit is left to --json, and said."""
    page = _page(result, slim=False)
    return page if page.count("\n") < LINES else _page(result, slim=True)


def _page(result: Result, slim: bool) -> str:
    document = result.document()
    rows = document["performance"]
    all_groups = groups(rows)
    neutral = without(rows, all_groups[0])
    shown = _thinned(all_groups[0], neutral)
    others = [
        group for group in all_groups[1:] if not all(does_nothing(*place[:3]) for place in group)
    ]
    left_out = ("trimfill-r0", *(SLIM if slim else ()))
    lines = [*paragraph(str(result.extra["headline"])), ""]
    lines += [*paragraph(result.answer, "ANSWER  "), ""]
    heads = ("bias (SDs)", "rmse (SDs)")
    lines += _corrections(rows, shown, ("bias", "rmse"), heads, _signed, left_out)
    heads = ("95% interval covers", "significant without effect")
    lines += _corrections(rows, shown, ("coverage", "type_i"), heads, _share, left_out)
    lines += _detectors(rows, shown, slim)
    end = [*warning_lines(document), *repeat(document)]
    room = LINES - len(lines) - sum(line.count("\n") + 1 for line in end)
    lines += _others(rows, others, document["scenario"]["alpha"], room)
    return "\n".join([*lines, *end])


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


def _head(shown: Sequence[tuple[Any, ...]], heads: tuple[str, str]) -> list[str]:
    marks = _marks(shown)
    k, n = shown[0][3], shown[0][4]
    first = f"  k {k}" + ("" if n is None else f", n {n}")
    last = shown[-1]
    words = strength_words(last).split(" ")
    kind = f"  {last[0]}, {words[0]}" if len(words) > 1 else f"  {last[0]}"
    return [
        f"{first:<22}{heads[0]:>{len(marks)}}  {heads[1]:>{len(marks)}}".rstrip(),
        f"{kind[:21]:<22}{marks}  {marks}",
    ]


def _corrections(
    rows: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[Any, ...]],
    measures: tuple[str, str],
    heads: tuple[str, str],
    form: Callable[[float | None], str],
    left_out: Sequence[str],
) -> list[str]:
    names = dict.fromkeys(row["correction"] for row in rows if row["correction"] is not None)
    lines, width = _head(shown, heads), _width(shown)
    for name in names:
        if name in left_out:  # next to the others they say little; JSON has them
            continue
        cells = [
            "".join(f"{form(number(rows, place, m, correction=name)):>{width}}" for place in shown)
            for m in measures
        ]
        lines.append(f"   {CORRECTION_NAMES[name]:<19}{cells[0]}  {cells[1]}")
    return [*lines, ""]


def _signed(value: float | None) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if abs(value) < 1000 else ">999"


def _share(value: float | None) -> str:
    return "-" if value is None else precise(value)


def _detectors(
    rows: Sequence[Mapping[str, Any]], shown: Sequence[tuple[Any, ...]], slim: bool
) -> list[str]:
    names = dict.fromkeys(row["detector"] for row in rows if row["detector"] is not None)
    marks, width = _marks(shown), _width(shown)
    lines = [f"{'  tests: small-study effects':<34}{marks}"]
    for name in names:
        if slim and name in SLIM:
            continue
        cells = "".join(
            f"{_share(number(rows, place, 'rejection', detector=name)):>{width}}" for place in shown
        )
        lines.append(f"    {DETECTOR_NAMES[name]:<30}{cells}")
    hidden = "".join(f"{_percent(number(rows, place, 'unpublished')):>{width}}" for place in shown)
    ran = "".join(
        f"{_signed(number(rows, place, 'run_per_published')):>{width}}" for place in shown
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
    more = ["    PET, PEESE, Egger with weights 1/v: --json or --out has them"] if slim else []
    return [line.rstrip() for line in [*lines, note, *more, ""]]


def _percent(value: float | None) -> str:
    return "-" if value is None else percent(value)


def _others(
    rows: Sequence[Mapping[str, Any]],
    others: list[list[tuple[Any, ...]]],
    alpha: float,
    room: int,
) -> list[str]:
    """One line for each further mechanism, k and n, in as many lines as there is room for."""
    if not others:
        return []
    head = f"  {'also simulated':<33}{'hidden':>7}{'bias':>7}  {'smallest rmse':<20}{'seen':>6}"
    lines = [head]
    most = len(others) if len(others) + 2 <= room else max(1, room - 3)
    for group in others[:most]:
        place = strongest(rows, group)
        best = winner(rows, place)
        test, power, _ = best_detector(rows, place, alpha)
        size = "" if place[4] is None else f", n {place[4]}"
        name = f"{place[0]}, {strength_words(place)}, k {place[3]}{size}"
        chosen = "-" if best is None else f"{best[0]} {best[1]:.2f}"
        seen = "none" if test is None else f"{percent(power)}"
        hidden = _percent(number(rows, place, "unpublished"))
        off = _signed(number(rows, place, "bias", correction="none"))
        lines.append(f"   {name[:31]:<32}{hidden:>7}{off:>7}  {chosen:<20}{seen:>6}")
    if len(others) > most:
        lines.append(f"    and {len(others) - most} more: --json or --out has them all")
    return [*lines, ""]
