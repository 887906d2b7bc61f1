"""What to know before using a page of `planner bias`, from numbers that are already there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.reports.bias_words import (
    CORRECTION_NAMES,
    DETECTOR_NAMES,
    FAIR,
    Row,
    groups,
    number,
    pick,
    situation,
    strength_words,
    strongest,
    unpublished,
    without,
)
from planner.reports.measures import percent
from planner.reports.meta_wording import precise

_BY_SIZE = ("pet", "peese", "pet-peese", "limit")  # compare small studies with large ones
RUNAWAY = 4.0  # an rmse so many times the median error is made by a few estimates


def bias_warnings(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """What to know before using a page of `planner bias`."""
    rows, scenario, analysis = facts["rows"], facts["scenario"], facts["analysis"]
    alpha = scenario["alpha"]
    group = groups(rows)[0]
    neutral = without(rows, group)
    found: list[tuple[str, str]] = []
    loud = [
        (row["value"], row["detector"]) for row in rows
        if row["measure"] == "type_i" and row["detector"] is not None and situation(row) == neutral
        and row["value"] is not None and row["value"] > FAIR * alpha and row["ci_lb"] > alpha
    ]  # fmt: skip
    if loud:
        false, name = max(loud)
        fair = number(rows, neutral, "type_i", detector="egger-n")
        instead = "" if fair is None else f" (Egger on 1/sqrt(n), weights n: {precise(fair)})"
        found.append((
            name,
            f"{DETECTOR_NAMES[name]} rejects {percent(false)} with no selection at all: the "
            f"standard error of an effect size depends on it{instead}.",
        ))  # fmt: skip
    found += _selection_model(rows, neutral)
    found += _not_applicable(rows)
    rare = [row for row in rows if _rare(row) and row["correction"] != "sel3"]
    if rare:
        worst = min(rare, key=lambda row: row["value"])
        found.append((
            "not-estimated",
            f"The {CORRECTION_NAMES[worst['correction']]} exists in {_few(worst)} at "
            f"{_where(rows, worst)}, k {worst['k']}: {_why_not(worst)}. Its numbers are about "
            "those.",
        ))  # fmt: skip
    found += _runaway(rows, strongest(rows, group))
    found += _sizes(rows, facts["answered"])
    if analysis is not None and facts["calibrate"] is not None:
        start = "All truths that fit under selection, with their range"
        if facts["all_bias"]["why"] == "raw-data":
            start = "The truth that fits under this mechanism takes minutes to find"
        options = f"{analysis.option}{_clusters(scenario)}{facts['calibrate']}"
        found.append(("truth", f"{start}: planner calibrate {options}"))
    return [{"code": code, "text": text} for code, text in found]


def _rare(row: Row) -> bool:
    """Whether a correction fails in more than one of ten syntheses, but for lack of sizes."""
    own = row["measure"] == "convergence" and row["value"] is not None and row["value"] < 0.9
    return own and (row["value"] > 0.0 or (row["k"] > 2 and row["correction"] not in _BY_SIZE))


def _error(rows: Sequence[Row], place: tuple[Any, ...]) -> str:
    """The simulation error of the selection model's bias, where it would be seen."""
    row = pick(rows, place, "bias", correction="sel3")
    return f" (+-{row['mcse']:.2f})" if row is not None and row["mcse"] >= 0.015 else ""


def _where(rows: Sequence[Row], row: Row) -> str:
    """The strength of a row, with its mechanism where there are several."""
    several = len({x["mechanism"] for x in rows} - {"none"}) > 1
    return f"{row['mechanism']} at " * several + strength_words(situation(row))


def _few(row: Row) -> str:
    return f"only {percent(row['value'])} of syntheses" if row["value"] > 0.0 else "no synthesis"


def _selection_model(rows: Sequence[Row], neutral: tuple[Any, ...]) -> list[tuple[str, str]]:
    """That the selection model is not consistent here, and where it does not exist."""
    base = number(rows, neutral, "bias", correction="none") or 0.0
    off = number(rows, neutral, "bias", correction="sel3")
    parts = []
    if off is not None and abs(off - base) > 0.05:
        parts.append(
            f"is {off:+.2f}{_error(rows, neutral)} off with no selection at k {neutral[3]}, and "
            "more studies do not mend that (it takes the variances of effect sizes as known)"
        )
    rare = [row for row in rows if _rare(row) and row["correction"] == "sel3"]
    if rare:
        worst = min(rare, key=lambda row: row["value"])
        parts.append(
            f"exists in {_few(worst)} at {_where(rows, worst)}, k {worst['k']}: {_why_not(worst)}"
        )
    if not parts:
        return []
    code = "not-estimated" if rare and len(parts) == 1 else "sel3"
    return [(code, f"The selection model {'; it '.join(parts)}.")]


def _not_applicable(rows: Sequence[Row]) -> list[tuple[str, str]]:
    """Tests and corrections that exist in no synthesis of a situation, by the reason."""
    names: dict[bool, dict[str, None]] = {}
    for row in rows:
        if row["measure"] not in ("rejection", "convergence") or (row["n_hit"] or 0) > 0:
            continue
        if row["measure"] == "rejection" and row["n_sim"] == 0:
            name = DETECTOR_NAMES[row["detector"]]
        elif row["measure"] == "convergence" and row["n_sim"] > 0 and (
            row["k"] < 3 or row["correction"] in _BY_SIZE
        ):  # fmt: skip
            name = CORRECTION_NAMES[row["correction"]]
        else:
            continue
        names.setdefault(row["k"] < 3, {})[name] = None
    found = []
    tests = {DETECTOR_NAMES[row["detector"]] for row in rows if row["detector"] is not None}
    for few, which in names.items():
        if len(tests) > 1 and tests <= set(which):
            which = dict.fromkeys(["every test", *(name for name in which if name not in tests)])
        if few:
            text = f"Not applicable to two studies: {'; '.join(which)}."
        else:
            text = (
                f"Not applicable: {'; '.join(which)} (all groups have the same size, so that "
                "standard errors differ only because effect sizes do)."
            )
        found.append(("not-applicable", text))
    return found


def _sizes(rows: Sequence[Row], found: Mapping[str, Any]) -> list[tuple[str, str]]:
    """That an unpublished study is followed by one of its own size."""
    place = next(x for x in dict.fromkeys(situation(row) for row in rows)
                 if x[:4] == situation({**found, "n": None})[:4])  # fmt: skip
    hidden = unpublished(rows, place)
    if not hidden or not found["sizes_vary"]:
        return []
    text = (
        "An unpublished study is followed by one of its own size: sizes are those of published "
        "studies, not of all run"
    )
    if found["new_sizes"] is not None and percent(found["new_sizes"]) != percent(hidden):
        text += f" (of any size: {percent(found['new_sizes'])}, not {percent(hidden)}, unpublished)"
    return [("sizes", f"{text}.")]


def _clusters(scenario: Mapping[str, Any]) -> str:
    if scenario["cluster"] == "none":
        return ""
    share = "" if scenario["share"] is None else f" --share {scenario['share']:g}"
    return f" --cluster {scenario['cluster']}{share}"


def _why_not(row: Row) -> str:
    """Why a correction does not exist in some syntheses."""
    if row["k"] < 3 and row["correction"] not in ("sel3", "p-uniform-star"):
        return "it needs three studies"
    if row["correction"] == "sel3":
        return "it needs significant and other studies"
    if row["correction"] in _BY_SIZE:
        return "elsewhere all groups have the same size"
    return "elsewhere its equations have no solution"


def _runaway(rows: Sequence[Row], place: tuple[Any, ...]) -> list[tuple[str, str]]:
    """Corrections whose root mean squared error is made by a few estimates far out."""
    found = []
    for name in dict.fromkeys(row["correction"] for row in rows if row["correction"] is not None):
        total = number(rows, place, "rmse", correction=name)
        median = number(rows, place, "median_error", correction=name)
        if total is not None and median is not None and total > RUNAWAY * median:
            found.append(f"{CORRECTION_NAMES[name]} (median error {median:.2f})")
    if not found:
        return []
    return [("runaway", f"A few estimates far out make the rmse of {', '.join(found)}.")]
