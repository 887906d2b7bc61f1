"""Pages of `planner meta` for the terminal: the answer first, at most 60 lines of 80 columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.reports.measures import percent
from planner.reports.meta_wording import chance, find, precise, value
from planner.reports.terminal import repeat, warning_lines
from planner.reports.text import paragraph

if TYPE_CHECKING:
    from planner.results import Result

MOST_LINES = 59
MOST_ROWS, LEAST_ROWS = 10, 3  # numbers of studies in a table
_TRUTHS = {
    "new-lab": "average over laboratories as calibrated",
    "assurance": "not knowing the average", "discounted": "literature discounted",
    "given": "truth given by hand",
}  # fmt: skip

_NEEDED = {**_TRUTHS, "new-lab": "average as calibrated"}
_SHORT = {
    "new-lab": "as found", "assurance": "unsure", "discounted": "discount", "given": "given",
}  # fmt: skip


def meta_page(result: Result) -> str:
    """The page of `planner meta`."""
    document = result.document()
    rows, scenario = document["performance"], document["scenario"]
    truth = rows[0]["truth"]
    estimators = scenario["estimator"].split(",")
    intervals = scenario["interval"].split(",")
    sizes = list(dict.fromkeys(row["n"] for row in rows if row["cluster"] is None))

    def tables(most: int) -> list[list[str]]:
        how = (rows, truth, estimators[0], intervals)
        return [_by_k(*how, n, scenario, most) for n in sizes]

    rest = [
        *_estimators(rows, truth, estimators, rows[0]["n"]), "",
        *_required(document, estimators[0], intervals), "",
    ]  # fmt: skip
    end, opening = _closing(document), _opening(result)
    clusters = _clusters(rows)
    note = 2 if len(sizes) > 1 else 0
    if len([*opening, *tables(MOST_ROWS)[0], "", *rest, *clusters, *end]) + note > MOST_LINES:
        clusters = _clusters(rows, brief=True)
    room = MOST_LINES - len([*opening, *rest, *clusters, *end])
    least = len(tables(LEAST_ROWS)[0]) + 1 + note
    most = min(MOST_ROWS, max(LEAST_ROWS, LEAST_ROWS + room - least))
    first = _fitting(tables(most), sizes, room)
    return "\n".join([*opening, *first, *rest, *clusters, *end])


def _fitting(
    tables: Sequence[Sequence[str]], names: Sequence[int | None], room: int, what: str = "Groups of"
) -> list[str]:
    """As many tables as there is room for, at least one; the others are named."""
    lines = [*tables[0], ""]
    shown = 1
    for table in tables[1:]:
        last = shown + 1 == len(tables)
        if len(lines) + len(table) + (1 if last else 3) > room:
            break
        lines += [*table, ""]
        shown += 1
    if shown < len(tables):
        others = ", ".join(str(name) for name in names[shown:])
        lines += [*paragraph(f"{what} {others}: --json or --out DIR.", "  "), ""]
    return lines


def _opening(result: Result) -> list[str]:
    return [
        *paragraph(str(result.extra["headline"])), "",
        *paragraph(result.answer, "ANSWER  "), "",
    ]  # fmt: skip


def _closing(document: Mapping[str, Any]) -> list[str]:
    lines = warning_lines(document)
    reps = document["scenario"]["reps"]
    chances = [row["mcse"] for row in document["performance"] if row["mcse"] is not None
               and (row["n_hit"] is not None or row["measure"] == "pi_coverage")]  # fmt: skip
    lines += paragraph(
        f"{reps:,} simulated syntheses per design; the simulation error of a chance is at most "
        f"{100.0 * max(chances):.2g} points (one standard error).",
        "  ",
    )
    return [*lines, *repeat(document)]


def _by_k(
    rows: Sequence[Mapping[str, Any]],
    truth: str,
    estimator: str,
    intervals: Sequence[str],
    n: int | None,
    scenario: Mapping[str, Any],
    most: int,
) -> list[str]:
    kind = f"{n} per group" if n is not None else f"sizes {scenario['sizes']}"
    level = f"{100.0 * (1.0 - scenario['alpha']):.3g}%"
    widths = [max(5, len(name)) for name in intervals]
    width = max(19, sum(widths) + len(widths) - 1)
    heads = ("significant benefit", f"{level} interval covers", "mean effect zero")
    names = " ".join(f"{name:>{w}}" for name, w in zip(intervals, widths, strict=True))
    lines = [
        f"  {estimator}, {kind}, {_TRUTHS[truth]}",
        "  studies  " + "  ".join(f"{head:>{width}}" for head in heads),
        "        k  " + "  ".join(f"{names:>{width}}" for _ in heads),
    ]
    counts = list(dict.fromkeys(row["k"] for row in rows if row["cluster"] is None))
    for k in _thinned(counts, most):
        cells = []
        for measure, show in (("success", chance), ("coverage", precise), ("type_i", precise)):
            found = [
                value(rows, measure, k=k, n=n, truth=truth, estimator=estimator, interval=interval)
                for interval in intervals
            ]
            cells.append(" ".join(f"{show(p):>{w}}" for p, w in zip(found, widths, strict=True)))
        lines.append(f"  {k:>7}  " + "  ".join(f"{cell:>{width}}" for cell in cells))
    return lines


def _estimators(
    rows: Sequence[Mapping[str, Any]], truth: str, estimators: Sequence[str], n: int | None
) -> list[str]:
    counts = list(dict.fromkeys(row["k"] for row in rows if row["cluster"] is None))
    k = counts[len(counts) // 2]
    interval = next(row["interval"] for row in rows if row["measure"] == "coverage")
    head = f"  Estimators at k {k}"
    predicts = f"predicts ({interval})"
    lines = [f"{head:<22}{'bias':>8}{'SE':>8}{'rmse':>8}{'bias of tau2':>14}{predicts:>19}"]
    for name in estimators:
        own = {"k": k, "n": n, "truth": truth, "estimator": name}
        numbers = [value(rows, m, **own) for m in ("bias", "emp_se", "rmse", "bias_tau2")]
        bias, emp, rmse, tau2 = ("-" if x is None else f"{x:.3f}" for x in numbers)
        covers = precise(value(rows, "pi_coverage", interval=interval, **own))
        lines.append(f"  {name:<20}{bias:>8}{emp:>8}{rmse:>8}{tau2:>14}{covers:>19}")
    return lines


def _required(document: Mapping[str, Any], estimator: str, intervals: Sequence[str]) -> list[str]:
    """Intervals that need the same numbers of studies share a line."""
    rows = [row for row in document["required"] if row["estimator"] == estimator]
    targets = list(dict.fromkeys(row["target"] for row in rows))
    truths = list(dict.fromkeys(row["truth"] for row in rows))
    head = "  Studies needed".ljust(44) + "".join(f"{percent(t):>8}" for t in targets)
    lines = [f"{head}  ceiling"]
    for truth in truths:
        alike: dict[str, list[str]] = {}
        for interval in intervals:
            own = {row["target"]: row for row in rows
                   if row["truth"] == truth and row["interval"] == interval}  # fmt: skip
            cells = "".join(f"{_count(own[t]):>8}" for t in targets)
            cells += f"  {percent(own[targets[0]]['ceiling']):>7}"
            alike.setdefault(cells, []).append(interval)
        for cells, names in alike.items():
            lines.append(f"    {f'{_NEEDED[truth]}, ' + '/'.join(names):<40}{cells}")
    return lines


def _count(row: Mapping[str, Any]) -> str:
    if row["k"] is None:
        return "never" if row["ceiling"] <= row["target"] else ">1000"
    return str(row["k"])


def _clusters(rows: Sequence[Mapping[str, Any]], brief: bool = False) -> list[str]:
    """Coverage where comparisons depend; in brief without the halfway shares."""
    own = [row for row in rows if row["cluster"] is not None and row["measure"] == "coverage"]
    if not own:
        return []
    names = list(dict.fromkeys(row["interval"] for row in own))
    lines = [
        f"  If comparisons depend: coverage, k {own[0]['k']}, {_TRUTHS[own[0]['truth']]}",
        "    tau2 in common, controls              " + "".join(f"{name:>9}" for name in names),
    ]
    keys = dict.fromkeys((row["cluster"], row["share"], row["controls"]) for row in own)
    for cluster, share, controls in keys:
        if brief and 0.0 < share < 1.0:
            continue
        cells = [
            precise(value(own, "coverage", cluster=cluster, share=share, controls=controls,
                          interval=name))
            for name in names
        ]  # fmt: skip
        label = "independent" if cluster == "none" else f"{share:.0%} within a {cluster}"
        shown = f"{label}, {controls} controls"
        lines.append(f"    {shown:<38}" + "".join(f"{cell:>9}" for cell in cells))
    return [*lines, ""]


def update_page(result: Result) -> str:
    """The page of `planner meta --update`."""
    document = result.document()
    rows, scenario = document["performance"], document["scenario"]
    estimator = scenario["estimator"].split(",")[0]
    interval = scenario["interval"].split(",")[0]
    lines = _opening(result)
    known = find(rows, "data_sd") is not None
    middle = scenario["n"][len(scenario["n"]) // 2]
    lines += _updates_of(rows, scenario, middle, known)
    others = [n for n in scenario["n"] if n != middle][:6]
    if others:
        lines += [
            f"  Other sizes: significant benefit{'prediction interval excludes 0':>39}",
            "    new  " + "".join(f"{f'n {n}':>7}" for n in others)
            + "      " + "".join(f"{f'n {n}':>7}" for n in others),
        ]  # fmt: skip
        for m in _thinned(scenario["new_studies"]):
            own = {"new_studies": m, "estimator": estimator, "interval": interval}
            success, excludes = (
                "".join(f"{chance(value(rows, name, n=n, **own)):>7}" for n in others)
                for name in ("success", "pi_excludes_zero")
            )
            lines.append(f"    {m:>3}  {success}      {excludes}")
        lines.append("")
    if known:
        lines += paragraph(
            "if known +/-: SD of the chance of a significant benefit over the published studies "
            "that may lie behind the summary.",
            "  ",
        )
        lines.append("")
    return "\n".join([*lines, *_closing(document)])


def _updates_of(
    rows: Sequence[Mapping[str, Any]], scenario: Mapping[str, Any], n: int, known: bool
) -> list[str]:
    estimator = scenario["estimator"].split(",")[0]
    interval = scenario["interval"].split(",")[0]
    lines = [
        f"  New studies of {n} per group, {estimator}, {interval}",
        "   new  animals  significant  conclusion  interval   mean  pred. int."
        + ("  if known" if known else ""),
        "                     benefit     changes   +/- SDs  shift  excludes 0"
        + ("       +/-" if known else ""),
    ]
    for m in _thinned(scenario["new_studies"]):
        own = {"n": n, "new_studies": m, "estimator": estimator, "interval": interval}
        success, changed, excludes = (
            value(rows, name, **own) for name in ("success", "changed", "pi_excludes_zero")
        )
        width = value(rows, "ci_width", **own)
        shift = value(rows, "shift_abs", **{**own, "interval": None})
        part = value(rows, "data_sd", **own)
        half = "-" if width is None else f"{width / 2.0:.2f}"
        away = "-" if shift is None else f"{shift:.2f}"
        moves = "" if part is None else f"{100.0 * part:.1f} pts"
        lines.append(
            f"   {m:>3}  {2 * n * m:>7}  {chance(success):>11}  {precise(changed):>10}  "
            f"{half:>8}  {away:>5}  {chance(excludes):>10}  {moves:>8}".rstrip()
        )
    lines.append("")
    return lines


def _thinned(values: Sequence[int], most: int = MOST_ROWS) -> list[int]:
    """Not more than a page has room for, the ends among them; JSON has them all."""
    if len(values) <= most:
        return list(values)
    return sorted({values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)})


def labs_page(result: Result) -> str:
    """The page of `planner meta --labs`."""
    document = result.document()
    rows, scenario = document["performance"], document["scenario"]
    truths = list(dict.fromkeys(row["truth"] for row in rows))
    intervals = scenario["interval"].split(",")[:2]
    lines = _opening(result)
    pairs = [(truths[0], i) for i in intervals] + [(t, intervals[0]) for t in truths[1:2]]
    tables = [_of_total(document, total, pairs, intervals) for total in scenario["animals"]]
    legend = paragraph(
        "> the best of the designs whose test is fair (type I error at most 1.2 alpha); those that "
        "no other beats with as few animals and laboratories: the figure and --json. as found: "
        "mean effect as calibrated; unsure: not knowing it.",
        "  ",
    )
    end = [*legend, "", *_closing(document)]
    room = MOST_LINES - len(lines) - len(end)
    lines += _fitting(tables, scenario["animals"], room, "Totals of")
    return "\n".join([*lines, *end])


def _of_total(
    document: Mapping[str, Any], total: int, pairs: Sequence[tuple[str, str]],
    intervals: Sequence[str],
) -> list[str]:  # fmt: skip
    """So many animals in so many laboratories, one line for each number of these."""
    rows, scenario = document["performance"], document["scenario"]
    estimator = scenario["estimator"].split(",")[0]
    truth = pairs[0][0]
    lines = [
        f"  {total} animals in all, {estimator}",
        "   labs    per  animals" + f"{'shows the mean effect':>{10 * len(pairs)}}"
        + f"{'mean effect zero':>{10 * len(intervals)}}",
        "         group     used" + "".join(f"{i:>10}" for _, i in pairs)
        + "".join(f"{i:>10}" for i in intervals),
        " " * 24 + "".join(f"{_SHORT[t]:>10}" for t, _ in pairs).rstrip(),
    ]  # fmt: skip
    fair = [row for row in document["frontier"] if row["n"] == total // (2 * row["labs"])]
    best = max(fair, key=lambda row: row["success"], default={"labs": None})["labs"]
    for m in scenario["labs"]:
        n = total // (2 * m)
        own = {"labs": m, "n": n, "estimator": estimator}
        if find(rows, "success", **own) is None:
            lines.append(f"   {m:>4}  fewer than 2 animals per group")
            continue
        cells = [value(rows, "success", truth=t, interval=i, **own) for t, i in pairs]
        false = [value(rows, "type_i", truth=truth, interval=i, **own) for i in intervals]
        mark = ">" if best == m else " "
        lines.append(
            f" {mark} {m:>4}  {n:>5}  {2 * n * m:>7}"
            + "".join(f"{chance(p):>10}" for p in cells)
            + "".join(f"{precise(p):>10}" for p in false)
        )
    return lines
