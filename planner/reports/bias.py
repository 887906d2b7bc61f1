"""The page of `planner bias`: the answer first, at most 60 lines of 80 columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.reports.bias_words import (
    CORRECTION_NAMES,
    DETECTOR_NAMES,
    best_detector,
    groups,
    number,
    pick,
    strength_words,
    strongest,
    winner,
)
from planner.reports.measures import percent
from planner.reports.meta_wording import precise
from planner.reports.terminal import repeat
from planner.reports.text import paragraph

if TYPE_CHECKING:
    from planner.results import Result

MOST_COLUMNS = 4
MOST_OTHERS = 8


def bias_page(result: Result) -> str:
    """The page of `planner bias`."""
    document = result.document()
    rows = document["performance"]
    all_groups = groups(rows)
    shown = _thinned(all_groups[0])
    lines = [*paragraph(str(result.extra["headline"])), ""]
    lines += [*paragraph(result.answer, "ANSWER  "), ""]
    lines += _corrections(rows, shown, ("bias", "rmse"), ("bias (SDs)", "rmse (SDs)"), _signed)
    heads = ("95% interval covers", "significant without effect")
    lines += _corrections(rows, shown, ("coverage", "type_i"), heads, _share)
    lines += _detectors(rows, shown)
    lines += _others(rows, all_groups[1:], document["scenario"]["alpha"])
    if document["warnings"]:
        lines += ["BEFORE YOU USE THIS"]
        for warning in document["warnings"]:
            lines += paragraph(warning["text"], "! ")
    return "\n".join([*lines, *repeat(document)])


def _thinned(group: list[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
    """The neutral strength, and the strongest of the others."""
    return group if len(group) <= MOST_COLUMNS else [group[0], *group[-(MOST_COLUMNS - 1) :]]


def _label(place: tuple[Any, ...], neutral: bool) -> str:
    value = place[1] if place[1] is not None else place[2]
    text = value if isinstance(value, str) or value is None else f"{value:g}"
    star = "*" if neutral and "=" not in place[0] else ""
    return f"{text or '-'}{star}"[:7]


def _head(shown: Sequence[tuple[Any, ...]], heads: tuple[str, str]) -> list[str]:
    width = 7 * len(shown)
    marks = "".join(f"{_label(place, i == 0):>7}" for i, place in enumerate(shown))
    k, n = shown[0][3], shown[0][4]
    first = f"  k {k}" + ("" if n is None else f", n {n}")
    kind = f"  {shown[0][0]}, {strength_words(shown[0]).split(' ')[0]}"
    return [
        f"{first:<22}{heads[0]:>{width}}  {heads[1]:>{width}}".rstrip(),
        f"{kind[:21]:<22}{marks}  {marks}",
    ]


def _corrections(
    rows: Sequence[Mapping[str, Any]],
    shown: Sequence[tuple[Any, ...]],
    measures: tuple[str, str],
    heads: tuple[str, str],
    form: Callable[[float | None], str],
) -> list[str]:
    names = dict.fromkeys(row["correction"] for row in rows if row["correction"] is not None)
    lines = _head(shown, heads)
    for name in names:
        if name == "trimfill-r0":  # next to L0 it says little; JSON has it
            continue
        cells = [
            "".join(f"{form(number(rows, place, m, correction=name)):>7}" for place in shown)
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


def _detectors(rows: Sequence[Mapping[str, Any]], shown: Sequence[tuple[Any, ...]]) -> list[str]:
    names = dict.fromkeys(row["detector"] for row in rows if row["detector"] is not None)
    marks = "".join(f"{_label(place, i == 0):>7}" for i, place in enumerate(shown))
    lines = [f"{'  tests: small-study effects':<34}{marks}"]
    for name in names:
        cells = "".join(
            f"{_share(number(rows, place, 'rejection', detector=name)):>7}" for place in shown
        )
        lines.append(f"    {DETECTOR_NAMES[name]:<30}{cells}")
    hidden = "".join(f"{_percent(number(rows, place, 'unpublished')):>7}" for place in shown)
    ran = "".join(f"{_signed(number(rows, place, 'run_per_published')):>7}" for place in shown)
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
    return [line.rstrip() for line in [*lines, note, ""]]


def _percent(value: float | None) -> str:
    return "-" if value is None else percent(value)


def _others(
    rows: Sequence[Mapping[str, Any]], others: list[list[tuple[Any, ...]]], alpha: float
) -> list[str]:
    """One line for each further mechanism, k and n."""
    if not others:
        return []
    head = f"  {'also simulated':<33}{'hidden':>7}{'bias':>7}  {'smallest rmse':<20}{'seen':>6}"
    lines = [head]
    for group in others[:MOST_OTHERS]:
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
    if len(others) > MOST_OTHERS:
        lines.append(f"    and {len(others) - MOST_OTHERS} more: --json or --out has them all")
    return [*lines, ""]
