"""A result as a page for the terminal: the answer first, at most 60 lines of 80 columns."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from planner.reports.bias_measures import BIAS_DEFAULTS
from planner.reports.decay_measures import DECAY_DEFAULTS
from planner.reports.measures import percent, size_words
from planner.reports.text import curve, paragraph
from planner.results import best

if TYPE_CHECKING:
    from planner.results import Result

_HEADS = {
    "pooled": ("average", "lab"), "new-lab": ("new", "lab"),
    "assurance": ("not knowing", "the average"), "given": ("as", "given"),
    "discounted": ("new lab,", "discounted"),
}  # fmt: skip
_NAMES = {
    "pooled": "average lab", "new-lab": "new lab", "assurance": "not knowing the average",
    "given": "as given", "as-printed": "effect size as printed", "se-read-as-sd": "SEs read as SDs",
    "discounted": "new lab, discounted",
}  # fmt: skip
_MARKS = {"pooled": "a", "new-lab": "n", "assurance": "k", "given": "g", "discounted": "d"}
_TABLE_ROWS = 11


def power_page(result: Result) -> str:
    """The page of `planner power`."""
    document = result.document()
    truths = list(dict.fromkeys(row["truth"] for row in document["performance"] if row["truth"]))
    if "discounted" in truths:  # four columns would not fit; JSON has them all
        truths.remove("assurance")
    lines = [*paragraph(_headline(result)), ""]
    lines += [*paragraph(result.answer, "ANSWER  "), ""]
    lines += _table(document, truths)
    lines += _exactness(document)
    lines += ["", *_required(document, truths)]
    lines += ["", *_curve(document, truths)]
    return "\n".join([*lines, *warning_lines(document), *repeat(document)])


def warning_lines(document: Mapping[str, Any]) -> list[str]:
    """What to know before using a page."""
    if not document["warnings"]:
        return []
    lines = ["BEFORE YOU USE THIS"]
    for warning in document["warnings"]:
        lines += paragraph(warning["text"], "! ")
    return lines


def repeat(document: Mapping[str, Any]) -> list[str]:
    """The line that says how to get the same page again."""
    made_by = f"({document['version']}, {document['provenance']['engine'][:6]})"
    return paragraph(f"Repeat:  {command_line(document)}  {made_by}", "", "         ")


def _headline(result: Result) -> str:
    return str(result.extra["headline"])


def _values(document: Mapping[str, Any], measure: str) -> dict[tuple[str, int], Mapping[str, Any]]:
    rows = document["performance"]
    return {(row["truth"], row["n"]): row for row in rows if row["measure"] == measure}


def _table(document: Mapping[str, Any], truths: list[str]) -> list[str]:
    success, type_m = _values(document, "success"), _values(document, "type_m")
    type_s, width = _values(document, "type_s"), _values(document, "ci_width")
    sizes = sorted({n for _, n in success})
    marked = {row["n"] for row in document["required"]
              if row["truth"] in truths and row["shrink"] == 0.0}  # fmt: skip
    scale = document["scenario"]["sd"] or 1.0
    unit = "SDs" if document["scenario"]["sd"] is None else "*"
    reference = "pooled" if "pooled" in truths else truths[0]
    heads = [_HEADS[truth] for truth in truths]
    top = " ".join(f"{a:>11}" for a, _ in heads)
    bottom = " ".join(f"{b:>11}" for _, b in heads)
    span = max(len(top), 31)
    interval = f"{100 * (1 - document['scenario']['alpha'] / document['scenario']['treated']):.3g}%"
    lines = [
        f"{'':15}{'chance of a significant benefit':>{span}}   if significant,",
        f"    per  total {top:>{span}}  overstated  wrong  {interval} int.",
        f"  group      n {bottom:>{span}}          by    way   +/- {unit}",
    ]
    for n in _shown(sizes, marked, document["recommended"]):
        cells = " ".join(f"{percent(best(success[truth, n])):>11}" for truth in truths)
        m, s = type_m[reference, n], type_s[truths[min(1, len(truths) - 1)], n]
        over = "" if m["value"] is None else f"{max(0.0, 100.0 * (best(m) - 1.0)):.0f}%"
        wrong = "" if s["value"] is None else percent(best(s))
        half = best(width[reference, n]) / 2.0 * scale
        mark = ">" if n == document["recommended"] else " "
        n1, n2 = success[truths[0], n]["n1"], success[truths[0], n]["n2"]
        treated = document["scenario"]["treated"]
        lines.append(
            f"{mark}{n:>6}  {treated * n1 + n2:>5} {cells:>{span}}  {over:>10}  {wrong:>5}  "
            f"{half:>8.3g}"
        )
    return lines


def _shown(sizes: list[int], marked: set[int], recommended: int | None) -> list[int]:
    """At most a dozen sizes: the required ones, and an even choice of the others."""
    if len(sizes) <= _TABLE_ROWS:
        return sizes
    keep = {n for n in sizes if n in marked or n == recommended}
    others = [n for n in sizes if n not in keep]
    room = max(2, _TABLE_ROWS - len(keep))
    step = max(1, -(-len(others) // room))
    return sorted(keep | set(others[::step]))


def _exactness(document: Mapping[str, Any]) -> list[str]:
    rows = [row for row in document["performance"]
            if row["measure"] in ("success", "power") and row["exact"] is not None]  # fmt: skip
    if not rows:
        return []
    away = max(abs(row["value"] - row["exact"]) for row in rows)
    reps = rows[0]["n_sim"]
    return paragraph(
        f"Chances are exact; {reps:,} simulated experiments per size and truth are at most "
        f"{100.0 * away:.2f} points away.{_unit_note(document)}",
        "  ",
    )


def _unit_note(document: Mapping[str, Any]) -> str:
    scenario = document["scenario"]
    if scenario["sd"] is None:
        return ""
    return f" * In {scenario['unit'] or 'units of the outcome'}, with an SD of {scenario['sd']:g}."


def _required(document: Mapping[str, Any], truths: list[str]) -> list[str]:
    rows = document["required"]
    targets = list(dict.fromkeys(row["target"] for row in rows))
    head = "  Required per group".ljust(28) + "".join(f"{percent(t):>8}" for t in targets)
    lines = [f"{head}{'ceiling':>9}   1/4, 1/2 smaller: {percent(targets[0])}"]
    for name in dict.fromkeys(row["truth"] for row in rows):
        own = [row for row in rows if row["truth"] == name]
        base = {row["target"]: row for row in own if row["shrink"] == 0.0}
        cells = "".join(f"{size_words(base[t]):>8}" for t in targets)
        ceiling = percent(base[targets[0]]["ceiling"])
        smaller = [row for row in own if row["shrink"] > 0.0 and row["target"] == targets[0]]
        text = "   ".join(size_words(row) for row in smaller if row["shrink"] in (0.25, 0.5))
        extra = [f"{row['shrink']:.0%}: {size_words(row)}" for row in smaller
                 if row["shrink"] not in (0.25, 0.5)]  # fmt: skip
        lines.append(
            f"  {_NAMES[name]:<26}{cells}{ceiling:>9}   {'   '.join([text, *extra])}".rstrip()
        )
    return lines


def _curve(document: Mapping[str, Any], truths: list[str]) -> list[str]:
    success = _values(document, "success")
    sizes = sorted({n for _, n in success})
    sizes = [n for n in sizes if n <= max(60, sizes[0])]
    if len(sizes) < 3:
        return []
    lines = {_MARKS[t]: [best(success[t, n]) for n in sizes] for t in truths}
    names = ", ".join(f"{_MARKS[t]} {_NAMES[t]}" for t in truths)
    return [f"  Chance of success: {names}", *curve(sizes, lines, height=6), ""]


def calibration_page(result: Result) -> str:
    """The page of `planner calibrate`."""
    document = result.document()
    truth = document["truth"]
    lines = [*paragraph(_headline(result)), ""]
    lines += [*paragraph(result.answer, "ANSWER  "), ""]
    lines.append("  published and simulated           published   simulated   95% of syntheses")
    for row in document["check"]:
        where = "matched truth" if row["truth"] == "matched" else "all joint draws"
        printed = "" if row["published"] is None else f"{row['published']:.3g}"
        lines.append(
            f"    {row['statistic']:<14}{where:<15}{printed:>10}{row['median']:>12.3g}"
            f"   {row['lb']:>7.3g} to {row['ub']:.3g}"
        )
    lines += small_study(document["check"])
    lines += [
        "",
        f"  {'how comparisons depend, prior':<33}{'mu':>6}  {'mu 95%':<15}{'tau':>6}  tau 95%",
    ]
    for row in document["readings"]:
        none = row["cluster"] == "none"
        name = "independent" if none else f"by {row['cluster']}, share {row['share']:g}"
        mu, tau = f"{row['mu']:.2f}", f"{row['tau']:.2f}"
        mu_range = f"{row['mu_lb']:.2f} to {row['mu_ub']:.2f}"
        tau_range = f"{row['tau_lb']:.2f} to {row['tau_ub']:.2f}"
        label = f"{name}, {row['prior']}"
        lines.append(f"  {label:<33}{mu:>6}  {mu_range:<15}{tau:>6}  {tau_range}")
    bounds = truth["prior"]
    lines.append("")
    lines += paragraph(
        "mu, tau: the matched truth; 95%: of the joint draws. "
        f"Prior: mu uniform on {bounds['mu_low']:.2f} to {bounds['mu_high']:.2f}, tau uniform on "
        f"0 to {bounds['tau_high']:.2f} (alternative: half-normal). {_conditioned(truth)} "
        f"Simulation error of the matched mu {truth['mu_mcse']:.4f}, tau {truth['tau_mcse']:.4f}.",
        "  ",
    )
    return "\n".join([*lines, "", *warning_lines(document), *repeat(document)])


def small_study(check: Sequence[Mapping[str, Any]]) -> list[str]:
    """How often syntheses show as little of small-study effects as the published one."""
    # At the matched truth, as under selection: the two can be compared.
    rows = {row["statistic"]: row for row in check if "equal" in row and row["truth"] != "joint"}
    if not rows:
        return []
    p, imputed = rows["small-study P"], rows["imputed"]
    return paragraph(
        f"P of {p['published']:g} or more: in {percent(1.0 - p['below'])} of such syntheses; "
        f"{imputed['published']:g} imputed: in {percent(imputed['equal'])}.",
        "  ",
    )


def _conditioned(truth: Mapping[str, Any]) -> str:
    """How the joint draws were made to agree with the publication."""
    if truth["n_tried"] == 0:
        return (
            f"{truth['n_draws']:,} draws given the studies themselves, by their exact likelihood."
        )
    return (
        f"{truth['n_draws']:,} of {truth['n_tried']:,} simulated syntheses reproduce the "
        "publication to its rounding (or to 0.5% of the standard error, where more digits are "
        "printed)."
    )


def command_line(document: Mapping[str, Any]) -> str:
    """The command that repeats a run: every option that is not at its default."""
    scenario = document["scenario"]
    words = ["planner", document["command"]]
    for name, value in scenario.items():
        # By identity: 0 equals False, but --tau 0 must stay.
        if (
            value is None
            or value is False
            or value in ([], scenario_default(name, document["command"]))
        ):
            continue
        flag = "--" + name.replace("_", "-")
        if value is True:
            words.append(flag)
            continue
        repeated = name in ("target", "shrink", "reading")
        values = value if isinstance(value, list) else [value]
        if repeated:
            words += [word for item in values for word in (flag, str(item))]
        else:
            words += [flag, _typed(values)]
    return " ".join(shlex.quote(word) for word in words)


def _typed(values: list[Any]) -> str:
    """Values as a user would type them: 0:6 for an unbroken run of whole numbers."""
    whole = all(isinstance(value, int) for value in values)
    if whole and len(values) > 2 and values == list(range(values[0], values[-1] + 1)):
        return f"{values[0]}:{values[-1]}"
    return ",".join(str(item) for item in values)


def scenario_default(name: str, command: str) -> Any:
    """Default of an option, to leave it out of a command line; the seed is always shown."""
    if command == "bias" and name in BIAS_DEFAULTS:
        return BIAS_DEFAULTS[name]
    if command == "decay" and name in DECAY_DEFAULTS:
        return DECAY_DEFAULTS[name]
    if command == "meta" and name in ("reps", "estimator", "interval"):
        return {"reps": 50_000, "estimator": "DL,REML", "interval": "wald,hk,hk-wald"}[name]
    return {
        "target": [0.8, 0.9], "plan_for": "new-lab", "cluster": "none", "test": "student",
        "alpha": 0.05, "sides": "two", "allocation": "1:1", "treated": 1, "attrition": 0.0,
        "margin": "raw", "reps": 100_000, "prior": "uniform", "share": 0.0, "sizes": "published",
        "vtype": "CMA",
    }.get(name)  # fmt: skip
