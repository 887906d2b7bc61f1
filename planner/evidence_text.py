"""Published evidence in words and columns for a terminal."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Iterable, Mapping
from math import sqrt

from planner.published import Analysis, Reading, Review
from planner.quantities import Fact, Quantity
from planner.reports.text import fitted

WIDTH = 80
MOST_STUDIES, MOST_CHECKED = 200, 30  # lines of studies that are shown, all or a first look
TEMPLATE_TITLE = "Example review: replace every value"

TEMPLATE = f"""\
# Evidence for the planner: one published meta-analysis of standardized mean differences.
# Every value below is an example that works: REPLACE each with the number of your review,
# with the digits that were printed (1.30 means 1.295 to 1.305, 1.3 means 1.25 to 1.35).
# Then:  planner evidence check FILE

title = "{TEMPLATE_TITLE}"
source = "Author A, Author B. Title. Journal 2020;1:1-10"

# "higher": a positive effect is benefit. "lower": a negative one is, and signs are turned.
benefit = "higher"

k = 12                  # comparisons in the meta-analysis, at least 2
g = 0.85                # pooled effect size (Hedges g or Cohen d), in SDs
ci = [0.40, 1.30]       # its 95% interval; or its standard error: se = 0.23
I2 = 61                 # heterogeneity in percent; or tau2 = 0.35, or Q = 28.2

# Which comparisons come from the same publication or laboratory, if you know: one label each.
# study = [1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]
# lab = [1, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10]

# Do you have the studies one by one? Then do not fill this in: planner pool FILE.csv
# --write-evidence FILE.toml writes such a file, with the studies in it.

# Animals per group. If you know every study's, put a list above instead of this table:
# group_sizes = [6, 8, 8, 10, 5, 14, 8, 7, 9, 8, 12, 6]
[group_sizes]
median = 8
range = [5, 14]
# mean = 8.6            # if it is printed

# Several analyses in one file: move k, g, ci, I2 (study, lab) into a table of each one's name,
# [analyses.first] and so on, at the end of the file.
"""


def cautions(analysis: Analysis) -> list[tuple[str, str]]:
    """What a user should know before planning from these numbers: (code, text)."""
    found = []
    g = abs(analysis.g.number)
    if analysis.title == TEMPLATE_TITLE:
        found.append(("template", "The title is the template's; are the numbers too?"))
    if g > 3:
        if_se = g / sqrt(analysis.sizes.median)
        text = f"g would then be near {if_se:.1f}, not {analysis.g}"
        text = f"An effect size above 3 often means standard errors read as SDs; {text}."
        found.append(("large-effect", text))
    if analysis.sign < 0 and analysis.se_number < g:
        text = f'g {analysis.g} says harm. If lower values are better: benefit = "lower".'
        found.append(("wrong-way", text))
    lo, hi = analysis.g.interval
    if hi - lo > analysis.se_number:
        text = f"g {analysis.g} stands for anything from {lo:g} to {hi:g}, more than its"
        found.append(("rounding", f"{text} standard error; give more digits if printed."))
    return found


def listing(review: Review) -> str:
    """The analyses of a review, one line each."""
    lines = [*_wrap(review.title), ""]
    width = max(len(name) for name in review.analyses) + 2
    head = f"{'':{width}}  {'k':>3}  {'effect':>6}  {'95% interval':>14}  heterogeneity"
    lines.append(head)
    for name, analysis in review.analyses.items():
        if "/" not in name:
            lines += _wrap(analysis.title)
        spread = f"[{analysis.ci.lower}, {analysis.ci.upper}]" if analysis.ci else ""
        spread = spread or f"SE {analysis.se}"
        lines.append(
            f"  {name:{width - 2}}  {analysis.k:>3}  {analysis.g!s:>6}  {spread:>14}  "
            f"{_heterogeneity(analysis)}"
        )
    lines += ["", "Effect sizes are standardized mean differences in SDs; positive is benefit."]
    return "\n".join(lines)


def analysis_page(review: Review, analysis: Analysis) -> str:
    """Everything published about one analysis."""
    lines = _wrap(f"{analysis.name}: {analysis.title}")
    lines += [*_wrap(f"From {analysis.citation}"), "", *_numbers(analysis), ""]
    lines += _wrap(f"Group sizes that are simulated: {analysis.sizes}.")
    lines += _wrap(f"Comparisons per cluster: {_clusters(analysis)}.")
    subsets = [name for name in review.analyses if name.startswith(analysis.name + "/")]
    if subsets:
        lines += _wrap(f"Subsets: {', '.join(subsets)}.")
    for note in analysis.notes:
        lines += _wrap(note, "* ")
    for _, text in cautions(analysis):
        lines += _wrap(text, "! ")
    if analysis.comparisons:
        lines += ["", "Comparisons that enter:", *_comparisons(analysis)]
    lines += _studies(analysis, MOST_STUDIES)
    about = [r for r in review.readings.values() if r.touches(analysis.name)]
    lines += _readings((r for r in about if not r.documentation), analysis.readings)
    minor = [r.topic for r in about if r.documentation]
    if minor:
        text = "More, which change no plan (planner evidence show)"
        lines += ["", *_wrap(f"{text}: {', '.join(minor)}.")]
    return "\n".join(lines)


def review_page(review: Review, chosen: Mapping[str, str]) -> str:
    """A review as a whole: its facts, and the readings that change no plan."""
    lines = _wrap(review.title)
    lines += _wrap(" ".join(filter(None, [review.citation, review.doi])))
    for group, facts in review.facts.items():
        lines += ["", group.replace("_", " ")]
        for name, fact in facts.items():
            lines.append(_columns(name, _with_unit(fact), fact.status, fact.where))
            lines += _wrap(fact.note, "      ") if fact.note else []
    readings = review.readings.values()
    narrow = [r.topic for r in readings if r.concerns and not r.documentation]
    lines += _readings((r for r in readings if r.topic not in narrow), chosen)
    if narrow:
        text = "Readings that change a plan (planner evidence show NAME)"
        lines += ["", *_wrap(f"{text}: {', '.join(narrow)}.")]
    return "\n".join(lines)


def check_page(file: str, review: Review) -> str:
    """What was understood of somebody's file."""
    count = len(review.analyses)
    lines = [f"{file}: understood, {count} {'analysis' if count == 1 else 'analyses'}."]
    for analysis in review.analyses.values():
        lines += ["", *_wrap(f"{analysis.name}: {analysis.title}"), *_numbers(analysis)]
        lines += _wrap(f"Group sizes that are simulated: {analysis.sizes}.")
        lines += _wrap(f"Comparisons per cluster: {_clusters(analysis)}.")
        for note in analysis.notes if analysis.data is not None else ():
            lines += _wrap(note, "* ")
        for _, text in cautions(analysis):
            lines += _wrap(text, "! ")
        lines += _studies(analysis, MOST_CHECKED)
    name = "" if count == 1 else " --analysis NAME"
    lines += ["", f"Next:  planner power --evidence {file}{name}"]
    return "\n".join(lines)


def _wrap(text: str, start: str = "") -> list[str]:
    indent = " " * len(start)
    wrapper = textwrap.TextWrapper(
        WIDTH,
        initial_indent=start,
        subsequent_indent=indent,
        break_on_hyphens=False,
        break_long_words=False,
    )
    return wrapper.wrap(text) or [start]


def _heterogeneity(analysis: Analysis) -> str:
    percent = "%" if analysis.heterogeneity_kind == "I2" else ""
    return f"{analysis.heterogeneity_kind} {analysis.heterogeneity}{percent}"


def _with_unit(fact: Fact) -> str:
    return f"{fact}{fact.unit}" if fact.unit == "%" else f"{fact} {fact.unit}".rstrip()


def _columns(name: str, value: str, status: str, where: str) -> str:
    return f"  {name:34}{value:19}{status:9} {where}".rstrip()


def _numbers(analysis: Analysis) -> list[str]:
    """Each published number: as printed, what rounds to it, its status and place."""
    rows: list[tuple[str, Fact | None]] = [
        ("comparisons k", analysis.printed_k),
        ("effect size g", analysis.g),
        ("standard error", analysis.se),
        ("95% interval from", analysis.ci and analysis.ci.lower),
        ("95% interval to", analysis.ci and analysis.ci.upper),
        (analysis.heterogeneity_kind, analysis.heterogeneity),
        ("P", analysis.p),
        *((f"group size, {name}", fact) for name, fact in analysis.printed_sizes.items()),
    ]
    lines = [f"  {'number':19}{'printed':11}{'rounded from':20}{'status':10}place"]
    about: dict[str, list[str]] = {}
    for name, fact in rows:
        if fact is None:
            continue
        within = ""
        if isinstance(fact, Quantity) and not name.startswith(("comparisons", "group")):
            within = "{:g} to {:g}".format(*fact.interval)
        percent = "%" if fact.unit == "%" else ""
        line = f"  {name:19}{str(fact) + percent:11}{within:20}{fact.status:10}{fact.where}"
        lines.append(line.rstrip())
        if fact.note:
            about.setdefault(fact.note, []).append(name)
    for note, names in about.items():
        lines += _wrap(f"{', '.join(names)}: {note}.", "  * ")
    return lines


def _clusters(analysis: Analysis) -> str:
    if not analysis.clusters:
        return "not known"
    parts = []
    for level, labels in analysis.clusters.items():
        members = Counter(Counter(labels.tolist()).values())
        sizes = [
            f"{size} x {count}" if count > 1 else f"{size}"
            for size, count in sorted(members.items(), reverse=True)
        ]
        parts.append(f"by {level} {', '.join(sizes)}")
    return "; ".join(parts)


def _comparisons(analysis: Analysis) -> list[str]:
    lines = []
    for row in analysis.comparisons:
        mark = "*" if row["status"] == "assumed" else " "
        dose = textwrap.shorten(row["dose"], 17, placeholder="...")
        delay = f"{row['delay']} {row['delay_unit']}"
        lines.append(
            f" {mark}{row['comparison']:21}{row['species']:6}{row['route']:5}{row['drug']:11}"
            f"{dose:18}{row['model']:7}{delay:>6}"
        )
    assumed = {row["note"]: None for row in analysis.comparisons if row["status"] == "assumed"}
    for note in assumed:
        lines += _wrap(note, " *")
    return lines


def _studies(analysis: Analysis, most: int) -> list[str]:
    """The studies that evidence made by `planner pool` keeps."""
    data = analysis.data
    if data is None:
        return []
    lines = ["", f"Studies, kept one by one (variance {data.vtype}):"]
    lines.append(f"  {'study':33}{'effect':>9}{'SE':>8}{'n1':>6}{'n2':>6}  cluster")
    for i in range(min(most, analysis.k)):
        cluster = "" if data.dependent is None else fitted(data.dependent[i], 14)
        lines.append(
            f"  {fitted(data.labels[i], 32):33}{data.yi[i]:>9.3g}{sqrt(data.vi[i]):>8.3g}"
            f"{data.n1[i]:>6.0f}{data.n2[i]:>6.0f}  {cluster}".rstrip()
        )
    if analysis.k > most:
        lines.append(f"  and {analysis.k - most} more (--json)")
    return lines


def _readings(readings: Iterable[Reading], chosen: Mapping[str, str]) -> list[str]:
    lines: list[str] = []
    for reading in readings:
        lines += ["", *_wrap(f"{reading.topic}: {reading.question}")]
        taken = chosen.get(reading.topic, reading.default)
        for name, option in reading.options.items():
            mark = "> " if name == taken else "  "
            default = " (default)" if name == reading.default else ""
            lines += _wrap(f"{name}{default}: {option.text} [{option.where}]", f"  {mark}")
        lines += _wrap(reading.reason, "    ")
    if lines:
        heading = "Where the source contradicts itself or leaves a gap (> is what is taken,"
        lines = ["", heading, "--reading TOPIC=OPTION takes another):", *lines[1:]]
    return lines
